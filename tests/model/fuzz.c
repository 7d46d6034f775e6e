// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/model/fuzz.h"

/* Of the pass that is running, for the line that is printed when a sanitizer ends the process. */
static uint64_t current;

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void say_seed(void)
{
	fprintf(stderr, "it was FUZZ_SEED=%#llx\n", (unsigned long long)current);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void fuzz_begin(struct fuzz *f, const char *name, uint64_t passes)
{
	const char *seconds = getenv("FUZZ_SECONDS"), *seed = getenv("FUZZ_SEED");

	memset(f, 0, sizeof(*f));
	f->most = passes;
	if (seconds)
		f->end = now() + strtod(seconds, NULL);
	f->seed = seed ? strtoull(seed, NULL, 0) : seconds ? (uint64_t)time(NULL) << 20 : 1;
	f->seed--;
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(say_seed);
	fprintf(stderr, "%s: first FUZZ_SEED=%#llx\n", name, (unsigned long long)f->seed + 1);
}

double fuzz_timeout(void)
{
	const char *seconds = getenv("FUZZ_SECONDS");

	return (seconds ? strtod(seconds, NULL) : 0) + 300;
}

bool fuzz_next(struct fuzz *f)
{
	if (f->end != 0 ? now() >= f->end : f->passes >= f->most)
		return false;
	f->passes++;
	current = ++f->seed;
	f->state = f->seed * 0x9e3779b97f4a7c15ull ^ 0xd1b54a32d192ed03ull;
	return true;
}

uint64_t fuzz_random(struct fuzz *f)
{
	f->state ^= f->state << 13;
	f->state ^= f->state >> 7;
	f->state ^= f->state << 17;
	return f->state * 0x2545f4914f6cdd1dull;
}

uint32_t fuzz_below(struct fuzz *f, uint32_t below)
{
	return (uint32_t)(fuzz_random(f) >> 32) % below;
}

uint64_t fuzz_number(struct fuzz *f)
{
	switch (fuzz_below(f, 6)) {
	case 0:
		return fuzz_below(f, 64);
	case 1:
		return fuzz_below(f, 0x10000);
	case 2:
		return UINT64_MAX - fuzz_below(f, 64);
	case 3:
		return (1ull << fuzz_below(f, 64)) - fuzz_below(f, 3);
	case 4:
		return (uint64_t)fuzz_below(f, 0x1000) << 12;
	}
	return fuzz_random(f);
}

void fuzz_bytes(struct fuzz *f, void *buf, size_t len)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)fuzz_random(f);
}
