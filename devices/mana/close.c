// SPDX-License-Identifier: BSD-2-Clause
/*
 * A clean end: receiving off, what is in the receive queues fenced, queues destroyed, the device
 * deregistered, the hardware channel destroyed, and only then the memory given back.
 */
#include <errno.h>

#include "devices/mana/adapter.h"

#define FENCE_TIMEOUT_NS 1000000000ull

static int close_rq(struct udrv_mana *mana, struct udrv_mana_queue *q)
{
	uint64_t begin = wait_now_ns(), waited = 0;
	int err;

	q->fenced = false;
	err = mana_fence_rq(mana, q);
	/* A device without fences, or a fence that does not come, delays the end and no more. */
	while (!err && !q->fenced && !q->failed && waited < FENCE_TIMEOUT_NS) {
		mana_rx_drop_until_fence(q);
		if (mana_regs_alive(mana))
			return -ENODEV;
		wait_relax(waited);
		waited = wait_now_ns() - begin;
	}
	if (err && err != -EOPNOTSUPP && err != -EIO)
		return err;
	return mana_destroy_wq(mana, GDMA_RQ, udrv_load64(&q->st->rq_obj));
}

static int close_all(struct udrv_mana *mana)
{
	int err = mana->failed || mana->hwc.failed ? -ESHUTDOWN : 0;

	for (unsigned int i = 0; !err && i < mana->facts.vports; i++)
		err = mana_steer(mana, i, false);
	for (unsigned int i = 0; !err && i < mana->nqueues; i++)
		err = close_rq(mana, &mana->queues[i]);
	for (unsigned int i = 0; !err && i < mana->nqueues; i++)
		err = mana_destroy_wq(mana, GDMA_SQ, udrv_load64(&mana->queues[i].st->sq_obj));
	for (unsigned int i = 0; !err && i < mana->nqueues; i++)
		err = mana_gdma_disable_eq(mana, &mana->queues[i]);
	if (!err)
		err = mana_gdma_deregister(mana);
	if (!err)
		err = mana_smc_destroy(mana);
	return err;
}

static void free_memory(struct udrv_mana *mana)
{
	uint64_t off, size;

	for (unsigned int v = 0; v < UDRV_MANA_MAX_VPORTS; v++) {
		for (unsigned int i = 0; i < UDRV_MANA_MAX_QUEUES; i++) {
			if (!udrv_dma_find(mana->dma, MANA_TAG(MANA_TAG_RINGS, v, i), &off, &size))
				udrv_dma_free(mana->dma, off);
			if (!udrv_dma_find(mana->dma, MANA_TAG(MANA_TAG_BUFS, v, i), &off, &size))
				udrv_dma_free(mana->dma, off);
		}
	}
	if (!udrv_dma_find(mana->dma, MANA_TAG(MANA_TAG_HWC, 0, 0), &off, &size))
		udrv_dma_free(mana->dma, off);
}

int udrv_mana_shutdown(struct udrv_mana *mana)
{
	int err, stopped;

	if (udrv_state_updating(mana->st))
		return -EAGAIN;
	for (unsigned int i = 0; i < mana->nqueues; i++) {
		if (udrv_mana_sending(&mana->queues[i]))
			return -EBUSY;
	}
	udrv_state_set_lifecycle(mana->st, UDRV_CLOSING);
	UDRV_STEP();
	err = close_all(mana);
	stopped = err ? mana_quiesce(mana) : 0;
	if (err)
		mana_warn(mana, "could not be closed in order (error %d)%s", err,
			  stopped ? "" : ", was reset instead");
	vectors_free(&mana->vectors);
	udrv_device_irq_disarm(mana->dev);
	if (!stopped) {
		udrv_device_bus_master(mana->dev, false);
		free_memory(mana);
		udrv_state_set_lifecycle(mana->st, UDRV_INIT);
		UDRV_STEP();
	}
	mana_free(mana);
	if (stopped)
		return -EIO;
	return err ? -ETIMEDOUT : 0;
}
