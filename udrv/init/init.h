/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udrv-init: PID 1 of the paravisor. */
#ifndef UDRV_INIT_INIT_H
#define UDRV_INIT_INIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct udrv_handle;
struct udrv_msg;

/** mounts_dev() - /dev */
void mounts_dev(void);
/** mounts_other() - what else there is to mount, unless it is */
void mounts_other(void);

/**
 * takeover_start() - take over the devices of the previous kernel, if there are any
 * @tsc_init: app_tsc() at PID 1's first instruction
 *
 * With /dev mounted. When it returns, hosts run, and all on which they depend is in custody; every
 * other descriptor from 3 on is closed. Return: 0; the signal that ended it (message).
 */
int takeover_start(uint64_t tsc_init);

/**
 * custody_keep_handle() - keep duplicates of a handle's descriptors, replacing an older one of that
 * name; -ENOSPC, -errno
 */
int custody_keep_handle(const struct udrv_handle *h);
/** custody_keep_fd() - likewise of one descriptor; -EINVAL: a bad name */
int custody_keep_fd(const char *name, int fd);
/** custody_forget() - close the handle or descriptor of that name; -ENOENT */
int custody_forget(const char *name);
/** custody_keeps() - is there a handle or descriptor of that name? */
bool custody_keeps(const char *name);
/** custody_close_others() - close every descriptor from 3 on that is not kept */
void custody_close_others(void);

/**
 * custody_serve() - answer one request of the agent out of what is kept here
 * @sock: its connection
 * @m: the request; what it carries is taken or closed
 * @ret_ready: set when the agent says that every device is dealt with
 *
 * Return: 0; -errno: the connection is of no more use.
 */
int custody_serve(int sock, struct udrv_msg *m, bool *ret_ready);

/**
 * custody_next() - wait for the next request and answer it
 *
 * What an agent sent before it died counts, although its answers go nowhere: call this until it
 * fails.
 *
 * Return: 0; -ENOTCONN: the agent is gone and there is nothing left of it; other -errno: the
 * connection is of no more use.
 */
int custody_next(int sock, bool *ret_ready);

/**
 * custody_drain() - answer what an agent that has ended had sent, without waiting for more
 *
 * A child of the agent may outlive it for as long as the kernel takes to end it, with the
 * connection open.
 *
 * Return: false: the connection is of no more use; true: nothing else is in it now.
 */
bool custody_drain(int sock, bool *ret_ready);

/**
 * late_start() - what nobody waits for: debugfs, a shared directory, a shell
 * @first: mount, too; false only starts the shell again
 *
 * Runs in a child process. Return: its pid; 0: there is nothing to do; -errno.
 */
pid_t late_start(bool first);

#endif
