// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "devices/mana/adapter.h"

/* Vectors that are in use: the hardware channel's and those of the queue pairs. */
static unsigned int used(const struct udrv_mana *mana)
{
	unsigned int n = mana->facts.vports * mana->facts.queues + 1;

	return n < mana->facts.vectors ? n : mana->facts.vectors;
}

static void signalled(void *ctx, unsigned int vector)
{
	struct udrv_mana *mana = ctx;

	if (mana->failed)
		return;
	if (!vector)
		mana_hwc_service(mana);
	for (unsigned int i = 0; i < mana->nqueues; i++) {
		struct udrv_mana_queue *q = &mana->queues[i];

		if (udrv_load32(&q->st->vector) != vector)
			continue;
		mana_eq_drain(q);
		mana->irq_fn(mana->irq_ctx, q);
	}
}

/*
 * An event that one tick and the next one see at the same place had no interrupt, or one that was
 * lost: its queue is served without.
 */
void mana_irq_missed(struct udrv_mana *mana)
{
	if (!mana->vectors.n)
		return;
	for (unsigned int i = 0; i < mana->nqueues; i++) {
		struct udrv_mana_queue *q = &mana->queues[i];
		struct gdma_eqe eqe;

		if (q->failed || mana_eq_look(&q->eq, q->eq.head, &eqe) != 1) {
			q->eq.overdue = false;
		} else if (!q->eq.overdue || q->eq.overdue_at != q->eq.head) {
			q->eq.overdue = true;
			q->eq.overdue_at = q->eq.head;
		} else {
			mana_warn(mana,
				  "vport %u, queue %u: an event has come without an interrupt",
				  q->vport, q->index);
			q->eq.overdue = false;
			mana_eq_drain(q);
			mana->irq_fn(mana->irq_ctx, q);
		}
	}
}

int mana_irq_enable(struct udrv_mana *mana)
{
	return vectors_enable(&mana->vectors, mana->dev, used(mana));
}

int udrv_mana_irq_arm(struct udrv_mana *mana, struct udrv_loop *loop,
		      void (*fn)(void *ctx, struct udrv_mana_queue *q), void *ctx)
{
	unsigned int n = used(mana);
	int err;

	if (!mana->facts.vectors)
		return -EOPNOTSUPP;
	mana->irq_fn = fn;
	mana->irq_ctx = ctx;
	err = vectors_listen(&mana->vectors, mana->dev, loop, n, signalled, mana);
	if (err)
		mana_err(mana, "MSI-X vectors 0 to %u could not be armed (error %d)", n - 1, err);
	return err;
}
