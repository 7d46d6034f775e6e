// SPDX-License-Identifier: BSD-2-Clause
/* Data transfer and the I/O commands. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/nvme/internal.h"

#define PAGE 4096u

/* Device address of byte @at of the transfer; its page ends at @ret_left bytes. 0: bad. */
static uint64_t prp_at(struct nvme_model *m, const struct nvme_sqe *sqe, uint64_t len, uint64_t at,
		       uint64_t *ret_left)
{
	uint64_t prp1 = le64toh(sqe->prp1), prp2 = le64toh(sqe->prp2);
	uint64_t first = PAGE - (prp1 & (PAGE - 1)), n, addr;
	const uint64_t *list;

	if (prp1 & 3)
		model_violation(m, "PRP1 %#llx is not on a dword", (unsigned long long)prp1);
	if (at < first) {
		*ret_left = first - at;
		return prp1 + at;
	}
	*ret_left = PAGE - ((at - first) & (PAGE - 1));
	n = (at - first) / PAGE;
	if (len - first <= PAGE) {
		addr = prp2;
	} else {
		if (prp2 & 7) {
			model_violation(m, "PRP list %#llx is not on a qword",
					(unsigned long long)prp2);
			return 0;
		}
		/*
		 * Lists are followed within their page only: the driver under
		 * test has no need for more.
		 */
		if ((prp2 & (PAGE - 1)) + (n + 1) * 8 > PAGE) {
			model_violation(m, "PRP list leaves its page");
			return 0;
		}
		list = model_mem(m, prp2 + n * 8, 8, "PRP list");
		if (!list)
			return 0;
		addr = le64toh(*list);
	}
	if (addr & (PAGE - 1)) {
		model_violation(m, "PRP entry %llu, %#llx, is not on a page", (unsigned long long)n,
				(unsigned long long)addr);
		return 0;
	}
	return addr + ((at - first) & (PAGE - 1));
}

bool model_transfer(struct nvme_model *m, const struct nvme_sqe *sqe, void *buf, uint64_t len,
		    bool to_host)
{
	uint8_t *p = buf;
	uint64_t at = 0;

	while (at < len) {
		uint64_t left, addr = prp_at(m, sqe, len, at, &left);
		uint64_t n = len - at < left ? len - at : left;
		void *host = addr ? model_mem(m, addr, n, "data") : NULL;

		if (!host)
			return false;
		if (to_host)
			memcpy(host, p + at, n);
		else
			memcpy(p + at, host, n);
		at += n;
	}
	return true;
}

uint64_t model_prp_sum(struct nvme_model *m, const struct nvme_sqe *sqe, uint64_t len)
{
	uint64_t first = PAGE - (le64toh(sqe->prp1) & (PAGE - 1)), sum = 0;

	if (len <= first || len - first <= PAGE)
		return 0;
	for (uint64_t at = first; at < len; at += PAGE) {
		uint64_t left;

		sum = sum * 31 + prp_at(m, sqe, len, at, &left);
	}
	return sum;
}

uint64_t model_data_length(const struct nvme_model *m, const struct command *c)
{
	uint64_t nlb = (le32toh(c->sqe.cdw12) & 0xffff) + 1;

	switch (c->sqe.opcode) {
	case NVME_CMD_READ:
	case NVME_CMD_WRITE:
	case NVME_CMD_COMPARE:
		return nlb << m->opts.lbads;
	case NVME_CMD_DSM:
		return ((le32toh(c->sqe.cdw10) & 0xff) + 1) * sizeof(struct nvme_dsm_range);
	}
	return 0;
}

static uint16_t transfer(struct nvme_model *m, struct command *c, uint8_t *data, uint64_t len)
{
	uint16_t status = NVME_SC_SUCCESS;
	uint8_t *buf;

	if (c->sqe.opcode == NVME_CMD_READ)
		return model_transfer(m, &c->sqe, data, len, true) ? 0 :
								     NVME_SC_DATA_TRANSFER_ERROR;

	buf = malloc(len);
	if (!buf || !model_transfer(m, &c->sqe, buf, len, false))
		status = NVME_SC_DATA_TRANSFER_ERROR;
	else if (c->sqe.opcode == NVME_CMD_WRITE)
		memcpy(data, buf, len);
	else if (memcmp(data, buf, len))
		status = NVME_SC_COMPARE_FAILURE;
	free(buf);
	return status;
}

static uint16_t deallocate(struct nvme_model *m, struct command *c, struct ns *ns)
{
	struct nvme_dsm_range r[256];
	uint64_t n = (le32toh(c->sqe.cdw10) & 0xff) + 1;

	if (!(le32toh(c->sqe.cdw11) & NVME_DSM_AD))
		return NVME_SC_SUCCESS;
	if (!model_transfer(m, &c->sqe, r, n * sizeof(*r), false))
		return NVME_SC_DATA_TRANSFER_ERROR;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t slba = le64toh(r[i].slba), nlb = le32toh(r[i].nlb);

		if (nlb > ns->nsze || slba > ns->nsze - nlb)
			return NVME_SC_LBA_RANGE;
		memset(ns->data + (slba << m->opts.lbads), 0, nlb << m->opts.lbads);
	}
	return NVME_SC_SUCCESS;
}

static uint16_t carry_out(struct nvme_model *m, struct command *c)
{
	uint32_t nsid = le32toh(c->sqe.nsid);
	uint64_t slba = le32toh(c->sqe.cdw10) | (uint64_t)le32toh(c->sqe.cdw11) << 32;
	uint64_t nlb = (le32toh(c->sqe.cdw12) & 0xffff) + 1;
	struct ns *ns;

	if (c->aborted)
		return NVME_SC_ABORT_REQUESTED;
	if (c->sqe.flags)
		return NVME_SC_INVALID_FIELD;
	if (nsid < 1 || nsid > NVME_MODEL_MAX_NS || !m->ns[nsid - 1].attached)
		return NVME_SC_INVALID_NS;
	ns = &m->ns[nsid - 1];
	if (m->opts.mdts && model_data_length(m, c) > (uint64_t)PAGE << m->opts.mdts)
		return NVME_SC_INVALID_FIELD;

	switch (c->sqe.opcode) {
	case NVME_CMD_FLUSH:
		m->counts.flushes++;
		return NVME_SC_SUCCESS;
	case NVME_CMD_DSM:
		return deallocate(m, c, ns);
	case NVME_CMD_READ:
	case NVME_CMD_WRITE:
	case NVME_CMD_COMPARE:
	case NVME_CMD_WRITE_ZEROES:
		break;
	default:
		return NVME_SC_INVALID_OPCODE;
	}
	if (nlb > ns->nsze || slba > ns->nsze - nlb)
		return NVME_SC_LBA_RANGE;
	if (c->sqe.opcode == NVME_CMD_WRITE_ZEROES) {
		memset(ns->data + (slba << m->opts.lbads), 0, nlb << m->opts.lbads);
		return NVME_SC_SUCCESS;
	}
	return transfer(m, c, ns->data + (slba << m->opts.lbads), nlb << m->opts.lbads);
}

bool model_io(struct nvme_model *m, struct command *c)
{
	if (m->faults.hang && !(c->aborted && !m->faults.hang_abort))
		return false;
	c->status = carry_out(m, c);
	return true;
}
