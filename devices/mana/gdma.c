// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests to GDMA itself: who speaks, what there is, memory regions, event queues.
 */
#include <errno.h>
#include <inttypes.h>

#include "devices/mana/adapter.h"

#define EQ_LOG2_THROTTLE 3u
#define TEST_TIMEOUT_NS	 30000000000ull

struct gdma_req_hdr mana_request(const struct udrv_mana *mana, uint32_t type, bool mana_dev,
				 uint16_t req_version, uint16_t resp_version)
{
	struct gdma_req_hdr hdr = {
		.req = { .msg_type = htole32(type), .msg_version = htole16(req_version) },
		.resp = { .msg_type = htole32(type), .msg_version = htole16(resp_version) },
	};

	if (mana_dev) {
		hdr.dev_id.type = htole16(GDMA_DEVICE_MANA);
		hdr.dev_id.instance = htole16(mana->facts.instance);
	}
	return hdr;
}

static int verify_version(struct udrv_mana *mana)
{
	struct gdma_verify_ver_req req = {
		.hdr = mana_request(mana, GDMA_VERIFY_VF_DRIVER_VERSION, false, 1, 1),
		.protocol_ver_min = htole64(GDMA_PROTOCOL_V1),
		.protocol_ver_max = htole64(GDMA_PROTOCOL_V1),
		.gd_drv_cap_flags = { htole64(GDMA_DRV_CAP_1_DEV_LIST_HOLES |
					      GDMA_DRV_CAP_1_SELF_RESET) },
		.os_type = htole32(GDMA_OS_TYPE_LINUX),
		.os_ver_str = { "udrv" },
	};
	struct gdma_verify_ver_resp resp;

	return mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
}

static int list_devices(struct udrv_mana *mana)
{
	struct gdma_req_hdr req = mana_request(mana, GDMA_LIST_DEVICES, false, 1, 1);
	struct gdma_list_devices_resp resp;
	int err;

	err = mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
	if (err)
		return err;
	/* There may be holes, so the count says little. */
	for (unsigned int i = 0; i < GDMA_DEV_LIST_SIZE; i++) {
		if (le16toh(resp.devs[i].type) == GDMA_DEVICE_MANA) {
			mana->facts.instance = le16toh(resp.devs[i].instance);
			return 0;
		}
	}
	mana_err(mana, "there is no network device behind the hardware channel");
	return -EOPNOTSUPP;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static int max_resources(struct udrv_mana *mana, uint32_t *ret_max_queues)
{
	struct gdma_req_hdr req = mana_request(mana, GDMA_QUERY_MAX_RESOURCES, false, 1, 1);
	struct gdma_max_resources_resp resp;
	uint32_t msix;
	int err;

	err = mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
	if (err)
		return err;
	*ret_max_queues = least(least(le32toh(resp.max_sq), le32toh(resp.max_rq)),
				least(le32toh(resp.max_cq) / 2, le32toh(resp.max_eq)));
	msix = le32toh(resp.max_msix);
	if (!*ret_max_queues || !msix) {
		mana_err(mana, "the device has no queues, or no vectors, for us");
		return -EOPNOTSUPP;
	}
	mana->facts.vectors = least(mana->facts.vectors, msix);
	return 0;
}

int mana_gdma_register(struct udrv_mana *mana)
{
	struct gdma_req_hdr req = mana_request(mana, GDMA_REGISTER_DEVICE, true, 1, 1);
	struct gdma_register_device_resp resp;
	uint64_t db;
	int err;

	err = mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
	if (err)
		return err;
	mana->facts.mana = (struct mana_domain){
		.pdid = le32toh(resp.pdid),
		.mkey = le32toh(resp.gpa_mkey),
		.db = le32toh(resp.db_id),
	};
	return mana_regs_doorbell(mana, mana->facts.mana.db, &db);
}

int mana_gdma_deregister(struct udrv_mana *mana)
{
	struct gdma_req_hdr req = mana_request(mana, GDMA_DEREGISTER_DEVICE, true, 1, 1);
	struct gdma_resp_hdr resp;

	return mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
}

/* A region of whole pages of the pool; it becomes the queue's that is made with it. */
int mana_gdma_region(struct udrv_mana *mana, uint64_t off, uint32_t len, uint64_t *ret)
{
	union {
		struct gdma_create_dma_region_req req;
		uint8_t bytes[GDMA_HWC_MAX_MESSAGE];
	} msg = { .req.hdr = mana_request(mana, GDMA_CREATE_DMA_REGION, false, 1, 1) };
	struct gdma_create_dma_region_resp resp;
	uint32_t pages = len / GDMA_PAGE_SIZE;
	int err;

	if (!pages || pages > GDMA_DMA_REGION_PAGES_MAX || len % GDMA_PAGE_SIZE)
		return -EINVAL;
	msg.req.length = htole64(len);
	msg.req.page_count = htole32(pages);
	msg.req.page_addr_list_len = htole32(pages);
	for (uint32_t i = 0; i < pages; i++)
		msg.req.page_addr_list[i] =
			htole64(udrv_dma_addr(mana->dma, off + (uint64_t)i * GDMA_PAGE_SIZE));
	err = mana_hwc_call(mana, &msg, sizeof(msg.req) + pages * sizeof(uint64_t), &resp,
			    sizeof(resp));
	if (err)
		return err;
	*ret = le64toh(resp.dma_region_handle);
	if (!*ret) {
		mana_err(mana, "the device gave no handle for a DMA region of %u pages", pages);
		return -EPROTO;
	}
	return 0;
}

static int test_eq(struct udrv_mana *mana, uint32_t id, bool *tested, struct udrv_mana_queue *q)
{
	struct gdma_test_eqe_req req = {
		.hdr = mana_request(mana, GDMA_GENERATE_TEST_EQE, q, 1, 1),
		.queue_index = htole32(id),
	};
	struct gdma_resp_hdr resp;
	uint64_t begin;
	int err;

	if (!q) {
		req.hdr.dev_id.type = htole16(GDMA_DEVICE_HWC);
		req.hdr.dev_id.instance = 0;
	}
	*tested = false;
	err = mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
	for (begin = wait_now_ns(); !err;) {
		uint64_t waited = wait_now_ns() - begin;

		if (q)
			mana_eq_drain(q);
		else
			mana_events(mana);
		if (*tested)
			return 0;
		if (mana_regs_alive(mana))
			err = -ENODEV;
		else if (waited > TEST_TIMEOUT_NS || waited > mana->timeout_ns)
			err = -ETIMEDOUT;
		else
			wait_relax(waited);
	}
	mana_err(mana, "no test event came on event queue %u (error %d)", id, err);
	return err;
}

int mana_gdma_probe(struct udrv_mana *mana, uint32_t *ret_max_queues)
{
	int err;

	err = test_eq(mana, mana->facts.hwc_eq, &mana->hwc.eq.tested, NULL);
	if (!err)
		err = verify_version(mana);
	if (!err)
		err = list_devices(mana);
	if (!err)
		err = max_resources(mana, ret_max_queues);
	return err;
}

int mana_gdma_create_eq(struct udrv_mana *mana, struct udrv_mana_queue *q)
{
	struct gdma_create_queue_req req = {
		.hdr = mana_request(mana, GDMA_CREATE_QUEUE, true, 1, 1),
		.type = htole32(GDMA_EQ),
		.pdid = htole32(mana->facts.mana.pdid),
		.doorbell_id = htole32(mana->facts.mana.db),
		.queue_size = htole32(MANA_EQ_BYTES),
		.log2_throttle_limit = htole32(EQ_LOG2_THROTTLE),
		.eq_pci_msix_index = htole32(udrv_load32(&q->st->vector)),
	};
	struct gdma_create_queue_resp resp;
	uint64_t region;
	int err;

	err = mana_gdma_region(mana, udrv_load64(&q->st->rings_off), MANA_EQ_BYTES, &region);
	if (err)
		return err;
	req.gdma_region = htole64(region);
	err = mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
	if (err)
		return err;
	q->eq.id = le32toh(resp.queue_index);
	if (q->eq.id & ~GDMA_DB_EQ_ID_MASK) {
		mana_err(mana, "event queue id %#x does not fit a doorbell", q->eq.id);
		return -EPROTO;
	}
	udrv_store32(&q->st->eq_id, q->eq.id);
	err = test_eq(mana, q->eq.id, &q->eq.tested, q);
	if (!err)
		mana_eq_arm(q);
	return err;
}

int mana_gdma_disable_eq(struct udrv_mana *mana, struct udrv_mana_queue *q)
{
	struct gdma_disable_queue_req req = {
		.hdr = mana_request(mana, GDMA_DISABLE_QUEUE, true, 1, 1),
		.type = htole32(GDMA_EQ),
		.queue_index = htole32(q->eq.id),
		.alloc_res_id_on_creation = htole32(1),
	};
	struct gdma_resp_hdr resp;

	return mana_hwc_call(mana, &req, sizeof(req), &resp, sizeof(resp));
}
