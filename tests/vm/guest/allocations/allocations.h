/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOCATIONS_ALLOCATIONS_H
#define ALLOCATIONS_ALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "../guards/device.h"
#include "../guards/memory.h"

#define DEVICES 24u
#define SIZE	(8 * PAGE) /* of a device's memory */

/* Of a session, and of a device's part of one */
#define SESSION		    "allocations"
#define TOKEN(device, kind) (4 * (uint64_t)(device) + (kind))
enum { MEMORY, IOMMU, CDEV };

struct world {
	bool leaving, failing;
	int luo, session;
	struct device dev[DEVICES];
	bool taken[DEVICES]; /* in the next kernel: adopted */
};

/* One call into the kernel: a file descriptor or 0, or -errno. */
struct call {
	const char *what;
	int (*fn)(struct world *w, unsigned int device);
	bool once; /* it cannot be repeated once it succeeds */
};

/*
 * Make the call with its first allocation failing, then its second, … until it makes fewer: each
 * time it fails with -ENOMEM, or does without. @again, unless NULL, prepares the next try, after a
 * success and after a failure. Return: the last try's result.
 */
int fail_each(struct world *w, unsigned int device, const struct call *call,
	      void (*again)(struct world *w, unsigned int device, int ret));
/*
 * Make it with the @nth failing, 0: none. @ret_count, unless NULL: how many it makes, if none was
 * to fail.
 */
int fail_one(struct world *w, unsigned int device, const struct call *call, unsigned int nth,
	     unsigned int *ret_count);

/* The old kernel; false: there is no point in going on. */
bool open_all(struct world *w);
bool check_preserve(struct world *w);
bool preserve_all(struct world *w);

/* The next one */
bool retrieve_all(struct world *w);
bool check_before(struct world *w); /* nothing is stopped or released yet */
bool check_finish(struct world *w); /* what was taken runs on, the rest is stopped */

#endif
