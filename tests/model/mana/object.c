// SPDX-License-Identifier: BSD-2-Clause
/* Work queue objects: a send or receive queue with its completion queue. */
#include "tests/model/mana/internal.h"

#define SQ_MARK 0x53ull
#define RQ_MARK 0x51ull

uint64_t wq_handle(const struct mana_model *m, const struct wq *wq)
{
	unsigned int slot = (unsigned int)(wq->sq ? wq - m->sq : wq - m->rq);

	return (wq->sq ? SQ_MARK : RQ_MARK) << 56 | (uint64_t)wq->generation << 16 | slot;
}

struct wq *wq_by_handle(struct mana_model *m, uint64_t handle, bool sq)
{
	unsigned int slot = handle & 0xffff;
	struct wq *wq;

	if (!slot || slot >= MAX_WQS)
		return NULL;
	wq = sq ? &m->sq[slot] : &m->rq[slot];
	return wq->live && wq_handle(m, wq) == handle ? wq : NULL;
}

static unsigned int count(const struct wq *wq, unsigned int vport)
{
	unsigned int n = 0;

	for (unsigned int i = 1; i < MAX_WQS; i++)
		n += wq[i].live && wq[i].vport == vport;
	return n;
}

static bool may_create(struct mana_model *m, const struct mana_create_wqobj_req *req, int v, int eq)
{
	uint32_t type = le32toh(req->wq_type);

	if (v == NO_SLOT || (type != GDMA_SQ && type != GDMA_RQ)) {
		model_violation(m, "CREATE_WQ_OBJ: type %u on vport %#llx", type,
				(unsigned long long)le64toh(req->vport));
		return false;
	}
	if (!m->vport[v].tx_configured) {
		model_violation(m,
				"CREATE_WQ_OBJ: vport %d was not given a protection domain by CONFIG_VPORT_TX",
				v);
		return false;
	}
	if (eq <= 0) {
		model_violation(m, "CREATE_WQ_OBJ: there is no EQ %#x",
				le32toh(req->cq_parent_qid));
		return false;
	}
	if (count(type == GDMA_SQ ? m->sq : m->rq, (unsigned int)v) >= m->opts.queues) {
		model_violation(m, "CREATE_WQ_OBJ: vport %d has %u queues of this kind already", v,
				m->opts.queues);
		return false;
	}
	return true;
}

uint32_t object_create(struct mana_model *m, struct call *c)
{
	const struct mana_create_wqobj_req *req = (const void *)c->req;
	struct mana_create_wqobj_resp *resp = (void *)c->resp;
	int v = vport_by_handle(m, le64toh(req->vport)),
	    eq = eq_find(m, le32toh(req->cq_parent_qid)), cq, slot;
	uint32_t wq_size = le32toh(req->wq_size), cq_size = le32toh(req->cq_size);
	bool sq = le32toh(req->wq_type) == GDMA_SQ;
	uint64_t wq_region = le64toh(req->wq_gdma_region);
	uint64_t cq_region = le64toh(req->cq_gdma_region);
	const struct wq *wq;

	model_setup(m, "CREATE_WQ_OBJ");
	if (!may_create(m, req, v, eq))
		return STATUS_INVALID;
	if (!region_fits(m, wq_region, wq_size, "CREATE_WQ_OBJ") ||
	    !region_fits(m, cq_region, cq_size, "CREATE_WQ_OBJ"))
		return STATUS_INVALID;
	if (wq_region == cq_region) {
		model_violation(m, "CREATE_WQ_OBJ: one region for both queues");
		return STATUS_INVALID;
	}
	/* There are as many slots as the vports may have queues. */
	cq = cq_create(m, NO_SLOT, region_consume(m, cq_region), cq_size, eq, MANA_DB);
	slot = wq_create(m, sq, NO_SLOT, region_consume(m, wq_region), wq_size, (unsigned int)cq,
			 (unsigned int)v, MANA_DB, MANA_MKEY);
	wq = sq ? &m->sq[slot] : &m->rq[slot];
	m->counts.queues_created++;
	resp->wq_id = htole32(wq->id);
	resp->cq_id = htole32(CQ_ID((unsigned int)cq));
	resp->wq_obj = htole64(wq_handle(m, wq));
	return 0;
}

static bool steered_to(const struct mana_model *m, unsigned int v, uint64_t handle)
{
	const struct vport *vp = &m->vport[v];

	for (unsigned int i = 0; vp->rss && i < vp->entries; i++) {
		if (vp->table[i] == handle)
			return true;
	}
	return vp->default_rxobj == handle;
}

uint32_t object_destroy(struct mana_model *m, struct call *c)
{
	const struct mana_destroy_wqobj_req *req = (const void *)c->req;
	uint64_t handle = le64toh(req->wq_obj_handle);
	bool sq = le32toh(req->wq_type) == GDMA_SQ;
	struct wq *wq = wq_by_handle(m, handle, sq);

	model_setup(m, "DESTROY_WQ_OBJ");
	if (!wq) {
		model_violation(m, "DESTROY_WQ_OBJ: there is no %s object %#llx",
				sq ? "send" : "receive", (unsigned long long)handle);
		return STATUS_INVALID;
	}
	if (!sq && m->vport[wq->vport].rx && steered_to(m, wq->vport, handle))
		model_violation(m, "DESTROY_WQ_OBJ: vport %u still steers to RQ %#x", wq->vport,
				wq->id);
	cq_destroy(m, wq->cq);
	wq_destroy(m, wq);
	m->counts.queues_destroyed++;
	return 0;
}

uint32_t object_fence(struct mana_model *m, struct call *c)
{
	const struct mana_fence_rq_req *req = (const void *)c->req;
	struct wq *rq = wq_by_handle(m, le64toh(req->wq_obj_handle), false);
	struct gdma_cqe cqe = { .data = { htole32(MANA_CQE_RX_FENCE |
						  MANA_CQE_CLIENT_COMPLETION
							  << MANA_CQE_CLIENT_SHIFT) } };

	if (!rq) {
		model_violation(m, "FENCE_RQ: there is no receive object %#llx",
				(unsigned long long)le64toh(req->wq_obj_handle));
		return STATUS_INVALID;
	}
	return cq_post(m, rq->cq, &cqe, rq->id, false) ? 0 : STATUS_INVALID;
}
