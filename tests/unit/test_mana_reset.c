// SPDX-License-Identifier: BSD-2-Clause
/*
 * Set-up, reset and close are stopped after each store: a successor begins again, each send ends
 * once, as completed or as lost, and at the end nothing is left at the device or in the pool.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/unit/crash.h"
#include "tests/unit/mana_fixture.h"
#include "tests/unit/suite.h"

#define SENDS 9u

static struct mana_fixture fx;
static unsigned int lost[SENDS], completed[SENDS];

static void init(void)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .queues = 2, .tx_depth = 64, .rx_depth = 128 };

	mana_fixture_init(&fx, &model, &opts, 1 << 16, 0);
	memset(lost, 0, sizeof(lost));
	memset(completed, 0, sizeof(completed));
}

/* A NIC that runs, and whose device answers only when it is run from here on. */
static void begin(void)
{
	init();
	fx.eager = true;
	mana_fixture_start(&fx);
	fx.eager = false;
}

/* Whatever the predecessor left: resume, or else start anew. */
static void take_over(void *unused)
{
	int err;

	(void)unused;
	fx.eager = true;
	err = udrv_mana_resume(fx.fd.dev, &fx.opts, &fx.mana);
	if (err) {
		ck_assert_msg(err == -EAGAIN, "resume: %d, %s", err, fx.log.last);
		err = udrv_mana_start(fx.fd.dev, &fx.opts, &fx.mana);
	}
	ck_assert_msg(!err, "take over: %d, %s", err, fx.log.last);
	fx.eager = false;
}

static void die(void)
{
	mana_fixture_crash(&fx);
	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
}

/*
 * Sends 0 to 2 complete and are released, 3 to 5 complete, 6 to 8 are not looked at by the device.
 */
static void send_all(void)
{
	struct udrv_mana_queue *q = udrv_mana_queue(fx.mana, 0, 1);
	struct udrv_mana_sent done[8];

	for (unsigned int i = 0; i < SENDS; i++) {
		ck_assert_int_eq(mana_send_one(&fx, q, i * 128, i, 60 + i), 1);
		if (i == 2 || i == 5)
			mana_fixture_run(&fx);
		if (i == 2) {
			ck_assert_int_eq(udrv_mana_sent(q, done, 8), 3);
			ck_assert_int_eq(udrv_mana_sent_release(q, 3), 0);
		}
	}
}

static void reap(void)
{
	struct udrv_mana_queue *q = udrv_mana_queue(fx.mana, 0, 1);
	struct udrv_mana_sent done[16];
	unsigned int all = 0;
	int n;

	mana_fixture_run(&fx);
	while ((n = udrv_mana_sent(q, done, 16)) > 0) {
		all += (unsigned int)n;
		ck_assert_msg(all <= SENDS, "more sends end than there were");
		for (int i = 0; i < n; i++) {
			ck_assert_uint_lt(done[i].cookie, SENDS);
			if (done[i].status == UDRV_MANA_LOST)
				lost[done[i].cookie]++;
			else
				completed[done[i].cookie]++;
		}
		ck_assert_int_eq(udrv_mana_sent_release(q, (unsigned int)n), 0);
	}
	ck_assert_int_eq(n, 0);
}

static void each_ended_once(unsigned int at)
{
	for (unsigned int i = 3; i < SENDS; i++)
		ck_assert_msg(lost[i] + completed[i] == 1, "step %u: send %u ended %u times", at, i,
			      lost[i] + completed[i]);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_uint_eq(lost[i] + completed[i], 0);
}

static void traffic_works(void)
{
	struct udrv_mana_queue *q = udrv_mana_queue(fx.mana, 0, 0);
	struct udrv_mana_sent done[8];
	unsigned int got = 0;

	net_close(&fx.wire[0].backend);
	ck_assert_int_eq(mana_send_one(&fx, q, 0, 77, 100), 1);
	mana_inject(&fx, 0, 0, 78, 100);
	mana_fixture_run(&fx);
	ck_assert_uint_eq(fx.wire[0].n, 1);
	ck_assert_int_eq(udrv_mana_sent(q, done, 8), 1);
	ck_assert_uint_eq(done[0].cookie, 77);
	ck_assert_int_eq(udrv_mana_sent_release(q, 1), 0);
	for (unsigned int i = 0; i < 2; i++) {
		struct udrv_mana_rx rx[8];
		int n = udrv_mana_recv(udrv_mana_queue(fx.mana, 0, i), rx, 8);

		ck_assert_int_ge(n, 0);
		got += (unsigned int)n;
		udrv_mana_recv_release(udrv_mana_queue(fx.mana, 0, i), (unsigned int)n);
	}
	ck_assert_uint_eq(got, 1);
}

static void ends_well(void)
{
	struct mana_model_live live;

	fx.eager = true;
	ck_assert_int_eq(udrv_mana_shutdown(fx.mana), 0);
	fx.eager = false;
	fx.mana = NULL;
	mana_model_live(fx.m, &live);
	ck_assert_uint_eq(live.hwc + live.registered + live.eqs + live.sqs + live.rqs +
				  live.regions,
			  0);
	ck_assert_uint_eq(udrv_dma_used(fx.fd.dma), fx.own_used);
	mana_fixture_end(&fx);
}

static void reset(void *unused)
{
	(void)unused;
	fx.eager = true;
	ck_assert_int_eq(udrv_mana_reset(fx.mana), 0);
	fx.eager = false;
}

START_TEST(stopped_at_every_step_of_a_reset)
{
	unsigned int at = 0;
	bool more;

	do {
		begin();
		send_all();
		more = crash_after(++at, reset, NULL);
		if (more) {
			die();
			take_over(NULL);
		}
		reap();
		each_ended_once(at);
		traffic_works();
		ends_well();
	} while (more);
	ck_assert_uint_gt(at, 100);
}
END_TEST

/* And the start that follows is stopped as well; and lost sends outlive a resume. */
START_TEST(stopped_at_every_step_of_the_start_that_follows)
{
	unsigned int at = 0;
	bool more;

	do {
		begin();
		send_all();
		ck_assert(crash_after(5 + at % 40, reset, NULL));
		ck_assert_uint_eq(udrv_state_lifecycle(fx.fd.st), UDRV_RESETTING);
		die();
		more = crash_after(++at, take_over, NULL);
		if (more) {
			fx.mana = NULL;
			die();
			take_over(NULL);
		}
		die();
		take_over(NULL);
		reap();
		each_ended_once(at);
		traffic_works();
		ends_well();
	} while (more);
	ck_assert_uint_gt(at, 100);
}
END_TEST

static void start(void *unused)
{
	(void)unused;
	fx.eager = true;
	ck_assert_int_eq(udrv_mana_start(fx.fd.dev, &fx.opts, &fx.mana), 0);
	fx.eager = false;
}

START_TEST(stopped_at_every_step_of_the_first_start)
{
	unsigned int at = 0;
	bool more;

	do {
		init();
		fx.buf_size = 0;
		more = crash_after(++at, start, NULL);
		if (more) {
			fx.mana = NULL;
			die();
			take_over(NULL);
		}
		ck_assert_int_eq(udrv_dma_alloc(fx.fd.dma, 1 << 16, 4096, 0, 1, &fx.buf), 0);
		fx.own_used = 1 << 16;
		traffic_works();
		ends_well();
	} while (more);
	ck_assert_uint_gt(at, 100);
}
END_TEST

static void shut_down(void *unused)
{
	(void)unused;
	fx.eager = true;
	ck_assert_int_eq(udrv_mana_shutdown(fx.mana), 0);
	fx.eager = false;
}

START_TEST(stopped_at_every_step_of_a_close)
{
	unsigned int at = 0;
	bool more;

	do {
		begin();
		traffic_works();
		more = crash_after(++at, shut_down, NULL);
		if (more) {
			/* It is freed behind the last store. */
			die();
			take_over(NULL);
			traffic_works();
			ends_well();
		} else {
			fx.mana = NULL;
			ck_assert_uint_eq(udrv_dma_used(fx.fd.dma), fx.own_used);
			mana_fixture_end(&fx);
		}
	} while (more);
	ck_assert_uint_gt(at, 30);
}
END_TEST

/* What the first start fixed, a later one cannot enlarge. */
START_TEST(sends_of_a_queue_that_is_no_longer_there)
{
	init();
	mana_fixture_start(&fx);
	send_all();
	die();
	fx.opts.queues = 1;
	fx.opts.tx_depth = 4096;
	ck_assert_int_eq(udrv_mana_start(fx.fd.dev, &fx.opts, &fx.mana), 0);
	ck_assert_uint_eq(udrv_mana_info(fx.mana)->queues, 1);
	ck_assert_uint_eq(udrv_mana_info(fx.mana)->tx_depth, 63);
	ck_assert_uint_gt(fx.log.count[UDRV_LOG_WARN], 0);
	die();
	fx.opts.queues = 16;
	take_over(NULL);
	ck_assert_uint_eq(udrv_mana_info(fx.mana)->queues, 1);
	ck_assert_int_eq(udrv_mana_reset(fx.mana), 0);
	ck_assert_uint_eq(udrv_mana_info(fx.mana)->queues, 1);
	die();
	ck_assert_int_eq(udrv_mana_start(fx.fd.dev, &fx.opts, &fx.mana), 0);
	ck_assert_uint_eq(udrv_mana_info(fx.mana)->queues, 2);
	reap();
	ck_assert_uint_eq(udrv_mana_sending(udrv_mana_queue(fx.mana, 0, 1)), 0);
	traffic_works();
	ends_well();
}
END_TEST

static void reap_all(void *unused)
{
	(void)unused;
	reap();
}

static void must_resume(void)
{
	die();
	fx.eager = true;
	ck_assert_msg(!udrv_mana_resume(fx.fd.dev, &fx.opts, &fx.mana), "%s", fx.log.last);
	fx.eager = false;
}

static void forget(void)
{
	memset(lost, 0, sizeof(lost));
	memset(completed, 0, sizeof(completed));
}

/*
 * Lost sends and good ones are released in one call, which is stopped at each step: none comes
 * back, now or after a further death or reset.
 */
START_TEST(stopped_at_every_step_of_a_release)
{
	unsigned int at = 0;
	bool more;

	do {
		struct udrv_mana_queue *q;

		begin();
		send_all();
		reset(NULL);
		/* By turns with one that ends well after them, or not. */
		q = udrv_mana_queue(fx.mana, 0, 1);
		if (_i)
			ck_assert_int_eq(mana_send_one(&fx, q, 0, 0, 60), 1);
		mana_fixture_run(&fx);
		more = crash_after(++at, reap_all, NULL);
		if (more)
			must_resume();
		reap();
		for (unsigned int i = 3; i < SENDS; i++)
			ck_assert_msg(!lost[i] != !completed[i],
				      "step %u: send %u: lost %u, completed %u", at, i, lost[i],
				      completed[i]);
		forget();

		q = udrv_mana_queue(fx.mana, 0, 1);
		ck_assert_uint_eq(udrv_mana_sending(q), 0);
		ck_assert_int_eq(mana_send_one(&fx, q, 0, 1, 60), 1);
		mana_fixture_run(&fx);
		must_resume();
		reap();
		ck_assert_uint_eq(completed[1], 1);
		for (unsigned int i = 0; i < SENDS; i++)
			ck_assert_msg(!lost[i], "step %u: send %u is lost once more", at, i);

		forget();
		reset(NULL);
		reap();
		for (unsigned int i = 0; i < SENDS; i++)
			ck_assert_msg(!lost[i] && !completed[i],
				      "step %u: send %u ends after an idle reset", at, i);
		ck_assert_uint_eq(udrv_mana_sending(udrv_mana_queue(fx.mana, 0, 1)), 0);
		traffic_works();
		ends_well();
	} while (more);
	ck_assert_uint_gt(at, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mana-reset");
	TCase *tc = suite_case(suite, "reset", 240);

	tcase_add_test(tc, stopped_at_every_step_of_a_reset);
	tcase_add_test(tc, stopped_at_every_step_of_the_start_that_follows);
	tcase_add_test(tc, stopped_at_every_step_of_the_first_start);
	tcase_add_test(tc, stopped_at_every_step_of_a_close);
	tcase_add_loop_test(tc, stopped_at_every_step_of_a_release, 0, 2);
	tcase_add_test(tc, sends_of_a_queue_that_is_no_longer_there);
	return suite_run(suite);
}
