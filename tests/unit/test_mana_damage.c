// SPDX-License-Identifier: BSD-2-Clause
/*
 * Nothing that saved state says, or that a device writes, may crash the driver, make it look where
 * it should not, or keep it for ever: the sanitizers watch. What it makes of such input is its own
 * affair, as long as it is an error or a working queue.
 */
#include <check.h>
#include <errno.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "devices/mana/state.h"
#include "tests/unit/mana_fixture.h"
#include "tests/unit/suite.h"

static struct mana_fixture fx;
static uint64_t rng;

/* xorshift64 */
static uint32_t draw(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 32) % below;
}

static void set_up(uint64_t seed)
{
	struct mana_model_opts model = { .seed = seed };
	struct udrv_mana_opts opts = {
		.queues = 2, .tx_depth = 64, .rx_depth = 128, .timeout_ms = 60, .poll = true
	};

	rng = seed * 2654435761u + 88172645463325252ull;
	mana_fixture_init(&fx, &model, &opts, 1 << 16, 0);
	mana_fixture_start(&fx);
}

/* All that a consumer does, whatever comes of it. */
static void use(unsigned int rounds)
{
	struct udrv_mana_sent done[16];
	struct udrv_mana_hw_stats hw;
	struct udrv_mana_rx rx[16];

	for (unsigned int r = 0; r < rounds; r++) {
		for (unsigned int i = 0; i < 2; i++) {
			struct udrv_mana_queue *q = udrv_mana_queue(fx.mana, 0, i);
			int n;

			mana_send_one(&fx, q, 128 * draw(100), r, 60 + draw(100));
			mana_inject(&fx, 0, r, r, 60 + draw(1000));
			mana_model_run(fx.m, 100);
			n = udrv_mana_recv(q, rx, 1 + draw(16));
			for (int p = 0; p < n; p++) {
				/* What is shown is in the pool: read all of it. */
				ck_assert(udrv_dma_valid(fx.fd.dma, rx[p].off, rx[p].len));
				mana_frame_id(udrv_dma_ptr(fx.fd.dma, rx[p].off), rx[p].len);
			}
			if (n > 0 && draw(4))
				udrv_mana_recv_release(q, (unsigned int)n);
			n = udrv_mana_sent(q, done, 1 + draw(16));
			if (n > 0 && draw(4))
				udrv_mana_sent_release(q, (unsigned int)n);
			udrv_mana_queue_arm(q);
		}
		if (r == rounds / 2)
			udrv_mana_hw_stats(fx.mana, &hw);
	}
}

/* ---- Saved state ----------------------------------------------------------------------------- */

static const uint32_t nasty[] = { 0,   1,   2,	 63,	     64,	 127,	     128,
				  255, 256, 511, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };

static void damage_area(const char *name)
{
	size_t size;
	uint32_t *word = udrv_state_area(fx.fd.st, name, &size),
		 *at = &word[draw((uint32_t)(size / 4))];

	/* Most words are slots: the headers deserve as much. */
	if (draw(2))
		at = &word[draw((uint32_t)((size < 512 ? size : 256) / 4))];
	switch (draw(3)) {
	case 0:
		*at = nasty[draw(sizeof(nasty) / sizeof(nasty[0]))];
		break;
	case 1:
		*at ^= 1u << draw(32);
		break;
	case 2:
		*at += draw(2) ? draw(300) : -draw(300);
		break;
	}
}

START_TEST(damaged_counters)
{
	unsigned int resumed = 0, refused = 0;

	for (unsigned int i = 0; i < 60; i++) {
		int err;

		set_up(1 + (unsigned int)_i * 1000 + i);
		use(6);
		mana_fixture_crash(&fx);
		ck_assert_int_eq(fake_device_open(&fx.fd), 0);
		for (unsigned int n = 1 + draw(3); n--;)
			damage_area(draw(3) ? MANA_AREA_QUEUES : MANA_AREA_CTRL);
		err = udrv_mana_resume(fx.fd.dev, &fx.opts, &fx.mana);
		if (!err) {
			resumed++;
			use(20);
			udrv_mana_tick(fx.mana, 1000000000);
			udrv_mana_tick(fx.mana, 60000000000);
		} else {
			refused++;
			ck_assert_msg(err == -EBADMSG || err == -EIO || err == -ESTALE,
				      "resume: %d", err);
			fx.mana = NULL;
			/* And then it starts anew. */
			err = udrv_mana_start(fx.fd.dev, &fx.opts, &fx.mana);
			if (err) {
				ck_assert_msg(err == -EBADMSG, "start: %d, %s", err, fx.log.last);
				fx.mana = NULL;
			}
		}
		mana_fixture_free(&fx);
	}
	ck_assert_uint_gt(resumed, 0);
	ck_assert_uint_gt(refused, 0);
}
END_TEST

static int mana_node(const void *fdt)
{
	return fdt_path_offset(fdt, "/mana");
}

/* Every property in turn is missing, of another length, or out of bounds. */
START_TEST(damaged_tree)
{
	unsigned int refused = 0, n = 0;
	bool more = true;

	for (unsigned int prop = 0; more; prop++) {
		for (unsigned int how = 0; how < 3; how++) {
			const char *name = NULL;
			char copy[64];
			int node, off, len, err;
			unsigned int at = 0;
			void *fdt;

			set_up(1);
			mana_fixture_crash(&fx);
			ck_assert_int_eq(fake_device_open(&fx.fd), 0);
			fdt = udrv_state_edit(fx.fd.st);
			node = mana_node(fdt);
			if (how == 2)
				node = fdt_subnode_offset(fdt, node, "vport0");
			fdt_for_each_property_offset(off, fdt, node) {
				if (at++ == prop)
					fdt_getprop_by_offset(fdt, off, &name, &len);
			}
			if (!name) {
				more = how != 0;
				mana_fixture_free(&fx);
				if (!more)
					break;
				continue;
			}
			strncpy(copy, name, sizeof(copy) - 1);
			copy[sizeof(copy) - 1] = 0;
			if (how)
				err = fdt_delprop(fdt, node, copy);
			else if (len == 4)
				err = fdt_setprop_u32(fdt, node, copy, 0xfffffff0);
			else
				err = fdt_setprop(fdt, node, copy, "x", 2);
			ck_assert_int_eq(err, 0);
			ck_assert_int_eq(udrv_state_commit(fx.fd.st), 0);
			err = udrv_mana_resume(fx.fd.dev, &fx.opts, &fx.mana);
			n++;
			refused += err != 0;
			/*
			 * Ids and keys may be anything; nothing may be
			 * missing but what is optional.
			 */
			ck_assert_msg(!how || err == -EBADMSG || !strcmp(copy, "short-form"),
				      "%s is missing: %d", copy, err);
			if (err)
				fx.mana = NULL;
			else
				use(3);
			mana_fixture_free(&fx);
		}
	}
	ck_assert_uint_gt(n, 60);
	ck_assert_uint_gt(refused, 50);
}
END_TEST

START_TEST(another_device)
{
	set_up(1);
	mana_fixture_crash(&fx);
	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	fdt_setprop_inplace_u32(udrv_state_edit(fx.fd.st), mana_node(udrv_state_edit(fx.fd.st)),
				"subsystem", 7);
	ck_assert_int_eq(udrv_state_commit(fx.fd.st), 0);
	ck_assert_int_eq(udrv_mana_resume(fx.fd.dev, &fx.opts, &fx.mana), -ESTALE);
	fx.mana = NULL;
	mana_fixture_end(&fx);
}
END_TEST

/* Or one with fewer vectors: those of its queues cannot be armed. */
START_TEST(vectors_that_there_are_not)
{
	struct mana_model_opts model = { .seed = 1, .vectors = 3 };
	struct udrv_mana_opts opts = { .queues = 2, .tx_depth = 64, .rx_depth = 128 };

	mana_fixture_init(&fx, &model, &opts, 1 << 16, 0);
	mana_fixture_start(&fx);
	mana_fixture_crash(&fx);
	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	fdt_setprop_inplace_u32(udrv_state_edit(fx.fd.st), mana_node(udrv_state_edit(fx.fd.st)),
				"vectors", 4);
	ck_assert_int_eq(udrv_state_commit(fx.fd.st), 0);
	ck_assert_int_eq(udrv_mana_resume(fx.fd.dev, &fx.opts, &fx.mana), -ESTALE);
	fx.mana = NULL;
	mana_fixture_end(&fx);
}
END_TEST

/* ---- A hostile device ------------------------------------------------------------------------ */

static int ring(void *ctx, uint64_t off, uint64_t size, uint64_t tag)
{
	uint64_t *ret = ctx;

	if (tag == ret[0]) {
		ret[1] = off;
		ret[2] = size;
	}
	return 0;
}

/*
 * Random entries with likely owner bits, ids and types all over the rings and the channel's pages.
 */
static void scribble(unsigned int words)
{
	static const uint64_t tags[] = { 0x6d616e6100010000ull, 0x6d616e6100020000ull,
					 0x6d616e6100020001ull };

	while (words--) {
		uint64_t found[3] = { tags[draw(3)], 0, 0 };
		uint32_t *at, v;

		udrv_dma_each(fx.fd.dma, ring, found);
		ck_assert_uint_gt(found[2], 0);
		at = (uint32_t *)(fx.fd.mem + found[1] + 4 * draw((uint32_t)(found[2] / 4)));
		/* Some of them where an entry's last dword is, or its first. */
		if (draw(2))
			at = (uint32_t *)((uintptr_t)at & ~(uintptr_t)63) +
			     (draw(2) ? 15 : 3 + 4 * draw(4));
		switch (draw(4)) {
		case 0:
			v = draw(UINT32_MAX);
			break;
		case 1:
			v = draw(8) << 29 | draw(2) << 24 | draw(0x1000);
			break;
		case 2:
			v = draw(64) | 1 << 6 | draw(2) << 24;
			break;
		default:
			v = nasty[draw(sizeof(nasty) / sizeof(nasty[0]))];
		}
		*at = v;
	}
}

START_TEST(hostile_rings)
{
	unsigned int failed = 0;

	for (unsigned int i = 0; i < 30; i++) {
		set_up(1 + (unsigned int)_i * 1000 + i);
		use(3);
		for (unsigned int r = 0; r < 20; r++) {
			scribble(1 + draw(r * 10 + 1));
			use(2);
			failed += udrv_mana_tick(fx.mana, r * 100000000ull) != 0;
		}
		/* A successor finds the same. */
		scribble(50);
		mana_fixture_crash(&fx);
		if (!mana_fixture_resume(&fx)) {
			scribble(200);
			use(10);
		} else {
			fx.mana = NULL;
		}
		mana_fixture_free(&fx);
	}
	ck_assert_uint_gt(failed, 0);
}
END_TEST

/* While the driver sets up. */
static unsigned int reads;

static uint64_t hostile_read(void *ctx, uint64_t off, unsigned int width);
static void hostile_write(void *ctx, uint64_t off, uint64_t val, unsigned int width);
static const struct udrv_bar_ops hostile_ops = { .read = hostile_read, .write = hostile_write };

static uint64_t hostile_read(void *ctx, uint64_t off, unsigned int width)
{
	(void)ctx;
	mana_model_run(fx.m, 64);
	if (!(++reads % 8) && draw(2))
		scribble(draw(20) + 1);
	if (!draw(300))
		return draw(UINT32_MAX);
	return mana_model_bar_read(fx.m, off, width);
}

static void hostile_write(void *ctx, uint64_t off, uint64_t val, unsigned int width)
{
	(void)ctx;
	mana_model_bar_write(fx.m, off, val, width);
}

START_TEST(hostile_setup)
{
	unsigned int failed = 0;

	for (unsigned int i = 0; i < 60; i++) {
		set_up(1 + (unsigned int)_i * 1000 + i);
		fx.bar_ops = &hostile_ops;
		mana_fixture_crash(&fx);
		ck_assert_int_eq(fake_device_open(&fx.fd), 0);
		if (udrv_mana_start(fx.fd.dev, &fx.opts, &fx.mana)) {
			fx.mana = NULL;
			failed++;
		} else {
			use(3);
		}
		mana_fixture_free(&fx);
	}
	ck_assert_uint_gt(failed, 0);
	ck_assert_uint_lt(failed, 60);
}
END_TEST

/* Its channel is at the other end of the world, all of a sudden. */
static uint64_t misleading_read(void *ctx, uint64_t off, unsigned int width);
static const struct udrv_bar_ops misleading_ops = { .read = misleading_read,
						    .write = hostile_write };

static uint64_t misleading_read(void *ctx, uint64_t off, unsigned int width)
{
	(void)ctx;
	mana_model_run(fx.m, 64);
	ck_assert_uint_le(off + width, MANA_MODEL_BAR0_SIZE);
	if (off == GDMA_REG_SHM_OFFSET || off == GDMA_REG_SHM_OFFSET + 4)
		return width == 8 ? 1ull << 40 : off == GDMA_REG_SHM_OFFSET ? 0 : 1u << 8;
	return mana_model_bar_read(fx.m, off, width);
}

/* It is stopped all the same, by what was true before. */
START_TEST(registers_that_lead_nowhere)
{
	unsigned int resets;

	set_up(1);
	ck_assert_uint_ne(fx.command & 4, 0);
	fx.bar_ops = &misleading_ops;
	fx.no_reset = _i;
	resets = mana_model_counts(fx.m)->resets;
	ck_assert_int_eq(udrv_mana_reset(fx.mana), -EPROTO);
	if (_i)
		ck_assert_uint_eq(fx.command & 4, 0);
	else
		ck_assert_uint_gt(mana_model_counts(fx.m)->resets, resets);
	udrv_mana_shutdown(fx.mana);
	ck_assert_uint_eq(fx.command & 4, 0);
	fx.mana = NULL;
	fx.no_reset = false;
	fx.bar_ops = NULL;
	mana_fixture_free(&fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mana-damage");
	TCase *tc = suite_case(suite, "damage", 120);

	tcase_add_loop_test(tc, damaged_counters, 0, 8);
	tcase_add_test(tc, damaged_tree);
	tcase_add_test(tc, another_device);
	tcase_add_test(tc, vectors_that_there_are_not);
	tcase_add_loop_test(tc, registers_that_lead_nowhere, 0, 2);
	tcase_add_loop_test(tc, hostile_rings, 0, 8);
	tcase_add_loop_test(tc, hostile_setup, 0, 4);
	return suite_run(suite);
}
