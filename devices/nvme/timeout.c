// SPDX-License-Identifier: BSD-2-Clause
/*
 * Commands that take too long: Abort, and when that does not help, a controller reset.
 *
 * No clock is read when a command is submitted. The tick notes for each slot which command it saw
 * there first and when, so a command's clock starts at the first tick after its submission, or
 * after the resume.
 */
#include <errno.h>
#include <inttypes.h>

#include "devices/nvme/ctrl.h"

#define RESET_WAIT_MIN_NS 1000000000ull
#define RESET_WAIT_MAX_NS 60000000000ull

static void forget(struct udrv_nvme_queue *q)
{
	if (q->watch)
		memset(q->watch, 0, q->nslots * sizeof(*q->watch));
}

static void restart_clocks(struct udrv_nvme *ctrl)
{
	forget(&ctrl->admin);
	for (unsigned int i = 0; i < ctrl->nio; i++)
		forget(&ctrl->io[i]);
}

/*
 * Its command came to an end meanwhile, or will now (Base 2.0, 5.1): either way
 * through its own completion.
 */
void nvme_timeout_aborted(struct udrv_nvme *ctrl, unsigned int slot)
{
	const struct nvme_slot_state *s = &ctrl->admin.slots[slot];
	uint32_t status = le32toh(s->status) & NVME_SC_MASK;

	if (ctrl->aborts)
		ctrl->aborts--;
	nvme_info(ctrl, "Abort of command %#x on queue %u: %s (status %#x)",
		  (unsigned int)(s->cookie[1] & 0xffff), (unsigned int)(s->cookie[1] >> 16),
		  status || (le32toh(s->result) & 1) ? "not aborted" : "aborted", status);
}

static void abort_command(struct udrv_nvme *ctrl, struct udrv_nvme_queue *q, unsigned int slot)
{
	uint32_t cid = le16toh(q->slots[slot].sqe.cid);
	struct nvme_sqe cmd = {
		.opcode = NVME_ADMIN_ABORT,
		.cdw10 = htole32(cid << 16 | q->qid),
	};

	/* ACL is 0's based. A command that finds no room is tried again at the next tick. */
	if (ctrl->aborts > ctrl->facts.acl)
		return;
	if (nvme_admin_start(ctrl, &cmd, NVME_ADMIN_ABORTING, (uint64_t)q->qid << 16 | cid, NULL))
		return;
	ctrl->aborts++;
	q->watch[slot].aborted = true;
	q->st->aborts = htole64(le64toh(q->st->aborts) + 1);
	nvme_warn(ctrl,
		  "queue %u: opcode %#x, CID %#x is overdue after %" PRIu64 " ms: aborting it",
		  q->qid, q->slots[slot].sqe.opcode, cid, ctrl->timeout_ns / 1000000);
}

/* true: beyond help */
static bool check_slot(struct udrv_nvme *ctrl, struct udrv_nvme_queue *q, unsigned int i,
		       uint64_t now)
{
	const struct nvme_slot_state *slot = &q->slots[i];
	struct nvme_watch *watch = &q->watch[i];
	uint64_t seq;

	if (udrv_load32(&slot->state) != NVME_SLOT_PENDING ||
	    (!q->qid && slot->cookie[0] == NVME_ADMIN_AER)) {
		watch->seen = false;
		return false;
	}
	seq = udrv_load64(&slot->seq);
	if (!watch->seen || watch->seq != seq) {
		*watch = (struct nvme_watch){ .seq = seq, .since_ns = now, .seen = true };
		return false;
	}
	if (now - watch->since_ns < ctrl->timeout_ns)
		return false;
	if (now - watch->since_ns >= 2 * ctrl->timeout_ns)
		return true;
	if (!watch->aborted && q->qid && i < q->depth)
		abort_command(ctrl, q, i);
	return false;
}

static bool check_queue(struct udrv_nvme *ctrl, struct udrv_nvme_queue *q, uint64_t now)
{
	bool hopeless = false;

	for (uint32_t i = 0; i < q->nslots; i++) {
		if (check_slot(ctrl, q, i, now)) {
			q->st->timeouts = htole64(le64toh(q->st->timeouts) + 1);
			hopeless = true;
		}
	}
	return hopeless;
}

int udrv_nvme_tick(struct udrv_nvme *ctrl, uint64_t now_ns)
{
	const char *why = NULL;
	int err;

	if (udrv_state_updating(ctrl->st)) {
		restart_clocks(ctrl);
		return 0;
	}
	if (!ctrl->failed)
		nvme_admin_service(ctrl);

	err = nvme_regs_alive(ctrl);
	if (err == -ENODEV) {
		if (!ctrl->failed)
			nvme_err(ctrl, "CSTS reads all ones: the device is gone");
		nvme_ctrl_fail(ctrl, true);
		return err;
	}
	if (err)
		why = "CSTS.CFS is set";
	else if (ctrl->failed || ctrl->admin.failed)
		why = "it had failed";
	else if (check_queue(ctrl, &ctrl->admin, now_ns))
		why = "an admin command is not answered";
	for (unsigned int i = 0; i < ctrl->nio; i++) {
		if (__atomic_load_n(&ctrl->io[i].failed, __ATOMIC_RELAXED))
			why = why ? why : "its completions make no sense";
		else if (!why && check_queue(ctrl, &ctrl->io[i], now_ns))
			why = "an I/O command is not completed and its abort did not help";
	}
	if (!why)
		return 0;
	if (now_ns < ctrl->reset_after_ns)
		return -EIO;
	nvme_err(ctrl, "resetting the controller: %s", why);
	err = udrv_nvme_reset(ctrl);
	if (!err)
		return 1;
	/* Each attempt may block for as long as CAP.TO and CRTO say: make them rarer. */
	if (ctrl->reset_wait_ns < RESET_WAIT_MAX_NS)
		ctrl->reset_wait_ns = ctrl->reset_wait_ns ? 2 * ctrl->reset_wait_ns :
							    RESET_WAIT_MIN_NS;
	ctrl->reset_after_ns = now_ns + ctrl->reset_wait_ns;
	return err;
}

int udrv_nvme_reset(struct udrv_nvme *ctrl)
{
	int err;

	if (udrv_state_updating(ctrl->st))
		return -EAGAIN;
	nvme_ctrl_fail(ctrl, true);
	udrv_store64(&ctrl->state->resets, udrv_load64(&ctrl->state->resets) + 1);
	err = nvme_setup(ctrl);
	if (err) {
		nvme_ctrl_fail(ctrl, true);
		nvme_err(ctrl, "the controller could not be set up again (error %d)", err);
		return err;
	}
	ctrl->reset_after_ns = 0;
	ctrl->reset_wait_ns = 0;
	restart_clocks(ctrl);
	nvme_info(ctrl, "the controller was reset and set up again");
	return 0;
}
