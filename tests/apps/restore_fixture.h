/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session of three devices that the old kernel's agent left, custody, and everything around
 * restore.c and takeover.c played by the test. Functions check (check(3)); there is one fixture a
 * process.
 */
#ifndef TESTS_APPS_RESTORE_FIXTURE_H
#define TESTS_APPS_RESTORE_FIXTURE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "udrv/agent/agent.h"

#define RESTORE_DEVICES 3u
#define RESTORE_FDS	0x1du /* of a handle in a session: VFIO, state, DMA and a consumer's */

struct restore_fixture {
	struct agent agent;
	int directory;
	uint64_t missing;     /* token that cannot be retrieved; 0: none */
	const char *stranger; /* device that cannot be bound */
	unsigned int finished, hosts, heard, closed;
	struct agent_rescued kept;
	/* PID 1's: handles, and descriptors by their names */
	struct udrv_handle handles[4];
	unsigned int nhandles;
	struct {
		char name[32];
		int fd;
	} custody[16];
	unsigned int ncustody;
	bool mounted;
	unsigned int binds;
	unsigned int deaths; /* PID 1 gives up at that adoption, from 1 on; 0: at none */
	jmp_buf dead;
	bool real;			 /* hosts are processes */
	pid_t host_pid[RESTORE_DEVICES]; /* of those, in the order in which they were started */
};

extern struct restore_fixture fx;
extern const char *const restore_names[RESTORE_DEVICES];

void restore_fixture_begin(void);
/* An agent that has just started. */
void restore_fixture_agent(void);
bool restore_in_custody(const char *name);

#endif
