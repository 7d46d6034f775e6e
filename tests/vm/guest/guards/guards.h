/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of live_update_guards. Three NVMe functions of one bus go through the update: one is
 * kept, one is left behind, and one is taken over and closed before that. An igb shows what cannot be
 * kept at all.
 */
#ifndef GUARDS_GUARDS_H
#define GUARDS_GUARDS_H

#include "device.h"
#include "memory.h"

enum function {
	KEPT,
	LEFT,
	SIBLING,
	FUNCTIONS,
};

#define SESSION "guards"
#define SESSION_SIBLING \
	"sibling" /* of its own: LUO holds the files of a session until it is finished */
#define TOKEN_MEMORY(fn) (10 * (uint64_t)(fn))
#define TOKEN_CDEV(fn)	 (10 * (uint64_t)(fn) + 1)
#define TOKEN_NOEXEC	 100
#define NOEXEC_TEXT	 "not executable"

/* At the start of the pool of the kept function: its physical addresses, and COMMAND, before the kexec. */
struct record {
	uint64_t address[POOL_PAGES];
	uint16_t command;
};

struct world {
	int luo;
	char bdf[FUNCTIONS][16];
	char igb[16];
	struct device dev[FUNCTIONS];
	int session[FUNCTIONS]; /* that has the function's files */
};

/* Each is a chapter of the test; false if there is no point in going on. */
bool check_refusals(struct world *w); /* what cannot be preserved is refused */
bool check_igb(struct world *w); /* MSI, D3, VFs and functions that have some are */
bool check_hold(struct world *w); /* what is preserved is held, until the session is closed */
bool check_incoming(struct world *w); /* the next kernel, before and while files are retrieved */
bool check_adoption(struct world *w); /* what is retrieved is guarded until it is adopted */
bool check_finish(struct world *w); /* guards are lifted, what was left behind is stopped */

#endif
