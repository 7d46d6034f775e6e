// SPDX-License-Identifier: BSD-2-Clause
/*
 * A running controller seen through its state, by any process and without the device. What is
 * counted may move on between two loads; nothing is followed that was not checked.
 */
#include <errno.h>
#include <stdlib.h>

#include "devices/nvme/ctrl.h"

static void inspect_queue(const struct nvme_queue_state *st, unsigned int slots,
			  struct udrv_nvme_counters *c, unsigned int *outstanding)
{
	const struct nvme_slot_state *slot = nvme_queue_slots((struct nvme_queue_state *)st);
	uint64_t tail = udrv_load64(&st->tail), pending = 0;
	uint32_t depth = udrv_load32(&st->depth);

	*outstanding = 0;
	for (uint32_t i = 0; i < slots && i < depth; i++) {
		uint32_t state = udrv_load32(&slot[i].state);

		if (state == NVME_SLOT_FREE)
			continue;
		++*outstanding;
		pending += state == NVME_SLOT_PENDING && le64toh(slot[i].seq) < tail;
	}
	c->nudges = le64toh(st->nudges);
	c->submitted = tail - c->nudges;
	c->lost = le64toh(st->lost);
	c->completed = c->submitted - pending - c->lost;
	c->errors = le64toh(st->errors);
	c->reissued = le64toh(st->reissued);
	c->sq_doorbells = le64toh(st->sq_doorbells);
	c->cq_doorbells = le64toh(st->cq_doorbells);
	c->spurious_cqes = le64toh(st->spurious_cqes);
	c->bad_cqes = le64toh(st->bad_cqes);
	c->timeouts = le64toh(st->timeouts);
	c->aborts = le64toh(st->aborts);
}

int udrv_nvme_inspect(const struct udrv_state *st, struct udrv_nvme_snapshot *ret)
{
	struct udrv_nvme ctrl = { .st = (struct udrv_state *)st, .admin_waited = -1 };
	struct nvme_facts facts;
	uint32_t slots;
	int err;

	err = nvme_facts_read(st, &facts);
	if (err)
		return err;
	if (!udrv_state_area(st, NVME_AREA_CTRL, NULL))
		return -ENOENT;
	err = nvme_areas_find(&ctrl);
	if (err)
		return err;
	if (facts.io_queues > udrv_load32(&ctrl.state->io_capacity))
		return -EBADMSG;
	slots = udrv_load32(&ctrl.state->slot_capacity);

	memset(ret, 0, sizeof(*ret));
	memcpy(ret->sn, facts.sn, sizeof(ret->sn));
	memcpy(ret->mn, facts.mn, sizeof(ret->mn));
	memcpy(ret->fr, facts.fr, sizeof(ret->fr));
	ret->io_queues = facts.io_queues;
	ret->depth = facts.depth;
	ret->nn = facts.nn;
	ret->starts = udrv_load64(&ctrl.state->starts);
	ret->resumes = udrv_load64(&ctrl.state->resumes);
	ret->resets = udrv_load64(&ctrl.state->resets);
	memcpy(ret->ns, facts.ns, sizeof(ret->ns));
	inspect_queue(nvme_admin_state(&ctrl), NVME_ADMIN_SLOTS, &ret->q[0], &ret->outstanding[0]);
	for (uint32_t i = 0; i < facts.io_queues; i++)
		inspect_queue(nvme_io_state(&ctrl, i), slots, &ret->q[i + 1],
			      &ret->outstanding[i + 1]);
	return 0;
}
