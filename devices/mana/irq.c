// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/loop.h>

#include "devices/mana/adapter.h"

/* Vectors that are in use: the hardware channel's and those of the queue pairs. */
static unsigned int used(const struct udrv_mana *mana)
{
	unsigned int n = mana->facts.vports * mana->facts.queues + 1;

	return n < mana->facts.vectors ? n : mana->facts.vectors;
}

static void signalled(void *arg, uint64_t count)
{
	struct mana_irq *irq = arg;
	struct udrv_mana *mana = irq->mana;

	(void)count;
	if (mana->failed)
		return;
	if (!irq->vector)
		mana_hwc_service(mana);
	for (unsigned int i = 0; i < mana->nqueues; i++) {
		struct udrv_mana_queue *q = &mana->queues[i];

		if (udrv_load32(&q->st->vector) != irq->vector)
			continue;
		mana_eq_drain(q);
		mana->irq_fn(mana->irq_ctx, q);
	}
}

/*
 * An event that one tick and the next one see at the same place had no interrupt, or one that was lost: its queue is
 * served without.
 */
void mana_irq_missed(struct udrv_mana *mana)
{
	if (!mana->nirqs)
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
			mana_warn(mana, "vport %u, queue %u: an event has come without an interrupt", q->vport,
				  q->index);
			q->eq.overdue = false;
			mana_eq_drain(q);
			mana->irq_fn(mana->irq_ctx, q);
		}
	}
}

/* MSI-X is on, all vectors masked: devices may refuse vectors for queues before. What is armed already stays. */
int mana_irq_enable(struct udrv_mana *mana)
{
	int fds[UDRV_MANA_MAX_VPORTS * UDRV_MANA_MAX_QUEUES + 1];
	unsigned int n = used(mana);

	for (unsigned int i = 0; i < n; i++)
		fds[i] = i < mana->nirqs ? mana->irqs[i].fd : -1;
	return udrv_device_irq_arm(mana->dev, 0, n, fds);
}

void mana_irq_free(struct udrv_mana *mana)
{
	for (unsigned int i = 0; i < mana->nirqs; i++) {
		udrv_loop_remove(mana->irqs[i].source);
		if (mana->irqs[i].fd >= 0)
			close(mana->irqs[i].fd);
	}
	free(mana->irqs);
	mana->irqs = NULL;
	mana->nirqs = 0;
}

static int make_sources(struct udrv_mana *mana, struct udrv_loop *loop)
{
	for (unsigned int i = 0; i < mana->nirqs; i++) {
		struct mana_irq *irq = &mana->irqs[i];
		int err;

		irq->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (irq->fd < 0)
			return -errno;
		err = udrv_loop_eventfd(loop, irq->fd, signalled, irq, &irq->source);
		if (err)
			return err;
	}
	return 0;
}

int udrv_mana_irq_arm(struct udrv_mana *mana, struct udrv_loop *loop,
		      void (*fn)(void *ctx, struct udrv_mana_queue *q), void *ctx)
{
	int fds[UDRV_MANA_MAX_VPORTS * UDRV_MANA_MAX_QUEUES + 1], err;
	unsigned int n = used(mana);

	if (!mana->facts.vectors)
		return -EOPNOTSUPP;
	mana_irq_free(mana);
	mana->irqs = calloc(n, sizeof(*mana->irqs));
	if (!mana->irqs)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		mana->irqs[i] = (struct mana_irq){ .mana = mana, .fd = -1, .vector = i };
	mana->nirqs = n;
	mana->irq_fn = fn;
	mana->irq_ctx = ctx;

	err = make_sources(mana, loop);
	if (err) {
		mana_irq_free(mana);
		return err;
	}
	for (unsigned int i = 0; i < n; i++)
		fds[i] = mana->irqs[i].fd;
	err = udrv_device_irq_arm(mana->dev, 0, n, fds);
	if (err) {
		mana_err(mana, "MSI-X vectors 0 to %u could not be armed (error %d)", n - 1, err);
		mana_irq_free(mana);
	}
	return err;
}
