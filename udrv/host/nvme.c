// SPDX-License-Identifier: GPL-2.0-or-later
/* An NVMe controller's host. */
#include <errno.h>

#include <udrv/device.h>
#include <udrv/loop.h>
#include <udrv/nvme.h>

#include "udrv/common/app.h"
#include "udrv/host/config.h"
#include "udrv/host/driver.h"
#include "udrv/host/host.h"
#include "udrv/host/nvme.h"
#include "udrv/host/verify.h"

#define BATCH 32u

static int requirements(struct udrv_handle_opts *ret)
{
	struct udrv_nvme_opts nvme;
	int err;

	err = config_nvme(&nvme);
	if (!err)
		err = udrv_nvme_requirements(&nvme, &ret->state_size, &ret->dma_size);
	if (err)
		return err;
	ret->dma_size += CONFIG_CONSUMER_DMA;
	ret->extra_size[0] = CONFIG_CONSUMER_MEMFD;
	return 0;
}

static int configure(struct host *h)
{
	int err = config_nvme(&h->opts.nvme);

	if (!err && h->nvme)
		udrv_nvme_set_timeout(h->nvme, h->opts.nvme.timeout_ms);
	return err;
}

static int resume_begin(struct host *h)
{
	return udrv_nvme_resume_begin(h->dev, NULL, &h->nvme);
}

static void resume_take(struct host *h)
{
	udrv_nvme_resume_take(h->nvme);
}

static int resume_look(struct host *h)
{
	return udrv_nvme_resume_look(h->nvme);
}

static int resume_finish(struct host *h)
{
	return udrv_nvme_resume_finish(h->nvme);
}

static void resume_drop(struct host *h)
{
	udrv_nvme_detach(h->nvme);
	h->nvme = NULL;
}

static int start(struct host *h)
{
	return udrv_nvme_start(h->dev, &h->opts.nvme, &h->nvme);
}

/* A failed queue's reset comes with the next tick, which knows how long to wait for another. */
static void poll_queue(struct host *h, unsigned int qi)
{
	struct udrv_nvme_queue *q = udrv_nvme_queue(h->nvme, qi);
	struct udrv_nvme_done done[BATCH];
	int n;

	do {
		n = udrv_nvme_poll(q, done, BATCH);
		if (n > 0)
			host_first_completion(h);
		for (int i = 0; i < n; i++)
			verify_done(h, qi, &done[i]);
	} while (n == (int)BATCH);
}

static void deliver(struct host *h)
{
	for (unsigned int i = 0; i < udrv_nvme_info(h->nvme)->io_queues; i++)
		poll_queue(h, i);
}

static void queue_ready(void *ctx, struct udrv_nvme_queue *q)
{
	struct host *h = ctx;
	unsigned int i = 0;

	while (udrv_nvme_queue(h->nvme, i) != q)
		i++;
	poll_queue(h, i);
	host_issue(h);
}

static int arm(struct host *h)
{
	if (h->opts.nvme.poll)
		return -EOPNOTSUPP;
	return udrv_nvme_irq_arm(h->nvme, h->loop, queue_ready, h);
}

static int tick(struct host *h, uint64_t now_ns)
{
	return udrv_nvme_tick(h->nvme, now_ns);
}

static int reset(struct host *h)
{
	return udrv_nvme_reset(h->nvme);
}

static int close_controller(struct host *h)
{
	return udrv_nvme_shutdown(h->nvme);
}

static void tell_resume(struct host *h)
{
	const struct udrv_nvme_resume_report *r = udrv_nvme_resume_report(h->nvme);

	app_info("%s: resumed: %u in flight, %u of them completed meanwhile, %u never submitted, %u to deliver again",
		 udrv_device_name(h->dev), r->in_flight, r->completed, r->never_submitted,
		 r->redelivered);
}

const struct host_driver nvme_host_driver = {
	.name = "nvme",
	.what = "controller",
	.class = 0x010802,
	.consumer = &verify_consumer,
	.requirements = requirements,
	.configure = configure,
	.resume_begin = resume_begin,
	.resume_take = resume_take,
	.resume_look = resume_look,
	.resume_finish = resume_finish,
	.resume_drop = resume_drop,
	.start = start,
	.deliver = deliver,
	.arm = arm,
	.tick = tick,
	.reset = reset,
	.shutdown = close_controller,
	.tell_resume = tell_resume,
	.status = nvme_status,
	.command = nvme_command,
};
