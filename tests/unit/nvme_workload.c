// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/unit/nvme_workload.h"

#define STRIDE ((WL_MAX_BLOCKS + 1) * WL_BLOCK)

static uint32_t rnd(struct workload *w, uint32_t below)
{
	w->rnd = w->rnd * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(w->rnd >> 33) % below;
}

uint64_t workload_buffer_size(unsigned int ops)
{
	return (uint64_t)ops * STRIDE;
}

static uint8_t *buffer(struct workload *w, unsigned int i)
{
	return udrv_dma_ptr(w->fx->fd.dma, w->fx->buf + (uint64_t)i * STRIDE + w->op[i].shift);
}

static uint8_t *disk(struct workload *w, unsigned int i)
{
	return nvme_model_data(w->fx->m, 1) + (size_t)i * WL_MAX_BLOCKS * WL_BLOCK;
}

/* Every operation has blocks of its own, and every byte tells whose it is. */
static void pattern(unsigned int i, uint8_t *buf, size_t len)
{
	for (size_t at = 0; at < len; at += 4) {
		uint32_t v = (i + 1) * 0x01000193u ^ (uint32_t)at * 2654435761u;

		memcpy(buf + at, &v, 4);
	}
}

static bool matches(unsigned int i, const uint8_t *buf, size_t len)
{
	for (size_t at = 0; at < len; at += 4) {
		uint32_t v = (i + 1) * 0x01000193u ^ (uint32_t)at * 2654435761u;

		if (memcmp(buf + at, &v, 4))
			return false;
	}
	return true;
}

void workload_init(struct workload *w, struct nvme_fixture *fx, const struct workload_opts *opts)
{
	*w = (struct workload){
		.fx = fx,
		.nops = opts->ops,
		.nqueues = udrv_nvme_info(fx->ctrl)->io_queues,
		.rnd = opts->seed * 77 + 5,
		.batch = opts->batch ? opts->batch : 1,
	};
	ck_assert_uint_le(w->batch, WL_MAX_BATCH);
	for (unsigned int i = 0; i < w->nops; i++) {
		struct op *op = &w->op[i];
		uint32_t kind = rnd(w, 8);

		op->opcode = kind == 0 ? NVME_CMD_FLUSH : kind < 4 ? NVME_CMD_READ : NVME_CMD_WRITE;
		op->blocks = 1 + rnd(w, WL_MAX_BLOCKS);
		op->queue = rnd(w, w->nqueues);
		op->shift = rnd(w, 2) ? 0 : 4 * rnd(w, 1024);
		/* What goes straight through. */
		if (rnd(w, 3)) {
			op->blocks = 1;
			op->shift = 0;
		}
		if (op->opcode == NVME_CMD_WRITE)
			pattern(i, buffer(w, i), op->blocks * WL_BLOCK);
		else if (op->opcode == NVME_CMD_READ)
			pattern(i, disk(w, i), op->blocks * WL_BLOCK);
	}
}

static void delivered(struct workload *w, unsigned int queue, const struct udrv_nvme_done *done)
{
	struct op *op;

	ck_assert_uint_lt(done->cookie[0], w->nops);
	ck_assert_uint_eq(done->cookie[1], ~done->cookie[0]);
	op = &w->op[done->cookie[0]];
	ck_assert_uint_eq(op->queue, queue);
	ck_assert_uint_eq(op->opcode, done->opcode);
	/* Once; a second time only to the successor of a process that had not released it. */
	ck_assert_msg(op->state == OP_SUBMITTED || (op->state == OP_DONE && op->life != w->life),
		      "op %u delivered in state %d", (unsigned int)done->cookie[0], op->state);
	if (done->status == UDRV_NVME_LOST && w->may_lose) {
		op->lost = true;
	} else {
		ck_assert_msg(!done->status, "op %u: status %#x", (unsigned int)done->cookie[0],
			      done->status);
		if (op->opcode == NVME_CMD_READ)
			ck_assert_msg(matches((unsigned int)done->cookie[0],
					      buffer(w, (unsigned int)done->cookie[0]),
					      op->blocks * WL_BLOCK),
				      "op %u read wrong data", (unsigned int)done->cookie[0]);
	}
	/* The device had it, and nobody saw it complete. */
	ck_assert(!done->resumed || op->life != w->life);
	w->resumed += done->resumed;
	op->life = w->life;
	op->state = OP_DONE;
}

static void set_state(struct workload *w, const struct udrv_nvme_done *done, unsigned int n,
		      enum op_state state)
{
	for (unsigned int i = 0; i < n; i++)
		w->op[done[i].cookie[0]].state = state;
}

static void deliver_all(struct workload *w, struct udrv_nvme_queue *q, unsigned int queue,
			const struct udrv_nvme_done *done, unsigned int n)
{
	/* One by one, or all at once. */
	unsigned int step = n && rnd(w, 2) ? n : 1;

	for (unsigned int at = 0; at < n; at += step) {
		for (unsigned int i = at; i < at + step; i++)
			delivered(w, queue, &done[i]);
		set_state(w, done + at, step, OP_RELEASING);
		if (step == 1)
			ck_assert_int_eq(udrv_nvme_release(q, done[at].slot), 0);
		else
			ck_assert_int_eq(udrv_nvme_release_batch(q, done + at, step), 0);
		set_state(w, done + at, step, OP_RELEASED);
	}
}

/* Commands for @queue that have not been submitted yet: how many, and which. */
static unsigned int next_ones(const struct workload *w, unsigned int queue, unsigned int max,
			      struct udrv_nvme_io *io, struct udrv_nvme_seg *seg)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < w->nops && n < max; i++) {
		const struct op *op = &w->op[i];

		if (op->state != OP_NEW || op->queue != queue)
			continue;
		if (op->opcode == NVME_CMD_FLUSH)
			io[n] = nvme_io(op->opcode, 1, 0, 0, 0, 0, i, &seg[n]);
		else
			io[n] = nvme_io(op->opcode, 1, (uint64_t)i * WL_MAX_BLOCKS, op->blocks,
					w->fx->buf + (uint64_t)i * STRIDE + op->shift, WL_BLOCK, i,
					&seg[n]);
		n++;
	}
	return n;
}

static void submit_some(struct workload *w, struct udrv_nvme_queue *q, unsigned int queue)
{
	struct udrv_nvme_seg seg[WL_MAX_BATCH];
	struct udrv_nvme_io io[WL_MAX_BATCH];
	unsigned int n = next_ones(w, queue, w->batch, io, seg), step = n && rnd(w, 2) ? n : 1;

	for (unsigned int at = 0; at < n; at += step) {
		int did;

		for (unsigned int i = at; i < at + step; i++)
			w->op[io[i].cookie[0]].state = OP_SUBMITTING;
		if (step == 1) {
			did = udrv_nvme_submit(q, &io[at]);
			if (!did)
				did = 1;
		} else {
			did = udrv_nvme_submit_batch(q, io + at, step);
		}
		ck_assert_msg(did > 0 || did == -EAGAIN, "submit: %d, %s", did, w->fx->log.last);
		for (int i = 0; i < (int)step; i++)
			w->op[io[at + (unsigned int)i].cookie[0]].state = i < did ? OP_SUBMITTED :
										    OP_NEW;
		if (did < (int)step)
			return;
	}
}

static bool finished(const struct workload *w)
{
	for (unsigned int i = 0; i < w->nops; i++) {
		if (w->op[i].state != OP_RELEASED)
			return false;
	}
	return true;
}

static void deliver_some(struct workload *w, struct udrv_nvme_queue *q, unsigned int queue)
{
	struct udrv_nvme_done done[8];
	int n;

	n = udrv_nvme_poll(q, done, 1 + rnd(w, 8));
	ck_assert_int_ge(n, 0);
	deliver_all(w, q, queue, done, (unsigned int)n);
}

void workload_deliver(struct workload *w)
{
	for (unsigned int queue = 0; queue < w->nqueues; queue++)
		deliver_some(w, udrv_nvme_queue(w->fx->ctrl, queue), queue);
}

void workload_rounds(struct workload *w, unsigned int rounds)
{
	for (unsigned int round = 0; round < rounds && !finished(w); round++) {
		for (unsigned int queue = 0; queue < w->nqueues; queue++) {
			struct udrv_nvme_queue *q = udrv_nvme_queue(w->fx->ctrl, queue);

			submit_some(w, q, queue);
			if (rnd(w, 4))
				udrv_nvme_ring(q);
			nvme_model_run(w->fx->m, rnd(w, 12));
			deliver_some(w, q, queue);
		}
	}
}

void workload_run(struct workload *w)
{
	workload_rounds(w, 20000);
	ck_assert_msg(finished(w), "no progress: %s", w->fx->log.last);
}

static int found(void *ctx, uint16_t slot, const uint64_t cookie[2], bool done)
{
	struct workload *w = ctx;

	(void)slot;
	(void)done;
	ck_assert_uint_lt(cookie[0], w->nops);
	ck_assert_uint_eq(cookie[1], ~cookie[0]);
	w->op[cookie[0]].present++;
	return 0;
}

void workload_reconcile(struct workload *w)
{
	w->life++;
	w->resumed = 0;
	for (unsigned int i = 0; i < w->nops; i++)
		w->op[i].present = 0;
	for (unsigned int queue = 0; queue < w->nqueues; queue++)
		ck_assert_int_eq(udrv_nvme_each(udrv_nvme_queue(w->fx->ctrl, queue), found, w), 0);

	for (unsigned int i = 0; i < w->nops; i++) {
		struct op *op = &w->op[i];

		ck_assert_msg(op->present <= 1, "op %u is in %u slots", i, op->present);
		switch (op->state) {
		case OP_NEW:
		case OP_RELEASED:
			ck_assert_msg(!op->present, "op %u in state %d has a slot", i, op->state);
			break;
		case OP_SUBMITTING:
			op->state = op->present ? OP_SUBMITTED : OP_NEW;
			break;
		case OP_RELEASING:
			op->state = op->present ? OP_DONE : OP_RELEASED;
			break;
		default:
			ck_assert_msg(op->present, "op %u in state %d has lost its slot", i,
				      op->state);
		}
	}
}

void workload_verify(struct workload *w)
{
	const struct nvme_model_counts *c = nvme_model_counts(w->fx->m);
	struct udrv_nvme_snapshot snap;
	uint64_t submitted = 0, completed = 0, lost = 0, nudges = 0;

	for (unsigned int i = 0; i < w->nops; i++) {
		const struct op *op = &w->op[i];

		if (op->opcode == NVME_CMD_WRITE && !op->lost)
			ck_assert_msg(matches(i, disk(w, i), op->blocks * WL_BLOCK),
				      "op %u: wrong data on disk", i);
	}
	ck_assert_int_eq(udrv_nvme_inspect(w->fx->fd.st, &snap), 0);
	for (unsigned int i = 1; i <= snap.io_queues; i++) {
		submitted += snap.q[i].submitted;
		completed += snap.q[i].completed;
		lost += snap.q[i].lost;
		nudges += snap.q[i].nudges;
		ck_assert_uint_eq(snap.outstanding[i], 0);
		ck_assert_uint_eq(snap.q[i].reissued, 0);
		ck_assert_uint_eq(snap.q[i].bad_cqes, 0);
		ck_assert_uint_eq(snap.q[i].spurious_cqes, 0);
	}
	ck_assert_uint_eq(submitted, w->nops);
	ck_assert_uint_eq(completed + lost, w->nops);
	if (!w->may_lose) {
		/* The device saw each command once, and nothing else but nudges. */
		nvme_model_run(w->fx->m, 1000);
		ck_assert_uint_eq(lost, 0);
		ck_assert_uint_eq(c->io_fetched, w->nops + nudges);
		ck_assert_uint_eq(c->io_completed, w->nops + nudges);
	}
	nvme_fixture_clean(w->fx);
}
