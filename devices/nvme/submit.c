// SPDX-License-Identifier: BSD-2-Clause
/*
 * I/O commands on their way to the device (NVM Command Set 1.0, 3.2).
 */
#include <errno.h>
#include <inttypes.h>

#include "devices/nvme/ctrl.h"
#include "devices/nvme/prp.h"

static __attribute__((noinline, cold)) int
refuse(const struct udrv_nvme_queue *q, const struct udrv_nvme_io *io, int err, const char *why)
{
	nvme_err(q->ctrl,
		 "queue %u: opcode %#x, namespace %u, block %" PRIu64
		 ", %u blocks, %u segments refused: %s",
		 q->qid, io->opcode, io->nsid, io->slba, io->nlb, io->nseg, why);
	return err;
}

static inline bool in_range(const struct udrv_nvme_ns_info *ns, uint64_t slba, uint64_t nlb)
{
	uint64_t nsze = __atomic_load_n(&ns->nsze, __ATOMIC_RELAXED);

	return nlb <= nsze && slba <= nsze - nlb;
}

static inline int build_prp(struct udrv_nvme_queue *q, const struct udrv_nvme_io *io,
			    uint64_t bytes, unsigned int i, struct nvme_sqe *sqe)
{
	int err;

	if (nvme_unlikely(bytes > q->ctrl->facts.max_transfer))
		return refuse(q, io, -EMSGSIZE, "larger than the controller takes in one command");
	err = nvme_prp_build(q->ctrl->dma, io->seg, io->nseg, bytes, nvme_list_ptr(q, i),
			     nvme_list_off(q, i), q->list_size, sqe);
	if (nvme_unlikely(err))
		return refuse(q, io, err,
			      "segments are empty, misaligned, outside the pool, or not as long as the blocks");
	return 0;
}

/* Commands other than read and write. */
static __attribute__((noinline)) int build_other(struct udrv_nvme_queue *q,
						 const struct udrv_nvme_io *io,
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

/* The first eight bytes of a command: opcode, number of pieces and NSID. */
static inline uint64_t first_word(const struct udrv_nvme_io *io)
{
	return io->opcode | (uint64_t)io->rsvd << 8 | (uint64_t)io->nseg << 16 |
	       (uint64_t)io->nsid << 32;
}

void nvme_page_match(struct udrv_nvme_queue *q, uint32_t nsid)
{
	const struct udrv_nvme_io like = { .opcode = NVME_CMD_WRITE, .nseg = 1, .nsid = nsid };

	q->page_match = first_word(&like);
}

/* The next command to the same namespace may go straight through. */
static void remember_namespace(struct udrv_nvme_queue *q, const struct udrv_nvme_ns_info *ns)
{
	nvme_page_match(q, ns->nsid);
	q->page_dw01 = (uint64_t)ns->nsid << 32 | NVME_CMD_WRITE;
	__atomic_store_n(&q->page_io, &q->ctrl->page_io[ns - q->ctrl->facts.ns], __ATOMIC_RELAXED);
	if (__atomic_load_n(&q->failed, __ATOMIC_RELAXED))
		__atomic_store_n(&q->page_io, &nvme_no_page_io, __ATOMIC_RELAXED);
}

/* Any command; what is wrong with one is found out here. */
static __attribute__((noinline)) int submit_any(struct udrv_nvme_queue *q,
						const struct udrv_nvme_io *io)
{
	const struct udrv_nvme_ns_info *ns;
	struct nvme_slot_state *slot;
	struct nvme_sqe sqe = { 0 };
	unsigned int i;
	int err;

	if (__atomic_load_n(&q->failed, __ATOMIC_RELAXED))
		return -ESHUTDOWN;
	if (!q->nfree || q->resuming)
		return -EAGAIN;
	ns = nvme_ns_find(q->ctrl, io->nsid);
	if (!ns || !__atomic_load_n(&ns->usable, __ATOMIC_ACQUIRE))
		return -ENODEV;

	i = q->free[q->nfree - 1];
	slot = &q->slots[i];
	sqe.opcode = io->opcode;
	sqe.cid = nvme_next_cid(slot);
	sqe.nsid = htole32(io->nsid);

	if (io->opcode == NVME_CMD_READ || io->opcode == NVME_CMD_WRITE) {
		if (io->nlb - 1 > 0xffff || !in_range(ns, io->slba, io->nlb))
			return refuse(q, io, -EINVAL, "beyond the namespace");
		sqe.cdw10 = htole32((uint32_t)io->slba);
		sqe.cdw11 = htole32((uint32_t)(io->slba >> 32));
		sqe.cdw12 = htole32((io->cdw12_flags & 0xffff0000u) | (io->nlb - 1));
		err = build_prp(q, io, (uint64_t)io->nlb * ns->lba_size, i, &sqe);
	} else {
		err = build_other(q, io, ns, i, &sqe);
	}
	if (err)
		return err;

	q->nfree--;
	slot->sqe = sqe;
	UDRV_STEP();
	slot->cookie[0] = io->cookie[0];
	slot->cookie[1] = io->cookie[1];
	UDRV_STEP();
	nvme_sq_push(q, slot);

	remember_namespace(q, ns);
	return 0;
}

/*
 * The common case, straight through: one whole page to or from the namespace of the last command.
 * Whatever is other than that, or wrong, is looked at again by submit_any(). Returns how many of
 * @io were submitted.
 */
static inline __attribute__((always_inline)) unsigned int
submit_pages(struct udrv_nvme_queue *q, const struct udrv_nvme_io *io, unsigned int n)
{
	const struct nvme_page_io *page = __atomic_load_n(&q->page_io, __ATOMIC_RELAXED);
	const struct udrv_nvme_io *at = io, *end = io + n;
	struct nvme_queue_state *st = q->st;
	const uint16_t *free = q->free;
	struct nvme_sqe *sqe = q->sqe;
	size_t nfree = q->nfree;

	do {
		uint64_t slba = at->slba, diff = first_word(at) - q->page_match, i;
		const struct udrv_nvme_seg *seg = at->seg;
		struct nvme_slot_state *slot;
		struct nvme_page_sqe s;
		uint32_t nlb = at->nlb;

		/*
		 * NVME_CMD_WRITE or NVME_CMD_READ, one piece, this namespace; a page that begins
		 * below its end.
		 */
		if (nvme_unlikely(!nfree))
			break;
		if (nvme_unlikely(diff > NVME_CMD_READ - NVME_CMD_WRITE ||
				  seg->len != UDRV_DMA_PAGE))
			break;
		if (nvme_unlikely(slba >= __atomic_load_n(&page->limit, __ATOMIC_ACQUIRE) ||
				  nlb != __atomic_load_n(&page->nlb, __ATOMIC_RELAXED)))
			break;
		/*
		 * The number of its page; what is not at the beginning of one has bits at the top.
		 */
		i = seg->off >> UDRV_DMA_PAGE_SHIFT | seg->off << (64 - UDRV_DMA_PAGE_SHIFT);
		if (nvme_unlikely(i >= q->pool_pages))
			break;

		/* Opcode, no flags, and the slot's CID with the next generation. */
		slot = &q->slots[free[--nfree]];
		s.dw01 = htole64(q->page_dw01 +
				 (((uint32_t)le16toh(slot->sqe.cid) << 16) +
				  (1u << (16 + NVME_CID_SLOT_BITS)) + (uint32_t)diff));
		s.prp = (nvme_prp_pair){ htole64(q->page_addr[i]), 0 };
		s.slba = htole64(slba);
		s.cdw12 = htole32((at->cdw12_flags & 0xffff0000u) | (nlb - 1));

		slot->cookie[0] = at->cookie[0];
		slot->cookie[1] = at->cookie[1];
		UDRV_STEP();
		nvme_sq_push_page(st, sqe, slot, &s);
		if (nvme_unlikely(++sqe == q->sq_end))
			sqe = q->sq;
	} while (++at < end);
	q->nfree = nfree;
	q->sqe = sqe;
	return at - io;
}

int udrv_nvme_submit(struct udrv_nvme_queue *q, const struct udrv_nvme_io *io)
{
	return nvme_likely(submit_pages(q, io, 1)) ? 0 : submit_any(q, io);
}

/* From number @done on, the first of which does not go straight through. */
static __attribute__((noinline)) int submit_rest(struct udrv_nvme_queue *q,
						 const struct udrv_nvme_io *io, unsigned int n,
						 unsigned int done)
{
	for (; done < n; done++) {
		int err = udrv_nvme_submit(q, &io[done]);

		if (err)
			return done ? (int)done : err;
	}
	return (int)n;
}

int udrv_nvme_submit_batch(struct udrv_nvme_queue *q, const struct udrv_nvme_io *io, unsigned int n)
{
	unsigned int done = n ? submit_pages(q, io, n) : 0;

	return nvme_likely(done == n) ? (int)n : submit_rest(q, io, n, done);
}

static __attribute__((noinline)) void ring_any(struct udrv_nvme_queue *q)
{
	if (!__atomic_load_n(&q->failed, __ATOMIC_RELAXED) && !q->resuming)
		nvme_sq_ring(q);
}

void udrv_nvme_ring(struct udrv_nvme_queue *q)
{
	struct nvme_queue_state *st = q->st;
	volatile uint32_t *reg = q->ring_reg;
	uint64_t tail = udrv_load64(&st->tail);

	if (nvme_unlikely(!reg)) {
		ring_any(q);
		return;
	}
	if (tail == udrv_load64(&st->rung))
		return;
	/* nvme_sq_ring() on a mapped doorbell. */
	udrv_store64(&st->ringing, tail);
	nvme_doorbell(reg, q->sqe - q->sq);
	udrv_store64(&st->rung, tail);
	st->sq_doorbells = htole64(le64toh(st->sq_doorbells) + 1);
}
