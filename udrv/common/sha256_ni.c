// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SHA-256 with the instructions that x86 has for it: four rounds at a time, the state as two
 * vectors of the words A, B, E, F and C, D, G, H (Intel SDM, SHA256RNDS2).
 */
#include <cpuid.h>
#include <immintrin.h>

#include "udrv/common/sha256_block.h"

#define CPUID_7_EBX_SHA	  (1u << 29)
#define CPUID_1_ECX_SSE41 (1u << 19)

bool sha256_ni_there(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & CPUID_1_ECX_SSE41))
		return false;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & CPUID_7_EBX_SHA;
}

__attribute__((target("sha,sse4.1"))) void sha256_ni_blocks(uint32_t h[8], const uint8_t *p,
							    size_t n)
{
	const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	__m128i abef = _mm_set_epi32((int)h[0], (int)h[1], (int)h[4], (int)h[5]);
	__m128i cdgh = _mm_set_epi32((int)h[2], (int)h[3], (int)h[6], (int)h[7]);

	for (; n; n--, p += 64) {
		__m128i abef0 = abef, cdgh0 = cdgh, w[4];

		for (unsigned int i = 0; i < 16; i++) {
			__m128i *now = &w[i % 4], wk;

			if (i < 4) {
				/* clang-format off */
				*now = _mm_shuffle_epi8(
					_mm_loadu_si128((const __m128i *)(p + 16 * i)), big_endian);
				/* clang-format on */
			} else {
				__m128i before = w[(i + 3) % 4], two_before = w[(i + 2) % 4];

				*now = _mm_add_epi32(_mm_sha256msg1_epu32(*now, w[(i + 1) % 4]),
						     _mm_alignr_epi8(before, two_before, 4));
				*now = _mm_sha256msg2_epu32(*now, before);
			}
			wk = _mm_add_epi32(*now,
					   _mm_loadu_si128((const __m128i *)(sha256_k + 4 * i)));
			/* Each makes the next A, B, E, F out of what is C, D, G, H until then. */
			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0e));
		}
		abef = _mm_add_epi32(abef, abef0);
		cdgh = _mm_add_epi32(cdgh, cdgh0);
	}
	h[0] = (uint32_t)_mm_extract_epi32(abef, 3);
	h[1] = (uint32_t)_mm_extract_epi32(abef, 2);
	h[2] = (uint32_t)_mm_extract_epi32(cdgh, 3);
	h[3] = (uint32_t)_mm_extract_epi32(cdgh, 2);
	h[4] = (uint32_t)_mm_extract_epi32(abef, 1);
	h[5] = (uint32_t)_mm_extract_epi32(abef, 0);
	h[6] = (uint32_t)_mm_extract_epi32(cdgh, 1);
	h[7] = (uint32_t)_mm_extract_epi32(cdgh, 0);
}
