// SPDX-License-Identifier: GPL-2.0-or-later
/* udrvctl update: ask the agent to go to the next kernel, or what became of the last time. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/cli/cli.h"
#include "udrv/common/app.h"
#include "udrv/common/client.h"
#include "udrv/common/json.h"

static int progress(void *ctx, struct udrv_msg *m)
{
	const struct cli *c = ctx;
	const char *text = udrv_msg_text(m);
	struct json_object *o;

	if (m->type != UDRV_MSG_PROGRESS || !text)
		return 0;
	if (c->json) {
		printf("%s\n", text);
	} else {
		o = json_tokener_parse(text);
		printf("update: %s %s%s%.1f ms\n", json_get_str(o, "phase", "?"),
		       json_get_str(o, "device", ""), json_get(o, "device") ? " " : "",
		       (double)json_get_u64(o, "duration_us", 0) / 1000);
		json_object_put(o);
	}
	fflush(stdout);
	return 0;
}

static int update(struct cli *c, const char *kernel, const char *image, const char *cmdline,
		  bool dry_run)
{
	struct json_object *req = json_object_new_object();
	struct client_call call = { .type = UDRV_MSG_UPDATE, .nfds = 2, .fn = progress, .ctx = c };
	int fd[2] = { -1, -1 };
	int err, ret = APP_OK;

	fd[0] = open(kernel, O_RDONLY | O_CLOEXEC);
	if (fd[0] >= 0)
		fd[1] = open(image, O_RDONLY | O_CLOEXEC);
	if (fd[1] < 0) {
		ret = cli_fail(errno, NULL, "%s", fd[0] < 0 ? kernel : image);
		goto out;
	}
	if (cmdline)
		json_set_str(req, "cmdline", cmdline);
	json_set_bool(req, "dry_run", dry_run);
	call.text = json_text(req);
	call.fd = fd;
	err = client_call_path(UDRV_AGENT_SOCKET, &call, NULL);
	if (err)
		ret = cli_fail(err, call.why, "update");
out:
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	json_object_put(req);
	return ret;
}

static void raise_to(struct json_object *o, const char *key, uint64_t val)
{
	if (val > json_get_u64(o, key, 0))
		json_set_u64(o, key, val);
}

/* The device's part: its host has it, as it was there when the first completion was delivered. */
static struct json_object *device_report(struct json_object *device, uint64_t cycle,
					 struct json_object *report)
{
	struct json_object *o = json_object_new_object(), *host = NULL, *irq, *cycles, *mine = NULL;
	struct client_call call = { .type = UDRV_MSG_STATUS };
	uint64_t first;
	char path[96];

	json_set_str(o, "name", json_get_str(device, "name", "?"));
	json_set_str(o, "start", json_get_str(device, "start", json_get_str(device, "state", "?")));
	if (json_get(device, "error"))
		json_set_str(o, "error", json_get_str(device, "error", ""));
	client_host_path(path, sizeof(path), json_get_str(device, "name", ""));
	if (client_call_path(path, &call, &host))
		return o;
	irq = json_get(host, "irq");
	json_set_u64(o, "in_flight_at_kexec",
		     json_get_u64(json_get(host, "resume"), "in_flight", 0));
	json_set_u64(o, "latched_while_masked", json_get_u64(irq, "latched_while_masked", 0));
	json_set_u64(o, "delivered_after", json_get_u64(irq, "delivered_after", 0));
	cycles = json_get(json_get(host, "verify"), "cycles");
	for (size_t i = 0; cycles && i < json_object_array_length(cycles); i++)
		if (json_get_u64(json_object_array_get_idx(cycles, i), "cycle", ~0ull) == cycle)
			mine = json_object_array_get_idx(cycles, i);
	if (mine) {
		json_set_u64(o, "completed_across", json_get_u64(mine, "completed_across", 0));
		raise_to(report, "tsc_last_completion",
			 json_get_u64(mine, "tsc_last_completion", 0));
		raise_to(report, "tsc_last_alive", json_get_u64(mine, "tsc_last_alive", 0));
	}
	first = json_get_u64(json_get(host, "resume"), "tsc_first_completion", 0);
	if (mine && json_get_u64(mine, "tsc_first_completion", 0))
		first = json_get_u64(mine, "tsc_first_completion", 0);
	if (first && first < json_get_u64(report, "tsc_first_completion", ~0ull))
		json_set_u64(report, "tsc_first_completion", first);
	json_object_put(host);
	return o;
}

/* freeze: until a host's event loop last came round in the old kernel; from then on it is the
 * kernels' time. */
static void blackout(struct json_object *report, uint64_t khz)
{
	uint64_t reboot = json_get_u64(report, "tsc_reboot", 0),
		 init = json_get_u64(report, "tsc_init", 0);
	uint64_t first = json_get_u64(report, "tsc_first_completion", 0);
	uint64_t last = json_get_u64(report, "tsc_last_alive", 0);
	struct json_object *o;

	if (!khz || !reboot || init < reboot || first < init)
		return;
	if (last < reboot)
		last = reboot;
	o = json_object_new_object();
	json_set_double(o, "total", (double)(first - reboot) / (double)khz);
	json_set_double(o, "freeze", (double)(last - reboot) / (double)khz);
	json_set_double(o, "kernel", (double)(init - last) / (double)khz);
	json_set_double(o, "userspace", (double)(first - init) / (double)khz);
	json_set(report, "blackout_ms", o);
}

static int report(struct cli *c)
{
	struct json_object *report, *status, *devices, *out = json_object_new_array();
	uint64_t khz = app_tsc_khz();

	if (cli_agent(UDRV_MSG_COMMAND, "{\"command\":\"report\"}", &report) ||
	    cli_agent(UDRV_MSG_STATUS, NULL, &status))
		return APP_FAILED;
	json_set_u64(report, "tsc_khz", khz);
	json_set_u64(report, "tsc_init", json_get_u64(status, "tsc_init", 0));
	devices = json_get(status, "devices");
	for (size_t i = 0; devices && i < json_object_array_length(devices); i++)
		json_object_array_add(out, device_report(json_object_array_get_idx(devices, i),
							 json_get_u64(report, "cycle", 0), report));
	blackout(report, khz);
	json_set(report, "devices", out);
	json_object_put(status);
	cli_print(c, report);
	return APP_OK;
}

int cmd_update(struct cli *c)
{
	static const struct option options[] = { { "kernel", required_argument, NULL, 'k' },
						 { "image", required_argument, NULL, 'i' },
						 { "cmdline", required_argument, NULL, 'c' },
						 { "dry-run", no_argument, NULL, 'n' },
						 { "report", no_argument, NULL, 'r' },
						 {} };
	const char *kernel = NULL, *image = NULL, *cmdline = NULL;
	bool dry_run = false, want_report = false;
	char *argv[34] = { "udrvctl update" };
	int argc = 1, opt;

	while (argc <= c->argc && argc < 33) {
		argv[argc] = c->argv[argc - 1];
		argc++;
	}
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'k':
			kernel = optarg;
			break;
		case 'i':
			image = optarg;
			break;
		case 'c':
			cmdline = optarg;
			break;
		case 'n':
			dry_run = true;
			break;
		case 'r':
			want_report = true;
			break;
		default:
			return cli_usage();
		}
	}
	if (optind != argc || want_report == (kernel || image || cmdline || dry_run) ||
	    (!want_report && (!kernel || !image)))
		return cli_usage();
	return want_report ? report(c) : update(c, kernel, image, cmdline, dry_run);
}
