// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests to the network device: what it is, its vports, and their work queues.
 */
#include <errno.h>

#include "devices/mana/adapter.h"

int mana_query_device(struct udrv_mana *mana, uint32_t *ret_vports)
{
	struct mana_query_device_cfg_req req = {
		.hdr = mana_request(mana, MANA_QUERY_DEV_CONFIG, true, 1, 3),
		.proto_minor_ver = htole32(1),
		.proto_micro_ver = htole32(1),
	};
	struct mana_query_device_cfg_resp resp = { 0 };
	uint32_t mtu = MANA_MTU_DEFAULT;
	int err;

	err = mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
	if (err)
		return err;
	if (le16toh(resp.hdr.response.msg_version) >= 2 && resp.adapter_mtu)
		mtu = le16toh(resp.adapter_mtu);
	*ret_vports = le16toh(resp.max_num_vports);
	if (mtu < MANA_MTU_MIN || !*ret_vports) {
		mana_err(mana,
			 "the device has %u vports, for frames of up to %u bytes: that makes no sense",
			 *ret_vports, mtu);
		return -EPROTO;
	}
	mana->facts.adapter_mtu = mtu - MANA_ETH_HLEN;
	return 0;
}

int mana_query_vport(struct udrv_mana *mana, unsigned int vport, uint32_t *ret_queues)
{
	struct mana_query_vport_cfg_req req = {
		.hdr = mana_request(mana, MANA_QUERY_VPORT_CONFIG, true, 1, 1),
		.vport_index = htole32(vport),
	};
	struct mana_vport_facts *v = &mana->facts.vport[vport];
	struct mana_query_vport_cfg_resp resp;
	uint32_t sq, rq, entries;
	int err;

	err = mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
	if (err)
		return err;
	sq = le32toh(resp.max_num_sq);
	rq = le32toh(resp.max_num_rq);
	entries = le32toh(resp.num_indirection_ent);
	if (!sq || !rq || resp.mac_addr[0] & 1) {
		mana_err(mana,
			 "vport %u has %u send and %u receive queues, and a MAC address that begins with %02x: "
			 "that makes no sense",
			 vport, sq, rq, resp.mac_addr[0]);
		return -EPROTO;
	}
	/* All of it goes into one message. */
	if (!mana_power_of_two(entries) || entries > MANA_STEER_ENTRIES_MAX) {
		mana_warn(mana, "vport %u: an RSS table of %u entries cannot be set, using %u",
			  vport, entries, MANA_INDIR_DEFAULT);
		entries = MANA_INDIR_DEFAULT;
	}
	memcpy(v->mac, resp.mac_addr, sizeof(v->mac));
	v->handle = le64toh(resp.vport);
	if (v->rss.entries != entries) {
		v->rss.entries = entries;
		v->rss.hash_types = 0; /* what was set does not fit any more */
	}
	*ret_queues = sq < rq ? sq : rq;
	return 0;
}

int mana_config_tx(struct udrv_mana *mana, unsigned int vport)
{
	struct mana_vport_facts *v = &mana->facts.vport[vport];
	struct mana_config_vport_req req = {
		.hdr = mana_request(mana, MANA_CONFIG_VPORT_TX, true, 1, 1),
		.vport = htole64(v->handle),
		.pdid = htole32(mana->facts.mana.pdid),
		.doorbell_pageid = htole32(mana->facts.mana.db),
	};
	struct mana_config_vport_resp resp;
	int err;

	err = mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
	if (err)
		return err;
	v->tx_offset = le16toh(resp.tx_vport_offset);
	v->short_form = resp.short_form_allowed && v->tx_offset <= MANA_SHORT_VPORT_OFFSET_MAX;
	if (v->tx_offset > 0xfff) {
		mana_err(mana, "vport %u: offset %#x does not fit a send's OOB", vport,
			 v->tx_offset);
		return -EPROTO;
	}
	return 0;
}

/*
 * A work queue with its CQ. What the device answers is compared with what doorbells and completions
 * have room for.
 */
static int create_wq(struct udrv_mana *mana, struct udrv_mana_queue *q, uint32_t type,
		     uint64_t wq_off, uint32_t wq_size, uint64_t cq_off, uint32_t cq_size,
		     uint32_t *ret_wq, uint32_t *ret_cq, uint64_t *ret_obj)
{
	struct mana_create_wqobj_req req = {
		.hdr = mana_request(mana, MANA_CREATE_WQ_OBJ, true, 3, 2),
		.vport = htole64(mana->facts.vport[q->vport].handle),
		.wq_type = htole32(type),
		.wq_size = htole32(wq_size),
		.cq_size = htole32(cq_size),
		.cq_parent_qid = htole32(q->eq.id),
	};
	struct mana_create_wqobj_resp resp;
	uint64_t wq_region, cq_region;
	int err;

	err = mana_gdma_region(mana, wq_off, wq_size, &wq_region);
	if (!err)
		err = mana_gdma_region(mana, cq_off, cq_size, &cq_region);
	if (err)
		return err;
	req.wq_gdma_region = htole64(wq_region);
	req.cq_gdma_region = htole64(cq_region);
	err = mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
	if (err)
		return err;
	*ret_wq = le32toh(resp.wq_id);
	*ret_cq = le32toh(resp.cq_id);
	*ret_obj = le64toh(resp.wq_obj);
	if ((*ret_wq | *ret_cq) & ~GDMA_DB_ID_MASK || *ret_obj == MANA_INVALID_HANDLE) {
		mana_err(mana,
			 "vport %u, queue %u: the device answers with impossible ids (%#x, %#x)",
			 q->vport, q->index, *ret_wq, *ret_cq);
		return -EPROTO;
	}
	return 0;
}

int mana_create_sq(struct udrv_mana *mana, struct udrv_mana_queue *q)
{
	struct mana_rings r = mana_rings(&mana->facts);
	uint64_t off = udrv_load64(&q->st->rings_off), obj;
	uint32_t sq, cq;
	int err;

	err = create_wq(mana, q, GDMA_SQ, off + r.sq_off, r.sq, off + r.tx_cq_off, r.tx_cq, &sq,
			&cq, &obj);
	if (err)
		return err;
	udrv_store32(&q->st->sq_id, sq);
	udrv_store32(&q->st->tx_cq_id, cq);
	udrv_store64(&q->st->sq_obj, obj);
	return 0;
}

int mana_create_rq(struct udrv_mana *mana, struct udrv_mana_queue *q)
{
	struct mana_rings r = mana_rings(&mana->facts);
	uint64_t off = udrv_load64(&q->st->rings_off), obj;
	uint32_t rq, cq;
	int err;

	err = create_wq(mana, q, GDMA_RQ, off + r.rq_off, r.rq, off + r.rx_cq_off, r.rx_cq, &rq,
			&cq, &obj);
	if (err)
		return err;
	udrv_store32(&q->st->rq_id, rq);
	udrv_store32(&q->st->rx_cq_id, cq);
	udrv_store64(&q->st->rq_obj, obj);
	return 0;
}

int mana_destroy_wq(struct udrv_mana *mana, uint32_t type, uint64_t obj)
{
	struct mana_destroy_wqobj_req req = {
		.hdr = mana_request(mana, MANA_DESTROY_WQ_OBJ, true, 1, 1),
		.wq_type = htole32(type),
		.wq_obj_handle = htole64(obj),
	};
	struct gdma_resp_hdr resp;

	return mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
}

int mana_fence_rq(struct udrv_mana *mana, struct udrv_mana_queue *q)
{
	struct mana_fence_rq_req req = {
		.hdr = mana_request(mana, MANA_FENCE_RQ, true, 1, 1),
		.wq_obj_handle = htole64(udrv_load64(&q->st->rq_obj)),
	};
	struct gdma_resp_hdr resp;

	return mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
}
