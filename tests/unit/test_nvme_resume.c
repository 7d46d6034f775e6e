// SPDX-License-Identifier: BSD-2-Clause
/*
 * Resume at every step: the driver is stopped after each store to persistent memory and after each
 * doorbell in turn, a successor takes over the same memory and the same, still running controller,
 * and the owner's book has to come out right.
 */
#include <check.h>
#include <errno.h>

#include <udrv/loop.h>

#include "tests/unit/crash.h"
#include "tests/unit/nvme_workload.h"
#include "tests/unit/suite.h"

struct setting {
	struct nvme_model_opts model;
	struct udrv_nvme_opts opts;
	struct workload_opts load;
	unsigned int device_steps; /* taken by the device while there is no driver, at most */
};

static struct nvme_fixture fx;
static struct workload load;
static bool in_steps;	/* the owner gets what there is before the device can be used */
static bool reconciled; /* by a resume in steps */

static void set_up(const struct setting *s)
{
	nvme_fixture_init(&fx, &s->model, &s->opts, workload_buffer_size(s->load.ops));
	nvme_fixture_start(&fx);
	workload_init(&load, &fx, &s->load);
	nvme_model_forbid_setup(fx.m, true);
}

static void work(void *unused)
{
	(void)unused;
	workload_run(&load);
}

/* Stop at step @at of the workload. false: it finished before. */
static bool run_until(unsigned int at)
{
	return crash_after(at, work, NULL);
}

static void resume_at_once(void *unused)
{
	int err = udrv_nvme_resume(fx.fd.dev, &fx.opts, &fx.ctrl);

	(void)unused;
	ck_assert_msg(!err, "resume: %d, %s", err, fx.log.last);
}

/* The device goes on meanwhile, so that there is something new each time. */
static void resume_in_steps(void *unused)
{
	(void)unused;
	ck_assert_int_eq(udrv_nvme_resume_begin(fx.fd.dev, &fx.opts, &fx.ctrl), 0);
	workload_reconcile(&load);
	reconciled = true;
	for (unsigned int i = 0; i < 3; i++) {
		udrv_nvme_resume_take(fx.ctrl);
		workload_deliver(&load);
		nvme_model_run(fx.m, 2 * i);
	}
	ck_assert_int_eq(udrv_nvme_resume_look(fx.ctrl), 0);
	udrv_nvme_resume_take(fx.ctrl);
	workload_deliver(&load);
	nvme_model_run(fx.m, 3);
	ck_assert_int_eq(udrv_nvme_resume_finish(fx.ctrl), 0);
}

/* Stop at step @at of the resume, 0: never. false: it finished before. */
static bool resume_until(unsigned int at)
{
	bool stopped;

	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	reconciled = false;
	stopped = crash_after(at, in_steps ? resume_in_steps : resume_at_once, NULL);
	if (stopped)
		fx.ctrl = NULL;
	return stopped;
}

static void crash(const struct setting *s, uint64_t salt)
{
	nvme_fixture_crash(&fx);
	if (s->device_steps)
		nvme_model_run(fx.m,
			       (unsigned int)(salt * 2654435761u >> 7) % (s->device_steps + 1));
}

static void finish(void)
{
	if (!reconciled)
		workload_reconcile(&load);
	workload_run(&load);
	ck_assert_uint_eq(load.resumed, udrv_nvme_resume_report(fx.ctrl)->in_flight);
	workload_verify(&load);
}

static const struct setting settings[] = {
	/* The device does nothing while there is no driver. */
	/* clang-format off */
	{ { .seed = 3 }, { .io_queues = 1, .depth = 4, .poll = true },
	  { .ops = 20, .batch = 3, .seed = 1 }, 0 },
	/* It does something. */
	{ { .seed = 4 }, { .io_queues = 2, .depth = 8, .poll = true },
	  { .ops = 24, .batch = 6, .seed = 2 }, 20 },
	/* The smallest rings: 6 entries, of which 4 are the reserve. */
	{ { .seed = 5, .mqes = 5 }, { .io_queues = 1, .depth = 8, .poll = true },
	  { .ops = 16, .batch = 2, .seed = 3 }, 8 },
	/* Rings that are no power of two, and wrap often; with everything completed in between. */
	{ { .seed = 6, .mqes = 8 }, { .io_queues = 1, .depth = 8, .poll = true },
	  { .ops = 40, .batch = 4, .seed = 4 }, 1000 },
	/*
	 * No more entries than the depth and the reserve need: there must be
	 * room for every completion.
	 */
	{ { .seed = 7, .mqes = 15 }, { .io_queues = 1, .depth = 11, .poll = true },
	  { .ops = 60, .batch = 11, .seed = 6 }, 0 },
	/* clang-format on */
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

/* Each setting is resumed at once, then each in steps. */
static const struct setting *setting(int i)
{
	in_steps = (size_t)i >= SETTINGS;
	return &settings[(size_t)i % SETTINGS];
}

START_TEST(resume_at_every_step)
{
	const struct setting *s = setting(_i);
	unsigned int at = 0;
	bool more;

	do {
		set_up(s);
		more = run_until(++at);
		if (more) {
			crash(s, at);
			ck_assert(!resume_until(0));
			finish();
		} else {
			workload_verify(&load);
		}
		nvme_fixture_free(&fx);
	} while (more);
	ck_assert_uint_gt(at, 100);
}
END_TEST

/* And the successor is stopped as well, at every step of its resume. */
START_TEST(resume_at_every_step_of_a_resume)
{
	const struct setting *s = setting(_i);
	bool more;

	for (unsigned int at = 1 + (unsigned int)_i;; at += in_steps ? 37 : 13) {
		unsigned int second = 0;
		bool again;

		do {
			set_up(s);
			more = run_until(at);
			if (!more)
				break;
			crash(s, at);
			again = resume_until(++second);
			if (again) {
				crash(s, second);
				ck_assert(!resume_until(0));
			}
			finish();
			nvme_fixture_free(&fx);
		} while (again);
		if (!more) {
			nvme_fixture_free(&fx);
			break;
		}
	}
}
END_TEST

/* A doubtful doorbell whose commands have completed is not in doubt, and takes no nudge. */
START_TEST(a_completion_settles_a_doubt)
{
	uint32_t nudges[2] = { 0 };
	unsigned int at = 0;
	bool more;

	do {
		at++;
		for (unsigned int complete = 0; complete < 2; complete++) {
			set_up(&settings[0]);
			more = run_until(at);
			if (more) {
				nvme_fixture_crash(&fx);
				if (complete)
					nvme_model_run(fx.m, 1000);
				ck_assert(!resume_until(0));
				nudges[complete] += udrv_nvme_resume_report(fx.ctrl)->nudges;
			}
			nvme_fixture_free(&fx);
		}
	} while (more);
	/*
	 * After `ringing` the doorbell was not written, after the doorbell it was: one nudge each
	 * without completions.
	 */
	ck_assert_uint_gt(nudges[0], 10);
	ck_assert_uint_le(nudges[1] * 4, nudges[0] * 3);
}
END_TEST

/* Whatever the predecessor left: resume, or else start anew. */
static void take_over(void)
{
	int err;

	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	err = udrv_nvme_resume(fx.fd.dev, &fx.opts, &fx.ctrl);
	if (err) {
		ck_assert_int_eq(err, -EAGAIN);
		err = udrv_nvme_start(fx.fd.dev, &fx.opts, &fx.ctrl);
	}
	ck_assert_msg(!err, "take over: %d, %s", err, fx.log.last);
}

static void reset(void *unused)
{
	(void)unused;
	ck_assert_int_eq(udrv_nvme_reset(fx.ctrl), 0);
}

/* A reset that is cut short is begun again; each command ends once, completed or lost. */
START_TEST(stopped_at_every_step_of_a_reset)
{
	static const struct setting s = { { .seed = 8 },
					  { .io_queues = 2, .depth = 8, .poll = true },
					  { .ops = 30, .batch = 6, .seed = 7 },
					  0 };
	unsigned int at = 0;
	bool more;

	do {
		set_up(&s);
		nvme_model_forbid_setup(fx.m, false);
		load.may_lose = true;
		workload_rounds(&load, 2);
		more = crash_after(++at, reset, NULL);
		if (more) {
			crash(&s, at);
			take_over();
			workload_reconcile(&load);
		}
		workload_run(&load);
		workload_verify(&load);
		nvme_fixture_free(&fx);
	} while (more);
	ck_assert_uint_gt(at, 100);
}
END_TEST

static void start(void *unused)
{
	(void)unused;
	ck_assert_int_eq(udrv_nvme_start(fx.fd.dev, &fx.opts, &fx.ctrl), 0);
}

START_TEST(stopped_at_every_step_of_a_start)
{
	struct udrv_nvme_opts opts = { .io_queues = 2, .depth = 4, .poll = true };
	struct nvme_model_opts mo = { .seed = 9 };
	unsigned int at = 0;
	bool more;

	do {
		nvme_fixture_init(&fx, &mo, &opts, 4096);
		more = crash_after(++at, start, NULL);
		if (more) {
			fx.ctrl = NULL;
			nvme_fixture_crash(&fx);
			take_over();
		}
		ck_assert_int_eq(udrv_dma_alloc(fx.fd.dma, 4096, 4096, 0, 99, &fx.buf), 0);
		ck_assert_int_eq(nvme_submit(udrv_nvme_queue(fx.ctrl, 1), NVME_CMD_READ, 1, 0, 1,
					     fx.buf, 4096, 1),
				 0);
		ck_assert_uint_eq(nvme_complete(&fx, udrv_nvme_queue(fx.ctrl, 1)).status, 0);
		/* Nothing was allocated twice. */
		ck_assert_uint_le(udrv_dma_used(fx.fd.dma), 200 << 10);
		nvme_fixture_end(&fx);
	} while (more);
	ck_assert_uint_gt(at, 100);
}
END_TEST

static void on_irq(void *ctx, struct udrv_nvme_queue *q)
{
	*(unsigned int *)ctx += nvme_drain(q, true);
}

/* What completed while nobody listened comes with the first signal after the vectors are armed. */
START_TEST(interrupts_after_a_resume)
{
	struct udrv_nvme_opts opts = { .io_queues = 3, .depth = 8 };
	struct nvme_model_opts mo = { .seed = 9, .vectors = 4 };
	unsigned int got = 0;

	nvme_fixture_init(&fx, &mo, &opts, 65536);
	nvme_fixture_start(&fx);
	for (unsigned int i = 0; i < 12; i++) {
		ck_assert_int_eq(nvme_submit(udrv_nvme_queue(fx.ctrl, i % 3), NVME_CMD_READ, 1, i,
					     1, fx.buf + i * 4096, 4096, i),
				 0);
		udrv_nvme_ring(udrv_nvme_queue(fx.ctrl, i % 3));
	}
	nvme_fixture_crash(&fx);
	nvme_model_run(fx.m, 1000);
	nvme_model_forbid_setup(fx.m, true);
	ck_assert_int_eq(nvme_fixture_resume(&fx), 0);
	ck_assert_uint_eq(udrv_nvme_resume_report(fx.ctrl)->in_flight, 12);
	ck_assert_uint_eq(udrv_nvme_resume_report(fx.ctrl)->completed, 12);
	ck_assert_int_eq(nvme_fixture_listen(&fx, on_irq, &got), 0);
	for (unsigned int i = 0; i < 10; i++)
		ck_assert_int_ge(udrv_loop_run_once(fx.loop, 0), 0);
	ck_assert_uint_eq(got, 12);
	nvme_fixture_end(&fx);
}
END_TEST

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % below;
}

/* Long runs with many crashes at random steps, of the workload and of resumes. */
START_TEST(crash_loop)
{
	struct setting s = { 0 };
	unsigned int crashes = 0;

	seed = (uint64_t)_i * 1000003 + 17;
	in_steps = _i % 2;
	s.model = (struct nvme_model_opts){ .seed = seed,
					    .mqes = (uint16_t)(5 + rnd(40)),
					    .dstrd = (uint8_t)rnd(2) };
	s.opts = (struct udrv_nvme_opts){ .io_queues = 1 + rnd(3),
					  .depth = 1 + rnd(30),
					  .poll = true };
	s.load = (struct workload_opts){ .ops = 60 + rnd(60), .batch = 1 + rnd(8), .seed = seed };
	s.device_steps = rnd(3) ? rnd(60) : 0;

	set_up(&s);
	while (run_until(1 + rnd(150))) {
		crash(&s, rnd(1000));
		/*
		 * The reserve is 4 a queue: a device that does nothing meanwhile must not be
		 * crashed upon for ever.
		 */
		for (unsigned int n = rnd(3); n && resume_until(1 + rnd(60)); n--) {
			crash(&s, rnd(1000));
			nvme_model_run(fx.m, rnd(10));
		}
		if (!fx.ctrl)
			ck_assert(!resume_until(0));
		if (!reconciled)
			workload_reconcile(&load);
		crashes++;
	}
	ck_assert_uint_gt(crashes, 3);
	workload_verify(&load);
	nvme_fixture_free(&fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme-resume");
	TCase *tc = suite_case(suite, "steps", 240);

	tcase_add_loop_test(tc, resume_at_every_step, 0, 2 * SETTINGS);
	tcase_add_loop_test(tc, resume_at_every_step_of_a_resume, 0, 2 * SETTINGS);
	tcase_add_test(tc, a_completion_settles_a_doubt);
	tcase_add_test(tc, stopped_at_every_step_of_a_reset);
	tcase_add_test(tc, stopped_at_every_step_of_a_start);
	tcase_add_test(tc, interrupts_after_a_resume);
	tcase_add_loop_test(tc, crash_loop, 0, 100);
	return suite_run(suite);
}
