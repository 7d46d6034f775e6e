/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: GDMA layouts and constants
 *
 * The Generic DMA engine under Microsoft's Azure network adapter: registers, doorbells, shared
 * memory channel (SMC), queues and their entries. There is no public specification; layouts and
 * names agree with Linux's include/net/mana/{gdma,shm_channel}.h. The channel on which queues are
 * made and destroyed is in udrv/gdma_hwc_spec.h, what runs on top of it, the network device, in
 * udrv/mana_spec.h.
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

/* clang-format on */

#ifdef __cplusplus
}
#endif
#endif
