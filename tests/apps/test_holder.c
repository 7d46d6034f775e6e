// SPDX-License-Identifier: BSD-2-Clause
/*
 * An update that somebody else is in the way of: the refusal names the process, and what it holds.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/suite.h"
#include "udrv/agent/holder.h"

static int luo_error, session_error;
static char why[192];

int luo_open(void)
{
	return luo_error ? luo_error : 1000;
}

int luo_create_session(int luo, const char *name)
{
	ck_assert_int_eq(luo, 1000);
	ck_assert_str_eq(name, SESSION_NAME);
	return session_error ? session_error : 2000;
}

START_TEST(who_has_it_is_named)
{
	char expected[64], found[64];
	int memfd, ready[2];
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_NAME, "in the way");
		memfd = memfd_create("what is wanted", MFD_CLOEXEC);
		if (memfd >= 0 && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	snprintf(expected, sizeof(expected), "process %d (in the way)", pid);
	ck_assert(holder_find("/memfd:what is wanted (deleted)", found, sizeof(found)));
	ck_assert_str_eq(found, expected);
	/* As much of it as is asked for is not enough. */
	ck_assert(!holder_find("/memfd:what is wanted", found, sizeof(found)));
	ck_assert_str_eq(found, "another process");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert(!holder_find("/memfd:what is wanted (deleted)", found, sizeof(found)));
}
END_TEST

START_TEST(oneself_is_not_in_the_way)
{
	int memfd = memfd_create("one's own", MFD_CLOEXEC);
	char found[64];

	ck_assert(!holder_find("/memfd:one's own (deleted)", found, sizeof(found)));
	close(memfd);
}
END_TEST

START_TEST(the_device)
{
	int luo = -EBUSY;

	luo_error = -EBUSY;
	ck_assert_int_eq(holder_open_luo(&luo, why, sizeof(why)), -EBUSY);
	ck_assert_str_eq(why, "/dev/liveupdate is open in another process: end it first");
	luo_error = -ENOENT;
	ck_assert_int_eq(holder_open_luo(&luo, why, sizeof(why)), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why, "liveupdate=on"));
	luo_error = -EACCES;
	ck_assert_int_eq(holder_open_luo(&luo, why, sizeof(why)), -EACCES);
	ck_assert_ptr_nonnull(strstr(why, "/dev/liveupdate: "));
	/* It is tried again each time, and not once it is open. */
	luo_error = 0;
	ck_assert_int_eq(holder_open_luo(&luo, why, sizeof(why)), 0);
	luo_error = -EBUSY;
	ck_assert_int_eq(holder_open_luo(&luo, why, sizeof(why)), 0);
	ck_assert_int_eq(luo, 1000);
}
END_TEST

START_TEST(the_session)
{
	session_error = -EEXIST;
	ck_assert_int_eq(holder_create_session(1000, why, sizeof(why)), -EEXIST);
	ck_assert_str_eq(why, "another process holds a session 'udrv': end it first");
	session_error = -ENOMEM;
	ck_assert_int_eq(holder_create_session(1000, why, sizeof(why)), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(why, "cannot create the session 'udrv'"));
	session_error = 0;
	ck_assert_int_eq(holder_create_session(1000, why, sizeof(why)), 2000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("holder");
	TCase *tc = suite_case(suite, "holder", 60);

	tcase_add_test(tc, who_has_it_is_named);
	tcase_add_test(tc, oneself_is_not_in_the_way);
	tcase_add_test(tc, the_device);
	tcase_add_test(tc, the_session);
	return suite_run(suite);
}
