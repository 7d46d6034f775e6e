// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests of the network device and about queues that make no sense: refused, said, and nothing
 * has changed.
 */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "tests/model/mana/host.h"
#include "tests/model/net/frame.h"
#include "tests/unit/suite.h"

static struct host h;
static struct host_port p;

static void set_up(void)
{
	host_create(&h, &(struct mana_model_opts){ .queues = 2 });
	host_establish(&h);
	host_register(&h);
	host_port_up(&h, 0, &p, 4);
	host_clean(&h);
}

static void tear_down(void)
{
	host_destroy(&h);
}

/*
 * One field of a good request for a send queue is replaced; the same ends tell that regions were
 * not used up.
 */
static const struct {
	const char *text;
	size_t at;
	size_t size;
	uint64_t val;
} wrong_objects[] = {
#define FIELD(f) \
	offsetof(struct mana_create_wqobj_req, f), sizeof(((struct mana_create_wqobj_req *)0)->f)
	{ "on vport", FIELD(vport), 1 },
	{ "type 3", FIELD(wq_type), 3 },
	{ "no region", FIELD(wq_gdma_region), 0 },
	{ "no region", FIELD(cq_gdma_region), UINT64_MAX },
	{ "region of 2 pages", FIELD(wq_size), 4096 },
	{ "region of 1 pages", FIELD(cq_size), 8192 },
	{ "region of 1 pages", FIELD(cq_size), 0 },
	{ "no EQ", FIELD(cq_parent_qid), 0x30 },
	{ "no EQ", FIELD(cq_parent_qid), 0xffff },
#undef FIELD
};

static void make_object(struct mana_create_wqobj_req *req, struct host_ring *wq,
			struct host_ring *cq)
{
	*req = (struct mana_create_wqobj_req){
		.vport = htole64(h.vport[0]),
		.wq_type = htole32(GDMA_SQ),
		.wq_gdma_region = htole64(host_region(&h, wq, 2 * GDMA_PAGE_SIZE)),
		.cq_gdma_region = htole64(host_region(&h, cq, GDMA_PAGE_SIZE)),
		.wq_size = htole32(2 * GDMA_PAGE_SIZE),
		.cq_size = htole32(GDMA_PAGE_SIZE),
		.cq_parent_qid = htole32(p.eq.id),
	};
}

START_TEST(refuses_wrong_objects)
{
	struct mana_create_wqobj_req good, bad;
	struct mana_create_wqobj_resp r;
	struct host_ring wq, cq;

	make_object(&good, &wq, &cq);
	bad = good;
	memcpy((uint8_t *)&bad + wrong_objects[_i].at, &wrong_objects[_i].val,
	       wrong_objects[_i].size);
	ck_assert_int_gt(host_request(&h, MANA_CREATE_WQ_OBJ, &bad, sizeof(bad), &r, sizeof(r)), 0);
	host_violated(&h, 1, wrong_objects[_i].text);
	ck_assert_int_eq(host_request(&h, MANA_CREATE_WQ_OBJ, &good, sizeof(good), &r, sizeof(r)),
			 0);
	host_violated(&h, 1, wrong_objects[_i].text);
}

START_TEST(refuses_one_region_for_two)
{
	struct mana_create_wqobj_req req;
	struct mana_create_wqobj_resp r;
	struct host_ring wq, cq;

	make_object(&req, &wq, &cq);
	req.wq_gdma_region = req.cq_gdma_region;
	req.wq_size = req.cq_size;
	ck_assert_int_gt(host_request(&h, MANA_CREATE_WQ_OBJ, &req, sizeof(req), &r, sizeof(r)), 0);
	host_violated(&h, 1, "one region for both");
}

START_TEST(has_an_end_of_queues)
{
	struct host_ring wq, cq;

	ck_assert_int_eq(host_create_wq(&h, 0, true, &wq, GDMA_PAGE_SIZE, &cq, GDMA_PAGE_SIZE,
					&p.eq),
			 0);
	host_clean(&h);
	ck_assert_int_gt(host_create_wq(&h, 0, true, &wq, GDMA_PAGE_SIZE, &cq, GDMA_PAGE_SIZE,
					&p.eq),
			 0);
	host_violated(&h, 1, "has 2 queues");
}

/* Ids go round, so that the next queue is not the last one's namesake. */
START_TEST(gives_new_ids_and_handles)
{
	struct host_ring wq = { 0 }, cq, last;

	for (unsigned int i = 0; i < 200; i++) {
		last = wq;
		ck_assert_int_eq(host_create_wq(&h, 0, true, &wq, GDMA_PAGE_SIZE, &cq,
						GDMA_PAGE_SIZE, &p.eq),
				 0);
		ck_assert_uint_ne(wq.id, last.id);
		ck_assert_uint_ne(wq.object, last.object);
		ck_assert_uint_ne(wq.id, p.sq.id);
		ck_assert_int_eq(host_destroy_wq(&h, true, &wq), 0);
		h.pages -= 2;
	}
	host_clean(&h);
}

START_TEST(refuses_wrong_event_queues)
{
	struct host_ring ring;
	struct gdma_create_queue_req good = { .type = htole32(GDMA_EQ),
					      .pdid = htole32(h.pdid),
					      .doorbell_id = htole32(h.db),
					      .queue_size = htole32(GDMA_PAGE_SIZE),
					      .eq_pci_msix_index = htole32(63) };
	struct gdma_create_queue_req bad[5];
	struct gdma_create_queue_resp r;
	struct gdma_disable_queue_req dq = { .type = htole32(GDMA_EQ),
					     .queue_index = htole32(h.hwc_eq.id) };
	struct gdma_change_msix_req mq = { .queue_index = htole32(p.eq.id), .msix = htole32(64) };
	struct gdma_resp_hdr gr;

	good.gdma_region = htole64(host_region(&h, &ring, GDMA_PAGE_SIZE));
	for (unsigned int i = 0; i < 5; i++)
		bad[i] = good;
	bad[0].type = htole32(GDMA_CQ);
	bad[1].pdid = htole32(mana_model_ids(h.m)->hwc_pdid);
	bad[2].doorbell_id = htole32(mana_model_ids(h.m)->hwc_db);
	bad[3].eq_pci_msix_index = htole32(64);
	bad[4].queue_size = htole32(2 * GDMA_PAGE_SIZE);
	for (unsigned int i = 0; i < 5; i++)
		ck_assert_int_gt(host_request(&h, GDMA_CREATE_QUEUE, &bad[i], sizeof(bad[i]), &r,
					      sizeof(r)),
				 0);
	ck_assert_uint_eq(mana_model_violations(h.m, NULL), 5);
	ck_assert_int_eq(host_request(&h, GDMA_CREATE_QUEUE, &good, sizeof(good), &r, sizeof(r)),
			 0);
	ck_assert_uint_eq(mana_model_violations(h.m, NULL), 5);
	/* The channel's own cannot be disabled, and a vector must exist. */
	ck_assert_int_gt(host_request(&h, GDMA_DISABLE_QUEUE, &dq, sizeof(dq), &gr, sizeof(gr)), 0);
	ck_assert_int_gt(host_request(&h, GDMA_CHANGE_MSIX_FOR_EQ, &mq, sizeof(mq), &gr,
				      sizeof(gr)),
			 0);
	ck_assert_uint_eq(mana_model_violations(h.m, NULL), 7);
}

static const struct {
	uint32_t rx, rss;
	uint8_t key, table;
	uint16_t entries, offset;
	uint64_t def, entry; /* 0: the object that there is */
} wrong_steering[] = {
	{ 2, 0, 0, 0, 0, 0, 0, 0 },	 { 1, 7, 0, 0, 0, 0, 0, 0 },
	{ 1, 0, 0, 0, 0, 0, 1, 0 },	 { 1, 1, 1, 0, 0, 0, 0, 0 },
	{ 1, 1, 1, 1, 3, 120, 0, 0 },	 { 1, 1, 1, 1, 0, 120, 0, 0 },
	{ 1, 1, 1, 1, 1024, 120, 0, 0 }, { 1, 1, 1, 1, 4, 8, 0, 0 },
	{ 1, 1, 1, 1, 4, 60000, 0, 0 },	 { 1, 1, 1, 1, 4, 120, 0, 5 },
};

START_TEST(refuses_wrong_steering)
{
	uint8_t buf[sizeof(struct mana_cfg_rx_steer_req) + 4 * 8]
		__attribute__((aligned(8))) = { 0 };
	struct mana_cfg_rx_steer_req *req = (void *)buf;
	struct mana_cfg_rx_steer_resp r;
	uint8_t frame[60] = "\2MANA";

	req->vport = htole64(h.vport[0]);
	req->rx_enable = htole32(wrong_steering[_i].rx);
	req->rss_enable = htole32(wrong_steering[_i].rss);
	req->update_default_rxobj = 1;
	req->default_rxobj = htole64(wrong_steering[_i].def ? wrong_steering[_i].def : p.rq.object);
	req->update_hashkey = wrong_steering[_i].key;
	req->update_indir_tab = wrong_steering[_i].table;
	req->num_indir_entries = htole16(wrong_steering[_i].entries);
	req->indir_tab_offset = htole16(wrong_steering[_i].offset);
	for (unsigned int i = 0; i < 4; i++)
		req->indir_tab[i] =
			htole64(wrong_steering[_i].entry ? wrong_steering[_i].entry : p.rq.object);
	ck_assert_int_gt(host_request(&h, MANA_CONFIG_VPORT_RX, req, sizeof(buf), &r, sizeof(r)),
			 0);
	host_violated(&h, 1, "CONFIG_VPORT_RX");
	/* What was before is still so. */
	ck_assert_int_eq(mana_model_receive(h.m, 0, frame, sizeof(frame)), 0);
	ck_assert_uint_eq(mana_model_counts(h.m)->rx, 1);
}

/*
 * Linux 6.1: the table where later drivers have other fields, or those reserved. All hash types
 * are meant.
 */
START_TEST(understands_older_steering)
{
	uint8_t buf[112 + 4 * 8] __attribute__((aligned(8))) = { 0 };
	struct mana_cfg_rx_steer_req *req = (void *)buf;
	struct mana_cfg_rx_steer_resp r;
	uint64_t handle = htole64(p.rq.object);
	uint32_t unknown = htole32(MANA_STEER_UNKNOWN);

	req->vport = htole64(h.vport[0]);
	req->rx_enable = unknown;
	req->rss_enable = htole32(1);
	req->update_indir_tab = 1;
	req->num_indir_entries = htole16(4);
	req->indir_tab_offset = htole16(112);
	for (unsigned int i = 0; i < 4; i++)
		memcpy(buf + 112 + i * 8, &handle, 8);
	ck_assert_int_eq(host_request(&h, MANA_CONFIG_VPORT_RX, req, sizeof(buf), &r, sizeof(r)),
			 0);
	ck_assert(mana_model_receiving(h.m));
	host_clean(&h);
}

START_TEST(refuses_wrong_vports)
{
	struct mana_query_vport_cfg_req vq = { .vport_index = htole32(1) };
	struct mana_query_vport_cfg_resp vr;
	struct mana_config_vport_req tq = { .vport = htole64(h.vport[0]), .pdid = htole32(h.pdid) };
	struct mana_config_vport_resp tr;
	struct mana_query_link_config_req lq = { .vport = htole64(77) };
	struct mana_query_link_config_resp lr;

	ck_assert_int_gt(host_request(&h, MANA_QUERY_VPORT_CONFIG, &vq, sizeof(vq), &vr,
				      sizeof(vr)),
			 0);
	ck_assert_int_gt(host_request(&h, MANA_CONFIG_VPORT_TX, &tq, sizeof(tq), &tr, sizeof(tr)),
			 0);
	tq.vport = htole64(77);
	ck_assert_int_gt(host_request(&h, MANA_CONFIG_VPORT_TX, &tq, sizeof(tq), &tr, sizeof(tr)),
			 0);
	ck_assert_int_gt(host_request(&h, MANA_QUERY_LINK_CONFIG, &lq, sizeof(lq), &lr, sizeof(lr)),
			 0);
	host_violated(&h, 4, "vport 1 of 1");
	h.vport[0]++;
	ck_assert_int_gt(host_steer(&h, 0, true, false, p.rq.object, NULL, 0), 0);
	host_violated(&h, 5, "vport 1 of 1");
}

START_TEST(refuses_wrong_messages)
{
	struct gdma_req_hdr q = { 0 };
	uint8_t r[sizeof(struct gdma_create_queue_resp)];
	const struct gdma_hwc_tx_oob oob = { .vscq = htole32(h.hwc_cq.id),
					     .vsq = htole32(h.hwc_sq.id) };
	struct gdma_sge sge = { h.request, h.hwc_sq.mkey, 40 };
	struct gdma_cqe cqe;

	/* A header without the body. */
	ck_assert_int_gt(host_request(&h, GDMA_CREATE_QUEUE, &q, sizeof(q), r, sizeof(r)), 0);
	host_violated(&h, 1, "96 at least");
	ck_assert_int_eq(host_request(&h, GDMA_REGISTER_DEVICE, &q, sizeof(q), r, sizeof(r)), 0);
	host_violated(&h, 2, "96 at least");
	/* A header that says another length than the work request: no answer. */
	q.req.msg_size = htole32(41);
	memcpy(host_at(&h, h.request), &q, sizeof(q));
	host_post(&h, &h.hwc_sq, &oob, sizeof(oob), 0, &sge, 1);
	host_ring_wq(&h, &h.hwc_sq, true);
	host_run(&h);
	host_violated(&h, 3, "96 at least");
	ck_assert(host_cqe(&h, &h.hwc_cq, &cqe));
	ck_assert(le32toh(cqe.info) & GDMA_CQE_IS_SQ);
	ck_assert(!host_cqe(&h, &h.hwc_cq, &cqe));
	/* An OOB that names another queue. */
	q.req.msg_size = htole32(40);
	q.req.msg_type = htole32(GDMA_QUERY_MAX_RESOURCES);
	q.resp.msg_size = htole32(5000);
	memcpy(host_at(&h, h.request), &q, sizeof(q));
	host_post(&h, &h.hwc_sq, NULL, GDMA_OOB_LARGE_SIZE, 0, &sge, 1);
	host_ring_wq(&h, &h.hwc_sq, true);
	host_run(&h);
	host_violated(&h, 5, "96 at least");
	ck_assert(host_cqe(&h, &h.hwc_cq, &cqe));
	ck_assert(host_cqe(&h, &h.hwc_cq, &cqe));
}

START_TEST(deregisters_once)
{
	struct gdma_req_hdr q = { 0 };
	struct gdma_resp_hdr r;

	ck_assert_int_eq(host_steer(&h, 0, false, false, 0, NULL, 0), 0);
	ck_assert_int_eq(host_destroy_wq(&h, true, &p.sq), 0);
	ck_assert_int_eq(host_destroy_wq(&h, false, &p.rq), 0);
	ck_assert_int_eq(host_request(&h, GDMA_DEREGISTER_DEVICE, &q, sizeof(q), &r, sizeof(r)), 0);
	host_clean(&h);
	ck_assert_int_gt(host_request(&h, GDMA_DEREGISTER_DEVICE, &q, sizeof(q), &r, sizeof(r)), 0);
	host_violated(&h, 1, "not registered");
}

START_TEST(asks_for_a_reset_on_demand)
{
	const struct gdma_eqe *eqe = host_at(&h, h.hwc_eq.page[0]);
	struct gdma_req_hdr q = { 0 };
	struct gdma_resp_hdr r;
	unsigned int found = 0;

	ck_assert_int_eq(host_request(&h, GDMA_GENERATE_RESET_EQE, &q, sizeof(q), &r, sizeof(r)),
			 0);
	host_run(&h);
	for (unsigned int i = 0; i < 256; i++)
		found += GDMA_EQE_TYPE(le32toh(eqe[i].info)) == GDMA_EQE_HWC_RESET_REQUEST;
	ck_assert_uint_eq(found, 1);
}

/* A wire that has something to say, until it breaks. */
static ssize_t wire_receive(struct net_backend *b, uint8_t *frame, size_t size)
{
	struct host_wire *w = (struct host_wire *)b;

	ck_assert_uint_ge(size, NET_FRAME_MAX);
	if (w->error)
		return w->error;
	memset(frame, 0, 60);
	memcpy(frame, "\2MANA", 6);
	return 60;
}

START_TEST(polls_its_wire)
{
	const struct net_backend_ops *old = h.wire[0].backend.ops;
	struct net_backend_ops ops = *old;

	ops.receive = wire_receive;
	h.wire[0].backend.ops = &ops;
	ck_assert_int_eq(mana_model_poll_backend(h.m, 0, 3), 3);
	ck_assert_uint_eq(mana_model_counts(h.m)->rx, 3);
	ck_assert_int_eq(mana_model_poll_backend(h.m, 1, 3), 0);
	mana_model_set_command(h.m, 0);
	ck_assert_int_eq(mana_model_poll_backend(h.m, 0, 3), 0);
	mana_model_set_command(h.m, HOST_BME);
	ck_assert_int_eq(mana_model_poll_backend(h.m, 0, 3), 3);
	ck_assert_uint_eq(mana_model_counts(h.m)->rx, 4);
	ck_assert_uint_eq(mana_model_counts(h.m)->rx_no_buffer, 2);
	h.wire[0].error = -EAGAIN;
	ck_assert_int_eq(mana_model_poll_backend(h.m, 0, 3), 0);
	h.wire[0].error = -EIO;
	ck_assert_int_eq(mana_model_poll_backend(h.m, 0, 3), -EIO);
	host_clean(&h);
}

/* A receive buffer that is no memory disables the queue; what comes after it finds no buffer. */
START_TEST(disables_a_receive_queue)
{
	const struct gdma_sge nowhere = { 0x1000, h.mkey, 2048 };
	uint8_t frame[60] = "\2MANA", copy[60];

	for (unsigned int i = 0; i < 6; i++) {
		if (i == 4) {
			host_post(&h, &p.rq, NULL, GDMA_OOB_SMALL_SIZE, 0, &nowhere, 1);
			host_post(&h, &p.rq, NULL, GDMA_OOB_SMALL_SIZE, 0, &nowhere, 1);
			host_ring_wq(&h, &p.rq, false);
		}
		memcpy(copy, frame, sizeof(copy));
		ck_assert_int_eq(mana_model_receive(h.m, 0, copy, sizeof(copy)), 0);
	}
	host_violated(&h, 1, "no memory");
	ck_assert_uint_eq(mana_model_counts(h.m)->rx, 4);
	ck_assert_uint_eq(mana_model_counts(h.m)->rx_errors, 1);
	ck_assert_uint_eq(mana_model_counts(h.m)->rx_no_buffer, 1);
}

int main(void)
{
	Suite *s = suite_create("mana-model-objects");
	TCase *t = suite_case(s, "mana-model-objects", 30);

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, refuses_wrong_objects, 0,
			    sizeof(wrong_objects) / sizeof(wrong_objects[0]));
	tcase_add_test(t, refuses_one_region_for_two);
	tcase_add_test(t, has_an_end_of_queues);
	tcase_add_test(t, gives_new_ids_and_handles);
	tcase_add_test(t, refuses_wrong_event_queues);
	tcase_add_loop_test(t, refuses_wrong_steering, 0,
			    sizeof(wrong_steering) / sizeof(wrong_steering[0]));
	tcase_add_test(t, understands_older_steering);
	tcase_add_test(t, refuses_wrong_vports);
	tcase_add_test(t, refuses_wrong_messages);
	tcase_add_test(t, deregisters_once);
	tcase_add_test(t, asks_for_a_reset_on_demand);
	tcase_add_test(t, polls_its_wire);
	tcase_add_test(t, disables_a_receive_queue);
	return suite_run(s);
}
