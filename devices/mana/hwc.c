// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hardware channel: requests to the adapter and its answers, over an SQ, an RQ, their one CQ
 * and an EQ of a page each. Each request has a slot in the state, as an NVMe command has, so that a
 * successor knows which answers are still to come; each slot has a page of its own for the request,
 * which stays the device's until the answer.
 *
 * Responses come into buffers that are posted in turn: the buffer of the
 * RQ's place n is n mod slots.
 */
#include <errno.h>
#include <inttypes.h>

#include "devices/mana/adapter.h"

#define CQ_ENTRIES  (GDMA_HWC_QUEUE_SIZE >> GDMA_CQE_SHIFT)
#define CQ_SHIFT    6
#define EQ_SHIFT    8
#define SQ_PLACES   (GDMA_HWC_QUEUE_SIZE / SQ_WQE_SIZE)
#define SQ_WQE_SIZE 64u
#define RQ_WQE_SIZE 32u
#define RQ_PLACES   (GDMA_HWC_QUEUE_SIZE / RQ_WQE_SIZE)
#define BAD_MAX	    64u

static_assert(1u << CQ_SHIFT == CQ_ENTRIES, "64 CQEs a page");
static_assert((1u << EQ_SHIFT) << GDMA_EQE_SHIFT == GDMA_HWC_QUEUE_SIZE, "256 EQEs a page");
static_assert(RQ_PLACES % MANA_HWC_SLOTS == 0, "a place in the RQ always has the same buffer");

static uint8_t *page(const struct udrv_mana *mana, unsigned int i)
{
	return mana->hwc.mem + (size_t)i * UDRV_DMA_PAGE;
}

static uint64_t page_addr(const struct udrv_mana *mana, unsigned int i)
{
	return udrv_dma_addr(mana->dma, mana->facts.hwc_off + i * UDRV_DMA_PAGE);
}

static void doorbell(struct udrv_mana *mana, uint32_t off, uint64_t val)
{
	const struct mana_facts *facts = &mana->facts;

	/*
	 * The page was compared with the BAR when it was learnt, or in the first pass of a resume.
	 */
	udrv_bar_write64_once(&mana->bar,
			      facts->db_zone + (uint64_t)facts->hwc.db * facts->db_page_size + off,
			      val);
	UDRV_STEP();
}

int mana_hwc_memory(struct udrv_mana *mana)
{
	uint64_t tag = MANA_TAG(MANA_TAG_HWC, 0, 0), size = MANA_HWC_PAGES * UDRV_DMA_PAGE, off,
		 have;
	int err;

	if (udrv_dma_find(mana->dma, tag, &off, &have)) {
		err = udrv_dma_alloc(mana->dma, size, UDRV_DMA_PAGE, 0, tag, &off);
		if (err) {
			mana_err(mana,
				 "no %" PRIu64
				 " bytes of DMA memory for the hardware channel: enlarge the pool",
				 size);
			return err;
		}
	} else if (have < size || off & (UDRV_DMA_PAGE - 1)) {
		mana_err(mana,
			 "the pool's memory for the hardware channel is of another layout: format it anew");
		return -EBADMSG;
	}
	mana->facts.hwc_off = off;
	return 0;
}

int mana_hwc_check(struct udrv_mana *mana)
{
	const struct mana_ctrl_state *st = mana->state;
	uint64_t off, have, heads = udrv_load64(&st->hwc_head);
	uint32_t sq_tail = udrv_load32(&st->hwc_sq_tail), n = mana->facts.hwc_slots;
	unsigned int half = 0;

	if (udrv_dma_find(mana->dma, MANA_TAG(MANA_TAG_HWC, 0, 0), &off, &have) ||
	    off != mana->facts.hwc_off || have < MANA_HWC_PAGES * UDRV_DMA_PAGE ||
	    off & (UDRV_DMA_PAGE - 1)) {
		mana_err(mana,
			 "saved state: the hardware channel's memory is not what the pool's book says");
		return -EBADMSG;
	}
	if (udrv_load32(&st->hwc_rq_tail) - mana_high(heads) > n) {
		mana_err(mana, "saved state: the hardware channel's counters disagree");
		return -EBADMSG;
	}
	for (unsigned int i = 0; i < MANA_HWC_SLOTS; i++) {
		uint32_t state = udrv_load32(&st->slot[i].state),
			 place = udrv_load32(&st->slot[i].place);
		uint32_t len = udrv_load32(&st->slot[i].len);

		if (state == MANA_HWC_FREE)
			continue;
		half += place == sq_tail;
		if (state != MANA_HWC_PENDING || i >= n || len < sizeof(struct gdma_req_hdr) ||
		    len > GDMA_HWC_MAX_MESSAGE || sq_tail - place > SQ_PLACES || half > 1) {
			mana_err(mana,
				 "saved state: slot %u of the hardware channel makes no sense", i);
			return -EBADMSG;
		}
	}
	return 0;
}

void mana_hwc_init(struct udrv_mana *mana)
{
	const struct mana_facts *facts = &mana->facts;
	struct mana_hwc *hwc = &mana->hwc;
	uint64_t heads = udrv_load64(&mana->state->hwc_head);

	hwc->mem = udrv_dma_ptr(mana->dma, facts->hwc_off);
	hwc->cq = (struct mana_cq){
		.ring = (const struct gdma_cqe *)page(mana, MANA_HWC_CQ_PAGE),
		.mask = CQ_ENTRIES - 1,
		.shift = CQ_SHIFT,
		.head = mana_low(heads),
		.seen = mana_low(heads),
		.id = facts->hwc_cq,
	};
	hwc->eq = (struct mana_eq){
		.ring = (const struct gdma_eqe *)page(mana, MANA_HWC_EQ_PAGE),
		.mask = (1u << EQ_SHIFT) - 1,
		.shift = EQ_SHIFT,
		.head = udrv_load32(&mana->state->hwc_eq_head),
		.id = facts->hwc_eq,
	};
	hwc->rq_head = mana_high(heads);
	hwc->bad = 0;
	hwc->failed = false;
	hwc->waited = -1;
	hwc->inherited_since_ns = 0;
}

void mana_hwc_origin(struct udrv_mana *mana)
{
	struct mana_ctrl_state *st = mana->state;

	for (unsigned int i = 0; i < MANA_HWC_SLOTS; i++)
		udrv_store32(&st->slot[i].state, MANA_HWC_FREE);
	udrv_store64(&st->hwc_head, mana_pair(CQ_ENTRIES, 0));
	udrv_store32(&st->hwc_eq_head, 1u << EQ_SHIFT);
	udrv_store32(&st->hwc_sq_tail, 0);
	udrv_store32(&st->hwc_rq_tail, 0);
	memset(udrv_dma_ptr(mana->dma, mana->facts.hwc_off), 0, MANA_HWC_PAGES * UDRV_DMA_PAGE);
}

/* All responses' WQEs, once: a place's buffer never changes. */
static void fill_rq(struct udrv_mana *mana)
{
	uint8_t *rq = page(mana, MANA_HWC_RQ_PAGE);

	for (unsigned int i = 0; i < RQ_PLACES; i++) {
		struct gdma_wqe wqe = { .flags = htole32(1 | GDMA_WQE_OOB_SMALL
								     << GDMA_WQE_OOB_SHIFT) };
		struct gdma_sge sge = {
			.address = htole64(
				page_addr(mana, MANA_HWC_RESP_PAGE + i % mana->facts.hwc_slots)),
			.mem_key = htole32(mana->facts.hwc.mkey),
			.size = htole32(GDMA_HWC_MAX_MESSAGE),
		};

		memcpy(rq + i * RQ_WQE_SIZE, &wqe, sizeof(wqe));
		memcpy(rq + i * RQ_WQE_SIZE + 16, &sge, sizeof(sge));
	}
}

/*
 * Every buffer that is not posted; the doorbell is told even if none was missing: a predecessor may
 * not have.
 */
static void post_responses(struct udrv_mana *mana)
{
	struct mana_ctrl_state *st = mana->state;
	uint32_t tail = mana->hwc.rq_head + mana->facts.hwc_slots;

	if (tail != udrv_load32(&st->hwc_rq_tail))
		udrv_store32(&st->hwc_rq_tail, tail);
	doorbell(mana, GDMA_DB_RQ, gdma_wq_doorbell(mana->facts.hwc_rq, tail * RQ_WQE_SIZE));
}

/* ---- Setting up ------------------------------------------------------------------------------ */

static int wait_init(struct udrv_mana *mana)
{
	uint64_t begin = wait_now_ns();

	while (!mana->hwc.init_done) {
		uint64_t waited = wait_now_ns() - begin;

		mana_events(mana);
		if (mana_regs_alive(mana))
			return -ENODEV;
		if (mana->hwc.failed)
			return -EPROTO;
		if (waited > GDMA_HWC_INIT_TIMEOUT_MS * 1000000ull ||
		    waited > 2 * mana->timeout_ns) {
			mana_err(mana, "the hardware channel's initial events did not come");
			return -ETIMEDOUT;
		}
		wait_relax(waited);
	}
	return 0;
}

int mana_hwc_start(struct udrv_mana *mana)
{
	struct mana_facts *facts = &mana->facts;
	struct mana_hwc *hwc = &mana->hwc;
	uint64_t addr[4];
	int err;

	for (unsigned int i = 0; i < 4; i++)
		addr[i] = page_addr(mana, i);
	facts->hwc_slots = 1;
	facts->hwc_eq = facts->hwc_cq = facts->hwc_rq = facts->hwc_sq = 0;
	facts->hwc = (struct mana_domain){ 0 };
	hwc->init_done = false;
	hwc->init_ids = false;
	mana_hwc_init(mana);

	err = mana_smc_establish(mana, addr, 0);
	if (!err)
		err = wait_init(mana);
	if (!err && !hwc->init_ids) {
		mana_err(mana,
			 "the hardware channel did not tell its event queue and doorbell page");
		err = -EPROTO;
	}
	if (err)
		return err;
	hwc->cq.id = facts->hwc_cq;
	hwc->eq.id = facts->hwc_eq;
	fill_rq(mana);
	post_responses(mana);
	mana_hwc_arm(mana);
	return 0;
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* Write the slot's WQE into the ring at its place. */
static void put_wqe(struct udrv_mana *mana, unsigned int slot, uint32_t place, uint32_t len)
{
	const struct mana_facts *facts = &mana->facts;
	uint8_t *at = page(mana, MANA_HWC_SQ_PAGE) + place % SQ_PLACES * SQ_WQE_SIZE;
	struct gdma_wqe wqe = { .flags = htole32(1 | GDMA_WQE_OOB_LARGE << GDMA_WQE_OOB_SHIFT) };
	/* The answer's queues are only named by who speaks for another function. */
	struct gdma_hwc_tx_oob oob = {
		.vscq = htole32(facts->hwc_cq),
		.vsq = htole32(facts->hwc_sq),
	};
	struct gdma_sge sge = {
		.address = htole64(page_addr(mana, MANA_HWC_REQ_PAGE + slot)),
		.mem_key = htole32(facts->hwc.mkey),
		.size = htole32(len),
	};

	memcpy(at, &wqe, sizeof(wqe));
	memcpy(at + sizeof(wqe), &oob, sizeof(oob));
	memcpy(at + sizeof(wqe) + sizeof(oob), &sge, sizeof(sge));
	UDRV_STEP();
}

/*
 * From the store of PENDING on a successor finishes what is done here; before it, the request does
 * not exist.
 */
static void push(struct udrv_mana *mana, unsigned int i)
{
	struct mana_ctrl_state *st = mana->state;
	uint32_t place = udrv_load32(&st->hwc_sq_tail);

	if (udrv_load32(&st->slot[i].state) == MANA_HWC_FREE) {
		udrv_store32(&st->slot[i].place, place);
		udrv_store32(&st->slot[i].state, MANA_HWC_PENDING);
	}
	put_wqe(mana, i, place, udrv_load32(&st->slot[i].len));
	udrv_store32(&st->hwc_sq_tail, place + 1);
}

static void ring_requests(struct udrv_mana *mana)
{
	uint32_t tail = udrv_load32(&mana->state->hwc_sq_tail);

	doorbell(mana, GDMA_DB_SQ, gdma_wq_doorbell(mana->facts.hwc_sq, tail * SQ_WQE_SIZE));
}

static int free_slot(const struct udrv_mana *mana)
{
	for (unsigned int i = 0; i < mana->facts.hwc_slots; i++) {
		if (udrv_load32(&mana->state->slot[i].state) == MANA_HWC_FREE)
			return i;
	}
	return -EAGAIN;
}

unsigned int mana_hwc_pending(const struct udrv_mana *mana)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < mana->facts.hwc_slots; i++)
		n += udrv_load32(&mana->state->slot[i].state) == MANA_HWC_PENDING;
	return n;
}

static void submit(struct udrv_mana *mana, unsigned int i, struct gdma_req_hdr *req,
		   uint32_t req_len, uint32_t resp_len)
{
	struct mana_ctrl_state *st = mana->state;
	struct mana_hwc_slot *slot = &st->slot[i];
	uint32_t activity = udrv_load32(&st->hwc_activity) + 1;

	req->req.msg_size = htole32(req_len);
	req->req.hwc_msg_id = htole16(i);
	req->resp.msg_size = htole32(resp_len);
	req->activity_id = htole32(activity);
	memcpy(page(mana, MANA_HWC_REQ_PAGE + i), req, req_len);
	udrv_store32(&st->hwc_activity, activity);
	udrv_store32(&slot->activity, activity);
	udrv_store32(&slot->msg_type, le32toh(req->req.msg_type));
	udrv_store32(&slot->len, req_len);
	push(mana, i);
	ring_requests(mana);
	udrv_store64(&st->hwc_requests, udrv_load64(&st->hwc_requests) + 1);
}

/* ---- Responses ------------------------------------------------------------------------------- */

static void bad_entry(struct udrv_mana *mana, const char *why)
{
	struct mana_hwc *hwc = &mana->hwc;

	mana_count(&mana->state->hwc_bad, 1);
	if (++hwc->bad == 1)
		mana_warn(mana, "hardware channel: a completion was dropped: %s", why);
	if (hwc->bad == BAD_MAX) {
		mana_err(mana,
			 "hardware channel: %u completions made no sense, the last one: %s: the adapter has failed",
			 hwc->bad, why);
		hwc->failed = true;
	}
}

/* Whose answer is it? Only the copy of the header that is compared is used afterwards. */
static int match(struct udrv_mana *mana, const struct gdma_resp_hdr *hdr)
{
	unsigned int i = le16toh(hdr->response.hwc_msg_id);
	const struct mana_hwc_slot *slot;

	if (i >= mana->facts.hwc_slots)
		return -1;
	slot = &mana->state->slot[i];
	if (udrv_load32(&slot->state) != MANA_HWC_PENDING ||
	    le32toh(hdr->activity_id) != udrv_load32(&slot->activity) ||
	    le32toh(hdr->response.msg_type) != udrv_load32(&slot->msg_type))
		return -1;
	return i;
}

static int verdict(struct udrv_mana *mana, const struct gdma_resp_hdr *hdr, uint32_t len,
		   uint32_t need)
{
	uint32_t status = le32toh(hdr->status), type = le32toh(hdr->response.msg_type);

	if (status == GDMA_STATUS_CMD_UNSUPPORTED)
		return -EOPNOTSUPP;
	if (status != GDMA_STATUS_OK && status != GDMA_STATUS_MORE_ENTRIES) {
		mana_err(mana, "request %#x was refused with status %#x", type, status);
		return -EIO;
	}
	if (len < need || le32toh(hdr->response.msg_size) < need) {
		mana_err(mana, "the answer to request %#x has %u bytes, %u are needed", type, len,
			 need);
		return -EPROTO;
	}
	return 1;
}

/* The entry at the CQ's head is a response in the RQ's oldest buffer. */
static const char *take_response(struct udrv_mana *mana)
{
	struct mana_hwc *hwc = &mana->hwc;
	uint32_t offset = mana_cqe_dword(&hwc->cq, hwc->cq.head,
					 offsetof(struct gdma_hwc_rx_oob, wqe_offset) / 4);
	uint32_t len = mana_cqe_dword(&hwc->cq, hwc->cq.head,
				      offsetof(struct gdma_hwc_rx_oob, tx_oob_data_size) / 4);
	const uint8_t *buf = page(mana, MANA_HWC_RESP_PAGE + hwc->rq_head % mana->facts.hwc_slots);
	struct gdma_resp_hdr hdr;
	int i;

	if (offset != hwc->rq_head * RQ_WQE_SIZE % GDMA_HWC_QUEUE_SIZE)
		return "a response that is not in the oldest buffer";
	if (len < sizeof(hdr) || len > GDMA_HWC_MAX_MESSAGE)
		return "a response of impossible length";
	memcpy(&hdr, buf, sizeof(hdr));
	i = match(mana, &hdr);
	if (i < 0)
		return "a response that nobody waits for";
	if (i == hwc->waited) {
		hwc->result = verdict(mana, &hdr, len, hwc->resp_len);
		if (hwc->result > 0) {
			memcpy(hwc->resp, buf, hwc->resp_len);
			memcpy(hwc->resp, &hdr, sizeof(hdr));
		}
		hwc->waited = -1;
	}
	udrv_store32(&mana->state->slot[i].state, MANA_HWC_FREE);
	return NULL;
}

/* One entry. false: there is none. */
static bool take(struct udrv_mana *mana)
{
	struct mana_hwc *hwc = &mana->hwc;
	const char *why = NULL;
	uint32_t info, wq, taken = hwc->rq_head;
	int there = mana_cq_look(&hwc->cq, hwc->cq.head, &info);

	if (!there)
		return false;
	if (there < 0) {
		mana_err(mana,
			 "hardware channel: its completion queue has overflown (entry %#x at %u)",
			 info, hwc->cq.head);
		hwc->failed = true;
		return false;
	}
	wq = GDMA_CQE_WQ(info);
	if (info & GDMA_CQE_IS_SQ) {
		/* The request was read; what counts is the answer. */
		if (wq != mana->facts.hwc_sq)
			why = "of another send queue";
	} else if (wq != mana->facts.hwc_rq ||
		   hwc->rq_head == udrv_load32(&mana->state->hwc_rq_tail)) {
		why = "of another receive queue, or without a buffer";
	} else {
		why = take_response(mana);
		taken++;
	}
	if (why)
		bad_entry(mana, why);
	hwc->cq.head++;
	hwc->rq_head = taken;
	udrv_store64(&mana->state->hwc_head, mana_pair(hwc->cq.head, taken));
	return true;
}

/* Once around and no more: a device that never ends must not keep us here. */
static bool take_all(struct udrv_mana *mana)
{
	bool any = false;

	for (unsigned int n = 0; n < CQ_ENTRIES && !mana->hwc.failed && take(mana); n++)
		any = true;
	return any;
}

void mana_hwc_service(struct udrv_mana *mana)
{
	if (mana->hwc.failed)
		return;
	if (take_all(mana)) {
		mana_hwc_arm(mana);
		if (mana->hwc.rq_head + mana->facts.hwc_slots !=
		    udrv_load32(&mana->state->hwc_rq_tail))
			post_responses(mana);
	}
	mana_events(mana);
}

int mana_hwc_call(struct udrv_mana *mana, void *req, uint32_t req_len, void *resp,
		  uint32_t resp_len)
{
	struct mana_hwc *hwc = &mana->hwc;
	uint64_t begin = wait_now_ns();
	uint32_t type = le32toh(((struct gdma_req_hdr *)req)->req.msg_type);
	int i;

	if (hwc->failed)
		return -ESHUTDOWN;
	if (hwc->waited >= 0)
		return -EBUSY;
	if (req_len > GDMA_HWC_MAX_MESSAGE || resp_len > GDMA_HWC_MAX_MESSAGE)
		return -EMSGSIZE;
	/* A slot may have to wait for a predecessor's answer first. */
	for (;;) {
		uint64_t waited = wait_now_ns() - begin;
		int err = 0;

		if (hwc->waited < 0 && !hwc->resp) {
			i = free_slot(mana);
			if (i >= 0) {
				hwc->waited = i;
				hwc->resp = resp;
				hwc->resp_len = resp_len;
				hwc->result = 0;
				submit(mana, i, req, req_len, resp_len);
				/*
				 * The device's time, not that of a process
				 * that is kept from running.
				 */
				begin = wait_now_ns();
				waited = 0;
			}
		}
		mana_hwc_service(mana);
		if (hwc->result)
			break;
		if (hwc->failed)
			err = -ESHUTDOWN;
		else if (mana_regs_alive(mana))
			err = -ENODEV;
		else if (waited > mana->timeout_ns)
			err = -ETIMEDOUT;
		if (err) {
			/* The page stays the device's: only a reset gets it back. */
			mana_err(mana, "request %#x was not answered (%s)", type,
				 err == -ENODEV	   ? "the device is gone" :
				 err == -ETIMEDOUT ? "timeout" :
						     "failed");
			if (err == -ETIMEDOUT)
				mana_count(&mana->state->hwc_timeouts, 1);
			hwc->failed = true;
			hwc->result = err;
			break;
		}
		wait_relax(waited);
	}
	hwc->waited = -1;
	hwc->resp = NULL;
	i = hwc->result;
	hwc->result = 0;
	return i > 0 ? 0 : i;
}

/* ---- Resume ---------------------------------------------------------------------------------- */

void mana_hwc_look(struct udrv_mana *mana)
{
	mana->report.hwc_pending = mana_hwc_pending(mana);
	take_all(mana);
}

void mana_hwc_settle(struct udrv_mana *mana)
{
	struct mana_ctrl_state *st = mana->state;

	for (unsigned int i = 0; i < mana->facts.hwc_slots; i++) {
		if (udrv_load32(&st->slot[i].state) == MANA_HWC_PENDING &&
		    udrv_load32(&st->slot[i].place) == udrv_load32(&st->hwc_sq_tail)) {
			push(mana, i);
			mana->report.hwc_finished++;
			break;
		}
	}
	post_responses(mana);
	ring_requests(mana);
	mana_hwc_arm(mana);
}
