/* SPDX-License-Identifier: BSD-2-Clause */
/* From what a driver hands to a NIC to what leaves it: checksums, segmentation, VLAN tag. */
#ifndef TESTS_MODEL_NET_TX_H
#define TESTS_MODEL_NET_TX_H

#include <stddef.h>
#include <stdint.h>

#include "backend.h"

enum net_tx_flags {
	NET_TX_IPV4 = 1 << 0, /* the driver says that the frame is IPv4 */
	NET_TX_IPV6 = 1 << 1,
	NET_TX_CSUM_IP = 1 << 2,  /* insert the IPv4 header's checksum */
	NET_TX_CSUM_TCP = 1 << 3, /* insert the TCP checksum */
	NET_TX_CSUM_UDP = 1 << 4,
	NET_TX_LSO = 1 << 5,  /* a large send: segment it by @mss */
	NET_TX_VLAN = 1 << 6, /* insert @vlan_tci */
};

/**
 * struct net_tx - one send of the driver
 * @frame: all of it, in one piece, and NET_HEADROOM writable bytes in front; contents are changed
 * @len: up to any size for a large send, up to NET_FRAME_MAX otherwise
 * @flags: enum net_tx_flags
 * @l4: offset of the transport header as the driver says; 0: it does not say
 * @mss: payload of each segment, for NET_TX_LSO
 * @headers: length of all headers as the driver says, for NET_TX_LSO; 0: it does not say
 * @vlan_tci: for NET_TX_VLAN
 */
struct net_tx {
	uint8_t *frame;
	size_t len;
	unsigned int flags;
	uint16_t l4;
	uint16_t mss;
	uint16_t headers;
	uint16_t vlan_tci;
};

/**
 * struct net_tx_result - what became of it
 * @frames: handed to the backend
 * @bytes: in these
 * @lost: frames that the backend had no room for
 * @error: why it was refused (-EINVAL), a constant text; NULL if it was not
 */
struct net_tx_result {
	unsigned int frames;
	size_t bytes;
	unsigned int lost;
	const char *error;
};

/**
 * net_tx() - do what the flags say and send the outcome
 *
 * Large sends of TCP are cut as RFC 9293 wants and Linux does: sequence numbers go on by @mss, IPv4
 * identification counts up, FIN and PSH only on the last segment, CWR only on the first. A large
 * send needs NET_TX_CSUM_TCP, and with IPv4 NET_TX_CSUM_IP. A checksum that is to be inserted must
 * hold the sum of the pseudo header before: with its length, or for a large send with length 0.
 *
 * Returns: 0; -EINVAL: flags and frame do not suit each other, nothing was sent, see @error;
 * another -errno: the backend is broken.
 */
int net_tx(struct net_backend *b, struct net_tx *tx, struct net_tx_result *result);

/*
 * For what net_tx() consists of: sends one finished frame and counts it. Returns 0, or -errno:
 * backend broken.
 */
int net_tx_deliver(struct net_backend *b, const uint8_t *frame, size_t len,
		   struct net_tx_result *result);

#endif
