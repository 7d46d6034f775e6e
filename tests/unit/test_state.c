// SPDX-License-Identifier: BSD-2-Clause
/* State: what is written comes back, whole or not at all, wherever its writer dies. */
#include <check.h>
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/crash.h"
#include "tests/unit/state_fixture.h"
#include "tests/unit/suite.h"

START_TEST(round_trip)
{
	struct udrv_state *st;
	uint8_t *one, *two;
	size_t size;

	make_state();
	ck_assert_int_eq(udrv_state_open(memfd, 0, &flog.log, &st), 0);
	ck_assert_uint_eq(udrv_state_generation(st), 2);
	ck_assert_uint_eq(value_of(st), 2);
	ck_assert_int_eq(udrv_state_lifecycle(st), UDRV_READY);
	one = udrv_state_area(st, "one", &size);
	ck_assert_ptr_nonnull(one);
	ck_assert_uint_eq(size, 100);
	ck_assert_uint_eq((uintptr_t)one % 64, 0);
	ck_assert_int_eq(one[99], 0x11);
	two = udrv_state_area(st, "two", &size);
	ck_assert_ptr_nonnull(two);
	ck_assert_uint_eq(size, 4096);
	ck_assert_int_eq(two[4095], 0x22);
	ck_assert(two >= one + 100 || one >= two + 4096);
	ck_assert_ptr_null(udrv_state_area(st, "three", NULL));
	ck_assert_int_eq(errno, ENOENT);
	udrv_state_close(st);
	ck_assert_uint_eq(flog.count[UDRV_LOG_WARN] + flog.count[UDRV_LOG_ERR], 0);
}
END_TEST

START_TEST(words)
{
	struct udrv_state *st, *reader;

	make_state();
	ck_assert_int_eq(udrv_state_open(memfd, 0, &flog.log, &st), 0);
	ck_assert_int_eq(udrv_state_open(memfd, UDRV_STATE_RDONLY, &flog.log, &reader), 0);
	for (int lc = UDRV_INIT; lc <= UDRV_CLOSING; lc++) {
		udrv_state_set_lifecycle(st, (enum udrv_lifecycle)lc);
		ck_assert_int_eq(udrv_state_lifecycle(reader), lc);
	}
	header()->lifecycle = htole32(77);
	ck_assert_int_eq(udrv_state_lifecycle(reader), UDRV_RESETTING);
	ck_assert(!udrv_state_updating(reader));
	udrv_state_set_updating(st, true);
	ck_assert(udrv_state_updating(reader));
	udrv_state_set_updating(st, false);
	ck_assert(!udrv_state_updating(reader));
	udrv_state_close(reader);
	udrv_state_close(st);
}
END_TEST

START_TEST(read_only)
{
	struct udrv_state *st;

	make_state();
	ck_assert_int_eq(udrv_state_open(memfd, UDRV_STATE_RDONLY, &flog.log, &st), 0);
	errno = 0;
	ck_assert_ptr_null(udrv_state_edit(st));
	ck_assert_int_eq(errno, EROFS);
	ck_assert_int_eq(udrv_state_commit(st), -EROFS);
	udrv_state_set_lifecycle(st, UDRV_INIT); /* would be a SIGSEGV */
	udrv_state_set_updating(st, true);
	ck_assert_int_eq(udrv_state_lifecycle(st), UDRV_READY);
	udrv_state_close(st);
}
END_TEST

START_TEST(misuse)
{
	struct udrv_state *st;
	void *mem, *fdt;
	char name[40];
	int err = 0;

	ck_assert_int_eq(udrv_state_format(memfd, &flog.log, &st), 0);
	ck_assert_uint_eq(udrv_state_generation(st), 0);
	ck_assert_int_eq(udrv_state_lifecycle(st), UDRV_INIT);
	ck_assert_int_eq(udrv_state_commit(st), -EINVAL);
	ck_assert_int_eq(udrv_state_area_add(st, "early", 64, &mem), -EINVAL);
	fdt = udrv_state_edit(st);
	ck_assert_int_eq(udrv_state_area_add(st, "a", 64, &mem), 0);
	ck_assert_int_eq(udrv_state_area_add(st, "a", 64, &mem), -EEXIST);
	ck_assert_int_eq(udrv_state_area_add(st, "", 64, &mem), -EINVAL);
	ck_assert_int_eq(udrv_state_area_add(st, "UPPER", 64, &mem), -EINVAL);
	ck_assert_int_eq(udrv_state_area_add(st, "a/b", 64, &mem), -EINVAL);
	ck_assert_int_eq(udrv_state_area_add(st, "abcdefghijklmnopqrstuvwxyz-12345", 64, &mem),
			 -EINVAL);
	ck_assert_int_eq(udrv_state_area_add(st, "zero", 0, &mem), -EINVAL);
	ck_assert_int_eq(udrv_state_area_add(st, "large", SIZE, &mem), -ENOSPC);
	ck_assert_int_eq(udrv_state_area_add(st, "wrap", SIZE_MAX, &mem), -ENOSPC);
	/* A tree that is not one any more is not committed. */
	memset(fdt, 0xff, 64);
	ck_assert_int_eq(udrv_state_commit(st), -EINVAL);
	/*
	 * An area that is not committed does not exist; a full tree is refused and the state lives
	 * on.
	 */
	ck_assert_ptr_null(udrv_state_area(st, "a", NULL));
	udrv_state_edit(st);
	for (int i = 0; !err; i++) {
		snprintf(name, sizeof(name), "area-%d", i);
		err = udrv_state_area_add(st, name, 64, &mem);
	}
	ck_assert_int_eq(err, -ENOSPC);
	ck_assert_int_eq(udrv_state_commit(st), 0);
	ck_assert_uint_eq(udrv_state_generation(st), 1);
	udrv_state_close(st);
	ck_assert_int_eq(open_close(), 0);
}
END_TEST

START_TEST(sizes)
{
	struct udrv_state *st;
	void *mem;

	ck_assert_int_eq(ftruncate(memfd, STATE_AREAS_OFF - 1), 0);
	ck_assert_int_eq(udrv_state_format(memfd, &flog.log, &st), -EINVAL);
	ck_assert_int_eq(ftruncate(memfd, (off_t)udrv_state_size(3 * 65, 3)), 0);
	ck_assert_int_eq(udrv_state_format(memfd, &flog.log, &st), 0);
	udrv_state_edit(st);
	ck_assert_int_eq(udrv_state_area_add(st, "a", 65, &mem), 0);
	ck_assert_int_eq(udrv_state_area_add(st, "b", 65, &mem), 0);
	ck_assert_int_eq(udrv_state_area_add(st, "c", 65, &mem), 0);
	ck_assert_int_eq(udrv_state_commit(st), 0);
	udrv_state_close(st);
	ck_assert_int_eq(udrv_state_open(-1, 0, &flog.log, &st), -EBADF);
}
END_TEST

static struct udrv_state *crash_st;

static void commit_3(void *ctx)
{
	(void)ctx;
	commit_value(crash_st, 3);
}

START_TEST(crash_in_commit)
{
	bool stopped = true;
	unsigned int n, saw[2] = { 0 };

	for (n = 1; stopped; n++) {
		struct udrv_state *st;

		make_state();
		ck_assert_int_eq(udrv_state_open(memfd, 0, &flog.log, &crash_st), 0);
		stopped = crash_after(n, commit_3, NULL);
		udrv_state_close(crash_st);

		ck_assert_int_eq(udrv_state_open(memfd, 0, &flog.log, &st), 0);
		ck_assert_uint_eq(value_of(st), udrv_state_generation(st));
		ck_assert(value_of(st) == 2 || value_of(st) == 3);
		saw[value_of(st) - 2]++;
		ck_assert_ptr_nonnull(udrv_state_area(st, "two", NULL));
		/* The successor's commit does not trip over what was left half done. */
		ck_assert_int_eq(commit_value(st, 9), 0);
		udrv_state_close(st);
		ck_assert_int_eq(udrv_state_open(memfd, 0, &flog.log, &st), 0);
		ck_assert_uint_eq(value_of(st), 9);
		udrv_state_close(st);
	}
	ck_assert_uint_gt(n, 5);
	ck_assert_uint_gt(saw[0], 4); /* every step but the last leaves the old tree in force */
	ck_assert_uint_gt(saw[1], 0);
	ck_assert_uint_eq(flog.count[UDRV_LOG_WARN] + flog.count[UDRV_LOG_ERR], 0);
}
END_TEST

static void format_again(void *ctx)
{
	struct udrv_state *st;

	(void)ctx;
	if (!udrv_state_format(memfd, NULL, &st))
		udrv_state_close(st);
}

START_TEST(crash_in_format)
{
	bool stopped = true;
	unsigned int n, opened = 0;

	for (n = 1; stopped; n++) {
		struct udrv_state *st;
		int err;

		make_state();
		stopped = crash_after(n, format_again, NULL);
		err = udrv_state_open(memfd, 0, NULL, &st);
		if (err) {
			ck_assert_int_eq(err, -EBADMSG);
			ck_assert(stopped);
			continue;
		}
		/* Never the old state's READY with the new state's tree. */
		ck_assert_uint_eq(udrv_state_generation(st), 0);
		ck_assert_int_eq(udrv_state_lifecycle(st), UDRV_INIT);
		ck_assert_ptr_null(udrv_state_area(st, "one", NULL));
		udrv_state_close(st);
		opened++;
	}
	ck_assert_uint_ge(opened, 1);
	ck_assert_uint_gt(n, 6);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state");
	TCase *tc = suite_case(suite, "state", 120);

	tcase_add_checked_fixture(tc, state_setup, state_teardown);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, words);
	tcase_add_test(tc, read_only);
	tcase_add_test(tc, misuse);
	tcase_add_test(tc, sizes);
	tcase_add_test(tc, crash_in_commit);
	tcase_add_test(tc, crash_in_format);
	return suite_run(suite);
}
