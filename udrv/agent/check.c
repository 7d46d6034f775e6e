// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checks before an update. A kernel without our series, or without KHO, would allocate over memory
 * that a running device writes to, and there is no way back from there: so it is refused here.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"

/* Documentation/arch/x86/boot.rst: the real-mode kernel header */
#define SETUP_MAGIC_OFF	  0x202 /* "HdrS" */
#define SETUP_VERSION_OFF 0x20e /* u16: of the release string, minus 0x200 */

int check_image(int fd, char *release, size_t size, char *why, size_t why_size)
{
	unsigned char head[0x210];
	const char *mark;
	char text[128];
	unsigned int off;
	ssize_t n;
	char *end;
	unsigned long format;

	if (pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    memcmp(head + SETUP_MAGIC_OFF, "HdrS", 4)) {
		snprintf(why, why_size, "not a bzImage");
		return -EINVAL;
	}
	off = head[SETUP_VERSION_OFF] | (unsigned int)head[SETUP_VERSION_OFF + 1] << 8;
	n = pread(fd, text, sizeof(text) - 1, 0x200 + (off_t)off);
	if (!off || n <= 0) {
		snprintf(why, why_size, "the image does not tell its release");
		return -EINVAL;
	}
	text[n] = '\0';
	text[strcspn(text, " ")] = '\0';
	for (char *p = text; *p; p++)
		if (!isgraph((unsigned char)*p))
			*p = '?';
	snprintf(release, size, "%s", text);
	mark = strstr(release, "-udrv");
	format = mark && isdigit((unsigned char)mark[5]) ? strtoul(mark + 5, &end, 10) : 0;
	if (!format || *end) {
		snprintf(why, why_size,
			 "release '%s' does not end in -udrvN: it would not keep the devices alive",
			 release);
		return -EINVAL;
	}
	if (format != AGENT_FORMAT) {
		snprintf(why, why_size,
			 "release '%s' has kernel-to-kernel format %lu, this one writes %d",
			 release, format, AGENT_FORMAT);
		return -EINVAL;
	}
	return 0;
}

static bool is_on(const char *val)
{
	return !strcmp(val, "on") || !strcmp(val, "1") || !strcmp(val, "y") || !strcmp(val, "Y");
}

int check_cmdline(const char *cmdline, char *why, size_t why_size)
{
	/* Each would let pages of a running device's memory be moved or handed out (the pin itself
	 * migrates). */
	static const char *const refused[] = { "movablecore", "kernelcore", "movable_node" };
	static const char *const needed[] = { "kho", "liveupdate" };
	char val[64];

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (app_param(cmdline, needed[i], val, sizeof(val)) && is_on(val))
			continue;
		snprintf(why, why_size, "the command line needs %s=on", needed[i]);
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (!app_param(cmdline, refused[i], val, sizeof(val)))
			continue;
		snprintf(why, why_size, "the command line must not have %s", refused[i]);
		return -EINVAL;
	}
	return 0;
}
