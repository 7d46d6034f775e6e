// SPDX-License-Identifier: GPL-2.0-or-later
/* Live Update Orchestrator: the ioctls of /dev/liveupdate and of a session. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/liveupdate.h>

#include "udrv/common/luo.h"

int luo_open(void)
{
	int fd = open(LUO_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int luo_create_session(int luo, const char *name)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };

	strncpy((char *)arg.name, name, sizeof(arg.name) - 1);
	return ioctl(luo, LIVEUPDATE_IOCTL_CREATE_SESSION, &arg) ? -errno : arg.fd;
}

int luo_retrieve_session(int luo, const char *name)
{
	struct liveupdate_ioctl_retrieve_session arg = { .size = sizeof(arg) };

	strncpy((char *)arg.name, name, sizeof(arg.name) - 1);
	return ioctl(luo, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &arg) ? -errno : arg.fd;
}

/*
 * The kernel moves pages of a memfd out of the memory that the next kernel begins with, which fails
 * with ENOMEM when somebody touches them at that moment: a host writes to its state all the time.
 */
int luo_preserve(int session, int fd, uint64_t token)
{
	struct liveupdate_session_preserve_fd arg = { .size = sizeof(arg),
						      .fd = fd,
						      .token = token };
	unsigned int tries = 0;
	int err;

	do
		err = ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg) ? -errno : 0;
	while (err == -ENOMEM && ++tries < LUO_PRESERVE_TRIES);
	return err;
}

int luo_retrieve(int session, uint64_t token)
{
	struct liveupdate_session_retrieve_fd arg = { .size = sizeof(arg), .token = token };

	return ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg) ? -errno : arg.fd;
}

int luo_finish(int session)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	return ioctl(session, LIVEUPDATE_SESSION_FINISH, &arg) ? -errno : 0;
}
