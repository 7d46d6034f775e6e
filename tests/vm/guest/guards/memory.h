/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUARDS_MEMORY_H
#define GUARDS_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include <linux/memfd.h> /* MFD_… that the C library does not know */

#define PAGE	   4096ul
#define HUGE_PAGE  (2ul << 20)
#define POOL_SIZE  (2 * HUGE_PAGE)
#define POOL_PAGES (POOL_SIZE / PAGE)

/* A memfd of @size bytes, or -errno. */
int memory_create(const char *name, size_t size, unsigned int flags);

/* Map all of it at a multiple of HUGE_PAGE, every page present and small; NULL if that fails. */
void *memory_map(int fd, size_t size);

/* 0 or -errno */
int memory_punch(int fd, size_t offset);
int memory_resize(int fd, size_t size);

/* Physical address of a page as the page table of this process has it; 0 if there is none. */
uint64_t memory_address(const void *page);

/*
 * Have the kernel replace the small pages of one huge page by a huge one, which
 * moves them: 0 or -errno.
 */
int memory_collapse(void *at);

#endif
