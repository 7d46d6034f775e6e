// SPDX-License-Identifier: BSD-2-Clause
/*
 * PID 1 survives what takes devices over, however that ends, and everything but custody's
 * descriptors is closed afterwards; a host that was forked meanwhile is no second PID 1.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/suite.h"
#include "udrv/agent/custody.h"
#include "udrv/common/app.h"
#include "udrv/init/init.h"

static int deadly; /* the signal by which it ends; 0: it does not */
static bool in_host, damaged, stuck;
static unsigned int closed, mounted, kept, undone;
static int full; /* what custody refuses descriptors with */

/* What is around takeover.c. */

int custody_keep_handle(const struct udrv_handle *h)
{
	(void)h;
	kept++;
	return 0;
}

int custody_keep_fd(const char *name, int fd)
{
	(void)name;
	(void)fd;
	if (full)
		return full;
	kept++;
	return 0;
}

int custody_forget(const char *name)
{
	(void)name;
	kept--;
	return 0;
}

bool custody_keeps(const char *name)
{
	(void)name;
	return kept > 1;
}

void udrv_take_over_undo(bool (*is_kept)(const char *name))
{
	ck_assert_uint_eq(closed, 0);
	ck_assert(is_kept("lease-nvme0") == (kept > 1));
	undone++;
	if (damaged)
		raise(SIGSEGV);
	while (stuck)
		pause();
}

void custody_close_others(void)
{
	closed++;
	if (damaged)
		raise(SIGSEGV);
}

void mounts_other(void)
{
	mounted++;
}

static void end(void)
{
	volatile int *nowhere = (volatile int *)8;

	if (deadly == SIGSEGV)
		*nowhere = 1;
	else if (deadly == SIGABRT)
		abort();
	else if (deadly)
		raise(deadly);
}

void udrv_take_over(const struct custody_backend *keeper, uint64_t tsc_init)
{
	struct udrv_handle h = { .name = "nvme0" };
	int status;
	pid_t pid;

	ck_assert_uint_eq(tsc_init, 77);
	ck_assert_int_eq(keeper->put_handle(NULL, &h), 0);
	ck_assert_int_eq(keeper->put_fd(NULL, "lease-nvme0", 0), 0);
	ck_assert_int_eq(keeper->put_fd(NULL, "host-nvme0", 0), 0);
	ck_assert_int_eq(keeper->drop(NULL, "host-nvme0"), 0);
	keeper->mounts(NULL);
	if (!in_host) {
		end();
		return;
	}
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		end();
		_exit(1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), deadly);
}

static const int signals[] = { 0, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM };

static void setup(void)
{
	/* Of AddressSanitizer and check(3): PID 1 has none. */
	for (unsigned int i = 1; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
	alarm(0);
	closed = mounted = kept = undone = 0;
	in_host = damaged = stuck = false;
	full = 0;
}

static void nothing_is_left(void)
{
	struct sigaction sa;

	ck_assert_uint_eq(kept, 2);
	ck_assert_uint_eq(mounted, 1);
	ck_assert_uint_eq(closed, 1);
	ck_assert_uint_eq(alarm(0), 0);
	for (unsigned int i = 1; i < sizeof(signals) / sizeof(signals[0]); i++) {
		ck_assert_int_eq(sigaction(signals[i], NULL, &sa), 0);
		ck_assert_ptr_eq(sa.sa_handler, SIG_DFL);
	}
}

START_TEST(it_ends)
{
	deadly = signals[_i];
	ck_assert_int_eq(takeover_start(77), deadly);
	nothing_is_left();
	ck_assert_uint_eq(undone, deadly != 0);
	if (deadly)
		ck_assert_ptr_nonnull(strstr(app_last_error(), strsignal(deadly)));
}
END_TEST

/* A device whose lease is not kept must not be handed out. */
START_TEST(custody_is_full)
{
	deadly = 0;
	full = -ENOSPC;
	ck_assert_int_eq(takeover_start(77), SIGABRT);
	ck_assert_uint_eq(kept, 1);
	ck_assert_uint_eq(mounted, 0);
	ck_assert_uint_eq(closed, 1);
	ck_assert_uint_eq(undone, 1);
}
END_TEST

/*
 * Also what follows goes by memory that may be damaged; and a host that the kernel does not let go
 * of does not keep PID 1 from going on.
 */
START_TEST(end_goes_wrong)
{
	deadly = SIGSEGV;
	damaged = _i == 0;
	stuck = _i == 1;
	ck_assert_int_eq(takeover_start(77), SIGSEGV);
	nothing_is_left();
	ck_assert_uint_eq(undone, 1);
}
END_TEST

/* At its very beginning: app_fork() takes the handlers away. */
START_TEST(its_host_ends)
{
	deadly = signals[_i];
	in_host = true;
	ck_assert_int_eq(takeover_start(77), 0);
	nothing_is_left();
	ck_assert_uint_eq(undone, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("takeover");
	TCase *tc = suite_case(suite, "takeover", 60);

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, it_ends, 0, 7);
	tcase_add_test(tc, custody_is_full);
	tcase_add_loop_test(tc, end_goes_wrong, 0, 2);
	tcase_add_loop_test(tc, its_host_ends, 1, 7);
	return suite_run(suite);
}
