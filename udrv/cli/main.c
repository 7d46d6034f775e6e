// SPDX-License-Identifier: GPL-2.0-or-later
/* udrvctl: the command line. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/proto.h>

#include "udrv/cli/cli.h"
#include "udrv/common/app.h"
#include "udrv/common/client.h"
#include "udrv/common/json.h"

static const struct command {
	const char *name;
	int (*run)(struct cli *c);
	const char *help;
} commands[] = {
	{ "list", cmd_list, "list                            devices and their state" },
	{ "status", cmd_status,
	  "status                          everything that is counted, per device" },
	{ "inspect", cmd_inspect,
	  "inspect DEVICE                  configuration space of it and its bridges, BARs" },
	{ "wait", cmd_wait,
	  "wait [--timeout S]              until every device runs (or was given up)" },
	{ "update", cmd_update,
	  "update --kernel F --image F [--cmdline S] [--deadline S] [--dry-run | --prepare [--hold S]]\n"
	  "  update --commit | --abort | --report" },
	{ "set", cmd_set,
	  "set DEVICE [policy=keep|reset|detach] [restart-limit=N] [restart-max-ms=N]" },
	{ "restart", cmd_restart,
	  "restart DEVICE                  end its host and start another, which resumes in place" },
	{ "upgrade", cmd_upgrade,
	  "upgrade DEVICE --program FILE   likewise, with a new build of udrv-host" },
	{ "verify", cmd_verify,
	  "verify start|stop|status|timeline [DEVICE] [OPTIONS] [--acked F] [--no-readback]" },
	{ "smart-log", cmd_smart_log,
	  "smart-log DEVICE                SMART / health information" },
	{ "error-log", cmd_error_log,
	  "error-log DEVICE [N]            newest N error log entries" },
	{ "reset", cmd_reset,
	  "reset DEVICE                    controller reset: what is outstanding is lost" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

int cli_usage(void)
{
	fprintf(stderr, "usage: udrvctl [-o json|normal] COMMAND\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(stderr, "  %s\n", commands[i].help);
	return APP_USAGE;
}

int cli_fail(int err, const char *why, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	fprintf(stderr, "udrvctl: %s: %s (%s)\n", what, why && *why ? why : strerror(abs(err)),
		app_errname(err));
	return APP_FAILED;
}

int cli_agent(uint16_t type, const char *text, struct json_object **ret)
{
	struct client_call call = { .type = type, .text = text };
	int err;

	err = client_call_path(UDRV_AGENT_SOCKET, &call, ret);
	if (!err && ret && !*ret)
		err = -EBADMSG;
	if (err == -ENOENT && !call.why[0])
		cli_fail(err, "udrv-agent does not run", "cannot reach udrv-agent");
	else if (err)
		cli_fail(err, call.why, "udrv-agent");
	return err;
}

int cli_host(const char *device, uint16_t type, const char *text,
	     int (*fn)(void *ctx, struct udrv_msg *m), void *ctx, struct json_object **ret)
{
	struct client_call call = { .type = type, .text = text, .fn = fn, .ctx = ctx };
	char path[96];
	int err;

	client_host_path(path, sizeof(path), device);
	err = client_call_path(path, &call, ret);
	if (err == -ENOENT && !call.why[0])
		cli_fail(err, "no host drives it: see udrvctl list", "%s", device);
	else if (err)
		cli_fail(err, call.why, "%s", device);
	return err;
}

char *cli_only_device(const char *name)
{
	struct json_object *status, *devices;
	char *found = NULL;

	if (name)
		return strdup(name);
	if (cli_agent(UDRV_MSG_STATUS, NULL, &status))
		return NULL;
	devices = json_get(status, "devices");
	if (json_length(devices) == 1)
		found = strdup(json_get_str(json_object_array_get_idx(devices, 0), "name", ""));
	else
		cli_fail(EINVAL, "there is not exactly one: name it", "device");
	json_object_put(status);
	return found;
}

int udrvctl_main(int argc, char **argv)
{
	struct cli c = { 0 };
	const char *command = NULL;

	/* -o may stand anywhere; the command's own options are left to it. */
	c.argv = calloc((size_t)argc + 1, sizeof(*c.argv));
	if (!c.argv)
		return APP_FAILED;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-o") || !strcmp(argv[i], "--output-format")) {
			if (++i >= argc || (strcmp(argv[i], "json") && strcmp(argv[i], "normal")))
				return cli_usage();
			c.json = !strcmp(argv[i], "json");
		} else if (!command) {
			command = argv[i];
		} else {
			c.argv[c.argc++] = argv[i];
		}
	}
	for (size_t i = 0; command && i < COMMANDS; i++) {
		if (!strcmp(command, commands[i].name)) {
			int ret = commands[i].run(&c);

			free(c.argv);
			return ret;
		}
	}
	free(c.argv);
	return cli_usage();
}
