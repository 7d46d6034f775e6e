// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "devices/nvme/ctrl.h"

void udrv_nvme_set_timeout(struct udrv_nvme *ctrl, unsigned int timeout_ms)
{
	ctrl->opts.timeout_ms = timeout_ms ? timeout_ms : NVME_TIMEOUT_MS;
	ctrl->timeout_ns = ctrl->opts.timeout_ms * 1000000ull;
}

int nvme_ctrl_new(struct udrv_device *dev, const struct udrv_nvme_opts *opts,
		  struct udrv_nvme **ret)
{
	struct udrv_nvme *ctrl;
	int err;

	if (!udrv_device_dma(dev) || !udrv_device_state(dev))
		return -EINVAL;
	ctrl = calloc(1, sizeof(*ctrl));
	if (!ctrl)
		return -ENOMEM;
	err = nvme_opts_default(opts, &ctrl->opts);
	if (err) {
		free(ctrl);
		return err;
	}
	ctrl->dev = dev;
	ctrl->dma = udrv_device_dma(dev);
	ctrl->st = udrv_device_state(dev);
	ctrl->log = udrv_device_log(dev);
	udrv_nvme_set_timeout(ctrl, ctrl->opts.timeout_ms);
	ctrl->admin_waited = -1;
	*ret = ctrl;
	return 0;
}

void nvme_ctrl_free(struct udrv_nvme *ctrl)
{
	vectors_free(&ctrl->vectors);
	nvme_queue_free(&ctrl->admin);
	for (unsigned int i = 0; i < ctrl->nio; i++)
		nvme_queue_free(&ctrl->io[i]);
	free(ctrl->io);
	free(ctrl);
}

void nvme_ctrl_fail(struct udrv_nvme *ctrl, bool failed)
{
	ctrl->failed = failed;
	ctrl->admin.failed = failed;
	for (unsigned int i = 0; i < ctrl->nio; i++) {
		__atomic_store_n(&ctrl->io[i].failed, failed, __ATOMIC_RELAXED);
		__atomic_store_n(&ctrl->io[i].page_io, &nvme_no_page_io, __ATOMIC_RELAXED);
		nvme_queue_limits(&ctrl->io[i]);
	}
}

void nvme_ctrl_info(struct udrv_nvme *ctrl)
{
	const struct nvme_facts *facts = &ctrl->facts;
	struct udrv_nvme_info *info = &ctrl->info;

	info->cap = facts->cap;
	info->vs = facts->vs;
	info->vid = facts->vid;
	info->ssvid = facts->ssvid;
	info->cntlid = facts->cntlid;
	memcpy(info->sn, facts->sn, sizeof(info->sn));
	memcpy(info->mn, facts->mn, sizeof(info->mn));
	memcpy(info->fr, facts->fr, sizeof(info->fr));
	info->oncs = facts->oncs;
	info->vwc = facts->vwc;
	info->max_transfer = facts->max_transfer;
	info->io_queues = facts->io_queues;
	info->depth = facts->depth;
	nvme_ns_sort(ctrl);
}

int udrv_nvme_start(struct udrv_device *dev, const struct udrv_nvme_opts *opts,
		    struct udrv_nvme **ret)
{
	struct udrv_nvme *ctrl;
	int err;

	err = nvme_ctrl_new(dev, opts, &ctrl);
	if (err)
		return err;
	err = nvme_regs_map(ctrl, 1);
	if (err)
		goto fail;

	err = nvme_areas_find(ctrl);
	if (err == -ENOENT) {
		unsigned int depth = ctrl->opts.depth, mqes = NVME_CAP_MQES(ctrl->facts.cap);

		/* No more slots than the controller can ever use. */
		if (mqes > NVME_RESERVE && depth > mqes - NVME_RESERVE)
			depth = mqes - NVME_RESERVE;
		err = nvme_areas_make(ctrl, ctrl->opts.io_queues, depth);
	}
	if (!err)
		err = nvme_setup(ctrl);
	if (err)
		goto fail;
	udrv_store64(&ctrl->state->starts, udrv_load64(&ctrl->state->starts) + 1);
	nvme_info(ctrl,
		  "%s, serial %s, firmware %s: started with %u I/O queues of depth %u, %u namespaces",
		  ctrl->info.mn, ctrl->info.sn, ctrl->info.fr, ctrl->info.io_queues,
		  ctrl->info.depth, ctrl->info.nn);
	*ret = ctrl;
	return 0;
fail:
	nvme_ctrl_free(ctrl);
	return err;
}

void udrv_nvme_detach(struct udrv_nvme *ctrl)
{
	if (ctrl)
		nvme_ctrl_free(ctrl);
}

static void delete_queues(struct udrv_nvme *ctrl)
{
	for (unsigned int i = 0; i < ctrl->nio; i++) {
		struct nvme_sqe cmd = { .opcode = NVME_ADMIN_DELETE_SQ,
					.cdw10 = htole32(ctrl->io[i].qid) };
		int err;

		err = nvme_admin_wait(ctrl, &cmd, NULL, 0, false, NULL);
		if (!err) {
			cmd.opcode = NVME_ADMIN_DELETE_CQ;
			err = nvme_admin_wait(ctrl, &cmd, NULL, 0, false, NULL);
		}
		if (err)
			nvme_warn(ctrl,
				  "I/O queue %u could not be deleted (%#x): going on with the shutdown",
				  ctrl->io[i].qid, err);
		/* Not answered: nor will the next one be, and each takes its time to tell. */
		if (err < 0)
			return;
	}
}

int udrv_nvme_shutdown(struct udrv_nvme *ctrl)
{
	bool failed = ctrl->failed || nvme_regs_alive(ctrl);
	int err, off;

	if (udrv_state_updating(ctrl->st))
		return -EAGAIN;
	for (unsigned int i = 0; i < ctrl->nio; i++) {
		if (udrv_nvme_outstanding(&ctrl->io[i]))
			return -EBUSY;
	}
	udrv_state_set_lifecycle(ctrl->st, UDRV_CLOSING);
	UDRV_STEP();
	if (!failed)
		delete_queues(ctrl);
	err = failed ? -EIO : nvme_regs_shutdown(ctrl);
	if (err)
		nvme_err(ctrl,
			 "CSTS.SHST did not say that the shutdown is complete (error %d): disabling",
			 err);
	off = nvme_regs_disable(ctrl);
	if (!off) {
		udrv_device_bus_master(ctrl->dev, false);
		udrv_state_set_lifecycle(ctrl->st, UDRV_INIT);
	}
	nvme_ctrl_free(ctrl);
	if (off)
		return off == -ENODEV ? off : -EIO;
	return err ? -ETIMEDOUT : 0;
}

const struct udrv_nvme_info *udrv_nvme_info(const struct udrv_nvme *ctrl)
{
	return &ctrl->info;
}

struct udrv_nvme_queue *udrv_nvme_queue(struct udrv_nvme *ctrl, unsigned int i)
{
	return i < ctrl->nio ? &ctrl->io[i] : NULL;
}

const struct udrv_nvme_resume_report *udrv_nvme_resume_report(const struct udrv_nvme *ctrl)
{
	return &ctrl->report;
}

void udrv_nvme_on_event(struct udrv_nvme *ctrl, void (*fn)(void *ctx, uint32_t nsid), void *ctx)
{
	ctrl->event_fn = fn;
	ctrl->event_ctx = ctx;
}
