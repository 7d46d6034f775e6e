// SPDX-License-Identifier: BSD-2-Clause
/* Devices, independent of what is behind them. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/log.h>

#include "udrv/lib/device_internal.h"

#define CONFIG_SIZE    4096u
#define CONFIG_COMMAND 0x04u
#define COMMAND_BME    0x0004u
#define NUM_BARS       6u

struct udrv_device {
	char *name;
	struct udrv_device_ops ops;
	void *ctx;
	struct udrv_dma *dma;
	struct udrv_state *st;
	const struct udrv_log *log;
};

int udrv_device_create(const char *name, const struct udrv_device_ops *ops, void *ctx,
		       struct udrv_dma *dma, struct udrv_state *st, const struct udrv_log *log,
		       struct udrv_device **ret)
{
	struct udrv_device *dev;

	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	memcpy(&dev->ops, ops, ops->size < sizeof(dev->ops) ? ops->size : sizeof(dev->ops));
	if (!dev->ops.bar_map || !dev->ops.config_read) {
		free(dev);
		return -EINVAL;
	}
	dev->name = strdup(name);
	if (!dev->name) {
		free(dev);
		return -ENOMEM;
	}
	dev->ctx = ctx;
	dev->dma = dma;
	dev->st = st;
	dev->log = log;
	*ret = dev;
	return 0;
}

void udrv_device_close(struct udrv_device *dev)
{
	if (!dev)
		return;
	if (dev->ops.close)
		dev->ops.close(dev->ctx);
	free(dev->name);
	free(dev);
}

const char *udrv_device_name(const struct udrv_device *dev)
{
	return dev->name;
}

void *udrv_device_ctx(const struct udrv_device *dev)
{
	return dev->ctx;
}

struct udrv_dma *udrv_device_dma(const struct udrv_device *dev)
{
	return dev->dma;
}

struct udrv_state *udrv_device_state(const struct udrv_device *dev)
{
	return dev->st;
}

const struct udrv_log *udrv_device_log(const struct udrv_device *dev)
{
	return dev->log;
}

int udrv_device_bar(struct udrv_device *dev, unsigned int bar, uint64_t min_size,
		    struct udrv_bar *ret)
{
	struct udrv_bar found = { 0 };
	int err;

	if (bar >= NUM_BARS)
		return -ENOENT;
	err = dev->ops.bar_map(dev->ctx, bar, &found);
	if (err) {
		udrv_log(dev->log, UDRV_LOG_ERR, "%s: cannot map BAR %u: %s", dev->name, bar,
			 strerror(-err));
		return err;
	}
	if (found.size < min_size) {
		udrv_log(dev->log, UDRV_LOG_ERR, "%s: BAR %u has %llu bytes, the driver needs %llu",
			 dev->name, bar, (unsigned long long)found.size,
			 (unsigned long long)min_size);
		return -EINVAL;
	}
	*ret = found;
	return 0;
}

static bool config_range_ok(unsigned int off, unsigned int width)
{
	return (width == 1 || width == 2 || width == 4) && off < CONFIG_SIZE && off % width == 0;
}

int udrv_device_config_read(struct udrv_device *dev, unsigned int off, unsigned int width,
			    uint32_t *ret)
{
	uint32_t val = 0;
	int err;

	if (!config_range_ok(off, width))
		return -EINVAL;
	err = dev->ops.config_read(dev->ctx, off, &val, width);
	if (err)
		return err;
	*ret = le32toh(val);
	return 0;
}

int udrv_device_config_write(struct udrv_device *dev, unsigned int off, unsigned int width,
			     uint32_t val)
{
	uint32_t le = htole32(val);

	if (!config_range_ok(off, width))
		return -EINVAL;
	if (!dev->ops.config_write)
		return -EOPNOTSUPP;
	return dev->ops.config_write(dev->ctx, off, &le, width);
}

int udrv_device_id(struct udrv_device *dev, struct udrv_pci_id *ret)
{
	uint32_t id, class_rev, subsystem;
	int err;

	err = udrv_device_config_read(dev, 0x00, 4, &id);
	if (!err)
		err = udrv_device_config_read(dev, 0x08, 4, &class_rev);
	if (!err)
		err = udrv_device_config_read(dev, 0x2c, 4, &subsystem);
	if (err)
		return err;
	if ((id & 0xffff) == 0xffff)
		return -ENODEV;
	*ret = (struct udrv_pci_id){
		.vendor = id & 0xffff,
		.device = id >> 16,
		.subsystem_vendor = subsystem & 0xffff,
		.subsystem = subsystem >> 16,
		.class_code = class_rev >> 8,
		.revision = class_rev & 0xff,
	};
	return 0;
}

int udrv_device_bus_master(struct udrv_device *dev, bool on)
{
	uint32_t command, wanted;
	int err;

	err = udrv_device_config_read(dev, CONFIG_COMMAND, 2, &command);
	if (err)
		return err;
	wanted = on ? command | COMMAND_BME : command & ~COMMAND_BME;
	if (wanted == command)
		return 0;
	return udrv_device_config_write(dev, CONFIG_COMMAND, 2, wanted);
}

int udrv_device_irq_count(struct udrv_device *dev)
{
	return dev->ops.irq_count ? dev->ops.irq_count(dev->ctx) : 0;
}

int udrv_device_irq_arm(struct udrv_device *dev, unsigned int first, unsigned int n,
			const int *eventfds)
{
	int count = udrv_device_irq_count(dev);
	int err;

	if (count < 0)
		return count;
	if (n == 0 || first >= (unsigned int)count || n > (unsigned int)count - first)
		return -EINVAL;
	if (!dev->ops.irq_arm)
		return -EOPNOTSUPP;
	err = dev->ops.irq_arm(dev->ctx, first, n, eventfds);
	if (err)
		udrv_log(dev->log, UDRV_LOG_ERR, "%s: cannot arm MSI-X vectors %u to %u: %s%s",
			 dev->name, first, first + n - 1, strerror(-err),
			 err == -EBUSY ? " (guarded for an update, or not adopted yet)" : "");
	return err;
}

int udrv_device_irq_disarm(struct udrv_device *dev)
{
	return dev->ops.irq_disarm ? dev->ops.irq_disarm(dev->ctx) : 0;
}

int udrv_device_reset(struct udrv_device *dev)
{
	int err;

	if (!dev->ops.reset)
		return -EOPNOTSUPP;
	err = dev->ops.reset(dev->ctx);
	if (err)
		udrv_log(dev->log, UDRV_LOG_ERR, "%s: function-level reset failed: %s", dev->name,
			 strerror(-err));
	return err;
}
