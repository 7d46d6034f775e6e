/* SPDX-License-Identifier: BSD-2-Clause */
/* The Toeplitz hash of receive-side scaling. */
#ifndef TESTS_MODEL_NET_RSS_H
#define TESTS_MODEL_NET_RSS_H

#include <stddef.h>
#include <stdint.h>

#include "frame.h"

#define NET_RSS_KEY_SIZE 40

/* What may be hashed, and what has been: MANA's bits. TCP and UDP: addresses and ports. */
enum net_rss_type {
	NET_RSS_IPV4 = 1 << 0,
	NET_RSS_TCP_IPV4 = 1 << 1,
	NET_RSS_UDP_IPV4 = 1 << 2,
	NET_RSS_IPV6 = 1 << 3,
	NET_RSS_TCP_IPV6 = 1 << 4,
	NET_RSS_UDP_IPV6 = 1 << 5,
};

/* The hash of any input up to NET_RSS_KEY_SIZE - 4 bytes (longer input is not regarded). */
uint32_t net_toeplitz(const uint8_t key[static NET_RSS_KEY_SIZE], const uint8_t *input, size_t len);

/**
 * net_rss_hash() - hash a frame by the most specific of the enabled types that suits it
 * @key: secret key
 * @types: enum net_rss_type, or-ed
 * @f: the frame
 * @hash: set to the hash, 0 if there is none
 *
 * Returns: the one type that was used, or 0: no enabled type suits the frame.
 */
unsigned int net_rss_hash(const uint8_t key[static NET_RSS_KEY_SIZE], unsigned int types,
			  const struct net_frame *f, uint32_t *hash);

#endif
