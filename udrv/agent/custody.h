/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who keeps the agent's descriptors while it is dead: udrv-init (custody_init.c), or systemd's fd
 * store (custody_fdstore.c). custody.c chooses; agent.h has what the agent calls.
 */
#ifndef UDRV_AGENT_CUSTODY_H
#define UDRV_AGENT_CUSTODY_H

#include <stdbool.h>
#include <stdint.h>

#include "udrv/agent/agent.h"

/**
 * struct custody_backend - what a keeper can do; see the functions of the same names in agent.h
 * @name: what messages call it
 * @opens_luo: PID 1 opens /dev/liveupdate itself: the agent must not keep it open
 * @put_handle, @put_fd: 0: it is sent; -errno
 * @mounts: optional: mount what a running host needs; without it that is there already
 * @closes_late: what was dropped may be open in PID 1 for a moment longer, and
 *	nothing tells until when
 * @leave: reboot into the loaded kernel. 0: PID 1 does that, soon; -errno
 * @alive: tell, if that is due, that the agent is; returns when it is due next (app_now_ns()),
 *	UINT64_MAX: never
 *
 * A takeover's, which is the keeper's own, has @put_handle, @put_fd, @drop and @mounts only.
 */
struct custody_backend {
	const char *name;
	bool opens_luo;
	bool closes_late;
	int (*get_all)(struct agent *a, void (*handle)(struct agent *a, struct udrv_handle *h),
		       void (*fd)(struct agent *a, const char *name, int fd));
	int (*put_handle)(struct agent *a, const struct udrv_handle *h);
	int (*put_fd)(struct agent *a, const char *name, int fd);
	void (*mounts)(struct agent *a);
	int (*settle)(struct agent *a);
	int (*drop)(struct agent *a, const char *name);
	int (*ready)(struct agent *a);
	int (*leave)(struct agent *a);
	uint64_t (*alive)(struct agent *a);
};

extern const struct custody_backend custody_init, custody_fdstore;

/**
 * custody_fdstore_open() - connect to systemd by what is in the environment
 *
 * Return: 0; -ENOENT: it has not started this process, or without a notification socket; -ENOTSUP:
 * it keeps no descriptors for this service; -errno (message).
 */
int custody_fdstore_open(void);

#endif
