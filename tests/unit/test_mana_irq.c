// SPDX-License-Identifier: BSD-2-Clause
/*
 * Interrupts come for everything that happens, and for nothing else: with few vectors, after
 * resumes and resets.
 */
#include <check.h>
#include <errno.h>

#include <udrv/loop.h>

#include "tests/unit/mana_fixture.h"
#include "tests/unit/suite.h"

static struct mana_fixture fx;
static unsigned int received, completed, calls;

static void serve(void *ctx, struct udrv_mana_queue *q)
{
	struct udrv_mana_rx rx[8];
	struct udrv_mana_sent done[8];
	int n, m;

	(void)ctx;
	calls++;
	do {
		n = udrv_mana_recv(q, rx, 8);
		ck_assert_int_ge(n, 0);
		ck_assert_int_eq(udrv_mana_recv_release(q, (unsigned int)n), 0);
		m = udrv_mana_sent(q, done, 8);
		ck_assert_int_ge(m, 0);
		ck_assert_int_eq(udrv_mana_sent_release(q, (unsigned int)m), 0);
		received += (unsigned int)n;
		completed += (unsigned int)m;
	} while (n || m);
	ck_assert_int_eq(udrv_mana_queue_arm(q), 0);
}

/* The device and the loop take turns until there is nothing left to do. */
static void turn(void)
{
	for (int i = 0; i < 4; i++) {
		mana_fixture_run(&fx);
		ck_assert_int_ge(udrv_loop_run_once(fx.loop, 0), 0);
	}
}

static void set_up(unsigned int queues, unsigned int vectors)
{
	struct mana_model_opts model = { .seed = 1, .vectors = vectors };
	struct udrv_mana_opts opts = { .queues = queues };

	mana_fixture_init(&fx, &model, &opts, 4096, 0);
	mana_fixture_start(&fx);
	mana_fixture_key(&fx);
	ck_assert_int_eq(mana_fixture_listen(&fx, serve, NULL), 0);
	turn();
}

START_TEST(interrupts_tell)
{
	unsigned int idle;

	set_up(4, _i ? (unsigned int)_i : 64);
	for (unsigned int round = 0; round < 1000; round++) {
		mana_inject(&fx, 0, round, round, 60);
		turn();
		ck_assert_msg(received == round + 1, "round %u: no interrupt for a packet", round);
		ck_assert_int_eq(mana_send_one(&fx, udrv_mana_queue(fx.mana, 0, round % 4), 0,
					       round, 60),
				 1);
		net_close(&fx.wire[0].backend);
		turn();
		ck_assert_msg(completed == round + 1, "round %u: no interrupt for a completion",
			      round);
	}
	idle = calls;
	for (int i = 0; i < 10; i++)
		turn();
	ck_assert_msg(calls == idle, "interrupts without a reason");
	mana_fixture_end(&fx);
}
END_TEST

/* What is shown and not released would interrupt for ever. */
START_TEST(what_is_shown_is_released_before_arming)
{
	set_up(4, 64);
	for (unsigned int flow = 0; flow < 64; flow++)
		mana_inject(&fx, 0, flow, flow, 60);
	for (unsigned int i = 0; i < 4; i++) {
		struct udrv_mana_queue *q = udrv_mana_queue(fx.mana, 0, i);
		struct udrv_mana_rx rx;

		ck_assert_int_eq(udrv_mana_recv(q, &rx, 1), 1);
		ck_assert_int_eq(udrv_mana_queue_arm(q), -EAGAIN);
		ck_assert_int_eq(udrv_mana_recv_release(q, 1), 0);
		ck_assert_int_eq(udrv_mana_queue_arm(q), 0);
	}
	turn();
	ck_assert_uint_eq(received, 60);
	mana_fixture_end(&fx);
}
END_TEST

/* Interrupts come again by themselves, for what waits and for what comes. */
START_TEST(vectors_are_armed_again)
{
	set_up(3, 64);
	for (unsigned int cycle = 0; cycle < 200; cycle++) {
		mana_fixture_crash(&fx);
		mana_inject(&fx, 0, cycle, cycle, 60);
		mana_fixture_run(&fx);
		ck_assert_int_eq(mana_fixture_resume(&fx), 0);
		ck_assert_int_eq(mana_fixture_listen(&fx, serve, NULL), 0);
		turn();
		ck_assert_uint_eq(received, 2 * cycle + 1);
		mana_inject(&fx, 0, cycle, cycle, 60);
		turn();
		ck_assert_uint_eq(received, 2 * cycle + 2);
	}
	mana_fixture_end(&fx);
}
END_TEST

START_TEST(vectors_work_after_a_reset)
{
	set_up(2, 64);
	ck_assert_int_eq(udrv_mana_reset(fx.mana), 0);
	turn();
	for (unsigned int i = 0; i < 10; i++) {
		mana_inject(&fx, 0, i, i, 100);
		turn();
		ck_assert_uint_eq(received, i + 1);
	}
	mana_fixture_end(&fx);
}
END_TEST

START_TEST(a_lost_interrupt_is_noticed)
{
	set_up(1, 64);
	ck_assert_int_eq(mana_model_fault(fx.m, "drop-irq:1"), 0);
	mana_inject(&fx, 0, 0, 1, 100);
	turn();
	ck_assert_uint_eq(received, 0);
	ck_assert_int_eq(udrv_mana_tick(fx.mana, 1000000000), 0);
	ck_assert_uint_eq(received, 0);
	ck_assert_int_eq(udrv_mana_tick(fx.mana, 1200000000), 0);
	ck_assert_uint_eq(received, 1);
	mana_inject(&fx, 0, 0, 1, 100);
	turn();
	ck_assert_uint_eq(received, 2);
	mana_fixture_end(&fx);
}
END_TEST

START_TEST(polling_has_no_vectors)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .queues = 1, .poll = true };

	mana_fixture_init(&fx, &model, &opts, 4096, 0);
	mana_fixture_start(&fx);
	ck_assert_uint_eq(udrv_mana_info(fx.mana)->vectors, 0);
	ck_assert_int_eq(mana_fixture_listen(&fx, serve, NULL), -EOPNOTSUPP);
	mana_fixture_end(&fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mana-irq");
	TCase *tc = suite_case(suite, "irq", 120);

	tcase_add_loop_test(tc, interrupts_tell, 0, 4);
	tcase_add_test(tc, what_is_shown_is_released_before_arming);
	tcase_add_test(tc, vectors_are_armed_again);
	tcase_add_test(tc, vectors_work_after_a_reset);
	tcase_add_test(tc, a_lost_interrupt_is_noticed);
	tcase_add_test(tc, polling_has_no_vectors);
	return suite_run(suite);
}
