// SPDX-License-Identifier: BSD-2-Clause
/*
 * The way back: completion ring to slot to owner.
 *
 * Nothing in a completion is followed before it has been compared with a slot that waits for it.
 * What does not fit is counted and consumed.
 */
#include <errno.h>
#include <inttypes.h>

#include "devices/nvme/ctrl.h"

typedef uint64_t aliasing_u64 __attribute__((may_alias));

static inline void advance(struct udrv_nvme_queue *q)
{
	if (++q->cqe == q->cq_end) {
		q->cqe = q->cq;
		q->phase ^= 1;
	}
	udrv_store64(&q->st->head, udrv_load64(&q->st->head) + 1);
}

static __attribute__((noinline, cold)) int drop(struct udrv_nvme_queue *q, uint64_t dw23,
						bool first)
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
		nvme_err(q->ctrl,
			 "queue %u: %u completions that nobody waits for, the last %016" PRIx64
			 ": the controller has failed, reset it",
			 q->qid, q->bad, dw23);
		__atomic_store_n(&q->failed, true, __ATOMIC_RELAXED);
		q->page_io = &nvme_no_page_io;
		nvme_queue_limits(q);
	} else if (q->bad == 1) {
		nvme_warn(q->ctrl,
			  "queue %u: completion that nobody waits for (dwords 2 and 3: %016" PRIx64
			  "), dropped",
			  q->qid, dw23);
	}
	advance(q);
	return NVME_CQE_DROP;
}

/* A reserve slot's command is nobody's: the slot is free with it. */
static __attribute__((noinline, cold)) int nudge_done(struct udrv_nvme_queue *q,
						      struct nvme_slot_state *slot)
{
	udrv_store32(&slot->state, NVME_SLOT_FREE);
	advance(q);
	return NVME_CQE_DROP;
}

static __attribute__((noinline)) int take(struct udrv_nvme_queue *q, bool first)
{
	const struct nvme_cqe *cqe = q->cqe;
	struct nvme_slot_state *slot;
	/* Dwords 2 and 3 at once, and before DW0. */
	uint64_t dw23 =
		le64toh(__atomic_load_n((const aliasing_u64 *)&cqe->sqhd, __ATOMIC_ACQUIRE));
	uint16_t status = dw23 >> 48, cid = dw23 >> 32;
	unsigned int i = cid & NVME_CID_SLOT_MASK;

	if ((status & NVME_CQE_PHASE) != q->phase)
		return NVME_CQE_NONE;
	slot = &q->slots[i];
	if (nvme_unlikely(i >= q->nslots || le16toh(slot->sqe.cid) != cid ||
			  udrv_load32(&slot->state) != NVME_SLOT_PENDING ||
			  (uint32_t)dw23 - q->sqid_dw2 >= q->sq_entries ||
			  le64toh(slot->seq) >= udrv_load64(&q->st->tail)))
		return drop(q, dw23, first);
	if (nvme_unlikely(i >= q->depth))
		return nudge_done(q, slot);

	status = status >> 1 & (NVME_SC_MASK | NVME_STATUS_DNR);
	slot->result = *(const volatile uint32_t *)&cqe->result;
	slot->status = htole32(status);
	UDRV_STEP();
	udrv_store32(&slot->state, NVME_SLOT_DONE);
	advance(q);
	if (nvme_unlikely(status))
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

static inline void fill(const struct udrv_nvme_queue *q, const struct nvme_slot_state *slot,
			unsigned int i, uint32_t status, uint32_t result,
			struct udrv_nvme_done *done)
{
	done->slot = i;
	done->opcode = slot->sqe.opcode;
	done->resumed = nvme_unlikely(le64toh(slot->seq) < q->resumed_below) && q->inherited[i];
	done->status = status;
	done->result = result;
	done->cookie[0] = slot->cookie[0];
	done->cookie[1] = slot->cookie[1];
}

static void deliver(const struct udrv_nvme_queue *q, unsigned int i, struct udrv_nvme_done *done)
{
	const struct nvme_slot_state *slot = &q->slots[i];

	fill(q, slot, i, le32toh(slot->status), le32toh(slot->result), done);
}

/*
 * Before the device can be used. No entry is consumed: they tell of doorbells as well, which is
 * udrv_nvme_resume_take()'s business. A read waits: whether its data went into this memory is known
 * when every address was compared.
 */
static __attribute__((noinline, cold)) int
poll_resuming(struct udrv_nvme_queue *q, struct udrv_nvme_done *done, unsigned int max)
{
	unsigned int n = 0, kept = 0, at = 0;

	for (; at < q->nbacklog && n < max; at++) {
		uint16_t slot = q->backlog[at];

		if (q->slots[slot].sqe.opcode & NVME_OPCODE_TO_HOST)
			q->backlog[kept++] = slot;
		else
			deliver(q, slot, &done[n++]);
	}
	while (at < q->nbacklog)
		q->backlog[kept++] = q->backlog[at++];
	q->nbacklog = kept;
	return (int)n;
}

/* Anything, from @n entries of @done on, for which the head doorbell is still due. */
static __attribute__((noinline)) int
poll_any(struct udrv_nvme_queue *q, struct udrv_nvme_done *done, unsigned int max, unsigned int n)
{
	unsigned int unrung = n;

	if (q->resuming)
		return poll_resuming(q, done, max);
	while (q->nbacklog && n < max)
		deliver(q, q->backlog[--q->nbacklog], &done[n++]);
	nvme_queue_limits(q);
	if (__atomic_load_n(&q->failed, __ATOMIC_RELAXED))
		return n ? (int)n : -ESHUTDOWN;

	for (;;) {
		int i;

		if (unrung && (unrung >= q->cq_batch || n == max)) {
			nvme_cq_ring(q);
			unrung = 0;
		}
		if (n == max || q->failed)
			break;
		i = take(q, false);
		if (i == NVME_CQE_NONE)
			break;
		if (i >= 0)
			deliver(q, i, &done[n++]);
		unrung++;
	}
	if (unrung)
		nvme_cq_ring(q);
	return n;
}

static __attribute__((noinline)) int rung_any(struct udrv_nvme_queue *q, int n)
{
	nvme_cq_ring(q);
	return n;
}

/* fill() for a success */
static inline void fill_success(const struct udrv_nvme_queue *q, const struct nvme_slot_state *slot,
				uint64_t i, uint32_t result, struct udrv_nvme_done *done)
{
#if __BYTE_ORDER == __LITTLE_ENDIAN
	/* Slot, opcode, not resumed, success: in one store. */
	static_assert(!offsetof(struct udrv_nvme_done, slot) &&
			      offsetof(struct udrv_nvme_done, opcode) == 2 &&
			      offsetof(struct udrv_nvme_done, resumed) == 3 &&
			      offsetof(struct udrv_nvme_done, status) == 4,
		      "the first eight bytes, without holes");
	uint64_t head = i | (uint64_t)slot->sqe.opcode << 16;

	memcpy(done, &head, sizeof(head));
	if (nvme_unlikely(le64toh(slot->seq) < q->resumed_below))
		done->resumed = q->inherited[i];
	done->result = result;
	done->cookie[0] = slot->cookie[0];
	done->cookie[1] = slot->cookie[1];
#else
	fill(q, slot, i, 0, result, done);
#endif
}

/*
 * The common case, straight through: successful commands. Whatever is other than that is looked at
 * again by take(), with the entry still there.
 */
int udrv_nvme_poll(struct udrv_nvme_queue *q, struct udrv_nvme_done *done, unsigned int max)
{
	struct udrv_nvme_done *at = done, *end = done + max;
	uint64_t phase = (uint64_t)q->phase << 16;
	struct nvme_queue_state *st = q->st;
	struct nvme_cqe *cqe = q->cqe;
	uint64_t head;

	/* 0 as well */
	if (nvme_unlikely(max - 1 >= q->poll_limit))
		return poll_any(q, done, max, 0);
	head = udrv_load64(&st->head);
	do {
		uint64_t dw23 = le64toh(
			__atomic_load_n((const aliasing_u64 *)&cqe->sqhd, __ATOMIC_ACQUIRE));
		uint64_t dw3 = dw23 >> 32, i = dw3 & NVME_CID_SLOT_MASK;
		struct nvme_slot_state *slot = &q->slots[i];

		/* Success, the phase and the slot's CID, all in one. */
		if (nvme_unlikely((uint32_t)i >= q->depth) ||
		    (le16toh(slot->sqe.cid) | phase) != dw3 ||
		    nvme_unlikely(slot->state != htole32(NVME_SLOT_PENDING) ||
				  (uint32_t)dw23 - q->sqid_dw2 >= q->sq_entries)) {
			q->cqe = cqe;
			if (!((dw3 ^ phase) & NVME_CQE_PHASE << 16))
				return poll_any(q, done, end - done, at - done);
			if (at == done)
				return 0;
			break;
		}

		uint32_t result = *(const volatile uint32_t *)&cqe->result;
		slot->result = result;
		slot->status = 0;
		UDRV_STEP();
		udrv_store32(&slot->state, NVME_SLOT_DONE);
		if (nvme_unlikely(++cqe == q->cq_end)) {
			cqe = q->cq;
			phase ^= NVME_CQE_PHASE << 16;
			q->phase ^= NVME_CQE_PHASE;
		}
		udrv_store64(&st->head, ++head);
		fill_success(q, slot, i, le32toh(result), at);
	} while (++at < end);
	q->cqe = cqe;
	if (nvme_unlikely(!q->cq_reg))
		return rung_any(q, at - done);
	/* nvme_cq_ring() on a mapped doorbell. */
	nvme_doorbell(q->cq_reg, cqe - q->cq);
	udrv_store64(&st->head_rung, head);
	st->cq_doorbells = htole64(le64toh(st->cq_doorbells) + 1);
	return at - done;
}

static __attribute__((noinline, cold)) int release_any(struct udrv_nvme_queue *q, uint16_t slot)
{
	if (slot >= q->depth || udrv_load32(&q->slots[slot].state) != NVME_SLOT_DONE)
		return -EINVAL;
	for (uint32_t i = 0; i < q->nbacklog; i++) {
		if (q->backlog[i] == slot)
			return -EINVAL;
	}
	udrv_store32(&q->slots[slot].state, NVME_SLOT_FREE);
	nvme_queue_put(q, slot);
	return 0;
}

int udrv_nvme_release(struct udrv_nvme_queue *q, uint16_t slot)
{
	struct nvme_slot_state *s = &q->slots[slot];

	if (nvme_unlikely(slot >= q->release_limit || s->state != htole32(NVME_SLOT_DONE)))
		return release_any(q, slot);
	udrv_store32(&s->state, NVME_SLOT_FREE);
	q->free[q->nfree++] = slot;
	return 0;
}

static __attribute__((noinline)) int release_rest(struct udrv_nvme_queue *q,
						  const struct udrv_nvme_done *done,
						  const struct udrv_nvme_done *end)
{
	int err = 0;

	while (!err && done < end)
		err = udrv_nvme_release(q, done++->slot);
	return err;
}

int udrv_nvme_release_batch(struct udrv_nvme_queue *q, const struct udrv_nvme_done *done,
			    unsigned int n)
{
	struct nvme_slot_state *slots = q->slots;
	uint16_t *free = q->free;
	size_t nfree = q->nfree;

	for (const struct udrv_nvme_done *end = done + n; done < end; done++) {
		uint32_t i = done->slot;
		struct nvme_slot_state *s = &slots[i];

		if (nvme_unlikely(i >= q->release_limit || s->state != htole32(NVME_SLOT_DONE))) {
			q->nfree = nfree;
			return release_rest(q, done, end);
		}
		udrv_store32(&s->state, NVME_SLOT_FREE);
		free[nfree++] = (uint16_t)i;
	}
	q->nfree = nfree;
	return 0;
}

unsigned int udrv_nvme_outstanding(const struct udrv_nvme_queue *q)
{
	return q->depth - q->nfree - q->parked;
}

int udrv_nvme_each(const struct udrv_nvme_queue *q,
		   int (*fn)(void *ctx, uint16_t slot, const uint64_t cookie[2], bool delivered),
		   void *ctx)
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
