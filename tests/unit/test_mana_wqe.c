// SPDX-License-Identifier: BSD-2-Clause
/* Send WQEs, bit by bit, against a reading of the layout that shares nothing with the builder. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "devices/mana/adapter.h"
#include "tests/unit/suite.h"

#define PAGES 64u

static uint64_t page_addr[PAGES];
static struct mana_vport_facts vport;
static struct udrv_mana mana;
static struct udrv_mana_queue q;
static uint8_t wqe[GDMA_MAX_SQE_SIZE];

static void set_up(void)
{
	memset(wqe, 0xee, sizeof(wqe));
	/* Pages 0 to 3 follow each other, as do 8 and 9; all others are apart. */
	for (unsigned int i = 0; i < PAGES; i++)
		page_addr[i] = 0x700000000000ull + (uint64_t)(i * 37 % PAGES) * 0x10000;
	for (unsigned int i = 1; i < 4; i++)
		page_addr[i] = page_addr[i - 1] + 4096;
	page_addr[9] = page_addr[8] + 4096;
	vport = (struct mana_vport_facts){ .tx_offset = 5, .short_form = true };
	mana = (struct udrv_mana){ 0 };
	q = (struct udrv_mana_queue){
		.mana = &mana,
		.vport_facts = &vport,
		.page_addr = page_addr,
		.pool_size = PAGES * 4096,
		.mkey = 0x1234567,
		.oob0 = 0xabcdefu << 8,
		.oob1 = 0x2345u << 10 | 5u << 24,
		.short_form = true,
	};
}

/* Bits @hi to @lo of the dword at byte @off. */
static uint32_t bits(unsigned int off, unsigned int hi, unsigned int lo)
{
	uint32_t v = wqe[off] | wqe[off + 1] << 8 | wqe[off + 2] << 16 |
		     (uint32_t)wqe[off + 3] << 24;

	return v >> lo & (uint32_t)((1ull << (hi - lo + 1)) - 1);
}

static void sge_is(unsigned int at, uint64_t addr, uint32_t size)
{
	uint64_t lo = bits(at, 31, 0), hi = bits(at + 4, 31, 0);

	ck_assert_uint_eq(hi << 32 | lo, addr);
	ck_assert_uint_eq(bits(at + 8, 31, 0), 0x1234567);
	ck_assert_uint_eq(bits(at + 12, 31, 0), size);
}

START_TEST(short_form)
{
	struct udrv_mana_seg seg[2] = { { 5 * 4096 + 100, 14 }, { 6 * 4096, 500 } };
	struct udrv_mana_tx pkt = { .seg = seg, .nseg = 2 };

	set_up();
	ck_assert_int_eq(mana_wqe_build(&q, &pkt, 1514, wqe), 64);
	ck_assert_uint_eq(bits(0, 31, 0), 0);
	ck_assert_uint_eq(bits(4, 7, 0), 2);  /* SGEs */
	ck_assert_uint_eq(bits(4, 10, 8), 2); /* dwords of OOB */
	ck_assert_uint_eq(bits(4, 31, 11), 0);
	ck_assert_uint_eq(bits(8, 7, 0), 0);	     /* short, no offloads */
	ck_assert_uint_eq(bits(8, 31, 8), 0xabcdef); /* CQ */
	ck_assert_uint_eq(bits(12, 9, 0), 0);
	ck_assert_uint_eq(bits(12, 23, 10), 0x2345); /* SQ */
	ck_assert_uint_eq(bits(12, 31, 24), 5);	     /* vport */
	sge_is(16, page_addr[5] + 100, 14);
	sge_is(32, page_addr[6], 500);
	/* What pads the last basic unit is not what lay on the stack. */
	for (unsigned int i = 48; i < 64; i++)
		ck_assert_uint_eq(wqe[i], 0);
}
END_TEST

START_TEST(long_form)
{
	struct udrv_mana_seg seg = { 5 * 4096, 200 };
	struct udrv_mana_tx pkt = {
		.seg = &seg,
		.nseg = 1,
		.flags = UDRV_MANA_TX_VLAN | UDRV_MANA_TX_IPV6 | UDRV_MANA_TX_TCP_CSUM,
		.l4_off = 54,
		.vlan_tci = 0xbabe,
	};

	set_up();
	ck_assert_int_eq(mana_wqe_build(&q, &pkt, 1514, wqe), 64);
	ck_assert_uint_eq(bits(4, 7, 0), 1);
	ck_assert_uint_eq(bits(4, 10, 8), 6);
	ck_assert_uint_eq(bits(4, 31, 11), 0);
	ck_assert_uint_eq(bits(8, 1, 0), 1); /* long */
	ck_assert_uint_eq(bits(8, 3, 2), 2); /* IPv6 */
	ck_assert_uint_eq(bits(8, 7, 4), 2); /* TCP */
	ck_assert_uint_eq(bits(12, 9, 0), 54);
	ck_assert_uint_eq(bits(16, 3, 0), 8);	    /* tag */
	ck_assert_uint_eq(bits(16, 18, 16), 5);	    /* PCP */
	ck_assert_uint_eq(bits(16, 19, 19), 1);	    /* DEI */
	ck_assert_uint_eq(bits(16, 31, 20), 0xabe); /* VID */
	ck_assert_uint_eq(bits(20, 27, 16), 5);
	ck_assert_uint_eq(bits(24, 31, 0) | bits(28, 31, 0), 0);
	sge_is(32, page_addr[5], 200);
}
END_TEST

/* A vport whose offset does not fit the short form. */
START_TEST(large_offset)
{
	struct udrv_mana_seg seg = { 5 * 4096, 200 };
	struct udrv_mana_tx pkt = { .seg = &seg, .nseg = 1 };

	set_up();
	vport.tx_offset = 0x345;
	vport.short_form = q.short_form = false;
	q.oob1 &= 0x00ffffff;
	ck_assert_int_eq(mana_wqe_build(&q, &pkt, 1514, wqe), 64);
	ck_assert_uint_eq(bits(8, 1, 0), 1);
	ck_assert_uint_eq(bits(12, 31, 24), 0);
	ck_assert_uint_eq(bits(20, 27, 16), 0x345);
}
END_TEST

START_TEST(large_send)
{
	struct udrv_mana_seg seg[2] = { { 8 * 4096 + 4000, 3000 }, { 20 * 4096 + 1, 4095 + 4096 } };
	struct udrv_mana_tx pkt = {
		.seg = seg,
		.nseg = 2,
		.flags = UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_LSO,
		.l4_off = 34,
		.hdr_len = 66,
		.mss = 1448,
	};

	set_up();
	/* Headers, the rest of the first piece (contiguous over its page), two pages apart. */
	ck_assert_int_eq(mana_wqe_build(&q, &pkt, 1514, wqe), 96);
	ck_assert_uint_eq(bits(0, 31, 24), 66);
	ck_assert_uint_eq(bits(4, 7, 0), 4);
	ck_assert_uint_eq(bits(4, 11, 11), 1);
	ck_assert_uint_eq(bits(4, 29, 16), 1448);
	ck_assert_uint_eq(bits(8, 3, 2), 1);
	ck_assert_uint_eq(bits(8, 6, 4), 3); /* IP and TCP */
	ck_assert_uint_eq(bits(12, 9, 0), 34);
	sge_is(16, page_addr[8] + 4000, 66);
	sge_is(32, page_addr[8] + 4066, 3000 - 66);
	sge_is(48, page_addr[20] + 1, 4095);
	sge_is(64, page_addr[21], 4096);
	/* Headers over pages that are apart cannot be one SGE. */
	seg[0] = (struct udrv_mana_seg){ 10 * 4096 - 30, 3000 };
	ck_assert_int_eq(mana_wqe_build(&q, &pkt, 1514, wqe), -EINVAL);
}
END_TEST

START_TEST(pieces_are_joined_and_counted)
{
	struct udrv_mana_seg seg[30], one = { 10, 4 * 4096 - 10 };
	struct udrv_mana_tx pkt = { .seg = &one, .nseg = 1 };

	set_up();
	ck_assert_int_eq(mana_wqe_build(&q, &pkt, 65535, wqe), 32);
	sge_is(16, page_addr[0] + 10, 4 * 4096 - 10);
	/* 30 with either OOB: at most 512 bytes. */
	for (unsigned int i = 0; i < 30; i++)
		seg[i] = (struct udrv_mana_seg){ (10 + i) * 4096, 40 };
	pkt.seg = seg;
	pkt.nseg = 30;
	ck_assert_int_eq(mana_wqe_build(&q, &pkt, 1514, wqe), 512);
	ck_assert_uint_eq(bits(4, 7, 0), 30);
	pkt.flags = UDRV_MANA_TX_VLAN;
	ck_assert_int_eq(mana_wqe_build(&q, &pkt, 1514, wqe), 512);
	sge_is(32 + 29 * 16, page_addr[39], 40);
	/* One of them across a page makes 31. */
	seg[0].off = 11 * 4096 - 20;
	ck_assert_int_eq(mana_wqe_build(&q, &pkt, 1514, wqe), -E2BIG);
}
END_TEST

/* The places of a CQ at every lap of its owner bits. */
START_TEST(owner_bits)
{
	struct gdma_cqe ring[64] = { 0 };
	struct mana_cq cq = { .ring = ring, .mask = 63, .shift = 6 };
	uint32_t info;

	ck_assert_int_eq(mana_cq_look(&cq, 64, &info), 0);
	for (uint32_t idx = 64; idx < 64 * 40; idx++) {
		ck_assert_int_eq(mana_cq_look(&cq, idx, &info), 0);
		ring[idx & 63].info = htole32((idx / 64 & 7) << 29 | 0x1abcdef);
		ck_assert_int_eq(mana_cq_look(&cq, idx, &info), 1);
		ck_assert_uint_eq(info & 0x1ffffff, 0x1abcdef);
		/* A lap ahead: the consumer was too slow. */
		ck_assert_int_eq(mana_cq_look(&cq, idx - 64, &info), -1);
		ck_assert_int_eq(mana_cq_look(&cq, idx + 64, &info), 0);
	}
	/* Doorbells: modulo eight laps. */
	ck_assert_uint_eq(mana_db_index(64, 6), 64);
	ck_assert_uint_eq(mana_db_index(64 * 8, 6), 0);
	ck_assert_uint_eq(mana_db_index(UINT32_MAX, 6), 511);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mana-wqe");
	TCase *tc = suite_case(suite, "wqe", 60);

	tcase_add_test(tc, short_form);
	tcase_add_test(tc, long_form);
	tcase_add_test(tc, large_offset);
	tcase_add_test(tc, large_send);
	tcase_add_test(tc, pieces_are_joined_and_counted);
	tcase_add_test(tc, owner_bits);
	return suite_run(suite);
}
