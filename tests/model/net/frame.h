/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an Ethernet frame consists of. The parser reads nothing outside of the frame and trusts no
 * length in it.
 */
#ifndef TESTS_MODEL_NET_FRAME_H
#define TESTS_MODEL_NET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_ETH_ALEN  6
#define NET_ETH_HLEN  14
#define NET_VLAN_HLEN 4
/*
 * Longest frame that a backend sends or receives: what an IP datagram of 65535 bytes needs, with
 * one VLAN tag.
 */
#define NET_FRAME_MAX (65535 + NET_ETH_HLEN + NET_VLAN_HLEN)
/* Writable bytes that a caller leaves in front of a frame into which a VLAN tag may be inserted. */
#define NET_HEADROOM NET_VLAN_HLEN

enum net_ethertype {
	NET_ETH_IPV4 = 0x0800,
	NET_ETH_ARP = 0x0806,
	NET_ETH_VLAN = 0x8100,
	NET_ETH_IPV6 = 0x86dd,
};

enum net_ipproto {
	NET_IP_HOPOPTS = 0,
	NET_IP_ICMP = 1,
	NET_IP_TCP = 6,
	NET_IP_UDP = 17,
	NET_IP_ROUTING = 43,
	NET_IP_FRAGMENT = 44,
	NET_IP_ICMPV6 = 58,
	NET_IP_DSTOPTS = 60,
};

/**
 * struct net_frame - offsets into a frame, all from its first byte
 * @data: the frame; not owned
 * @len: of the whole frame
 * @vlan: the frame carries a VLAN tag (the outermost one is described, a second one is not looked
 *      through)
 * @vlan_tci: PCP 15:13, DEI 12, VID 11:0, of that tag
 * @ethertype: behind the tag
 * @ip_version: 4 or 6, or 0 if there is no well-formed IP header
 * @protocol: of the transport header (IPv6 extension headers skipped); only with @ip_version
 * @fragment: a fragment; @l4 is then 0, since a fragment's checksum and ports say nothing
 * @l3: IP header
 * @l4: transport header, 0 if there is none, or not as a whole
 * @payload: behind the TCP or UDP header; 0 if @l4 is 0 or the protocol is another
 * @end: end of the IP datagram by its own length; what follows is padding of Ethernet. @len without
 *      IP
 *
 * With @l4 set and TCP or UDP, the whole transport header is inside of [@l3, @end).
 */
struct net_frame {
	const uint8_t *data;
	size_t len;
	bool vlan;
	uint16_t vlan_tci;
	uint16_t ethertype;
	uint8_t ip_version;
	uint8_t protocol;
	bool fragment;
	uint16_t l3;
	uint16_t l4;
	uint16_t payload;
	size_t end;
};

/**
 * net_parse() - parse a frame
 * @f: filled in
 * @data: the frame
 * @len: its length, up to any size
 * @large: a large send: its IP length field is not looked at (Linux writes 0), @end is @len
 *
 * Returns: 0, or -EBADMSG if the frame has no Ethernet header. Whatever is wrong further up shows
 * as a part that is not there (@ip_version 0, @l4 0).
 */
int net_parse(struct net_frame *f, const uint8_t *data, size_t len, bool large);

static inline uint16_t net_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t net_get32(const uint8_t *p)
{
	return (uint32_t)net_get16(p) << 16 | net_get16(p + 2);
}

static inline void net_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void net_put32(uint8_t *p, uint32_t v)
{
	net_put16(p, (uint16_t)(v >> 16));
	net_put16(p + 2, (uint16_t)v);
}

#endif
