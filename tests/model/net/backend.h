/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is at the other end of a port's wire. All calls come from one thread, none blocks, and all
 * frames are whole Ethernet frames with all checksums in place, without FCS, and no longer than
 * NET_FRAME_MAX.
 */
#ifndef TESTS_MODEL_NET_BACKEND_H
#define TESTS_MODEL_NET_BACKEND_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct net_backend;

struct net_backend_ops {
	const char *name;
	int (*send)(struct net_backend *b, const uint8_t *frame, size_t len);
	ssize_t (*receive)(struct net_backend *b, uint8_t *frame, size_t size);
	void (*close)(struct net_backend *b);
};

/**
 * struct net_backend - first member of each backend's own structure
 * @ops: how to reach it
 * @fd: readable when net_receive() has something; -1: it never has. For poll() and epoll only
 */
struct net_backend {
	const struct net_backend_ops *ops;
	int fd;
};

/**
 * net_send() - hand a frame to the other end
 * Returns: 0, -EMSGSIZE (longer than the other end takes), -ENOBUFS (no room: the frame is lost, as
 * on a wire), or another -errno: the backend is broken (TAP deleted).
 */
static inline int net_send(struct net_backend *b, const uint8_t *frame, size_t len)
{
	return b->ops->send(b, frame, len);
}

/**
 * net_receive() - take the next frame from the other end
 * @frame: copied here; what is longer than @size is cut (give NET_FRAME_MAX)
 * Returns: its length, -EAGAIN if there is none now, or another -errno: the backend is broken.
 */
static inline ssize_t net_receive(struct net_backend *b, uint8_t *frame, size_t size)
{
	return b->ops->receive(b, frame, size);
}

/* Frees it; NULL is fine. */
static inline void net_close(struct net_backend *b)
{
	if (b)
		b->ops->close(b);
}

/**
 * net_tap_open() - a TAP interface in the network namespace that this process is in
 * @ifname: of an interface that exists, or may be made (needs CAP_NET_ADMIN either way, unless it
 *      is ours)
 *
 * Without a vnet header, on purpose: a NIC sends segments with finished checksums, so the model
 * makes them, and the network stack at the other end verifies each. In the other direction the
 * kernel segments and sums up before it hands out a frame, so that the model's own verification is
 * what sets the receive flags.
 *
 * Returns: 0 or -errno.
 */
int net_tap_open(const char *ifname, struct net_backend **ret);

#define NET_ECHO_REPEATS 64

/**
 * net_echo_open() - a peer in this process that answers
 *
 * It is every host of the network: it answers each ARP request and each neighbour solicitation with
 * its one MAC address (02:00:00:00:00:02), echoes ICMP and ICMPv6 requests, and sends each UDP
 * datagram back (addresses and ports exchanged, payload unchanged): once, or, if it was sent to
 * 02:00:00:00:00:40, NET_ECHO_REPEATS times. Anything else it swallows. What
 * it answers waits in a bounded queue; when that is full, answers are lost.
 *
 * Returns: 0 or -errno.
 */
int net_echo_open(struct net_backend **ret);

/* net_none_open() - nobody: what is sent is gone. Returns 0 or -ENOMEM. */
int net_none_open(struct net_backend **ret);

#endif
