// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hardware channel's events: what it tells about itself when it is established, the link, and
 * requests to be reset. An event is handled before its place is stored: one that a successor sees
 * again does no harm.
 */
#include <errno.h>

#include "devices/mana/adapter.h"

#define TIMEOUT_MIN_MS 1000u
#define TIMEOUT_MAX_MS 120000u

static void init_data(struct udrv_mana *mana, uint32_t data)
{
	struct mana_facts *facts = &mana->facts;
	uint32_t value = GDMA_HWC_DATA_VALUE(data);

	switch (GDMA_HWC_DATA_TYPE(data)) {
	case GDMA_HWC_INIT_CQID:
		facts->hwc_cq = value;
		break;
	case GDMA_HWC_INIT_RQID:
		facts->hwc_rq = value;
		break;
	case GDMA_HWC_INIT_SQID:
		facts->hwc_sq = value;
		break;
	case GDMA_HWC_INIT_QUEUE_DEPTH:
		facts->hwc_slots = value < 1 ? 1 : value < MANA_HWC_SLOTS ? value : MANA_HWC_SLOTS;
		/* A place in the RQ always has the same buffer: their number divides it. */
		if (facts->hwc_slots == 3)
			facts->hwc_slots = 2;
		break;
	case GDMA_HWC_INIT_PDID:
		facts->hwc.pdid = value;
		break;
	case GDMA_HWC_INIT_GPA_MKEY:
		facts->hwc.mkey = value;
		break;
	}
}

static void tell(struct udrv_mana *mana, enum udrv_mana_event event)
{
	if (mana->event_fn)
		mana->event_fn(mana->event_ctx, event);
}

static void link_changed(struct udrv_mana *mana, bool up)
{
	struct mana_ctrl_state *st = mana->state;

	udrv_store32(&st->link_down, !up);
	mana_count(&st->link_events, 1);
	for (unsigned int i = 0; i < mana->info.vports; i++)
		mana->vport_info[i].link = up;
	mana_info(mana, "link is %s", up ? "up" : "down");
	tell(mana, up ? UDRV_MANA_LINK_UP : UDRV_MANA_LINK_DOWN);
}

static void reset_request(struct udrv_mana *mana, uint32_t type)
{
	struct mana_ctrl_state *st = mana->state;

	mana_count(&st->reset_requests, 1);
	udrv_store32(&st->reset_wanted, 1);
	mana_warn(mana, "the device asks to be reset (event %u)", type);
	tell(mana, UDRV_MANA_RESET_REQUEST);
}

/* The device knows how long it takes, but nobody waits for ever. */
static void set_timeout(struct udrv_mana *mana, uint32_t ms)
{
	if (ms >= TIMEOUT_MIN_MS && ms <= TIMEOUT_MAX_MS)
		mana->timeout_ns = ms * 1000000ull;
}

static void handle(struct udrv_mana *mana, const struct gdma_eqe *eqe)
{
	struct mana_hwc *hwc = &mana->hwc;
	uint32_t type = GDMA_EQE_TYPE(eqe->info), data = eqe->details[0];
	uint64_t db;

	switch (type) {
	case GDMA_EQE_COMPLETION:
		break; /* the CQ is looked at anyway */
	case GDMA_EQE_TEST_EVENT:
		hwc->eq.tested = true;
		break;
	case GDMA_EQE_HWC_INIT_EQ_ID_DB:
		if (hwc->init_done)
			break;
		mana->facts.hwc_eq = GDMA_HWC_INIT_EQ_ID(data);
		mana->facts.hwc.db = GDMA_HWC_INIT_DB(data);
		hwc->init_ids = !mana_regs_doorbell(mana, mana->facts.hwc.db, &db);
		hwc->failed |= !hwc->init_ids;
		break;
	case GDMA_EQE_HWC_INIT_DATA:
		if (!hwc->init_done)
			init_data(mana, data);
		break;
	case GDMA_EQE_HWC_INIT_DONE:
		hwc->init_done = true;
		break;
	case GDMA_EQE_HWC_SOC_RECONFIG_DATA:
		if (GDMA_HWC_DATA_TYPE(data) == GDMA_HWC_SOC_LINK_UP)
			link_changed(mana, true);
		else if (GDMA_HWC_DATA_TYPE(data) == GDMA_HWC_SOC_LINK_DOWN)
			link_changed(mana, false);
		else if (GDMA_HWC_DATA_TYPE(data) == GDMA_HWC_SOC_TIMEOUT)
			set_timeout(mana, GDMA_HWC_DATA_VALUE(data));
		break;
	case GDMA_EQE_HWC_FPGA_RECONFIG:
	case GDMA_EQE_HWC_RESET_REQUEST:
		reset_request(mana, type);
		break;
	}
}

static void eq_doorbell(struct udrv_mana *mana)
{
	const struct mana_facts *facts = &mana->facts;
	const struct mana_eq *eq = &mana->hwc.eq;

	/* Until the device has told its doorbell page there is none to ring. */
	if (!mana->hwc.init_ids)
		return;
	udrv_bar_write64_once(&mana->bar,
			      facts->db_zone + (uint64_t)facts->hwc.db * facts->db_page_size +
				      GDMA_DB_EQ,
			      gdma_eq_doorbell(facts->hwc_eq, mana_db_index(eq->head, eq->shift),
					       1));
	UDRV_STEP();
}

void mana_hwc_arm(struct udrv_mana *mana)
{
	const struct mana_facts *facts = &mana->facts;
	const struct mana_cq *cq = &mana->hwc.cq;

	udrv_bar_write64_once(&mana->bar,
			      facts->db_zone + (uint64_t)facts->hwc.db * facts->db_page_size +
				      GDMA_DB_CQ,
			      gdma_cq_doorbell(facts->hwc_cq, mana_db_index(cq->head, cq->shift),
					       1));
	UDRV_STEP();
	eq_doorbell(mana);
}

void mana_events(struct udrv_mana *mana)
{
	struct mana_eq *eq = &mana->hwc.eq;
	uint32_t head = eq->head;

	/* Once around and no more: a device that never ends must not keep us here. */
	for (uint32_t n = 0; n <= eq->mask; n++) {
		struct gdma_eqe eqe;
		int there = mana_eq_look(eq, eq->head, &eqe);

		if (!there)
			break;
		if (there < 0) {
			mana_err(mana,
				 "hardware channel: its event queue has overflown (entry %#x at %u)",
				 eqe.info, eq->head);
			mana->hwc.failed = true;
			break;
		}
		handle(mana, &eqe);
		eq->head++;
		udrv_store32(&mana->state->hwc_eq_head, eq->head);
	}
	if (eq->head != head)
		eq_doorbell(mana);
}
