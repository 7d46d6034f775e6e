// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>

#include "tests/model/net/rss.h"

uint32_t net_toeplitz(const uint8_t key[static NET_RSS_KEY_SIZE], const uint8_t *input, size_t len)
{
	uint64_t window = (uint64_t)net_get32(key) << 32 | net_get32(key + 4);
	uint32_t hash = 0;

	if (len > NET_RSS_KEY_SIZE - 4)
		len = NET_RSS_KEY_SIZE - 4;
	for (size_t i = 0; i < len; i++) {
		for (int bit = 7; bit >= 0; bit--) {
			if (input[i] >> bit & 1)
				hash ^= (uint32_t)(window >> 32);
			window <<= 1;
		}
		/* Eight bits are free at the low end now. */
		if (i + 8 < NET_RSS_KEY_SIZE)
			window |= key[i + 8];
	}
	return hash;
}

/* The enabled type that suits a frame of this IP version, best first. */
static unsigned int choose(unsigned int types, const struct net_frame *f, unsigned int tcp,
			   unsigned int udp, unsigned int ip)
{
	if (f->payload && f->protocol == NET_IP_TCP && types & tcp)
		return tcp;
	if (f->payload && f->protocol == NET_IP_UDP && types & udp)
		return udp;
	return types & ip;
}

unsigned int net_rss_hash(const uint8_t key[static NET_RSS_KEY_SIZE], unsigned int types,
			  const struct net_frame *f, uint32_t *hash)
{
	uint8_t input[2 * 16 + 4];
	unsigned int type = 0;
	size_t len = 0;

	if (f->ip_version == 4) {
		type = choose(types, f, NET_RSS_TCP_IPV4, NET_RSS_UDP_IPV4, NET_RSS_IPV4);
		len = 8;
		memcpy(input, f->data + f->l3 + 12, len);
	} else if (f->ip_version == 6) {
		type = choose(types, f, NET_RSS_TCP_IPV6, NET_RSS_UDP_IPV6, NET_RSS_IPV6);
		len = 32;
		memcpy(input, f->data + f->l3 + 8, len);
	}
	if (type & ~(unsigned int)(NET_RSS_IPV4 | NET_RSS_IPV6)) {
		memcpy(input + len, f->data + f->l4, 4);
		len += 4;
	}
	*hash = type ? net_toeplitz(key, input, len) : 0;
	return type;
}
