// SPDX-License-Identifier: BSD-2-Clause
/*
 * Completion queues: telling the device what was taken, and what to do with
 * entries that are nobody's.
 *
 * Nothing in an entry is followed before it has been compared with the queue that it is for. What
 * does not fit is counted and taken; too many of them, and the queue has failed.
 */
#include <errno.h>

#include "devices/mana/adapter.h"

void mana_cq_ring(struct udrv_mana_queue *q, struct mana_cq *cq, bool arm)
{
	mana_ring(q, GDMA_DB_CQ, gdma_cq_doorbell(cq->id, mana_db_index(cq->head, cq->shift), arm));
	cq->rung = cq->head;
	cq->armed = arm;
	mana_count(cq == &q->tx_cq ? &q->st->tx_cq_doorbells : &q->st->rx_cq_doorbells, 1);
}

static void count_bad(struct udrv_mana_queue *q, const char *why)
{
	mana_count(&q->st->bad_cqes, 1);
	if (++q->bad == 1)
		mana_warn(q->mana, "vport %u, queue %u: a completion was dropped: %s", q->vport,
			  q->index, why);
	if (q->bad == MANA_BAD_CQES_MAX)
		mana_queue_fail(q, "too many completions that made no sense");
}

bool mana_tx_skip(struct udrv_mana_queue *q, const char *why)
{
	if (q->tx_cq.seen != q->tx_cq.head)
		return false;
	q->tx_cq.seen = ++q->tx_cq.head;
	udrv_store64(&q->st->tx_head, mana_pair(q->tx_cq.head, q->tx_done));
	count_bad(q, why);
	return true;
}

/* @why NULL: the entry is fine, but not a packet. */
bool mana_rx_skip(struct udrv_mana_queue *q, const char *why)
{
	if (q->rx_cq.seen != q->rx_cq.head)
		return false;
	q->rx_cq.seen = ++q->rx_cq.head;
	udrv_store64(&q->st->rx_head, mana_pair(q->rx_cq.head, q->rx_head));
	if (why)
		count_bad(q, why);
	return true;
}

int udrv_mana_queue_arm(struct udrv_mana_queue *q)
{
	if (__atomic_load_n(&q->failed, __ATOMIC_RELAXED))
		return -ESHUTDOWN;
	if (q->tx_cq.seen != q->tx_cq.head || q->rx_cq.seen != q->rx_cq.head)
		return -EAGAIN;
	if (q->rx_tail - q->rx_rung >= q->rx_batch / 4)
		mana_rx_ring(q);
	/*
	 * Before the CQs are armed: an event that follows has to find the EQ armed behind it, and
	 * interrupts then.
	 */
	mana_eq_drain(q);
	/* Armed ones stay so until their event; those that fell behind are told, too. */
	if (!q->tx_cq.armed || q->tx_cq.head - q->tx_cq.rung >= q->tx_cq.lag)
		mana_cq_ring(q, &q->tx_cq, true);
	if (!q->rx_cq.armed || q->rx_cq.head - q->rx_cq.rung >= q->rx_cq.lag)
		mana_cq_ring(q, &q->rx_cq, true);
	mana_eq_arm(q);
	return 0;
}
