// SPDX-License-Identifier: GPL-2.0-or-later
/* The verifying workload: is what the device returned what was written? And the account of it. */
#include <udrv/nvme.h>

#include "udrv/common/app.h"
#include "udrv/host/host.h"
#include "udrv/host/verify.h"
#include "udrv/host/verify_block.h"

#define COMPLAINTS_MAX 20u

void verify_count(struct verify_op *o, enum verify_outcome what)
{
	uint32_t number = 0;

	for (unsigned int k = 0; k < VERIFY_KINDS; k++)
		number += (uint32_t)o->submitted[k];
	for (unsigned int i = 0; i < VERIFY_OUTCOMES; i++)
		if ((uint32_t)o->outcome[i] == number)
			return;
	verify_publish(&o->outcome[what], ((o->outcome[what] >> 32) + 1) << 32 | number);
}

static void complain(struct verify *v, const char *what, const char *kind, uint64_t block,
		     uint64_t a, uint64_t b)
{
	if (v->complaints++ < COMPLAINTS_MAX)
		app_err("verify: %s: %s, block %llu: %llu, expected %llu", kind, what,
			(unsigned long long)block, (unsigned long long)a, (unsigned long long)b);
}

static bool all_zero(const void *buf)
{
	const uint64_t *p = buf;
	uint64_t any = 0;

	for (unsigned int i = 0; i < VERIFY_BLOCK / 8; i++)
		any |= p[i];
	return !any;
}

/* Did a read return what it had to? No write to the block was under way with it. */
static bool read_right(struct host *h, struct verify *v, unsigned int op, uint64_t block)
{
	const struct verify_block *b = &v->m->block[block];
	uint64_t seq;

	if (verify_block_check(verify_buffer(h, v, op), block, &seq)) {
		/* Of a block of which no write was acknowledged anything may be on the disk. */
		if (!b->acked)
			return true;
		complain(v, "not a whole block of ours", "read", block, 0, b->acked);
		return false;
	}
	if (seq < b->acked || seq > b->submitted) {
		complain(v, "wrong sequence number", "read", block, seq, b->acked);
		return false;
	}
	return true;
}

static bool data_right(struct host *h, struct verify *v, unsigned int kind, unsigned int op,
		       uint64_t block)
{
	bool right = true;

	if (kind == VERIFY_READ)
		right = read_right(h, v, op, block);
	else if (kind == VERIFY_ZERO_READ && !all_zero(verify_buffer(h, v, op))) {
		complain(v, "not zero", "read", block, 1, 0);
		right = false;
	}
	if (!right)
		verify_count(&v->m->op[op], VERIFY_MISCOMPARE);
	return right;
}

static void count_in_time(struct verify_memory *m)
{
	uint64_t tsc = app_tsc(), now = tsc >> VERIFY_BUCKET_SHIFT;
	struct verify_header *hd = &m->h;

	if (!hd->first_bucket)
		hd->first_bucket = hd->last_bucket = now;
	if (now - hd->last_bucket > VERIFY_BUCKETS)
		hd->last_bucket = now - VERIFY_BUCKETS;
	while (hd->last_bucket < now)
		m->bucket[++hd->last_bucket % VERIFY_BUCKETS] = 0;
	m->bucket[now % VERIFY_BUCKETS]++;
	hd->tsc_last_completion = tsc;
}

/* A command that a kexec found in flight has completed: its cycle's account, once. */
static void count_across(struct host *h, struct verify *v, unsigned int op, bool resumed,
			 bool right)
{
	struct verify_op *o = &v->m->op[op];
	struct verify_cycle *c = &v->m->cycle[h->lease.cycle % VERIFY_CYCLES];

	if (h->lease.cycle && !c->tsc_first_completion)
		c->tsc_first_completion = h->tsc_first_completion;
	if (!resumed || !right || o->across_done == h->lease.cycle + 1 ||
	    v->cycle_opened != h->lease.cycle)
		return;
	o->across_done = h->lease.cycle + 1;
	c->completed_across++;
}

void verify_done(struct host *h, unsigned int qi, const struct udrv_nvme_done *done)
{
	struct verify *v = h->priv;
	unsigned int kind = verify_cookie_kind(done->cookie[0]);
	unsigned int op = verify_cookie_op(done->cookie[0]);
	uint64_t block = verify_cookie_block(done->cookie[0]);
	struct udrv_nvme_queue *q = udrv_nvme_queue(h->nvme, qi);
	bool data = kind == VERIFY_WRITE || kind == VERIFY_READ;
	bool right = false;

	if (!v || kind >= VERIFY_KINDS || op >= v->m->h.nops || (data && block >= v->m->h.blocks)) {
		app_err("queue %u: completion of a command that is not ours, released", qi + 1);
		udrv_nvme_release(q, done->slot);
		return;
	}
	if (done->status == UDRV_NVME_LOST) {
		verify_count(&v->m->op[op], VERIFY_LOST);
	} else if (done->status) {
		complain(v, "failed with status", "command", block, done->status, 0);
		verify_count(&v->m->op[op], VERIFY_ERROR);
	} else {
		right = data_right(h, v, kind, op, block);
		if (kind == VERIFY_WRITE)
			verify_publish(&v->m->block[block].acked, done->cookie[1]);
	}
	count_across(h, v, op, done->resumed, right);
	count_in_time(v->m);
	verify_publish(&v->m->op[op].completed[kind], v->m->op[op].submitted[kind]);
	udrv_nvme_release(q, done->slot);
	if (data)
		v->busy[block] = 0;
	verify_op_idle(v, op);
}
