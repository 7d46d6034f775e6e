// SPDX-License-Identifier: GPL-2.0-or-later
/* udrvctl set, restart, upgrade: what becomes of a device, and of its host. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/memfd.h>

#include <udrv/proto.h>

#include "udrv/cli/cli.h"
#include "udrv/common/app.h"
#include "udrv/common/client.h"
#include "udrv/common/json.h"

static struct json_object *request(const char *command, const char *device)
{
	struct json_object *req = json_object_new_object();

	json_set_str(req, "command", command);
	json_set_str(req, "device", device);
	return req;
}

/* "policy=reset", "restart-limit=5", "restart-max-ms=1000" */
static bool add_setting(struct json_object *req, char *word)
{
	char *value = strchr(word, '='), *tail;
	unsigned long long n;

	if (!value)
		return false;
	*value++ = '\0';
	if (!strcmp(word, "policy")) {
		json_set_str(req, word, value);
		return true;
	}
	n = strtoull(value, &tail, 10);
	if (*tail || tail == value)
		return false;
	if (!strcmp(word, "restart-limit"))
		json_set_u64(req, "restart_limit", n);
	else if (!strcmp(word, "restart-max-ms"))
		json_set_u64(req, "restart_max_ms", n);
	else
		return false;
	return true;
}

int cmd_set(struct cli *c)
{
	struct json_object *req, *ret;
	int err;

	if (c->argc < 2)
		return cli_usage();
	req = request("set", c->argv[0]);
	for (int i = 1; i < c->argc; i++) {
		if (!add_setting(req, c->argv[i])) {
			json_object_put(req);
			return cli_usage();
		}
	}
	err = cli_agent(UDRV_MSG_COMMAND, json_text(req), &ret);
	json_object_put(req);
	if (err)
		return APP_FAILED;
	cli_print(c, ret);
	return APP_OK;
}

static int restart(struct cli *c, const char *device, int program)
{
	struct json_object *req = request("restart", device), *ret = NULL;
	struct client_call call = { .type = UDRV_MSG_COMMAND, .text = json_text(req) };
	int err;

	if (program >= 0) {
		call.fd = &program;
		call.nfds = 1;
	}
	err = client_call_path(UDRV_AGENT_SOCKET, &call, &ret);
	json_object_put(req);
	if (err)
		return cli_fail(err, call.why, "%s", device);
	cli_print(c, ret);
	return APP_OK;
}

int cmd_restart(struct cli *c)
{
	return c->argc == 1 ? restart(c, c->argv[0], -1) : cli_usage();
}

/*
 * A private copy that nobody can change any more: whatever becomes of the file, the next host can
 * be started.
 */
static int copy_program(const char *path)
{
	struct stat st;
	off_t left;
	int from, to = -1, err = 0;

	from = open(path, O_RDONLY | O_CLOEXEC);
	if (from < 0 || fstat(from, &st))
		err = -errno;
	if (!err)
		to = memfd_create("udrv-host", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (!err && to < 0)
		err = -errno;
	for (left = err ? 0 : st.st_size; left > 0 && !err;) {
		ssize_t n = sendfile(to, from, NULL, (size_t)left);

		if (n <= 0)
			err = n ? -errno : -EIO;
		else
			left -= n;
	}
	if (!err &&
	    fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		err = -errno;
	if (from >= 0)
		close(from);
	if (err && to >= 0)
		close(to);
	return err ? err : to;
}

int cmd_upgrade(struct cli *c)
{
	int program, ret;

	if (c->argc != 3 || strcmp(c->argv[1], "--program"))
		return cli_usage();
	program = copy_program(c->argv[2]);
	if (program < 0)
		return cli_fail(program, NULL, "%s", c->argv[2]);
	ret = restart(c, c->argv[0], program);
	close(program);
	return ret;
}
