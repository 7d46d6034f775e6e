// SPDX-License-Identifier: BSD-2-Clause
/* The verifying UDP stream's frames, against what the sender (tests/vm/nic_frames.py) makes. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/net/csum.h"
#include "tests/model/net/sample.h"
#include "tests/unit/suite.h"
#include "udrv/host/nic_frame.h"

/* nic_frames.request(0x102, 7), and nic_frames.echo() of it in cycle 8 */
static const uint8_t request[] = {
	0x55, 0x44, 0x52, 0x56, 0x4e, 0x49, 0x43, 0x31, 0x02, 0x01, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x2d, 0x88, 0x5e, 0xeb, 0x00, 0x00, 0x00, 0x00, 0x25, 0x4e, 0x86, 0xcd,
	0x24, 0x8b, 0x01, 0x86, 0x1b, 0xc0, 0x74, 0x37, 0x0a, 0xed, 0xdf, 0xe0,
};
static const uint8_t echo[] = {
	0x55, 0x44, 0x52, 0x56, 0x4e, 0x49, 0x43, 0x31, 0x02, 0x01, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00,
	0x8c, 0xf7, 0xba, 0x4b, 0x00, 0x00, 0x00, 0x00, 0x25, 0x4e, 0x86, 0xcd,
	0x24, 0x8b, 0x01, 0x86, 0x1b, 0xc0, 0x74, 0x37, 0x0a, 0xed, 0xdf, 0xe0,
};

#define PAYLOAD 42

static struct sample_frame made;

static void set_up(void)
{
	struct sample s = {
		.version = 4, .protocol = 17, .payload = sizeof(request), .padding = 6
	};

	made = sample_make(&s, 0);
	net_put16(made.data + NIC_FRAME_L4 + 2, 7777);
	memcpy(made.data + PAYLOAD, request, sizeof(request));
}

static void tear_down(void)
{
	free(made.memory);
}

START_TEST(is_read)
{
	struct nic_request r;

	ck_assert_int_eq(nic_frame_check(made.data, made.len, &r), 0);
	ck_assert_uint_eq(r.seq, 0x102);
	ck_assert_uint_eq(r.cycle, 7);
	ck_assert_uint_eq(r.len, made.end);
}
END_TEST

START_TEST(is_echoed)
{
	uint8_t before[128];
	struct nic_request r;
	struct net_frame f;

	memcpy(before, made.data, made.len);
	ck_assert_int_eq(nic_frame_check(made.data, made.len, &r), 0);
	nic_frame_echo(made.data, &r, 8);
	ck_assert_mem_eq(made.data, before + 6, 6);
	ck_assert_mem_eq(made.data + 6, before, 6);
	ck_assert_mem_eq(made.data + 26, before + 30, 4);
	ck_assert_mem_eq(made.data + 30, before + 26, 4);
	ck_assert_mem_eq(made.data + 34, before + 36, 2);
	ck_assert_mem_eq(made.data + 36, before + 34, 2);
	ck_assert_mem_eq(made.data + PAYLOAD, echo, sizeof(echo));
	/* What a device does with it. */
	ck_assert_int_eq(net_parse(&f, made.data, r.len, false), 0);
	ck_assert_uint_eq(net_get16(made.data + 40),
			  net_csum_fold(net_csum_pseudo(&f, 17, 8 + sizeof(echo))));
	net_put16(made.data + 40, net_csum_l4(&f));
	ck_assert_ptr_null(sample_wrong(made.data, r.len));
}
END_TEST

START_TEST(is_not_taken_for_one)
{
	struct nic_request r;

	/* Ethertype, IP options, protocol, fragment, port. */
	static const struct {
		unsigned int at;
		uint8_t val;
	} other[] = {
		{ 13, 6 }, { 14, 0x46 }, { 23, 6 }, { 20, 0x20 }, { 37, 7 },
	};

	made.data[other[_i].at] = other[_i].val;
	ck_assert_int_eq(nic_frame_check(made.data, made.len, &r), -ENOMSG);
}
END_TEST

START_TEST(damage)
{
	struct nic_request r;

	/* Any bit of the payload, and of either length. */
	for (size_t at = 0; at < made.end; at++) {
		if (at < PAYLOAD && at != 16 && at != 17 && at != 38 && at != 39)
			continue;
		for (int bit = 0; bit < 8; bit++) {
			made.data[at] ^= (uint8_t)(1 << bit);
			ck_assert_int_eq(nic_frame_check(made.data, made.len, &r), -EBADMSG);
			made.data[at] ^= (uint8_t)(1 << bit);
		}
	}
	memcpy(made.data + PAYLOAD, echo, sizeof(echo));
	ck_assert_int_eq(nic_frame_check(made.data, made.len, &r), -EBADMSG);
}
END_TEST

START_TEST(cut)
{
	struct nic_request r;

	for (size_t len = 0; len < made.end; len++) {
		uint8_t *copy = malloc(len + !len);

		memcpy(copy, made.data, len);
		ck_assert_int_eq(nic_frame_check(copy, len, &r),
				 len < PAYLOAD ? -ENOMSG : -EBADMSG);
		free(copy);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nic-frame");
	TCase *tc = suite_case(suite, "frame", 10);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, is_read);
	tcase_add_test(tc, is_echoed);
	tcase_add_loop_test(tc, is_not_taken_for_one, 0, 5);
	tcase_add_test(tc, damage);
	tcase_add_test(tc, cut);
	return suite_run(suite);
}
