// SPDX-License-Identifier: BSD-2-Clause
/*
 * Asynchronous events (Base 2.0, 5.2). One request is outstanding at a time.
 *
 * An event is answered in steps, each begun by the completion of the one before: read the log page,
 * which also unmasks further events; for namespaces, list the active ones if need be and identify
 * what changed; record it; release the request's slot; send the next request.
 *
 * The slot stays DONE over all of this. A successor that finds it DONE cannot know whether the log
 * page was read: it reads it again, or the event stays masked for ever, but what it says may be
 * gone with the first reading, so it looks at every namespace.
 */
#include <errno.h>

#include "devices/nvme/ctrl.h"

int nvme_aer_submit(struct udrv_nvme *ctrl)
{
	struct nvme_sqe cmd = { .opcode = NVME_ADMIN_ASYNC_EVENT };

	for (unsigned int i = 0; i < ctrl->admin.depth; i++) {
		const struct nvme_slot_state *slot = &ctrl->admin.slots[i];

		/* Pending or not answered yet: its answer ends with a new one. */
		if (udrv_load32(&slot->state) != NVME_SLOT_FREE &&
		    slot->cookie[0] == NVME_ADMIN_AER)
			return 0;
	}
	return nvme_admin_start(ctrl, &cmd, NVME_ADMIN_AER, 0, NULL);
}

static void finish(struct udrv_nvme *ctrl)
{
	struct nvme_aer *aer = &ctrl->aer;
	struct udrv_nvme_queue *q = &ctrl->admin;
	int err;

	aer->busy = false;
	aer->waiting = 0;
	aer->rescan = false;
	udrv_store64(&ctrl->state->events, udrv_load64(&ctrl->state->events) + 1);
	udrv_store32(&q->slots[aer->slot].state, NVME_SLOT_FREE);
	nvme_queue_put(q, aer->slot);
	err = nvme_aer_submit(ctrl);
	if (err)
		nvme_warn(ctrl,
			  "no Asynchronous Event Request could be sent (error %d): further events go unnoticed",
			  err);
}

/*
 * Without a free slot the answer waits where it is: given up, the event would stay masked for ever.
 */
static int start(struct udrv_nvme *ctrl, const struct nvme_sqe *cmd, enum nvme_admin_kind kind)
{
	int err = nvme_admin_start(ctrl, cmd, kind, 0, NULL);

	ctrl->aer.waiting = err == -EAGAIN ? kind : 0;
	return err == -EAGAIN ? 0 : err;
}

static int read_log(struct udrv_nvme *ctrl, uint32_t lid)
{
	uint32_t bytes = lid == NVME_LOG_CHANGED_NS ? 4096 :
			 lid == NVME_LOG_ERROR	    ? NVME_LOG_ERROR_ENTRY :
						      512;
	struct nvme_sqe cmd = {
		.opcode = NVME_ADMIN_GET_LOG_PAGE,
		.nsid = htole32(0xffffffff),
		.cdw10 = htole32((bytes / 4 - 1) << 16 | lid),
	};

	return start(ctrl, &cmd, NVME_ADMIN_AER_LOG);
}

static int list_namespaces(struct udrv_nvme *ctrl)
{
	struct nvme_sqe cmd = { .opcode = NVME_ADMIN_IDENTIFY,
				.cdw10 = htole32(NVME_CNS_ACTIVE_NS) };

	return start(ctrl, &cmd, NVME_ADMIN_AER_LIST);
}

static int identify_next(struct udrv_nvme *ctrl)
{
	struct nvme_aer *aer = &ctrl->aer;
	struct nvme_sqe cmd = { .opcode = NVME_ADMIN_IDENTIFY, .cdw10 = htole32(NVME_CNS_NS) };

	if (aer->at == aer->n) {
		int err = nvme_facts_write(ctrl->st, &ctrl->facts);

		if (err)
			nvme_err(ctrl,
				 "changed namespaces could not be recorded (error %d): a successor will not know them",
				 err);
		finish(ctrl);
		return 0;
	}
	cmd.nsid = htole32(aer->nsids[aer->at]);
	return start(ctrl, &cmd, NVME_ADMIN_AER_NS);
}

static void add_nsid(struct nvme_aer *aer, uint32_t nsid)
{
	for (unsigned int i = 0; i < aer->n; i++) {
		if (aer->nsids[i] == nsid)
			return;
	}
	if (aer->n < NVME_CHANGED_NS_MAX)
		aer->nsids[aer->n++] = nsid;
}

static void add_list(struct nvme_aer *aer, const uint32_t *list, unsigned int max)
{
	for (unsigned int i = 0; i < max && list[i]; i++)
		add_nsid(aer, le32toh(list[i]));
}

static void tell(struct udrv_nvme *ctrl, uint32_t nsid)
{
	if (!ctrl->event_fn)
		return;
	ctrl->in_event = true;
	ctrl->event_fn(ctrl->event_ctx, nsid);
	ctrl->in_event = false;
}

static int log_read(struct udrv_nvme *ctrl, const void *page)
{
	struct nvme_aer *aer = &ctrl->aer;
	uint32_t list[16];

	if (NVME_AEN_LID(aer->event) != NVME_LOG_CHANGED_NS) {
		tell(ctrl, 0);
		finish(ctrl);
		return 0;
	}
	/*
	 * More than a few: the list of active ones is as good. The first entry says so if there are
	 * over 1024.
	 */
	memcpy(list, page, sizeof(list));
	if (list[0] == 0xffffffff || list[15] || aer->rescan)
		return list_namespaces(ctrl);
	add_list(aer, list, 15);
	return identify_next(ctrl);
}

static int listed(struct udrv_nvme *ctrl, const void *page)
{
	struct nvme_aer *aer = &ctrl->aer;
	uint32_t list[UDRV_NVME_MAX_NS];

	/* What was there and is not listed any more is gone, so ask for it as well. */
	memcpy(list, page, sizeof(list));
	for (uint32_t i = 0; i < ctrl->facts.nn; i++)
		add_nsid(aer, ctrl->facts.ns[i].nsid);
	add_list(aer, list, UDRV_NVME_MAX_NS);
	return identify_next(ctrl);
}

static int identified(struct udrv_nvme *ctrl, uint32_t status, const void *page)
{
	struct nvme_aer *aer = &ctrl->aer;
	struct nvme_id_ns id = { 0 };
	uint32_t nsid;

	if (aer->at >= aer->n)
		return -EBADMSG;
	nsid = aer->nsids[aer->at++];

	/* An NSID that is not valid any more is a namespace without blocks. */
	if (!status)
		memcpy(&id, page, sizeof(id));
	if (nvme_ns_update(ctrl, nsid, &id)) {
		nvme_info(ctrl, "namespace %u changed", nsid);
		tell(ctrl, nsid);
	}
	return identify_next(ctrl);
}

void nvme_aer_step(struct udrv_nvme *ctrl, enum nvme_admin_kind kind, unsigned int slot)
{
	uint32_t status = le32toh(ctrl->admin.slots[slot].status) & NVME_SC_MASK;
	const void *page = nvme_admin_data(ctrl, slot);
	int err;

	if (!ctrl->aer.busy)
		return;
	if (kind == NVME_ADMIN_AER_NS) {
		err = identified(ctrl, status, page);
	} else if (status) {
		nvme_warn(ctrl, "event %#x: %s failed with status %#x", ctrl->aer.event,
			  kind == NVME_ADMIN_AER_LOG ? "Get Log Page" :
						       "Identify Active Namespace List",
			  status);
		finish(ctrl);
		return;
	} else if (kind == NVME_ADMIN_AER_LOG) {
		err = log_read(ctrl, page);
	} else {
		err = listed(ctrl, page);
	}
	if (err) {
		nvme_warn(ctrl, "event %#x could not be answered (error %d)", ctrl->aer.event, err);
		finish(ctrl);
	}
}

void nvme_aer_retry(struct udrv_nvme *ctrl)
{
	struct nvme_aer *aer = &ctrl->aer;
	int err;

	if (!aer->busy || !aer->waiting || !ctrl->admin.nfree)
		return;
	if (aer->waiting == NVME_ADMIN_AER_LOG)
		err = read_log(ctrl, NVME_AEN_LID(aer->event));
	else if (aer->waiting == NVME_ADMIN_AER_LIST)
		err = list_namespaces(ctrl);
	else
		err = identify_next(ctrl);
	if (err) {
		nvme_warn(ctrl, "event %#x could not be answered (error %d)", aer->event, err);
		finish(ctrl);
	}
}

void nvme_aer_done(struct udrv_nvme *ctrl, unsigned int i)
{
	const struct nvme_slot_state *slot = &ctrl->admin.slots[i];
	uint32_t status = le32toh(slot->status) & NVME_SC_MASK;
	struct nvme_aer *aer = &ctrl->aer;
	int err;

	if (status || aer->busy) {
		/*
		 * Aborted by a queue's deletion, or more than the controller takes: do not ask
		 * again and again.
		 */
		nvme_warn(ctrl, "Asynchronous Event Request failed with status %#x", status);
		udrv_store32(&ctrl->admin.slots[i].state, NVME_SLOT_FREE);
		nvme_queue_put(&ctrl->admin, i);
		return;
	}
	aer->slot = i;
	aer->busy = true;
	aer->event = le32toh(slot->result);
	aer->n = 0;
	aer->at = 0;

	if (NVME_AEN_LID(aer->event))
		err = read_log(ctrl, NVME_AEN_LID(aer->event));
	else
		err = -ENOMSG;
	if (err) {
		if (err != -ENOMSG)
			nvme_warn(ctrl, "event %#x could not be answered (error %d)", aer->event,
				  err);
		tell(ctrl, 0);
		finish(ctrl);
	}
}
