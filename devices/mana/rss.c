// SPDX-License-Identifier: BSD-2-Clause
/*
 * Receive steering. The tree says what is wanted, and is committed before the device is told; a bit
 * in the state says that the device may not know yet.
 */
#include <errno.h>
#include <sys/random.h>

#include "devices/mana/adapter.h"

void mana_rss_default(struct udrv_mana *mana, unsigned int vport)
{
	struct udrv_mana_rss *rss = &mana->facts.vport[vport].rss;
	uint64_t x = wait_now_ns() | 1;

	rss->hash_types = MANA_HASH_ALL;
	for (unsigned int i = 0; i < rss->entries; i++)
		rss->table[i] = i % mana->facts.queues;
	if (getrandom(rss->key, sizeof(rss->key), GRND_NONBLOCK) == sizeof(rss->key))
		return;
	/*
	 * Too early for good randomness: a key that is merely not the same everywhere (xorshift64).
	 */
	for (unsigned int i = 0; i < sizeof(rss->key); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		rss->key[i] = x >> 32;
	}
}

int mana_steer(struct udrv_mana *mana, unsigned int vport, bool enable)
{
	union {
		struct mana_cfg_rx_steer_req req;
		uint8_t bytes[sizeof(struct mana_cfg_rx_steer_req) +
			      MANA_INDIR_MAX * sizeof(uint64_t)];
	} msg = { .req.hdr = mana_request(mana, MANA_CONFIG_VPORT_RX, true, 2, 2) };
	const struct mana_vport_facts *v = &mana->facts.vport[vport];
	struct mana_cfg_rx_steer_req *req = &msg.req;
	struct mana_cfg_rx_steer_resp resp;
	uint32_t len = sizeof(*req);

	req->vport = htole64(v->handle);
	req->rx_enable = htole32(enable ? MANA_STEER_TRUE : MANA_STEER_FALSE);
	req->rss_enable =
		htole32(enable && mana->facts.queues > 1 ? MANA_STEER_TRUE : MANA_STEER_FALSE);
	req->indir_tab_offset = htole16(sizeof(*req));
	if (enable) {
		req->update_default_rxobj = 1;
		req->default_rxobj =
			htole64(udrv_load64(&mana_queue_state(mana, vport, 0)->rq_obj));
		req->update_hashkey = 1;
		memcpy(req->hashkey, v->rss.key, sizeof(req->hashkey));
		req->rss_hash_types = htole16(v->rss.hash_types);
		req->update_indir_tab = 1;
		req->num_indir_entries = htole16(v->rss.entries);
		for (unsigned int i = 0; i < v->rss.entries; i++) {
			struct mana_queue_state *st =
				mana_queue_state(mana, vport, v->rss.table[i]);

			req->indir_tab[i] = htole64(udrv_load64(&st->rq_obj));
		}
		len += v->rss.entries * sizeof(uint64_t);
	}
	return mana_hwc_call(mana, &msg, len, &resp, sizeof(resp.hdr));
}

int mana_steer_again(struct udrv_mana *mana)
{
	struct mana_ctrl_state *st = mana->state;

	for (unsigned int i = 0; i < mana->facts.vports; i++) {
		int err;

		if (!(udrv_load32(&st->steer_unsure) & 1u << i))
			continue;
		err = mana_steer(mana, i, true);
		if (err)
			return err;
		udrv_store32(&st->steer_unsure, udrv_load32(&st->steer_unsure) & ~(1u << i));
	}
	return 0;
}

int udrv_mana_get_rss(const struct udrv_mana *mana, unsigned int vport, struct udrv_mana_rss *ret)
{
	if (vport >= mana->facts.vports)
		return -EINVAL;
	*ret = mana->facts.vport[vport].rss;
	return 0;
}

int udrv_mana_set_rss(struct udrv_mana *mana, unsigned int vport, const struct udrv_mana_rss *rss)
{
	struct mana_facts facts = mana->facts;
	struct mana_ctrl_state *st = mana->state;
	int err;

	if (vport >= facts.vports || rss->entries != facts.vport[vport].rss.entries ||
	    !rss->hash_types || rss->hash_types & ~MANA_HASH_ALL)
		return -EINVAL;
	for (unsigned int i = 0; i < rss->entries; i++) {
		if (rss->table[i] >= facts.queues)
			return -EINVAL;
	}
	if (mana->failed || mana->hwc.failed)
		return -ESHUTDOWN;
	facts.vport[vport].rss = *rss;
	udrv_store32(&st->steer_unsure, udrv_load32(&st->steer_unsure) | 1u << vport);
	err = mana_facts_write(mana->st, &facts);
	if (err)
		return err;
	mana->facts = facts;
	return mana_steer_again(mana);
}
