// SPDX-License-Identifier: BSD-2-Clause
/*
 * What goes wrong at the device ends in recovery or in a clear error, and nothing is left behind.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/mana_fixture.h"
#include "tests/unit/suite.h"

#define SECOND 1000000000ull

static struct mana_fixture fx;
static struct udrv_mana_queue *q;
static uint64_t next_id;

/* All that arrives goes to queue 0. */
static void set_up(struct udrv_mana_opts opts)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_rss rss;

	opts.timeout_ms = 60;
	mana_fixture_init(&fx, &model, &opts, 1 << 16, 0);
	mana_fixture_start(&fx);
	q = udrv_mana_queue(fx.mana, 0, 0);
	ck_assert_int_eq(udrv_mana_get_rss(fx.mana, 0, &rss), 0);
	memset(rss.table, 0, sizeof(rss.table));
	ck_assert_int_eq(udrv_mana_set_rss(fx.mana, 0, &rss), 0);
}

static void fault(const char *spec)
{
	ck_assert_int_eq(mana_model_fault(fx.m, spec), 0);
}

/* Traffic of queue 0 both ways is as it should be. */
static void traffic_works(void)
{
	struct udrv_mana_sent done[8];
	struct udrv_mana_rx rx[8];
	unsigned int sent = 0, received = 0;

	net_close(&fx.wire[0].backend);
	for (unsigned int i = 0; i < 5; i++) {
		ck_assert_int_eq(mana_send_one(&fx, q, i * 128, next_id + i, 100), 1);
		mana_inject(&fx, 0, 0, next_id + i, 100);
	}
	mana_fixture_run(&fx);
	/* One call does not show what lies behind garbage. */
	for (unsigned int call = 0; call < 8; call++) {
		int n = udrv_mana_sent(q, done, 8);

		ck_assert_int_ge(n, 0);
		for (int i = 0; i < n; i++) {
			ck_assert_uint_eq(done[i].cookie, next_id + sent++);
			ck_assert_uint_eq(done[i].status, 0);
		}
		ck_assert_int_eq(udrv_mana_sent_release(q, (unsigned int)n), 0);
		n = udrv_mana_recv(q, rx, 8);
		ck_assert_int_ge(n, 0);
		for (int i = 0; i < n; i++)
			ck_assert_uint_eq(mana_frame_id(udrv_dma_ptr(fx.fd.dma, rx[i].off),
							rx[i].len),
					  next_id + received++);
		ck_assert_int_eq(udrv_mana_recv_release(q, (unsigned int)n), 0);
	}
	ck_assert_uint_eq(sent, 5);
	ck_assert_uint_eq(received, 5);
	for (unsigned int i = 0; i < 5; i++)
		ck_assert_uint_eq(mana_frame_id(fx.wire[0].frame[i], fx.wire[0].len[i]),
				  next_id + i);
	next_id += 5;
}

static void ends_well(void)
{
	struct mana_model_live live;

	ck_assert_int_eq(udrv_mana_shutdown(fx.mana), 0);
	fx.mana = NULL;
	mana_model_live(fx.m, &live);
	ck_assert_uint_eq(live.hwc + live.registered + live.eqs + live.sqs + live.rqs, 0);
	ck_assert_uint_eq(udrv_dma_used(fx.fd.dma), fx.own_used);
	mana_fixture_end(&fx);
}

/* ---- Set-up ---------------------------------------------------------------------------------- */

static const struct {
	const char *fault;
	int err;
} at_start[] = {
	{ "smc-status:1", -EIO },
	{ "hwc-timeout:1", -ETIMEDOUT },
	{ "hwc-timeout:2", -ETIMEDOUT },
	{ "hwc-timeout:3", -ETIMEDOUT },
	{ "hwc-timeout:4", -ETIMEDOUT },
	{ "hwc-timeout:10", -ETIMEDOUT },
	{ "hwc-timeout:12", -ETIMEDOUT },
	{ "hwc-timeout:25", -ETIMEDOUT },
	{ "hwc-timeout:0x20001", -ETIMEDOUT },
	{ "hwc-timeout:0x20003", -ETIMEDOUT },
	{ "hwc-timeout:0x20004", -ETIMEDOUT },
	{ "hwc-timeout:0x20007", -ETIMEDOUT },
	{ "hwc-timeout:0x20008", -ETIMEDOUT },
	{ "hwc-status:1:7", -EIO },
	{ "no-vports", -EPROTO },
	{ "hwc-status:3:7", -EIO },
	{ "hwc-status:4:7", -EIO },
	{ "hwc-status:12:7", -EIO },
	{ "hwc-status:25:7", -EIO },
	{ "hwc-status:0x20004:7", -EIO },
	{ "hwc-status:0x20007:7", -EIO },
	{ "hwc-status:0x20001:0xffffffff", -EOPNOTSUPP },
	{ "remove", -ENODEV },
};

START_TEST(a_start_fails_cleanly)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .queues = 2, .timeout_ms = 60 };
	struct mana_model_live live;
	int err;

	mana_fixture_init(&fx, &model, &opts, 0, 0);
	fault(at_start[_i].fault);
	err = udrv_mana_start(fx.fd.dev, &fx.opts, &fx.mana);
	ck_assert_msg(err == at_start[_i].err, "%s: %d, %s", at_start[_i].fault, err, fx.log.last);
	ck_assert_uint_gt(fx.log.count[UDRV_LOG_ERR], 0);
	ck_assert_uint_ne(udrv_state_lifecycle(fx.fd.st), UDRV_READY);
	mana_model_live(fx.m, &live);
	ck_assert_uint_eq(live.hwc + live.registered + live.eqs + live.sqs + live.rqs, 0);
	fx.mana = NULL;
	if (err != -ENODEV) {
		/* The fault is over: now it works. */
		mana_fixture_start(&fx);
		q = udrv_mana_queue(fx.mana, 0, 0);
		ck_assert_int_eq(udrv_mana_shutdown(fx.mana), 0);
		fx.mana = NULL;
	}
	mana_fixture_end(&fx);
}
END_TEST

/* However many resets it takes, nobody has taken these packets. */
START_TEST(what_is_lost_is_counted_once)
{
	struct udrv_mana_counters c;

	set_up((struct udrv_mana_opts){ .rx_depth = 128, .poll = true });
	for (unsigned int i = 0; i < 5; i++)
		mana_inject(&fx, 0, 0, i, 100);
	for (unsigned int i = 0; i < 3; i++) {
		fault("hwc-timeout:1");
		ck_assert_int_ne(udrv_mana_reset(fx.mana), 0);
	}
	ck_assert_int_eq(udrv_mana_reset(fx.mana), 0);
	udrv_mana_counters(q, &c);
	ck_assert_uint_eq(c.rx_lost, 5);
	traffic_works();
	mana_inject(&fx, 0, 0, 5, 100);
	ck_assert_int_eq(udrv_mana_reset(fx.mana), 0);
	udrv_mana_counters(q, &c);
	ck_assert_uint_eq(c.rx_lost, 6);
	ends_well();
}
END_TEST

START_TEST(a_stuck_channel_is_freed_by_the_reset)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .timeout_ms = 60 };

	mana_fixture_init(&fx, &model, &opts, 0, 0);
	fault("smc-stuck");
	fx.no_reset = true;
	ck_assert_int_eq(udrv_mana_start(fx.fd.dev, &fx.opts, &fx.mana), -ETIMEDOUT);
	fx.no_reset = false;
	mana_fixture_start(&fx);
	mana_fixture_end(&fx);
}
END_TEST

/* ---- The running adapter --------------------------------------------------------------------- */

/* Three sends that do not complete: they are lost in the reset, once each, and new ones are not. */
static void lose_three(uint64_t now_ns)
{
	struct udrv_mana_sent done[8];

	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_ge(mana_send_one(&fx, q, i * 128, 900 + i, 100), 0);
	ck_assert_int_eq(udrv_mana_tick(fx.mana, now_ns), 1);
	ck_assert_int_eq(udrv_mana_sent(q, done, 8), 3);
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_uint_eq(done[i].cookie, 900 + i);
		ck_assert_uint_eq(done[i].status, UDRV_MANA_LOST);
		ck_assert(!done[i].resumed);
	}
	/* New sends go out before the lost ones are released. */
	ck_assert_int_eq(mana_send_one(&fx, q, 512, 950, 100), 1);
	mana_fixture_run(&fx);
	ck_assert_int_eq(udrv_mana_sent_release(q, 2), 0);
	ck_assert_int_eq(udrv_mana_sent(q, done, 8), 1);
	ck_assert_uint_eq(done[0].cookie, 950);
	ck_assert_uint_eq(done[0].status, 0);
	ck_assert_int_eq(udrv_mana_sent_release(q, 2), 0);
	ck_assert_uint_eq(udrv_mana_sending(q), 0);
}

START_TEST(a_request_that_times_out_ends_in_a_reset)
{
	struct udrv_mana_hw_stats hw;

	set_up((struct udrv_mana_opts){ .queues = 2, .poll = true });
	traffic_works();
	fault("hwc-timeout:0x20002");
	ck_assert_int_eq(udrv_mana_hw_stats(fx.mana, &hw), -ETIMEDOUT);
	ck_assert_int_eq(udrv_mana_hw_stats(fx.mana, &hw), -ESHUTDOWN);
	/* Traffic does not need it. */
	traffic_works();
	lose_three(SECOND);
	traffic_works();
	ck_assert_int_eq(udrv_mana_hw_stats(fx.mana, &hw), 0);
	ends_well();
}
END_TEST

START_TEST(a_refused_request_is_no_reason)
{
	struct udrv_mana_hw_stats hw;

	set_up((struct udrv_mana_opts){ .poll = true });
	fault("hwc-status:0x20002:9");
	ck_assert_int_eq(udrv_mana_hw_stats(fx.mana, &hw), -EIO);
	ck_assert_int_eq(udrv_mana_hw_stats(fx.mana, &hw), 0);
	ck_assert_int_eq(udrv_mana_tick(fx.mana, SECOND), 0);
	traffic_works();
	ends_well();
}
END_TEST

static unsigned int events[3];

static void on_event(void *ctx, enum udrv_mana_event event)
{
	(void)ctx;
	events[event]++;
}

START_TEST(the_device_asks_to_be_reset)
{
	struct udrv_mana_rss before, after;
	struct udrv_mana_rx rx[8];
	struct udrv_mana_counters c;
	uint64_t now = 1000 * SECOND;

	set_up((struct udrv_mana_opts){ .queues = 2 });
	udrv_mana_on_event(fx.mana, on_event, NULL);
	traffic_works();
	ck_assert_int_eq(udrv_mana_set_mtu(fx.mana, 0, 1000), 0);
	udrv_mana_get_rss(fx.mana, 0, &before);
	/* Packets that nobody has taken go with it, shown or not. */
	for (unsigned int i = 0; i < 5; i++)
		mana_inject(&fx, 0, 0, i, 100);
	udrv_mana_counters(q, &c);
	ck_assert_int_eq(udrv_mana_recv(q, rx, 2) +
				 udrv_mana_recv(udrv_mana_queue(fx.mana, 0, 1), rx, 2),
			 2);

	fault("reset-request");
	udrv_state_set_updating(fx.fd.st, true);
	mana_fixture_run(&fx);
	ck_assert_int_eq(udrv_mana_tick(fx.mana, now), 0);
	ck_assert_uint_eq(events[UDRV_MANA_RESET_REQUEST], 0);
	udrv_state_set_updating(fx.fd.st, false);

	ck_assert_int_eq(udrv_mana_tick(fx.mana, now), 1);
	ck_assert_uint_eq(events[UDRV_MANA_RESET_REQUEST], 1);
	udrv_mana_get_rss(fx.mana, 0, &after);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	ck_assert_uint_eq(udrv_mana_vport(fx.mana, 0)->mtu, 1000);
	for (unsigned int i = 0, lost = 0; i < 2; i++) {
		udrv_mana_counters(udrv_mana_queue(fx.mana, 0, i), &c);
		lost += (unsigned int)c.rx_lost;
		ck_assert(i == 0 || lost == 5);
	}

	/* One that keeps asking waits ever longer: 1 s, 2 s, 4 s … */
	for (uint64_t wait = SECOND; wait <= 64 * SECOND; wait *= 2) {
		uint64_t w = wait > 60 * SECOND ? 60 * SECOND : wait;

		fault("reset-request");
		mana_fixture_run(&fx);
		ck_assert_int_eq(udrv_mana_tick(fx.mana, now + w - 1), -EIO);
		now += w;
		ck_assert_int_eq(udrv_mana_tick(fx.mana, now), 1);
	}
	ck_assert_uint_eq(udrv_mana_tick(fx.mana, now + 1), 0);
	/* Quiet for long: at once again. */
	now += 1000 * SECOND;
	fault("reset-request");
	mana_fixture_run(&fx);
	ck_assert_int_eq(udrv_mana_tick(fx.mana, now), 1);
	ends_well();
}
END_TEST

/* Asked before the process ended: its successor does it. */
START_TEST(a_request_to_be_reset_is_not_forgotten)
{
	set_up((struct udrv_mana_opts){ .poll = true });
	fault("reset-request");
	mana_fixture_run(&fx);
	mana_fixture_crash(&fx);
	ck_assert_int_eq(mana_fixture_resume(&fx), 0);
	ck_assert_int_eq(udrv_mana_tick(fx.mana, SECOND), 1);
	q = udrv_mana_queue(fx.mana, 0, 0);
	traffic_works();
	ends_well();
}
END_TEST

START_TEST(links_come_and_go)
{
	set_up((struct udrv_mana_opts){ .poll = true });
	udrv_mana_on_event(fx.mana, on_event, NULL);
	fault("link-down");
	mana_fixture_run(&fx);
	ck_assert_int_eq(udrv_mana_tick(fx.mana, SECOND), 0);
	ck_assert(!udrv_mana_vport(fx.mana, 0)->link);
	ck_assert_uint_eq(events[UDRV_MANA_LINK_DOWN], 1);
	mana_fixture_crash(&fx);
	ck_assert_int_eq(mana_fixture_resume(&fx), 0);
	q = udrv_mana_queue(fx.mana, 0, 0);
	ck_assert(!udrv_mana_vport(fx.mana, 0)->link);
	fault("link-up");
	mana_fixture_run(&fx);
	ck_assert_int_eq(udrv_mana_tick(fx.mana, 2 * SECOND), 0);
	ck_assert(udrv_mana_vport(fx.mana, 0)->link);
	traffic_works();
	ends_well();
}
END_TEST

START_TEST(sends_fail)
{
	struct udrv_mana_counters c;
	struct udrv_mana_sent done[8];
	char spec[32];

	set_up((struct udrv_mana_opts){ .poll = true });
	for (unsigned int type = 33; type <= 41; type++) {
		snprintf(spec, sizeof(spec), "tx-error:%u", type);
		fault(spec);
		ck_assert_int_eq(mana_send_one(&fx, q, 0, 1, 100), 1);
		ck_assert_int_eq(mana_send_one(&fx, q, 128, 2, 100), 1);
		mana_fixture_run(&fx);
		ck_assert_int_eq(udrv_mana_sent(q, done, 8), 2);
		ck_assert_uint_eq(done[0].status, type);
		ck_assert_uint_eq(done[1].status, 0);
		ck_assert_int_eq(udrv_mana_sent_release(q, 2), 0);
	}
	udrv_mana_counters(q, &c);
	ck_assert_uint_eq(c.tx_errors, 9);
	traffic_works();

	fault("tx-error:42");
	ck_assert_int_eq(mana_send_one(&fx, q, 0, 1, 100), 1);
	mana_fixture_run(&fx);
	ck_assert_int_eq(udrv_mana_sent(q, done, 8), 1);
	ck_assert_uint_eq(done[0].status, MANA_CQE_TX_GDMA_ERR);
	ck_assert_int_eq(udrv_mana_sent_release(q, 1), 0);
	ck_assert_int_eq(mana_send_one(&fx, q, 0, 1, 100), -ESHUTDOWN);
	ck_assert_int_eq(udrv_mana_queue_arm(q), -ESHUTDOWN);
	ck_assert_int_eq(udrv_mana_tick(fx.mana, SECOND), 1);
	traffic_works();
	ends_well();
}
END_TEST

START_TEST(receptions_fail)
{
	struct udrv_mana_counters c;
	struct udrv_mana_rx rx[8];

	set_up((struct udrv_mana_opts){ .rx_depth = 128, .poll = true });
	for (unsigned int i = 0; i < 300; i++) {
		fault(i & 1 ? "rx-error:4" : "rx-error:13");
		mana_inject(&fx, 0, 0, i, 100);
		mana_inject(&fx, 0, 0, i, 100);
		ck_assert_int_eq(udrv_mana_recv(q, rx, 8), 2);
		ck_assert_uint_eq(rx[0].flags & UDRV_MANA_RX_ERROR, UDRV_MANA_RX_ERROR);
		ck_assert_uint_eq(rx[0].len, 0);
		ck_assert_uint_eq(rx[1].flags & UDRV_MANA_RX_ERROR, 0);
		ck_assert_int_eq(udrv_mana_recv_release(q, 2), 0);
	}
	udrv_mana_counters(q, &c);
	ck_assert_uint_eq(c.rx_errors, 300);
	ck_assert_uint_eq(c.bad_cqes, 0);
	traffic_works();
	/* Unasked for: nobody knows how many buffers it took. */
	fault("rx-error:2");
	mana_inject(&fx, 0, 0, 1, 100);
	ck_assert_int_le(udrv_mana_recv(q, rx, 8), 0);
	ck_assert_int_eq(udrv_mana_recv(q, rx, 8), -ESHUTDOWN);
	ck_assert_int_eq(udrv_mana_tick(fx.mana, SECOND), 1);
	traffic_works();
	ends_well();
}
END_TEST

START_TEST(garbage_is_dropped)
{
	struct udrv_mana_counters c;
	unsigned int n = 0;

	set_up((struct udrv_mana_opts){ .poll = true });
	for (unsigned int i = 0; i < 20; i++) {
		fault("garbage-cqe:2");
		traffic_works();
		udrv_mana_counters(q, &c);
		ck_assert_uint_gt(c.bad_cqes, n);
		n = (unsigned int)c.bad_cqes;
	}
	/* A successor has to cope, too, wherever it is. */
	fault("garbage-cqe:1");
	mana_inject(&fx, 0, 0, 1, 100);
	mana_fixture_crash(&fx);
	ck_assert_int_eq(mana_fixture_resume(&fx), 0);
	q = udrv_mana_queue(fx.mana, 0, 0);
	struct udrv_mana_rx rx[4];

	ck_assert_int_eq(udrv_mana_recv(q, rx, 4), 1);
	ck_assert_int_eq(udrv_mana_recv_release(q, 1), 0);
	traffic_works();
	/* But not for ever. */
	for (unsigned int i = 0; i < 64; i++) {
		struct udrv_mana_rx one;

		fault("garbage-cqe:1");
		mana_inject(&fx, 0, 0, i, 100);
		if (udrv_mana_recv(q, &one, 1) > 0)
			udrv_mana_recv_release(q, 1);
	}
	ck_assert_int_eq(udrv_mana_tick(fx.mana, SECOND), 1);
	traffic_works();
	ends_well();
}
END_TEST

START_TEST(the_device_goes_away)
{
	struct udrv_mana_hw_stats hw;
	struct udrv_mana_sent done[8];
	struct udrv_mana_rx rx[8];

	set_up((struct udrv_mana_opts){ .poll = true });
	ck_assert_int_eq(mana_send_one(&fx, q, 0, 1, 100), 1);
	fault("remove");
	ck_assert_int_eq(udrv_mana_hw_stats(fx.mana, &hw), -ENODEV);
	ck_assert_int_eq(udrv_mana_tick(fx.mana, SECOND), -ENODEV);
	ck_assert_int_eq(udrv_mana_tick(fx.mana, 2 * SECOND), -ENODEV);
	ck_assert_int_eq(udrv_mana_recv(q, rx, 8), -ESHUTDOWN);
	ck_assert_int_eq(udrv_mana_sent(q, done, 8), -ESHUTDOWN);
	ck_assert_int_eq(mana_send_one(&fx, q, 0, 1, 100), -ESHUTDOWN);
	ck_assert_int_eq(udrv_mana_reset(fx.mana), -ENODEV);
	mana_fixture_crash(&fx);
	ck_assert_int_lt(mana_fixture_resume(&fx), 0);
	fx.mana = NULL;
	mana_fixture_end(&fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mana-recovery");
	TCase *tc = suite_case(suite, "recovery", 60);

	tcase_add_loop_test(tc, a_start_fails_cleanly, 0, sizeof(at_start) / sizeof(at_start[0]));
	tcase_add_test(tc, what_is_lost_is_counted_once);
	tcase_add_test(tc, a_stuck_channel_is_freed_by_the_reset);
	tcase_add_test(tc, a_request_that_times_out_ends_in_a_reset);
	tcase_add_test(tc, a_refused_request_is_no_reason);
	tcase_add_test(tc, the_device_asks_to_be_reset);
	tcase_add_test(tc, a_request_to_be_reset_is_not_forgotten);
	tcase_add_test(tc, links_come_and_go);
	tcase_add_test(tc, sends_fail);
	tcase_add_test(tc, receptions_fail);
	tcase_add_test(tc, garbage_is_dropped);
	tcase_add_test(tc, the_device_goes_away);
	return suite_run(suite);
}
