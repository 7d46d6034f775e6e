/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef UDRV_LIB_DEVICE_INTERNAL_H
#define UDRV_LIB_DEVICE_INTERNAL_H

struct udrv_device;

/* The backend that the device was made with. */
void *udrv_device_ctx(const struct udrv_device *dev);

#endif
