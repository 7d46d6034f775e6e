// SPDX-License-Identifier: GPL-2.0-or-later
/* udrvctl list, status, wait, reset. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/cli/cli.h"
#include "udrv/common/app.h"
#include "udrv/common/client.h"
#include "udrv/common/json.h"

int cmd_list(struct cli *c)
{
	struct json_object *status, *devices, *out;

	if (c->argc)
		return cli_usage();
	if (cli_agent(UDRV_MSG_STATUS, NULL, &status))
		return APP_FAILED;
	devices = json_object_get(json_get(status, "devices"));
	json_object_put(status);
	if (c->json) {
		out = json_object_new_object();
		json_set(out, "devices", devices);
		cli_print(c, out);
		return APP_OK;
	}
	printf("%-12s %-14s %-8s %-8s %-10s %s\n", "NAME", "BDF", "DRIVER", "POLICY", "STATE",
	       "START");
	for (size_t i = 0; i < json_length(devices); i++) {
		struct json_object *d = json_object_array_get_idx(devices, i);

		printf("%-12s %-14s %-8s %-8s %-10s %s\n", json_get_str(d, "name", "?"),
		       json_get_str(d, "bdf", "?"), json_get_str(d, "driver", "?"),
		       json_get_str(d, "policy", "?"), json_get_str(d, "state", "?"),
		       json_get_str(d, "start", "-"));
	}
	json_object_put(devices);
	return APP_OK;
}

/* What the host of a device says is put into the agent's account of it. */
static void add_host_status(struct json_object *device)
{
	struct client_call call = { .type = UDRV_MSG_STATUS, .timeout_ms = CLI_HOST_TIMEOUT_MS };
	struct json_object *o = NULL;
	char path[96];
	int err;

	if (!json_object_is_type(device, json_type_object))
		return;
	client_host_path(path, sizeof(path), json_get_str(device, "name", ""));
	err = client_call_path(path, &call, &o);
	if (err == -ETIMEDOUT || err == -EBADMSG)
		json_set_str(device, "host_error", app_errname(err));
	if (err || !o)
		return;
	json_object_object_foreach(o, key, val)
		if (!json_get(device, key))
			json_set(device, key, json_object_get(val));
	json_object_put(o);
}

int cmd_status(struct cli *c)
{
	struct json_object *status, *devices;

	if (c->argc)
		return cli_usage();
	if (cli_agent(UDRV_MSG_STATUS, NULL, &status))
		return APP_FAILED;
	devices = json_get(status, "devices");
	for (size_t i = 0; i < json_length(devices); i++)
		add_host_status(json_object_array_get_idx(devices, i));
	json_set_u64(status, "tsc_khz", app_tsc_khz());
	json_set_u64(status, "tsc", app_tsc());
	cli_print(c, status);
	return APP_OK;
}

static int wait_ready(int timeout_ms, struct json_object **ret)
{
	static struct udrv_msg m;
	struct pollfd p = { .events = POLLIN };
	const char *text;
	int err;

	p.fd = udrv_proto_connect(UDRV_AGENT_SOCKET, false);
	if (p.fd < 0)
		return p.fd;
	udrv_msg_init(&m, UDRV_MSG_COMMAND, 1);
	err = udrv_msg_set_text(&m, "{\"command\":\"wait\"}");
	if (!err)
		err = udrv_msg_send(p.fd, &m);
	if (!err)
		err = poll(&p, 1, timeout_ms) == 1 ? udrv_msg_recv(p.fd, &m) : -ETIMEDOUT;
	if (!err && m.type == UDRV_MSG_ERR)
		err = udrv_msg_error(&m, NULL);
	close(p.fd);
	text = err ? NULL : udrv_msg_text(&m);
	*ret = text ? json_tokener_parse(text) : NULL;
	return err;
}

int cmd_wait(struct cli *c)
{
	struct json_object *status = NULL;
	unsigned long timeout = 60;
	uint64_t end;
	char *tail;
	int err;

	if (c->argc && (c->argc != 2 || strcmp(c->argv[0], "--timeout")))
		return cli_usage();
	if (c->argc) {
		timeout = strtoul(c->argv[1], &tail, 10);
		if (*tail || tail == c->argv[1] || timeout > 86400)
			return cli_usage();
	}
	end = app_now_ns() + timeout * 1000000000u;
	for (;;) {
		uint64_t now = app_now_ns();

		err = wait_ready(now < end ? (int)((end - now) / 1000000) : 0, &status);
		/* An agent that is just being started (again) does not listen yet, and nothing
		 * tells when it does. */
		if ((err != -ENOENT && err != -ECONNREFUSED && err != -ENOTCONN) ||
		    app_now_ns() >= end)
			break;
		poll(NULL, 0, 20);
	}
	if (err)
		return cli_fail(err, NULL, "waiting for the devices");
	cli_print(c, status);
	return APP_OK;
}

int cmd_reset(struct cli *c)
{
	if (c->argc != 1)
		return cli_usage();
	return cli_host(c->argv[0], UDRV_MSG_COMMAND, "{\"command\":\"reset\"}", NULL, NULL, NULL) ?
		       APP_FAILED :
		       APP_OK;
}
