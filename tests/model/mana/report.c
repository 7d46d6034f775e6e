// SPDX-License-Identifier: BSD-2-Clause
/* What has happened, as a line of JSON. */
#include <stddef.h>

#include "tests/model/mana/serve.h"

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
#define COUNTER(name)                                           \
	{                                                       \
#name, offsetof(struct mana_model_counts, name) \
	}
	COUNTER(resets),
	COUNTER(hwc_established),
	COUNTER(hwc_destroyed),
	COUNTER(hwc_requests),
	COUNTER(hwc_errors),
	COUNTER(hwc_unanswered),
	COUNTER(queues_created),
	COUNTER(queues_destroyed),
	COUNTER(eqs_created),
	COUNTER(eqs_destroyed),
	COUNTER(regions_created),
	COUNTER(tx),
	COUNTER(tx_bytes),
	COUNTER(tx_wqes),
	COUNTER(tx_csum),
	COUNTER(tx_lso),
	COUNTER(tx_errors),
	COUNTER(tx_lost),
	COUNTER(rx),
	COUNTER(rx_bytes),
	COUNTER(rx_csum),
	COUNTER(rx_no_buffer),
	COUNTER(rx_disabled),
	COUNTER(rx_truncated),
	COUNTER(rx_filtered),
	COUNTER(rx_errors),
	COUNTER(eqes),
	COUNTER(cqes),
	COUNTER(interrupts),
	COUNTER(interrupts_dropped),
	COUNTER(doorbells),
	COUNTER(late_doorbells),
	COUNTER(faults),
#undef COUNTER
};

/*
 * Texts are ours, but ids in them are the driver's: quotes and controls cannot be in them,
 * backslashes neither.
 */
static void text(FILE *out, const char *s)
{
	putc('"', out);
	for (; *s; s++)
		putc(*s == '"' || *s == '\\' || (unsigned char)*s < 0x20 ? '\'' : *s, out);
	putc('"', out);
}

void report(FILE *out, const struct mana_model *m)
{
	const char *base = (const char *)mana_model_counts(m), *first;
	unsigned int violations = mana_model_violations(m, &first);
	struct mana_model_live live;

	mana_model_live(m, &live);
	fprintf(out, "{\"strict_violations\": %u, \"first_violation\": ", violations);
	text(out, first);
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		fprintf(out, ", \"%s\": %llu", counters[i].name,
			(unsigned long long)*(const uint64_t *)(base + counters[i].offset));
	fprintf(out,
		", \"live\": {\"hwc\": %u, \"registered\": %u, \"eqs\": %u, \"sqs\": %u, \"rqs\": %u, \"regions\": %u, "
		"\"rx_posted\": %u}}\n",
		live.hwc, live.registered, live.eqs, live.sqs, live.rqs, live.regions,
		live.rx_posted);
	fflush(out);
}
