/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/reboot.h>

#include "kexec.h"

int kexec_load_file(const char *kernel, const char *image, const char *more)
{
	char line[4096] = "";
	int cmdline = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	int kernel_fd = open(kernel, O_RDONLY | O_CLOEXEC);
	int image_fd = open(image, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(cmdline, line, sizeof(line) - 1);
	int err = 0;

	line[strcspn(line, "\n")] = '\0';
	strncat(line, more, sizeof(line) - 1 - strlen(line));
	if (n < 0 || syscall(SYS_kexec_file_load, kernel_fd, image_fd, strlen(line) + 1, line, 0UL))
		err = -errno;
	close(cmdline);
	close(kernel_fd);
	close(image_fd);
	return err;
}

int kexec_reboot(void)
{
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	return -errno;
}
