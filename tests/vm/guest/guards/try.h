/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUARDS_TRY_H
#define GUARDS_TRY_H

#include "device.h"

/* Tokens of the session that is tried */
enum {
	TRY_MEMORY = 1,
	TRY_OTHER,
	TRY_IOMMU,
	TRY_CDEV,
};

/*
 * What preserving the device's iommufd says, or else its cdev @cdev, in a session of its own that
 * has its memory, and, if that is not -1, another memfd. Closing the session undoes everything.
 */
int try_preserve(int luo, struct device *dev, int cdev, int other);

#endif
