// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>

#include "tests/unit/fake_log.h"

static void keep(void *ctx, enum udrv_log_level level, const char *msg)
{
	struct fake_log *fl = ctx;

	fl->count[level]++;
	strncpy(fl->last, msg, sizeof(fl->last) - 1);
}

void fake_log_init(struct fake_log *fl)
{
	*fl = (struct fake_log){ .log = { .fn = keep, .ctx = fl, .level = UDRV_LOG_DEBUG } };
}
