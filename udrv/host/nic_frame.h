/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frames of the verifying UDP stream: the machine's other end sends numbered requests, and the
 * consumer of a NIC echoes each of them once. Anyone can check them:
 *
 * UDP over IPv4 to port 7777; payload of 32 to 1472 bytes, little endian: 0 magic "UDRVNIC1", 8 u64
 * sequence number (from 0 on, never used twice), 16 u32 cycle (kexecs that the sender knew of), 20
 * u32 0 in a request, in an echo 1 + the cycle in which it was received, 24 u32 CRC-32C of the
 * payload with this field zero, 28 u32 0, then bytes that depend on the sequence number. The echo
 * is the request with addresses and ports exchanged, the echo field and its CRC.
 */
#ifndef UDRV_HOST_NIC_FRAME_H
#define UDRV_HOST_NIC_FRAME_H

#include <stddef.h>
#include <stdint.h>

/* What a request says of itself; len: of the whole frame up to the end of its datagram. */
struct nic_request {
	uint64_t seq;
	uint32_t cycle;
	uint16_t len;
};

/**
 * nic_frame_check() - is this a request?
 * @frame: from its Ethernet header on, without a VLAN tag; as the device wrote it, so that nothing
 *	   in it is trusted, not even that it stays as it is
 * @ret: filled in
 *
 * Return: 0; -ENOMSG: something else (another protocol or port, a fragment, IP options); -EBADMSG:
 * it is meant to be one, and damaged, or too short for what its headers say.
 */
int nic_frame_check(const void *frame, size_t len, struct nic_request *ret);

/**
 * nic_frame_echo() - make a request its echo, in place
 * @frame: what nic_frame_check() has returned 0 for
 * @request: what it said; @request->len bytes are to be sent
 * @cycle: in which it was received
 *
 * The UDP checksum is left to the device: its field gets the sum of the pseudo header. The
 * transport header begins NIC_FRAME_L4 bytes into the frame. IPv4's checksum is right as it is.
 */
void nic_frame_echo(void *frame, const struct nic_request *request, uint32_t cycle);

#define NIC_FRAME_L4 34

#endif
