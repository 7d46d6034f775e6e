// SPDX-License-Identifier: BSD-2-Clause
/* The pool: its mapping, and the device address of each of its pages. */
#include <errno.h>
#include <libfdt.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <udrv/dma.h>
#include <udrv/log.h>
#include <udrv/state.h>

#include "udrv/lib/dma_internal.h"
#include "udrv/lib/state_internal.h"

#define PAGE_MASK (UDRV_DMA_PAGE - 1)

void udrv_dma_close(struct udrv_dma *dma)
{
	struct dma_pool *pool = dma_pool(dma);

	if (!dma)
		return;
	dma_index_free(pool);
	if (dma->base)
		munmap(dma->base, dma->size);
	free(pool->page_addr);
	free(pool);
}

/* Runs in order, page-wise, without gaps over exactly @size bytes. */
static bool runs_cover(const struct udrv_dma_run *runs, unsigned int nruns, uint64_t size)
{
	uint64_t off = 0;

	if (nruns == 0 || nruns > UDRV_DMA_MAX_RUNS)
		return false;
	for (unsigned int i = 0; i < nruns; i++) {
		const struct udrv_dma_run *r = &runs[i];

		if (r->off != off || r->len == 0 || ((r->off | r->len | r->addr) & PAGE_MASK) ||
		    r->len > size - off || r->addr + r->len < r->addr)
			return false;
		off += r->len;
	}
	return off == size;
}

/* A pool with its addresses, not mapped yet. */
static int pool_new(int memfd, const struct udrv_dma_run *runs, unsigned int nruns,
		    const struct udrv_log *log, struct dma_pool **ret)
{
	struct dma_pool *pool;
	struct stat sb;
	uint64_t page = 0;
	int err;

	if (fstat(memfd, &sb) < 0) {
		err = -errno;
		udrv_log(log, UDRV_LOG_ERR, "dma: cannot get the size of fd %d: %m", memfd);
		return err;
	}
	if (sb.st_size <= 0 || !runs_cover(runs, nruns, (uint64_t)sb.st_size)) {
		udrv_log(log, UDRV_LOG_ERR, "dma: %u runs do not cover the pool of %lld bytes",
			 nruns, (long long)sb.st_size);
		return -EINVAL;
	}
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	pool->log = log;
	pool->pub.size = (uint64_t)sb.st_size;
	pool->page_addr =
		malloc((pool->pub.size >> UDRV_DMA_PAGE_SHIFT) * sizeof(*pool->page_addr));
	if (!pool->page_addr) {
		free(pool);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < nruns; i++) {
		for (uint64_t done = 0; done < runs[i].len; done += UDRV_DMA_PAGE)
			pool->page_addr[page++] = runs[i].addr + done;
	}
	pool->pub.page_addr = pool->page_addr;
	*ret = pool;
	return 0;
}

static int pool_map(struct dma_pool *pool, int memfd)
{
	/* Its pages are there: not populated, as that would take time with the size of the pool. */
	void *map = mmap(NULL, pool->pub.size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	int err;

	if (map == MAP_FAILED) {
		err = -errno;
		udrv_log(pool->log, UDRV_LOG_ERR, "dma: cannot map the pool (fd %d): %m", memfd);
		return err;
	}
	pool->pub.base = map;
	return 0;
}

/* Record the runs in node /dma of the tree being edited. */
static int runs_record(void *fdt, const struct udrv_dma_run *runs, unsigned int nruns,
		       uint64_t size)
{
	int node, err;

	node = fdt_add_subnode(fdt, 0, "dma");
	if (node < 0)
		return udrv_fdt_errno(node);
	err = fdt_setprop_u64(fdt, node, "size", size);
	for (unsigned int i = 0; !err && i < nruns; i++) {
		err = fdt_appendprop_u64(fdt, node, "runs", runs[i].off);
		if (!err)
			err = fdt_appendprop_u64(fdt, node, "runs", runs[i].len);
		if (!err)
			err = fdt_appendprop_u64(fdt, node, "runs", runs[i].addr);
	}
	return err ? udrv_fdt_errno(err) : 0;
}

int udrv_dma_format(int memfd, struct udrv_state *st, const struct udrv_dma_run *runs,
		    unsigned int nruns, unsigned int entries, const struct udrv_log *log,
		    struct udrv_dma **ret)
{
	void *fdt = udrv_state_editing(st);
	struct dma_pool *pool;
	void *book;
	int err;

	if (!fdt || entries == 0)
		return -EINVAL;
	err = pool_new(memfd, runs, nruns, log, &pool);
	if (err)
		return err;
	err = runs_record(fdt, runs, nruns, pool->pub.size);
	if (!err)
		err = udrv_state_area_add(st, DMA_BOOK_AREA,
					  (size_t)entries * sizeof(struct dma_entry), &book);
	if (!err)
		err = dma_index_init(pool, book, entries);
	if (!err)
		err = pool_map(pool, memfd);
	if (err) {
		udrv_log(log, UDRV_LOG_ERR, "dma: cannot record the pool in the state (errno %d)",
			 -err);
		udrv_dma_close(&pool->pub);
		return err;
	}
	*ret = &pool->pub;
	return 0;
}

int udrv_dma_runs(const struct udrv_state *st, struct udrv_dma_run runs[UDRV_DMA_MAX_RUNS])
{
	const void *fdt = udrv_state_fdt(st);
	const size_t run_size = 3 * sizeof(fdt64_t);
	struct udrv_dma_run found[UDRV_DMA_MAX_RUNS];
	const fdt64_t *prop;
	uint64_t size;
	int node, len;

	node = fdt_path_offset(fdt, "/dma");
	if (node < 0)
		return udrv_fdt_errno(node);
	prop = fdt_getprop(fdt, node, "runs", &len);
	if (!prop || len <= 0 || (size_t)len % run_size ||
	    (size_t)len / run_size > UDRV_DMA_MAX_RUNS)
		return -EBADMSG;
	len /= (int)run_size;
	for (int i = 0; i < len; i++) {
		found[i].off = fdt64_ld(&prop[3 * i]);
		found[i].len = fdt64_ld(&prop[3 * i + 1]);
		found[i].addr = fdt64_ld(&prop[3 * i + 2]);
	}
	if (udrv_fdt_u64(fdt, node, "size", &size) || !runs_cover(found, (unsigned int)len, size))
		return -EBADMSG;
	for (int i = 0; i < len; i++)
		runs[i] = found[i];
	return len;
}

int udrv_dma_compare(const struct udrv_dma *dma, const struct udrv_dma_run *runs,
		     unsigned int nruns)
{
	const struct dma_pool *pool = dma_pool(dma);

	if (!runs_cover(runs, nruns, dma->size)) {
		udrv_log(pool->log, UDRV_LOG_ERR,
			 "dma: %u runs do not cover the pool of %llu bytes", nruns,
			 (unsigned long long)dma->size);
		return -EINVAL;
	}
	/* Page by page: the runs may be cut differently. */
	for (unsigned int i = 0; i < nruns; i++) {
		for (uint64_t done = 0; done < runs[i].len; done += UDRV_DMA_PAGE) {
			uint64_t was = udrv_dma_addr(dma, runs[i].off + done);

			if (was == runs[i].addr + done)
				continue;
			udrv_log(pool->log, UDRV_LOG_ERR,
				 "dma: pool offset %#llx is now at device address %#llx, the device knows it at %#llx: do not resume",
				 (unsigned long long)(runs[i].off + done),
				 (unsigned long long)(runs[i].addr + done),
				 (unsigned long long)was);
			return -ESTALE;
		}
	}
	return 0;
}

int udrv_dma_open(int memfd, struct udrv_state *st, const struct udrv_log *log,
		  struct udrv_dma **ret)
{
	struct udrv_dma_run runs[UDRV_DMA_MAX_RUNS];
	struct dma_pool *pool;
	size_t book_size;
	void *book;
	int err, nruns;

	book = udrv_state_area(st, DMA_BOOK_AREA, &book_size);
	if (!book || book_size < sizeof(struct dma_entry) ||
	    book_size / sizeof(struct dma_entry) > UINT32_MAX) {
		udrv_log(log, UDRV_LOG_ERR,
			 "dma: the state has no usable area \"" DMA_BOOK_AREA "\"");
		return -EBADMSG;
	}
	nruns = udrv_dma_runs(st, runs);
	if (nruns <= 0) {
		udrv_log(log, UDRV_LOG_ERR, "dma: the state's record of device addresses is %s",
			 nruns == -ENOENT ? "missing" : "damaged");
		return -EBADMSG;
	}
	err = pool_new(memfd, runs, (unsigned int)nruns, log, &pool);
	if (err)
		return err == -EINVAL ? -EBADMSG : err;
	err = dma_index_init(pool, book, (unsigned int)(book_size / sizeof(struct dma_entry)));
	if (!err)
		err = dma_index_load(pool);
	/* Everything about a predecessor's pool is checked before it is mapped. */
	if (!err)
		err = pool_map(pool, memfd);
	if (err) {
		udrv_dma_close(&pool->pub);
		return err;
	}
	*ret = &pool->pub;
	return 0;
}

uint64_t udrv_dma_contig(const struct udrv_dma *dma, uint64_t off, uint64_t len)
{
	uint64_t done = UDRV_DMA_PAGE - (off & PAGE_MASK);

	if (off >= dma->size)
		return 0;
	if (len > dma->size - off)
		len = dma->size - off;
	while (done < len) {
		uint64_t page = (off + done) >> UDRV_DMA_PAGE_SHIFT;

		if (dma->page_addr[page] != dma->page_addr[page - 1] + UDRV_DMA_PAGE)
			break;
		done += UDRV_DMA_PAGE;
	}
	return done < len ? done : len;
}
