// SPDX-License-Identifier: BSD-2-Clause
/* Messages of the handle protocol on a socket. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/lib/step.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define BACKLOG 16

union control {
	struct cmsghdr align;
	uint8_t space[CMSG_SPACE(UDRV_MSG_FDS * sizeof(int))];
};

int udrv_msg_send(int sock, const struct udrv_msg *m)
{
	struct udrv_msg_header head = {
		.magic = htole32(UDRV_MSG_MAGIC),
		.version = htole16(UDRV_MSG_VERSION),
		.type = htole16(m->type),
		.id = htole32(m->id),
		.len = htole32(m->len),
	};
	struct iovec iov[2] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_base = (void *)(uintptr_t)m->data, .iov_len = m->len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	union control control;
	ssize_t n;

	if (m->len > UDRV_MSG_PAYLOAD || m->nfds > UDRV_MSG_FDS)
		return -EINVAL;
	if (m->nfds) {
		struct cmsghdr *cmsg;

		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(m->nfds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(m->nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), m->fd, m->nfds * sizeof(int));
	}
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	/* A packet is sent as a whole or not at all. */
	if (n < 0)
		return -errno;
	UDRV_STEP();
	return 0;
}

/* Own every descriptor that came along, wanted or not. */
static void collect_fds(struct msghdr *msg, struct udrv_msg *m)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t n;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
			if (m->nfds < UDRV_MSG_FDS)
				m->fd[m->nfds++] = fd;
			else
				close(fd);
		}
	}
}

/* One datagram, with what descriptors it has; @how and @flags are those of recvmsg(2). */
static ssize_t receive(int sock, struct udrv_msg_header *head, struct udrv_msg *m, int how,
		       int *flags)
{
	struct iovec iov[2] = {
		{ .iov_base = head, .iov_len = sizeof(*head) },
		{ .iov_base = m->data, .iov_len = UDRV_MSG_PAYLOAD },
	};
	union control control;
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | how);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -ENOTCONN : -errno;
	collect_fds(&msg, m);
	*flags = msg.msg_flags;
	return n;
}

int udrv_msg_recv(int sock, struct udrv_msg *m)
{
	struct udrv_msg_header head;
	int flags, err = 0;
	ssize_t n;

	udrv_msg_init(m, 0, 0);
	n = receive(sock, &head, m, 0, &flags);
	/*
	 * Linux may tell of the end before a message that came just before it, but never twice. An
	 * empty packet looks like the end as well; behind it there may be nothing yet, so this does
	 * not wait.
	 */
	if (n == 0 && m->nfds == 0) {
		n = receive(sock, &head, m, MSG_DONTWAIT, &flags);
		if (n == -EAGAIN)
			n = -EBADMSG;
	}
	if (n < 0)
		return (int)n;
	if (n == 0 && m->nfds == 0)
		return -ENOTCONN;

	if ((flags & (MSG_TRUNC | MSG_CTRUNC)) || (size_t)n < sizeof(head) ||
	    le32toh(head.magic) != UDRV_MSG_MAGIC)
		err = -EBADMSG;
	else if (le16toh(head.version) != UDRV_MSG_VERSION)
		err = -EPROTONOSUPPORT;
	else if (le32toh(head.len) != (size_t)n - sizeof(head))
		err = -EBADMSG;
	if (err) {
		udrv_msg_drop_fds(m);
		return err;
	}
	m->type = le16toh(head.type);
	m->id = le32toh(head.id);
	m->len = le32toh(head.len);
	m->data[m->len] = '\0';
	UDRV_STEP();
	return 0;
}

/* A new socket, and the address of @path for it. */
static int open_for(const char *path, int flags, struct sockaddr_un *ret)
{
	int fd;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	strcpy(ret->sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
	return fd < 0 ? -errno : fd;
}

int udrv_proto_listen(const char *path, mode_t mode)
{
	struct sockaddr_un addr;
	int fd, err;

	fd = open_for(path, 0, &addr);
	if (fd < 0)
		return fd;
	if (unlink(path) < 0 && errno != ENOENT)
		goto fail;
	/*
	 * Before bind(), which makes the node: nobody may connect who could not after the chmod().
	 */
	if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0)
		goto fail;
	return fd;
fail:
	err = -errno;
	close(fd);
	return err;
}

int udrv_proto_accept(int listener, bool nonblock)
{
	int fd;

	do {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0));
	} while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

int udrv_proto_connect(const char *path, bool nonblock)
{
	struct sockaddr_un addr;
	int fd, err;

	fd = open_for(path, nonblock ? SOCK_NONBLOCK : 0, &addr);
	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int peer_pidfd(int sock, pid_t pid, int *ret)
{
	socklen_t len = sizeof(*ret);
	int pidfd;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, ret, &len) == 0)
		return 0;
	/* EINVAL, ESRCH, ENODATA: the kernel knows that the peer is gone. */
	if (errno != ENOPROTOOPT) {
		*ret = -1;
		return 0;
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0 && errno != ESRCH)
		return -errno;
	*ret = pidfd;
	return 0;
}

int udrv_proto_peer(int sock, struct udrv_peer *ret)
{
	struct udrv_peer peer;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int err;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	peer.pid = cred.pid;
	peer.uid = cred.uid;
	peer.gid = cred.gid;
	err = peer_pidfd(sock, cred.pid, &peer.pidfd);
	if (err)
		return err;
	*ret = peer;
	return 0;
}
