// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the adapter to the interface. What it does not take at once is
 * dropped, as a network card does.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <sys/uio.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/mana.h>

#include "udrv/host/host.h"
#include "udrv/host/tap.h"
#include "udrv/host/tap_internal.h"
#include "udrv/host/tap_vnet.h"

bool tap_receive(struct host *h, const struct udrv_mana_queue *q, const struct udrv_mana_rx *pkt)
{
	struct tap_queue *tq = tap_queue_of(q);
	uint8_t *frame = udrv_dma_ptr(udrv_device_dma(h->dev), pkt->off);
	uint8_t tag[4] = { ETH_P_8021Q >> 8, ETH_P_8021Q & 0xff, (uint8_t)(pkt->vlan_tci >> 8),
			   (uint8_t)pkt->vlan_tci };
	struct virtio_net_hdr hdr;
	struct iovec iov[4] = { { .iov_base = &hdr, .iov_len = sizeof(hdr) },
				{ .iov_base = frame, .iov_len = pkt->len } };
	int n = 2;

	if (pkt->flags & UDRV_MANA_RX_ERROR)
		return false;
	if (tq->fd < 0) {
		tq->rx_dropped++;
		return false;
	}
	tap_vnet_rx(pkt->flags, &hdr);
	/* The device has taken the tag out; an interface finds it in its place. */
	if (pkt->flags & UDRV_MANA_RX_VLAN && pkt->len >= ETH_HLEN) {
		iov[1].iov_len = 2 * ETH_ALEN;
		iov[2] = (struct iovec){ .iov_base = tag, .iov_len = sizeof(tag) };
		iov[3] = (struct iovec){ .iov_base = frame + 2 * ETH_ALEN,
					 .iov_len = pkt->len - 2 * ETH_ALEN };
		n = 4;
	}
	if (writev(tq->fd, iov, n) < 0) {
		tq->rx_dropped++;
		if (errno == EBADFD)
			tap_lost(tq);
		return true;
	}
	tq->rx_packets++;
	tap_passed(tq);
	return true;
}
