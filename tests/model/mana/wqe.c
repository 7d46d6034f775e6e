// SPDX-License-Identifier: BSD-2-Clause
/* Work requests: header, inline OOB, scatter-gather list. */
#include "tests/model/mana/internal.h"

/*
 * RDMA's credit and fence, check of sequence numbers, data in place of the list: not for Ethernet.
 */
#define FLAGS_RESERVED (0xf000u | GDMA_WQE_CHECK_SN | GDMA_WQE_SGL_DIRECT)

void wq_disable(struct mana_model *m, struct wq *wq)
{
	wq->disabled = true;
	model_log(m, "%s %#x is disabled by an error", wq->sq ? "SQ" : "RQ", wq->id);
}

static bool parse_sgl(struct mana_model *m, struct wq *wq, struct parsed_wqe *w, const char *what)
{
	if (!ring_read(m, &wq->ring, wq->head + 8 + w->oob_size, w->sge,
		       w->nsge * sizeof(w->sge[0]), what))
		return false;
	w->bytes = 0;
	for (unsigned int i = 0; i < w->nsge; i++) {
		struct gdma_sge *s = &w->sge[i];

		s->address = le64toh(s->address);
		s->mem_key = le32toh(s->mem_key);
		s->size = le32toh(s->size);
		if (s->mem_key != wq->mkey) {
			model_violation(m, "%s %#x: SGE %u has memory key %#x, the queue's is %#x",
					what, wq->id, i, s->mem_key, wq->mkey);
			return false;
		}
		w->bytes += s->size;
	}
	return true;
}

static bool parse(struct mana_model *m, struct wq *wq, struct parsed_wqe *w, const char *what)
{
	uint32_t max = wq->sq ? GDMA_MAX_SQE_SIZE : GDMA_MAX_RQE_SIZE;
	struct gdma_wqe hdr;
	unsigned int oob;

	if (!ring_read(m, &wq->ring, wq->head, &hdr, sizeof(hdr), what))
		return false;
	w->flags = le32toh(hdr.flags);
	w->last_vbytes = le32toh(hdr.last_vbytes) >> GDMA_WQE_LAST_VBYTES_SHIFT;
	w->nsge = GDMA_WQE_NUM_SGE(w->flags);
	oob = GDMA_WQE_OOB(w->flags);
	w->oob_size = oob == 7 ? 32 : oob * 4;
	w->size = gdma_wqe_size(w->oob_size, w->nsge);
	if (w->flags & FLAGS_RESERVED || (oob != GDMA_WQE_OOB_SMALL && oob != GDMA_WQE_OOB_LARGE) ||
	    !w->nsge || w->nsge > WQE_MAX_SGES || w->size > max || w->size > wq->tail - wq->head) {
		model_violation(m,
				"%s %#x: WQE at %#x has %u SGEs and %u bytes of OOB, flags %#x; %u bytes rung, %u allowed",
				what, wq->id, wq->head, w->nsge, w->oob_size, w->flags,
				wq->tail - wq->head, max);
		return false;
	}
	return ring_read(m, &wq->ring, wq->head + 8, w->oob, w->oob_size, what) &&
	       parse_sgl(m, wq, w, what);
}

bool wqe_parse(struct mana_model *m, struct wq *wq, struct parsed_wqe *w)
{
	if (parse(m, wq, w, wq->sq ? "SQ" : "RQ"))
		return true;
	wq_disable(m, wq);
	return false;
}

bool wqe_gather(struct mana_model *m, const struct parsed_wqe *w, void *buf, size_t len,
		const char *what)
{
	uint8_t *to = buf;

	for (unsigned int i = 0; i < w->nsge && len; i++) {
		size_t n = w->sge[i].size < len ? w->sge[i].size : len;

		if (!dma_read(m, w->sge[i].address, to, n, what))
			return false;
		to += n;
		len -= n;
	}
	return true;
}

bool wqe_scatter(struct mana_model *m, const struct parsed_wqe *w, const void *buf, size_t len,
		 const char *what)
{
	const uint8_t *from = buf;

	for (unsigned int i = 0; i < w->nsge && len; i++) {
		size_t n = w->sge[i].size < len ? w->sge[i].size : len;

		if (!dma_write(m, w->sge[i].address, from, n, what))
			return false;
		from += n;
		len -= n;
	}
	return true;
}
