// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/model/net/backend.h"

static int tap_send(struct net_backend *b, const uint8_t *frame, size_t len)
{
	ssize_t n;

	do
		n = write(b->fd, frame, len);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len)
		return 0;
	if (n >= 0)
		return -EMSGSIZE;
	switch (errno) {
	/* The interface is down: a wire that is pulled loses frames and is not broken. */
	case EIO:
	case EAGAIN:
	case ENOMEM:
		return -ENOBUFS;
	default:
		return -errno;
	}
}

static ssize_t tap_receive(struct net_backend *b, uint8_t *frame, size_t size)
{
	ssize_t n;

	do
		n = read(b->fd, frame, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void tap_close(struct net_backend *b)
{
	close(b->fd);
	free(b);
}

static const struct net_backend_ops tap_ops = {
	.name = "tap",
	.send = tap_send,
	.receive = tap_receive,
	.close = tap_close,
};

int net_tap_open(const char *ifname, struct net_backend **ret)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	struct net_backend *b;
	int err;

	if (!*ifname || strlen(ifname) >= sizeof(ifr.ifr_name))
		return -ENODEV;
	memcpy(ifr.ifr_name, ifname, strlen(ifname) + 1);
	b = malloc(sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->ops = &tap_ops;
	b->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (b->fd < 0 || ioctl(b->fd, TUNSETIFF, &ifr) < 0) {
		err = -errno;
		if (b->fd >= 0)
			close(b->fd);
		free(b);
		return err;
	}
	*ret = b;
	return 0;
}
