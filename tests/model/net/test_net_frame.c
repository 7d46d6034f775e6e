// SPDX-License-Identifier: BSD-2-Clause
/*
 * The parser: what is there is found, and what is not there is never read (ASan watches both ends
 * of each frame).
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/net/csum.h"
#include "tests/model/net/frame.h"
#include "tests/model/net/rss.h"
#include "tests/model/net/rx.h"
#include "tests/model/net/sample.h"
#include "tests/unit/suite.h"

// clang-format off
static const struct sample samples[] = {
	{ .version = 4, .protocol = 6, .payload = 100 },
	{ .version = 4, .protocol = 6, .payload = 1, .tcp_options = 12, .ip_options = 8,
	  .padding = 5 },
	{ .version = 4, .protocol = 17, .payload = 33, .vlan = 0x6123 },
	{ .version = 4, .protocol = 1, .payload = 56 },
	{ .version = 6, .protocol = 6, .payload = 77, .tcp_options = 40 },
	{ .version = 6, .protocol = 17, .payload = 0, .padding = 9 },
	{ .version = 6, .protocol = 17, .payload = 64, .ip_options = 24, .vlan = 1 },
	{ .version = 6, .protocol = 58, .payload = 56 },
};
// clang-format on
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

START_TEST(offsets)
{
	const struct sample *s = &samples[_i];
	struct sample_frame made = sample_make(s, 0);
	bool ports = s->protocol == 6 || s->protocol == 17;
	struct net_frame f;

	ck_assert_int_eq(net_parse(&f, made.data, made.len, false), 0);
	ck_assert_uint_eq(f.ip_version, s->version);
	ck_assert_uint_eq(f.protocol, s->protocol);
	ck_assert_uint_eq(f.vlan, s->vlan != 0);
	ck_assert_uint_eq(f.vlan_tci, s->vlan);
	ck_assert(!f.fragment);
	ck_assert_uint_eq(f.l3, made.l3);
	ck_assert_uint_eq(f.l4, made.l4);
	ck_assert_uint_eq(f.payload, ports ? made.payload : 0);
	ck_assert_uint_eq(f.end, made.end);
	free(made.memory);
}
END_TEST

START_TEST(checksums)
{
	struct sample_frame made = sample_make(&samples[_i], 0);
	struct net_frame f;
	uint16_t was;
	uint8_t *at;

	net_parse(&f, made.data, made.len, false);
	if (f.ip_version == 4) {
		ck_assert(net_csum_ipv4_ok(&f));
		ck_assert_uint_eq(net_csum_ipv4(&f), net_get16(made.data + f.l3 + 10));
	}
	ck_assert(net_csum_l4_ok(&f));
	at = made.data + f.l4 + net_csum_offset(f.protocol);
	was = net_get16(at);
	net_put16(at, 0x5555);
	ck_assert(!net_csum_l4_ok(&f));
	ck_assert(net_csum_same(net_csum_l4(&f), was));
	free(made.memory);
}
END_TEST

START_TEST(zero_sums)
{
	/* ICMP of zeroes sums up to 0; its checksum is 0xffff, and 0 would be wrong. */
	uint8_t data[14 + 20 + 8] = { [12] = 8, [14] = 0x45, [17] = 28, [23] = 1 };
	struct net_frame f;

	net_parse(&f, data, sizeof(data), false);
	ck_assert_uint_eq(f.l4, 34);
	ck_assert_uint_eq(net_csum_l4(&f), 0xffff);
	ck_assert(!net_csum_l4_ok(&f));
	ck_assert(net_csum_same(0, 0xffff));
	ck_assert(!net_csum_same(0, 1));
}
END_TEST

/* All that looks at a frame, on a copy that ends where the frame does. */
static void look(const uint8_t *data, size_t len)
{
	static const uint8_t key[NET_RSS_KEY_SIZE] = { 1, 2, 3 };
	uint8_t *copy = malloc(len + !len);
	struct net_frame f;
	struct net_rx rx;
	uint32_t hash;

	memcpy(copy, data, len);
	for (int large = 0; large < 2; large++) {
		if (net_parse(&f, copy, len, large))
			continue;
		ck_assert_uint_le(f.end, len);
		ck_assert_uint_le(f.payload, f.end);
		net_rss_hash(key, 0x3f, &f, &hash);
	}
	net_rx(&rx, copy, len, true);
	free(copy);
}

START_TEST(cut_anywhere)
{
	struct sample_frame made = sample_make(&samples[_i], 0);

	for (size_t len = 0; len < made.len; len++) {
		struct net_frame f;

		look(made.data, len);
		/* A datagram that is not there as a whole has no transport header to be trusted. */
		if (!net_parse(&f, made.data, len, false) && len < made.end)
			ck_assert_uint_eq(f.l4, 0);
	}
	free(made.memory);
}
END_TEST

START_TEST(damaged_anywhere)
{
	struct sample_frame made = sample_make(&samples[_i], 0);
	size_t headers = made.payload < made.len ? made.payload : made.len;

	for (size_t at = 0; at < headers; at++) {
		uint8_t was = made.data[at];

		for (unsigned int v = 0; v < 256; v++) {
			made.data[at] = (uint8_t)v;
			look(made.data, made.len);
		}
		made.data[at] = was;
	}
	free(made.memory);
}
END_TEST

START_TEST(noise)
{
	uint8_t data[128];

	srandom(20);
	for (int n = 0; n < 100000; n++) {
		size_t len = (size_t)random() % sizeof(data);

		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)(random() >> 8);
		/* Far enough to be interesting. */
		if (len > 14 && n % 4) {
			net_put16(data + 12, n % 2 ? NET_ETH_IPV4 : NET_ETH_IPV6);
			data[14] = n % 2 ? 0x45 : 0x60;
			if (len > 20 && n % 3)
				net_put16(data + (n % 2 ? 16 : 18), (uint16_t)(random() % 128));
			if (len > 23 && n % 5)
				data[n % 2 ? 23 : 20] =
					(uint8_t[]){ 0, 6, 17, 43, 44, 58, 60 }[random() % 7];
		}
		look(data, len);
	}
}
END_TEST

START_TEST(fragments)
{
	struct sample_frame made =
		sample_make(&(struct sample){ .version = 4, .protocol = 17, .payload = 64 }, 0);
	/* More fragments; an offset; both; only don't fragment. */
	static const uint16_t word[] = { 0x2000, 0x0001, 0x3fff, 0x4000 };
	struct net_frame f;

	net_put16(made.data + made.l3 + 6, word[_i]);
	ck_assert_int_eq(net_parse(&f, made.data, made.len, false), 0);
	ck_assert_uint_eq(f.fragment, _i < 3);
	ck_assert_uint_eq(f.l4, _i < 3 ? 0 : made.l4);
	free(made.memory);
}
END_TEST

START_TEST(ipv6_fragments)
{
	static const uint16_t word[] = { 0x0001, 0x0008, 0 /* atomic */ };
	struct sample s = { .version = 6, .protocol = 17, .payload = 64, .ip_options = 8 };
	struct sample_frame made = sample_make(&s, 0);
	struct net_frame f;

	made.data[made.l3 + 6] = NET_IP_FRAGMENT;
	made.data[made.l3 + 41] = 0;
	net_put16(made.data + made.l3 + 42, word[_i]);
	ck_assert_int_eq(net_parse(&f, made.data, made.len, false), 0);
	ck_assert_uint_eq(f.fragment, _i < 2);
	ck_assert_uint_eq(f.l4, _i < 2 ? 0 : made.l4);
	free(made.memory);
}
END_TEST

START_TEST(endless_extensions)
{
	struct sample s = { .version = 6, .protocol = NET_IP_DSTOPTS, .payload = 8 * 64 };
	struct sample_frame made = sample_make(&s, 0);
	struct net_frame f;

	for (size_t at = made.l4; at + 8 <= made.len; at += 8) {
		made.data[at] = NET_IP_DSTOPTS;
		made.data[at + 1] = 0;
	}
	ck_assert_int_eq(net_parse(&f, made.data, made.len, false), 0);
	ck_assert_uint_eq(f.l4, 0);
	free(made.memory);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net-frame");
	TCase *tc = suite_case(suite, "frame", 60);

	tcase_add_loop_test(tc, offsets, 0, SAMPLES);
	tcase_add_loop_test(tc, checksums, 0, SAMPLES);
	tcase_add_test(tc, zero_sums);
	tcase_add_loop_test(tc, cut_anywhere, 0, SAMPLES);
	tcase_add_loop_test(tc, damaged_anywhere, 0, SAMPLES);
	tcase_add_test(tc, noise);
	tcase_add_loop_test(tc, fragments, 0, 4);
	tcase_add_loop_test(tc, ipv6_fragments, 0, 3);
	tcase_add_test(tc, endless_extensions);
	return suite_run(suite);
}
