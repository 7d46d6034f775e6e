// SPDX-License-Identifier: GPL-2.0-or-later
/* Leasing a device from the agent. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/common/app.h"
#include "udrv/common/client.h"
#include "udrv/common/json.h"
#include "udrv/host/host.h"

static int take_handle(void *ctx, struct udrv_msg *m)
{
	struct host *h = ctx;

	return m->type == UDRV_MSG_HANDLE ? udrv_msg_take_handle(m, &h->handle) : -EBADMSG;
}

static int receive_part(struct host *h)
{
	static struct udrv_msg m;
	struct udrv_handle part, whole;
	int err;

	err = udrv_msg_recv(h->lease.agent, &m);
	if (!err)
		err = m.type == UDRV_MSG_HANDLE ? udrv_msg_take_handle(&m, &part) : -EBADMSG;
	udrv_msg_drop_fds(&m);
	if (err)
		return err;
	whole = part;
	for (int i = 0; i < UDRV_HANDLE_FDS; i++) {
		int had = h->handle.fd[i];

		part.fd[i] = had >= 0 ? whole.fd[i] : -1;
		whole.fd[i] = had >= 0 ? had : whole.fd[i];
	}
	udrv_handle_close(&part);
	h->handle = whole;
	return 0;
}

int host_await(struct host *h, enum udrv_handle_fd fd)
{
	int err = 0;

	while (!err && h->handle.fd[fd] < 0)
		err = h->lease.agent < 0 ? -EINVAL : receive_part(h);
	return err;
}

int host_await_mounts(struct host *h)
{
	static struct udrv_msg m;
	int err;

	if (h->lease.agent < 0 || h->mounted)
		return 0;
	err = host_await(h, UDRV_FD_IOMMU);
	if (!err)
		err = udrv_msg_recv(h->lease.agent, &m);
	if (err)
		return err;
	udrv_msg_drop_fds(&m);
	h->mounted = m.type == UDRV_MSG_MOUNTED;
	return h->mounted ? 0 : -EBADMSG;
}

int host_lease(struct host *h, const char *name)
{
	struct client_call c = {
		.type = UDRV_MSG_LEASE, .text = name, .fn = take_handle, .ctx = h
	};
	struct json_object *o = NULL;
	int err;

	err = client_call_path(UDRV_AGENT_SOCKET, &c, &o);
	if (!err && h->handle.fd[UDRV_FD_VFIO] < 0)
		err = -EBADMSG;
	if (err) {
		app_err("cannot lease %s from udrv-agent: %s (%s)", name,
			c.why[0] ? c.why : strerror(-err), app_errname(err));
		return err;
	}
	h->lease.cycle = json_get_u64(o, "cycle", 0);
	h->lease.tsc_init = json_get_u64(o, "tsc_init", 0);
	h->lease.tsc_reboot = json_get_u64(o, "tsc_reboot", 0);
	h->lease.driver = h->handle.driver;
	h->lease.agent = -1;
	json_object_put(o);
	return 0;
}

static void hang_up(struct host *h)
{
	if (h->lease.agent >= 0)
		close(h->lease.agent);
	h->lease.agent = -1;
	h->asked = false;
}

/* UDRV_MSG_ADOPTED, of which the agent takes note. */
static int send_adopted(struct host *h, const char *start)
{
	static struct udrv_msg m;
	struct json_object *o = json_object_new_object();
	int err;

	json_set_str(o, "device", h->handle.name);
	json_set_str(o, "start", start);
	if (h->why[0])
		json_set_str(o, "why", h->why);
	udrv_msg_init(&m, UDRV_MSG_ADOPTED, 1);
	err = udrv_msg_set_text(&m, json_text(o));
	if (!err)
		err = udrv_msg_send(h->lease.agent, &m);
	json_object_put(o);
	return err;
}

/* -EAGAIN: not answered yet; another -errno: the agent's, with @why, or the connection's. */
static int take_answer(struct host *h, char *why, size_t size)
{
	static struct udrv_msg m;
	const char *text = "";
	int err;

	err = udrv_msg_recv(h->lease.agent, &m);
	if (err)
		return err;
	err = m.type == UDRV_MSG_OK ? 0 : udrv_msg_error(&m, &text);
	snprintf(why, size, "%s", text);
	udrv_msg_drop_fds(&m);
	return err;
}

int host_tell(struct host *h)
{
	char why[192] = "";
	int err;

	/* An agent that died has left a successor that knows the lease, not the connection. */
	if (h->lease.agent < 0)
		h->lease.agent = udrv_proto_connect(UDRV_AGENT_SOCKET, true);
	if (h->lease.agent < 0)
		return 0;
	err = h->asked ? take_answer(h, why, sizeof(why)) : send_adopted(h, h->start);
	if (!h->asked && !err) {
		h->asked = true;
		return 0;
	}
	if (err == -EAGAIN)
		return 0;
	hang_up(h);
	h->untold = err;
	if (err == -EPERM)
		app_err("udrv-agent has given the device to somebody else (%s): this host leaves it alone",
			why);
	return err == -EPERM ? err : 0;
}

int host_adopted(struct host *h)
{
	if (h->lease.agent >= 0 && fcntl(h->lease.agent, F_SETFL, O_RDWR | O_NONBLOCK))
		hang_up(h);
	h->untold = true;
	return host_tell(h);
}

void host_refused(struct host *h)
{
	char why[192];

	snprintf(h->why, sizeof(h->why), "%s", app_last_error());
	/* The agent listens once PID 1 has given all of it. */
	if (host_await_mounts(h))
		hang_up(h);
	if (h->lease.agent < 0)
		h->lease.agent = udrv_proto_connect(UDRV_AGENT_SOCKET, false);
	/* The host ends next: the agent is to have read the reason before it learns of that. */
	if (h->lease.agent >= 0 && !send_adopted(h, "refused"))
		take_answer(h, why, sizeof(why));
	hang_up(h);
}
