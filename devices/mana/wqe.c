// SPDX-License-Identifier: BSD-2-Clause
/*
 * Send WQEs of any kind: many pieces, offloads, VLAN tags.
 */
#include <errno.h>

#include "devices/mana/adapter.h"

#define MAX_LSO_FRAME (65535u + MANA_ETH_HLEN)

static __attribute__((noinline, cold)) int
refuse(const struct udrv_mana_queue *q, const struct udrv_mana_tx *pkt, int err, const char *why)
{
	mana_err(q->mana, "vport %u, queue %u: packet of %u pieces, flags %#x, refused: %s",
		 q->vport, q->index, pkt->nseg, pkt->flags, why);
	return err;
}

struct sgl {
	struct gdma_sge sge[MANA_MAX_TX_SGES];
	unsigned int n;
	uint32_t bytes;
};

/* Bytes that follow each other in the pool: as many SGEs as the device needs. */
static int add(const struct udrv_mana_queue *q, struct sgl *sgl, uint64_t off, uint32_t len)
{
	uint64_t next = 0; /* address behind the last SGE of this piece */

	sgl->bytes += len;
	while (len) {
		uint64_t in_page = off & (UDRV_DMA_PAGE - 1);
		uint64_t addr = q->page_addr[off >> UDRV_DMA_PAGE_SHIFT] + in_page;
		uint32_t part =
			UDRV_DMA_PAGE - in_page < len ? (uint32_t)(UDRV_DMA_PAGE - in_page) : len;

		if (next && addr == next) {
			struct gdma_sge *last = &sgl->sge[sgl->n - 1];

			last->size = htole32(le32toh(last->size) + part);
		} else {
			if (sgl->n == MANA_MAX_TX_SGES)
				return -E2BIG;
			sgl->sge[sgl->n++] = (struct gdma_sge){
				.address = htole64(addr),
				.mem_key = htole32(q->mkey),
				.size = htole32(part),
			};
		}
		next = addr + part;
		off += part;
		len -= part;
	}
	return 0;
}

/* @hdr: bytes at the beginning that get an SGE of their own; 0: none */
static int gather(const struct udrv_mana_queue *q, const struct udrv_mana_tx *pkt, uint32_t hdr,
		  struct sgl *sgl)
{
	sgl->n = 0;
	sgl->bytes = 0;
	if (!pkt->nseg)
		return refuse(q, pkt, -EINVAL, "it has no pieces");
	for (unsigned int i = 0; i < pkt->nseg; i++) {
		uint64_t off = pkt->seg[i].off;
		uint32_t len = pkt->seg[i].len;
		int err = 0;

		if (!len || len > MAX_LSO_FRAME || off > q->pool_size || len > q->pool_size - off ||
		    sgl->bytes > MAX_LSO_FRAME)
			return refuse(q, pkt, -EINVAL,
				      "a piece is empty, too long or outside the pool");
		if (!i && hdr) {
			if (len < hdr)
				return refuse(q, pkt, -EINVAL,
					      "the first piece does not hold all headers");
			err = add(q, sgl, off, hdr);
			if (!err && sgl->n != 1)
				return refuse(q, pkt, -EINVAL,
					      "its headers lie across pages that are apart for the device");
			off += hdr;
			len -= hdr;
		}
		if (!err)
			err = add(q, sgl, off, len);
		if (err)
			return refuse(q, pkt, err, "more pieces than the device takes");
	}
	return 0;
}

static int check_offloads(const struct udrv_mana_queue *q, const struct udrv_mana_tx *pkt,
			  uint32_t max_frame)
{
	uint32_t flags = pkt->flags, ip = flags & (UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_IPV6);
	bool tcp = flags & (UDRV_MANA_TX_TCP_CSUM | UDRV_MANA_TX_LSO);

	if (flags &
	    ~(UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_IPV6 | UDRV_MANA_TX_IP_CSUM | UDRV_MANA_TX_TCP_CSUM |
	      UDRV_MANA_TX_UDP_CSUM | UDRV_MANA_TX_LSO | UDRV_MANA_TX_VLAN))
		return refuse(q, pkt, -EINVAL, "unknown flags");
	if (ip == (UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_IPV6) ||
	    (flags & UDRV_MANA_TX_IP_CSUM && ip != UDRV_MANA_TX_IPV4) ||
	    ((tcp || flags & UDRV_MANA_TX_UDP_CSUM) && !ip) ||
	    (tcp && flags & UDRV_MANA_TX_UDP_CSUM))
		return refuse(q, pkt, -EINVAL, "its offloads contradict each other");
	if (tcp && (pkt->l4_off < MANA_ETH_HLEN || pkt->l4_off > MANA_TX_TRANS_OFF_MAX))
		return refuse(q, pkt, -EINVAL, "the TCP header cannot be there");
	if (flags & UDRV_MANA_TX_LSO &&
	    (!pkt->mss || pkt->mss > GDMA_WQE_CLIENT_DATA_MAX || pkt->hdr_len <= pkt->l4_off ||
	     pkt->hdr_len > 255 || pkt->hdr_len + (uint32_t)pkt->mss > max_frame))
		return refuse(q, pkt, -EINVAL, "segments or headers are of impossible size");
	return 0;
}

static void fill_oob(const struct udrv_mana_queue *q, const struct udrv_mana_tx *pkt,
		     bool long_form, struct mana_tx_oob *oob)
{
	uint32_t s0 = q->oob0, s1 = q->oob1, l0 = 0, flags = pkt->flags;

	if (flags & UDRV_MANA_TX_IPV4)
		s0 |= MANA_TX_OUTER_IPV4;
	if (flags & UDRV_MANA_TX_IPV6)
		s0 |= MANA_TX_OUTER_IPV6;
	if (flags & UDRV_MANA_TX_IP_CSUM || (flags & UDRV_MANA_TX_LSO && flags & UDRV_MANA_TX_IPV4))
		s0 |= MANA_TX_IP_CSUM;
	if (flags & UDRV_MANA_TX_UDP_CSUM)
		s0 |= MANA_TX_UDP_CSUM;
	if (flags & (UDRV_MANA_TX_TCP_CSUM | UDRV_MANA_TX_LSO)) {
		s0 |= MANA_TX_TCP_CSUM;
		s1 |= pkt->l4_off;
	}
	if (flags & UDRV_MANA_TX_VLAN)
		l0 = MANA_TX_INJECT_VLAN | (pkt->vlan_tci >> 13) << MANA_TX_PCP_SHIFT |
		     (pkt->vlan_tci & 0x1000 ? MANA_TX_DEI : 0) |
		     (uint32_t)(pkt->vlan_tci & 0xfff) << MANA_TX_VID_SHIFT;
	*oob = (struct mana_tx_oob){
		.s0 = htole32(s0 | (long_form ? MANA_TX_LONG : MANA_TX_SHORT)),
		.s1 = htole32(s1),
		.l0 = htole32(l0),
		.l1 = htole32(q->vport_facts->tx_offset << MANA_TX_LONG_VPORT_SHIFT),
	};
}

int mana_wqe_build(const struct udrv_mana_queue *q, const struct udrv_mana_tx *pkt,
		   uint32_t max_frame, uint8_t *wqe)
{
	bool lso = pkt->flags & UDRV_MANA_TX_LSO;
	bool long_form = pkt->flags & UDRV_MANA_TX_VLAN || !q->vport_facts->short_form;
	uint32_t oob_size = long_form ? GDMA_OOB_LARGE_SIZE : GDMA_OOB_SMALL_SIZE, size, flags;
	struct gdma_wqe hdr = { 0 };
	struct mana_tx_oob oob;
	struct sgl sgl;
	int err;

	err = check_offloads(q, pkt, max_frame);
	if (!err)
		err = gather(q, pkt, lso ? pkt->hdr_len : 0, &sgl);
	if (err)
		return err;
	if (sgl.bytes < MANA_ETH_HLEN || sgl.bytes > (lso ? MAX_LSO_FRAME : max_frame))
		return refuse(q, pkt, -EMSGSIZE,
			      "shorter than an Ethernet header, or longer than the MTU allows");
	if (lso && sgl.n < 2)
		return refuse(q, pkt, -EINVAL,
			      "there is nothing to cut into segments behind its headers");

	flags = sgl.n | (long_form ? GDMA_WQE_OOB_LARGE : GDMA_WQE_OOB_SMALL) << GDMA_WQE_OOB_SHIFT;
	if (lso) {
		flags |= GDMA_WQE_OOB_IN_SGL | (uint32_t)pkt->mss << GDMA_WQE_CLIENT_DATA_SHIFT;
		hdr.last_vbytes = htole32((uint32_t)pkt->hdr_len << GDMA_WQE_LAST_VBYTES_SHIFT);
	}
	hdr.flags = htole32(flags);
	fill_oob(q, pkt, long_form, &oob);

	size = gdma_wqe_size(oob_size, sgl.n);
	memset(wqe + size - GDMA_WQE_BU_SIZE, 0, GDMA_WQE_BU_SIZE);
	memcpy(wqe, &hdr, sizeof(hdr));
	memcpy(wqe + sizeof(hdr), &oob, oob_size);
	memcpy(wqe + sizeof(hdr) + oob_size, sgl.sge, sgl.n * sizeof(sgl.sge[0]));
	return size;
}
