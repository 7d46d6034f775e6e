// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include <udrv/device.h>
#include <udrv/log.h>

#include "devices/common/stop_dma.h"

void stop_dma(struct udrv_device *dev, const struct udrv_log *log, const char *what, int err)
{
	const char *name = udrv_device_name(dev);
	int bme;

	if (err == -ENODEV) {
		udrv_log(log, UDRV_LOG_ERR, "%s: the %s cannot be stopped: it is gone", name, what);
		return;
	}
	bme = udrv_device_bus_master(dev, false);
	if (bme)
		udrv_log(log, UDRV_LOG_ERR,
			 "%s: the %s cannot be stopped (error %d), nor can bus mastering (error %d): "
			 "it may still use its queues and buffers; reset its slot or the machine",
			 name, what, err, bme);
	else
		udrv_log(log, UDRV_LOG_ERR,
			 "%s: the %s cannot be stopped (error %d): bus mastering is off instead, so "
			 "that it does no DMA until it is started again",
			 name, what, err);
}
