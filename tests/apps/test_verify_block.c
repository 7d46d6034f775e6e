// SPDX-License-Identifier: BSD-2-Clause
/* The verifying workload's block, against the contract's description of it, byte by byte. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/unit/suite.h"
#include "udrv/host/verify_block.h"

static uint8_t block[4096];

/* Bit by bit, as RFC 3720 defines it: nothing shared with the code that is tested. */
static uint32_t crc32c(const uint8_t *p, size_t len)
{
	uint32_t crc = ~0u;

	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static uint64_t le(const uint8_t *p, int bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

START_TEST(layout)
{
	uint32_t crc;

	verify_block_fill(block, 0x123456789a, 0xfedcba98765, 7);
	ck_assert_mem_eq(block, "UDRVBLK1", 8);
	ck_assert_uint_eq(le(block + 8, 8), 0x123456789a);
	ck_assert_uint_eq(le(block + 16, 8), 0xfedcba98765);
	ck_assert_uint_eq(le(block + 24, 4), 7);
	crc = (uint32_t)le(block + 28, 4);
	memset(block + 28, 0, 4);
	ck_assert_uint_eq(crc, crc32c(block, sizeof(block)));
}
END_TEST

START_TEST(data_depends_on_sequence)
{
	uint8_t other[4096];
	unsigned int same = 0;

	verify_block_fill(block, 1, 100, 0);
	verify_block_fill(other, 1, 101, 0);
	for (unsigned int i = 32; i < 4096; i += 8)
		same += !memcmp(block + i, other + i, 8);
	ck_assert_uint_eq(same, 0);
}
END_TEST

START_TEST(accepts)
{
	uint64_t seq = 0;

	for (uint64_t i = 0; i < 100; i++) {
		verify_block_fill(block, i, i * 77, (uint32_t)i);
		ck_assert_int_eq(verify_block_check(block, i, &seq), 0);
		ck_assert_uint_eq(seq, i * 77);
		ck_assert_int_eq(verify_block_check(block, i + 1, &seq), -EBADMSG);
	}
}
END_TEST

START_TEST(finds_every_flip)
{
	uint64_t seq;

	verify_block_fill(block, 5, 6, 7);
	for (unsigned int i = 0; i < sizeof(block); i++) {
		block[i] ^= 0x10;
		ck_assert_msg(verify_block_check(block, 5, &seq) == -EBADMSG, "byte %u", i);
		block[i] ^= 0x10;
	}
}
END_TEST

START_TEST(finds_torn)
{
	uint8_t other[4096];
	uint64_t seq;

	verify_block_fill(block, 5, 6, 7);
	verify_block_fill(other, 5, 8, 7);
	memcpy(block + 2048, other + 2048, 2048);
	ck_assert_int_eq(verify_block_check(block, 5, &seq), -EBADMSG);
	memset(block, 0, sizeof(block));
	ck_assert_int_eq(verify_block_check(block, 0, &seq), -EBADMSG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("verify_block");
	TCase *tc = suite_case(suite, "verify_block", 60);

	tcase_add_test(tc, layout);
	tcase_add_test(tc, data_depends_on_sequence);
	tcase_add_test(tc, accepts);
	tcase_add_test(tc, finds_every_flip);
	tcase_add_test(tc, finds_torn);
	return suite_run(suite);
}
