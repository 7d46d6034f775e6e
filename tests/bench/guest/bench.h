/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One measurement in a guest: workers, each pinned to a CPU of its own, and the
 * CPU time that they took.
 */
#ifndef TESTS_BENCH_GUEST_BENCH_H
#define TESTS_BENCH_GUEST_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_MAX_WORKERS 16u

/* struct bench_worker - counted by the worker, read by whoever measures */
struct bench_worker {
	uint64_t done;
	uint64_t bytes;
	unsigned int index;
	void *arg;
} __attribute__((aligned(64)));

/*
 * Says what it could not do and ends the program: this is one run of a measurement, and half of one
 * is worth nothing.
 */
void bench_fail(const char *what, int err) __attribute__((noreturn));

/* Workers look at it now and then. */
bool bench_stopped(void);

static inline void bench_count(struct bench_worker *w, uint64_t n, uint64_t bytes)
{
	__atomic_store_n(&w->done, w->done + n, __ATOMIC_RELAXED);
	__atomic_store_n(&w->bytes, w->bytes + bytes, __ATOMIC_RELAXED);
}

/*
 * Run @n workers for @ms after a tenth of that to get going, and print one JSON object: what
 * they counted in that time, its length, and the process's CPU time in it, system calls and
 * interrupts that hit it included. (/proc/stat is sampled at ticks, which bursts of work between
 * interrupts escape.)
 */
void bench_run(void (*fn)(struct bench_worker *w), void *arg, unsigned int n, unsigned int ms);

/* xorshift64*: where to read next */
static inline uint64_t bench_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

/* CLOCK_MONOTONIC */
uint64_t bench_now_ns(void);

/* Value of KEY=VALUE among the program's arguments; @otherwise if there is none. */
unsigned long bench_option(int argc, char **argv, const char *key, unsigned long otherwise);

#endif
