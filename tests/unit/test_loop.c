// SPDX-License-Identifier: BSD-2-Clause
/* The event loop: every kind of source, removal from everywhere, stopping from elsewhere. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <udrv/loop.h>

#include "tests/unit/suite.h"

#define MS   1000000ull
#define LONG (20000 * MS)

static struct udrv_loop *loop;

static void setup(void)
{
	ck_assert_int_eq(udrv_loop_create(0, &loop), 0);
}

static void teardown(void)
{
	udrv_loop_destroy(loop);
}

struct probe {
	unsigned int calls, calls_before;
	uint64_t sum;
	short revents;
	int fd;
	struct udrv_source *src, *victim;
	unsigned int remove_at; /* call at which it removes @victim */
};

static void on_event(void *ctx, uint64_t count)
{
	struct probe *p = ctx;

	p->calls++;
	p->sum += count;
	if (p->calls == p->remove_at)
		udrv_loop_remove(p->victim);
}

static void on_timer(void *ctx)
{
	on_event(ctx, 1);
}

static void on_poll(void *ctx, short revents)
{
	struct probe *p = ctx;

	p->revents = revents;
	on_event(ctx, 1);
}

static int on_idle(void *ctx)
{
	struct probe *p = ctx;

	on_event(ctx, 1);
	return p->calls < 1000;
}

static void stop(void *ctx)
{
	(void)ctx;
	udrv_loop_stop(loop);
}

/* Serve until @p was called @calls times. */
static void serve(const struct probe *p, unsigned int calls)
{
	unsigned int nothing = 0;

	while (p->calls < calls) {
		int n = udrv_loop_run_once(loop, LONG);

		ck_assert_int_ge(n, 0);
		nothing += n == 0;
		/* once is a round that a busy idle source kept from waiting */
		ck_assert_uint_lt(nothing, 3);
	}
}

/* Blocking and non-blocking eventfds, which the ring treats differently. */
START_TEST(eventfds)
{
	struct probe p = { .fd = eventfd(0, _i ? EFD_NONBLOCK : 0) };

	ck_assert_int_eq(udrv_loop_eventfd(loop, p.fd, on_event, &p, &p.src), 0);
	ck_assert_int_eq(udrv_loop_run_once(loop, 0), 0);
	ck_assert_uint_eq(p.calls, 0);
	for (unsigned int i = 1; i <= 50; i++) {
		eventfd_write(p.fd, i);
		serve(&p, i);
	}
	ck_assert_uint_eq(p.sum, 50 * 51 / 2);
	eventfd_write(p.fd, 3);
	eventfd_write(p.fd, 4);
	serve(&p, 51);
	udrv_loop_run_once(loop, MS);
	ck_assert_uint_eq(p.sum, 50 * 51 / 2 + 7);
	udrv_loop_remove(p.src);
	eventfd_write(p.fd, 1);
	ck_assert_int_eq(udrv_loop_run_once(loop, MS), 0);
	ck_assert_uint_eq(p.sum, 50 * 51 / 2 + 7);
	close(p.fd);
}
END_TEST

START_TEST(signalled_before_added)
{
	struct probe p = { .fd = eventfd(5, 0) };

	ck_assert_int_eq(udrv_loop_eventfd(loop, p.fd, on_event, &p, NULL), 0);
	serve(&p, 1);
	ck_assert_uint_eq(p.sum, 5);
	close(p.fd);
}
END_TEST

START_TEST(poll_is_level_triggered)
{
	struct probe p = { 0 };
	int fds[2];
	char c;

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(udrv_loop_poll(loop, fds[0], POLLIN, on_poll, &p, &p.src), 0);
	ck_assert_int_eq(udrv_loop_run_once(loop, MS), 0);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	serve(&p, 3);
	ck_assert_int_eq(p.revents, POLLIN);
	ck_assert_int_eq(read(fds[0], &c, 1), 1);
	udrv_loop_run_once(loop, MS); /* what was under way already */
	p.calls = 0;
	ck_assert_int_eq(udrv_loop_run_once(loop, MS), 0);
	close(fds[1]);
	serve(&p, 1);
	ck_assert(p.revents & POLLHUP);
	udrv_loop_remove(p.src);
	close(fds[0]);
}
END_TEST

START_TEST(timers)
{
	struct probe once = { 0 }, often = { 0 };
	struct timespec t0, t1;
	int64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	ck_assert_int_eq(udrv_loop_timer(loop, 2 * MS, 0, on_timer, &once, &once.src), 0);
	ck_assert_int_eq(udrv_loop_timer(loop, 0, 3 * MS, on_timer, &often, &often.src), 0);
	serve(&often, 6);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	ns = (t1.tv_sec - t0.tv_sec) * 1000000000ll + t1.tv_nsec - t0.tv_nsec;
	ck_assert_int_ge(ns, 5 * 3 * (int64_t)MS);
	ck_assert_uint_eq(once.calls, 1);
	udrv_loop_remove(once.src);
	udrv_loop_remove(often.src);
	udrv_loop_run_once(loop, 5 * MS);
	ck_assert_uint_eq(often.calls, 6);
}
END_TEST

/* GCC comes without <sanitizer/allocator_interface.h>. */
size_t __sanitizer_get_current_allocated_bytes(void);

static unsigned int fired;

static void next_shot(void *ctx)
{
	(void)ctx;
	if (++fired % 4)
		ck_assert_int_eq(udrv_loop_timer(loop, 0, 0, next_shot, NULL, NULL), 0);
}

static void shoot(unsigned int n)
{
	for (fired = 0; fired < n;) {
		if (fired % 4 == 0)
			next_shot(NULL);
		ck_assert_int_ge(udrv_loop_run_once(loop, LONG), 0);
	}
	ck_assert_int_eq(udrv_loop_run_once(loop, 0), 0);
}

/* A host may try something again every second, for as long as it runs. */
START_TEST(a_timer_of_nobody_goes_when_it_has_run)
{
	struct probe kept = { 0 };
	size_t before;

	ck_assert_int_eq(udrv_loop_timer(loop, 0, 0, on_timer, &kept, &kept.src), 0);
	shoot(20);
	before = __sanitizer_get_current_allocated_bytes();
	shoot(400);
	ck_assert_uint_eq(__sanitizer_get_current_allocated_bytes(), before);
	ck_assert_uint_eq(kept.calls, 1);
	udrv_loop_remove(kept.src);
}
END_TEST

START_TEST(idle_polls_without_waiting)
{
	struct probe p = { 0 }, ev = { .fd = eventfd(0, 0) };

	ck_assert_int_eq(udrv_loop_idle(loop, on_idle, &p, &p.src), 0);
	ck_assert_int_eq(udrv_loop_eventfd(loop, ev.fd, on_event, &ev, NULL), 0);
	ck_assert_int_eq(udrv_loop_run_once(loop, 0), 1);
	/* Busy: it comes back at once, with events served in between. */
	eventfd_write(ev.fd, 9);
	while (p.calls < 999)
		ck_assert_int_ge(udrv_loop_run_once(loop, UINT64_MAX), 1);
	ck_assert_uint_eq(ev.sum, 9);
	/* Not busy any more: it waits, here for nothing. */
	ck_assert_int_eq(udrv_loop_run_once(loop, 0), 0);
	ck_assert_int_eq(udrv_loop_run_once(loop, MS), 0);
	ck_assert_uint_eq(p.calls, 1001);
	udrv_loop_remove(p.src);
	ck_assert_int_eq(udrv_loop_run_once(loop, MS), 0);
	ck_assert_uint_eq(p.calls, 1001);
	close(ev.fd);
}
END_TEST

START_TEST(removal_in_callbacks)
{
	struct probe self = { .fd = eventfd(1, 0), .remove_at = 1 };
	struct probe killer = { .fd = eventfd(1, 0), .remove_at = 1 },
		     victim = { .fd = eventfd(1, 0) };
	struct probe idler = { .remove_at = 2 }, ticker = { .remove_at = 2 };

	ck_assert_int_eq(udrv_loop_eventfd(loop, self.fd, on_event, &self, &self.victim), 0);
	ck_assert_int_eq(udrv_loop_eventfd(loop, killer.fd, on_event, &killer, NULL), 0);
	ck_assert_int_eq(udrv_loop_eventfd(loop, victim.fd, on_event, &victim, &killer.victim), 0);
	ck_assert_int_eq(udrv_loop_idle(loop, on_idle, &idler, &idler.victim), 0);
	ck_assert_int_eq(udrv_loop_timer(loop, 0, MS, on_timer, &ticker, &ticker.victim), 0);
	serve(&ticker, 2);
	for (int i = 0; i < 5; i++) {
		eventfd_write(self.fd, 1);
		eventfd_write(victim.fd, 1);
		udrv_loop_run_once(loop, MS);
	}
	ck_assert_uint_eq(self.calls, 1);
	ck_assert_uint_eq(killer.calls, 1);
	ck_assert_uint_eq(victim.calls,
			  0); /* both were ready in one round: it must not be called any more */
	ck_assert_uint_eq(idler.calls, 2);
	ck_assert_uint_eq(ticker.calls, 2);
	close(self.fd);
	close(killer.fd);
	close(victim.fd);
}
END_TEST

struct adder {
	struct probe added[200];
	unsigned int n;
};

static void add_more(void *ctx)
{
	struct adder *a = ctx;

	for (; a->n < 200; a->n++) {
		struct probe *p = &a->added[a->n];

		p->fd = eventfd(1, 0);
		ck_assert_int_eq(udrv_loop_eventfd(loop, p->fd, on_event, p, &p->src), 0);
	}
}

/* What is removed between two waits is still in the kernel's hands for a moment. */
START_TEST(removal_of_an_armed_source)
{
	struct probe late = { .remove_at = 1 },
		     victim = { .fd = eventfd(0, _i ? EFD_NONBLOCK : 0) };

	ck_assert_int_eq(udrv_loop_eventfd(loop, victim.fd, on_event, &victim, &late.victim), 0);
	ck_assert_int_eq(udrv_loop_run_once(loop, 0), 0);
	ck_assert_int_eq(udrv_loop_run_once(loop, 0), 0);
	ck_assert_int_eq(udrv_loop_idle(loop, on_idle, &late, &late.src), 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(udrv_loop_run_once(loop, 0), 1);
	udrv_loop_remove(late.src);
	eventfd_write(victim.fd, 1);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(udrv_loop_run_once(loop, MS), 0);
	ck_assert_uint_eq(victim.calls, 0);
	close(victim.fd);
}
END_TEST

/* More sources than the ring has entries, added from a callback; removed and added again. */
START_TEST(many_sources)
{
	static struct adder a;

	ck_assert_int_eq(udrv_loop_timer(loop, 0, 0, add_more, &a, NULL), 0);
	for (unsigned int i = 0; i < 200; i++)
		serve(&a.added[i], 1);
	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int i = round; i < 200; i += 7) {
			struct probe *p = &a.added[i];

			udrv_loop_remove(p->src);
			ck_assert_int_eq(udrv_loop_eventfd(loop, p->fd, on_event, p, &p->src), 0);
			p->calls_before = p->calls;
			eventfd_write(p->fd, 1);
		}
		for (unsigned int i = round; i < 200; i += 7)
			serve(&a.added[i], a.added[i].calls_before + 1);
	}
	for (unsigned int i = 0; i < 200; i++)
		close(a.added[i].fd);
}
END_TEST

static void *stop_from_thread(void *ctx)
{
	(void)ctx;
	udrv_loop_stop(loop);
	return NULL;
}

START_TEST(stopping)
{
	pthread_t thread;
	struct probe p = { 0 };

	/* before it runs, from a thread, from a callback */
	udrv_loop_stop(loop);
	ck_assert_int_eq(udrv_loop_run(loop), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, stop_from_thread, NULL), 0);
	ck_assert_int_eq(udrv_loop_run(loop), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(udrv_loop_timer(loop, 0, MS, on_timer, &p, NULL), 0);
	ck_assert_int_eq(udrv_loop_timer(loop, 5 * MS, 0, stop, NULL, NULL), 0);
	ck_assert_int_eq(udrv_loop_run(loop), 0);
	ck_assert_uint_gt(p.calls, 0);
}
END_TEST

static void on_alarm(int sig)
{
	(void)sig;
	udrv_loop_stop(loop);
}

START_TEST(stopped_by_a_signal)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerspec when = { .it_value = { .tv_nsec = 5 * MS } };
	struct sigevent sev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;

	sigaction(SIGUSR1, &sa, NULL);
	ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &sev, &timer), 0);
	ck_assert_int_eq(timer_settime(timer, 0, &when, NULL), 0);
	ck_assert_int_eq(udrv_loop_run(loop), 0);
	timer_delete(timer);
}
END_TEST

static int nested_result;

static void run_nested(void *ctx)
{
	(void)ctx;
	nested_result = udrv_loop_run_once(loop, 0);
}

START_TEST(misuse)
{
	struct probe p = { 0 };

	ck_assert_int_eq(udrv_loop_timer(loop, 0, 0, run_nested, NULL, NULL), 0);
	ck_assert_int_eq(udrv_loop_run_once(loop, LONG), 1);
	ck_assert_int_eq(nested_result, -EBUSY);
	udrv_loop_remove(NULL);
	udrv_loop_destroy(NULL);
	/* A descriptor that is none is an error of the run, once. */
	ck_assert_int_eq(udrv_loop_eventfd(loop, 9999, on_event, &p, NULL), 0);
	ck_assert_int_eq(udrv_loop_run_once(loop, LONG), -EBADF);
	ck_assert_int_eq(udrv_loop_run_once(loop, 0), 0);
	ck_assert_uint_eq(p.calls, 0);
}
END_TEST

/* Destroyed with everything armed, some of it signalled: the sanitizers see what is left behind. */
START_TEST(destroy_with_sources)
{
	struct probe p[8] = { 0 };

	for (unsigned int i = 0; i < 8; i++) {
		p[i].fd = eventfd(i & 1, i & 2 ? EFD_NONBLOCK : 0);
		ck_assert_int_eq(udrv_loop_eventfd(loop, p[i].fd, on_event, &p[i], NULL), 0);
		ck_assert_int_eq(udrv_loop_timer(loop, i * MS, MS, on_timer, &p[i], NULL), 0);
		ck_assert_int_eq(udrv_loop_poll(loop, p[i].fd, POLLIN, on_poll, &p[i], NULL), 0);
	}
	if (_i)
		udrv_loop_run_once(loop, MS);
	udrv_loop_destroy(loop);
	for (unsigned int i = 0; i < 8; i++)
		close(p[i].fd);
	ck_assert_int_eq(udrv_loop_create(8, &loop), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("loop");
	TCase *tc = suite_case(suite, "loop", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, eventfds, 0, 2);
	tcase_add_test(tc, signalled_before_added);
	tcase_add_test(tc, poll_is_level_triggered);
	tcase_add_test(tc, timers);
	tcase_add_test(tc, a_timer_of_nobody_goes_when_it_has_run);
	tcase_add_test(tc, idle_polls_without_waiting);
	tcase_add_test(tc, removal_in_callbacks);
	tcase_add_loop_test(tc, removal_of_an_armed_source, 0, 2);
	tcase_add_test(tc, many_sources);
	tcase_add_test(tc, stopping);
	tcase_add_test(tc, stopped_by_a_signal);
	tcase_add_test(tc, misuse);
	tcase_add_loop_test(tc, destroy_with_sources, 0, 2);
	return suite_run(suite);
}
