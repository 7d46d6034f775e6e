// SPDX-License-Identifier: BSD-2-Clause
/* Registers, doorbells, configuration space and interrupts of the model. */
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/model/nvme/internal.h"

#define BAR_SIZE 0x4000u
#define VS_1_4	 0x00010400u

void model_violation(struct nvme_model *m, const char *fmt, ...)
{
	va_list ap;

	if (!m->violations++) {
		va_start(ap, fmt);
		vsnprintf(m->first, sizeof(m->first), fmt, ap);
		va_end(ap);
	}
}

uint32_t model_random(struct nvme_model *m, uint32_t below)
{
	m->rnd ^= m->rnd << 13;
	m->rnd ^= m->rnd >> 7;
	m->rnd ^= m->rnd << 17;
	return (uint32_t)(m->rnd >> 32) % below;
}

void *model_mem(struct nvme_model *m, uint64_t addr, uint64_t len, const char *what)
{
	void *p = m->opts.mem(m->opts.mem_ctx, addr, len);

	if (!p)
		model_violation(m, "%s: DMA outside the pool, %llu bytes at %#llx", what,
				(unsigned long long)len, (unsigned long long)addr);
	else if (!(m->config[4] & 4))
		model_violation(m, "%s: DMA while bus mastering is off", what);
	return p;
}

void model_drop_queues(struct nvme_model *m)
{
	memset(m->sq, 0, sizeof(m->sq));
	memset(m->cq, 0, sizeof(m->cq));
	m->ncmd = 0;
	m->nevents = 0;
	m->changed_masked = false;
}

static void enable(struct nvme_model *m)
{
	uint32_t asqs = (m->aqa & 0xfff) + 1, acqs = (m->aqa >> 16 & 0xfff) + 1;

	m->counts.enables++;
	if ((m->cc >> 16 & 0xf) != 6 || (m->cc >> 20 & 0xf) != 4 || (m->cc >> 4 & 0x7) ||
	    (m->cc >> 7 & 0xf))
		model_violation(m, "CC %#x: entry sizes, command set or page size", m->cc);
	if ((m->asq | m->acq) & 4095)
		model_violation(m, "ASQ or ACQ is not on a page");
	m->sq[0] = (struct sq){ .live = true, .addr = m->asq, .entries = asqs };
	m->cq[0] = (struct cq){
		.live = true, .addr = m->acq, .entries = acqs, .phase = 1, .ien = true
	};
	m->delay = 1 + model_random(m, 4);
}

static void write_cc(struct nvme_model *m, uint32_t val)
{
	uint32_t old = m->cc;

	m->cc = val;
	if (!(old & NVME_CC_EN) && (val & NVME_CC_EN)) {
		if (m->csts & NVME_CSTS_RDY)
			model_violation(m, "CC.EN set while CSTS.RDY is 1");
		enable(m);
	} else if ((old & NVME_CC_EN) && !(val & NVME_CC_EN)) {
		if (!(m->csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)) && !m->faults.rdy_stuck)
			model_violation(m, "CC.EN cleared while CSTS.RDY is 0");
		m->counts.disables++;
		m->faults.cfs = false;
		m->csts &= ~(NVME_CSTS_CFS | 3u << 2);
		m->delay = 1 + model_random(m, 4);
	} else if ((val & NVME_CC_SHN_MASK) && !(old & NVME_CC_SHN_MASK)) {
		m->counts.shutdowns++;
		m->delay = 1 + model_random(m, 4);
	}
}

/* What the controller does while the host looks at CSTS. */
static void settle(struct nvme_model *m)
{
	if (m->faults.cfs)
		m->csts |= NVME_CSTS_CFS;
	if (m->delay) {
		m->delay--;
		return;
	}
	if (!m->faults.rdy_stuck) {
		if (!(m->cc & NVME_CC_EN) && (m->csts & NVME_CSTS_RDY)) {
			if (m->faults.rdy_stays)
				return;
			model_drop_queues(m);
			m->csts &= ~NVME_CSTS_RDY;
		} else if (m->cc & NVME_CC_EN) {
			m->csts |= NVME_CSTS_RDY;
		}
	}
	if ((m->cc & NVME_CC_SHN_MASK) && !m->faults.shst_stuck)
		m->csts = (m->csts & ~(3u << 2)) | NVME_CSTS_SHST_COMPLETE << 2;
}

static uint64_t bar_read(void *ctx, uint64_t off, unsigned int width)
{
	struct nvme_model *m = ctx;

	if (width != 4 || off + width > BAR_SIZE || off & 3)
		model_violation(m, "read of %u bytes at %#llx", width, (unsigned long long)off);
	if (m->faults.gone)
		return UINT32_MAX;
	switch (off) {
	case NVME_REG_CAP:
		return (uint32_t)m->cap;
	case NVME_REG_CAP + 4:
		return m->cap >> 32;
	case NVME_REG_VS:
		return VS_1_4;
	case NVME_REG_CC:
		return m->cc;
	case NVME_REG_CSTS:
		settle(m);
		nvme_model_run_admin(m);
		return m->csts;
	case NVME_REG_AQA:
		return m->aqa;
	case NVME_REG_ASQ:
		return (uint32_t)m->asq;
	case NVME_REG_ASQ + 4:
		return m->asq >> 32;
	case NVME_REG_ACQ:
		return (uint32_t)m->acq;
	case NVME_REG_ACQ + 4:
		return m->acq >> 32;
	case NVME_REG_CRTO:
		return m->opts.crto;
	}
	return 0;
}

/*
 * Every command that was handed in must find room for its completion, as far as the host has told
 * of it.
 */
static void check_room(struct nvme_model *m, unsigned int cqid)
{
	const struct cq *cq = &m->cq[cqid];
	uint32_t n = (cq->tail + cq->entries - cq->head) % cq->entries;

	for (unsigned int i = 0; i < m->ncmd; i++)
		n += m->sq[m->cmd[i].sqid].cqid == cqid;
	for (unsigned int i = 0; i < MAX_QUEUES; i++) {
		const struct sq *sq = &m->sq[i];

		if (sq->live && sq->cqid == cqid)
			n += (sq->tail + sq->entries - sq->head) % sq->entries;
	}
	if (n > cq->entries - 1)
		model_violation(m, "completion queue %u: %u commands and completions, room for %u",
				cqid, n, cq->entries - 1);
}

static void ring_sq(struct nvme_model *m, unsigned int qid, uint32_t val)
{
	struct sq *sq = &m->sq[qid];
	uint32_t used, added;

	if (!sq->live) {
		model_violation(m, "doorbell of submission queue %u, which does not exist", qid);
		return;
	}
	if (val >= sq->entries) {
		model_violation(m, "submission queue %u: tail %u of %u entries", qid, val,
				sq->entries);
		return;
	}
	if (val == sq->doorbell) {
		model_violation(m, "submission queue %u: tail %u written again", qid, val);
		return;
	}
	used = (sq->tail + sq->entries - sq->head) % sq->entries;
	added = (val + sq->entries - sq->tail) % sq->entries;
	if (added > sq->entries - 1 - used)
		model_violation(m, "submission queue %u: %u entries added, %u are free", qid, added,
				sq->entries - 1 - used);
	sq->doorbell = val;
	sq->tail = val;
	check_room(m, sq->cqid);
}

static void ring_cq(struct nvme_model *m, unsigned int qid, uint32_t val)
{
	struct cq *cq = &m->cq[qid];
	uint32_t posted, taken;

	if (!cq->live) {
		model_violation(m, "doorbell of completion queue %u, which does not exist", qid);
		return;
	}
	if (val >= cq->entries) {
		model_violation(m, "completion queue %u: head %u of %u entries", qid, val,
				cq->entries);
		return;
	}
	if (val == cq->doorbell) {
		model_violation(m, "completion queue %u: head %u written again", qid, val);
		return;
	}
	posted = (cq->tail + cq->entries - cq->head) % cq->entries;
	taken = (val + cq->entries - cq->head) % cq->entries;
	if (taken > posted)
		model_violation(m, "completion queue %u: %u entries consumed, %u were posted", qid,
				taken, posted);
	cq->doorbell = val;
	cq->head = val;
}

static void ring(struct nvme_model *m, uint64_t off, uint32_t val)
{
	uint32_t stride = 4u << m->opts.dstrd;
	uint64_t i = (off - NVME_REG_DOORBELLS) / stride;

	if ((off - NVME_REG_DOORBELLS) % stride || i / 2 >= MAX_QUEUES) {
		model_violation(m, "write to %#llx, which is no doorbell", (unsigned long long)off);
		return;
	}
	if (!(m->csts & NVME_CSTS_RDY)) {
		model_violation(m, "doorbell %llu written while CSTS.RDY is 0",
				(unsigned long long)i);
		return;
	}
	if (i & 1)
		ring_cq(m, i / 2, val);
	else
		ring_sq(m, i / 2, val);
}

static void bar_write(void *ctx, uint64_t off, uint64_t val, unsigned int width)
{
	struct nvme_model *m = ctx;

	if (width != 4 || off + width > BAR_SIZE || off & 3)
		model_violation(m, "write of %u bytes at %#llx", width, (unsigned long long)off);
	if (m->faults.gone)
		return;
	if (off >= NVME_REG_DOORBELLS) {
		ring(m, off, (uint32_t)val);
		return;
	}
	if (m->setup_forbidden)
		model_violation(m, "register %#llx written", (unsigned long long)off);
	if ((m->cc & NVME_CC_EN) && off != NVME_REG_CC)
		model_violation(m, "register %#llx written while CC.EN is 1",
				(unsigned long long)off);
	switch (off) {
	case NVME_REG_CC:
		write_cc(m, (uint32_t)val);
		break;
	case NVME_REG_AQA:
		m->aqa = (uint32_t)val;
		break;
	case NVME_REG_ASQ:
		m->asq = (m->asq & ~0xffffffffull) | val;
		break;
	case NVME_REG_ASQ + 4:
		m->asq = (m->asq & 0xffffffff) | val << 32;
		break;
	case NVME_REG_ACQ:
		m->acq = (m->acq & ~0xffffffffull) | val;
		break;
	case NVME_REG_ACQ + 4:
		m->acq = (m->acq & 0xffffffff) | val << 32;
		break;
	default:
		model_violation(m, "register %#llx written", (unsigned long long)off);
	}
}

static const struct udrv_bar_ops bar_ops = { .read = bar_read, .write = bar_write };

static int bar_map(void *ctx, unsigned int bar, struct udrv_bar *ret)
{
	if (bar != 0)
		return -ENOENT;
	*ret = (struct udrv_bar){ .size = BAR_SIZE, .ops = &bar_ops, .ctx = ctx };
	return 0;
}

static int config_read(void *ctx, unsigned int off, void *buf, unsigned int len)
{
	struct nvme_model *m = ctx;

	if (m->faults.gone)
		memset(buf, 0xff, len);
	else
		memcpy(buf, m->config + off, len);
	return 0;
}

static int config_write(void *ctx, unsigned int off, const void *buf, unsigned int len)
{
	struct nvme_model *m = ctx;

	if (m->setup_forbidden)
		model_violation(m, "configuration space written at %#x", off);
	memcpy(m->config + off, buf, len);
	return 0;
}

static int irq_count(void *ctx)
{
	struct nvme_model *m = ctx;

	return (int)m->opts.vectors;
}

static int irq_arm(void *ctx, unsigned int first, unsigned int n, const int *eventfds)
{
	struct nvme_model *m = ctx;
	uint64_t one = 1;

	if (first + n > m->opts.vectors)
		return -EINVAL;
	m->msix = true;
	for (unsigned int i = 0; i < n; i++) {
		m->eventfd[first + i] = eventfds[i];
		m->pending[first + i] = false;
		if (eventfds[i] >= 0 && write(eventfds[i], &one, sizeof(one)) != sizeof(one))
			return -EIO;
	}
	return 0;
}

static int irq_disarm(void *ctx)
{
	struct nvme_model *m = ctx;

	memset(m->eventfd, 0xff, sizeof(m->eventfd));
	m->msix = false;
	return 0;
}

static int reset(void *ctx)
{
	struct nvme_model *m = ctx;

	if (m->setup_forbidden)
		model_violation(m, "function-level reset");
	if (m->faults.no_flr)
		return -EIO;
	model_drop_queues(m);
	m->counts.resets++;
	m->cc = 0;
	m->csts = 0;
	m->faults.rdy_stuck = false;
	m->faults.rdy_stays = false;
	m->faults.cfs = false;
	return 0;
}

const struct udrv_device_ops nvme_model_ops = {
	.size = sizeof(struct udrv_device_ops),
	.bar_map = bar_map,
	.config_read = config_read,
	.config_write = config_write,
	.irq_count = irq_count,
	.irq_arm = irq_arm,
	.irq_disarm = irq_disarm,
	.reset = reset,
};

static void make_config(struct nvme_model *m)
{
	static const uint8_t id[] = { 0x36, 0x1b, 0x10, 0x00, 0, 0, 0, 0, 2, 2, 8, 1 };

	memcpy(m->config, id, sizeof(id));
	m->config[0x2c] = 0xf4;
	m->config[0x2d] = 0x1a;
	m->config[0x2f] = 0x11;
}

int nvme_model_create(const struct nvme_model_opts *opts, struct nvme_model **ret)
{
	struct nvme_model *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->opts = *opts;
	opts = &m->opts;
	if (!m->opts.mqes)
		m->opts.mqes = 1023;
	if (!m->opts.max_queues)
		m->opts.max_queues = 16;
	if (!m->opts.nn)
		m->opts.nn = 1;
	if (!m->opts.nsze)
		m->opts.nsze = 1024;
	if (!m->opts.lbads)
		m->opts.lbads = 12;
	if (!m->opts.oncs)
		m->opts.oncs = NVME_ONCS_COMPARE | NVME_ONCS_DSM | NVME_ONCS_WRITE_ZEROES;
	m->rnd = opts->seed * 0x9e3779b97f4a7c15ull + 0x1234567;
	/* CQR, TO 1 (500 ms), NVM command set */
	m->cap = (opts->mqes | 1ull << 16 | 1ull << 24 | (uint64_t)opts->dstrd << 32 | 1ull << 37) ^
		 opts->cap_toggle;
	make_config(m);
	memset(m->eventfd, 0xff, sizeof(m->eventfd));
	for (unsigned int i = 0; i < opts->nn && i < NVME_MODEL_MAX_NS; i++) {
		m->ns[i].attached = true;
		m->ns[i].nsze = m->ns[i].capacity = opts->nsze;
		m->ns[i].data = calloc(opts->nsze, (size_t)1 << opts->lbads);
		if (!m->ns[i].data) {
			nvme_model_destroy(m);
			return -ENOMEM;
		}
	}
	*ret = m;
	return 0;
}

void nvme_model_destroy(struct nvme_model *m)
{
	if (!m)
		return;
	for (unsigned int i = 0; i < NVME_MODEL_MAX_NS; i++)
		free(m->ns[i].data);
	free(m);
}

unsigned int nvme_model_violations(const struct nvme_model *m, const char **first)
{
	if (first)
		*first = m->first;
	return m->violations;
}

void nvme_model_forbid_setup(struct nvme_model *m, bool on)
{
	m->setup_forbidden = on;
}

const struct nvme_model_counts *nvme_model_counts(const struct nvme_model *m)
{
	return &m->counts;
}

uint8_t *nvme_model_data(struct nvme_model *m, uint32_t nsid)
{
	return m->ns[nsid - 1].data;
}

void nvme_model_firmware(struct nvme_model *m, bool half)
{
	m->cc = NVME_CC_EN | NVME_CC_IOSQES(6) | NVME_CC_IOCQES(4);
	m->csts = half ? 0 : NVME_CSTS_RDY;
	m->delay = half ? 5 : 0;
	m->aqa = 0x00070007;
	m->asq = 0x7000;
	m->acq = 0x8000;
	m->sq[0] = (struct sq){ .live = true, .addr = m->asq, .entries = 8 };
	m->cq[0] = (struct cq){ .live = true, .addr = m->acq, .entries = 8, .phase = 1 };
	m->sq[1] = (struct sq){ .live = true, .addr = 0x9000, .entries = 8, .cqid = 1 };
	m->cq[1] = (struct cq){ .live = true, .addr = 0xa000, .entries = 8, .phase = 1 };
}

void nvme_model_poke(struct nvme_model *m, uint64_t off, uint64_t val)
{
	switch (off) {
	case NVME_REG_CC:
		m->cc = (uint32_t)val;
		break;
	case NVME_REG_AQA:
		m->aqa = (uint32_t)val;
		break;
	case NVME_REG_ASQ:
		m->asq = val;
		break;
	case NVME_REG_ACQ:
		m->acq = val;
		break;
	}
}

uint32_t nvme_model_csts(const struct nvme_model *m)
{
	return m->csts;
}

uint32_t nvme_model_outstanding(const struct nvme_model *m)
{
	uint32_t n = m->ncmd;

	for (unsigned int i = 0; i < MAX_QUEUES; i++) {
		if (m->sq[i].live)
			n += (m->sq[i].tail + m->sq[i].entries - m->sq[i].head) % m->sq[i].entries;
	}
	return n;
}

struct nvme_model_faults *nvme_model_faults(struct nvme_model *m)
{
	return &m->faults;
}
