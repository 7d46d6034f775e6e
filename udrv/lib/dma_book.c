// SPDX-License-Identifier: BSD-2-Clause
/*
 * The allocator. The book in the state memfd is the truth; the index of extents, sorted by offset,
 * is this process's view of it and is rebuilt when the pool is opened.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/log.h>

#include "udrv/lib/crc32c.h"
#include "udrv/lib/dma_internal.h"
#include "udrv/lib/step.h"

#define LIVE_MARK ((uint64_t)1 << 63)

static uint64_t align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static uint64_t entry_live(uint64_t off, uint64_t size, uint64_t tag)
{
	const uint64_t rec[3] = { htole64(off), htole64(size), htole64(tag) };

	return LIVE_MARK | udrv_crc32c(0, rec, sizeof(rec));
}

int dma_index_init(struct dma_pool *pool, struct dma_entry *book, unsigned int capacity)
{
	pool->extent = calloc(capacity, sizeof(*pool->extent));
	pool->slot_used = calloc(capacity, sizeof(*pool->slot_used));
	if (!pool->extent || !pool->slot_used) {
		dma_index_free(pool);
		return -ENOMEM;
	}
	pool->book = book;
	pool->capacity = capacity;
	return 0;
}

void dma_index_free(struct dma_pool *pool)
{
	free(pool->extent);
	free(pool->slot_used);
	pool->extent = NULL;
	pool->slot_used = NULL;
}

/* Number of extents that begin before @off. */
static unsigned int extents_before(const struct dma_pool *pool, uint64_t off)
{
	unsigned int lo = 0, hi = pool->nextents;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (pool->extent[mid].off < off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void index_insert(struct dma_pool *pool, const struct dma_extent *ext)
{
	unsigned int pos = extents_before(pool, ext->off);

	memmove(&pool->extent[pos + 1], &pool->extent[pos],
		(pool->nextents - pos) * sizeof(*pool->extent));
	pool->extent[pos] = *ext;
	pool->nextents++;
	pool->slot_used[ext->slot] = true;
}

int dma_index_load(struct dma_pool *pool)
{
	for (unsigned int slot = 0; slot < pool->capacity; slot++) {
		const struct dma_entry *e = &pool->book[slot];
		uint64_t live = udrv_load64(&e->live);
		struct dma_extent ext = {
			.off = udrv_load64(&e->off),
			.size = udrv_load64(&e->size),
			.tag = udrv_load64(&e->tag),
			.slot = slot,
		};

		if (!live)
			continue;
		if (live != entry_live(ext.off, ext.size, ext.tag)) {
			udrv_log(pool->log, UDRV_LOG_ERR, "dma: entry %u of the book is damaged",
				 slot);
			return -EBADMSG;
		}
		if (ext.size == 0 || ext.tag == 0 || ext.off % DMA_ALLOC_UNIT ||
		    ext.size % DMA_ALLOC_UNIT || !udrv_dma_valid(&pool->pub, ext.off, ext.size)) {
			udrv_log(pool->log, UDRV_LOG_ERR,
				 "dma: entry %u of the book (offset %#llx, %#llx bytes) is not inside the pool",
				 slot, (unsigned long long)ext.off, (unsigned long long)ext.size);
			return -EBADMSG;
		}
		index_insert(pool, &ext);
	}
	for (unsigned int i = 1; i < pool->nextents; i++) {
		const struct dma_extent *prev = &pool->extent[i - 1];

		if (prev->off + prev->size > pool->extent[i].off) {
			udrv_log(pool->log, UDRV_LOG_ERR,
				 "dma: entries %u and %u of the book overlap", prev->slot,
				 pool->extent[i].slot);
			return -EBADMSG;
		}
	}
	return 0;
}

struct request {
	uint64_t size;
	uint64_t align;
	bool contig;
};

/* First offset in the hole [@start, @end) that serves a request, or UINT64_MAX. */
static uint64_t fit(const struct dma_pool *pool, uint64_t start, uint64_t end,
		    const struct request *req)
{
	uint64_t off = align_up(start, req->align);

	while (off < end && end - off >= req->size) {
		uint64_t next = off + req->align;

		if (udrv_dma_addr(&pool->pub, off) % req->align == 0) {
			uint64_t n = req->contig ? udrv_dma_contig(&pool->pub, off, req->size) :
						   req->size;

			if (n == req->size)
				return off;
			/* Nothing that begins before the break can do either. */
			next = align_up(off + n, req->align);
		}
		off = next;
	}
	return UINT64_MAX;
}

static uint64_t find_place(const struct dma_pool *pool, const struct request *req,
			   uint64_t *ret_largest)
{
	uint64_t start = 0, largest = 0;

	for (unsigned int i = 0; i <= pool->nextents; i++) {
		bool last = i == pool->nextents;
		uint64_t end = last ? pool->pub.size : pool->extent[i].off;
		uint64_t off = fit(pool, start, end, req);

		if (off != UINT64_MAX)
			return off;
		if (end - start > largest)
			largest = end - start;
		if (!last)
			start = end + pool->extent[i].size;
	}
	*ret_largest = largest;
	return UINT64_MAX;
}

int udrv_dma_alloc(struct udrv_dma *dma, uint64_t size, uint64_t align, unsigned int flags,
		   uint64_t tag, uint64_t *ret_off)
{
	struct dma_pool *pool = dma_pool(dma);
	struct dma_extent ext = { .tag = tag };
	struct request req = { .align = align ? align : DMA_ALLOC_UNIT };
	struct dma_entry *e;
	uint64_t largest;

	if (size == 0 || tag == 0 || (flags & ~UDRV_DMA_CONTIG) || req.align < DMA_ALLOC_UNIT ||
	    req.align > DMA_MAX_ALIGN || (req.align & (req.align - 1)))
		return -EINVAL;
	if (size > dma->size) /* before it is rounded, which might wrap */
		size = dma->size + DMA_ALLOC_UNIT;
	req.size = align_up(size, DMA_ALLOC_UNIT);
	req.contig = flags & UDRV_DMA_CONTIG;

	while (ext.slot < pool->capacity && pool->slot_used[ext.slot])
		ext.slot++;
	if (ext.slot == pool->capacity) {
		udrv_log(pool->log, UDRV_LOG_ERR, "dma: all %u entries of the book are in use",
			 pool->capacity);
		return -ENOSPC;
	}
	ext.off = find_place(pool, &req, &largest);
	ext.size = req.size;
	if (ext.off == UINT64_MAX) {
		udrv_log(pool->log, UDRV_LOG_ERR,
			 "dma: no room for %llu bytes aligned to %llu%s: the largest hole has %llu of the pool's %llu bytes",
			 (unsigned long long)size, (unsigned long long)req.align,
			 req.contig ? ", contiguous" : "", (unsigned long long)largest,
			 (unsigned long long)dma->size);
		return -ENOMEM;
	}

	udrv_store_zero(dma->base + ext.off, ext.size);
	e = &pool->book[ext.slot];
	udrv_store64(&e->off, ext.off);
	udrv_store64(&e->size, ext.size);
	udrv_store64(&e->tag, ext.tag);
	udrv_store64(&e->live, entry_live(ext.off, ext.size, ext.tag));
	index_insert(pool, &ext);
	*ret_off = ext.off;
	return 0;
}

int udrv_dma_free(struct udrv_dma *dma, uint64_t off)
{
	struct dma_pool *pool = dma_pool(dma);
	unsigned int pos = extents_before(pool, off);
	struct dma_extent *ext = &pool->extent[pos];

	if (pos == pool->nextents || ext->off != off)
		return -ENOENT;
	udrv_store64(&pool->book[ext->slot].live, 0);
	pool->slot_used[ext->slot] = false;
	pool->nextents--;
	memmove(ext, ext + 1, (pool->nextents - pos) * sizeof(*ext));
	return 0;
}

int udrv_dma_find(const struct udrv_dma *dma, uint64_t tag, uint64_t *ret_off, uint64_t *ret_size)
{
	const struct dma_pool *pool = dma_pool(dma);

	for (unsigned int i = 0; i < pool->nextents; i++) {
		const struct dma_extent *ext = &pool->extent[i];

		if (ext->tag != tag)
			continue;
		if (ret_off)
			*ret_off = ext->off;
		if (ret_size)
			*ret_size = ext->size;
		return 0;
	}
	return -ENOENT;
}

int udrv_dma_each(const struct udrv_dma *dma,
		  int (*fn)(void *ctx, uint64_t off, uint64_t size, uint64_t tag), void *ctx)
{
	const struct dma_pool *pool = dma_pool(dma);
	unsigned int i = 0;

	/* The callback may free what it is called for: go on by offset. */
	while (i < pool->nextents) {
		const struct dma_extent ext = pool->extent[i];
		int err = fn(ctx, ext.off, ext.size, ext.tag);

		if (err)
			return err;
		i = extents_before(pool, ext.off + 1);
	}
	return 0;
}

uint64_t udrv_dma_used(const struct udrv_dma *dma)
{
	const struct dma_pool *pool = dma_pool(dma);
	uint64_t used = 0;

	for (unsigned int i = 0; i < pool->nextents; i++)
		used += pool->extent[i].size;
	return used;
}
