/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One device of an agent, with everything around device.c and the kernel's refusals played by the
 * test. Functions check (check(3)); there is one fixture a process.
 */
#ifndef TESTS_APPS_DEVICE_FIXTURE_H
#define TESTS_APPS_DEVICE_FIXTURE_H

#include "udrv/agent/agent.h"

/* How a host ends that is told to: what it had got by then. */
#define HOST_HAD_ALL  77 /* at its start */
#define HOST_GOT_REST 78
#define HOST_MAY_RUN  79

struct device_fixture {
	struct agent agent;
	struct agent_device *dev;
	int fork_errno, pidfd_errno, memfd_errno; /* 0: it succeeds */
	unsigned int quiesced, clients, reasons_dropped;
	int host_status;		/* that a host ends with */
	char in_custody[64], order[64]; /* what is in custody, and what was done about it */
};

extern struct device_fixture fx;

/* One device that is there, and PID 1, which forks its hosts. */
void device_fixture_begin(void);
void device_fixture_end(void);
/* There is no child left: it would be reaped here, or waited for. */
void device_fixture_no_child(void);
/* Waits for the end of the host, without reaping it; its status. */
int device_fixture_host_ends(void);
/* The agent's end of the connection to its host is closed. */
void device_fixture_hang_up(void);

#endif
