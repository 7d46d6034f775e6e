// SPDX-License-Identifier: BSD-2-Clause
/*
 * Packets on their way to the device, and the completions of them.
 *
 * A packet exists from the store of tx_tail on, which is made once for all packets of a call. It is
 * over at the store of tx_head, when its owner has released the completion.
 */
#include <errno.h>

#include "devices/mana/adapter.h"

typedef uint64_t aliasing_u64 __attribute__((may_alias));

#define SIMPLE_FLAGS (1u | GDMA_WQE_OOB_SMALL << GDMA_WQE_OOB_SHIFT)

void mana_tx_ring(struct udrv_mana_queue *q)
{
	mana_ring(q, GDMA_DB_SQ, gdma_wq_doorbell(q->sq_id, q->tx_unit * GDMA_WQE_BU_SIZE));
	mana_count(&q->st->sq_doorbells, 1);
}

/* One piece within a page, nothing to be done to it, and a short OOB: a WQE of one basic unit. */
static inline bool simple(const struct udrv_mana_queue *q, const struct udrv_mana_tx *pkt,
			  uint32_t max_frame)
{
	const struct udrv_mana_seg *seg = pkt->seg;

	return pkt->nseg == 1 && !pkt->flags && q->short_form && seg->len >= MANA_ETH_HLEN &&
	       seg->len <= max_frame &&
	       (seg->off & (UDRV_DMA_PAGE - 1)) + seg->len <= UDRV_DMA_PAGE &&
	       seg->off < q->pool_size;
}

static inline void put_simple(const struct udrv_mana_queue *q, const struct udrv_mana_seg *seg)
{
	aliasing_u64 *at = (aliasing_u64 *)(q->sq + (size_t)(q->tx_unit & (q->sq_units - 1)) *
							    GDMA_WQE_BU_SIZE);
	uint64_t addr =
		q->page_addr[seg->off >> UDRV_DMA_PAGE_SHIFT] + (seg->off & (UDRV_DMA_PAGE - 1));

	at[0] = htole64((uint64_t)SIMPLE_FLAGS << 32);
	at[1] = htole64((uint64_t)q->oob1 << 32 | q->oob0);
	at[2] = htole64(addr);
	at[3] = htole64((uint64_t)seg->len << 32 | q->mkey);
}

/* A packet of any kind. Its basic units, 0 if the ring has no room, or -errno. */
static __attribute__((noinline)) int put_any(struct udrv_mana_queue *q,
					     const struct udrv_mana_tx *pkt, uint32_t max_frame,
					     uint32_t *bytes)
{
	uint8_t wqe[GDMA_MAX_SQE_SIZE] __attribute__((aligned(32)));
	uint32_t place = (q->tx_unit & (q->sq_units - 1)) * GDMA_WQE_BU_SIZE, room;
	uint32_t ring = q->sq_units * GDMA_WQE_BU_SIZE;
	int size = mana_wqe_build(q, pkt, max_frame, wqe);

	if (size < 0)
		return size;
	room = (q->sq_units - (q->tx_unit - q->tx_unit_done)) * GDMA_WQE_BU_SIZE;
	if ((uint32_t)size > room)
		return 0;
	/*
	 * Header and OOB are within the first basic unit; the SGL may go on
	 * at the ring's beginning.
	 */
	if ((uint32_t)size > ring - place) {
		memcpy(q->sq + place, wqe, ring - place);
		memcpy(q->sq, wqe + (ring - place), size - (ring - place));
	} else {
		memcpy(q->sq + place, wqe, size);
	}
	for (unsigned int i = 0; i < pkt->nseg; i++)
		*bytes += pkt->seg[i].len;
	return size / GDMA_WQE_BU_SIZE;
}

int udrv_mana_send(struct udrv_mana_queue *q, const struct udrv_mana_tx *pkts, unsigned int n)
{
	struct mana_queue_state *st = q->st;
	uint32_t max_frame = __atomic_load_n(&q->max_frame, __ATOMIC_RELAXED);
	uint32_t room = q->tx_mask - (q->tx_tail - q->tx_done), bytes = 0;
	unsigned int i;
	int units = 0;

	if (mana_unlikely(!max_frame))
		return -ESHUTDOWN;
	if (n > room)
		n = room;
	for (i = 0; i < n; i++) {
		const struct udrv_mana_tx *pkt = &pkts[i];
		struct mana_tx_slot *slot = &q->slots[(q->tx_tail + i) & q->tx_mask];

		if (__builtin_expect(simple(q, pkt, max_frame), 1)) {
			if (q->tx_unit - q->tx_unit_done == q->sq_units)
				break;
			put_simple(q, pkt->seg);
			bytes += pkt->seg->len;
			q->tx_unit++;
		} else {
			units = put_any(q, pkt, max_frame, &bytes);
			if (units <= 0)
				break;
			q->tx_unit += units;
		}
		UDRV_STEP();
		slot->cookie = pkt->cookie;
		slot->end = htole32(q->tx_unit);
		UDRV_STEP();
	}
	if (!i)
		return units < 0 ? units : 0;
	q->tx_tail += i;
	udrv_store64(&st->tx_tail, mana_pair(q->tx_tail, q->tx_unit));
	mana_tx_ring(q);
	mana_count(&st->tx_packets, i);
	mana_count(&st->tx_bytes, bytes);
	return i;
}

/* Those that a reset lost have no completion; they are the oldest. */
static unsigned int show_lost(struct udrv_mana_queue *q, struct udrv_mana_sent *done,
			      unsigned int max)
{
	unsigned int n = 0;

	while (n < max && q->tx_seen - q->tx_done < q->tx_lost) {
		done[n++] = (struct udrv_mana_sent){
			.cookie = q->slots[q->tx_seen & q->tx_mask].cookie,
			.status = UDRV_MANA_LOST,
		};
		q->tx_seen++;
	}
	return n;
}

/* Sends that went well, straight through; whatever is other than that is left where it is. */
static unsigned int plain_completions(struct udrv_mana_queue *q, struct udrv_mana_sent *done,
				      unsigned int max)
{
	const uint32_t okay = MANA_CQE_TX_OKAY | MANA_CQE_CLIENT_COMPLETION
							 << MANA_CQE_CLIENT_SHIFT;
	const struct gdma_cqe *ring = q->tx_cq.ring;
	const struct mana_tx_slot *slots = q->slots;
	uint32_t mask = q->tx_cq.mask, shift = q->tx_cq.shift, want = q->tx_cq.info,
		 seen = q->tx_cq.seen;
	uint32_t at = q->tx_seen, slot_mask = q->tx_mask, left = q->tx_tail - at;
	unsigned int n;

	if (mana_unlikely(q->tx_inherited))
		return 0;
	if (max > left)
		max = left;
	for (n = 0; n < max; n++, seen++, at++) {
		const struct gdma_cqe *cqe = &ring[seen & mask];
		uint32_t info = le32toh(__atomic_load_n(&cqe->info, __ATOMIC_ACQUIRE));

		if ((info & MANA_CQE_WHOSE) != (seen >> shift << GDMA_OWNER_SHIFT | want) ||
		    (le32toh(*(const volatile uint32_t *)cqe->data) & 0xff) != okay)
			break;
		done[n] = (struct udrv_mana_sent){ .cookie = slots[at & slot_mask].cookie };
	}
	q->tx_cq.seen = seen;
	q->tx_seen = at;
	return n;
}

/* One entry of any kind: 1: a send's; 0: none, or it has to wait; -1: it was skipped. */
static __attribute__((noinline)) int odd_completion(struct udrv_mana_queue *q,
						    struct udrv_mana_sent *done)
{
	struct mana_cq *cq = &q->tx_cq;
	uint32_t info, type, hdr;
	int there = mana_cq_look(cq, cq->seen, &info);

	if (!there)
		return 0;
	if (there < 0) {
		mana_queue_fail(q, "its send completion queue has overflown");
		return 0;
	}
	hdr = mana_cqe_dword(cq, cq->seen, 0);
	type = MANA_CQE_TYPE(hdr);
	if ((info & (GDMA_CQE_IS_SQ | GDMA_DB_ID_MASK)) != cq->info ||
	    MANA_CQE_CLIENT(hdr) != MANA_CQE_CLIENT_COMPLETION || type < MANA_CQE_TX_OKAY ||
	    type > MANA_CQE_TX_GDMA_ERR || q->tx_seen == q->tx_tail)
		return mana_tx_skip(q, "not of a send that is under way") && !q->failed ? -1 : 0;

	*done = (struct udrv_mana_sent){
		.cookie = q->slots[q->tx_seen & q->tx_mask].cookie,
		.status = type == MANA_CQE_TX_OKAY ? 0 : type,
		.resumed = q->tx_inherited > 0,
	};
	if (q->tx_inherited)
		q->tx_inherited--;
	if (done->status)
		mana_count(&q->st->tx_errors, 1);
	cq->seen++;
	q->tx_seen++;
	if (type == MANA_CQE_TX_GDMA_ERR)
		mana_queue_fail(q, "the device could not read a send and has disabled the queue");
	return 1;
}

int udrv_mana_sent(struct udrv_mana_queue *q, struct udrv_mana_sent *done, unsigned int max)
{
	unsigned int n = 0;
	int odd = 1;

	if (mana_unlikely(q->tx_lost))
		n = show_lost(q, done, max);
	if (mana_unlikely(__atomic_load_n(&q->failed, __ATOMIC_RELAXED)))
		return n ? (int)n : -ESHUTDOWN;
	while (odd && n < max) {
		n += plain_completions(q, done + n, max - n);
		if (n == max)
			break;
		odd = odd_completion(q, &done[n]);
		n += odd > 0;
	}
	return n;
}

int udrv_mana_sent_release(struct udrv_mana_queue *q, unsigned int n)
{
	struct mana_cq *cq = &q->tx_cq;
	struct mana_queue_state *st = q->st;
	uint32_t lost = n < q->tx_lost ? n : q->tx_lost;

	if (n > q->tx_seen - q->tx_done)
		return -EINVAL;
	if (!n)
		return 0;
	cq->head += n - lost;
	q->tx_done += n;
	/* The basic units of lost ones went with the reset. */
	if (n > lost)
		q->tx_unit_done = le32toh(q->slots[(q->tx_done - 1) & q->tx_mask].end);
	udrv_store64(&st->tx_head, mana_pair(cq->head, q->tx_done));
	if (mana_unlikely(lost)) {
		q->tx_lost -= lost;
		if (!q->tx_lost)
			udrv_store64(&st->tx_lost, 0);
	}
	mana_count(&st->tx_completed, n - lost);
	if (mana_unlikely(cq->head - cq->rung >= cq->lag) && !q->failed)
		mana_cq_ring(q, cq, cq->armed);
	return 0;
}

unsigned int udrv_mana_sending(const struct udrv_mana_queue *q)
{
	return q->tx_tail - q->tx_done;
}

int udrv_mana_each_send(const struct udrv_mana_queue *q, int (*fn)(void *ctx, uint64_t cookie),
			void *ctx)
{
	for (uint32_t i = q->tx_done; i != q->tx_tail; i++) {
		int ret = fn(ctx, q->slots[i & q->tx_mask].cookie);

		if (ret)
			return ret;
	}
	return 0;
}
