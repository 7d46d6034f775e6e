// SPDX-License-Identifier: BSD-2-Clause
/* When a host's successor comes: at once, then after twice the time, and not for ever. */
#include <check.h>

#include "tests/unit/suite.h"
#include "udrv/agent/backoff.h"

#define SECOND 1000000000ull

START_TEST(doubles_up_to_the_longest)
{
	static const uint64_t ms[] = { 0, 50, 100, 200, 400, 800, 1600, 3200, 5000, 5000 };
	uint64_t now = 1000 * SECOND;
	struct backoff b;

	backoff_init(&b);
	for (unsigned int i = 0; i < sizeof(ms) / sizeof(ms[0]); i++) {
		ck_assert(backoff_death(&b, now, 0));
		ck_assert_uint_eq(b.due_ns - now, ms[i] * 1000000);
		now = b.due_ns + 1;
	}
}
END_TEST

START_TEST(a_host_that_ran_for_a_while_ends_the_row)
{
	uint64_t now = 1000 * SECOND;
	struct backoff b;

	backoff_init(&b);
	for (unsigned int i = 0; i < 5; i++)
		ck_assert(backoff_death(&b, now, 0));
	/* Running, but not for long: one more of the same. */
	ck_assert(backoff_death(&b, now, now - BACKOFF_STEADY_NS + 1));
	ck_assert_uint_eq(b.streak, 6);
	ck_assert(backoff_death(&b, now, now - BACKOFF_STEADY_NS));
	ck_assert_uint_eq(b.streak, 1);
	ck_assert_uint_eq(b.due_ns, now);
}
END_TEST

START_TEST(the_limit_is_the_users)
{
	struct backoff b;

	backoff_init(&b);
	b.limit = 3;
	for (unsigned int i = 0; i < 3; i++)
		ck_assert(backoff_death(&b, SECOND, 0));
	ck_assert(!backoff_death(&b, SECOND, 0));
	backoff_init(&b);
	b.limit = 0;
	b.max_ns = 0;
	for (unsigned int i = 0; i < 10000; i++) {
		ck_assert(backoff_death(&b, SECOND, 0));
		ck_assert_uint_eq(b.due_ns, SECOND);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("backoff");
	TCase *tc = suite_case(suite, "backoff", 60);

	tcase_add_test(tc, doubles_up_to_the_longest);
	tcase_add_test(tc, a_host_that_ran_for_a_while_ends_the_row);
	tcase_add_test(tc, the_limit_is_the_users);
	return suite_run(suite);
}
