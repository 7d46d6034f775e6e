// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <udrv/dma.h>

#include "udrv/lib/dma_internal.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define HUGE_SIZE ((uint64_t)2 << 20)

/* Allocate every page, through a mapping whose alignment lets the kernel use large folios. */
static int populate(int memfd, size_t size)
{
	size_t span = size + HUGE_SIZE;
	uint8_t *space, *map;
	int err = 0;

	space = mmap(NULL, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED)
		return -errno;
	map = space + (-(uintptr_t)space & (HUGE_SIZE - 1));
	if (mmap(map, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memfd, 0) ==
	    MAP_FAILED) {
		err = -errno;
		goto out;
	}
	/*
	 * Asks for large folios where they are given on advice only; any other answer is as good.
	 */
	if (size >= HUGE_SIZE)
		(void)madvise(map, size, MADV_HUGEPAGE);
	if (madvise(map, size, MADV_POPULATE_WRITE) < 0) {
		/*
		 * Before Linux 5.14: allocates too, if in small folios, and fails where a store
		 * would SIGBUS.
		 */
		err = errno != EINVAL ? -errno : 0;
		if (!err && fallocate(memfd, 0, 0, (off_t)size) < 0)
			err = -errno;
	}
out:
	munmap(space, span);
	return err;
}

int udrv_memfd(const char *name, uint64_t size, uint64_t unit)
{
	int memfd, err;

	if (size == 0 || size > INT64_MAX - unit)
		return -EINVAL;
	size = (size + unit - 1) & ~(unit - 1);

	memfd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (memfd < 0 && errno == EINVAL) /* before Linux 6.3 every memfd is executable */
		memfd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memfd < 0)
		return -errno;
	if (ftruncate(memfd, (off_t)size) < 0)
		goto fail_errno;
	err = populate(memfd, size);
	if (err)
		goto fail;
	if (fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		goto fail_errno;
	return memfd;

fail_errno:
	err = -errno;
fail:
	close(memfd);
	return err;
}

int udrv_dma_memfd(const char *name, uint64_t size)
{
	return udrv_memfd(name, size, HUGE_SIZE);
}
