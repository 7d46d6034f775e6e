// SPDX-License-Identifier: BSD-2-Clause
/*
 * Resets, links, names and deaths: what happens to the interfaces of a NIC, and a successor after
 * each store.
 */
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include <udrv/loop.h>

#include "tests/unit/crash.h"
#include "tests/unit/suite.h"
#include "udrv/host/nic.h"
#include "tap_fixture.h"

/* ---- What happens to adapters and interfaces ------------------------------------------------- */

START_TEST(a_reset_loses_frames_and_goes_on)
{
	unsigned int pushed;

	tap_fixture_start();
	mana_model_forbid_setup(fx.adapter.m, false);
	for (pushed = 0; pushed < 100; pushed++)
		ck_assert_int_eq(tap_fixture_push(0, pushed, 100), 0);
	udrv_loop_run_once(fx.host.loop, 0);
	ck_assert_uint_gt(tap_sending(&fx.host, udrv_mana_queue(fx.adapter.mana, 0, 0)), 0);
	ck_assert_int_eq(udrv_mana_reset(fx.adapter.mana), 0);
	tap_tick(&fx.host);
	tap_fixture_settle(NULL);
	ck_assert_uint_gt(tap_fixture_queue(0)->tx_errors, 0);
	ck_assert_uint_eq(tap_fixture_queue(0)->tx_errors + tap_fixture_queue(0)->tx_packets, 100);
	tap_fixture_check_idle();
	ck_assert_int_eq(tap_fixture_push(0, 1000, 100), 0);
	tap_fixture_settle(NULL);
	ck_assert_uint_eq(mana_frame_id(fx.adapter.wire[0].frame[fx.adapter.wire[0].n - 1], 100),
			  1000);
	tap_fixture_end();
}
END_TEST

START_TEST(the_carrier_follows_the_link)
{
	tap_fixture_start();
	ck_assert_int_eq(mana_model_fault(fx.adapter.m, "link-down"), 0);
	tap_fixture_settle(NULL);
	udrv_mana_tick(fx.adapter.mana, 1);
	ck_assert(!fx.carrier);
	ck_assert_int_eq(mana_model_fault(fx.adapter.m, "link-up"), 0);
	tap_fixture_settle(NULL);
	udrv_mana_tick(fx.adapter.mana, 2);
	ck_assert(fx.carrier);
	tap_fixture_end();
}
END_TEST

START_TEST(a_name_is_waited_for)
{
	tap_fixture_init(1, 1500);
	fx.busy = 2;
	tap_fixture_begin(NULL);
	ck_assert_uint_eq(fx.busy, 0);
	ck_assert_int_eq(tap_fixture_push(0, 1, 100), 0);
	tap_fixture_settle(NULL);
	ck_assert_uint_eq(fx.adapter.wire[0].n, 1);
	tap_fixture_end();
}
END_TEST

START_TEST(a_deleted_interface_is_let_go)
{
	tap_fixture_start();
	close(fx.peer[0][0]);
	fx.peer[0][0] = -1;
	tap_fixture_settle(NULL);
	ck_assert_ptr_null(tap_json(0));
	ck_assert_int_eq(udrv_loop_run_once(fx.host.loop, 0), 0);
	mana_inject(&fx.adapter, 0, 0, 1, 100);
	tap_fixture_settle(NULL);
	ck_assert_uint_eq(fx.given[false], 1);
	ck_assert_uint_eq(fx.given[true], 0);
	tap_fixture_end();
}
END_TEST

START_TEST(a_host_that_stops_reads_nothing)
{
	tap_fixture_start();
	fx.host.stopping = true;
	ck_assert_int_eq(tap_fixture_push(0, 1, 100), 0);
	tap_fixture_settle(NULL);
	tap_tick(&fx.host);
	tap_fixture_settle(NULL);
	ck_assert_uint_eq(fx.adapter.wire[0].n, 0);
	tap_fixture_end();
}
END_TEST

/* A pool that was made without room for interfaces. */
START_TEST(without_memory_there_is_no_interface)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = {
		.queues = 16, .tx_depth = TAP_FIXTURE_DEPTH, .rx_depth = 128, .poll = true
	};

	mana_fixture_init(&fx.adapter, &model, &opts, 0, 0);
	mana_fixture_start(&fx.adapter);
	tap_fixture_open_host();
	tap_open(&fx.host);
	tap_listen(&fx.host);
	ck_assert_int_eq(udrv_loop_run_once(fx.host.loop, 0), 1);
	tap_tick(&fx.host);
	ck_assert_int_eq(udrv_loop_run_once(fx.host.loop, 0), 0);
	ck_assert_uint_eq(fx.made, 0);
	tap_fixture_end();
}
END_TEST

/* ---- Death ----------------------------------------------------------------------------------- */

/* The verifying consumer uses the same queues. */
static void echo(unsigned int i)
{
	struct udrv_mana_seg seg = { .off = fx.adapter.buf, .len = 100 };
	struct udrv_mana_tx pkt = { .seg = &seg, .nseg = 1, .cookie = NIC_COOKIE_ECHO | i };

	udrv_mana_send(udrv_mana_queue(fx.adapter.mana, 0, i % TAP_FIXTURE_QUEUES), &pkt, 1);
}

/* A life: interfaces are made, frames go both ways, never many of them complete. */
static void work(void *unused)
{
	(void)unused;
	tap_fixture_begin(NULL);
	for (unsigned int i = 0; i < 24; i++) {
		tap_fixture_push(i % TAP_FIXTURE_QUEUES, 100 + i, 100 + i);
		tap_fixture_push(i % TAP_FIXTURE_QUEUES, 200 + i, 1400);
		mana_inject(&fx.adapter, 0, i, i, 100);
		if (i % 5 == 1)
			echo(i);
		if (i % 4 != 3)
			continue;
		udrv_loop_run_once(fx.host.loop, 0);
		mana_model_run(fx.adapter.m, 9);
		tap_fixture_serve_all();
	}
}

static void live_again(void)
{
	tap_fixture_forget();
	mana_fixture_crash(&fx.adapter);
	ck_assert_int_eq(mana_fixture_resume(&fx.adapter), 0);
	tap_fixture_open_host();
	tap_fixture_begin(NULL);
}

/* Everything that a predecessor left is over; then the interfaces work as if nothing had been. */
static void all_is_well(unsigned int at)
{
	unsigned int before;

	tap_fixture_settle(NULL);
	tap_fixture_check_idle();
	before = fx.adapter.wire[0].n;
	for (unsigned int i = 0; i < 40; i++)
		ck_assert_int_eq(tap_fixture_push(i % TAP_FIXTURE_QUEUES, i, 1400), 0);
	tap_fixture_settle(NULL);
	ck_assert_msg(fx.adapter.wire[0].n == before + 40, "step %u: %u frames", at,
		      fx.adapter.wire[0].n - before);
	for (unsigned int i = before; i < fx.adapter.wire[0].n; i++)
		ck_assert_uint_lt(mana_frame_id(fx.adapter.wire[0].frame[i],
						fx.adapter.wire[0].len[i]),
				  40);
}

/*
 * What has come in while there was no host is delivered before there is even a loop: to the
 * interface, if the kernel is the same. A new kernel has none yet, and the packets are counted.
 */
START_TEST(waiting_packets_are_the_interfaces)
{
	struct virtio_net_hdr hdr;
	uint8_t frame[TAP_FIXTURE_FRAME];
	unsigned int got = 0;
	struct udrv_loop *loop;

	tap_fixture_start();
	tap_fixture_forget();
	mana_fixture_crash(&fx.adapter);
	for (unsigned int i = 0; i < 20; i++)
		mana_inject(&fx.adapter, 0, i, i, 100);
	ck_assert_int_eq(mana_fixture_resume(&fx.adapter), 0);
	tap_fixture_open_host();
	fx.left = _i;
	loop = fx.host.loop;
	fx.host.loop = NULL;
	tap_open(&fx.host);
	mana_model_run(fx.adapter.m, 1000);
	while (tap_fixture_serve_all())
		;
	ck_assert_uint_eq(fx.given[_i], 20);
	fx.host.loop = loop;
	/* Nothing is read before there is memory for it. */
	if (_i)
		ck_assert_int_eq(tap_fixture_push(0, 1, 100), 0);
	tap_tick(&fx.host);
	ck_assert_int_eq(udrv_loop_run_once(fx.host.loop, 0), 0);
	tap_listen(&fx.host);
	tap_fixture_settle(NULL);
	ck_assert_uint_eq(fx.made, 1);
	for (unsigned int i = 0; i < TAP_FIXTURE_QUEUES; i++)
		while (tap_fixture_pop(0, i, &hdr, frame) > 0)
			got++;
	ck_assert_uint_eq(got, _i ? 20 : 0);
	ck_assert_uint_eq(tap_fixture_queue(0)->rx_dropped + tap_fixture_queue(1)->rx_dropped,
			  20 - got);
	ck_assert_uint_eq(fx.adapter.wire[0].n, (unsigned int)_i);
	all_is_well(0);
	tap_fixture_end();
}
END_TEST

/* A predecessor's, which nobody wants any more. */
START_TEST(interfaces_that_are_not_wanted_are_let_go)
{
	tap_fixture_init(1, 1500);
	fx.left = true;
	tap_open(&fx.host);
	ck_assert_int_ge(tap_fixture_queue(0)->fd, 0);
	tap_configure(false);
	tap_listen(&fx.host);
	ck_assert_int_eq(tap_fixture_queue(0)->fd, -1);
	ck_assert_ptr_null(tap_json(0));
	tap_fixture_end();
}
END_TEST

START_TEST(a_successor_frees_all_after_each_step)
{
	unsigned int at = 0, inherited = 0;
	uint64_t used = 0;
	bool more;

	do {
		tap_fixture_init(1, 1500);
		more = crash_after(++at, work, NULL);
		live_again();
		inherited += tap_fixture_queue(0)->inherited > 0;
		tap_fixture_settle(NULL);
		tap_fixture_check_idle();
		/* Memory is allocated once. */
		if (!used)
			used = udrv_dma_used(fx.adapter.fd.dma);
		ck_assert_uint_eq(udrv_dma_used(fx.adapter.fd.dma), used);
		all_is_well(at);
		tap_fixture_end();
	} while (more);
	ck_assert_uint_gt(at, 100);
	ck_assert_uint_gt(inherited, 20);
	ck_assert_uint_gt(fx.echoed, 20);
}
END_TEST

START_TEST(many_deaths_in_a_row)
{
	tap_fixture_init(1, 1500);
	for (unsigned int life = 0; life < 40; life++) {
		crash_after(20 + life * 7, work, NULL);
		tap_fixture_forget();
		mana_fixture_crash(&fx.adapter);
		ck_assert_int_eq(mana_fixture_resume(&fx.adapter), 0);
		tap_fixture_open_host();
	}
	tap_fixture_begin(NULL);
	tap_fixture_settle(NULL);
	tap_fixture_check_idle();
	tap_fixture_end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tap_life");
	TCase *tc = suite_case(suite, "tap_life", 120);

	tcase_add_test(tc, a_reset_loses_frames_and_goes_on);
	tcase_add_test(tc, the_carrier_follows_the_link);
	tcase_add_test(tc, a_name_is_waited_for);
	tcase_add_test(tc, a_deleted_interface_is_let_go);
	tcase_add_test(tc, a_host_that_stops_reads_nothing);
	tcase_add_test(tc, without_memory_there_is_no_interface);
	tcase_add_loop_test(tc, waiting_packets_are_the_interfaces, 0, 2);
	tcase_add_test(tc, interfaces_that_are_not_wanted_are_let_go);
	tcase_add_test(tc, a_successor_frees_all_after_each_step);
	tcase_add_test(tc, many_deaths_in_a_row);
	return suite_run(suite);
}
