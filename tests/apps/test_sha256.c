// SPDX-License-Identifier: BSD-2-Clause
/*
 * SHA-256 both ways: FIPS 180-4's examples, and that a CPU with the instructions for it finds
 * nothing else.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/suite.h"
#include "udrv/common/sha256.h"
#include "udrv/common/sha256_block.h"

START_TEST(examples)
{
	static char many[1000000];
	char hex[SHA256_HEX];

	sha256_hex("", 0, hex);
	ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256_hex("abc", 3, hex);
	ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex);
	ck_assert_str_eq(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	memset(many, 'a', sizeof(many));
	sha256_hex(many, sizeof(many), hex);
	ck_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

START_TEST(both_ways_are_one)
{
	uint32_t c[8] = { 0x6a09e667, 1, 0xffffffff, 3, 0x80000000, 5, 6, 7 }, ni[8];
	uint8_t data[5 * 64 + 1];

	if (!sha256_ni_there()) {
		printf("# this CPU has no SHA instructions: only the other way was tried\n");
		return;
	}
	memcpy(ni, c, sizeof(ni));
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 167 + i / 64);
	for (size_t n = 0; n <= 5; n++) {
		sha256_c_blocks(c, data + 1, n);
		sha256_ni_blocks(ni, data + 1, n);
		ck_assert_mem_eq(c, ni, sizeof(c));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sha256");
	TCase *tc = suite_case(suite, "sha256", 60);

	tcase_add_test(tc, examples);
	tcase_add_test(tc, both_ways_are_one);
	return suite_run(suite);
}
