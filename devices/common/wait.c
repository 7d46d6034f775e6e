// SPDX-License-Identifier: BSD-2-Clause
#include <time.h>

#include "devices/common/wait.h"

#define NSEC_PER_MSEC 1000000l

uint64_t wait_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void wait_relax(uint64_t waited_ns)
{
	struct timespec ts = { .tv_nsec = NSEC_PER_MSEC };

	if (waited_ns < 20000)
		return;
	if (waited_ns < 8 * NSEC_PER_MSEC)
		ts.tv_nsec = (long)(waited_ns / 8);
	nanosleep(&ts, NULL);
}
