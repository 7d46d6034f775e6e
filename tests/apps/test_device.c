// SPDX-License-Identifier: BSD-2-Clause
/*
 * Starting a device's host: hosts that cannot be started, that nobody could watch, that wait in
 * vain, that miss a part of their device.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/suite.h"
#include "device_fixture.h"

/* A takeover that ends in between must not leave a host at work of which nobody knows. */
START_TEST(no_device_without_a_lease)
{
	fx.dev->h.fd[UDRV_FD_IOMMU] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fx.dev->h.fd[UDRV_FD_IOMMU], 0);
	device_start_host(&fx.agent, fx.dev);
	device_watch_host(&fx.agent, fx.dev);
	ck_assert_str_eq(fx.in_custody, "lease-nvme0");
	device_give_part(fx.dev, HANDLE_IOMMU);
	device_fixture_hang_up();
	ck_assert_int_eq(device_fixture_host_ends(), HOST_GOT_REST);
	device_recall_host(&fx.agent, fx.dev);
}
END_TEST

/* What it says of its start is for the agent that comes: the connection is in custody till then. */
START_TEST(init_does_not_listen)
{
	device_start_host(&fx.agent, fx.dev);
	device_watch_host(&fx.agent, fx.dev);
	device_mounted(fx.dev);
	device_listen(&fx.agent, fx.dev);
	ck_assert_str_eq(fx.in_custody, "host-nvme0");
	ck_assert_int_lt(fx.dev->sock, 0);
	ck_assert_uint_eq(fx.clients, 0);
	/* That was the only duplicate here, so the host ends; it was told that it may run. */
	ck_assert_int_eq(device_fixture_host_ends(), HOST_MAY_RUN);
	device_recall_host(&fx.agent, fx.dev);
}
END_TEST

/* It would wait for ever for what did not arrive: it ends instead. */
START_TEST(part_is_not_sent)
{
	int sock;

	device_start_host(&fx.agent, fx.dev);
	device_watch_host(&fx.agent, fx.dev);
	sock = fx.dev->sock;
	ck_assert_int_eq(shutdown(fx.dev->sock, SHUT_WR), 0);
	if (_i)
		device_mounted(fx.dev);
	else
		device_give_part(fx.dev, HANDLE_IOMMU);
	ck_assert_int_lt(fx.dev->sock, 0);
	ck_assert_int_eq(fcntl(sock, F_GETFD), -1);
	ck_assert_int_eq(device_fixture_host_ends(), fx.host_status);
	device_listen(&fx.agent, fx.dev);
	ck_assert_str_eq(fx.in_custody, "lease-nvme0");
	device_recall_host(&fx.agent, fx.dev);
}
END_TEST

/* Its connection without its lease: it ended, or never had one. */
START_TEST(connection_without_a_lease)
{
	fx.agent.taking_over = false;
	fx.dev->sock = open("/dev/null", O_RDONLY | O_CLOEXEC);
	device_listen(&fx.agent, fx.dev);
	ck_assert_int_lt(fx.dev->sock, 0);
	ck_assert_uint_eq(fx.clients, 0);
}
END_TEST

START_TEST(no_descriptor_is_left)
{
	struct rlimit was, none;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){ .rlim_cur = 3, .rlim_max = was.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	device_start_host(&fx.agent, fx.dev);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_assert_int_eq(fx.dev->state, DEV_BACKOFF);
	ck_assert_ptr_nonnull(strstr(fx.dev->error, "socketpair: EMFILE"));
	ck_assert_int_lt(fx.dev->sock, 0);
	device_fixture_no_child();
}
END_TEST

/* PID 1 forks; a program that was set is executed. */
START_TEST(program_is_used)
{
	fx.agent.taking_over = false;
	fx.dev->program = open("/bin/true", O_PATH | O_CLOEXEC);
	ck_assert_int_ge(fx.dev->program, 0);
	device_start_host(&fx.agent, fx.dev);
	device_watch_host(&fx.agent, fx.dev);
	ck_assert_int_lt(fx.dev->sock, 0);
	ck_assert_int_eq(device_fixture_host_ends(), 0);
	device_recall_host(&fx.agent, fx.dev);
	close(fx.dev->program);
	fx.dev->program = -1;
}
END_TEST

/* Were the agent to die anywhere, custody has its consumers' memory, alone or in the handle. */
START_TEST(memory_is_always_in_custody)
{
	device_create(&fx.agent, fx.dev);
	ck_assert_str_eq(fx.order, "give put given ");
	ck_assert_int_eq(fx.dev->state, DEV_STARTING);
	device_recall_host(&fx.agent, fx.dev);
	device_fixture_no_child();
}
END_TEST

START_TEST(fork_fails)
{
	fx.fork_errno = EAGAIN;
	device_start_host(&fx.agent, fx.dev);
	ck_assert_int_eq(fx.dev->state, DEV_BACKOFF);
	ck_assert_uint_eq(fx.dev->restarts, 1);
	ck_assert_ptr_nonnull(strstr(fx.dev->error, "fork: EAGAIN"));
	ck_assert_int_lt(fx.dev->sock, 0);
	/* What follows at each start finds nobody. */
	device_watch_host(&fx.agent, fx.dev);
	device_give_part(fx.dev, HANDLE_IOMMU);
	device_mounted(fx.dev);
	device_listen(&fx.agent, fx.dev);
	ck_assert_int_eq(fx.dev->state, DEV_BACKOFF);
	ck_assert_int_lt(fx.dev->pidfd, 0);
	ck_assert_uint_eq(fx.clients + fx.quiesced, 0);
	ck_assert_int_ge(fx.dev->h.fd[UDRV_FD_VFIO], 0);

	fx.fork_errno = 0;
	device_start_host(&fx.agent, fx.dev);
	ck_assert_int_eq(fx.dev->state, DEV_STARTING);
	kill(fx.dev->pid, SIGKILL);
}
END_TEST

/* Nobody looks after a device that cannot have a host: at the limit it must not go on writing. */
START_TEST(fork_fails_for_good)
{
	fx.fork_errno = ENOMEM;
	fx.dev->backoff.limit = 2;
	for (unsigned int i = 0; i < 2; i++) {
		device_start_host(&fx.agent, fx.dev);
		ck_assert_int_eq(fx.dev->state, DEV_BACKOFF);
		ck_assert_uint_eq(fx.quiesced, 0);
	}
	device_start_host(&fx.agent, fx.dev);
	ck_assert_int_eq(fx.dev->state, DEV_FAILED);
	ck_assert_uint_eq(fx.quiesced, 1);
	ck_assert_int_lt(fx.dev->h.fd[UDRV_FD_VFIO], 0);
}
END_TEST

START_TEST(nobody_could_watch_it)
{
	fx.pidfd_errno = EMFILE;
	device_start_host(&fx.agent, fx.dev);
	ck_assert_int_eq(fx.dev->state, DEV_STARTING);
	device_watch_host(&fx.agent, fx.dev);
	ck_assert_int_eq(fx.dev->state, DEV_BACKOFF);
	ck_assert_ptr_nonnull(strstr(fx.dev->error, "pidfd_open: EMFILE"));
	ck_assert_int_lt(fx.dev->sock, 0);
	ck_assert_str_eq(fx.in_custody, "");
	device_fixture_no_child();
}
END_TEST

START_TEST(waits_in_vain)
{
	device_start_host(&fx.agent, fx.dev);
	device_recall_host(&fx.agent, fx.dev);
	ck_assert_int_lt(fx.dev->sock, 0);
	device_fixture_no_child();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("device");
	TCase *tc = suite_case(suite, "device", 60);

	tcase_add_checked_fixture(tc, device_fixture_begin, device_fixture_end);
	tcase_add_test(tc, no_device_without_a_lease);
	tcase_add_test(tc, init_does_not_listen);
	tcase_add_loop_test(tc, part_is_not_sent, 0, 2);
	tcase_add_test(tc, connection_without_a_lease);
	tcase_add_test(tc, no_descriptor_is_left);
	tcase_add_test(tc, program_is_used);
	tcase_add_test(tc, memory_is_always_in_custody);
	tcase_add_test(tc, fork_fails);
	tcase_add_test(tc, fork_fails_for_good);
	tcase_add_test(tc, nobody_could_watch_it);
	tcase_add_test(tc, waits_in_vain);
	return suite_run(suite);
}
