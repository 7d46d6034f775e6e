// SPDX-License-Identifier: BSD-2-Clause
/* DMA regions: lists of pages that a queue will be made of. */
#include <stdlib.h>

#include "tests/model/mana/internal.h"

/* A handle names its slot and its time, so that an old one is never taken for a new one. */
#define REGION_MARK 0x52ull

static uint64_t handle_of(const struct mana_model *m, unsigned int slot)
{
	return REGION_MARK << 56 | (uint64_t)m->region[slot].generation << 16 | slot;
}

static struct region *by_handle(struct mana_model *m, uint64_t handle)
{
	unsigned int slot = handle & 0xffff;

	if (slot >= MAX_REGIONS || !m->region[slot].live || handle_of(m, slot) != handle)
		return NULL;
	return &m->region[slot];
}

static struct region *free_region(struct mana_model *m)
{
	for (unsigned int i = 0; i < MAX_REGIONS; i++) {
		struct region *r = &m->region[(m->region_alloc + i) % MAX_REGIONS];

		if (!r->live) {
			m->region_alloc = (m->region_alloc + i + 1) % MAX_REGIONS;
			return r;
		}
	}
	return NULL;
}

uint32_t region_create(struct mana_model *m, struct call *c)
{
	const struct gdma_create_dma_region_req *req = (const void *)c->req;
	struct gdma_create_dma_region_resp *resp = (void *)c->resp;
	uint32_t pages = le32toh(req->page_count), here = le32toh(req->page_addr_list_len);
	uint64_t length = le64toh(req->length);
	struct region *r;

	model_setup(m, "CREATE_DMA_REGION");
	if (!pages || pages != here || pages > GDMA_DMA_REGION_PAGES_MAX ||
	    c->len < sizeof(*req) + here * sizeof(uint64_t) ||
	    length != (uint64_t)pages * GDMA_PAGE_SIZE || req->offset_in_page ||
	    req->gdma_page_type) {
		model_violation(m,
				"CREATE_DMA_REGION: %u of %u pages, %llu bytes from %u on, page type %u, in %u bytes",
				here, pages, (unsigned long long)length,
				le32toh(req->offset_in_page), le32toh(req->gdma_page_type), c->len);
		return STATUS_INVALID;
	}
	r = free_region(m);
	if (!r)
		return STATUS_INVALID;
	r->page = malloc(pages * sizeof(*r->page));
	if (!r->page)
		return STATUS_INVALID;
	for (uint32_t i = 0; i < pages; i++) {
		r->page[i] = le64toh(req->page_addr_list[i]);
		if (r->page[i] % GDMA_PAGE_SIZE) {
			model_violation(m, "CREATE_DMA_REGION: page %u at %#llx", i,
					(unsigned long long)r->page[i]);
			free(r->page);
			r->page = NULL;
			return STATUS_INVALID;
		}
	}
	r->live = true;
	r->pages = pages;
	r->generation = ++m->generation;
	m->counts.regions_created++;
	resp->dma_region_handle = htole64(handle_of(m, (unsigned int)(r - m->region)));
	return 0;
}

uint32_t region_destroy(struct mana_model *m, struct call *c)
{
	const struct gdma_destroy_dma_region_req *req = (const void *)c->req;
	struct region *r = by_handle(m, le64toh(req->dma_region_handle));

	model_setup(m, "DESTROY_DMA_REGION");
	if (!r) {
		model_violation(m,
				"DESTROY_DMA_REGION: there is no region %#llx (a queue's is its own)",
				(unsigned long long)le64toh(req->dma_region_handle));
		return STATUS_INVALID;
	}
	free(r->page);
	r->page = NULL;
	r->live = false;
	return 0;
}

bool region_fits(struct mana_model *m, uint64_t handle, uint32_t size, const char *what)
{
	const struct region *r = by_handle(m, handle);

	if (!r) {
		model_violation(m, "%s: there is no region %#llx", what,
				(unsigned long long)handle);
		return false;
	}
	if (size < GDMA_MIN_QUEUE_SIZE || size & (size - 1) || size != r->pages * GDMA_PAGE_SIZE) {
		model_violation(m, "%s: a queue of %u bytes in a region of %u pages", what, size,
				r->pages);
		return false;
	}
	return true;
}

uint64_t *region_consume(struct mana_model *m, uint64_t handle)
{
	struct region *r = by_handle(m, handle);
	uint64_t *page = r->page;

	r->page = NULL;
	r->live = false;
	return page;
}
