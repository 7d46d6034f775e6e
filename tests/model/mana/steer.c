// SPDX-License-Identifier: BSD-2-Clause
/* Which receive queue a frame goes to: the default one, or by hash and table. */
#include "tests/model/mana/internal.h"

static bool is_rxobj(struct mana_model *m, unsigned int v, uint64_t handle, const char *what)
{
	const struct wq *rq = wq_by_handle(m, handle, false);

	if (rq && rq->vport == v)
		return true;
	model_violation(m, "CONFIG_VPORT_RX: %s of vport %u: there is no receive object %#llx",
			what, v, (unsigned long long)handle);
	return false;
}

/* The table is where the message says: it has grown from version to version. */
static bool read_table(struct mana_model *m, struct call *c, struct vport *vp, unsigned int v)
{
	const struct mana_cfg_rx_steer_req *req = (const void *)c->req;
	unsigned int n = le16toh(req->num_indir_entries), at = le16toh(req->indir_tab_offset);
	uint64_t handle;

	if (!n || n > MANA_INDIR_MAX || n & (n - 1) || at < 112 ||
	    at + n * sizeof(handle) > c->len) {
		model_violation(m, "CONFIG_VPORT_RX: table of %u entries at %u in %u bytes", n, at,
				c->len);
		return false;
	}
	for (unsigned int i = 0; i < n; i++) {
		memcpy(&handle, c->req + at + i * sizeof(handle), sizeof(handle));
		vp->table[i] = le64toh(handle);
		if (!is_rxobj(m, v, vp->table[i], "table"))
			return false;
	}
	vp->entries = n;
	return true;
}

static bool tristate(struct mana_model *m, uint32_t val, bool *state)
{
	if (val == MANA_STEER_UNKNOWN)
		return true;
	if (val > MANA_STEER_TRUE) {
		model_violation(m, "CONFIG_VPORT_RX: %#x is neither on nor off", val);
		return false;
	}
	*state = val;
	return true;
}

uint32_t steer_config(struct mana_model *m, struct call *c)
{
	const struct mana_cfg_rx_steer_req *req = (const void *)c->req;
	int v = vport_by_handle(m, le64toh(req->vport));
	struct vport vp;

	if (v == NO_SLOT || !m->registered) {
		model_violation(m,
				"CONFIG_VPORT_RX: there is no vport %#llx, or the device is not registered",
				(unsigned long long)le64toh(req->vport));
		return STATUS_INVALID;
	}
	vp = m->vport[v];
	if (!tristate(m, le32toh(req->rx_enable), &vp.rx) ||
	    !tristate(m, le32toh(req->rss_enable), &vp.rss))
		return STATUS_INVALID;
	if (req->update_default_rxobj) {
		vp.default_rxobj = le64toh(req->default_rxobj);
		if (vp.rx && !is_rxobj(m, (unsigned int)v, vp.default_rxobj, "default"))
			return STATUS_INVALID;
	}
	if (req->update_hashkey)
		memcpy(vp.key, req->hashkey, sizeof(vp.key));
	if (req->update_indir_tab && !read_table(m, c, &vp, (unsigned int)v))
		return STATUS_INVALID;
	/* Older messages have their table there, or nothing. */
	vp.hash_types =
		le16toh(req->indir_tab_offset) >= sizeof(*req) ? le16toh(req->rss_hash_types) : 0;
	if (!vp.hash_types)
		vp.hash_types = MANA_HASH_ALL;
	if (vp.rx && vp.rss && !vp.entries) {
		model_violation(m, "CONFIG_VPORT_RX: vport %d is to hash, and has no table", v);
		return STATUS_INVALID;
	}
	m->vport[v] = vp;
	return 0;
}

struct wq *steer(struct mana_model *m, unsigned int v, const struct net_frame *f,
		 unsigned int *type, uint32_t *hash)
{
	const struct vport *vp = &m->vport[v];

	*type = vp->rss ? net_rss_hash(vp->key, vp->hash_types, f, hash) : 0;
	if (!*type)
		*hash = 0;
	return wq_by_handle(m, *type ? vp->table[*hash & (vp->entries - 1)] : vp->default_rxobj,
			    false);
}
