// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The figures of a NIC's verifying consumer, out of its memory alone: for the host, and for udrvctl
 * beside it.
 */
#include <string.h>

#include "udrv/common/json.h"
#include "udrv/host/nic.h"

/*
 * Counter values of so many cycles are told: an answer has to fit a message, however many cycles
 * there are.
 */
#define CYCLES_WITH_TIMES 16u

bool nic_memory_is(const void *mem)
{
	return !memcmp(mem, NIC_MEMORY_MAGIC, 8);
}

static struct json_object *cycle_json(const struct nic_memory *m, uint64_t cycle)
{
	const struct nic_cycle *c = &m->cycle[cycle % NIC_CYCLES];
	struct json_object *o = json_object_new_object();

	json_set_u64(o, "cycle", cycle);
	json_set_u64(o, "rx_buffered_across", c->rx_buffered_across);
	json_set_u64(o, "tx_unfinished_across", c->tx_unfinished_across);
	json_set_u64(o, "latched_while_masked", c->latched_while_masked);
	json_set_u64(o, "delivered_after", c->delivered_after);
	if (cycle + CYCLES_WITH_TIMES <= m->h.cycle)
		return o;
	json_set_u64(o, "tsc_reboot", c->tsc_reboot);
	json_set_u64(o, "tsc_init", c->tsc_init);
	json_set_u64(o, "tsc_first_rx", c->tsc_first_rx);
	return o;
}

struct json_object *nic_memory_json(const struct nic_memory *m)
{
	static const char *const names[NIC_COUNTS] = { [NIC_DUPLICATE] = "duplicated",
						       [NIC_CORRUPT] = "corrupt",
						       [NIC_OTHER] = "other",
						       [NIC_ECHOED] = "echoed",
						       [NIC_ECHO_ERROR] = "echo_errors" };
	struct json_object *o = json_object_new_object(), *cycles = json_object_new_array();
	/* Its host may be writing it. */
	const uint64_t cycle = __atomic_load_n(&m->h.cycle, __ATOMIC_RELAXED);
	uint64_t first = cycle < NIC_CYCLES ? 0 : cycle - NIC_CYCLES + 1;
	uint64_t received = 0, highest = 0;

	for (unsigned int i = 0; i < NIC_SEQUENCES / 64; i++) {
		if (!m->seen[i])
			continue;
		received += (unsigned int)__builtin_popcountll(m->seen[i]);
		highest = (uint64_t)i * 64 + 63 - (unsigned int)__builtin_clzll(m->seen[i]);
	}
	json_set_bool(o, "running", m->h.running);
	json_set_u64(o, "cycle", cycle);
	json_set_u64(o, "received", received);
	json_set_u64(o, "highest", highest);
	for (unsigned int k = NIC_DUPLICATE; k < NIC_COUNTS; k++) {
		uint64_t sum = 0;

		for (unsigned int q = 0; q < NIC_QUEUES; q++)
			sum += m->queue[q].count[k] >> 32;
		json_set_u64(o, names[k], sum);
	}
	for (uint64_t n = 0; n <= cycle - first; n++)
		json_object_array_add(cycles, cycle_json(m, first + n));
	json_set(o, "cycles", cycles);
	return o;
}
