/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an engine is to do: send frames as fast as it goes to nobody (tx), or to the model's echoing peer, with a fixed
 * number of them on their way, and count those that come back (echo).
 */
#ifndef TESTS_BENCH_GUEST_MANA_LOAD_H
#define TESTS_BENCH_GUEST_MANA_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/guest/bench.h"

#define MANA_BATCH	32u
#define MANA_WINDOW	128u		/* frames on their way */
#define MANA_MAX_FRAME	1514u

struct mana_load {
	const char *device;
	uint32_t size;			/* of a frame, without its check sequence */
	unsigned int ms;
	bool echo;
};

/* An IPv4 UDP datagram of @load->size bytes from @mac, to the echoing peer or to a station that does not exist. */
void mana_frame(const struct mana_load *load, const uint8_t mac[6], uint8_t *frame);

void mana_bench_udrv(const struct mana_load *load);
void mana_bench_packet(const struct mana_load *load);

#endif
