// SPDX-License-Identifier: GPL-2.0-or-later
/* One executable, several programs: the name it was started by decides. */
#include <stdio.h>
#include <string.h>

#include "udrv/common/app.h"

static const struct program {
	const char *name;
	int (*main)(int argc, char **argv);
} programs[] = {
	{ "udrvctl", udrvctl_main },	   { "udrv-host", udrv_host_main },
	{ "udrv-agent", udrv_agent_main }, { "udrv-init", udrv_init_main },
	{ "init", udrv_init_main },
};

int main(int argc, char **argv)
{
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc ? argv[0] : "";

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (!strcmp(name, programs[i].name))
			return programs[i].main(argc, argv);
	fprintf(stderr, "%s: start me as udrvctl, udrv-host, udrv-agent or udrv-init\n", name);
	return APP_USAGE;
}
