// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "devices/mana/adapter.h"

int mana_new(struct udrv_device *dev, const struct udrv_mana_opts *opts, struct udrv_mana **ret)
{
	struct udrv_mana *mana;
	int err;

	if (!udrv_device_dma(dev) || !udrv_device_state(dev))
		return -EINVAL;
	mana = calloc(1, sizeof(*mana));
	if (!mana)
		return -ENOMEM;
	err = mana_opts_default(opts, &mana->opts);
	if (err) {
		free(mana);
		return err;
	}
	mana->dev = dev;
	mana->dma = udrv_device_dma(dev);
	mana->st = udrv_device_state(dev);
	mana->log = udrv_device_log(dev);
	udrv_mana_set_timeout(mana, mana->opts.timeout_ms);
	mana->hwc.waited = -1;
	*ret = mana;
	return 0;
}

void udrv_mana_set_timeout(struct udrv_mana *mana, unsigned int timeout_ms)
{
	mana->opts.timeout_ms = timeout_ms ? timeout_ms : MANA_TIMEOUT_MS;
	mana->timeout_ns = mana->opts.timeout_ms * 1000000ull;
}

void mana_free(struct udrv_mana *mana)
{
	vectors_free(&mana->vectors);
	for (unsigned int i = 0; i < mana->nqueues; i++)
		mana_queue_free(&mana->queues[i]);
	free(mana->queues);
	free(mana);
}

void udrv_mana_detach(struct udrv_mana *mana)
{
	if (mana)
		mana_free(mana);
}

void mana_fail(struct udrv_mana *mana)
{
	mana->failed = true;
	for (unsigned int i = 0; i < mana->nqueues; i++)
		mana_queue_fail(&mana->queues[i], NULL);
}

void mana_fill_info(struct udrv_mana *mana)
{
	const struct mana_facts *facts = &mana->facts;
	struct udrv_mana_info *info = &mana->info;

	info->vports = facts->vports;
	info->queues = facts->queues;
	info->tx_depth = facts->tx_slots - 1;
	info->rx_depth = facts->rx_depth;
	info->rx_buf_size = facts->rx_buf_size;
	info->max_mtu = facts->max_mtu;
	info->vectors = facts->vectors;
	for (unsigned int i = 0; i < facts->vports; i++) {
		const struct mana_vport_facts *v = &facts->vport[i];

		memcpy(mana->vport_info[i].mac, v->mac, sizeof(v->mac));
		mana->vport_info[i].mtu = v->mtu;
		mana->vport_info[i].indir_entries = v->rss.entries;
		mana->vport_info[i].speed_mbps = v->speed_mbps;
		mana->vport_info[i].link = !udrv_load32(&mana->state->link_down);
	}
}

static int start(struct udrv_mana *mana)
{
	int err;

	err = mana_areas_find(mana);
	if (err == -ENOENT)
		err = mana_areas_make(mana);
	if (!err)
		err = mana_setup(mana, false);
	if (err)
		return err;
	udrv_store64(&mana->state->starts, udrv_load64(&mana->state->starts) + 1);
	return 0;
}

int udrv_mana_start(struct udrv_device *dev, const struct udrv_mana_opts *opts,
		    struct udrv_mana **ret)
{
	struct udrv_mana *mana;
	int err;

	err = mana_new(dev, opts, &mana);
	if (err)
		return err;
	err = start(mana);
	if (err) {
		mana_free(mana);
		return err;
	}
	mana_info(mana,
		  "started with %u vports, %u queue pairs each, %u sends and %u receive buffers a queue",
		  mana->info.vports, mana->info.queues, mana->info.tx_depth, mana->info.rx_depth);
	*ret = mana;
	return 0;
}

const struct udrv_mana_info *udrv_mana_info(const struct udrv_mana *mana)
{
	return &mana->info;
}

const struct udrv_mana_vport_info *udrv_mana_vport(const struct udrv_mana *mana, unsigned int i)
{
	return i < mana->info.vports ? &mana->vport_info[i] : NULL;
}

struct udrv_mana_queue *udrv_mana_queue(struct udrv_mana *mana, unsigned int vport, unsigned int i)
{
	if (vport >= mana->info.vports || i >= mana->info.queues)
		return NULL;
	return &mana->queues[vport * mana->info.queues + i];
}

unsigned int udrv_mana_queue_vport(const struct udrv_mana_queue *q)
{
	return q->vport;
}

unsigned int udrv_mana_queue_index(const struct udrv_mana_queue *q)
{
	return q->index;
}

const struct udrv_mana_resume_report *udrv_mana_resume_report(const struct udrv_mana *mana)
{
	return &mana->report;
}

void udrv_mana_on_event(struct udrv_mana *mana, void (*fn)(void *ctx, enum udrv_mana_event event),
			void *ctx)
{
	mana->event_fn = fn;
	mana->event_ctx = ctx;
}

int udrv_mana_set_mtu(struct udrv_mana *mana, unsigned int vport, unsigned int mtu)
{
	struct mana_facts facts = mana->facts;
	int err;

	if (vport >= facts.vports || mtu < MANA_MIN_MTU || mtu > facts.max_mtu)
		return -EINVAL;
	facts.vport[vport].mtu = mtu;
	err = mana_facts_write(mana->st, &facts);
	if (err)
		return err;
	mana->facts.vport[vport].mtu = mtu;
	mana->vport_info[vport].mtu = mtu;
	for (unsigned int i = 0; i < mana->nqueues; i++) {
		struct udrv_mana_queue *q = &mana->queues[i];

		if (q->vport == vport && !q->failed)
			__atomic_store_n(&q->max_frame, mtu + MANA_ETH_HLEN, __ATOMIC_RELAXED);
	}
	return 0;
}
