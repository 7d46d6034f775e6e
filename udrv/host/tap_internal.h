/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UDRV_HOST_TAP_INTERNAL_H
#define UDRV_HOST_TAP_INTERNAL_H

#include <linux/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <udrv/mana.h>

#include "udrv/host/tap_ring.h"

struct host;
struct udrv_source;

#define TAP_BATCH 16u /* frames that are handed to the device together */

/**
 * struct tap_queue - a queue of an interface, and the queue pair that it belongs to
 * @fd: -1: there is no interface
 * @src: its source in the loop; NULL: nothing is read, as there is no room
 * @reads: there is memory and a loop for frames from the interface
 * @area: pool offset of its TAP_RING_SIZE bytes
 * @inherited: sends of a predecessor that are not complete yet; they are the oldest
 * @tx, @seg: @npending frames from @first on that the device had no room for
 * @tx_packets: frames that the device has sent; @tx_errors: that it has dropped, or a reset
 *	lost; @tx_dropped: that it did not get
 * @rx_packets: packets given to the interface; @rx_dropped: that it did not take, as it is down,
 *	its queue is full, or it is not there yet
 */
struct tap_queue {
	struct host *host;
	unsigned int vport, index;
	int fd;
	struct udrv_source *src;
	bool reads;
	uint64_t area;
	struct tap_ring ring;
	uint32_t inherited;
	unsigned int first, npending;
	struct udrv_mana_tx tx[TAP_BATCH];
	struct udrv_mana_seg seg[TAP_BATCH];
	uint64_t tx_packets, tx_errors, tx_dropped;
	uint64_t rx_packets, rx_dropped;
};

/**
 * struct tap_port - a vport's interface
 * @made: it exists
 * @given_up: it does not, and never will
 * @first_packet_ns, @tsc_first_packet: when the first frame went through it, in either direction; 0
 */
struct tap_port {
	char name[IFNAMSIZ];
	bool made, given_up, carrier;
	uint64_t first_packet_ns, tsc_first_packet;
	struct tap_queue queue[UDRV_MANA_MAX_QUEUES];
};

/* tap.c */

/** tap_queue_of() - never NULL */
struct tap_queue *tap_queue_of(const struct udrv_mana_queue *q);
/** tap_passed() - a frame has gone through the interface */
void tap_passed(struct tap_queue *tq);
/** tap_lost() - the interface is gone: somebody has deleted it */
void tap_lost(struct tap_queue *tq);

/* tap_tx.c */

/** tap_tx_go_on() - hand what is pending to the device, and read on if there is room */
void tap_tx_go_on(struct tap_queue *tq);

#endif
