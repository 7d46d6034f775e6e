// SPDX-License-Identifier: BSD-2-Clause
/* Set-up and close: sizes, pools of all kinds, and that nothing stays behind. */
#include <check.h>
#include <errno.h>

#include "tests/unit/mana_fixture.h"
#include "tests/unit/suite.h"

static struct mana_fixture fx;

static void shut_down(void)
{
	struct mana_model_live live;
	int err;

	err = udrv_mana_shutdown(fx.mana);
	ck_assert_msg(!err, "shutdown: %d, %s", err, fx.log.last);
	fx.mana = NULL;
	mana_model_live(fx.m, &live);
	ck_assert_uint_eq(live.hwc + live.registered + live.eqs + live.sqs + live.rqs +
				  live.regions,
			  0);
	ck_assert_uint_eq(udrv_dma_used(fx.fd.dma), fx.own_used);
	ck_assert_uint_eq(udrv_state_lifecycle(fx.fd.st), UDRV_INIT);
	ck_assert_uint_eq(fx.command & 4, 0);
}

static const struct {
	struct mana_model_opts model;
	struct udrv_mana_opts opts;
	unsigned int nruns, vports, queues;
} shapes[] = {
	{ { .seed = 0 }, { .queues = 0 }, 0, 1, 1 },
	{ { .seed = 1 }, { .queues = 4, .poll = true }, 0, 1, 4 },
	{ { .seed = 2, .vports = 2 }, { .queues = 16, .rx_depth = 128, .tx_depth = 64 }, 0, 2, 16 },
	/* Fewer vectors than queues, fewer queues than asked for, fewer vports. */
	{ { .seed = 3, .vectors = 2 }, { .queues = 3 }, 0, 1, 3 },
	{ { .seed = 4, .vectors = 1 }, { .queues = 2 }, 0, 1, 2 },
	{ { .seed = 5, .queues = 2 }, { .queues = 8, .rx_depth = 128 }, 0, 1, 2 },
	{ { .seed = 6, .vports = 2 }, { .queues = 2, .vports = 1 }, 0, 1, 2 },
	/* Memory in pieces, jumbo frames. */
	{ { .seed = 7 }, { .queues = 2, .rx_depth = 1000, .tx_depth = 1000 }, 64, 1, 2 },
	{ { .seed = 8, .mtu = 9000 }, { .queues = 2, .mtu = 9000, .rx_depth = 128 }, 64, 1, 2 },
	/* clang-format off */
	{ { .seed = 9, .mtu = 4000 },
	  { .mtu = 9000, .rx_depth = 8192, .tx_depth = 4096 }, 0, 1, 1 },
	/* clang-format on */
};

/* The largest table that a request has room for is set whole; one that is larger is not used. */
static const struct {
	unsigned int says, used;
} tables[] = {
	{ 0, 64 }, { 1, 1 }, { 256, 256 }, { 512, 64 }, { 1024, 64 }, { 100, 64 },
};

START_TEST(rss_table_of_any_size)
{
	const struct mana_model_opts model = { .seed = 20, .indir_entries = tables[_i].says };
	const struct udrv_mana_opts opts = { .queues = 2, .rx_depth = 128, .tx_depth = 64 };
	struct udrv_mana_rss rss;

	mana_fixture_init(&fx, &model, &opts, 4096, 0);
	mana_fixture_start(&fx);
	ck_assert_int_eq(udrv_mana_get_rss(fx.mana, 0, &rss), 0);
	ck_assert_uint_eq(rss.entries, tables[_i].used);
	rss.table[0] = 1;
	ck_assert_int_eq(udrv_mana_set_rss(fx.mana, 0, &rss), 0);
	shut_down();
	mana_fixture_end(&fx);
}
END_TEST

START_TEST(starts_and_closes)
{
	const struct udrv_mana_info *info;
	struct mana_model_live live;

	mana_fixture_init(&fx, &shapes[_i].model, &shapes[_i].opts, 4096, shapes[_i].nruns);
	mana_fixture_start(&fx);
	info = udrv_mana_info(fx.mana);
	ck_assert_uint_eq(info->vports, shapes[_i].vports);
	ck_assert_uint_eq(info->queues, shapes[_i].queues);
	ck_assert_uint_eq(udrv_state_lifecycle(fx.fd.st), UDRV_READY);
	mana_model_live(fx.m, &live);
	ck_assert_uint_eq(live.sqs, info->vports * info->queues);
	ck_assert_uint_eq(live.rqs, info->vports * info->queues);
	ck_assert_uint_eq(live.eqs, info->vports * info->queues);
	/* In basic units: a buffer of more than a page takes two. */
	ck_assert_uint_eq(live.rx_posted, info->vports * info->queues * info->rx_depth *
						  (info->rx_buf_size > 4096 ? 2 : 1));
	for (unsigned int v = 0; v < info->vports; v++) {
		const uint8_t mac[6] = { 0x02, 'M', 'A', 'N', 'A', (uint8_t)v };

		ck_assert_mem_eq(udrv_mana_vport(fx.mana, v)->mac, mac, 6);
		ck_assert(udrv_mana_vport(fx.mana, v)->link);
	}
	ck_assert_ptr_null(udrv_mana_vport(fx.mana, info->vports));
	ck_assert_ptr_null(udrv_mana_queue(fx.mana, 0, info->queues));
	shut_down();
	mana_fixture_end(&fx);
}
END_TEST

START_TEST(starts_again_on_the_same_state)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .queues = 2 };

	mana_fixture_init(&fx, &model, &opts, 0, 0);
	for (int i = 0; i < 3; i++) {
		mana_fixture_start(&fx);
		ck_assert_uint_eq(udrv_mana_info(fx.mana)->queues, 2);
		shut_down();
	}
	/* And over one that still runs. */
	mana_fixture_start(&fx);
	mana_fixture_crash(&fx);
	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	mana_fixture_start(&fx);
	shut_down();
	mana_fixture_end(&fx);
}
END_TEST

START_TEST(a_function_that_cannot_be_reset)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .queues = 2 };

	mana_fixture_init(&fx, &model, &opts, 0, 0);
	fx.no_reset = true;
	mana_fixture_start(&fx);
	mana_fixture_crash(&fx);
	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	mana_fixture_start(&fx);
	shut_down();
	mana_fixture_free(&fx);
}
END_TEST

START_TEST(refuses_impossible_options)
{
	static const struct udrv_mana_opts bad[] = {
		{ .queues = 17 },     { .vports = 3 }, { .rx_depth = 8193 },
		{ .tx_depth = 4097 }, { .mtu = 67 },   { .mtu = 9217 },
	};
	uint64_t state, pool;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct udrv_mana_opts o = bad[i];

		o.size = sizeof(o);
		ck_assert_int_eq(udrv_mana_requirements(&o, &state, &pool), -EINVAL);
	}
}
END_TEST

START_TEST(closing_waits_for_sends_and_updates)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .queues = 1 };
	struct udrv_mana_queue *q;
	struct udrv_mana_sent done;

	mana_fixture_init(&fx, &model, &opts, 4096, 0);
	mana_fixture_start(&fx);
	q = udrv_mana_queue(fx.mana, 0, 0);
	ck_assert_int_eq(mana_send_one(&fx, q, 0, 1, 60), 1);
	ck_assert_int_eq(udrv_mana_shutdown(fx.mana), -EBUSY);
	mana_fixture_run(&fx);
	ck_assert_int_eq(udrv_mana_sent(q, &done, 1), 1);
	ck_assert_int_eq(udrv_mana_shutdown(fx.mana), -EBUSY);
	ck_assert_int_eq(udrv_mana_sent_release(q, 1), 0);
	/* Packets that nobody took are no reason to stay. */
	for (unsigned int i = 0; i < 50; i++)
		mana_inject(&fx, 0, i, i, 100);
	udrv_state_set_updating(fx.fd.st, true);
	ck_assert_int_eq(udrv_mana_shutdown(fx.mana), -EAGAIN);
	udrv_state_set_updating(fx.fd.st, false);
	shut_down();
	mana_fixture_end(&fx);
}
END_TEST

/* What cannot be closed in order is reset; what cannot be reset is no bus master any more. */
START_TEST(shutdown_of_what_cannot_be_closed)
{
	const struct udrv_mana_opts opts = { .rx_depth = 128, .timeout_ms = 50 };
	const struct mana_model_opts model = { .seed = 21 };

	mana_fixture_init(&fx, &model, &opts, 4096, 0);
	mana_fixture_start(&fx);
	ck_assert_uint_ne(fx.command & 4, 0);
	ck_assert_int_eq(mana_model_fault(fx.m, "hwc-status:5:1,smc-stuck"), 0);
	fx.no_reset = _i;
	ck_assert_int_eq(udrv_mana_shutdown(fx.mana), _i ? -EIO : -ETIMEDOUT);
	fx.mana = NULL;
	ck_assert_uint_eq(fx.command & 4, 0);
	if (_i)
		ck_assert_uint_gt(udrv_dma_used(fx.fd.dma), fx.own_used);
	else
		ck_assert_uint_eq(udrv_dma_used(fx.fd.dma), fx.own_used);
	fx.no_reset = false;
	mana_fixture_end(&fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mana-start");
	TCase *tc = suite_case(suite, "start", 60);

	tcase_add_loop_test(tc, rss_table_of_any_size, 0, sizeof(tables) / sizeof(tables[0]));
	tcase_add_loop_test(tc, starts_and_closes, 0, sizeof(shapes) / sizeof(shapes[0]));
	tcase_add_test(tc, starts_again_on_the_same_state);
	tcase_add_test(tc, a_function_that_cannot_be_reset);
	tcase_add_test(tc, refuses_impossible_options);
	tcase_add_test(tc, closing_waits_for_sends_and_updates);
	tcase_add_loop_test(tc, shutdown_of_what_cannot_be_closed, 0, 2);
	return suite_run(suite);
}
