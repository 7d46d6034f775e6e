// SPDX-License-Identifier: GPL-2.0-or-later
/* What PID 1 leaves to a child must not keep open what PID 1 has in custody. */
#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/suite.h"
#include "udrv/common/app.h"
#include "udrv/init/init.h"

const char *__wrap_app_cmdline(void);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mount(const char *source, const char *target, const char *type, unsigned long flags,
		 const void *data);

const char *__wrap_app_cmdline(void)
{
	return "quiet udrv.share=host0";
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	(void)path;
	(void)mode;
	return 0;
}

/* A share whose server does not answer. */
int __wrap_mount(const char *source, const char *target, const char *type, unsigned long flags,
		 const void *data)
{
	(void)source;
	(void)target;
	(void)flags;
	(void)data;
	while (!strcmp(type, "9p"))
		pause();
	return 0;
}

START_TEST(custody_is_not_held)
{
	int custody[2], status;
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(custody), 0);
	pid = late_start(true);
	ck_assert_int_gt(pid, 0);
	close(custody[1]);
	/* The end of it, as nobody has the other end any more. */
	ck_assert_int_eq(read(custody[0], &c, 1), 0);
	ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(custody[0]);
}
END_TEST

START_TEST(nothing_to_do)
{
	ck_assert_int_eq(late_start(false), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("late");
	TCase *tc = suite_case(suite, "late", 10);

	tcase_add_test(tc, custody_is_not_held);
	tcase_add_test(tc, nothing_to_do);
	return suite_run(suite);
}
