// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The verifying workload. At most one command is in flight per block of namespace 1, so that what a
 * read must return is known exactly; the other namespaces read as zeroes and serve to have commands
 * of known latency.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/nvme_spec.h>

#include "udrv/common/app.h"
#include "udrv/common/json.h"
#include "udrv/host/host.h"
#include "udrv/host/verify.h"
#include "udrv/host/verify_block.h"

#define DMA_TAG	       0x796669726576ull /* "verify" */
#define COMPLAINTS_MAX 20u
#define TRIES	       16u

static struct verify the_workload = { .stop_sock = -1, .cycle_opened = UINT64_MAX };

/* A store that is in its place before whatever follows it in the program. */
static void publish(uint64_t *to, uint64_t val)
{
	__atomic_store_n(to, val, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static uint64_t random_next(struct verify *v)
{
	v->random ^= v->random << 13;
	v->random ^= v->random >> 7;
	v->random ^= v->random << 17;
	return v->random;
}

static void *buffer(struct host *h, const struct verify *v, unsigned int op)
{
	return udrv_dma_ptr(udrv_device_dma(h->dev), v->dma_off + (uint64_t)op * VERIFY_BLOCK);
}

static void complain(struct verify *v, const char *what, const char *kind, uint64_t block,
		     uint64_t a, uint64_t b)
{
	if (v->complaints++ < COMPLAINTS_MAX)
		app_err("verify: %s: %s, block %llu: %llu, expected %llu", kind, what,
			(unsigned long long)block, (unsigned long long)a, (unsigned long long)b);
}

unsigned int verify_in_flight(const struct verify *v)
{
	return (unsigned int)v->m->h.nops - v->idle_len;
}

static void op_idle(struct verify *v, unsigned int op)
{
	v->idle[(v->idle_head + v->idle_len++) % VERIFY_OPS_MAX] = (uint16_t)op;
}

/* ---- issue ---------------------------------------------------------------------------------- */

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
		publish(&hd->seq, seq);
		publish(&v->m->block[c->block].submitted, seq);
		verify_block_fill(buffer(h, v, op), c->block, seq, (uint32_t)h->lease.cycle);
	} else if (c->kind == VERIFY_READ || c->kind == VERIFY_ZERO_READ) {
		/* Whatever is there afterwards, the device has put it there. */
		memset(buffer(h, v, op), 0xa5, VERIFY_BLOCK);
	}
	publish(&v->m->op[op].submitted[c->kind], v->m->op[op].submitted[c->kind] + 1);
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
		publish(&v->m->op[op].submitted[c->kind], v->m->op[op].submitted[c->kind] - 1);
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

static void mode_progress(struct host *h, struct verify *v);

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

static void verify_issue(struct host *h)
{
	struct verify *v = h->priv;
	struct verify_header *hd;

	if (!v)
		return;
	note_time(h, v);
	hd = &v->m->h;
	if (hd->mode != VERIFY_RUNNING && hd->mode != VERIFY_READBACK) {
		mode_progress(h, v);
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
			op_idle(v, op);
			continue;
		}
		v->tokens -= 1;
	}
	ring(h, v);
	mode_progress(h, v);
}

/* ---- completions ---------------------------------------------------------------------------- */

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

	if (verify_block_check(buffer(h, v, op), block, &seq)) {
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
	else if (kind == VERIFY_ZERO_READ && !all_zero(buffer(h, v, op))) {
		complain(v, "not zero", "read", block, 1, 0);
		right = false;
	}
	if (!right)
		v->m->h.miscompares++;
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

static void verify_done(struct host *h, unsigned int qi, const struct udrv_nvme_done *done)
{
	struct verify *v = h->priv;
	unsigned int kind = verify_cookie_kind(done->cookie[0]);
	unsigned int op = verify_cookie_op(done->cookie[0]);
	uint64_t block = verify_cookie_block(done->cookie[0]);
	struct udrv_nvme_queue *q = udrv_nvme_queue(h->nvme, qi);
	bool data = kind == VERIFY_WRITE || kind == VERIFY_READ;
	struct verify_header *hd;
	bool right = false;

	if (!v || kind >= VERIFY_KINDS || op >= v->m->h.nops || (data && block >= v->m->h.blocks)) {
		app_err("queue %u: completion of a command that is not ours, released", qi + 1);
		udrv_nvme_release(q, done->slot);
		return;
	}
	hd = &v->m->h;
	if (done->status == UDRV_NVME_LOST) {
		hd->lost++;
	} else if (done->status) {
		complain(v, "failed with status", "command", block, done->status, 0);
		hd->errors++;
	} else {
		right = data_right(h, v, kind, op, block);
		if (kind == VERIFY_WRITE)
			publish(&v->m->block[block].acked, done->cookie[1]);
	}
	count_across(h, v, op, done->resumed, right);
	count_in_time(v->m);
	publish(&v->m->op[op].completed[kind], v->m->op[op].submitted[kind]);
	udrv_nvme_release(q, done->slot);
	if (data)
		v->busy[block] = 0;
	op_idle(v, op);
}

/* ---- start, stop ---------------------------------------------------------------------------- */

static int namespaces(struct host *h, struct verify *v, char *why, size_t why_size)
{
	const struct udrv_nvme_info *info = udrv_nvme_info(h->nvme);
	struct verify_header *hd = &v->m->h;

	hd->nzero = 0;
	for (unsigned int i = 1; i < info->nn && hd->nzero < VERIFY_ZERO_NS; i++)
		if (udrv_nvme_ns(h->nvme, i)->usable)
			hd->zero_nsid[hd->nzero++] = udrv_nvme_ns(h->nvme, i)->nsid;
	if (!info->nn || !udrv_nvme_ns(h->nvme, 0)->usable || udrv_nvme_ns(h->nvme, 0)->nsid != 1) {
		snprintf(why, why_size, "the controller has no usable namespace 1");
		return -ENODEV;
	}
	return 0;
}

int verify_start(struct host *h, const struct verify_config *c, char *why, size_t why_size)
{
	const struct udrv_nvme_info *info = udrv_nvme_info(h->nvme);
	struct verify *v = h->priv;
	struct verify_header *hd = &v->m->h;
	uint64_t per_queue;
	int err;

	if (hd->mode != VERIFY_IDLE) {
		snprintf(why, why_size, "it is running");
		return -EBUSY;
	}
	err = namespaces(h, v, why, why_size);
	if (err)
		return err;
	hd->queues = c->queues < info->io_queues ? c->queues : info->io_queues;
	per_queue = c->depth + c->zdepth * hd->nzero;
	if (per_queue > info->depth || per_queue * hd->queues > VERIFY_OPS_MAX) {
		snprintf(
			why, why_size,
			"%llu commands per queue on %llu queues: a queue takes %u, the workload %u in all",
			(unsigned long long)per_queue, (unsigned long long)hd->queues, info->depth,
			VERIFY_OPS_MAX);
		return -EINVAL;
	}
	/* Blocks written before keep their sequence numbers; the region may only grow. */
	hd->blocks = c->blocks > hd->blocks ? c->blocks : hd->blocks;
	hd->depth = c->depth;
	hd->zdepth = c->zdepth;
	hd->rate = c->rate;
	hd->write = c->write;
	hd->flush = c->flush;
	hd->nops = per_queue * hd->queues;
	hd->cycle = h->lease.cycle;
	err = verify_places(h, v);
	if (err) {
		snprintf(
			why, why_size,
			"namespace 1 is smaller than %llu blocks, or its blocks are larger than 4 KiB",
			(unsigned long long)hd->blocks);
		return err;
	}
	v->idle_head = v->idle_len = 0;
	for (unsigned int i = 0; i < hd->nops; i++)
		op_idle(v, i);
	v->token_ns = app_now_ns();
	__atomic_store_n(&hd->mode, VERIFY_RUNNING, __ATOMIC_RELEASE);
	verify_issue(h);
	return 0;
}

/* DRAINING → READBACK → IDLE as commands complete. */
static void mode_progress(struct host *h, struct verify *v)
{
	struct verify_header *hd = &v->m->h;

	if (hd->mode == VERIFY_DRAINING && !verify_in_flight(v)) {
		hd->readback = v->readback_wanted ? 0 : VERIFY_BLOCKS_MAX;
		__atomic_store_n(&hd->mode, VERIFY_READBACK, __ATOMIC_RELEASE);
		verify_issue(h);
		return;
	}
	if (hd->mode == VERIFY_READBACK && hd->readback >= hd->blocks && !verify_in_flight(v)) {
		__atomic_store_n(&hd->mode, VERIFY_IDLE, __ATOMIC_RELEASE);
		if (v->stop_sock >= 0)
			host_reply(v->stop_sock, v->stop_id, verify_json(h));
		v->stop_sock = -1;
	}
}

static int verify_stop(struct host *h, struct json_object *req, int sock, uint32_t id)
{
	struct verify *v = h->priv;

	if (v->m->h.mode == VERIFY_IDLE) {
		host_reply(sock, id, verify_json(h));
		return 0;
	}
	if (v->stop_sock >= 0)
		return -EALREADY;
	v->stop_sock = sock;
	v->stop_id = id;
	v->readback_wanted = !json_get_flag(req, "no_readback");
	if (v->m->h.mode == VERIFY_RUNNING)
		__atomic_store_n(&v->m->h.mode, VERIFY_DRAINING, __ATOMIC_RELEASE);
	mode_progress(h, v);
	return 1;
}

static void verify_gone(struct host *h, int sock)
{
	struct verify *v = h->priv;

	if (v && v->stop_sock == sock)
		v->stop_sock = -1;
}

static int verify_command(struct host *h, struct json_object *req, int sock, uint32_t id)
{
	const char *action = json_get_str(req, "action", "");
	struct verify_config c;
	char why[192] = "";
	int err;

	if (!h->priv)
		return -ENODEV;
	if (!strcmp(action, "stop"))
		return verify_stop(h, req, sock, id);
	if (strcmp(action, "start"))
		return -EOPNOTSUPP;
	err = config_verify(json_get_str(req, "options", NULL), &c, why, sizeof(why));
	if (!err)
		err = verify_start(h, &c, why, sizeof(why));
	if (err)
		host_reply_error(sock, id, err, why);
	else
		host_reply(sock, id, NULL);
	return 0;
}

/* ---- memory --------------------------------------------------------------------------------- */

static int map_memory(struct host *h, struct verify *v)
{
	struct stat st;
	void *map;

	if (fstat(h->handle.fd[UDRV_FD_EXTRA], &st))
		return -errno;
	if ((uint64_t)st.st_size < sizeof(*v->m))
		return -EBADMSG;
	/* All of it, so that the kernel may map the large folio that it is. */
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   h->handle.fd[UDRV_FD_EXTRA], 0);
	if (map == MAP_FAILED)
		return -errno;
	v->m = map;
	return 0;
}

/* The mapping outlives the descriptor that it was made of. */
static void verify_preview(struct host *h)
{
	struct verify *v = &the_workload;

	if (h->handle.fd[UDRV_FD_EXTRA] < 0 || v->m || map_memory(h, v))
		return;
	/* The process's own tables, which it shares with the agent until it writes them. */
	memset(v->busy, 0, sizeof(v->busy));
	memset(v->place, 0, sizeof(v->place));
}

static int open_memory(struct host *h, struct verify *v)
{
	int err;

	err = v->m ? 0 : map_memory(h, v);
	if (err)
		return err;
	if (memcmp(v->m->h.magic, VERIFY_MAGIC, sizeof(v->m->h.magic))) {
		memset(v->m, 0, sizeof(*v->m));
		memcpy(v->m->h.magic, VERIFY_MAGIC, sizeof(v->m->h.magic));
	}
	return 0;
}

static int open_buffers(struct host *h, struct verify *v)
{
	struct udrv_dma *dma = udrv_device_dma(h->dev);
	uint64_t size = (uint64_t)VERIFY_OPS_MAX * VERIFY_BLOCK, found;
	int err;

	err = udrv_dma_find(dma, DMA_TAG, &v->dma_off, &found);
	if (!err)
		return found >= size ? 0 : -EBADMSG;
	return udrv_dma_alloc(dma, size, VERIFY_BLOCK, 0, DMA_TAG, &v->dma_off);
}

static int verify_open(struct host *h, bool resumed)
{
	struct verify *v = &the_workload;
	struct verify_config c;
	char list[256], why[192] = "";
	int err;

	if (h->handle.fd[UDRV_FD_EXTRA] < 0)
		return 0;
	err = open_memory(h, v);
	if (!err)
		err = open_buffers(h, v);
	if (err) {
		app_err("verify: cannot open its memory: %s", app_errname(err));
		return err;
	}
	v->random = app_tsc() | 1;
	h->priv = v;
	if (v->m->h.mode != VERIFY_IDLE || resumed)
		return verify_resume(h, v);
	if (!config_verify_at_boot(list, sizeof(list)))
		return 0;
	err = config_verify(list, &c, why, sizeof(why));
	if (!err)
		err = verify_start(h, &c, why, sizeof(why));
	if (err)
		app_err("udrv.verify=%s: %s", list, why[0] ? why : strerror(-err));
	return 0;
}

static struct json_object *verify_status(struct host *h)
{
	return verify_json(h);
}

const struct consumer_ops verify_consumer = {
	.name = "verify",
	.preview = verify_preview,
	.open = verify_open,
	.done = verify_done,
	.issue = verify_issue,
	.status = verify_status,
	.command = verify_command,
	.gone = verify_gone,
};
