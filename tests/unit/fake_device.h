/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A udrv_device without hardware: state and pool are real memfds, registers and interrupts are a
 * model's callbacks, and device addresses are whatever the test wants, scattered too.
 *
 * The memfds are the device's and its model's: they outlive the driver "process", which
 * fake_device_crash() ends and fake_device_open() starts anew on the same memory.
 */
#ifndef TESTS_UNIT_FAKE_DEVICE_H
#define TESTS_UNIT_FAKE_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/log.h>
#include <udrv/state.h>

/*
 * @pool_size: bytes, a multiple of 2 MiB (what udrv_dma_memfd() rounds to)
 * @state_size: bytes of the state memfd, 0: 1 MiB
 * @book_entries: 0: 128
 * @nruns: the pool is cut into this many pieces of pages, 0: one; up to UDRV_DMA_MAX_RUNS
 * @first_run_pages: pages of the first piece, 0: all are of equal size
 *	Pieces lie at falling device addresses with gaps between them, so
 *	that no two are contiguous.
 * @ops, @ctx: the model; ops->close may be NULL
 */
struct fake_device_opts {
	uint64_t pool_size;
	uint64_t state_size;
	unsigned int book_entries;
	unsigned int nruns;
	unsigned int first_run_pages;
	const struct udrv_device_ops *ops;
	void *ctx;
	const struct udrv_log *log;
};

struct fake_device {
	struct fake_device_opts opts;
	int state_fd;
	int dma_fd;
	struct udrv_dma_run runs[UDRV_DMA_MAX_RUNS];
	unsigned int nruns;
	uint8_t *mem; /* the model's own mapping of the pool */
	uint64_t size;

	/* of the driver "process", NULL after fake_device_crash() */
	struct udrv_state *st;
	struct udrv_dma *dma;
	struct udrv_device *dev;
};

/* Make memfds, format state (lifecycle INIT) and pool, and open a device on them. 0 or -errno. */
int fake_device_create(struct fake_device *fd, const struct fake_device_opts *opts);

/* The driver process is gone: unmap what was its own. Memfds and the model's mapping stay. */
void fake_device_crash(struct fake_device *fd);

/* A successor process: open state and pool as they were left. 0 or -errno. */
int fake_device_open(struct fake_device *fd);

void fake_device_destroy(struct fake_device *fd);

/*
 * What the model reads and writes by DMA: NULL unless the whole range is pool memory, contiguous
 * for the device.
 */
void *fake_device_mem(const struct fake_device *fd, uint64_t addr, uint64_t len);

#endif
