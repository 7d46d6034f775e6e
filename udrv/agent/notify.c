// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "udrv/agent/notify.h"

#define LISTEN_FDS_START 3
#define LISTEN_FDS_MAX	 1024

int notify_open(struct notify *n, const char *address)
{
	size_t len = strlen(address);

	*n = (struct notify){ .sock = -1, .addr.sun_family = AF_UNIX };
	if (len < 2 || (address[0] != '/' && address[0] != '@'))
		return -EAFNOSUPPORT;
	if (len >= sizeof(n->addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(n->addr.sun_path, address, len);
	n->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (address[0] == '@')
		n->addr.sun_path[0] = '\0';
	else
		n->len++;
	n->sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return n->sock < 0 ? -errno : 0;
}

int notify_send(const struct notify *n, const char *text, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (char *)text, .iov_len = strlen(text) };
	struct msghdr msg = { .msg_name = (void *)&n->addr,
			      .msg_namelen = n->len,
			      .msg_iov = &iov,
			      .msg_iovlen = 1 };
	ssize_t sent;

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do {
		sent = sendmsg(n->sock, &msg, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* systemd closes what comes with a barrier, and nothing else: the pipe's other end tells. */
int notify_barrier(const struct notify *n, int timeout_ms)
{
	struct pollfd p = { 0 };
	int end[2], err;

	if (pipe2(end, O_CLOEXEC))
		return -errno;
	err = notify_send(n, "BARRIER=1", end[1]);
	close(end[1]);
	p.fd = end[0];
	while (!err) {
		int ready = poll(&p, 1, timeout_ms);

		if (ready > 0)
			break;
		if (!ready)
			err = -ETIMEDOUT;
		else if (errno != EINTR)
			err = -errno;
	}
	close(end[0]);
	return err;
}

static int number(const char *text, long min, long max, long *ret)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || end == text || *end || v < min || v > max)
		return -EBADMSG;
	*ret = v;
	return 0;
}

static int listen_fds(char *ret_names, size_t size)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	long value, n, seen = 0;

	if (!pid || !count)
		return 0;
	if (number(pid, 1, INT_MAX, &value))
		return -EBADMSG;
	if (value != getpid())
		return 0;
	if (number(count, 0, LISTEN_FDS_MAX, &n))
		return -EBADMSG;
	if (!n)
		return 0;
	if (!names)
		return -EBADMSG;
	if (strlen(names) >= size)
		return -E2BIG;
	strcpy(ret_names, names);
	for (char *p = ret_names; p; seen++) {
		p = strchr(p, ':');
		if (p)
			*p++ = '\0';
	}
	if (seen != n)
		return -EBADMSG;
	for (int fd = LISTEN_FDS_START; fd < LISTEN_FDS_START + n; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC))
			return -EBADMSG;
	return (int)n;
}

int notify_listen_fds(char *ret_names, size_t size)
{
	int n = listen_fds(ret_names, size);

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return n;
}
