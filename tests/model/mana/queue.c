// SPDX-License-Identifier: BSD-2-Clause
/* Queues come and go. */
#include <stdlib.h>

#include "tests/model/mana/internal.h"

int eq_find(const struct mana_model *m, uint32_t id)
{
	uint32_t slot = id - EQ_ID(0);

	return slot < MAX_EQS && m->eq[slot].live ? (int)slot : NO_SLOT;
}

int cq_find(const struct mana_model *m, uint32_t id)
{
	uint32_t slot = id - CQ_ID(0);

	return slot < MAX_CQS && m->cq[slot].live ? (int)slot : NO_SLOT;
}

int rq_find(const struct mana_model *m, uint32_t id)
{
	uint32_t slot = id - RQ_ID(0);

	return slot < MAX_WQS && m->rq[slot].live ? (int)slot : NO_SLOT;
}

int sq_find(const struct mana_model *m, uint32_t id)
{
	uint32_t slot = (id - SQ_ID(0)) / (SQ_ID(1) - SQ_ID(0));

	return slot < MAX_WQS && SQ_ID(slot) == id && m->sq[slot].live ? (int)slot : NO_SLOT;
}

/*
 * The data queues' slots take turns, so that the id of one that was destroyed does not mean
 * another at once.
 */
#define FREE_SLOT(m, table, n, next)                                              \
	({                                                                        \
		int slot_ = NO_SLOT;                                              \
                                                                                  \
		for (unsigned int i_ = 0; i_ < (n)-1 && slot_ == NO_SLOT; i_++) { \
			unsigned int at_ = 1 + ((m)->next + i_) % ((n)-1);        \
                                                                                  \
			if (!(m)->table[at_].live) {                              \
				slot_ = (int)at_;                                 \
				(m)->next = at_ % ((n)-1);                        \
			}                                                         \
		}                                                                 \
		slot_;                                                            \
	})

/* Created armed, at the beginning of the first lap. */
static struct entries new_entries(uint64_t *page, uint32_t size, unsigned int shift, uint32_t db)
{
	uint32_t count = size >> shift;

	return (struct entries){
		.ring = { .page = page, .size = size },
		.shift = shift,
		.count = count,
		.producer = count,
		.tail = count,
		.armed = true,
		.db = db,
	};
}

bool eq_room(const struct mana_model *m)
{
	for (unsigned int i = 1; i < MAX_EQS; i++) {
		if (!m->eq[i].live)
			return true;
	}
	return false;
}

int eq_create(struct mana_model *m, int slot, uint64_t *page, uint32_t size, unsigned int vector,
	      uint32_t db)
{
	if (slot == NO_SLOT)
		slot = FREE_SLOT(m, eq, MAX_EQS, eq_alloc);
	if (slot == NO_SLOT)
		free(page);
	else
		m->eq[slot] = (struct eq){ .live = true,
					   .e = new_entries(page, size, GDMA_EQE_SHIFT, db),
					   .vector = vector };
	return slot;
}

int cq_create(struct mana_model *m, int slot, uint64_t *page, uint32_t size, int eq, uint32_t db)
{
	if (slot == NO_SLOT)
		slot = FREE_SLOT(m, cq, MAX_CQS, cq_alloc);
	if (slot == NO_SLOT)
		free(page);
	else
		m->cq[slot] = (struct cq){ .live = true,
					   .e = new_entries(page, size, GDMA_CQE_SHIFT, db),
					   .eq = eq };
	return slot;
}

int wq_create(struct mana_model *m, bool sq, int slot, uint64_t *page, uint32_t size,
	      unsigned int cq, unsigned int vport, uint32_t db, uint32_t mkey)
{
	struct wq *wq;

	if (slot == NO_SLOT)
		slot = sq ? FREE_SLOT(m, sq, MAX_WQS, sq_alloc) :
			    FREE_SLOT(m, rq, MAX_WQS, rq_alloc);
	if (slot == NO_SLOT) {
		free(page);
		return NO_SLOT;
	}
	wq = sq ? &m->sq[slot] : &m->rq[slot];
	*wq = (struct wq){
		.live = true,
		.sq = sq,
		.generation = ++m->generation,
		.ring = { .page = page, .size = size },
		.cq = cq,
		.vport = vport,
		.id = sq ? SQ_ID((unsigned int)slot) : RQ_ID((unsigned int)slot),
		.db = db,
		.mkey = mkey,
	};
	return slot;
}

void eq_destroy(struct mana_model *m, unsigned int slot)
{
	free(m->eq[slot].e.ring.page);
	m->eq[slot] = (struct eq){ 0 };
	set_del(&m->eq_work, slot);
}

void cq_destroy(struct mana_model *m, unsigned int slot)
{
	free(m->cq[slot].e.ring.page);
	m->cq[slot] = (struct cq){ 0 };
	set_del(&m->cq_work, slot);
}

void wq_destroy(struct mana_model *m, struct wq *wq)
{
	if (wq->live && wq->sq)
		set_del(&m->sq_work, (unsigned int)(wq - m->sq));
	free(wq->ring.page);
	*wq = (struct wq){ 0 };
}
