/* SPDX-License-Identifier: BSD-2-Clause */
/* A device's MSI-X vectors, each with an eventfd that a loop serves. */
#ifndef DEVICES_COMMON_VECTORS_H
#define DEVICES_COMMON_VECTORS_H

#include <stdint.h>

struct udrv_device;
struct udrv_loop;
struct vector;

struct vectors {
	struct vector *v;
	unsigned int n; /* 0: nobody listens */
	void (*fn)(void *ctx, unsigned int vector);
	void *ctx;
};

/*
 * MSI-X is enabled with @n vectors, routed to who listens or else nowhere: devices may
 * refuse queues a vector before that, and all are to be enabled at once. 0 or -errno
 * of udrv_device_irq_arm().
 */
int vectors_enable(const struct vectors *vs, struct udrv_device *dev, unsigned int n);

/*
 * Call @fn on @loop's thread when one of the vectors 0 to @n - 1 is signalled. 0, -ENOMEM, -errno;
 * nobody listens then.
 */
int vectors_listen(struct vectors *vs, struct udrv_device *dev, struct udrv_loop *loop,
		   unsigned int n, void (*fn)(void *ctx, unsigned int vector), void *ctx);

/* The device is not told: its vectors lead nowhere. */
void vectors_free(struct vectors *vs);

#endif
