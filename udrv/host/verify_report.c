// SPDX-License-Identifier: GPL-2.0-or-later
/* The verifying workload's figures, out of its memory alone: for the host, and for udrvctl beside
 * it. */
#include "udrv/common/app.h"
#include "udrv/common/json.h"
#include "udrv/host/host.h"
#include "udrv/host/verify.h"

/*
 * Counter values of so many cycles are told: an answer has to fit a message, however many cycles
 * there are.
 */
#define CYCLES_WITH_TIMES 16u

static struct json_object *cycle_json(const struct verify_memory *m, uint64_t cycle)
{
	const struct verify_cycle *c = &m->cycle[cycle % VERIFY_CYCLES];
	struct json_object *o = json_object_new_object();

	json_set_u64(o, "cycle", cycle);
	json_set_u64(o, "in_flight_at_kexec", c->in_flight);
	json_set_u64(o, "completed_across", c->completed_across);
	json_set_u64(o, "never_submitted", c->never_submitted);
	json_set_u64(o, "latched_while_masked", c->latched_while_masked);
	json_set_u64(o, "delivered_after", c->delivered_after);
	if (cycle + CYCLES_WITH_TIMES <= m->h.cycle)
		return o;
	json_set_u64(o, "tsc_reboot", c->tsc_reboot);
	json_set_u64(o, "tsc_last_completion", c->tsc_last_completion);
	json_set_u64(o, "tsc_last_alive", c->tsc_last_alive);
	json_set_u64(o, "tsc_init", c->tsc_init);
	json_set_u64(o, "tsc_first_completion", c->tsc_first_completion);
	return o;
}

struct json_object *verify_memory_json(const struct verify_memory *m)
{
	static const char *const names[VERIFY_KINDS] = { [VERIFY_WRITE] = "writes",
							 [VERIFY_READ] = "reads",
							 [VERIFY_FLUSH] = "flushes",
							 [VERIFY_ZERO_READ] = "zero_reads",
							 [VERIFY_ZERO_WRITE] = "zero_writes" };
	static const char *const modes[] = { [VERIFY_IDLE] = "idle",
					     [VERIFY_RUNNING] = "running",
					     [VERIFY_DRAINING] = "draining",
					     [VERIFY_READBACK] = "readback" };
	const struct verify_header *hd = &m->h;
	uint64_t submitted = 0, completed = 0, written = 0, kinds[VERIFY_KINDS] = { 0 };
	uint64_t outcome[VERIFY_OUTCOMES] = { [VERIFY_LOST] = hd->lost,
					      [VERIFY_ERROR] = hd->errors,
					      [VERIFY_MISCOMPARE] = hd->miscompares };
	struct json_object *o = json_object_new_object(), *cycles = json_object_new_array();
	/* Its host may be writing it. */
	const uint64_t cycle = __atomic_load_n(&hd->cycle, __ATOMIC_RELAXED);
	uint64_t first = cycle < VERIFY_CYCLES ? 0 : cycle - VERIFY_CYCLES + 1;

	for (unsigned int op = 0; op < VERIFY_OPS_MAX; op++) {
		for (unsigned int k = 0; k < VERIFY_KINDS; k++) {
			submitted += m->op[op].submitted[k];
			completed += m->op[op].completed[k];
			kinds[k] += m->op[op].completed[k];
		}
		for (unsigned int i = 0; i < VERIFY_OUTCOMES; i++)
			outcome[i] += m->op[op].outcome[i] >> 32;
	}
	for (unsigned int b = 0; b < VERIFY_BLOCKS_MAX; b++)
		written += !!m->block[b].submitted;
	json_set_bool(o, "running", hd->mode != VERIFY_IDLE);
	json_set_str(o, "mode", modes[hd->mode <= VERIFY_READBACK ? hd->mode : VERIFY_IDLE]);
	json_set_u64(o, "cycle", cycle);
	json_set_u64(o, "seq", hd->seq);
	json_set_u64(o, "blocks", hd->blocks);
	json_set_u64(o, "blocks_written", written);
	json_set_u64(o, "submitted", submitted);
	json_set_u64(o, "completed", completed);
	json_set_u64(o, "in_flight", submitted - completed);
	for (unsigned int k = 0; k < VERIFY_KINDS; k++)
		json_set_u64(o, names[k], kinds[k]);
	json_set_u64(o, "errors", outcome[VERIFY_ERROR]);
	json_set_u64(o, "miscompares", outcome[VERIFY_MISCOMPARE]);
	json_set_u64(o, "reissued", hd->reissued);
	json_set_u64(o, "lost", outcome[VERIFY_LOST]);
	for (uint64_t n = 0; n <= cycle - first; n++)
		json_object_array_add(cycles, cycle_json(m, first + n));
	json_set(o, "cycles", cycles);
	return o;
}

struct json_object *verify_json(struct host *h)
{
	struct verify *v = h->priv;

	return v ? verify_memory_json(v->m) : NULL;
}

struct json_object *verify_timeline_json(const struct verify_memory *m)
{
	struct json_object *o = json_object_new_object(), *counts = json_object_new_array();
	uint64_t last = __atomic_load_n(&m->h.last_bucket, __ATOMIC_RELAXED);
	uint64_t first = __atomic_load_n(&m->h.first_bucket, __ATOMIC_RELAXED);

	if (last - first >= VERIFY_BUCKETS)
		first = last - VERIFY_BUCKETS + 1;
	json_set_u64(o, "bucket_tsc", 1ull << VERIFY_BUCKET_SHIFT);
	json_set_u64(o, "first_bucket_tsc", first << VERIFY_BUCKET_SHIFT);
	for (uint64_t n = 0; last && n <= last - first; n++)
		json_object_array_add(counts, json_object_new_uint64(
						      m->bucket[(first + n) % VERIFY_BUCKETS]));
	json_set(o, "completions", counts);
	return o;
}
