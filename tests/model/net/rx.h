/* SPDX-License-Identifier: BSD-2-Clause */
/* From a frame of the wire to what a NIC tells its driver about it. */
#ifndef TESTS_MODEL_NET_RX_H
#define TESTS_MODEL_NET_RX_H

#include <stddef.h>
#include <stdint.h>

#include "frame.h"

/*
 * Neither flag of a pair: there is nothing to verify (not IP, a fragment, UDP over IPv4 without a
 * checksum).
 */
enum net_rx_flags {
	NET_RX_IP_OK = 1 << 0, /* IPv4: its header's sum; IPv6: well-formed */
	NET_RX_IP_FAIL = 1 << 1,
	NET_RX_TCP_OK = 1 << 2,
	NET_RX_TCP_FAIL = 1 << 3,
	NET_RX_UDP_OK = 1 << 4,
	NET_RX_UDP_FAIL = 1 << 5,
	NET_RX_VLAN = 1 << 6, /* a tag was taken out, it is in f.vlan_tci */
};

/**
 * struct net_rx - a received frame
 * @f: the frame as it is after a tag was taken out (f.data, f.len)
 * @flags: enum net_rx_flags
 */
struct net_rx {
	struct net_frame f;
	unsigned int flags;
};

/**
 * net_rx() - look at a frame from the wire
 * @rx: filled in
 * @frame: the frame. With @strip_vlan the addresses in front of a tag are moved over it, and the
 *	   frame then starts NET_VLAN_HLEN bytes later
 * @len: its length
 * @strip_vlan: take the VLAN tag out
 *
 * Returns: 0, or -EBADMSG: shorter than an Ethernet header.
 */
int net_rx(struct net_rx *rx, uint8_t *frame, size_t len, bool strip_vlan);

#endif
