// SPDX-License-Identifier: BSD-2-Clause
/* The admin commands and asynchronous events. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/nvme/internal.h"

static uint16_t to_host(struct nvme_model *m, struct command *c, void *buf, uint64_t len)
{
	return model_transfer(m, &c->sqe, buf, len, true) ? NVME_SC_SUCCESS :
							    NVME_SC_DATA_TRANSFER_ERROR;
}

static uint16_t identify_ctrl(struct nvme_model *m, struct command *c)
{
	struct nvme_id_ctrl id = {
		.vid = htole16(0x1b36),
		.ssvid = htole16(0x1af4),
		.mdts = m->opts.mdts,
		.cntlid = htole16(7),
		.oaes = htole32(NVME_OAES_NS_ATTR),
		.acl = m->opts.acl,
		.aerl = m->opts.aerl,
		.elpe = 3,
		.sqes = 0x66,
		.cqes = 0x44,
		.nn = htole32(NVME_MODEL_MAX_NS),
		.oncs = htole16(m->opts.oncs),
		.vwc = NVME_VWC_PRESENT,
	};

	m->counts.identify_ctrl++;
	if (m->setup_forbidden)
		model_violation(m, "Identify Controller");
	if (m->faults.fail_identify)
		return NVME_SC_INTERNAL;
	memset(id.sn, ' ', sizeof(id.sn));
	memset(id.mn, ' ', sizeof(id.mn));
	memset(id.fr, ' ', sizeof(id.fr));
	memcpy(id.sn, "MODEL-1", 7);
	memcpy(id.mn, "udrv NVMe model", 15);
	memcpy(id.fr, "1.0", 3);
	return to_host(m, c, &id, sizeof(id));
}

static uint16_t identify_ns(struct nvme_model *m, struct command *c)
{
	uint32_t nsid = le32toh(c->sqe.nsid);
	struct nvme_id_ns id = { 0 };

	m->counts.identify_ns++;
	if (nsid < 1 || nsid > NVME_MODEL_MAX_NS || m->faults.fail_identify_ns)
		return NVME_SC_INVALID_NS;
	if (m->ns[nsid - 1].attached) {
		id.nsze = id.ncap = id.nuse = htole64(m->ns[nsid - 1].nsze);
		id.lbaf[0].lbads = m->opts.lbads;
		id.lbaf[0].ms = htole16(m->ns[nsid - 1].ms);
		id.eui64[7] = (uint8_t)nsid;
		id.nguid[15] = (uint8_t)nsid;
	}
	return to_host(m, c, &id, sizeof(id));
}

static uint16_t identify(struct nvme_model *m, struct command *c)
{
	uint32_t list[1024] = { 0 }, n = 0;

	switch (le32toh(c->sqe.cdw10) & 0xff) {
	case NVME_CNS_CTRL:
		return identify_ctrl(m, c);
	case NVME_CNS_NS:
		return identify_ns(m, c);
	case NVME_CNS_ACTIVE_NS:
		for (uint32_t i = 0; i < NVME_MODEL_MAX_NS; i++) {
			if (m->ns[i].attached && i + 1 > le32toh(c->sqe.nsid))
				list[n++] = htole32(i + 1);
		}
		return to_host(m, c, list, sizeof(list));
	}
	return NVME_SC_INVALID_FIELD;
}

static uint16_t create_cq(struct nvme_model *m, struct command *c)
{
	uint32_t qid = le32toh(c->sqe.cdw10) & 0xffff, entries = (le32toh(c->sqe.cdw10) >> 16) + 1;
	uint32_t cdw11 = le32toh(c->sqe.cdw11);

	if (!qid || qid >= MAX_QUEUES || qid > m->opts.max_queues || m->cq[qid].live)
		return NVME_SC_INVALID_QID;
	if (entries < 2 || entries > m->opts.mqes + 1u)
		return NVME_SC_INVALID_QUEUE_SIZE;
	/* QEMU: no vectors before MSI-X is enabled. */
	if ((cdw11 & NVME_CQ_IEN) && (!m->msix || cdw11 >> 16 >= m->opts.vectors))
		return NVME_SC_INVALID_VECTOR;
	if (!(cdw11 & NVME_CQ_PC) || (le64toh(c->sqe.prp1) & 4095))
		return NVME_SC_INVALID_FIELD;
	m->cq[qid] = (struct cq){ .live = true,
				  .addr = le64toh(c->sqe.prp1),
				  .entries = entries,
				  .phase = 1,
				  .ien = cdw11 & NVME_CQ_IEN,
				  .vector = (uint16_t)(cdw11 >> 16) };
	model_mem(m, m->cq[qid].addr, entries * 16ull, "completion queue");
	return NVME_SC_SUCCESS;
}

static uint16_t create_sq(struct nvme_model *m, struct command *c)
{
	uint32_t qid = le32toh(c->sqe.cdw10) & 0xffff, entries = (le32toh(c->sqe.cdw10) >> 16) + 1;
	uint32_t cqid = le32toh(c->sqe.cdw11) >> 16;

	if (!qid || qid >= MAX_QUEUES || qid > m->opts.max_queues || m->sq[qid].live)
		return NVME_SC_INVALID_QID;
	if (cqid >= MAX_QUEUES || !m->cq[cqid].live || entries < 2 || entries > m->opts.mqes + 1u)
		return NVME_SC_INVALID_QUEUE_SIZE;
	m->counts.sq_created++;
	m->sq[qid] = (struct sq){ .live = true,
				  .addr = le64toh(c->sqe.prp1),
				  .entries = entries,
				  .cqid = (uint16_t)cqid };
	model_mem(m, m->sq[qid].addr, entries * 64ull, "submission queue");
	return NVME_SC_SUCCESS;
}

static uint16_t delete_queue(struct nvme_model *m, struct command *c)
{
	uint32_t qid = le32toh(c->sqe.cdw10) & 0xffff;

	if (!qid || qid >= MAX_QUEUES)
		return NVME_SC_INVALID_QID;
	if (c->sqe.opcode == NVME_ADMIN_DELETE_SQ) {
		m->sq[qid].live = false;
	} else {
		if (m->sq[qid].live)
			return NVME_SC_INVALID_QUEUE_DELETION;
		m->cq[qid].live = false;
	}
	return NVME_SC_SUCCESS;
}

static uint16_t log_page(struct nvme_model *m, struct command *c)
{
	uint32_t bytes = ((le32toh(c->sqe.cdw10) >> 16) + 1) * 4;
	uint8_t page[4096] = { 0 };

	if (bytes > sizeof(page))
		return NVME_SC_INVALID_FIELD;
	switch (le32toh(c->sqe.cdw10) & 0xff) {
	case NVME_LOG_CHANGED_NS:
		m->counts.changed_ns_read++;
		memcpy(page, m->changed, m->nchanged * sizeof(uint32_t));
		m->nchanged = 0;
		m->changed_masked = false;
		break;
	case NVME_LOG_SMART:
		page[1] = 0x2c; /* 300 K */
		page[2] = 0x01;
		break;
	case NVME_LOG_ERROR:
		page[0] = 1;
		break;
	default:
		return NVME_SC_INVALID_FIELD;
	}
	return to_host(m, c, page, bytes);
}

static uint16_t features(struct nvme_model *m, struct command *c)
{
	uint32_t fid = le32toh(c->sqe.cdw10) & 0xff, want = le32toh(c->sqe.cdw11),
		 max = m->opts.max_queues - 1u;

	if (fid != NVME_FEAT_NUM_QUEUES)
		return fid == NVME_FEAT_ASYNC_EVENT ? NVME_SC_SUCCESS : NVME_SC_INVALID_FIELD;
	c->result = max << 16 | max;
	if (c->sqe.opcode == NVME_ADMIN_SET_FEATURES && (want & 0xffff) < max)
		c->result = want;
	return NVME_SC_SUCCESS;
}

static uint16_t abort_command(struct nvme_model *m, struct command *c)
{
	uint32_t sqid = le32toh(c->sqe.cdw10) & 0xffff, cid = le32toh(c->sqe.cdw10) >> 16;

	m->counts.aborts++;
	c->result = 1;
	for (unsigned int i = 0; i < m->ncmd; i++) {
		struct command *other = &m->cmd[i];

		if (other->sqid == sqid && le16toh(other->sqe.cid) == cid &&
		    other->state == CMD_FETCHED && !m->faults.hang_abort) {
			other->aborted = true;
			c->result = 0;
		}
	}
	return NVME_SC_SUCCESS;
}

/* An event, if there is one and it is not masked. */
static bool async_event(struct nvme_model *m, struct command *c)
{
	unsigned int outstanding = 0;

	for (unsigned int i = 0; i < m->ncmd; i++)
		outstanding += !m->cmd[i].sqid && m->cmd[i].sqe.opcode == NVME_ADMIN_ASYNC_EVENT &&
			       m->cmd[i].state == CMD_FETCHED;
	if (outstanding > m->opts.aerl + 1u) {
		model_violation(m, "%u Asynchronous Event Requests, AERL allows %u", outstanding,
				m->opts.aerl + 1u);
		c->status = NVME_SC_AER_LIMIT;
		return true;
	}
	if (m->nevents) {
		c->result = m->events[--m->nevents];
		return true;
	}
	if (m->nchanged && !m->changed_masked) {
		m->changed_masked = true;
		c->result = NVME_LOG_CHANGED_NS << 16 | NVME_AEN_NOTICE_NS_CHANGED << 8 |
			    NVME_AEN_NOTICE;
		return true;
	}
	return false;
}

bool model_admin(struct nvme_model *m, struct command *c)
{
	uint8_t op = c->sqe.opcode;

	if (op == NVME_ADMIN_ASYNC_EVENT)
		return async_event(m, c);
	if (m->faults.hang_admin)
		return false;
	if (m->setup_forbidden && (op == NVME_ADMIN_CREATE_SQ || op == NVME_ADMIN_CREATE_CQ ||
				   op == NVME_ADMIN_DELETE_SQ || op == NVME_ADMIN_DELETE_CQ ||
				   op == NVME_ADMIN_SET_FEATURES))
		model_violation(m, "admin command %#x", op);
	switch (op) {
	case NVME_ADMIN_IDENTIFY:
		c->status = identify(m, c);
		break;
	case NVME_ADMIN_CREATE_CQ:
		c->status = create_cq(m, c);
		break;
	case NVME_ADMIN_CREATE_SQ:
		c->status = create_sq(m, c);
		break;
	case NVME_ADMIN_DELETE_SQ:
	case NVME_ADMIN_DELETE_CQ:
		c->status = delete_queue(m, c);
		break;
	case NVME_ADMIN_GET_LOG_PAGE:
		c->status = log_page(m, c);
		break;
	case NVME_ADMIN_SET_FEATURES:
	case NVME_ADMIN_GET_FEATURES:
		c->status = features(m, c);
		break;
	case NVME_ADMIN_ABORT:
		c->status = abort_command(m, c);
		break;
	default:
		c->status = NVME_SC_INVALID_OPCODE;
	}
	return true;
}

void nvme_model_event(struct nvme_model *m, uint32_t dw0)
{
	if (m->nevents < MAX_EVENTS)
		m->events[m->nevents++] = dw0;
}

void nvme_model_resize(struct nvme_model *m, uint32_t nsid, uint64_t nsze)
{
	struct ns *ns = &m->ns[nsid - 1];

	if (nsze > ns->capacity) {
		uint8_t *data = calloc(nsze, (size_t)1 << m->opts.lbads);

		if (!data)
			return;
		if (ns->data)
			memcpy(data, ns->data, ns->capacity << m->opts.lbads);
		free(ns->data);
		ns->data = data;
		ns->capacity = nsze;
	}
	ns->attached = nsze != 0;
	ns->nsze = nsze;
	for (unsigned int i = 0; i < m->nchanged; i++) {
		if (m->changed[i] == nsid)
			return;
	}
	m->changed[m->nchanged++] = nsid;
}

void nvme_model_metadata(struct nvme_model *m, uint32_t nsid, uint16_t ms)
{
	m->ns[nsid - 1].ms = ms;
}
