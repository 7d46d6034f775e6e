// SPDX-License-Identifier: BSD-2-Clause
/* Receiving: a frame goes into the next posted buffer of the queue that steering says. */
#include <errno.h>

#include "tests/model/mana/internal.h"
#include "tests/model/net/rx.h"

static uint32_t flags_of(const struct net_rx *rx, unsigned int hash_type)
{
	static const struct {
		unsigned int from;
		uint32_t to;
	} map[] = {
		{ NET_RX_IP_OK, MANA_RX_IP_OK },       { NET_RX_IP_FAIL, MANA_RX_IP_FAIL },
		{ NET_RX_TCP_OK, MANA_RX_TCP_OK },     { NET_RX_TCP_FAIL, MANA_RX_TCP_FAIL },
		{ NET_RX_UDP_OK, MANA_RX_UDP_OK },     { NET_RX_UDP_FAIL, MANA_RX_UDP_FAIL },
		{ NET_RX_VLAN, MANA_RX_VLAN_PRESENT },
	};
	uint32_t flags = hash_type << MANA_RX_HASH_TYPE_SHIFT;

	for (unsigned int i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		flags |= rx->flags & map[i].from ? map[i].to : 0;
	if (rx->flags & NET_RX_VLAN)
		flags |= MANA_RX_VLAN_ID(rx->f.vlan_tci);
	return flags;
}

static void deliver(struct mana_model *m, struct wq *rq, const struct net_rx *rx,
		    unsigned int hash_type, uint32_t hash)
{
	struct mana_rx_comp comp = { .flags = htole32(flags_of(rx, hash_type)) };
	size_t len = rx->f.len;
	uint32_t type = MANA_CQE_RX_OKAY;
	struct parsed_wqe w;
	struct gdma_cqe cqe;

	if (!wqe_parse(m, rq, &w)) {
		m->counts.rx_errors++;
		return;
	}
	if (w.bytes < len) {
		len = w.bytes;
		type = MANA_CQE_RX_TRUNCATED;
		m->counts.rx_truncated++;
	}
	if (fault_take(m, FAULT_RX_ERROR, 0)) {
		type = m->fault[FAULT_RX_ERROR].arg[0] & 0x3f;
		m->counts.rx_errors++;
	}
	if (!wqe_scatter(m, &w, rx->f.data, len, "receive")) {
		m->counts.rx_errors++;
		wq_disable(m, rq);
		return;
	}
	comp.hdr = htole32(type | MANA_CQE_CLIENT_COMPLETION << MANA_CQE_CLIENT_SHIFT);
	comp.ppi[0].pkt_len = htole16((uint16_t)len);
	comp.ppi[0].pkt_hash = htole32(hash);
	comp.rx_wqe_offset = htole32(rq->head & (rq->ring.size - 1));
	memcpy(cqe.data, &comp, sizeof(comp));
	rq->head += w.size;
	if (!cq_post(m, rq->cq, &cqe, rq->id, false))
		return;
	if (type == MANA_CQE_RX_OKAY) {
		m->counts.rx++;
		m->counts.rx_bytes += len;
		m->counts.rx_csum += !!(rx->flags & (NET_RX_TCP_OK | NET_RX_UDP_OK));
		stats_count(&m->rx, rx->f.data, len);
	}
}

static bool for_us(unsigned int v, const uint8_t *dst)
{
	const uint8_t mac[6] = { 0x02, 'M', 'A', 'N', 'A', (uint8_t)v };

	return dst[0] & 1 || !memcmp(dst, mac, sizeof(mac));
}

int mana_model_receive(struct mana_model *m, unsigned int vport, uint8_t *frame, size_t len)
{
	unsigned int type;
	struct net_rx rx;
	uint32_t hash;
	struct wq *rq;

	if (vport >= m->opts.vports || m->removed)
		return 0;
	if (!m->bme && m->vport[vport].rx)
		return -EAGAIN;
	if (!m->vport[vport].rx || m->link_down) {
		m->counts.rx_disabled++;
		return 0;
	}
	if (len > NET_FRAME_MAX || net_rx(&rx, frame, len, true)) {
		m->counts.rx_errors++;
		return 0;
	}
	if (!for_us(vport, rx.f.data) || rx.f.len > m->opts.mtu + MANA_ETH_HLEN) {
		m->counts.rx_filtered++;
		return 0;
	}
	rq = steer(m, vport, &rx.f, &type, &hash);
	if (!rq || rq->disabled || rq->head == rq->tail || !cq_room(m, rq->cq)) {
		m->counts.rx_no_buffer++;
		return 0;
	}
	deliver(m, rq, &rx, type, hash);
	return 0;
}

bool mana_model_wants_frames(const struct mana_model *m, unsigned int vport)
{
	return vport < m->opts.vports && !m->removed && (m->bme || !m->vport[vport].rx);
}

int mana_model_poll_backend(struct mana_model *m, unsigned int vport, unsigned int max)
{
	struct net_backend *b = vport < m->opts.vports ? m->opts.backend[vport] : NULL;
	unsigned int n = 0;
	ssize_t len;

	if (!b || !mana_model_wants_frames(m, vport))
		return 0;
	while (n < max) {
		len = net_receive(b, m->rx_buf, NET_FRAME_MAX);
		if (len == -EAGAIN)
			break;
		if (len < 0)
			return (int)len;
		mana_model_receive(m, vport, m->rx_buf, (size_t)len);
		n++;
	}
	return (int)n;
}
