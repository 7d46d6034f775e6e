// SPDX-License-Identifier: BSD-2-Clause
/* Sending, receiving, steering. */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/mana/host.h"
#include "tests/model/net/frame.h"
#include "tests/model/net/rss.h"
#include "tests/model/net/sample.h"
#include "tests/unit/suite.h"

static struct host h;
static struct host_port p;

static void set_up(void)
{
	host_create(&h, &(struct mana_model_opts){ .vports = 2, .cq_room = true });
	host_establish(&h);
	host_register(&h);
	host_port_up(&h, 1, &p, 32);
}

static void tear_down(void)
{
	host_clean(&h);
	host_destroy(&h);
}

static const struct mana_model_counts *counts(void)
{
	return mana_model_counts(h.m);
}

/* The type of the send completion that must be there. */
static uint32_t sent(void)
{
	struct gdma_cqe cqe;

	host_run(&h);
	ck_assert(host_cqe(&h, &p.scq, &cqe));
	host_ring_cq(&h, &p.scq, true);
	ck_assert_uint_eq(GDMA_CQE_WQ(le32toh(cqe.info)), p.sq.id);
	ck_assert(le32toh(cqe.info) & GDMA_CQE_IS_SQ);
	ck_assert_uint_eq(MANA_CQE_CLIENT(le32toh(cqe.data[0])), MANA_CQE_CLIENT_COMPLETION);
	return MANA_CQE_TYPE(le32toh(cqe.data[0]));
}

static const struct host_frame *wire(unsigned int back)
{
	const struct host_wire *w = &h.wire[1];

	ck_assert_uint_gt(w->frames, back);
	return &w->frame[(w->frames - 1 - back) % HOST_FRAMES];
}

START_TEST(sends_what_it_is_given)
{
	uint8_t frame[1514];

	for (uint32_t len = 14; len <= sizeof(frame); len += 100) {
		memset(frame, (int)len, sizeof(frame));
		host_send(&h, 1, &p, frame, len, 0, 0);
		ck_assert_uint_eq(sent(), MANA_CQE_TX_OKAY);
		ck_assert_uint_eq(wire(0)->len, len);
		ck_assert_mem_eq(wire(0)->data, frame, len);
	}
	ck_assert_uint_eq(counts()->tx, 16);
	ck_assert_uint_eq(h.wire[0].frames, 0);
}

START_TEST(sums_up)
{
	static const struct sample samples[] = {
		{ .version = 4, .protocol = 6, .payload = 100, .seed = true },
		{ .version = 6, .protocol = 17, .payload = 1001, .seed = true },
	};
	struct sample_frame f = sample_make(&samples[_i], 0);

	host_send(&h, 1, &p, f.data, (uint32_t)f.len,
		  _i ? MANA_TX_OUTER_IPV6 | MANA_TX_UDP_CSUM :
		       MANA_TX_OUTER_IPV4 | MANA_TX_IP_CSUM | MANA_TX_TCP_CSUM,
		  _i ? 0 : (uint32_t)f.l4);
	ck_assert_uint_eq(sent(), MANA_CQE_TX_OKAY);
	ck_assert_ptr_null(sample_wrong(wire(0)->data, wire(0)->len));
	free(f.memory);
}

/*
 * A large send in many pieces, with a VLAN tag to insert; its list wraps around the ring in the
 * second pass.
 */
START_TEST(segments)
{
	const struct sample s = {
		.version = 4, .protocol = 6, .payload = 20000, .seed = true, .large = true
	};
	struct sample_frame f = sample_make(&s, 0);
	struct mana_tx_oob oob = {
		.s0 = htole32(MANA_TX_LONG | MANA_TX_OUTER_IPV4 | MANA_TX_IP_CSUM |
			      MANA_TX_TCP_CSUM | p.scq.id << MANA_TX_VCQ_SHIFT),
		.s1 = htole32((uint32_t)f.l4 | MANA_TX_VSQ_FRAME_OF(p.sq.id)
						       << MANA_TX_VSQ_FRAME_SHIFT),
		.l0 = htole32(MANA_TX_INJECT_VLAN | 5u << MANA_TX_PCP_SHIFT |
			      0x123u << MANA_TX_VID_SHIFT),
		.l1 = htole32(0x11u << MANA_TX_LONG_VPORT_SHIFT),
	};
	unsigned int frames, n = 1;
	struct gdma_sge sge[30] = { { host_page(&h), h.mkey, (uint32_t)f.payload } };

	memcpy(host_at(&h, sge[0].address), f.data, f.payload);
	for (size_t off = f.payload; off < f.len; n++) {
		uint32_t len = f.len - off < 700 ? (uint32_t)(f.len - off) : 700;

		sge[n] = (struct gdma_sge){ host_page(&h) + 13, h.mkey, len };
		memcpy(host_at(&h, sge[n].address), f.data + off, len);
		off += len;
	}
	for (unsigned int i = 0; i < 40; i++) {
		host_post(&h, &p.sq, &oob, sizeof(oob),
			  GDMA_WQE_OOB_IN_SGL | 1400u << GDMA_WQE_CLIENT_DATA_SHIFT, sge, n);
		host_ring_wq(&h, &p.sq, true);
		frames = h.wire[1].frames;
		ck_assert_uint_eq(sent(), MANA_CQE_TX_OKAY);
		ck_assert_uint_eq(h.wire[1].frames - frames, (20000 + 1399) / 1400);
		ck_assert_uint_eq(wire(0)->data[12] << 8 | wire(0)->data[13], 0x8100);
		ck_assert_uint_eq(wire(0)->data[14] << 8 | wire(0)->data[15], 5 << 13 | 0x123);
	}
	ck_assert_uint_gt(p.sq.next, 2 * p.sq.size);
	ck_assert_uint_eq(counts()->tx_lso, 40);
	ck_assert_uint_eq(counts()->tx_csum, 40);
	free(f.memory);
}

START_TEST(suppresses_completions)
{
	uint8_t frame[64] = { 2 };
	struct gdma_cqe cqe;

	host_send(&h, 1, &p, frame, sizeof(frame), MANA_TX_SUPPRESS_CQE, 0);
	host_run(&h);
	ck_assert(!host_cqe(&h, &p.scq, &cqe));
	host_send(&h, 1, &p, frame, sizeof(frame), 0, 0);
	ck_assert_uint_eq(sent(), MANA_CQE_TX_OKAY);
	ck_assert_uint_eq(counts()->tx, 2);
	/* Room that the wire does not have loses frames, as on a wire. */
	h.wire[1].error = -ENOBUFS;
	host_send(&h, 1, &p, frame, sizeof(frame), 0, 0);
	ck_assert_uint_eq(sent(), MANA_CQE_TX_OKAY);
	ck_assert_uint_eq(counts()->tx_lost, 1);
}

/* The receive completion that must be there. */
static struct mana_rx_comp received(struct host_ring *cq, const struct host_ring *rq)
{
	struct mana_rx_comp comp;
	struct gdma_cqe cqe;

	host_run(&h);
	ck_assert(host_cqe(&h, cq, &cqe));
	host_ring_cq(&h, cq, true);
	ck_assert_uint_eq(le32toh(cqe.info) & 0x1ffffff, rq->id);
	memcpy(&comp, cqe.data, sizeof(comp));
	ck_assert_uint_eq(MANA_CQE_CLIENT(le32toh(comp.hdr)), MANA_CQE_CLIENT_COMPLETION);
	return comp;
}

static void arrive(const uint8_t *frame, size_t len)
{
	static uint8_t copy[NET_FRAME_MAX];

	memcpy(copy, frame, len);
	ck_assert_int_eq(mana_model_receive(h.m, 1, copy, len), 0);
}

static void address(uint8_t *frame)
{
	memcpy(frame, "\2MANA\1", 6);
}

START_TEST(receives_into_posted_buffers)
{
	struct mana_rx_comp comp;
	uint8_t frame[1514];

	address(frame);
	for (unsigned int i = 0; i < 32; i++) {
		memset(frame + 6, (int)i, sizeof(frame) - 6);
		arrive(frame, 60 + i * 40);
		comp = received(&p.rcq, &p.rq);
		ck_assert_uint_eq(MANA_CQE_TYPE(le32toh(comp.hdr)), MANA_CQE_RX_OKAY);
		ck_assert_uint_eq(le16toh(comp.ppi[0].pkt_len), 60 + i * 40);
		ck_assert_uint_eq(le32toh(comp.rx_wqe_offset), i * 32);
		ck_assert_mem_eq(host_at(&h, p.buffer[i]), frame, 60 + i * 40);
	}
	arrive(frame, 60);
	ck_assert_uint_eq(counts()->rx, 32);
	ck_assert_uint_eq(counts()->rx_no_buffer, 1);
	/* Reception goes on when there are buffers again. */
	host_post(&h, &p.rq, NULL, GDMA_OOB_SMALL_SIZE, 0,
		  &(struct gdma_sge){ p.buffer[0], h.mkey, 2048 }, 1);
	host_ring_wq(&h, &p.rq, false);
	arrive(frame, 60);
	ck_assert_uint_eq(le16toh(received(&p.rcq, &p.rq).ppi[0].pkt_len), 60);
}

START_TEST(verifies_and_hashes)
{
	static const struct {
		struct sample s;
		uint32_t ok, fail, type;
	} cases[] = {
		{ { .version = 4, .protocol = 6, .payload = 50 },
		  MANA_RX_IP_OK | MANA_RX_TCP_OK,
		  MANA_RX_TCP_FAIL,
		  MANA_HASH_TCP_IPV4 },
		{ { .version = 6, .protocol = 17, .payload = 50 },
		  MANA_RX_IP_OK | MANA_RX_UDP_OK,
		  MANA_RX_UDP_FAIL,
		  MANA_HASH_UDP_IPV6 },
		{ { .version = 4, .protocol = 17, .payload = 50, .vlan = 0x123 },
		  MANA_RX_IP_OK | MANA_RX_UDP_OK | MANA_RX_VLAN_PRESENT | 0x123,
		  MANA_RX_UDP_FAIL,
		  MANA_HASH_UDP_IPV4 },
	};
	struct sample_frame f = sample_make(&cases[_i].s, 0);
	uint64_t table[16];
	struct net_frame parsed;
	struct mana_rx_comp comp;
	uint8_t key[MANA_HASH_KEY_SIZE];
	uint32_t flags, hash;

	for (unsigned int i = 0; i < 16; i++)
		table[i] = p.rq.object;
	ck_assert_int_eq(host_steer(&h, 1, true, true, p.rq.object, table, 16), 0);
	address(f.data);
	arrive(f.data, f.len);
	comp = received(&p.rcq, &p.rq);
	flags = le32toh(comp.flags);
	ck_assert_uint_eq(flags & ~(0x1ffu << MANA_RX_HASH_TYPE_SHIFT), cases[_i].ok);
	ck_assert_uint_eq(MANA_RX_HASH_TYPE(flags), cases[_i].type);
	for (unsigned int i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 37 + 11);
	ck_assert_int_eq(net_parse(&parsed, f.data, f.len, false), 0);
	ck_assert_uint_eq(net_rss_hash(key, MANA_HASH_ALL, &parsed, &hash), cases[_i].type);
	ck_assert_uint_eq(le32toh(comp.ppi[0].pkt_hash), hash);
	/* One bit on the way. */
	f.data[f.payload] ^= 1;
	arrive(f.data, f.len);
	ck_assert(le32toh(received(&p.rcq, &p.rq).flags) & cases[_i].fail);
	free(f.memory);
}

/* Flows spread over queues as the table says, and each stays where it is. */
START_TEST(steers_by_hash)
{
	struct host_ring rq, rcq;
	struct gdma_sge sge = { .mem_key = h.mkey, .size = 2048 };
	unsigned int first = 0, second = 0;
	uint64_t table[64];
	struct gdma_cqe cqe;

	ck_assert_int_eq(host_create_wq(&h, 1, false, &rq, GDMA_PAGE_SIZE, &rcq, GDMA_PAGE_SIZE,
					&p.eq),
			 0);
	for (unsigned int i = 0; i < 32; i++) {
		sge.address = host_page(&h);
		host_post(&h, &rq, NULL, GDMA_OOB_SMALL_SIZE, 0, &sge, 1);
	}
	host_ring_wq(&h, &rq, false);
	for (unsigned int i = 0; i < 64; i++)
		table[i] = i % 2 ? rq.object : p.rq.object;
	ck_assert_int_eq(host_steer(&h, 1, true, true, p.rq.object, table, 64), 0);
	for (uint16_t i = 0; i < 32; i++) {
		struct sample_frame f =
			sample_make(&(struct sample){ .version = 4, .protocol = 17, .payload = 20 },
				    0);
		uint32_t hash;

		address(f.data);
		net_put16(f.data + f.l4, (uint16_t)(5000 + i));
		arrive(f.data, f.len);
		host_run(&h);
		if (host_cqe(&h, &rcq, &cqe))
			second++;
		else if (host_cqe(&h, &p.rcq, &cqe))
			first++;
		memcpy(&hash, (uint8_t *)cqe.data + 16, sizeof(hash));
		ck_assert_uint_eq(le32toh(cqe.info) & 0xffffff,
				  le32toh(hash) % 2 ? rq.id : p.rq.id);
		free(f.memory);
	}
	ck_assert_uint_eq(first + second, 32);
	ck_assert_uint_gt(first, 0);
	ck_assert_uint_gt(second, 0);
	/* The ring has taken its completions without a doorbell: 32 of 64. */
}

START_TEST(truncates)
{
	uint8_t frame[1000];
	struct gdma_sge sge[3] = { { host_page(&h) + 4090, h.mkey, 6 },
				   { host_page(&h), h.mkey, 100 },
				   { host_page(&h), h.mkey, 200 } };
	struct mana_rx_comp comp;

	for (unsigned int i = 0; i < 32; i++) {
		address(frame);
		arrive(frame, 60);
		received(&p.rcq, &p.rq);
	}
	host_post(&h, &p.rq, NULL, GDMA_OOB_SMALL_SIZE, 0, sge, 3);
	host_ring_wq(&h, &p.rq, false);
	for (unsigned int i = 6; i < sizeof(frame); i++)
		frame[i] = (uint8_t)i;
	arrive(frame, sizeof(frame));
	comp = received(&p.rcq, &p.rq);
	ck_assert_uint_eq(MANA_CQE_TYPE(le32toh(comp.hdr)), MANA_CQE_RX_TRUNCATED);
	ck_assert_uint_eq(le16toh(comp.ppi[0].pkt_len), 306);
	ck_assert_mem_eq(host_at(&h, sge[0].address), frame, 6);
	ck_assert_mem_eq(host_at(&h, sge[1].address), frame + 6, 100);
	ck_assert_mem_eq(host_at(&h, sge[2].address), frame + 106, 200);
	ck_assert_uint_eq(counts()->rx_truncated, 1);
}

START_TEST(filters)
{
	uint8_t frame[1600] = "\2MANA";

	arrive(frame, 60);
	frame[0] = 0xff;
	arrive(frame, 60);
	address(frame);
	arrive(frame, 1515);
	ck_assert_uint_eq(counts()->rx_filtered, 2);
	ck_assert_uint_eq(counts()->rx, 1);
	arrive(frame, 13);
	ck_assert_uint_eq(counts()->rx_errors, 1);
	ck_assert_int_eq(host_steer(&h, 1, false, false, 0, NULL, 0), 0);
	arrive(frame, 60);
	ck_assert_uint_eq(counts()->rx_disabled, 1);
	ck_assert_int_eq(mana_model_receive(h.m, 0, frame, 60), 0);
	ck_assert_int_eq(mana_model_receive(h.m, 5, frame, 60), 0);
	ck_assert_uint_eq(counts()->rx_disabled, 2);
}

START_TEST(fences)
{
	struct mana_fence_rq_req q = { .wq_obj_handle = htole64(p.rq.object) };
	struct gdma_resp_hdr r;
	uint8_t frame[60];

	address(frame);
	arrive(frame, sizeof(frame));
	ck_assert_int_eq(host_request(&h, MANA_FENCE_RQ, &q, sizeof(q), &r, sizeof(r)), 0);
	ck_assert_uint_eq(MANA_CQE_TYPE(le32toh(received(&p.rcq, &p.rq).hdr)), MANA_CQE_RX_OKAY);
	ck_assert_uint_eq(MANA_CQE_TYPE(le32toh(received(&p.rcq, &p.rq).hdr)), MANA_CQE_RX_FENCE);
}

START_TEST(counts_for_the_driver)
{
	struct mana_query_gf_stat_req q = { .req_stats = UINT64_MAX };
	struct mana_query_link_config_req lq = { .vport = htole64(h.vport[1]) };
	struct mana_query_link_config_resp lr;
	struct mana_query_gf_stat_resp r;
	uint64_t phy[55];
	uint8_t frame[100];

	address(frame);
	arrive(frame, 60);
	memset(frame, 0xff, 6);
	arrive(frame, 70);
	frame[0] = 3;
	host_send(&h, 1, &p, frame, 80, 0, 0);
	host_run(&h);
	ck_assert_int_eq(host_request(&h, MANA_QUERY_GF_STAT, &q, sizeof(q), &r, sizeof(r)), 0);
	ck_assert_uint_eq(r.reported_stats, UINT64_MAX);
	ck_assert_uint_eq(le64toh(r.hc_rx_bytes), 130);
	ck_assert_uint_eq(le64toh(r.hc_rx_ucast_pkts), 1);
	ck_assert_uint_eq(le64toh(r.hc_rx_bcast_bytes), 70);
	ck_assert_uint_eq(le64toh(r.hc_tx_mcast_pkts), 1);
	ck_assert_uint_eq(le64toh(r.hc_tx_bytes), 80);
	ck_assert_int_eq(host_request(&h, MANA_QUERY_PHY_STAT, &q, sizeof(q), phy, sizeof(phy)), 0);
	ck_assert_uint_eq(le64toh(phy[4 + 3]), 2);
	ck_assert_uint_eq(le64toh(phy[4 + 4]), 1);
	ck_assert_int_eq(host_request(&h, MANA_QUERY_LINK_CONFIG, &lq, sizeof(lq), &lr, sizeof(lr)),
			 0);
	ck_assert_uint_eq(le32toh(lr.link_speed_mbps), 100000);
}

/* Interrupts: none without arming, one for what came before it, none for what was seen. */
START_TEST(interrupts_when_armed)
{
	uint8_t frame[60];
	struct gdma_cqe cqe;
	struct gdma_eqe e;
	unsigned int before = h.irqs[2];

	address(frame);
	/* Queues are created armed. */
	arrive(frame, sizeof(frame));
	arrive(frame, sizeof(frame));
	host_run(&h);
	ck_assert_uint_eq(h.irqs[2], before + 1);
	ck_assert(host_eqe(&h, &p.eq, &e));
	ck_assert_uint_eq(GDMA_EQE_TYPE(le32toh(e.info)), GDMA_EQE_COMPLETION);
	ck_assert_uint_eq(le32toh(e.details[0]), p.rcq.id);
	ck_assert(!host_eqe(&h, &p.eq, &e));
	host_ring_eq(&h, &p.eq, true);
	/* Only one of two has been seen. */
	ck_assert(host_cqe(&h, &p.rcq, &cqe));
	host_ring_cq(&h, &p.rcq, true);
	host_run(&h);
	ck_assert_uint_eq(h.irqs[2], before + 2);
	ck_assert(host_eqe(&h, &p.eq, &e));
	host_ring_eq(&h, &p.eq, true);
	ck_assert(host_cqe(&h, &p.rcq, &cqe));
	host_ring_cq(&h, &p.rcq, false);
	arrive(frame, sizeof(frame));
	host_run(&h);
	ck_assert_uint_eq(h.irqs[2], before + 2);
	host_ring_cq(&h, &p.rcq, true);
	host_run(&h);
	ck_assert_uint_eq(h.irqs[2], before + 3);
}

int main(void)
{
	Suite *s = suite_create("mana-model-traffic");
	TCase *t = suite_case(s, "mana-model-traffic", 30);

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, sends_what_it_is_given);
	tcase_add_loop_test(t, sums_up, 0, 2);
	tcase_add_test(t, segments);
	tcase_add_test(t, suppresses_completions);
	tcase_add_test(t, receives_into_posted_buffers);
	tcase_add_loop_test(t, verifies_and_hashes, 0, 3);
	tcase_add_test(t, steers_by_hash);
	tcase_add_test(t, truncates);
	tcase_add_test(t, filters);
	tcase_add_test(t, fences);
	tcase_add_test(t, counts_for_the_driver);
	tcase_add_test(t, interrupts_when_armed);
	return suite_run(s);
}
