// SPDX-License-Identifier: BSD-2-Clause
/*
 * The lease of a device: what its host says while it has it, how it ends, and who gets the lease of
 * one that has ended unnoticed.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "tests/unit/suite.h"
#include "udrv/common/app.h"
#include "udrv/host/host_exit.h"
#include "device_fixture.h"

START_TEST(host_is_watched)
{
	device_start_host(&fx.agent, fx.dev);
	ck_assert_int_eq(fx.dev->state, DEV_STARTING);
	ck_assert_int_lt(fx.dev->pidfd, 0);
	device_watch_host(&fx.agent, fx.dev);
	ck_assert_int_ge(fx.dev->pidfd, 0);
	ck_assert_str_eq(fx.in_custody, "lease-nvme0");
	fx.agent.taking_over = false;
	device_listen(&fx.agent, fx.dev);
	ck_assert_uint_eq(fx.clients, 1);
	ck_assert_int_lt(fx.dev->sock, 0);
	/* The connection is closed, so it ends; the device goes on and waits for a successor. */
	device_recall_host(&fx.agent, fx.dev);
	ck_assert_int_lt(fx.dev->pidfd, 0);
	ck_assert_str_eq(fx.in_custody, "");
	device_fixture_no_child();
}
END_TEST

/* What it says of its start is there for later agents, as long as it lives. */
START_TEST(host_tells)
{
	device_start_host(&fx.agent, fx.dev);
	device_watch_host(&fx.agent, fx.dev);
	device_adopted(&fx.agent, fx.dev, "refused", "bad checksum");
	ck_assert_int_eq(fx.dev->state, DEV_STARTING);
	ck_assert_str_eq(fx.in_custody, "lease-nvme0");
	device_adopted(&fx.agent, fx.dev, "resumed", "");
	ck_assert_int_eq(fx.dev->state, DEV_RUNNING);
	ck_assert_str_eq(fx.in_custody, "start-nvme0");
	fx.agent.client[3].owner = fx.dev;
	device_recall_host(&fx.agent, fx.dev);
	ck_assert_str_eq(fx.in_custody, "");
	ck_assert(!fx.dev->told);
	/* What it has said, and nobody has read yet, is not its successor's. */
	ck_assert_int_eq(fx.dev->pid, -1);
	ck_assert_ptr_null(fx.agent.client[3].owner);
	device_fixture_no_child();
}
END_TEST

/* A later agent would wait for what this one has not written down: the host has to tell again. */
START_TEST(it_cannot_be_recorded)
{
	device_start_host(&fx.agent, fx.dev);
	device_watch_host(&fx.agent, fx.dev);
	fx.memfd_errno = ENFILE;
	ck_assert_int_eq(device_adopted(&fx.agent, fx.dev, "resumed", ""), -ENFILE);
	ck_assert_uint_eq(fx.reasons_dropped, 0);
	ck_assert_int_eq(fx.dev->state, DEV_RUNNING);
	ck_assert(!fx.dev->told);
	fx.memfd_errno = 0;
	ck_assert_int_eq(device_adopted(&fx.agent, fx.dev, "resumed", ""), 0);
	ck_assert_uint_eq(fx.reasons_dropped, 1);
	ck_assert_str_eq(fx.in_custody, "start-nvme0");
	device_recall_host(&fx.agent, fx.dev);
}
END_TEST

static pid_t last_host;
static bool pid_unknown;

/* A host that is started, and ends with @status */
static void live_and_die(int status)
{
	siginfo_t si;

	fx.host_status = status;
	device_start_host(&fx.agent, fx.dev);
	device_watch_host(&fx.agent, fx.dev);
	last_host = fx.dev->pid;
	device_fixture_hang_up();
	ck_assert_int_eq(waitid(P_PIDFD, (id_t)fx.dev->pidfd, &si, WEXITED | WNOWAIT), 0);
	if (pid_unknown)
		fx.dev->pid = -1;
	device_lease_over(&fx.agent, fx.dev);
	ck_assert_int_lt(fx.dev->pidfd, 0);
	ck_assert_str_eq(fx.in_custody, "");
}

/* No successor would do better, and meanwhile the device goes on writing for nobody. */
START_TEST(driver_cannot_run_it)
{
	char pid[32];

	live_and_die(1);
	ck_assert_int_eq(fx.dev->state, DEV_BACKOFF);
	ck_assert_ptr_nonnull(strstr(fx.dev->error, "with status 1; 1 in a row"));
	snprintf(pid, sizeof(pid), "(pid %d)", last_host);
	ck_assert_msg(strstr(app_last_error(), pid), "%s: no %s", app_last_error(), pid);
	ck_assert_uint_eq(fx.quiesced, 0);
	live_and_die(HOST_EXIT_DEVICE);
	ck_assert_int_eq(fx.dev->state, DEV_FAILED);
	ck_assert_ptr_nonnull(strstr(fx.dev->error, "its driver cannot run it"));
	ck_assert_uint_eq(fx.quiesced, 1);
	ck_assert_int_lt(fx.dev->h.fd[UDRV_FD_VFIO], 0);
}
END_TEST

/* It and the agent died at once: its pidfd was in custody, and names no process any more. */
START_TEST(nobody_knows_its_pid)
{
	pid_unknown = true;
	live_and_die(1);
	ck_assert_int_eq(fx.dev->state, DEV_BACKOFF);
	ck_assert_ptr_nonnull(strstr(app_last_error(), "its host ended with status 1:"));
}
END_TEST

/* Asks for the lease over a socket, as a process that the kernel vouches for: this one. */
static int ask(struct udrv_msg *m)
{
	int sv[2], err;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	err = device_lease(&fx.agent, fx.dev, sv[0], 1);
	ck_assert_int_eq(udrv_msg_recv(sv[1], m), 0);
	close(sv[0]);
	close(sv[1]);
	return err;
}

START_TEST(lease_is_held)
{
	static struct udrv_msg m;
	const char *why;

	device_start_host(&fx.agent, fx.dev);
	device_watch_host(&fx.agent, fx.dev);
	ck_assert_int_eq(ask(&m), 0);
	ck_assert_int_eq(udrv_msg_error(&m, &why), -EBUSY);
	ck_assert_ptr_nonnull(strstr(why, "leased to process"));
	ck_assert_uint_eq(fx.dev->restarts, 0);
	kill(fx.dev->pid, SIGKILL);
}
END_TEST

/* The successor is faster than the news of the death: it gets the lease, and the death counts. */
START_TEST(lease_of_a_dead_host)
{
	static struct udrv_msg m;
	siginfo_t si;
	pid_t was;

	device_start_host(&fx.agent, fx.dev);
	device_watch_host(&fx.agent, fx.dev);
	was = fx.dev->pid;
	kill(was, SIGKILL);
	ck_assert_int_eq(waitid(P_PIDFD, (id_t)fx.dev->pidfd, &si, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(ask(&m), 0);
	ck_assert_int_eq(m.type, UDRV_MSG_HANDLE);
	udrv_msg_drop_fds(&m);
	ck_assert_int_eq(fx.dev->pid, getpid());
	ck_assert_int_eq(fx.dev->state, DEV_STARTING);
	ck_assert_uint_eq(fx.dev->restarts, 1);
	ck_assert_str_eq(fx.in_custody, "lease-nvme0");
	device_fixture_no_child();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("device_lease");
	TCase *tc = suite_case(suite, "lease", 60);

	tcase_add_checked_fixture(tc, device_fixture_begin, device_fixture_end);
	tcase_add_test(tc, host_is_watched);
	tcase_add_test(tc, host_tells);
	tcase_add_test(tc, it_cannot_be_recorded);
	tcase_add_test(tc, driver_cannot_run_it);
	tcase_add_test(tc, nobody_knows_its_pid);
	tcase_add_test(tc, lease_is_held);
	tcase_add_test(tc, lease_of_a_dead_host);
	return suite_run(suite);
}
