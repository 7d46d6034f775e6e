/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device through its VFIO cdev and an iommufd of its own, call by call, so
 * that each can be refused
 */
#ifndef GUARDS_DEVICE_H
#define GUARDS_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_IOVA  0x100000000ull /* where a pool is mapped */
#define DEVICE_EXTRA 0x10000ull	    /* an IOVA for one more mapping */

struct device {
	char bdf[16];
	int cdev, iommu;
	uint32_t id, ioas, hwpt; /* in @iommu */
	const uint8_t *token;	 /* to be bound with, or NULL */
	int memory;		 /* memfd of the pool */
	void *pool;
	size_t size;
	uint64_t iova; /* where it is mapped */
	volatile uint8_t *bar;
};

/* All return 0 or -errno. */
int device_bind(struct device *dev);			 /* dev->cdev and dev->iommu are open */
int device_allocate(struct device *dev, uint32_t *ioas); /* an IOAS */
int device_allocate_hwpt(struct device *dev, uint32_t *hwpt); /* in dev->ioas */
int device_map(struct device *dev, int memfd, size_t size, uint64_t iova);
int device_map_part(struct device *dev, int memfd, size_t offset, size_t size, uint64_t iova);
int device_map_anonymous(struct device *dev, uint64_t iova);
int device_export_bar(struct device *dev); /* a dma-buf of its first page, or -errno */
int device_unmap(struct device *dev, uint64_t iova, uint64_t size);
int device_attach(struct device *dev);
int device_detach(struct device *dev);
int device_destroy(struct device *dev, uint32_t id);
int device_arm(struct device *dev, unsigned int index); /* vector 0 of VFIO_PCI_*_IRQ_INDEX */
/* an eventfd of the caller's */
int device_arm_with(struct device *dev, unsigned int index, int event);
int device_disarm(struct device *dev, unsigned int index);
int device_reset(struct device *dev);
int device_set_command(struct device *dev, uint16_t command);
int device_set_power(struct device *dev, uint16_t state); /* PCI_PM_CTRL: D0 to D3hot */
int device_low_power(struct device *dev, bool allow);	  /* when nobody uses it */
int device_map_bar(struct device *dev);

/* The whole way: open, bind, map a new memfd of @size, attach. */
int device_open(struct device *dev, const char *bdf, size_t size);
/* A VF takes the token (a UUID) that its PF was given. */
int device_set_token(struct device *pf, const uint8_t token[16]);
int device_open_vf(struct device *dev, const char *bdf, size_t size, const uint8_t token[16]);
/* To @with's iommufd and IOAS, with the memfd mapped at @iova */
int device_open_with(struct device *dev, const char *bdf, size_t size, uint64_t iova,
		     const struct device *with);
void device_close(struct device *dev);

/* Physical address at an offset of the pool; 0 on error. */
uint64_t device_address(struct device *dev, uint64_t offset);

/*
 * NVMe: CC (NVM Express Base Specification, 3.1.4.5), and a controller that is enabled with vector
 * 0 armed
 */
#define NVME_CC	   0x14u
#define NVME_CC_EN 1u
int device_start_nvme(struct device *dev);
bool device_runs(struct device *dev);

/*
 * Identify commands that write to the first pages of the pool, one each: submitted, but not rung
 * for. Then the doorbell, which takes nothing but the BAR; and how many have been completed, as the
 * pool says.
 */
#define IDENTIFY_MAX 16u
void device_submit_identify(struct device *dev, unsigned int count);
int device_ring(const char *bdf, unsigned int count);
unsigned int device_completions(const void *pool, size_t size);
bool device_identified(const void *pool, unsigned int page);

#endif
