/* SPDX-License-Identifier: BSD-2-Clause */
/* The VFIO backend of a device, over the descriptor of a bound cdev. */
#ifndef UDRV_LIB_VFIO_H
#define UDRV_LIB_VFIO_H

#include <stdbool.h>
#include <stdint.h>

#include <udrv/device.h>

#define VFIO_BARS 6

/* Part of a BAR that is mapped. */
struct vfio_window {
	uint64_t off;
	uint64_t len;
	volatile uint8_t *map;
};

struct vfio_bar {
	int fd; /* the cdev, for what is not mapped */
	bool ready;
	uint64_t size;
	uint64_t file_off; /* of the BAR in the cdev */
	struct vfio_window *window;
	unsigned int nwindows;
};

struct vfio {
	int fd;
	uint64_t config_off;
	uint64_t config_size;
	unsigned int nirqs;
	struct vfio_bar bar[VFIO_BARS];
	/* Closed with the device when it is udrv_handle_memory()'s. */
	struct udrv_state *st;
	struct udrv_dma *dma;
};

extern const struct udrv_device_ops udrv_vfio_ops;

/*
 * Make a backend without a cdev: whatever needs one is refused with -ENODEV. Freed by ops->close.
 * -ENOMEM.
 */
int udrv_vfio_new(struct vfio **ret);

/* Give it its cdev, which is bound (borrowed). -errno. */
int udrv_vfio_open(struct vfio *vfio, int fd);

/* Bytes of each BAR, 0 where there is none. */
int udrv_vfio_bar_sizes(struct vfio *vfio, uint64_t sizes[VFIO_BARS]);

/* Map a BAR as far as VFIO allows. -ENOENT: no memory BAR. */
int udrv_vfio_bar_map(int fd, unsigned int index, struct vfio_bar *bar, struct udrv_bar *ret);
void udrv_vfio_bar_unmap(struct vfio_bar *bar);

#endif
