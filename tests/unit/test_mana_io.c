// SPDX-License-Identifier: BSD-2-Clause
/*
 * Traffic both ways: what leaves is what was sent, what arrives is what was
 * received, in order, once.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/net/sample.h"
#include "tests/unit/mana_fixture.h"
#include "tests/unit/suite.h"

static struct mana_fixture fx;

static void set_up(const struct mana_model_opts *model, const struct udrv_mana_opts *opts,
		   uint64_t buf, unsigned int nruns)
{
	mana_fixture_init(&fx, model, opts, buf, nruns);
	mana_fixture_start(&fx);
	mana_fixture_key(&fx);
}

/* Everything that was sent completes without an error; returns how many. */
static unsigned int reap(struct udrv_mana_queue *q)
{
	struct udrv_mana_sent done[16];
	unsigned int sum = 0;
	int n;

	mana_fixture_run(&fx);
	while ((n = udrv_mana_sent(q, done, 16)) > 0) {
		for (int i = 0; i < n; i++)
			ck_assert_uint_eq(done[i].status, 0);
		ck_assert_int_eq(udrv_mana_sent_release(q, (unsigned int)n), 0);
		sum += (unsigned int)n;
	}
	ck_assert_int_eq(n, 0);
	return sum;
}

START_TEST(sends_in_order_and_wraps)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .tx_depth = 64, .poll = true };
	struct udrv_mana_queue *q;
	struct udrv_mana_counters c;
	uint64_t id = 0, seen = 0;

	set_up(&model, &opts, 64 * 2048, 0);
	q = udrv_mana_queue(fx.mana, 0, 0);
	/* Many laps of a CQ of 128 entries, and of its owner bits. */
	for (int round = 0; round < 100; round++) {
		struct udrv_mana_tx pkt[64];
		struct udrv_mana_seg seg[64];

		for (unsigned int i = 0; i < 64; i++) {
			size_t len = 60 + (id + i) % 1455;

			seg[i] = (struct udrv_mana_seg){ .off = fx.buf + i * 2048, .len = len };
			mana_frame(udrv_dma_ptr(fx.fd.dma, seg[i].off), 0, 0, id + i, len);
			pkt[i] = (struct udrv_mana_tx){ .seg = &seg[i],
							.nseg = 1,
							.cookie = id + i };
		}
		/* One less than there are slots. */
		ck_assert_int_eq(udrv_mana_send(q, pkt, 64), 63);
		ck_assert_int_eq(udrv_mana_send(q, pkt, 1), 0);
		ck_assert_uint_eq(udrv_mana_sending(q), 63);
		ck_assert_uint_eq(reap(q), 63);
		id += 63;
		ck_assert_uint_eq(fx.wire[0].n, 63);
		for (unsigned int i = 0; i < 63; i++)
			ck_assert_uint_eq(mana_frame_id(fx.wire[0].frame[i], fx.wire[0].len[i]),
					  seen++);
		net_close(&fx.wire[0].backend);
	}
	udrv_mana_counters(q, &c);
	ck_assert_uint_eq(c.tx_packets, 6300);
	ck_assert_uint_eq(c.tx_completed, 6300);
	ck_assert_uint_eq(c.sq_doorbells, 100);
	/* Not one a completion, nor one a batch. */
	ck_assert_uint_lt(c.cq_doorbells, 250);
	mana_fixture_end(&fx);
}
END_TEST

START_TEST(receives_in_order_and_wraps)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .rx_depth = 128, .poll = true };
	struct udrv_mana_queue *q;
	struct udrv_mana_counters c;
	uint64_t id = 0, seen = 0, bytes = 0;

	set_up(&model, &opts, 0, 0);
	q = udrv_mana_queue(fx.mana, 0, 0);
	for (int round = 0; round < 300; round++) {
		unsigned int burst = 1 + (unsigned int)(round * 7) % 100;
		struct udrv_mana_rx pkt[128];
		int n;

		for (unsigned int i = 0; i < burst; i++, id++)
			mana_inject(&fx, 0, 0, id, 60 + id % 1455);
		n = udrv_mana_recv(q, pkt, 128);
		ck_assert_int_eq(n, (int)burst);
		for (int i = 0; i < n; i++, seen++) {
			ck_assert_uint_eq(pkt[i].len, 60 + seen % 1455);
			ck_assert_uint_eq(mana_frame_id(udrv_dma_ptr(fx.fd.dma, pkt[i].off),
							pkt[i].len),
					  seen);
			ck_assert_uint_eq(pkt[i].flags & (UDRV_MANA_RX_IP_OK | UDRV_MANA_RX_L4_OK),
					  UDRV_MANA_RX_IP_OK | UDRV_MANA_RX_L4_OK);
			bytes += pkt[i].len;
		}
		/* Shown once only, and not more may be released than was shown. */
		ck_assert_int_eq(udrv_mana_recv(q, pkt, 128), 0);
		ck_assert_int_eq(udrv_mana_recv_release(q, burst + 1), -EINVAL);
		ck_assert_int_eq(udrv_mana_recv_release(q, burst), 0);
		/* What waits for a batch is at most an eighth. */
		for (unsigned int i = 0; i < 64; i++)
			ck_assert_int_eq(udrv_mana_recv(q, pkt, 128), 0);
	}
	udrv_mana_counters(q, &c);
	ck_assert_uint_eq(c.rx_packets, seen);
	ck_assert_uint_eq(c.rx_bytes, bytes);
	ck_assert_uint_eq(mana_model_counts(fx.m)->rx_no_buffer, 0);
	mana_fixture_end(&fx);
}
END_TEST

/* Buffers that are kept come back in order, and the device has only the others meanwhile. */
START_TEST(buffers_may_be_kept)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .rx_depth = 128, .poll = true };
	struct udrv_mana_rx pkt[128];
	struct udrv_mana_queue *q;

	set_up(&model, &opts, 0, 0);
	q = udrv_mana_queue(fx.mana, 0, 0);
	for (uint64_t id = 0; id < 200; id++)
		mana_inject(&fx, 0, 0, id, 60);
	ck_assert_uint_eq(mana_model_counts(fx.m)->rx_no_buffer, 200 - 128);
	ck_assert_int_eq(udrv_mana_recv(q, pkt, 128), 128);
	ck_assert_int_eq(udrv_mana_recv_take(q, 100), 0);
	ck_assert_uint_eq(udrv_mana_recv_held(q), 100);
	ck_assert_int_eq(udrv_mana_recv_repost(q, 101), -EINVAL);
	ck_assert_int_eq(udrv_mana_recv_repost(q, 40), 0);
	ck_assert_int_eq(udrv_mana_recv_release(q, 28), 0); /* reposts the oldest: of the 100 */
	ck_assert_uint_eq(udrv_mana_recv_held(q), 60);
	for (uint64_t id = 1000; id < 1100; id++)
		mana_inject(&fx, 0, 0, id, 60);
	/* 68 buffers are back, the last four of them not told yet or told: never more than that. */
	ck_assert_uint_ge(mana_model_counts(fx.m)->rx, 128 + 64);
	ck_assert_uint_le(mana_model_counts(fx.m)->rx, 128 + 68);
	for (uint64_t i = 68; i < 128; i++)
		ck_assert_uint_eq(mana_frame_id(udrv_dma_ptr(fx.fd.dma, pkt[i].off), 60), i);
	mana_fixture_end(&fx);
}
END_TEST

/* Less than a batch, given back after it was idle for long, when the device has no other. */
START_TEST(buffers_given_back_late)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .rx_depth = 128, .poll = true };
	struct udrv_mana_rx pkt[128];
	struct udrv_mana_queue *q;

	set_up(&model, &opts, 0, 0);
	q = udrv_mana_queue(fx.mana, 0, 0);
	for (uint64_t id = 0; id < 128; id++)
		mana_inject(&fx, 0, 0, id, 60);
	ck_assert_int_eq(udrv_mana_recv(q, pkt, 128), 128);
	ck_assert_int_eq(udrv_mana_recv_take(q, 128), 0);
	for (unsigned int i = 0; i < 1000; i++)
		ck_assert_int_eq(udrv_mana_recv(q, pkt, 128), 0);
	ck_assert_int_eq(udrv_mana_recv_repost(q, 3), 0);
	for (unsigned int i = 0; i < 1000; i++)
		ck_assert_int_eq(udrv_mana_recv(q, pkt, 128), 0);
	for (uint64_t id = 1000; id < 1004; id++)
		mana_inject(&fx, 0, 0, id, 60);
	ck_assert_int_eq(udrv_mana_recv(q, pkt, 128), 3);
	mana_fixture_end(&fx);
}
END_TEST

/* Pieces anywhere, in a pool whose pages are apart: put together again by the device. */
START_TEST(gathers_pieces)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .tx_depth = 64, .poll = true };
	struct udrv_mana_queue *q;
	uint8_t frame[1514];

	set_up(&model, &opts, 64 * 4096, 64);
	q = udrv_mana_queue(fx.mana, 0, 0);
	for (unsigned int nseg = 1; nseg <= 30; nseg++) {
		struct udrv_mana_seg seg[30];
		struct udrv_mana_tx pkt = { .seg = seg, .nseg = nseg, .cookie = nseg };
		size_t at = 0, len = sizeof(frame);

		mana_frame(frame, 0, 0, nseg, len);
		for (unsigned int i = 0; i < nseg; i++) {
			size_t part = i == nseg - 1 ? len - at : (len - at) / (nseg - i);

			seg[i] = (struct udrv_mana_seg){
				.off = fx.buf + i * 8192 + 4000 * (nseg == 15), .len = part
			};
			memcpy(udrv_dma_ptr(fx.fd.dma, seg[i].off), frame + at, part);
			at += part;
		}
		ck_assert_int_eq(udrv_mana_send(q, &pkt, 1), 1);
		ck_assert_uint_eq(reap(q), 1);
		ck_assert_uint_eq(fx.wire[0].n, nseg);
		ck_assert_uint_eq(fx.wire[0].len[nseg - 1], sizeof(frame));
		ck_assert_mem_eq(fx.wire[0].frame[nseg - 1], frame, sizeof(frame));
	}
	mana_fixture_end(&fx);
}
END_TEST

START_TEST(refuses_bad_packets)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .tx_depth = 64, .poll = true };
	struct udrv_mana_seg seg[31];
	uint64_t end;
	struct udrv_mana_queue *q;

	set_up(&model, &opts, 64 * 4096, 0);
	q = udrv_mana_queue(fx.mana, 0, 0);
	end = fx.fd.size;
	for (unsigned int i = 0; i < 31; i++)
		seg[i] = (struct udrv_mana_seg){ .off = fx.buf + i * 8192, .len = 40 };
	const struct {
		struct udrv_mana_seg seg0;
		unsigned int nseg;
		struct udrv_mana_tx t;
		int err;
	} bad[] = {
		/* clang-format off */
		{ { fx.buf, 13 }, 1, { 0 }, -EMSGSIZE },
		{ { fx.buf, 1515 }, 1, { 0 }, -EMSGSIZE },
		{ { fx.buf, 0 }, 1, { 0 }, -EINVAL },
		{ { fx.buf, UINT32_MAX }, 1, { 0 }, -EINVAL },
		{ { fx.buf, 60 }, 0, { 0 }, -EINVAL },
		{ { fx.buf, 60 }, 31, { 0 }, -E2BIG },
		{ { end, 60 }, 1, { 0 }, -EINVAL },
		{ { end - 59, 60 }, 1, { 0 }, -EINVAL },
		{ { UINT64_MAX - 10, 60 }, 1, { 0 }, -EINVAL },
		{ { fx.buf, 60 }, 1, { .flags = 0x80 }, -EINVAL },
		{ { fx.buf, 60 }, 1, { .flags = UDRV_MANA_TX_TCP_CSUM, .l4_off = 34 }, -EINVAL },
		{ { fx.buf, 60 }, 1,
		  { .flags = UDRV_MANA_TX_IPV6 | UDRV_MANA_TX_IP_CSUM }, -EINVAL },
		{ { fx.buf, 60 }, 1,
		  { .flags = UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_TCP_CSUM, .l4_off = 1024 }, -EINVAL },
		{ { fx.buf, 60 }, 1,
		  { .flags = UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_LSO, .l4_off = 34, .hdr_len = 54,
		    .mss = 0 }, -EINVAL },
		{ { fx.buf, 54 }, 1,
		  { .flags = UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_LSO, .l4_off = 34, .hdr_len = 54,
		    .mss = 1000 }, -EINVAL },
		{ { fx.buf, 53 }, 2,
		  { .flags = UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_LSO, .l4_off = 34, .hdr_len = 54,
		    .mss = 1000 }, -EINVAL },
		{ { fx.buf, 2000 }, 1,
		  { .flags = UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_LSO, .l4_off = 34, .hdr_len = 54,
		    .mss = 1461 }, -EINVAL },
		/* clang-format on */
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct udrv_mana_tx pkt = bad[i].t;

		seg[0] = bad[i].seg0;
		pkt.seg = seg;
		pkt.nseg = bad[i].nseg;
		ck_assert_msg(udrv_mana_send(q, &pkt, 1) == bad[i].err, "case %u: %s", i,
			      fx.log.last);
	}
	ck_assert_uint_eq(udrv_mana_sending(q), 0);
	mana_fixture_end(&fx);
}
END_TEST

static uint16_t tci_of(const uint8_t *frame)
{
	return (uint16_t)(frame[14] << 8 | frame[15]);
}

START_TEST(inserts_and_removes_tags)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .poll = true };
	struct udrv_mana_seg seg;
	struct udrv_mana_tx pkt = {
		.seg = &seg, .nseg = 1, .flags = UDRV_MANA_TX_VLAN, .vlan_tci = 0xb123
	};
	struct udrv_mana_rx rx;
	struct udrv_mana_queue *q;
	uint8_t frame[64 + 4];

	set_up(&model, &opts, 4096, 0);
	q = udrv_mana_queue(fx.mana, 0, 0);
	seg = (struct udrv_mana_seg){ .off = fx.buf, .len = 64 };
	mana_frame(udrv_dma_ptr(fx.fd.dma, fx.buf), 0, 0, 5, 64);
	ck_assert_int_eq(udrv_mana_send(q, &pkt, 1), 1);
	ck_assert_uint_eq(reap(q), 1);
	ck_assert_uint_eq(fx.wire[0].len[0], 68);
	ck_assert_uint_eq(fx.wire[0].frame[0][12] << 8 | fx.wire[0].frame[0][13], 0x8100);
	ck_assert_uint_eq(tci_of(fx.wire[0].frame[0]), 0xb123);

	mana_frame(frame, 0, 0, 6, 64);
	memmove(frame + 16, frame + 12, 52);
	memcpy(frame + 12, (uint8_t[]){ 0x81, 0, 0x60, 0x77 }, 4);
	ck_assert_int_eq(mana_model_receive(fx.m, 0, frame, 68), 0);
	ck_assert_int_eq(udrv_mana_recv(q, &rx, 1), 1);
	ck_assert_uint_eq(rx.len, 64);
	ck_assert_uint_eq(rx.flags & UDRV_MANA_RX_VLAN, UDRV_MANA_RX_VLAN);
	ck_assert_uint_eq(rx.vlan_tci, 0x077);
	ck_assert_uint_eq(mana_frame_id(udrv_dma_ptr(fx.fd.dma, rx.off), rx.len), 6);
	mana_fixture_end(&fx);
}
END_TEST

/*
 * The device finishes checksums that only hold the pseudo header's sum, and cuts large TCP packets.
 */
static const struct {
	struct sample s;
	uint32_t flags;
} offloads[] = {
	{ { .version = 4, .protocol = 17, .payload = 300, .seed = true },
	  UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_IP_CSUM | UDRV_MANA_TX_UDP_CSUM },
	{ { .version = 6, .protocol = 17, .payload = 301, .seed = true },
	  UDRV_MANA_TX_IPV6 | UDRV_MANA_TX_UDP_CSUM },
	{ { .version = 4, .protocol = 6, .payload = 1000, .tcp_options = 12, .seed = true },
	  UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_IP_CSUM | UDRV_MANA_TX_TCP_CSUM },
	{ { .version = 6, .protocol = 6, .payload = 999, .seed = true },
	  UDRV_MANA_TX_IPV6 | UDRV_MANA_TX_TCP_CSUM },
	{ { .version = 4,
	    .protocol = 6,
	    .payload = 20000,
	    .tcp_options = 12,
	    .seed = true,
	    .large = true },
	  UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_LSO },
	{ { .version = 6, .protocol = 6, .payload = 20001, .seed = true, .large = true },
	  UDRV_MANA_TX_IPV6 | UDRV_MANA_TX_LSO },
};

START_TEST(offloads_are_done)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .poll = true };
	struct udrv_mana_queue *q;
	struct udrv_mana_tx pkt = { .flags = offloads[_i].flags, .nseg = 1, .mss = 1400 };
	struct sample_frame f = sample_make(&offloads[_i].s, 0);
	struct udrv_mana_seg seg;
	size_t payload = 0;

	set_up(&model, &opts, 1 << 16, 16);
	q = udrv_mana_queue(fx.mana, 0, 0);
	seg = (struct udrv_mana_seg){ .off = fx.buf, .len = f.len };
	memcpy(udrv_dma_ptr(fx.fd.dma, fx.buf), f.data, f.len);
	pkt.seg = &seg;
	pkt.l4_off = f.l4;
	pkt.hdr_len = f.payload;
	ck_assert_int_eq(udrv_mana_send(q, &pkt, 1), 1);
	ck_assert_uint_eq(reap(q), 1);
	ck_assert_uint_eq(fx.wire[0].n,
			  offloads[_i].s.large ? (offloads[_i].s.payload + 1399) / 1400 : 1);
	for (unsigned int i = 0; i < fx.wire[0].n; i++) {
		const char *wrong = sample_wrong(fx.wire[0].frame[i], fx.wire[0].len[i]);

		ck_assert_msg(!wrong, "frame %u: %s", i, wrong);
		payload += fx.wire[0].len[i] - f.payload;
	}
	ck_assert_uint_eq(payload, offloads[_i].s.payload);
	free(f.memory);
	mana_fixture_end(&fx);
}
END_TEST

START_TEST(tells_what_the_device_found)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .poll = true };
	struct udrv_mana_counters c;
	struct udrv_mana_queue *q;
	struct udrv_mana_rx rx;
	uint8_t frame[100];

	set_up(&model, &opts, 0, 0);
	q = udrv_mana_queue(fx.mana, 0, 0);
	mana_frame(frame, 0, 0, 5, sizeof(frame));
	frame[99] ^= 1;
	ck_assert_int_eq(mana_model_receive(fx.m, 0, frame, sizeof(frame)), 0);
	ck_assert_int_eq(udrv_mana_recv(q, &rx, 1), 1);
	ck_assert_uint_eq(rx.flags & (UDRV_MANA_RX_CSUM_BAD | UDRV_MANA_RX_L4_OK),
			  UDRV_MANA_RX_CSUM_BAD);
	udrv_mana_counters(q, &c);
	ck_assert_uint_eq(c.rx_csum_bad, 1);
	mana_fixture_end(&fx);
}
END_TEST

static unsigned int spread(unsigned int queues, unsigned int per_queue[])
{
	struct udrv_mana_rx rx[64];
	unsigned int used = 0;

	for (unsigned int flow = 0; flow < 256; flow++)
		mana_inject(&fx, 0, flow, flow, 80);
	for (unsigned int i = 0; i < queues; i++) {
		struct udrv_mana_queue *q = udrv_mana_queue(fx.mana, 0, i);
		int n;

		per_queue[i] = 0;
		while ((n = udrv_mana_recv(q, rx, 64)) > 0) {
			for (int p = 0; p < n; p++) {
				ck_assert_uint_eq(rx[p].flags & UDRV_MANA_RX_HASH,
						  UDRV_MANA_RX_HASH);
				ck_assert_uint_eq(rx[p].hash_type, MANA_HASH_UDP_IPV4);
			}
			per_queue[i] += (unsigned int)n;
			ck_assert_int_eq(udrv_mana_recv_release(q, (unsigned int)n), 0);
		}
		used += per_queue[i] > 0;
	}
	return used;
}

START_TEST(spreads_over_queues)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .queues = 4, .poll = true };
	unsigned int per_queue[4], again[4];
	struct udrv_mana_rss rss;

	set_up(&model, &opts, 0, 0);
	ck_assert_uint_eq(spread(4, per_queue), 4);
	ck_assert_int_eq(udrv_mana_get_rss(fx.mana, 0, &rss), 0);
	ck_assert_uint_eq(rss.entries, udrv_mana_vport(fx.mana, 0)->indir_entries);

	/* Other table: only two queues, and the same hash: those of 0 and 2 together. */
	for (unsigned int i = 0; i < rss.entries; i++)
		rss.table[i] = 1 + 2 * (rss.table[i] & 1);
	ck_assert_int_eq(udrv_mana_set_rss(fx.mana, 0, &rss), 0);
	ck_assert_uint_eq(spread(4, again), 2);
	ck_assert_uint_eq(again[1], per_queue[0] + per_queue[2]);
	ck_assert_uint_eq(again[3], per_queue[1] + per_queue[3]);

	rss.table[3] = 4;
	ck_assert_int_eq(udrv_mana_set_rss(fx.mana, 0, &rss), -EINVAL);
	rss.table[3] = 0;
	rss.entries--;
	ck_assert_int_eq(udrv_mana_set_rss(fx.mana, 0, &rss), -EINVAL);
	ck_assert_int_eq(udrv_mana_set_rss(fx.mana, 1, &rss), -EINVAL);
	mana_fixture_end(&fx);
}
END_TEST

START_TEST(vports_are_apart)
{
	struct mana_model_opts model = { .seed = 1, .vports = 2 };
	struct udrv_mana_opts opts = { .queues = 2, .poll = true };
	struct udrv_mana_rx rx[4];

	set_up(&model, &opts, 4096, 0);
	for (unsigned int v = 0; v < 2; v++) {
		struct udrv_mana_queue *q = udrv_mana_queue(fx.mana, v, 1);
		unsigned int got = 0;

		ck_assert_uint_eq(udrv_mana_queue_vport(q), v);
		ck_assert_uint_eq(udrv_mana_queue_index(q), 1);
		ck_assert_int_eq(mana_send_one(&fx, q, 0, 10 + v, 60), 1);
		ck_assert_uint_eq(reap(q), 1);
		ck_assert_uint_eq(fx.wire[v].n, 1);
		ck_assert_uint_eq(mana_frame_id(fx.wire[v].frame[0], 60), 10 + v);
		mana_inject(&fx, v, 0, 77, 60);
		for (unsigned int i = 0; i < 2; i++) {
			ck_assert_int_eq(udrv_mana_recv(udrv_mana_queue(fx.mana, !v, i), rx, 4), 0);
			got += (unsigned int)udrv_mana_recv(udrv_mana_queue(fx.mana, v, i), rx, 4);
		}
		ck_assert_uint_eq(got, 1);
		for (unsigned int i = 0; i < 2; i++)
			udrv_mana_recv_release(udrv_mana_queue(fx.mana, v, i), 1);
	}
	mana_fixture_end(&fx);
}
END_TEST

START_TEST(jumbo_frames_and_mtu)
{
	struct mana_model_opts model = { .seed = 1, .mtu = 9000 };
	struct udrv_mana_opts opts = { .mtu = 9000, .rx_depth = 128, .poll = true };
	struct udrv_mana_queue *q;
	struct udrv_mana_rx rx;

	set_up(&model, &opts, 16384, 64);
	q = udrv_mana_queue(fx.mana, 0, 0);
	for (uint64_t i = 0; i < 400; i++) {
		size_t len = 60 + i * 977 % 8955;

		mana_inject(&fx, 0, 0, i, len);
		ck_assert_int_eq(udrv_mana_recv(q, &rx, 1), 1);
		ck_assert_uint_eq(rx.len, len);
		ck_assert_uint_eq(mana_frame_id(udrv_dma_ptr(fx.fd.dma, rx.off), rx.len), i);
		ck_assert_int_eq(udrv_mana_recv_release(q, 1), 0);
	}
	ck_assert_int_eq(mana_send_one(&fx, q, 0, 1, 9014), 1);
	ck_assert_int_eq(udrv_mana_set_mtu(fx.mana, 0, 9001), -EINVAL);
	ck_assert_int_eq(udrv_mana_set_mtu(fx.mana, 0, 1500), 0);
	ck_assert_int_eq(mana_send_one(&fx, q, 0, 2, 1515), -EMSGSIZE);
	ck_assert_int_eq(mana_send_one(&fx, q, 0, 3, 1514), 1);
	ck_assert_uint_eq(reap(q), 2);
	ck_assert_uint_eq(udrv_mana_vport(fx.mana, 0)->mtu, 1500);
	/* A successor knows. */
	mana_fixture_crash(&fx);
	ck_assert_int_eq(mana_fixture_resume(&fx), 0);
	ck_assert_uint_eq(udrv_mana_vport(fx.mana, 0)->mtu, 1500);
	mana_fixture_end(&fx);
}
END_TEST

START_TEST(counters_and_snapshot)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .queues = 2, .poll = true };
	struct udrv_mana_snapshot snap;
	struct udrv_mana_hw_stats hw;
	struct udrv_mana_queue *q;
	struct udrv_mana_rx rx[4];
	uint32_t mbps;
	int err;

	set_up(&model, &opts, 4096, 0);
	q = udrv_mana_queue(fx.mana, 0, 1);
	ck_assert_int_eq(mana_send_one(&fx, q, 0, 1, 60), 1);
	ck_assert_int_eq(mana_send_one(&fx, q, 64, 2, 62), 1);
	ck_assert_uint_eq(reap(q), 2);
	ck_assert_int_eq(mana_send_one(&fx, q, 128, 3, 60), 1);
	mana_fixture_run(&fx);
	for (unsigned int i = 0; i < 20; i++)
		mana_inject(&fx, 0, i, i, 100);
	ck_assert_int_ge(udrv_mana_recv(q, rx, 3), 3);
	ck_assert_int_eq(udrv_mana_recv_take(q, 3), 0);
	ck_assert_int_eq(udrv_mana_recv_repost(q, 1), 0);
	ck_assert_int_eq(udrv_mana_hw_stats(fx.mana, &hw), 0);
	ck_assert_uint_eq(hw.rx_ucast, 20);
	ck_assert_uint_eq(hw.rx_bytes, 2000);
	ck_assert_uint_eq(hw.tx_ucast, 3);
	err = udrv_mana_link_speed(fx.mana, 0, &mbps);
	ck_assert(!err || err == -EOPNOTSUPP);
	ck_assert_int_eq(udrv_mana_inspect(fx.fd.st, &snap), 0);
	ck_assert_uint_eq(snap.starts, 1);
	ck_assert_uint_eq(snap.queue[0][1].sending, 1);
	ck_assert_uint_eq(snap.queue[0][1].held, 2);
	ck_assert_uint_eq(snap.queue[0][1].counters.tx_bytes, 182);
	ck_assert_uint_eq(snap.queue[0][1].counters.rx_packets, 3);
	ck_assert_uint_eq(snap.queue[0][0].held, 0);
	ck_assert_uint_eq(snap.vport[0].mtu, 1500);
	mana_fixture_end(&fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mana-io");
	TCase *tc = suite_case(suite, "io", 60);

	tcase_add_test(tc, sends_in_order_and_wraps);
	tcase_add_test(tc, receives_in_order_and_wraps);
	tcase_add_test(tc, buffers_may_be_kept);
	tcase_add_test(tc, buffers_given_back_late);
	tcase_add_test(tc, gathers_pieces);
	tcase_add_test(tc, refuses_bad_packets);
	tcase_add_test(tc, inserts_and_removes_tags);
	tcase_add_loop_test(tc, offloads_are_done, 0, sizeof(offloads) / sizeof(offloads[0]));
	tcase_add_test(tc, tells_what_the_device_found);
	tcase_add_test(tc, spreads_over_queues);
	tcase_add_test(tc, vports_are_apart);
	tcase_add_test(tc, jumbo_frames_and_mtu);
	tcase_add_test(tc, counters_and_snapshot);
	return suite_run(suite);
}
