// SPDX-License-Identifier: BSD-2-Clause
/*
 * Namespaces. An entry of facts.ns never moves and is never dropped while the controller runs,
 * because the queues' threads look entries up: what is gone is marked unusable, and may come back
 * under the same NSID.
 */
#include <inttypes.h>

#include "devices/nvme/ctrl.h"

struct udrv_nvme_ns_info *nvme_ns_find(struct udrv_nvme *ctrl, uint32_t nsid)
{
	uint32_t nn = __atomic_load_n(&ctrl->facts.nn, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < nn; i++) {
		if (ctrl->facts.ns[i].nsid == nsid)
			return &ctrl->facts.ns[i];
	}
	return NULL;
}

static void from_identify(struct udrv_nvme *ctrl, uint32_t nsid, const struct nvme_id_ns *id,
			  struct udrv_nvme_ns_info *ns)
{
	unsigned int format = (id->flbas & 0xf) | (id->flbas >> 1 & 0x30);
	const struct nvme_lbaf *lbaf = &id->lbaf[format];

	*ns = (struct udrv_nvme_ns_info){ .nsid = nsid, .nsze = le64toh(id->nsze) };
	memcpy(ns->eui64, id->eui64, sizeof(ns->eui64));
	memcpy(ns->nguid, id->nguid, sizeof(ns->nguid));

	if (!ns->nsze)
		return;
	if (lbaf->lbads >= 32 || !nvme_lba_size_ok(1u << lbaf->lbads)) {
		nvme_warn(ctrl,
			  "namespace %u: logical blocks of 2^%u bytes are not supported: not used",
			  nsid, lbaf->lbads);
		return;
	}
	ns->lba_size = 1u << lbaf->lbads;
	if (le16toh(lbaf->ms)) {
		nvme_warn(ctrl,
			  "namespace %u: its LBA format has %u bytes of metadata, which is not supported: "
			  "not used; format it without",
			  nsid, le16toh(lbaf->ms));
		return;
	}
	ns->usable = true;
}

const struct nvme_page_io nvme_no_page_io = { 0 };

static void set_page_io(struct udrv_nvme *ctrl, const struct udrv_nvme_ns_info *ns)
{
	struct nvme_page_io *page = &ctrl->page_io[ns - ctrl->facts.ns];
	uint32_t nlb = ns->usable && ns->lba_size <= UDRV_DMA_PAGE ? UDRV_DMA_PAGE / ns->lba_size :
								     0;
	uint64_t limit = nlb && ns->nsze >= nlb ? ns->nsze - nlb + 1 : 0;

	if (page->nlb != nlb) {
		__atomic_store_n(&page->limit, 0, __ATOMIC_RELEASE);
		__atomic_store_n(&page->nlb, nlb, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&page->limit, limit, __ATOMIC_RELEASE);
}

void nvme_ns_sort(struct udrv_nvme *ctrl)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < ctrl->facts.nn; i++) {
		unsigned int at = n++;

		while (at && ctrl->facts.ns[ctrl->ns_order[at - 1]].nsid > ctrl->facts.ns[i].nsid) {
			ctrl->ns_order[at] = ctrl->ns_order[at - 1];
			at--;
		}
		ctrl->ns_order[at] = i;
		set_page_io(ctrl, &ctrl->facts.ns[i]);
	}
	ctrl->info.nn = n;
}

/*
 * Every reset and every successor needs the tree: one namespace too many there, and the controller
 * could not be started any more. How many fit depends on how scattered the pool is.
 */
static bool has_room(struct udrv_nvme *ctrl, const struct udrv_nvme_ns_info *ns)
{
	struct nvme_facts facts = ctrl->facts;
	int err;

	if (facts.nn == UDRV_NVME_MAX_NS) {
		nvme_warn(ctrl, "namespace %u is new, but %u are in use already: not used",
			  ns->nsid, UDRV_NVME_MAX_NS);
		return false;
	}
	facts.ns[facts.nn++] = *ns;
	err = nvme_facts_try(ctrl->st, &facts);
	if (err)
		nvme_warn(ctrl,
			  "namespace %u is new, but the state's tree has room for %u and no more (error %d): "
			  "not used; a pool in fewer pieces leaves more room",
			  ns->nsid, facts.nn - 1, err);
	return !err;
}

bool nvme_ns_update(struct udrv_nvme *ctrl, uint32_t nsid, const struct nvme_id_ns *id)
{
	struct udrv_nvme_ns_info *old = nvme_ns_find(ctrl, nsid), ns;

	from_identify(ctrl, nsid, id, &ns);
	if (!old) {
		if (!ns.nsze || !has_room(ctrl, &ns))
			return false;
		ctrl->facts.ns[ctrl->facts.nn] = ns;
		__atomic_store_n(&ctrl->facts.nn, ctrl->facts.nn + 1, __ATOMIC_RELEASE);
		nvme_ns_sort(ctrl);
		return true;
	}
	if (ns.nsze == old->nsze && ns.lba_size == old->lba_size && ns.usable == old->usable &&
	    !memcmp(ns.eui64, old->eui64, sizeof(ns.eui64)) &&
	    !memcmp(ns.nguid, old->nguid, sizeof(ns.nguid)))
		return false;

	/* Nothing is submitted with facts of which some are old and some are new. */
	if (ns.lba_size != old->lba_size || !ns.usable)
		__atomic_store_n(&old->usable, false, __ATOMIC_RELEASE);
	set_page_io(ctrl, old);
	__atomic_store_n(&old->lba_size, ns.lba_size, __ATOMIC_RELAXED);
	__atomic_store_n(&old->nsze, ns.nsze, __ATOMIC_RELAXED);
	memcpy(old->eui64, ns.eui64, sizeof(old->eui64));
	memcpy(old->nguid, ns.nguid, sizeof(old->nguid));
	__atomic_store_n(&old->usable, ns.usable, __ATOMIC_RELEASE);
	set_page_io(ctrl, old);
	return true;
}

const struct udrv_nvme_ns_info *udrv_nvme_ns(const struct udrv_nvme *ctrl, unsigned int i)
{
	return i < ctrl->info.nn ? &ctrl->facts.ns[ctrl->ns_order[i]] : NULL;
}
