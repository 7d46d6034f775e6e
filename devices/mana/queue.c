// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "devices/mana/adapter.h"

uint32_t mana_rx_buf_size(unsigned int mtu)
{
	uint32_t frame = mtu + MANA_ETH_HLEN, size = 512;

	if (frame > UDRV_DMA_PAGE)
		return (frame + UDRV_DMA_PAGE - 1) & ~(uint32_t)(UDRV_DMA_PAGE - 1);
	/* A power of two never lies across pages, so one SGE does. */
	while (size < frame)
		size *= 2;
	return size;
}

bool mana_geometry_valid(const struct mana_facts *facts)
{
	return mana_power_of_two(facts->tx_slots) && facts->tx_slots >= MANA_MIN_TX_SLOTS &&
	       facts->tx_slots <= MANA_MAX_TX_SLOTS && mana_power_of_two(facts->rx_depth) &&
	       facts->rx_depth >= MANA_MIN_RX_DEPTH && facts->rx_depth <= MANA_MAX_RX_DEPTH &&
	       facts->max_mtu >= MANA_MIN_MTU && facts->max_mtu <= MANA_MAX_MTU &&
	       facts->rx_buf_size == mana_rx_buf_size(facts->max_mtu);
}

static uint64_t bufs_size(const struct mana_facts *facts)
{
	return (uint64_t)facts->rx_depth * facts->rx_buf_size;
}

static int memory(struct udrv_mana *mana, uint64_t tag, uint64_t size, uint64_t *ret_off)
{
	uint64_t off, have;

	if (!udrv_dma_find(mana->dma, tag, &off, &have)) {
		if (have >= size && !(off & (UDRV_DMA_PAGE - 1))) {
			*ret_off = off;
			return 0;
		}
		udrv_dma_free(mana->dma, off);
	}
	return udrv_dma_alloc(mana->dma, size, UDRV_DMA_PAGE, 0, tag, ret_off);
}

int mana_queue_memory(struct udrv_mana *mana, struct mana_queue_state *st, unsigned int vport,
		      unsigned int index)
{
	struct mana_rings r = mana_rings(&mana->facts);
	uint64_t rings, bufs;
	int err;

	err = memory(mana, MANA_TAG(MANA_TAG_RINGS, vport, index), r.total, &rings);
	if (!err)
		err = memory(mana, MANA_TAG(MANA_TAG_BUFS, vport, index), bufs_size(&mana->facts),
			     &bufs);
	if (err) {
		mana_err(mana,
			 "vport %u, queue %u: no %u bytes of DMA memory for its rings and %" PRIu64
			 " for its buffers: enlarge the pool, or lower the depths",
			 vport, index, r.total, bufs_size(&mana->facts));
		return err;
	}
	memset(udrv_dma_ptr(mana->dma, rings), 0, r.total);
	udrv_store64(&st->rings_off, rings);
	udrv_store64(&st->bufs_off, bufs);
	return 0;
}

/*
 * How many sends from @done on the last reset has lost. A release moves the head first and clears
 * the word then: what it has gone past is lost no more.
 */
static uint32_t lost_sends(const struct mana_queue_state *st, uint32_t done, uint32_t tail)
{
	uint64_t lost = udrv_load64(&st->tx_lost);
	uint32_t n = (uint32_t)lost - done;

	return lost & MANA_TX_LOST_VALID && n <= tail - done ? n : 0;
}

void mana_queue_origin(struct mana_queue_state *st, uint32_t tx_slots, uint32_t rx_depth)
{
	struct mana_tx_slot *slots = (struct mana_tx_slot *)(st + 1);
	uint32_t tail = mana_low(udrv_load64(&st->tx_tail)),
		 done = mana_high(udrv_load64(&st->tx_head));

	/* Damaged counters mean that nobody knows what was being sent. */
	if (tail - done >= tx_slots) {
		done = tail;
		udrv_store64(&st->tx_head, mana_pair(2 * tx_slots, done));
	}
	mana_count(&st->tx_lost_count, tail - done - lost_sends(st, done, tail));
	udrv_store64(&st->tx_lost, tail == done ? 0 : MANA_TX_LOST_VALID | tail);
	/* The basic units begin anew: those of the last send are where they begin. */
	udrv_store32(&slots[(tail - 1) & (tx_slots - 1)].end, 0);
	udrv_store64(&st->tx_tail, mana_pair(tail, 0));
	udrv_store64(&st->tx_head, mana_pair(2 * tx_slots, done));
	udrv_store64(&st->rx_head, mana_pair(2 * rx_depth, 0));
	udrv_store64(&st->rx_tail, 0);
	udrv_store64(&st->eq_head, MANA_EQ_ENTRIES);
}

static int bad(struct udrv_mana *mana, unsigned int vport, unsigned int index, const char *what)
{
	mana_err(mana, "saved state: vport %u, queue %u: %s", vport, index, what);
	return -EBADMSG;
}

static bool in_book(struct udrv_mana *mana, uint64_t tag, uint64_t off, uint64_t size)
{
	uint64_t have_off, have;

	return !udrv_dma_find(mana->dma, tag, &have_off, &have) && have_off == off &&
	       have >= size && !(off & (UDRV_DMA_PAGE - 1));
}

int mana_queue_check(struct udrv_mana *mana, const struct mana_queue_state *st, unsigned int vport,
		     unsigned int index)
{
	const struct mana_facts *facts = &mana->facts;
	const struct mana_tx_slot *slots = (const struct mana_tx_slot *)(st + 1);
	struct mana_rings r = mana_rings(facts);
	uint64_t tail = udrv_load64(&st->tx_tail);
	uint32_t done = mana_high(udrv_load64(&st->tx_head)), lost, units, end;

	if (!in_book(mana, MANA_TAG(MANA_TAG_RINGS, vport, index), udrv_load64(&st->rings_off),
		     r.total) ||
	    !in_book(mana, MANA_TAG(MANA_TAG_BUFS, vport, index), udrv_load64(&st->bufs_off),
		     bufs_size(facts)))
		return bad(mana, vport, index, "its memory is not what the pool's book says");
	if ((udrv_load32(&st->sq_id) | udrv_load32(&st->tx_cq_id) | udrv_load32(&st->rq_id) |
	     udrv_load32(&st->rx_cq_id)) &
		    ~GDMA_DB_ID_MASK ||
	    udrv_load32(&st->eq_id) & ~GDMA_DB_EQ_ID_MASK ||
	    (facts->vectors && udrv_load32(&st->vector) >= facts->vectors))
		return bad(mana, vport, index, "ids out of bounds");
	if (mana_low(tail) - done >= facts->tx_slots)
		return bad(mana, vport, index, "more sends than it has slots for");
	if (udrv_load64(&st->rx_tail) >> 32 ||
	    (uint32_t)udrv_load64(&st->rx_tail) - mana_high(udrv_load64(&st->rx_head)) >
		    facts->rx_depth)
		return bad(mana, vport, index, "more receive buffers than it has");
	/* What is in the ring may not be more than the ring. */
	units = r.sq / GDMA_WQE_BU_SIZE;
	lost = lost_sends(st, done, mana_low(tail));
	end = lost ? 0 : udrv_load32(&slots[(done - 1) & (facts->tx_slots - 1)].end);
	for (uint32_t i = done + lost; i != mana_low(tail); i++) {
		if (udrv_load32(&slots[i & (facts->tx_slots - 1)].end) - end > units)
			return bad(mana, vport, index, "sends that do not fit its ring");
	}
	if (mana_high(tail) - end > units)
		return bad(mana, vport, index, "sends that do not fit its ring");
	return 0;
}

static uint32_t log2_of(uint32_t n)
{
	return 31 - __builtin_clz(n);
}

static struct mana_cq cq_of(void *ring, uint32_t entries, uint32_t head, uint32_t id, uint32_t info)
{
	return (struct mana_cq){
		.ring = ring,
		.mask = entries - 1,
		.shift = log2_of(entries),
		.head = head,
		.seen = head,
		.rung = head,
		.lag = entries / 4,
		.id = id,
		.info = info,
	};
}

static void init_tx(struct udrv_mana *mana, struct udrv_mana_queue *q, const struct mana_rings *r,
		    uint8_t *rings)
{
	const struct mana_facts *facts = &mana->facts;
	const struct mana_vport_facts *v = &facts->vport[q->vport];
	uint64_t tail = udrv_load64(&q->st->tx_tail), head = udrv_load64(&q->st->tx_head);

	q->slots = (struct mana_tx_slot *)(q->st + 1);
	q->sq = rings + r->sq_off;
	q->sq_units = r->sq / GDMA_WQE_BU_SIZE;
	q->sq_id = udrv_load32(&q->st->sq_id);
	q->tx_mask = facts->tx_slots - 1;
	q->tx_tail = mana_low(tail);
	q->tx_unit = mana_high(tail);
	q->tx_done = mana_high(head);
	q->tx_seen = q->tx_done;
	q->tx_lost = lost_sends(q->st, q->tx_done, q->tx_tail);
	q->tx_unit_done = q->tx_lost ? 0 :
				       udrv_load32(&q->slots[(q->tx_done - 1) & q->tx_mask].end);
	q->tx_inherited = 0;
	q->mkey = facts->mana.mkey;
	q->max_frame = v->mtu + MANA_ETH_HLEN;
	q->short_form = v->short_form;
	q->oob0 = MANA_TX_SHORT | udrv_load32(&q->st->tx_cq_id) << MANA_TX_VCQ_SHIFT;
	q->oob1 = MANA_TX_VSQ_FRAME_OF(q->sq_id) << MANA_TX_VSQ_FRAME_SHIFT |
		  (v->short_form ? v->tx_offset << MANA_TX_SHORT_VPORT_SHIFT : 0);
	q->tx_cq = cq_of(rings + r->tx_cq_off, r->tx_cq >> GDMA_CQE_SHIFT, mana_low(head),
			 udrv_load32(&q->st->tx_cq_id), q->sq_id | GDMA_CQE_IS_SQ);
}

static void init_rx(struct udrv_mana *mana, struct udrv_mana_queue *q, const struct mana_rings *r,
		    uint8_t *rings)
{
	const struct mana_facts *facts = &mana->facts;
	uint64_t head = udrv_load64(&q->st->rx_head);

	q->rq_id = udrv_load32(&q->st->rq_id);
	q->bufs_off = udrv_load64(&q->st->bufs_off);
	q->rx_buf_size = facts->rx_buf_size;
	q->rx_wqe_size = mana_rx_wqe_size(facts);
	q->rx_mask = facts->rx_depth - 1;
	q->rx_batch = facts->rx_depth / 8 < MANA_RX_BATCH ? facts->rx_depth / 8 : MANA_RX_BATCH;
	q->rx_head = mana_high(head);
	q->rx_seen = q->rx_head;
	q->rx_tail = (uint32_t)udrv_load64(&q->st->rx_tail);
	q->rx_rung = q->rx_tail;
	q->rx_inherited = 0;
	q->rx_idle = 0;
	q->rx_sum = 0;
	q->rx_sum_taken = 0;
	q->rx_cq = cq_of(rings + r->rx_cq_off, r->rx_cq >> GDMA_CQE_SHIFT, mana_low(head),
			 udrv_load32(&q->st->rx_cq_id), q->rq_id);
}

int mana_queue_init(struct udrv_mana *mana, struct udrv_mana_queue *q, struct mana_queue_state *st,
		    unsigned int vport, unsigned int index)
{
	const struct mana_facts *facts = &mana->facts;
	struct mana_rings r = mana_rings(facts);
	uint8_t *rings = udrv_dma_ptr(mana->dma, udrv_load64(&st->rings_off));

	if (!q->rx_sums) {
		q->rx_sums = calloc(facts->rx_depth, sizeof(*q->rx_sums));
		if (!q->rx_sums)
			return -ENOMEM;
	}
	q->mana = mana;
	q->vport_facts = &facts->vport[vport];
	q->st = st;
	q->vport = vport;
	q->index = index;
	q->bar = &mana->bar;
	q->db = facts->db_zone + (uint64_t)facts->mana.db * facts->db_page_size;
	q->page_addr = mana->dma->page_addr;
	q->pool_size = mana->dma->size;
	q->bad = 0;
	q->failed = false;
	q->fenced = false;
	q->eq = (struct mana_eq){
		.ring = (const struct gdma_eqe *)rings,
		.mask = MANA_EQ_ENTRIES - 1,
		.shift = log2_of(MANA_EQ_ENTRIES),
		.head = (uint32_t)udrv_load64(&st->eq_head),
		.id = udrv_load32(&st->eq_id),
	};
	init_tx(mana, q, &r, rings);
	init_rx(mana, q, &r, rings);
	return 0;
}

static int waiting(const struct mana_cq *cq, uint32_t max, uint32_t *ret)
{
	uint32_t n, info;

	for (n = 0; n < max; n++) {
		int there = mana_cq_look(cq, cq->seen + n, &info);

		if (there < 0)
			return -EIO;
		if (!there)
			break;
	}
	*ret = n;
	return 0;
}

int mana_queue_waiting(const struct udrv_mana_queue *q, uint32_t *ret_tx, uint32_t *ret_rx)
{
	int err = waiting(&q->tx_cq, q->tx_tail - q->tx_seen, ret_tx);

	return err ? err : waiting(&q->rx_cq, q->rx_tail - q->rx_seen, ret_rx);
}

void mana_queue_free(struct udrv_mana_queue *q)
{
	free(q->rx_sums);
	q->rx_sums = NULL;
}

void mana_queue_fail(struct udrv_mana_queue *q, const char *why)
{
	if (why && !q->failed)
		mana_err(q->mana, "vport %u, queue %u: %s: the adapter has to be reset", q->vport,
			 q->index, why);
	__atomic_store_n(&q->failed, true, __ATOMIC_RELAXED);
	__atomic_store_n(&q->max_frame, 0, __ATOMIC_RELAXED);
}
