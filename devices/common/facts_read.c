// SPDX-License-Identifier: BSD-2-Clause
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <libfdt.h>

#include <udrv/state.h>

#include "devices/common/facts_read.h"

int facts_node(const struct udrv_state *st, const char *name, const char *compatible,
	       const void **fdt)
{
	int node;

	*fdt = udrv_state_fdt(st);
	node = *fdt ? fdt_subnode_offset(*fdt, 0, name) : -FDT_ERR_NOTFOUND;
	if (node < 0)
		return node == -FDT_ERR_NOTFOUND ? -ENOENT : -EBADMSG;
	return fdt_node_check_compatible(*fdt, node, compatible) ? -EBADMSG : node;
}

unsigned int facts_bytes(const void *fdt, int node, const char *name, void *dst, unsigned int min,
			 unsigned int max, bool *bad)
{
	int len;
	const void *p = fdt_getprop(fdt, node, name, &len);

	if (!p || len < 0 || (unsigned int)len < min || (unsigned int)len > max) {
		*bad = true;
		return 0;
	}
	memcpy(dst, p, (size_t)len);
	return (unsigned int)len;
}

uint64_t facts_u64(const void *fdt, int node, const char *name, bool *bad)
{
	uint64_t v = 0;

	facts_bytes(fdt, node, name, &v, sizeof(v), sizeof(v), bad);
	return be64toh(v);
}

uint32_t facts_u32(const void *fdt, int node, const char *name, uint32_t max, bool *bad)
{
	uint32_t v = 0;

	facts_bytes(fdt, node, name, &v, sizeof(v), sizeof(v), bad);
	v = be32toh(v);
	if (v > max) {
		*bad = true;
		return 0;
	}
	return v;
}

void facts_str(const void *fdt, int node, const char *name, char *dst, size_t size, bool *bad)
{
	unsigned int len = facts_bytes(fdt, node, name, dst, 1, (unsigned int)size, bad);

	if (len && dst[len - 1]) {
		dst[0] = '\0';
		*bad = true;
	}
}
