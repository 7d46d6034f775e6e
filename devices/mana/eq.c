// SPDX-License-Identifier: BSD-2-Clause
#include "devices/mana/adapter.h"

/*
 * Is there an entry at @idx? 1: yes, copied to @ret in the machine's byte order, each dword read
 * once; 0: no; -1: the owner bits say that the ring has overflown.
 */
int mana_eq_look(const struct mana_eq *eq, uint32_t idx, struct gdma_eqe *ret)
{
	const struct gdma_eqe *eqe = &eq->ring[idx & eq->mask];
	uint32_t info = le32toh(__atomic_load_n(&eqe->info, __ATOMIC_ACQUIRE));
	uint32_t laps = (GDMA_OWNER(info) - (idx >> eq->shift)) & GDMA_OWNER_MASK;

	ret->info = info;
	if (laps)
		return laps == GDMA_OWNER_MASK ? 0 : -1;
	for (unsigned int i = 0; i < 3; i++)
		ret->details[i] = le32toh(*(const volatile uint32_t *)&eqe->details[i]);
	return 1;
}

void mana_eq_drain(struct udrv_mana_queue *q)
{
	struct mana_eq *eq = &q->eq;
	uint32_t head = eq->head;

	for (uint32_t n = 0; n <= eq->mask; n++) {
		struct gdma_eqe eqe;
		int there = mana_eq_look(eq, eq->head, &eqe);
		uint32_t cq;

		if (!there)
			break;
		if (there < 0) {
			mana_queue_fail(q, "its event queue has overflown");
			break;
		}
		cq = eqe.details[0] & GDMA_DB_ID_MASK;
		switch (GDMA_EQE_TYPE(eqe.info)) {
		case GDMA_EQE_COMPLETION:
			if (cq == q->tx_cq.id)
				q->tx_cq.armed = false;
			else if (cq == q->rx_cq.id)
				q->rx_cq.armed = false;
			break;
		case GDMA_EQE_TEST_EVENT:
			eq->tested = true;
			break;
		}
		eq->head++;
	}
	if (eq->head == head)
		return;
	udrv_store64(&q->st->eq_head, eq->head);
	mana_count(&q->st->events, eq->head - head);
}

void mana_eq_arm(struct udrv_mana_queue *q)
{
	mana_ring(q, GDMA_DB_EQ,
		  gdma_eq_doorbell(q->eq.id, mana_db_index(q->eq.head, q->eq.shift), 1));
	mana_count(&q->st->eq_doorbells, 1);
}
