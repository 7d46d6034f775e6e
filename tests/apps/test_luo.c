// SPDX-License-Identifier: BSD-2-Clause
/* What LUO refuses for a moment is asked for again, nothing else is. The kernel is the test's. */
#include <check.h>
#include <errno.h>
#include <stdarg.h>

#include <linux/liveupdate.h>

#include "tests/unit/suite.h"
#include "udrv/common/luo.h"

#define SESSION 17
#define FILE_FD 18
#define TOKEN	19

static unsigned int calls, refusals; /* made; that are still to come */
static int reason;

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	const struct liveupdate_session_preserve_fd *arg;
	va_list ap;

	va_start(ap, request);
	arg = va_arg(ap, const struct liveupdate_session_preserve_fd *);
	va_end(ap);
	ck_assert_int_eq(fd, SESSION);
	ck_assert_uint_eq(request, LIVEUPDATE_SESSION_PRESERVE_FD);
	ck_assert_int_eq(arg->fd, FILE_FD);
	ck_assert_uint_eq(arg->token, TOKEN);
	calls++;
	if (!refusals)
		return 0;
	refusals--;
	errno = reason;
	return -1;
}

static int preserve(unsigned int times, int with)
{
	calls = 0;
	refusals = times;
	reason = with;
	return luo_preserve(SESSION, FILE_FD, TOKEN);
}

START_TEST(pages_that_could_not_be_moved)
{
	ck_assert_int_eq(preserve(0, 0), 0);
	ck_assert_uint_eq(calls, 1);
	ck_assert_int_eq(preserve(3, ENOMEM), 0);
	ck_assert_uint_eq(calls, 4);
	ck_assert_int_eq(preserve(LUO_PRESERVE_TRIES, ENOMEM), -ENOMEM);
	ck_assert_uint_eq(calls, LUO_PRESERVE_TRIES);
}
END_TEST

START_TEST(what_will_not_change)
{
	static const int reasons[] = { EBUSY, EINVAL, EOPNOTSUPP, ENOENT, ESTALE };

	for (unsigned int i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		ck_assert_int_eq(preserve(1, reasons[i]), -reasons[i]);
		ck_assert_uint_eq(calls, 1);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("luo");
	TCase *tc = suite_case(suite, "luo", 60);

	tcase_add_test(tc, pages_that_could_not_be_moved);
	tcase_add_test(tc, what_will_not_change);
	return suite_run(suite);
}
