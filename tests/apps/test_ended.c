// SPDX-License-Identifier: BSD-2-Clause
/* How a process ended: a child's, and one of somebody else's, who has reaped it, or has not. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pidfd.h>

#include "tests/unit/suite.h"
#include "udrv/agent/agent.h"

static char text[64];

/* <sys/pidfd.h> and <linux/pidfd.h> do not go together. */
static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static pid_t child(int status, int sig)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid)
		return pid;
	if (sig)
		raise(sig);
	_exit(status);
}

START_TEST(own_child)
{
	int pidfd = open_pidfd(child(3, 0));

	ck_assert_int_eq(ended_status(pidfd, text, sizeof(text)), 3);
	ck_assert_str_eq(text, "with status 3");
	close(pidfd);
	pidfd = open_pidfd(child(0, SIGKILL));
	ck_assert_int_eq(ended_status(pidfd, text, sizeof(text)), -1);
	ck_assert_str_eq(text, "by signal 9");
	close(pidfd);
	/* There is nothing to be known of something else. */
	pidfd = dup(STDIN_FILENO);
	ck_assert_int_eq(ended_status(pidfd, text, sizeof(text)), -1);
	ck_assert_ptr_nonnull(strstr(text, "unknown"));
	close(pidfd);
}
END_TEST

/* Does this machine's kernel tell (Linux 6.15)? Of a child that was reaped. */
static bool kernel_tells(void)
{
	struct pidfd_info info = { .mask = PIDFD_INFO_EXIT };
	pid_t pid = child(0, 0);
	int pidfd = open_pidfd(pid);
	bool tells;

	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	tells = !ioctl(pidfd, PIDFD_GET_INFO, &info) && info.mask & PIDFD_INFO_EXIT;
	close(pidfd);
	return tells;
}

/* A grandchild; its parent reaps it if @reaps, once it is told to by way of @go. */
static int grandchild(int status, int sig, int go, bool reaps)
{
	int pids[2], pidfd;
	pid_t pid, parent;

	ck_assert_int_eq(pipe(pids), 0);
	parent = fork();
	ck_assert_int_ge(parent, 0);
	if (!parent) {
		pid = child(status, sig);
		if (write(pids[1], &pid, sizeof(pid)) != sizeof(pid) || read(go, &pid, 1) < 0)
			_exit(1);
		if (reaps)
			waitpid(-1, NULL, 0);
		pause();
	}
	ck_assert_int_eq(read(pids[0], &pid, sizeof(pid)), sizeof(pid));
	pidfd = open_pidfd(pid);
	ck_assert_int_ge(pidfd, 0);
	return pidfd;
}

START_TEST(somebody_elses)
{
	int go[2], pidfd, want = _i ? -1 : 4;
	bool tells = kernel_tells();

	ck_assert_int_eq(pipe(go), 0);
	pidfd = grandchild(4, _i, go[0], true);
	/* It is waited for until it is reaped. */
	ck_assert_int_eq(write(go[1], "", 1), 1);
	ck_assert_int_eq(ended_status(pidfd, text, sizeof(text)), tells ? want : -1);
	ck_assert_str_eq(text, !tells ? "in an unknown way, as it was no child of this agent" :
			       _i     ? "by signal 9" :
					"with status 4");
}
END_TEST

/* Its parent does not care, and this one has other things to do. */
START_TEST(nobody_reaps_it)
{
	int go[2], pidfd;

	ck_assert_int_eq(pipe(go), 0);
	pidfd = grandchild(4, 0, go[0], false);
	ck_assert_int_eq(ended_status(pidfd, text, sizeof(text)), -1);
	ck_assert_ptr_nonnull(strstr(text, "unknown"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ended");
	TCase *tc = suite_case(suite, "ended", 60);

	tcase_add_test(tc, own_child);
	/* By its status, and by SIGKILL. */
	tcase_add_loop_test(tc, somebody_elses, 0, 1);
	tcase_add_loop_test(tc, somebody_elses, SIGKILL, SIGKILL + 1);
	tcase_add_test(tc, nobody_reaps_it);
	return suite_run(suite);
}
