// SPDX-License-Identifier: BSD-2-Clause
/* Registers, shared memory channel, hardware channel, and what GDMA is asked for. */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "tests/model/mana/host.h"
#include "tests/unit/suite.h"

static struct host h;

static void set_up(void)
{
	host_create(&h, &(struct mana_model_opts){ .vports = 2 });
}

static void tear_down(void)
{
	host_destroy(&h);
}

static uint64_t reg(uint64_t off, unsigned int width)
{
	return mana_model_bar_read(h.m, off, width);
}

START_TEST(has_registers)
{
	ck_assert_uint_eq(reg(GDMA_REG_DB_PAGE_OFFSET, 8), 0x1000);
	ck_assert_uint_eq(GDMA_DB_PAGE_SIZE(reg(GDMA_REG_DB_PAGE_SIZE, 4)), 4096);
	ck_assert_uint_eq(reg(GDMA_REG_SHM_OFFSET, 8), 0x40);
	ck_assert_uint_eq(reg(GDMA_REG_SHM_OFFSET + 4, 4), 0);
	ck_assert_uint_eq(reg(GDMA_REG_SHM_SIZE, 2), 32);
	ck_assert_uint_eq(reg(GDMA_REG_VERSION + 3, 1), 1);
	ck_assert_uint_eq(reg(MANA_MODEL_BAR0_SIZE - 4, 4), 0);
	ck_assert_uint_eq(reg(MANA_MODEL_BAR0_SIZE, 8), 0);
	ck_assert_uint_eq(reg(UINT64_MAX, 4), 0);
	host_clean(&h);
	mana_model_bar_write(h.m, GDMA_REG_SHM_SIZE, 1, 4);
	host_violated(&h, 1, "read-only");
}

START_TEST(answers_the_shared_memory_channel)
{
	uint32_t answer = host_smc(&h, GDMA_SMC_REPORT_TIMEOUT | 1 << GDMA_SMC_VERSION_SHIFT);

	ck_assert_uint_eq(answer, GDMA_SMC_REPORT_TIMEOUT | 1 << GDMA_SMC_VERSION_SHIFT |
					  GDMA_SMC_RESPONSE);
	host_clean(&h);
	answer = host_smc(&h, GDMA_SMC_DESTROY_HWC);
	host_violated(&h, 1, "does not exist");
	answer = host_smc(&h, 7);
	ck_assert_uint_ne(GDMA_SMC_STATUS(answer), 0);
	host_violated(&h, 2, "does not exist");
}

START_TEST(does_not_lose_the_channel_while_it_owns_it)
{
	mana_model_fault(h.m, "smc-stuck");
	ck_assert(host_smc(&h, GDMA_SMC_REPORT_TIMEOUT) & GDMA_SMC_OWNER_PF);
	mana_model_bar_write(h.m, 0x40, 0, 4);
	host_violated(&h, 1, "while the device owns it");
	mana_model_reset(h.m);
	mana_model_set_command(h.m, HOST_BME);
	ck_assert(!(host_smc(&h, GDMA_SMC_REPORT_TIMEOUT) & GDMA_SMC_OWNER_PF));
}

/*
 * Events come with a message; the queue that was looked at halfway and armed there sends another
 * one.
 */
START_TEST(establishes_by_events)
{
	const struct mana_model_ids *ids = mana_model_ids(h.m);
	unsigned int before;

	host_establish(&h);
	ck_assert_uint_eq(mana_model_counts(h.m)->eqes, 11);
	ck_assert_uint_eq(h.irqs[0], 1);
	ck_assert_uint_eq(h.hwc_eq.id, ids->hwc_eq);
	ck_assert_uint_eq(h.hwc_cq.id, ids->hwc_cq);
	ck_assert_uint_eq(h.hwc_sq.id, ids->hwc_sq);
	ck_assert_uint_eq(h.hwc_sq.mkey, ids->hwc_mkey);
	ck_assert_uint_gt(h.hwc_sq.id, 1023);
	host_run(&h);
	ck_assert_uint_eq(h.irqs[0], 1);
	host_clean(&h);

	before = h.irqs[0];
	h.hwc_eq.next -= 3;
	host_ring_eq(&h, &h.hwc_eq, true);
	host_violated(&h, 1, "doorbell goes from");
	mana_model_event(h.m, 134, 0);
	host_run(&h);
	ck_assert_uint_eq(h.irqs[0], before + 1);
}

/* As Linux does it: five events at a time, then the doorbell. */
START_TEST(interrupts_again_for_what_was_not_seen)
{
	struct gdma_eqe e;

	host_establish(&h);
	for (unsigned int i = 0; i < 4; i++)
		mana_model_event(h.m, 134, i);
	host_run(&h);
	ck_assert_uint_eq(h.irqs[0], 2);
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert(host_eqe(&h, &h.hwc_eq, &e));
		ck_assert_uint_eq(le32toh(e.details[0]), i);
		host_ring_eq(&h, &h.hwc_eq, true);
		host_run(&h);
		ck_assert_uint_eq(h.irqs[0], 2 + i + (i < 3));
	}
	ck_assert(!host_eqe(&h, &h.hwc_eq, &e));
	host_clean(&h);
}

START_TEST(negotiates)
{
	struct gdma_verify_ver_req vq = { .protocol_ver_min = htole64(1),
					  .protocol_ver_max = htole64(1) };
	struct gdma_verify_ver_resp vr;
	struct gdma_req_hdr q = { 0 };
	struct gdma_max_resources_resp mr;
	struct gdma_list_devices_resp lr;
	unsigned int found = 0;

	host_establish(&h);
	ck_assert_int_eq(host_request(&h, GDMA_VERIFY_VF_DRIVER_VERSION, &vq, sizeof(vq), &vr,
				      sizeof(vr)),
			 0);
	ck_assert_uint_eq(le64toh(vr.gdma_protocol_ver), 1);
	ck_assert_int_eq(host_request(&h, GDMA_QUERY_MAX_RESOURCES, &q, sizeof(q), &mr, sizeof(mr)),
			 0);
	ck_assert_uint_eq(le32toh(mr.max_sq), 32);
	ck_assert_uint_eq(le32toh(mr.max_msix), 64);
	ck_assert_int_eq(host_request(&h, GDMA_LIST_DEVICES, &q, sizeof(q), &lr, sizeof(lr)), 0);
	for (unsigned int i = 0; i < GDMA_DEV_LIST_SIZE; i++)
		found += le16toh(lr.devs[i].type) == GDMA_DEVICE_MANA;
	ck_assert_uint_eq(found, 1);
	ck_assert_uint_eq(le32toh(lr.num_of_devs), 2);
	host_clean(&h);
	vq.protocol_ver_min = htole64(2);
	ck_assert_int_gt(host_request(&h, GDMA_VERIFY_VF_DRIVER_VERSION, &vq, sizeof(vq), &vr,
				      sizeof(vr)),
			 0);
	host_violated(&h, 1, "versions");
}

START_TEST(refuses_what_it_does_not_know)
{
	static const uint32_t codes[] = {
		22, 24, 26, 29, 31, 84, 96, 0x2000b, 0x28000, 0xffffffff
	};
	struct gdma_req_hdr q = { 0 };
	struct gdma_resp_hdr r;

	host_establish(&h);
	for (unsigned int i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		ck_assert_int_eq(host_request(&h, codes[i], &q, sizeof(q), &r, sizeof(r)),
				 GDMA_STATUS_CMD_UNSUPPORTED);
	host_clean(&h);
}

/* The answer is as long as was asked for, with zeroes for what is not known. */
START_TEST(answers_in_the_size_asked_for)
{
	struct gdma_req_hdr q = { 0 };
	uint8_t r[4096], zero[4096] = { 0 };

	host_establish(&h);
	ck_assert_int_eq(host_request(&h, GDMA_QUERY_MAX_RESOURCES, &q, sizeof(q), r, sizeof(r)),
			 0);
	ck_assert_mem_eq(r + sizeof(struct gdma_max_resources_resp), zero,
			 sizeof(r) - sizeof(struct gdma_max_resources_resp));
	ck_assert_int_eq(host_request(&h, GDMA_QUERY_MAX_RESOURCES, &q, sizeof(q), r,
				      sizeof(struct gdma_resp_hdr)),
			 0);
	host_clean(&h);
}

START_TEST(keeps_regions)
{
	struct gdma_destroy_dma_region_req q = { 0 };
	struct gdma_resp_hdr r;
	struct host_ring ring;
	struct mana_model_live live;

	host_establish(&h);
	q.dma_region_handle = htole64(host_region(&h, &ring, 8 * GDMA_PAGE_SIZE));
	mana_model_live(h.m, &live);
	ck_assert_uint_eq(live.regions, 1);
	ck_assert_int_eq(host_request(&h, GDMA_DESTROY_DMA_REGION, &q, sizeof(q), &r, sizeof(r)),
			 0);
	mana_model_live(h.m, &live);
	ck_assert_uint_eq(live.regions, 0);
	host_clean(&h);
	ck_assert_int_gt(host_request(&h, GDMA_DESTROY_DMA_REGION, &q, sizeof(q), &r, sizeof(r)),
			 0);
	host_violated(&h, 1, "there is no region");
}

static const struct {
	uint64_t length;
	uint32_t offset, type, pages, list;
	uint64_t addr;
} regions[] = {
	{ 4096, 0, 0, 1, 0, 0x1000 },
	{ 4096, 0, 0, 2, 1, 0x1000 },
	{ 8192, 0, 0, 1, 1, 0x1000 },
	{ 4096, 8, 0, 1, 1, 0x1000 },
	{ 4096, 0, 1, 1, 1, 0x1000 },
	{ 4096, 0, 0, 1, 1, 0x1008 },
	{ 0, 0, 0, 0, 0, 0 },
	{ 4096, 0, 0, 600, 600, 0x1000 },
	{ 4096ull << 32, 0, 0, UINT32_MAX, UINT32_MAX, 0x1000 },
};

START_TEST(refuses_wrong_regions)
{
	uint8_t buf[sizeof(struct gdma_create_dma_region_req) + 8]
		__attribute__((aligned(8))) = { 0 };
	struct gdma_create_dma_region_req *q = (void *)buf;
	struct gdma_create_dma_region_resp r;
	struct mana_model_live live;

	q->length = htole64(regions[_i].length);
	q->offset_in_page = htole32(regions[_i].offset);
	q->gdma_page_type = htole32(regions[_i].type);
	q->page_count = htole32(regions[_i].pages);
	q->page_addr_list_len = htole32(regions[_i].list);
	q->page_addr_list[0] = htole64(regions[_i].addr);
	host_establish(&h);
	ck_assert_int_gt(host_request(&h, GDMA_CREATE_DMA_REGION, q, sizeof(buf), &r, sizeof(r)),
			 0);
	host_violated(&h, 1, "CREATE_DMA_REGION");
	mana_model_live(h.m, &live);
	ck_assert_uint_eq(live.regions, 0);
}

START_TEST(makes_event_queues)
{
	struct gdma_test_eqe_req tq = { 0 };
	struct gdma_change_msix_req mq = { .msix = htole32(9) };
	struct gdma_disable_queue_req dq = { .type = htole32(GDMA_EQ),
					     .alloc_res_id_on_creation = htole32(1) };
	struct gdma_resp_hdr r;
	struct host_ring eq;
	struct gdma_eqe e;

	host_establish(&h);
	host_register(&h);
	host_create_eq(&h, &eq, 2 * GDMA_PAGE_SIZE, 5);
	tq.queue_index = mq.queue_index = dq.queue_index = htole32(eq.id);
	ck_assert_int_eq(host_request(&h, GDMA_GENERATE_TEST_EQE, &tq, sizeof(tq), &r, sizeof(r)),
			 0);
	ck_assert(host_eqe(&h, &eq, &e));
	ck_assert_uint_eq(GDMA_EQE_TYPE(le32toh(e.info)), GDMA_EQE_TEST_EVENT);
	ck_assert_uint_eq(h.irqs[5], 1);
	/* The vector moves, what is armed stays armed. */
	host_ring_eq(&h, &eq, true);
	ck_assert_int_eq(host_request(&h, GDMA_CHANGE_MSIX_FOR_EQ, &mq, sizeof(mq), &r, sizeof(r)),
			 0);
	ck_assert_int_eq(host_request(&h, GDMA_GENERATE_TEST_EQE, &tq, sizeof(tq), &r, sizeof(r)),
			 0);
	ck_assert_uint_eq(h.irqs[5], 1);
	ck_assert_uint_eq(h.irqs[9], 1);
	ck_assert_int_eq(host_request(&h, GDMA_DISABLE_QUEUE, &dq, sizeof(dq), &r, sizeof(r)), 0);
	host_clean(&h);
	host_ring_eq(&h, &eq, true);
	host_violated(&h, 1, "does not exist");
	ck_assert_int_gt(host_request(&h, GDMA_GENERATE_TEST_EQE, &tq, sizeof(tq), &r, sizeof(r)),
			 0);
	host_violated(&h, 2, "does not exist");
}

/* Entries go around the ring, with owner bits that change every lap. */
START_TEST(goes_around_an_event_queue)
{
	struct gdma_test_eqe_req tq = { 0 };
	struct gdma_resp_hdr r;
	struct host_ring eq;
	struct gdma_eqe e;

	host_establish(&h);
	host_register(&h);
	host_create_eq(&h, &eq, GDMA_PAGE_SIZE, 1);
	tq.queue_index = htole32(eq.id);
	for (unsigned int i = 0; i < 256 * 9; i++) {
		ck_assert_int_eq(host_request(&h, GDMA_GENERATE_TEST_EQE, &tq, sizeof(tq), &r,
					      sizeof(r)),
				 0);
		ck_assert(host_eqe(&h, &eq, &e));
		ck_assert(!host_eqe(&h, &eq, &e));
		host_ring_eq(&h, &eq, true);
	}
	ck_assert_uint_eq(h.irqs[1], 256 * 9);
	host_clean(&h);
}

START_TEST(tells_mix_ups)
{
	struct gdma_req_hdr q = { .dev_id = { htole16(GDMA_DEVICE_MANA), 0 } };
	struct gdma_register_device_resp r;
	struct gdma_sge sge;
	struct host_ring ring;
	uint64_t region;
	struct gdma_create_queue_req cq = { .type = htole32(GDMA_EQ),
					    .queue_size = htole32(GDMA_PAGE_SIZE) };
	struct gdma_create_queue_resp cr;

	host_establish(&h);
	ck_assert_int_gt(host_request(&h, GDMA_REGISTER_DEVICE, &q, sizeof(q), &r, sizeof(r)), 0);
	host_violated(&h, 1, "device {2,0}");
	host_register(&h);
	ck_assert_uint_ne(h.mkey, h.hwc_sq.mkey);
	ck_assert_uint_ne(h.db, h.hwc_sq.db);
	region = host_region(&h, &ring, GDMA_PAGE_SIZE);
	cq.gdma_region = htole64(region);
	cq.pdid = htole32(mana_model_ids(h.m)->hwc_pdid);
	cq.doorbell_id = htole32(h.db);
	ck_assert_int_gt(host_request(&h, GDMA_CREATE_QUEUE, &cq, sizeof(cq), &cr, sizeof(cr)), 0);
	host_violated(&h, 2, "device {2,0}");
	/* The channel's memory key is not the device's. */
	sge = (struct gdma_sge){ h.response, h.mkey, GDMA_PAGE_SIZE };
	host_post(&h, &h.hwc_rq, NULL, GDMA_OOB_SMALL_SIZE, 0, &sge, 1);
	host_ring_wq(&h, &h.hwc_rq, false);
	ck_assert_int_eq(host_request(&h, GDMA_LIST_DEVICES, &q, sizeof(q), &cr, sizeof(cr)), 0);
	ck_assert_int_eq(host_request(&h, GDMA_LIST_DEVICES, &q, sizeof(q), &cr, sizeof(cr)), -1);
	host_violated(&h, 3, "device {2,0}");
}

START_TEST(starts_anew)
{
	struct mana_model_live live;
	struct host_port p;

	host_establish(&h);
	host_register(&h);
	host_port_up(&h, 0, &p, 8);
	mana_model_live(h.m, &live);
	ck_assert_uint_eq(live.hwc + live.registered + live.eqs + live.sqs + live.rqs, 5);
	ck_assert_uint_eq(live.rx_posted, 8);
	if (_i == 0) {
		ck_assert_uint_eq(host_smc(&h, GDMA_SMC_DESTROY_HWC),
				  GDMA_SMC_DESTROY_HWC | GDMA_SMC_RESPONSE);
	} else if (_i == 1) {
		mana_model_reset(h.m);
		ck_assert_uint_eq(mana_model_counts(h.m)->resets, 1);
		mana_model_set_command(h.m, HOST_BME);
	}
	if (_i < 2) {
		mana_model_live(h.m, &live);
		ck_assert_uint_eq(live.hwc + live.registered + live.eqs + live.sqs + live.rqs +
					  live.rx_posted,
				  0);
	}
	host_establish(&h);
	host_register(&h);
	host_port_up(&h, 1, &p, 8);
	ck_assert_uint_eq(mana_model_counts(h.m)->hwc_established, 2);
	host_clean(&h);
}

START_TEST(checks_its_options)
{
	struct mana_model_ops none = { 0 };
	struct mana_model_opts o[] = {
		{ .vports = 3 }, { .queues = 17 }, { .vectors = 65 },
		{ .mtu = 9001 }, { .ops = NULL },  { .ops = &none },
	};
	struct mana_model *m;

	for (unsigned int i = 0; i < 6; i++)
		ck_assert_int_eq(mana_model_create(&o[i], &m), -EINVAL);
	mana_model_destroy(NULL);
}

int main(void)
{
	Suite *s = suite_create("mana-model-channel");
	TCase *t = suite_case(s, "mana-model-channel", 30);

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, has_registers);
	tcase_add_test(t, answers_the_shared_memory_channel);
	tcase_add_test(t, does_not_lose_the_channel_while_it_owns_it);
	tcase_add_test(t, establishes_by_events);
	tcase_add_test(t, interrupts_again_for_what_was_not_seen);
	tcase_add_test(t, negotiates);
	tcase_add_test(t, refuses_what_it_does_not_know);
	tcase_add_test(t, answers_in_the_size_asked_for);
	tcase_add_test(t, keeps_regions);
	tcase_add_loop_test(t, refuses_wrong_regions, 0, sizeof(regions) / sizeof(regions[0]));
	tcase_add_test(t, makes_event_queues);
	tcase_add_test(t, goes_around_an_event_queue);
	tcase_add_test(t, tells_mix_ups);
	tcase_add_loop_test(t, starts_anew, 0, 3);
	tcase_add_test(t, checks_its_options);
	return suite_run(s);
}
