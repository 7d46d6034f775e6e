/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udrv-init: PID 1 of the paravisor. */
#ifndef UDRV_INIT_INIT_H
#define UDRV_INIT_INIT_H

#include <stdbool.h>
#include <sys/types.h>

struct udrv_msg;

/**
 * custody_give_session() - open the previous kernel's session, keep it, and give it to the first
 * agent, with /dev/liveupdate
 * @sock: its connection
 *
 * Once, before the first custody_serve(). What cannot be opened is told to the agent.
 * Return: 0; -errno: the connection is of no use.
 */
int custody_give_session(int sock);

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
