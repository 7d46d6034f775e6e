/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plain_kexec [-l] KERNEL IMAGE CMDLINE: a kexec that nobody prepares
 *
 * What `kexec -s -l` and, without -l, `kexec -e` do: no session, no agent, nothing preserved. A
 * device that was running must be quiesced by the kernel that goes, and be started from scratch by
 * the one that comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	bool load_only = argc == 5 && !strcmp(argv[1], "-l");
	int kernel, image;

	if (argc != 4 + load_only) {
		fprintf(stderr, "usage: plain_kexec [-l] KERNEL IMAGE CMDLINE\n");
		return 2;
	}
	argv += load_only;

	kernel = open(argv[1], O_RDONLY | O_CLOEXEC);
	image = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (kernel < 0 || image < 0) {
		fprintf(stderr, "plain_kexec: open %s: %s\n", kernel < 0 ? argv[1] : argv[2],
			strerror(errno));
		return 1;
	}

	if (syscall(SYS_kexec_file_load, kernel, image, strlen(argv[3]) + 1, argv[3], 0UL)) {
		fprintf(stderr, "plain_kexec: kexec_file_load: %s\n", strerror(errno));
		return 1;
	}
	if (load_only)
		return 0;

	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	fprintf(stderr, "plain_kexec: reboot: %s\n", strerror(errno));
	return 1;
}
