/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a TAP interface says of a frame, or wants to hear of it (struct virtio_net_hdr, VIRTIO 1.3
 * 5.1.6), in terms of the driver (UDRV_MANA_TX_*, UDRV_MANA_RX_*).
 */
#ifndef UDRV_HOST_TAP_VNET_H
#define UDRV_HOST_TAP_VNET_H

#include <stdint.h>

struct udrv_mana_tx;
struct virtio_net_hdr;

/**
 * tap_vnet_tx() - get a frame from a TAP interface ready to be sent
 * @hdr: what came with it; any process that may open a packet socket has a hand in it, so nothing
 *	in it is trusted
 * @frame: @len bytes of memory that the device can write, too: headers are read once. Changed: what
 *	the device wants in the checksum and length fields is put there; a checksum that it could
 *	not compute is computed; a VLAN tag is taken out, to be inserted by the device
 * @max_frame: MTU and Ethernet header
 * @tx: all but @seg, @nseg and @cookie is filled in. The driver does not refuse it
 * @skip: bytes at the beginning that are not sent
 *
 * Return: 0; -EINVAL: header and frame contradict each other, or something is wanted that was never
 * offered; -EMSGSIZE: longer than the MTU allows. Nothing is to be sent then.
 */
int tap_vnet_tx(const struct virtio_net_hdr *hdr, void *frame, uint32_t len, uint32_t max_frame,
		struct udrv_mana_tx *tx, uint32_t *skip);

/** tap_vnet_rx() - the header for a received packet with these &struct udrv_mana_rx.flags */
void tap_vnet_rx(uint16_t flags, struct virtio_net_hdr *hdr);

#endif
