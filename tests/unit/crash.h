/* SPDX-License-Identifier: BSD-2-Clause */
/* Stop an operation after a store to persistent memory, as if its process had been killed there. */
#ifndef TESTS_UNIT_CRASH_H
#define TESTS_UNIT_CRASH_H

#include <stdbool.h>

/*
 * Run @fn(@ctx) and leave it after its @n-th store (from 1; 0: never). Returns true if it was left,
 * false if it ended first: a test counts @n up until then. What the operation had allocated is not
 * reported as leaked.
 */
bool crash_after(unsigned int n, void (*fn)(void *ctx), void *ctx);

#endif
