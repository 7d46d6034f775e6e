// SPDX-License-Identifier: BSD-2-Clause
/*
 * From any state to a running adapter, for a start and for a reset.
 *
 * The lifecycle word is other than READY from the first thing done to the device to the last, so
 * that a successor of a process that stops in here begins again. What was being sent is lost only
 * after the device has stopped.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "devices/common/stop_dma.h"
#include "devices/mana/adapter.h"

int mana_quiesce(struct udrv_mana *mana)
{
	int err = udrv_device_reset(mana->dev);

	if (err == -EOPNOTSUPP) {
		mana_warn(mana,
			  "the function cannot be reset: destroying its hardware channel instead");
		err = mana_smc_destroy(mana);
		/* There may have been none. */
		if (err == -EIO)
			err = 0;
	}
	if (err)
		stop_dma(mana->dev, mana->log, "device", err);
	return err;
}

static int check_id(struct udrv_mana *mana)
{
	struct mana_facts *facts = &mana->facts;
	int err = udrv_device_id(mana->dev, &facts->id);

	if (err)
		return err;
	if (facts->id.vendor != GDMA_PCI_VENDOR || facts->id.device != GDMA_PCI_DEVICE_VF) {
		mana_err(mana, "%04x:%04x is not a MANA virtual function (1414:00ba)",
			 facts->id.vendor, facts->id.device);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* What does not depend on the device's answers. */
static int geometry(struct udrv_mana *mana, bool again)
{
	struct mana_facts *facts = &mana->facts;
	int vectors;

	if (again)
		return 0;
	facts->tx_slots = udrv_load32(&mana->state->slot_capacity);
	if (facts->tx_slots != mana->opts.tx_depth)
		mana_info(mana,
			  "the state was made for %u sends a queue: format it anew for another number",
			  facts->tx_slots);
	facts->rx_depth = mana->opts.rx_depth;
	facts->vectors = 0;
	if (mana->opts.poll)
		return 0;
	vectors = udrv_device_irq_count(mana->dev);
	if (vectors <= 0) {
		mana_err(mana, "the device has no MSI-X vectors");
		return -EOPNOTSUPP;
	}
	facts->vectors = vectors;
	return 0;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/*
 * Vports and queues: as many as asked for, at a reset as many as there were, as far as state and
 * device have room.
 */
static int grant(struct udrv_mana *mana, bool again, uint32_t vports, uint32_t queues)
{
	struct mana_facts *facts = &mana->facts;

	if (again && (vports < facts->vports || queues < facts->queues)) {
		mana_err(mana,
			 "the device grants %u vports with %u queue pairs now, it had granted %u with %u",
			 vports, queues, facts->vports, facts->queues);
		return -EIO;
	}
	if (again)
		return 0;
	facts->vports = vports;
	facts->queues = queues;
	facts->max_mtu = least(mana->opts.mtu, facts->adapter_mtu);
	facts->rx_buf_size = mana_rx_buf_size(facts->max_mtu);
	return 0;
}

static int learn(struct udrv_mana *mana, bool again)
{
	struct mana_facts *facts = &mana->facts;
	uint32_t vports, queues, max_queues, adapter_mtu;
	int err;

	err = mana_gdma_probe(mana, &max_queues);
	if (!err)
		err = mana_query_device(mana, &vports);
	if (!err)
		err = mana_gdma_register(mana);
	if (!err)
		err = mana_query_device(mana, &vports);
	if (err)
		return err;
	adapter_mtu = facts->adapter_mtu;
	if (adapter_mtu < MANA_MIN_MTU || (again && adapter_mtu < facts->max_mtu)) {
		mana_err(mana, "the adapter's MTU is %u now, %u is in use", adapter_mtu,
			 facts->max_mtu);
		return -EIO;
	}

	vports = least(vports, least(mana->opts.vports, udrv_load32(&mana->state->vport_capacity)));
	if (vports > max_queues)
		vports = max_queues;
	queues = least(max_queues / vports,
		       least(mana->opts.queues, udrv_load32(&mana->state->queue_capacity)));
	for (uint32_t i = 0; i < vports; i++) {
		uint32_t n;

		err = mana_query_vport(mana, i, &n);
		if (err)
			return err;
		queues = least(queues, n);
	}
	err = grant(mana, again, vports, queues);
	if (err)
		return err;
	for (uint32_t i = 0; i < facts->vports; i++) {
		struct mana_vport_facts *v = &facts->vport[i];

		if (!again)
			v->mtu = facts->max_mtu;
		if (!again || !v->rss.hash_types)
			mana_rss_default(mana, i);
	}
	return 0;
}

static uint32_t vector_of(const struct udrv_mana *mana, unsigned int n)
{
	uint32_t vectors = mana->facts.vectors;

	return vectors > 1 ? 1 + n % (vectors - 1) : 0;
}

/* Packets that nobody has taken. */
static void count_lost(struct udrv_mana *mana)
{
	for (unsigned int i = 0; i < mana->nqueues; i++) {
		struct udrv_mana_queue *q = &mana->queues[i];
		uint32_t tx, rx;

		if (!q->st || mana_queue_waiting(q, &tx, &rx))
			continue;
		mana_count(&q->st->rx_lost, rx + (q->rx_seen - q->rx_head));
	}
}

/* Every queue that the state has room for begins anew, also those that will not be used now. */
static void origins(struct udrv_mana *mana)
{
	const struct mana_facts *facts = &mana->facts;
	uint32_t slots = udrv_load32(&mana->state->slot_capacity);

	for (uint32_t v = 0; v < udrv_load32(&mana->state->vport_capacity); v++) {
		for (uint32_t i = 0; i < udrv_load32(&mana->state->queue_capacity); i++) {
			struct mana_queue_state *st = mana_queue_state(mana, v, i);
			uint64_t tail;

			mana_queue_origin(st, slots, facts->rx_depth);
			tail = udrv_load64(&st->tx_tail);
			if (mana_low(tail) == mana_high(udrv_load64(&st->tx_head)) ||
			    (v < facts->vports && i < facts->queues))
				continue;
			mana_warn(mana,
				  "vport %u, queue %u is no longer there: its unfinished sends are forgotten",
				  v, i);
			udrv_store64(&st->tx_head, mana_pair(2 * slots, mana_low(tail)));
			udrv_store64(&st->tx_lost, 0);
		}
	}
}

static int start_queue(struct udrv_mana *mana, struct udrv_mana_queue *q, unsigned int vport,
		       unsigned int index)
{
	struct mana_queue_state *st = mana_queue_state(mana, vport, index);
	int err;

	err = mana_queue_memory(mana, st, vport, index);
	if (err)
		return err;
	udrv_store32(&st->vector, vector_of(mana, vport * mana->facts.queues + index));
	err = mana_queue_init(mana, q, st, vport, index);
	if (!err)
		err = mana_gdma_create_eq(mana, q);
	if (!err)
		err = mana_create_sq(mana, q);
	if (!err)
		err = mana_create_rq(mana, q);
	if (!err)
		/* with the ids that it was given */
		err = mana_queue_init(mana, q, st, vport, index);
	if (err)
		return err;
	mana_rx_fill(q);
	q->rx_tail = mana->facts.rx_depth;
	udrv_store64(&st->rx_tail, q->rx_tail);
	mana_rx_ring(q);
	return 0;
}

static int start_queues(struct udrv_mana *mana)
{
	const struct mana_facts *facts = &mana->facts;
	int err = 0;

	if (!mana->queues) {
		mana->queues =
			aligned_alloc(64, facts->vports * facts->queues * sizeof(*mana->queues));
		if (!mana->queues)
			return -ENOMEM;
		mana->nqueues = facts->vports * facts->queues;
		memset(mana->queues, 0, mana->nqueues * sizeof(*mana->queues));
	}
	for (unsigned int v = 0; !err && v < facts->vports; v++) {
		err = mana_config_tx(mana, v);
		for (unsigned int i = 0; !err && i < facts->queues; i++)
			err = start_queue(mana, &mana->queues[v * facts->queues + i], v, i);
		if (!err)
			err = mana_steer(mana, v, true);
	}
	return err;
}

static int bring_up(struct udrv_mana *mana, bool again)
{
	int err;

	err = udrv_device_bus_master(mana->dev, true);
	if (err) {
		mana_err(mana, "bus mastering could not be enabled (error %d)", err);
		return err;
	}
	mana_hwc_origin(mana);
	err = mana_hwc_start(mana);
	if (!err)
		err = learn(mana, again);
	/* Only now it is known how many, and they are to be enabled all at once. */
	if (!err && mana->facts.vectors)
		err = mana_irq_enable(mana);
	if (err)
		return err;
	origins(mana);
	udrv_store32(&mana->state->steer_unsure, 0);
	err = start_queues(mana);
	if (!err)
		err = mana_facts_write(mana->st, &mana->facts);
	if (err == -ENOSPC)
		mana_err(mana, "the state's tree, or the pool's book, has no room left");
	return err;
}

/* Its registers are no way to stop it. */
static int regs_unusable(struct udrv_mana *mana, int err)
{
	int reset = err == -ENODEV ? 0 : udrv_device_reset(mana->dev);

	if (reset)
		stop_dma(mana->dev, mana->log, "adapter", reset);
	return err;
}

int mana_setup(struct udrv_mana *mana, bool again)
{
	int err;

	if (udrv_state_lifecycle(mana->st) != UDRV_INIT)
		udrv_state_set_lifecycle(mana->st, UDRV_RESETTING);
	UDRV_STEP();

	err = check_id(mana);
	if (err)
		return err;
	err = mana_regs_map(mana);
	if (err)
		return regs_unusable(mana, err);
	err = mana_quiesce(mana);
	if (err)
		return err;
	if (!mana->lost_counted)
		count_lost(mana);
	mana->lost_counted = true;
	udrv_store32(&mana->state->reset_wanted, 0);
	udrv_store32(&mana->state->link_down, 0);
	err = geometry(mana, again);
	if (!err)
		err = mana_hwc_memory(mana);
	if (err)
		return err;
	err = bring_up(mana, again);
	if (err) {
		mana_err(mana, "the adapter could not be set up (error %d)", err);
		/* Not half alive, with queues in memory that its owner may give away. */
		mana_fail(mana);
		mana_quiesce(mana);
		return err;
	}
	mana->failed = false;
	mana->lost_counted = false;
	mana_fill_info(mana);
	udrv_state_set_lifecycle(mana->st, UDRV_READY);
	UDRV_STEP();
	return 0;
}
