// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "devices/mana/adapter.h"

int udrv_mana_hw_stats(struct udrv_mana *mana, struct udrv_mana_hw_stats *ret)
{
	struct mana_query_gf_stat_req req = {
		.hdr = mana_request(mana, MANA_QUERY_GF_STAT, true, 1, 1),
		.req_stats = htole64(UINT64_MAX),
	};
	struct mana_query_gf_stat_resp r;
	int err;

	if (mana->failed)
		return -ESHUTDOWN;
	err = mana_hwc_call(mana, &req, sizeof(req), &r, sizeof(r));
	if (err)
		return err;
	*ret = (struct udrv_mana_hw_stats){
		.rx_bytes = le64toh(r.hc_rx_bytes),
		.rx_ucast = le64toh(r.hc_rx_ucast_pkts),
		.rx_bcast = le64toh(r.hc_rx_bcast_pkts),
		.rx_mcast = le64toh(r.hc_rx_mcast_pkts),
		.tx_bytes = le64toh(r.hc_tx_bytes),
		.tx_ucast = le64toh(r.hc_tx_ucast_pkts),
		.tx_bcast = le64toh(r.hc_tx_bcast_pkts),
		.tx_mcast = le64toh(r.hc_tx_mcast_pkts),
		.rx_no_buffer = le64toh(r.rx_discards_nowqe),
		.rx_vport_disabled = le64toh(r.rx_err_vport_disabled),
		.tx_errors =
			le64toh(r.tx_err_gf_disabled) + le64toh(r.tx_err_vport_disabled) +
			le64toh(r.tx_err_inval_vport_offset_pkt) +
			le64toh(r.tx_err_vlan_enforcement) + le64toh(r.tx_err_ethtype_enforcement) +
			le64toh(r.tx_err_sa_enforcement) + le64toh(r.tx_err_sqpdid_enforcement) +
			le64toh(r.tx_err_cqpdid_enforcement) + le64toh(r.tx_err_mtu_violation) +
			le64toh(r.tx_err_inval_oob) + le64toh(r.tx_err_gdma),
	};
	return 0;
}

int udrv_mana_link_speed(struct udrv_mana *mana, unsigned int vport, uint32_t *ret_mbps)
{
	struct mana_query_link_config_req req = { .hdr = mana_request(mana, MANA_QUERY_LINK_CONFIG,
								      true, 1, 1) };
	struct mana_query_link_config_resp resp;
	int err;

	if (vport >= mana->facts.vports)
		return -EINVAL;
	if (mana->failed)
		return -ESHUTDOWN;
	req.vport = htole64(mana->facts.vport[vport].handle);
	err = mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
	if (err)
		return err;
	*ret_mbps = resp.qos_unconfigured ? le32toh(resp.link_speed_mbps) :
					    le32toh(resp.qos_speed_mbps);
	mana->facts.vport[vport].speed_mbps = *ret_mbps;
	mana->vport_info[vport].speed_mbps = *ret_mbps;
	return 0;
}

static void counters(const struct mana_queue_state *st, struct udrv_mana_counters *ret)
{
	*ret = (struct udrv_mana_counters){
		.tx_packets = le64toh(st->tx_packets),
		.tx_bytes = le64toh(st->tx_bytes),
		.tx_completed = le64toh(st->tx_completed),
		.tx_errors = le64toh(st->tx_errors),
		.tx_lost = le64toh(st->tx_lost_count),
		.rx_packets = le64toh(st->rx_packets),
		.rx_bytes = le64toh(st->rx_bytes),
		.rx_errors = le64toh(st->rx_errors),
		.rx_csum_bad = le64toh(st->rx_csum_bad),
		.rx_lost = le64toh(st->rx_lost),
		.sq_doorbells = le64toh(st->sq_doorbells),
		.rq_doorbells = le64toh(st->rq_doorbells),
		.cq_doorbells = le64toh(st->tx_cq_doorbells) + le64toh(st->rx_cq_doorbells),
		.eq_doorbells = le64toh(st->eq_doorbells),
		.events = le64toh(st->events),
		.bad_cqes = le64toh(st->bad_cqes),
	};
}

void udrv_mana_counters(const struct udrv_mana_queue *q, struct udrv_mana_counters *ret)
{
	counters(q->st, ret);
}

static void inspect_queue(const struct mana_queue_state *st, const struct mana_facts *facts,
			  struct udrv_mana_snapshot *ret, unsigned int v, unsigned int i)
{
	uint32_t posted =
		(uint32_t)udrv_load64(&st->rx_tail) - mana_high(udrv_load64(&st->rx_head));

	counters(st, &ret->queue[v][i].counters);
	ret->queue[v][i].sending =
		mana_low(udrv_load64(&st->tx_tail)) - mana_high(udrv_load64(&st->tx_head));
	ret->queue[v][i].posted = posted;
	ret->queue[v][i].held = facts->rx_depth - posted;
}

int udrv_mana_inspect(const struct udrv_state *st, struct udrv_mana_snapshot *ret)
{
	struct udrv_mana mana = { .st = (struct udrv_state *)st };
	int err;

	err = mana_facts_read(st, &mana.facts);
	if (err)
		return err;
	if (!udrv_state_area(st, MANA_AREA_CTRL, NULL))
		return -ENOENT;
	err = mana_areas_find(&mana);
	if (err)
		return err;
	if (mana.facts.vports > udrv_load32(&mana.state->vport_capacity) ||
	    mana.facts.queues > udrv_load32(&mana.state->queue_capacity))
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	mana_fill_info(&mana);
	ret->info = mana.info;
	memcpy(ret->vport, mana.vport_info, sizeof(ret->vport));
	ret->starts = udrv_load64(&mana.state->starts);
	ret->resumes = udrv_load64(&mana.state->resumes);
	ret->resets = udrv_load64(&mana.state->resets);
	ret->reset_requests = udrv_load64(&mana.state->reset_requests);
	ret->link_events = udrv_load64(&mana.state->link_events);
	ret->hwc_requests = udrv_load64(&mana.state->hwc_requests);
	ret->hwc_timeouts = udrv_load64(&mana.state->hwc_timeouts);
	for (unsigned int v = 0; v < mana.facts.vports; v++) {
		for (unsigned int i = 0; i < mana.facts.queues; i++)
			inspect_queue(mana_queue_state(&mana, v, i), &mana.facts, ret, v, i);
	}
	return 0;
}
