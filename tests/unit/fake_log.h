/* SPDX-License-Identifier: BSD-2-Clause */
/* A log that keeps the newest message and the count of each level, for tests that expect one. */
#ifndef TESTS_UNIT_FAKE_LOG_H
#define TESTS_UNIT_FAKE_LOG_H

#include <udrv/log.h>

struct fake_log {
	struct udrv_log log; /* to be handed to the library, as long as the struct lives */
	unsigned int count[UDRV_LOG_DEBUG + 1];
	char last[512];
};

void fake_log_init(struct fake_log *fl);

#endif
