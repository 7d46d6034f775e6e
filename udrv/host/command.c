// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests of udrvctl to a host. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/loop.h>
#include <udrv/proto.h>

#include "udrv/common/app.h"
#include "udrv/common/client.h"
#include "udrv/common/json.h"
#include "udrv/host/driver.h"
#include "udrv/host/host.h"

struct connection {
	struct host *host;
	int sock;
	struct udrv_source *src;
};

void host_reply(int sock, uint32_t id, struct json_object *o)
{
	const char *text = o ? json_text(o) : "";

	if (udrv_msg_reply_ok(sock, id, text) == -EMSGSIZE)
		udrv_msg_reply_error(sock, id, EMSGSIZE, "the answer has %zu bytes", strlen(text));
	json_object_put(o);
}

void host_reply_error(int sock, uint32_t id, int err, const char *why)
{
	udrv_msg_reply_error(sock, id, err, "%s", why);
}

static struct json_object *status_json(struct host *h)
{
	struct json_object *o = json_object_new_object(), *sub = json_object_new_object();

	json_set_str(o, "start", h->start);
	h->driver->status(h, o);
	json_set_u64(sub, "vectors", h->irq.vectors > 0 ? (uint64_t)h->irq.vectors : 0);
	json_set_u64(sub, "latched_while_masked", h->irq.latched);
	json_set_u64(sub, "delivered_after", h->irq.delivered);
	json_set(o, "irq", sub);
	json_set(o, h->driver->consumer->name, h->driver->consumer->status(h));
	return o;
}

/* The consumer's memory, read-only: bulk data needs no copy through the socket. */
static int send_memory(struct host *h, int sock, uint32_t id)
{
	static struct udrv_msg m;
	char path[48];
	int fd, err;

	if (h->handle.fd[UDRV_FD_EXTRA] < 0)
		return -ENODEV;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", h->handle.fd[UDRV_FD_EXTRA]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	udrv_msg_init(&m, UDRV_MSG_FD, id);
	err = udrv_msg_set_text(&m, h->driver->consumer->name);
	if (!err)
		err = udrv_msg_add_fd(&m, fd);
	if (!err)
		err = udrv_msg_send(sock, &m);
	close(fd);
	if (!err)
		err = udrv_msg_reply_ok(sock, id, NULL);
	return err;
}

static int serve_command(struct host *h, struct udrv_msg *m, int sock)
{
	const char *text = udrv_msg_text(m);
	struct json_object *req = text ? json_tokener_parse(text) : NULL;
	const char *command = json_get_str(req, "command", "");
	int err;

	if (!strcmp(command, "memory"))
		err = send_memory(h, sock, m->id);
	else if (!strcmp(command, "reset")) {
		err = host_reset(h);
		if (!err)
			host_reply(sock, m->id, NULL);
	} else if (!strcmp(command, h->driver->consumer->name))
		err = h->driver->consumer->command(h, req, sock, m->id);
	else if (h->driver->command)
		err = h->driver->command(h, command, req, sock, m->id);
	else
		err = -EOPNOTSUPP;
	if (err < 0)
		udrv_msg_reply_error(sock, m->id, err, "%s: %s", command, strerror(-err));
	json_object_put(req);
	return 0;
}

static void readable(void *ctx, short revents)
{
	static struct udrv_msg m;
	struct connection *c = ctx;
	int err;

	(void)revents;
	err = udrv_msg_recv(c->sock, &m);
	if (err == -EAGAIN)
		return;
	if (err) {
		c->host->driver->consumer->gone(c->host, c->sock);
		udrv_loop_remove(c->src);
		close(c->sock);
		free(c);
		return;
	}
	if (m.type == UDRV_MSG_STATUS)
		host_reply(c->sock, m.id, status_json(c->host));
	else if (m.type == UDRV_MSG_COMMAND)
		serve_command(c->host, &m, c->sock);
	else
		udrv_msg_reply_error(c->sock, m.id, EOPNOTSUPP, "a host knows no message %u",
				     m.type);
	udrv_msg_drop_fds(&m);
}

struct listener {
	struct host *host;
	int fd;
};

static void acceptable(void *ctx, short revents)
{
	struct listener *l = ctx;
	struct connection *c;

	(void)revents;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->host = l->host;
	c->sock = udrv_proto_accept(l->fd, true);
	if (c->sock < 0 || udrv_loop_poll(l->host->loop, c->sock, POLLIN, readable, c, &c->src)) {
		if (c->sock >= 0)
			close(c->sock);
		free(c);
	}
}

int host_listen(struct host *h)
{
	static struct listener l;
	char path[64];

	client_host_path(path, sizeof(path), h->handle.name);
	l.host = h;
	/* It may be here before the agent listens. */
	l.fd = client_run_dir();
	if (!l.fd)
		l.fd = udrv_proto_listen(path, 0600);
	if (l.fd < 0) {
		app_err("cannot listen at %s: %s", path, app_errname(l.fd));
		return l.fd;
	}
	return udrv_loop_poll(h->loop, l.fd, POLLIN, acceptable, &l, NULL);
}
