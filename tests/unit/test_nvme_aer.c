// SPDX-License-Identifier: BSD-2-Clause
/*
 * Asynchronous events: namespaces that change, and a driver that is stopped at every step of
 * finding out.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "devices/nvme/ctrl.h"
#include "tests/unit/crash.h"
#include "tests/unit/nvme_fixture.h"
#include "tests/unit/suite.h"

static struct nvme_fixture fx;
static unsigned int events;
static uint32_t last_nsid;

static void on_event(void *ctx, uint32_t nsid)
{
	(void)ctx;
	events++;
	last_nsid = nsid;
}

static void set_up(void)
{
	nvme_fixture_init(&fx, &(struct nvme_model_opts){ .seed = 1, .nn = 2, .nsze = 64 },
			  &(struct udrv_nvme_opts){ .poll = true, .depth = 8 }, 16384);
	nvme_fixture_start(&fx);
	udrv_nvme_on_event(fx.ctrl, on_event, NULL);
	nvme_model_run(fx.m, 100);
	events = 0;
}

static void serve(void *unused)
{
	(void)unused;
	for (unsigned int i = 0; i < 60; i++) {
		nvme_model_run(fx.m, 10);
		ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, i), 0);
	}
}

static const struct udrv_nvme_ns_info *ns(uint32_t nsid)
{
	for (unsigned int i = 0;; i++) {
		const struct udrv_nvme_ns_info *info = udrv_nvme_ns(fx.ctrl, i);

		if (!info || info->nsid == nsid)
			return info;
	}
}

START_TEST(a_namespace_grows_goes_and_comes_back)
{
	struct udrv_nvme_queue *q;

	set_up();
	q = udrv_nvme_queue(fx.ctrl, 0);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 2, 100, 1, fx.buf, 4096, 1), -22);
	nvme_model_resize(fx.m, 2, 128);
	serve(NULL);
	ck_assert_uint_eq(events, 1);
	ck_assert_uint_eq(last_nsid, 2);
	ck_assert_uint_eq(ns(2)->nsze, 128);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 2, 100, 1, fx.buf, 4096, 1), 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).status, 0);

	nvme_model_resize(fx.m, 2, 0);
	serve(NULL);
	ck_assert_uint_eq(events, 2);
	ck_assert(!ns(2)->usable);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 2, 1, 1, fx.buf, 4096, 1), -19);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 1, 1, fx.buf, 4096, 1), 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).status, 0);

	nvme_model_resize(fx.m, 2, 32);
	serve(NULL);
	ck_assert(ns(2)->usable);
	ck_assert_uint_eq(ns(2)->nsze, 32);
	ck_assert_uint_eq(udrv_nvme_info(fx.ctrl)->nn, 2);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(new_namespaces_are_in_order)
{
	set_up();
	nvme_model_resize(fx.m, 7, 10);
	serve(NULL);
	nvme_model_resize(fx.m, 4, 20);
	serve(NULL);
	ck_assert_uint_eq(udrv_nvme_info(fx.ctrl)->nn, 4);
	ck_assert_uint_eq(udrv_nvme_ns(fx.ctrl, 2)->nsid, 4);
	ck_assert_uint_eq(udrv_nvme_ns(fx.ctrl, 3)->nsid, 7);
	ck_assert_uint_eq(udrv_nvme_ns(fx.ctrl, 3)->nsze, 10);

	/* A successor knows them without asking. */
	uint64_t asked = nvme_model_counts(fx.m)->identify_ns;

	nvme_fixture_crash(&fx);
	nvme_model_forbid_setup(fx.m, true);
	ck_assert_int_eq(nvme_fixture_resume(&fx), 0);
	ck_assert_uint_eq(udrv_nvme_ns(fx.ctrl, 3)->nsid, 7);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->identify_ns, asked);
	nvme_fixture_end(&fx);
}
END_TEST

/* What does not fit into the state is left alone, and what is there goes on. */
START_TEST(new_namespaces_without_room)
{
	unsigned int nn;

	nvme_fixture_init_runs(&fx, &(struct nvme_model_opts){ .seed = 1, .nn = 12, .nsze = 64 },
			       &(struct udrv_nvme_opts){ .poll = true, .depth = 8 }, 16384,
			       UDRV_DMA_MAX_RUNS);
	nvme_fixture_start(&fx);
	udrv_nvme_on_event(fx.ctrl, on_event, NULL);
	events = 0;
	for (uint32_t nsid = 13; nsid <= 32; nsid++) {
		nvme_model_resize(fx.m, nsid, 10);
		serve(NULL);
	}
	nn = udrv_nvme_info(fx.ctrl)->nn;
	ck_assert_uint_gt(nn, 12);
	ck_assert_uint_lt(nn, 32);
	ck_assert_uint_eq(events, nn - 12);
	ck_assert_ptr_null(ns(nn + 1));
	ck_assert_uint_eq(fx.log.count[UDRV_LOG_ERR], 0);

	/* A change of what is known fits, and so do a successor and a reset. */
	nvme_model_resize(fx.m, 1, 33);
	serve(NULL);
	nvme_fixture_crash(&fx);
	ck_assert_int_eq(nvme_fixture_resume(&fx), 0);
	ck_assert_uint_eq(udrv_nvme_info(fx.ctrl)->nn, nn);
	ck_assert_uint_eq(ns(1)->nsze, 33);
	ck_assert_int_eq(udrv_nvme_reset(fx.ctrl), 0);
	ck_assert_uint_eq(udrv_nvme_info(fx.ctrl)->nn, nn);
	ck_assert(ns(nn)->usable);
	nvme_fixture_end(&fx);
}
END_TEST

/* Other events: their log page is read, and the owner is told. */
START_TEST(other_events)
{
	set_up();
	nvme_model_event(fx.m, NVME_LOG_SMART << 16 | 1 << 8 | NVME_AEN_SMART);
	serve(NULL);
	ck_assert_uint_eq(events, 1);
	ck_assert_uint_eq(last_nsid, 0);
	nvme_model_event(fx.m, NVME_LOG_ERROR << 16 | NVME_AEN_ERROR);
	nvme_model_event(fx.m, 7);		/* vendor specific, without a page */
	nvme_model_event(fx.m, 0xee << 16 | 7); /* with one that cannot be read */
	serve(NULL);
	ck_assert_uint_ge(events, 3);
	nvme_model_resize(fx.m, 1, 32);
	serve(NULL);
	ck_assert_uint_eq(ns(1)->nsze, 32);
	nvme_fixture_end(&fx);
}
END_TEST

static int smart_err[2];
static unsigned int smarts;

static void ask_in_event(void *ctx, uint32_t nsid)
{
	uint8_t page[512];

	(void)ctx;
	(void)nsid;
	if (smarts < 2)
		smart_err[smarts] = udrv_nvme_smart(fx.ctrl, page);
	smarts++;
}

/* Whoever serves the queue, a tick or a command that is waited for. */
START_TEST(no_admin_commands_in_an_event)
{
	uint8_t page[512];

	set_up();
	udrv_nvme_on_event(fx.ctrl, ask_in_event, NULL);
	nvme_model_event(fx.m, NVME_LOG_SMART << 16 | 1 << 8 | NVME_AEN_SMART);
	smarts = 0;
	serve(NULL);
	ck_assert_uint_eq(smarts, 1);
	ck_assert_int_eq(smart_err[0], -EBUSY);
	ck_assert_int_eq(udrv_nvme_smart(fx.ctrl, page), 0);

	nvme_model_event(fx.m, NVME_LOG_SMART << 16 | 1 << 8 | NVME_AEN_SMART);
	for (unsigned int i = 0; i < 60 && smarts < 2; i++)
		ck_assert_int_eq(udrv_nvme_smart(fx.ctrl, page), 0);
	ck_assert_uint_eq(smarts, 2);
	ck_assert_int_eq(smart_err[1], -EBUSY);
	nvme_fixture_end(&fx);
}
END_TEST

/* One request at a time, over any number of resumes. */
START_TEST(requests_do_not_pile_up)
{
	uint64_t fetched;

	set_up();
	fetched = nvme_model_counts(fx.m)->aer_fetched;
	ck_assert_uint_eq(fetched, 1);
	for (unsigned int i = 0; i < 10; i++) {
		nvme_fixture_crash(&fx);
		ck_assert_int_eq(nvme_fixture_resume(&fx), 0);
		serve(NULL);
	}
	ck_assert_uint_eq(nvme_model_counts(fx.m)->aer_fetched, fetched);
	/* Raised while there is no driver. */
	nvme_fixture_crash(&fx);
	nvme_model_resize(fx.m, 1, 48);
	nvme_model_run(fx.m, 100);
	ck_assert_int_eq(nvme_fixture_resume(&fx), 0);
	serve(NULL);
	ck_assert_uint_eq(ns(1)->nsze, 48);
	nvme_fixture_end(&fx);
}
END_TEST

/* No slot for the answer: it waits. Given up, the event would stay masked. */
START_TEST(an_answer_waits_for_a_slot)
{
	struct udrv_nvme_queue *admin;
	uint32_t taken;

	set_up();
	admin = &fx.ctrl->admin;
	taken = admin->nfree;
	admin->nfree = 0;
	nvme_model_resize(fx.m, 2, 128);
	serve(NULL);
	ck_assert_uint_eq(ns(2)->nsze, 64);
	admin->nfree = taken;
	serve(NULL);
	ck_assert_uint_eq(ns(2)->nsze, 128);
	nvme_model_resize(fx.m, 2, 32);
	serve(NULL);
	ck_assert_uint_eq(ns(2)->nsze, 32);
	nvme_fixture_end(&fx);
}
END_TEST

/*
 * The log page may be gone with the predecessor that read it: the change
 * must be found all the same.
 */
START_TEST(stopped_at_every_step_of_an_answer)
{
	unsigned int at = 0;
	bool more;

	do {
		set_up();
		nvme_model_forbid_setup(fx.m, true);
		nvme_model_resize(fx.m, 2, 96);
		nvme_model_resize(fx.m, 5, 10);
		more = crash_after(++at, serve, NULL);
		if (more) {
			nvme_fixture_crash(&fx);
			ck_assert_int_eq(nvme_fixture_resume(&fx), 0);
			serve(NULL);
		}
		ck_assert_uint_eq(ns(2)->nsze, 96);
		ck_assert_msg(ns(5) && ns(5)->nsze == 10, "new namespace missed at step %u", at);
		/* Events go on, and what was found is recorded. */
		nvme_model_resize(fx.m, 1, 33);
		serve(NULL);
		ck_assert_uint_eq(ns(1)->nsze, 33);
		nvme_fixture_crash(&fx);
		ck_assert_int_eq(nvme_fixture_resume(&fx), 0);
		ck_assert_uint_eq(ns(1)->nsze, 33);
		ck_assert_uint_eq(ns(2)->nsze, 96);
		ck_assert_uint_eq(ns(5)->nsze, 10);
		nvme_fixture_end(&fx);
	} while (more);
	ck_assert_uint_gt(at, 30);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme-aer");
	TCase *tc = suite_case(suite, "aer", 60);

	tcase_add_test(tc, a_namespace_grows_goes_and_comes_back);
	tcase_add_test(tc, new_namespaces_are_in_order);
	tcase_add_test(tc, new_namespaces_without_room);
	tcase_add_test(tc, other_events);
	tcase_add_test(tc, no_admin_commands_in_an_event);
	tcase_add_test(tc, requests_do_not_pile_up);
	tcase_add_test(tc, an_answer_waits_for_a_slot);
	tcase_add_test(tc, stopped_at_every_step_of_an_answer);
	return suite_run(suite);
}
