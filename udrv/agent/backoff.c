// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Exponential back-off. It keeps no timer: the agent's loop waits until the next time that is due.
 */
#include "udrv/agent/backoff.h"

void backoff_init(struct backoff *b)
{
	*b = (struct backoff){ .limit = BACKOFF_LIMIT, .max_ns = BACKOFF_MAX_NS };
}

bool backoff_death(struct backoff *b, uint64_t now, uint64_t running_ns)
{
	if (running_ns && now - running_ns >= BACKOFF_STEADY_NS)
		b->streak = 0;
	b->streak++;
	if (b->streak == 1)
		b->delay_ns = 0;
	else
		b->delay_ns = b->delay_ns ? b->delay_ns * 2 : BACKOFF_MIN_NS;
	if (b->delay_ns > b->max_ns)
		b->delay_ns = b->max_ns;
	b->due_ns = now + b->delay_ns;
	return !b->limit || b->streak <= b->limit;
}
