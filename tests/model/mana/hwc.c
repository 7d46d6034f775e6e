// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hardware channel: it is established by events, and then answers requests, one after the
 * other.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/model/mana/internal.h"

static uint64_t *page_of(const uint8_t low[6], unsigned int high)
{
	uint64_t pfn = 0, *page = malloc(sizeof(*page));

	if (!page)
		return NULL;
	for (unsigned int i = 0; i < 6; i++)
		pfn |= (uint64_t)low[i] << 8 * i;
	*page = (pfn | (uint64_t)(high & 0xf) << 48) << GDMA_PAGE_SHIFT;
	return page;
}

void hwc_establish(struct mana_model *m, const struct gdma_smc_establish *req)
{
	unsigned int high = le16toh(req->pfn_high);
	uint64_t *eq = page_of(req->eq_pfn, high), *cq = page_of(req->cq_pfn, high >> 4);
	uint64_t *rq = page_of(req->rq_pfn, high >> 8), *sq = page_of(req->sq_pfn, high >> 12);

	/* A driver whose predecessor did not clean up starts anew. */
	model_drop_all(m);
	m->counts.hwc_established++;
	if (!eq || !cq || !rq || !sq) {
		free(eq);
		free(cq);
		free(rq);
		free(sq);
		return;
	}
	eq_create(m, 0, eq, GDMA_HWC_QUEUE_SIZE, le16toh(req->eq_msix), HWC_DB);
	cq_create(m, 0, cq, GDMA_HWC_QUEUE_SIZE, 0, HWC_DB);
	wq_create(m, false, 0, rq, GDMA_HWC_QUEUE_SIZE, 0, 0, HWC_DB, HWC_MKEY);
	wq_create(m, true, 0, sq, GDMA_HWC_QUEUE_SIZE, 0, 0, HWC_DB, HWC_MKEY);
	m->hwc.live = true;
}

/* The doorbell page comes first: the driver rings after a batch of events, finished or not. */
static bool init_event(struct mana_model *m)
{
	const struct event events[] = {
		{ GDMA_EQE_HWC_INIT_EQ_ID_DB, EQ_ID(0) | HWC_DB << 16 },
		{ GDMA_EQE_HWC_INIT_DATA, GDMA_HWC_DATA(GDMA_HWC_INIT_CQID, CQ_ID(0)) },
		{ GDMA_EQE_HWC_INIT_DATA, GDMA_HWC_DATA(GDMA_HWC_INIT_RQID, RQ_ID(0)) },
		{ GDMA_EQE_HWC_INIT_DATA, GDMA_HWC_DATA(GDMA_HWC_INIT_SQID, SQ_ID(0)) },
		{ GDMA_EQE_HWC_INIT_DATA, GDMA_HWC_DATA(GDMA_HWC_INIT_QUEUE_DEPTH, HWC_DEPTH) },
		{ GDMA_EQE_HWC_INIT_DATA,
		  GDMA_HWC_DATA(GDMA_HWC_INIT_MAX_REQUEST, GDMA_HWC_MAX_MESSAGE) },
		{ GDMA_EQE_HWC_INIT_DATA,
		  GDMA_HWC_DATA(GDMA_HWC_INIT_MAX_RESPONSE, GDMA_HWC_MAX_MESSAGE) },
		{ GDMA_EQE_HWC_INIT_DATA, GDMA_HWC_DATA(GDMA_HWC_INIT_MAX_NUM_CQS, MAX_NUM_CQS) },
		{ GDMA_EQE_HWC_INIT_DATA, GDMA_HWC_DATA(GDMA_HWC_INIT_PDID, HWC_PDID) },
		{ GDMA_EQE_HWC_INIT_DATA, GDMA_HWC_DATA(GDMA_HWC_INIT_GPA_MKEY, HWC_MKEY) },
		{ GDMA_EQE_HWC_INIT_DONE, 0 },
	};
	unsigned int i = m->hwc.init_eqes;

	if (i == sizeof(events) / sizeof(events[0]) ||
	    !eq_post(m, 0, events[i].type, events[i].detail))
		return false;
	m->hwc.init_eqes++;
	return true;
}

static bool other_event(struct mana_model *m)
{
	struct hwc *h = &m->hwc;

	if (!h->events || !eq_post(m, 0, h->event[0].type, h->event[0].detail))
		return false;
	memmove(&h->event[0], &h->event[1], --h->events * sizeof(h->event[0]));
	return true;
}

static const struct command *command_of(uint32_t code)
{
	for (unsigned int i = 0; i < gdma_ncommands; i++) {
		if (gdma_commands[i].code == code)
			return &gdma_commands[i];
	}
	for (unsigned int i = 0; i < bnic_ncommands; i++) {
		if (bnic_commands[i].code == code)
			return &bnic_commands[i];
	}
	return NULL;
}

/* Carry out the @len bytes in m->request; the answer's status. */
static uint32_t execute(struct mana_model *m, uint32_t len)
{
	const struct gdma_req_hdr *hdr = (const void *)m->request;
	struct call c = {
		.code = le32toh(hdr->req.msg_type),
		.version = le16toh(hdr->req.msg_version),
		.dev = { le16toh(hdr->dev_id.type), le16toh(hdr->dev_id.instance) },
		.req = m->request,
		.len = len,
		.resp = m->response,
	};
	const struct command *cmd = command_of(c.code);

	if (!cmd) {
		model_log(m, "request %#x is not supported", c.code);
		return GDMA_STATUS_CMD_UNSUPPORTED;
	}
	if (len < cmd->req_size) {
		model_violation(m, "%s: %u bytes, %u at least", cmd->name, len, cmd->req_size);
		return STATUS_INVALID;
	}
	if (cmd->mana && (c.dev.type != GDMA_DEVICE_MANA || c.dev.instance != MANA_INSTANCE)) {
		model_violation(m, "%s: for device {%u,%u}, the network device is {%u,%u}",
				cmd->name, c.dev.type, c.dev.instance, GDMA_DEVICE_MANA,
				MANA_INSTANCE);
		return STATUS_INVALID;
	}
	if (fault_take(m, FAULT_HWC_STATUS, c.code))
		return m->fault[FAULT_HWC_STATUS].arg[1];
	return cmd->handle(m, &c);
}

/* The answer has the size that was asked for: bytes that we do not know are zero. */
static uint32_t make_response(struct mana_model *m, uint32_t len, uint64_t room)
{
	const struct gdma_req_hdr *hdr = (const void *)m->request;
	struct gdma_resp_hdr *resp = (void *)m->response;
	uint32_t size = le32toh(hdr->resp.msg_size);

	memset(m->response, 0, sizeof(m->response));
	if (size < sizeof(*resp))
		size = sizeof(*resp);
	if (size > sizeof(m->response) || size > room) {
		model_violation(m,
				"request %#x: an answer of %u bytes is expected, the buffer has %llu",
				le32toh(hdr->req.msg_type), size, (unsigned long long)room);
		size = room < sizeof(m->response) ? (uint32_t)room : sizeof(m->response);
	}
	resp->status = htole32(execute(m, len));
	if (resp->status)
		m->counts.hwc_errors++;
	resp->response = hdr->resp;
	resp->response.msg_type = hdr->req.msg_type;
	resp->response.hwc_msg_id = hdr->req.hwc_msg_id;
	resp->response.msg_size = htole32(size);
	if (!resp->response.msg_version)
		resp->response.msg_version = htole16(1);
	resp->dev_id = hdr->dev_id;
	resp->activity_id = hdr->activity_id;
	return size;
}

static void complete_sq(struct mana_model *m, const struct parsed_wqe *w)
{
	struct wq *sq = &m->sq[0];
	struct gdma_hwc_rx_oob oob = {
		.wqe_offset = htole32(sq->head & (sq->ring.size - 1)),
		.tx_oob_data_size = htole32((uint32_t)w->bytes),
	};
	struct gdma_cqe cqe = { 0 };

	memcpy(cqe.data, &oob, sizeof(oob));
	sq->head += w->size;
	cq_post(m, 0, &cqe, sq->id, true);
}

static void complete_rq(struct mana_model *m, uint32_t wqe_size, uint32_t len)
{
	struct wq *rq = &m->rq[0];
	struct gdma_hwc_rx_oob oob = {
		.type = htole32(1u << 6 | 1u << 7),
		.src = htole32(SQ_ID(0)),
		.wqe_offset = htole32(rq->head & (rq->ring.size - 1)),
		.tx_oob_data_size = htole32(len),
	};
	struct gdma_cqe cqe = { 0 };

	memcpy(cqe.data, &oob, sizeof(oob));
	rq->head += wqe_size;
	cq_post(m, 0, &cqe, rq->id, false);
}

static void check_oob(struct mana_model *m, const struct parsed_wqe *w)
{
	struct gdma_hwc_tx_oob oob;

	memcpy(&oob, w->oob, sizeof(oob));
	if (w->oob_size != sizeof(oob) || (le32toh(oob.vscq) & 0xffffff) != CQ_ID(0) ||
	    (le32toh(oob.vsq) & 0xffffff) != SQ_ID(0) || oob.vrq || oob.vrcq)
		model_violation(m,
				"hardware channel: OOB of %u bytes names SQ %#x, CQ %#x, RQ %#x, its CQ %#x",
				w->oob_size, le32toh(oob.vsq), le32toh(oob.vscq), le32toh(oob.vrq),
				le32toh(oob.vrcq));
}

static bool check_header(struct mana_model *m, uint32_t len)
{
	const struct gdma_req_hdr *hdr = (const void *)m->request;

	if (len < sizeof(*hdr) || le32toh(hdr->req.msg_size) != len || hdr->req.hdr_type) {
		model_violation(m,
				"hardware channel: a request of %u bytes whose header says %u, type %u",
				len, le32toh(hdr->req.msg_size), le32toh(hdr->req.hdr_type));
		return false;
	}
	return true;
}

static bool request(struct mana_model *m)
{
	struct wq *sq = &m->sq[0], *rq = &m->rq[0];
	const struct gdma_req_hdr *hdr = (const void *)m->request;
	struct parsed_wqe send, receive;
	uint32_t len, code;

	if (sq->disabled || rq->disabled || sq->head == sq->tail || rq->head == rq->tail)
		return false;
	if (!wqe_parse(m, sq, &send) || !wqe_parse(m, rq, &receive))
		return true;
	check_oob(m, &send);
	len = send.bytes < sizeof(m->request) ? (uint32_t)send.bytes : sizeof(m->request);
	memset(m->request, 0, sizeof(m->request));
	if (!wqe_gather(m, &send, m->request, len, "hardware channel's request")) {
		wq_disable(m, sq);
		return true;
	}
	m->counts.hwc_requests++;
	complete_sq(m, &send);
	if (!check_header(m, len))
		return true;
	code = le32toh(hdr->req.msg_type);
	if (fault_take(m, FAULT_HWC_TIMEOUT, code)) {
		m->counts.hwc_unanswered++;
		return true;
	}
	len = make_response(m, len, receive.bytes);
	if (!wqe_scatter(m, &receive, m->response, len, "hardware channel's answer")) {
		wq_disable(m, rq);
		return true;
	}
	complete_rq(m, receive.size, len);
	return true;
}

bool hwc_step(struct mana_model *m)
{
	return m->hwc.live && (init_event(m) || other_event(m) || request(m));
}

int mana_model_event(struct mana_model *m, uint8_t type, uint32_t detail)
{
	struct hwc *h = &m->hwc;

	if (!h->live)
		return -ENODEV;
	if (h->events == MAX_EVENTS)
		return -ENOSPC;
	h->event[h->events++] = (struct event){ .type = type, .detail = detail };
	return 0;
}
