// SPDX-License-Identifier: BSD-2-Clause
/* CRC-32C: against the known value, and against the definition bit by bit. */
#include <check.h>
#include <stdint.h>

#include "tests/unit/suite.h"
#include "udrv/lib/crc32c.h"

START_TEST(known_and_reference)
{
	uint8_t buf[160];

	ck_assert_uint_eq(udrv_crc32c(0, "123456789", 9), 0xe3069283); /* RFC 3720's check value */
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 37 + 11);
	for (size_t start = 0; start < 9; start++) {
		for (size_t len = 0; len + start <= sizeof(buf); len++) {
			uint32_t crc = ~0u;

			for (size_t i = 0; i < len; i++) {
				crc ^= buf[start + i];
				for (int bit = 0; bit < 8; bit++)
					crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
			}
			ck_assert_uint_eq(udrv_crc32c(0, buf + start, len), ~crc);
			ck_assert_uint_eq(udrv_crc32c(udrv_crc32c(0, buf + start, len / 3),
						      buf + start + len / 3, len - len / 3),
					  ~crc);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crc32c");
	TCase *tc = suite_case(suite, "crc32c", 60);

	tcase_add_test(tc, known_and_reference);
	return suite_run(suite);
}
