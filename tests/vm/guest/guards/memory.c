/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/falloc.h>

#include "memory.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

int memory_create(const char *name, size_t size, unsigned int flags)
{
	int fd = memfd_create(name, flags | MFD_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, (off_t)size))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

void *memory_map(int fd, size_t size)
{
	char *room, *at;

	room = mmap(NULL, size + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED)
		return NULL;
	at = (char *)(((uintptr_t)room + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		return NULL;
	/* Small pages are what compaction can move. */
	if (madvise(at, size, MADV_NOHUGEPAGE))
		return NULL;
	for (size_t off = 0; off < size; off += PAGE) {
		volatile char *page = at + off;

		*page = *page;
	}
	return at;
}

int memory_punch(int fd, size_t offset)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, PAGE) ?
		       -errno :
		       0;
}

int memory_resize(int fd, size_t size)
{
	return ftruncate(fd, (off_t)size) ? -errno : 0;
}

uint64_t memory_address(const void *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)page / PAGE * sizeof(entry))) !=
	    sizeof(entry))
		entry = 0;
	close(fd);
	/* Documentation/admin-guide/mm/pagemap.rst: bit 63 present, bits 0 to 54 frame number */
	return entry >> 63 ? (entry & ((1ull << 55) - 1)) * PAGE : 0;
}

int memory_collapse(void *at)
{
	int err;

	madvise(at, HUGE_PAGE, MADV_HUGEPAGE);
	err = madvise(at, HUGE_PAGE, MADV_COLLAPSE) ? -errno : 0;
	/* A collapse leaves no page table behind. */
	for (size_t off = 0; off < HUGE_PAGE; off += PAGE)
		(void)*(volatile char *)((char *)at + off);
	return err;
}
