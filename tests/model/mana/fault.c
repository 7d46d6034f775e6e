// SPDX-License-Identifier: BSD-2-Clause
/* Faults: prepared from a text, and taken one by one where they strike. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/model/mana/internal.h"

#define ANY_VECTOR 0xffffu

enum action { PREPARE, RESET_REQUEST, LINK_DOWN, LINK_UP, REMOVE };

/* @args: numbers that must follow; one more may, it is the count. */
static const struct {
	const char *name;
	enum action action;
	enum fault_kind kind;
	unsigned int args;
	bool counted;
} specs[] = {
	{ "hwc-timeout", PREPARE, FAULT_HWC_TIMEOUT, 1, true },
	{ "hwc-status", PREPARE, FAULT_HWC_STATUS, 2, true },
	{ "smc-status", PREPARE, FAULT_SMC_STATUS, 1, false },
	{ "smc-stuck", PREPARE, FAULT_SMC_STUCK, 0, false },
	{ "tx-error", PREPARE, FAULT_TX_ERROR, 1, true },
	{ "rx-error", PREPARE, FAULT_RX_ERROR, 1, true },
	{ "drop-irq", PREPARE, FAULT_DROP_IRQ, 1, true },
	{ "garbage-cqe", PREPARE, FAULT_GARBAGE_CQE, 0, true },
	{ "no-vports", PREPARE, FAULT_NO_VPORTS, 0, true },
	{ "reset-request", RESET_REQUEST, FAULT_KINDS, 0, false },
	{ "link-down", LINK_DOWN, FAULT_KINDS, 0, false },
	{ "link-up", LINK_UP, FAULT_KINDS, 0, false },
	{ "remove", REMOVE, FAULT_KINDS, 0, false },
};

#define NSPECS (sizeof(specs) / sizeof(specs[0]))

struct parsed_fault {
	unsigned int spec;
	struct fault fault;
};

static int parse_number(const char **s, uint32_t *ret)
{
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(*s, &end, 0);
	if (end == *s || errno || v > UINT32_MAX || **s == '-')
		return -EINVAL;
	*s = end;
	*ret = (uint32_t)v;
	return 0;
}

/* One fault up to a comma or the end. */
static int parse_one(const char **s, struct parsed_fault *f)
{
	size_t len = strcspn(*s, ":,");
	uint32_t *to[3];
	unsigned int n;

	for (f->spec = 0; f->spec < NSPECS; f->spec++) {
		if (strlen(specs[f->spec].name) == len && !strncmp(*s, specs[f->spec].name, len))
			break;
	}
	if (f->spec == NSPECS)
		return -EINVAL;
	*s += len;
	f->fault = (struct fault){ .count = 1 };
	for (n = 0; n < specs[f->spec].args; n++)
		to[n] = &f->fault.arg[n];
	if (specs[f->spec].counted)
		to[n++] = &f->fault.count;
	for (unsigned int i = 0; i < n; i++) {
		if (**s != ':') {
			if (i < specs[f->spec].args)
				return -EINVAL;
			break;
		}
		++*s;
		if (parse_number(s, to[i]))
			return -EINVAL;
	}
	return **s && **s != ',' ? -EINVAL : 0;
}

static void apply(struct mana_model *m, const struct parsed_fault *f)
{
	switch (specs[f->spec].action) {
	case PREPARE:
		m->fault[specs[f->spec].kind] = f->fault;
		break;
	case RESET_REQUEST:
		mana_model_event(m, GDMA_EQE_HWC_RESET_REQUEST, 0);
		break;
	case LINK_DOWN:
		m->link_down = true;
		mana_model_event(m, GDMA_EQE_HWC_SOC_RECONFIG_DATA,
				 GDMA_HWC_DATA(GDMA_HWC_SOC_LINK_DOWN, 0));
		break;
	case LINK_UP:
		m->link_down = false;
		mana_model_event(m, GDMA_EQE_HWC_SOC_RECONFIG_DATA,
				 GDMA_HWC_DATA(GDMA_HWC_SOC_LINK_UP, 0));
		break;
	case REMOVE:
		mana_model_remove(m);
		break;
	}
}

int mana_model_fault(struct mana_model *m, const char *spec)
{
	struct parsed_fault f;
	const char *s = spec;

	do {
		if (parse_one(&s, &f))
			return -EINVAL;
	} while (*s++);
	if (!m)
		return 0;
	for (s = spec;; s++) {
		parse_one(&s, &f);
		apply(m, &f);
		if (!*s)
			return 0;
	}
}

bool fault_take(struct mana_model *m, enum fault_kind kind, uint32_t arg)
{
	struct fault *f = &m->fault[kind];

	if (!f->count)
		return false;
	if ((kind == FAULT_HWC_TIMEOUT || kind == FAULT_HWC_STATUS) && f->arg[0] &&
	    f->arg[0] != arg)
		return false;
	if (kind == FAULT_DROP_IRQ && f->arg[0] != ANY_VECTOR && f->arg[0] != arg)
		return false;
	/* Only a reset ends this one. */
	if (kind == FAULT_SMC_STUCK)
		return true;
	f->count--;
	m->counts.faults++;
	return true;
}

void fault_reset(struct mana_model *m)
{
	m->fault[FAULT_SMC_STUCK].count = 0;
}
