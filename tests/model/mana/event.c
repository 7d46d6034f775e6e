// SPDX-License-Identifier: BSD-2-Clause
/* From completions to interrupts: CQE, then EQE if the CQ is armed, then a message if the EQ is armed. */
#include "tests/model/mana/internal.h"

static uint32_t owner(uint32_t producer, uint32_t entries)
{
	return (producer / entries & GDMA_OWNER_MASK) << GDMA_OWNER_SHIFT;
}

/*
 * What the driver has acknowledged is all that the device knows of its place. One lap of entries is certain room; a
 * driver may acknowledge later than that, but never later than the owner bits can tell laps apart.
 */
bool cq_room(struct mana_model *m, unsigned int slot)
{
	struct cq *cq = &m->cq[slot];
	uint32_t used = (cq->producer - cq->tail) & (cq->entries * GDMA_LAPS - 1);
	uint32_t room = m->opts.cq_room ? cq->entries : cq->entries * GDMA_LAPS - 1;

	if (used < room)
		return true;
	if (!cq->overrun)
		model_violation(m, "CQ %#x: %u completions were posted since the last doorbell, it has %u entries", CQ_ID(slot),
				used, cq->entries);
	cq->overrun = true;
	return used < cq->entries * GDMA_LAPS - 1;
}

static bool put_cqe(struct mana_model *m, unsigned int slot, struct gdma_cqe *cqe, uint32_t info)
{
	struct cq *cq = &m->cq[slot];

	cqe->info = htole32(info | owner(cq->producer, cq->entries));
	if (!ring_post(m, &cq->ring, cq->producer << GDMA_CQE_SHIFT, cqe, sizeof(*cqe), "CQ"))
		return false;
	cq->producer = (cq->producer + 1) & (cq->entries * GDMA_LAPS - 1);
	m->counts.cqes++;
	set_add(&m->cq_work, slot);
	return true;
}

bool cq_post(struct mana_model *m, unsigned int slot, struct gdma_cqe *cqe, uint32_t wq, bool sq)
{
	uint32_t info = wq | (sq ? GDMA_CQE_IS_SQ : 0);

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
	return put_cqe(m, slot, cqe, info);
}

static bool eq_full(const struct eq *eq)
{
	return ((eq->producer - eq->tail) & (eq->entries * GDMA_LAPS - 1)) >= eq->entries;
}

bool eq_post(struct mana_model *m, unsigned int slot, uint8_t type, uint32_t detail)
{
	struct eq *eq = &m->eq[slot];
	struct gdma_eqe eqe = { .details = { htole32(detail) } };

	if (eq_full(eq))
		return false;
	eqe.info = htole32(type | owner(eq->producer, eq->entries));
	if (!ring_post(m, &eq->ring, eq->producer << GDMA_EQE_SHIFT, &eqe, sizeof(eqe), "EQ"))
		return false;
	eq->producer = (eq->producer + 1) & (eq->entries * GDMA_LAPS - 1);
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
		if (!cq->armed || cq->producer == cq->tail || cq->eq == NO_SLOT)
			continue;
		if (!eq_post(m, (unsigned int)cq->eq, GDMA_EQE_COMPLETION, CQ_ID((unsigned int)slot))) {
			model_violation(m, "EQ %#x is full: %u entries", EQ_ID((unsigned int)cq->eq), m->eq[cq->eq].entries);
			cq->armed = false;
			continue;
		}
		cq->armed = false;
		return true;
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
		if (eq->armed && eq->producer != eq->tail) {
			eq->armed = false;
			interrupt(m, eq->vector);
			return true;
		}
	}
	return false;
}
