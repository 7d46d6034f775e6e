// SPDX-License-Identifier: BSD-2-Clause
/* State that is read while it is written. */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "tests/unit/state_fixture.h"
#include "tests/unit/suite.h"

static bool writer_done;

static void *write_many(void *ctx)
{
	struct udrv_state *st = ctx;
	int err = 0;

	for (uint64_t i = 3; i < 3000 && !err; i++)
		err = commit_value(st, i);
	__atomic_store_n(&writer_done, true, __ATOMIC_RELEASE);
	return (void *)(intptr_t)err;
}

START_TEST(reader_beside_writer)
{
	struct udrv_state *st;
	uint64_t last = 0;
	pthread_t thread;
	void *err;

	make_state();
	ck_assert_int_eq(udrv_state_open(memfd, 0, NULL, &st), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, write_many, st), 0);
	while (!__atomic_load_n(&writer_done, __ATOMIC_ACQUIRE)) {
		struct udrv_state *reader;
		int ret = udrv_state_open(memfd, UDRV_STATE_RDONLY, &flog.log, &reader);

		if (ret)
			ck_abort_msg("opened after generation %lu: %d: %s", last, ret, flog.last);
		ck_assert_uint_eq(value_of(reader), udrv_state_generation(reader));
		ck_assert_uint_ge(value_of(reader), last);
		last = value_of(reader);
		udrv_state_close(reader);
	}
	pthread_join(thread, &err);
	ck_assert_ptr_null(err);
	udrv_state_close(st);
	ck_assert_uint_eq(flog.count[UDRV_LOG_WARN], 0);
}
END_TEST

static struct udrv_state *overtaking_st;
static uint64_t overtaking_value;

/* Two commits and more in the middle of whatever the reader does: both copies are others then. */
static void overtake(int sig)
{
	(void)sig;
	for (int i = 0; i < 3; i++)
		commit_value(overtaking_st, ++overtaking_value);
}

START_TEST(reader_overtaken)
{
	const struct sigaction sa = { .sa_handler = overtake };
	const struct timeval tick = { .tv_usec = 300 };
	struct itimerval timer = { .it_interval = tick, .it_value = tick };
	uint64_t last = 0;

	make_state();
	ck_assert_int_eq(udrv_state_open(memfd, 0, NULL, &overtaking_st), 0);
	overtaking_value = 2;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (int i = 0; i < 20000 && last < 20000; i++) {
		struct udrv_state *reader;
		uint64_t value, generation;
		int err;

		err = udrv_state_open(memfd, UDRV_STATE_RDONLY, &flog.log, &reader);
		if (err)
			ck_abort_msg("opened at generation %lu and %d: %s", last, err, flog.last);
		value = value_of(reader);
		generation = udrv_state_generation(reader);
		udrv_state_close(reader);
		if (value != generation || value < last)
			ck_abort_msg("generation %lu, value %lu, last %lu", generation, value,
				     last);
		last = value;
	}
	timer = (struct itimerval){ 0 };
	setitimer(ITIMER_REAL, &timer, NULL);
	ck_assert_uint_gt(last, 100);
	ck_assert_uint_eq(flog.count[UDRV_LOG_WARN], 0);
	udrv_state_close(overtaking_st);
}
END_TEST

static unsigned int commits; /* beside each reading */

uint32_t __real_udrv_crc32c(uint32_t crc, const void *buf, size_t len);
uint32_t __wrap_udrv_crc32c(uint32_t crc, const void *buf, size_t len);

uint32_t __wrap_udrv_crc32c(uint32_t crc, const void *buf, size_t len)
{
	unsigned int n = commits;

	commits = 0;
	for (unsigned int i = 0; i < n; i++)
		ck_assert_int_eq(commit_value(overtaking_st, ++overtaking_value), 0);
	commits = n;
	return __real_udrv_crc32c(crc, buf, len);
}

/* A writer that never rests does not keep a reader from what it had committed. */
START_TEST(reader_beside_a_restless_writer)
{
	struct udrv_state *reader;
	int err;

	make_state();
	ck_assert_int_eq(udrv_state_open(memfd, 0, NULL, &overtaking_st), 0);
	overtaking_value = 2;
	commits = (unsigned int)_i + 1;
	err = udrv_state_open(memfd, UDRV_STATE_RDONLY, &flog.log, &reader);
	commits = 0;
	if (err)
		ck_abort_msg("%u commits beside each reading: %d: %s", _i + 1, err, flog.last);
	ck_assert_uint_gt(overtaking_value, 2);
	ck_assert_uint_eq(value_of(reader), udrv_state_generation(reader));
	ck_assert_uint_eq(flog.count[UDRV_LOG_WARN], 0);
	udrv_state_close(reader);
	udrv_state_close(overtaking_st);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state-reader");
	TCase *tc = suite_case(suite, "reader", 120);

	tcase_add_checked_fixture(tc, state_setup, state_teardown);
	tcase_add_test(tc, reader_beside_writer);
	tcase_add_test(tc, reader_overtaken);
	tcase_add_loop_test(tc, reader_beside_a_restless_writer, 0, 3);
	return suite_run(suite);
}
