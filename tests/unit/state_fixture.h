/* SPDX-License-Identifier: BSD-2-Clause */
/* A state memfd, and a second mapping of it for whoever wants to damage it. */
#ifndef TESTS_UNIT_STATE_FIXTURE_H
#define TESTS_UNIT_STATE_FIXTURE_H

#include <stdint.h>

#include <udrv/state.h>

#include "tests/unit/fake_log.h"
#include "udrv/lib/state_internal.h"

#define SIZE (STATE_AREAS_OFF + 2 * 4096)

extern int memfd;
extern uint8_t *raw; /* the memfd as an adversary sees it */
extern struct fake_log flog;

/* A checked fixture: an empty memfd of SIZE bytes. */
void state_setup(void);
void state_teardown(void);

/*
 * Format it, up to generation 2: values 1, then 2; areas "one" of 100 bytes 0x11 and "two" of 4096
 * bytes 0x22.
 */
void make_state(void);

/* Commit a tree whose property "value" at the root (and again at its end) is @value. */
int commit_value(struct udrv_state *st, uint64_t value);
/* The value, UINT64_MAX if there is none; both properties agree. */
uint64_t value_of(const struct udrv_state *st);

/* What udrv_state_open() says. */
int open_close(void);

static inline struct state_header *header(void)
{
	return (struct state_header *)raw;
}

#endif
