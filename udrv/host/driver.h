/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host needs of its device's driver: the same host serves NVMe
 * controllers and MANA adapters.
 */
#ifndef UDRV_HOST_DRIVER_H
#define UDRV_HOST_DRIVER_H

#include <stddef.h>
#include <stdint.h>

struct consumer_ops;
struct host;
struct json_object;
struct udrv_handle_opts;

/**
 * struct host_driver - a driver
 * @name: its name in handles, on the command line (udrv.NAME=) and in the status
 * @what: what it drives, for messages
 * @class: PCI class code of such a device, or 0
 * @vendor, @device: PCI ids of such a device, where its class does not tell; or 0
 * @consumer: who uses the queues
 * @requirements: sizes of a new handle, consumers included; -EINVAL (message)
 * @configure: read the driver's options; -EINVAL (message). Before @start; after a resume, which
 *	takes most of them from the state, once what was there is delivered
 * @resume_begin: begin to take the running device over; only the state is there
 *	yet, and nothing is written
 * @resume_take: optional; take in what has completed, as far as memory tells: @deliver, called
 *	next, gives it to the consumer before the device is there
 * @resume_look: the device can be read now. Nothing is written
 * @resume_finish: the device may be used now. Of these, those that return something: -EAGAIN,
 *	-ESTALE, -EBADMSG, -EIO: @start it instead; other -errno: it is given up (message)
 * @resume_drop: one of them refused: free what @resume_begin made
 * @start: reset the device and set it up; -errno (message)
 * @deliver: take the completions of every queue and give them to the consumer
 * @arm: deliver by interrupts from now on; -EOPNOTSUPP: it is to be polled; -errno
 * @tick: timeouts, events, resets. 1: the device was reset; -errno: it does not work
 * @reset: reset the device and set it up again; what was outstanding is lost. -EAGAIN: an update is
 *	under way
 * @shutdown: close the device; -EBUSY, -EAGAIN: not yet; other -errno: not in order (message: what
 *	was done instead). Nothing else is called then
 * @tell_resume: one line about what the resume found
 * @status: add the driver's part of the status
 * @command: a request of udrvctl's that only this driver knows, or NULL;
 *	answered: 0, otherwise -errno
 */
struct host_driver {
	const char *name, *what;
	uint32_t class;
	uint16_t vendor, device;
	const struct consumer_ops *consumer;
	int (*requirements)(struct udrv_handle_opts *ret);
	int (*configure)(struct host *h);
	int (*resume_begin)(struct host *h);
	void (*resume_take)(struct host *h);
	int (*resume_look)(struct host *h);
	int (*resume_finish)(struct host *h);
	void (*resume_drop)(struct host *h);
	int (*start)(struct host *h);
	void (*deliver)(struct host *h);
	int (*arm)(struct host *h);
	int (*tick)(struct host *h, uint64_t now_ns);
	int (*reset)(struct host *h);
	int (*shutdown)(struct host *h);
	void (*tell_resume)(struct host *h);
	void (*status)(struct host *h, struct json_object *o);
	int (*command)(struct host *h, const char *command, struct json_object *req, int sock,
		       uint32_t id);
};

extern const struct host_driver nvme_host_driver, mana_host_driver;

/** host_driver_find() - by name; NULL: there is none */
const struct host_driver *host_driver_find(const char *name);

/** host_driver_match() - by PCI ids and class; NULL: no driver of ours */
const struct host_driver *host_driver_match(uint32_t class, uint16_t vendor, uint16_t device);

#endif
