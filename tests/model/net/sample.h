/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames for tests, made by code that shares nothing with what is tested. */
#ifndef TESTS_MODEL_NET_SAMPLE_H
#define TESTS_MODEL_NET_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct sample - what to make
 * @version: 4 or 6
 * @protocol: of the transport header: 1, 6, 17, 58
 * @vlan: VLAN tag, 0: none
 * @ip_options: bytes of IPv4 options or of one IPv6 destination options header, a multiple of 8
 * @tcp_options: bytes, a multiple of 4
 * @payload: bytes behind the transport header (pseudo-random)
 * @padding: bytes behind the datagram
 * @tcp_flags: 0: ACK
 * @seq, @id: TCP sequence number, IPv4 identification
 * @seed: the transport checksum is only the pseudo header's sum, and IPv4's is 0
 * @large: with @seed: as Linux hands a large send to a NIC: lengths 0
 */
struct sample {
	int version;
	uint8_t protocol;
	uint16_t vlan;
	size_t ip_options, tcp_options, payload, padding;
	uint8_t tcp_flags;
	uint32_t seq;
	uint16_t id;
	bool seed, large;
};

/* Offsets of what was made. */
struct sample_frame {
	uint8_t *memory; /* of all of it; free() */
	uint8_t *data;
	size_t len, l3, l4, payload, end;
};

/* @headroom bytes of the allocation are in front of data; the allocation ends with the frame. */
struct sample_frame sample_make(const struct sample *s, size_t headroom);

/*
 * Internet checksum over @len bytes and the pseudo header of the frame's addresses, by arithmetic
 * modulo 65535.
 */
uint16_t sample_checksum(const uint8_t *data, size_t len, const uint8_t *addresses,
			 size_t addresses_len, uint8_t protocol, uint32_t pseudo_len);

/* Are all checksums and lengths of a finished IP frame right? Says what is wrong, or NULL. */
const char *sample_wrong(const uint8_t *data, size_t len);

#endif
