/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As much of an NVMe controller as can be seen to stop: enabled, with an admin queue in the pool */
#include <errno.h>
#include <time.h>

#include <linux/vfio.h>

#include "device.h"
#include "memory.h"
#include "sysfs.h"

#define NVME_CSTS      0x1cu
#define NVME_AQA       0x24u
#define NVME_ASQ       0x28u
#define NVME_ACQ       0x30u
#define NVME_CSTS_RDY  1u
#define CC_ENTRY_SIZES (4u << 20 | 6u << 16) /* IOCQES, IOSQES */
#define QUEUE_PAGES    4u /* the queues come last in a pool */
#define ENTRIES	       32u
#define READY_SECONDS  20

static void store(struct device *dev, uint32_t offset, uint32_t value)
{
	*(volatile uint32_t *)(dev->bar + offset) = value;
}

static uint32_t load(struct device *dev, uint32_t offset)
{
	return *(volatile uint32_t *)(dev->bar + offset);
}

static void store_address(struct device *dev, uint32_t offset, uint64_t address)
{
	store(dev, offset, (uint32_t)address);
	store(dev, offset + 4, (uint32_t)(address >> 32));
}

int device_start_nvme(struct device *dev)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t queues = dev->size - QUEUE_PAGES * PAGE;
	time_t end = time(NULL) + READY_SECONDS;
	int err;

	err = device_set_command(dev, PCI_COMMAND_BME | 2 /* memory space */);
	if (!err)
		err = device_arm(dev, VFIO_PCI_MSIX_IRQ_INDEX);
	if (!err)
		err = device_map_bar(dev);
	if (err)
		return err;
	store(dev, NVME_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	store_address(dev, NVME_ASQ, device_address(dev, queues));
	store_address(dev, NVME_ACQ, device_address(dev, queues + PAGE));
	store(dev, NVME_CC, CC_ENTRY_SIZES | NVME_CC_EN);
	while (!(load(dev, NVME_CSTS) & NVME_CSTS_RDY)) {
		if (time(NULL) > end)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL); /* CSTS.RDY raises no interrupt */
	}
	return 0;
}

bool device_runs(struct device *dev)
{
	return load(dev, NVME_CC) & NVME_CC_EN;
}
