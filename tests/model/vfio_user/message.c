// SPDX-License-Identifier: BSD-2-Clause
/* Messages on the stream, with descriptors. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/model/vfio_user/internal.h"

static void take_fds(struct msghdr *mh, struct message *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		    c->cmsg_len < CMSG_LEN(0))
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (msg->nfds < MAX_FDS)
				msg->fds[msg->nfds++] = fd;
			else
				close(fd);
		}
	}
}

/* The header; descriptors ride with its first byte, or with any other. */
static ssize_t receive_header(int fd, struct message *msg)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * MAX_FDS)];
		struct cmsghdr align;
	} control;
	size_t got = 0;

	while (got < sizeof(msg->hdr)) {
		struct iovec iov = { .iov_base = (char *)&msg->hdr + got,
				     .iov_len = sizeof(msg->hdr) - got };
		struct msghdr mh = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.buf,
			.msg_controllen = sizeof(control.buf),
		};
		ssize_t n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		take_fds(&mh, msg);
		if (mh.msg_flags & MSG_CTRUNC)
			return -EPROTO;
		if (!n)
			return got ? -EPROTO : 0;
		got += (size_t)n;
	}
	return 1;
}

static int receive_payload(int fd, uint8_t *buf, size_t len)
{
	while (len) {
		ssize_t n = recv(fd, buf, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EPROTO;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

int vu_receive(struct vfio_user *vu, int fd, struct message *msg)
{
	ssize_t n;
	int err;

	msg->nfds = 0;
	msg->in_len = 0;
	msg->out_len = 0;
	msg->out_fd = NO_FD;
	n = receive_header(fd, msg);
	if (n <= 0)
		return (int)n;
	if (msg->hdr.size < sizeof(msg->hdr) || msg->hdr.size > sizeof(msg->hdr) + MAX_MESSAGE) {
		vu_log(vu, "command %u: a message of %u bytes, %zu to %zu are accepted",
		       msg->hdr.command, msg->hdr.size, sizeof(msg->hdr),
		       sizeof(msg->hdr) + MAX_MESSAGE);
		return -EPROTO;
	}
	if ((msg->hdr.flags & VFIO_USER_F_TYPE_MASK) != VFIO_USER_F_COMMAND) {
		vu_log(vu, "command %u: flags %#x, a command was expected", msg->hdr.command,
		       msg->hdr.flags);
		return -EPROTO;
	}
	msg->in_len = msg->hdr.size - sizeof(msg->hdr);
	err = receive_payload(fd, msg->in, msg->in_len);
	return err ? err : 1;
}

int vu_reply(int fd, const struct message *msg, int err)
{
	struct vfio_user_header hdr = {
		.id = msg->hdr.id,
		.command = msg->hdr.command,
		.flags = VFIO_USER_F_REPLY | (err ? VFIO_USER_F_ERROR : 0),
		.error = (uint32_t)-err,
	};
	struct iovec iov[2] = {
		{ .iov_base = &hdr, .iov_len = sizeof(hdr) },
		{ .iov_base = (void *)msg->out, .iov_len = err ? 0 : msg->out_len },
	};
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	size_t left = iov[0].iov_len + iov[1].iov_len;

	hdr.size = (uint32_t)left;
	if (!err && msg->out_fd != NO_FD) {
		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &msg->out_fd, sizeof(int));
	}
	while (left) {
		ssize_t n = sendmsg(fd, &mh, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		left -= (size_t)n;
		mh.msg_control = NULL;
		mh.msg_controllen = 0;
		for (unsigned int i = 0; i < 2; i++) {
			size_t part = (size_t)n < iov[i].iov_len ? (size_t)n : iov[i].iov_len;

			iov[i].iov_base = (char *)iov[i].iov_base + part;
			iov[i].iov_len -= part;
			n -= (ssize_t)part;
		}
	}
	return 0;
}

void vu_message_end(struct message *msg)
{
	for (unsigned int i = 0; i < msg->nfds; i++) {
		if (msg->fds[i] != NO_FD)
			close(msg->fds[i]);
	}
	msg->nfds = 0;
}
