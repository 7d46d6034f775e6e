// SPDX-License-Identifier: BSD-2-Clause
/* The memory of the frames that an interface sends. */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/suite.h"
#include "udrv/host/nic.h"
#include "udrv/host/tap_internal.h"

/*
 * Frames of any length come and go in order; a successor may take over at any time. None ever lies
 * on another.
 */
START_TEST(no_two_frames_share_memory)
{
	static uint64_t flight[TAP_RING_SIZE / TAP_UNIT];
	struct tap_ring r = { 0 };
	unsigned int first = 0, n = 0, full = 0, wraps = 0;
	uint32_t at, before = 0;

	srandom(1);
	for (unsigned int i = 0; i < 50000; i++) {
		if (n && random() % 100 < (i / 1000 % 2 ? 60 : 45)) {
			tap_ring_done(&r, flight[first]);
			first = (first + 1) % (TAP_RING_SIZE / TAP_UNIT);
			n--;
		} else if (!tap_ring_room(&r, &at)) {
			ck_assert_uint_gt(n, 0);
			full++;
		} else {
			uint32_t len = 1 + random() % (random() % 4 ? 300 : TAP_ROOM);
			bool apart = true;
			uint64_t cookie;

			ck_assert_uint_le(at, TAP_RING_SIZE - TAP_ROOM);
			/* The room that is offered is free, all of it. */
			for (unsigned int k = 0; k < n; k++) {
				uint64_t c = flight[(first + k) % (TAP_RING_SIZE / TAP_UNIT)];
				uint32_t start = (c & 0xffff) * TAP_UNIT,
					 size = (c >> 16) * TAP_UNIT;

				apart &= at + TAP_ROOM <= start || at >= start + size;
			}
			ck_assert(apart);
			wraps += at < before;
			before = at;
			cookie = tap_ring_take(&r, at, len);
			ck_assert(!(cookie & NIC_COOKIE_ECHO));
			if (random() % 50) {
				flight[(first + n++) % (TAP_RING_SIZE / TAP_UNIT)] = cookie;
			} else {
				tap_ring_cancel(&r);
			}
		}
		ck_assert_uint_eq(r.n, n);
		if (random() % 500)
			continue;
		r = (struct tap_ring){ 0 };
		for (unsigned int k = 0; k < n; k++)
			tap_ring_found(&r, flight[(first + k) % (TAP_RING_SIZE / TAP_UNIT)]);
	}
	ck_assert_uint_gt(full, 100);
	ck_assert_uint_gt(wraps, 100);
}
END_TEST

/*
 * Cookies are out of a state memfd: whatever they say, nothing is outside, and in the end nothing
 * is left.
 */
START_TEST(senseless_cookies_are_survived)
{
	static const uint64_t odd[] = { 0,	UINT64_MAX >> 1, 1ull << 32 | 1 << 16, 0xffffffff,
					0xffff, 4097ull << 16,	 2 << 16 | 4095 };
	struct tap_ring r = { 0 };
	uint32_t at;

	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
			tap_ring_found(&r, odd[i]);
			if (tap_ring_room(&r, &at))
				ck_assert_uint_le(at, TAP_RING_SIZE - TAP_ROOM);
		}
		tap_ring_found(&r, 3 << 16 | 7);
		for (unsigned int i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
			tap_ring_done(&r, odd[i]);
		tap_ring_done(&r, 3 << 16 | 7);
		ck_assert_uint_eq(r.n + r.head + r.tail, 0);
		tap_ring_done(&r, 0);
		ck_assert_uint_eq(r.n, 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tap_ring");
	TCase *tc = suite_case(suite, "tap_ring", 120);

	tcase_add_test(tc, no_two_frames_share_memory);
	tcase_add_test(tc, senseless_cookies_are_survived);
	return suite_run(suite);
}
