/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: DMA memory
 *
 * All memory that a device may read or write is one memfd: the *pool*. It is mapped for the device
 * as a whole, once, and never remapped; its pages stay where they are until the device is closed.
 * Places in it are named by their *offset*, which outlives processes and kernels; pointers are a
 * process's own.
 *
 * The address that a device is given is physical in noiommu mode and an IOVA behind an IOMMU.
 * Drivers get it from udrv_dma_addr() and never know which. Pages that follow each other in the
 * pool need not follow each other for the device: udrv_dma_contig() tells how far they do, and
 * udrv_dma_alloc() with UDRV_DMA_CONTIG finds a place where they do.
 *
 * The *book* of allocations is in the state memfd (area "dma-book"), 32 bytes an entry, fixed
 * capacity. An entry is published by one store, so that a crash leaves the allocation either made
 * or not made. It carries an owner *tag*: after a restart an owner finds its memory by tag, and
 * frees by tag what nothing refers to.
 *
 * Threads: allocation and release by one thread at a time (set-up, not the data path). The inline
 * accessors may be used by every thread.
 */
#ifndef UDRV_DMA_H
#define UDRV_DMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct udrv_log;
struct udrv_state;

#define UDRV_DMA_PAGE_SHIFT 12
#define UDRV_DMA_PAGE	    ((uint64_t)1 << UDRV_DMA_PAGE_SHIFT)

/**
 * struct udrv_dma_run - pool bytes [@off, @off + @len) are at device
 * addresses [@addr, @addr + @len)
 */
struct udrv_dma_run {
	uint64_t off;
	uint64_t len;
	uint64_t addr;
};

/**
 * A pool may consist of at most this many runs; large folios make it one a few
 * MiB (see udrv_dma_memfd()).
 */
#define UDRV_DMA_MAX_RUNS 64

/**
 * struct udrv_dma - an open pool; the fields are for the inline accessors,
 * read-only to everybody else
 * @base: the mapping
 * @size: bytes, a multiple of UDRV_DMA_PAGE
 * @page_addr: device address of each page
 */
struct udrv_dma {
	uint8_t *base;
	uint64_t size;
	const uint64_t *page_addr;
};

/**
 * udrv_dma_memfd() - make a memfd fit for a pool
 * @name: for /proc
 * @size: bytes; rounded up to 2 MiB
 *
 * MFD_EXEC (so that LUO gives it back with the seals it had), sealed against SHRINK, GROW and SEAL,
 * all pages allocated, in large folios where the kernel grants them (needs
 * /sys/kernel/mm/transparent_hugepage/shmem_enabled = within_size, advise or always).
 *
 * Return: the fd, close-on-exec; -errno.
 */
int udrv_dma_memfd(const char *name, uint64_t size);

/**
 * udrv_dma_format() - open a pool over a fresh memfd with an empty book
 * @memfd: borrowed
 * @st: state whose area "dma-book" is made here, between udrv_state_edit() and udrv_state_commit();
 *      the runs are recorded in its node /dma; must outlive the pool
 * @runs: device addresses; cover the memfd without gaps, in order
 * @nruns: 1 to UDRV_DMA_MAX_RUNS
 * @entries: capacity of the book
 *
 * Return: 0; -EINVAL: runs do not cover the memfd; -ENOSPC: @st is too small; -errno of mmap().
 */
int udrv_dma_format(int memfd, struct udrv_state *st, const struct udrv_dma_run *runs,
		    unsigned int nruns, unsigned int entries, const struct udrv_log *log,
		    struct udrv_dma **ret);

/**
 * udrv_dma_open() - open the pool that a predecessor left, with the book found in @st
 * @memfd: borrowed
 * @st: its state; must outlive the pool
 *
 * Device addresses are the recorded ones: nothing may be told to the device before
 * udrv_dma_compare() has found that they still hold. Every entry of the book is checked: inside the
 * pool, no two overlap.
 *
 * Return: 0; -EBADMSG: damaged book or record, or not the size of @memfd;
 * -ENOMEM; -errno of mmap().
 */
int udrv_dma_open(int memfd, struct udrv_state *st, const struct udrv_log *log,
		  struct udrv_dma **ret);

/**
 * udrv_dma_compare() - does the device still find every page of a pool where it knows it?
 * @runs: the device addresses as they are *now*; cover the pool without gaps, in order
 * @nruns: 1 to UDRV_DMA_MAX_RUNS
 *
 * Return: 0; -ESTALE: an address differs from the record (message names the first): the device's
 * queues do not point at this memory, do not resume; -EINVAL: @runs do not cover the pool.
 */
int udrv_dma_compare(const struct udrv_dma *dma, const struct udrv_dma_run *runs,
		     unsigned int nruns);

/** udrv_dma_runs() - the runs recorded in a state; returns their number or -EBADMSG, -ENOENT */
int udrv_dma_runs(const struct udrv_state *st, struct udrv_dma_run runs[UDRV_DMA_MAX_RUNS]);

/** udrv_dma_close() - unmap; memfd and book stay. NULL is allowed. */
void udrv_dma_close(struct udrv_dma *dma);

#define UDRV_DMA_CONTIG 1u /* addresses of the whole allocation follow each other */

/**
 * udrv_dma_alloc() - allocate from the pool
 * @size: bytes, not 0; rounded up to 64
 * @align: power of two of at least 64, at most 2 MiB, of the offset and of the device address; 0
 *	means 64
 * @flags: UDRV_DMA_CONTIG
 * @tag: owner; not 0
 * @ret_off: offset in the pool
 *
 * First fit. The memory is zeroed *before* the entry is published, so an owner that finds its tag
 * after a crash finds zeroed memory or its own.
 *
 * Return: 0; -EINVAL; -ENOMEM: no such room (message tells the largest hole);
 * -ENOSPC: the book is full.
 */
int udrv_dma_alloc(struct udrv_dma *dma, uint64_t size, uint64_t align, unsigned int flags,
		   uint64_t tag, uint64_t *ret_off);

/** udrv_dma_free() - give the allocation that begins at @off back; -ENOENT if there is none */
int udrv_dma_free(struct udrv_dma *dma, uint64_t off);

/**
 * udrv_dma_find() - the allocation with this tag; -ENOENT; if several, the
 * one with the lowest offset
 */
int udrv_dma_find(const struct udrv_dma *dma, uint64_t tag, uint64_t *ret_off, uint64_t *ret_size);

/**
 * udrv_dma_each() - call @fn for each allocation, by rising offset, until it returns other than 0
 */
int udrv_dma_each(const struct udrv_dma *dma,
		  int (*fn)(void *ctx, uint64_t off, uint64_t size, uint64_t tag), void *ctx);

/** udrv_dma_used() - bytes allocated, by the book */
uint64_t udrv_dma_used(const struct udrv_dma *dma);

/**
 * udrv_dma_valid() - is [@off, @off + @len) inside the pool? For offsets out of
 * saved state or from peers.
 */
static inline bool udrv_dma_valid(const struct udrv_dma *dma, uint64_t off, uint64_t len)
{
	return off <= dma->size && len <= dma->size - off;
}

/**
 * udrv_dma_ptr() - this process's pointer to pool offset @off, which the caller knows to be valid
 */
static inline void *udrv_dma_ptr(const struct udrv_dma *dma, uint64_t off)
{
	return dma->base + off;
}

/**
 * udrv_dma_addr() - the device's address of pool offset @off, which the caller knows to be valid
 */
static inline uint64_t udrv_dma_addr(const struct udrv_dma *dma, uint64_t off)
{
	return dma->page_addr[off >> UDRV_DMA_PAGE_SHIFT] + (off & (UDRV_DMA_PAGE - 1));
}

/**
 * udrv_dma_contig() - bytes from @off on, at most @len, whose device addresses follow each other
 */
uint64_t udrv_dma_contig(const struct udrv_dma *dma, uint64_t off, uint64_t len);

#ifdef __cplusplus
}
#endif
#endif
