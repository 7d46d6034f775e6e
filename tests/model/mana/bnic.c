// SPDX-License-Identifier: BSD-2-Clause
/* Requests to the network device: what it is, and its ports. */
#include "tests/model/mana/internal.h"

#define VPORT_MARK 0x56ull

uint64_t vport_handle(unsigned int v)
{
	return VPORT_MARK << 56 | 0x10000u | v;
}

int vport_by_handle(const struct mana_model *m, uint64_t handle)
{
	for (unsigned int v = 0; v < m->opts.vports; v++) {
		if (vport_handle(v) == handle)
			return (int)v;
	}
	return NO_SLOT;
}

/* Asked for before the device is registered, and after. */
static uint32_t device_config(struct mana_model *m, struct call *c)
{
	struct mana_query_device_cfg_resp *resp = (void *)c->resp;

	if (!fault_take(m, FAULT_NO_VPORTS, 0))
		resp->max_num_vports = htole16((uint16_t)m->opts.vports);
	resp->max_num_eqs = htole32(MAX_EQS - 1);
	resp->adapter_mtu = htole16((uint16_t)(m->opts.mtu + MANA_ETH_HLEN));
	resp->link_speed_mbps = htole32(LINK_MBPS);
	return 0;
}

static uint32_t vport_config(struct mana_model *m, struct call *c)
{
	const struct mana_query_vport_cfg_req *req = (const void *)c->req;
	struct mana_query_vport_cfg_resp *resp = (void *)c->resp;
	uint32_t v = le32toh(req->vport_index);
	const uint8_t mac[6] = { 0x02, 'M', 'A', 'N', 'A', (uint8_t)v };

	if (v >= m->opts.vports || !m->registered) {
		model_violation(m, "QUERY_VPORT_CONFIG: vport %u of %u, %s", v, m->opts.vports,
				m->registered ? "registered" : "not registered");
		return STATUS_INVALID;
	}
	resp->max_num_sq = htole32(m->opts.queues);
	resp->max_num_rq = htole32(m->opts.queues);
	resp->num_indirection_ent = htole32(m->opts.indir_entries);
	memcpy(resp->mac_addr, mac, sizeof(mac));
	resp->vport = htole64(vport_handle(v));
	return 0;
}

static uint32_t vport_tx(struct mana_model *m, struct call *c)
{
	const struct mana_config_vport_req *req = (const void *)c->req;
	struct mana_config_vport_resp *resp = (void *)c->resp;
	int v = vport_by_handle(m, le64toh(req->vport));

	if (v == NO_SLOT || !m->registered) {
		model_violation(m,
				"CONFIG_VPORT_TX: there is no vport %#llx, or the device is not registered",
				(unsigned long long)le64toh(req->vport));
		return STATUS_INVALID;
	}
	if (le32toh(req->pdid) != MANA_PDID || le32toh(req->doorbell_pageid) != MANA_DB) {
		model_violation(m,
				"CONFIG_VPORT_TX: protection domain %#x and doorbell page %u, the device's are %#x and %u",
				le32toh(req->pdid), le32toh(req->doorbell_pageid), MANA_PDID,
				MANA_DB);
		return STATUS_INVALID;
	}
	m->vport[v].tx_configured = true;
	resp->tx_vport_offset = htole16((uint16_t)TX_VPORT_OFFSET((unsigned int)v));
	resp->short_form_allowed = 1;
	return 0;
}

static uint32_t link_config(struct mana_model *m, struct call *c)
{
	const struct mana_query_link_config_req *req = (const void *)c->req;
	struct mana_query_link_config_resp *resp = (void *)c->resp;

	if (vport_by_handle(m, le64toh(req->vport)) == NO_SLOT) {
		model_violation(m, "QUERY_LINK_CONFIG: there is no vport %#llx",
				(unsigned long long)le64toh(req->vport));
		return STATUS_INVALID;
	}
	resp->qos_speed_mbps = htole32(LINK_MBPS);
	resp->link_speed_mbps = htole32(m->link_down ? 0 : LINK_MBPS);
	return 0;
}

const struct command bnic_commands[] = {
	{ MANA_QUERY_DEV_CONFIG, 88, 72, true, device_config, "QUERY_DEV_CONFIG" },
	{ MANA_QUERY_GF_STAT, 48, 256, true, stats_gf, "QUERY_GF_STAT" },
	{ MANA_CONFIG_VPORT_TX, 56, 36, true, vport_tx, "CONFIG_VPORT_TX" },
	{ MANA_CREATE_WQ_OBJ, 88, 48, true, object_create, "CREATE_WQ_OBJ" },
	{ MANA_DESTROY_WQ_OBJ, 56, 32, true, object_destroy, "DESTROY_WQ_OBJ" },
	{ MANA_FENCE_RQ, 48, 32, true, object_fence, "FENCE_RQ" },
	{ MANA_CONFIG_VPORT_RX, 112, 32, true, steer_config, "CONFIG_VPORT_RX" },
	{ MANA_QUERY_VPORT_CONFIG, 44, 64, true, vport_config, "QUERY_VPORT_CONFIG" },
	{ MANA_QUERY_LINK_CONFIG, 48, 48, true, link_config, "QUERY_LINK_CONFIG" },
	{ MANA_QUERY_PHY_STAT, 48, 440, true, stats_phy, "QUERY_PHY_STAT" },
};

const unsigned int bnic_ncommands = sizeof(bnic_commands) / sizeof(bnic_commands[0]);
