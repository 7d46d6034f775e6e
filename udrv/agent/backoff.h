/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the successor of a host that died is started, and when there is none any more. */
#ifndef UDRV_AGENT_BACKOFF_H
#define UDRV_AGENT_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#define BACKOFF_MIN_NS	  50000000ull
#define BACKOFF_MAX_NS	  5000000000ull
#define BACKOFF_LIMIT	  20u
#define BACKOFF_STEADY_NS 5000000000ull

/**
 * struct backoff - of one device; all times are CLOCK_MONOTONIC nanoseconds
 * @limit: deaths in a row after which the device is quiesced; 0: never
 * @max_ns: longest delay; 0: successors are started at once
 * @streak: deaths in a row: a host that drove the device for BACKOFF_STEADY_NS ends it
 * @delay_ns: what the last death cost
 * @due_ns: when the successor is due
 */
struct backoff {
	unsigned int limit;
	uint64_t max_ns;
	unsigned int streak;
	uint64_t delay_ns;
	uint64_t due_ns;
};

/** backoff_init() - the defaults, no death yet */
void backoff_init(struct backoff *b);

/**
 * backoff_death() - a host died at @now
 * @running_ns: since when it had been driving the device; 0: it never did
 *
 * The first successor comes at once, each further one after twice the time.
 * Return: is there to be a successor, at @b->due_ns? false: the limit is reached.
 */
bool backoff_death(struct backoff *b, uint64_t now, uint64_t running_ns);

#endif
