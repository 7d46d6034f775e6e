/* SPDX-License-Identifier: BSD-2-Clause */
/* The Internet checksum (RFC 1071) over parts of a frame. */
#ifndef TESTS_MODEL_NET_CSUM_H
#define TESTS_MODEL_NET_CSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"

/* Adds @len bytes to a running sum; an odd @len only for the last part. */
uint64_t net_csum_add(uint64_t sum, const uint8_t *data, size_t len);

/* Folds a running sum to 16 bits, not complemented. */
uint16_t net_csum_fold(uint64_t sum);

/* Are two folded sums the same number? There are two zeroes. */
bool net_csum_same(uint16_t a, uint16_t b);

/*
 * Sum of the pseudo header of an IP frame (RFC 9293 3.1, RFC 8200 8.1) for a transport part of @len
 * bytes.
 */
uint64_t net_csum_pseudo(const struct net_frame *f, uint8_t protocol, uint32_t len);

/* Offset of the checksum in a TCP, UDP, ICMP or ICMPv6 header, -1 for another protocol. */
int net_csum_offset(uint8_t protocol);

/*
 * The checksum that belongs into the IPv4 header of @f (@f->ip_version is 4), its present one not
 * regarded.
 */
uint16_t net_csum_ipv4(const struct net_frame *f);

/* The one that belongs into the header at @f->l4 (not 0); a UDP sum of 0 comes as 0xffff. */
uint16_t net_csum_l4(const struct net_frame *f);

/* Is the one in the frame right? A UDP sum of 0 is taken for a sum here. */
bool net_csum_ipv4_ok(const struct net_frame *f);
bool net_csum_l4_ok(const struct net_frame *f);

#endif
