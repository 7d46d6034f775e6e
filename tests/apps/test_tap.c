// SPDX-License-Identifier: BSD-2-Clause
/*
 * The interfaces of a NIC, on the driver and a model of the adapter, with a socket pair for each queue in place of
 * /dev/net/tun: both directions, back-pressure, resets, and a successor after each store.
 */
#include <check.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/unit/crash.h"
#include "tests/unit/mana_fixture.h"
#include "tests/unit/suite.h"
#include "udrv/host/host.h"
#include "udrv/host/mana.h"

/* With its source: what a process remembers is to be forgotten, as when it dies. */
#include "udrv/host/tap.c"

#define QUEUES	2u
#define DEPTH	64u
#define HDR	sizeof(struct virtio_net_hdr)

static struct mana_fixture fx;
static struct host h;
static int peer[UDRV_MANA_MAX_VPORTS][QUEUES];	/* the kernel's side of the interfaces */
static unsigned int made, busy;			/* how many, and how often a name is taken first */
static bool carrier;
static unsigned int given[2];			/* packets that the interface got */
static unsigned int echoed;			/* the verifying consumer's sends that are over */

/* ---- The kernel ----------------------------------------------------------------------------------------------- */

bool tap_if_possible(void)
{
	return true;
}

int tap_if_open(const char *name, const uint8_t mac[6], unsigned int mtu, unsigned int n, int *fds)
{
	if (busy) {
		busy--;
		return -EBUSY;
	}
	ck_assert_uint_eq(n, QUEUES);
	ck_assert_str_eq(name, made ? "mana1" : "mana0");
	ck_assert_mem_eq(mac, udrv_mana_vport(fx.mana, made)->mac, 6);
	ck_assert_uint_eq(mtu, fx.opts.mtu);
	for (unsigned int i = 0; i < n; i++) {
		int pair[2];

		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
		fds[i] = pair[0];
		peer[made][i] = pair[1];
	}
	made++;
	return 0;
}

int tap_if_carrier(int fd, bool on)
{
	ck_assert_int_ge(fd, 0);
	carrier = on;
	return 0;
}

/* A UDP datagram for the kernel to send, its checksum left to the interface. */
static int push(unsigned int queue, uint64_t id, size_t len)
{
	struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6 };
	uint8_t frame[2000];
	struct iovec iov[2] = { { &hdr, HDR }, { frame, mana_frame(frame, 0, queue, id, len) } };

	frame[40] = frame[41] = 0xee;
	return writev(peer[0][queue], iov, 2) == (ssize_t)(HDR + len) ? 0 : -errno;
}

/* The next packet that the interface got; -EAGAIN. */
static int pop(unsigned int vport, unsigned int queue, struct virtio_net_hdr *hdr, uint8_t *frame)
{
	struct iovec iov[2] = { { hdr, HDR }, { frame, 2000 } };
	ssize_t n = readv(peer[vport][queue], iov, 2);

	return n < 0 ? -errno : (int)(n - (ssize_t)HDR);
}

/* ---- The rest of the host, as udrv/host/mana.c and nic.c have it --------------------------------------------------- */

static bool serve(unsigned int vport, unsigned int i)
{
	struct udrv_mana_queue *q = udrv_mana_queue(fx.mana, vport, i);
	struct udrv_mana_sent done[8];
	struct udrv_mana_rx pkts[8];
	int sent = udrv_mana_sent(q, done, 8), received;

	for (int k = 0; k < sent; k++) {
		if (done[k].cookie & NIC_COOKIE_ECHO)
			echoed++;
		else
			tap_sent(&h, q, &done[k]);
	}
	if (sent > 0) {
		ck_assert_int_eq(udrv_mana_sent_release(q, (unsigned int)sent), 0);
		tap_go_on(&h, q);
	}
	received = udrv_mana_recv(q, pkts, 8);
	for (int k = 0; k < received; k++)
		given[tap_receive(&h, q, &pkts[k])]++;
	if (received > 0)
		udrv_mana_recv_release(q, (unsigned int)received);
	return sent > 0 || received > 0;
}

static bool serve_all(void)
{
	bool any = false;

	for (unsigned int i = 0; i < udrv_mana_info(fx.mana)->vports * QUEUES; i++)
		any |= serve(i / QUEUES, i % QUEUES);
	return any;
}

/* Until nothing happens any more. */
static void settle(void *unused)
{
	bool any;

	(void)unused;
	do {
		any = udrv_loop_run_once(h.loop, 0) > 0;
		any |= mana_model_run(fx.m, 1000) > 0;
		any |= serve_all();
	} while (any);
}

static struct tap_queue *queue(unsigned int i)
{
	return &the_tap.port[0].queue[i];
}

static void open_host(void)
{
	h = (struct host){ .mana = fx.mana, .dev = fx.fd.dev, .handle.name = "mana0", .start_ns = app_now_ns() };
	ck_assert_int_eq(udrv_loop_create(0, &h.loop), 0);
	made = 0;
	tap_configure(true);
}

static void begin(void *unused)
{
	(void)unused;
	tap_open(&h);
	tap_listen(&h);
	while (made < udrv_mana_info(fx.mana)->vports)
		ck_assert_int_ge(udrv_loop_run_once(h.loop, UINT64_MAX), 0);
}

static void set_up_ports(unsigned int vports, unsigned int mtu)
{
	struct mana_model_opts model = { .seed = 1, .vports = vports, .mtu = mtu };
	struct udrv_mana_opts opts = { .queues = QUEUES, .tx_depth = DEPTH, .rx_depth = 128, .mtu = mtu, .poll = true };

	busy = 0;
	given[0] = given[1] = 0;
	carrier = false;
	mana_fixture_init(&fx, &model, &opts, (uint64_t)vports * QUEUES * TAP_RING_SIZE, 0);
	fx.buf_size = 4096;	/* the rest is the interfaces' */
	mana_fixture_start(&fx);
	mana_fixture_key(&fx);
	mana_model_forbid_setup(fx.m, true);
	open_host();
}

static void set_up(void)
{
	set_up_ports(1, 1500);
	begin(NULL);
	ck_assert(carrier);
}

static void forget(void)
{
	for (unsigned int v = 0; v < UDRV_MANA_MAX_VPORTS; v++)
		for (unsigned int i = 0; i < UDRV_MANA_MAX_QUEUES; i++)
			close_queue(&the_tap.port[v].queue[i]);
	for (unsigned int i = 0; i < made * QUEUES; i++)
		close(peer[i / QUEUES][i % QUEUES]);
	made = 0;
	udrv_loop_destroy(h.loop);
	h.loop = NULL;
}

static void tear_down(void)
{
	forget();
	mana_fixture_end(&fx);
}

/* All memory is free, and the ring is as at the beginning. */
static void nothing_is_left(void)
{
	for (unsigned int i = 0; i < QUEUES; i++) {
		ck_assert_uint_eq(udrv_mana_sending(udrv_mana_queue(fx.mana, 0, i)), 0);
		ck_assert_uint_eq(tap_sending(&h, udrv_mana_queue(fx.mana, 0, i)), 0);
		ck_assert_uint_eq(queue(i)->ring.n, 0);
		ck_assert_uint_eq(queue(i)->npending, 0);
		ck_assert_uint_eq(queue(i)->inherited, 0);
		ck_assert_ptr_nonnull(queue(i)->src);
	}
}

/* ---- Both directions --------------------------------------------------------------------------------------------- */

START_TEST(frames_are_sent)
{
	uint8_t want[2000];

	set_up();
	for (unsigned int i = 0; i < 50; i++) {
		ck_assert_int_eq(push(0, i, 60 + 20 * i), 0);
		settle(NULL);
	}
	ck_assert_uint_eq(fx.wire[0].n, 50);
	for (unsigned int i = 0; i < 50; i++) {
		ck_assert_uint_eq(fx.wire[0].len[i], 60 + 20 * i);
		mana_frame(want, 0, 0, i, 60 + 20 * i);
		ck_assert_mem_eq(fx.wire[0].frame[i], want, 60 + 20 * i);
	}
	ck_assert_uint_eq(queue(0)->tx_packets, 50);
	ck_assert_uint_eq(queue(0)->tx_dropped + queue(0)->tx_errors, 0);
	nothing_is_left();
	tear_down();
}
END_TEST

START_TEST(packets_are_received)
{
	struct virtio_net_hdr hdr;
	uint8_t frame[2000];
	unsigned int n = 0;
	struct json_object *o;

	set_up();
	o = tap_json(0);
	ck_assert_ptr_null(json_get(o, "first_packet_ms"));
	json_object_put(o);
	for (unsigned int i = 0; i < 60; i++)
		mana_inject(&fx, 0, i, i, 60 + 20 * i);
	settle(NULL);
	for (unsigned int q = 0; q < QUEUES; q++) {
		int len;

		while ((len = pop(0, q, &hdr, frame)) > 0) {
			uint64_t id = mana_frame_id(frame, (size_t)len);

			ck_assert_uint_lt(id, 60);
			ck_assert_int_eq(len, 60 + 20 * id);
			ck_assert_uint_eq(hdr.flags, VIRTIO_NET_HDR_F_DATA_VALID);
			ck_assert_uint_eq(hdr.gso_type, 0);
			n++;
		}
		/* RSS spreads them, and each queue pair has a queue of its own. */
		ck_assert_uint_gt(queue(q)->rx_packets, 0);
	}
	ck_assert_uint_eq(n, 60);
	o = tap_json(0);
	ck_assert_str_eq(json_get_str(o, "name", ""), "mana0");
	ck_assert(json_get_flag(o, "carrier"));
	ck_assert_uint_eq(json_get_u64(o, "queues", 0), QUEUES);
	ck_assert_uint_eq(json_get_u64(o, "rx_packets", 0), 60);
	ck_assert_uint_eq(json_get_u64(o, "rx_dropped", 1), 0);
	ck_assert(json_object_get_double(json_get(o, "first_packet_ms")) > 0);
	ck_assert(json_object_get_double(json_get(o, "first_packet_ms")) < 120000);
	json_object_put(o);
	ck_assert_ptr_null(tap_json(1));
	tear_down();
}
END_TEST

START_TEST(tags_come_and_go)
{
	struct virtio_net_hdr hdr = { 0 };
	uint8_t frame[2000], tagged[104], arriving[104];
	struct iovec iov[2] = { { &hdr, HDR }, { tagged, 104 } };
	unsigned int found = 0;

	set_up();
	mana_frame(frame, 0, 0, 5, 100);
	memcpy(tagged, frame, 12);
	memcpy(tagged + 12, (uint8_t[]){ 0x81, 0, 0x00, 0x63 }, 4);
	memcpy(tagged + 16, frame + 12, 88);
	ck_assert_int_eq(writev(peer[0][0], iov, 2), HDR + 104);
	memcpy(arriving, tagged, 104);
	ck_assert_int_eq(mana_model_receive(fx.m, 0, arriving, 104), 0);
	settle(NULL);
	ck_assert_uint_eq(fx.wire[0].n, 1);
	ck_assert_uint_eq(fx.wire[0].len[0], 104);
	ck_assert_mem_eq(fx.wire[0].frame[0], tagged, 104);
	for (unsigned int q = 0; q < QUEUES; q++) {
		if (pop(0, q, &hdr, frame) != 104)
			continue;
		ck_assert_mem_eq(frame, tagged, 104);
		found++;
	}
	ck_assert_uint_eq(found, 1);
	tear_down();
}
END_TEST

START_TEST(each_vport_has_its_own)
{
	struct virtio_net_hdr hdr;
	uint8_t frame[2000];
	unsigned int n = 0;

	set_up_ports(2, 1500);
	begin(NULL);
	ck_assert_uint_eq(made, 2);
	ck_assert_str_eq(the_tap.port[1].name, "mana1");
	mana_inject(&fx, 1, 0, 99, 100);
	settle(NULL);
	for (unsigned int q = 0; q < QUEUES; q++) {
		ck_assert_int_eq(pop(0, q, &hdr, frame), -EAGAIN);
		n += pop(1, q, &hdr, frame) == 100;
	}
	ck_assert_uint_eq(n, 1);
	tear_down();
}
END_TEST

/* ---- Too much ----------------------------------------------------------------------------------------------------- */

START_TEST(a_full_device_leaves_frames_with_the_kernel)
{
	unsigned int pushed = 0, sent;

	set_up();
	while (!push(0, pushed, 100))
		pushed++;
	ck_assert_uint_gt(pushed, DEPTH);
	for (unsigned int i = 0; i < 20; i++)
		udrv_loop_run_once(h.loop, 0);
	sent = udrv_mana_sending(udrv_mana_queue(fx.mana, 0, 0));
	/* The verifying consumer finds room for its echoes. */
	ck_assert_uint_gt(sent, 0);
	ck_assert_uint_le(sent, DEPTH - MANA_BATCH);
	ck_assert_ptr_null(queue(0)->src);
	/* Nothing goes on until something completes: no busy wait. */
	ck_assert_int_eq(udrv_loop_run_once(h.loop, 0), 0);
	settle(NULL);
	ck_assert_uint_eq(fx.wire[0].n + fx.wire[0].lost, pushed);
	for (unsigned int i = 0; i < fx.wire[0].n; i++)
		ck_assert_uint_eq(mana_frame_id(fx.wire[0].frame[i], fx.wire[0].len[i]), i);
	ck_assert_uint_eq(queue(0)->tx_packets, pushed);
	nothing_is_left();
	tear_down();
}
END_TEST

START_TEST(a_full_interface_drops)
{
	struct virtio_net_hdr hdr;
	uint8_t frame[2000];
	uint64_t got, dropped;
	unsigned int n = 0;

	set_up();
	for (unsigned int i = 0; i < 2000; i++) {
		mana_inject(&fx, 0, 0, i, 1000);
		settle(NULL);
	}
	got = queue(0)->rx_packets + queue(1)->rx_packets;
	dropped = queue(0)->rx_dropped + queue(1)->rx_dropped;
	ck_assert_uint_eq(got + dropped, 2000);
	ck_assert_uint_gt(dropped, 0);
	for (unsigned int q = 0; q < QUEUES; q++)
		while (pop(0, q, &hdr, frame) > 0)
			n++;
	ck_assert_uint_eq(n, got);
	mana_inject(&fx, 0, 0, 1, 1000);
	settle(NULL);
	ck_assert_uint_eq(queue(0)->rx_packets + queue(1)->rx_packets, got + 1);
	tear_down();
}
END_TEST

/* Each takes up to 64 KiB of 1 MiB: the ring goes around, and they are more than fit at once. */
START_TEST(large_sends_go_around_the_ring)
{
	struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				      .gso_size = 8900, .csum_start = 34, .csum_offset = 16 };
	unsigned int segments = 0, sends = 0, most = 0;
	uint8_t *frame = calloc(1, TAP_ROOM);
	uint64_t bytes = 0, wired = 0;

	ck_assert_ptr_nonnull(frame);
	set_up_ports(1, 9000);
	begin(NULL);
	mana_frame(frame, 0, 0, 0, 60);
	frame[23] = 6;
	frame[46] = 0x50;
	frame[47] = 0x10;
	for (unsigned int i = 0; i < 200; i++) {
		uint32_t len = 20000 + i * 7919 % 45000;
		struct iovec iov[2] = { { &hdr, HDR }, { frame, len } };

		if (writev(peer[0][0], iov, 2) > 0) {
			segments += (len - 54 + 8899) / 8900;
			bytes += len - 54;
			sends++;
		}
		udrv_loop_run_once(h.loop, 0);
		most = most > queue(0)->ring.n ? most : queue(0)->ring.n;
		if (i % 50 == 49) {
			settle(NULL);
		} else if (i % 3 == 2) {
			mana_model_run(fx.m, 2);
			serve(0, 0);
		}
	}
	settle(NULL);
	ck_assert_uint_ge(most, 15);
	ck_assert_uint_gt(sends, 50);
	ck_assert_uint_eq(queue(0)->tx_packets, sends);
	ck_assert_uint_eq(fx.wire[0].n + fx.wire[0].lost, segments);
	for (unsigned int i = 0; i < fx.wire[0].n; i++)
		wired += fx.wire[0].len[i] - 54;
	if (!fx.wire[0].lost)
		ck_assert_uint_eq(wired, bytes);
	nothing_is_left();
	free(frame);
	tear_down();
}
END_TEST

START_TEST(frames_of_no_use_are_dropped)
{
	struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 5000 };
	uint8_t *frame = calloc(1, TAP_ROOM + 1);
	struct iovec iov[2] = { { &hdr, HDR }, { frame, 100 } };
	struct fake_log was;

	ck_assert_ptr_nonnull(frame);
	set_up();
	was = fx.log;
	ck_assert_int_eq(writev(peer[0][0], iov, 2), HDR + 100);
	hdr.flags = 0;
	iov[1].iov_len = 1515;
	ck_assert_int_eq(writev(peer[0][0], iov, 2), HDR + 1515);
	iov[1].iov_len = TAP_ROOM + 1;
	ck_assert_int_eq(writev(peer[0][0], iov, 2), HDR + TAP_ROOM + 1);
	ck_assert_int_eq(write(peer[0][0], &hdr, 3), 3);
	ck_assert_int_eq(push(0, 1, 100), 0);
	settle(NULL);
	ck_assert_uint_eq(queue(0)->tx_dropped, 4);
	ck_assert_uint_eq(queue(0)->tx_packets, 1);
	ck_assert_uint_eq(fx.wire[0].n, 1);
	/* The driver has nothing to complain about: anybody could fill the log. */
	ck_assert_str_eq(fx.log.last, was.last);
	nothing_is_left();
	free(frame);
	tear_down();
}
END_TEST

/* ---- What happens to adapters and interfaces ----------------------------------------------------------------------- */

START_TEST(a_reset_loses_frames_and_goes_on)
{
	unsigned int pushed;

	set_up();
	mana_model_forbid_setup(fx.m, false);
	for (pushed = 0; pushed < 100; pushed++)
		ck_assert_int_eq(push(0, pushed, 100), 0);
	udrv_loop_run_once(h.loop, 0);
	ck_assert_uint_gt(tap_sending(&h, udrv_mana_queue(fx.mana, 0, 0)), 0);
	ck_assert_int_eq(udrv_mana_reset(fx.mana), 0);
	tap_tick(&h);
	settle(NULL);
	ck_assert_uint_gt(queue(0)->tx_errors, 0);
	ck_assert_uint_eq(queue(0)->tx_errors + queue(0)->tx_packets, 100);
	nothing_is_left();
	ck_assert_int_eq(push(0, 1000, 100), 0);
	settle(NULL);
	ck_assert_uint_eq(mana_frame_id(fx.wire[0].frame[fx.wire[0].n - 1], 100), 1000);
	tear_down();
}
END_TEST

START_TEST(the_carrier_follows_the_link)
{
	set_up();
	ck_assert_int_eq(mana_model_fault(fx.m, "link-down"), 0);
	settle(NULL);
	udrv_mana_tick(fx.mana, 1);
	ck_assert(!carrier);
	ck_assert_int_eq(mana_model_fault(fx.m, "link-up"), 0);
	settle(NULL);
	udrv_mana_tick(fx.mana, 2);
	ck_assert(carrier);
	tear_down();
}
END_TEST

START_TEST(a_name_is_waited_for)
{
	set_up_ports(1, 1500);
	busy = 2;
	begin(NULL);
	ck_assert_uint_eq(busy, 0);
	ck_assert_int_eq(push(0, 1, 100), 0);
	settle(NULL);
	ck_assert_uint_eq(fx.wire[0].n, 1);
	tear_down();
}
END_TEST

START_TEST(a_deleted_interface_is_let_go)
{
	set_up();
	close(peer[0][0]);
	peer[0][0] = -1;
	settle(NULL);
	ck_assert(!the_tap.port[0].made);
	ck_assert_ptr_null(tap_json(0));
	ck_assert_int_eq(udrv_loop_run_once(h.loop, 0), 0);
	mana_inject(&fx, 0, 0, 1, 100);
	settle(NULL);
	ck_assert_uint_eq(given[false], 1);
	ck_assert_uint_eq(given[true], 0);
	tear_down();
}
END_TEST

START_TEST(a_host_that_stops_reads_nothing)
{
	set_up();
	h.stopping = true;
	ck_assert_int_eq(push(0, 1, 100), 0);
	settle(NULL);
	tap_tick(&h);
	settle(NULL);
	ck_assert_uint_eq(fx.wire[0].n, 0);
	tear_down();
}
END_TEST

/* A pool that was made without room for interfaces. */
START_TEST(without_memory_there_is_no_interface)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .queues = 16, .tx_depth = DEPTH, .rx_depth = 128, .poll = true };

	mana_fixture_init(&fx, &model, &opts, 0, 0);
	mana_fixture_start(&fx);
	open_host();
	tap_open(&h);
	tap_listen(&h);
	ck_assert_int_eq(udrv_loop_run_once(h.loop, 0), 1);
	tap_tick(&h);
	ck_assert_int_eq(udrv_loop_run_once(h.loop, 0), 0);
	ck_assert_uint_eq(made, 0);
	tear_down();
}
END_TEST

/* ---- The ring ------------------------------------------------------------------------------------------------------ */

/* Frames of any length come and go in order; a successor may take over at any time. None ever lies on another. */
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
				uint32_t start = (c & 0xffff) * TAP_UNIT, size = (c >> 16) * TAP_UNIT;

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

/* Cookies are out of a state memfd: whatever they say, nothing is outside, and in the end nothing is left. */
START_TEST(senseless_cookies_are_survived)
{
	static const uint64_t odd[] = { 0, UINT64_MAX >> 1, 1ull << 32 | 1 << 16, 0xffffffff, 0xffff, 4097ull << 16, 2 << 16 | 4095 };
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

/* ---- Death --------------------------------------------------------------------------------------------------------- */

/* The verifying consumer uses the same queues. */
static void echo(unsigned int i)
{
	struct udrv_mana_seg seg = { .off = fx.buf, .len = 100 };
	struct udrv_mana_tx pkt = { .seg = &seg, .nseg = 1, .cookie = NIC_COOKIE_ECHO | i };

	udrv_mana_send(udrv_mana_queue(fx.mana, 0, i % QUEUES), &pkt, 1);
}

/* A life: interfaces are made, frames go both ways, never many of them complete. */
static void work(void *unused)
{
	(void)unused;
	begin(NULL);
	for (unsigned int i = 0; i < 24; i++) {
		push(i % QUEUES, 100 + i, 100 + i);
		push(i % QUEUES, 200 + i, 1400);
		mana_inject(&fx, 0, i, i, 100);
		if (i % 5 == 1)
			echo(i);
		if (i % 4 != 3)
			continue;
		udrv_loop_run_once(h.loop, 0);
		mana_model_run(fx.m, 9);
		serve_all();
	}
}

static void live_again(void)
{
	forget();
	mana_fixture_crash(&fx);
	ck_assert_int_eq(mana_fixture_resume(&fx), 0);
	open_host();
	begin(NULL);
}

/* Everything that a predecessor left is over; then the interfaces work as if nothing had been. */
static void all_is_well(unsigned int at)
{
	unsigned int before;

	settle(NULL);
	nothing_is_left();
	before = fx.wire[0].n;
	for (unsigned int i = 0; i < 40; i++)
		ck_assert_int_eq(push(i % QUEUES, i, 1400), 0);
	settle(NULL);
	ck_assert_msg(fx.wire[0].n == before + 40, "step %u: %u frames", at, fx.wire[0].n - before);
	for (unsigned int i = before; i < fx.wire[0].n; i++)
		ck_assert_uint_lt(mana_frame_id(fx.wire[0].frame[i], fx.wire[0].len[i]), 40);
}

START_TEST(a_successor_frees_all_after_each_step)
{
	unsigned int at = 0, inherited = 0;
	uint64_t used = 0;
	bool more;

	do {
		set_up_ports(1, 1500);
		more = crash_after(++at, work, NULL);
		live_again();
		inherited += queue(0)->inherited > 0;
		settle(NULL);
		nothing_is_left();
		/* Memory is allocated once. */
		if (!used)
			used = udrv_dma_used(fx.fd.dma);
		ck_assert_uint_eq(udrv_dma_used(fx.fd.dma), used);
		all_is_well(at);
		tear_down();
	} while (more);
	ck_assert_uint_gt(at, 100);
	ck_assert_uint_gt(inherited, 20);
	ck_assert_uint_gt(echoed, 20);
}
END_TEST

START_TEST(many_deaths_in_a_row)
{
	set_up_ports(1, 1500);
	for (unsigned int life = 0; life < 40; life++) {
		crash_after(20 + life * 7, work, NULL);
		forget();
		mana_fixture_crash(&fx);
		ck_assert_int_eq(mana_fixture_resume(&fx), 0);
		open_host();
	}
	begin(NULL);
	settle(NULL);
	nothing_is_left();
	tear_down();
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
	tcase_add_test(tc, a_reset_loses_frames_and_goes_on);
	tcase_add_test(tc, the_carrier_follows_the_link);
	tcase_add_test(tc, a_name_is_waited_for);
	tcase_add_test(tc, a_deleted_interface_is_let_go);
	tcase_add_test(tc, a_host_that_stops_reads_nothing);
	tcase_add_test(tc, without_memory_there_is_no_interface);
	tcase_add_test(tc, no_two_frames_share_memory);
	tcase_add_test(tc, senseless_cookies_are_survived);
	tcase_add_test(tc, a_successor_frees_all_after_each_step);
	tcase_add_test(tc, many_deaths_in_a_row);
	return suite_run(suite);
}
