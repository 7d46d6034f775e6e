/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where frames from a TAP queue are put: a ring of memory of the pool, in which each takes as much
 * as it has bytes, so that acknowledgements do not take the room of large sends. How long the next
 * one is is not known before it has been read: room for the longest has to be there. Sends complete
 * in order, which is all the book-keeping that is needed, and the cookie of a send tells its place
 * to a successor.
 */
#ifndef UDRV_HOST_TAP_RING_H
#define UDRV_HOST_TAP_RING_H

#include <stdbool.h>
#include <stdint.h>

#define TAP_RING_SIZE (1u << 20)  /* bytes */
#define TAP_ROOM      (64u << 10) /* longest frame: a large send */
/* Headers have less, so that they never lie across two pages, which may be apart for the device. */
#define TAP_UNIT 256u

/**
 * struct tap_ring - what is in use; all zero: nothing
 * @head, @tail: in units: the oldest frame's first one, and the one behind the newest
 * @n: frames
 */
struct tap_ring {
	uint32_t head, tail, n;
};

/**
 * tap_ring_room() - @ret_at: where TAP_ROOM bytes are free. false: nowhere, until frames complete
 */
bool tap_ring_room(const struct tap_ring *r, uint32_t *ret_at);

/**
 * tap_ring_take() - use the first @len bytes (1 to TAP_ROOM) there. Returns the send's cookie,
 * whose top bit is 0
 */
uint64_t tap_ring_take(struct tap_ring *r, uint32_t at, uint32_t len);

/** tap_ring_found() - a predecessor's send is under way; to be called for each, oldest first */
void tap_ring_found(struct tap_ring *r, uint64_t cookie);

/** tap_ring_done() - the oldest frame is over */
void tap_ring_done(struct tap_ring *r, uint64_t cookie);

/**
 * tap_ring_cancel() - one of the newest frames will not be sent. Its memory is free when those
 * before it are over
 */
void tap_ring_cancel(struct tap_ring *r);

#endif
