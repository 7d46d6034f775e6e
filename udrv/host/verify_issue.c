// SPDX-License-Identifier: GPL-2.0-or-later
/* The verifying workload: what is submitted next, at the rate that it was given. */
#include <string.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/nvme.h>
#include <udrv/nvme_spec.h>

#include "udrv/common/app.h"
#include "udrv/host/host.h"
#include "udrv/host/verify.h"
#include "udrv/host/verify_block.h"

#define TRIES 16u

static uint64_t random_next(struct verify *v)
{
	v->random ^= v->random << 13;
	v->random ^= v->random >> 7;
	v->random ^= v->random << 17;
	return v->random;
}

struct choice {
	enum verify_kind kind;
	uint64_t block;
};

/* What an op of namespace 1 does next; false: nothing now (all tried blocks are busy, or all is
 * read back). */
static bool choose_data(struct verify *v, struct choice *c)
{
	struct verify_header *hd = &v->m->h;

	if (hd->mode == VERIFY_READBACK) {
		while (hd->readback < hd->blocks && !v->m->block[hd->readback].submitted)
			hd->readback++;
		if (hd->readback >= hd->blocks)
			return false;
		*c = (struct choice){ VERIFY_READ, hd->readback++ };
		return true;
	}
	if (hd->flush && ++v->data_count % hd->flush == 0) {
		*c = (struct choice){ VERIFY_FLUSH, 0 };
		return true;
	}
	c->kind = random_next(v) % 100 < hd->write ? VERIFY_WRITE : VERIFY_READ;
	for (unsigned int i = 0; i < TRIES; i++) {
		c->block = random_next(v) % hd->blocks;
		if (v->busy[c->block])
			continue;
		/* Nothing is known about a block that was never written. */
		if (c->kind == VERIFY_READ && !v->m->block[c->block].acked)
			c->kind = VERIFY_WRITE;
		return true;
	}
	return false;
}

static void choose_zero(struct verify *v, const struct verify_place *p, struct choice *c)
{
	unsigned int i = 0;

	while (v->m->h.zero_nsid[i] != p->nsid)
		i++;
	c->kind = random_next(v) % 100 < v->m->h.write ? VERIFY_ZERO_WRITE : VERIFY_ZERO_READ;
	c->block = v->zero_blocks[i] ? random_next(v) % v->zero_blocks[i] : 0;
}

/* Fill in what a command needs beside its place; returns the sequence number of a write. */
static uint64_t prepare(struct host *h, struct verify *v, unsigned int op, const struct choice *c)
{
	struct verify_header *hd = &v->m->h;
	uint64_t seq = 0;

	if (c->kind == VERIFY_WRITE) {
		seq = hd->seq + 1;
		verify_publish(&hd->seq, seq);
		verify_publish(&v->m->block[c->block].submitted, seq);
		verify_block_fill(verify_buffer(h, v, op), c->block, seq, (uint32_t)h->lease.cycle);
	} else if (c->kind == VERIFY_READ || c->kind == VERIFY_ZERO_READ) {
		/* Whatever is there afterwards, the device has put it there. */
		memset(verify_buffer(h, v, op), 0xa5, VERIFY_BLOCK);
	}
	verify_publish(&v->m->op[op].submitted[c->kind], v->m->op[op].submitted[c->kind] + 1);
	return seq;
}

static int submit(struct host *h, struct verify *v, unsigned int op, const struct choice *c)
{
	static const uint8_t opcode[VERIFY_KINDS] = { [VERIFY_WRITE] = NVME_CMD_WRITE,
						      [VERIFY_READ] = NVME_CMD_READ,
						      [VERIFY_FLUSH] = NVME_CMD_FLUSH,
						      [VERIFY_ZERO_READ] = NVME_CMD_READ,
						      [VERIFY_ZERO_WRITE] = NVME_CMD_WRITE };
	const struct verify_place *p = &v->place[op];
	const struct udrv_nvme_seg seg = { .off = v->dma_off + (uint64_t)op * VERIFY_BLOCK,
					   .len = VERIFY_BLOCK };
	struct udrv_nvme_io io = { .opcode = opcode[c->kind], .nsid = p->nsid };
	uint64_t seq;
	int err;

	seq = prepare(h, v, op, c);
	if (c->kind != VERIFY_FLUSH) {
		io.nlb = p->nlb;
		io.slba = c->block * io.nlb;
		io.seg = &seg;
		io.nseg = 1;
	}
	io.cookie[0] = verify_cookie(c->kind, op, c->block);
	io.cookie[1] = seq;
	err = udrv_nvme_submit(udrv_nvme_queue(h->nvme, p->queue), &io);
	if (err) {
		verify_publish(&v->m->op[op].submitted[c->kind],
			       v->m->op[op].submitted[c->kind] - 1);
		return err;
	}
	if (!p->zero && c->kind != VERIFY_FLUSH)
		v->busy[c->block] = 1;
	v->ring |= 1ull << p->queue;
	return 0;
}

static void refill_tokens(struct verify *v)
{
	const struct verify_header *hd = &v->m->h;
	uint64_t now;

	if (!hd->rate || hd->mode == VERIFY_READBACK) {
		v->tokens = VERIFY_OPS_MAX;
		return;
	}
	now = app_now_ns();
	if (v->token_ns)
		v->tokens += (double)(now - v->token_ns) * 1e-9 * (double)hd->rate;
	v->token_ns = now;
	/* After a pause (a blackout) the workload goes on at its rate and does not catch up. */
	if (v->tokens > (double)hd->nops)
		v->tokens = (double)hd->nops;
}

static void ring(struct host *h, struct verify *v)
{
	while (v->ring) {
		unsigned int q = (unsigned int)__builtin_ctzll(v->ring);

		udrv_nvme_ring(udrv_nvme_queue(h->nvme, q));
		v->ring &= v->ring - 1;
	}
}

/* For the account of a kexec: this side of it, and, should there be another, when this kernel last
 * ran us. */
static void note_time(struct host *h, struct verify *v)
{
	struct verify_cycle *c = &v->m->cycle[h->lease.cycle % VERIFY_CYCLES];

	v->m->h.tsc_last_alive = app_tsc();
	if (v->cycle_opened != h->lease.cycle)
		return;
	c->latched_while_masked = h->irq.latched;
	c->delivered_after = h->irq.delivered;
}

void verify_issue(struct host *h)
{
	struct verify *v = h->priv;
	struct verify_header *hd;

	if (!v)
		return;
	note_time(h, v);
	hd = &v->m->h;
	if (hd->mode != VERIFY_RUNNING && hd->mode != VERIFY_READBACK) {
		verify_mode_progress(h, v);
		return;
	}
	refill_tokens(v);
	for (unsigned int n = v->idle_len; n && v->tokens >= 1; n--) {
		unsigned int op = v->idle[v->idle_head];
		const struct verify_place *p = &v->place[op];
		struct choice c = { 0 };
		bool go;

		v->idle_head = (v->idle_head + 1) % VERIFY_OPS_MAX;
		v->idle_len--;
		if (!p->zero)
			go = choose_data(v, &c);
		else if ((go = hd->mode == VERIFY_RUNNING))
			choose_zero(v, p, &c);
		if (!go || submit(h, v, op, &c)) {
			if (go && hd->mode == VERIFY_READBACK && c.kind == VERIFY_READ)
				hd->readback = (uint32_t)c.block;
			verify_op_idle(v, op);
			continue;
		}
		v->tokens -= 1;
	}
	ring(h, v);
	verify_mode_progress(h, v);
}
