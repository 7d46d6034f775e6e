// SPDX-License-Identifier: BSD-2-Clause
/* The process that does the long part of an update: what it tells, and how it ends. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/suite.h"
#include "udrv/agent/worker.h"

static pid_t end_first;

ssize_t __real_recv(int sock, void *buf, size_t size, int flags);
ssize_t __wrap_recv(int sock, void *buf, size_t size, int flags);

/* What Linux does between two looks of its own: there is no message, and then there is an end. */
ssize_t __wrap_recv(int sock, void *buf, size_t size, int flags)
{
	siginfo_t info;

	if (!end_first)
		return __real_recv(sock, buf, size, flags);
	waitid(P_PID, (id_t)end_first, &info, WEXITED | WNOWAIT);
	end_first = 0;
	return 0;
}

static void await(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, 30000), 1);
}

static void expect(struct worker *w, int type, const char *phase, const char *device)
{
	struct worker_event e;

	await(w->sock);
	ck_assert_int_eq(worker_next(w, &e), 0);
	ck_assert_int_eq(e.type, type);
	ck_assert_str_eq(e.phase, phase);
	ck_assert_str_eq(e.device, device);
}

static int two_steps(void *ctx, struct worker *w)
{
	worker_begin(w, "load", NULL);
	worker_end(w);
	worker_begin(w, "preserve", "nvme0");
	return worker_refuse(w, -EBUSY, "%s: it is %s", (const char *)ctx, "busy");
}

START_TEST(steps_and_a_reason)
{
	struct worker w = WORKER_INIT;
	struct worker_event e;

	ck_assert_int_eq(worker_start(&w, two_steps, (void *)"nvme0"), 0);
	expect(&w, WORKER_BEGIN, "load", "");
	expect(&w, WORKER_END, "load", "");
	expect(&w, WORKER_BEGIN, "preserve", "nvme0");
	await(w.sock);
	ck_assert_int_eq(worker_next(&w, &e), 0);
	ck_assert_int_eq(e.type, WORKER_DONE);
	ck_assert_int_eq(e.err, -EBUSY);
	ck_assert_str_eq(e.why, "nvme0: it is busy");
	ck_assert(WIFEXITED(worker_reap(&w)));
	ck_assert_int_eq(w.sock, -1);
}
END_TEST

static int __attribute__((noreturn)) hangs(void *ctx, struct worker *w)
{
	(void)ctx;
	worker_begin(w, "load", NULL);
	for (;;)
		pause();
}

START_TEST(ends_when_it_is_told_to)
{
	struct worker w = WORKER_INIT;
	struct worker_event e;
	int status;

	ck_assert_int_eq(worker_start(&w, hangs, NULL), 0);
	expect(&w, WORKER_BEGIN, "load", "");
	ck_assert_int_eq(worker_next(&w, &e), -EAGAIN);
	worker_kill(&w);
	await(w.pidfd);
	status = worker_reap(&w);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
END_TEST

static int dies(void *ctx, struct worker *w)
{
	(void)ctx;
	(void)w;
	raise(SIGKILL);
	return 0;
}

START_TEST(its_death_is_noticed)
{
	struct worker w = WORKER_INIT;
	struct worker_event e;

	ck_assert_int_eq(worker_start(&w, dies, NULL), 0);
	await(w.sock);
	ck_assert_int_eq(worker_next(&w, &e), -ENOTCONN);
	ck_assert(WIFSIGNALED(worker_reap(&w)));
}
END_TEST

START_TEST(its_last_word_is_heard_after_its_end)
{
	struct worker w = WORKER_INIT;
	struct worker_event e;

	ck_assert_int_eq(worker_start(&w, two_steps, (void *)"nvme0"), 0);
	expect(&w, WORKER_BEGIN, "load", "");
	end_first = w.pid;
	expect(&w, WORKER_END, "load", "");
	expect(&w, WORKER_BEGIN, "preserve", "nvme0");
	ck_assert_int_eq(worker_next(&w, &e), 0);
	ck_assert_int_eq(e.type, WORKER_DONE);
	ck_assert_int_eq(worker_next(&w, &e), -ENOTCONN);
	worker_reap(&w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker");
	TCase *tc = suite_case(suite, "worker", 60);

	tcase_add_test(tc, steps_and_a_reason);
	tcase_add_test(tc, ends_when_it_is_told_to);
	tcase_add_test(tc, its_death_is_noticed);
	tcase_add_test(tc, its_last_word_is_heard_after_its_end);
	return suite_run(suite);
}
