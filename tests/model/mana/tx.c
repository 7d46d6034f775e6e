// SPDX-License-Identifier: BSD-2-Clause
/* Sending: a WQE becomes one frame, or many, and a completion. */
#include <errno.h>

#include "tests/model/mana/internal.h"
#include "tests/model/net/tx.h"

static int nowhere_send(struct net_backend *b, const uint8_t *frame, size_t len)
{
	(void)b;
	(void)frame;
	(void)len;
	return 0;
}

static const struct net_backend_ops nowhere_ops = { .name = "nowhere", .send = nowhere_send };
static struct net_backend nowhere = { .ops = &nowhere_ops, .fd = -1 };

static void complete(struct mana_model *m, struct wq *sq, const struct parsed_wqe *w, uint32_t type)
{
	struct mana_tx_comp comp = {
		.hdr = htole32(type | MANA_CQE_CLIENT_COMPLETION << MANA_CQE_CLIENT_SHIFT),
		.offsets = htole32(sq->head & (sq->ring.size - 1)),
	};
	struct gdma_cqe cqe;

	memcpy(cqe.data, &comp, sizeof(comp));
	sq->head += w->size;
	if (type != MANA_CQE_TX_OKAY)
		m->counts.tx_errors++;
	cq_post(m, sq->cq, &cqe, sq->id, true);
}

/* What the OOB says about the queue must be true. MANA_CQE_TX_*. */
static uint32_t check_oob(struct mana_model *m, const struct wq *sq, const struct parsed_wqe *w,
			  const struct mana_tx_oob *oob)
{
	uint32_t s0 = le32toh(oob->s0), s1 = le32toh(oob->s1);
	bool wide = MANA_TX_FORMAT(s0) == MANA_TX_LONG;
	uint32_t vport = MANA_TX_SHORT_VPORT(s1);

	/*
	 * In a long OOB (for a VLAN tag, say) Linux puts an offset that fits there into the short
	 * field all the same.
	 */
	if (wide && MANA_TX_LONG_VPORT(le32toh(oob->l1)))
		vport = MANA_TX_LONG_VPORT(le32toh(oob->l1));
	if (MANA_TX_FORMAT(s0) > MANA_TX_LONG ||
	    w->oob_size != (wide ? GDMA_OOB_LARGE_SIZE : GDMA_OOB_SMALL_SIZE)) {
		model_violation(m, "SQ %#x: OOB of format %u has %u bytes", sq->id,
				MANA_TX_FORMAT(s0), w->oob_size);
		return MANA_CQE_TX_INVALID_OOB;
	}
	if (MANA_TX_VCQ(s0) != CQ_ID(sq->cq) ||
	    MANA_TX_VSQ_FRAME(s1) != MANA_TX_VSQ_FRAME_OF(sq->id)) {
		model_violation(m,
				"SQ %#x: OOB names CQ %#x and frame %#x of the SQ, they are %#x and %#x",
				sq->id, MANA_TX_VCQ(s0), MANA_TX_VSQ_FRAME(s1), CQ_ID(sq->cq),
				MANA_TX_VSQ_FRAME_OF(sq->id));
		return MANA_CQE_TX_INVALID_OOB;
	}
	if (vport != TX_VPORT_OFFSET(sq->vport)) {
		model_violation(m, "SQ %#x: OOB has vport offset %#x, its vport's is %#x", sq->id,
				vport, TX_VPORT_OFFSET(sq->vport));
		return MANA_CQE_TX_VPORT_IDX_OUT_OF_RANGE;
	}
	if (wide && le32toh(oob->l0) & MANA_TX_ENCAP) {
		model_violation(m, "SQ %#x: encapsulated frames are not supported", sq->id);
		return MANA_CQE_TX_INVALID_OOB;
	}
	return MANA_CQE_TX_OKAY;
}

static uint32_t check_size(struct mana_model *m, const struct wq *sq, const struct parsed_wqe *w)
{
	bool lso = w->flags & GDMA_WQE_OOB_IN_SGL;
	uint32_t mss = GDMA_WQE_CLIENT_DATA(w->flags), headers = w->sge[0].size,
		 max = m->opts.mtu + MANA_ETH_HLEN + 4;

	if (lso && (w->nsge < 2 || !mss || headers > GDMA_SGE0_OOB_MAX ||
		    (w->last_vbytes != (headers & 0xff)))) {
		model_violation(m,
				"SQ %#x: large send with %u SGEs, %u bytes of headers (%u said), segments of %u",
				sq->id, w->nsge, headers, w->last_vbytes, mss);
		return MANA_CQE_TX_INVALID_OOB;
	}
	if (w->bytes > TX_MAX || (lso ? headers + mss : w->bytes) > max) {
		model_violation(m, "SQ %#x: send of %llu bytes (segments of %u): MTU %u", sq->id,
				(unsigned long long)w->bytes, lso ? mss : 0, m->opts.mtu);
		m->tx_err_mtu++;
		return MANA_CQE_TX_MTU_DROP;
	}
	return MANA_CQE_TX_OKAY;
}

static void describe(struct net_tx *tx, const struct parsed_wqe *w, const struct mana_tx_oob *oob)
{
	uint32_t s0 = le32toh(oob->s0), l0 = le32toh(oob->l0);

	tx->l4 = (uint16_t)MANA_TX_TRANS_OFF(le32toh(oob->s1));
	tx->flags = (s0 & MANA_TX_OUTER_IPV4 ? NET_TX_IPV4 : 0) |
		    (s0 & MANA_TX_OUTER_IPV6 ? NET_TX_IPV6 : 0) |
		    (s0 & MANA_TX_IP_CSUM ? NET_TX_CSUM_IP : 0) |
		    (s0 & MANA_TX_TCP_CSUM ? NET_TX_CSUM_TCP : 0) |
		    (s0 & MANA_TX_UDP_CSUM ? NET_TX_CSUM_UDP : 0);
	if (w->flags & GDMA_WQE_OOB_IN_SGL) {
		tx->flags |= NET_TX_LSO;
		tx->mss = (uint16_t)GDMA_WQE_CLIENT_DATA(w->flags);
		tx->headers = (uint16_t)w->sge[0].size;
	}
	if (MANA_TX_FORMAT(s0) == MANA_TX_LONG && l0 & MANA_TX_INJECT_VLAN) {
		tx->flags |= NET_TX_VLAN;
		tx->vlan_tci =
			(uint16_t)((l0 >> MANA_TX_PCP_SHIFT & 7) << 13 |
				   (l0 & MANA_TX_DEI ? 1u << 12 : 0) | l0 >> MANA_TX_VID_SHIFT);
	}
}

static uint32_t transmit(struct mana_model *m, const struct wq *sq, struct net_tx *tx)
{
	struct net_backend *b = m->opts.backend[sq->vport];
	struct net_tx_result res = { 0 };

	stats_count(&m->tx, tx->frame, tx->len);
	if (net_tx(b && !m->link_down ? b : &nowhere, tx, &res) == -EINVAL) {
		model_violation(m, "SQ %#x: %s", sq->id,
				res.error ? res.error : "frame and flags do not suit each other");
		return MANA_CQE_TX_HDR_PROCESSING_ERROR;
	}
	m->counts.tx += res.frames;
	m->counts.tx_bytes += res.bytes;
	m->counts.tx_lost += res.lost;
	m->counts.tx_csum += !!(tx->flags & (NET_TX_CSUM_TCP | NET_TX_CSUM_UDP));
	m->counts.tx_lso += !!(tx->flags & NET_TX_LSO);
	return MANA_CQE_TX_OKAY;
}

static void send(struct mana_model *m, struct wq *sq)
{
	struct mana_tx_oob oob = { 0 };
	struct net_tx tx = { .frame = m->tx_buf + NET_HEADROOM };
	struct parsed_wqe w;
	uint32_t type;

	if (!wqe_parse(m, sq, &w)) {
		m->tx_err_gdma++;
		complete(m, sq, &(struct parsed_wqe){ 0 }, MANA_CQE_TX_GDMA_ERR);
		return;
	}
	m->counts.tx_wqes++;
	if (fault_take(m, FAULT_TX_ERROR, 0)) {
		type = m->fault[FAULT_TX_ERROR].arg[0];
		if (type == MANA_CQE_TX_GDMA_ERR)
			wq_disable(m, sq);
		complete(m, sq, &w, type);
		return;
	}
	memcpy(&oob, w.oob, w.oob_size < sizeof(oob) ? w.oob_size : sizeof(oob));
	type = check_oob(m, sq, &w, &oob);
	if (type != MANA_CQE_TX_OKAY)
		m->tx_err_oob++;
	else
		type = check_size(m, sq, &w);
	if (type == MANA_CQE_TX_OKAY) {
		tx.len = w.bytes;
		describe(&tx, &w, &oob);
		if (!wqe_gather(m, &w, tx.frame, tx.len, "send")) {
			m->tx_err_gdma++;
			wq_disable(m, sq);
			type = MANA_CQE_TX_GDMA_ERR;
		} else {
			type = transmit(m, sq, &tx);
		}
	}
	if (type == MANA_CQE_TX_OKAY && le32toh(oob.s0) & MANA_TX_SUPPRESS_CQE)
		sq->head += w.size;
	else
		complete(m, sq, &w, type);
}

bool tx_step(struct mana_model *m)
{
	unsigned int from = m->opts.seed ? model_random(m, MAX_WQS) : m->sq_next;
	int slot;

	while ((slot = set_next(&m->sq_work, from)) != NO_SLOT) {
		struct wq *sq = &m->sq[slot];

		from = m->sq_next = ((unsigned int)slot + 1) % MAX_WQS;
		/*
		 * The hardware channel's is looked after elsewhere; a full CQ's doorbell comes
		 * back to this.
		 */
		if (slot && !sq->disabled && sq->head != sq->tail && cq_room(m, sq->cq)) {
			send(m, sq);
			return true;
		}
		set_del(&m->sq_work, (unsigned int)slot);
	}
	return false;
}
