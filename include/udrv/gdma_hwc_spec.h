/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: the GDMA hardware channel
 *
 * Requests and responses between a driver and the adapter's firmware travel over the hardware
 * channel (HWC): a queue pair of its own, set up through the shared memory channel. Here are its
 * rings and the messages that concern the DMA engine: versions and limits, devices, DMA regions,
 * queues. There is no public specification; layouts and names agree with Linux's
 * include/net/mana/{gdma,hw_channel}.h.
 *
 * Byte order and bit fields are as in udrv/gdma_spec.h.
 */
#ifndef UDRV_GDMA_HWC_SPEC_H
#define UDRV_GDMA_HWC_SPEC_H

#include <udrv/gdma_spec.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Tables: lined up by hand. */
/* clang-format off */

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
