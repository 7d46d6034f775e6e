/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hold_liveupdate [SESSION]: be in the way of an update
 *
 * Opens /dev/liveupdate as soon as nobody has it, and keeps it; or makes a session of that name,
 * and keeps that alone. Says "held" then, and stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/liveupdate.h>

#define DEVICE "/dev/liveupdate"

int main(int argc, char **argv)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };
	int fd;

	do {
		fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	} while (fd < 0 && errno == EBUSY && !usleep(1000));
	if (fd < 0) {
		printf("hold_liveupdate: open " DEVICE ": %s\n", strerror(errno));
		return 1;
	}
	if (argc > 1) {
		strncpy((char *)arg.name, argv[1], sizeof(arg.name) - 1);
		if (ioctl(fd, LIVEUPDATE_IOCTL_CREATE_SESSION, &arg)) {
			printf("hold_liveupdate: session %s: %s\n", argv[1], strerror(errno));
			return 1;
		}
		close(fd);
	}
	printf("held\n");
	fflush(stdout);
	for (;;)
		pause();
}
