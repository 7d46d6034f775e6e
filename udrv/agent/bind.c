// SPDX-License-Identifier: GPL-2.0-or-later
/* Binding vfio-pci to a device: driver_override, never new_id, which would catch every device of a
 * kind. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/host/driver.h"

static void device_path(char *buf, size_t size, const char *bdf, const char *file)
{
	snprintf(buf, size, "/sys/bus/pci/devices/%s/%s", bdf, file);
}

/* The driver's name, "" for none. */
static void current_driver(const char *bdf, char *name, size_t size)
{
	char path[128], link[PATH_MAX];
	const char *base;
	ssize_t n;

	device_path(path, sizeof(path), bdf, "driver");
	n = readlink(path, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = '\0';
	base = strrchr(link, '/');
	snprintf(name, size, "%s", base ? base + 1 : "");
}

/* A hexadecimal number of sysfs; -errno. */
static long id(const char *bdf, const char *file)
{
	char path[128], text[32];
	int err;

	device_path(path, sizeof(path), bdf, file);
	err = app_read_file(path, text, sizeof(text));
	return err < 0 ? err : (long)(strtoul(text, NULL, 16) & 0xffffff);
}

const struct host_driver *bind_driver(const char *bdf)
{
	long class = id(bdf, "class"), vendor = id(bdf, "vendor"), device = id(bdf, "device");

	if (class < 0 || vendor < 0 || device < 0)
		return NULL;
	return host_driver_match((uint32_t) class, (uint16_t)vendor, (uint16_t)device);
}

int bind_vfio(const char *bdf)
{
	char path[128], name[64];
	int err;

	if (id(bdf, "class") < 0) {
		app_err("%s: no such PCI device", bdf);
		return -ENODEV;
	}
	current_driver(bdf, name, sizeof(name));
	if (!strcmp(name, "vfio-pci"))
		return 0;
	device_path(path, sizeof(path), bdf, "driver_override");
	err = app_write_file(path, "vfio-pci");
	if (err) {
		app_err("%s: cannot set driver_override: %s", bdf, app_errname(err));
		return err;
	}
	if (name[0]) {
		device_path(path, sizeof(path), bdf, "driver/unbind");
		err = app_write_file(path, bdf);
		if (err) {
			app_err("%s: cannot unbind driver %s: %s", bdf, name, app_errname(err));
			return err;
		}
		app_info("%s: taken from driver %s", bdf, name);
	}
	err = app_write_file("/sys/bus/pci/drivers_probe", bdf);
	current_driver(bdf, name, sizeof(name));
	if (strcmp(name, "vfio-pci")) {
		app_err("%s: vfio-pci did not bind (%s): is it in the kernel, and does the kernel log say why?",
			bdf, err ? app_errname(err) : "no error");
		return err ? err : -ENODEV;
	}
	return 0;
}
