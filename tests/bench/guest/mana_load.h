/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an engine is to do: send frames as fast as it goes to nobody (tx); or to the model's echoing
 * peer, with a fixed number of them on their way, and count those that come back (echo); or count
 * what comes back from its repeater, which sends each frame MANA_REPEATS times (rx).
 */
#ifndef TESTS_BENCH_GUEST_MANA_LOAD_H
#define TESTS_BENCH_GUEST_MANA_LOAD_H

#include <stdint.h>

#include "tests/bench/guest/bench.h"

#define MANA_BATCH     32u
#define MANA_WINDOW    128u /* frames on their way */
#define MANA_REPEATS   64u
#define MANA_MAX_FRAME 1514u

enum mana_what { MANA_TX, MANA_ECHO, MANA_RX };

struct mana_load {
	const char *device;
	uint32_t size; /* of a frame, without its check sequence */
	unsigned int ms;
	enum mana_what what;
};

/* Frames that come back for one that was sent. */
static inline unsigned int mana_answers(const struct mana_load *load)
{
	return load->what == MANA_RX ? MANA_REPEATS : 1;
}

/* An IPv4 UDP datagram of @load->size bytes from @mac, to whom the load is for. */
void mana_frame(const struct mana_load *load, const uint8_t mac[6], uint8_t *frame);

void mana_bench_udrv(const struct mana_load *load);
void mana_bench_packet(const struct mana_load *load);

/* What @queues queue pairs take, and how long a successor takes to resume them. */
void mana_bench_scale(const char *bdf, unsigned int queues);

#endif
