/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: GDMA layouts and constants
 *
 * The Generic DMA engine under Microsoft's Azure network adapter: registers, doorbells, shared
 * memory channel (SMC), hardware channel (HWC), queues and their entries, and the requests that
 * make and destroy them. There is no public specification; layouts and names agree with Linux's
 * include/net/mana/{gdma,hw_channel,shm_channel}.h. What runs on top of it, the network device, is
 * in udrv/mana_spec.h.
 *
 * Multi-byte fields are little-endian: le16toh() and friends of <endian.h> convert. Fields narrower
 * than a byte are given as shifts and masks of the word that holds them.
 */
#ifndef UDRV_GDMA_SPEC_H
#define UDRV_GDMA_SPEC_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Tables: lined up by hand. */
/* clang-format off */

#define GDMA_ASSERT_AT(type, field, off) \
	static_assert(offsetof(type, field) == (off), #type "." #field " is at byte " #off)
#define GDMA_ASSERT_SIZE(type, size) \
	static_assert(sizeof(type) == (size), #type " is " #size " bytes")

/* ---- PCI function ---------------------------------------------------------------------------- */

#define GDMA_PCI_VENDOR			0x1414u
#define GDMA_PCI_DEVICE_PF		0x00b9u
#define GDMA_PCI_DEVICE_VF		0x00bau
#define GDMA_PCI_DEVICE_PF2		0x00c1u

/* BAR 0 of a virtual function */
#define GDMA_REG_VERSION	0x00u	/* micro u16, minor u8, major u8; not every device has it */
#define GDMA_REG_DB_PAGE_OFFSET	0x08u	/* u64 */
#define GDMA_REG_DB_PAGE_SIZE	0x10u	/* u32, the low 16 bits count */
#define GDMA_REG_SHM_OFFSET	0x18u	/* u64 */
#define GDMA_REG_SHM_SIZE	0x20u	/* u16; not every device has it */

#define GDMA_DB_PAGE_SIZE(reg)		((uint32_t)(reg) & 0xffffu)
#define GDMA_DB_PAGE_SIZE_MIN		4096u

/* ---- Doorbells: one 64-bit write each, at these offsets in a doorbell page ------------------- */

#define GDMA_DB_SQ			0x000u
#define GDMA_DB_RQ			0x400u
#define GDMA_DB_RQ_CLIENT		0x408u
#define GDMA_DB_CQ			0x800u
#define GDMA_DB_DIM			0x820u
#define GDMA_DB_EQ			0xff8u

#define GDMA_DB_ID_MASK			0x00ffffffu	/* SQ, RQ, CQ, DIM: bits 23:0 */
#define GDMA_DB_EQ_ID_MASK		0x0000ffffu	/* EQ: bits 15:0 */
#define GDMA_DB_TAIL_SHIFT		32
#define GDMA_DB_CEQ_TAIL_MASK		0x7fffffffu	/* CQ, EQ: 31 bits of tail */
#define GDMA_DB_ARM			((uint64_t)1 << 63)	/* CQ, EQ */

/** gdma_wq_doorbell() - value for a SQ or RQ: @tail is the producer index in bytes, modulo 2^32 */
static inline uint64_t gdma_wq_doorbell(uint32_t id, uint32_t tail)
{
	return (uint64_t)tail << GDMA_DB_TAIL_SHIFT | (id & GDMA_DB_ID_MASK);
}

/**
 * gdma_cq_doorbell() - value for a CQ: @tail is the consumer index in entries, modulo 8 * entries
 */
static inline uint64_t gdma_cq_doorbell(uint32_t id, uint32_t tail, int arm)
{
	return (uint64_t)(tail & GDMA_DB_CEQ_TAIL_MASK) << GDMA_DB_TAIL_SHIFT |
	       (id & GDMA_DB_ID_MASK) | (arm ? GDMA_DB_ARM : 0);
}

/** gdma_eq_doorbell() - value for an EQ, likewise */
static inline uint64_t gdma_eq_doorbell(uint32_t id, uint32_t tail, int arm)
{
	return (uint64_t)(tail & GDMA_DB_CEQ_TAIL_MASK) << GDMA_DB_TAIL_SHIFT |
	       (id & GDMA_DB_EQ_ID_MASK) | (arm ? GDMA_DB_ARM : 0);
}

/* ---- Shared memory channel: 8 dwords in BAR 0; the write of the last one triggers ------------ */

#define GDMA_SMC_SIZE			32u
#define GDMA_SMC_DWORDS			8u
#define GDMA_SMC_LAST			7u	/* index of the dword that is the header */

/**
 * struct gdma_smc_establish - aperture of GDMA_SMC_ESTABLISH_HWC; page numbers are address >> 12
 */
struct gdma_smc_establish {
	uint8_t eq_pfn[6];	/* low 48 bits */
	uint8_t cq_pfn[6];
	uint8_t rq_pfn[6];
	uint8_t sq_pfn[6];
	uint16_t pfn_high;	/* bits 51:48: EQ 3:0, CQ 7:4, RQ 11:8, SQ 15:12 */
	uint16_t eq_msix;	/* vector of the HWC's EQ */
	uint32_t header;
} __attribute__((packed));

GDMA_ASSERT_SIZE(struct gdma_smc_establish, GDMA_SMC_SIZE);
GDMA_ASSERT_AT(struct gdma_smc_establish, cq_pfn, 6);
GDMA_ASSERT_AT(struct gdma_smc_establish, rq_pfn, 12);
GDMA_ASSERT_AT(struct gdma_smc_establish, sq_pfn, 18);
GDMA_ASSERT_AT(struct gdma_smc_establish, pfn_high, 24);
GDMA_ASSERT_AT(struct gdma_smc_establish, eq_msix, 26);
GDMA_ASSERT_AT(struct gdma_smc_establish, header, 28);

/* The header dword */
#define GDMA_SMC_TYPE(hdr)		((hdr) & 7u)
#define GDMA_SMC_VERSION(hdr)		((hdr) >> 3 & 7u)
#define GDMA_SMC_VERSION_SHIFT		3
#define GDMA_SMC_RESPONSE		(1u << 7)
#define GDMA_SMC_STATUS(hdr)		((hdr) >> 8 & 0xffu)
#define GDMA_SMC_STATUS_SHIFT		8
#define GDMA_SMC_RESET_VF		(1u << 24)
#define GDMA_SMC_OWNER_PF		(1u << 31)	/* the device has not answered yet */

#define GDMA_SMC_ESTABLISH_HWC		1u
#define GDMA_SMC_DESTROY_HWC		2u
#define GDMA_SMC_REPORT_TIMEOUT		4u	/* version 1 */

/* ---- Queues ---------------------------------------------------------------------------------- */

#define GDMA_PAGE_SHIFT			12
#define GDMA_PAGE_SIZE			4096u
#define GDMA_MIN_QUEUE_SIZE		4096u	/* bytes; sizes are powers of two */

#define GDMA_SQ				1u
#define GDMA_RQ				2u
#define GDMA_CQ				3u
#define GDMA_EQ				4u

#define GDMA_WQE_BU_SHIFT		5
#define GDMA_WQE_BU_SIZE		32u	/* basic unit: sizes of WQEs are multiples of it */
#define GDMA_MAX_SQE_SIZE		512u
#define GDMA_MAX_RQE_SIZE		256u

/*
 * Owner bits of CQEs and EQEs: the number of the lap modulo 8, which begins at 1. The consumer's
 * index starts at the number of entries; an entry is new when its owner bits are (index / entries)
 * mod 8, and not there yet when they are one less. Anything else means that the ring has overflown.
 */
#define GDMA_OWNER_SHIFT		29
#define GDMA_OWNER_MASK			7u
#define GDMA_OWNER(dword)		((uint32_t)(dword) >> GDMA_OWNER_SHIFT)
/* CQ and EQ doorbells carry the index modulo laps * entries */
#define GDMA_LAPS			8u

/** struct gdma_sge - one piece of a WQE's scatter-gather list */
struct gdma_sge {
	uint64_t address;
	uint32_t mem_key;
	uint32_t size;
};

GDMA_ASSERT_SIZE(struct gdma_sge, 16);
GDMA_ASSERT_AT(struct gdma_sge, mem_key, 8);
GDMA_ASSERT_AT(struct gdma_sge, size, 12);

/** struct gdma_wqe - header of a WQE; the inline OOB follows, then the SGL */
struct gdma_wqe {
	uint32_t last_vbytes;	/* bits 31:24: bytes of SGE 0 when the client's OOB is in it */
	uint32_t flags;
};

GDMA_ASSERT_SIZE(struct gdma_wqe, 8);

#define GDMA_WQE_LAST_VBYTES_SHIFT	24
#define GDMA_WQE_NUM_SGE(flags)		((flags) & 0xffu)
#define GDMA_WQE_OOB_SHIFT		8	/* bits 10:8: dwords of inline OOB, 7 means 8 */
#define GDMA_WQE_OOB(flags)		((flags) >> GDMA_WQE_OOB_SHIFT & 7u)
#define GDMA_WQE_OOB_SMALL		2u	/* 8 bytes, SGL at 16 */
#define GDMA_WQE_OOB_LARGE		6u	/* 24 bytes, SGL at 32 */
#define GDMA_WQE_OOB_IN_SGL		(1u << 11)
#define GDMA_WQE_CLIENT_DATA_SHIFT	16	/* bits 29:16: MSS when segmenting */
#define GDMA_WQE_CLIENT_DATA(flags)	((flags) >> GDMA_WQE_CLIENT_DATA_SHIFT & 0x3fffu)
#define GDMA_WQE_CLIENT_DATA_MAX	0x3fffu
#define GDMA_WQE_CHECK_SN		(1u << 30)
#define GDMA_WQE_SGL_DIRECT		(1u << 31)

#define GDMA_OOB_SMALL_SIZE		8u
#define GDMA_OOB_LARGE_SIZE		24u
#define GDMA_SGE0_OOB_MAX		256u	/* bytes of SGE 0 when the client's OOB is in it */

/**
 * gdma_wqe_size() - bytes of a WQE with @oob bytes of inline OOB and @nsge
 * pieces, whole basic units
 */
static inline uint32_t gdma_wqe_size(uint32_t oob, uint32_t nsge)
{
	return ((uint32_t)(sizeof(struct gdma_wqe) + oob + nsge * sizeof(struct gdma_sge)) +
		GDMA_WQE_BU_SIZE - 1) &
	       ~(GDMA_WQE_BU_SIZE - 1);
}

/** struct gdma_cqe - completion queue entry; @info is written last by the device */
struct gdma_cqe {
	uint32_t data[15];
	uint32_t info;
} __attribute__((aligned(64)));

GDMA_ASSERT_SIZE(struct gdma_cqe, 64);
GDMA_ASSERT_AT(struct gdma_cqe, info, 60);

#define GDMA_CQE_SHIFT			6
#define GDMA_CQE_WQ(info)		((info) & 0xffffffu)
#define GDMA_CQE_IS_SQ			(1u << 24)

/** struct gdma_eqe - event queue entry; @info is written last by the device */
struct gdma_eqe {
	uint32_t details[3];
	uint32_t info;
} __attribute__((aligned(16)));

GDMA_ASSERT_SIZE(struct gdma_eqe, 16);
GDMA_ASSERT_AT(struct gdma_eqe, info, 12);

#define GDMA_EQE_SHIFT			4
#define GDMA_EQE_TYPE(info)		((info) & 0xffu)
#define GDMA_EQE_CLIENT_SHIFT		16	/* bits 17:16 */

#define GDMA_EQE_COMPLETION		3u	/* details[0] 23:0: CQ */
#define GDMA_EQE_TEST_EVENT		64u
#define GDMA_EQE_HWC_INIT_EQ_ID_DB	129u
#define GDMA_EQE_HWC_INIT_DATA		130u
#define GDMA_EQE_HWC_INIT_DONE		131u
#define GDMA_EQE_HWC_FPGA_RECONFIG	132u
#define GDMA_EQE_HWC_SOC_RECONFIG_DATA	133u
#define GDMA_EQE_HWC_SOC_SERVICE	134u
#define GDMA_EQE_HWC_RESET_REQUEST	135u

/* details[0] of GDMA_EQE_HWC_INIT_EQ_ID_DB */
#define GDMA_HWC_INIT_EQ_ID(d)		((d) & 0xffffu)
#define GDMA_HWC_INIT_DB(d)		((d) >> 16)

/*
 * details[0] of GDMA_EQE_HWC_INIT_DATA and GDMA_EQE_HWC_SOC_RECONFIG_DATA: value 23:0, type 31:24
 */
#define GDMA_HWC_DATA_VALUE(d)		((d) & 0xffffffu)
#define GDMA_HWC_DATA_TYPE(d)		((d) >> 24)
#define GDMA_HWC_DATA(type, value)	((uint32_t)(type) << 24 | ((value) & 0xffffffu))

#define GDMA_HWC_INIT_CQID		1u
#define GDMA_HWC_INIT_RQID		2u
#define GDMA_HWC_INIT_SQID		3u
#define GDMA_HWC_INIT_QUEUE_DEPTH	4u
#define GDMA_HWC_INIT_MAX_REQUEST	5u
#define GDMA_HWC_INIT_MAX_RESPONSE	6u
#define GDMA_HWC_INIT_MAX_NUM_CQS	7u
#define GDMA_HWC_INIT_PDID		8u
#define GDMA_HWC_INIT_GPA_MKEY		9u
#define GDMA_HWC_INIT_PF_DEST_RQ_ID	10u
#define GDMA_HWC_INIT_PF_DEST_CQ_ID	11u

#define GDMA_HWC_SOC_TIMEOUT		1u	/* ms */
#define GDMA_HWC_SOC_LINK_UP		2u
#define GDMA_HWC_SOC_LINK_DOWN		3u

/* ---- HWC: each ring is one page, messages are at most one page ------------------------------- */

#define GDMA_HWC_QUEUE_SIZE		4096u
#define GDMA_HWC_MAX_MESSAGE		4096u
#define GDMA_HWC_TIMEOUT_MS		30000u
#define GDMA_HWC_INIT_TIMEOUT_MS	60000u

/** struct gdma_hwc_tx_oob - inline OOB of a request's WQE */
struct gdma_hwc_tx_oob {
	uint32_t reserved0;
	uint32_t reserved1;
	uint32_t vrq;		/* 23:0 RQ for the response, 31:24 destination VF */
	uint32_t vrcq;		/* 23:0 CQ of that RQ */
	/* 23:0 CQ of the SQ, 24 loopback, 25 LSO override, 26 destination is the PF */
	uint32_t vscq;
	uint32_t vsq;		/* 23:0 the SQ */
};

GDMA_ASSERT_SIZE(struct gdma_hwc_tx_oob, GDMA_OOB_LARGE_SIZE);
GDMA_ASSERT_AT(struct gdma_hwc_tx_oob, vrq, 8);
GDMA_ASSERT_AT(struct gdma_hwc_tx_oob, vsq, 20);

/** struct gdma_hwc_rx_oob - the data of a CQE for a response */
struct gdma_hwc_rx_oob {
	uint32_t type;		/* 5:0 type, 6 end and 7 start of message, 15:8 vendor error */
	uint32_t src;		/* 23:0 WQ, 31:24 VF */
	uint32_t reserved2;
	uint32_t wqe_offset;	/* byte offset of the consumed RQ WQE */
	uint32_t wqe_addr_high;
	uint32_t client_data;	/* 13:0 */
	uint32_t tx_oob_data_size;	/* bytes of the response */
	uint32_t chunk_offset;	/* 20:0 */
};

GDMA_ASSERT_SIZE(struct gdma_hwc_rx_oob, 32);
GDMA_ASSERT_AT(struct gdma_hwc_rx_oob, wqe_offset, 12);
GDMA_ASSERT_AT(struct gdma_hwc_rx_oob, tx_oob_data_size, 24);

/* ---- Requests and responses ------------------------------------------------------------------ */

#define GDMA_VERIFY_VF_DRIVER_VERSION	1u
#define GDMA_QUERY_MAX_RESOURCES	2u
#define GDMA_LIST_DEVICES		3u
#define GDMA_REGISTER_DEVICE		4u
#define GDMA_DEREGISTER_DEVICE		5u
#define GDMA_GENERATE_TEST_EQE		10u
#define GDMA_GENERATE_RESET_EQE		11u
#define GDMA_CREATE_QUEUE		12u
#define GDMA_DISABLE_QUEUE		13u
#define GDMA_CREATE_DMA_REGION		25u
#define GDMA_DMA_REGION_ADD_PAGES	26u
#define GDMA_DESTROY_DMA_REGION		27u
#define GDMA_CHANGE_MSIX_FOR_EQ		81u
#define GDMA_QUERY_HWC_TIMEOUT		84u

#define GDMA_STATUS_OK			0u
#define GDMA_STATUS_MORE_ENTRIES	0x105u
#define GDMA_STATUS_CMD_UNSUPPORTED	0xffffffffu

/** struct gdma_msg_hdr - a message's header */
struct gdma_msg_hdr {
	uint32_t hdr_type;	/* 0 */
	uint32_t msg_type;
	uint16_t msg_version;
	uint16_t hwc_msg_id;
	uint32_t msg_size;	/* bytes, header included */
};

GDMA_ASSERT_SIZE(struct gdma_msg_hdr, 16);
GDMA_ASSERT_AT(struct gdma_msg_hdr, msg_version, 8);
GDMA_ASSERT_AT(struct gdma_msg_hdr, hwc_msg_id, 10);
GDMA_ASSERT_AT(struct gdma_msg_hdr, msg_size, 12);

/** struct gdma_dev_id - a device behind the HWC */
struct gdma_dev_id {
	uint16_t type;
	uint16_t instance;
};

GDMA_ASSERT_SIZE(struct gdma_dev_id, 4);

#define GDMA_DEVICE_NONE		0u
#define GDMA_DEVICE_HWC			1u	/* instance 0 */
#define GDMA_DEVICE_MANA		2u
#define GDMA_DEVICE_MANA_IB		3u

/** struct gdma_req_hdr - how every request begins */
struct gdma_req_hdr {
	struct gdma_msg_hdr req;
	struct gdma_msg_hdr resp;	/* the expected response; its hwc_msg_id is not used */
	struct gdma_dev_id dev_id;
	uint32_t activity_id;
};

GDMA_ASSERT_SIZE(struct gdma_req_hdr, 40);
GDMA_ASSERT_AT(struct gdma_req_hdr, resp, 16);
GDMA_ASSERT_AT(struct gdma_req_hdr, dev_id, 32);
GDMA_ASSERT_AT(struct gdma_req_hdr, activity_id, 36);

/** struct gdma_resp_hdr - how every response begins */
struct gdma_resp_hdr {
	struct gdma_msg_hdr response;
	struct gdma_dev_id dev_id;
	uint32_t activity_id;
	uint32_t status;
	uint32_t reserved;
};

GDMA_ASSERT_SIZE(struct gdma_resp_hdr, 32);
GDMA_ASSERT_AT(struct gdma_resp_hdr, dev_id, 16);
GDMA_ASSERT_AT(struct gdma_resp_hdr, activity_id, 20);
GDMA_ASSERT_AT(struct gdma_resp_hdr, status, 24);

/** struct gdma_verify_ver_req - GDMA_VERIFY_VF_DRIVER_VERSION */
struct gdma_verify_ver_req {
	struct gdma_req_hdr hdr;
	uint64_t protocol_ver_min;
	uint64_t protocol_ver_max;
	uint64_t gd_drv_cap_flags[4];
	uint64_t drv_ver;
	uint32_t os_type;
	uint32_t reserved;
	uint32_t os_ver_major;
	uint32_t os_ver_minor;
	uint32_t os_ver_build;
	uint32_t os_ver_platform;
	uint64_t reserved2;
	uint8_t os_ver_str[4][128];
};

struct gdma_verify_ver_resp {
	struct gdma_resp_hdr hdr;
	uint64_t gdma_protocol_ver;
	uint64_t pf_cap_flags[4];
};

GDMA_ASSERT_SIZE(struct gdma_verify_ver_req, 640);
GDMA_ASSERT_AT(struct gdma_verify_ver_req, protocol_ver_min, 40);
GDMA_ASSERT_AT(struct gdma_verify_ver_req, protocol_ver_max, 48);
GDMA_ASSERT_AT(struct gdma_verify_ver_req, gd_drv_cap_flags, 56);
GDMA_ASSERT_AT(struct gdma_verify_ver_req, drv_ver, 88);
GDMA_ASSERT_AT(struct gdma_verify_ver_req, os_type, 96);
GDMA_ASSERT_AT(struct gdma_verify_ver_req, os_ver_major, 104);
GDMA_ASSERT_AT(struct gdma_verify_ver_req, os_ver_str, 128);
GDMA_ASSERT_SIZE(struct gdma_verify_ver_resp, 72);
GDMA_ASSERT_AT(struct gdma_verify_ver_resp, gdma_protocol_ver, 32);
GDMA_ASSERT_AT(struct gdma_verify_ver_resp, pf_cap_flags, 40);

#define GDMA_PROTOCOL_V1		1u
#define GDMA_OS_TYPE_LINUX		0x10u
#define GDMA_OS_TYPE_OTHER		0x30u
#define GDMA_DRV_CAP_1_HWC_TIMEOUT	((uint64_t)1 << 3)
#define GDMA_DRV_CAP_1_DEV_LIST_HOLES	((uint64_t)1 << 11)
#define GDMA_DRV_CAP_1_SELF_RESET	((uint64_t)1 << 14)
#define GDMA_PF_CAP_1_HWC_TIMEOUT	((uint64_t)1 << 3)

/**
 * struct gdma_hwc_timeout_req - GDMA_QUERY_HWC_TIMEOUT, if the device has GDMA_PF_CAP_1_HWC_TIMEOUT
 */
struct gdma_hwc_timeout_req {
	struct gdma_req_hdr hdr;
	uint32_t timeout_ms;
	uint32_t reserved;
};

struct gdma_hwc_timeout_resp {
	struct gdma_resp_hdr hdr;
	uint32_t timeout_ms;
	uint32_t reserved;
};

GDMA_ASSERT_SIZE(struct gdma_hwc_timeout_req, 48);
GDMA_ASSERT_SIZE(struct gdma_hwc_timeout_resp, 40);

/** struct gdma_max_resources_resp - GDMA_QUERY_MAX_RESOURCES; the request has no body */
struct gdma_max_resources_resp {
	struct gdma_resp_hdr hdr;
	uint32_t status;
	uint32_t max_sq;
	uint32_t max_rq;
	uint32_t max_cq;
	uint32_t max_eq;
	uint32_t max_db;
	uint32_t max_mst;
	uint32_t max_cq_mod_ctx;
	uint32_t max_mod_cq;
	uint32_t max_msix;
};

GDMA_ASSERT_SIZE(struct gdma_max_resources_resp, 72);
GDMA_ASSERT_AT(struct gdma_max_resources_resp, max_sq, 36);
GDMA_ASSERT_AT(struct gdma_max_resources_resp, max_rq, 40);
GDMA_ASSERT_AT(struct gdma_max_resources_resp, max_cq, 44);
GDMA_ASSERT_AT(struct gdma_max_resources_resp, max_eq, 48);
GDMA_ASSERT_AT(struct gdma_max_resources_resp, max_db, 52);
GDMA_ASSERT_AT(struct gdma_max_resources_resp, max_mst, 56);
GDMA_ASSERT_AT(struct gdma_max_resources_resp, max_cq_mod_ctx, 60);
GDMA_ASSERT_AT(struct gdma_max_resources_resp, max_mod_cq, 64);
GDMA_ASSERT_AT(struct gdma_max_resources_resp, max_msix, 68);

/** struct gdma_list_devices_resp - GDMA_LIST_DEVICES; the request has no body */
#define GDMA_DEV_LIST_SIZE		64u
struct gdma_list_devices_resp {
	struct gdma_resp_hdr hdr;
	uint32_t num_of_devs;	/* entries that are not zero; there may be zeroes between them */
	uint32_t reserved;
	struct gdma_dev_id devs[GDMA_DEV_LIST_SIZE];
};

GDMA_ASSERT_SIZE(struct gdma_list_devices_resp, 296);
GDMA_ASSERT_AT(struct gdma_list_devices_resp, num_of_devs, 32);
GDMA_ASSERT_AT(struct gdma_list_devices_resp, devs, 40);

/**
 * struct gdma_register_device_resp - GDMA_REGISTER_DEVICE; the request has no
 * body, nor has DEREGISTER
 */
struct gdma_register_device_resp {
	struct gdma_resp_hdr hdr;
	uint32_t pdid;
	uint32_t gpa_mkey;
	uint32_t db_id;
};

GDMA_ASSERT_SIZE(struct gdma_register_device_resp, 44);
GDMA_ASSERT_AT(struct gdma_register_device_resp, pdid, 32);
GDMA_ASSERT_AT(struct gdma_register_device_resp, gpa_mkey, 36);
GDMA_ASSERT_AT(struct gdma_register_device_resp, db_id, 40);

/** struct gdma_test_eqe_req - GDMA_GENERATE_TEST_EQE; the response has no body */
struct gdma_test_eqe_req {
	struct gdma_req_hdr hdr;
	uint32_t queue_index;
};

GDMA_ASSERT_SIZE(struct gdma_test_eqe_req, 44);
GDMA_ASSERT_AT(struct gdma_test_eqe_req, queue_index, 40);

/** struct gdma_create_dma_region_req - GDMA_CREATE_DMA_REGION: bus addresses of 4 KiB pages */
struct gdma_create_dma_region_req {
	struct gdma_req_hdr hdr;
	uint64_t length;
	uint32_t offset_in_page;
	uint32_t gdma_page_type;	/* 0: 4 KiB */
	uint32_t page_count;
	uint32_t page_addr_list_len;	/* pages in this message; the rest with ADD_PAGES */
	uint64_t page_addr_list[];
};

struct gdma_create_dma_region_resp {
	struct gdma_resp_hdr hdr;
	uint64_t dma_region_handle;	/* not 0 */
};

GDMA_ASSERT_SIZE(struct gdma_create_dma_region_req, 64);
GDMA_ASSERT_AT(struct gdma_create_dma_region_req, length, 40);
GDMA_ASSERT_AT(struct gdma_create_dma_region_req, offset_in_page, 48);
GDMA_ASSERT_AT(struct gdma_create_dma_region_req, gdma_page_type, 52);
GDMA_ASSERT_AT(struct gdma_create_dma_region_req, page_count, 56);
GDMA_ASSERT_AT(struct gdma_create_dma_region_req, page_addr_list_len, 60);
GDMA_ASSERT_SIZE(struct gdma_create_dma_region_resp, 40);
GDMA_ASSERT_AT(struct gdma_create_dma_region_resp, dma_region_handle, 32);

/* Pages that one message has room for */
#define GDMA_DMA_REGION_PAGES_MAX \
	((GDMA_HWC_MAX_MESSAGE - sizeof(struct gdma_create_dma_region_req)) / sizeof(uint64_t))
static_assert(GDMA_DMA_REGION_PAGES_MAX == 504, "504 pages fit a message");

/** struct gdma_destroy_dma_region_req - GDMA_DESTROY_DMA_REGION; the response has no body */
struct gdma_destroy_dma_region_req {
	struct gdma_req_hdr hdr;
	uint64_t dma_region_handle;
};

GDMA_ASSERT_SIZE(struct gdma_destroy_dma_region_req, 48);
GDMA_ASSERT_AT(struct gdma_destroy_dma_region_req, dma_region_handle, 40);

/** struct gdma_create_queue_req - GDMA_CREATE_QUEUE; the region is the queue's from then on */
struct gdma_create_queue_req {
	struct gdma_req_hdr hdr;
	uint32_t type;
	uint32_t reserved1;
	uint32_t pdid;
	uint32_t doorbell_id;
	uint64_t gdma_region;
	uint32_t reserved2;
	uint32_t queue_size;		/* bytes */
	uint32_t log2_throttle_limit;
	uint32_t eq_pci_msix_index;
	uint32_t cq_mod_ctx_id;
	uint32_t cq_parent_eq_id;
	uint8_t rq_drop_on_overrun;
	uint8_t rq_err_on_wqe_overflow;
	uint8_t rq_chain_rec_wqes;
	uint8_t sq_hw_db;
	uint32_t reserved3;
};

struct gdma_create_queue_resp {
	struct gdma_resp_hdr hdr;
	uint32_t queue_index;
};

GDMA_ASSERT_SIZE(struct gdma_create_queue_req, 96);
GDMA_ASSERT_AT(struct gdma_create_queue_req, type, 40);
GDMA_ASSERT_AT(struct gdma_create_queue_req, pdid, 48);
GDMA_ASSERT_AT(struct gdma_create_queue_req, doorbell_id, 52);
GDMA_ASSERT_AT(struct gdma_create_queue_req, gdma_region, 56);
GDMA_ASSERT_AT(struct gdma_create_queue_req, queue_size, 68);
GDMA_ASSERT_AT(struct gdma_create_queue_req, log2_throttle_limit, 72);
GDMA_ASSERT_AT(struct gdma_create_queue_req, eq_pci_msix_index, 76);
GDMA_ASSERT_AT(struct gdma_create_queue_req, cq_mod_ctx_id, 80);
GDMA_ASSERT_AT(struct gdma_create_queue_req, cq_parent_eq_id, 84);
GDMA_ASSERT_AT(struct gdma_create_queue_req, rq_drop_on_overrun, 88);
GDMA_ASSERT_AT(struct gdma_create_queue_req, sq_hw_db, 91);
GDMA_ASSERT_SIZE(struct gdma_create_queue_resp, 36);
GDMA_ASSERT_AT(struct gdma_create_queue_resp, queue_index, 32);

/** struct gdma_disable_queue_req - GDMA_DISABLE_QUEUE; the response has no body */
struct gdma_disable_queue_req {
	struct gdma_req_hdr hdr;
	uint32_t type;
	uint32_t queue_index;
	uint32_t alloc_res_id_on_creation;	/* 1 */
};

GDMA_ASSERT_SIZE(struct gdma_disable_queue_req, 52);
GDMA_ASSERT_AT(struct gdma_disable_queue_req, type, 40);
GDMA_ASSERT_AT(struct gdma_disable_queue_req, queue_index, 44);
GDMA_ASSERT_AT(struct gdma_disable_queue_req, alloc_res_id_on_creation, 48);

/** struct gdma_change_msix_req - GDMA_CHANGE_MSIX_FOR_EQ; the response has no body */
struct gdma_change_msix_req {
	struct gdma_req_hdr hdr;
	uint32_t queue_index;
	uint32_t msix;
	uint32_t reserved[2];
};

GDMA_ASSERT_SIZE(struct gdma_change_msix_req, 56);
GDMA_ASSERT_AT(struct gdma_change_msix_req, queue_index, 40);
GDMA_ASSERT_AT(struct gdma_change_msix_req, msix, 44);

/* clang-format on */

#ifdef __cplusplus
}
#endif
#endif
