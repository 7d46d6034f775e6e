// SPDX-License-Identifier: GPL-2.0-or-later
/* Leasing a device from the agent. */
#include <errno.h>
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

static int call_agent(struct host *h, struct client_call *c)
{
	int err = -ENOTCONN;

	if (h->lease.agent >= 0) {
		err = client_call(h->lease.agent, c, NULL);
		close(h->lease.agent);
		h->lease.agent = -1;
	}
	/* An agent that died has left a successor that knows the lease, not the connection. */
	if (err && !c->why[0])
		err = client_call_path(UDRV_AGENT_SOCKET, c, NULL);
	return err;
}

static int tell_agent(struct host *h, const char *start)
{
	struct json_object *o = json_object_new_object();
	struct client_call c = { .type = UDRV_MSG_ADOPTED };
	int err;

	json_set_str(o, "device", h->handle.name);
	json_set_str(o, "start", start);
	if (h->why[0])
		json_set_str(o, "why", h->why);
	c.text = json_text(o);
	err = call_agent(h, &c);
	if (c.why[0])
		app_warn("udrv-agent does not want to know that the device is %s: %s", start,
			 c.why);
	json_object_put(o);
	return c.why[0] ? 0 : err;
}

void host_adopted(struct host *h)
{
	int err = tell_agent(h, h->start);

	if (err && !h->untold)
		app_warn("cannot tell udrv-agent that the device runs: %s: it is tried again",
			 app_errname(err));
	h->untold = err;
}

void host_refused(struct host *h)
{
	snprintf(h->why, sizeof(h->why), "%s", app_last_error());
	/* The agent listens once it has given all of it. */
	host_await(h, UDRV_FD_IOMMU);
	tell_agent(h, "refused");
}
