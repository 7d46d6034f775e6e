// SPDX-License-Identifier: BSD-2-Clause
/* A resume in steps: completions are delivered out of memory before the device can be used. */
#include <check.h>
#include <errno.h>

#include "tests/unit/nvme_fixture.h"
#include "tests/unit/suite.h"

#define QUEUES	 3u
#define COMMANDS 12u

static struct nvme_fixture fx;

static int submit(uint8_t opcode, unsigned int queue, unsigned int i)
{
	return nvme_submit(udrv_nvme_queue(fx.ctrl, queue), opcode, 1, i, 1, fx.buf + i * 4096,
			   4096, i);
}

static unsigned int reads; /* the first of the commands are */
static bool unrung;	   /* queue 0 has one more, of which the device was not told */

/* COMMANDS in flight, of which the device completes some, or all, while nobody is there. */
static void set_up(unsigned int device_steps)
{
	struct udrv_nvme_opts opts = { .io_queues = QUEUES, .depth = 8, .poll = true };
	struct nvme_model_opts mo = { .seed = 9 };

	nvme_fixture_init(&fx, &mo, &opts, (COMMANDS + 1) * 4096);
	nvme_fixture_start(&fx);
	for (unsigned int i = 0; i < COMMANDS; i++) {
		ck_assert_int_eq(submit(i < reads ? NVME_CMD_READ : NVME_CMD_WRITE, i % QUEUES, i),
				 0);
		udrv_nvme_ring(udrv_nvme_queue(fx.ctrl, i % QUEUES));
	}
	if (unrung)
		ck_assert_int_eq(submit(NVME_CMD_WRITE, 0, COMMANDS), 0);
	nvme_fixture_crash(&fx);
	nvme_model_run(fx.m, device_steps);
	nvme_model_forbid_setup(fx.m, true);
	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	ck_assert_int_eq(udrv_nvme_resume_begin(fx.fd.dev, &fx.opts, &fx.ctrl), 0);
}

static void finish(void)
{
	ck_assert_int_eq(udrv_nvme_resume_look(fx.ctrl), 0);
	ck_assert_int_eq(udrv_nvme_resume_finish(fx.ctrl), 0);
}

static unsigned int drain_all(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < QUEUES; i++)
		n += nvme_drain(udrv_nvme_queue(fx.ctrl, i), true);
	return n;
}

static uint64_t doorbells(void)
{
	struct udrv_nvme_snapshot snap;
	uint64_t n = 0;

	ck_assert_int_eq(udrv_nvme_inspect(fx.fd.st, &snap), 0);
	for (unsigned int i = 0; i <= QUEUES; i++)
		n += snap.q[i].sq_doorbells + snap.q[i].cq_doorbells;
	return n;
}

START_TEST(delivered_before_the_device_is_there)
{
	const struct udrv_nvme_resume_report *r;
	uint64_t before;

	set_up(1000);
	before = doorbells();
	r = udrv_nvme_resume_report(fx.ctrl);
	ck_assert_uint_eq(r->in_flight, COMMANDS);
	ck_assert_uint_eq(drain_all(), 0);
	udrv_nvme_resume_take(fx.ctrl);
	ck_assert_uint_eq(drain_all(), COMMANDS);
	ck_assert_uint_eq(doorbells(), before);

	/* One for each queue whose head has moved, and no command is taken for one in doubt. */
	finish();
	ck_assert_uint_eq(doorbells(), before + QUEUES);
	ck_assert_uint_eq(r->in_flight, COMMANDS);
	ck_assert_uint_eq(r->completed, COMMANDS);
	ck_assert_uint_eq(r->nudges, 0);
	ck_assert_uint_eq(drain_all(), 0);
	nvme_fixture_end(&fx);
}
END_TEST

/* Some at each step; together all of them, once. */
START_TEST(what_comes_meanwhile)
{
	unsigned int early = 0, late = 0;

	set_up(0);
	while (early < COMMANDS / 2) {
		nvme_model_run(fx.m, 1);
		udrv_nvme_resume_take(fx.ctrl);
		early += drain_all();
	}
	nvme_model_run(fx.m, 5);
	finish();
	for (unsigned int i = 0; early + late < COMMANDS && i < 1000; i++) {
		late += drain_all();
		nvme_model_run(fx.m, 1);
	}
	ck_assert_uint_gt(late, 0);
	ck_assert_uint_eq(early + late, COMMANDS);
	ck_assert_uint_eq(drain_all(), 0);
	nvme_fixture_end(&fx);
}
END_TEST

/* A read's data may turn out to be elsewhere: it comes when the addresses were compared. */
START_TEST(reads_wait)
{
	struct udrv_nvme_done done[COMMANDS];
	unsigned int n = 0;

	reads = COMMANDS / 2;
	set_up(1000);
	for (unsigned int round = 0; round < 2; round++) {
		udrv_nvme_resume_take(fx.ctrl);
		for (unsigned int i = 0; i < QUEUES; i++) {
			struct udrv_nvme_queue *q = udrv_nvme_queue(fx.ctrl, i);

			/* One by one: those that stay are stepped over each time. */
			while (udrv_nvme_poll(q, &done[n], 1) == 1) {
				ck_assert_uint_eq(done[n].opcode, NVME_CMD_WRITE);
				ck_assert_int_eq(udrv_nvme_release(q, done[n].slot), 0);
				n++;
			}
		}
		ck_assert_uint_eq(n, COMMANDS - reads);
	}
	finish();
	ck_assert_uint_eq(drain_all(), reads);
	nvme_fixture_end(&fx);
}
END_TEST

/* Released when its owner likes: it is not handed out once more, and its slot not given away. */
START_TEST(handed_out_and_not_released)
{
	struct udrv_nvme_done done[COMMANDS];
	struct udrv_nvme_queue *q;
	int n;

	set_up(1000);
	q = udrv_nvme_queue(fx.ctrl, 0);
	udrv_nvme_resume_take(fx.ctrl);
	n = udrv_nvme_poll(q, done, COMMANDS);
	ck_assert_int_eq(n, COMMANDS / QUEUES);
	udrv_nvme_resume_take(fx.ctrl);
	ck_assert_int_eq(udrv_nvme_poll(q, done + n, 1), 0);
	finish();
	ck_assert_uint_eq(drain_all(), COMMANDS - COMMANDS / QUEUES);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), COMMANDS / QUEUES);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(udrv_nvme_release(q, done[i].slot), 0);
	ck_assert_int_eq(udrv_nvme_release(q, done[0].slot), -EINVAL);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 0);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(nothing_is_submitted_before)
{
	struct udrv_nvme_queue *q;
	uint64_t before;

	unrung = true;
	set_up(1000);
	before = doorbells();
	q = udrv_nvme_queue(fx.ctrl, 0);
	udrv_nvme_resume_take(fx.ctrl);
	ck_assert_uint_eq(drain_all(), COMMANDS);
	ck_assert_int_eq(submit(NVME_CMD_WRITE, 0, 0), -EAGAIN);
	udrv_nvme_ring(q);
	ck_assert_int_eq(udrv_nvme_resume_look(fx.ctrl), 0);
	ck_assert_int_eq(submit(NVME_CMD_WRITE, 0, 0), -EAGAIN);
	udrv_nvme_ring(q);
	ck_assert_uint_eq(doorbells(), before);
	ck_assert_int_eq(udrv_nvme_resume_finish(fx.ctrl), 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).cookie[0], COMMANDS);
	ck_assert_int_eq(submit(NVME_CMD_WRITE, 0, 0), 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).cookie[0], 0);
	nvme_fixture_end(&fx);
}
END_TEST

/* The device turns out to be another than the state's: what has completed has, the rest is lost. */
START_TEST(refused_later)
{
	struct udrv_nvme_done done[COMMANDS];
	unsigned int early, completed = 0, lost = 0;

	set_up(20);
	udrv_nvme_resume_take(fx.ctrl);
	early = drain_all();
	ck_assert_uint_gt(early, 0);
	ck_assert_uint_lt(early, COMMANDS);
	nvme_model_poke(fx.m, NVME_REG_CC, 0);
	ck_assert_int_eq(udrv_nvme_resume_look(fx.ctrl), -ESTALE);
	udrv_nvme_detach(fx.ctrl);
	nvme_model_forbid_setup(fx.m, false);
	nvme_fixture_start(&fx);
	for (unsigned int i = 0; i < QUEUES; i++) {
		struct udrv_nvme_queue *q = udrv_nvme_queue(fx.ctrl, i);
		int n = udrv_nvme_poll(q, done, COMMANDS);

		ck_assert_int_ge(n, 0);
		for (int k = 0; k < n; k++) {
			*(done[k].status == UDRV_NVME_LOST ? &lost : &completed) += 1;
			ck_assert_int_eq(udrv_nvme_release(q, done[k].slot), 0);
		}
	}
	ck_assert_uint_gt(lost, 0);
	ck_assert_uint_eq(early + completed + lost, COMMANDS);
	nvme_fixture_end(&fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme-resume-steps");
	TCase *tc = suite_case(suite, "steps", 60);

	tcase_add_test(tc, delivered_before_the_device_is_there);
	tcase_add_test(tc, what_comes_meanwhile);
	tcase_add_test(tc, reads_wait);
	tcase_add_test(tc, handed_out_and_not_released);
	tcase_add_test(tc, nothing_is_submitted_before);
	tcase_add_test(tc, refused_later);
	return suite_run(suite);
}
