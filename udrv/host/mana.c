// SPDX-License-Identifier: GPL-2.0-or-later
/* A MANA adapter's host. */
#include <errno.h>

#include <udrv/device.h>
#include <udrv/gdma_spec.h>
#include <udrv/loop.h>
#include <udrv/mana.h>

#include "udrv/common/app.h"
#include "udrv/host/config.h"
#include "udrv/host/driver.h"
#include "udrv/host/host.h"
#include "udrv/host/mana.h"
#include "udrv/host/nic.h"
#include "udrv/host/tap.h"

static int requirements(struct udrv_handle_opts *ret)
{
	struct udrv_mana_opts mana;
	bool tap;
	int err;

	err = config_mana(&mana, &tap);
	if (!err)
		err = udrv_mana_requirements(&mana, &ret->state_size, &ret->dma_size);
	if (err)
		return err;
	ret->dma_size +=
		(uint64_t)UDRV_MANA_MAX_VPORTS * mana.queues * mana.tx_depth * NIC_ECHO_SIZE;
	if (tap)
		ret->dma_size += tap_dma_size(&mana);
	ret->extra_size[0] = CONFIG_CONSUMER_MEMFD;
	return 0;
}

static int configure(struct host *h)
{
	bool tap;
	int err;

	err = config_mana(&h->opts.mana, &tap);
	if (err)
		return err;
	tap_configure(tap);
	if (h->mana)
		udrv_mana_set_timeout(h->mana, h->opts.mana.timeout_ms);
	return 0;
}

static void each_queue(struct host *h, void (*fn)(struct host *h, struct udrv_mana_queue *q))
{
	const struct udrv_mana_info *info = udrv_mana_info(h->mana);

	for (unsigned int v = 0; v < info->vports; v++)
		for (unsigned int i = 0; i < info->queues; i++)
			fn(h, udrv_mana_queue(h->mana, v, i));
}

static int resume_begin(struct host *h)
{
	return udrv_mana_resume_begin(h->dev, NULL, &h->mana);
}

static int resume_look(struct host *h)
{
	return udrv_mana_resume_look(h->mana);
}

/*
 * A predecessor that was stopped inside of udrv_mana_recv_release() held what it had taken. Both
 * consumers copy, so nothing sends out of these buffers.
 */
static void repost_held(struct host *h, struct udrv_mana_queue *q)
{
	(void)h;
	udrv_mana_recv_repost(q, udrv_mana_recv_held(q));
}

static int resume_finish(struct host *h)
{
	int err = udrv_mana_resume_finish(h->mana);

	if (err)
		return err;
	each_queue(h, repost_held);
	tap_open(h);
	return 0;
}

static void resume_drop(struct host *h)
{
	udrv_mana_detach(h->mana);
	h->mana = NULL;
}

static int start(struct host *h)
{
	int err;

	nic_before_start(h);
	err = udrv_mana_start(h->dev, &h->opts.mana, &h->mana);
	if (!err)
		tap_open(h);
	return err;
}

/* false: both directions are dry. */
static bool serve(struct host *h, struct udrv_mana_queue *q)
{
	struct udrv_mana_sent done[MANA_BATCH];
	struct udrv_mana_rx pkts[MANA_BATCH];
	int sent, received;

	sent = udrv_mana_sent(q, done, MANA_BATCH);
	for (int i = 0; i < sent; i++) {
		if (done[i].cookie & NIC_COOKIE_ECHO)
			nic_sent(h, q, &done[i]);
		else
			tap_sent(h, q, &done[i]);
	}
	if (sent > 0) {
		udrv_mana_sent_release(q, (unsigned int)sent);
		tap_go_on(h, q);
	}
	received = udrv_mana_recv(q, pkts, nic_room(h, q));
	if (received > 0)
		nic_receive(h, q, pkts, (unsigned int)received);
	if (sent > 0 || received > 0)
		host_first_completion(h);
	return sent > 0 || received > 0;
}

/* As long as something comes, but not for ever: other queues and the loop have their turn, too. */
static void serve_all(struct host *h, struct udrv_mana_queue *q)
{
	for (unsigned int i = 0; i < 64; i++)
		if (!serve(h, q))
			break;
}

static void deliver(struct host *h)
{
	each_queue(h, serve_all);
}

/*
 * What came in between makes the interrupt come at once; a failed queue's reset
 * comes with the next tick.
 */
static void queue_ready(void *ctx, struct udrv_mana_queue *q)
{
	serve_all(ctx, q);
	udrv_mana_queue_arm(q);
}

static int arm(struct host *h)
{
	tap_listen(h);
	if (h->opts.mana.poll || !udrv_mana_info(h->mana)->vectors)
		return -EOPNOTSUPP;
	return udrv_mana_irq_arm(h->mana, h->loop, queue_ready, h);
}

static int tick(struct host *h, uint64_t now_ns)
{
	int ret = udrv_mana_tick(h->mana, now_ns);

	if (ret == 1)
		nic_rebase(h);
	tap_tick(h);
	return ret;
}

static int reset(struct host *h)
{
	int err = udrv_mana_reset(h->mana);

	if (!err)
		nic_rebase(h);
	return err;
}

static int close_adapter(struct host *h)
{
	return udrv_mana_shutdown(h->mana);
}

static void tell_resume(struct host *h)
{
	const struct udrv_mana_resume_report *r = udrv_mana_resume_report(h->mana);

	app_info("%s: resumed: %u packets waiting, %u receive buffers posted, %u sends unfinished, %u of them completed meanwhile",
		 udrv_device_name(h->dev), r->rx_waiting, r->rx_posted, r->tx_in_flight,
		 r->tx_completed);
}

const struct host_driver mana_host_driver = {
	.name = "mana",
	.what = "adapter",
	.vendor = GDMA_PCI_VENDOR,
	.device = GDMA_PCI_DEVICE_VF,
	.consumer = &nic_consumer,
	.requirements = requirements,
	.configure = configure,
	.resume_begin = resume_begin,
	.resume_look = resume_look,
	.resume_finish = resume_finish,
	.resume_drop = resume_drop,
	.start = start,
	.deliver = deliver,
	.arm = arm,
	.tick = tick,
	.reset = reset,
	.shutdown = close_adapter,
	.tell_resume = tell_resume,
	.status = mana_status,
};
