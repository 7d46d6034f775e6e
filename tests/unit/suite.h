/* SPDX-License-Identifier: BSD-2-Clause */
/* What main() of each test program consists of. */
#ifndef TESTS_UNIT_SUITE_H
#define TESTS_UNIT_SUITE_H

#include <check.h>

/* Add a test case to @suite. Each test, and each pass of a loop test, may take @timeout seconds. */
TCase *suite_case(Suite *suite, const char *name, double timeout);

/* Run all of it, as the environment says (CK_RUN_CASE …). Returns what main() returns. */
int suite_run(Suite *suite);

#endif
