/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kexec_load: a live update into an image that was loaded without KHO must be refused
 *
 * Preserves a memfd in a session, loads something with the old kexec_load(2), which passes no KHO
 * data on, and asks for the kexec. Were it not refused, the next kernel would know nothing of the
 * preserved memory. Afterwards the session must still be alive.
 *
 * Prints one "ok" or "not ok" line for each check; exit status 0 if all are ok.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/liveupdate.h>
#include <linux/memfd.h>
#include <linux/reboot.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096UL

static int failed;

static bool check(bool ok, const char *what)
{
	printf("%s %s%s%s\n", ok ? "ok" : "not ok", what, ok ? "" : ": ",
	       ok ? "" : strerror(errno));
	failed += !ok;
	return ok;
}

static int preserve(int session, unsigned long token)
{
	struct liveupdate_session_preserve_fd args = { .size = sizeof(args), .token = token };
	int err;

	args.fd = memfd_create("kexec-load", MFD_EXEC | MFD_ALLOW_SEALING);
	if (args.fd < 0 || ftruncate(args.fd, (off_t)PAGE))
		return -1;
	err = ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &args);
	close(args.fd);
	return err;
}

int main(void)
{
	struct liveupdate_ioctl_create_session create = { .size = sizeof(create),
							  .name = "kexec-load" };
	static char code[PAGE] = { 0x0f, 0x0b }; /* ud2: it must never run */
	struct kexec_segment segment = { .buf = code, .bufsz = sizeof(code), .memsz = PAGE };
	unsigned long at;
	int dev;

	dev = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	if (!check(dev >= 0, "open /dev/liveupdate") ||
	    !check(!ioctl(dev, LIVEUPDATE_IOCTL_CREATE_SESSION, &create), "create a session") ||
	    !check(!preserve(create.fd, 1), "preserve a memfd"))
		return 1;

	/* Free memory somewhere below 512 MiB; which page does not matter. */
	for (at = 0x10000000UL; at < 0x20000000UL; at += 0x1000000UL) {
		segment.mem = (void *)at;
		if (!syscall(SYS_kexec_load, at, 1UL, &segment, KEXEC_ARCH_X86_64))
			break;
	}
	if (!check(at < 0x20000000UL, "load an image with kexec_load(2)"))
		return 1;

	errno = 0;
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	check(errno != 0, "the kexec is refused");
	printf("# reboot: %s\n", strerror(errno));

	check(!preserve(create.fd, 2), "the session is still alive");
	return failed != 0;
}
