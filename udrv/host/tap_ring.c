// SPDX-License-Identifier: GPL-2.0-or-later
#include "udrv/host/tap_ring.h"

#define UNITS (TAP_RING_SIZE / TAP_UNIT)
#define ROOM  (TAP_ROOM / TAP_UNIT)

/* Cookie: first unit 15:0, units 31:16. */
static uint32_t first(uint64_t cookie)
{
	return cookie & 0xffff;
}

static uint32_t end(uint64_t cookie)
{
	return first(cookie) + (cookie >> 16 & 0xffff);
}

/* One out of a state memfd may be anything. */
static bool sane(uint64_t cookie)
{
	return !(cookie >> 32) && end(cookie) > first(cookie) && end(cookie) <= UNITS;
}

bool tap_ring_room(const struct tap_ring *r, uint32_t *ret_at)
{
	bool wrapped = r->n && r->tail <= r->head;
	uint32_t at = r->n ? r->tail : 0;

	if (wrapped && r->head - at < ROOM)
		return false;
	if (!wrapped && UNITS - at < ROOM) {
		if (r->head < ROOM)
			return false;
		at = 0;
	}
	*ret_at = at * TAP_UNIT;
	return true;
}

uint64_t tap_ring_take(struct tap_ring *r, uint32_t at, uint32_t len)
{
	uint32_t start = at / TAP_UNIT, units = (len + TAP_UNIT - 1) / TAP_UNIT;

	if (!r->n)
		r->head = start;
	r->tail = start + units;
	r->n++;
	return (uint64_t)units << 16 | start;
}

void tap_ring_found(struct tap_ring *r, uint64_t cookie)
{
	if (!r->n)
		*r = (struct tap_ring){ 0 };
	if (sane(cookie)) {
		if (!r->tail)
			r->head = first(cookie);
		r->tail = end(cookie);
	}
	r->n++;
}

static void one_less(struct tap_ring *r)
{
	if (r->n && !--r->n)
		*r = (struct tap_ring){ 0 };
}

void tap_ring_done(struct tap_ring *r, uint64_t cookie)
{
	if (sane(cookie))
		r->head = end(cookie);
	one_less(r);
}

void tap_ring_cancel(struct tap_ring *r)
{
	one_less(r);
}
