// SPDX-License-Identifier: BSD-2-Clause
/*
 * What TAP says of frames, translated, is done by the model's transmitter, which refuses
 * contradictions; what leaves is compared with frames made by other code.
 */
#include <check.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/mana.h>

#include "tests/model/net/frame.h"
#include "tests/model/net/sample.h"
#include "tests/model/net/tx.h"
#include "tests/unit/suite.h"
#include "udrv/host/tap_vnet.h"

#define MAX_FRAME 1514u
#define HEADROOM  NET_HEADROOM

/* ---- The device ------------------------------------------------------------------------------ */

static struct wire {
	struct net_backend backend;
	unsigned int n;
	uint8_t frame[64][2048];
	size_t len[64];
} wire;

static int wire_send(struct net_backend *b, const uint8_t *frame, size_t len)
{
	(void)b;
	if (wire.n < 64 && len <= 2048) {
		memcpy(wire.frame[wire.n], frame, len);
		wire.len[wire.n] = len;
	}
	wire.n++;
	return 0;
}

static const struct net_backend_ops wire_ops = { .name = "wire", .send = wire_send };

static int transmit(const struct udrv_mana_tx *tx, uint8_t *frame, uint32_t len)
{
	uint32_t f = tx->flags;
	struct net_tx net = { .frame = frame, .len = len, .vlan_tci = tx->vlan_tci };
	struct net_tx_result res;
	int err;

	net.flags = (f & UDRV_MANA_TX_IPV4 ? NET_TX_IPV4 : 0) |
		    (f & UDRV_MANA_TX_IPV6 ? NET_TX_IPV6 : 0) |
		    (f & UDRV_MANA_TX_TCP_CSUM ? NET_TX_CSUM_TCP : 0) |
		    (f & UDRV_MANA_TX_UDP_CSUM ? NET_TX_CSUM_UDP : 0) |
		    (f & UDRV_MANA_TX_VLAN ? NET_TX_VLAN : 0);
	if (f & UDRV_MANA_TX_TCP_CSUM)
		net.l4 = tx->l4_off;
	if (f & UDRV_MANA_TX_LSO) {
		net.flags |= NET_TX_LSO | (f & UDRV_MANA_TX_IPV4 ? NET_TX_CSUM_IP : 0);
		net.mss = tx->mss;
		net.headers = tx->hdr_len;
	}
	wire.backend = (struct net_backend){ .ops = &wire_ops, .fd = -1 };
	wire.n = 0;
	err = net_tx(&wire.backend, &net, &res);
	if (err)
		fprintf(stderr, "the device says: %s\n", res.error);
	return err;
}

/* What udrv_mana_send() would refuse. */
static void acceptable(const struct udrv_mana_tx *tx, uint32_t len)
{
	if (!(tx->flags & UDRV_MANA_TX_LSO)) {
		ck_assert_uint_le(len, MAX_FRAME);
	} else {
		ck_assert_uint_gt(tx->mss, 0);
		ck_assert_uint_gt(tx->hdr_len, tx->l4_off);
		ck_assert_uint_le(tx->hdr_len, 252);
		ck_assert_uint_gt(len, (uint32_t)tx->hdr_len + tx->mss);
		ck_assert_uint_le(tx->hdr_len + tx->mss, MAX_FRAME);
		ck_assert_uint_le(len, 65535 + 14);
	}
	ck_assert_uint_ge(len, 14);
}

/* ---- Checksums ------------------------------------------------------------------------------- */

static const struct csum_case {
	struct sample sample;
	uint32_t flags; /* expected */
} csums[] = {
	{ { 4, 6, .payload = 100 }, UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_TCP_CSUM },
	{ { 4, 6, .payload = 0 }, UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_TCP_CSUM },
	{ { 4, 6, .payload = 1441, .tcp_options = 12 }, UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_TCP_CSUM },
	{ { 4, 6, .payload = 77, .ip_options = 8 }, UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_TCP_CSUM },
	{ { 4, 17, .payload = 33 }, UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_UDP_CSUM },
	{ { 4, 17, .payload = 1472 }, UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_UDP_CSUM },
	{ { 6, 6, .payload = 100, .tcp_options = 40 }, UDRV_MANA_TX_IPV6 | UDRV_MANA_TX_TCP_CSUM },
	{ { 6, 17, .payload = 1 }, UDRV_MANA_TX_IPV6 | UDRV_MANA_TX_UDP_CSUM },
	{ { 4, 6, .vlan = 0x6123, .payload = 100 },
	  UDRV_MANA_TX_VLAN | UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_TCP_CSUM },
	{ { 6, 17, .vlan = 5, .payload = 101 },
	  UDRV_MANA_TX_VLAN | UDRV_MANA_TX_IPV6 | UDRV_MANA_TX_UDP_CSUM },
	{ { 4, 17, .vlan = 4094, .payload = 1472 },
	  UDRV_MANA_TX_VLAN | UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_UDP_CSUM },
	/* Behind an extension header the device finds nothing. */
	{ { 6, 6, .payload = 99, .ip_options = 8 }, 0 },
	{ { 6, 17, .payload = 200, .ip_options = 16 }, 0 },
	{ { 6, 17, .vlan = 7, .payload = 200, .ip_options = 16 }, UDRV_MANA_TX_VLAN },
};

static uint16_t csum_offset(uint8_t protocol)
{
	return protocol == 6 ? 16 : 6;
}

START_TEST(partial_checksums_are_completed)
{
	const struct csum_case *c = &csums[_i];
	struct sample s = c->sample;
	struct sample_frame want = sample_make(&s, 0), f;
	struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	struct udrv_mana_tx tx;
	uint32_t skip;

	s.seed = true;
	f = sample_make(&s, HEADROOM);
	if (s.version == 4)
		memcpy(f.data + f.l3 + 10, want.data + want.l3 + 10, 2);
	hdr.csum_start = (uint16_t)f.l4;
	hdr.csum_offset = csum_offset(s.protocol);
	ck_assert_int_eq(tap_vnet_tx(&hdr, f.data, f.len, MAX_FRAME, &tx, &skip), 0);
	ck_assert_uint_eq(tx.flags, c->flags);
	ck_assert_uint_eq(skip, s.vlan ? 4 : 0);
	acceptable(&tx, f.len - skip);
	ck_assert_int_eq(transmit(&tx, f.data + skip, f.len - skip), 0);
	ck_assert_uint_eq(wire.n, 1);
	ck_assert_uint_eq(wire.len[0], want.len);
	ck_assert_mem_eq(wire.frame[0], want.data, want.len);
	free(f.memory);
	free(want.memory);
}
END_TEST

/* The device would take what the field holds for the pseudo header's sum: ours is put there. */
START_TEST(a_wrong_seed_is_put_right)
{
	struct sample s = { 4, 6, .payload = 100, .seed = true };
	struct sample_frame f = sample_make(&s, 0);
	struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_offset = 16 };
	struct udrv_mana_tx tx;
	uint32_t skip;

	hdr.csum_start = (uint16_t)f.l4;
	f.data[f.l4 + 16] ^= 0x55;
	ck_assert_int_eq(tap_vnet_tx(&hdr, f.data, f.len, MAX_FRAME, &tx, &skip), 0);
	ck_assert_int_eq(transmit(&tx, f.data, f.len), 0);
	free(f.memory);
}
END_TEST

/*
 * What is not what the device knows is summed up as Linux would: from the place that was told to
 * the end.
 */
START_TEST(other_protocols_are_summed_up_here)
{
	struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				      .csum_start = 14,
				      .csum_offset = 2 };
	uint8_t frame[14 + 7] = { [12] = 0x12, 0x34, 1, 2, 0, 0, 3, 4, 5 };
	struct udrv_mana_tx tx;
	uint32_t skip;

	ck_assert_int_eq(tap_vnet_tx(&hdr, frame, sizeof(frame), MAX_FRAME, &tx, &skip), 0);
	ck_assert_uint_eq(tx.flags, 0);
	ck_assert_uint_eq(frame[16] << 8 | frame[17], 0xffff - (0x0102 + 0x0304 + 0x0500));
	/* Of two zeroes, the one that is not "no checksum". */
	memset(frame + 14, 0xff, 7);
	frame[16] = frame[17] = frame[20] = 0;
	ck_assert_int_eq(tap_vnet_tx(&hdr, frame, sizeof(frame), MAX_FRAME, &tx, &skip), 0);
	ck_assert_uint_eq(frame[16] << 8 | frame[17], 0xffff);
}
END_TEST

START_TEST(a_plain_frame_stays_as_it_is)
{
	struct virtio_net_hdr hdr = { 0 };
	uint8_t frame[60] = { [12] = 8, 6, 1, 2, 3 }, was[60];
	struct udrv_mana_tx tx;
	uint32_t skip;

	memcpy(was, frame, sizeof(was));
	ck_assert_int_eq(tap_vnet_tx(&hdr, frame, sizeof(frame), MAX_FRAME, &tx, &skip), 0);
	ck_assert_uint_eq(tx.flags, 0);
	ck_assert_uint_eq(skip, 0);
	ck_assert_mem_eq(frame, was, sizeof(was));
}
END_TEST

/* ---- Large sends ----------------------------------------------------------------------------- */

static const struct sample large[] = {
	{ 4, 6, .payload = 20000 },
	{ 4, 6, .payload = 9999, .tcp_options = 12 },
	{ 4, 6, .payload = 5000, .ip_options = 8 },
	{ 4, 6, .payload = 5000, .vlan = 100 },
	{ 6, 6, .payload = 20001, .tcp_options = 12 },
	{ 6, 6, .payload = 3000, .vlan = 4094 },
	{ 4, 6, .payload = 60000 },
};

START_TEST(large_sends_are_cut)
{
	struct sample s = large[_i];
	struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				      .gso_size = 1400,
				      .csum_offset = 16 };
	struct sample_frame whole = sample_make(&s, 0), f;
	struct udrv_mana_tx tx;
	size_t at, got = 0;
	uint32_t skip;

	s.seed = true;
	f = sample_make(&s, HEADROOM);
	at = f.payload;
	hdr.gso_type = s.version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	hdr.csum_start = (uint16_t)f.l4;
	ck_assert_int_eq(tap_vnet_tx(&hdr, f.data, f.len, MAX_FRAME, &tx, &skip), 0);
	ck_assert_uint_eq(tx.hdr_len, f.payload - skip);
	ck_assert_uint_eq(tx.mss, 1400);
	acceptable(&tx, f.len - skip);
	ck_assert_int_eq(transmit(&tx, f.data + skip, f.len - skip), 0);
	ck_assert_uint_eq(wire.n, (s.payload + 1399) / 1400);
	for (unsigned int i = 0; i < wire.n; i++) {
		ck_assert_ptr_null(sample_wrong(wire.frame[i], wire.len[i]));
		ck_assert_mem_eq(wire.frame[i] + at, whole.data + at + got, wire.len[i] - at);
		got += wire.len[i] - at;
	}
	ck_assert_uint_eq(got, s.payload);
	free(f.memory);
	free(whole.memory);
}
END_TEST

/* One that fits one segment is no large send. */
START_TEST(a_small_large_send_is_a_checksum)
{
	struct sample s = { 4, 6, .payload = 1400, .seed = true };
	struct sample_frame f = sample_make(&s, 0);
	struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				      .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				      .gso_size = 1400,
				      .csum_start = 34,
				      .csum_offset = 16 };
	struct udrv_mana_tx tx;
	uint32_t skip;

	ck_assert_int_eq(tap_vnet_tx(&hdr, f.data, f.len, MAX_FRAME, &tx, &skip), 0);
	ck_assert_uint_eq(tx.flags, UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_TCP_CSUM);
	ck_assert_int_eq(transmit(&tx, f.data, f.len), 0);
	free(f.memory);
}
END_TEST

/* ---- Malformed ------------------------------------------------------------------------------- */

#define C  VIRTIO_NET_HDR_F_NEEDS_CSUM
#define T4 VIRTIO_NET_HDR_GSO_TCPV4
#define T6 VIRTIO_NET_HDR_GSO_TCPV6

/*
 * With a TCP segment in IPv4 of 1000 bytes of payload, headers end at 54. @at, @byte: what is
 * changed in it.
 */
static const struct malformed {
	struct virtio_net_hdr hdr;
	uint32_t len; /* of the frame; 0: all */
	uint32_t at;
	uint8_t byte;
	int err;
} malformed[] = {
	/* clang-format off */
	{ { 0 }, .len = 13, .err = -EINVAL },
	{ { .flags = C, .csum_start = 2000, .csum_offset = 16 }, .err = -EINVAL },
	{ { .flags = C, .csum_start = 65535, .csum_offset = 65535 }, .err = -EINVAL },
	/* its second byte is outside */
	{ { .flags = C, .csum_start = 34, .csum_offset = 1019 }, .err = -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 65535 }, .err = -EINVAL },
	/* would write into addresses */
	{ { .flags = C, .csum_start = 0, .csum_offset = 16 }, .err = -EINVAL },
	/* no size */
	{ { .flags = C, .csum_start = 34, .csum_offset = 16, .gso_type = T4 }, .err = -EINVAL },
	{ { .csum_start = 34, .csum_offset = 16, .gso_type = T4, .gso_size = 500 },
	  .err = -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 16, .gso_type = T6, .gso_size = 500 },
	  .err = -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 6, .gso_type = T4, .gso_size = 500 },
	  .err = -EINVAL },
	{ { .flags = C, .csum_start = 35, .csum_offset = 16, .gso_type = T4, .gso_size = 500 },
	  .err = -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 16,
	    .gso_type = T4 | VIRTIO_NET_HDR_GSO_ECN, .gso_size = 500 }, .err = -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 6, .gso_type = VIRTIO_NET_HDR_GSO_UDP,
	    .gso_size = 500 }, .err = -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 6, .gso_type = 5, .gso_size = 500 },
	  .err = -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 16, .gso_type = T4, .gso_size = 1461 },
	  .err = -EMSGSIZE },
	{ { .flags = C, .csum_start = 34, .csum_offset = 16, .gso_type = T4, .gso_size = 65535 },
	  .err = -EMSGSIZE },
	{ { .flags = C, .csum_start = 34, .csum_offset = 16, .gso_type = T4, .gso_size = 500 },
	  .len = 54, .err = -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 16, .gso_type = T4, .gso_size = 500 },
	  .len = 53, .err = -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 16, .gso_type = T4, .gso_size = 500 },
	  .len = 20, .err = -EINVAL },
	/*
	 * Data offset of 4 words, of 15 words that are not there; another protocol; a fragment;
	 * version 5; IHL 4; SYN
	 */
	{ { .flags = C, .csum_start = 34, .csum_offset = 16, .gso_type = T4, .gso_size = 500 },
	  0, 46, 0x40, -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 16, .gso_type = T4, .gso_size = 10 },
	  80, 46, 0xf0, -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 16, .gso_type = T4, .gso_size = 500 },
	  0, 23, 17, -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 16, .gso_type = T4, .gso_size = 500 },
	  0, 20, 0x20, -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 16, .gso_type = T4, .gso_size = 500 },
	  0, 14, 0x55, -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 16, .gso_type = T4, .gso_size = 500 },
	  0, 14, 0x44, -EINVAL },
	{ { .flags = C, .csum_start = 34, .csum_offset = 16, .gso_type = T4, .gso_size = 500 },
	  0, 47, 0x12, -EINVAL },
	/* A tag in front of what is not long enough behind it */
	{ { .flags = C, .csum_start = 3, .csum_offset = 16 }, 0, 12, 0x81, -EINVAL },
	/* clang-format on */
};

START_TEST(nonsense_is_refused)
{
	const struct malformed *m = &malformed[_i];
	struct sample s = { 4, 6, .payload = 1000, .seed = true };
	struct sample_frame f = sample_make(&s, 0);
	uint32_t len = m->len ? m->len : f.len, skip;
	uint8_t *exact = malloc(len);
	struct udrv_mana_tx tx;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, f.data, len);
	if (m->at)
		exact[m->at] = m->byte;
	ck_assert_int_eq(tap_vnet_tx(&m->hdr, exact, len, MAX_FRAME, &tx, &skip), m->err);
	free(exact);
	free(f.memory);
}
END_TEST

START_TEST(what_the_mtu_forbids_is_refused)
{
	struct virtio_net_hdr hdr = { 0 };
	static uint8_t frame[1519];
	struct udrv_mana_tx tx;
	uint32_t skip;

	ck_assert_int_eq(tap_vnet_tx(&hdr, frame, 1514, MAX_FRAME, &tx, &skip), 0);
	ck_assert_int_eq(tap_vnet_tx(&hdr, frame, 1515, MAX_FRAME, &tx, &skip), -EMSGSIZE);
	frame[12] = 0x81;
	ck_assert_int_eq(tap_vnet_tx(&hdr, frame, 1518, MAX_FRAME, &tx, &skip), 0);
	frame[12] = 0x81;
	frame[13] = 0;
	ck_assert_int_eq(tap_vnet_tx(&hdr, frame, 1519, MAX_FRAME, &tx, &skip), -EMSGSIZE);
}
END_TEST

/* Whatever is accepted is something that driver and device accept, too. */
START_TEST(whatever_is_accepted_makes_sense)
{
	unsigned int accepted = 0, offloaded = 0;

	srandom(1);
	for (unsigned int i = 0; i < 30000; i++) {
		struct sample s = { random() % 2 ? 4 : 6,
				    random() % 3 ? 6 : 17,
				    .vlan = random() % 4 ? 0 : 9,
				    .payload = (size_t)(random() % 3000),
				    .seed = true,
				    .ip_options = random() % 4 ? 0 : 8,
				    .tcp_options = random() % 2 ? 0 : 12 };
		struct sample_frame f = sample_make(&s, 0);
		uint32_t len = random() % 4 ? f.len : random() % f.len, skip, cut = random() % 100;
		struct virtio_net_hdr hdr = { .flags = random() % 8 ? C : (uint8_t)random(),
					      .gso_type = random() % 2	 ? 0 :
							  s.version == 4 ? T4 :
									   T6,
					      .gso_size = (uint16_t)(random() % 1600),
					      .csum_start = (uint16_t)f.l4,
					      .csum_offset = csum_offset(s.protocol) };
		uint8_t *exact = malloc(len + HEADROOM);
		struct udrv_mana_tx tx;

		ck_assert_ptr_nonnull(exact);
		memcpy(exact + HEADROOM, f.data, len);
		for (unsigned int k = random() % 3; k && len; k--)
			exact[HEADROOM + random() % (len < cut	   ? len :
						     cut + 1 < len ? cut + 1 :
								     len)] = (uint8_t)random();
		if (!(random() % 8))
			((uint8_t *)&hdr)[random() % sizeof(hdr)] = (uint8_t)random();
		if (!tap_vnet_tx(&hdr, exact + HEADROOM, len, MAX_FRAME, &tx, &skip)) {
			accepted++;
			offloaded += tx.flags != 0;
			acceptable(&tx, len - skip);
			ck_assert_int_eq(transmit(&tx, exact + HEADROOM + skip, len - skip), 0);
		}
		free(exact);
		free(f.memory);
	}
	ck_assert_uint_gt(accepted, 5000);
	ck_assert_uint_gt(offloaded, 3000);
}
END_TEST

/* ---- Receiving ------------------------------------------------------------------------------- */

START_TEST(only_what_was_verified_is_called_valid)
{
	struct virtio_net_hdr hdr;

	tap_vnet_rx(UDRV_MANA_RX_IP_OK | UDRV_MANA_RX_L4_OK | UDRV_MANA_RX_RESUMED, &hdr);
	ck_assert_uint_eq(hdr.flags, VIRTIO_NET_HDR_F_DATA_VALID);
	ck_assert_uint_eq(hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	tap_vnet_rx(UDRV_MANA_RX_IP_OK, &hdr);
	ck_assert_uint_eq(hdr.flags, 0);
	tap_vnet_rx(UDRV_MANA_RX_L4_OK | UDRV_MANA_RX_CSUM_BAD, &hdr);
	ck_assert_uint_eq(hdr.flags, 0);
}
END_TEST

#define N(a) (int)(sizeof(a) / sizeof((a)[0]))

int main(void)
{
	Suite *suite = suite_create("tap_vnet");
	TCase *tc = suite_case(suite, "tap_vnet", 60);

	tcase_add_loop_test(tc, partial_checksums_are_completed, 0, N(csums));
	tcase_add_test(tc, a_wrong_seed_is_put_right);
	tcase_add_test(tc, other_protocols_are_summed_up_here);
	tcase_add_test(tc, a_plain_frame_stays_as_it_is);
	tcase_add_loop_test(tc, large_sends_are_cut, 0, N(large));
	tcase_add_test(tc, a_small_large_send_is_a_checksum);
	tcase_add_loop_test(tc, nonsense_is_refused, 0, N(malformed));
	tcase_add_test(tc, what_the_mtu_forbids_is_refused);
	tcase_add_test(tc, whatever_is_accepted_makes_sense);
	tcase_add_test(tc, only_what_was_verified_is_called_valid);
	return suite_run(suite);
}
