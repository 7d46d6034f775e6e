// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/fake_device.h"

#define FIRST_ADDR \
	0x4000000000ull /* of the lowest piece: above 32 bits, so that truncation shows */
#define GAP (16 * UDRV_DMA_PAGE)

static void cut(struct fake_device *fd)
{
	uint64_t pages = fd->size / UDRV_DMA_PAGE, off = 0;
	uint64_t first = fd->opts.first_run_pages;
	unsigned int n = fd->nruns;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t left = pages - off / UDRV_DMA_PAGE, len = left / (n - i);

		if (i == 0 && first && n > 1)
			len = first;
		fd->runs[i].off = off;
		fd->runs[i].len = len * UDRV_DMA_PAGE;
		off += fd->runs[i].len;
	}
	/* Falling: the last piece of the pool is the lowest. */
	for (unsigned int i = n; i-- > 0;)
		fd->runs[i].addr = i == n - 1 ? FIRST_ADDR :
						fd->runs[i + 1].addr + fd->runs[i + 1].len + GAP;
}

static int attach(struct fake_device *fd)
{
	return udrv_device_create("fake0", fd->opts.ops, fd->opts.ctx, fd->dma, fd->st,
				  fd->opts.log, &fd->dev);
}

static int format(struct fake_device *fd)
{
	unsigned int entries = fd->opts.book_entries ? fd->opts.book_entries : 128;
	int err;

	err = udrv_state_format(fd->state_fd, fd->opts.log, &fd->st);
	if (err)
		return err;
	if (!udrv_state_edit(fd->st))
		return -errno;
	err = udrv_dma_format(fd->dma_fd, fd->st, fd->runs, fd->nruns, entries, fd->opts.log,
			      &fd->dma);
	if (!err)
		err = udrv_state_commit(fd->st);
	return err ? err : attach(fd);
}

static int make_memfds(struct fake_device *fd)
{
	size_t state_size = fd->opts.state_size ? fd->opts.state_size : 1 << 20;

	fd->state_fd = memfd_create("fake-state", MFD_CLOEXEC);
	if (fd->state_fd < 0 || ftruncate(fd->state_fd, (off_t)state_size) < 0)
		return -errno;
	fd->dma_fd = udrv_dma_memfd("fake-dma", fd->opts.pool_size);
	if (fd->dma_fd < 0)
		return fd->dma_fd;
	fd->mem = mmap(NULL, fd->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd->dma_fd, 0);
	return fd->mem == MAP_FAILED ? -errno : 0;
}

int fake_device_create(struct fake_device *fd, const struct fake_device_opts *opts)
{
	int err;

	*fd = (struct fake_device){
		.opts = *opts,
		.state_fd = -1,
		.dma_fd = -1,
		.mem = MAP_FAILED,
		.size = opts->pool_size,
		.nruns = opts->nruns ? opts->nruns : 1,
	};
	if (fd->nruns > UDRV_DMA_MAX_RUNS || fd->size % (2 << 20) || fd->size == 0)
		return -EINVAL;
	cut(fd);
	err = make_memfds(fd);
	if (!err)
		err = format(fd);
	if (err)
		fake_device_destroy(fd);
	return err;
}

void fake_device_crash(struct fake_device *fd)
{
	udrv_device_close(fd->dev);
	udrv_dma_close(fd->dma);
	udrv_state_close(fd->st);
	fd->dev = NULL;
	fd->dma = NULL;
	fd->st = NULL;
}

int fake_device_open(struct fake_device *fd)
{
	int err;

	fake_device_crash(fd);
	err = udrv_state_open(fd->state_fd, 0, fd->opts.log, &fd->st);
	if (!err)
		err = udrv_dma_open(fd->dma_fd, fd->st, fd->opts.log, &fd->dma);
	if (!err)
		err = udrv_dma_compare(fd->dma, fd->runs, fd->nruns);
	return err ? err : attach(fd);
}

void fake_device_destroy(struct fake_device *fd)
{
	fake_device_crash(fd);
	if (fd->mem != MAP_FAILED && fd->mem)
		munmap(fd->mem, fd->size);
	if (fd->state_fd >= 0)
		close(fd->state_fd);
	if (fd->dma_fd >= 0)
		close(fd->dma_fd);
	fd->mem = NULL;
	fd->state_fd = fd->dma_fd = -1;
}

void *fake_device_mem(const struct fake_device *fd, uint64_t addr, uint64_t len)
{
	for (unsigned int i = 0; i < fd->nruns; i++) {
		const struct udrv_dma_run *r = &fd->runs[i];

		if (addr >= r->addr && addr - r->addr <= r->len && len <= r->len - (addr - r->addr))
			return fd->mem + r->off + (addr - r->addr);
	}
	return NULL;
}
