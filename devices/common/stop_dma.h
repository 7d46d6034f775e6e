/* SPDX-License-Identifier: BSD-2-Clause */
/* A device that cannot be stopped is kept from memory. */
#ifndef DEVICES_COMMON_STOP_DMA_H
#define DEVICES_COMMON_STOP_DMA_H

struct udrv_device;
struct udrv_log;

/*
 * The owner of a device that goes on may give the memory away that it knows of: bus mastering is
 * turned off. The next set-up, once the device is stopped, turns it on again. @what it is and that
 * it is not stopped because of @err, a -errno, is logged; -ENODEV: it is gone, and nothing is done.
 */
void stop_dma(struct udrv_device *dev, const struct udrv_log *log, const char *what, int err);

#endif
