/* SPDX-License-Identifier: BSD-2-Clause */
/* From a PCI address to the VFIO character device. */
#ifndef UDRV_LIB_CDEV_H
#define UDRV_LIB_CDEV_H

#include <stdbool.h>

#include <udrv/log.h>

struct udrv_cdev_path {
	char node[256];
	bool noiommu;
};

/*
 * Find the cdev of @bdf. @sysfs and @dev are "/sys" and "/dev" but for tests.
 * -ENODEV with a message that says what is missing and what to do about it.
 */
int udrv_cdev_find(const char *sysfs, const char *dev, const char *bdf, const struct udrv_log *log,
		   struct udrv_cdev_path *ret);

/* Open it. fd or -errno, with a message. */
int udrv_cdev_open(const char *bdf, const struct udrv_log *log, bool *ret_noiommu);

#endif
