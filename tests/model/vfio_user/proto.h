/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio-user 0.0 on the wire: little endian, and the structures of linux/vfio.h where they fit. */
#ifndef TESTS_MODEL_VFIO_USER_PROTO_H
#define TESTS_MODEL_VFIO_USER_PROTO_H

#include <stdint.h>

enum vfio_user_command {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DMA_MAP = 2,
	VFIO_USER_DMA_UNMAP = 3,
	VFIO_USER_DEVICE_GET_INFO = 4,
	VFIO_USER_DEVICE_GET_REGION_INFO = 5,
	VFIO_USER_DEVICE_GET_IRQ_INFO = 7,
	VFIO_USER_DEVICE_SET_IRQS = 8,
	VFIO_USER_REGION_READ = 9,
	VFIO_USER_REGION_WRITE = 10,
	VFIO_USER_DEVICE_RESET = 13,
};

#define VFIO_USER_F_TYPE_MASK 0xfu
#define VFIO_USER_F_COMMAND   0x0u
#define VFIO_USER_F_REPLY     0x1u
#define VFIO_USER_F_NO_REPLY  0x10u
#define VFIO_USER_F_ERROR     0x20u

struct vfio_user_header {
	uint16_t id;
	uint16_t command;
	uint32_t size; /* with this header */
	uint32_t flags;
	uint32_t error; /* errno, with VFIO_USER_F_ERROR */
};

struct vfio_user_version {
	uint16_t major;
	uint16_t minor;
	char data[]; /* JSON, NUL-terminated */
};

#define VFIO_USER_MAP_READ  (1u << 0)
#define VFIO_USER_MAP_WRITE (1u << 1)

struct vfio_user_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset; /* in the descriptor */
	uint64_t addr;
	uint64_t size;
};

#define VFIO_USER_UNMAP_ALL (1u << 1)

struct vfio_user_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t addr;
	uint64_t size;
};

struct vfio_user_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t num_regions;
	uint32_t num_irqs;
};

struct vfio_user_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	uint8_t data[];
};

#endif
