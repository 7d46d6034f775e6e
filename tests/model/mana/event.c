// SPDX-License-Identifier: BSD-2-Clause
/*
 * From completions to interrupts: CQE, then EQE if the CQ is armed, then a message if the EQ is
 * armed.
 */
#include "tests/model/mana/internal.h"

/* The entry's last dword is @info with the owner bits; it is written when everything else is. */
static bool put(struct mana_model *m, struct entries *e, void *entry, uint32_t info,
		const char *what)
{
	uint32_t lap = e->producer / e->count & GDMA_OWNER_MASK, size = 1u << e->shift;

	info = htole32(info | lap << GDMA_OWNER_SHIFT);
	memcpy((uint8_t *)entry + size - sizeof(info), &info, sizeof(info));
	if (!ring_post(m, &e->ring, e->producer << e->shift, entry, size, what))
		return false;
	e->producer = entries_modulo(e, e->producer + 1);
	return true;
}

/*
 * What the driver has acknowledged is all that the device knows of its place. One lap of entries
 * is certain room; a driver may acknowledge later than that, but never later than the owner bits
 * can tell laps apart.
 */
bool cq_room(struct mana_model *m, unsigned int slot)
{
	struct cq *cq = &m->cq[slot];
	uint32_t used = entries_pending(&cq->e), most = cq->e.count * GDMA_LAPS - 1;

	if (used < (m->opts.cq_room ? cq->e.count : most))
		return true;
	if (!cq->overrun)
		model_violation(m,
				"CQ %#x: %u completions were posted since the last doorbell, it has %u entries",
				CQ_ID(slot), used, cq->e.count);
	cq->overrun = true;
	return used < most;
}

static bool put_cqe(struct mana_model *m, unsigned int slot, struct gdma_cqe *cqe, uint32_t info)
{
	if (!put(m, &m->cq[slot].e, cqe, info, "CQ"))
		return false;
	m->counts.cqes++;
	set_add(&m->cq_work, slot);
	return true;
}

bool cq_post(struct mana_model *m, unsigned int slot, struct gdma_cqe *cqe, uint32_t wq, bool sq)
{
	if (!cq_room(m, slot))
		return false;
	if (slot && fault_take(m, FAULT_GARBAGE_CQE, 0)) {
		struct gdma_cqe junk;

		for (unsigned int i = 0; i < 15; i++)
			junk.data[i] = model_random(m, UINT32_MAX);
		put_cqe(m, slot, &junk, model_random(m, 1u << GDMA_OWNER_SHIFT));
		if (!cq_room(m, slot))
			return false;
	}
	return put_cqe(m, slot, cqe, wq | (sq ? GDMA_CQE_IS_SQ : 0));
}

bool eq_post(struct mana_model *m, unsigned int slot, uint8_t type, uint32_t detail)
{
	struct entries *e = &m->eq[slot].e;
	struct gdma_eqe eqe = { .details = { htole32(detail) } };

	if (entries_pending(e) >= e->count || !put(m, e, &eqe, type, "EQ"))
		return false;
	m->counts.eqes++;
	set_add(&m->eq_work, slot);
	return true;
}

/* One CQ that is armed and has what the driver does not know of: an event on its EQ. */
bool cq_step(struct mana_model *m)
{
	unsigned int from = m->opts.seed ? model_random(m, MAX_CQS) : m->cq_next;
	int slot;

	while ((slot = set_next(&m->cq_work, from)) != NO_SLOT) {
		struct cq *cq = &m->cq[slot];

		set_del(&m->cq_work, (unsigned int)slot);
		from = m->cq_next = ((unsigned int)slot + 1) % MAX_CQS;
		if (!cq->e.armed || !entries_pending(&cq->e) || cq->eq == NO_SLOT)
			continue;
		cq->e.armed = false;
		if (eq_post(m, (unsigned int)cq->eq, GDMA_EQE_COMPLETION,
			    CQ_ID((unsigned int)slot)))
			return true;
		model_violation(m, "EQ %#x is full: %u entries", EQ_ID((unsigned int)cq->eq),
				m->eq[cq->eq].e.count);
	}
	return false;
}

static void interrupt(struct mana_model *m, unsigned int vector)
{
	if (fault_take(m, FAULT_DROP_IRQ, vector)) {
		m->counts.interrupts_dropped++;
		return;
	}
	m->counts.interrupts++;
	m->opts.ops->irq(m->opts.ctx, vector);
}

/* One EQ: its test event, or the interrupt for what the driver does not know of. */
bool eq_step(struct mana_model *m)
{
	unsigned int from = m->opts.seed ? model_random(m, MAX_EQS) : m->eq_next;
	int slot;

	while ((slot = set_next(&m->eq_work, from)) != NO_SLOT) {
		struct eq *eq = &m->eq[slot];

		if (eq->tests && eq_post(m, (unsigned int)slot, GDMA_EQE_TEST_EVENT, 0)) {
			eq->tests--;
			return true;
		}
		set_del(&m->eq_work, (unsigned int)slot);
		from = m->eq_next = ((unsigned int)slot + 1) % MAX_EQS;
		if (eq->e.armed && entries_pending(&eq->e)) {
			eq->e.armed = false;
			interrupt(m, eq->vector);
			return true;
		}
	}
	return false;
}
