// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/mana/host.h"

#define SMC 0x40u

static void *dma(void *ctx, uint64_t addr, size_t *len, bool write)
{
	struct host *h = ctx;
	size_t in_page = GDMA_PAGE_SIZE - addr % GDMA_PAGE_SIZE;

	(void)write;
	if (addr < HOST_BASE || addr >= HOST_BASE + HOST_PAGES * (uint64_t)GDMA_PAGE_SIZE)
		return NULL;
	if (*len > in_page)
		*len = in_page;
	return h->mem + (addr - HOST_BASE);
}

static void irq(void *ctx, unsigned int vector)
{
	struct host *h = ctx;

	ck_assert_uint_lt(vector, MANA_MODEL_MAX_VECTORS);
	h->irqs[vector]++;
}

static void log_line(void *ctx, const char *line)
{
	struct host *h = ctx;

	ck_assert_uint_gt(strlen(line), 0);
	h->logs++;
}

static const struct mana_model_ops ops = { .dma = dma, .irq = irq, .log = log_line };

static int wire_send(struct net_backend *b, const uint8_t *frame, size_t len)
{
	struct host_wire *w = (struct host_wire *)b;
	struct host_frame *f = &w->frame[w->frames % HOST_FRAMES];

	if (w->error)
		return w->error;
	ck_assert_uint_le(len, sizeof(f->data));
	memcpy(f->data, frame, len);
	f->len = len;
	w->frames++;
	return 0;
}

static const struct net_backend_ops wire_ops = { .name = "wire", .send = wire_send };

void host_create(struct host *h, const struct mana_model_opts *opts)
{
	struct mana_model_opts o = *opts;

	memset(h, 0, sizeof(*h));
	h->mem = aligned_alloc(GDMA_PAGE_SIZE, HOST_PAGES * (size_t)GDMA_PAGE_SIZE);
	ck_assert_ptr_nonnull(h->mem);
	memset(h->mem, 0, HOST_PAGES * (size_t)GDMA_PAGE_SIZE);
	for (unsigned int v = 0; v < MANA_MODEL_MAX_VPORTS; v++) {
		h->wire[v].backend = (struct net_backend){ .ops = &wire_ops, .fd = -1 };
		o.backend[v] = &h->wire[v].backend;
	}
	o.ops = &ops;
	o.ctx = h;
	ck_assert_int_eq(mana_model_create(&o, &h->m), 0);
	mana_model_set_command(h->m, HOST_BME);
}

void host_destroy(struct host *h)
{
	mana_model_destroy(h->m);
	free(h->mem);
	h->m = NULL;
	h->mem = NULL;
}

uint64_t host_page(struct host *h)
{
	ck_assert_uint_lt(h->pages, HOST_PAGES);
	h->pages++;
	return HOST_BASE + (HOST_PAGES - h->pages) * (uint64_t)GDMA_PAGE_SIZE;
}

void *host_at(struct host *h, uint64_t addr)
{
	ck_assert_uint_ge(addr, HOST_BASE);
	ck_assert_uint_lt(addr, HOST_BASE + HOST_PAGES * (uint64_t)GDMA_PAGE_SIZE);
	return h->mem + (addr - HOST_BASE);
}

void host_run(struct host *h)
{
	unsigned int n = mana_model_run(h->m, 100000);

	ck_assert_uint_lt(n, 100000);
}

/* ---- rings ---- */

static void *ring_at(struct host *h, const struct host_ring *r, uint32_t off)
{
	off &= r->size - 1;
	return (uint8_t *)host_at(h, r->page[off / GDMA_PAGE_SIZE]) + off % GDMA_PAGE_SIZE;
}

static bool entry(struct host *h, struct host_ring *r, unsigned int shift, void *ret)
{
	uint32_t entries = r->size >> shift, size = 1u << shift;
	const uint8_t *p = ring_at(h, r, r->next << shift);
	uint32_t info, lap = r->next / entries & GDMA_OWNER_MASK;

	memcpy(&info, p + size - 4, sizeof(info));
	if (GDMA_OWNER(le32toh(info)) == ((lap - 1) & GDMA_OWNER_MASK))
		return false;
	ck_assert_uint_eq(GDMA_OWNER(le32toh(info)), lap);
	memcpy(ret, p, size);
	r->next++;
	return true;
}

bool host_cqe(struct host *h, struct host_ring *cq, struct gdma_cqe *ret)
{
	return entry(h, cq, GDMA_CQE_SHIFT, ret);
}

bool host_eqe(struct host *h, struct host_ring *eq, struct gdma_eqe *ret)
{
	return entry(h, eq, GDMA_EQE_SHIFT, ret);
}

static void doorbell(struct host *h, uint32_t page, uint32_t off, uint64_t val)
{
	mana_model_bar_write(h->m, 0x1000 + page * GDMA_PAGE_SIZE + off, val, 8);
}

void host_ring_wq(struct host *h, const struct host_ring *wq, bool sq)
{
	doorbell(h, wq->db, sq ? GDMA_DB_SQ : GDMA_DB_RQ, gdma_wq_doorbell(wq->id, wq->next));
}

void host_ring_cq(struct host *h, const struct host_ring *cq, bool arm)
{
	uint32_t laps = (cq->size >> GDMA_CQE_SHIFT) * GDMA_LAPS;

	doorbell(h, cq->db, GDMA_DB_CQ, gdma_cq_doorbell(cq->id, cq->next % laps, arm));
}

void host_ring_eq(struct host *h, const struct host_ring *eq, bool arm)
{
	uint32_t laps = (eq->size >> GDMA_EQE_SHIFT) * GDMA_LAPS;

	doorbell(h, eq->db, GDMA_DB_EQ, gdma_eq_doorbell(eq->id, eq->next % laps, arm));
}

static void put(struct host *h, const struct host_ring *wq, uint32_t off, const void *data,
		size_t len)
{
	for (size_t i = 0; i < len; i++)
		*(uint8_t *)ring_at(h, wq, off + (uint32_t)i) = ((const uint8_t *)data)[i];
}

void host_post(struct host *h, struct host_ring *wq, const void *oob, uint32_t oob_len,
	       uint32_t flags, const struct gdma_sge *sge, unsigned int nsge)
{
	struct gdma_wqe hdr = { .flags =
					htole32(flags | nsge | oob_len / 4 << GDMA_WQE_OOB_SHIFT) };
	uint8_t zero[GDMA_OOB_LARGE_SIZE] = { 0 };

	if (flags & GDMA_WQE_OOB_IN_SGL)
		hdr.last_vbytes = htole32(sge[0].size << GDMA_WQE_LAST_VBYTES_SHIFT);
	put(h, wq, wq->next, &hdr, sizeof(hdr));
	put(h, wq, wq->next + 8, oob ? oob : zero, oob_len);
	for (unsigned int i = 0; i < nsge; i++) {
		struct gdma_sge s = { htole64(sge[i].address), htole32(sge[i].mem_key),
				      htole32(sge[i].size) };

		put(h, wq, wq->next + 8 + oob_len + i * (uint32_t)sizeof(s), &s, sizeof(s));
	}
	wq->next += gdma_wqe_size(oob_len, nsge);
}

/* ---- hardware channel ---- */

static void make_hwc_ring(struct host *h, struct host_ring *r, uint32_t entries)
{
	*r = (struct host_ring){ .page = { host_page(h) },
				 .size = GDMA_HWC_QUEUE_SIZE,
				 .next = entries };
}

static void put_pfn(uint8_t low[6], uint16_t *high, unsigned int shift, uint64_t addr)
{
	uint64_t pfn = addr >> GDMA_PAGE_SHIFT;

	for (unsigned int i = 0; i < 6; i++)
		low[i] = (uint8_t)(pfn >> 8 * i);
	*high |= (uint16_t)((pfn >> 48 & 0xf) << shift);
}

uint32_t host_smc(struct host *h, uint32_t hdr)
{
	uint32_t val = 0;

	mana_model_bar_write(h->m, SMC + GDMA_SMC_LAST * 4, hdr, 4);
	for (unsigned int i = 0; i < 3; i++) {
		val = (uint32_t)mana_model_bar_read(h->m, SMC + GDMA_SMC_LAST * 4, 4);
		if (!(val & GDMA_SMC_OWNER_PF))
			break;
	}
	return val;
}

static void post_response_buffer(struct host *h)
{
	const struct gdma_sge sge = { h->response, h->hwc_rq.mkey, GDMA_PAGE_SIZE };

	host_post(h, &h->hwc_rq, NULL, GDMA_OOB_SMALL_SIZE, 0, &sge, 1);
	host_ring_wq(h, &h->hwc_rq, false);
}

static void init_event(struct host *h, const struct gdma_eqe *e, bool *done)
{
	uint32_t d = le32toh(e->details[0]), val = GDMA_HWC_DATA_VALUE(d), db;

	switch (GDMA_EQE_TYPE(le32toh(e->info))) {
	case GDMA_EQE_HWC_INIT_EQ_ID_DB:
		h->hwc_eq.id = GDMA_HWC_INIT_EQ_ID(d);
		db = GDMA_HWC_INIT_DB(d);
		h->hwc_eq.db = h->hwc_cq.db = h->hwc_rq.db = h->hwc_sq.db = db;
		break;
	case GDMA_EQE_HWC_INIT_DATA:
		if (GDMA_HWC_DATA_TYPE(d) == GDMA_HWC_INIT_CQID)
			h->hwc_cq.id = val;
		if (GDMA_HWC_DATA_TYPE(d) == GDMA_HWC_INIT_RQID)
			h->hwc_rq.id = val;
		if (GDMA_HWC_DATA_TYPE(d) == GDMA_HWC_INIT_SQID)
			h->hwc_sq.id = val;
		if (GDMA_HWC_DATA_TYPE(d) == GDMA_HWC_INIT_GPA_MKEY)
			h->hwc_rq.mkey = h->hwc_sq.mkey = val;
		break;
	case GDMA_EQE_HWC_INIT_DONE:
		*done = true;
		break;
	}
}

void host_establish(struct host *h)
{
	struct gdma_smc_establish e = { 0 };
	uint32_t dword[GDMA_SMC_DWORDS];
	struct gdma_eqe eqe;
	uint16_t high = 0;
	bool done = false;

	make_hwc_ring(h, &h->hwc_eq, 256);
	make_hwc_ring(h, &h->hwc_cq, 64);
	make_hwc_ring(h, &h->hwc_rq, 0);
	make_hwc_ring(h, &h->hwc_sq, 0);
	h->request = host_page(h);
	h->response = host_page(h);
	put_pfn(e.eq_pfn, &high, 0, h->hwc_eq.page[0]);
	put_pfn(e.cq_pfn, &high, 4, h->hwc_cq.page[0]);
	put_pfn(e.rq_pfn, &high, 8, h->hwc_rq.page[0]);
	put_pfn(e.sq_pfn, &high, 12, h->hwc_sq.page[0]);
	e.pfn_high = htole16(high);
	memcpy(dword, &e, sizeof(dword));
	for (unsigned int i = 0; i < GDMA_SMC_LAST; i++)
		mana_model_bar_write(h->m, SMC + i * 4, dword[i], 4);
	ck_assert_uint_eq(host_smc(h, GDMA_SMC_ESTABLISH_HWC),
			  GDMA_SMC_ESTABLISH_HWC | GDMA_SMC_RESPONSE);
	host_run(h);
	while (host_eqe(h, &h->hwc_eq, &eqe))
		init_event(h, &eqe, &done);
	ck_assert(done);
	host_ring_eq(h, &h->hwc_eq, true);
	post_response_buffer(h);
}

/* The answer's length; -1: there is none. */
static int64_t answer(struct host *h)
{
	struct gdma_hwc_rx_oob oob;
	struct gdma_cqe cqe;
	struct gdma_eqe eqe;
	int64_t len = -1;

	while (host_eqe(h, &h->hwc_eq, &eqe))
		;
	host_ring_eq(h, &h->hwc_eq, true);
	while (host_cqe(h, &h->hwc_cq, &cqe)) {
		uint32_t info = le32toh(cqe.info);

		ck_assert_uint_eq(GDMA_CQE_WQ(info),
				  info & GDMA_CQE_IS_SQ ? h->hwc_sq.id : h->hwc_rq.id);
		if (info & GDMA_CQE_IS_SQ)
			continue;
		memcpy(&oob, cqe.data, sizeof(oob));
		len = le32toh(oob.tx_oob_data_size);
	}
	host_ring_cq(h, &h->hwc_cq, true);
	return len;
}

int64_t host_request(struct host *h, uint32_t code, void *req, uint32_t len, void *resp,
		     uint32_t resp_len)
{
	static uint16_t id;
	struct gdma_req_hdr *hdr = req;
	struct gdma_hwc_tx_oob oob = { .vscq = htole32(h->hwc_cq.id),
				       .vsq = htole32(h->hwc_sq.id) };
	const struct gdma_sge sge = { h->request, h->hwc_sq.mkey, len };
	struct gdma_resp_hdr got;
	int64_t n;

	hdr->req.msg_type = htole32(code);
	hdr->req.msg_size = htole32(len);
	hdr->req.msg_version = hdr->req.msg_version ? hdr->req.msg_version : htole16(1);
	hdr->req.hwc_msg_id = htole16(id);
	hdr->resp.msg_type = htole32(code);
	hdr->resp.msg_version = htole16(1);
	hdr->resp.msg_size = htole32(resp_len);
	hdr->activity_id = htole32(0xac7 + id);
	if (code >= MANA_QUERY_DEV_CONFIG || code == GDMA_REGISTER_DEVICE ||
	    code == GDMA_DEREGISTER_DEVICE || code == GDMA_CREATE_QUEUE ||
	    code == GDMA_DISABLE_QUEUE) {
		if (!hdr->dev_id.type)
			hdr->dev_id = (struct gdma_dev_id){ htole16(GDMA_DEVICE_MANA), htole16(1) };
	}
	memcpy(host_at(h, h->request), req, len);
	host_post(h, &h->hwc_sq, &oob, sizeof(oob), 0, &sge, 1);
	host_ring_wq(h, &h->hwc_sq, true);
	host_run(h);
	n = answer(h);
	if (n < 0)
		return -1;
	ck_assert_int_eq(n, resp_len);
	memcpy(&got, host_at(h, h->response), sizeof(got));
	ck_assert_uint_eq(le32toh(got.response.msg_type), code);
	ck_assert_uint_eq(le16toh(got.response.hwc_msg_id), id);
	ck_assert_uint_eq(le32toh(got.response.msg_size), resp_len);
	ck_assert_uint_eq(got.activity_id, hdr->activity_id);
	ck_assert_mem_eq(&got.dev_id, &hdr->dev_id, sizeof(got.dev_id));
	memcpy(resp, host_at(h, h->response), resp_len);
	post_response_buffer(h);
	id++;
	return le32toh(got.status);
}

void host_register(struct host *h)
{
	struct gdma_req_hdr req = { 0 };
	struct gdma_register_device_resp resp;

	ck_assert_int_eq(host_request(h, GDMA_REGISTER_DEVICE, &req, sizeof(req), &resp,
				      sizeof(resp)),
			 0);
	h->pdid = le32toh(resp.pdid);
	h->mkey = le32toh(resp.gpa_mkey);
	h->db = le32toh(resp.db_id);
	for (uint32_t v = 0; v < MANA_MODEL_MAX_VPORTS; v++) {
		struct mana_query_device_cfg_req cq = { 0 };
		struct mana_query_device_cfg_resp cr;
		struct mana_query_vport_cfg_req vq = { .vport_index = htole32(v) };
		struct mana_query_vport_cfg_resp vr;
		struct mana_config_vport_req tq = { .pdid = htole32(h->pdid),
						    .doorbell_pageid = htole32(h->db) };
		struct mana_config_vport_resp tr;

		ck_assert_int_eq(host_request(h, MANA_QUERY_DEV_CONFIG, &cq, sizeof(cq), &cr,
					      sizeof(cr)),
				 0);
		if (v >= le16toh(cr.max_num_vports))
			break;
		ck_assert_int_eq(host_request(h, MANA_QUERY_VPORT_CONFIG, &vq, sizeof(vq), &vr,
					      sizeof(vr)),
				 0);
		h->vport[v] = le64toh(vr.vport);
		tq.vport = vr.vport;
		ck_assert_int_eq(host_request(h, MANA_CONFIG_VPORT_TX, &tq, sizeof(tq), &tr,
					      sizeof(tr)),
				 0);
		ck_assert_uint_eq(le16toh(tr.tx_vport_offset), 0x10 + v);
	}
}

/* ---- queues ---- */

uint64_t host_region(struct host *h, struct host_ring *r, uint32_t size)
{
	uint32_t pages = size / GDMA_PAGE_SIZE,
		 len = sizeof(struct gdma_create_dma_region_req) + pages * 8;
	uint8_t buf[sizeof(struct gdma_create_dma_region_req) + 16 * 8]
		__attribute__((aligned(8))) = { 0 };
	struct gdma_create_dma_region_req *req = (void *)buf;
	struct gdma_create_dma_region_resp resp;

	ck_assert_uint_le(pages, 16);
	*r = (struct host_ring){ .size = size, .db = h->db, .mkey = h->mkey };
	req->length = htole64(size);
	req->page_count = htole32(pages);
	req->page_addr_list_len = htole32(pages);
	for (uint32_t i = 0; i < pages; i++) {
		r->page[i] = host_page(h);
		req->page_addr_list[i] = htole64(r->page[i]);
	}
	ck_assert_int_eq(host_request(h, GDMA_CREATE_DMA_REGION, req, len, &resp, sizeof(resp)), 0);
	ck_assert_uint_ne(resp.dma_region_handle, 0);
	return le64toh(resp.dma_region_handle);
}

void host_create_eq(struct host *h, struct host_ring *eq, uint32_t size, unsigned int vector)
{
	uint64_t region = host_region(h, eq, size);
	struct gdma_create_queue_req req = {
		.type = htole32(GDMA_EQ),
		.pdid = htole32(h->pdid),
		.doorbell_id = htole32(h->db),
		.gdma_region = htole64(region),
		.queue_size = htole32(size),
		.eq_pci_msix_index = htole32(vector),
	};
	struct gdma_create_queue_resp resp;

	ck_assert_int_eq(host_request(h, GDMA_CREATE_QUEUE, &req, sizeof(req), &resp, sizeof(resp)),
			 0);
	eq->id = le32toh(resp.queue_index);
	eq->next = size >> GDMA_EQE_SHIFT;
}

int64_t host_create_wq(struct host *h, unsigned int v, bool sq, struct host_ring *wq,
		       uint32_t wq_size, struct host_ring *cq, uint32_t cq_size,
		       const struct host_ring *eq)
{
	uint64_t wq_region = host_region(h, wq, wq_size), cq_region = host_region(h, cq, cq_size);
	struct mana_create_wqobj_req req = {
		.vport = htole64(h->vport[v]),
		.wq_type = htole32(sq ? GDMA_SQ : GDMA_RQ),
		.wq_gdma_region = htole64(wq_region),
		.cq_gdma_region = htole64(cq_region),
		.wq_size = htole32(wq_size),
		.cq_size = htole32(cq_size),
		.cq_parent_qid = htole32(eq->id),
	};
	struct mana_create_wqobj_resp resp;
	int64_t status;

	req.hdr.req.msg_version = htole16(3);
	status = host_request(h, MANA_CREATE_WQ_OBJ, &req, sizeof(req), &resp, sizeof(resp));
	wq->id = le32toh(resp.wq_id);
	wq->object = le64toh(resp.wq_obj);
	cq->id = le32toh(resp.cq_id);
	cq->next = cq_size >> GDMA_CQE_SHIFT;
	return status;
}

int64_t host_destroy_wq(struct host *h, bool sq, const struct host_ring *wq)
{
	struct mana_destroy_wqobj_req req = { .wq_type = htole32(sq ? GDMA_SQ : GDMA_RQ),
					      .wq_obj_handle = htole64(wq->object) };
	struct gdma_resp_hdr resp;

	return host_request(h, MANA_DESTROY_WQ_OBJ, &req, sizeof(req), &resp, sizeof(resp));
}

int64_t host_steer(struct host *h, unsigned int v, bool rx, bool rss, uint64_t def,
		   const uint64_t *table, unsigned int n)
{
	uint8_t buf[sizeof(struct mana_cfg_rx_steer_req) + 64 * 8]
		__attribute__((aligned(8))) = { 0 };
	struct mana_cfg_rx_steer_req *req = (void *)buf;
	struct mana_cfg_rx_steer_resp resp;

	ck_assert_uint_le(n, 64);
	req->hdr.req.msg_version = htole16(5);
	req->vport = htole64(h->vport[v]);
	req->rx_enable = htole32(rx);
	req->rss_enable = htole32(rss);
	req->update_default_rxobj = rx;
	req->default_rxobj = htole64(def);
	req->update_hashkey = rss;
	for (unsigned int i = 0; i < MANA_HASH_KEY_SIZE; i++)
		req->hashkey[i] = (uint8_t)(i * 37 + 11);
	req->rss_hash_types = htole16(MANA_HASH_ALL);
	req->update_indir_tab = n != 0;
	req->num_indir_entries = htole16((uint16_t)n);
	req->indir_tab_offset = htole16(sizeof(*req));
	for (unsigned int i = 0; i < n; i++)
		req->indir_tab[i] = htole64(table[i]);
	return host_request(h, MANA_CONFIG_VPORT_RX, req, (uint32_t)sizeof(*req) + n * 8, &resp,
			    sizeof(resp));
}

void host_port_up(struct host *h, unsigned int v, struct host_port *p, unsigned int buffers)
{
	ck_assert_uint_le(buffers, 64);
	host_create_eq(h, &p->eq, GDMA_PAGE_SIZE, 1 + v);
	ck_assert_int_eq(host_create_wq(h, v, true, &p->sq, 2 * GDMA_PAGE_SIZE, &p->scq,
					GDMA_PAGE_SIZE, &p->eq),
			 0);
	ck_assert_int_eq(host_create_wq(h, v, false, &p->rq, GDMA_PAGE_SIZE, &p->rcq,
					GDMA_PAGE_SIZE, &p->eq),
			 0);
	for (unsigned int i = 0; i < buffers; i++) {
		struct gdma_sge sge = { .mem_key = h->mkey, .size = 2048 };

		p->buffer[i] = sge.address = host_page(h);
		host_post(h, &p->rq, NULL, GDMA_OOB_SMALL_SIZE, 0, &sge, 1);
	}
	host_ring_wq(h, &p->rq, false);
	ck_assert_int_eq(host_steer(h, v, true, false, p->rq.object, NULL, 0), 0);
}

void host_send(struct host *h, unsigned int v, struct host_port *p, const uint8_t *frame,
	       uint32_t len, uint32_t s0, uint32_t s1)
{
	uint32_t oob[2] = { htole32(s0 | p->scq.id << MANA_TX_VCQ_SHIFT),
			    htole32(s1 | MANA_TX_VSQ_FRAME_OF(p->sq.id) << MANA_TX_VSQ_FRAME_SHIFT |
				    (0x10 + v) << MANA_TX_SHORT_VPORT_SHIFT) };
	const struct gdma_sge sge = { host_page(h), h->mkey, len };

	ck_assert_uint_le(len, GDMA_PAGE_SIZE);
	memcpy(host_at(h, sge.address), frame, len);
	host_post(h, &p->sq, oob, sizeof(oob), 0, &sge, 1);
	host_ring_wq(h, &p->sq, true);
}

void host_clean(struct host *h)
{
	const char *first;
	unsigned int n = mana_model_violations(h->m, &first);

	ck_assert_msg(!n, "%u violations: %s", n, first);
}

void host_violated(struct host *h, unsigned int n, const char *text)
{
	const char *first;

	ck_assert_msg(mana_model_violations(h->m, &first) == n,
		      "%u violations, %u were expected: %s", mana_model_violations(h->m, NULL), n,
		      first);
	ck_assert_msg(strstr(first, text), "\"%s\" does not contain \"%s\"", first, text);
}
