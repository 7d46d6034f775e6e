// SPDX-License-Identifier: GPL-2.0-or-later
/* Custody in udrv-init: the agent's side of the protocol. */
#include <errno.h>
#include <unistd.h>

#include <linux/reboot.h>
#include <sys/reboot.h>

#include <udrv/proto.h>

#include "udrv/agent/custody.h"
#include "udrv/common/app.h"
#include "udrv/common/client.h"

/* A request whose answer settle() takes later. */
static int send_request(struct agent *a, struct udrv_msg *m)
{
	int err = udrv_msg_send(a->custody, m);

	if (!err)
		a->custody_pending++;
	return err;
}

static int settle(struct agent *a)
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

static int call(struct agent *a, struct client_call *c)
{
	settle(a);
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

static int get_all(struct agent *a, void (*handle)(struct agent *a, struct udrv_handle *h),
		   void (*fd)(struct agent *a, const char *name, int fd))
{
	struct get_all g = { .a = a, .handle = handle, .fd = fd };
	struct client_call c = { .type = UDRV_MSG_GET_ALL, .fn = get_one, .ctx = &g };

	return call(a, &c);
}

static int put_handle(struct agent *a, const struct udrv_handle *h)
{
	static struct udrv_msg m;
	int err;

	udrv_msg_init(&m, UDRV_MSG_PUT_HANDLE, 0);
	err = udrv_msg_set_handle(&m, h);
	return err ? err : send_request(a, &m);
}

static int put_fd(struct agent *a, const char *name, int fd)
{
	static struct udrv_msg m;
	int err;

	udrv_msg_init(&m, UDRV_MSG_PUT_FD, 0);
	err = udrv_msg_set_text(&m, name);
	if (!err)
		err = udrv_msg_add_fd(&m, fd);
	return err ? err : send_request(a, &m);
}

static int drop(struct agent *a, const char *name)
{
	struct client_call c = { .type = UDRV_MSG_DROP, .text = name };

	return call(a, &c);
}

static int ready(struct agent *a)
{
	struct client_call c = { .type = UDRV_MSG_READY };

	return call(a, &c);
}

/* Nobody else has anything to put in order: the shortest way is the best. */
static int leave(struct agent *a)
{
	(void)a;
	reboot(LINUX_REBOOT_CMD_KEXEC);
	return -errno;
}

static uint64_t alive(struct agent *a)
{
	(void)a;
	return UINT64_MAX;
}

const struct custody_backend custody_init = {
	.name = "udrv-init",
	.get_all = get_all,
	.put_handle = put_handle,
	.put_fd = put_fd,
	.settle = settle,
	.drop = drop,
	.ready = ready,
	.leave = leave,
	.alive = alive,
};
