// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/lib/cdev.h"

#define NOIOMMU_PREFIX "noiommu-"

/* The driver bound to a device: the last part of its link, "" if none. */
static void bound_driver(const char *sysfs, const char *bdf, char *driver, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *base;
	ssize_t len;

	driver[0] = '\0';
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/driver", sysfs, bdf);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return;
	target[len] = '\0';
	base = strrchr(target, '/');
	base = base ? base + 1 : target;
	if (strlen(base) < size)
		strcpy(driver, base);
}

/*
 * The entry in the device's vfio-dev directory, which is also the name of the node:
 * [noiommu-]vfioN.
 */
static int vfio_name(const char *sysfs, const char *bdf, char *name, size_t size)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int err = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/vfio-dev", sysfs, bdf);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		const char *base = entry->d_name;

		if (!strncmp(base, NOIOMMU_PREFIX, strlen(NOIOMMU_PREFIX)))
			base += strlen(NOIOMMU_PREFIX);
		if (!strncmp(base, "vfio", 4) && strlen(entry->d_name) < size) {
			strcpy(name, entry->d_name);
			err = 0;
			break;
		}
	}
	closedir(dir);
	return err;
}

int udrv_cdev_find(const char *sysfs, const char *dev, const char *bdf, const struct udrv_log *log,
		   struct udrv_cdev_path *ret)
{
	struct udrv_cdev_path cdev = { 0 };
	char path[PATH_MAX], driver[64], name[32];

	if (!udrv_bdf_valid(bdf)) {
		udrv_log(log, UDRV_LOG_ERR, "\"%.15s\" is no PCI address (like 0000:01:00.0)", bdf);
		return -ENODEV;
	}
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", sysfs, bdf);
	if (access(path, F_OK) < 0) {
		udrv_log(log, UDRV_LOG_ERR, "%s: no such PCI device (%s: %m)", bdf, path);
		return -ENODEV;
	}
	bound_driver(sysfs, bdf, driver, sizeof(driver));
	if (vfio_name(sysfs, bdf, name, sizeof(name))) {
		if (!driver[0])
			udrv_log(log, UDRV_LOG_ERR,
				 "%s: no driver is bound; bind vfio-pci through driver_override",
				 bdf);
		else if (strcmp(driver, "vfio-pci"))
			udrv_log(log, UDRV_LOG_ERR,
				 "%s: driver %s is bound; unbind it and bind vfio-pci through driver_override",
				 bdf, driver);
		else
			udrv_log(log, UDRV_LOG_ERR,
				 "%s: vfio-pci made no cdev; the kernel needs CONFIG_VFIO_DEVICE_CDEV, and without an IOMMU vfio.enable_unsafe_noiommu_mode=1 on its command line",
				 bdf);
		return -ENODEV;
	}

	cdev.noiommu = !strncmp(name, NOIOMMU_PREFIX, strlen(NOIOMMU_PREFIX));
	if ((size_t)snprintf(cdev.node, sizeof(cdev.node), "%s/vfio/devices/%s", dev, name) >=
		    sizeof(cdev.node) ||
	    access(cdev.node, F_OK) < 0) {
		udrv_log(log, UDRV_LOG_ERR,
			 "%s: its device node %s is missing: %m; is devtmpfs mounted?", bdf,
			 cdev.node);
		return -ENODEV;
	}
	*ret = cdev;
	return 0;
}

int udrv_cdev_open(const char *bdf, const struct udrv_log *log, bool *ret_noiommu)
{
	struct udrv_cdev_path cdev;
	int fd, err;

	err = udrv_cdev_find("/sys", "/dev", bdf, log, &cdev);
	if (err)
		return err;
	fd = open(cdev.node, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		udrv_log(log, UDRV_LOG_ERR, "%s: cannot open %s: %m%s", bdf, cdev.node,
			 err == -EPERM && cdev.noiommu ? "; noiommu mode needs CAP_SYS_RAWIO" :
			 err == -EBUSY ? "; the kernel guards the device for an update" :
					 "");
		return err;
	}
	*ret_noiommu = cdev.noiommu;
	return fd;
}
