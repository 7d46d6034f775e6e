// SPDX-License-Identifier: BSD-2-Clause
/*
 * I/O commands on their way to the device (NVM Command Set 1.0, 3.2).
 */
#include <errno.h>
#include <inttypes.h>

#include "devices/nvme/ctrl.h"
#include "devices/nvme/prp.h"

static __attribute__((noinline, cold)) int refuse(const struct udrv_nvme_queue *q, const struct udrv_nvme_io *io,
						  int err, const char *why)
{
	nvme_err(q->ctrl, "queue %u: opcode %#x, namespace %u, block %" PRIu64 ", %u blocks, %u segments refused: %s",
		 q->qid, io->opcode, io->nsid, io->slba, io->nlb, io->nseg, why);
	return err;
}

static inline const struct udrv_nvme_ns_info *find_ns(struct udrv_nvme *ctrl, uint32_t nsid)
{
	uint32_t guess = nsid - 1;

	/* Namespaces are numbered from 1 on most controllers. */
	if (__builtin_expect(guess < ctrl->facts.nn && ctrl->facts.ns[guess].nsid == nsid, 1))
		return &ctrl->facts.ns[guess];
	return nvme_ns_find(ctrl, nsid);
}

static inline bool in_range(const struct udrv_nvme_ns_info *ns, uint64_t slba, uint64_t nlb)
{
	uint64_t nsze = __atomic_load_n(&ns->nsze, __ATOMIC_RELAXED);

	return nlb <= nsze && slba <= nsze - nlb;
}

static inline int build_prp(struct udrv_nvme_queue *q, const struct udrv_nvme_io *io, uint64_t bytes,
			    unsigned int i, struct nvme_sqe *sqe)
{
	int err;

	if (nvme_unlikely(bytes > q->ctrl->facts.max_transfer))
		return refuse(q, io, -EMSGSIZE, "larger than the controller takes in one command");
	err = nvme_prp_build(q->ctrl->dma, io->seg, io->nseg, bytes, nvme_list_ptr(q, i), nvme_list_off(q, i),
			     q->list_size, sqe);
	if (nvme_unlikely(err))
		return refuse(q, io, err, "segments are empty, misaligned, outside the pool, or not as long as the blocks");
	return 0;
}

/* Commands other than read and write. */
static __attribute__((noinline)) int build_other(struct udrv_nvme_queue *q, const struct udrv_nvme_io *io,
						 const struct udrv_nvme_ns_info *ns, unsigned int i,
						 struct nvme_sqe *sqe)
{
	uint16_t oncs = q->ctrl->facts.oncs;
	uint64_t bytes = 0;

	switch (io->opcode) {
	case NVME_CMD_FLUSH:
		if (io->nseg)
			return refuse(q, io, -EINVAL, "a flush has no data");
		break;
	case NVME_CMD_COMPARE:
		if (!(oncs & NVME_ONCS_COMPARE))
			return -EOPNOTSUPP;
		bytes = (uint64_t)io->nlb * ns->lba_size;
		break;
	case NVME_CMD_WRITE_ZEROES:
		if (!(oncs & NVME_ONCS_WRITE_ZEROES))
			return -EOPNOTSUPP;
		if (io->nseg)
			return refuse(q, io, -EINVAL, "write zeroes has no data");
		break;
	case NVME_CMD_DSM:
		if (!(oncs & NVME_ONCS_DSM))
			return -EOPNOTSUPP;
		if (io->nlb < 1 || io->nlb > 256)
			return refuse(q, io, -EINVAL, "1 to 256 ranges");
		bytes = (uint64_t)io->nlb * sizeof(struct nvme_dsm_range);
		sqe->cdw10 = htole32(io->nlb - 1);
		sqe->cdw11 = htole32(NVME_DSM_AD);
		break;
	default:
		return -EOPNOTSUPP;
	}
	if (io->opcode == NVME_CMD_COMPARE || io->opcode == NVME_CMD_WRITE_ZEROES) {
		if (io->nlb < 1 || io->nlb > 65536 || !in_range(ns, io->slba, io->nlb))
			return refuse(q, io, -EINVAL, "beyond the namespace");
		sqe->cdw10 = htole32((uint32_t)io->slba);
		sqe->cdw11 = htole32((uint32_t)(io->slba >> 32));
		sqe->cdw12 = htole32((io->cdw12_flags & 0xffff0000u) | (io->nlb - 1));
	}
	return bytes ? build_prp(q, io, bytes, i, sqe) : 0;
}

int udrv_nvme_submit(struct udrv_nvme_queue *q, const struct udrv_nvme_io *io)
{
	const struct udrv_nvme_ns_info *ns;
	struct nvme_slot_state *slot;
	struct nvme_sqe sqe = { 0 };
	unsigned int i;
	int err;

	if (nvme_unlikely(__atomic_load_n(&q->failed, __ATOMIC_RELAXED)))
		return -ESHUTDOWN;
	if (nvme_unlikely(!q->nfree))
		return -EAGAIN;
	ns = find_ns(q->ctrl, io->nsid);
	if (nvme_unlikely(!ns || !__atomic_load_n(&ns->usable, __ATOMIC_ACQUIRE)))
		return -ENODEV;

	i = q->free[q->nfree - 1];
	slot = &q->slots[i];
	sqe.opcode = io->opcode;
	sqe.cid = nvme_next_cid(slot);
	sqe.nsid = htole32(io->nsid);

	if (io->opcode == NVME_CMD_READ || io->opcode == NVME_CMD_WRITE) {
		if (nvme_unlikely(io->nlb - 1 > 0xffff || !in_range(ns, io->slba, io->nlb)))
			return refuse(q, io, -EINVAL, "beyond the namespace");
		sqe.cdw10 = htole32((uint32_t)io->slba);
		sqe.cdw11 = htole32((uint32_t)(io->slba >> 32));
		sqe.cdw12 = htole32((io->cdw12_flags & 0xffff0000u) | (io->nlb - 1));
		err = build_prp(q, io, (uint64_t)io->nlb * ns->lba_size, i, &sqe);
	} else {
		err = build_other(q, io, ns, i, &sqe);
	}
	if (nvme_unlikely(err))
		return err;

	q->nfree--;
	slot->sqe = sqe;
	UDRV_STEP();
	slot->cookie[0] = io->cookie[0];
	slot->cookie[1] = io->cookie[1];
	UDRV_STEP();
	nvme_sq_push(q, slot);
	return 0;
}

void udrv_nvme_ring(struct udrv_nvme_queue *q)
{
	if (nvme_unlikely(__atomic_load_n(&q->failed, __ATOMIC_RELAXED)))
		return;
	nvme_sq_ring(q);
}
