// SPDX-License-Identifier: BSD-2-Clause
/*
 * Taking a running controller over (docs/nvme-resume.md).
 *
 * Three passes: look at everything and write nothing; take in what the device has completed, which
 * writes to memory only; tell the device what it has not been told. The first two may refuse, the
 * third cannot fail. Of the first, what needs the device may come after the second.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "devices/nvme/ctrl.h"

static int differs(struct udrv_nvme *ctrl, const char *what, uint64_t now, uint64_t saved)
{
	if (now == saved)
		return 0;
	nvme_err(ctrl,
		 "%s is %#" PRIx64 ", the saved state says %#" PRIx64
		 ": not resumed, start the controller anew",
		 what, now, saved);
	return -ESTALE;
}

static int check_identity(struct udrv_nvme *ctrl)
{
	const struct udrv_pci_id *saved = &ctrl->facts.id;
	struct udrv_pci_id id;
	int err;

	err = udrv_device_id(ctrl->dev, &id);
	if (err)
		return err;
	err = differs(ctrl, "vendor ID", id.vendor, saved->vendor);
	if (!err)
		err = differs(ctrl, "device ID", id.device, saved->device);
	if (!err)
		err = differs(ctrl, "subsystem vendor ID", id.subsystem_vendor,
			      saved->subsystem_vendor);
	if (!err)
		err = differs(ctrl, "subsystem ID", id.subsystem, saved->subsystem);
	return err;
}

static int check_registers(struct udrv_nvme *ctrl)
{
	const struct nvme_facts *facts = &ctrl->facts;
	const struct udrv_bar *bar = &ctrl->bar;
	uint32_t csts;
	int err;

	csts = udrv_bar_read32(bar, NVME_REG_CSTS);
	if (csts == UINT32_MAX) {
		nvme_err(ctrl, "CSTS reads all ones: the device is gone");
		return -ENODEV;
	}
	err = differs(ctrl, "CAP", udrv_bar_read64(bar, NVME_REG_CAP), facts->cap);
	if (!err)
		err = differs(ctrl, "VS", udrv_bar_read32(bar, NVME_REG_VS), facts->vs);
	if (!err)
		err = differs(ctrl, "CC", udrv_bar_read32(bar, NVME_REG_CC), facts->cc);
	if (!err)
		err = differs(ctrl, "AQA", udrv_bar_read32(bar, NVME_REG_AQA), facts->aqa);
	if (!err)
		err = differs(ctrl, "ASQ", udrv_bar_read64(bar, NVME_REG_ASQ), facts->asq);
	if (!err)
		err = differs(ctrl, "ACQ", udrv_bar_read64(bar, NVME_REG_ACQ), facts->acq);
	if (err)
		return err;
	if ((csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)) != NVME_CSTS_RDY || NVME_CSTS_SHST(csts)) {
		nvme_err(ctrl,
			 "CSTS is %#x: the controller is not ready, has failed or was shut down: not resumed, "
			 "start it anew",
			 csts);
		return -EIO;
	}
	return 0;
}

/* The device goes by AQA, ASQ and ACQ, which are compared with its registers later. */
static int check_admin(struct udrv_nvme *ctrl, const struct nvme_queue_state *st)
{
	const struct nvme_facts *facts = &ctrl->facts;
	uint32_t sqn = udrv_load32(&st->sq_entries), cqn = udrv_load32(&st->cq_entries);
	uint64_t rings = udrv_load64(&st->rings_off);

	/* An admin slot has a page, which data of 4096 bytes is copied from and to. */
	if (sqn != NVME_ADMIN_ENTRIES || cqn != NVME_ADMIN_ENTRIES ||
	    udrv_load32(&st->depth) != NVME_ADMIN_DEPTH || udrv_load32(&st->list_size) != 4096 ||
	    facts->aqa != ((cqn - 1) << 16 | (sqn - 1))) {
		nvme_err(ctrl,
			 "saved state: the admin queue's geometry (%u and %u entries) differs from the "
			 "controller's (AQA %#x)",
			 sqn, cqn, facts->aqa);
		return -EBADMSG;
	}
	if (udrv_dma_addr(ctrl->dma, rings) != facts->asq ||
	    udrv_dma_addr(ctrl->dma, rings + nvme_sq_bytes(sqn)) != facts->acq) {
		nvme_err(ctrl, "saved state: the admin queue is not where ASQ and ACQ say");
		return -EBADMSG;
	}
	return 0;
}

static int check_queues(struct udrv_nvme *ctrl)
{
	const struct nvme_facts *facts = &ctrl->facts;
	struct nvme_queue_state *st = nvme_admin_state(ctrl);
	uint32_t slots = udrv_load32(&ctrl->state->slot_capacity);
	int err;

	if (facts->io_queues > udrv_load32(&ctrl->state->io_capacity)) {
		nvme_err(ctrl, "saved state: %u I/O queues, but room for %u", facts->io_queues,
			 udrv_load32(&ctrl->state->io_capacity));
		return -EBADMSG;
	}
	err = nvme_queue_check(ctrl, st, 0, NVME_ADMIN_SLOTS);
	if (err)
		return err;
	err = check_admin(ctrl, st);
	if (err)
		return err;
	for (uint32_t i = 0; i < facts->io_queues; i++) {
		st = nvme_io_state(ctrl, i);
		err = nvme_queue_check(ctrl, st, i + 1, slots);
		if (err)
			return err;
		if (udrv_load32(&st->sq_entries) != facts->sq_entries ||
		    udrv_load32(&st->cq_entries) != facts->cq_entries ||
		    udrv_load32(&st->depth) != facts->depth) {
			nvme_err(ctrl,
				 "saved state: queue %u: geometry differs from the controller's",
				 i + 1);
			return -EBADMSG;
		}
	}
	return 0;
}

static struct udrv_nvme_queue *queue_at(struct udrv_nvme *ctrl, unsigned int qid)
{
	return qid ? &ctrl->io[qid - 1] : &ctrl->admin;
}

/* Only the owner's commands are counted, not the admin queue's and the nudges. */
static bool counts(const struct udrv_nvme_queue *q, unsigned int slot)
{
	return q->qid && slot < q->depth;
}

/* What the predecessor left, before anything is taken in. */
static void look_at_slots(struct udrv_nvme_queue *q, struct udrv_nvme_resume_report *report)
{
	uint64_t ringing = udrv_load64(&q->st->ringing), tail = udrv_load64(&q->st->tail);

	q->resuming = true;
	q->head_found = udrv_load64(&q->st->head);
	q->resumed_below = tail;
	for (uint32_t i = 0; counts(q, i); i++) {
		uint32_t state = udrv_load32(&q->slots[i].state);
		uint64_t seq = le64toh(q->slots[i].seq);

		if (state == NVME_SLOT_DONE)
			report->redelivered++;
		if (state != NVME_SLOT_PENDING)
			continue;
		q->inherited[i] = seq < ringing;
		report->in_flight += seq < ringing;
		report->never_submitted += seq == tail;
	}
}

static bool event_unanswered(const struct udrv_nvme *ctrl)
{
	const struct nvme_slot_state *slot = nvme_queue_slots(nvme_admin_state(ctrl));

	for (unsigned int i = 0; i < NVME_ADMIN_DEPTH; i++) {
		if (udrv_load32(&slot[i].state) == NVME_SLOT_DONE &&
		    slot[i].cookie[0] == NVME_ADMIN_AER)
			return true;
	}
	return false;
}

/* Pass 1, as far as it needs no device. */
static int look_at_memory(struct udrv_nvme *ctrl)
{
	int err;

	if (udrv_state_lifecycle(ctrl->st) != UDRV_READY)
		return -EAGAIN;
	err = nvme_areas_find(ctrl);
	if (!err)
		err = nvme_facts_read(ctrl->st, &ctrl->facts);
	if (err) {
		nvme_err(ctrl,
			 "the saved state has no complete description of the controller (error %d)",
			 err);
		return -EBADMSG;
	}
	err = check_queues(ctrl);
	if (err)
		return err;
	ctrl->io = calloc(ctrl->facts.io_queues, sizeof(*ctrl->io));
	if (!ctrl->io)
		return -ENOMEM;
	ctrl->nio = ctrl->facts.io_queues;
	for (unsigned int i = 0; i <= ctrl->nio; i++) {
		err = nvme_queue_init(ctrl, queue_at(ctrl, i),
				      i ? nvme_io_state(ctrl, i - 1) : nvme_admin_state(ctrl));
		if (err)
			break;
		look_at_slots(queue_at(ctrl, i), &ctrl->report);
		nvme_queue_rebuild(queue_at(ctrl, i));
	}
	return err;
}

int udrv_nvme_resume_begin(struct udrv_device *dev, const struct udrv_nvme_opts *opts,
			   struct udrv_nvme **ret)
{
	struct udrv_nvme *ctrl;
	int err;

	err = nvme_ctrl_new(dev, opts, &ctrl);
	if (err)
		return err;
	err = look_at_memory(ctrl);
	if (err) {
		nvme_ctrl_free(ctrl);
		return err;
	}
	/* What a reset sets up again. */
	ctrl->opts.io_queues = ctrl->facts.io_queues;
	ctrl->opts.depth = ctrl->facts.depth;
	ctrl->opts.max_transfer = ctrl->facts.max_transfer;
	ctrl->opts.poll = !ctrl->facts.vectors;
	ctrl->aer.rescan = event_unanswered(ctrl);
	nvme_ctrl_info(ctrl);
	*ret = ctrl;
	return 0;
}

/* The rest of pass 1. */
int udrv_nvme_resume_look(struct udrv_nvme *ctrl)
{
	struct nvme_facts facts = ctrl->facts;
	int err;

	err = nvme_regs_map(ctrl, facts.io_queues); /* overwrites CAP and VS with what is read */
	ctrl->facts = facts;
	if (!err && facts.vectors > (unsigned int)udrv_device_irq_count(ctrl->dev)) {
		nvme_err(ctrl, "it has %d MSI-X vectors, but %u were in use: not the recorded one",
			 udrv_device_irq_count(ctrl->dev), facts.vectors);
		err = -ESTALE;
	}
	if (!err)
		err = check_identity(ctrl);
	if (!err)
		err = check_registers(ctrl);
	for (unsigned int i = 0; !err && i <= ctrl->nio; i++)
		nvme_queue_registers(queue_at(ctrl, i));
	return err;
}

/*
 * Pass 2: completions that are there. They also tell that a doorbell of which the predecessor left
 * in doubt whether it was written, was.
 */
static void take_completions(struct udrv_nvme_queue *q, struct udrv_nvme_resume_report *report)
{
	struct nvme_queue_state *st = q->st;
	uint64_t rung = udrv_load64(&st->rung), ringing = udrv_load64(&st->ringing);

	while (udrv_load64(&st->head) - udrv_load64(&st->head_rung) < q->cq_entries - 1) {
		uint64_t before = udrv_load64(&st->head);
		uint16_t cid = le16toh(q->cqe->cid);
		unsigned int slot = cid & NVME_CID_SLOT_MASK;
		uint64_t seq = slot < q->nslots ? le64toh(q->slots[slot].seq) : 0;
		uint64_t bad = le64toh(st->bad_cqes) + le64toh(st->spurious_cqes);
		int i = before == q->head_found ? nvme_cq_take_first(q) : nvme_cq_take(q);

		if (i == NVME_CQE_NONE || udrv_load64(&st->head) == before)
			break;
		if (le64toh(st->bad_cqes) + le64toh(st->spurious_cqes) != bad)
			continue;
		if (i >= 0 && counts(q, i))
			report->completed++;
		if (seq >= rung && seq < ringing)
			rung = seq + 1;
	}
	if (rung != udrv_load64(&st->rung))
		udrv_store64(&st->rung, rung);
}

/* As often as one likes: what was handed out in between stays its owner's. */
static void take_in(struct udrv_nvme *ctrl, struct udrv_nvme_queue *q)
{
	nvme_queue_note_handed(q);
	take_completions(q, &ctrl->report);
	nvme_queue_rebuild(q);
}

void udrv_nvme_resume_take(struct udrv_nvme *ctrl)
{
	for (unsigned int i = 0; i < ctrl->nio; i++)
		take_in(ctrl, &ctrl->io[i]);
}

static bool head_moved(const struct udrv_nvme_queue *q)
{
	return udrv_load64(&q->st->head) != q->head_found;
}

static bool half_submitted(const struct udrv_nvme_queue *q)
{
	uint64_t tail = udrv_load64(&q->st->tail);

	for (uint32_t i = 0; i < q->nslots; i++) {
		if (udrv_load32(&q->slots[i].state) == NVME_SLOT_PENDING &&
		    le64toh(q->slots[i].seq) == tail)
			return true;
	}
	return false;
}

/*
 * A doorbell in doubt needs a command behind it. So does a queue that can neither complete nor
 * submit anything because the head is in doubt, unless it has moved: the new one will be rung.
 */
static bool needs_nudge(const struct udrv_nvme_queue *q)
{
	const struct nvme_queue_state *st = q->st;

	if (half_submitted(q) || udrv_load64(&st->tail) != udrv_load64(&st->ringing))
		return false;
	return udrv_load64(&st->ringing) != udrv_load64(&st->rung) ||
	       (!head_moved(q) && nvme_queue_stuck(q));
}

static int open_queue(struct udrv_nvme *ctrl, struct udrv_nvme_queue *q)
{
	const struct nvme_queue_state *st = q->st;

	take_in(ctrl, q);

	/*
	 * A nudge takes a slot, room for its completion, and a value that differs from all that may
	 * have been rung.
	 */
	if (needs_nudge(q) &&
	    (!nvme_queue_can_nudge(q, head_moved(q)) ||
	     udrv_load64(&st->tail) + 1 - udrv_load64(&st->rung) >= q->sq_entries)) {
		nvme_err(ctrl,
			 "queue %u: a doorbell is in doubt, and the %u entries kept for that are used up: "
			 "not resumed, start the controller anew",
			 q->qid, NVME_RESERVE);
		return -EIO;
	}
	return 0;
}

/*
 * What the device has not been told of goes into the ring (again): the ring is memory that it could
 * write to.
 */
static void refill_ring(struct udrv_nvme_queue *q)
{
	struct nvme_queue_state *st = q->st;
	uint64_t ringing = udrv_load64(&st->ringing), tail = udrv_load64(&st->tail);

	for (uint32_t i = 0; i < q->nslots; i++) {
		uint64_t seq = le64toh(q->slots[i].seq);

		if (udrv_load32(&q->slots[i].state) == NVME_SLOT_PENDING && seq >= ringing &&
		    seq < tail)
			q->sq[(seq - udrv_load64(&st->sq_origin)) % q->sq_entries] =
				q->slots[i].sqe;
	}
}

/*
 * At most one submission was cut short: its slot is complete, its place in the ring is the tail's.
 */
static void finish_submission(struct udrv_nvme_queue *q)
{
	uint64_t tail = udrv_load64(&q->st->tail);

	for (uint32_t i = 0; i < q->nslots; i++) {
		struct nvme_slot_state *slot = &q->slots[i];

		if (udrv_load32(&slot->state) == NVME_SLOT_PENDING && le64toh(slot->seq) == tail) {
			nvme_sq_push(q, slot);
			return;
		}
	}
}

/* A nudge's count is stored after the nudge. */
static void settle_nudges(struct udrv_nvme_queue *q)
{
	uint64_t nudges = le64toh(q->st->nudges);

	for (uint32_t i = q->depth; i < q->nslots; i++) {
		if (udrv_load32(&q->slots[i].state) == NVME_SLOT_PENDING &&
		    q->slots[i].cookie[1] > nudges)
			nudges = q->slots[i].cookie[1];
	}
	if (nudges != le64toh(q->st->nudges))
		udrv_store64(&q->st->nudges, nudges);
}

/* Pass 3 */
static void settle_queue(struct udrv_nvme_queue *q, struct udrv_nvme_resume_report *report)
{
	struct nvme_queue_state *st = q->st;
	bool nudge = needs_nudge(q);

	q->resuming = false;
	/* A head that may have been written already waits for the next completion. */
	if (head_moved(q))
		nvme_cq_ring(q);
	refill_ring(q);
	finish_submission(q);
	settle_nudges(q);

	if (nudge) {
		nvme_queue_nudge(q); /* checked in pass 2 */
		report->nudges++;
	} else if (udrv_load64(&st->tail) != udrv_load64(&st->rung)) {
		report->rung++;
	}
	nvme_sq_ring(q);
	q->resumed_below = udrv_load64(&st->tail);
	nvme_queue_rebuild(q);
}

int udrv_nvme_resume_finish(struct udrv_nvme *ctrl)
{
	const struct udrv_nvme_resume_report *r = &ctrl->report;
	int err;

	for (unsigned int i = 0; i <= ctrl->nio; i++) {
		err = open_queue(ctrl, queue_at(ctrl, i));
		if (err)
			return err;
	}
	for (unsigned int i = 0; i <= ctrl->nio; i++)
		settle_queue(queue_at(ctrl, i), &ctrl->report);
	udrv_store64(&ctrl->state->resumes, udrv_load64(&ctrl->state->resumes) + 1);

	/* If the predecessor stopped between two requests, there is none. */
	err = nvme_aer_submit(ctrl);
	if (err)
		nvme_warn(ctrl, "no Asynchronous Event Request could be sent (error %d)", err);
	nvme_info(ctrl,
		  "resumed: %u commands in flight, %u of them completed, %u never submitted, %u to deliver again, "
		  "%u nudges",
		  r->in_flight, r->completed, r->never_submitted, r->redelivered, r->nudges);
	return 0;
}

int udrv_nvme_resume(struct udrv_device *dev, const struct udrv_nvme_opts *opts,
		     struct udrv_nvme **ret)
{
	struct udrv_nvme *ctrl;
	int err;

	err = udrv_nvme_resume_begin(dev, opts, &ctrl);
	if (err)
		return err;
	err = udrv_nvme_resume_look(ctrl);
	if (!err)
		err = udrv_nvme_resume_finish(ctrl);
	if (err)
		nvme_ctrl_free(ctrl);
	else
		*ret = ctrl;
	return err;
}
