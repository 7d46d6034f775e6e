// SPDX-License-Identifier: GPL-2.0-or-later
/* udrvctl update --report: the last update, as agent, hosts and workload saw it. */
#include <stdio.h>
#include <string.h>

#include <udrv/proto.h>

#include "udrv/cli/cli.h"
#include "udrv/common/app.h"
#include "udrv/common/client.h"
#include "udrv/common/json.h"

#define UNKNOWN UINT64_MAX

static void raise_to(struct json_object *o, const char *key, uint64_t val)
{
	if (val > json_get_u64(o, key, 0))
		json_set_u64(o, key, val);
}

/* When device @o took new commands; 0: its host cannot tell, being none, or not the first one. */
static void set_running(struct json_object *report, struct json_object *o, uint64_t tsc)
{
	if (!strcmp(json_get_str(o, "decision", "keep"), "keep"))
		raise_to(report, "tsc_running", tsc ? tsc : UNKNOWN);
}

/* What became of it then; where that is not recorded (yet), what it is now. */
static void set_outcome(struct json_object *o, struct json_object *device,
			struct json_object *outcome)
{
	const char *now = json_get_str(device, "start", json_get_str(device, "state", "?"));

	if (json_get(outcome, "decision"))
		json_set_str(o, "decision", json_get_str(outcome, "decision", "?"));
	json_set_str(o, "start", json_get_str(outcome, "start", now));
	if (json_get(outcome, "error"))
		json_set_str(o, "error", json_get_str(outcome, "error", ""));
	else if (!json_get(outcome, "start") && json_get(device, "error"))
		json_set_str(o, "error", json_get_str(device, "error", ""));
}

/* The device's part: its host has it, as it was there when the first completion was delivered. */
static struct json_object *device_report(struct json_object *device, uint64_t cycle,
					 struct json_object *report)
{
	struct json_object *o = json_object_new_object(), *host = NULL, *irq, *cycles, *mine = NULL;
	struct client_call call = { .type = UDRV_MSG_STATUS, .timeout_ms = CLI_HOST_TIMEOUT_MS };
	uint64_t first;
	char path[96];

	json_set_str(o, "name", json_get_str(device, "name", "?"));
	set_outcome(o, device,
		    json_get(json_get(report, "outcomes"), json_get_str(device, "name", "")));
	client_host_path(path, sizeof(path), json_get_str(device, "name", ""));
	if (client_call_path(path, &call, &host)) {
		set_running(report, o, 0);
		return o;
	}
	irq = json_get(host, "irq");
	json_set_u64(o, "latched_while_masked", json_get_u64(irq, "latched_while_masked", 0));
	json_set_u64(o, "delivered_after", json_get_u64(irq, "delivered_after", 0));
	cycles = json_get(json_get(host, "verify"), "cycles");
	for (size_t i = 0; i < json_length(cycles); i++)
		if (json_get_u64(json_object_array_get_idx(cycles, i), "cycle", ~0ull) == cycle)
			mine = json_object_array_get_idx(cycles, i);
	/* The workload's account is of the kexec, the driver's of its last resume or start. */
	json_set_u64(o, "in_flight_at_kexec",
		     mine ? json_get_u64(mine, "in_flight_at_kexec", 0) :
			    json_get_u64(json_get(host, "resume"), "in_flight", 0));
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
	set_running(report, o, json_get_u64(json_get(host, "resume"), "tsc_running", 0));
	json_object_put(host);
	return o;
}

/*
 * total: to the first completion that was delivered. freeze: until a host's event loop last came
 * round in the old kernel; from then on it is the kernels' time. running: from the reboot as well,
 * until the last device that was kept took new commands.
 */
static void blackout(struct json_object *report, uint64_t khz)
{
	uint64_t reboot = json_get_u64(report, "tsc_reboot", 0),
		 init = json_get_u64(report, "tsc_init", 0);
	uint64_t first = json_get_u64(report, "tsc_first_completion", 0);
	uint64_t last = json_get_u64(report, "tsc_last_alive", 0);
	uint64_t running = json_get_u64(report, "tsc_running", UNKNOWN);
	struct json_object *o;

	if (running == UNKNOWN)
		json_object_object_del(report, "tsc_running");
	if (!khz || !reboot || init < reboot || first < init)
		return;
	if (last < reboot)
		last = reboot;
	o = json_object_new_object();
	json_set_double(o, "total", (double)(first - reboot) / (double)khz);
	json_set_double(o, "freeze", (double)(last - reboot) / (double)khz);
	json_set_double(o, "kernel", (double)(init - last) / (double)khz);
	json_set_double(o, "userspace", (double)(first - init) / (double)khz);
	if (running != UNKNOWN)
		json_set_double(o, "running", (double)(running - reboot) / (double)khz);
	json_set(report, "blackout_ms", o);
}

int update_report(struct cli *c)
{
	struct json_object *report, *status, *devices, *out = json_object_new_array();
	uint64_t khz = app_tsc_khz();

	if (cli_agent(UDRV_MSG_COMMAND, "{\"command\":\"report\"}", &report) ||
	    cli_agent(UDRV_MSG_STATUS, NULL, &status))
		return APP_FAILED;
	json_set_u64(report, "tsc_khz", khz);
	json_set_u64(report, "tsc_init", json_get_u64(status, "tsc_init", 0));
	devices = json_get(status, "devices");
	for (size_t i = 0; i < json_length(devices); i++)
		json_object_array_add(out, device_report(json_object_array_get_idx(devices, i),
							 json_get_u64(report, "cycle", 0), report));
	blackout(report, khz);
	json_set(report, "devices", out);
	json_object_object_del(report, "outcomes");
	json_object_put(status);
	cli_print(c, report);
	return APP_OK;
}
