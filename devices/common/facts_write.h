/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing a driver's cold facts into a state's tree, as one node with a version. */
#ifndef DEVICES_COMMON_FACTS_WRITE_H
#define DEVICES_COMMON_FACTS_WRITE_H

struct udrv_state;

/*
 * Put a node @name of version @compatible in the place of the one that is there, if any, and
 * commit. @fill writes the properties; 0 or -FDT_ERR_…. Return: 0, -EROFS (read-only), -ENOSPC,
 * -EINVAL, or as of udrv_state_commit(); what was committed before stays then.
 */
int facts_write(struct udrv_state *st, const char *name, const char *compatible,
		int (*fill)(void *fdt, int node, const void *facts), const void *facts);

/* Only find out whether there is room for it: as facts_write(), but nothing is committed. */
int facts_try(struct udrv_state *st, const char *name, const char *compatible,
	      int (*fill)(void *fdt, int node, const void *facts), const void *facts);

#endif
