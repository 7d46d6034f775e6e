/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to udrv-init, udrv-agent and udrv-host. */
#ifndef UDRV_COMMON_CLIENT_H
#define UDRV_COMMON_CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct json_object;
struct udrv_msg;

/**
 * client_run_dir() - make the directory of all sockets, for whoever comes first; 0, also if it is
 * there; -errno
 */
int client_run_dir(void);

/** client_host_path() - where the host of a device listens */
void client_host_path(char *buf, size_t size, const char *device);

/**
 * struct client_call - one request
 * @type: enum udrv_msg_type
 * @text: payload, may be NULL
 * @fd: descriptors to pass, @nfds of them
 * @timeout_ms: of an answer, for client_call_path(); 0: it may take as long as it likes
 * @fn: called with each answer before the last, may be NULL
 * @ctx: passed to @fn
 * @why: on failure, what the peer said, or ""
 */
struct client_call {
	uint16_t type;
	const char *text;
	const int *fd;
	unsigned int nfds;
	unsigned int timeout_ms;
	int (*fn)(void *ctx, struct udrv_msg *answer);
	void *ctx;
	char why[256];
};

/**
 * client_call() - make a request on a connected socket
 * @ret: the last answer's JSON, an object (NULL if it had none); the caller puts it; may be NULL
 *
 * Return: 0; -EBADMSG: an answer that is none; the peer's error; -errno.
 */
int client_call(int sock, struct client_call *c, struct json_object **ret);

/**
 * client_call_path() - the same on a connection of its own; -ENOENT, -ECONNREFUSED: nobody listens
 * there; -ETIMEDOUT
 */
int client_call_path(const char *path, struct client_call *c, struct json_object **ret);

#endif
