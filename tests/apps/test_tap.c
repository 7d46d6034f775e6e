// SPDX-License-Identifier: BSD-2-Clause
/*
 * What goes through the interfaces of a NIC, in both directions, and what
 * happens when it is too much.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <udrv/loop.h>

#include "tests/unit/suite.h"
#include "udrv/common/json.h"
#include "udrv/host/mana.h"
#include "tap_fixture.h"

#define HDR sizeof(struct virtio_net_hdr)

/* ---- Both directions ------------------------------------------------------------------------- */

START_TEST(frames_are_sent)
{
	uint8_t want[2000];

	tap_fixture_start();
	for (unsigned int i = 0; i < 50; i++) {
		ck_assert_int_eq(tap_fixture_push(0, i, 60 + 20 * i), 0);
		tap_fixture_settle(NULL);
	}
	ck_assert_uint_eq(fx.adapter.wire[0].n, 50);
	for (unsigned int i = 0; i < 50; i++) {
		ck_assert_uint_eq(fx.adapter.wire[0].len[i], 60 + 20 * i);
		mana_frame(want, 0, 0, i, 60 + 20 * i);
		ck_assert_mem_eq(fx.adapter.wire[0].frame[i], want, 60 + 20 * i);
	}
	ck_assert_uint_eq(tap_fixture_queue(0)->tx_packets, 50);
	ck_assert_uint_eq(tap_fixture_queue(0)->tx_dropped + tap_fixture_queue(0)->tx_errors, 0);
	tap_fixture_check_idle();
	tap_fixture_end();
}
END_TEST

START_TEST(packets_are_received)
{
	struct virtio_net_hdr hdr;
	uint8_t frame[TAP_FIXTURE_FRAME];
	unsigned int n = 0;
	struct json_object *o;

	tap_fixture_start();
	o = tap_json(0);
	ck_assert_ptr_null(json_get(o, "first_packet_ms"));
	json_object_put(o);
	for (unsigned int i = 0; i < 60; i++)
		mana_inject(&fx.adapter, 0, i, i, 60 + 20 * i);
	tap_fixture_settle(NULL);
	for (unsigned int q = 0; q < TAP_FIXTURE_QUEUES; q++) {
		int len;

		while ((len = tap_fixture_pop(0, q, &hdr, frame)) > 0) {
			uint64_t id = mana_frame_id(frame, (size_t)len);

			ck_assert_uint_lt(id, 60);
			ck_assert_int_eq(len, 60 + 20 * id);
			ck_assert_uint_eq(hdr.flags, VIRTIO_NET_HDR_F_DATA_VALID);
			ck_assert_uint_eq(hdr.gso_type, 0);
			n++;
		}
		/* RSS spreads them, and each queue pair has a queue of its own. */
		ck_assert_uint_gt(tap_fixture_queue(q)->rx_packets, 0);
	}
	ck_assert_uint_eq(n, 60);
	o = tap_json(0);
	ck_assert_str_eq(json_get_str(o, "name", ""), "mana0");
	ck_assert(json_get_flag(o, "carrier"));
	ck_assert_uint_eq(json_get_u64(o, "queues", 0), TAP_FIXTURE_QUEUES);
	ck_assert_uint_eq(json_get_u64(o, "rx_packets", 0), 60);
	ck_assert_uint_eq(json_get_u64(o, "rx_dropped", 1), 0);
	ck_assert(json_object_get_double(json_get(o, "first_packet_ms")) > 0);
	ck_assert(json_object_get_double(json_get(o, "first_packet_ms")) < 120000);
	json_object_put(o);
	ck_assert_ptr_null(tap_json(1));
	tap_fixture_end();
}
END_TEST

START_TEST(tags_come_and_go)
{
	struct virtio_net_hdr hdr = { 0 };
	uint8_t frame[TAP_FIXTURE_FRAME], tagged[104], arriving[104];
	struct iovec iov[2] = { { &hdr, HDR }, { tagged, 104 } };
	unsigned int found = 0;

	tap_fixture_start();
	mana_frame(frame, 0, 0, 5, 100);
	memcpy(tagged, frame, 12);
	memcpy(tagged + 12, (uint8_t[]){ 0x81, 0, 0x00, 0x63 }, 4);
	memcpy(tagged + 16, frame + 12, 88);
	ck_assert_int_eq(writev(fx.peer[0][0], iov, 2), HDR + 104);
	memcpy(arriving, tagged, 104);
	ck_assert_int_eq(mana_model_receive(fx.adapter.m, 0, arriving, 104), 0);
	tap_fixture_settle(NULL);
	ck_assert_uint_eq(fx.adapter.wire[0].n, 1);
	ck_assert_uint_eq(fx.adapter.wire[0].len[0], 104);
	ck_assert_mem_eq(fx.adapter.wire[0].frame[0], tagged, 104);
	for (unsigned int q = 0; q < TAP_FIXTURE_QUEUES; q++) {
		if (tap_fixture_pop(0, q, &hdr, frame) != 104)
			continue;
		ck_assert_mem_eq(frame, tagged, 104);
		found++;
	}
	ck_assert_uint_eq(found, 1);
	tap_fixture_end();
}
END_TEST

START_TEST(each_vport_has_its_own)
{
	struct virtio_net_hdr hdr;
	uint8_t frame[TAP_FIXTURE_FRAME];
	unsigned int n = 0;
	struct json_object *o;

	tap_fixture_init(2, 1500);
	tap_fixture_begin(NULL);
	ck_assert_uint_eq(fx.made, 2);
	o = tap_json(1);
	ck_assert_str_eq(json_get_str(o, "name", ""), "mana1");
	json_object_put(o);
	mana_inject(&fx.adapter, 1, 0, 99, 100);
	tap_fixture_settle(NULL);
	for (unsigned int q = 0; q < TAP_FIXTURE_QUEUES; q++) {
		ck_assert_int_eq(tap_fixture_pop(0, q, &hdr, frame), -EAGAIN);
		n += tap_fixture_pop(1, q, &hdr, frame) == 100;
	}
	ck_assert_uint_eq(n, 1);
	tap_fixture_end();
}
END_TEST

/* ---- Too much -------------------------------------------------------------------------------- */

START_TEST(a_full_device_leaves_frames_with_the_kernel)
{
	unsigned int pushed = 0, sent;

	tap_fixture_start();
	while (!tap_fixture_push(0, pushed, 100))
		pushed++;
	ck_assert_uint_gt(pushed, TAP_FIXTURE_DEPTH);
	for (unsigned int i = 0; i < 20; i++)
		udrv_loop_run_once(fx.host.loop, 0);
	sent = udrv_mana_sending(udrv_mana_queue(fx.adapter.mana, 0, 0));
	/* The verifying consumer finds room for its echoes. */
	ck_assert_uint_gt(sent, 0);
	ck_assert_uint_le(sent, TAP_FIXTURE_DEPTH - MANA_BATCH);
	ck_assert_ptr_null(tap_fixture_queue(0)->src);
	/* Nothing goes on until something completes: no busy wait. */
	ck_assert_int_eq(udrv_loop_run_once(fx.host.loop, 0), 0);
	tap_fixture_settle(NULL);
	ck_assert_uint_eq(fx.adapter.wire[0].n + fx.adapter.wire[0].lost, pushed);
	for (unsigned int i = 0; i < fx.adapter.wire[0].n; i++)
		ck_assert_uint_eq(mana_frame_id(fx.adapter.wire[0].frame[i],
						fx.adapter.wire[0].len[i]),
				  i);
	ck_assert_uint_eq(tap_fixture_queue(0)->tx_packets, pushed);
	tap_fixture_check_idle();
	tap_fixture_end();
}
END_TEST

START_TEST(a_full_interface_drops)
{
	struct virtio_net_hdr hdr;
	uint8_t frame[TAP_FIXTURE_FRAME];
	uint64_t got, dropped;
	unsigned int n = 0;

	tap_fixture_start();
	for (unsigned int i = 0; i < 2000; i++) {
		mana_inject(&fx.adapter, 0, 0, i, 1000);
		tap_fixture_settle(NULL);
	}
	got = tap_fixture_queue(0)->rx_packets + tap_fixture_queue(1)->rx_packets;
	dropped = tap_fixture_queue(0)->rx_dropped + tap_fixture_queue(1)->rx_dropped;
	ck_assert_uint_eq(got + dropped, 2000);
	ck_assert_uint_gt(dropped, 0);
	for (unsigned int q = 0; q < TAP_FIXTURE_QUEUES; q++)
		while (tap_fixture_pop(0, q, &hdr, frame) > 0)
			n++;
	ck_assert_uint_eq(n, got);
	mana_inject(&fx.adapter, 0, 0, 1, 1000);
	tap_fixture_settle(NULL);
	ck_assert_uint_eq(tap_fixture_queue(0)->rx_packets + tap_fixture_queue(1)->rx_packets,
			  got + 1);
	tap_fixture_end();
}
END_TEST

/* Each takes up to 64 KiB of 1 MiB: the ring goes around, and they are more than fit at once. */
START_TEST(large_sends_go_around_the_ring)
{
	struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				      .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				      .gso_size = 8900,
				      .csum_start = 34,
				      .csum_offset = 16 };
	unsigned int segments = 0, sends = 0, most = 0;
	uint8_t *frame = calloc(1, TAP_ROOM);
	uint64_t bytes = 0, wired = 0;

	ck_assert_ptr_nonnull(frame);
	tap_fixture_init(1, 9000);
	tap_fixture_begin(NULL);
	mana_frame(frame, 0, 0, 0, 60);
	frame[23] = 6;
	frame[46] = 0x50;
	frame[47] = 0x10;
	for (unsigned int i = 0; i < 200; i++) {
		uint32_t len = 20000 + i * 7919 % 45000;
		struct iovec iov[2] = { { &hdr, HDR }, { frame, len } };

		if (writev(fx.peer[0][0], iov, 2) > 0) {
			segments += (len - 54 + 8899) / 8900;
			bytes += len - 54;
			sends++;
		}
		udrv_loop_run_once(fx.host.loop, 0);
		most = most > tap_fixture_queue(0)->ring.n ? most : tap_fixture_queue(0)->ring.n;
		if (i % 50 == 49) {
			tap_fixture_settle(NULL);
		} else if (i % 3 == 2) {
			mana_model_run(fx.adapter.m, 2);
			tap_fixture_serve(0, 0);
		}
	}
	tap_fixture_settle(NULL);
	ck_assert_uint_ge(most, 15);
	ck_assert_uint_gt(sends, 50);
	ck_assert_uint_eq(tap_fixture_queue(0)->tx_packets, sends);
	ck_assert_uint_eq(fx.adapter.wire[0].n + fx.adapter.wire[0].lost, segments);
	for (unsigned int i = 0; i < fx.adapter.wire[0].n; i++)
		wired += fx.adapter.wire[0].len[i] - 54;
	if (!fx.adapter.wire[0].lost)
		ck_assert_uint_eq(wired, bytes);
	tap_fixture_check_idle();
	free(frame);
	tap_fixture_end();
}
END_TEST

START_TEST(frames_of_no_use_are_dropped)
{
	struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 5000 };
	uint8_t *frame = calloc(1, TAP_ROOM + 1);
	struct iovec iov[2] = { { &hdr, HDR }, { frame, 100 } };
	struct fake_log was;

	ck_assert_ptr_nonnull(frame);
	tap_fixture_start();
	was = fx.adapter.log;
	ck_assert_int_eq(writev(fx.peer[0][0], iov, 2), HDR + 100);
	hdr.flags = 0;
	iov[1].iov_len = 1515;
	ck_assert_int_eq(writev(fx.peer[0][0], iov, 2), HDR + 1515);
	iov[1].iov_len = TAP_ROOM + 1;
	ck_assert_int_eq(writev(fx.peer[0][0], iov, 2), HDR + TAP_ROOM + 1);
	ck_assert_int_eq(write(fx.peer[0][0], &hdr, 3), 3);
	ck_assert_int_eq(tap_fixture_push(0, 1, 100), 0);
	tap_fixture_settle(NULL);
	ck_assert_uint_eq(tap_fixture_queue(0)->tx_dropped, 4);
	ck_assert_uint_eq(tap_fixture_queue(0)->tx_packets, 1);
	ck_assert_uint_eq(fx.adapter.wire[0].n, 1);
	/* The driver has nothing to complain about: anybody could fill the log. */
	ck_assert_str_eq(fx.adapter.log.last, was.last);
	tap_fixture_check_idle();
	free(frame);
	tap_fixture_end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tap");
	TCase *tc = suite_case(suite, "tap", 120);

	tcase_add_test(tc, frames_are_sent);
	tcase_add_test(tc, packets_are_received);
	tcase_add_test(tc, tags_come_and_go);
	tcase_add_test(tc, each_vport_has_its_own);
	tcase_add_test(tc, a_full_device_leaves_frames_with_the_kernel);
	tcase_add_test(tc, a_full_interface_drops);
	tcase_add_test(tc, large_sends_go_around_the_ring);
	tcase_add_test(tc, frames_of_no_use_are_dropped);
	return suite_run(suite);
}
