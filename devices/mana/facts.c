// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libfdt.h>

#include <udrv/mana_spec.h>
#include <udrv/state.h>

#include "devices/common/facts_read.h"
#include "devices/common/facts_write.h"
#include "devices/mana/facts.h"
#include "devices/mana/queue.h"

#define NODE	   "mana"
#define COMPATIBLE "udrv,mana-v1"

/*
 * One list for writing and reading: property, member, largest value. 64-bit
 * members are those of FACTS_U64.
 */
#define FACTS_U32(X)                                           \
	X("vendor", id.vendor, UINT16_MAX)                     \
	X("device", id.device, UINT16_MAX)                     \
	X("subsystem-vendor", id.subsystem_vendor, UINT16_MAX) \
	X("subsystem", id.subsystem, UINT16_MAX)               \
	X("db-page-size", db_page_size, UINT16_MAX)            \
	X("hwc-eq", hwc_eq, GDMA_DB_EQ_ID_MASK)                \
	X("hwc-cq", hwc_cq, GDMA_DB_ID_MASK)                   \
	X("hwc-rq", hwc_rq, GDMA_DB_ID_MASK)                   \
	X("hwc-sq", hwc_sq, GDMA_DB_ID_MASK)                   \
	X("hwc-slots", hwc_slots, MANA_HWC_SLOTS)              \
	X("hwc-pdid", hwc.pdid, UINT32_MAX)                    \
	X("hwc-mkey", hwc.mkey, UINT32_MAX)                    \
	X("hwc-db", hwc.db, UINT16_MAX)                        \
	X("instance", instance, UINT16_MAX)                    \
	X("pdid", mana.pdid, UINT32_MAX)                       \
	X("mkey", mana.mkey, UINT32_MAX)                       \
	X("db", mana.db, UINT32_MAX)                           \
	X("adapter-mtu", adapter_mtu, UINT16_MAX)              \
	X("vports", vports, UDRV_MANA_MAX_VPORTS)              \
	X("queues", queues, UDRV_MANA_MAX_QUEUES)              \
	X("tx-slots", tx_slots, MANA_MAX_TX_SLOTS)             \
	X("rx-depth", rx_depth, MANA_MAX_RX_DEPTH)             \
	X("rx-buf-size", rx_buf_size, MANA_MAX_RX_BUF)         \
	X("max-mtu", max_mtu, MANA_MAX_MTU)                    \
	X("vectors", vectors, 2048)

#define FACTS_U64(X)          \
	X("db-zone", db_zone) \
	X("smc-off", smc_off) \
	X("hwc-off", hwc_off)

#define VPORT_U32(X)                            \
	X("tx-offset", tx_offset, 0xfff)        \
	X("mtu", mtu, MANA_MAX_MTU)             \
	X("speed-mbps", speed_mbps, UINT32_MAX) \
	X("rss-types", rss.hash_types, MANA_HASH_ALL)

static int write_vport(void *fdt, int parent, unsigned int i, const struct mana_vport_facts *v)
{
	char name[sizeof("vport4294967295")];
	int node, err;

	snprintf(name, sizeof(name), "vport%u", i);
	node = fdt_add_subnode(fdt, parent, name);
	if (node < 0)
		return node;
#define PUT(prop, member, max)                                   \
	if ((err = fdt_setprop_u32(fdt, node, prop, v->member))) \
		return err;
	VPORT_U32(PUT)
#undef PUT
	err = fdt_setprop_u64(fdt, node, "handle", v->handle);
	if (!err && v->short_form)
		err = fdt_setprop_empty(fdt, node, "short-form");
	if (!err)
		err = fdt_setprop(fdt, node, "mac", v->mac, sizeof(v->mac));
	if (!err)
		err = fdt_setprop(fdt, node, "rss-key", v->rss.key, sizeof(v->rss.key));
	if (!err)
		err = fdt_setprop(fdt, node, "rss-table", v->rss.table, v->rss.entries);
	return err;
}

static int write_node(void *fdt, int node, const void *ptr)
{
	const struct mana_facts *facts = ptr;
	int err = 0;

#define PUT(prop, member, max)                                       \
	if ((err = fdt_setprop_u32(fdt, node, prop, facts->member))) \
		return err;
	FACTS_U32(PUT)
#undef PUT
#define PUT(prop, member)                                            \
	if ((err = fdt_setprop_u64(fdt, node, prop, facts->member))) \
		return err;
	FACTS_U64(PUT)
#undef PUT
	for (unsigned int i = 0; !err && i < facts->vports; i++)
		err = write_vport(fdt, node, i, &facts->vport[i]);
	return err;
}

int mana_facts_write(struct udrv_state *st, const struct mana_facts *facts)
{
	return facts_write(st, NODE, COMPATIBLE, write_node, facts);
}

static void read_vport(const void *fdt, int parent, unsigned int i, const struct mana_facts *facts,
		       struct mana_vport_facts *v, bool *bad)
{
	char name[sizeof("vport4294967295")];
	int node;

	snprintf(name, sizeof(name), "vport%u", i);
	node = fdt_subnode_offset(fdt, parent, name);
	if (node < 0) {
		*bad = true;
		return;
	}
#define GET(prop, member, max) v->member = facts_u32(fdt, node, prop, max, bad);
	VPORT_U32(GET)
#undef GET
	v->handle = facts_u64(fdt, node, "handle", bad);
	v->short_form = fdt_getprop(fdt, node, "short-form", NULL);
	facts_bytes(fdt, node, "mac", v->mac, sizeof(v->mac), sizeof(v->mac), bad);
	facts_bytes(fdt, node, "rss-key", v->rss.key, sizeof(v->rss.key), sizeof(v->rss.key), bad);
	v->rss.entries =
		facts_bytes(fdt, node, "rss-table", v->rss.table, 1, sizeof(v->rss.table), bad);
	for (unsigned int e = 0; e < v->rss.entries; e++)
		*bad |= v->rss.table[e] >= facts->queues;
	*bad |= !v->mtu || v->mtu > facts->max_mtu;
}

int mana_facts_read(const struct udrv_state *st, struct mana_facts *ret)
{
	struct mana_facts facts = { 0 };
	const void *fdt;
	bool bad = false;
	int node;

	node = facts_node(st, NODE, COMPATIBLE, &fdt);
	if (node < 0)
		return node;
#define GET(prop, member, max) facts.member = facts_u32(fdt, node, prop, max, &bad);
	FACTS_U32(GET)
#undef GET
#define GET(prop, member) facts.member = facts_u64(fdt, node, prop, &bad);
	FACTS_U64(GET)
#undef GET
	for (unsigned int i = 0; i < facts.vports; i++)
		read_vport(fdt, node, i, &facts, &facts.vport[i], &bad);

	if (bad || !facts.vports || !facts.queues || !facts.hwc_slots ||
	    !mana_geometry_valid(&facts))
		return -EBADMSG;
	*ret = facts;
	return 0;
}
