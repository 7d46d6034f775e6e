// SPDX-License-Identifier: GPL-2.0-or-later
/* How a process ended, whoever its parent is: pidfs tells, once somebody has reaped it. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <linux/pidfd.h>

#include "udrv/agent/agent.h"

#define REAP_LIMIT_MS 1000

/* Wait status of a child; -errno. */
static int child_status(int pidfd, int *ret)
{
	siginfo_t si = { 0 };

	if (waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED))
		return -errno;
	*ret = si.si_code == CLD_EXITED ? W_EXITCODE(si.si_status, 0) : W_EXITCODE(0, si.si_status);
	return 0;
}

/*
 * A host that PID 1 or an earlier agent started is PID 1's child, which reaps it at once. The agent
 * stands still until then: for that limit if it is the child of somebody who does not care.
 */
static int others_status(int pidfd, int *ret)
{
	struct pidfd_info info = { .mask = PIDFD_INFO_EXIT };
	struct pollfd p = { .fd = pidfd };

	if (poll(&p, 1, REAP_LIMIT_MS) <= 0 || ioctl(pidfd, PIDFD_GET_INFO, &info) ||
	    !(info.mask & PIDFD_INFO_EXIT))
		return -ENODATA;
	*ret = info.exit_code;
	return 0;
}

int ended_status(int pidfd, char *text, size_t size)
{
	int status;

	if (child_status(pidfd, &status) && others_status(pidfd, &status)) {
		snprintf(text, size, "in an unknown way, as it was no child of this agent");
		return -1;
	}
	if (WIFEXITED(status)) {
		snprintf(text, size, "with status %d", WEXITSTATUS(status));
		return WEXITSTATUS(status);
	}
	snprintf(text, size, "by signal %d", WTERMSIG(status));
	return -1;
}
