/* SPDX-License-Identifier: BSD-2-Clause */
/* The pool's book of allocations; docs/state-format.md describes area "dma-book" and node /dma. */
#ifndef UDRV_LIB_DMA_INTERNAL_H
#define UDRV_LIB_DMA_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <udrv/dma.h>

struct udrv_log;
struct udrv_state;

#define DMA_BOOK_AREA  "dma-book"
#define DMA_ALLOC_UNIT ((uint64_t)64)
#define DMA_MAX_ALIGN  ((uint64_t)2 << 20)

/*
 * An entry is in use when @live is what entry_live() makes of the rest: it is written last, with
 * one store.
 */
struct dma_entry {
	uint64_t off;
	uint64_t size;
	uint64_t tag;
	uint64_t live; /* 0: free */
};

_Static_assert(sizeof(struct dma_entry) == 32, "layout of the book");

/* An allocation as kept in process memory, sorted by offset; @slot is its entry in the book. */
struct dma_extent {
	uint64_t off;
	uint64_t size;
	uint64_t tag;
	unsigned int slot;
};

struct dma_pool {
	struct udrv_dma pub; /* first: what callers hold */
	uint64_t *page_addr;
	struct dma_entry *book;
	unsigned int capacity;
	struct dma_extent *extent;
	unsigned int nextents;
	bool *slot_used;
	const struct udrv_log *log;
};

static inline struct dma_pool *dma_pool(const struct udrv_dma *dma)
{
	return (struct dma_pool *)(uintptr_t)dma;
}

/* udrv_dma_memfd() with @size rounded up to @unit, a power of two: state needs no large folios. */
int udrv_memfd(const char *name, uint64_t size, uint64_t unit);

/* Allocate the private index for a book of @capacity entries. -ENOMEM. */
int dma_index_init(struct dma_pool *pool, struct dma_entry *book, unsigned int capacity);
void dma_index_free(struct dma_pool *pool);

/* Build the index from the book: every entry is checked. -EBADMSG. */
int dma_index_load(struct dma_pool *pool);

#endif
