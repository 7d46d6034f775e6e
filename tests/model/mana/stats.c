// SPDX-License-Identifier: BSD-2-Clause
/* Counters that the driver asks for. */
#include "tests/model/mana/internal.h"

void stats_count(struct traffic *t, const uint8_t *frame, size_t len)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (!memcmp(frame, all, sizeof(all))) {
		t->bcast++;
		t->bcast_bytes += len;
	} else if (frame[0] & 1) {
		t->mcast++;
		t->mcast_bytes += len;
	} else {
		t->ucast++;
		t->ucast_bytes += len;
	}
}

uint32_t stats_gf(struct mana_model *m, struct call *c)
{
	const struct mana_query_gf_stat_req *req = (const void *)c->req;
	struct mana_query_gf_stat_resp *resp = (void *)c->resp;

	resp->reported_stats = req->req_stats;
	resp->rx_discards_nowqe = htole64(m->counts.rx_no_buffer);
	resp->rx_err_vport_disabled = htole64(m->counts.rx_disabled);
	resp->hc_rx_bytes = htole64(m->counts.rx_bytes);
	resp->hc_rx_ucast_pkts = htole64(m->rx.ucast);
	resp->hc_rx_ucast_bytes = htole64(m->rx.ucast_bytes);
	resp->hc_rx_bcast_pkts = htole64(m->rx.bcast);
	resp->hc_rx_bcast_bytes = htole64(m->rx.bcast_bytes);
	resp->hc_rx_mcast_pkts = htole64(m->rx.mcast);
	resp->hc_rx_mcast_bytes = htole64(m->rx.mcast_bytes);
	resp->tx_err_mtu_violation = htole64(m->tx_err_mtu);
	resp->tx_err_inval_oob = htole64(m->tx_err_oob);
	resp->hc_tx_bytes = htole64(m->counts.tx_bytes);
	resp->hc_tx_ucast_pkts = htole64(m->tx.ucast);
	resp->hc_tx_ucast_bytes = htole64(m->tx.ucast_bytes);
	resp->hc_tx_bcast_pkts = htole64(m->tx.bcast);
	resp->hc_tx_bcast_bytes = htole64(m->tx.bcast_bytes);
	resp->hc_tx_mcast_pkts = htole64(m->tx.mcast);
	resp->hc_tx_mcast_bytes = htole64(m->tx.mcast_bytes);
	resp->tx_err_gdma = htole64(m->tx_err_gdma);
	return 0;
}

/*
 * Mask, two drop counters, then packets, bytes and pauses of eight traffic classes, receive and
 * send in turn. All traffic is of class 0.
 */
uint32_t stats_phy(struct mana_model *m, struct call *c)
{
	uint64_t v[51] = { 0 };

	memcpy(&v[0], c->req + sizeof(struct gdma_req_hdr), sizeof(v[0]));
	v[1] = htole64(m->counts.rx_no_buffer);
	v[2] = htole64(m->counts.tx_lost);
	v[3] = htole64(m->counts.rx);
	v[4] = htole64(m->counts.tx);
	v[3 + 16] = htole64(m->counts.rx_bytes);
	v[4 + 16] = htole64(m->counts.tx_bytes);
	memcpy(c->resp + sizeof(struct gdma_resp_hdr), v, sizeof(v));
	return 0;
}
