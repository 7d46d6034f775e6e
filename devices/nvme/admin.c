// SPDX-License-Identifier: BSD-2-Clause
/*
 * The admin queue. Its slots carry what the command is for, so that a successor knows what to
 * do with a completion: an event is answered, everything else just ends. Each slot has a data
 * page of its own, which stays the device's until the command has completed, whoever gave up
 * waiting for it.
 */
#include <errno.h>
#include <inttypes.h>

#include "devices/nvme/ctrl.h"

void *nvme_admin_data(struct udrv_nvme *ctrl, unsigned int slot)
{
	return nvme_list_ptr(&ctrl->admin, slot);
}

static void free_slot(struct udrv_nvme *ctrl, unsigned int slot)
{
	struct udrv_nvme_queue *q = &ctrl->admin;

	udrv_store32(&q->slots[slot].state, NVME_SLOT_FREE);
	nvme_queue_put(q, slot);
}

/*
 * @data, if any, is copied into the slot's page. PRP1 is that page whenever the opcode can transfer
 * data (its bits 1:0, Base 2.0, 5), even where it is said not to: without an IOMMU, PRP1 = 0 would
 * be physical page 0.
 */
static int start(struct udrv_nvme *ctrl, const struct nvme_sqe *cmd, const void *data, uint32_t len,
		 enum nvme_admin_kind kind, uint64_t arg, uint16_t *ret_slot)
{
	struct udrv_nvme_queue *q = &ctrl->admin;
	struct nvme_slot_state *slot;
	uint16_t i, cid;

	if (ctrl->failed || q->failed)
		return -ESHUTDOWN;
	if (!q->nfree)
		return -EAGAIN;
	i = q->free[--q->nfree];
	slot = &q->slots[i];
	if (data)
		memcpy(nvme_admin_data(ctrl, i), data, len);
	cid = nvme_next_cid(slot);
	slot->sqe = *cmd;
	slot->sqe.cid = cid;
	if ((cmd->opcode & 3) && !cmd->prp1)
		slot->sqe.prp1 = htole64(udrv_dma_addr(ctrl->dma, nvme_list_off(q, i)));
	slot->cookie[0] = kind;
	slot->cookie[1] = arg;
	UDRV_STEP();
	nvme_sq_push(q, slot);
	nvme_sq_ring(q);
	if (ret_slot)
		*ret_slot = i;
	return 0;
}

int nvme_admin_start(struct udrv_nvme *ctrl, const struct nvme_sqe *cmd, enum nvme_admin_kind kind,
		     uint64_t arg, uint16_t *ret_slot)
{
	return start(ctrl, cmd, NULL, 0, kind, arg, ret_slot);
}

/* One completed command that nobody waits for. */
static void done(struct udrv_nvme *ctrl, unsigned int i)
{
	const struct nvme_slot_state *slot = &ctrl->admin.slots[i];
	bool ours = le64toh(slot->seq) >= ctrl->admin.resumed_below;

	switch (slot->cookie[0]) {
	case NVME_ADMIN_AER:
		nvme_aer_done(ctrl, i); /* keeps the slot until the event is answered */
		return;
	case NVME_ADMIN_AER_LOG:
	case NVME_ADMIN_AER_LIST:
	case NVME_ADMIN_AER_NS:
		if (ours)
			nvme_aer_step(ctrl, slot->cookie[0], i);
		break;
	case NVME_ADMIN_ABORTING:
		if (ours)
			nvme_timeout_aborted(ctrl, i);
		break;
	}
	free_slot(ctrl, i);
}

void nvme_admin_service(struct udrv_nvme *ctrl)
{
	struct udrv_nvme_queue *q = &ctrl->admin;

	while (q->nbacklog)
		done(ctrl, q->backlog[--q->nbacklog]);
	/*
	 * Once around and no more: a controller that raises event after
	 * event must not keep us here.
	 */
	for (uint32_t n = 0; n < q->cq_entries && !q->failed; n++) {
		int i = nvme_cq_take(q);

		if (i == NVME_CQE_NONE)
			break;
		nvme_cq_ring(q);
		if (i >= 0 && i != ctrl->admin_waited)
			done(ctrl, i);
	}
	nvme_aer_retry(ctrl);
}

int nvme_admin_wait(struct udrv_nvme *ctrl, const struct nvme_sqe *cmd, void *data, uint32_t len,
		    bool to_device, uint32_t *result)
{
	uint64_t begin = wait_now_ns();
	struct nvme_slot_state *slot;
	uint16_t i;
	int err;

	/* Completions are taken one at a time, and an event is told in the middle of one. */
	if (ctrl->admin_waited >= 0 || ctrl->in_event)
		return -EBUSY;
	err = start(ctrl, cmd, to_device ? data : NULL, len, NVME_ADMIN_WAITED, 0, &i);
	if (err)
		return err;
	slot = &ctrl->admin.slots[i];
	ctrl->admin_waited = i;
	for (;;) {
		uint64_t waited = wait_now_ns() - begin;

		nvme_admin_service(ctrl);
		if (udrv_load32(&slot->state) == NVME_SLOT_DONE)
			break;
		err = nvme_regs_alive(ctrl);
		if (!err && waited > ctrl->timeout_ns)
			err = -ETIMEDOUT;
		if (err) {
			/* The slot stays the device's; its completion, should it come, frees it. */
			ctrl->admin_waited = -1;
			nvme_err(ctrl, "admin command %#x was not answered (%s)", cmd->opcode,
				 err == -ETIMEDOUT ? "timeout" : "controller failed or gone");
			return err == -ETIMEDOUT ? err : -ESHUTDOWN;
		}
		wait_relax(waited);
	}
	ctrl->admin_waited = -1;

	err = le32toh(slot->status);
	if (!err && data && !to_device)
		memcpy(data, nvme_admin_data(ctrl, i), len);
	if (result)
		*result = le32toh(slot->result);
	free_slot(ctrl, i);
	return err;
}

/* What the controller will write, as far as the command tells. */
static uint64_t transfer_size(uint8_t opcode, const uint32_t cdw[6])
{
	if (opcode == NVME_ADMIN_IDENTIFY)
		return NVME_IDENTIFY_SIZE;
	if (opcode == NVME_ADMIN_GET_LOG_PAGE) /* NUMDL and NUMDU, 0's based dwords */
		return (((uint64_t)(cdw[1] & 0xffff) << 16 | cdw[0] >> 16) + 1) * 4;
	return 0;
}

int udrv_nvme_admin(struct udrv_nvme *ctrl, uint8_t opcode, uint32_t nsid, void *data, uint32_t len,
		    bool to_device, const uint32_t cdw[6], uint32_t *result)
{
	struct nvme_sqe cmd = {
		.opcode = opcode,
		.nsid = htole32(nsid),
		.cdw10 = htole32(cdw[0]),
		.cdw11 = htole32(cdw[1]),
		.cdw12 = htole32(cdw[2]),
		.cdw13 = htole32(cdw[3]),
		.cdw14 = htole32(cdw[4]),
		.cdw15 = htole32(cdw[5]),
	};

	switch (opcode) {
	case NVME_ADMIN_CREATE_SQ:
	case NVME_ADMIN_CREATE_CQ:
	case NVME_ADMIN_DELETE_SQ:
	case NVME_ADMIN_DELETE_CQ:
	case NVME_ADMIN_ASYNC_EVENT:
	case NVME_ADMIN_DBBUF_CONFIG:
		return -EPERM;
	case NVME_ADMIN_SET_FEATURES:
		if ((cdw[0] & 0xff) == NVME_FEAT_NUM_QUEUES ||
		    (cdw[0] & 0xff) == NVME_FEAT_ASYNC_EVENT)
			return -EPERM;
		break;
	}
	if (len > 4096 || (len && !data) || (len & 3) || transfer_size(opcode, cdw) > len)
		return -EINVAL;
	return nvme_admin_wait(ctrl, &cmd, data, len, to_device, result);
}
