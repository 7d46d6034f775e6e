// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "devices/nvme/ctrl.h"

/* Owner tags in the pool's book. */
#define TAG(kind, qid) (0x6e766d6500000000ull | (uint64_t)(kind) << 16 | (qid))
#define TAG_RINGS      1u
#define TAG_LISTS      2u

static int memory(struct udrv_nvme *ctrl, uint64_t tag, uint64_t size, unsigned int flags,
		  uint64_t *ret_off)
{
	uint64_t off, have;

	if (!udrv_dma_find(ctrl->dma, tag, &off, &have)) {
		if (have >= size && !(off & (UDRV_DMA_PAGE - 1)) &&
		    (!(flags & UDRV_DMA_CONTIG) || udrv_dma_contig(ctrl->dma, off, size) >= size)) {
			*ret_off = off;
			return 0;
		}
		udrv_dma_free(ctrl->dma, off);
	}
	return udrv_dma_alloc(ctrl->dma, size, UDRV_DMA_PAGE, flags, tag, ret_off);
}

int nvme_queue_memory(struct udrv_nvme *ctrl, struct nvme_queue_state *st, unsigned int qid,
		      uint32_t sq_entries, uint32_t cq_entries, uint32_t depth, uint32_t list_size)
{
	uint64_t ring_bytes = nvme_sq_bytes(sq_entries) + nvme_cq_bytes(cq_entries);
	uint64_t list_bytes = (uint64_t)(depth + NVME_RESERVE) * list_size;
	uint64_t rings, lists;
	int err;

	/*
	 * Contiguous whether CAP.CQR asks for it or not: a queue that is not needs a PRP list of
	 * its own.
	 */
	err = memory(ctrl, TAG(TAG_RINGS, qid), ring_bytes, UDRV_DMA_CONTIG, &rings);
	if (!err)
		err = memory(ctrl, TAG(TAG_LISTS, qid), list_bytes, 0, &lists);
	if (err) {
		nvme_err(ctrl,
			 "queue %u: no %" PRIu64 " bytes of contiguous and %" PRIu64
			 " bytes of other DMA memory for it: enlarge the pool, or lower the depth",
			 qid, ring_bytes, list_bytes);
		return err;
	}
	memset(udrv_dma_ptr(ctrl->dma, rings), 0, ring_bytes);

	udrv_store32(&st->qid, qid);
	udrv_store64(&st->rings_off, rings);
	udrv_store64(&st->lists_off, lists);
	udrv_store32(&st->list_size, list_size);
	udrv_store32(&st->depth, depth);
	udrv_store32(&st->cq_entries, cq_entries);
	udrv_store32(&st->sq_entries, sq_entries);
	return 0;
}

static bool in_book(struct udrv_nvme *ctrl, uint64_t tag, uint64_t off, uint64_t size)
{
	uint64_t have_off, have;

	return !udrv_dma_find(ctrl->dma, tag, &have_off, &have) && have_off == off && have >= size;
}

static int check_slots(struct udrv_nvme *ctrl, const struct nvme_queue_state *st, uint32_t nslots)
{
	const struct nvme_slot_state *slots = nvme_queue_slots((struct nvme_queue_state *)st);
	uint64_t tail = udrv_load64(&st->tail), ringing = udrv_load64(&st->ringing);
	uint32_t qid = udrv_load32(&st->qid);
	uint64_t fresh = 0;
	unsigned int half = 0;

	for (uint32_t i = 0; i < nslots; i++) {
		uint32_t state = udrv_load32(&slots[i].state);
		uint64_t seq = le64toh(slots[i].seq);

		if (state > NVME_SLOT_DONE ||
		    (state != NVME_SLOT_FREE &&
		     (le16toh(slots[i].sqe.cid) & NVME_CID_SLOT_MASK) != i) ||
		    (state == NVME_SLOT_PENDING && seq > tail) ||
		    (state == NVME_SLOT_DONE && seq >= tail)) {
			nvme_err(ctrl,
				 "saved state: queue %u, slot %u makes no sense (state %u, seq %" PRIu64
				 ")",
				 qid, i, state, seq);
			return -EBADMSG;
		}
		if (state != NVME_SLOT_PENDING)
			continue;
		half += seq == tail;
		if (seq < tail && seq >= ringing)
			fresh++;
	}
	/*
	 * What the device was never told of has a slot each, and at most one
	 * submission was cut short.
	 */
	if (half > 1 || fresh != tail - ringing) {
		nvme_err(ctrl, "saved state: queue %u: slots and counters disagree", qid);
		return -EBADMSG;
	}
	return 0;
}

int nvme_queue_check(struct udrv_nvme *ctrl, const struct nvme_queue_state *st, unsigned int qid,
		     unsigned int slots)
{
	uint32_t sqn = udrv_load32(&st->sq_entries), cqn = udrv_load32(&st->cq_entries);
	uint32_t depth = udrv_load32(&st->depth), list_size = udrv_load32(&st->list_size);
	uint64_t rings = udrv_load64(&st->rings_off), lists = udrv_load64(&st->lists_off);
	uint64_t tail = udrv_load64(&st->tail), rung = udrv_load64(&st->rung),
		 ringing = udrv_load64(&st->ringing);
	uint64_t head = udrv_load64(&st->head), head_rung = udrv_load64(&st->head_rung);

	if (udrv_load32(&st->qid) != qid || sqn < 2 || sqn > 65536 || cqn < 2 || cqn > 65536 ||
	    !depth || depth > NVME_MAX_DEPTH || depth + NVME_RESERVE > slots ||
	    depth + NVME_RESERVE >= sqn || depth + NVME_RESERVE >= cqn) {
		nvme_err(ctrl, "saved state: queue %u: geometry out of bounds", qid);
		return -EBADMSG;
	}
	if (list_size < 64 || list_size > UDRV_DMA_PAGE || (list_size & (list_size - 1)) ||
	    !in_book(ctrl, TAG(TAG_RINGS, qid), rings, nvme_sq_bytes(sqn) + nvme_cq_bytes(cqn)) ||
	    !in_book(ctrl, TAG(TAG_LISTS, qid), lists,
		     (uint64_t)(depth + NVME_RESERVE) * list_size) ||
	    ((rings | lists) & (UDRV_DMA_PAGE - 1))) {
		nvme_err(ctrl, "saved state: queue %u: its memory is not what the pool's book says",
			 qid);
		return -EBADMSG;
	}
	if (udrv_load64(&st->sq_origin) > rung || rung > ringing || ringing > tail ||
	    tail - rung >= sqn || udrv_load64(&st->cq_origin) > head_rung || head_rung > head ||
	    head - head_rung >= cqn) {
		nvme_err(ctrl, "saved state: queue %u: counters out of order", qid);
		return -EBADMSG;
	}
	return check_slots(ctrl, st, depth + NVME_RESERVE);
}

void nvme_queue_origin(struct nvme_queue_state *st)
{
	uint64_t tail = udrv_load64(&st->tail), head = udrv_load64(&st->head);

	udrv_store64(&st->ringing, tail);
	udrv_store64(&st->rung, tail);
	udrv_store64(&st->sq_origin, tail);
	udrv_store64(&st->head_rung, head);
	udrv_store64(&st->cq_origin, head);
}

/*
 * @keep: owners want to know. Otherwise (the admin queue) the commands just end.
 */
void nvme_queue_lose(struct nvme_queue_state *st, unsigned int slots, bool keep)
{
	struct nvme_slot_state *slot = nvme_queue_slots(st);
	uint32_t depth = udrv_load32(&st->depth);

	/* A lost nudge would be nobody's to release, and taken for a deeper queue at each start. */
	if (depth > slots - NVME_RESERVE)
		depth = slots - NVME_RESERVE;
	for (unsigned int i = 0; i < slots; i++, slot++) {
		uint32_t state = udrv_load32(&slot->state);

		/* Let a submission that was cut short count as one. */
		if (state == NVME_SLOT_PENDING && le64toh(slot->seq) == udrv_load64(&st->tail))
			udrv_store64(&st->tail, udrv_load64(&st->tail) + 1);

		if (!keep || i >= depth) {
			udrv_store32(&slot->state, NVME_SLOT_FREE);
		} else if (state == NVME_SLOT_PENDING) {
			st->lost = htole64(le64toh(st->lost) + 1);
			slot->status = htole32(UDRV_NVME_LOST);
			slot->result = 0;
			udrv_store32(&slot->state, NVME_SLOT_DONE);
		} else if (state != NVME_SLOT_DONE) {
			udrv_store32(&slot->state, NVME_SLOT_FREE);
		}
		if (udrv_load32(&slot->state) == NVME_SLOT_FREE)
			slot->sqe = (struct nvme_sqe){ .cid = slot->sqe.cid };
		slot->sqe.cid = htole16((le16toh(slot->sqe.cid) & ~NVME_CID_SLOT_MASK) | i);
	}
}

void nvme_queue_registers(struct udrv_nvme_queue *q)
{
	volatile uint8_t *base = q->bar->base;

	q->sq_reg = base ? (volatile uint32_t *)(base + q->sq_db) : NULL;
	q->cq_reg = base ? (volatile uint32_t *)(base + q->cq_db) : NULL;
	nvme_queue_limits(q);
}

int nvme_queue_init(struct udrv_nvme *ctrl, struct udrv_nvme_queue *q, struct nvme_queue_state *st)
{
	uint64_t rings = udrv_load64(&st->rings_off);
	uint32_t slots;

	q->ctrl = ctrl;
	q->bar = &ctrl->bar;
	q->st = st;
	q->slots = nvme_queue_slots(st);
	q->qid = udrv_load32(&st->qid);
	q->sq_entries = udrv_load32(&st->sq_entries);
	q->cq_entries = udrv_load32(&st->cq_entries);
	q->depth = udrv_load32(&st->depth);
	q->nslots = q->depth + NVME_RESERVE;
	q->sq_db = nvme_sq_doorbell(ctrl->facts.cap, q->qid);
	q->cq_db = nvme_cq_doorbell(ctrl->facts.cap, q->qid);
	nvme_queue_registers(q);
	q->sq = udrv_dma_ptr(ctrl->dma, rings);
	q->sq_end = q->sq + q->sq_entries;
	q->cq = udrv_dma_ptr(ctrl->dma, rings + nvme_sq_bytes(q->sq_entries));
	q->cq_end = q->cq + q->cq_entries;
	q->lists_off = udrv_load64(&st->lists_off);
	q->list_size = udrv_load32(&st->list_size);
	q->lists = udrv_dma_ptr(ctrl->dma, q->lists_off);
	q->page_addr = ctrl->dma->page_addr;
	q->pool_pages = ctrl->dma->size >> UDRV_DMA_PAGE_SHIFT;
	q->sqid_dw2 = (uint32_t)q->qid << 16;
	q->resuming = false;
	q->page_io = &nvme_no_page_io;
	nvme_page_match(q, 0);

	/*
	 * For as many slots as the state has room for: a reset finds it here,
	 * whatever the depth becomes.
	 */
	if (q->free)
		return 0;
	slots = q->qid ? udrv_load32(&ctrl->state->slot_capacity) : NVME_ADMIN_SLOTS;
	q->free = calloc(slots, sizeof(*q->free));
	q->parking = calloc(slots, sizeof(*q->parking));
	q->backlog = calloc(slots, sizeof(*q->backlog));
	q->inherited = calloc(slots, sizeof(*q->inherited));
	q->handed = calloc(slots, sizeof(*q->handed));
	q->watch = calloc(slots, sizeof(*q->watch));
	if (!q->free || !q->parking || !q->backlog || !q->inherited || !q->handed || !q->watch) {
		nvme_queue_free(q);
		return -ENOMEM;
	}
	return 0;
}

void nvme_queue_free(struct udrv_nvme_queue *q)
{
	free(q->free);
	free(q->parking);
	free(q->backlog);
	free(q->inherited);
	free(q->handed);
	free(q->watch);
	q->free = NULL;
	q->parking = NULL;
	q->backlog = NULL;
	q->inherited = NULL;
	q->handed = NULL;
	q->watch = NULL;
}

static uint32_t pending(const struct udrv_nvme_queue *q, uint32_t from, uint32_t to)
{
	uint32_t n = 0;

	for (uint32_t i = from; i < to; i++)
		n += udrv_load32(&q->slots[i].state) == NVME_SLOT_PENDING;
	return n;
}

void nvme_queue_limits(struct udrv_nvme_queue *q)
{
	/*
	 * While the head is in doubt, the first completion rings it, and every release takes the
	 * long way.
	 */
	q->cq_batch = q->depth < 2 || q->head_doubt ? 1 : q->depth / 2 < 64 ? q->depth / 2 : 64;
	q->ring_reg = q->failed || q->resuming ? NULL : q->sq_reg;
	q->poll_limit = q->nbacklog || q->head_doubt || q->failed || q->resuming ? 0 : q->cq_batch;
	q->release_limit = q->nbacklog || q->head_doubt ? 0 : q->depth;
}

/*
 * The device may believe that its completion ring holds everything from head_rung on, and posts
 * nothing into a full one. Until it is known to have been told of the head, no more is submitted
 * than there is room for, with the reserve; what is released meanwhile waits in the parking.
 */
void nvme_queue_rebuild(struct udrv_nvme_queue *q)
{
	uint64_t head = udrv_load64(&q->st->head) - udrv_load64(&q->st->cq_origin);
	uint64_t unknown = udrv_load64(&q->st->head) - udrv_load64(&q->st->head_rung);
	uint32_t nudges = pending(q, q->depth, q->nslots);
	uint64_t taken = pending(q, 0, q->depth) + unknown + NVME_RESERVE, room;

	q->sqe = q->sq +
		 (udrv_load64(&q->st->tail) - udrv_load64(&q->st->sq_origin)) % q->sq_entries;
	q->cqe = q->cq + head % q->cq_entries;
	q->phase = (head / q->cq_entries & 1) ^ 1;
	q->nfree = 0;
	q->parked = 0;
	q->nbacklog = 0;
	q->head_doubt = unknown != 0;
	room = taken < q->cq_entries - 1 ? q->cq_entries - 1 - taken : 0;
	q->nudge_room = pending(q, 0, q->depth) + nudges + unknown < q->cq_entries - 1;

	/* Popped from the end: low slots first. */
	for (uint32_t i = q->depth; i-- > 0;) {
		switch (udrv_load32(&q->slots[i].state)) {
		case NVME_SLOT_FREE:
			q->free[q->nfree++] = i;
			break;
		case NVME_SLOT_DONE:
			/* What this process has handed out already stays its owner's to release. */
			if (!q->handed[i])
				q->backlog[q->nbacklog++] = i;
			break;
		}
	}
	while (q->head_doubt && q->nfree > room)
		q->parking[q->parked++] = q->free[--q->nfree];
	nvme_queue_limits(q);
}

void nvme_queue_note_handed(struct udrv_nvme_queue *q)
{
	for (uint32_t i = 0; i < q->depth; i++)
		q->handed[i] = udrv_load32(&q->slots[i].state) == NVME_SLOT_DONE;
	for (uint32_t i = 0; i < q->nbacklog; i++)
		q->handed[q->backlog[i]] = false;
}

void nvme_queue_head_known(struct udrv_nvme_queue *q)
{
	q->head_doubt = 0;
	while (q->parked)
		q->free[q->nfree++] = q->parking[--q->parked];
	nvme_queue_limits(q);
}

void nvme_queue_put(struct udrv_nvme_queue *q, uint16_t slot)
{
	if (q->head_doubt)
		q->parking[q->parked++] = slot;
	else
		q->free[q->nfree++] = slot;
}

bool nvme_queue_stuck(const struct udrv_nvme_queue *q)
{
	if (!q->head_doubt || q->nfree)
		return false;
	for (uint32_t i = 0; i < q->nslots; i++) {
		const struct nvme_slot_state *slot = &q->slots[i];

		/* An event may never come. */
		if (udrv_load32(&slot->state) == NVME_SLOT_PENDING &&
		    (q->qid || slot->cookie[0] != NVME_ADMIN_AER))
			return false;
	}
	return true;
}

static struct nvme_slot_state *reserve_slot(const struct udrv_nvme_queue *q)
{
	for (uint32_t i = q->depth; i < q->nslots; i++) {
		if (udrv_load32(&q->slots[i].state) == NVME_SLOT_FREE)
			return &q->slots[i];
	}
	return NULL;
}

bool nvme_queue_can_nudge(const struct udrv_nvme_queue *q, bool head_known)
{
	return (q->nudge_room || head_known) && reserve_slot(q);
}

int nvme_queue_nudge(struct udrv_nvme_queue *q)
{
	struct nvme_slot_state *slot = reserve_slot(q);
	uint64_t nudges = le64toh(q->st->nudges) + 1;
	struct nvme_sqe sqe = { 0 };

	if (!slot)
		return -EBUSY;
	sqe.cid = nvme_next_cid(slot);
	if (q->qid) {
		/* A flush moves no data; if the namespace is gone it fails, which does as well. */
		sqe.opcode = NVME_CMD_FLUSH;
		sqe.nsid = htole32(q->ctrl->facts.nn ? q->ctrl->facts.ns[0].nsid : 1);
	} else {
		sqe.opcode = NVME_ADMIN_GET_FEATURES;
		sqe.cdw10 = htole32(NVME_FEAT_NUM_QUEUES);
	}
	slot->sqe = sqe;
	slot->cookie[0] = NVME_ADMIN_NUDGE;
	slot->cookie[1] = nudges;
	nvme_sq_push(q, slot);
	udrv_store64(&q->st->nudges, nudges);
	return 0;
}
