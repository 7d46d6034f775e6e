/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: MANA layouts and constants
 *
 * The Azure network adapter on top of GDMA (udrv/gdma_spec.h): requests of the basic NIC (BNIC),
 * out-of-band data of send WQEs and the completions of both directions. There is no public
 * specification; layouts and names agree with Linux's include/net/mana/mana.h. Multi-byte fields
 * are little-endian.
 */
#ifndef UDRV_MANA_SPEC_H
#define UDRV_MANA_SPEC_H

#include <udrv/gdma_hwc_spec.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Tables: lined up by hand. */
/* clang-format off */

#define MANA_ETH_HLEN			14u
/* smallest adapter_mtu that is not an error; 0 means 1514 */
#define MANA_MTU_MIN			82u
#define MANA_MTU_DEFAULT		1514u
/* the most with 24 bytes of OOB: 24 + 8 + 30 * 16 = 512 */
#define MANA_MAX_TX_SGES		30u
#define MANA_HASH_KEY_SIZE		40u
#define MANA_INDIR_MAX			512u
#define MANA_INDIR_DEFAULT		64u
#define MANA_SHORT_VPORT_OFFSET_MAX	255u

static_assert(8 + GDMA_OOB_LARGE_SIZE + MANA_MAX_TX_SGES * sizeof(struct gdma_sge) ==
		      GDMA_MAX_SQE_SIZE,
	      "30 SGEs fill the largest send WQE");

/* ---- Requests -------------------------------------------------------------------------------- */

#define MANA_QUERY_DEV_CONFIG		0x20001u
#define MANA_QUERY_GF_STAT		0x20002u
#define MANA_CONFIG_VPORT_TX		0x20003u
#define MANA_CREATE_WQ_OBJ		0x20004u
#define MANA_DESTROY_WQ_OBJ		0x20005u
#define MANA_FENCE_RQ			0x20006u
#define MANA_CONFIG_VPORT_RX		0x20007u
#define MANA_QUERY_VPORT_CONFIG		0x20008u
#define MANA_QUERY_LINK_CONFIG		0x2000au
#define MANA_SET_BW_CLAMP		0x2000bu
#define MANA_QUERY_PHY_STAT		0x2000cu

/**
 * struct mana_query_device_cfg_req - MANA_QUERY_DEV_CONFIG; asked for before and
 * after GDMA_REGISTER_DEVICE
 */
struct mana_query_device_cfg_req {
	struct gdma_req_hdr hdr;
	uint64_t mn_drv_cap_flags[4];
	uint32_t proto_major_ver;
	uint32_t proto_minor_ver;
	uint32_t proto_micro_ver;
	uint32_t reserved;
};

/* bm_hostmode counts from response version 3 on, adapter_mtu from 2, link_speed_mbps from 4. */
struct mana_query_device_cfg_resp {
	struct gdma_resp_hdr hdr;
	uint64_t pf_cap_flags[4];
	uint16_t max_num_vports;
	uint8_t bm_hostmode;
	uint8_t reserved;
	uint32_t max_num_eqs;
	uint16_t adapter_mtu;		/* with the Ethernet header */
	uint16_t reserved2;
	uint32_t link_speed_mbps;
};

GDMA_ASSERT_SIZE(struct mana_query_device_cfg_req, 88);
GDMA_ASSERT_AT(struct mana_query_device_cfg_req, proto_major_ver, 72);
GDMA_ASSERT_SIZE(struct mana_query_device_cfg_resp, 80);
GDMA_ASSERT_AT(struct mana_query_device_cfg_resp, pf_cap_flags, 32);
GDMA_ASSERT_AT(struct mana_query_device_cfg_resp, max_num_vports, 64);
GDMA_ASSERT_AT(struct mana_query_device_cfg_resp, bm_hostmode, 66);
GDMA_ASSERT_AT(struct mana_query_device_cfg_resp, max_num_eqs, 68);
GDMA_ASSERT_AT(struct mana_query_device_cfg_resp, adapter_mtu, 72);
GDMA_ASSERT_AT(struct mana_query_device_cfg_resp, link_speed_mbps, 76);

#define MANA_PF_CAP_1_CQE_8_COALESCING	((uint64_t)1 << 5)

/** struct mana_query_vport_cfg_req - MANA_QUERY_VPORT_CONFIG */
struct mana_query_vport_cfg_req {
	struct gdma_req_hdr hdr;
	uint32_t vport_index;
};

struct mana_query_vport_cfg_resp {
	struct gdma_resp_hdr hdr;
	uint32_t max_num_sq;
	uint32_t max_num_rq;
	uint32_t num_indirection_ent;
	uint32_t reserved1;
	uint8_t mac_addr[6];
	uint8_t reserved2[2];
	uint64_t vport;			/* handle */
};

GDMA_ASSERT_SIZE(struct mana_query_vport_cfg_req, 44);
GDMA_ASSERT_AT(struct mana_query_vport_cfg_req, vport_index, 40);
GDMA_ASSERT_SIZE(struct mana_query_vport_cfg_resp, 64);
GDMA_ASSERT_AT(struct mana_query_vport_cfg_resp, max_num_sq, 32);
GDMA_ASSERT_AT(struct mana_query_vport_cfg_resp, max_num_rq, 36);
GDMA_ASSERT_AT(struct mana_query_vport_cfg_resp, num_indirection_ent, 40);
GDMA_ASSERT_AT(struct mana_query_vport_cfg_resp, mac_addr, 48);
GDMA_ASSERT_AT(struct mana_query_vport_cfg_resp, vport, 56);

/** struct mana_config_vport_req - MANA_CONFIG_VPORT_TX */
struct mana_config_vport_req {
	struct gdma_req_hdr hdr;
	uint64_t vport;
	uint32_t pdid;
	uint32_t doorbell_pageid;
};

struct mana_config_vport_resp {
	struct gdma_resp_hdr hdr;
	uint16_t tx_vport_offset;
	uint8_t short_form_allowed;
	uint8_t reserved;
};

GDMA_ASSERT_SIZE(struct mana_config_vport_req, 56);
GDMA_ASSERT_AT(struct mana_config_vport_req, vport, 40);
GDMA_ASSERT_AT(struct mana_config_vport_req, pdid, 48);
GDMA_ASSERT_AT(struct mana_config_vport_req, doorbell_pageid, 52);
GDMA_ASSERT_SIZE(struct mana_config_vport_resp, 36);
GDMA_ASSERT_AT(struct mana_config_vport_resp, tx_vport_offset, 32);
GDMA_ASSERT_AT(struct mana_config_vport_resp, short_form_allowed, 34);

/** struct mana_create_wqobj_req - MANA_CREATE_WQ_OBJ, version 3: a work queue and its CQ */
struct mana_create_wqobj_req {
	struct gdma_req_hdr hdr;
	uint64_t vport;
	uint32_t wq_type;		/* GDMA_SQ or GDMA_RQ */
	uint32_t reserved;
	uint64_t wq_gdma_region;
	uint64_t cq_gdma_region;
	uint32_t wq_size;		/* bytes */
	uint32_t cq_size;
	uint32_t cq_moderation_ctx_id;
	uint32_t cq_parent_qid;		/* EQ */
	uint8_t allow_rqwqe_chain;
	uint8_t req_cq_moderation;
	uint16_t cq_moderation_comp;
	uint16_t cq_moderation_usec;
	uint8_t reserved2[2];
};

struct mana_create_wqobj_resp {
	struct gdma_resp_hdr hdr;
	uint32_t wq_id;
	uint32_t cq_id;
	uint64_t wq_obj;		/* handle, not all ones */
	uint16_t cq_moderation_comp;
	uint16_t cq_moderation_usec;
	uint8_t cq_moderation_enabled;
	uint8_t reserved1[3];
};

GDMA_ASSERT_SIZE(struct mana_create_wqobj_req, 96);
GDMA_ASSERT_AT(struct mana_create_wqobj_req, vport, 40);
GDMA_ASSERT_AT(struct mana_create_wqobj_req, wq_type, 48);
GDMA_ASSERT_AT(struct mana_create_wqobj_req, wq_gdma_region, 56);
GDMA_ASSERT_AT(struct mana_create_wqobj_req, cq_gdma_region, 64);
GDMA_ASSERT_AT(struct mana_create_wqobj_req, wq_size, 72);
GDMA_ASSERT_AT(struct mana_create_wqobj_req, cq_size, 76);
GDMA_ASSERT_AT(struct mana_create_wqobj_req, cq_moderation_ctx_id, 80);
GDMA_ASSERT_AT(struct mana_create_wqobj_req, cq_parent_qid, 84);
GDMA_ASSERT_AT(struct mana_create_wqobj_req, allow_rqwqe_chain, 88);
GDMA_ASSERT_AT(struct mana_create_wqobj_req, req_cq_moderation, 89);
GDMA_ASSERT_AT(struct mana_create_wqobj_req, cq_moderation_comp, 90);
GDMA_ASSERT_AT(struct mana_create_wqobj_req, cq_moderation_usec, 92);
GDMA_ASSERT_SIZE(struct mana_create_wqobj_resp, 56);
GDMA_ASSERT_AT(struct mana_create_wqobj_resp, wq_id, 32);
GDMA_ASSERT_AT(struct mana_create_wqobj_resp, cq_id, 36);
GDMA_ASSERT_AT(struct mana_create_wqobj_resp, wq_obj, 40);
GDMA_ASSERT_AT(struct mana_create_wqobj_resp, cq_moderation_comp, 48);

#define MANA_INVALID_HANDLE		UINT64_MAX

/** struct mana_destroy_wqobj_req - MANA_DESTROY_WQ_OBJ; the response has no body */
struct mana_destroy_wqobj_req {
	struct gdma_req_hdr hdr;
	uint32_t wq_type;
	uint32_t reserved;
	uint64_t wq_obj_handle;
};

GDMA_ASSERT_SIZE(struct mana_destroy_wqobj_req, 56);
GDMA_ASSERT_AT(struct mana_destroy_wqobj_req, wq_type, 40);
GDMA_ASSERT_AT(struct mana_destroy_wqobj_req, wq_obj_handle, 48);

/**
 * struct mana_fence_rq_req - MANA_FENCE_RQ: CQE of type MANA_CQE_RX_FENCE; the response has no body
 */
struct mana_fence_rq_req {
	struct gdma_req_hdr hdr;
	uint64_t wq_obj_handle;
};

GDMA_ASSERT_SIZE(struct mana_fence_rq_req, 48);
GDMA_ASSERT_AT(struct mana_fence_rq_req, wq_obj_handle, 40);

/** struct mana_cfg_rx_steer_req - MANA_CONFIG_VPORT_RX, version 2 and later */
struct mana_cfg_rx_steer_req {
	struct gdma_req_hdr hdr;
	uint64_t vport;
	uint16_t num_indir_entries;
	uint16_t indir_tab_offset;	/* of the table, from the message's beginning */
	uint32_t rx_enable;
	uint32_t rss_enable;
	uint8_t update_default_rxobj;
	uint8_t update_hashkey;
	uint8_t update_indir_tab;
	uint8_t reserved;
	uint64_t default_rxobj;
	uint8_t hashkey[MANA_HASH_KEY_SIZE];
	uint8_t cqe_coalescing_enable;
	uint8_t reserved2[3];
	uint16_t rss_hash_types;	/* MANA_HASH_* */
	uint8_t cqe8_coalescing_enable;
	uint8_t reserved3;
	uint64_t indir_tab[];		/* handles of receive objects */
};

struct mana_cfg_rx_steer_resp {
	struct gdma_resp_hdr hdr;
	uint32_t cqe_coalescing_timeout_ns;
	uint32_t reserved1;
};

GDMA_ASSERT_SIZE(struct mana_cfg_rx_steer_req, 120);
GDMA_ASSERT_AT(struct mana_cfg_rx_steer_req, vport, 40);
GDMA_ASSERT_AT(struct mana_cfg_rx_steer_req, num_indir_entries, 48);
GDMA_ASSERT_AT(struct mana_cfg_rx_steer_req, indir_tab_offset, 50);
GDMA_ASSERT_AT(struct mana_cfg_rx_steer_req, rx_enable, 52);
GDMA_ASSERT_AT(struct mana_cfg_rx_steer_req, rss_enable, 56);
GDMA_ASSERT_AT(struct mana_cfg_rx_steer_req, update_default_rxobj, 60);
GDMA_ASSERT_AT(struct mana_cfg_rx_steer_req, update_hashkey, 61);
GDMA_ASSERT_AT(struct mana_cfg_rx_steer_req, update_indir_tab, 62);
GDMA_ASSERT_AT(struct mana_cfg_rx_steer_req, default_rxobj, 64);
GDMA_ASSERT_AT(struct mana_cfg_rx_steer_req, hashkey, 72);
GDMA_ASSERT_AT(struct mana_cfg_rx_steer_req, cqe_coalescing_enable, 112);
GDMA_ASSERT_AT(struct mana_cfg_rx_steer_req, rss_hash_types, 116);
GDMA_ASSERT_AT(struct mana_cfg_rx_steer_req, cqe8_coalescing_enable, 118);
GDMA_ASSERT_AT(struct mana_cfg_rx_steer_req, indir_tab, 120);

/* Entries that one message has room for */
#define MANA_STEER_ENTRIES_MAX \
	((GDMA_HWC_MAX_MESSAGE - sizeof(struct mana_cfg_rx_steer_req)) / sizeof(uint64_t))
GDMA_ASSERT_SIZE(struct mana_cfg_rx_steer_resp, 40);

/* rx_enable and rss_enable */
#define MANA_STEER_FALSE		0u
#define MANA_STEER_TRUE			1u
#define MANA_STEER_UNKNOWN		0xffffffffu	/* leave it as it is */

/* rss_hash_types, and the hash type of a receive completion */
#define MANA_HASH_IPV4			(1u << 0)
#define MANA_HASH_TCP_IPV4		(1u << 1)
#define MANA_HASH_UDP_IPV4		(1u << 2)
#define MANA_HASH_IPV6			(1u << 3)
#define MANA_HASH_TCP_IPV6		(1u << 4)
#define MANA_HASH_UDP_IPV6		(1u << 5)
#define MANA_HASH_ALL			0x3fu

/** struct mana_query_gf_stat_req - MANA_QUERY_GF_STAT: hardware counters of the function */
struct mana_query_gf_stat_req {
	struct gdma_req_hdr hdr;
	uint64_t req_stats;		/* mask, MANA_GF_STAT_* */
};

struct mana_query_gf_stat_resp {
	struct gdma_resp_hdr hdr;
	uint64_t reported_stats;
	uint64_t rx_discards_nowqe;
	uint64_t rx_err_vport_disabled;
	uint64_t hc_rx_bytes;
	uint64_t hc_rx_ucast_pkts;
	uint64_t hc_rx_ucast_bytes;
	uint64_t hc_rx_bcast_pkts;
	uint64_t hc_rx_bcast_bytes;
	uint64_t hc_rx_mcast_pkts;
	uint64_t hc_rx_mcast_bytes;
	uint64_t tx_err_gf_disabled;
	uint64_t tx_err_vport_disabled;
	uint64_t tx_err_inval_vport_offset_pkt;
	uint64_t tx_err_vlan_enforcement;
	uint64_t tx_err_ethtype_enforcement;
	uint64_t tx_err_sa_enforcement;
	uint64_t tx_err_sqpdid_enforcement;
	uint64_t tx_err_cqpdid_enforcement;
	uint64_t tx_err_mtu_violation;
	uint64_t tx_err_inval_oob;
	uint64_t hc_tx_bytes;
	uint64_t hc_tx_ucast_pkts;
	uint64_t hc_tx_ucast_bytes;
	uint64_t hc_tx_bcast_pkts;
	uint64_t hc_tx_bcast_bytes;
	uint64_t hc_tx_mcast_pkts;
	uint64_t hc_tx_mcast_bytes;
	uint64_t tx_err_gdma;
};

GDMA_ASSERT_SIZE(struct mana_query_gf_stat_req, 48);
GDMA_ASSERT_AT(struct mana_query_gf_stat_req, req_stats, 40);
GDMA_ASSERT_SIZE(struct mana_query_gf_stat_resp, 256);
GDMA_ASSERT_AT(struct mana_query_gf_stat_resp, reported_stats, 32);
GDMA_ASSERT_AT(struct mana_query_gf_stat_resp, rx_discards_nowqe, 40);
GDMA_ASSERT_AT(struct mana_query_gf_stat_resp, tx_err_gdma, 248);

/** struct mana_query_link_config_req - MANA_QUERY_LINK_CONFIG */
struct mana_query_link_config_req {
	struct gdma_req_hdr hdr;
	uint64_t vport;
};

struct mana_query_link_config_resp {
	struct gdma_resp_hdr hdr;
	uint32_t qos_speed_mbps;
	uint8_t qos_unconfigured;
	uint8_t reserved1[3];
	uint32_t link_speed_mbps;
	uint8_t reserved2[4];
};

GDMA_ASSERT_SIZE(struct mana_query_link_config_req, 48);
GDMA_ASSERT_AT(struct mana_query_link_config_req, vport, 40);
GDMA_ASSERT_SIZE(struct mana_query_link_config_resp, 48);
GDMA_ASSERT_AT(struct mana_query_link_config_resp, qos_speed_mbps, 32);
GDMA_ASSERT_AT(struct mana_query_link_config_resp, qos_unconfigured, 36);
GDMA_ASSERT_AT(struct mana_query_link_config_resp, link_speed_mbps, 40);

/* ---- Sending: the inline OOB of a WQE, 8 bytes (short) or 24 (long) -------------------------- */

/** struct mana_tx_oob - of the short form only the first two dwords are there */
struct mana_tx_oob {
	uint32_t s0;
	uint32_t s1;
	uint32_t l0;
	uint32_t l1;
	uint32_t reserved[2];
};

GDMA_ASSERT_SIZE(struct mana_tx_oob, GDMA_OOB_LARGE_SIZE);

/* s0 */
#define MANA_TX_SHORT			0u		/* bits 1:0, packet format */
#define MANA_TX_LONG			1u
#define MANA_TX_FORMAT(s0)		((s0) & 3u)
#define MANA_TX_OUTER_IPV4		(1u << 2)
#define MANA_TX_OUTER_IPV6		(1u << 3)
#define MANA_TX_IP_CSUM			(1u << 4)
/* the field carries the sum of the pseudo-header */
#define MANA_TX_TCP_CSUM		(1u << 5)
#define MANA_TX_UDP_CSUM		(1u << 6)
#define MANA_TX_SUPPRESS_CQE		(1u << 7)
#define MANA_TX_VCQ_SHIFT		8		/* bits 31:8, CQ */
#define MANA_TX_VCQ(s0)			((s0) >> MANA_TX_VCQ_SHIFT)
/* s1; TRANS_OFF: transport header, from the frame's beginning; for TCP */
#define MANA_TX_TRANS_OFF(s1)		((s1) & 0x3ffu)
#define MANA_TX_TRANS_OFF_MAX		0x3ffu
#define MANA_TX_VSQ_FRAME_SHIFT		10		/* bits 23:10, SQ id >> 10 */
#define MANA_TX_VSQ_FRAME(s1)		((s1) >> MANA_TX_VSQ_FRAME_SHIFT & 0x3fffu)
#define MANA_TX_VSQ_FRAME_OF(sq)	((sq) >> 10 & 0x3fffu)
#define MANA_TX_SHORT_VPORT_SHIFT	24		/* bits 31:24 */
#define MANA_TX_SHORT_VPORT(s1)		((s1) >> MANA_TX_SHORT_VPORT_SHIFT)
/* l0 */
#define MANA_TX_ENCAP			(1u << 0)
#define MANA_TX_INNER_IPV6		(1u << 1)
#define MANA_TX_INNER_TCP_OPT		(1u << 2)
#define MANA_TX_INJECT_VLAN		(1u << 3)
#define MANA_TX_PCP_SHIFT		16		/* bits 18:16 */
#define MANA_TX_DEI			(1u << 19)
#define MANA_TX_VID_SHIFT		20		/* bits 31:20 */
/* l1 */
#define MANA_TX_INNER_FRAME_OFF(l1)	((l1) & 0x3ffu)
#define MANA_TX_INNER_IP_REL_SHIFT	10		/* bits 15:10 */
#define MANA_TX_LONG_VPORT_SHIFT	16		/* bits 27:16 */
#define MANA_TX_LONG_VPORT(l1)		((l1) >> MANA_TX_LONG_VPORT_SHIFT & 0xfffu)

/* ---- Completions: the data of a GDMA CQE ----------------------------------------------------- */

/* First dword of both directions */
#define MANA_CQE_TYPE(d)		((d) & 0x3fu)
#define MANA_CQE_CLIENT_SHIFT		6		/* bits 7:6 */
#define MANA_CQE_CLIENT(d)		((d) >> MANA_CQE_CLIENT_SHIFT & 3u)
#define MANA_CQE_CLIENT_COMPLETION	1u
#define MANA_CQE_VENDOR_ERR(d)		((d) >> 8)

#define MANA_CQE_RX_OKAY		1u
#define MANA_CQE_RX_COALESCED_4		2u
#define MANA_CQE_RX_FENCE		3u
#define MANA_CQE_RX_TRUNCATED		4u
#define MANA_CQE_RX_COALESCED_8		7u

#define MANA_CQE_TX_OKAY		32u
#define MANA_CQE_TX_SA_DROP		33u
#define MANA_CQE_TX_MTU_DROP		34u
#define MANA_CQE_TX_INVALID_OOB		35u
#define MANA_CQE_TX_INVALID_ETH_TYPE	36u
#define MANA_CQE_TX_HDR_PROCESSING_ERROR 37u
#define MANA_CQE_TX_VF_DISABLED		38u
#define MANA_CQE_TX_VPORT_IDX_OUT_OF_RANGE 39u
#define MANA_CQE_TX_VPORT_DISABLED	40u
#define MANA_CQE_TX_VLAN_TAGGING_VIOLATION 41u
#define MANA_CQE_TX_GDMA_ERR		42u		/* the queue is disabled */

/**
 * struct mana_rx_ppi - one packet of a receive completion; of MANA_CQE_RX_COALESCED_8 two in
 * another layout
 */
struct mana_rx_ppi {
	uint16_t pkt_len;
	uint16_t reserved1;
	uint32_t reserved2;
	uint32_t pkt_hash;
};

struct mana_rx_ppi2 {
	uint32_t pkt_hash0;
	uint16_t pkt_len0;
	uint16_t pkt_len1;
	uint32_t pkt_hash1;
};

GDMA_ASSERT_SIZE(struct mana_rx_ppi, 12);
GDMA_ASSERT_AT(struct mana_rx_ppi, pkt_hash, 8);
GDMA_ASSERT_SIZE(struct mana_rx_ppi2, 12);
GDMA_ASSERT_AT(struct mana_rx_ppi2, pkt_len0, 4);
GDMA_ASSERT_AT(struct mana_rx_ppi2, pkt_len1, 6);
GDMA_ASSERT_AT(struct mana_rx_ppi2, pkt_hash1, 8);

#define MANA_RX_NUM_PPI			4u

/** struct mana_rx_comp - receive completion: what a struct gdma_cqe's data is then */
struct mana_rx_comp {
	uint32_t hdr;
	uint32_t flags;
	struct mana_rx_ppi ppi[MANA_RX_NUM_PPI];
	uint32_t rx_wqe_offset;		/* bytes */
};

GDMA_ASSERT_SIZE(struct mana_rx_comp, 60);
GDMA_ASSERT_AT(struct mana_rx_comp, flags, 4);
GDMA_ASSERT_AT(struct mana_rx_comp, ppi, 8);
GDMA_ASSERT_AT(struct mana_rx_comp, rx_wqe_offset, 56);

/* flags */
#define MANA_RX_VLAN_ID(f)		((f) & 0xfffu)
#define MANA_RX_VLAN_PRESENT		(1u << 12)
#define MANA_RX_OUTER_IP_OK		(1u << 13)
#define MANA_RX_OUTER_IP_FAIL		(1u << 14)
#define MANA_RX_HASH_TYPE_SHIFT		16		/* bits 24:16, MANA_HASH_* */
#define MANA_RX_HASH_TYPE(f)		((f) >> MANA_RX_HASH_TYPE_SHIFT & 0x1ffu)
#define MANA_RX_IP_OK			(1u << 25)
#define MANA_RX_IP_FAIL			(1u << 26)
#define MANA_RX_TCP_OK			(1u << 27)
#define MANA_RX_TCP_FAIL		(1u << 28)
#define MANA_RX_UDP_OK			(1u << 29)
#define MANA_RX_UDP_FAIL		(1u << 30)

/** struct mana_tx_comp - send completion */
struct mana_tx_comp {
	uint32_t hdr;
	uint32_t tx_data_offset;
	uint32_t offsets;		/* 4:0 in the SGL, 31:5 of the WQE */
	uint32_t reserved[12];
};

GDMA_ASSERT_SIZE(struct mana_tx_comp, 60);
GDMA_ASSERT_AT(struct mana_tx_comp, tx_data_offset, 4);
GDMA_ASSERT_AT(struct mana_tx_comp, offsets, 8);

#define MANA_TX_COMP_WQE_OFFSET(o)	((o) >> 5)

/* clang-format on */

#ifdef __cplusplus
}
#endif
#endif
