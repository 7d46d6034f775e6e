/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of live_update_guards. The NVMe functions of one bus go through the update, see enum
 * function. An igb shows what cannot be kept at all.
 */
#ifndef GUARDS_GUARDS_H
#define GUARDS_GUARDS_H

#include "device.h"
#include "memory.h"

enum function {
	KEPT,	 /* taken over, and used to the end */
	LEFT,	 /* its memory is retrieved, and nothing else, before the session is finished */
	SIBLING, /* taken over, and closed while others are incoming */
	/* shares KEPT's IOAS, and is attached when that has not got its memory any more */
	STRANGER,
	FORGOTTEN, /* its session is finished before anything is retrieved */
	/* whoever has retrieved it dies before it is attached; it writes to its memory meanwhile */
	ORPHAN,
	FUNCTIONS,
};

/*
 * LUO holds the files of a session until it is finished, so those that are done with first have
 * their own.
 */
#define SESSION "guards"
extern const char *const session_names[FUNCTIONS];
#define TOKEN_MEMORY(fn) (10 * (uint64_t)(fn))
#define TOKEN_IOMMU(fn)	 (10 * (uint64_t)(fn) + 1)
#define TOKEN_CDEV(fn)	 (10 * (uint64_t)(fn) + 2)
#define TOKEN_NOEXEC	 100
#define NOEXEC_TEXT	 "not executable"

/*
 * At the start of the pool of the kept function: its physical addresses, COMMAND, and all IOASes,
 * before the kexec.
 */
struct record {
	uint64_t address[POOL_PAGES];
	uint32_t ioas[FUNCTIONS];
	uint16_t command;
};

struct world {
	int luo;
	char bdf[FUNCTIONS][16];
	char igb[16];
	struct device dev[FUNCTIONS];
	int session[FUNCTIONS]; /* that has the function's files */
};

/* Size and IOVA of the function's pool */
static inline size_t pool_size(enum function fn)
{
	return fn == KEPT ? POOL_SIZE : HUGE_PAGE;
}

static inline uint64_t pool_iova(enum function fn)
{
	return fn == STRANGER ? DEVICE_IOVA + (1u << 30) : DEVICE_IOVA;
}

/* Each is a chapter of the test; false if there is no point in going on. */
bool check_refusals(struct world *w); /* what cannot be preserved is refused */
bool check_igb(struct world *w);      /* MSI, D3, VFs and functions that have some are */
bool check_hold(struct world *w);     /* what is preserved is held, until the session is closed */
/* a refused reboot is undone */
bool check_freeze(struct world *w, const char *kernel, const char *image);
bool check_incoming(struct world *w);  /* the next kernel, before and while files are retrieved */
bool check_forgotten(struct world *w); /* finishing stops what nobody has asked for */
bool check_orphan(struct world *w); /* so does dying, and until then the memory is nobody else's */
bool check_adoption(struct world *w); /* what is retrieved is guarded until it is adopted */
/* one that cannot be reset, or only with its bus */
bool leave_device(struct world *w, bool resettable);
bool check_left(struct world *w);      /* it cannot be used, and its memory stays where it is */
bool check_bus_reset(struct world *w); /* it is stopped, and its memory is given back */
bool check_lost(struct world *w);      /* memory of devices that are not there stays where it is */
bool check_finish(struct world *w);    /* guards are lifted, what was left behind is stopped */

#endif
