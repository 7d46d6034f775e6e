// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/guest/bench.h"

struct sample {
	uint64_t ns, busy_ns, done, bytes;
};

static bool stop;
static void (*worker_fn)(struct bench_worker *w);

void bench_fail(const char *what, int err)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

bool bench_stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

unsigned long bench_option(int argc, char **argv, const char *key, unsigned long otherwise)
{
	size_t len = strlen(key);

	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], key, len) && argv[i][len] == '=')
			return strtoul(argv[i] + len + 1, NULL, 0);
	}
	return otherwise;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void take_sample(const struct bench_worker *w, unsigned int n, struct sample *s)
{
	*s = (struct sample){ .ns = clock_ns(CLOCK_MONOTONIC),
			      .busy_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) };
	for (unsigned int i = 0; i < n; i++) {
		s->done += __atomic_load_n(&w[i].done, __ATOMIC_RELAXED);
		s->bytes += __atomic_load_n(&w[i].bytes, __ATOMIC_RELAXED);
	}
}

uint64_t bench_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void *worker(void *arg)
{
	struct bench_worker *w = arg;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((int)(w->index % (cpus > 0 ? (unsigned long)cpus : 1)), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bench_fail("sched_setaffinity", errno);
	worker_fn(w);
	return NULL;
}

static void wait_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

void bench_run(void (*fn)(struct bench_worker *w), void *arg, unsigned int n, unsigned int ms)
{
	static struct bench_worker w[BENCH_MAX_WORKERS];
	pthread_t thread[BENCH_MAX_WORKERS];
	struct sample before, after;

	worker_fn = fn;
	if (!n || n > BENCH_MAX_WORKERS)
		bench_fail("number of workers", EINVAL);
	for (unsigned int i = 0; i < n; i++) {
		int err;

		w[i].index = i;
		w[i].arg = arg;
		err = pthread_create(&thread[i], NULL, worker, &w[i]);
		if (err)
			bench_fail("pthread_create", err);
	}
	wait_ms(ms / 10 + 1);
	take_sample(w, n, &before);
	wait_ms(ms);
	take_sample(w, n, &after);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	printf("{\"done\": %llu, \"bytes\": %llu, \"ns\": %llu, \"busy_ns\": %llu}\n",
	       (unsigned long long)(after.done - before.done),
	       (unsigned long long)(after.bytes - before.bytes),
	       (unsigned long long)(after.ns - before.ns),
	       (unsigned long long)(after.busy_ns - before.busy_ns));
}
