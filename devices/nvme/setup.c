// SPDX-License-Identifier: BSD-2-Clause
/*
 * Controller initialisation (Base 2.0, 3.5.1) from any state, for a start and for a reset.
 *
 * The lifecycle word is other than READY from the first write to the device to the last, so that a
 * successor of a process that stops in here begins again. Owners' commands are ended only after
 * CSTS.RDY=0 was seen: before, the device may still carry them out.
 */
#include <errno.h>
#include <stdlib.h>

#include "devices/nvme/ctrl.h"
#include "devices/nvme/prp.h"

static int check_caps(struct udrv_nvme *ctrl)
{
	uint64_t cap = ctrl->facts.cap;

	if (!(NVME_CAP_CSS(cap) & NVME_CAP_CSS_NVM)) {
		nvme_err(ctrl, "the controller has no NVM command set (CAP.CSS %#x)",
			 NVME_CAP_CSS(cap));
		return -EOPNOTSUPP;
	}
	if (NVME_CAP_MPSMIN(cap)) {
		nvme_err(ctrl, "the controller has no 4 KiB memory page size (CAP.MPSMIN %u)",
			 NVME_CAP_MPSMIN(cap));
		return -EOPNOTSUPP;
	}
	if (NVME_CAP_MQES(cap) + 1 < 2 + NVME_RESERVE) {
		nvme_err(ctrl, "queues of %u entries are too small: %u are needed",
			 NVME_CAP_MQES(cap) + 1, 2 + NVME_RESERVE);
		return -EOPNOTSUPP;
	}
	return 0;
}

/*
 * Completions that were there before the reset are what happened; what is
 * missing after them is lost.
 */
static void end_outstanding(struct nvme_queue_state *st, unsigned int slots,
			    struct udrv_nvme_queue *q, bool keep)
{
	if (q && q->free) {
		nvme_queue_note_handed(q);
		for (uint32_t i = 0; i < q->cq_entries && q->bad < NVME_BAD_CQES_MAX; i++) {
			if (nvme_cq_take(q) == NVME_CQE_NONE)
				break;
		}
	}
	nvme_queue_lose(st, slots, keep);
	/* To be delivered even if the controller does not come up again. */
	if (q && q->free)
		nvme_queue_rebuild(q);
}

/*
 * Queues and slots that still hold something for an owner: a new set-up must be able to deliver it.
 */
static void in_use(struct udrv_nvme *ctrl, unsigned int *queues, unsigned int *depth)
{
	uint32_t slots = udrv_load32(&ctrl->state->slot_capacity);

	*queues = 0;
	*depth = 0;
	for (uint32_t i = 0; i < udrv_load32(&ctrl->state->io_capacity); i++) {
		struct nvme_slot_state *slot = nvme_queue_slots(nvme_io_state(ctrl, i));

		for (uint32_t j = 0; j < slots; j++) {
			if (udrv_load32(&slot[j].state) == NVME_SLOT_FREE)
				continue;
			*queues = i + 1;
			if (*depth < j + 1)
				*depth = j + 1;
		}
	}
}

static void end_everything(struct udrv_nvme *ctrl)
{
	uint32_t slots = udrv_load32(&ctrl->state->slot_capacity);

	end_outstanding(nvme_admin_state(ctrl), NVME_ADMIN_SLOTS, &ctrl->admin, false);
	for (uint32_t i = 0; i < udrv_load32(&ctrl->state->io_capacity); i++)
		end_outstanding(nvme_io_state(ctrl, i), slots, i < ctrl->nio ? &ctrl->io[i] : NULL,
				true);
}

/* The smaller of what is asked for, what the areas hold and what the controller takes. */
static int geometry(struct udrv_nvme *ctrl)
{
	struct nvme_facts *facts = &ctrl->facts;
	uint32_t max_entries = NVME_CAP_MQES(facts->cap) + 1, entries = 2;
	uint32_t capacity = udrv_load32(&ctrl->state->io_capacity);
	uint32_t depth_capacity = udrv_load32(&ctrl->state->slot_capacity) - NVME_RESERVE;
	unsigned int used_queues, used_depth;

	in_use(ctrl, &used_queues, &used_depth);
	facts->io_queues = ctrl->opts.io_queues > used_queues ? ctrl->opts.io_queues : used_queues;
	facts->depth = ctrl->opts.depth > used_depth ? ctrl->opts.depth : used_depth;
	if (facts->io_queues > capacity || facts->depth > depth_capacity)
		nvme_info(ctrl,
			  "the state was made for %u I/O queues of depth %u: format it anew to have more",
			  capacity, depth_capacity);
	if (facts->io_queues > capacity)
		facts->io_queues = capacity;
	/* Owners hold pointers to the queues of this process: a reset makes no others. */
	if (ctrl->io && facts->io_queues > ctrl->nio)
		facts->io_queues = ctrl->nio;
	if (facts->depth > depth_capacity)
		facts->depth = depth_capacity;
	if (facts->depth > max_entries - 1 - NVME_RESERVE)
		facts->depth = max_entries - 1 - NVME_RESERVE;
	if (facts->depth < used_depth) {
		nvme_err(ctrl,
			 "commands of a predecessor are in slots up to %u, but the controller takes only %u now",
			 used_depth, facts->depth);
		return -EIO;
	}
	while (entries < facts->depth + 1 + NVME_RESERVE)
		entries *= 2;
	facts->sq_entries = entries < max_entries ? entries : max_entries;
	facts->cq_entries = facts->sq_entries;
	facts->max_transfer = ctrl->opts.max_transfer;

	facts->vectors = 0;
	if (!ctrl->opts.poll) {
		int n = udrv_device_irq_count(ctrl->dev);

		if (n > 0)
			facts->vectors = n;
		else
			nvme_info(ctrl,
				  "the device has no MSI-X vectors: its queues have to be polled");
		if (facts->vectors && facts->io_queues > 1 && facts->io_queues > facts->vectors - 1)
			facts->io_queues = facts->vectors > 2 ? facts->vectors - 1 : 1;
	}
	if (facts->io_queues < used_queues) {
		nvme_err(ctrl,
			 "commands of a predecessor are in %u I/O queues, but only %u can be had now",
			 used_queues, facts->io_queues);
		return -EIO;
	}
	return 0;
}

static int start_queue(struct udrv_nvme *ctrl, struct udrv_nvme_queue *q,
		       struct nvme_queue_state *st, unsigned int qid, uint32_t sq_entries,
		       uint32_t cq_entries, uint32_t depth, uint32_t list_size)
{
	bool known = q->resumed_below || udrv_load64(&st->tail) == 0;
	int err;

	err = nvme_queue_memory(ctrl, st, qid, sq_entries, cq_entries, depth, list_size);
	if (err)
		return err;
	nvme_queue_origin(st);
	err = nvme_queue_init(ctrl, q, st);
	if (err)
		return err;
	nvme_queue_rebuild(q);
	q->bad = 0;
	if (!known)
		q->resumed_below = udrv_load64(&st->tail);
	return 0;
}

static int set_features(struct udrv_nvme *ctrl, uint32_t fid, uint32_t value, uint32_t *result)
{
	struct nvme_sqe cmd = {
		.opcode = NVME_ADMIN_SET_FEATURES,
		.cdw10 = htole32(fid),
		.cdw11 = htole32(value),
	};

	return nvme_admin_wait(ctrl, &cmd, NULL, 0, false, result);
}

static int number_of_queues(struct udrv_nvme *ctrl)
{
	struct nvme_facts *facts = &ctrl->facts;
	uint32_t n = facts->io_queues - 1, granted = 0, sqs, cqs;
	unsigned int used_queues, used_depth;
	int err;

	err = set_features(ctrl, NVME_FEAT_NUM_QUEUES, n << 16 | n, &granted);
	if (err) {
		nvme_err(ctrl, "Set Features (Number of Queues, %u) failed: %#x", facts->io_queues,
			 err);
		return err > 0 ? -EIO : err;
	}
	sqs = (granted & 0xffff) + 1;
	cqs = (granted >> 16) + 1;
	if (facts->io_queues > sqs)
		facts->io_queues = sqs;
	if (facts->io_queues > cqs)
		facts->io_queues = cqs;

	in_use(ctrl, &used_queues, &used_depth);
	if (facts->io_queues < used_queues || facts->io_queues < ctrl->nio) {
		nvme_err(ctrl, "the controller grants only %u I/O queues now: %u are in use",
			 facts->io_queues, used_queues > ctrl->nio ? used_queues : ctrl->nio);
		return -EIO;
	}
	return 0;
}

static int create_queue(struct udrv_nvme *ctrl, struct udrv_nvme_queue *q)
{
	const struct nvme_facts *facts = &ctrl->facts;
	uint64_t rings = udrv_load64(&q->st->rings_off);
	uint32_t vector = facts->vectors ? q->qid % facts->vectors : 0;
	struct nvme_sqe cq = {
		.opcode = NVME_ADMIN_CREATE_CQ,
		.prp1 = htole64(udrv_dma_addr(ctrl->dma, rings + nvme_sq_bytes(q->sq_entries))),
		.cdw10 = htole32((q->cq_entries - 1) << 16 | q->qid),
		.cdw11 = htole32(vector << 16 | (facts->vectors ? NVME_CQ_IEN : 0) | NVME_CQ_PC),
	};
	struct nvme_sqe sq = {
		.opcode = NVME_ADMIN_CREATE_SQ,
		.prp1 = htole64(udrv_dma_addr(ctrl->dma, rings)),
		.cdw10 = htole32((q->sq_entries - 1) << 16 | q->qid),
		.cdw11 = htole32((uint32_t)q->qid << 16 | NVME_SQ_PC),
	};
	int err;

	err = nvme_admin_wait(ctrl, &cq, NULL, 0, false, NULL);
	if (!err)
		err = nvme_admin_wait(ctrl, &sq, NULL, 0, false, NULL);
	if (err)
		nvme_err(ctrl, "I/O queue %u of %u entries could not be created: %#x", q->qid,
			 q->sq_entries, err);
	return err > 0 ? -EIO : err;
}

/*
 * A completion queue with interrupts can be created only while MSI-X is enabled, and VFIO enables
 * it with the first arming. Nobody listens yet, so no vector is given an eventfd:
 * udrv_nvme_irq_arm() does that later.
 */
static int enable_msix(struct udrv_nvme *ctrl)
{
	unsigned int n = ctrl->facts.io_queues + 1;
	int err;

	if (!ctrl->facts.vectors || ctrl->vectors.n)
		return 0;
	if (n > ctrl->facts.vectors)
		n = ctrl->facts.vectors;
	err = vectors_enable(&ctrl->vectors, ctrl->dev, n);
	if (err)
		nvme_err(ctrl, "MSI-X with %u vectors could not be enabled (error %d)", n, err);
	return err;
}

static int start_io_queues(struct udrv_nvme *ctrl)
{
	const struct nvme_facts *facts = &ctrl->facts;
	int err;

	err = enable_msix(ctrl);
	if (err)
		return err;
	if (!ctrl->io) {
		ctrl->io = calloc(facts->io_queues, sizeof(*ctrl->io));
		if (!ctrl->io)
			return -ENOMEM;
		ctrl->nio = facts->io_queues;
	}
	for (unsigned int i = 0; i < facts->io_queues; i++) {
		err = start_queue(ctrl, &ctrl->io[i], nvme_io_state(ctrl, i), i + 1,
				  facts->sq_entries, facts->cq_entries, facts->depth,
				  nvme_prp_list_size(facts->max_transfer));
		if (!err)
			err = create_queue(ctrl, &ctrl->io[i]);
		if (err)
			return err;
	}
	return 0;
}

static void ask_for_events(struct udrv_nvme *ctrl)
{
	int err = set_features(ctrl, NVME_FEAT_ASYNC_EVENT,
			       NVME_ASYNC_SMART | (ctrl->facts.oaes & NVME_OAES_NS_ATTR), NULL);

	if (err)
		nvme_warn(ctrl,
			  "Set Features (Asynchronous Event Configuration) failed: %#x; changes of namespaces "
			  "may go unnoticed",
			  err);
}

/* The controller is off, and what owners had outstanding has ended. */
static int begin(struct udrv_nvme *ctrl)
{
	int err;

	/* A cut-short first set-up has nobody's commands; it stays INIT. */
	if (udrv_state_lifecycle(ctrl->st) != UDRV_INIT)
		udrv_state_set_lifecycle(ctrl->st, UDRV_RESETTING);
	UDRV_STEP();

	err = nvme_regs_disable(ctrl);
	if (err)
		return err;
	end_everything(ctrl);
	ctrl->aer.busy = false;
	ctrl->aer.waiting = 0;
	ctrl->aer.rescan = false;
	ctrl->aborts = 0;
	ctrl->failed = false;
	ctrl->admin.failed = false;
	return 0;
}

static int prepare(struct udrv_nvme *ctrl)
{
	int err;

	err = check_caps(ctrl);
	if (!err)
		err = geometry(ctrl);
	if (!err)
		err = nvme_regs_map(ctrl, ctrl->facts.io_queues);
	if (!err)
		err = udrv_device_id(ctrl->dev, &ctrl->facts.id);
	if (!err)
		err = start_queue(ctrl, &ctrl->admin, nvme_admin_state(ctrl), 0, NVME_ADMIN_ENTRIES,
				  NVME_ADMIN_ENTRIES, NVME_ADMIN_DEPTH, 4096);
	if (!err)
		err = udrv_device_bus_master(ctrl->dev, true);
	return err;
}

static int bring_up(struct udrv_nvme *ctrl)
{
	int err;

	err = nvme_regs_enable(ctrl);
	if (!err)
		err = nvme_identify_ctrl(ctrl);
	if (!err)
		err = number_of_queues(ctrl);
	if (!err)
		err = start_io_queues(ctrl);
	if (err)
		return err;

	ask_for_events(ctrl);
	err = nvme_identify_namespaces(ctrl);
	if (!err)
		err = nvme_facts_write(ctrl->st, &ctrl->facts);
	if (err == -ENOSPC)
		nvme_err(ctrl, "the state's tree has no room for %u namespaces", ctrl->facts.nn);
	return err;
}

int nvme_setup(struct udrv_nvme *ctrl)
{
	int err;

	err = begin(ctrl);
	if (!err)
		err = prepare(ctrl);
	if (err)
		return err;
	err = bring_up(ctrl);
	if (err) {
		/* Not half alive, with queues in memory that its owner may give away. */
		int off = nvme_regs_disable(ctrl);

		ctrl->failed = true;
		return off ? off : err;
	}

	nvme_ctrl_info(ctrl);
	udrv_state_set_lifecycle(ctrl->st, UDRV_READY);
	UDRV_STEP();
	nvme_ctrl_fail(ctrl, false);

	err = nvme_aer_submit(ctrl);
	if (err)
		nvme_warn(ctrl, "no Asynchronous Event Request could be sent (error %d)", err);
	return 0;
}
