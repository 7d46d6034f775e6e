// SPDX-License-Identifier: GPL-2.0-or-later
/* The verifying workload: started, stopped, drained and read back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <udrv/nvme.h>

#include "udrv/common/app.h"
#include "udrv/common/json.h"
#include "udrv/host/host.h"
#include "udrv/host/verify.h"

static int namespaces(struct host *h, struct verify_header *hd, char *why, size_t why_size)
{
	const struct udrv_nvme_info *info = udrv_nvme_info(h->nvme);

	hd->nzero = 0;
	for (unsigned int i = 1; i < info->nn && hd->nzero < VERIFY_ZERO_NS; i++)
		if (udrv_nvme_ns(h->nvme, i)->usable)
			hd->zero_nsid[hd->nzero++] = udrv_nvme_ns(h->nvme, i)->nsid;
	if (!info->nn || !udrv_nvme_ns(h->nvme, 0)->usable || udrv_nvme_ns(h->nvme, 0)->nsid != 1) {
		snprintf(why, why_size, "the controller has no usable namespace 1");
		return -ENODEV;
	}
	return 0;
}

/* What the options make of the header @hd, a copy. */
static int plan(struct host *h, const struct verify_config *c, struct verify_header *hd, char *why,
		size_t why_size)
{
	const struct udrv_nvme_info *info = udrv_nvme_info(h->nvme);
	uint64_t per_queue;
	int err;

	err = namespaces(h, hd, why, why_size);
	if (err)
		return err;
	hd->queues = c->queues < info->io_queues ? c->queues : info->io_queues;
	per_queue = c->depth + c->zdepth * hd->nzero;
	if (per_queue > info->depth || per_queue * hd->queues > VERIFY_OPS_MAX) {
		snprintf(why, why_size,
			 "%llu commands per queue on %llu queues: a queue takes %u, the workload %u in all",
			 (unsigned long long)per_queue, (unsigned long long)hd->queues, info->depth,
			 VERIFY_OPS_MAX);
		return -EINVAL;
	}
	/* Blocks written before keep their sequence numbers; the region may only grow. */
	hd->blocks = c->blocks > hd->blocks ? c->blocks : hd->blocks;
	hd->depth = c->depth;
	hd->zdepth = c->zdepth;
	hd->rate = c->rate;
	hd->write = c->write;
	hd->flush = c->flush;
	hd->nops = per_queue * hd->queues;
	hd->cycle = h->lease.cycle;
	return 0;
}

int verify_start(struct host *h, const struct verify_config *c, char *why, size_t why_size)
{
	struct verify *v = h->priv;
	struct verify_header *hd = &v->m->h, wanted = *hd;
	uint64_t nops;
	int err;

	if (hd->mode != VERIFY_IDLE) {
		snprintf(why, why_size, "it is running");
		return -EBUSY;
	}
	err = plan(h, c, &wanted, why, why_size);
	if (err)
		return err;
	err = verify_places(h, v, &wanted);
	if (err) {
		snprintf(why, why_size,
			 "namespace 1 is smaller than %llu blocks, or its blocks are larger than 4 KiB",
			 (unsigned long long)wanted.blocks);
		return err;
	}
	/* While there are no ops, a successor looks at none of the rest. */
	nops = wanted.nops;
	wanted.nops = 0;
	verify_publish(&hd->nops, 0);
	*hd = wanted;
	verify_publish(&hd->nops, nops);
	v->idle_head = v->idle_len = 0;
	for (unsigned int i = 0; i < hd->nops; i++)
		verify_op_idle(v, i);
	v->token_ns = app_now_ns();
	__atomic_store_n(&hd->mode, VERIFY_RUNNING, __ATOMIC_RELEASE);
	verify_issue(h);
	return 0;
}

/* DRAINING → READBACK → IDLE as commands complete. */
void verify_mode_progress(struct host *h, struct verify *v)
{
	struct verify_header *hd = &v->m->h;

	if (hd->mode == VERIFY_DRAINING && !verify_in_flight(v)) {
		hd->readback = v->readback_wanted ? 0 : VERIFY_BLOCKS_MAX;
		__atomic_store_n(&hd->mode, VERIFY_READBACK, __ATOMIC_RELEASE);
		verify_issue(h);
		return;
	}
	if (hd->mode == VERIFY_READBACK && hd->readback >= hd->blocks && !verify_in_flight(v)) {
		__atomic_store_n(&hd->mode, VERIFY_IDLE, __ATOMIC_RELEASE);
		if (v->stop_sock >= 0)
			host_reply(v->stop_sock, v->stop_id, verify_json(h));
		v->stop_sock = -1;
	}
}

static int verify_stop(struct host *h, struct json_object *req, int sock, uint32_t id)
{
	struct verify *v = h->priv;

	if (v->m->h.mode == VERIFY_IDLE) {
		host_reply(sock, id, verify_json(h));
		return 0;
	}
	if (v->stop_sock >= 0)
		return -EALREADY;
	v->stop_sock = sock;
	v->stop_id = id;
	v->readback_wanted = !json_get_flag(req, "no_readback");
	if (v->m->h.mode == VERIFY_RUNNING)
		__atomic_store_n(&v->m->h.mode, VERIFY_DRAINING, __ATOMIC_RELEASE);
	verify_mode_progress(h, v);
	return 1;
}

void verify_gone(struct host *h, int sock)
{
	struct verify *v = h->priv;

	if (v && v->stop_sock == sock)
		v->stop_sock = -1;
}

int verify_command(struct host *h, struct json_object *req, int sock, uint32_t id)
{
	const char *action = json_get_str(req, "action", "");
	struct verify_config c;
	char why[192] = "";
	int err;

	if (!h->priv)
		return -ENODEV;
	if (!strcmp(action, "stop"))
		return verify_stop(h, req, sock, id);
	if (strcmp(action, "start"))
		return -EOPNOTSUPP;
	err = config_verify(json_get_str(req, "options", NULL), &c, why, sizeof(why));
	if (!err)
		err = verify_start(h, &c, why, sizeof(why));
	if (err)
		host_reply_error(sock, id, err, why);
	else
		host_reply(sock, id, NULL);
	return 0;
}
