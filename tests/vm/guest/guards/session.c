/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include <linux/liveupdate.h>

#include "session.h"

/* LUO's descriptors are close-on-exec: an agent that executes hosts relies on it. */
static int given(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC ? fd : -EBADFD;
}

int session_create(int luo, const char *name)
{
	struct liveupdate_ioctl_create_session args = { .size = sizeof(args) };

	snprintf((char *)args.name, sizeof(args.name), "%s", name);
	return ioctl(luo, LIVEUPDATE_IOCTL_CREATE_SESSION, &args) < 0 ? -errno : given(args.fd);
}

int session_retrieve(int luo, const char *name)
{
	struct liveupdate_ioctl_retrieve_session args = { .size = sizeof(args) };

	snprintf((char *)args.name, sizeof(args.name), "%s", name);
	return ioctl(luo, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &args) < 0 ? -errno : given(args.fd);
}

int session_preserve(int session, int fd, uint64_t token)
{
	struct liveupdate_session_preserve_fd args = {
		.size = sizeof(args),
		.fd = fd,
		.token = token,
	};

	return ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &args) < 0 ? -errno : 0;
}

int session_retrieve_fd(int session, uint64_t token)
{
	struct liveupdate_session_retrieve_fd args = { .size = sizeof(args), .token = token };

	return ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &args) < 0 ? -errno : given(args.fd);
}

int session_finish(int session)
{
	struct liveupdate_session_finish args = { .size = sizeof(args) };

	return ioctl(session, LIVEUPDATE_SESSION_FINISH, &args) < 0 ? -errno : 0;
}
