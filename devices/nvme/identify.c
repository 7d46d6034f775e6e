// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "devices/nvme/ctrl.h"

static int identify(struct udrv_nvme *ctrl, uint32_t cns, uint32_t nsid, void *buf)
{
	struct nvme_sqe cmd = {
		.opcode = NVME_ADMIN_IDENTIFY,
		.nsid = htole32(nsid),
		.cdw10 = htole32(cns),
	};

	return nvme_admin_wait(ctrl, &cmd, buf, NVME_IDENTIFY_SIZE, false, NULL);
}

/* Fixed-width ASCII, padded with spaces; anything else in it is somebody's idea of a joke. */
static void copy_ascii(char *dst, const char *src, size_t n)
{
	while (n && (src[n - 1] == ' ' || !src[n - 1]))
		n--;
	for (size_t i = 0; i < n; i++)
		dst[i] = src[i] >= 0x20 && src[i] < 0x7f ? src[i] : '?';
	dst[n] = 0;
}

static int take_facts(struct udrv_nvme *ctrl, const struct nvme_id_ctrl *id, uint32_t max_transfer)
{
	struct nvme_facts *facts = &ctrl->facts;

	if ((id->sqes & 0xf) > NVME_SQE_SHIFT || (id->sqes >> 4) < NVME_SQE_SHIFT ||
	    (id->cqes & 0xf) > NVME_CQE_SHIFT || (id->cqes >> 4) < NVME_CQE_SHIFT) {
		nvme_err(ctrl,
			 "the controller does not take 64-byte commands and 16-byte completions (SQES %#x, CQES %#x)",
			 id->sqes, id->cqes);
		return -EOPNOTSUPP;
	}
	facts->vid = le16toh(id->vid);
	facts->ssvid = le16toh(id->ssvid);
	facts->cntlid = le16toh(id->cntlid);
	copy_ascii(facts->sn, id->sn, sizeof(id->sn));
	copy_ascii(facts->mn, id->mn, sizeof(id->mn));
	copy_ascii(facts->fr, id->fr, sizeof(id->fr));
	facts->oncs = le16toh(id->oncs);
	facts->vwc = id->vwc;
	facts->acl = id->acl;
	facts->oaes = le32toh(id->oaes);
	facts->rtd3e = le32toh(id->rtd3e);

	facts->max_transfer = max_transfer;
	/* MDTS is a power of two of pages of CAP.MPSMIN, which is 4 KiB here; 0: no limit. */
	if (id->mdts && id->mdts < 20 && (4096u << id->mdts) < max_transfer)
		facts->max_transfer = 4096u << id->mdts;
	return 0;
}

int nvme_identify_ctrl(struct udrv_nvme *ctrl)
{
	struct nvme_id_ctrl *id = malloc(sizeof(*id));
	int err;

	if (!id)
		return -ENOMEM;
	err = identify(ctrl, NVME_CNS_CTRL, 0, id);
	if (err > 0)
		nvme_err(ctrl, "Identify Controller failed with status %#x", err);
	else if (!err)
		err = take_facts(ctrl, id, ctrl->facts.max_transfer);
	free(id);
	return err > 0 ? -EIO : err;
}

static int add_namespace(struct udrv_nvme *ctrl, uint32_t nsid, struct nvme_id_ns *id)
{
	int err = identify(ctrl, NVME_CNS_NS, nsid, id);

	if (err < 0)
		return err;
	if (err) {
		nvme_warn(ctrl, "Identify Namespace %u failed with status %#x: not used", nsid,
			  err);
		return 0;
	}
	nvme_ns_update(ctrl, nsid, id);
	return 0;
}

int nvme_identify_namespaces(struct udrv_nvme *ctrl)
{
	uint32_t *list = malloc(NVME_IDENTIFY_SIZE);
	struct nvme_id_ns *id = malloc(sizeof(*id));
	int err = -ENOMEM;

	if (!list || !id)
		goto out;
	/* A namespace may have gone with the reset. */
	for (uint32_t i = 0; i < ctrl->facts.nn; i++)
		__atomic_store_n(&ctrl->facts.ns[i].usable, false, __ATOMIC_RELEASE);

	err = identify(ctrl, NVME_CNS_ACTIVE_NS, 0, list);
	if (err > 0) {
		nvme_err(ctrl, "Identify Active Namespace List failed with status %#x", err);
		err = -EIO;
	}
	for (unsigned int i = 0; !err && i < NVME_IDENTIFY_SIZE / 4 && list[i]; i++) {
		if (i == UDRV_NVME_MAX_NS) {
			nvme_warn(ctrl, "more than %u namespaces: the others are not used",
				  UDRV_NVME_MAX_NS);
			break;
		}
		err = add_namespace(ctrl, le32toh(list[i]), id);
	}
	nvme_ns_sort(ctrl);
out:
	free(list);
	free(id);
	return err;
}
