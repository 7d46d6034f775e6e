// SPDX-License-Identifier: BSD-2-Clause
/* Timeouts, aborts and resets: each command ends once, and says how. */
#include <check.h>
#include <errno.h>

#include "tests/unit/nvme_one.h"
#include "tests/unit/suite.h"

START_TEST(overdue_commands_are_aborted)
{
	struct udrv_nvme_snapshot snap;
	struct udrv_nvme_queue *q;

	one_init(&(struct nvme_model_opts){ .seed = 1, .acl = 3 },
		 &(struct udrv_nvme_opts){ .poll = true, .depth = 8, .timeout_ms = 100 });
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	one_hang(q, 6);
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
	ck_assert_uint_eq(one_count(q, NVME_SC_ABORT_REQUESTED), 6);
	nvme_model_faults(fx.m)->hang = false;
	one_read(0);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 5000 * MS), 0);
	ck_assert_int_eq(udrv_nvme_inspect(fx.fd.st, &snap), 0);
	ck_assert_uint_eq(snap.q[1].aborts, 6);
	ck_assert_uint_eq(snap.resets, 0);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(what_abort_does_not_help_is_reset)
{
	struct udrv_nvme_snapshot snap;
	struct udrv_nvme_queue *q;

	one_init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	one_hang(q, 3);
	nvme_model_faults(fx.m)->hang_abort = true;
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1000 * MS), 0);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1150 * MS), 0);
	nvme_model_run(fx.m, 100);
	ck_assert_uint_eq(one_count(q, UDRV_NVME_LOST), 0);
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1201 * MS), 1);
	ck_assert_uint_eq(one_count(q, UDRV_NVME_LOST), 3);
	nvme_model_faults(fx.m)->hang = false;
	one_read(0);
	ck_assert_int_eq(udrv_nvme_inspect(fx.fd.st, &snap), 0);
	ck_assert_uint_eq(snap.resets, 1);
	ck_assert_uint_eq(snap.q[1].lost, 3);
	ck_assert_uint_eq(snap.q[1].submitted, 4);
	ck_assert_uint_eq(snap.q[1].completed, 1);
	nvme_fixture_end(&fx);
}
END_TEST

/* A blackout must not look like a hang, and an update is not the time for an abort or a reset. */
START_TEST(no_timeouts_in_an_update_and_new_clocks_after_it)
{
	struct udrv_nvme_queue *q;

	one_init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	one_hang(q, 2);
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
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(fatal_status_is_reset)
{
	struct udrv_nvme_queue *q;

	one_init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	one_hang(q, 2);
	nvme_model_faults(fx.m)->hang = false;
	nvme_model_faults(fx.m)->cfs = true;
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1), 1);
	ck_assert_uint_eq(one_count(q, UDRV_NVME_LOST), 2);
	one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

/* Nothing is lost before CSTS.RDY=0 was seen: the device might still do it. */
START_TEST(a_reset_that_fails_ends_nothing)
{
	struct udrv_nvme_done done[8];
	struct udrv_nvme_queue *q;

	one_init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	one_hang(q, 2);
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
	ck_assert_uint_eq(one_count(q, UDRV_NVME_LOST), 2);
	one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

/* What had completed before a reset is what happened. */
START_TEST(a_reset_keeps_completions)
{
	struct udrv_nvme_queue *q;

	one_init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	for (unsigned int i = 0; i < 4; i++)
		ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, i, 1, fx.buf, BLOCK, i), 0);
	udrv_nvme_ring(q);
	nvme_model_run(fx.m, 1000);
	one_hang(q, 2);
	ck_assert_int_eq(udrv_nvme_reset(fx.ctrl), 0);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 6);
	nvme_model_faults(fx.m)->hang = false;
	ck_assert_uint_eq(one_count(q, UDRV_NVME_LOST), 2);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 0);
	for (unsigned int i = 0; i < 50; i++)
		one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

/* A successor may ask for more queues than it found: a reset is not the time to make them. */
START_TEST(a_reset_makes_no_more_queues)
{
	one_init(&(struct nvme_model_opts){ .seed = 1 },
		 &(struct udrv_nvme_opts){
			 .poll = true, .io_queues = 4, .depth = 8, .timeout_ms = 100 });
	ck_assert_int_eq(one_start(), 0);
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
	one_read(1);
	nvme_fixture_end(&fx);
}
END_TEST

/* An owner that was handed something gets it once a process, reset or not. */
START_TEST(a_reset_hands_nothing_out_again)
{
	struct udrv_nvme_done done[8];
	struct udrv_nvme_queue *q;

	one_init_default();
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
	ck_assert_uint_eq(one_count(q, 0), 1);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 0);
	for (unsigned int i = 0; i < 20; i++)
		one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(failing_resets_become_rare)
{
	struct udrv_nvme_queue *q;
	uint64_t now = 1000 * MS;

	one_init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	one_hang(q, 1);
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
	ck_assert_uint_eq(one_count(q, UDRV_NVME_LOST), 1);
	one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(lost_is_delivered_again_to_a_successor)
{
	struct udrv_nvme_queue *q;

	one_init_default();
	nvme_fixture_start(&fx);
	one_hang(udrv_nvme_queue(fx.ctrl, 0), 3);
	ck_assert_int_eq(udrv_nvme_reset(fx.ctrl), 0);
	nvme_fixture_crash(&fx);
	ck_assert_int_eq(nvme_fixture_resume(&fx), 0);
	q = udrv_nvme_queue(fx.ctrl, 0);
	ck_assert_uint_eq(udrv_nvme_resume_report(fx.ctrl)->redelivered, 3);
	ck_assert_uint_eq(one_count(q, UDRV_NVME_LOST), 3);
	nvme_fixture_end(&fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme-reset");
	TCase *tc = suite_case(suite, "reset", 120);

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
	return suite_run(suite);
}
