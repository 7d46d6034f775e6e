// SPDX-License-Identifier: BSD-2-Clause
/* Memory of the host, and rings in it. */
#include "tests/model/mana/internal.h"

static void *reach(struct mana_model *m, uint64_t addr, size_t *len, bool write, const char *what)
{
	size_t want = *len;
	void *p = m->opts.ops->dma(m->opts.ctx, addr, len, write);

	if (p && *len && *len <= want)
		return p;
	model_violation(m, "%s: %s %zu bytes at %#llx, where there is no memory", what,
			write ? "writes" : "reads", want, (unsigned long long)addr);
	return NULL;
}

bool dma_read(struct mana_model *m, uint64_t addr, void *buf, size_t len, const char *what)
{
	uint8_t *to = buf;

	while (len) {
		size_t n = len;
		const void *p = reach(m, addr, &n, false, what);

		if (!p)
			return false;
		memcpy(to, p, n);
		to += n;
		addr += n;
		len -= n;
	}
	return true;
}

bool dma_write(struct mana_model *m, uint64_t addr, const void *buf, size_t len, const char *what)
{
	const uint8_t *from = buf;

	while (len) {
		size_t n = len;
		void *p = reach(m, addr, &n, true, what);

		if (!p)
			return false;
		memcpy(p, from, n);
		from += n;
		addr += n;
		len -= n;
	}
	return true;
}

bool ring_read(struct mana_model *m, const struct ring *r, uint32_t off, void *buf, size_t len,
	       const char *what)
{
	uint8_t *to = buf;

	while (len) {
		uint32_t at = off & (r->size - 1), in_page = at % GDMA_PAGE_SIZE;
		size_t n = len < GDMA_PAGE_SIZE - in_page ? len : GDMA_PAGE_SIZE - in_page;

		if (!dma_read(m, r->page[at / GDMA_PAGE_SIZE] + in_page, to, n, what))
			return false;
		to += n;
		off += (uint32_t)n;
		len -= n;
	}
	return true;
}

typedef uint32_t aliasing_u32 __attribute__((may_alias));

bool ring_post(struct mana_model *m, const struct ring *r, uint32_t off, const void *entry,
	       size_t len, const char *what)
{
	uint32_t at = off & (r->size - 1), last;
	size_t n = len;
	uint8_t *p = reach(m, r->page[at / GDMA_PAGE_SIZE] + at % GDMA_PAGE_SIZE, &n, true, what);

	if (!p || n < len)
		return false;
	memcpy(&last, (const uint8_t *)entry + len - sizeof(last), sizeof(last));
	memcpy(p, entry, len - sizeof(last));
	/* The owner bits are in the last dword. */
	__atomic_store_n((aliasing_u32 *)(p + len - sizeof(last)), last, __ATOMIC_RELEASE);
	return true;
}
