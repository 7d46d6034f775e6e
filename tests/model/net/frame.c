// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "tests/model/net/frame.h"

#define IPV4_HLEN 20
#define IPV6_HLEN 40
#define TCP_HLEN  20
#define UDP_HLEN  8
/* RFC 8200 sets no limit; who needs more than this many extension headers is up to no good. */
#define IPV6_EXTENSIONS 16

static void parse_transport(struct net_frame *f, size_t at)
{
	const uint8_t *p = f->data + at;
	size_t room = f->end - at, hlen;

	if (f->fragment)
		return;
	switch (f->protocol) {
	case NET_IP_TCP:
		if (room < TCP_HLEN)
			return;
		hlen = (size_t)(p[12] >> 4) * 4;
		if (hlen < TCP_HLEN || hlen > room)
			return;
		f->payload = (uint16_t)(at + hlen);
		break;
	case NET_IP_UDP:
		if (room < UDP_HLEN)
			return;
		f->payload = (uint16_t)(at + UDP_HLEN);
		break;
	case NET_IP_ICMP:
	case NET_IP_ICMPV6:
		if (room < 4)
			return;
		break;
	default:
		return;
	}
	f->l4 = (uint16_t)at;
}

/*
 * Sets f->end to the end of a datagram of @ip_len bytes; false if the frame does not hold it, or
 * its header.
 */
static bool set_end(struct net_frame *f, size_t ip_len, size_t hlen, bool large)
{
	if (large)
		ip_len = f->len - f->l3;
	if (ip_len < hlen || ip_len > f->len - f->l3)
		return false;
	f->end = f->l3 + ip_len;
	return true;
}

static void parse_ipv4(struct net_frame *f, bool large)
{
	const uint8_t *ip = f->data + f->l3;
	size_t hlen;

	if (f->len - f->l3 < IPV4_HLEN || ip[0] >> 4 != 4)
		return;
	hlen = (size_t)(ip[0] & 0xf) * 4;
	if (hlen < IPV4_HLEN || !set_end(f, net_get16(ip + 2), hlen, large))
		return;
	f->ip_version = 4;
	f->protocol = ip[9];
	f->fragment = net_get16(ip + 6) & 0x3fff; /* MF or an offset */
	parse_transport(f, f->l3 + hlen);
}

/*
 * Skips extension headers; the offset of what follows, or 0 if they do not fit into the datagram.
 */
static size_t ipv6_extensions(struct net_frame *f, size_t at)
{
	for (int n = 0; n < IPV6_EXTENSIONS; n++) {
		const uint8_t *p = f->data + at;
		size_t size = 8;

		switch (f->protocol) {
		case NET_IP_HOPOPTS:
		case NET_IP_ROUTING:
		case NET_IP_DSTOPTS:
		case NET_IP_FRAGMENT:
			break;
		default:
			return at;
		}
		if (f->end - at < size)
			return 0;
		if (f->protocol == NET_IP_FRAGMENT)
			/* An atomic fragment (RFC 6946) is a whole datagram. */
			f->fragment |= !!(net_get16(p + 2) & 0xfff9);
		else
			size += (size_t)p[1] * 8;
		if (f->end - at < size)
			return 0;
		f->protocol = p[0];
		at += size;
	}
	return 0;
}

static void parse_ipv6(struct net_frame *f, bool large)
{
	const uint8_t *ip = f->data + f->l3;
	size_t at;

	if (f->len - f->l3 < IPV6_HLEN || ip[0] >> 4 != 6 ||
	    !set_end(f, IPV6_HLEN + (size_t)net_get16(ip + 4), IPV6_HLEN, large))
		return;
	f->ip_version = 6;
	f->protocol = ip[6];
	at = ipv6_extensions(f, f->l3 + IPV6_HLEN);
	/* Offsets are 16 bits wide; headers that reach that far are none. */
	if (at && at <= UINT16_MAX - 64)
		parse_transport(f, at);
}

int net_parse(struct net_frame *f, const uint8_t *data, size_t len, bool large)
{
	*f = (struct net_frame){ .data = data, .len = len, .end = len };
	if (len < NET_ETH_HLEN)
		return -EBADMSG;
	f->l3 = NET_ETH_HLEN;
	f->ethertype = net_get16(data + 12);
	if (f->ethertype == NET_ETH_VLAN) {
		if (len < NET_ETH_HLEN + NET_VLAN_HLEN)
			return -EBADMSG;
		f->vlan = true;
		f->vlan_tci = net_get16(data + 14);
		f->ethertype = net_get16(data + 16);
		f->l3 += NET_VLAN_HLEN;
	}
	if (f->ethertype == NET_ETH_IPV4)
		parse_ipv4(f, large);
	else if (f->ethertype == NET_ETH_IPV6)
		parse_ipv6(f, large);
	return 0;
}
