// SPDX-License-Identifier: GPL-2.0-or-later
/* The verifying workload's return: its tables and the driver's slots together say how far it was.
 */
#include <errno.h>
#include <string.h>

#include <udrv/nvme.h>

#include "udrv/common/app.h"
#include "udrv/host/host.h"
#include "udrv/host/verify.h"

/* Number of VERIFY_BLOCKs in a namespace; 0: unusable. */
static uint64_t ns_blocks(struct host *h, uint32_t nsid, uint32_t *ret_nlb)
{
	for (unsigned int i = 0; i < udrv_nvme_info(h->nvme)->nn; i++) {
		const struct udrv_nvme_ns_info *ns = udrv_nvme_ns(h->nvme, i);

		if (ns->nsid != nsid || !ns->usable || !ns->lba_size || VERIFY_BLOCK % ns->lba_size)
			continue;
		*ret_nlb = VERIFY_BLOCK / ns->lba_size;
		return ns->nsze / *ret_nlb;
	}
	return 0;
}

int verify_places(struct host *h, struct verify *v, const struct verify_header *hd)
{
	uint32_t nlb[1 + VERIFY_ZERO_NS];
	unsigned int op = 0;

	if (!hd->blocks || hd->blocks > VERIFY_BLOCKS_MAX ||
	    ns_blocks(h, 1, &nlb[0]) < hd->blocks || !hd->queues ||
	    hd->queues > udrv_nvme_info(h->nvme)->io_queues || hd->depth > VERIFY_OPS_MAX ||
	    hd->zdepth > VERIFY_OPS_MAX || hd->nzero > VERIFY_ZERO_NS ||
	    hd->nops > VERIFY_OPS_MAX ||
	    hd->nops != hd->queues * (hd->depth + hd->zdepth * hd->nzero))
		return -EBADMSG;
	for (unsigned int z = 0; z < hd->nzero; z++) {
		v->zero_blocks[z] = ns_blocks(h, hd->zero_nsid[z], &nlb[1 + z]);
		if (!v->zero_blocks[z])
			return -EBADMSG;
	}
	for (unsigned int q = 0; q < hd->queues; q++) {
		for (unsigned int i = 0; i < hd->depth; i++)
			v->place[op++] = (struct verify_place){ .nsid = 1,
								.nlb = nlb[0],
								.queue = (uint16_t)q };
		for (unsigned int i = 0; i < hd->nzero * hd->zdepth; i++)
			v->place[op++] =
				(struct verify_place){ .nsid = hd->zero_nsid[i % hd->nzero],
						       .nlb = nlb[1 + i % hd->nzero],
						       .queue = (uint16_t)q,
						       .zero = true };
	}
	return 0;
}

struct rebuild {
	struct verify *v;
	uint8_t live[VERIFY_OPS_MAX];
	unsigned int strangers;
};

static int live_slot(void *ctx, uint16_t slot, const uint64_t cookie[2], bool delivered)
{
	struct rebuild *r = ctx;
	struct verify_memory *m = r->v->m;
	unsigned int kind = verify_cookie_kind(cookie[0]);
	unsigned int op = verify_cookie_op(cookie[0]);
	uint64_t block = verify_cookie_block(cookie[0]);
	bool data = kind == VERIFY_WRITE || kind == VERIFY_READ;

	(void)slot;
	(void)delivered;
	if (kind >= VERIFY_KINDS || op >= m->h.nops || (data && block >= m->h.blocks) ||
	    r->live[op]) {
		r->strangers++;
		return 0;
	}
	r->live[op] = 1;
	if (data)
		r->v->busy[block] = 1;
	return 0;
}

/* A kexec lies between the predecessor and this process: open the account of its cycle. */
static void open_cycle(struct host *h, struct verify *v)
{
	const struct udrv_nvme_resume_report *rep = udrv_nvme_resume_report(h->nvme);
	struct verify_header *hd = &v->m->h;

	v->m->cycle[h->lease.cycle % VERIFY_CYCLES] = (struct verify_cycle){
		.in_flight = rep->in_flight,
		.never_submitted = rep->never_submitted,
		.tsc_reboot = h->lease.tsc_reboot,
		.tsc_last_completion = hd->tsc_last_completion,
		.tsc_last_alive = hd->tsc_last_alive,
		.tsc_init = h->lease.tsc_init,
	};
	hd->cycle = h->lease.cycle;
	v->cycle_opened = h->lease.cycle;
}

/*
 * The device was reset and its handle is a new one: what was under way has no slot to tell of it
 * any more.
 */
static void count_lost(struct verify *v)
{
	struct verify_memory *m = v->m;
	uint64_t lost = 0;

	for (unsigned int op = 0; op < m->h.nops && op < VERIFY_OPS_MAX; op++) {
		struct verify_op *o = &m->op[op];

		for (unsigned int k = 0; k < VERIFY_KINDS; k++) {
			if (o->submitted[k] == o->completed[k])
				continue;
			verify_count(o, VERIFY_LOST);
			verify_publish(&o->completed[k], o->submitted[k]);
			lost++;
		}
	}
	if (lost)
		app_err("verify: %llu command(s) were lost in a reset of the device: they failed, and may or may not have happened",
			(unsigned long long)lost);
}

int verify_rebuild(struct host *h, struct verify *v)
{
	static struct rebuild r;
	struct verify_memory *m = v->m;

	if (m->h.mode > VERIFY_READBACK || verify_places(h, v, &m->h))
		return -EBADMSG;
	if (!strcmp(h->start, "started"))
		count_lost(v);
	r = (struct rebuild){ .v = v };
	for (unsigned int i = 0; i < udrv_nvme_info(h->nvme)->io_queues; i++)
		udrv_nvme_each(udrv_nvme_queue(h->nvme, i), live_slot, &r);
	if (r.strangers)
		app_err("verify: %u command(s) under way are not in its tables", r.strangers);
	v->idle_head = v->idle_len = 0;
	for (unsigned int op = 0; op < m->h.nops; op++) {
		if (r.live[op])
			continue;
		/* Counted as submitted, but there is no command: it was stopped before there was
		 * one. */
		for (unsigned int k = 0; k < VERIFY_KINDS; k++)
			m->op[op].submitted[k] = m->op[op].completed[k];
		v->idle[v->idle_len++] = (uint16_t)op;
	}
	return 0;
}

int verify_resume(struct host *h, struct verify *v)
{
	struct verify_memory *m = v->m;

	if (m->h.mode > VERIFY_READBACK)
		return -EBADMSG;
	if (m->h.mode == VERIFY_IDLE && !m->h.nops) {
		m->h.cycle = h->lease.cycle;
		return 0;
	}
	if (verify_rebuild(h, v)) {
		app_err("verify: its tables make no sense for this controller: it stops");
		/* So that nothing goes by them: without operations no completion is its own. */
		m->h.mode = VERIFY_IDLE;
		m->h.nops = 0;
		m->h.blocks = 0;
		m->h.cycle = h->lease.cycle;
		return 0;
	}
	if (m->h.cycle != h->lease.cycle)
		open_cycle(h, v);
	/* A read-back that was cut short begins again: which of its reads were checked is not
	 * recorded. */
	m->h.readback = 0;
	return 0;
}
