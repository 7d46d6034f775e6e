/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udrv-host: drives one device. It leases the handle from the agent, resumes or starts the driver,
 * and gives the device's queues to a consumer. It may be killed at any instruction: its successor,
 * in this kernel or the next, goes on from the handle alone.
 */
#ifndef UDRV_HOST_HOST_H
#define UDRV_HOST_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <udrv/handle.h>
#include <udrv/mana.h>
#include <udrv/nvme.h>

#include "udrv/common/app.h"
#include "udrv/host/irq_lines.h"

struct host;
struct host_driver;
struct json_object;
struct udrv_loop;
struct udrv_msg;

/**
 * struct consumer_ops - who uses the device's queues
 * @name: for commands
 * @prepare: optional; a resume has begun (&struct host_driver.resume_begin), the device may not be
 *	there yet: get ready for an @open that is to come. Whatever is wrong is found by @open
 * @open: before any completion was polled. @resumed: take over what a predecessor left; the driver
 *	runs, or will only deliver yet (&struct host_driver.resume_take). In that case @open may be
 *	called again, if the resume is refused later: the driver was started anew
 * @issue: after a round of completions, and from a timer: submit and ring
 * @status: its part of the status, owned by the caller
 * @gone: the connection is closed; an answer that was put off has nowhere to go
 * @command: a request; 1: it answers later through host_reply(); 0: answered; -errno: host answers
 *	with it
 */
struct consumer_ops {
	const char *name;
	void (*prepare)(struct host *h);
	int (*open)(struct host *h, bool resumed);
	void (*issue)(struct host *h);
	struct json_object *(*status)(struct host *h);
	int (*command)(struct host *h, struct json_object *req, int sock, uint32_t id);
	void (*gone)(struct host *h, int sock);
};

extern const struct consumer_ops verify_consumer, nic_consumer;

/* struct host_irq - interrupts, counted so that a kicked eventfd cannot stand in for one */
struct host_irq {
	int vectors;
	uint64_t latched_map[IRQ_WORDS]; /* vectors pending in the PBA before re-arming */
	unsigned int latched;
	unsigned int delivered; /* of those, seen in /proc/interrupts since */
};

/**
 * struct host - one device's host
 * @nvme, @mana: the device, by its driver
 * @start: "resumed", "started" or "fallback"
 * @resuming: a resume has begun, and nothing has refused it
 * @opened: the consumer's @open was called for the resume
 * @configured: the driver's options were read
 * @start_ns: when this process began with its device, app_now_ns()
 * @why: of a fallback
 * @tsc_running: app_tsc() when the device took new commands again, of the first host after a kexec;
 *	0: not yet, or another one
 * @lease: what came with the handle
 * @priv: the consumer's
 * @untold: the agent may not know yet that the device runs
 * @asked: it was told, and its answer is still to come
 * @mounted: file systems are there, for one that was forked before they were
 * @poll_due: the device was reset, and what it had is still to be delivered as lost
 * @signals: a signalfd
 * @stopping: nothing new is issued
 */
struct host {
	struct udrv_handle handle;
	struct udrv_device *dev;
	const struct host_driver *driver;
	union {
		struct udrv_nvme *nvme;
		struct udrv_mana *mana;
	};
	union {
		struct udrv_nvme_opts nvme;
		struct udrv_mana_opts mana;
	} opts;
	struct udrv_loop *loop;
	void *priv;
	const char *start;
	bool resuming;
	bool opened;
	bool configured;
	uint64_t start_ns;
	char why[192];
	struct host_lease lease;
	uint64_t tsc_first_completion;
	uint64_t tsc_running;
	uint64_t failing_since_ns; /* 0: the device works */
	bool failed;
	struct host_irq irq;
	bool untold;
	bool asked;
	bool mounted;
	bool poll_due;
	int signals;
	bool stopping;
};

/* lease.c: the agent's side */

/** host_lease() - get the handle of @name; waits for the agent. -errno (message) */
int host_lease(struct host *h, const char *name);
/**
 * host_await() - wait until the handle has descriptor @fd
 *
 * On the connection that this process was forked with, a handle that is being adopted comes in
 * parts: each has what the ones before did not have.
 *
 * Return: 0, at once if it has it; -ENOTCONN: it does not come; -errno.
 */
int host_await(struct host *h, enum udrv_handle_fd fd);
/**
 * host_await_mounts() - wait until there is more than the device: options, interrupts' counts, a
 * directory to listen in. 0; -ENOTCONN: who was to mount it is gone; -errno
 */
int host_await_mounts(struct host *h);
/**
 * host_adopted() - begin to tell the agent that the device runs
 *
 * The one at the other end of the connection that this process was forked with, or its successor:
 * while @h->untold, host_tell() is to be called again from time to time, and does what there is to
 * do. Neither waits for anybody: an agent may have better to do, or be stopped, and the device is
 * to be served meanwhile.
 *
 * Return: 0; -EPERM: the lease is somebody else's, so the device must not be touched any more.
 */
int host_adopted(struct host *h);
int host_tell(struct host *h);
/**
 * host_refused() - tell the agent why this handle is of no use, which the exit status alone cannot
 */
void host_refused(struct host *h);

/* irq.c */

/** host_irq_before() - count the vectors that are pending in the PBA; before anything is armed */
void host_irq_before(struct host *h);
/**
 * host_irq_after() - count which of them /proc/interrupts has seen
 *
 * To be called before anything new is issued, whose interrupt could stand in for a lost one.
 */
void host_irq_after(struct host *h);

/* command.c: the socket for udrvctl */
int host_listen(struct host *h);
/** host_reply() - answer a request that was put off; closes nothing */
void host_reply(int sock, uint32_t id, struct json_object *o);
void host_reply_error(int sock, uint32_t id, int err, const char *why);

/* stop.c */

/** host_stop_arm() - from now on SIGTERM closes the device and ends the host; -errno */
int host_stop_arm(struct host *h);

/* main.c */

/** host_poll() - take completions of every queue, then let the consumer issue */
void host_poll(struct host *h);
/** host_issue() - let the consumer issue, unless the host is stopping */
void host_issue(struct host *h);
/** host_first_completion() - the driver has got one: when was the first? */
void host_first_completion(struct host *h);
/** host_reset() - reset the device: what was outstanding is lost */
int host_reset(struct host *h);

#endif
