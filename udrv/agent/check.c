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
#include <sys/stat.h>
#include <unistd.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"

/* Documentation/arch/x86/boot.rst: the real-mode kernel header */
#define SETUP_SECTS_OFF	  0x1f1 /* u8: sectors of 512 bytes behind the first one, 0 means 4 */
#define SETUP_SYSSIZE_OFF 0x1f4 /* u32: what follows them, in units of 16 bytes */
#define SETUP_INIT_OFF	  0x260 /* u32: bytes that the kernel needs to begin with */
#define SCRATCH_LEN	  "/sys/kernel/debug/kho/out/scratch_len"
#define SETUP_MAGIC_OFF	  0x202 /* "HdrS" */
#define SETUP_VERSION_OFF 0x20e /* u16: of the release string, minus 0x200 */

static uint32_t get_le32(const unsigned char *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Is there as much of it as it says? A download that was cut short boots, and then hangs. */
static int check_length(int fd, const unsigned char *head, char *why, size_t why_size)
{
	uint64_t want = 512ull * (1 + (head[SETUP_SECTS_OFF] ? head[SETUP_SECTS_OFF] : 4)) +
			16ull * get_le32(head + SETUP_SYSSIZE_OFF);
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if ((uint64_t)st.st_size >= want)
		return 0;
	snprintf(why, why_size, "the image is cut short: it has %llu bytes of %llu",
		 (unsigned long long)st.st_size, (unsigned long long)want);
	return -EINVAL;
}

int check_image(int fd, char *release, size_t size, char *why, size_t why_size)
{
	unsigned char head[0x264];
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
	return check_length(fd, head, why, why_size);
}

/*
 * The largest of KHO's scratch areas, out of which the next kernel lives until it knows what is
 * preserved; 0: unknown.
 */
static uint64_t largest_scratch(void)
{
	uint64_t largest = 0;
	char text[256];
	char *save = NULL;

	if (app_read_file(SCRATCH_LEN, text, sizeof(text)) < 0)
		return 0;
	for (char *w = strtok_r(text, " \n", &save); w; w = strtok_r(NULL, " \n", &save)) {
		uint64_t len = strtoull(w, NULL, 0);

		if (len > largest)
			largest = len;
	}
	return largest;
}

int check_memory(int kernel, int image, char *why, size_t why_size)
{
	uint64_t scratch = largest_scratch(), need;
	unsigned char init[4];
	struct stat st;

	if (!scratch || fstat(image, &st) ||
	    pread(kernel, init, sizeof(init), SETUP_INIT_OFF) != sizeof(init))
		return 0;
	/* The archive, and what is unpacked from it. */
	need = get_le32(init) + 2 * (uint64_t)st.st_size;
	if (need <= scratch)
		return 0;
	snprintf(why, why_size,
		 "it needs %llu MiB to begin with (kernel, and the initramfs of %llu MiB twice), KHO keeps %llu MiB "
		 "free: boot with a larger kho_scratch=, or take a smaller one",
		 (unsigned long long)(need >> 20), (unsigned long long)st.st_size >> 20,
		 (unsigned long long)(scratch >> 20));
	return -ENOSPC;
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
