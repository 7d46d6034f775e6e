// SPDX-License-Identifier: GPL-2.0-or-later
/* udrvctl inspect: a device as the kernel and the bus show it, with every bridge above it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/cli/cli.h"
#include "udrv/common/app.h"
#include "udrv/common/json.h"

#define CONFIG_SIZE 4096

static struct json_object *config_hex(const char *dir)
{
	uint8_t buf[CONFIG_SIZE];
	char path[PATH_MAX + 16], hex[2 * CONFIG_SIZE + 1];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/config", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	n = pread(fd, buf, sizeof(buf), 0);
	close(fd);
	for (ssize_t i = 0; i < n; i++)
		sprintf(hex + 2 * i, "%02x", buf[i]);
	return n > 0 ? json_object_new_string_len(hex, (int)(2 * n)) : NULL;
}

/* Every directory on the way to the device whose name is a PCI address is a bridge, or the device.
 */
static struct json_object *config_space(char *dir)
{
	struct json_object *o = json_object_new_object();

	for (char *p = dir + 1; p;) {
		char *end = strchr(p, '/');

		if (end)
			*end = '\0';
		if (udrv_bdf_valid(p))
			json_set(o, p, config_hex(dir));
		if (end)
			*end = '/';
		p = end ? end + 1 : NULL;
	}
	return o;
}

static struct json_object *bars(const char *dir)
{
	struct json_object *array = json_object_new_array();
	char path[PATH_MAX + 16];
	unsigned long long start, end, flags;
	FILE *f;

	snprintf(path, sizeof(path), "%s/resource", dir);
	f = fopen(path, "re");
	for (unsigned int i = 0;
	     f && i < 6 && fscanf(f, "%llx %llx %llx", &start, &end, &flags) == 3; i++) {
		struct json_object *o;

		if (!flags)
			continue;
		o = json_object_new_object();
		json_set_u64(o, "bar", i);
		json_set_u64(o, "start", start);
		json_set_u64(o, "end", end);
		json_set_u64(o, "flags", flags);
		json_object_array_add(array, o);
	}
	if (f)
		fclose(f);
	return array;
}

int cmd_inspect(struct cli *c)
{
	struct json_object *status, *devices, *found = NULL, *o;
	char link[64], dir[PATH_MAX];
	const char *bdf;

	if (c->argc != 1)
		return cli_usage();
	if (cli_agent(UDRV_MSG_STATUS, NULL, &status))
		return APP_FAILED;
	devices = json_get(status, "devices");
	for (size_t i = 0; i < json_length(devices); i++)
		if (!strcmp(json_get_str(json_object_array_get_idx(devices, i), "name", ""),
			    c->argv[0]))
			found = json_object_array_get_idx(devices, i);
	bdf = json_get_str(found, "bdf", "");
	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s", bdf);
	if (!found || !realpath(link, dir)) {
		int err = found ? errno : ENOENT;

		json_object_put(status);
		return cli_fail(err, found ? NULL : "no such device: see udrvctl list", "%s",
				c->argv[0]);
	}
	o = json_object_new_object();
	json_set_str(o, "name", c->argv[0]);
	json_set_str(o, "bdf", bdf);
	json_set(o, "config_space", config_space(dir));
	json_set(o, "bars", bars(dir));
	json_object_put(status);
	cli_print(c, o);
	return APP_OK;
}
