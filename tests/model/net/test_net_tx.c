// SPDX-License-Identifier: BSD-2-Clause
/*
 * Offloads: what leaves is compared with frames whose checksums and tags were made by other code.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/net/lso.h"
#include "tests/model/net/sample.h"
#include "tests/model/net/tx.h"
#include "tests/unit/suite.h"

/* A backend that keeps what it is sent. */
struct recorder {
	struct net_backend backend;
	int err; /* what send() returns */
	unsigned int frames;
	struct {
		uint8_t data[2048];
		size_t len;
	} frame[256];
};

static struct recorder rec;

static int rec_send(struct net_backend *b, const uint8_t *frame, size_t len)
{
	struct recorder *r = (struct recorder *)b;

	if (r->err)
		return r->err;
	/* More are only counted. */
	if (r->frames < 256) {
		r->frame[r->frames].len = len;
		memcpy(r->frame[r->frames].data, frame, len < 2048 ? len : 2048);
	}
	r->frames++;
	return 0;
}

static const struct net_backend_ops rec_ops = { .name = "recorder", .send = rec_send };

static void set_up(void)
{
	rec = (struct recorder){ .backend = { .ops = &rec_ops, .fd = -1 } };
}

#define V4  NET_TX_IPV4
#define V6  NET_TX_IPV6
#define IP  NET_TX_CSUM_IP
#define TCP NET_TX_CSUM_TCP
#define UDP NET_TX_CSUM_UDP

// clang-format off
static const struct inserted {
	struct sample sample;
	unsigned int flags;
	uint16_t vlan;
} inserted[] = {
	{ { .version = 4, .protocol = 6, .payload = 100 }, V4 | IP | TCP, 0 },
	{ { .version = 4, .protocol = 6, .payload = 1, .tcp_options = 12, .ip_options = 8 },
	  V4 | IP | TCP, 0x7fff },
	{ { .version = 4, .protocol = 17, .payload = 1472 }, V4 | IP | UDP, 0 },
	{ { .version = 4, .protocol = 17, .payload = 3, .padding = 7 }, V4 | IP | UDP, 1 },
	{ { .version = 6, .protocol = 6, .payload = 1001, .tcp_options = 12 }, V6 | TCP, 0 },
	{ { .version = 6, .protocol = 6, .payload = 0, .ip_options = 16 }, V6 | TCP, 0x0005 },
	{ { .version = 6, .protocol = 17, .payload = 8 }, V6 | UDP, 0xefff },
};
// clang-format on

START_TEST(checksums_and_tags)
{
	const struct inserted *c = &inserted[_i];
	struct sample s = c->sample;
	struct sample_frame want, have;
	struct net_tx_result result;
	struct net_tx tx;

	s.seed = true;
	have = sample_make(&s, NET_HEADROOM);
	s.seed = false;
	s.vlan = c->vlan;
	want = sample_make(&s, 0);
	for (int with_offset = 0; with_offset < 2; with_offset++) {
		uint8_t *copy = malloc(NET_HEADROOM + have.len);

		memcpy(copy, have.memory, NET_HEADROOM + have.len);
		tx = (struct net_tx){
			.frame = copy + NET_HEADROOM,
			.len = have.len,
			.vlan_tci = c->vlan,
			.flags = c->flags | (c->vlan ? NET_TX_VLAN : 0),
			.l4 = with_offset ? (uint16_t)have.l4 : 0,
		};
		rec.frames = 0;
		ck_assert_int_eq(net_tx(&rec.backend, &tx, &result), 0);
		ck_assert_ptr_null(result.error);
		ck_assert_uint_eq(result.frames, 1);
		ck_assert_uint_eq(result.bytes, want.len);
		ck_assert_uint_eq(rec.frames, 1);
		ck_assert_uint_eq(rec.frame[0].len, want.len);
		ck_assert_mem_eq(rec.frame[0].data, want.data, want.len);
		free(copy);
	}
	free(have.memory);
	free(want.memory);
}
END_TEST

START_TEST(untouched_without_flags)
{
	struct sample_frame made =
		sample_make(&(struct sample){ .version = 4, .protocol = 6, .seed = true }, 4);
	struct net_tx tx = { .frame = made.data, .len = made.len };
	struct sample_frame same =
		sample_make(&(struct sample){ .version = 4, .protocol = 6, .seed = true }, 4);
	struct net_tx_result result;

	ck_assert_int_eq(net_tx(&rec.backend, &tx, &result), 0);
	ck_assert_uint_eq(rec.frame[0].len, same.len);
	ck_assert_mem_eq(rec.frame[0].data, same.data, same.len);
	free(made.memory);
	free(same.memory);
}
END_TEST

// clang-format off
static const struct large {
	int version;
	size_t payload, tcp_options;
	uint16_t mss, vlan;
	uint8_t tcp_flags;
	uint16_t id;
} large[] = {
	{ 4, 65000, 12, 1448, 0, 0x18, 0 },
	{ 4, 2896, 0, 1448, 0, 0x19, 0xffff },		/* two full ones, the id wraps */
	{ 4, 1449, 0, 1448, 5, 0x98, 9 },		/* CWR; one byte in the last, and a tag */
	{ 4, 10, 0, 1448, 0, 0x19, 1 },			/* less than one */
	{ 4, 0, 0, 1448, 0, 0x10, 1 },			/* nothing */
	{ 4, 300, 40, 8, 0, 0x10, 1 },			/* segments smaller than their headers */
	{ 6, 60001, 12, 1428, 0, 0x19, 0 },
	{ 6, 4000, 12, 1428, 0x2064, 0x18, 0 },
};
// clang-format on

static void check_segment(const struct large *c, unsigned int n, size_t total,
			  const uint8_t *payload)
{
	size_t l3 = c->vlan ? 18 : 14, l4 = l3 + (c->version == 4 ? 20 : 40),
	       at = l4 + 20 + c->tcp_options;
	size_t done = (size_t)n * c->mss,
	       size = c->payload - done < c->mss ? c->payload - done : c->mss;
	const uint8_t *data = rec.frame[n].data;
	uint8_t flags = c->tcp_flags;

	if (n)
		flags &= 0x7f;
	if (n + 1 < total)
		flags &= (uint8_t)~0x09;
	ck_assert_uint_eq(rec.frame[n].len, at + size);
	ck_assert_ptr_null(sample_wrong(data, at + size));
	ck_assert_uint_eq(net_get32(data + l4 + 4), (uint32_t)(0xfffffc00 + done));
	ck_assert_uint_eq(data[l4 + 13], flags);
	ck_assert_mem_eq(data + at, payload + done, size);
	if (c->version == 4)
		ck_assert_uint_eq(net_get16(data + l3 + 4), (uint16_t)(c->id + n));
	if (c->vlan) {
		ck_assert_uint_eq(net_get16(data + 12), 0x8100);
		ck_assert_uint_eq(net_get16(data + 14), c->vlan);
	}
}

START_TEST(segments)
{
	const struct large *c = &large[_i];
	struct sample s = {
		.version = c->version,
		.protocol = 6,
		.tcp_options = c->tcp_options,
		.payload = c->payload,
		.tcp_flags = c->tcp_flags,
		.id = c->id,
		.seq = 0xfffffc00,
		.seed = true,
		.large = true,
	};
	struct sample_frame made = sample_make(&s, NET_HEADROOM);
	unsigned int total = c->payload ? (unsigned int)((c->payload + c->mss - 1) / c->mss) : 1;
	uint8_t *payload = malloc(c->payload + 1);
	struct net_tx_result result;
	struct net_tx tx = {
		.frame = made.data,
		.len = made.len,
		.mss = c->mss,
		.headers = (uint16_t)made.payload,
		.flags = (c->version == 4 ? V4 : V6) | IP | TCP | NET_TX_LSO |
			 (c->vlan ? NET_TX_VLAN : 0),
		.l4 = (uint16_t)made.l4,
		.vlan_tci = c->vlan,
	};

	memcpy(payload, made.data + made.payload, c->payload);
	ck_assert_int_eq(net_tx(&rec.backend, &tx, &result), 0);
	ck_assert_ptr_null(result.error);
	ck_assert_uint_eq(rec.frames, total);
	ck_assert_uint_eq(result.frames, total);
	for (unsigned int n = 0; n < total; n++)
		check_segment(c, n, total, payload);
	free(payload);
	free(made.memory);
}
END_TEST

// clang-format off
static const struct refused {
	const char *why;
	struct sample sample;
	unsigned int flags;
	uint16_t l4, mss, headers;
} refused[] = {
	{ "IP version", { .version = 6, .protocol = 6, .seed = true }, V4 | TCP, 0, 0, 0 },
	{ "IP version", { .version = 4, .protocol = 6, .seed = true }, V6 | TCP, 0, 0, 0 },
	{ "both a TCP and a UDP", { .version = 4, .protocol = 6, .seed = true },
	  V4 | TCP | UDP, 0, 0, 0 },
	{ "transport protocol", { .version = 4, .protocol = 17, .seed = true }, V4 | TCP, 0, 0, 0 },
	{ "transport protocol", { .version = 4, .protocol = 1, .seed = true }, V4 | UDP, 0, 0, 0 },
	{ "transport offset", { .version = 4, .protocol = 6, .seed = true }, V4 | TCP, 38, 0, 0 },
	{ "not IPv4", { .version = 6, .protocol = 6, .seed = true }, V6 | IP | TCP, 0, 0, 0 },
	{ "pseudo header", { .version = 4, .protocol = 6, .payload = 5 }, V4 | TCP, 0, 0, 0 },
	{ "pseudo header", { .version = 4, .protocol = 6, .payload = 5, .seed = true },
	  V4 | IP | TCP | NET_TX_LSO, 0, 1448, 0 },
	{ "without checksum offload", { .version = 4, .protocol = 6, .seed = true, .large = true },
	  V4 | TCP | NET_TX_LSO, 0, 1448, 0 },
	{ "without checksum offload", { .version = 6, .protocol = 6, .seed = true, .large = true },
	  V6 | NET_TX_LSO, 0, 1448, 0 },
	{ "headers alone", { .version = 4, .protocol = 6, .seed = true, .large = true },
	  V4 | IP | TCP | NET_TX_LSO, 0, 1448, 55 },
	{ "segment size 0", { .version = 4, .protocol = 6, .seed = true, .large = true },
	  V4 | IP | TCP | NET_TX_LSO, 0, 0, 54 },
	{ "longer than a frame", { .version = 4, .protocol = 6, .seed = true, .large = true },
	  V4 | IP | TCP | NET_TX_LSO, 0, 65535, 54 },
	{ "SYN, RST or URG", { .version = 4, .protocol = 6, .seed = true, .large = true,
				.tcp_flags = 0x12 },
	  V4 | IP | TCP | NET_TX_LSO, 0, 1448, 54 },
	{ "256 bytes of headers", { .version = 6, .protocol = 6, .seed = true, .large = true,
				    .ip_options = 200 },
	  V6 | TCP | NET_TX_LSO, 0, 1448, 0 },
};
// clang-format on

START_TEST(refusals)
{
	const struct refused *r = &refused[_i];
	struct sample_frame made = sample_make(&r->sample, NET_HEADROOM);
	struct net_tx tx = {
		.frame = made.data,
		.len = made.len,
		.flags = r->flags,
		.l4 = r->l4,
		.mss = r->mss,
		.headers = r->headers,
	};
	struct net_tx_result result;

	ck_assert_int_eq(net_tx(&rec.backend, &tx, &result), -EINVAL);
	ck_assert_ptr_nonnull(result.error);
	ck_assert_msg(strstr(result.error, r->why), "%s", result.error);
	ck_assert_uint_eq(rec.frames, 0);
	free(made.memory);
}
END_TEST

START_TEST(sizes)
{
	uint8_t *frame = calloc(1, NET_HEADROOM + NET_FRAME_MAX + 1);
	struct net_tx tx = { .frame = frame + NET_HEADROOM };
	struct net_tx_result result;

	tx.len = NET_ETH_HLEN - 1;
	ck_assert_int_eq(net_tx(&rec.backend, &tx, &result), -EINVAL);
	tx.len = NET_FRAME_MAX + 1;
	ck_assert_int_eq(net_tx(&rec.backend, &tx, &result), -EINVAL);
	tx.len = NET_FRAME_MAX;
	ck_assert_int_eq(net_tx(&rec.backend, &tx, &result), 0);
	tx.flags = NET_TX_VLAN;
	ck_assert_int_eq(net_tx(&rec.backend, &tx, &result), -EINVAL);
	free(frame);
}
END_TEST

START_TEST(losses_and_breakage)
{
	struct sample s = {
		.version = 4, .protocol = 6, .payload = 3000, .seed = true, .large = true
	};
	struct sample_frame made = sample_make(&s, NET_HEADROOM);
	struct net_tx tx = {
		.frame = made.data,
		.len = made.len,
		.flags = V4 | IP | TCP | NET_TX_LSO,
		.mss = 1000,
	};
	struct net_tx_result result;

	rec.err = _i ? -EIO : -ENOBUFS;
	ck_assert_int_eq(net_tx(&rec.backend, &tx, &result), _i ? -EIO : 0);
	ck_assert_ptr_null(result.error);
	ck_assert_uint_eq(result.frames, 0);
	ck_assert_uint_eq(result.lost, _i ? 0 : 3);
	free(made.memory);
}
END_TEST

/* Whatever the flags and headers: nothing is touched outside of the buffer, and each frame fits. */
START_TEST(anything)
{
	srandom(2025);
	for (int n = 0; n < 60000; n++) {
		struct sample s = {
			.version = random() % 2 ? 4 : 6,
			.protocol = random() % 4 ? 6 : 17,
			.payload = (size_t)random() % 300,
			.ip_options = (size_t)random() % 3 * 8,
			.tcp_options = (size_t)random() % 3 * 4,
			.vlan = random() % 4 ? 0 : 7,
			.seed = true,
			.large = random() % 2,
		};
		struct sample_frame made = sample_make(&s, NET_HEADROOM);
		struct net_tx tx = {
			.frame = made.data,
			.len = made.len,
			.flags = (unsigned int)random() % 0x80,
			.l4 = random() % 2 ? (uint16_t)made.l4 : 0,
			.mss = (uint16_t)(random() % 200),
		};
		struct net_tx_result result;

		for (int damage = (int)(random() % 3); damage > 0; damage--)
			made.data[(size_t)random() % made.payload] ^= (uint8_t)(1 << random() % 8);
		rec.frames = 0;
		if (net_tx(&rec.backend, &tx, &result) == 0)
			ck_assert_uint_ge(result.frames, 1);
		free(made.memory);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net-tx");
	TCase *tc = suite_case(suite, "tx", 60);

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_loop_test(tc, checksums_and_tags, 0, sizeof(inserted) / sizeof(inserted[0]));
	tcase_add_test(tc, untouched_without_flags);
	tcase_add_loop_test(tc, segments, 0, sizeof(large) / sizeof(large[0]));
	tcase_add_loop_test(tc, refusals, 0, sizeof(refused) / sizeof(refused[0]));
	tcase_add_test(tc, sizes);
	tcase_add_loop_test(tc, losses_and_breakage, 0, 2);
	tcase_add_test(tc, anything);
	return suite_run(suite);
}
