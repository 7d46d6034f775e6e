// SPDX-License-Identifier: BSD-2-Clause
/*
 * The state's areas (state.h) and how large they are. They are made once, for the geometry that the
 * first start asked for, and limit every later one.
 */
#include <errno.h>

#include "devices/mana/adapter.h"

#define DEFAULT_TX_SLOTS 256u
#define DEFAULT_RX_DEPTH 512u
#define DEFAULT_MTU	 1500u

/* Area "dma-book" at its default capacity, which is in the same memfd (udrv/dma.h). */
#define BOOK_SIZE (128u * 32 + 64)

/* 0: out of bounds */
static uint32_t round_up(unsigned int n, uint32_t def, uint32_t min, uint32_t max)
{
	uint32_t p = min;

	if (!n)
		n = def;
	if (n > max)
		return 0;
	while (p < n)
		p *= 2;
	return p;
}

int mana_opts_default(const struct udrv_mana_opts *opts, struct udrv_mana_opts *ret)
{
	struct udrv_mana_opts o = { .size = sizeof(o) };

	if (opts) {
		if (opts->size < sizeof(opts->size))
			return -EINVAL;
		memcpy(&o, opts, opts->size < sizeof(o) ? opts->size : sizeof(o));
	}
	if (!o.vports)
		o.vports = UDRV_MANA_MAX_VPORTS;
	if (!o.queues)
		o.queues = 1;
	if (!o.mtu)
		o.mtu = DEFAULT_MTU;
	if (!o.timeout_ms)
		o.timeout_ms = MANA_TIMEOUT_MS;
	o.tx_depth = round_up(o.tx_depth, DEFAULT_TX_SLOTS, MANA_MIN_TX_SLOTS, MANA_MAX_TX_SLOTS);
	o.rx_depth = round_up(o.rx_depth, DEFAULT_RX_DEPTH, MANA_MIN_RX_DEPTH, MANA_MAX_RX_DEPTH);
	if (!o.tx_depth || !o.rx_depth || o.vports > UDRV_MANA_MAX_VPORTS ||
	    o.queues > UDRV_MANA_MAX_QUEUES || o.mtu < MANA_MIN_MTU || o.mtu > MANA_MAX_MTU)
		return -EINVAL;
	*ret = o;
	return 0;
}

int udrv_mana_requirements(const struct udrv_mana_opts *opts, uint64_t *state_size,
			   uint64_t *dma_size)
{
	struct udrv_mana_opts o;
	struct mana_facts facts = { 0 };
	unsigned int n;
	int err;

	err = mana_opts_default(opts, &o);
	if (err)
		return err;
	n = o.vports * o.queues;
	facts.tx_slots = o.tx_depth;
	facts.rx_depth = o.rx_depth;
	facts.rx_buf_size = mana_rx_buf_size(o.mtu);
	*state_size = udrv_state_size(BOOK_SIZE + sizeof(struct mana_ctrl_state) +
					      n * mana_queue_state_size(o.tx_depth),
				      3);
	*dma_size = MANA_HWC_PAGES * UDRV_DMA_PAGE +
		    n * (mana_rings(&facts).total + (uint64_t)facts.rx_depth * facts.rx_buf_size);
	return 0;
}

int mana_areas_find(struct udrv_mana *mana)
{
	struct mana_ctrl_state *state;
	uint32_t vports, queues, slots;
	size_t size, queues_size;

	state = udrv_state_area(mana->st, MANA_AREA_CTRL, &size);
	if (!state)
		return -ENOENT;
	if (size < sizeof(*state) || !udrv_state_area(mana->st, MANA_AREA_QUEUES, &queues_size))
		goto bad;
	vports = udrv_load32(&state->vport_capacity);
	queues = udrv_load32(&state->queue_capacity);
	slots = udrv_load32(&state->slot_capacity);
	if (!vports || vports > UDRV_MANA_MAX_VPORTS || !queues || queues > UDRV_MANA_MAX_QUEUES ||
	    slots < MANA_MIN_TX_SLOTS || slots > MANA_MAX_TX_SLOTS || !mana_power_of_two(slots) ||
	    queues_size < vports * queues * mana_queue_state_size(slots))
		goto bad;
	mana->state = state;
	return 0;
bad:
	mana_err(mana, "saved state: areas are missing or too small: format the state anew");
	return -EBADMSG;
}

int mana_areas_make(struct udrv_mana *mana)
{
	const struct udrv_mana_opts *o = &mana->opts;
	struct mana_ctrl_state *state;
	void *queues;
	int err;

	if (!udrv_state_edit(mana->st))
		return -EROFS;
	err = udrv_state_area_add(mana->st, MANA_AREA_CTRL, sizeof(*state), (void **)&state);
	if (!err)
		err = udrv_state_area_add(mana->st, MANA_AREA_QUEUES,
					  o->vports * o->queues *
						  mana_queue_state_size(o->tx_depth),
					  &queues);
	if (err) {
		mana_err(mana,
			 "the state has no room for %u vports with %u queue pairs of %u sends (error %d): "
			 "make it as large as udrv_mana_requirements() says",
			 o->vports, o->queues, o->tx_depth, err);
		return err;
	}
	udrv_store32(&state->vport_capacity, o->vports);
	udrv_store32(&state->queue_capacity, o->queues);
	udrv_store32(&state->slot_capacity, o->tx_depth);
	err = udrv_state_commit(mana->st);
	return err ? err : mana_areas_find(mana);
}

struct mana_queue_state *mana_queue_state(const struct udrv_mana *mana, unsigned int vport,
					  unsigned int index)
{
	uint8_t *area = udrv_state_area(mana->st, MANA_AREA_QUEUES, NULL);
	size_t size = mana_queue_state_size(udrv_load32(&mana->state->slot_capacity));

	/* clang-format off */
	return (struct mana_queue_state *)
		(area + (vport * udrv_load32(&mana->state->queue_capacity) + index) * size);
	/* clang-format on */
}
