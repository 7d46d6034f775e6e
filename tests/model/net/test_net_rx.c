// SPDX-License-Identifier: BSD-2-Clause
/* Receive flags and VLAN tags. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/net/rx.h"
#include "tests/model/net/sample.h"
#include "tests/unit/suite.h"

// clang-format off
static const struct verified {
	struct sample sample;
	unsigned int good, bad_transport;
} verified[] = {
	{ { .version = 4, .protocol = 6, .payload = 9 },
	  NET_RX_IP_OK | NET_RX_TCP_OK, NET_RX_IP_OK | NET_RX_TCP_FAIL },
	{ { .version = 4, .protocol = 17, .payload = 9, .padding = 3, .ip_options = 8 },
	  NET_RX_IP_OK | NET_RX_UDP_OK, NET_RX_IP_OK | NET_RX_UDP_FAIL },
	{ { .version = 6, .protocol = 6, .payload = 8, .ip_options = 8 },
	  NET_RX_IP_OK | NET_RX_TCP_OK, NET_RX_IP_OK | NET_RX_TCP_FAIL },
	{ { .version = 6, .protocol = 17, .payload = 8 },
	  NET_RX_IP_OK | NET_RX_UDP_OK, NET_RX_IP_OK | NET_RX_UDP_FAIL },
	{ { .version = 4, .protocol = 1, .payload = 8 }, NET_RX_IP_OK, NET_RX_IP_OK },
};
// clang-format on
#define VERIFIED (sizeof(verified) / sizeof(verified[0]))

START_TEST(flags)
{
	const struct verified *v = &verified[_i];
	struct sample_frame made = sample_make(&v->sample, 0);
	struct net_rx rx;

	ck_assert_int_eq(net_rx(&rx, made.data, made.len, true), 0);
	ck_assert_uint_eq(rx.flags, v->good);
	made.data[made.end - 1] ^= 1;
	net_rx(&rx, made.data, made.len, true);
	ck_assert_uint_eq(rx.flags, v->bad_transport);
	made.data[made.end - 1] ^= 1;
	if (v->sample.version == 4) {
		/* Its time to live, which no transport checksum covers. */
		made.data[made.l3 + 8] ^= 1;
		net_rx(&rx, made.data, made.len, true);
		ck_assert_uint_eq(rx.flags, (v->good & ~NET_RX_IP_OK) | NET_RX_IP_FAIL);
	}
	free(made.memory);
}
END_TEST

START_TEST(udp_specialities)
{
	struct sample s = { .version = _i ? 6 : 4, .protocol = 17, .payload = 20 };
	struct sample_frame made = sample_make(&s, 0);
	struct net_rx rx;

	/* No checksum: right with IPv4, wrong with IPv6. */
	net_put16(made.data + made.l4 + 6, 0);
	net_rx(&rx, made.data, made.len, true);
	ck_assert_uint_eq(rx.flags, NET_RX_IP_OK | (_i ? NET_RX_UDP_FAIL : 0));
	free(made.memory);

	/* A length that is not IP's, and a checksum that would fit. */
	made = sample_make(&s, 0);
	net_put16(made.data + made.l4 + 4, 27);
	net_put16(made.data + made.l4 + 6, (uint16_t)(net_get16(made.data + made.l4 + 6) + 1));
	net_rx(&rx, made.data, made.len, true);
	ck_assert_uint_eq(rx.flags, NET_RX_IP_OK | NET_RX_UDP_FAIL);
	free(made.memory);
}
END_TEST

START_TEST(tags)
{
	struct sample s = { .version = 6, .protocol = 6, .payload = 50, .vlan = 0xa123 };
	struct sample_frame tagged = sample_make(&s, 0), plain;
	struct net_rx rx;

	s.vlan = 0;
	plain = sample_make(&s, 0);
	ck_assert_int_eq(net_rx(&rx, tagged.data, tagged.len, false), 0);
	ck_assert_uint_eq(rx.flags, NET_RX_IP_OK | NET_RX_TCP_OK);
	ck_assert_uint_eq(rx.f.len, tagged.len);

	ck_assert_int_eq(net_rx(&rx, tagged.data, tagged.len, true), 0);
	ck_assert_uint_eq(rx.flags, NET_RX_VLAN | NET_RX_IP_OK | NET_RX_TCP_OK);
	ck_assert_uint_eq(rx.f.vlan_tci, 0xa123);
	ck_assert_uint_eq(rx.f.len, plain.len);
	ck_assert_mem_eq(rx.f.data, plain.data, plain.len);
	free(tagged.memory);
	free(plain.memory);
}
END_TEST

START_TEST(no_frame)
{
	uint8_t *few = calloc(1, 13);
	struct net_rx rx;

	ck_assert_int_eq(net_rx(&rx, few, 13, true), -EBADMSG);
	ck_assert_int_eq(net_rx(&rx, few, 0, true), -EBADMSG);
	free(few);
}
END_TEST

START_TEST(not_ip)
{
	uint8_t arp[42] = { [12] = 0x08, [13] = 0x06 };
	struct net_rx rx;

	ck_assert_int_eq(net_rx(&rx, arp, sizeof(arp), true), 0);
	ck_assert_uint_eq(rx.flags, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net-rx");
	TCase *tc = suite_case(suite, "rx", 10);

	tcase_add_loop_test(tc, flags, 0, VERIFIED);
	tcase_add_loop_test(tc, udp_specialities, 0, 2);
	tcase_add_test(tc, tags);
	tcase_add_test(tc, no_frame);
	tcase_add_test(tc, not_ip);
	return suite_run(suite);
}
