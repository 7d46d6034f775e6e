// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include <libfdt.h>

#include <udrv/state.h>

#include "devices/common/facts_write.h"

/* An empty node in the place of what there is; its offset or -FDT_ERR_…. */
static int fresh_node(void *fdt, const char *name, const char *compatible)
{
	int node, err;

	node = fdt_subnode_offset(fdt, 0, name);
	err = node < 0 ? 0 : fdt_del_node(fdt, node);
	if (err)
		return err;
	node = fdt_add_subnode(fdt, 0, name);
	err = node < 0 ? node : fdt_setprop_string(fdt, node, "compatible", compatible);
	return err ? err : node;
}

int facts_try(struct udrv_state *st, const char *name, const char *compatible,
	      int (*fill)(void *fdt, int node, const void *facts), const void *facts)
{
	void *fdt = udrv_state_edit(st);
	int node, err;

	if (!fdt)
		return -EROFS;
	node = fresh_node(fdt, name, compatible);
	err = node < 0 ? node : fill(fdt, node, facts);
	if (err)
		return err == -FDT_ERR_NOSPACE ? -ENOSPC : -EINVAL;
	return 0;
}

int facts_write(struct udrv_state *st, const char *name, const char *compatible,
		int (*fill)(void *fdt, int node, const void *facts), const void *facts)
{
	int err = facts_try(st, name, compatible, fill, facts);

	return err ? err : udrv_state_commit(st);
}
