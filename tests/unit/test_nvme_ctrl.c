// SPDX-License-Identifier: BSD-2-Clause
/* The controller's life: start from any state, timeouts, reset, refused resumes, shutdown. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/nvme/ctrl.h"
#include "tests/unit/nvme_workload.h"

#define BLOCK	4096u
#define MS	1000000ull

static struct nvme_fixture fx;

static void init(const struct nvme_model_opts *mo, const struct udrv_nvme_opts *opts)
{
	nvme_fixture_init(&fx, mo, opts, 64 << 10);
}

static void init_default(void)
{
	init(&(struct nvme_model_opts){ .seed = 1 },
	     &(struct udrv_nvme_opts){ .poll = true, .depth = 8, .timeout_ms = 100 });
}

static void tear_down(void)
{
	nvme_fixture_clean(&fx);
	nvme_fixture_free(&fx);
}

static int start(void)
{
	return udrv_nvme_start(fx.fd.dev, &fx.opts, &fx.ctrl);
}

static void read_one(unsigned int queue)
{
	struct udrv_nvme_queue *q = udrv_nvme_queue(fx.ctrl, queue);

	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 1, 1, fx.buf, BLOCK, 7), 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).status, 0);
}

/* Submit @n reads that the controller fetches and keeps. */
static void hang(struct udrv_nvme_queue *q, unsigned int n)
{
	nvme_model_faults(fx.m)->hang = true;
	for (unsigned int i = 0; i < n; i++)
		ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, i, 1, fx.buf, BLOCK, i), 0);
	udrv_nvme_ring(q);
	nvme_model_run(fx.m, 1000);
}

static unsigned int count_status(struct udrv_nvme_queue *q, uint32_t status)
{
	struct udrv_nvme_done done[16];
	int n = udrv_nvme_poll(q, done, 16);
	unsigned int count = 0;

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++) {
		count += done[i].status == status;
		ck_assert_int_eq(udrv_nvme_release(q, done[i].slot), 0);
	}
	return count;
}

/* ---- start ---- */

START_TEST(start_from_firmware)
{
	init_default();
	nvme_model_firmware(fx.m, _i);
	nvme_fixture_start(&fx);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->disables, 1);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->enables, 1);
	read_one(0);
	tear_down();
}
END_TEST

START_TEST(facts_are_known)
{
	const struct udrv_nvme_info *info;

	init(&(struct nvme_model_opts){ .seed = 1, .nn = 3, .nsze = 100, .lbads = 9, .mdts = 3, .max_queues = 2 },
	     &(struct udrv_nvme_opts){ .poll = true, .io_queues = 5, .depth = 30 });
	nvme_fixture_start(&fx);
	info = udrv_nvme_info(fx.ctrl);
	ck_assert_str_eq(info->sn, "MODEL-1");
	ck_assert_str_eq(info->mn, "udrv NVMe model");
	ck_assert_str_eq(info->fr, "1.0");
	ck_assert_uint_eq(info->vid, 0x1b36);
	ck_assert_uint_eq(info->cntlid, 7);
	ck_assert_uint_eq(info->io_queues, 2);
	ck_assert_uint_eq(info->depth, 30);
	ck_assert_uint_eq(info->max_transfer, 32768);
	ck_assert_uint_eq(info->nn, 3);
	for (unsigned int i = 0; i < 3; i++) {
		const struct udrv_nvme_ns_info *ns = udrv_nvme_ns(fx.ctrl, i);

		ck_assert_uint_eq(ns->nsid, i + 1);
		ck_assert_uint_eq(ns->nsze, 100);
		ck_assert_uint_eq(ns->lba_size, 512);
		ck_assert_uint_eq(ns->eui64[7], i + 1);
		ck_assert(ns->usable);
	}
	ck_assert_ptr_null(udrv_nvme_ns(fx.ctrl, 3));
	ck_assert_ptr_nonnull(udrv_nvme_queue(fx.ctrl, 1));
	ck_assert_ptr_null(udrv_nvme_queue(fx.ctrl, 2));
	tear_down();
}
END_TEST

struct refusal {
	struct nvme_model_opts model;
	int err;
};

static const struct refusal refusals[] = {
	{ { .seed = 1, .cap_toggle = 1ull << 37 }, -EOPNOTSUPP },	/* no NVM command set */
	{ { .seed = 1, .cap_toggle = 1ull << 48 }, -EOPNOTSUPP },	/* pages of 8 KiB at least */
	{ { .seed = 1, .mqes = 4 }, -EOPNOTSUPP },			/* no room for the reserve */
};

START_TEST(start_is_refused)
{
	init(&refusals[_i].model, &(struct udrv_nvme_opts){ .poll = true });
	ck_assert_int_eq(start(), refusals[_i].err);
	ck_assert_uint_gt(fx.log.count[UDRV_LOG_ERR], 0);
	ck_assert_int_eq(udrv_state_lifecycle(fx.fd.st), UDRV_INIT);
	tear_down();
}
END_TEST

START_TEST(start_on_a_device_that_is_gone)
{
	init_default();
	nvme_model_faults(fx.m)->gone = true;
	ck_assert_int_eq(start(), -ENODEV);
	tear_down();
}
END_TEST

START_TEST(start_without_ready)
{
	init_default();
	nvme_model_faults(fx.m)->rdy_stuck = true;
	ck_assert_int_eq(start(), -ETIMEDOUT);
	nvme_model_faults(fx.m)->rdy_stuck = false;
	nvme_fixture_start(&fx);
	read_one(0);
	tear_down();
}
END_TEST

START_TEST(start_on_a_failed_controller)
{
	init_default();
	nvme_model_firmware(fx.m, false);
	nvme_model_faults(fx.m)->cfs = true;
	nvme_fixture_start(&fx);
	read_one(0);
	tear_down();
}
END_TEST

/* CSTS.RDY does not fall: only a function-level reset is left. */
START_TEST(start_with_a_stuck_ready)
{
	init_default();
	nvme_model_firmware(fx.m, false);
	nvme_model_faults(fx.m)->rdy_stuck = true;
	nvme_fixture_start(&fx);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->resets, 1);
	read_one(0);
	tear_down();
}
END_TEST

START_TEST(start_with_unanswered_admin_commands)
{
	init_default();
	nvme_model_faults(fx.m)->hang_admin = true;
	ck_assert_int_eq(start(), -ETIMEDOUT);
	tear_down();
}
END_TEST

START_TEST(namespaces_that_cannot_be_used)
{
	init(&(struct nvme_model_opts){ .seed = 1, .nn = 2 }, &(struct udrv_nvme_opts){ .poll = true });
	nvme_model_metadata(fx.m, 1, 8);
	nvme_fixture_start(&fx);
	ck_assert(!udrv_nvme_ns(fx.ctrl, 0)->usable);
	ck_assert(udrv_nvme_ns(fx.ctrl, 1)->usable);
	ck_assert_int_eq(nvme_submit(udrv_nvme_queue(fx.ctrl, 0), NVME_CMD_READ, 1, 0, 1, fx.buf, BLOCK, 1), -ENODEV);
	tear_down();
}
END_TEST

START_TEST(state_that_is_too_small)
{
	init_default();
	fx.opts.depth = 2000;
	fx.opts.io_queues = 60;
	ck_assert_int_eq(start(), -ENOSPC);
	tear_down();
}
END_TEST

START_TEST(size_of_the_state)
{
	static const struct { unsigned int queues, depth; } geometry[] = { { 1, 64 }, { 4, 64 }, { 8, 64 }, { 2, 1023 } };

	/* 16 KiB and 160 bytes a slot, the reserve and the admin queue's slots included. */
	for (unsigned int i = 0; i < 4; i++) {
		struct udrv_nvme_opts opts = { .size = sizeof(opts), .io_queues = geometry[i].queues,
					       .depth = geometry[i].depth };
		uint64_t state, dma, slots = geometry[i].queues * (geometry[i].depth + NVME_RESERVE);

		ck_assert_int_eq(udrv_nvme_requirements(&opts, &state, &dma), 0);
		ck_assert_uint_le(state, 16384 + 160 * (slots + NVME_ADMIN_SLOTS));
	}
}
END_TEST

/* ---- start over a predecessor ---- */

START_TEST(restart_delivers_what_was_outstanding_as_lost)
{
	struct udrv_nvme_queue *q;

	init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	read_one(0);
	hang(q, 5);
	nvme_fixture_crash(&fx);
	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	fx.opts.depth = 2;	/* what is outstanding takes more, so it stays 5 */
	ck_assert_int_eq(start(), 0);
	q = udrv_nvme_queue(fx.ctrl, 0);
	ck_assert_uint_eq(udrv_nvme_info(fx.ctrl)->depth, 5);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 5);
	ck_assert_uint_eq(count_status(q, UDRV_NVME_LOST), 5);
	nvme_model_faults(fx.m)->hang = false;
	read_one(0);
	tear_down();
}
END_TEST

/* ---- timeouts ---- */

START_TEST(overdue_commands_are_aborted)
{
	struct udrv_nvme_snapshot snap;
	struct udrv_nvme_queue *q;

	init(&(struct nvme_model_opts){ .seed = 1, .acl = 3 },
	     &(struct udrv_nvme_opts){ .poll = true, .depth = 8, .timeout_ms = 100 });
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	hang(q, 6);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1000 * MS), 0);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1099 * MS), 0);
	nvme_model_run(fx.m, 100);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->aborts, 0);

	/* Four at a time, as the controller says; the others at the next tick. */
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1101 * MS), 0);
	nvme_model_run(fx.m, 100);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->aborts, 4);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1102 * MS), 0);
	nvme_model_run(fx.m, 100);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->aborts, 6);
	ck_assert_uint_eq(count_status(q, NVME_SC_ABORT_REQUESTED), 6);
	nvme_model_faults(fx.m)->hang = false;
	read_one(0);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 5000 * MS), 0);
	ck_assert_int_eq(udrv_nvme_inspect(fx.fd.st, &snap), 0);
	ck_assert_uint_eq(snap.q[1].aborts, 6);
	ck_assert_uint_eq(snap.resets, 0);
	tear_down();
}
END_TEST

START_TEST(what_abort_does_not_help_is_reset)
{
	struct udrv_nvme_snapshot snap;
	struct udrv_nvme_queue *q;

	init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	hang(q, 3);
	nvme_model_faults(fx.m)->hang_abort = true;
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1000 * MS), 0);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1150 * MS), 0);
	nvme_model_run(fx.m, 100);
	ck_assert_uint_eq(count_status(q, UDRV_NVME_LOST), 0);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1201 * MS), 1);
	ck_assert_uint_eq(count_status(q, UDRV_NVME_LOST), 3);
	nvme_model_faults(fx.m)->hang = false;
	read_one(0);
	ck_assert_int_eq(udrv_nvme_inspect(fx.fd.st, &snap), 0);
	ck_assert_uint_eq(snap.resets, 1);
	ck_assert_uint_eq(snap.q[1].lost, 3);
	ck_assert_uint_eq(snap.q[1].submitted, 4);
	ck_assert_uint_eq(snap.q[1].completed, 1);
	tear_down();
}
END_TEST

/* A blackout must not look like a hang, and an update is not the time for an abort or a reset. */
START_TEST(no_timeouts_in_an_update_and_new_clocks_after_it)
{
	struct udrv_nvme_queue *q;

	init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	hang(q, 2);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1000 * MS), 0);
	udrv_state_set_updating(fx.fd.st, true);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 2000 * MS), 0);
	ck_assert_int_eq(udrv_nvme_reset(fx.ctrl), -EAGAIN);
	ck_assert_int_eq(udrv_nvme_shutdown(fx.ctrl), -EAGAIN);
	nvme_model_run(fx.m, 100);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->aborts, 0);

	nvme_fixture_crash(&fx);
	ck_assert_int_eq(nvme_fixture_resume(&fx), 0);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 90000 * MS), 0);
	udrv_state_set_updating(fx.fd.st, false);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 90001 * MS), 0);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 90100 * MS), 0);
	nvme_model_run(fx.m, 100);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->aborts, 0);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 90102 * MS), 0);
	nvme_model_run(fx.m, 100);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->aborts, 1);
	tear_down();
}
END_TEST

START_TEST(fatal_status_is_reset)
{
	struct udrv_nvme_queue *q;

	init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	hang(q, 2);
	nvme_model_faults(fx.m)->hang = false;
	nvme_model_faults(fx.m)->cfs = true;
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1), 1);
	ck_assert_uint_eq(count_status(q, UDRV_NVME_LOST), 2);
	read_one(0);
	tear_down();
}
END_TEST

/* Nothing is lost before CSTS.RDY=0 was seen: the device might still do it. */
START_TEST(a_reset_that_fails_ends_nothing)
{
	struct udrv_nvme_done done[8];
	struct udrv_nvme_queue *q;

	init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	hang(q, 2);
	nvme_model_faults(fx.m)->gone = true;
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1), -ENODEV);
	ck_assert_int_eq(udrv_nvme_reset(fx.ctrl), -ENODEV);
	ck_assert_int_eq(udrv_nvme_poll(q, done, 8), -ESHUTDOWN);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 0, 1, fx.buf, BLOCK, 1), -ESHUTDOWN);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 2);
	ck_assert_int_eq(udrv_state_lifecycle(fx.fd.st), UDRV_RESETTING);

	nvme_model_faults(fx.m)->gone = false;
	nvme_model_faults(fx.m)->hang = false;
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 2), 1);
	ck_assert_uint_eq(count_status(q, UDRV_NVME_LOST), 2);
	read_one(0);
	tear_down();
}
END_TEST

/* What had completed before a reset is what happened. */
START_TEST(a_reset_keeps_completions)
{
	struct udrv_nvme_queue *q;

	init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	for (unsigned int i = 0; i < 4; i++)
		ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, i, 1, fx.buf, BLOCK, i), 0);
	udrv_nvme_ring(q);
	nvme_model_run(fx.m, 1000);
	hang(q, 2);
	ck_assert_int_eq(udrv_nvme_reset(fx.ctrl), 0);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 6);
	nvme_model_faults(fx.m)->hang = false;
	ck_assert_uint_eq(count_status(q, UDRV_NVME_LOST), 2);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 0);
	for (unsigned int i = 0; i < 50; i++)
		read_one(0);
	tear_down();
}
END_TEST

/* A successor may ask for more queues than it found: a reset is not the time to make them. */
START_TEST(a_reset_makes_no_more_queues)
{
	init(&(struct nvme_model_opts){ .seed = 1 },
	     &(struct udrv_nvme_opts){ .poll = true, .io_queues = 4, .depth = 8, .timeout_ms = 100 });
	ck_assert_int_eq(start(), 0);
	ck_assert_uint_eq(udrv_nvme_info(fx.ctrl)->io_queues, 4);
	ck_assert_int_eq(udrv_nvme_shutdown(fx.ctrl), 0);
	fx.ctrl = NULL;

	fx.opts.io_queues = 2;
	nvme_fixture_start(&fx);
	nvme_fixture_crash(&fx);
	fx.opts.io_queues = 4;
	ck_assert_int_eq(nvme_fixture_resume(&fx), 0);
	ck_assert_int_eq(udrv_nvme_reset(fx.ctrl), 0);
	ck_assert_uint_eq(udrv_nvme_info(fx.ctrl)->io_queues, 2);
	ck_assert_ptr_null(udrv_nvme_queue(fx.ctrl, 2));
	read_one(1);
	tear_down();
}
END_TEST

/* An owner that was handed something gets it once a process, reset or not. */
START_TEST(a_reset_hands_nothing_out_again)
{
	struct udrv_nvme_done done[8];
	struct udrv_nvme_queue *q;

	init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, i, 1, fx.buf, BLOCK, i), 0);
	udrv_nvme_ring(q);
	nvme_model_run(fx.m, 1000);
	ck_assert_int_eq(udrv_nvme_poll(q, done, 2), 2);
	ck_assert_int_eq(udrv_nvme_reset(fx.ctrl), 0);
	ck_assert_int_eq(udrv_nvme_reset(fx.ctrl), 0);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 3);
	ck_assert_int_eq(udrv_nvme_release(q, done[0].slot), 0);
	ck_assert_int_eq(udrv_nvme_release(q, done[1].slot), 0);
	ck_assert_uint_eq(count_status(q, 0), 1);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 0);
	for (unsigned int i = 0; i < 20; i++)
		read_one(0);
	tear_down();
}
END_TEST

START_TEST(failing_resets_become_rare)
{
	struct udrv_nvme_queue *q;
	uint64_t now = 1000 * MS;

	init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	hang(q, 1);
	nvme_model_faults(fx.m)->hang_admin = true;
	nvme_model_faults(fx.m)->cfs = true;
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, now), -ETIMEDOUT);
	for (unsigned int i = 1; i < 10; i++)
		ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, now + i * 100 * MS), -EIO);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->enables, 2);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, now + 1001 * MS), -ETIMEDOUT);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, now + 2500 * MS), -EIO);
	nvme_model_faults(fx.m)->hang_admin = false;
	nvme_model_faults(fx.m)->hang = false;
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, now + 3100 * MS), 1);
	ck_assert_uint_eq(count_status(q, UDRV_NVME_LOST), 1);
	read_one(0);
	tear_down();
}
END_TEST

START_TEST(lost_is_delivered_again_to_a_successor)
{
	struct udrv_nvme_queue *q;

	init_default();
	nvme_fixture_start(&fx);
	hang(udrv_nvme_queue(fx.ctrl, 0), 3);
	ck_assert_int_eq(udrv_nvme_reset(fx.ctrl), 0);
	nvme_fixture_crash(&fx);
	ck_assert_int_eq(nvme_fixture_resume(&fx), 0);
	q = udrv_nvme_queue(fx.ctrl, 0);
	ck_assert_uint_eq(udrv_nvme_resume_report(fx.ctrl)->redelivered, 3);
	ck_assert_uint_eq(count_status(q, UDRV_NVME_LOST), 3);
	tear_down();
}
END_TEST

/* ---- refused resumes ---- */

struct damage {
	const char *what;
	void (*apply)(void);
	int err;
};

static struct nvme_queue_state *state(const char *area)
{
	return udrv_state_area(fx.fd.st, area, NULL);
}

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
static void huge_ring(void) { state("nvme-io")->sq_entries = 65536; }
static void other_rings(void) { state("nvme-io")->rings_off += 4096; }
static void rings_outside(void) { state("nvme-io")->rings_off = 1ull << 62; }
static void lists_outside(void) { state("nvme-q0")->lists_off = ~0ull; }
static void huge_list(void) { state("nvme-io")->list_size = 1 << 30; }
static void slot_state(void) { nvme_queue_slots(state("nvme-io"))[0].state = 77; }
static void slot_cid(void) { nvme_queue_slots(state("nvme-io"))[0].sqe.cid ^= 1; }
static void slot_seq(void) { nvme_queue_slots(state("nvme-io"))[0].seq = 1ull << 40; }
static void many_queues(void) { ((struct nvme_ctrl_state *)(void *)state("nvme-ctrl"))->io_capacity = 60; }
static void many_slots(void) { ((struct nvme_ctrl_state *)(void *)state("nvme-ctrl"))->slot_capacity = 4000; }

static const struct damage damages[] = {
	{ "lifecycle RESETTING", not_ready, -EAGAIN },
	{ "lifecycle CLOSING", closing, -EAGAIN },
	{ "CC", other_cc, -ESTALE },
	{ "AQA", other_aqa, -ESTALE },
	{ "ASQ", other_asq, -ESTALE },
	{ "ACQ", other_acq, -ESTALE },
	{ "gone", gone, -ENODEV },
	{ "CFS", fatal, -EIO },
	{ "tail one back", tail_back, -EBADMSG },
	{ "tail far ahead", tail_far, -EBADMSG },
	{ "rung ahead of ringing", rung_far, -EBADMSG },
	{ "head behind head_rung", head_back, -EBADMSG },
	{ "queue ID", wrong_qid, -EBADMSG },
	{ "depth", huge_depth, -EBADMSG },
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
};

START_TEST(resume_is_refused)
{
	const struct damage *d = &damages[_i];
	struct udrv_nvme_queue *q;

	init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	read_one(0);
	hang(q, 3);
	nvme_fixture_crash(&fx);
	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	d->apply();
	nvme_model_forbid_setup(fx.m, true);
	ck_assert_msg(udrv_nvme_resume(fx.fd.dev, &fx.opts, &fx.ctrl) == d->err, "%s: %s", d->what, fx.log.last);
	nvme_fixture_clean(&fx);
	nvme_model_forbid_setup(fx.m, false);
	if (d->err != -ENODEV && d->err != -EAGAIN && strstr(d->what, "no room") == NULL) {
		/* The way out: start anew. */
		nvme_model_faults(fx.m)->hang = false;
		ck_assert_msg(!start(), "%s: start: %s", d->what, fx.log.last);
		q = udrv_nvme_queue(fx.ctrl, 0);
		count_status(q, UDRV_NVME_LOST);
		read_one(0);
	}
	nvme_fixture_free(&fx);
}
END_TEST

/* Every word of the hot state, one at a time, with something else in it: no crash, whatever comes of it. */
START_TEST(damaged_words)
{
	static const char *const areas[] = { "nvme-ctrl", "nvme-q0", "nvme-io" };
	static const uint64_t values[] = { 0, 1, 0xffffffff, ~0ull, 0x8000000000000000ull, 4096 };

	for (unsigned int v = 0; v < 6; v++) {
		size_t size;
		uint64_t *words;

		for (size_t at = 0;; at++) {
			int err;

			init_default();
			nvme_fixture_start(&fx);
			hang(udrv_nvme_queue(fx.ctrl, 0), 2);
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

/* ---- shutdown ---- */

START_TEST(shutdown_is_clean)
{
	init_default();
	nvme_fixture_start(&fx);
	read_one(0);
	ck_assert_int_eq(udrv_nvme_shutdown(fx.ctrl), 0);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->shutdowns, 1);
	ck_assert_uint_eq(nvme_model_csts(fx.m) & NVME_CSTS_RDY, 0);
	ck_assert_int_eq(udrv_state_lifecycle(fx.fd.st), UDRV_INIT);
	fx.buf_size = 0;
	nvme_fixture_start(&fx);
	read_one(0);
	tear_down();
}
END_TEST

START_TEST(shutdown_waits_for_the_owner)
{
	struct udrv_nvme_queue *q;

	init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	hang(q, 1);
	ck_assert_int_eq(udrv_nvme_shutdown(fx.ctrl), -EBUSY);
	nvme_model_faults(fx.m)->hang = false;
	nvme_model_run(fx.m, 100);
	ck_assert_uint_eq(count_status(q, 0), 1);
	ck_assert_int_eq(udrv_nvme_shutdown(fx.ctrl), 0);
	fx.ctrl = NULL;
	tear_down();
}
END_TEST

START_TEST(shutdown_of_a_failed_controller)
{
	init_default();
	nvme_fixture_start(&fx);
	nvme_model_faults(fx.m)->cfs = true;
	ck_assert_int_eq(udrv_nvme_shutdown(fx.ctrl), -ETIMEDOUT);
	fx.ctrl = NULL;
	ck_assert_uint_eq(nvme_model_csts(fx.m) & NVME_CSTS_RDY, 0);
	tear_down();
}
END_TEST

/* ---- admin ---- */

START_TEST(admin_commands)
{
	static const uint8_t refused[] = { NVME_ADMIN_CREATE_SQ, NVME_ADMIN_CREATE_CQ, NVME_ADMIN_DELETE_SQ,
					   NVME_ADMIN_DELETE_CQ, NVME_ADMIN_ASYNC_EVENT, NVME_ADMIN_DBBUF_CONFIG };
	uint32_t cdw[6] = { NVME_FEAT_NUM_QUEUES }, result = 0;
	struct nvme_smart_log smart;
	uint8_t errors[2][64];

	init_default();
	nvme_fixture_start(&fx);
	for (unsigned int i = 0; i < sizeof(refused); i++)
		ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, refused[i], 0, NULL, 0, false, cdw, NULL), -EPERM);
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_SET_FEATURES, 0, NULL, 0, false, cdw, NULL), -EPERM);
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_GET_FEATURES, 0, NULL, 0, false, cdw, &result), 0);
	ck_assert_uint_eq(result, 15 << 16 | 15);
	cdw[0] = 0x55;
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_GET_FEATURES, 0, NULL, 0, false, cdw, NULL),
			 NVME_SC_INVALID_FIELD);
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_IDENTIFY, 0, NULL, 4096, false, cdw, NULL), -EINVAL);
	ck_assert_int_eq(udrv_nvme_smart(fx.ctrl, &smart), 0);
	ck_assert_uint_eq(smart.temperature[0] | smart.temperature[1] << 8, 300);
	ck_assert_int_eq(udrv_nvme_error_log(fx.ctrl, errors, 2), 0);
	ck_assert_uint_eq(errors[0][0], 1);
	ck_assert_int_eq(udrv_nvme_error_log(fx.ctrl, errors, 65), -EINVAL);

	/* One that is not answered keeps its slot, and does no harm when it is answered after all. */
	nvme_model_faults(fx.m)->hang_admin = true;
	ck_assert_int_eq(udrv_nvme_smart(fx.ctrl, &smart), -ETIMEDOUT);
	nvme_model_faults(fx.m)->hang_admin = false;
	for (unsigned int i = 0; i < 30; i++)
		ck_assert_int_eq(udrv_nvme_smart(fx.ctrl, &smart), 0);
	tear_down();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme-ctrl");
	TCase *tc = tcase_create("ctrl");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, start_from_firmware, 0, 2);
	tcase_add_test(tc, facts_are_known);
	tcase_add_loop_test(tc, start_is_refused, 0, sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_test(tc, start_on_a_device_that_is_gone);
	tcase_add_test(tc, start_without_ready);
	tcase_add_test(tc, start_on_a_failed_controller);
	tcase_add_test(tc, start_with_a_stuck_ready);
	tcase_add_test(tc, start_with_unanswered_admin_commands);
	tcase_add_test(tc, namespaces_that_cannot_be_used);
	tcase_add_test(tc, state_that_is_too_small);
	tcase_add_test(tc, size_of_the_state);
	tcase_add_test(tc, restart_delivers_what_was_outstanding_as_lost);
	tcase_add_test(tc, overdue_commands_are_aborted);
	tcase_add_test(tc, what_abort_does_not_help_is_reset);
	tcase_add_test(tc, no_timeouts_in_an_update_and_new_clocks_after_it);
	tcase_add_test(tc, fatal_status_is_reset);
	tcase_add_test(tc, a_reset_that_fails_ends_nothing);
	tcase_add_test(tc, a_reset_keeps_completions);
	tcase_add_test(tc, a_reset_makes_no_more_queues);
	tcase_add_test(tc, a_reset_hands_nothing_out_again);
	tcase_add_test(tc, failing_resets_become_rare);
	tcase_add_test(tc, lost_is_delivered_again_to_a_successor);
	tcase_add_loop_test(tc, resume_is_refused, 0, sizeof(damages) / sizeof(damages[0]));
	tcase_add_loop_test(tc, damaged_words, 0, 3);
	tcase_add_test(tc, shutdown_is_clean);
	tcase_add_test(tc, shutdown_waits_for_the_owner);
	tcase_add_test(tc, shutdown_of_a_failed_controller);
	tcase_add_test(tc, admin_commands);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
