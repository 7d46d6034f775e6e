// SPDX-License-Identifier: BSD-2-Clause
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "udrv/lib/crc32c.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

/* Remainders of the 16 values of a nibble, for the reflected polynomial 0x82f63b78. */
static uint32_t crc_generic(uint32_t crc, const uint8_t *p, size_t len)
{
	static const uint32_t nibble[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	while (len--) {
		crc ^= *p++;
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const uint8_t *p,
							    size_t len)
{
	uint64_t crc64 = crc, v;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&v, p, 8);
		crc64 = __builtin_ia32_crc32di(crc64, v);
	}
	crc = (uint32_t)crc64;
	while (len--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}

/*
 * Not __builtin_cpu_supports(): its constructor asks for everything that a CPU can have, in every
 * program that is linked with this, and the first of them starts inside an update's blackout.
 */
static bool has_sse42(void)
{
	static _Atomic int known; /* -1: no, 1: yes */
	int is = atomic_load_explicit(&known, memory_order_relaxed);
	unsigned int a, b, c, d;

	if (!is) {
		is = __get_cpuid(1, &a, &b, &c, &d) && c & bit_SSE4_2 ? 1 : -1;
		atomic_store_explicit(&known, is, memory_order_relaxed);
	}
	return is > 0;
}

static uint32_t crc_update(uint32_t crc, const uint8_t *p, size_t len)
{
	if (has_sse42())
		return crc_sse42(crc, p, len);
	return crc_generic(crc, p, len);
}
#else
static uint32_t crc_update(uint32_t crc, const uint8_t *p, size_t len)
{
	return crc_generic(crc, p, len);
}
#endif

uint32_t udrv_crc32c(uint32_t crc, const void *buf, size_t len)
{
	return ~crc_update(~crc, buf, len);
}
