// SPDX-License-Identifier: BSD-2-Clause
/* Faults strike what they name, as often as they say, and nothing else. */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "tests/model/mana/host.h"
#include "tests/unit/suite.h"

static struct host h;
static struct host_port p;
static uint8_t frame[60] = "\2MANA";

static void set_up(void)
{
	host_create(&h, &(struct mana_model_opts){ 0 });
	host_establish(&h);
	host_register(&h);
	host_port_up(&h, 0, &p, 16);
}

static void tear_down(void)
{
	host_clean(&h);
	host_destroy(&h);
}

static void fault(const char *spec)
{
	ck_assert_int_eq(mana_model_fault(h.m, spec), 0);
}

static void arrive(void)
{
	uint8_t copy[sizeof(frame)];

	memcpy(copy, frame, sizeof(copy));
	ck_assert_int_eq(mana_model_receive(h.m, 0, copy, sizeof(copy)), 0);
}

static int64_t ask(uint32_t code)
{
	struct gdma_req_hdr q = { 0 };
	uint8_t r[sizeof(struct gdma_list_devices_resp)];

	return host_request(&h, code, &q, sizeof(q), r, sizeof(r));
}

static uint32_t next_type(struct host_ring *cq)
{
	struct gdma_cqe cqe;

	host_run(&h);
	ck_assert(host_cqe(&h, cq, &cqe));
	host_ring_cq(&h, cq, true);
	return MANA_CQE_TYPE(le32toh(cqe.data[0]));
}

START_TEST(understands_specs)
{
	static const char *const good[] = {
		"hwc-timeout:0",
		"hwc-timeout:0x20004:3",
		"hwc-status:3:0xffffffff",
		"hwc-status:3:1:2",
		"smc-status:1",
		"smc-stuck",
		"reset-request",
		"link-down,link-up",
		"tx-error:33",
		"tx-error:42:7",
		"rx-error:4",
		"drop-irq:0",
		"drop-irq:0xffff:2,garbage-cqe:3",
		"no-vports,no-vports:2",
		"garbage-cqe",
		"remove",
	};
	static const char *const bad[] = {
		"",
		"nonsense",
		"hwc-timeout",
		"hwc-timeout:",
		"hwc-timeout:x",
		"hwc-timeout:1:2:3",
		"hwc-status:3",
		"link-down:1",
		"smc-stuck,",
		",smc-stuck",
		"tx-error:-1",
		"tx-error:0x1ffffffff",
		"garbage-cqe:1 ",
		"link-downlink-up",
	};

	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(!mana_model_fault(NULL, good[i]), "\"%s\"", good[i]);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(mana_model_fault(h.m, bad[i]) == -EINVAL, "\"%s\"", bad[i]);
	ck_assert_uint_eq(mana_model_counts(h.m)->faults, 0);
}

START_TEST(leaves_requests_unanswered)
{
	fault("hwc-timeout:3:2");
	ck_assert_int_eq(ask(GDMA_QUERY_MAX_RESOURCES), 0);
	ck_assert_int_eq(ask(GDMA_LIST_DEVICES), -1);
	ck_assert_int_eq(ask(GDMA_QUERY_MAX_RESOURCES), 0);
	ck_assert_int_eq(ask(GDMA_LIST_DEVICES), -1);
	ck_assert_int_eq(ask(GDMA_LIST_DEVICES), 0);
	ck_assert_uint_eq(mana_model_counts(h.m)->hwc_unanswered, 2);
	fault("hwc-timeout:0");
	ck_assert_int_eq(ask(GDMA_QUERY_MAX_RESOURCES), -1);
	ck_assert_int_eq(ask(GDMA_QUERY_MAX_RESOURCES), 0);
}

START_TEST(refuses_requests)
{
	fault("hwc-status:0x20005:0x777");
	ck_assert_int_eq(ask(GDMA_LIST_DEVICES), 0);
	ck_assert_int_eq(host_destroy_wq(&h, true, &p.sq), 0x777);
	/* It was not carried out. */
	host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	ck_assert_uint_eq(next_type(&p.scq), MANA_CQE_TX_OKAY);
	ck_assert_int_eq(host_destroy_wq(&h, true, &p.sq), 0);
}

START_TEST(refuses_the_shared_memory_channel)
{
	fault("smc-status:9");
	ck_assert_uint_eq(GDMA_SMC_STATUS(host_smc(&h, GDMA_SMC_DESTROY_HWC)), 9);
	ck_assert_int_eq(ask(GDMA_LIST_DEVICES), 0);
	ck_assert_uint_eq(GDMA_SMC_STATUS(host_smc(&h, GDMA_SMC_DESTROY_HWC)), 0);
}

START_TEST(tells_of_link_and_reset)
{
	static const struct {
		uint8_t type;
		uint32_t detail;
	} expected[] = {
		{ GDMA_EQE_HWC_SOC_RECONFIG_DATA, GDMA_HWC_SOC_LINK_UP << 24 },
		{ GDMA_EQE_HWC_RESET_REQUEST, 0 },
	};
	struct gdma_eqe e;

	fault("link-down");
	host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	arrive();
	ck_assert_uint_eq(next_type(&p.scq), MANA_CQE_TX_OKAY);
	ck_assert_uint_eq(h.wire[0].frames, 0);
	ck_assert_uint_eq(mana_model_counts(h.m)->rx_disabled, 1);
	ck_assert_int_eq(mana_model_event(h.m, 134, 0), 0);
	host_run(&h);
	ck_assert(host_eqe(&h, &h.hwc_eq, &e));
	ck_assert_uint_eq(GDMA_EQE_TYPE(le32toh(e.info)), GDMA_EQE_HWC_SOC_RECONFIG_DATA);
	ck_assert_uint_eq(le32toh(e.details[0]), GDMA_HWC_SOC_LINK_DOWN << 24);
	ck_assert(host_eqe(&h, &h.hwc_eq, &e));
	ck_assert_uint_eq(GDMA_EQE_TYPE(le32toh(e.info)), GDMA_EQE_HWC_SOC_SERVICE);
	fault("link-up,reset-request");
	host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	arrive();
	ck_assert_uint_eq(next_type(&p.scq), MANA_CQE_TX_OKAY);
	ck_assert_uint_eq(h.wire[0].frames, 1);
	ck_assert_uint_eq(mana_model_counts(h.m)->rx, 1);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert(host_eqe(&h, &h.hwc_eq, &e));
		ck_assert_uint_eq(GDMA_EQE_TYPE(le32toh(e.info)), expected[i].type);
		ck_assert_uint_eq(le32toh(e.details[0]), expected[i].detail);
	}
}

START_TEST(completes_with_errors)
{
	fault("tx-error:33:2");
	for (unsigned int i = 0; i < 3; i++)
		host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	ck_assert_uint_eq(next_type(&p.scq), 33);
	ck_assert_uint_eq(next_type(&p.scq), 33);
	ck_assert_uint_eq(next_type(&p.scq), MANA_CQE_TX_OKAY);
	ck_assert_uint_eq(h.wire[0].frames, 1);
	fault("rx-error:4");
	arrive();
	arrive();
	ck_assert_uint_eq(next_type(&p.rcq), MANA_CQE_RX_TRUNCATED);
	ck_assert_uint_eq(next_type(&p.rcq), MANA_CQE_RX_OKAY);
	fault("tx-error:42");
	host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	ck_assert_uint_eq(next_type(&p.scq), MANA_CQE_TX_GDMA_ERR);
	host_run(&h);
	ck_assert_uint_eq(h.wire[0].frames, 1);
	ck_assert_uint_eq(mana_model_counts(h.m)->tx_errors, 3);
}

START_TEST(drops_interrupts)
{
	unsigned int before = h.irqs[1];
	struct gdma_cqe cqe;
	struct gdma_eqe e;

	fault("drop-irq:1");
	arrive();
	host_run(&h);
	ck_assert_uint_eq(h.irqs[1], before);
	ck_assert_uint_eq(mana_model_counts(h.m)->interrupts_dropped, 1);
	/* The completion is there for whoever looks. */
	ck_assert(host_cqe(&h, &p.rcq, &cqe));
	ck_assert(host_eqe(&h, &p.eq, &e));
	host_ring_cq(&h, &p.rcq, true);
	host_ring_eq(&h, &p.eq, true);
	arrive();
	host_run(&h);
	ck_assert_uint_eq(h.irqs[1], before + 1);
}

START_TEST(posts_garbage)
{
	struct gdma_cqe cqe;

	fault("garbage-cqe:2");
	for (unsigned int i = 0; i < 3; i++)
		host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	host_run(&h);
	for (unsigned int i = 0; i < 5; i++)
		ck_assert(host_cqe(&h, &p.scq, &cqe));
	ck_assert(!host_cqe(&h, &p.scq, &cqe));
	ck_assert_uint_eq(MANA_CQE_TYPE(le32toh(cqe.data[0])), MANA_CQE_TX_OKAY);
	ck_assert_int_eq(ask(GDMA_LIST_DEVICES), 0);
}

/* Nobody listens, or nobody has for long. */
START_TEST(bounds_events)
{
	unsigned int n = 0;

	mana_model_set_command(h.m, 0);
	while (!mana_model_event(h.m, 134, n))
		n++;
	ck_assert_int_eq(mana_model_event(h.m, 134, 0), -ENOSPC);
	ck_assert_uint_gt(n, 3);
	mana_model_reset(h.m);
	ck_assert_int_eq(mana_model_event(h.m, 134, 0), -ENODEV);
}

/* The wire does not care for a reset of the function. */
START_TEST(keeps_the_link_down)
{
	fault("link-down");
	mana_model_reset(h.m);
	mana_model_set_command(h.m, HOST_BME);
	host_establish(&h);
	host_register(&h);
	host_port_up(&h, 0, &p, 4);
	arrive();
	ck_assert_uint_eq(mana_model_counts(h.m)->rx_disabled, 1);
	fault("link-up");
	arrive();
	ck_assert_uint_eq(mana_model_counts(h.m)->rx, 1);
}

START_TEST(goes_by_surprise)
{
	uint8_t copy[60] = "\2MANA";

	fault("remove");
	ck_assert_uint_eq(mana_model_bar_read(h.m, GDMA_REG_SHM_OFFSET, 4), UINT32_MAX);
	ck_assert_uint_eq(mana_model_bar_read(h.m, GDMA_REG_SHM_OFFSET, 8), UINT64_MAX);
	host_send(&h, 0, &p, frame, sizeof(frame), 0, 0);
	ck_assert_uint_eq(mana_model_run(h.m, 100), 0);
	ck_assert_int_eq(mana_model_receive(h.m, 0, copy, sizeof(copy)), 0);
	ck_assert(!mana_model_wants_frames(h.m, 0));
}

int main(void)
{
	Suite *s = suite_create("mana-model-fault");
	TCase *t = suite_case(s, "mana-model-fault", 30);

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, understands_specs);
	tcase_add_test(t, leaves_requests_unanswered);
	tcase_add_test(t, refuses_requests);
	tcase_add_test(t, refuses_the_shared_memory_channel);
	tcase_add_test(t, tells_of_link_and_reset);
	tcase_add_test(t, completes_with_errors);
	tcase_add_test(t, drops_interrupts);
	tcase_add_test(t, posts_garbage);
	tcase_add_test(t, bounds_events);
	tcase_add_test(t, keeps_the_link_down);
	tcase_add_test(t, goes_by_surprise);
	return suite_run(s);
}
