/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As much of an NVMe controller as can be seen to stop: enabled, with an admin queue in the pool */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

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
#define QUEUE_PAGES    4u		     /* the queues come last in a pool */
#define ENTRIES	       32u
#define READY_SECONDS  20
/* admin opcode; CNS 1: the controller, 4 KiB that begin with PCI's vendor ID */
#define IDENTIFY 6u
#define VENDOR	 0x1b36u
#define SQ0TDBL	 0x1000u

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

/*
 * Common Command Format and Common Completion Queue Entry (NVM Express Base
 * Specification, 3.3.3.1, 3.3.3.2.1)
 */
struct command {
	uint32_t cdw0, nsid;
	uint64_t reserved, metadata, prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

struct completion {
	uint32_t dw0, dw1;
	uint16_t sq_head, sq_id, cid, status;
};

void device_submit_identify(struct device *dev, unsigned int count)
{
	struct command *sq = (void *)((char *)dev->pool + dev->size - QUEUE_PAGES * PAGE);

	for (unsigned int i = 0; i < count && i < IDENTIFY_MAX; i++)
		sq[i] = (struct command){
			.cdw0 = i << 16 | IDENTIFY,
			.prp1 = device_address(dev, i * PAGE),
			.cdw10 = 1,
		};
}

int device_ring(const char *bdf, unsigned int count)
{
	char path[PATH_MAX];
	volatile uint32_t *doorbells;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	doorbells = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, SQ0TDBL);
	close(fd);
	if (doorbells == MAP_FAILED)
		return -errno;
	doorbells[0] = count;
	munmap((void *)doorbells, PAGE);
	return 0;
}

unsigned int device_completions(const void *pool, size_t size)
{
	const volatile struct completion *cq =
		(const void *)((const char *)pool + size - (QUEUE_PAGES - 1) * PAGE);
	unsigned int n = 0;

	while (n < IDENTIFY_MAX && cq[n].status & 1) /* the Phase Tag of the first round */
		n++;
	return n;
}

bool device_identified(const void *pool, unsigned int page)
{
	uint16_t vendor;

	memcpy(&vendor, (const char *)pool + page * PAGE, sizeof(vendor));
	return vendor == VENDOR;
}
