// SPDX-License-Identifier: BSD-2-Clause
/*
 * The way back: completion ring to slot to owner.
 *
 * Nothing in a completion is followed before it has been compared with a slot that waits for it. What does
 * not fit is counted and consumed.
 */
#include <errno.h>
#include <inttypes.h>

#include "devices/nvme/ctrl.h"

typedef uint64_t aliasing_u64 __attribute__((may_alias));

static inline void advance(struct udrv_nvme_queue *q)
{
	if (++q->cq_idx == q->cq_entries) {
		q->cq_idx = 0;
		q->phase ^= 1;
	}
	udrv_store64(&q->st->head, udrv_load64(&q->st->head) + 1);
}

static __attribute__((noinline, cold)) int drop(struct udrv_nvme_queue *q, uint64_t dw23, bool first)
{
	struct nvme_queue_state *st = q->st;
	uint16_t cid = dw23 >> 32;
	unsigned int i = cid & NVME_CID_SLOT_MASK;
	bool known = i < q->nslots && le16toh(q->slots[i].sqe.cid) == cid;

	/* A predecessor stopped between the slot and the head: the entry has been dealt with. */
	if (first && known && udrv_load32(&q->slots[i].state) != NVME_SLOT_PENDING) {
		advance(q);
		return NVME_CQE_DROP;
	}
	if (known)
		st->spurious_cqes = htole64(le64toh(st->spurious_cqes) + 1);
	else
		st->bad_cqes = htole64(le64toh(st->bad_cqes) + 1);
	if (++q->bad == NVME_BAD_CQES_MAX) {
		nvme_err(q->ctrl, "queue %u: %u completions that nobody waits for, the last %016" PRIx64
			 ": the controller has failed, reset it", q->qid, q->bad, dw23);
		__atomic_store_n(&q->failed, true, __ATOMIC_RELAXED);
	} else if (q->bad == 1) {
		nvme_warn(q->ctrl, "queue %u: completion that nobody waits for (dwords 2 and 3: %016" PRIx64
			  "), dropped", q->qid, dw23);
	}
	advance(q);
	return NVME_CQE_DROP;
}

/* A reserve slot's command is nobody's: the slot is free with it. */
static __attribute__((noinline, cold)) int nudge_done(struct udrv_nvme_queue *q, struct nvme_slot_state *slot)
{
	udrv_store32(&slot->state, NVME_SLOT_FREE);
	advance(q);
	return NVME_CQE_DROP;
}

static inline int take(struct udrv_nvme_queue *q, bool first)
{
	const struct nvme_cqe *cqe = &q->cq[q->cq_idx];
	struct nvme_slot_state *slot;
	/* Dwords 2 and 3 at once, and before DW0. */
	uint64_t dw23 = le64toh(__atomic_load_n((const aliasing_u64 *)&cqe->sqhd, __ATOMIC_ACQUIRE));
	uint16_t status = dw23 >> 48, cid = dw23 >> 32;
	unsigned int i = cid & NVME_CID_SLOT_MASK;

	if ((status & NVME_CQE_PHASE) != q->phase)
		return NVME_CQE_NONE;
	slot = &q->slots[i];
	if (nvme_unlikely(i >= q->nslots || le16toh(slot->sqe.cid) != cid ||
			  udrv_load32(&slot->state) != NVME_SLOT_PENDING || (uint16_t)(dw23 >> 16) != q->qid ||
			  (uint16_t)dw23 >= q->sq_entries || le64toh(slot->seq) >= udrv_load64(&q->st->tail)))
		return drop(q, dw23, first);
	if (nvme_unlikely(i >= q->depth))
		return nudge_done(q, slot);

	slot->result = *(const volatile uint32_t *)&cqe->result;
	slot->status = htole32(status >> 1);
	UDRV_STEP();
	udrv_store32(&slot->state, NVME_SLOT_DONE);
	advance(q);
	if (nvme_unlikely(status >> 1))
		q->st->errors = htole64(le64toh(q->st->errors) + 1);
	return i;
}

int nvme_cq_take(struct udrv_nvme_queue *q)
{
	return take(q, false);
}

int nvme_cq_take_first(struct udrv_nvme_queue *q)
{
	return take(q, true);
}

static inline void deliver(const struct udrv_nvme_queue *q, unsigned int i, struct udrv_nvme_done *done)
{
	const struct nvme_slot_state *slot = &q->slots[i];

	done->slot = i;
	done->opcode = slot->sqe.opcode;
	done->resumed = le64toh(slot->seq) < q->resumed_below;
	done->status = le32toh(slot->status);
	done->result = le32toh(slot->result);
	done->cookie[0] = slot->cookie[0];
	done->cookie[1] = slot->cookie[1];
}

int udrv_nvme_poll(struct udrv_nvme_queue *q, struct udrv_nvme_done *done, unsigned int max)
{
	unsigned int n = 0, unrung = 0;

	while (nvme_unlikely(q->nbacklog) && n < max)
		deliver(q, q->backlog[--q->nbacklog], &done[n++]);
	if (nvme_unlikely(__atomic_load_n(&q->failed, __ATOMIC_RELAXED)))
		return n ? (int)n : -ESHUTDOWN;

	while (n < max) {
		int i = take(q, false);

		if (i == NVME_CQE_NONE)
			break;
		if (i >= 0)
			deliver(q, i, &done[n++]);
		if (++unrung == q->cq_batch) {
			nvme_cq_ring(q);
			unrung = 0;
		}
		if (nvme_unlikely(q->failed))
			break;
	}
	if (unrung)
		nvme_cq_ring(q);
	return n;
}

int udrv_nvme_release(struct udrv_nvme_queue *q, uint16_t slot)
{
	if (nvme_unlikely(slot >= q->depth || udrv_load32(&q->slots[slot].state) != NVME_SLOT_DONE))
		return -EINVAL;
	for (uint32_t i = 0; nvme_unlikely(i < q->nbacklog); i++) {
		if (q->backlog[i] == slot)
			return -EINVAL;
	}
	udrv_store32(&q->slots[slot].state, NVME_SLOT_FREE);
	q->free[q->nfree++] = slot;
	return 0;
}

unsigned int udrv_nvme_outstanding(const struct udrv_nvme_queue *q)
{
	return q->depth - q->nfree - q->parked;
}

int udrv_nvme_each(const struct udrv_nvme_queue *q,
		   int (*fn)(void *ctx, uint16_t slot, const uint64_t cookie[2], bool delivered), void *ctx)
{
	for (uint32_t i = 0; i < q->depth; i++) {
		const struct nvme_slot_state *slot = &q->slots[i];
		uint32_t state = udrv_load32(&slot->state);
		int ret;

		if (state == NVME_SLOT_FREE)
			continue;
		ret = fn(ctx, i, slot->cookie, state == NVME_SLOT_DONE);
		if (ret)
			return ret;
	}
	return 0;
}
