// SPDX-License-Identifier: GPL-2.0-or-later
/* udrvctl verify: the verifying workload. */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/cli/cli.h"
#include "udrv/common/app.h"
#include "udrv/common/json.h"
#include "udrv/host/nic.h"
#include "udrv/host/verify.h"

/* What follows "udrvctl verify". */
struct verify_args {
	const char *action, *device, *options, *acked;
	bool no_readback;
};

static int parse(struct cli *c, struct verify_args *a)
{
	for (int i = 0; i < c->argc; i++) {
		const char *w = c->argv[i];

		if (!strcmp(w, "--acked") && i + 1 < c->argc)
			a->acked = c->argv[++i];
		else if (!strcmp(w, "--no-readback"))
			a->no_readback = true;
		else if (*w == '-')
			return -EINVAL;
		else if (!a->action)
			a->action = w;
		else if (strchr(w, '=') && !a->options)
			a->options = w;
		else if (!a->device)
			a->device = w;
		else
			return -EINVAL;
	}
	return a->action ? 0 : -EINVAL;
}

static int take_memory(void *ctx, struct udrv_msg *m)
{
	int *fd = ctx;

	if (m->type == UDRV_MSG_FD && *fd < 0)
		*fd = udrv_msg_take_fd(m, 0);
	return 0;
}

/* The consumer's memory, read-only, beside its host. All consumers' have the same size. */
static int map_memory(const char *device, const void **ret)
{
	struct stat st;
	int fd = -1;
	void *map;

	if (cli_host(device, UDRV_MSG_COMMAND, "{\"command\":\"memory\"}", take_memory, &fd, NULL))
		return -EIO;
	if (fd < 0 || fstat(fd, &st) || (uint64_t)st.st_size < CONFIG_CONSUMER_MEMFD) {
		cli_fail(EBADMSG, NULL, "%s: the workload's memory", device);
		return -EBADMSG;
	}
	map = mmap(NULL, CONFIG_CONSUMER_MEMFD, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED) {
		cli_fail(errno, NULL, "%s: the workload's memory", device);
		return -errno;
	}
	*ret = map;
	return 0;
}

/* One record {block index, acknowledged, highest submitted} per block written, little endian. */
static int write_acked(const struct verify_memory *m, const char *path)
{
	FILE *f = fopen(path, "wbe");

	if (!f)
		return cli_fail(errno, NULL, "%s", path);
	for (uint64_t b = 0; b < VERIFY_BLOCKS_MAX; b++) {
		const uint64_t record[3] = { htole64(b), htole64(m->block[b].acked),
					     htole64(m->block[b].submitted) };

		if (m->block[b].submitted)
			fwrite(record, sizeof(record), 1, f);
	}
	if (fflush(f) || ferror(f) || fclose(f))
		return cli_fail(errno ? errno : EIO, NULL, "%s", path);
	return APP_OK;
}

static int start(struct cli *c, const char *device, const struct verify_args *a)
{
	struct json_object *req = json_object_new_object();
	int err;

	(void)c;
	json_set_str(req, "command", "verify");
	json_set_str(req, "action", "start");
	if (a->options)
		json_set_str(req, "options", a->options);
	err = cli_host(device, UDRV_MSG_COMMAND, json_text(req), NULL, NULL, NULL);
	json_object_put(req);
	return err ? APP_FAILED : APP_OK;
}

static int stop(struct cli *c, const char *device, const struct verify_args *a)
{
	const void *m;
	struct json_object *req = json_object_new_object(), *o = NULL;
	int err;

	json_set_str(req, "command", "verify");
	json_set_str(req, "action", "stop");
	json_set_bool(req, "no_readback", a->no_readback);
	err = cli_host(device, UDRV_MSG_COMMAND, json_text(req), NULL, NULL, &o);
	json_object_put(req);
	if (err)
		return APP_FAILED;
	if (a->acked && (map_memory(device, &m) || nic_memory_is(m) || write_acked(m, a->acked))) {
		json_object_put(o);
		return APP_FAILED;
	}
	cli_print(c, o);
	return APP_OK;
}

static int show(struct cli *c, const char *device, bool timeline)
{
	const void *m;
	struct json_object *o;

	if (map_memory(device, &m))
		return APP_FAILED;
	if (nic_memory_is(m) && timeline)
		return cli_fail(EOPNOTSUPP, NULL, "%s: a NIC's workload has no timeline", device);
	if (nic_memory_is(m))
		o = nic_memory_json(m);
	else
		o = timeline ? verify_timeline_json(m) : verify_memory_json(m);
	if (timeline)
		json_set_u64(o, "tsc_khz", app_tsc_khz());
	cli_print(c, o);
	return APP_OK;
}

int cmd_verify(struct cli *c)
{
	struct verify_args a = { 0 };
	char *device;
	int ret;

	if (parse(c, &a))
		return cli_usage();
	device = cli_only_device(a.device);
	if (!device)
		return APP_FAILED;
	if (!strcmp(a.action, "start"))
		ret = start(c, device, &a);
	else if (!strcmp(a.action, "stop"))
		ret = stop(c, device, &a);
	else if (!strcmp(a.action, "status") || !strcmp(a.action, "timeline"))
		ret = show(c, device, a.action[0] == 't');
	else
		ret = cli_usage();
	free(device);
	return ret;
}
