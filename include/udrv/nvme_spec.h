/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: NVM Express layouts and constants
 *
 * Registers, commands and data structures as the specifications define them (NVM Express Base 2.0,
 * NVMe over PCIe Transport 1.0, NVM Command Set 1.0), as far as a host driver needs them.
 * Multi-byte fields are little-endian: le16toh() and friends of <endian.h> convert.
 */
#ifndef UDRV_NVME_SPEC_H
#define UDRV_NVME_SPEC_H

#include <assert.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Tables: lined up by hand. */
/* clang-format off */

/* Controller properties: offsets in BAR 0 (Base 2.0, 3.1.3) */
#define NVME_REG_CAP		0x00u
#define NVME_REG_VS		0x08u
#define NVME_REG_INTMS		0x0cu
#define NVME_REG_INTMC		0x10u
#define NVME_REG_CC		0x14u
#define NVME_REG_CSTS		0x1cu
#define NVME_REG_AQA		0x24u
#define NVME_REG_ASQ		0x28u
#define NVME_REG_ACQ		0x30u
#define NVME_REG_CRTO		0x68u
#define NVME_REG_DOORBELLS	0x1000u

/* CAP */
#define NVME_CAP_MQES(cap)	((uint32_t)((cap) & 0xffff))		/* 0's based */
#define NVME_CAP_CQR(cap)	((uint32_t)((cap) >> 16 & 1))
#define NVME_CAP_TO(cap)	((uint32_t)((cap) >> 24 & 0xff))	/* 500 ms units */
#define NVME_CAP_DSTRD(cap)	((uint32_t)((cap) >> 32 & 0xf))		/* 4 << DSTRD bytes */
#define NVME_CAP_CSS(cap)	((uint32_t)((cap) >> 37 & 0xff))
#define NVME_CAP_CSS_NVM	0x01u
#define NVME_CAP_MPSMIN(cap)	((uint32_t)((cap) >> 48 & 0xf))		/* 4096 << MPSMIN bytes */
#define NVME_CAP_MPSMAX(cap)	((uint32_t)((cap) >> 52 & 0xf))
#define NVME_CAP_CRMS_CRWMS(cap) ((uint32_t)((cap) >> 59 & 1))

/* CC */
#define NVME_CC_EN		(1u << 0)
#define NVME_CC_SHN_NORMAL	(1u << 14)
#define NVME_CC_SHN_MASK	(3u << 14)
#define NVME_CC_IOSQES(log2)	((uint32_t)(log2) << 16)
#define NVME_CC_IOCQES(log2)	((uint32_t)(log2) << 20)

/* CSTS */
#define NVME_CSTS_RDY		(1u << 0)
#define NVME_CSTS_CFS		(1u << 1)
#define NVME_CSTS_SHST(csts)	((csts) >> 2 & 3)
#define NVME_CSTS_SHST_COMPLETE	2u

/* CRTO */
#define NVME_CRTO_CRWMT(crto)	((uint32_t)((crto) & 0xffff))		/* 500 ms units */

/**
 * nvme_sq_doorbell() - offset of submission queue @qid's tail doorbell (PCIe Transport 1.0, 3.1.2)
 */
static inline uint64_t nvme_sq_doorbell(uint64_t cap, unsigned int qid)
{
	return NVME_REG_DOORBELLS + (uint64_t)(2 * qid) * (4u << NVME_CAP_DSTRD(cap));
}

/** nvme_cq_doorbell() - offset of completion queue @qid's head doorbell */
static inline uint64_t nvme_cq_doorbell(uint64_t cap, unsigned int qid)
{
	return NVME_REG_DOORBELLS + (uint64_t)(2 * qid + 1) * (4u << NVME_CAP_DSTRD(cap));
}

/* Admin commands (Base 2.0, figure 138) */
#define NVME_ADMIN_DELETE_SQ		0x00
#define NVME_ADMIN_CREATE_SQ		0x01
#define NVME_ADMIN_GET_LOG_PAGE		0x02
#define NVME_ADMIN_DELETE_CQ		0x04
#define NVME_ADMIN_CREATE_CQ		0x05
#define NVME_ADMIN_IDENTIFY		0x06
#define NVME_ADMIN_ABORT		0x08
#define NVME_ADMIN_SET_FEATURES		0x09
#define NVME_ADMIN_GET_FEATURES		0x0a
#define NVME_ADMIN_ASYNC_EVENT		0x0c
#define NVME_ADMIN_KEEP_ALIVE		0x18
#define NVME_ADMIN_DBBUF_CONFIG		0x7c
#define NVME_ADMIN_FORMAT_NVM		0x80

/* I/O commands (NVM Command Set 1.0, figure 16) */
#define NVME_CMD_FLUSH			0x00
#define NVME_CMD_WRITE			0x01
#define NVME_CMD_READ			0x02
#define NVME_CMD_COMPARE		0x05
#define NVME_CMD_WRITE_ZEROES		0x08
#define NVME_CMD_DSM			0x09

/* Bits 1:0 of an opcode: which way data go (Base 2.0, 3.3.3.1); none, or 1 the other way */
#define NVME_OPCODE_TO_HOST		0x02

#define NVME_RW_FUA			(1u << 30)	/* CDW12 */
#define NVME_DSM_AD			(1u << 2)	/* CDW11: deallocate */

/** struct nvme_sqe - submission queue entry (Base 2.0, 3.3.3.1) */
struct nvme_sqe {
	uint8_t opcode;
	uint8_t flags;		/* PSDT, FUSE */
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2;
	uint32_t cdw3;
	uint64_t mptr;
	uint64_t prp1;
	uint64_t prp2;
	uint32_t cdw10;
	uint32_t cdw11;
	uint32_t cdw12;
	uint32_t cdw13;
	uint32_t cdw14;
	uint32_t cdw15;
};

/** struct nvme_cqe - completion queue entry (Base 2.0, 3.3.3.2) */
struct nvme_cqe {
	uint32_t result;	/* DW0 */
	uint32_t dw1;
	uint16_t sqhd;
	uint16_t sqid;
	uint16_t cid;
	uint16_t status;	/* bit 0 phase tag, bits 15:1 status field */
} __attribute__((aligned(16)));

static_assert(sizeof(struct nvme_sqe) == 64, "SQE is 64 bytes");
static_assert(sizeof(struct nvme_cqe) == 16, "CQE is 16 bytes");

#define NVME_SQE_SHIFT			6
#define NVME_CQE_SHIFT			4
#define NVME_CQE_PHASE			1u

/* Status field without the phase tag: SC 7:0, SCT 10:8, CRD 12:11, M 13, DNR 14 */
#define NVME_STATUS(sct, sc)		((sct) << 8 | (sc))
#define NVME_SC_MASK			0x07ffu
#define NVME_STATUS_DNR			(1u << 14)
#define NVME_SC_SUCCESS			NVME_STATUS(0u, 0x00u)
#define NVME_SC_INVALID_OPCODE		NVME_STATUS(0u, 0x01u)
#define NVME_SC_INVALID_FIELD		NVME_STATUS(0u, 0x02u)
#define NVME_SC_CID_CONFLICT		NVME_STATUS(0u, 0x03u)
#define NVME_SC_DATA_TRANSFER_ERROR	NVME_STATUS(0u, 0x04u)
#define NVME_SC_INTERNAL		NVME_STATUS(0u, 0x06u)
#define NVME_SC_ABORT_REQUESTED		NVME_STATUS(0u, 0x07u)
#define NVME_SC_ABORT_SQ_DELETED	NVME_STATUS(0u, 0x08u)
#define NVME_SC_INVALID_NS		NVME_STATUS(0u, 0x0bu)
#define NVME_SC_INVALID_PRP_OFFSET	NVME_STATUS(0u, 0x13u)
#define NVME_SC_LBA_RANGE		NVME_STATUS(0u, 0x80u)
#define NVME_SC_INVALID_QID		NVME_STATUS(1u, 0x01u)
#define NVME_SC_INVALID_QUEUE_SIZE	NVME_STATUS(1u, 0x02u)
#define NVME_SC_AER_LIMIT		NVME_STATUS(1u, 0x05u)
#define NVME_SC_INVALID_VECTOR		NVME_STATUS(1u, 0x08u)
#define NVME_SC_INVALID_QUEUE_DELETION	NVME_STATUS(1u, 0x0cu)
#define NVME_SC_COMPARE_FAILURE		NVME_STATUS(2u, 0x85u)

/* Identify (Base 2.0, 5.17) */
#define NVME_IDENTIFY_SIZE		4096u
#define NVME_CNS_NS			0x00u
#define NVME_CNS_CTRL			0x01u
#define NVME_CNS_ACTIVE_NS		0x02u

/** struct nvme_id_ctrl - Identify Controller (figure 275); only what is used is named */
struct nvme_id_ctrl {
	uint16_t vid;
	uint16_t ssvid;
	char sn[20];
	char mn[40];
	char fr[8];
	uint8_t rab;
	uint8_t ieee[3];
	uint8_t cmic;
	uint8_t mdts;
	uint16_t cntlid;
	uint32_t ver;
	uint32_t rtd3r;
	uint32_t rtd3e;		/* microseconds */
	uint32_t oaes;
	uint32_t ctratt;
	uint8_t rsvd100[156];
	uint16_t oacs;
	uint8_t acl;		/* 0's based */
	uint8_t aerl;		/* 0's based */
	uint8_t frmw;
	uint8_t lpa;
	uint8_t elpe;		/* 0's based */
	uint8_t npss;
	uint8_t rsvd264[248];
	uint8_t sqes;		/* 3:0 required, 7:4 maximum, log2 */
	uint8_t cqes;
	uint16_t maxcmd;
	uint32_t nn;
	uint16_t oncs;
	uint16_t fuses;
	uint8_t fna;
	uint8_t vwc;
	uint8_t rsvd526[3570];
};

#define NVME_OAES_NS_ATTR		(1u << 8)
#define NVME_ONCS_COMPARE		(1u << 0)
#define NVME_ONCS_DSM			(1u << 2)
#define NVME_ONCS_WRITE_ZEROES		(1u << 3)
#define NVME_VWC_PRESENT		(1u << 0)

/** struct nvme_lbaf - LBA format (NVM Command Set 1.0, figure 98) */
struct nvme_lbaf {
	uint16_t ms;		/* metadata bytes */
	uint8_t lbads;		/* log2 of the data size */
	uint8_t rp;
};

/** struct nvme_id_ns - Identify Namespace (NVM Command Set 1.0, figure 97) */
struct nvme_id_ns {
	uint64_t nsze;
	uint64_t ncap;
	uint64_t nuse;
	uint8_t nsfeat;
	uint8_t nlbaf;		/* 0's based */
	uint8_t flbas;		/* 3:0 and 6:5: index of the LBA format */
	uint8_t mc;
	uint8_t dpc;
	uint8_t dps;
	uint8_t rsvd30[74];
	uint8_t nguid[16];
	uint8_t eui64[8];
	struct nvme_lbaf lbaf[64];
	uint8_t vs[3712];
};

static_assert(sizeof(struct nvme_id_ctrl) == NVME_IDENTIFY_SIZE,
	      "Identify Controller is 4096 bytes");
static_assert(sizeof(struct nvme_id_ns) == NVME_IDENTIFY_SIZE, "Identify Namespace is 4096 bytes");

/* Features (Base 2.0, 5.27) */
#define NVME_FEAT_NUM_QUEUES		0x07u
#define NVME_FEAT_ASYNC_EVENT		0x0bu
#define NVME_ASYNC_SMART		0x1fu		/* critical warnings */

/* Create I/O Completion / Submission Queue, CDW11 */
#define NVME_CQ_PC			(1u << 0)
#define NVME_CQ_IEN			(1u << 1)
#define NVME_SQ_PC			(1u << 0)

/* Asynchronous events, dword 0 (Base 2.0, 5.2) */
#define NVME_AEN_TYPE(dw0)		((dw0) & 7)
#define NVME_AEN_INFO(dw0)		((dw0) >> 8 & 0xff)
#define NVME_AEN_LID(dw0)		((dw0) >> 16 & 0xff)
#define NVME_AEN_ERROR			0u
#define NVME_AEN_SMART			1u
#define NVME_AEN_NOTICE			2u
#define NVME_AEN_NOTICE_NS_CHANGED	0x00u
#define NVME_AEN_ERROR_INVALID_DB_REG	0x00u
#define NVME_AEN_ERROR_INVALID_DB_VALUE	0x01u

/* Log pages (Base 2.0, 5.16.1) */
#define NVME_LOG_ERROR			0x01u
#define NVME_LOG_SMART			0x02u
#define NVME_LOG_CHANGED_NS		0x04u
#define NVME_LOG_ERROR_ENTRY		64u
#define NVME_LOG_SMART_SIZE		512u
#define NVME_CHANGED_NS_MAX		1024u

/** struct nvme_dsm_range - Dataset Management range (NVM Command Set 1.0, 3.2.3) */
struct nvme_dsm_range {
	uint32_t cattr;
	uint32_t nlb;		/* 1's based */
	uint64_t slba;
};

/**
 * struct nvme_smart_log - SMART / Health Information (Base 2.0, figure 207),
 * as far as it is named here
 */
struct nvme_smart_log {
	uint8_t critical_warning;
	uint8_t temperature[2];		/* kelvin */
	uint8_t avail_spare;
	uint8_t spare_thresh;
	uint8_t percent_used;
	uint8_t rsvd6[26];
	uint8_t data_units_read[16];
	uint8_t data_units_written[16];
	uint8_t host_reads[16];
	uint8_t host_writes[16];
	uint8_t ctrl_busy_time[16];
	uint8_t power_cycles[16];
	uint8_t power_on_hours[16];
	uint8_t unsafe_shutdowns[16];
	uint8_t media_errors[16];
	uint8_t num_err_log_entries[16];
	uint8_t rsvd192[320];
};

static_assert(sizeof(struct nvme_smart_log) == NVME_LOG_SMART_SIZE, "SMART log is 512 bytes");

/* clang-format on */

#ifdef __cplusplus
}
#endif
#endif
