// SPDX-License-Identifier: BSD-2-Clause
/* The peers that need no privilege. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/net/backend.h"
#include "tests/model/net/frame.h"
#include "tests/model/net/sample.h"
#include "tests/unit/suite.h"

static struct net_backend *peer;
static uint8_t got[NET_FRAME_MAX];

static void set_up(void)
{
	ck_assert_int_eq(net_echo_open(&peer), 0);
}

static void tear_down(void)
{
	net_close(peer);
}

static bool readable(void)
{
	struct pollfd pollfd = { .fd = peer->fd, .events = POLLIN };

	ck_assert_int_ge(poll(&pollfd, 1, 0), 0);
	return pollfd.revents & POLLIN;
}

/* The length of the one answer, in got[]; -EAGAIN: none. */
static ssize_t ask(const uint8_t *frame, size_t len)
{
	ssize_t n;

	ck_assert_int_eq(net_send(peer, frame, len), 0);
	n = readable() ? net_receive(peer, got, sizeof(got)) : -EAGAIN;
	ck_assert(!readable());
	ck_assert_int_eq(net_receive(peer, got, 0), -EAGAIN);
	return n;
}

static const struct sample requests[] = {
	{ .version = 4, .protocol = 1, .payload = 57 },
	{ .version = 6, .protocol = 58, .payload = 56 },
	{ .version = 4, .protocol = 17, .payload = 1472 },
	{ .version = 4, .protocol = 17, .payload = 18, .vlan = 9, .ip_options = 8 },
	{ .version = 6, .protocol = 17, .payload = 333 },
};

START_TEST(reflects)
{
	const struct sample *s = &requests[_i];
	struct sample_frame made = sample_make(s, 0);
	size_t l3 = made.l3, l4 = made.l4, size = s->version == 4 ? 4 : 16,
	       at = s->version == 4 ? 12 : 8;

	ck_assert_int_eq(ask(made.data, made.len), (ssize_t)made.len);
	ck_assert_ptr_null(sample_wrong(got, made.len));
	ck_assert_mem_eq(got, made.data + 6, 6);
	ck_assert_mem_eq(got + 6, made.data, 6);
	ck_assert_mem_eq(got + l3 + at, made.data + l3 + at + size, size);
	ck_assert_mem_eq(got + l3 + at + size, made.data + l3 + at, size);
	ck_assert_mem_eq(got + made.payload, made.data + made.payload, made.len - made.payload);
	if (s->protocol == 17) {
		ck_assert_mem_eq(got + l4, made.data + l4 + 2, 2);
		ck_assert_mem_eq(got + l4 + 2, made.data + l4, 2);
	} else {
		ck_assert_uint_eq(got[l4], s->protocol == 1 ? 0 : 129);
	}
	free(made.memory);
}
END_TEST

/* A datagram to the repeater comes back many times, all alike; nothing else does. */
START_TEST(repeats)
{
	static const uint8_t repeater[6] = { 2, 0, 0, 0, 0, 0x40 };
	const struct sample *s = &requests[_i];
	struct sample_frame made = sample_make(s, 0);

	memcpy(made.data, repeater, 6);
	ck_assert_int_eq(net_send(peer, made.data, made.len), 0);
	for (int i = 0; i < (s->protocol == 17 ? NET_ECHO_REPEATS : 0); i++) {
		ck_assert(readable());
		ck_assert_int_eq(net_receive(peer, got, sizeof(got)), (ssize_t)made.len);
		ck_assert_ptr_null(sample_wrong(got, made.len));
		ck_assert_mem_eq(got + 6, repeater, 6);
		ck_assert_mem_eq(got + made.payload, made.data + made.payload,
				 made.len - made.payload);
	}
	ck_assert(!readable());
	free(made.memory);
}
END_TEST

START_TEST(not_for_it_or_wrong)
{
	const struct sample *s = &requests[_i];
	struct sample_frame made = sample_make(s, 0);

	made.data[made.len - 1] ^= 1;
	ck_assert_int_eq(ask(made.data, made.len), -EAGAIN);
	made.data[made.len - 1] ^= 1;
	made.data[5] ^= 1;
	ck_assert_int_eq(ask(made.data, made.len), -EAGAIN);
	made.data[5] ^= 1;
	ck_assert_int_eq(ask(made.data, made.len - 1), -EAGAIN);
	ck_assert_int_eq(ask(made.data, made.len), (ssize_t)made.len);
	free(made.memory);
}
END_TEST

START_TEST(arp)
{
	static const uint8_t request[42] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0, 0, 0, 1, 8, 6, 0, 1, 8, 0,  6, 4, 0,
		1,    2,    0,	  0,	0,    0,    1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 9,
	};
	static const uint8_t reply[42] = {
		2, 0, 0, 0, 0, 1, 2, 0,	 0, 0, 0, 2, 8, 6, 0, 1, 8, 0,	6, 4, 0,
		2, 2, 0, 0, 0, 0, 2, 10, 0, 0, 9, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1,
	};
	uint8_t frame[42];

	ck_assert_int_eq(ask(request, 42), 42);
	ck_assert_mem_eq(got, reply, 42);
	/* A probe, an announcement, a reply, one that is cut: no answer. */
	memcpy(frame, request, 42);
	memset(frame + 28, 0, 4);
	ck_assert_int_eq(ask(frame, 42), -EAGAIN);
	memcpy(frame + 28, request + 38, 4);
	ck_assert_int_eq(ask(frame, 42), -EAGAIN);
	ck_assert_int_eq(ask(reply, 42), -EAGAIN);
	ck_assert_int_eq(ask(request, 41), -EAGAIN);
}
END_TEST

START_TEST(neighbour_solicitation)
{
	struct sample_frame made =
		sample_make(&(struct sample){ .version = 6, .protocol = 58, .payload = 24 }, 0);
	uint8_t *ip = made.data + made.l3, *nd = made.data + made.l4;
	uint16_t csum;

	/*
	 * Multicast, from the address it was made with; ::7 is asked for; option 1, the asker's
	 * address.
	 */
	memcpy(made.data, "\x33\x33\xff\x00\x00\x07", 6);
	nd[0] = 135;
	memset(nd + 2, 0, 22);
	nd[23] = 7;
	memcpy(nd + 24, "\x01\x01\x02\0\0\0\0\x01", 8);
	csum = sample_checksum(nd, 32, ip + 8, 32, 58, 32);
	net_put16(nd + 2, csum);
	ck_assert_int_eq(ask(made.data, made.len), (ssize_t)made.len);
	ck_assert_ptr_null(sample_wrong(got, made.len));
	ck_assert_mem_eq(got, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
	ck_assert_mem_eq(got + made.l3 + 24, ip + 8, 16);
	ck_assert_mem_eq(got + made.l3 + 8, nd + 8, 16);
	ck_assert_uint_eq(got[made.l4], 136);
	ck_assert_uint_eq(got[made.l4 + 4], 0x60);
	ck_assert_mem_eq(got + made.l4 + 8, nd + 8, 16);
	ck_assert_mem_eq(got + made.l4 + 24, "\x02\x01\x02\0\0\0\0\x02", 8);

	/* Duplicate address detection comes from ::, and must find nobody. */
	memset(ip + 8, 0, 16);
	net_put16(nd + 2, 0);
	net_put16(nd + 2, sample_checksum(nd, 32, ip + 8, 32, 58, 32));
	ck_assert_int_eq(ask(made.data, made.len), -EAGAIN);
	free(made.memory);
}
END_TEST

START_TEST(queue_is_bounded)
{
	struct sample_frame made = sample_make(&requests[2], 0);
	unsigned int n = 0;

	for (int i = 0; i < 3000; i++)
		ck_assert_int_eq(net_send(peer, made.data, made.len), 0);
	while (readable()) {
		ck_assert_int_eq(net_receive(peer, got, sizeof(got)), (ssize_t)made.len);
		n++;
	}
	ck_assert_uint_eq(n, 1024);
	/* What still waits is freed with it. */
	ck_assert_int_eq(net_send(peer, made.data, made.len), 0);
	ck_assert_int_eq(net_receive(peer, got, 20), 20);
	ck_assert_int_eq(net_send(peer, made.data, made.len), 0);
	free(made.memory);
}
END_TEST

START_TEST(damaged_anywhere)
{
	struct sample_frame made = sample_make(&requests[_i], 0);

	for (size_t at = 0; at < made.payload; at++) {
		for (unsigned int v = 0; v < 256; v++) {
			uint8_t *copy = malloc(made.len);

			memcpy(copy, made.data, made.len);
			copy[at] = (uint8_t)v;
			ck_assert_int_eq(net_send(peer, copy, made.len), 0);
			net_receive(peer, got, sizeof(got));
			free(copy);
		}
	}
	free(made.memory);
}
END_TEST

START_TEST(sizes)
{
	ck_assert_int_eq(net_send(peer, got, 13), -EMSGSIZE);
	ck_assert_int_eq(net_send(peer, got, NET_FRAME_MAX + 1), -EMSGSIZE);
}
END_TEST

START_TEST(nobody)
{
	struct net_backend *none;

	ck_assert_int_eq(net_none_open(&none), 0);
	ck_assert_int_eq(none->fd, -1);
	ck_assert_int_eq(net_send(none, got, 60), 0);
	ck_assert_int_eq(net_receive(none, got, sizeof(got)), -EAGAIN);
	net_close(none);
	net_close(NULL);
}
END_TEST

START_TEST(no_such_tap)
{
	struct net_backend *tap;

	ck_assert_int_eq(net_tap_open("", &tap), -ENODEV);
	ck_assert_int_eq(net_tap_open("a-name-that-is-too-long", &tap), -ENODEV);
	/* Not a TAP. Without privilege it is refused earlier. */
	ck_assert_int_lt(net_tap_open("lo", &tap), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net-echo");
	TCase *tc = suite_case(suite, "echo", 30), *others = suite_case(suite, "others", 10);
	int n = sizeof(requests) / sizeof(requests[0]);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, reflects, 0, n);
	tcase_add_loop_test(tc, repeats, 0, n);
	tcase_add_loop_test(tc, not_for_it_or_wrong, 0, n);
	tcase_add_test(tc, arp);
	tcase_add_test(tc, neighbour_solicitation);
	tcase_add_test(tc, queue_is_bounded);
	tcase_add_loop_test(tc, damaged_anywhere, 0, n);
	tcase_add_test(tc, sizes);
	tcase_add_test(others, nobody);
	tcase_add_test(others, no_such_tap);
	return suite_run(suite);
}
