// SPDX-License-Identifier: BSD-2-Clause
#include <sys/mman.h>
#include <unistd.h>

#include <udrv/dma.h>
#include <udrv/state.h>

#include "tests/bench/insn.h"

struct udrv_device *insn_device(const struct udrv_device_ops *ops, void *ctx, uint64_t state_size,
				uint64_t pool_size, uint8_t **pool)
{
	struct udrv_dma_run run = { .len = pool_size, .addr = INSN_POOL_ADDR };
	struct udrv_device *dev;
	struct udrv_state *st;
	struct udrv_dma *dma;
	int state_fd, dma_fd;

	state_fd = memfd_create("state", MFD_CLOEXEC);
	dma_fd = udrv_dma_memfd("pool", pool_size);
	if (state_fd < 0 || dma_fd < 0 || ftruncate(state_fd, (off_t)state_size))
		return NULL;
	*pool = mmap(NULL, pool_size, PROT_READ | PROT_WRITE, MAP_SHARED, dma_fd, 0);
	if (*pool == MAP_FAILED || udrv_state_format(state_fd, NULL, &st) || !udrv_state_edit(st) ||
	    udrv_dma_format(dma_fd, st, &run, 1, 128, NULL, &dma) || udrv_state_commit(st) ||
	    udrv_device_create("bench", ops, ctx, dma, st, NULL, &dev))
		return NULL;
	return dev;
}
