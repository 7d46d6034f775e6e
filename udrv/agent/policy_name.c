// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "udrv/agent/agent.h"

static const char *const names[] = {
	[UDRV_KEEP] = "keep",
	[UDRV_RESET] = "reset",
	[UDRV_DETACH] = "detach",
};

const char *policy_name(enum udrv_policy p)
{
	return p <= UDRV_DETACH ? names[p] : "?";
}

int policy_parse(const char *text, enum udrv_policy *ret)
{
	for (unsigned int p = 0; p <= UDRV_DETACH; p++) {
		if (strcmp(text, names[p]))
			continue;
		*ret = p;
		return 0;
	}
	return -EINVAL;
}
