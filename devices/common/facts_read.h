/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a driver's cold facts out of a state's tree. When a property is missing, of another
 * length or out of bounds, *@bad is set and 0 returned, so that one test at the end does for all.
 */
#ifndef DEVICES_COMMON_FACTS_READ_H
#define DEVICES_COMMON_FACTS_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct udrv_state;

/*
 * A driver's node in the tree of a state, which is *@fdt then. -ENOENT: there is none; -EBADMSG: it
 * is not @compatible, or the tree makes no sense.
 */
int facts_node(const struct udrv_state *st, const char *name, const char *compatible,
	       const void **fdt);

uint64_t facts_u64(const void *fdt, int node, const char *name, bool *bad);

/* @max: the largest value that makes sense */
uint32_t facts_u32(const void *fdt, int node, const char *name, uint32_t max, bool *bad);

/* A string that ends within @size. */
void facts_str(const void *fdt, int node, const char *name, char *dst, size_t size, bool *bad);

/* @min to @max bytes; returns how many there are. */
unsigned int facts_bytes(const void *fdt, int node, const char *name, void *dst, unsigned int min,
			 unsigned int max, bool *bad);

#endif
