/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's view of a controller in this process. Everything here is rebuilt from the state
 * (state.h, facts.h) by a successor; nothing that must survive is kept in it.
 *
 *	ctrl.c		start, detach, shutdown
 *	setup.c		from any state to a running controller
 *	areas.c		the state's areas and their sizes
 *	regs.c		enable, disable, waiting for CSTS
 *	facts.c		cold facts in the state's tree, node /nvme
 *	queue.c		rings, slots and doorbells of one queue pair
 *	submit.c prp.c	I/O commands on their way to the device
 *	complete.c	and back
 *	admin.c		the admin queue and its internal commands
 *	identify.c ns.c	who the controller is, its namespaces
 *	aer.c		asynchronous events
 *	resume.c	take a running controller over
 *	timeout.c	who has to be aborted, when that was not enough, and the reset then
 *	log.c		log pages
 *	irq.c		vectors to queues
 *	inspect.c	the state seen from outside
 */
#ifndef DEVICES_NVME_CTRL_H
#define DEVICES_NVME_CTRL_H

#include <stdbool.h>
#include <stdint.h>

#include <udrv/bar.h>
#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/log.h>
#include <udrv/nvme.h>
#include <udrv/nvme_spec.h>
#include <udrv/state.h>

#include "devices/common/vectors.h"
#include "devices/common/wait.h"
#include "devices/nvme/facts.h"
#include "devices/nvme/queue.h"
#include "devices/nvme/state.h"

#define NVME_BAD_CQES_MAX 64u

/* What an admin command is for; cookie[0] of its slot. */
enum nvme_admin_kind {
	NVME_ADMIN_WAITED = 1, /* somebody of this process waits for it */
	NVME_ADMIN_AER,
	NVME_ADMIN_AER_LOG, /* the three steps that answer an event */
	NVME_ADMIN_AER_LIST,
	NVME_ADMIN_AER_NS,
	NVME_ADMIN_ABORTING, /* cookie[1]: qid << 16 | cid */
	NVME_ADMIN_NUDGE,
};

/* Answering an asynchronous event, aer.c. */
struct nvme_aer {
	uint16_t slot;		      /* of the event being answered */
	enum nvme_admin_kind waiting; /* step that found no free slot, or 0 */
	bool busy;
	bool rescan;	/* the predecessor may have read the log page: look at every namespace */
	uint32_t event; /* its dword 0 */
	uint32_t nsids[NVME_CHANGED_NS_MAX];
	unsigned int n, at;
};

struct udrv_nvme {
	struct udrv_device *dev;
	struct udrv_dma *dma;
	struct udrv_state *st;
	const struct udrv_log *log;
	struct udrv_bar bar;

	struct nvme_ctrl_state *state;
	struct nvme_facts facts;
	struct udrv_nvme_info info;
	struct udrv_nvme_resume_report report;
	unsigned int ns_order[UDRV_NVME_MAX_NS];       /* facts.ns by rising NSID */
	struct nvme_page_io page_io[UDRV_NVME_MAX_NS]; /* of each of facts.ns */

	struct udrv_nvme_queue admin;
	struct udrv_nvme_queue *io;
	unsigned int nio;

	int admin_waited;    /* slot that nvme_admin_wait() waits for, or -1 */
	unsigned int aborts; /* Abort commands in flight */
	struct nvme_aer aer;
	void (*event_fn)(void *ctx, uint32_t nsid);
	void *event_ctx;
	bool in_event; /* in @event_fn */

	struct udrv_nvme_opts opts; /* as asked for, defaults filled in */
	uint64_t timeout_ns;
	uint64_t reset_after_ns, reset_wait_ns; /* of a reset that failed: when to try again */
	bool failed;				/* fatal status, or gone */

	struct vectors vectors;
	void (*irq_fn)(void *ctx, struct udrv_nvme_queue *q);
	void *irq_ctx;
};

/* Nothing is evaluated without a log. */
#define nvme_log(ctrl, level, fmt, ...)                                                        \
	((ctrl)->log ? udrv_log((ctrl)->log, level, "%s: " fmt, udrv_device_name((ctrl)->dev), \
				##__VA_ARGS__) :                                               \
		       (void)0)
#define nvme_err(ctrl, fmt, ...)  nvme_log(ctrl, UDRV_LOG_ERR, fmt, ##__VA_ARGS__)
#define nvme_warn(ctrl, fmt, ...) nvme_log(ctrl, UDRV_LOG_WARN, fmt, ##__VA_ARGS__)
#define nvme_info(ctrl, fmt, ...) nvme_log(ctrl, UDRV_LOG_INFO, fmt, ##__VA_ARGS__)

#define nvme_likely(x)		  __builtin_expect(!!(x), 1)
#define nvme_unlikely(x)	  __builtin_expect(!!(x), 0)

#define NVME_TIMEOUT_MS		  30000u /* of a command, if nobody says otherwise */

/* ctrl.c */
int nvme_ctrl_new(struct udrv_device *dev, const struct udrv_nvme_opts *opts,
		  struct udrv_nvme **ret);
void nvme_ctrl_free(struct udrv_nvme *ctrl);
void nvme_ctrl_info(struct udrv_nvme *ctrl);
void nvme_ctrl_fail(struct udrv_nvme *ctrl, bool failed);

/* areas.c */
int nvme_opts_default(const struct udrv_nvme_opts *opts, struct udrv_nvme_opts *ret);
int nvme_areas_make(struct udrv_nvme *ctrl, unsigned int io_queues, unsigned int depth);
int nvme_areas_find(struct udrv_nvme *ctrl);
struct nvme_queue_state *nvme_admin_state(const struct udrv_nvme *ctrl);
struct nvme_queue_state *nvme_io_state(const struct udrv_nvme *ctrl, unsigned int i);

/* setup.c */
int nvme_setup(struct udrv_nvme *ctrl);

/* submit.c */
/* What goes straight through is to @nsid, and has one piece even if @nsid is 0: none yet. */
void nvme_page_match(struct udrv_nvme_queue *q, uint32_t nsid);

/* regs.c */
int nvme_regs_map(struct udrv_nvme *ctrl, unsigned int io_queues);
/* 0; -ETIMEDOUT: bus mastering was switched off instead; -ENODEV. With a message. */
int nvme_regs_disable(struct udrv_nvme *ctrl);
int nvme_regs_enable(struct udrv_nvme *ctrl);
int nvme_regs_shutdown(struct udrv_nvme *ctrl);
/* 0, -EIO on CSTS.CFS, -ENODEV when it reads all ones */
int nvme_regs_alive(struct udrv_nvme *ctrl);

/* admin.c */
int nvme_admin_start(struct udrv_nvme *ctrl, const struct nvme_sqe *cmd, enum nvme_admin_kind kind,
		     uint64_t arg, uint16_t *ret_slot);
void *nvme_admin_data(struct udrv_nvme *ctrl, unsigned int slot);
int nvme_admin_wait(struct udrv_nvme *ctrl, const struct nvme_sqe *cmd, void *data, uint32_t len,
		    bool to_device, uint32_t *result);
void nvme_admin_service(struct udrv_nvme *ctrl);

/* identify.c */
int nvme_identify_ctrl(struct udrv_nvme *ctrl);
int nvme_identify_namespaces(struct udrv_nvme *ctrl);

/* ns.c */
struct udrv_nvme_ns_info *nvme_ns_find(struct udrv_nvme *ctrl, uint32_t nsid);
/* Take over what Identify Namespace says now (nsze 0: gone); true if it is other than before. */
bool nvme_ns_update(struct udrv_nvme *ctrl, uint32_t nsid, const struct nvme_id_ns *id);
/* facts.ns has other entries than before: put them in order, and @page_io right. */
void nvme_ns_sort(struct udrv_nvme *ctrl);

/* aer.c */
int nvme_aer_submit(struct udrv_nvme *ctrl);
void nvme_aer_done(struct udrv_nvme *ctrl, unsigned int slot);
/* A slot may have become free for a step that waits for one. */
void nvme_aer_retry(struct udrv_nvme *ctrl);
void nvme_aer_step(struct udrv_nvme *ctrl, enum nvme_admin_kind kind, unsigned int slot);

/* timeout.c */
void nvme_timeout_aborted(struct udrv_nvme *ctrl, unsigned int slot);

#endif
