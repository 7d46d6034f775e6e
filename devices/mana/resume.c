// SPDX-License-Identifier: BSD-2-Clause
/*
 * Taking a running adapter over (docs/mana-resume.md).
 *
 * Three passes: look at everything and write nothing; take in what is in the rings, which writes to
 * memory only; tell the device where its consumer and producer are. The first two may refuse, the
 * third cannot fail. No request is sent.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "devices/mana/adapter.h"

static int differs(struct udrv_mana *mana, const char *what, uint64_t now, uint64_t saved)
{
	if (now == saved)
		return 0;
	mana_err(mana,
		 "%s is %#" PRIx64 ", the saved state says %#" PRIx64
		 ": not resumed, start the adapter anew",
		 what, now, saved);
	return -ESTALE;
}

static int check_identity(struct udrv_mana *mana)
{
	const struct udrv_pci_id *saved = &mana->facts.id;
	struct udrv_pci_id id;
	int err;

	err = udrv_device_id(mana->dev, &id);
	if (err)
		return err;
	err = differs(mana, "vendor ID", id.vendor, saved->vendor);
	if (!err)
		err = differs(mana, "device ID", id.device, saved->device);
	if (!err)
		err = differs(mana, "subsystem vendor ID", id.subsystem_vendor,
			      saved->subsystem_vendor);
	if (!err)
		err = differs(mana, "subsystem ID", id.subsystem, saved->subsystem);
	return err;
}

/* @facts as saved; the registers are read into mana->facts. */
static int check_registers(struct udrv_mana *mana, const struct mana_facts *facts)
{
	uint64_t db;
	int err;

	err = mana_regs_map(mana);
	if (!err)
		err = differs(mana, "doorbell zone", mana->facts.db_zone, facts->db_zone);
	if (!err)
		err = differs(mana, "doorbell page size", mana->facts.db_page_size,
			      facts->db_page_size);
	if (!err)
		err = differs(mana, "shared memory channel's offset", mana->facts.smc_off,
			      facts->smc_off);
	if (!err && facts->vectors > (unsigned int)udrv_device_irq_count(mana->dev)) {
		mana_err(mana,
			 "it has %d MSI-X vectors, but %u were in use: not the recorded adapter",
			 udrv_device_irq_count(mana->dev), facts->vectors);
		err = -ESTALE;
	}
	if (!err && (mana_regs_doorbell(mana, facts->hwc.db, &db) ||
		     mana_regs_doorbell(mana, facts->mana.db, &db)))
		err = -ESTALE;
	return err;
}

static int check_queues(struct udrv_mana *mana)
{
	const struct mana_facts *facts = &mana->facts;
	int err;

	if (facts->vports > udrv_load32(&mana->state->vport_capacity) ||
	    facts->queues > udrv_load32(&mana->state->queue_capacity) ||
	    facts->tx_slots != udrv_load32(&mana->state->slot_capacity)) {
		mana_err(mana,
			 "saved state: %u vports with %u queue pairs of %u sends are not what its areas are for",
			 facts->vports, facts->queues, facts->tx_slots);
		return -EBADMSG;
	}
	err = mana_hwc_check(mana);
	for (unsigned int v = 0; !err && v < facts->vports; v++) {
		for (unsigned int i = 0; !err && i < facts->queues; i++)
			err = mana_queue_check(mana, mana_queue_state(mana, v, i), v, i);
	}
	return err;
}

/* The process's view of all queues, from what was saved. */
static int open_queues(struct udrv_mana *mana)
{
	const struct mana_facts *facts = &mana->facts;
	int err = 0;

	mana->queues = aligned_alloc(64, facts->vports * facts->queues * sizeof(*mana->queues));
	if (!mana->queues)
		return -ENOMEM;
	mana->nqueues = facts->vports * facts->queues;
	memset(mana->queues, 0, mana->nqueues * sizeof(*mana->queues));
	for (unsigned int i = 0; !err && i < mana->nqueues; i++) {
		unsigned int v = i / facts->queues, n = i % facts->queues;

		err = mana_queue_init(mana, &mana->queues[i], mana_queue_state(mana, v, n), v, n);
	}
	mana->hwc.init_done = true;
	mana->hwc.init_ids = true;
	mana_hwc_init(mana);
	return err;
}

/* Pass 1, as far as it needs no device. */
static int look_at_memory(struct udrv_mana *mana)
{
	const struct mana_facts *facts = &mana->facts;
	int err;

	if (udrv_state_lifecycle(mana->st) != UDRV_READY)
		return -EAGAIN;
	err = mana_areas_find(mana);
	if (!err)
		err = mana_facts_read(mana->st, &mana->facts);
	if (err) {
		mana_err(mana,
			 "the saved state has no complete description of the adapter (error %d)",
			 err);
		return -EBADMSG;
	}
	err = check_queues(mana);
	if (!err)
		err = open_queues(mana);
	if (err)
		return err;
	/* What a reset sets up again. */
	mana->opts.vports = facts->vports;
	mana->opts.queues = facts->queues;
	mana->opts.tx_depth = facts->tx_slots;
	mana->opts.rx_depth = facts->rx_depth;
	mana->opts.mtu = facts->max_mtu;
	mana->opts.poll = !facts->vectors;
	mana_fill_info(mana);
	return 0;
}

int udrv_mana_resume_begin(struct udrv_device *dev, const struct udrv_mana_opts *opts,
			   struct udrv_mana **ret)
{
	struct udrv_mana *mana;
	int err;

	err = mana_new(dev, opts, &mana);
	if (err)
		return err;
	err = look_at_memory(mana);
	if (err) {
		mana_free(mana);
		return err;
	}
	*ret = mana;
	return 0;
}

/* The rest of pass 1. */
int udrv_mana_resume_look(struct udrv_mana *mana)
{
	struct mana_facts saved = mana->facts;
	int err;

	err = check_registers(mana, &saved); /* overwrites what is read */
	mana->facts = saved;
	return err ? err : check_identity(mana);
}

/* Pass 2: completions stay where they are, their owners have not seen them; events are taken. */
static int take_in(struct udrv_mana *mana, struct udrv_mana_queue *q)
{
	struct udrv_mana_resume_report *report = &mana->report;
	uint32_t tx, rx;

	if (mana_queue_waiting(q, &tx, &rx)) {
		mana_err(mana,
			 "vport %u, queue %u: a completion queue has overflown, or is not the device's: not "
			 "resumed, start the adapter anew",
			 q->vport, q->index);
		return -EIO;
	}
	q->tx_inherited = q->tx_tail - q->tx_done - q->tx_lost;
	q->rx_inherited = rx;
	report->tx_in_flight += q->tx_inherited;
	report->tx_completed += tx;
	report->rx_waiting += rx;
	report->rx_posted += q->rx_tail - q->rx_head - rx;
	report->rx_held += udrv_mana_recv_held(q);
	mana_eq_drain(q);
	return q->failed ? -EIO : 0;
}

/* Pass 3: what was rung before is rung again with the same values, which GDMA allows. */
static void settle(struct udrv_mana_queue *q)
{
	bool arm = q->mana->facts.vectors;

	/* Its predecessor may have been stopped in a release, before it could do that. */
	if (!q->tx_lost && udrv_load64(&q->st->tx_lost))
		udrv_store64(&q->st->tx_lost, 0);
	/* The heads before the tails: a CQ must not look full when there is something new to do. */
	mana_cq_ring(q, &q->tx_cq, arm);
	mana_cq_ring(q, &q->rx_cq, arm);
	mana_tx_ring(q);
	q->rx_rung = q->rx_tail - 1;
	mana_rx_ring(q);
	if (arm)
		mana_eq_arm(q);
}

int udrv_mana_resume_finish(struct udrv_mana *mana)
{
	const struct udrv_mana_resume_report *r = &mana->report;
	int err;

	mana_hwc_look(mana);
	for (unsigned int i = 0; i < mana->nqueues; i++) {
		err = take_in(mana, &mana->queues[i]);
		if (err)
			return err;
	}
	if (mana->hwc.failed)
		return -EIO;

	mana_hwc_settle(mana);
	for (unsigned int i = 0; i < mana->nqueues; i++)
		settle(&mana->queues[i]);
	udrv_store64(&mana->state->resumes, udrv_load64(&mana->state->resumes) + 1);
	mana_info(mana,
		  "resumed: %u sends in flight, %u of them completed, %u packets waiting, %u receive buffers posted, "
		  "%u held, %u requests pending",
		  r->tx_in_flight, r->tx_completed, r->rx_waiting, r->rx_posted, r->rx_held,
		  r->hwc_pending);
	return 0;
}

int udrv_mana_resume(struct udrv_device *dev, const struct udrv_mana_opts *opts,
		     struct udrv_mana **ret)
{
	struct udrv_mana *mana;
	int err;

	err = udrv_mana_resume_begin(dev, opts, &mana);
	if (err)
		return err;
	err = udrv_mana_resume_look(mana);
	if (!err)
		err = udrv_mana_resume_finish(mana);
	if (err)
		mana_free(mana);
	else
		*ret = mana;
	return err;
}
