/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: Register access (PCI BARs)
 *
 * A BAR is either mapped (VFIO: loads and stores go straight to the device) or handled by a
 * backend's callbacks (the in-process models of the tests). Drivers use the accessors below and
 * never know which.
 *
 * The accessors are little-endian, of exactly the given width, and never torn or merged. A write is
 * ordered after all earlier stores to memory, and a read before all later loads: what a driver
 * needs between filling a ring and ringing its doorbell, or between reading a status register and
 * trusting memory.
 *
 * The caller keeps @off + width within &udrv_bar.size, which udrv_device_bar() returns; the
 * accessors do not check it again.
 */
#ifndef UDRV_BAR_H
#define UDRV_BAR_H

#include <endian.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** struct udrv_bar_ops - a backend's register callbacks, for a BAR that is not mapped */
struct udrv_bar_ops {
	uint64_t (*read)(void *ctx, uint64_t off, unsigned int width);
	void (*write)(void *ctx, uint64_t off, uint64_t val, unsigned int width);
};

/**
 * struct udrv_bar - one BAR of an open device
 * @base: where it is mapped, or NULL when @ops are to be used
 * @size: bytes
 * @ops: callbacks when @base is NULL
 * @ctx: passed to them
 */
struct udrv_bar {
	volatile uint8_t *base;
	uint64_t size;
	const struct udrv_bar_ops *ops;
	void *ctx;
};

static inline uint32_t udrv_bar_read32(const struct udrv_bar *bar, uint64_t off)
{
	uint32_t v;

	if (__builtin_expect(!bar->base, 0))
		return (uint32_t)bar->ops->read(bar->ctx, off, 4);
	v = le32toh(*(volatile uint32_t *)(bar->base + off));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return v;
}

/*
 * Two 32-bit reads, low first: NVMe (PCIe Transport 2.0, 3.1) allows 8-byte registers to be read
 * this way.
 */
static inline uint64_t udrv_bar_read64(const struct udrv_bar *bar, uint64_t off)
{
	uint64_t lo = udrv_bar_read32(bar, off);

	return lo | (uint64_t)udrv_bar_read32(bar, off + 4) << 32;
}

static inline void udrv_bar_write32(const struct udrv_bar *bar, uint64_t off, uint32_t val)
{
	if (__builtin_expect(!bar->base, 0)) {
		bar->ops->write(bar->ctx, off, val, 4);
		return;
	}
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*(volatile uint32_t *)(bar->base + off) = htole32(val);
}

/* Low half first, as Linux's lo_hi_writeq() does. */
static inline void udrv_bar_write64(const struct udrv_bar *bar, uint64_t off, uint64_t val)
{
	udrv_bar_write32(bar, off, (uint32_t)val);
	udrv_bar_write32(bar, off + 4, (uint32_t)(val >> 32));
}

/* One 8-byte access that the device sees as a whole, for doorbells that are 64 bits wide. */
static inline void udrv_bar_write64_once(const struct udrv_bar *bar, uint64_t off, uint64_t val)
{
	if (__builtin_expect(!bar->base, 0)) {
		bar->ops->write(bar->ctx, off, val, 8);
		return;
	}
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*(volatile uint64_t *)(bar->base + off) = htole64(val);
}

#ifdef __cplusplus
}
#endif
#endif
