// SPDX-License-Identifier: GPL-2.0-or-later
/* The agent's side of the custody protocol. */
#include <errno.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/common/client.h"

int custody_connect(struct agent *a, const char *path)
{
	a->custody = udrv_proto_connect(path);
	return a->custody < 0 ? a->custody : 0;
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

	return a->custody < 0 ? 0 : client_call(a->custody, &c, NULL);
}

/* Losing custody is no reason to stop: the device runs, it only would not survive the agent. */
static int custody_result(const char *what, const char *name, int err)
{
	if (err)
		app_err("udrv-init did not %s %s: %s: it will not survive this process", what, name, app_errname(err));
	return err;
}

int custody_put_handle(struct agent *a, const struct udrv_handle *h)
{
	static struct udrv_msg m;
	int err;

	if (a->custody < 0)
		return 0;
	udrv_msg_init(&m, UDRV_MSG_PUT_HANDLE, 0);
	err = udrv_msg_set_handle(&m, h);
	if (!err)
		err = udrv_msg_call(a->custody, &m, NULL, NULL);
	return custody_result("keep the handle of", h->name, err);
}

int custody_put_fd(struct agent *a, const char *name, int fd)
{
	struct client_call c = { .type = UDRV_MSG_PUT_FD, .text = name, .fd = &fd, .nfds = 1 };

	return a->custody < 0 ? 0 : custody_result("keep", name, client_call(a->custody, &c, NULL));
}

int custody_drop(struct agent *a, const char *name)
{
	struct client_call c = { .type = UDRV_MSG_DROP, .text = name };

	return a->custody < 0 ? 0 : client_call(a->custody, &c, NULL);
}

int custody_ready(struct agent *a)
{
	struct client_call c = { .type = UDRV_MSG_READY };

	return a->custody < 0 ? 0 : client_call(a->custody, &c, NULL);
}
