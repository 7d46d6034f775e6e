/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VFIO cdev and an iommufd made of memfds: the linker's --wrap puts these in the place of
 * ioctl(), open() and udrv_cdev_open(), so that the library's real code runs down to the system
 * calls. Programs that use it link with MOCK_VFIO_WRAPS (build.mk).
 */
#ifndef TESTS_UNIT_MOCK_VFIO_H
#define TESTS_UNIT_MOCK_VFIO_H

#include <stdbool.h>
#include <stdint.h>

#define MOCK_BAR0_SIZE	0x4000u
#define MOCK_BAR_OFF(i) ((uint64_t)(i) << 20)
#define MOCK_CONFIG_OFF ((uint64_t)16 << 20)
#define MOCK_MAX_AREAS	4

struct mock_vfio {
	int fd; /* newest cdev; contents: BARs and configuration space */
	bool noiommu;
	uint64_t bar_size[6];
	uint32_t bar_flags; /* VFIO_REGION_INFO_FLAG_* of BAR 0 */
	/* capability of BAR 0 */
	unsigned int nareas, claimed_areas;
	struct {
		uint64_t off, size;
	} area[MOCK_MAX_AREAS];
	uint32_t cap_next;
	unsigned int nirqs;
	/* what VFIO_DEVICE_SET_IRQS was last given */
	uint32_t irq_flags, irq_start, irq_count;
	int irq_fd[8];
	/* physical memory: pages follow each other within chunks of this many, then comes a gap */
	uint64_t chunk_pages;
	uint64_t phys_base;
	uint64_t pa_misaligned, pa_zero_length; /* answers that no kernel gives */
	/* the next of these requests fails */
	unsigned long fail_request;
	int fail_errno;
	bool bound; /* to an iommufd, so that the cdev answers */
	unsigned int resets, binds, attaches;
	bool iommu_bound;
};

extern struct mock_vfio mock;

void mock_vfio_reset(void);

/* Read or write configuration space behind the library's back. */
uint32_t mock_config(unsigned int off);
void mock_set_config(unsigned int off, uint32_t val);

#endif
