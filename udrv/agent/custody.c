// SPDX-License-Identifier: GPL-2.0-or-later
/* The agent's side of the custody protocol. */
#include <errno.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/common/client.h"

/* A request whose answer custody_settle() takes later. */
static void custody_send(struct agent *a, struct udrv_msg *m, int err, const char *name)
{
	if (!err)
		err = udrv_msg_send(a->custody, m);
	if (err)
		app_err("udrv-init does not take %s: %s: it would not survive this process", name,
			app_errname(err));
	else
		a->custody_pending++;
}

int custody_settle(struct agent *a)
{
	static struct udrv_msg m;
	int err = 0, ret = 0;

	for (; a->custody_pending; a->custody_pending--) {
		const char *why = "";

		err = udrv_msg_recv(a->custody, &m);
		if (err)
			break;
		if (m.type == UDRV_MSG_ERR) {
			ret = udrv_msg_error(&m, &why);
			app_err("udrv-init refused to keep a descriptor: %s (%s)", why,
				app_errname(ret));
		}
		udrv_msg_drop_fds(&m);
	}
	return err ? err : ret;
}

static int custody_call(struct agent *a, struct client_call *c)
{
	if (a->custody < 0)
		return 0;
	custody_settle(a);
	return client_call(a->custody, c, NULL);
}

struct get_all {
	struct agent *a;
	void (*handle)(struct agent *a, struct udrv_handle *h);
	void (*fd)(struct agent *a, const char *name, int fd);
};

static int get_one(void *ctx, struct udrv_msg *m)
{
	struct get_all *g = ctx;
	struct udrv_handle h;
	const char *name;
	int err, fd;

	if (m->type == UDRV_MSG_HANDLE) {
		err = udrv_msg_take_handle(m, &h);
		if (!err)
			g->handle(g->a, &h);
		return err;
	}
	name = udrv_msg_text(m);
	fd = udrv_msg_take_fd(m, 0);
	if (m->type != UDRV_MSG_FD || !name || fd < 0) {
		if (fd >= 0)
			close(fd);
		return -EBADMSG;
	}
	g->fd(g->a, name, fd);
	return 0;
}

int custody_get_all(struct agent *a, void (*handle)(struct agent *a, struct udrv_handle *h),
		    void (*fd)(struct agent *a, const char *name, int fd))
{
	struct get_all g = { .a = a, .handle = handle, .fd = fd };
	struct client_call c = { .type = UDRV_MSG_GET_ALL, .fn = get_one, .ctx = &g };

	return custody_call(a, &c);
}

void custody_put_handle(struct agent *a, const struct udrv_handle *h)
{
	static struct udrv_msg m;

	if (a->custody < 0)
		return;
	udrv_msg_init(&m, UDRV_MSG_PUT_HANDLE, 0);
	custody_send(a, &m, udrv_msg_set_handle(&m, h), h->name);
}

void custody_put_fd(struct agent *a, const char *name, int fd)
{
	static struct udrv_msg m;
	int err;

	if (a->custody < 0)
		return;
	udrv_msg_init(&m, UDRV_MSG_PUT_FD, 0);
	err = udrv_msg_set_text(&m, name);
	if (!err)
		err = udrv_msg_add_fd(&m, fd);
	custody_send(a, &m, err, name);
}

int custody_drop(struct agent *a, const char *name)
{
	struct client_call c = { .type = UDRV_MSG_DROP, .text = name };

	return custody_call(a, &c);
}

int custody_ready(struct agent *a)
{
	struct client_call c = { .type = UDRV_MSG_READY };

	return custody_call(a, &c);
}
