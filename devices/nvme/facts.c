// SPDX-License-Identifier: BSD-2-Clause
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <libfdt.h>

#include <udrv/state.h>

#include "devices/common/facts_read.h"
#include "devices/common/facts_write.h"
#include "devices/nvme/facts.h"
#include "devices/nvme/state.h"

#define NODE	   "nvme"
#define COMPATIBLE "udrv,nvme-v1"

/* A property of the node: a number of 32 bits, of 64 if the member has as many, or a string. */
struct fact {
	const char *name;
	uint16_t off; /* of the member in struct nvme_facts */
	uint8_t size; /* its bytes: of a string, with the NUL */
	bool string;
	uint32_t max; /* accepted of a number of 32 bits */
};

#define FACT(prop, member, most, str)                                                            \
	{                                                                                        \
		.name = prop, .off = offsetof(struct nvme_facts, member),                        \
		.size = sizeof(((struct nvme_facts *)NULL)->member), .string = str, .max = most, \
	}
#define U8(prop, member)	FACT(prop, member, UINT8_MAX, false)
#define U16(prop, member)	FACT(prop, member, UINT16_MAX, false)
#define U32(prop, member, most) FACT(prop, member, most, false)
#define U64(prop, member)	FACT(prop, member, 0, false)
#define STR(prop, member)	FACT(prop, member, 0, true)

static const struct fact table[] = {
	U16("vendor", id.vendor),
	U16("device", id.device),
	U16("subsystem-vendor", id.subsystem_vendor),
	U16("subsystem", id.subsystem),
	U64("cap", cap),
	U32("vs", vs, UINT32_MAX),
	U32("cc", cc, UINT32_MAX),
	U32("aqa", aqa, UINT32_MAX),
	U64("asq", asq),
	U64("acq", acq),
	U16("vid", vid),
	U16("ssvid", ssvid),
	U16("cntlid", cntlid),
	STR("sn", sn),
	STR("mn", mn),
	STR("fr", fr),
	U16("oncs", oncs),
	U8("vwc", vwc),
	U8("acl", acl),
	U32("oaes", oaes, UINT32_MAX),
	U32("rtd3e", rtd3e, UINT32_MAX),
	U32("max-transfer", max_transfer, NVME_MAX_TRANSFER),
	U32("io-queues", io_queues, UDRV_NVME_MAX_QUEUES),
	U32("depth", depth, NVME_MAX_DEPTH),
	U32("sq-entries", sq_entries, 65536),
	U32("cq-entries", cq_entries, 65536),
	U32("vectors", vectors, 2048),
};

#define NFACTS (sizeof(table) / sizeof(table[0]))

static uint64_t get_member(const struct nvme_facts *facts, const struct fact *f)
{
	const uint8_t *p = (const uint8_t *)facts + f->off;

	switch (f->size) {
	case 1:
		return *p;
	case 2:
		return *(const uint16_t *)p;
	case 4:
		return *(const uint32_t *)p;
	default:
		return *(const uint64_t *)p;
	}
}

static void set_member(struct nvme_facts *facts, const struct fact *f, uint64_t v)
{
	uint8_t *p = (uint8_t *)facts + f->off;

	switch (f->size) {
	case 1:
		*p = v;
		break;
	case 2:
		*(uint16_t *)p = v;
		break;
	case 4:
		*(uint32_t *)p = v;
		break;
	default:
		*(uint64_t *)p = v;
	}
}

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

static int write_fact(void *fdt, int node, const struct nvme_facts *facts, const struct fact *f)
{
	if (f->string)
		return fdt_setprop_string(fdt, node, f->name, (const char *)facts + f->off);
	if (f->size == sizeof(uint64_t))
		return fdt_setprop_u64(fdt, node, f->name, get_member(facts, f));
	return fdt_setprop_u32(fdt, node, f->name, get_member(facts, f));
}

static int write_node(void *fdt, int node, const void *facts)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < NFACTS; i++)
		err = write_fact(fdt, node, facts, &table[i]);
	return err ? err : write_ns(fdt, node, facts);
}

int nvme_facts_write(struct udrv_state *st, const struct nvme_facts *facts)
{
	return facts_write(st, NODE, COMPATIBLE, write_node, facts);
}

int nvme_facts_try(struct udrv_state *st, const struct nvme_facts *facts)
{
	return facts_try(st, NODE, COMPATIBLE, write_node, facts);
}

static void read_fact(const void *fdt, int node, struct nvme_facts *facts, const struct fact *f,
		      bool *bad)
{
	if (f->string)
		facts_str(fdt, node, f->name, (char *)facts + f->off, f->size, bad);
	else if (f->size == sizeof(uint64_t))
		set_member(facts, f, facts_u64(fdt, node, f->name, bad));
	else
		set_member(facts, f, facts_u32(fdt, node, f->name, f->max, bad));
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
		/* Lengths of transfers are computed from it. */
		if (ns->usable && !nvme_lba_size_ok(ns->lba_size))
			*bad = true;
	}
}

int nvme_facts_read(const struct udrv_state *st, struct nvme_facts *ret)
{
	struct nvme_facts facts = { 0 };
	const void *fdt;
	bool bad = false;
	int node;

	node = facts_node(st, NODE, COMPATIBLE, &fdt);
	if (node < 0)
		return node;

	for (unsigned int i = 0; i < NFACTS; i++)
		read_fact(fdt, node, &facts, &table[i], &bad);
	read_ns(fdt, node, &facts, &bad);
	if (bad || !facts.io_queues)
		return -EBADMSG;

	*ret = facts;
	return 0;
}
