// SPDX-License-Identifier: BSD-2-Clause
/* The model as a whole: creation, reset, bus mastering, and what it does next. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/model/mana/internal.h"

void model_log(struct mana_model *m, const char *fmt, ...)
{
	char line[320];
	va_list ap;

	if (!m->opts.ops->log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	m->opts.ops->log(m->opts.ctx, line);
}

void model_violation(struct mana_model *m, const char *fmt, ...)
{
	char text[sizeof(m->first)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!m->violations++)
		memcpy(m->first, text, sizeof(text));
	/* A driver that does one thing wrong does it a million times. */
	if (m->violations <= 100)
		model_log(m, "violation: %s", text);
}

void model_setup(struct mana_model *m, const char *what)
{
	if (m->setup_forbidden)
		model_violation(m, "%s, although the device was to be resumed in place", what);
}

uint32_t model_random(struct mana_model *m, uint32_t below)
{
	m->rnd ^= m->rnd << 13;
	m->rnd ^= m->rnd >> 7;
	m->rnd ^= m->rnd << 17;
	return (uint32_t)(m->rnd >> 32) % below;
}

int set_next(const struct set *s, unsigned int from)
{
	for (unsigned int i = 0; i <= 2; i++) {
		unsigned int w = (from / 64 + i) % 2;
		uint64_t bits = s->bits[w];

		if (!i)
			bits &= ~0ull << from % 64;
		if (bits)
			return (int)(w * 64) + __builtin_ctzll(bits);
	}
	return NO_SLOT;
}

int mana_model_create(const struct mana_model_opts *opts, struct mana_model **ret)
{
	struct mana_model *m;

	if (opts->vports > MANA_MODEL_MAX_VPORTS || opts->queues > MANA_MODEL_MAX_QUEUES ||
	    opts->vectors > MANA_MODEL_MAX_VECTORS || opts->mtu > 9000 || !opts->ops ||
	    !opts->ops->dma || !opts->ops->irq)
		return -EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->opts = *opts;
	m->opts.vports = opts->vports ? opts->vports : 1;
	m->opts.indir_entries = opts->indir_entries ? opts->indir_entries : MANA_INDIR_DEFAULT;
	m->opts.queues = opts->queues ? opts->queues : MANA_MODEL_MAX_QUEUES;
	m->opts.vectors = opts->vectors ? opts->vectors : MANA_MODEL_MAX_VECTORS;
	m->opts.mtu = opts->mtu ? opts->mtu : 1500;
	m->rnd = opts->seed * 0x9e3779b97f4a7c15ull + 0x1234567;
	m->tx_buf = malloc(NET_HEADROOM + TX_MAX);
	m->rx_buf = malloc(NET_FRAME_MAX);
	if (!m->tx_buf || !m->rx_buf) {
		mana_model_destroy(m);
		return -ENOMEM;
	}
	*ret = m;
	return 0;
}

void mana_model_destroy(struct mana_model *m)
{
	if (!m)
		return;
	model_drop_all(m);
	free(m->tx_buf);
	free(m->rx_buf);
	free(m);
}

void model_drop_all(struct mana_model *m)
{
	for (unsigned int i = 0; i < MAX_WQS; i++) {
		wq_destroy(m, &m->sq[i]);
		wq_destroy(m, &m->rq[i]);
	}
	for (unsigned int i = 0; i < MAX_CQS; i++)
		cq_destroy(m, i);
	for (unsigned int i = 0; i < MAX_EQS; i++)
		eq_destroy(m, i);
	for (unsigned int i = 0; i < MAX_REGIONS; i++) {
		free(m->region[i].page);
		m->region[i].page = NULL;
		m->region[i].live = false;
	}
	memset(m->vport, 0, sizeof(m->vport));
	memset(&m->hwc, 0, sizeof(m->hwc));
	m->registered = false;
}

void mana_model_set_command(struct mana_model *m, uint16_t command)
{
	m->bme = command & 4;
}

void mana_model_reset(struct mana_model *m)
{
	model_setup(m, "reset");
	m->counts.resets++;
	model_drop_all(m);
	memset(&m->smc, 0, sizeof(m->smc));
	fault_reset(m);
	m->bme = false;
}

void mana_model_remove(struct mana_model *m)
{
	m->removed = true;
	model_log(m, "removed");
}

bool mana_model_removed(const struct mana_model *m)
{
	return m->removed;
}

/*
 * Kinds of work. In this order, what the host waits for comes first; with a seed, the search
 * begins anywhere.
 */
static bool (*const work[])(struct mana_model *m) = { eq_step, cq_step, hwc_step, tx_step };

#define NWORK (sizeof(work) / sizeof(work[0]))

static bool step(struct mana_model *m)
{
	unsigned int first = m->opts.seed ? model_random(m, NWORK) : 0;

	for (unsigned int i = 0; i < NWORK; i++) {
		if (work[(first + i) % NWORK](m))
			return true;
	}
	return false;
}

unsigned int mana_model_run(struct mana_model *m, unsigned int steps)
{
	unsigned int n = 0;

	smc_run(m);
	while (n < steps && m->bme && !m->removed && step(m))
		n++;
	return n;
}

bool mana_model_receiving(const struct mana_model *m)
{
	for (unsigned int v = 0; v < m->opts.vports; v++) {
		if (m->vport[v].rx)
			return true;
	}
	return false;
}

unsigned int mana_model_violations(const struct mana_model *m, const char **first)
{
	if (first)
		*first = m->first;
	return m->violations;
}

void mana_model_forbid_setup(struct mana_model *m, bool on)
{
	m->setup_forbidden = on;
}

const struct mana_model_counts *mana_model_counts(const struct mana_model *m)
{
	return &m->counts;
}

void mana_model_live(const struct mana_model *m, struct mana_model_live *ret)
{
	*ret = (struct mana_model_live){ .hwc = m->hwc.live, .registered = m->registered };
	for (unsigned int i = 1; i < MAX_EQS; i++)
		ret->eqs += m->eq[i].live;
	for (unsigned int i = 1; i < MAX_WQS; i++) {
		ret->sqs += m->sq[i].live;
		ret->rqs += m->rq[i].live;
		if (m->rq[i].live)
			ret->rx_posted += (m->rq[i].tail - m->rq[i].head) / GDMA_WQE_BU_SIZE;
	}
	for (unsigned int i = 0; i < MAX_REGIONS; i++)
		ret->regions += m->region[i].live;
}

const struct mana_model_ids *mana_model_ids(const struct mana_model *m)
{
	static const struct mana_model_ids ids = {
		.hwc_db = HWC_DB,
		.hwc_pdid = HWC_PDID,
		.hwc_mkey = HWC_MKEY,
		.hwc_eq = EQ_ID(0),
		.hwc_cq = CQ_ID(0),
		.hwc_rq = RQ_ID(0),
		.hwc_sq = SQ_ID(0),
		.db = MANA_DB,
		.pdid = MANA_PDID,
		.mkey = MANA_MKEY,
	};

	(void)m;
	return &ids;
}
