// SPDX-License-Identifier: BSD-2-Clause
/* A controller is started from any state, and shut down. */
#include <check.h>
#include <errno.h>

#include "devices/nvme/ctrl.h"
#include "tests/unit/nvme_one.h"
#include "tests/unit/suite.h"

START_TEST(start_from_firmware)
{
	one_init_default();
	nvme_model_firmware(fx.m, _i);
	nvme_fixture_start(&fx);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->disables, 1);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->enables, 1);
	one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(facts_are_known)
{
	const struct udrv_nvme_info *info;

	one_init(&(struct nvme_model_opts){ .seed = 1,
					    .nn = 3,
					    .nsze = 100,
					    .lbads = 9,
					    .mdts = 3,
					    .max_queues = 2 },
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
	nvme_fixture_end(&fx);
}
END_TEST

struct refusal {
	struct nvme_model_opts model;
	int err;
};

static const struct refusal refusals[] = {
	{ { .seed = 1, .cap_toggle = 1ull << 37 }, -EOPNOTSUPP }, /* no NVM command set */
	{ { .seed = 1, .cap_toggle = 1ull << 48 }, -EOPNOTSUPP }, /* pages of 8 KiB at least */
	{ { .seed = 1, .mqes = 4 }, -EOPNOTSUPP },		  /* no room for the reserve */
};

START_TEST(start_is_refused)
{
	one_init(&refusals[_i].model, &(struct udrv_nvme_opts){ .poll = true });
	ck_assert_int_eq(one_start(), refusals[_i].err);
	ck_assert_uint_gt(fx.log.count[UDRV_LOG_ERR], 0);
	ck_assert_int_eq(udrv_state_lifecycle(fx.fd.st), UDRV_INIT);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(start_on_a_device_that_is_gone)
{
	one_init_default();
	nvme_model_faults(fx.m)->gone = true;
	ck_assert_int_eq(one_start(), -ENODEV);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(start_without_ready)
{
	one_init_default();
	nvme_model_faults(fx.m)->rdy_stuck = true;
	ck_assert_int_eq(one_start(), -ETIMEDOUT);
	nvme_model_faults(fx.m)->rdy_stuck = false;
	nvme_fixture_start(&fx);
	one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

/* Once it is set, a second passes with each look at the clock. */
static uint64_t hurry_ns;

uint64_t __real_wait_now_ns(void);
uint64_t __wrap_wait_now_ns(void);

uint64_t __wrap_wait_now_ns(void)
{
	if (hurry_ns)
		hurry_ns += 1000000000;
	return hurry_ns ? hurry_ns : __real_wait_now_ns();
}

static const struct patience {
	uint64_t cap_toggle;
	uint32_t crto;
	unsigned int least, most; /* seconds */
} patience[] = {
	{ 0, 0xffff, 1, 10 }, /* which has no meaning without CAP.CRMS */
	{ 1ull << 59, 0, 1, 10 },
	{ 1ull << 59, 40, 40, 60 },
	{ 1ull << 59, 0xffff0000 | 40, 40, 60 }, /* CRIMT is of no interest */
	{ 1ull << 59, 0xffff, 600, 620 },
};

/* For CSTS.RDY to become 1, and 0 again: CAP.TO, CRTO.CRWMT, and what nobody has to wait for. */
START_TEST(how_long_ready_is_waited_for)
{
	const struct patience *p = &patience[_i];

	one_init(&(struct nvme_model_opts){ .seed = 1,
					    .cap_toggle = p->cap_toggle,
					    .crto = p->crto },
		 &(struct udrv_nvme_opts){ .poll = true, .depth = 8 });
	nvme_model_faults(fx.m)->rdy_stuck = true;
	hurry_ns = 1;
	ck_assert_int_eq(one_start(), -ETIMEDOUT);
	ck_assert_uint_ge(hurry_ns / 1000000000, p->least);
	ck_assert_uint_le(hurry_ns / 1000000000, p->most);
	hurry_ns = 0;
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(start_on_a_failed_controller)
{
	one_init_default();
	nvme_model_firmware(fx.m, false);
	nvme_model_faults(fx.m)->cfs = true;
	nvme_fixture_start(&fx);
	one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

/* CSTS.RDY does not fall: only a function-level reset is left. */
START_TEST(start_with_a_stuck_ready)
{
	one_init_default();
	nvme_model_firmware(fx.m, false);
	nvme_model_faults(fx.m)->rdy_stuck = true;
	nvme_fixture_start(&fx);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->resets, 1);
	one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

static bool bus_master(void)
{
	uint32_t command = 0;

	ck_assert_int_eq(udrv_device_config_read(fx.fd.dev, 4, 2, &command), 0);
	return command & 4;
}

static void stay_ready(bool stay)
{
	nvme_model_faults(fx.m)->rdy_stays = stay;
	nvme_model_faults(fx.m)->no_flr = stay;
}

/* What cannot be disabled must not reach memory any more, until it can be. */
START_TEST(start_of_what_cannot_be_disabled)
{
	one_init_default();
	nvme_fixture_start(&fx);
	one_hang(udrv_nvme_queue(fx.ctrl, 0), 2);
	nvme_fixture_crash(&fx);
	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	ck_assert(bus_master());
	stay_ready(true);
	ck_assert_int_eq(one_start(), -ETIMEDOUT);
	ck_assert(!bus_master());
	stay_ready(false);
	nvme_model_faults(fx.m)->hang = false;
	ck_assert_int_eq(one_start(), 0);
	ck_assert_uint_eq(one_count(udrv_nvme_queue(fx.ctrl, 0), UDRV_NVME_LOST), 2);
	one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

/* Likewise when the set-up got half way. */
START_TEST(half_a_start_of_what_cannot_be_disabled)
{
	one_init_default();
	stay_ready(true);
	nvme_model_faults(fx.m)->hang_admin = true;
	ck_assert_int_eq(one_start(), -ETIMEDOUT);
	ck_assert(nvme_model_csts(fx.m) & NVME_CSTS_RDY);
	ck_assert(!bus_master());
	stay_ready(false);
	nvme_model_faults(fx.m)->hang_admin = false;
	nvme_fixture_start(&fx);
	one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

/* Not of a command that failed, but of the controller that is still on. */
START_TEST(the_error_of_half_a_start)
{
	one_init(&(struct nvme_model_opts){ .seed = 1, .nn = 1 },
		 &(struct udrv_nvme_opts){ .poll = true, .depth = 8, .timeout_ms = 100 });
	nvme_model_faults(fx.m)->fail_identify = true;
	ck_assert_int_eq(one_start(), -EIO);
	stay_ready(true);
	ck_assert_int_eq(one_start(), -ETIMEDOUT);
	ck_assert(!bus_master());
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(start_with_unanswered_admin_commands)
{
	one_init_default();
	nvme_model_faults(fx.m)->hang_admin = true;
	ck_assert_int_eq(one_start(), -ETIMEDOUT);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(namespaces_that_cannot_be_used)
{
	one_init(&(struct nvme_model_opts){ .seed = 1, .nn = 2 },
		 &(struct udrv_nvme_opts){ .poll = true });
	nvme_model_metadata(fx.m, 1, 8);
	nvme_fixture_start(&fx);
	ck_assert(!udrv_nvme_ns(fx.ctrl, 0)->usable);
	ck_assert(udrv_nvme_ns(fx.ctrl, 1)->usable);
	ck_assert_int_eq(nvme_submit(udrv_nvme_queue(fx.ctrl, 0), NVME_CMD_READ, 1, 0, 1, fx.buf,
				     BLOCK, 1),
			 -ENODEV);
	nvme_fixture_end(&fx);
}
END_TEST

/* The state's tree holds what the pool is made of as well: those that fit are used. */
START_TEST(more_namespaces_than_fit)
{
	unsigned int nn;

	nvme_fixture_init_runs(&fx, &(struct nvme_model_opts){ .seed = 1, .nn = 70, .nsze = 8 },
			       &(struct udrv_nvme_opts){ .poll = true, .depth = 8 }, 64 << 10,
			       _i ? UDRV_DMA_MAX_RUNS : 1);
	nvme_fixture_start(&fx);
	nn = udrv_nvme_info(fx.ctrl)->nn;
	ck_assert_uint_ge(nn, _i ? 16 : 50);
	ck_assert_uint_le(nn, _i ? 30 : UDRV_NVME_MAX_NS);
	ck_assert_uint_gt(fx.log.count[UDRV_LOG_WARN], 0);
	ck_assert_uint_eq(fx.log.count[UDRV_LOG_ERR], 0);
	for (unsigned int i = 0; i < nn; i++)
		ck_assert_uint_eq(udrv_nvme_ns(fx.ctrl, i)->nsid, i + 1);
	one_read(0);
	ck_assert_int_eq(nvme_submit(udrv_nvme_queue(fx.ctrl, 0), NVME_CMD_READ, nn + 1, 0, 1,
				     fx.buf, BLOCK, 1),
			 -ENODEV);
	ck_assert_int_eq(udrv_nvme_reset(fx.ctrl), 0);
	ck_assert_uint_eq(udrv_nvme_info(fx.ctrl)->nn, nn);
	nvme_fixture_crash(&fx);
	ck_assert_int_eq(nvme_fixture_resume(&fx), 0);
	ck_assert_uint_eq(udrv_nvme_info(fx.ctrl)->nn, nn);
	one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(state_that_is_too_small)
{
	one_init_default();
	fx.opts.depth = 2000;
	fx.opts.io_queues = 60;
	ck_assert_int_eq(one_start(), -ENOSPC);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(size_of_the_state)
{
	static const struct {
		unsigned int queues, depth;
	} geometry[] = { { 1, 64 }, { 4, 64 }, { 8, 64 }, { 2, 1023 } };

	/* 16 KiB and 160 bytes a slot, the reserve and the admin queue's slots included. */
	for (unsigned int i = 0; i < 4; i++) {
		struct udrv_nvme_opts opts = { .size = sizeof(opts),
					       .io_queues = geometry[i].queues,
					       .depth = geometry[i].depth };
		uint64_t state, dma,
			slots = geometry[i].queues * (geometry[i].depth + NVME_RESERVE);

		ck_assert_int_eq(udrv_nvme_requirements(&opts, &state, &dma), 0);
		ck_assert_uint_le(state, 16384 + 160 * (slots + NVME_ADMIN_SLOTS));
	}
}
END_TEST

START_TEST(restart_delivers_what_was_outstanding_as_lost)
{
	struct udrv_nvme_queue *q;

	one_init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	one_read(0);
	one_hang(q, 5);
	nvme_fixture_crash(&fx);
	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	fx.opts.depth = 2; /* what is outstanding takes more, so it stays 5 */
	ck_assert_int_eq(one_start(), 0);
	q = udrv_nvme_queue(fx.ctrl, 0);
	ck_assert_uint_eq(udrv_nvme_info(fx.ctrl)->depth, 5);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 5);
	ck_assert_uint_eq(one_count(q, UDRV_NVME_LOST), 5);
	nvme_model_faults(fx.m)->hang = false;
	one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(shutdown_is_clean)
{
	one_init_default();
	nvme_fixture_start(&fx);
	one_read(0);
	ck_assert_int_eq(udrv_nvme_shutdown(fx.ctrl), 0);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->shutdowns, 1);
	ck_assert_uint_eq(nvme_model_csts(fx.m) & NVME_CSTS_RDY, 0);
	ck_assert_int_eq(udrv_state_lifecycle(fx.fd.st), UDRV_INIT);
	fx.buf_size = 0;
	nvme_fixture_start(&fx);
	one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(shutdown_waits_for_the_owner)
{
	struct udrv_nvme_queue *q;

	one_init_default();
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	one_hang(q, 1);
	ck_assert_int_eq(udrv_nvme_shutdown(fx.ctrl), -EBUSY);
	nvme_model_faults(fx.m)->hang = false;
	nvme_model_run(fx.m, 100);
	ck_assert_uint_eq(one_count(q, 0), 1);
	ck_assert_int_eq(udrv_nvme_shutdown(fx.ctrl), 0);
	fx.ctrl = NULL;
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(shutdown_of_a_failed_controller)
{
	one_init_default();
	nvme_fixture_start(&fx);
	nvme_model_faults(fx.m)->cfs = true;
	ck_assert_int_eq(udrv_nvme_shutdown(fx.ctrl), -ETIMEDOUT);
	fx.ctrl = NULL;
	ck_assert_uint_eq(nvme_model_csts(fx.m) & NVME_CSTS_RDY, 0);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(shutdown_of_what_cannot_be_disabled)
{
	one_init_default();
	nvme_fixture_start(&fx);
	one_read(0);
	stay_ready(true);
	ck_assert_int_eq(udrv_nvme_shutdown(fx.ctrl), -EIO);
	fx.ctrl = NULL;
	ck_assert(!bus_master());
	ck_assert_int_eq(udrv_state_lifecycle(fx.fd.st), UDRV_CLOSING);
	stay_ready(false);
	fx.buf_size = 0;
	nvme_fixture_start(&fx);
	one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(shutdown_of_what_is_gone)
{
	one_init_default();
	nvme_fixture_start(&fx);
	nvme_model_faults(fx.m)->gone = true;
	ck_assert_int_eq(udrv_nvme_shutdown(fx.ctrl), -ENODEV);
	fx.ctrl = NULL;
	nvme_fixture_end(&fx);
}
END_TEST

/* It is waited for once, and not once for each queue. */
START_TEST(shutdown_of_a_controller_that_does_not_answer)
{
	unsigned int said;

	one_init(&(struct nvme_model_opts){ 0 },
		 &(struct udrv_nvme_opts){
			 .poll = true, .io_queues = 4, .depth = 8, .timeout_ms = 100 });
	nvme_fixture_start(&fx);
	nvme_model_faults(fx.m)->hang_admin = true;
	said = fx.log.count[UDRV_LOG_WARN];
	ck_assert_int_eq(udrv_nvme_shutdown(fx.ctrl), 0);
	fx.ctrl = NULL;
	ck_assert_uint_eq(fx.log.count[UDRV_LOG_WARN], said + 1);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->shutdowns, 1);
	ck_assert_uint_eq(nvme_model_csts(fx.m) & NVME_CSTS_RDY, 0);
	nvme_fixture_end(&fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme-start");
	TCase *tc = suite_case(suite, "start", 120);

	tcase_add_loop_test(tc, start_from_firmware, 0, 2);
	tcase_add_test(tc, facts_are_known);
	tcase_add_loop_test(tc, start_is_refused, 0, sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_test(tc, start_on_a_device_that_is_gone);
	tcase_add_test(tc, start_without_ready);
	tcase_add_loop_test(tc, how_long_ready_is_waited_for, 0,
			    sizeof(patience) / sizeof(patience[0]));
	tcase_add_test(tc, start_on_a_failed_controller);
	tcase_add_test(tc, start_with_a_stuck_ready);
	tcase_add_test(tc, start_of_what_cannot_be_disabled);
	tcase_add_test(tc, half_a_start_of_what_cannot_be_disabled);
	tcase_add_test(tc, the_error_of_half_a_start);
	tcase_add_test(tc, start_with_unanswered_admin_commands);
	tcase_add_test(tc, namespaces_that_cannot_be_used);
	tcase_add_loop_test(tc, more_namespaces_than_fit, 0, 2);
	tcase_add_test(tc, state_that_is_too_small);
	tcase_add_test(tc, size_of_the_state);
	tcase_add_test(tc, restart_delivers_what_was_outstanding_as_lost);
	tcase_add_test(tc, shutdown_is_clean);
	tcase_add_test(tc, shutdown_waits_for_the_owner);
	tcase_add_test(tc, shutdown_of_a_failed_controller);
	tcase_add_test(tc, shutdown_of_what_cannot_be_disabled);
	tcase_add_test(tc, shutdown_of_what_is_gone);
	tcase_add_test(tc, shutdown_of_a_controller_that_does_not_answer);
	return suite_run(suite);
}
