// SPDX-License-Identifier: BSD-2-Clause
/*
 * Toeplitz: the published vectors of receive-side scaling ("Verifying the RSS hash calculation").
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/net/rss.h"
#include "tests/model/net/sample.h"
#include "tests/unit/suite.h"

// clang-format off
static const uint8_t key[NET_RSS_KEY_SIZE] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};
// clang-format on

// clang-format off
static const struct vector {
	const char *dst, *src;
	uint16_t dport, sport;
	uint32_t addresses, ports;
} vectors[] = {
	{ "161.142.100.80", "66.9.149.187", 1766, 2794, 0x323e8fc2, 0x51ccc178 },
	{ "65.69.140.83", "199.92.111.2", 4739, 14230, 0xd718262a, 0xc626b0ea },
	{ "12.22.207.184", "24.19.198.95", 38024, 12898, 0xd2d0a5de, 0x5c2b394a },
	{ "209.142.163.6", "38.27.205.30", 2217, 48228, 0x82989176, 0xafc7327f },
	{ "202.188.127.2", "153.39.163.191", 1303, 44251, 0x5d1809c5, 0x10e828a2 },
	{ "3ffe:2501:200:3::1", "3ffe:2501:200:1fff::7", 1766, 2794, 0x2cc18cd5, 0x40207d3d },
	{ "ff02::1", "3ffe:501:8::260:97ff:fe40:efab", 4739, 14230, 0x0f0c461c, 0xdde51bbf },
	{ "fe80::200:f8ff:fe21:67cf", "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 38024, 44251,
	  0x4b61e985, 0x02d1feef },
};
// clang-format on
#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static struct sample_frame make(const struct vector *v, uint8_t protocol)
{
	int version = strchr(v->dst, ':') ? 6 : 4, family = version == 6 ? AF_INET6 : AF_INET;
	struct sample s = { .version = version, .protocol = protocol, .payload = 10 };
	struct sample_frame made = sample_make(&s, 0);
	uint8_t *src = made.data + made.l3 + (version == 6 ? 8 : 12);

	ck_assert_int_eq(inet_pton(family, v->src, src), 1);
	ck_assert_int_eq(inet_pton(family, v->dst, src + (version == 6 ? 16 : 4)), 1);
	net_put16(made.data + made.l4, v->sport);
	net_put16(made.data + made.l4 + 2, v->dport);
	return made;
}

START_TEST(published)
{
	const struct vector *v = &vectors[_i];
	bool v6 = strchr(v->dst, ':');
	struct sample_frame tcp = make(v, 6), udp = make(v, 17);
	struct net_frame f;
	uint32_t hash;

	ck_assert_int_eq(net_parse(&f, tcp.data, tcp.len, false), 0);
	ck_assert_uint_eq(net_rss_hash(key, 0x3f, &f, &hash),
			  v6 ? NET_RSS_TCP_IPV6 : NET_RSS_TCP_IPV4);
	ck_assert_uint_eq(hash, v->ports);
	ck_assert_uint_eq(net_rss_hash(key, NET_RSS_IPV4 | NET_RSS_IPV6, &f, &hash),
			  v6 ? NET_RSS_IPV6 : NET_RSS_IPV4);
	ck_assert_uint_eq(hash, v->addresses);
	/* Not enabled: UDP's types do not suit TCP, nor the other IP version's. */
	ck_assert_uint_eq(net_rss_hash(key, NET_RSS_UDP_IPV4 | NET_RSS_UDP_IPV6, &f, &hash), 0);
	ck_assert_uint_eq(hash, 0);
	ck_assert_uint_eq(net_rss_hash(key, v6 ? 0x07 : 0x38, &f, &hash), 0);

	ck_assert_int_eq(net_parse(&f, udp.data, udp.len, false), 0);
	ck_assert_uint_eq(net_rss_hash(key, 0x3f, &f, &hash),
			  v6 ? NET_RSS_UDP_IPV6 : NET_RSS_UDP_IPV4);
	ck_assert_uint_eq(hash, v->ports);
	ck_assert_uint_eq(net_rss_hash(key, 0x3f & ~(NET_RSS_UDP_IPV4 | NET_RSS_UDP_IPV6), &f,
				       &hash),
			  v6 ? NET_RSS_IPV6 : NET_RSS_IPV4);
	ck_assert_uint_eq(hash, v->addresses);
	free(tcp.memory);
	free(udp.memory);
}
END_TEST

START_TEST(fragments_have_no_ports)
{
	struct sample_frame made = make(&vectors[0], 6);
	struct net_frame f;
	uint32_t hash;

	net_put16(made.data + made.l3 + 6, 0x2000);
	net_parse(&f, made.data, made.len, false);
	ck_assert_uint_eq(net_rss_hash(key, 0x3f, &f, &hash), NET_RSS_IPV4);
	ck_assert_uint_eq(hash, vectors[0].addresses);
	free(made.memory);
}
END_TEST

/* Bit n of the input selects bits n to n+31 of the key. */
static uint32_t by_definition(const uint8_t *input, size_t len)
{
	uint32_t hash = 0;

	for (size_t n = 0; n < len * 8; n++) {
		if (!(input[n / 8] >> (7 - n % 8) & 1))
			continue;
		for (size_t b = 0; b < 32; b++)
			hash ^= (uint32_t)(key[(n + b) / 8] >> (7 - (n + b) % 8) & 1) << (31 - b);
	}
	return hash;
}

START_TEST(definition)
{
	uint8_t input[36];

	srandom(7);
	for (int n = 0; n < 2000; n++) {
		size_t len = (size_t)n % (sizeof(input) + 1);

		for (size_t i = 0; i < len; i++)
			input[i] = (uint8_t)(random() >> 4);
		ck_assert_uint_eq(net_toeplitz(key, input, len), by_definition(input, len));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net-rss");
	TCase *tc = suite_case(suite, "rss", 30);

	tcase_add_loop_test(tc, published, 0, VECTORS);
	tcase_add_test(tc, fragments_have_no_ports);
	tcase_add_test(tc, definition);
	return suite_run(suite);
}
