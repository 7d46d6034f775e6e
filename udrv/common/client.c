// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/common/client.h"
#include "udrv/common/json.h"

#define RUN_DIR "/run/udrv"

int client_run_dir(void)
{
	return mkdir(RUN_DIR, 0700) && errno != EEXIST ? -errno : 0;
}

void client_host_path(char *buf, size_t size, const char *device)
{
	snprintf(buf, size, RUN_DIR "/%s.sock", device);
}

int client_call(int sock, struct client_call *c, struct json_object **ret)
{
	static struct udrv_msg m;
	static uint32_t id;
	const char *text;
	int err = 0;

	c->why[0] = '\0';
	udrv_msg_init(&m, c->type, ++id);
	if (c->text)
		err = udrv_msg_set_text(&m, c->text);
	for (unsigned int i = 0; !err && i < c->nfds; i++)
		err = udrv_msg_add_fd(&m, c->fd[i]);
	if (err)
		return err;
	err = udrv_msg_call(sock, &m, c->fn, c->ctx);
	if (err) {
		if (m.type == UDRV_MSG_ERR && udrv_msg_error(&m, &text) == err)
			snprintf(c->why, sizeof(c->why), "%s", text);
		return err;
	}
	if (ret) {
		text = udrv_msg_text(&m);
		*ret = text && *text ? json_tokener_parse(text) : NULL;
		if (text && *text && !json_object_is_type(*ret, json_type_object)) {
			json_object_put(*ret);
			*ret = NULL;
			return -EBADMSG;
		}
	}
	return 0;
}

int client_call_path(const char *path, struct client_call *c, struct json_object **ret)
{
	const struct timeval limit = { .tv_sec = c->timeout_ms / 1000,
				       .tv_usec = c->timeout_ms % 1000 * 1000 };
	int sock, err = 0;

	c->why[0] = '\0';
	sock = udrv_proto_connect(path, false);
	if (sock < 0)
		return sock;
	if (c->timeout_ms && setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		err = -errno;
	if (!err)
		err = client_call(sock, c, ret);
	close(sock);
	/* A peer's own -EAGAIN comes with its reason. */
	return err == -EAGAIN && c->timeout_ms && !c->why[0] ? -ETIMEDOUT : err;
}
