// SPDX-License-Identifier: BSD-2-Clause
/*
 * Packets from the device.
 *
 * Buffers are filled and given back in turn, so that buffer n is always at place n of the RQ, and
 * its WQE never changes: posting is a counter and a doorbell. A packet is its consumer's at the
 * store of rx_head, never before and never again after it; its buffer is the device's again at the
 * store of rx_tail.
 */
#include <errno.h>

#include "devices/mana/adapter.h"

void mana_rx_fill(struct udrv_mana_queue *q)
{
	struct mana_rings r = mana_rings(&q->mana->facts);
	uint8_t *rq = udrv_dma_ptr(q->mana->dma, udrv_load64(&q->st->rings_off) + r.rq_off);
	uint32_t nsge = mana_rx_sges(&q->mana->facts), part = q->rx_buf_size / nsge;

	for (uint32_t i = 0; i <= q->rx_mask; i++) {
		struct gdma_wqe hdr = { .flags = htole32(nsge | GDMA_WQE_OOB_SMALL
									<< GDMA_WQE_OOB_SHIFT) };
		uint8_t *at = rq + (size_t)i * q->rx_wqe_size;

		memcpy(at, &hdr, sizeof(hdr));
		for (uint32_t s = 0; s < nsge; s++) {
			uint64_t off =
				q->bufs_off + (uint64_t)i * q->rx_buf_size + (uint64_t)s * part;
			struct gdma_sge sge = {
				.address = htole64(udrv_dma_addr(q->mana->dma, off)),
				.mem_key = htole32(q->mkey),
				.size = htole32(part),
			};

			memcpy(at + sizeof(hdr) + MANA_RQ_OOB + s * sizeof(sge), &sge, sizeof(sge));
		}
	}
}

void mana_rx_ring(struct udrv_mana_queue *q)
{
	if (q->rx_rung == q->rx_tail)
		return;
	/* A CQ that the device takes for full would get nothing of what is posted now. */
	if (q->rx_cq.head - q->rx_cq.rung >= q->rx_cq.lag)
		mana_cq_ring(q, &q->rx_cq, q->rx_cq.armed);
	mana_ring(q, GDMA_DB_RQ, gdma_wq_doorbell(q->rq_id, q->rx_tail * q->rx_wqe_size));
	q->rx_rung = q->rx_tail;
	mana_count(&q->st->rq_doorbells, 1);
}

#define CSUM_FAIL (MANA_RX_IP_FAIL | MANA_RX_TCP_FAIL | MANA_RX_UDP_FAIL)

static inline void describe(uint32_t flags, struct udrv_mana_rx *pkt)
{
	uint16_t f = flags & MANA_RX_IP_OK ? UDRV_MANA_RX_IP_OK : 0;

	if (flags & (MANA_RX_TCP_OK | MANA_RX_UDP_OK))
		f |= UDRV_MANA_RX_L4_OK;
	pkt->hash_type = MANA_RX_HASH_TYPE(flags);
	if (pkt->hash_type)
		f |= UDRV_MANA_RX_HASH;
	pkt->vlan_tci = 0;
	pkt->rsvd = 0;
	if (mana_unlikely(flags & (CSUM_FAIL | MANA_RX_VLAN_PRESENT))) {
		if (flags & CSUM_FAIL)
			f = (f & ~UDRV_MANA_RX_L4_OK) | UDRV_MANA_RX_CSUM_BAD;
		if (flags & MANA_RX_VLAN_PRESENT) {
			f |= UDRV_MANA_RX_VLAN;
			pkt->vlan_tci = MANA_RX_VLAN_ID(flags);
		}
	}
	pkt->flags = f;
}

/* What is next is no packet of the plain kind. true: it was taken out of the way. */
static __attribute__((noinline, cold)) bool no_packet(struct udrv_mana_queue *q, uint32_t info,
						      uint32_t hdr)
{
	uint32_t type = MANA_CQE_TYPE(hdr);

	if ((info & (GDMA_CQE_IS_SQ | GDMA_DB_ID_MASK)) != q->rx_cq.info ||
	    MANA_CQE_CLIENT(hdr) != MANA_CQE_CLIENT_COMPLETION)
		return mana_rx_skip(q, "not of this receive queue");
	/* One, when it was asked for; a device that goes on with them is not to keep us here. */
	if (type == MANA_CQE_RX_FENCE && !q->fenced) {
		q->fenced = true;
		return mana_rx_skip(q, NULL);
	}
	/* Nobody asked for these, and nobody knows how many buffers they took. */
	if (type == MANA_CQE_RX_COALESCED_4 || type == MANA_CQE_RX_COALESCED_8)
		mana_queue_fail(q, "the device coalesces receive completions unasked");
	return mana_rx_skip(q,
			    "a receive completion without a buffer, or of a kind that was not asked for");
}

/* A completion that has used a buffer but brings no packet: its consumer gives the buffer back. */
static bool takes_buffer(const struct udrv_mana_queue *q, uint32_t info, uint32_t hdr)
{
	uint32_t type = MANA_CQE_TYPE(hdr);

	return (info & (GDMA_CQE_IS_SQ | GDMA_DB_ID_MASK)) == q->rx_cq.info &&
	       MANA_CQE_CLIENT(hdr) == MANA_CQE_CLIENT_COMPLETION && type &&
	       type != MANA_CQE_RX_FENCE && type != MANA_CQE_RX_COALESCED_4 &&
	       type != MANA_CQE_RX_COALESCED_8 && type < MANA_CQE_TX_OKAY &&
	       q->rx_seen != q->rx_rung;
}

/*
 * Plain packets, straight through, with all that does not change in registers. Whatever is other
 * than that is left where it is, for odd_entry().
 */
static unsigned int plain_packets(struct udrv_mana_queue *q, struct udrv_mana_rx *pkts,
				  unsigned int max)
{
	const uint32_t okay = MANA_CQE_RX_OKAY | MANA_CQE_CLIENT_COMPLETION
							 << MANA_CQE_CLIENT_SHIFT;
	const struct gdma_cqe *ring = q->rx_cq.ring;
	uint32_t mask = q->rx_cq.mask, shift = q->rx_cq.shift, want = q->rx_cq.info,
		 seen = q->rx_cq.seen;
	uint32_t buf = q->rx_seen, buf_mask = q->rx_mask, size = q->rx_buf_size, sum = q->rx_sum;
	uint32_t left = q->rx_rung - buf;
	uint64_t bufs_off = q->bufs_off;
	unsigned int n;

	if (mana_unlikely(q->rx_inherited))
		return 0;
	if (max > left)
		max = left;
	for (n = 0; n < max; n++, seen++, buf++) {
		const struct gdma_cqe *cqe = &ring[seen & mask];
		const volatile uint32_t *data = cqe->data;
		uint32_t info = le32toh(__atomic_load_n(&cqe->info, __ATOMIC_ACQUIRE)), len, flags;

		/* Lap, queue and direction at once. */
		if ((info & MANA_CQE_WHOSE) != (seen >> shift << GDMA_OWNER_SHIFT | want))
			break;
		len = le32toh(data[2]) & 0xffff;
		flags = le32toh(data[1]);
		if (mana_unlikely((le32toh(data[0]) & 0xff) != okay || len - 1 >= size ||
				  flags & CSUM_FAIL))
			break;
		__builtin_prefetch(&ring[(seen + 2) & mask]);
		pkts[n].off = bufs_off + (uint64_t)(buf & buf_mask) * size;
		pkts[n].len = len;
		pkts[n].hash = le32toh(data[4]);
		describe(flags, &pkts[n]);
		sum += len;
		q->rx_sums[buf & buf_mask] = sum;
	}
	q->rx_cq.seen = seen;
	q->rx_seen = buf;
	q->rx_sum = sum;
	return n;
}

/*
 * One entry of any kind: 1: a packet, or what its consumer treats as one; 0: none, or it has to
 * wait; -1: it was skipped.
 */
static __attribute__((noinline)) int odd_entry(struct udrv_mana_queue *q, struct udrv_mana_rx *pkt)
{
	const uint32_t okay = MANA_CQE_RX_OKAY | MANA_CQE_CLIENT_COMPLETION
							 << MANA_CQE_CLIENT_SHIFT;
	uint32_t info, hdr, len, buf = q->rx_seen & q->rx_mask;
	struct mana_cq *cq = &q->rx_cq;
	int there = mana_cq_look(cq, cq->seen, &info);

	if (!there)
		return 0;
	if (there < 0) {
		mana_queue_fail(q, "its receive completion queue has overflown");
		return 0;
	}
	hdr = mana_cqe_dword(cq, cq->seen, 0);
	/* PPI 0: the length in its first dword, the hash in its third. */
	len = mana_cqe_dword(cq, cq->seen, 2) & 0xffff;
	*pkt = (struct udrv_mana_rx){ .off = q->bufs_off + (uint64_t)buf * q->rx_buf_size };
	if ((info & (GDMA_CQE_IS_SQ | GDMA_DB_ID_MASK)) == cq->info && (hdr & 0xff) == okay &&
	    len - 1 < q->rx_buf_size && q->rx_seen != q->rx_rung) {
		pkt->len = len;
		pkt->hash = mana_cqe_dword(cq, cq->seen, 4);
		describe(mana_cqe_dword(cq, cq->seen, 1), pkt);
		q->rx_sum += len;
	} else if (takes_buffer(q, info, hdr)) {
		pkt->flags = UDRV_MANA_RX_ERROR;
		mana_count(&q->st->rx_errors, 1);
	} else {
		return no_packet(q, info, hdr) && !q->failed ? -1 : 0;
	}
	if (q->rx_inherited) {
		pkt->flags |= UDRV_MANA_RX_RESUMED;
		q->rx_inherited--;
	}
	if (pkt->flags & UDRV_MANA_RX_CSUM_BAD)
		mana_count(&q->st->rx_csum_bad, 1);
	q->rx_sums[buf] = q->rx_sum;
	cq->seen++;
	q->rx_seen++;
	return 1;
}

int udrv_mana_recv(struct udrv_mana_queue *q, struct udrv_mana_rx *pkts, unsigned int max)
{
	unsigned int n = 0;
	int odd = 1;

	if (mana_unlikely(__atomic_load_n(&q->failed, __ATOMIC_RELAXED)))
		return -ESHUTDOWN;
	while (odd && n < max) {
		n += plain_packets(q, pkts + n, max - n);
		if (n == max)
			break;
		odd = odd_entry(q, &pkts[n]);
		n += odd > 0;
	}
	/*
	 * Less than a batch of buffers that nobody told the device of waits until there is really
	 * nothing to do.
	 */
	if (n)
		q->rx_idle = 0;
	else if (++q->rx_idle == MANA_RX_IDLE)
		mana_rx_ring(q);
	return n;
}

int udrv_mana_recv_take(struct udrv_mana_queue *q, unsigned int n)
{
	struct mana_queue_state *st = q->st;
	struct mana_cq *cq = &q->rx_cq;
	uint32_t sum;

	if (n > q->rx_seen - q->rx_head)
		return -EINVAL;
	if (!n)
		return 0;
	cq->head += n;
	q->rx_head += n;
	udrv_store64(&st->rx_head, mana_pair(cq->head, q->rx_head));
	sum = q->rx_sums[(q->rx_head - 1) & q->rx_mask];
	mana_count(&st->rx_packets, n);
	mana_count(&st->rx_bytes, sum - q->rx_sum_taken);
	q->rx_sum_taken = sum;
	if (mana_unlikely(cq->head - cq->rung >= cq->lag) && !q->failed)
		mana_cq_ring(q, cq, cq->armed);
	return 0;
}

int udrv_mana_recv_repost(struct udrv_mana_queue *q, unsigned int n)
{
	if (n > udrv_mana_recv_held(q))
		return -EINVAL;
	if (!n)
		return 0;
	q->rx_tail += n;
	q->rx_idle = 0;
	udrv_store64(&q->st->rx_tail, q->rx_tail);
	if (q->rx_tail - q->rx_rung >= q->rx_batch && !q->failed)
		mana_rx_ring(q);
	return 0;
}

int udrv_mana_recv_release(struct udrv_mana_queue *q, unsigned int n)
{
	int err = udrv_mana_recv_take(q, n);

	return err ? err : udrv_mana_recv_repost(q, n);
}

uint32_t udrv_mana_recv_taken(const struct udrv_mana_queue *q)
{
	return q->rx_head;
}

unsigned int udrv_mana_recv_held(const struct udrv_mana_queue *q)
{
	return q->rx_mask + 1 - (q->rx_tail - q->rx_head);
}

void mana_rx_drop_until_fence(struct udrv_mana_queue *q)
{
	struct udrv_mana_rx pkts[32];

	/* Once around and no more. */
	for (uint32_t n = 0; n <= q->rx_cq.mask && !q->fenced;) {
		int got;

		udrv_mana_recv_take(q, q->rx_seen - q->rx_head);
		got = udrv_mana_recv(q, pkts, 32);
		if (got <= 0)
			break;
		mana_count(&q->st->rx_lost, got);
		n += got;
	}
}
