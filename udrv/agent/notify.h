/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * systemd's protocol with its services, as sd_notify(3), sd_pid_notify_with_fds(3) and
 * sd_listen_fds(3) describe it: datagrams to $NOTIFY_SOCKET, and descriptors from 3 on at the
 * start. It is a few lines, and the guest's programs are static: no library is needed for it.
 */
#ifndef UDRV_AGENT_NOTIFY_H
#define UDRV_AGENT_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

/** NOTIFY_NAME_MAX - longest FDNAME= that systemd takes */
#define NOTIFY_NAME_MAX 255

/** struct notify - where to send to; made by notify_open() */
struct notify {
	int sock;
	struct sockaddr_un addr;
	socklen_t len;
};

/**
 * notify_open() - prepare for sending
 * @address: value of $NOTIFY_SOCKET: a path, or "@" and an abstract name
 *
 * Return: 0; -EAFNOSUPPORT: another kind of address; -ENAMETOOLONG; -errno.
 * @n->sock is to be closed.
 */
int notify_open(struct notify *n, const char *address);

/**
 * notify_send() - send assignments, separated by newlines, with @fd if that is not -1
 *
 * Waits while systemd's queue is full. Once it has returned, text and descriptor are systemd's,
 * also if this process ends the next moment. Return: 0; -errno.
 */
int notify_send(const struct notify *n, const char *text, int fd);

/**
 * notify_barrier() - wait until systemd has dealt with all that was sent
 *
 * Return: 0; -ETIMEDOUT: not within @timeout_ms; -errno.
 */
int notify_barrier(const struct notify *n, int timeout_ms);

/**
 * notify_listen_fds() - descriptors that systemd has handed to this process
 * @ret_names: what $LISTEN_FDNAMES says, one name after the other, each with its NUL
 * @size: bytes at @ret_names
 *
 * They are 3, 4, … and close-on-exec from now on. $LISTEN_* are removed, so
 * they are handed out once.
 * Return: how many; 0 also if they are another process's ($LISTEN_PID); -EBADMSG: the variables
 * contradict one another or the descriptors are not there; -E2BIG: @size.
 */
int notify_listen_fds(char *ret_names, size_t size);

#endif
