/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_UNIT_OPEN_FDS_H
#define TESTS_UNIT_OPEN_FDS_H

/* How many descriptors this process has: if that changes over a test, one was lost. */
unsigned int open_fds(void);

#endif
