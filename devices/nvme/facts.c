// SPDX-License-Identifier: BSD-2-Clause
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <libfdt.h>

#include <udrv/state.h>

#include "devices/common/facts_read.h"
#include "devices/nvme/facts.h"
#include "devices/nvme/state.h"

#define NODE		"nvme"
#define COMPATIBLE	"udrv,nvme-v1"

/* A namespace as it is in the property "namespaces", big-endian as all of a device tree. */
struct ns_cell {
	uint32_t nsid;
	uint32_t lba_size;
	uint64_t nsze;
	uint8_t eui64[8];
	uint8_t nguid[16];
	uint32_t usable;
	uint32_t rsvd;
} __attribute__((packed));

static int write_ns(void *fdt, int node, const struct nvme_facts *facts)
{
	struct ns_cell cells[UDRV_NVME_MAX_NS];

	for (uint32_t i = 0; i < facts->nn; i++) {
		const struct udrv_nvme_ns_info *ns = &facts->ns[i];

		cells[i] = (struct ns_cell){
			.nsid = htobe32(ns->nsid),
			.lba_size = htobe32(ns->lba_size),
			.nsze = htobe64(ns->nsze),
			.usable = htobe32(ns->usable),
		};
		memcpy(cells[i].eui64, ns->eui64, sizeof(ns->eui64));
		memcpy(cells[i].nguid, ns->nguid, sizeof(ns->nguid));
	}
	return fdt_setprop(fdt, node, "namespaces", cells, facts->nn * sizeof(cells[0]));
}

static int write_node(void *fdt, const struct nvme_facts *facts)
{
	int node, err;

	node = fdt_subnode_offset(fdt, 0, NODE);
	if (node >= 0) {
		err = fdt_del_node(fdt, node);
		if (err)
			return err;
	}
	node = fdt_add_subnode(fdt, 0, NODE);
	if (node < 0)
		return node;

#define U32(name, val) do { err = fdt_setprop_u32(fdt, node, name, val); if (err) return err; } while (0)
#define U64(name, val) do { err = fdt_setprop_u64(fdt, node, name, val); if (err) return err; } while (0)
#define STR(name, val) do { err = fdt_setprop_string(fdt, node, name, val); if (err) return err; } while (0)
	STR("compatible", COMPATIBLE);
	U32("vendor", facts->id.vendor);
	U32("device", facts->id.device);
	U32("subsystem-vendor", facts->id.subsystem_vendor);
	U32("subsystem", facts->id.subsystem);
	U64("cap", facts->cap);
	U32("vs", facts->vs);
	U32("cc", facts->cc);
	U32("aqa", facts->aqa);
	U64("asq", facts->asq);
	U64("acq", facts->acq);
	U32("vid", facts->vid);
	U32("ssvid", facts->ssvid);
	U32("cntlid", facts->cntlid);
	STR("sn", facts->sn);
	STR("mn", facts->mn);
	STR("fr", facts->fr);
	U32("oncs", facts->oncs);
	U32("vwc", facts->vwc);
	U32("acl", facts->acl);
	U32("oaes", facts->oaes);
	U32("rtd3e", facts->rtd3e);
	U32("max-transfer", facts->max_transfer);
	U32("io-queues", facts->io_queues);
	U32("depth", facts->depth);
	U32("sq-entries", facts->sq_entries);
	U32("cq-entries", facts->cq_entries);
	U32("vectors", facts->vectors);
#undef U32
#undef U64
#undef STR
	return write_ns(fdt, node, facts);
}

int nvme_facts_write(struct udrv_state *st, const struct nvme_facts *facts)
{
	void *fdt = udrv_state_edit(st);
	int err;

	if (!fdt)
		return -EROFS;
	err = write_node(fdt, facts);
	if (err)
		return err == -FDT_ERR_NOSPACE ? -ENOSPC : -EINVAL;
	return udrv_state_commit(st);
}

static void read_ns(const void *fdt, int node, struct nvme_facts *facts, bool *bad)
{
	int len;
	const uint8_t *p = fdt_getprop(fdt, node, "namespaces", &len);
	struct ns_cell cell;

	if (!p || len % sizeof(cell) || len / sizeof(cell) > UDRV_NVME_MAX_NS) {
		*bad = true;
		return;
	}
	facts->nn = len / sizeof(cell);
	for (uint32_t i = 0; i < facts->nn; i++) {
		struct udrv_nvme_ns_info *ns = &facts->ns[i];

		memcpy(&cell, p + i * sizeof(cell), sizeof(cell));
		ns->nsid = be32toh(cell.nsid);
		ns->lba_size = be32toh(cell.lba_size);
		ns->nsze = be64toh(cell.nsze);
		ns->usable = be32toh(cell.usable) == 1;
		memcpy(ns->eui64, cell.eui64, sizeof(ns->eui64));
		memcpy(ns->nguid, cell.nguid, sizeof(ns->nguid));
	}
}

int nvme_facts_read(const struct udrv_state *st, struct nvme_facts *ret)
{
	const void *fdt = udrv_state_fdt(st);
	struct nvme_facts facts = { 0 };
	bool bad = false;
	int node;

	node = fdt ? fdt_subnode_offset(fdt, 0, NODE) : -FDT_ERR_NOTFOUND;
	if (node < 0)
		return node == -FDT_ERR_NOTFOUND ? -ENOENT : -EBADMSG;
	if (fdt_node_check_compatible(fdt, node, COMPATIBLE))
		return -EBADMSG;

	facts.id.vendor = facts_u32(fdt, node, "vendor", UINT16_MAX, &bad);
	facts.id.device = facts_u32(fdt, node, "device", UINT16_MAX, &bad);
	facts.id.subsystem_vendor = facts_u32(fdt, node, "subsystem-vendor", UINT16_MAX, &bad);
	facts.id.subsystem = facts_u32(fdt, node, "subsystem", UINT16_MAX, &bad);
	facts.cap = facts_u64(fdt, node, "cap", &bad);
	facts.vs = facts_u32(fdt, node, "vs", UINT32_MAX, &bad);
	facts.cc = facts_u32(fdt, node, "cc", UINT32_MAX, &bad);
	facts.aqa = facts_u32(fdt, node, "aqa", UINT32_MAX, &bad);
	facts.asq = facts_u64(fdt, node, "asq", &bad);
	facts.acq = facts_u64(fdt, node, "acq", &bad);
	facts.vid = facts_u32(fdt, node, "vid", UINT16_MAX, &bad);
	facts.ssvid = facts_u32(fdt, node, "ssvid", UINT16_MAX, &bad);
	facts.cntlid = facts_u32(fdt, node, "cntlid", UINT16_MAX, &bad);
	facts_str(fdt, node, "sn", facts.sn, sizeof(facts.sn), &bad);
	facts_str(fdt, node, "mn", facts.mn, sizeof(facts.mn), &bad);
	facts_str(fdt, node, "fr", facts.fr, sizeof(facts.fr), &bad);
	facts.oncs = facts_u32(fdt, node, "oncs", UINT16_MAX, &bad);
	facts.vwc = facts_u32(fdt, node, "vwc", UINT8_MAX, &bad);
	facts.acl = facts_u32(fdt, node, "acl", UINT8_MAX, &bad);
	facts.oaes = facts_u32(fdt, node, "oaes", UINT32_MAX, &bad);
	facts.rtd3e = facts_u32(fdt, node, "rtd3e", UINT32_MAX, &bad);
	facts.max_transfer = facts_u32(fdt, node, "max-transfer", UINT32_MAX, &bad);
	facts.io_queues = facts_u32(fdt, node, "io-queues", UDRV_NVME_MAX_QUEUES, &bad);
	facts.depth = facts_u32(fdt, node, "depth", NVME_MAX_DEPTH, &bad);
	facts.sq_entries = facts_u32(fdt, node, "sq-entries", 65536, &bad);
	facts.cq_entries = facts_u32(fdt, node, "cq-entries", 65536, &bad);
	facts.vectors = facts_u32(fdt, node, "vectors", 2048, &bad);
	read_ns(fdt, node, &facts, &bad);
	if (bad || !facts.io_queues)
		return -EBADMSG;

	*ret = facts;
	return 0;
}
