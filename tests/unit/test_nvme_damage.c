// SPDX-License-Identifier: BSD-2-Clause
/* Resumes that are refused: a controller or a state that is not what it should be. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "devices/nvme/ctrl.h"
#include "tests/unit/nvme_one.h"
#include "tests/unit/suite.h"

struct damage {
	const char *what;
	void (*apply)(void);
	int err;
};

static struct nvme_queue_state *state(const char *area)
{
	return udrv_state_area(fx.fd.st, area, NULL);
}

/* clang-format off */
static void not_ready(void) { udrv_state_set_lifecycle(fx.fd.st, UDRV_RESETTING); }
static void closing(void) { udrv_state_set_lifecycle(fx.fd.st, UDRV_CLOSING); }
static void other_cc(void) { nvme_model_poke(fx.m, NVME_REG_CC, NVME_CC_EN); }
static void other_aqa(void) { nvme_model_poke(fx.m, NVME_REG_AQA, 0x001f001f); }
static void other_asq(void) { nvme_model_poke(fx.m, NVME_REG_ASQ, 0x1000); }
static void other_acq(void) { nvme_model_poke(fx.m, NVME_REG_ACQ, 0x1000); }
static void gone(void) { nvme_model_faults(fx.m)->gone = true; }
static void fatal(void) { nvme_model_faults(fx.m)->cfs = true; }
static void tail_back(void) { state("nvme-io")->tail--; }
static void tail_far(void) { state("nvme-io")->tail += 1000; }
static void rung_far(void) { state("nvme-io")->rung++; }
static void head_back(void) { state("nvme-io")->head_rung++; }
static void wrong_qid(void) { state("nvme-io")->qid = 9; }
static void huge_depth(void) { state("nvme-io")->depth = 100000; }
static void admin_depth(void) { state("nvme-q0")->depth -= 2; }
static void admin_cq_entries(void) { state("nvme-q0")->cq_entries *= 2; }
static void huge_ring(void) { state("nvme-io")->sq_entries = 65536; }
static void other_rings(void) { state("nvme-io")->rings_off += 4096; }
static void rings_outside(void) { state("nvme-io")->rings_off = 1ull << 62; }
static void lists_outside(void) { state("nvme-q0")->lists_off = ~0ull; }
static void huge_list(void) { state("nvme-io")->list_size = 1 << 30; }
static void slot_state(void) { nvme_queue_slots(state("nvme-io"))[0].state = 77; }
static void slot_cid(void) { nvme_queue_slots(state("nvme-io"))[0].sqe.cid ^= 1; }
static void slot_seq(void) { nvme_queue_slots(state("nvme-io"))[0].seq = 1ull << 40; }
/* clang-format on */

/* Recorded and the register's, but not the rings'. */
static void recorded_aqa(void)
{
	struct nvme_facts facts;

	ck_assert_int_eq(nvme_facts_read(fx.fd.st, &facts), 0);
	facts.aqa = 0x001f001f;
	ck_assert_int_eq(nvme_facts_write(fx.fd.st, &facts), 0);
	other_aqa();
}

/* Likewise. */
static void recorded_acq(void)
{
	struct nvme_facts facts;

	ck_assert_int_eq(nvme_facts_read(fx.fd.st, &facts), 0);
	facts.acq += 4096;
	ck_assert_int_eq(nvme_facts_write(fx.fd.st, &facts), 0);
	nvme_model_poke(fx.m, NVME_REG_ACQ, facts.acq);
}

static void lba_size(uint32_t size)
{
	struct nvme_facts facts;

	ck_assert_int_eq(nvme_facts_read(fx.fd.st, &facts), 0);
	ck_assert_uint_gt(facts.nn, 0);
	ck_assert(facts.ns[0].usable);
	facts.ns[0].lba_size = size;
	ck_assert_int_eq(nvme_facts_write(fx.fd.st, &facts), 0);
}

/* clang-format off */
static void no_blocks(void) { lba_size(0); }
static void tiny_blocks(void) { lba_size(1); }
static void odd_blocks(void) { lba_size(768); }
static void huge_blocks(void) { lba_size(1u << 31); }
/* clang-format on */

static void huge_transfers(void)
{
	struct nvme_facts facts;

	ck_assert_int_eq(nvme_facts_read(fx.fd.st, &facts), 0);
	facts.max_transfer = NVME_MAX_TRANSFER + 4096;
	ck_assert_int_eq(nvme_facts_write(fx.fd.st, &facts), 0);
}

static void more_vectors(void)
{
	struct nvme_facts facts;

	ck_assert_int_eq(nvme_facts_read(fx.fd.st, &facts), 0);
	facts.vectors++;
	ck_assert_int_eq(nvme_facts_write(fx.fd.st, &facts), 0);
}

static void many_queues(void)
{
	((struct nvme_ctrl_state *)(void *)state("nvme-ctrl"))->io_capacity = 60;
}

static void many_slots(void)
{
	((struct nvme_ctrl_state *)(void *)state("nvme-ctrl"))->slot_capacity = 4000;
}

static const struct damage damages[] = {
	{ "lifecycle RESETTING", not_ready, -EAGAIN },
	{ "lifecycle CLOSING", closing, -EAGAIN },
	{ "CC", other_cc, -ESTALE },
	{ "AQA", other_aqa, -ESTALE },
	{ "ASQ", other_asq, -ESTALE },
	{ "ACQ", other_acq, -ESTALE },
	{ "AQA as recorded", recorded_aqa, -EBADMSG },
	{ "ACQ as recorded", recorded_acq, -EBADMSG },
	{ "vectors", more_vectors, -ESTALE },
	{ "gone", gone, -ENODEV },
	{ "CFS", fatal, -EIO },
	{ "tail one back", tail_back, -EBADMSG },
	{ "tail far ahead", tail_far, -EBADMSG },
	{ "rung ahead of ringing", rung_far, -EBADMSG },
	{ "head behind head_rung", head_back, -EBADMSG },
	{ "queue ID", wrong_qid, -EBADMSG },
	{ "depth", huge_depth, -EBADMSG },
	{ "depth of the admin queue", admin_depth, -EBADMSG },
	{ "entries of the admin completion queue", admin_cq_entries, -EBADMSG },
	{ "ring entries", huge_ring, -EBADMSG },
	{ "place of the rings", other_rings, -EBADMSG },
	{ "rings outside the pool", rings_outside, -EBADMSG },
	{ "lists outside the pool", lists_outside, -EBADMSG },
	{ "size of the lists", huge_list, -EBADMSG },
	{ "state of a slot", slot_state, -EBADMSG },
	{ "CID of a slot", slot_cid, -EBADMSG },
	{ "seq of a slot", slot_seq, -EBADMSG },
	{ "queues that there is no room for", many_queues, -EBADMSG },
	{ "slots that there is no room for", many_slots, -EBADMSG },
	{ "blocks of no size", no_blocks, -EBADMSG },
	{ "blocks of one byte", tiny_blocks, -EBADMSG },
	{ "blocks of an odd size", odd_blocks, -EBADMSG },
	{ "blocks of 2 GiB", huge_blocks, -EBADMSG },
	{ "transfers longer than a list", huge_transfers, -EBADMSG },
};

START_TEST(resume_is_refused)
{
	const struct damage *d = &damages[_i];
	struct udrv_nvme_queue *q;

	one_init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	one_read(0);
	one_hang(q, 3);
	nvme_fixture_crash(&fx);
	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	d->apply();
	nvme_model_forbid_setup(fx.m, true);
	ck_assert_msg(udrv_nvme_resume(fx.fd.dev, &fx.opts, &fx.ctrl) == d->err, "%s: %s", d->what,
		      fx.log.last);
	nvme_fixture_clean(&fx);
	nvme_model_forbid_setup(fx.m, false);
	if (d->err != -ENODEV && d->err != -EAGAIN && strstr(d->what, "no room") == NULL) {
		/* The way out: start anew. */
		nvme_model_faults(fx.m)->hang = false;
		ck_assert_msg(!one_start(), "%s: start: %s", d->what, fx.log.last);
		q = udrv_nvme_queue(fx.ctrl, 0);
		one_count(q, UDRV_NVME_LOST);
		one_read(0);
	}
	nvme_fixture_free(&fx);
}
END_TEST

/* No slot of the reserve is taken for an owner's, however deep the queue is said to be. */
START_TEST(start_with_a_huge_depth_and_a_nudge)
{
	struct nvme_slot_state *slot;
	struct udrv_nvme_queue *q;

	one_init_default();
	nvme_fixture_start(&fx);
	one_hang(udrv_nvme_queue(fx.ctrl, 0), 3);
	nvme_fixture_crash(&fx);
	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	huge_depth();
	slot = nvme_queue_slots(state("nvme-io")) + 8;
	slot->state = _i ? NVME_SLOT_DONE : NVME_SLOT_PENDING;
	nvme_model_faults(fx.m)->hang = false;
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_msg(!one_start(), "start %u: %s", i, fx.log.last);
		q = udrv_nvme_queue(fx.ctrl, 0);
		ck_assert_uint_eq(one_count(q, UDRV_NVME_LOST), i ? 0 : 3);
		ck_assert_uint_eq(udrv_nvme_outstanding(q), 0);
		one_read(0);
		nvme_fixture_crash(&fx);
		ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	}
	nvme_fixture_free(&fx);
}
END_TEST

/*
 * Every word of the hot state, one at a time, with something else in it: no crash, whatever comes
 * of it.
 */
START_TEST(damaged_words)
{
	static const char *const areas[] = { "nvme-ctrl", "nvme-q0", "nvme-io" };
	static const uint64_t values[] = { 0, 1, 0xffffffff, ~0ull, 0x8000000000000000ull, 4096 };

	for (unsigned int v = 0; v < 6; v++) {
		size_t size;
		uint64_t *words;

		for (size_t at = 0;; at++) {
			int err;

			one_init_default();
			nvme_fixture_start(&fx);
			one_hang(udrv_nvme_queue(fx.ctrl, 0), 2);
			nvme_fixture_crash(&fx);
			ck_assert_int_eq(fake_device_open(&fx.fd), 0);
			words = udrv_state_area(fx.fd.st, areas[_i], &size);
			/* Headers and the slots in use; the others are alike. */
			if (at >= size / 8 || at >= 32 + 3 * 16) {
				nvme_fixture_free(&fx);
				break;
			}
			words[at] = values[v];
			err = udrv_nvme_resume(fx.fd.dev, &fx.opts, &fx.ctrl);
			if (!err) {
				struct udrv_nvme_snapshot snap;
				struct udrv_nvme_done done[8];

				nvme_model_faults(fx.m)->hang = false;
				nvme_model_run(fx.m, 100);
				udrv_nvme_poll(udrv_nvme_queue(fx.ctrl, 0), done, 8);
				udrv_nvme_tick(fx.ctrl, 1);
				udrv_nvme_inspect(fx.fd.st, &snap);
			}
			nvme_fixture_free(&fx);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme-damage");
	TCase *tc = suite_case(suite, "damage", 120);

	tcase_add_loop_test(tc, resume_is_refused, 0, sizeof(damages) / sizeof(damages[0]));
	tcase_add_loop_test(tc, start_with_a_huge_depth_and_a_nudge, 0, 2);
	tcase_add_loop_test(tc, damaged_words, 0, 3);
	return suite_run(suite);
}
