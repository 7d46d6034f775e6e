// SPDX-License-Identifier: BSD-2-Clause
/*
 * A guest that does anything: requests, rings and doorbells that are changed at random. No crash,
 * no hang, no leak.
 */
#include <check.h>
#include <endian.h>
#include <string.h>

#include "tests/model/fuzz.h"
#include "tests/model/mana/host.h"
#include "tests/unit/suite.h"

#define STEPS 300u
#define PAGES 64u

static struct host h;
static struct host_port port[2];
static struct fuzz fuzz;
static uint64_t created;

static uint32_t some_queue(void)
{
	const struct host_ring *rings[] = {
		&h.hwc_eq,    &h.hwc_cq,   &h.hwc_rq,	 &h.hwc_sq,   &port[0].eq, &port[0].sq,
		&port[0].scq, &port[0].rq, &port[0].rcq, &port[1].eq, &port[1].sq, &port[1].rq,
	};

	return fuzz_below(&fuzz, 8) ? rings[fuzz_below(&fuzz, 12)]->id :
				      (uint32_t)fuzz_number(&fuzz);
}

static void ring(void)
{
	static const uint16_t at[] = { GDMA_DB_SQ, GDMA_DB_RQ, GDMA_DB_CQ, GDMA_DB_EQ,
				       GDMA_DB_DIM };
	static const uint8_t widths[] = { 8, 8, 8, 8, 8, 8, 4, 2, 1 };
	uint64_t off = fuzz_below(&fuzz, 16) ? at[fuzz_below(&fuzz, 5)] :
					       fuzz_below(&fuzz, GDMA_PAGE_SIZE);
	uint32_t page = fuzz_below(&fuzz, 2) ? h.db :
			fuzz_below(&fuzz, 2) ? h.hwc_sq.db :
					       fuzz_below(&fuzz, 20);
	uint32_t tail = fuzz_below(&fuzz, 4) ? fuzz_below(&fuzz, 300) * 32 :
					       (uint32_t)fuzz_number(&fuzz);

	/*
	 * A consumer that keeps up, for events above all: without one nothing is signalled any
	 * more.
	 */
	if (off == GDMA_DB_EQ && fuzz_below(&fuzz, 4))
		tail = 256 + (uint32_t)mana_model_counts(h.m)->eqes - fuzz_below(&fuzz, 32);
	else if (off == GDMA_DB_CQ && fuzz_below(&fuzz, 4))
		tail = 64 + fuzz_below(&fuzz, 128);
	mana_model_bar_write(h.m, 0x1000 + page * (uint64_t)GDMA_PAGE_SIZE + off,
			     (uint64_t)tail << 32 | (uint64_t)fuzz_below(&fuzz, 2) << 63 |
				     some_queue(),
			     widths[fuzz_below(&fuzz, sizeof(widths))]);
}

/* Something in the pages that rings, requests and frames are in. */
static void scribble(void)
{
	uint8_t *p = h.mem + (HOST_PAGES - PAGES) * (size_t)GDMA_PAGE_SIZE;
	uint64_t val = fuzz_number(&fuzz);
	size_t off = fuzz_below(&fuzz, PAGES * GDMA_PAGE_SIZE / 8) * 8ul;

	/* Where the beginnings are: more of the changes. */
	if (fuzz_below(&fuzz, 2))
		off = (off & ~4095ul) + fuzz_below(&fuzz, 32) * 8ul;
	memcpy(p + off, &val, 1u << fuzz_below(&fuzz, 4));
}

union request {
	struct gdma_req_hdr hdr;
	struct gdma_create_dma_region_req region;
	struct gdma_create_queue_req queue;
	struct mana_create_wqobj_req object;
	uint8_t bytes[GDMA_HWC_MAX_MESSAGE];
	uint32_t words[GDMA_HWC_MAX_MESSAGE / 4];
};

/* The handles that were given out last; regions above all. */
static uint64_t handles[4];

static void remember(void)
{
	const struct gdma_create_dma_region_resp *resp = host_at(&h, h.response);

	if (le32toh(resp->hdr.response.msg_type) != GDMA_CREATE_DMA_REGION || resp->hdr.status)
		return;
	memmove(&handles[1], &handles[0], sizeof(handles) - sizeof(handles[0]));
	handles[0] = le64toh(resp->dma_region_handle);
}

/* One that would be carried out. */
static void sensible(union request *req, uint32_t code)
{
	unsigned int v = fuzz_below(&fuzz, 2),
		     pages = fuzz_below(&fuzz, 8) ? 1 : 1u << fuzz_below(&fuzz, 3);

	switch (code) {
	case GDMA_CREATE_DMA_REGION:
		req->region.length = htole64(pages * GDMA_PAGE_SIZE);
		req->region.page_count = req->region.page_addr_list_len = htole32(pages);
		for (unsigned int i = 0; i < pages; i++)
			req->region.page_addr_list[i] =
				htole64(HOST_BASE + (HOST_PAGES - 1 - fuzz_below(&fuzz, PAGES)) *
							    (uint64_t)GDMA_PAGE_SIZE);
		break;
	case GDMA_CREATE_QUEUE:
		req->queue.type = htole32(GDMA_EQ);
		req->queue.pdid = htole32(h.pdid);
		req->queue.doorbell_id = htole32(h.db);
		req->queue.gdma_region = htole64(handles[0]);
		req->queue.queue_size = htole32(pages * GDMA_PAGE_SIZE);
		break;
	case MANA_CREATE_WQ_OBJ:
		req->object.vport = htole64(h.vport[v]);
		req->object.wq_type = htole32(1 + fuzz_below(&fuzz, 2));
		req->object.wq_gdma_region = htole64(handles[0]);
		req->object.cq_gdma_region = htole64(handles[1]);
		req->object.wq_size = htole32(pages * GDMA_PAGE_SIZE);
		req->object.cq_size = htole32(GDMA_PAGE_SIZE);
		req->object.cq_parent_qid = htole32(port[v].eq.id);
		break;
	}
}

static void request(void)
{
	static const uint32_t codes[] = {
		/* clang-format off */
		1, 2, 3, 4, 10, 11, 12, 13, 25, 25, 25, 25, 27, 81, 99, 0x20001, 0x20002, 0x20003,
		0x20004, 0x20004, 0x20005, 0x20006, 0x20007, 0x20007, 0x20008, 0x2000a, 0x2000c,
		/* clang-format on */
	};
	uint32_t code = fuzz_below(&fuzz, 200) ?
				codes[fuzz_below(&fuzz, sizeof(codes) / sizeof(codes[0]))] :
				GDMA_DEREGISTER_DEVICE;
	union request req;
	const struct gdma_hwc_tx_oob oob = { .vscq = htole32(h.hwc_cq.id),
					     .vsq = htole32(h.hwc_sq.id) };
	struct gdma_sge sge = { h.request, h.hwc_sq.mkey, 0 };
	uint32_t words = fuzz_below(&fuzz, 60);

	memset(&req, 0, sizeof(req));
	for (uint32_t i = 10; i < 10 + words; i++)
		req.words[i] =
			htole32(fuzz_below(&fuzz, 3) ? some_queue() : (uint32_t)fuzz_number(&fuzz));
	if (!fuzz_below(&fuzz, 3))
		memcpy(&req.words[10], &h.vport[fuzz_below(&fuzz, 2)], 8);
	if (!fuzz_below(&fuzz, 3))
		memcpy(&req.words[12], &port[fuzz_below(&fuzz, 2)].rq.object, 8);
	remember();
	if (fuzz_below(&fuzz, 3)) {
		memset(&req, 0, sizeof(req));
		sensible(&req, code);
		if (!fuzz_below(&fuzz, 4))
			req.words[10 + fuzz_below(&fuzz, 14)] =
				htole32((uint32_t)fuzz_number(&fuzz));
		words = 60;
	}
	req.hdr.req.msg_type = htole32(code);
	req.hdr.dev_id = (struct gdma_dev_id){ htole16(fuzz_below(&fuzz, 16) ? 2 : 1), htole16(1) };
	sge.size = fuzz_below(&fuzz, 8) ? 40 + words * 4 : (uint32_t)fuzz_number(&fuzz);
	req.hdr.req.msg_size =
		htole32(fuzz_below(&fuzz, 16) ? sge.size : (uint32_t)fuzz_number(&fuzz));
	req.hdr.resp.msg_size = htole32(fuzz_below(&fuzz, 4) ? 296 : (uint32_t)fuzz_number(&fuzz));
	memcpy(host_at(&h, h.request), &req, sizeof(req));
	host_post(&h, &h.hwc_sq, &oob, sizeof(oob), 0, &sge, 1);
	host_ring_wq(&h, &h.hwc_sq, true);
	sge = (struct gdma_sge){ h.response, h.hwc_rq.mkey, GDMA_PAGE_SIZE };
	host_post(&h, &h.hwc_rq, NULL, GDMA_OOB_SMALL_SIZE, 0, &sge, 1);
	host_ring_wq(&h, &h.hwc_rq, false);
}

static void traffic(void)
{
	unsigned int v = fuzz_below(&fuzz, 2);
	uint8_t frame[2000];
	uint32_t len = fuzz_below(&fuzz, sizeof(frame));

	fuzz_bytes(&fuzz, frame, len < 80 ? len : 80);
	if (fuzz_below(&fuzz, 2)) {
		memcpy(frame, "\2MANA", 5);
		frame[5] = (uint8_t)v;
		mana_model_receive(h.m, v, frame, len);
		return;
	}
	if (h.pages < HOST_PAGES - PAGES)
		host_send(&h, v, &port[v], frame, len, (uint32_t)fuzz_number(&fuzz) & 0xff, 0);
}

static void control(void)
{
	static const char *const faults[] = {
		"hwc-timeout:0", "hwc-status:0:5",    "tx-error:42",
		"rx-error:63",	 "garbage-cqe:3",     "link-down,link-up",
		"reset-request", "drop-irq:0xffff:5", "smc-status:3",
	};

	switch (fuzz_below(&fuzz, 40)) {
	case 0:
		mana_model_reset(h.m);
		mana_model_set_command(h.m, HOST_BME);
		break;
	case 1:
		mana_model_bar_write(h.m, 0x40 + fuzz_below(&fuzz, 8) * 4, fuzz_number(&fuzz), 4);
		break;
	case 2:
		host_smc(&h, fuzz_below(&fuzz, 8) | (uint32_t)fuzz_below(&fuzz, 2) << 24);
		break;
	case 3:
		mana_model_set_command(h.m, (uint16_t)fuzz_random(&fuzz));
		break;
	default:
		mana_model_set_command(h.m, HOST_BME);
		mana_model_fault(h.m,
				 faults[fuzz_below(&fuzz, sizeof(faults) / sizeof(faults[0]))]);
		break;
	case 4:
		mana_model_bar_read(h.m, fuzz_number(&fuzz), 1u << fuzz_below(&fuzz, 4));
		mana_model_bar_write(h.m, fuzz_number(&fuzz), fuzz_number(&fuzz),
				     1u << fuzz_below(&fuzz, 4));
	}
}

static void one_pass(void)
{
	struct mana_model_live live;

	host_create(&h, &(struct mana_model_opts){ .vports = 2,
						   .seed = fuzz.seed % 4,
						   .cq_room = fuzz.seed % 3 == 0 });
	host_establish(&h);
	host_register(&h);
	host_port_up(&h, 0, &port[0], 16);
	host_port_up(&h, 1, &port[1], 16);
	for (unsigned int i = 0; i < STEPS; i++) {
		switch (fuzz_below(&fuzz, 8)) {
		case 0:
		case 1:
			ring();
			break;
		case 2:
		case 3:
			scribble();
			break;
		case 4:
		case 5:
			request();
			break;
		case 6:
			traffic();
			break;
		case 7:
			if (!fuzz_below(&fuzz, 8))
				control();
			break;
		}
		/* It always comes to an end: work is bounded by what was rung. */
		ck_assert_msg(mana_model_run(h.m, 20000) < 20000,
			      "it does not come to rest with FUZZ_SEED=%#llx",
			      (unsigned long long)fuzz.seed);
	}
	created += mana_model_counts(h.m)->queues_created;
	mana_model_reset(h.m);
	mana_model_live(h.m, &live);
	ck_assert_uint_eq(live.hwc + live.eqs + live.sqs + live.rqs + live.regions, 0);
	host_destroy(&h);
}

START_TEST(survives_a_guest)
{
	fuzz_begin(&fuzz, "mana guest", 100);
	while (fuzz_next(&fuzz))
		one_pass();
	/*
	 * Each pass sets up six queues: were there never another, the requests would be too wild
	 * to test anything.
	 */
	ck_assert_uint_gt(created, fuzz.passes * 6);
}

int main(void)
{
	Suite *s = suite_create("mana-model-fuzz");
	TCase *t = suite_case(s, "mana-model-fuzz", fuzz_timeout());

	tcase_add_test(t, survives_a_guest);
	return suite_run(s);
}
