/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for a device when there is no event to wait for. */
#ifndef DEVICES_COMMON_WAIT_H
#define DEVICES_COMMON_WAIT_H

#include <stdint.h>

/* CLOCK_MONOTONIC */
uint64_t wait_now_ns(void);

/*
 * Called between two looks at a register or a ring, with the time since the first: ever less often,
 * up to 1 ms.
 */
void wait_relax(uint64_t waited_ns);

#endif
