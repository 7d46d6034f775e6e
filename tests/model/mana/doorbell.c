// SPDX-License-Identifier: BSD-2-Clause
/*
 * Doorbells: they move tails and arm, nothing else. Each is one write of 8 bytes, in the page of
 * the queue's owner. The same value again is no mistake: a driver that resumes rings what it
 * finds in its counters.
 */
#include "tests/model/mana/internal.h"

static bool right_page(struct mana_model *m, const char *what, uint32_t id, uint32_t page,
		       uint32_t db)
{
	if (page == db)
		return true;
	model_violation(m, "%s %#x: doorbell rung in page %u, its own is %u", what, id, page, db);
	return false;
}

static void ring_wq(struct mana_model *m, struct wq *wq, uint32_t page, uint32_t tail)
{
	const char *what = wq->sq ? "SQ" : "RQ";

	if (!right_page(m, what, wq->id, page, wq->db))
		return;
	if (tail % GDMA_WQE_BU_SIZE) {
		model_violation(m, "%s %#x: tail %#x is no multiple of %u", what, wq->id, tail,
				GDMA_WQE_BU_SIZE);
		return;
	}
	if ((int32_t)(tail - wq->tail) < 0) {
		model_violation(m, "%s %#x: doorbell goes back from %#x to %#x", what, wq->id,
				wq->tail, tail);
		return;
	}
	if (tail - wq->head > wq->ring.size) {
		model_violation(m,
				"%s %#x: tail %#x is %u bytes ahead of the device, the ring has %u",
				what, wq->id, tail, tail - wq->head, wq->ring.size);
		return;
	}
	wq->tail = tail;
	if (wq->sq)
		set_add(&m->sq_work, (unsigned int)(wq - m->sq));
}

/*
 * The consumer is between its old place and what has been produced, or the doorbell is not
 * regarded. Returns whether it is, and armed if @val says so.
 */
static bool move_tail(struct mana_model *m, const char *what, uint32_t id, struct entries *e,
		      uint64_t val)
{
	uint32_t tail = val >> GDMA_DB_TAIL_SHIFT & GDMA_DB_CEQ_TAIL_MASK;

	if (tail != entries_modulo(e, tail)) {
		model_violation(m, "%s %#x: index %#x, it runs up to %#x", what, id, tail,
				e->count * GDMA_LAPS);
		return false;
	}
	if (entries_modulo(e, tail - e->tail) > entries_pending(e)) {
		model_violation(m, "%s %#x: doorbell goes from %#x to %#x, the device is at %#x",
				what, id, e->tail, tail, e->producer);
		return false;
	}
	e->tail = tail;
	if (!(val & GDMA_DB_ARM))
		return true;
	if (entries_pending(e) > e->count)
		model_violation(m, "%s %#x: armed at %#x, more than a lap behind the device at %#x",
				what, id, tail, e->producer);
	else
		e->armed = true;
	return true;
}

/*
 * Linux's interrupt handler wakes who waits for an answer before it rings: that one may have
 * destroyed the hardware channel by then. Devices bear it.
 */
static bool rung_late(struct mana_model *m, bool hwc)
{
	if (!hwc || !m->hwc.destroyed)
		return false;
	m->counts.late_doorbells++;
	return true;
}

static void ring_cq(struct mana_model *m, uint32_t page, uint64_t val)
{
	uint32_t id = val & GDMA_DB_ID_MASK;
	int slot = cq_find(m, id);
	struct cq *cq = &m->cq[slot < 0 ? 0 : slot];

	if (slot < 0) {
		if (!rung_late(m, id == CQ_ID(0)))
			model_violation(m, "doorbell of CQ %#x, which does not exist", id);
		return;
	}
	if (!right_page(m, "CQ", id, page, cq->e.db) || !move_tail(m, "CQ", id, &cq->e, val))
		return;
	/* A send queue may have waited for this. */
	for (unsigned int i = 0; cq->overrun && i < MAX_WQS; i++) {
		if (m->sq[i].live && m->sq[i].cq == (unsigned int)slot)
			set_add(&m->sq_work, i);
	}
	cq->overrun = false;
	set_add(&m->cq_work, (unsigned int)slot);
}

static void ring_eq(struct mana_model *m, uint32_t page, uint64_t val)
{
	uint32_t id = val & GDMA_DB_EQ_ID_MASK;
	int slot = eq_find(m, id);
	struct eq *eq = &m->eq[slot < 0 ? 0 : slot];

	if (slot < 0) {
		if (!rung_late(m, id == EQ_ID(0)))
			model_violation(m, "doorbell of EQ %#x, which does not exist", id);
		return;
	}
	/* What did not fit may fit now. */
	if (right_page(m, "EQ", id, page, eq->e.db) && move_tail(m, "EQ", id, &eq->e, val))
		set_add(&m->eq_work, (unsigned int)slot);
}

void doorbell(struct mana_model *m, uint64_t off, uint64_t val, unsigned int width)
{
	uint32_t page = (uint32_t)(off / GDMA_PAGE_SIZE), at = off % GDMA_PAGE_SIZE,
		 id = val & GDMA_DB_ID_MASK;
	int slot;

	m->counts.doorbells++;
	if (width != 8 || page >= DB_PAGES) {
		model_violation(m, "doorbell page %u: write of %u bytes at %#x", page, width, at);
		return;
	}
	switch (at) {
	case GDMA_DB_SQ:
		slot = sq_find(m, id);
		if (slot < 0)
			model_violation(m, "doorbell of SQ %#x, which does not exist", id);
		else
			ring_wq(m, &m->sq[slot], page, (uint32_t)(val >> GDMA_DB_TAIL_SHIFT));
		break;
	case GDMA_DB_RQ:
		slot = rq_find(m, id);
		if (slot < 0)
			model_violation(m, "doorbell of RQ %#x, which does not exist", id);
		else
			ring_wq(m, &m->rq[slot], page, (uint32_t)(val >> GDMA_DB_TAIL_SHIFT));
		break;
	case GDMA_DB_CQ:
		ring_cq(m, page, val);
		break;
	case GDMA_DB_EQ:
		ring_eq(m, page, val);
		break;
	case GDMA_DB_DIM:
	case GDMA_DB_RQ_CLIENT:
		break;
	default:
		model_violation(m, "doorbell page %u: write at %#x, where there is no doorbell",
				page, at);
	}
}
