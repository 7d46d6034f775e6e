// SPDX-License-Identifier: BSD-2-Clause
/* What a driver must not do is said; and nothing is lost while bus mastering is off. */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "tests/model/mana/host.h"
#include "tests/unit/suite.h"

static struct host h;
static struct host_port p;
static uint8_t frame[60] = "\2MANA";

static void set_up(void)
{
	host_create(&h, &(struct mana_model_opts){ .cq_room = true });
	host_establish(&h);
	host_register(&h);
	host_port_up(&h, 0, &p, 16);
	host_clean(&h);
}

static void tear_down(void)
{
	host_destroy(&h);
}

static void doorbell(uint32_t page, uint32_t off, uint64_t val)
{
	mana_model_bar_write(h.m, 0x1000 + page * GDMA_PAGE_SIZE + off, val, 8);
}

static void arrive(void)
{
	uint8_t copy[sizeof(frame)];

	memcpy(copy, frame, sizeof(copy));
	ck_assert_int_eq(mana_model_receive(h.m, 0, copy, sizeof(copy)), 0);
}

/* Each of these is one violation, and leaves the queue as it was. */
static const struct {
	const char *text;
	unsigned int kind;
	int64_t tail;
} wrong_doorbells[] = {
	{ "goes back", GDMA_DB_SQ, -32 },
	{ "no multiple", GDMA_DB_SQ, 8 },
	{ "ahead of the device", GDMA_DB_SQ, 8224 },
	{ "goes back", GDMA_DB_RQ, -64 },
	{ "ahead of the device", GDMA_DB_RQ, 4096 },
	{ "the device is at", GDMA_DB_CQ, 1 },
	{ "the device is at", GDMA_DB_CQ, -1 },
	{ "it runs up to", GDMA_DB_CQ, 512 },
	{ "the device is at", GDMA_DB_EQ, 3 },
	{ "it runs up to", GDMA_DB_EQ, 4096 },
};

static uint64_t value_of(unsigned int kind, int64_t by)
{
	switch (kind) {
	case GDMA_DB_SQ:
		return gdma_wq_doorbell(p.sq.id, (uint32_t)(p.sq.next + by));
	case GDMA_DB_RQ:
		return gdma_wq_doorbell(p.rq.id, (uint32_t)(p.rq.next + by));
	case GDMA_DB_CQ:
		return gdma_cq_doorbell(p.rcq.id, (uint32_t)(p.rcq.next + by), 1);
	}
	return gdma_eq_doorbell(p.eq.id, (uint32_t)(p.eq.next + by), 1);
}

START_TEST(checks_doorbells)
{
	unsigned int kind = wrong_doorbells[_i].kind;

	host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	host_run(&h);
	doorbell(h.db, kind, value_of(kind, wrong_doorbells[_i].tail));
	host_violated(&h, 1, wrong_doorbells[_i].text);
	/* The same value again is legal: a driver that resumes does it. */
	host_ring_wq(&h, &p.sq, true);
	host_ring_wq(&h, &p.rq, false);
	host_ring_cq(&h, &p.rcq, true);
	host_ring_eq(&h, &p.eq, true);
	arrive();
	host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	host_run(&h);
	host_violated(&h, 1, wrong_doorbells[_i].text);
	ck_assert_uint_eq(mana_model_counts(h.m)->tx, 2);
	ck_assert_uint_eq(mana_model_counts(h.m)->rx, 1);
}

START_TEST(checks_where_doorbells_are_rung)
{
	doorbell(h.hwc_sq.db, GDMA_DB_SQ, gdma_wq_doorbell(p.sq.id, p.sq.next));
	host_violated(&h, 1, "rung in page 1, its own is 3");
	doorbell(h.db, GDMA_DB_CQ, gdma_cq_doorbell(h.hwc_cq.id, h.hwc_cq.next, 1));
	host_violated(&h, 2, "rung in page");
	doorbell(h.db, GDMA_DB_SQ, gdma_wq_doorbell(p.rq.id, 0));
	doorbell(h.db, GDMA_DB_RQ, gdma_wq_doorbell(0xffffff, 0));
	doorbell(h.db, GDMA_DB_EQ, gdma_eq_doorbell(0xffff, 0, 0));
	host_violated(&h, 5, "rung in page");
	doorbell(h.db, 0x100, 0);
	mana_model_bar_write(h.m, 0x1000 + h.db * GDMA_PAGE_SIZE + GDMA_DB_SQ, p.sq.id, 4);
	doorbell(8, GDMA_DB_SQ, 0);
	host_violated(&h, 8, "rung in page");
	doorbell(h.db, GDMA_DB_DIM, UINT64_MAX);
	host_violated(&h, 8, "rung in page");
}

/* A send whose description is wrong: said, completed with an error, and the next one is sent. */
static const struct {
	const char *text;
	uint32_t s0, s1, type;
	bool disabled;
	int64_t key, addr;
	uint32_t len;
} wrong_sends[] = {
	{ "names CQ", 1 << MANA_TX_VCQ_SHIFT, 0, MANA_CQE_TX_INVALID_OOB, false, 0, 0, 60 },
	{ "names CQ", 0, 1 << MANA_TX_VSQ_FRAME_SHIFT, MANA_CQE_TX_INVALID_OOB, false, 0, 0, 60 },
	{ "vport offset", 0, 1u << MANA_TX_SHORT_VPORT_SHIFT, MANA_CQE_TX_VPORT_IDX_OUT_OF_RANGE,
	  false, 0, 0, 60 },
	{ "OOB of format", MANA_TX_LONG, 0, MANA_CQE_TX_INVALID_OOB, false, 0, 0, 60 },
	{ "MTU", 0, 0, MANA_CQE_TX_MTU_DROP, false, 0, 0, 1519 },
	{ "IP version", MANA_TX_OUTER_IPV4 | MANA_TX_TCP_CSUM, 0, MANA_CQE_TX_HDR_PROCESSING_ERROR,
	  false, 0, 0, 60 },
	{ "memory key", 0, 0, MANA_CQE_TX_GDMA_ERR, true, 1, 0, 60 },
	{ "no memory", 0, 0, MANA_CQE_TX_GDMA_ERR, true, 0, 1ll << 40, 60 },
};

START_TEST(checks_sends)
{
	uint32_t oob[2] = { htole32(p.scq.id << MANA_TX_VCQ_SHIFT),
			    htole32(MANA_TX_VSQ_FRAME_OF(p.sq.id) << MANA_TX_VSQ_FRAME_SHIFT |
				    0x10u << MANA_TX_SHORT_VPORT_SHIFT) };
	struct gdma_sge sge = { host_page(&h), h.mkey + (uint32_t)wrong_sends[_i].key,
				wrong_sends[_i].len };
	struct gdma_cqe cqe;

	sge.address += (uint64_t)wrong_sends[_i].addr;
	oob[0] ^= htole32(wrong_sends[_i].s0);
	oob[1] ^= htole32(wrong_sends[_i].s1);
	host_post(&h, &p.sq, oob, sizeof(oob), 0, &sge, 1);
	host_ring_wq(&h, &p.sq, true);
	host_run(&h);
	ck_assert_uint_ge(mana_model_violations(h.m, NULL), 1);
	host_violated(&h, 1, "");
	ck_assert(host_cqe(&h, &p.scq, &cqe));
	ck_assert_uint_eq(MANA_CQE_TYPE(le32toh(cqe.data[0])), wrong_sends[_i].type);
	host_violated(&h, 1, wrong_sends[_i].text);
	host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	host_run(&h);
	ck_assert(host_cqe(&h, &p.scq, &cqe) == !wrong_sends[_i].disabled);
	ck_assert_uint_eq(h.wire[0].frames, !wrong_sends[_i].disabled);
	host_violated(&h, 1, wrong_sends[_i].text);
}

START_TEST(checks_work_requests)
{
	static const uint32_t flags[] = {
		GDMA_WQE_OOB_SMALL << GDMA_WQE_OOB_SHIFT,
		GDMA_WQE_OOB_SMALL << GDMA_WQE_OOB_SHIFT | 32,
		GDMA_WQE_OOB_SMALL << GDMA_WQE_OOB_SHIFT | 0xff,
		1 | 3 << GDMA_WQE_OOB_SHIFT,
		1 | 7 << GDMA_WQE_OOB_SHIFT,
		1 | GDMA_WQE_OOB_SMALL << GDMA_WQE_OOB_SHIFT | GDMA_WQE_SGL_DIRECT,
		1 | GDMA_WQE_OOB_SMALL << GDMA_WQE_OOB_SHIFT | 1 << 12,
	};
	const struct gdma_wqe hdr = { .flags = htole32(flags[_i]) };
	struct gdma_cqe cqe;

	memcpy(host_at(&h, p.sq.page[0]), &hdr, sizeof(hdr));
	p.sq.next += 64;
	host_ring_wq(&h, &p.sq, true);
	host_run(&h);
	host_violated(&h, 1, "WQE at");
	ck_assert(host_cqe(&h, &p.scq, &cqe));
	ck_assert_uint_eq(MANA_CQE_TYPE(le32toh(cqe.data[0])), MANA_CQE_TX_GDMA_ERR);
}

START_TEST(checks_room_in_a_completion_queue)
{
	for (unsigned int i = 0; i < 64; i++) {
		host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
		host_run(&h);
	}
	host_clean(&h);
	host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	host_run(&h);
	host_violated(&h, 1, "since the last doorbell");
}

START_TEST(checks_use_after_destroy)
{
	struct mana_fence_rq_req q = { .wq_obj_handle = htole64(p.rq.object) };
	struct gdma_resp_hdr r;

	ck_assert_int_eq(host_steer(&h, 0, false, false, 0, NULL, 0), 0);
	ck_assert_int_eq(host_destroy_wq(&h, false, &p.rq), 0);
	ck_assert_int_eq(host_destroy_wq(&h, true, &p.sq), 0);
	host_clean(&h);
	host_ring_wq(&h, &p.sq, true);
	host_ring_wq(&h, &p.rq, false);
	host_ring_cq(&h, &p.scq, true);
	host_violated(&h, 3, "does not exist");
	ck_assert_int_gt(host_destroy_wq(&h, true, &p.sq), 0);
	ck_assert_int_gt(host_request(&h, MANA_FENCE_RQ, &q, sizeof(q), &r, sizeof(r)), 0);
	ck_assert_int_gt(host_steer(&h, 0, true, false, p.rq.object, NULL, 0), 0);
	host_violated(&h, 6, "does not exist");
}

static void ring_hwc(void)
{
	host_ring_cq(&h, &h.hwc_cq, true);
	host_ring_eq(&h, &h.hwc_eq, true);
}

/* As Linux does: until the next reset, and of the hardware channel only. */
START_TEST(bears_late_doorbells)
{
	ck_assert_uint_eq(host_smc(&h, GDMA_SMC_DESTROY_HWC),
			  GDMA_SMC_DESTROY_HWC | GDMA_SMC_RESPONSE);
	ring_hwc();
	host_clean(&h);
	ck_assert_uint_eq(mana_model_counts(h.m)->late_doorbells, 2);
	host_ring_wq(&h, &h.hwc_sq, true);
	host_ring_wq(&h, &h.hwc_rq, false);
	host_ring_cq(&h, &p.scq, true);
	host_ring_eq(&h, &p.eq, true);
	host_violated(&h, 4, "does not exist");
	mana_model_reset(h.m);
	ring_hwc();
	host_violated(&h, 6, "does not exist");
	ck_assert_uint_eq(mana_model_counts(h.m)->late_doorbells, 2);
}

START_TEST(checks_the_order_of_destruction)
{
	struct gdma_disable_queue_req dq = { .type = htole32(GDMA_EQ),
					     .queue_index = htole32(p.eq.id) };
	struct gdma_req_hdr q = { 0 };
	struct gdma_resp_hdr r;

	ck_assert_int_eq(host_destroy_wq(&h, false, &p.rq), 0);
	host_violated(&h, 1, "still steers");
	ck_assert_int_eq(host_request(&h, GDMA_DISABLE_QUEUE, &dq, sizeof(dq), &r, sizeof(r)), 0);
	host_violated(&h, 2, "still steers");
	ck_assert_int_eq(host_request(&h, GDMA_DEREGISTER_DEVICE, &q, sizeof(q), &r, sizeof(r)), 0);
	host_violated(&h, 3, "still steers");
	host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	host_violated(&h, 4, "still steers");
}

START_TEST(forbids_setting_up_again)
{
	struct host_ring ring;

	mana_model_forbid_setup(h.m, true);
	host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	arrive();
	host_run(&h);
	ck_assert_int_eq(host_steer(&h, 0, true, false, p.rq.object, NULL, 0), 0);
	host_clean(&h);
	host_region(&h, &ring, GDMA_PAGE_SIZE);
	host_violated(&h, 1, "CREATE_DMA_REGION, although");
	ck_assert_int_eq(host_destroy_wq(&h, true, &p.sq), 0);
	host_violated(&h, 2, "although");
	host_smc(&h, GDMA_SMC_REPORT_TIMEOUT);
	host_violated(&h, 3, "although");
	mana_model_reset(h.m);
	host_violated(&h, 4, "although");
}

/* Nothing moves without bus mastering, and all of it goes on with it. */
START_TEST(holds_without_bus_mastering)
{
	uint8_t copy[sizeof(frame)];
	struct gdma_cqe cqe;
	struct gdma_eqe e;
	unsigned int irqs = h.irqs[1];

	mana_model_set_command(h.m, 0);
	host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	host_ring_eq(&h, &p.eq, true);
	memcpy(copy, frame, sizeof(copy));
	ck_assert_int_eq(mana_model_receive(h.m, 0, copy, sizeof(copy)), -EAGAIN);
	ck_assert(!mana_model_wants_frames(h.m, 0));
	mana_model_event(h.m, 134, 0);
	ck_assert_uint_eq(mana_model_run(h.m, UINT_MAX), 0);
	ck_assert(!host_cqe(&h, &p.scq, &cqe));
	ck_assert_uint_eq(h.wire[0].frames, 0);
	mana_model_set_command(h.m, HOST_BME);
	ck_assert(mana_model_wants_frames(h.m, 0));
	host_run(&h);
	ck_assert_uint_eq(h.wire[0].frames, 1);
	ck_assert(host_cqe(&h, &p.scq, &cqe));
	ck_assert(host_eqe(&h, &p.eq, &e));
	ck_assert(host_eqe(&h, &h.hwc_eq, &e));
	ck_assert_uint_eq(h.irqs[1], irqs + 1);
	host_clean(&h);
}

/* An event that was posted before is held as well: the interrupt is what is left to do. */
START_TEST(holds_an_interrupt)
{
	unsigned int irqs = h.irqs[1], steps = 0;

	arrive();
	/* Stop between the event and its interrupt, wherever that is. */
	while (mana_model_counts(h.m)->eqes == 0 || h.irqs[1] == irqs) {
		mana_model_set_command(h.m, 0);
		ck_assert_uint_eq(mana_model_run(h.m, 10), 0);
		mana_model_set_command(h.m, HOST_BME);
		ck_assert_uint_eq(mana_model_run(h.m, 1), 1);
		ck_assert_uint_lt(++steps, 10);
	}
	ck_assert_uint_eq(h.irqs[1], irqs + 1);
}

/* The same order of everything for the same seed, and what is to happen happens with any. */
START_TEST(can_be_repeated)
{
	uint64_t sum[2] = { 0 };

	for (unsigned int pass = 0; pass < 2; pass++) {
		host_destroy(&h);
		host_create(&h, &(struct mana_model_opts){ .seed = (uint64_t)_i });
		host_establish(&h);
		host_register(&h);
		host_port_up(&h, 0, &p, 16);
		for (unsigned int i = 0; i < 8; i++) {
			arrive();
			host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
			mana_model_run(h.m, 3);
			sum[pass] = sum[pass] * 31 + mana_model_counts(h.m)->cqes * 7 +
				    mana_model_counts(h.m)->interrupts;
		}
		host_run(&h);
		ck_assert_uint_eq(h.wire[0].frames, 8);
		ck_assert_uint_eq(mana_model_counts(h.m)->rx, 8);
		host_clean(&h);
	}
	ck_assert_uint_eq(sum[0], sum[1]);
}

int main(void)
{
	Suite *s = suite_create("mana-model-strict");
	TCase *t = suite_case(s, "mana-model-strict", 30);

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, checks_doorbells, 0,
			    sizeof(wrong_doorbells) / sizeof(wrong_doorbells[0]));
	tcase_add_test(t, checks_where_doorbells_are_rung);
	tcase_add_loop_test(t, checks_sends, 0, sizeof(wrong_sends) / sizeof(wrong_sends[0]));
	tcase_add_loop_test(t, checks_work_requests, 0, 7);
	tcase_add_test(t, checks_room_in_a_completion_queue);
	tcase_add_test(t, checks_use_after_destroy);
	tcase_add_test(t, bears_late_doorbells);
	tcase_add_test(t, checks_the_order_of_destruction);
	tcase_add_test(t, forbids_setting_up_again);
	tcase_add_test(t, holds_without_bus_mastering);
	tcase_add_test(t, holds_an_interrupt);
	tcase_add_loop_test(t, can_be_repeated, 0, 20);
	return suite_run(s);
}
