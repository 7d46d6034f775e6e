// SPDX-License-Identifier: BSD-2-Clause
#include "tests/model/net/csum.h"

uint64_t net_csum_add(uint64_t sum, const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += net_get16(data + i);
	if (i < len)
		sum += (uint64_t)data[i] << 8;
	return sum;
}

uint16_t net_csum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

bool net_csum_same(uint16_t a, uint16_t b)
{
	return a == b || ((a == 0 || a == 0xffff) && (b == 0 || b == 0xffff));
}

uint64_t net_csum_pseudo(const struct net_frame *f, uint8_t protocol, uint32_t len)
{
	const uint8_t *ip = f->data + f->l3;
	uint64_t sum = (uint64_t)protocol + (len >> 16) + (len & 0xffff);

	return f->ip_version == 4 ? net_csum_add(sum, ip + 12, 8) : net_csum_add(sum, ip + 8, 32);
}

int net_csum_offset(uint8_t protocol)
{
	switch (protocol) {
	case NET_IP_TCP:
		return 16;
	case NET_IP_UDP:
		return 6;
	case NET_IP_ICMP:
	case NET_IP_ICMPV6:
		return 2;
	default:
		return -1;
	}
}

/*
 * What @len bytes sum up to with their checksum, @field bytes in, taken as 0; added to @sum and
 * complemented.
 */
static uint16_t checksum(uint64_t sum, const uint8_t *data, size_t len, size_t field)
{
	sum = net_csum_add(sum, data, field);
	return (uint16_t)~net_csum_fold(net_csum_add(sum, data + field + 2, len - field - 2));
}

static size_t ipv4_hlen(const struct net_frame *f)
{
	return (size_t)(f->data[f->l3] & 0xf) * 4;
}

uint16_t net_csum_ipv4(const struct net_frame *f)
{
	return checksum(0, f->data + f->l3, ipv4_hlen(f), 10);
}

bool net_csum_ipv4_ok(const struct net_frame *f)
{
	return net_csum_fold(net_csum_add(0, f->data + f->l3, ipv4_hlen(f))) == 0xffff;
}

static uint64_t pseudo(const struct net_frame *f)
{
	return f->protocol == NET_IP_ICMP ?
		       0 :
		       net_csum_pseudo(f, f->protocol, (uint32_t)(f->end - f->l4));
}

uint16_t net_csum_l4(const struct net_frame *f)
{
	uint16_t csum = checksum(pseudo(f), f->data + f->l4, f->end - f->l4,
				 (size_t)net_csum_offset(f->protocol));

	/* RFC 768: 0 would mean that there is no checksum. */
	return csum || f->protocol != NET_IP_UDP ? csum : 0xffff;
}

bool net_csum_l4_ok(const struct net_frame *f)
{
	return net_csum_fold(net_csum_add(pseudo(f), f->data + f->l4, f->end - f->l4)) == 0xffff;
}
