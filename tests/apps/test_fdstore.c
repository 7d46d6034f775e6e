// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is said to systemd: names in its fd store, the service's state, and
 * what there is without it.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/apps/fake_systemd.h"
#include "tests/unit/suite.h"
#include "udrv/agent/custody.h"
#include "udrv/agent/fdstore.h"
#include "udrv/common/app.h"

START_TEST(names)
{
	static const char *const bad[] = {
		"",
		"stored",
		"12345678",
		"12345678/1",
		"12345678/1/",
		"1234567/1/x",
		"123456789/1/x",
		"1234567g/1/x",
		"12345678//x",
		"12345678/-1/x",
		"12345678/x/x",
		"12345678/1/X",
		"12345678/1/x/",
		"12345678/1/x/y",
		"12345678/1/x/vfio/",
		"12345678/99999999999999999999/x",
		"12345678/1/0123456789012345678901234567890123456789012345678901234567890123",
	};
	struct fdstore_name n;
	char long_name[UDRV_NAME_MAX + 2];
	int fd = temp();

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(fdstore_name_parse(bad[i], &n) == -EBADMSG, "'%s' was taken", bad[i]);
	ck_assert_int_eq(fdstore_name_parse("12345678/7/lease-nvme0", &n), 0);
	ck_assert_uint_eq(n.seq, 7);
	ck_assert_str_eq(n.name, "lease-nvme0");
	ck_assert_int_eq(n.part, -1);
	for (int part = 0; part < FDSTORE_PARTS; part++) {
		ck_assert_int_eq(fdstore_name_parse(name_of("12345678", 7, "nvme0", part), &n), 0);
		ck_assert_int_eq(n.part, part);
	}
	memset(long_name, 'a', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, long_name, fd), -EINVAL);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "", fd), -EINVAL);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "a:b", fd), -EINVAL);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "a\nREADY=1", fd), -EINVAL);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "closed", 999), -EBADF);
	ck_assert_uint_eq(pid1_count(), 0);
	ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(service)
{
	uint64_t due;

	agent.ndev = 2;
	agent.dev[1].state = DEV_RUNNING;
	ck_assert_int_eq(custody_fdstore.ready(&agent), 0);
	pid1_settled();
	ck_assert_str_eq(told, "READY=1\nSTATUS=1 of 2 device(s) running, 0 live update(s)\n");
	told[0] = '\0';
	ck_assert_uint_eq(custody_fdstore.alive(&agent), UINT64_MAX);
	setenv("WATCHDOG_USEC", "60000000", 1);
	ck_assert_int_eq(custody_fdstore_open(), 0);
	due = custody_fdstore.alive(&agent);
	ck_assert_uint_gt(due, app_now_ns());
	ck_assert_uint_le(due, app_now_ns() + 30000000000ull);
	ck_assert_uint_eq(custody_fdstore.alive(&agent), due);
	pid1_settled();
	ck_assert_str_eq(told, "WATCHDOG=1\n");
	told[0] = '\0';
	/* PID 1 is asked once it has the session. */
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "outgoing", temp()), 0);
	ck_assert_int_eq(custody_fdstore.leave(&agent), 0);
	ck_assert_int_ge(find("outgoing", -1), 0);
	ck_assert_int_eq(killed_pid, 1);
	ck_assert_int_eq(killed_sig, SIGRTMIN + 6);
}
END_TEST

START_TEST(stops)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		raise(SIGTERM);
		_exit(77);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	pid1_settled();
	ck_assert_str_eq(told, "STOPPING=1\n");
}
END_TEST

START_TEST(no_systemd)
{
	struct notify n;
	char text[200];

	unsetenv("FDSTORE");
	ck_assert_int_eq(custody_fdstore_open(), -ENOTSUP);
	setenv("FDSTORE", "8", 1);
	setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
	ck_assert_int_eq(custody_fdstore_open(), -EAFNOSUPPORT);
	unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(custody_fdstore_open(), -ENOENT);
	memset(text, 'x', sizeof(text));
	text[0] = '/';
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(notify_open(&n, text), -ENAMETOOLONG);
	ck_assert_int_eq(notify_open(&n, "/nothing/there"), 0);
	ck_assert_int_eq(notify_send(&n, "READY=1", -1), -ENOENT);
	close(n.sock);
}
END_TEST

START_TEST(hears_nothing)
{
	struct notify n;

	ck_assert_int_eq(notify_open(&n, getenv("NOTIFY_SOCKET")), 0);
	ck_assert_int_eq(notify_barrier(&n, 20), -ETIMEDOUT);
	close(n.sock);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fdstore");
	TCase *tc = suite_case(suite, "fdstore", 120), *alone = suite_case(suite, "deaf", 60);

	tcase_add_checked_fixture(tc, pid1_start, NULL);
	tcase_add_test(tc, names);
	tcase_add_test(tc, service);
	tcase_add_test(tc, stops);
	tcase_add_test(tc, no_systemd);
	tcase_add_checked_fixture(alone, pid1_start_deaf, NULL);
	tcase_add_test(alone, hears_nothing);
	return suite_run(suite);
}
