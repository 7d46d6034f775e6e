/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What fuzzing tests have in common: numbers from a seed that is printed when a test fails, and
 * how long to go on. In `make check` each takes a moment; FUZZ_SECONDS makes it longer, FUZZ_SEED
 * begins elsewhere.
 */
#ifndef TESTS_MODEL_FUZZ_H
#define TESTS_MODEL_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuzz {
	uint64_t seed; /* of the pass that is running */
	uint64_t state;
	uint64_t passes, most; /* done, and how many at least */
	double end;	       /* of time, 0: only passes count */
};

/* @passes: how many in `make check`; @name: of the test, in the line that says the seed */
void fuzz_begin(struct fuzz *f, const char *name, uint64_t passes);

/* What to give a test case as its timeout: a hang is found, a long run is not one. */
double fuzz_timeout(void);

/* Begin another pass, with a seed of its own; false: it is enough. */
bool fuzz_next(struct fuzz *f);

uint64_t fuzz_random(struct fuzz *f);
/* 0 to @below - 1 */
uint32_t fuzz_below(struct fuzz *f, uint32_t below);
/* One of n in a row is what is worth trying: small, large, one off, a bit. */
uint64_t fuzz_number(struct fuzz *f);
void fuzz_bytes(struct fuzz *f, void *buf, size_t len);

#endif
