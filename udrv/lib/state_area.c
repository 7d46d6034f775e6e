// SPDX-License-Identifier: BSD-2-Clause
/*
 * Areas of a state: where they are is in the tree's node /areas, one child each with "offset" and
 * "size".
 */
#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include <udrv/log.h>
#include <udrv/proto.h>

#include "udrv/lib/state_internal.h"
#include "udrv/lib/step.h"

struct area {
	uint64_t off;
	uint64_t size;
};

static int area_read(const struct udrv_state *st, const void *fdt, int node, struct area *ret)
{
	struct area a;

	if (udrv_fdt_u64(fdt, node, "offset", &a.off) || udrv_fdt_u64(fdt, node, "size", &a.size))
		return -EBADMSG;
	if (a.off < STATE_AREAS_OFF || a.off % STATE_AREA_ALIGN || a.size == 0 ||
	    a.off > st->size || a.size > st->size - a.off)
		return -EBADMSG;
	*ret = a;
	return 0;
}

/* Overlaps are found pairwise: a tree of 4 KiB holds a few dozen areas at most. */
static bool overlaps_earlier(const struct udrv_state *st, const void *fdt, int areas, int last,
			     const struct area *a)
{
	struct area other;
	int node;

	fdt_for_each_subnode(node, fdt, areas) {
		if (node == last)
			return false;
		if (area_read(st, fdt, node, &other))
			return true;
		if (a->off < other.off + other.size && other.off < a->off + a->size)
			return true;
	}
	return false;
}

int udrv_state_check_areas(const struct udrv_state *st, const void *fdt)
{
	int areas, node;

	areas = fdt_path_offset(fdt, "/areas");
	if (areas == -FDT_ERR_NOTFOUND)
		return 0;
	if (areas < 0)
		return -EBADMSG;
	fdt_for_each_subnode(node, fdt, areas) {
		struct area a;

		if (area_read(st, fdt, node, &a) || overlaps_earlier(st, fdt, areas, node, &a)) {
			udrv_log(st->log, UDRV_LOG_ERR,
				 "state: area %s is malformed, outside of the state, or overlaps another",
				 fdt_get_name(fdt, node, NULL));
			return -EBADMSG;
		}
	}
	return 0;
}

/* First offset behind all areas, from where on nothing is in use. */
static uint64_t areas_end(const struct udrv_state *st, const void *fdt, int areas)
{
	uint64_t end = STATE_AREAS_OFF;
	struct area a;
	int node;

	fdt_for_each_subnode(node, fdt, areas) {
		if (!area_read(st, fdt, node, &a) && a.off + a.size > end)
			end = a.off + a.size;
	}
	return (end + STATE_AREA_ALIGN - 1) & ~(uint64_t)(STATE_AREA_ALIGN - 1);
}

int udrv_state_area_add(struct udrv_state *st, const char *name, size_t size, void **ret)
{
	void *fdt = udrv_state_editing(st);
	int areas, node, err;
	uint64_t off;

	if (!fdt || size == 0 || !udrv_name_valid(name))
		return -EINVAL;
	areas = fdt_path_offset(fdt, "/areas");
	if (areas == -FDT_ERR_NOTFOUND)
		areas = fdt_add_subnode(fdt, 0, "areas");
	if (areas < 0)
		return udrv_fdt_errno(areas);
	if (fdt_subnode_offset(fdt, areas, name) >= 0)
		return -EEXIST;

	off = areas_end(st, fdt, areas);
	if (off > st->size || size > st->size - off) {
		udrv_log(st->log, UDRV_LOG_ERR,
			 "state: no room for area %s of %zu bytes: %llu are left; make the state memfd larger",
			 name, size, off > st->size ? 0ull : (unsigned long long)(st->size - off));
		return -ENOSPC;
	}
	node = fdt_add_subnode(fdt, areas, name);
	if (node < 0)
		return udrv_fdt_errno(node);
	err = fdt_setprop_u64(fdt, node, "offset", off);
	if (!err)
		err = fdt_setprop_u64(fdt, node, "size", size);
	if (err) {
		/* Half an area would make the commit fail for a reason that is not the caller's. */
		fdt_del_node(fdt, node);
		return udrv_fdt_errno(err);
	}
	udrv_store_zero(st->map + off, size);
	*ret = st->map + off;
	return 0;
}

void *udrv_state_area(const struct udrv_state *st, const char *name, size_t *ret_size)
{
	struct area a;
	int areas, node = -1;

	areas = fdt_path_offset(st->fdt, "/areas");
	if (areas >= 0)
		node = fdt_subnode_offset(st->fdt, areas, name);
	if (node < 0 || area_read(st, st->fdt, node, &a)) {
		errno = ENOENT;
		return NULL;
	}
	if (ret_size)
		*ret_size = a.size;
	return st->map + a.off;
}
