// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the interface to the adapter. A frame is read only when there is room for it: until then it
 * stays with the kernel, whose queue fills up and tells those who send. The queue is read again
 * when sends complete.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sys/uio.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/loop.h>
#include <udrv/mana.h>

#include "udrv/host/host.h"
#include "udrv/host/mana.h"
#include "udrv/host/tap.h"
#include "udrv/host/tap_internal.h"
#include "udrv/host/tap_vnet.h"

#define ROUNDS 4u /* batches that are read in a row: others have their turn, too */

static struct udrv_mana_queue *pair(const struct tap_queue *tq)
{
	return udrv_mana_queue(tq->host->mana, tq->vport, tq->index);
}

/*
 * The verifying consumer's echoes need a place, too, or receiving would have to
 * wait for a full interface.
 */
static bool room(const struct tap_queue *tq, uint32_t *ret_at)
{
	unsigned int depth = udrv_mana_info(tq->host->mana)->tx_depth;

	return udrv_mana_sending(pair(tq)) + tq->npending + MANA_BATCH < depth &&
	       tap_ring_room(&tq->ring, ret_at);
}

/*
 * 1: one is pending; 0: it was dropped; -EAGAIN: there is none; -ENOBUFS: there is no room; -ENODEV
 */
static int read_frame(struct tap_queue *tq)
{
	struct udrv_mana_tx *tx = &tq->tx[tq->npending];
	struct udrv_mana_seg *seg = &tq->seg[tq->npending];
	struct virtio_net_hdr hdr;
	struct iovec iov[2] = { { .iov_base = &hdr, .iov_len = sizeof(hdr) },
				{ .iov_len = TAP_ROOM } };
	uint32_t at, len, skip, max_frame;
	ssize_t n;

	if (tq->npending == TAP_BATCH || !room(tq, &at))
		return -ENOBUFS;
	iov[1].iov_base = udrv_dma_ptr(udrv_device_dma(tq->host->dev), tq->area + at);
	n = readv(tq->fd, iov, 2);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n <= 0)
		return -ENODEV;
	/* One that fills all the room was probably cut: the kernel does not tell. */
	if ((size_t)n <= sizeof(hdr) || (size_t)n >= sizeof(hdr) + TAP_ROOM) {
		tq->tx_dropped++;
		return 0;
	}
	len = (uint32_t)n - sizeof(hdr);
	max_frame = udrv_mana_vport(tq->host->mana, tq->vport)->mtu + ETH_HLEN;
	if (tap_vnet_tx(&hdr, iov[1].iov_base, len, max_frame, tx, &skip)) {
		tq->tx_dropped++;
		return 0;
	}
	*seg = (struct udrv_mana_seg){ .off = tq->area + at + skip, .len = len - skip };
	tx->seg = seg;
	tx->nseg = 1;
	tx->cookie = tap_ring_take(&tq->ring, at, len);
	tq->npending++;
	return 1;
}

static void drop_pending(struct tap_queue *tq, unsigned int n)
{
	tq->tx_dropped += n;
	tq->first += n;
	tq->npending -= n;
	while (n--)
		tap_ring_cancel(&tq->ring);
}

/*
 * 0: nothing is pending; -ENOBUFS: the device has no room; -ESHUTDOWN: the queue pair failed, and
 * its reset comes
 */
static int flush(struct tap_queue *tq)
{
	while (tq->npending) {
		int n = udrv_mana_send(pair(tq), &tq->tx[tq->first], tq->npending);

		if (!n)
			return -ENOBUFS;
		if (n == -ESHUTDOWN) {
			drop_pending(tq, tq->npending);
			tq->first = 0;
			return n;
		}
		if (n < 0) {
			drop_pending(tq, 1);
			continue;
		}
		tq->first += (unsigned int)n;
		tq->npending -= (unsigned int)n;
		tap_passed(tq);
	}
	tq->first = 0;
	return 0;
}

static void stop_reading(struct tap_queue *tq)
{
	udrv_loop_remove(tq->src);
	tq->src = NULL;
}

static void readable(void *ctx, short revents)
{
	struct tap_queue *tq = ctx;
	int got = 0, err = 0;

	if (tq->host->stopping) {
		stop_reading(tq);
		return;
	}
	if (!(revents & POLLIN))
		got = -ENODEV;
	for (unsigned int round = 0; round < ROUNDS && !err && got >= 0; round++) {
		/* Dropped ones count as well: nobody keeps us here with frames of no use. */
		for (unsigned int i = 0; i < TAP_BATCH && got >= 0; i++)
			got = read_frame(tq);
		err = flush(tq);
	}
	if (got == -ENODEV)
		tap_lost(tq);
	else if (err || got == -ENOBUFS)
		stop_reading(tq);
}

void tap_tx_go_on(struct tap_queue *tq)
{
	uint32_t at;

	if (flush(tq) || tq->fd < 0 || !tq->reads || tq->src || tq->host->stopping ||
	    !room(tq, &at))
		return;
	/* Out of memory, if at all: the next tick tries again. */
	udrv_loop_poll(tq->host->loop, tq->fd, POLLIN, readable, tq, &tq->src);
}

void tap_sent(struct host *h, const struct udrv_mana_queue *q, const struct udrv_mana_sent *done)
{
	struct tap_queue *tq = tap_queue_of(q);

	(void)h;
	tap_ring_done(&tq->ring, done->cookie);
	if (tq->inherited)
		tq->inherited--;
	else if (done->status)
		tq->tx_errors++;
	else
		tq->tx_packets++;
}

void tap_go_on(struct host *h, const struct udrv_mana_queue *q)
{
	(void)h;
	tap_tx_go_on(tap_queue_of(q));
}

unsigned int tap_sending(struct host *h, const struct udrv_mana_queue *q)
{
	const struct tap_queue *tq = tap_queue_of(q);

	(void)h;
	return tq->ring.n - tq->npending;
}
