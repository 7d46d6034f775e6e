// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv-host NAME: from the lease to the event loop. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/loop.h>
#include <udrv/proto.h>
#include <udrv/state.h>

#include "udrv/common/app.h"
#include "udrv/common/json.h"
#include "udrv/host/config.h"
#include "udrv/host/host.h"
#include "udrv/host/host_exit.h"

#define TICK_NS	   200000000ull
#define ISSUE_NS   5000000ull
#define FAILING_NS 60000000000ull /* a controller that fails that long is the agent's business */
#define BATCH	   32u

static void poll_queue(struct host *h, unsigned int qi)
{
	struct udrv_nvme_queue *q = udrv_nvme_queue(h->nvme, qi);
	struct udrv_nvme_done done[BATCH];
	int n;

	do {
		n = udrv_nvme_poll(q, done, BATCH);
		if (n > 0 && !h->tsc_first_completion)
			h->tsc_first_completion = app_tsc();
		for (int i = 0; i < n; i++)
			h->consumer->done(h, qi, &done[i]);
	} while (n == (int)BATCH);
	if (n == -ESHUTDOWN)
		host_reset(h);
}

static void deliver(struct host *h)
{
	for (unsigned int i = 0; i < udrv_nvme_info(h->nvme)->io_queues; i++)
		poll_queue(h, i);
}

static void issue(struct host *h)
{
	if (!h->stopping)
		h->consumer->issue(h);
}

void host_poll(struct host *h)
{
	deliver(h);
	issue(h);
}

int host_reset(struct host *h)
{
	int err;

	err = udrv_nvme_reset(h->nvme);
	if (err && err != -EAGAIN)
		app_err("controller reset failed: %s", app_errname(err));
	else if (!err) {
		app_warn("controller was reset: what was outstanding is lost");
		h->poll_due = true;
	}
	return err;
}

static void queue_ready(void *ctx, struct udrv_nvme_queue *q)
{
	struct host *h = ctx;
	unsigned int i = 0;

	while (udrv_nvme_queue(h->nvme, i) != q)
		i++;
	poll_queue(h, i);
	issue(h);
}

static void tick(void *ctx)
{
	struct host *h = ctx;
	uint64_t now = app_now_ns();

	int ret;

	ret = udrv_nvme_tick(h->nvme, now);
	if (ret >= 0)
		h->failing_since_ns = 0;
	else if (!h->failing_since_ns)
		h->failing_since_ns = now;
	if (h->failing_since_ns && now - h->failing_since_ns > FAILING_NS) {
		app_err("the controller has not come back for %llu s: giving up",
			FAILING_NS / 1000000000);
		h->failed = true;
		udrv_loop_stop(h->loop);
	}
	/* No interrupt tells of commands that ended with a reset. */
	if (ret == 1 || h->poll_due) {
		h->poll_due = false;
		host_poll(h);
	}
}

static void issue_tick(void *ctx)
{
	issue(ctx);
}

static int poll_idle(void *ctx)
{
	host_poll(ctx);
	return 1;
}

/*
 * What came of a step of a resume. One that refuses ends the resume, and the controller is started anew
 * when the device is there.
 */
static int resume_step(struct host *h, int err)
{
	if (!err)
		return 0;
	app_join(h->why, sizeof(h->why), app_last_error(), "");
	app_err("cannot resume: %s: the controller is reset, what was outstanding is lost",
		app_errname(err));
	udrv_nvme_detach(h->nvme);
	h->nvme = NULL;
	return err == -EAGAIN || err == -ESTALE || err == -EBADMSG || err == -EIO ? 0 : err;
}

static int open_memory(struct host *h)
{
	enum udrv_lifecycle lc;
	int err;

	err = host_await(h, UDRV_FD_STATE);
	if (!err)
		err = udrv_handle_memory(&h->handle, app_log(NULL), &h->dev);
	if (err)
		return err;
	lc = udrv_state_lifecycle(udrv_device_state(h->dev));
	h->start = lc == UDRV_INIT ? "started" : "fallback";
	if (lc == UDRV_READY) {
		err = resume_step(h, udrv_nvme_resume_begin(h->dev, &h->opts, &h->nvme));
		if (h->nvme && h->consumer->prepare)
			h->consumer->prepare(h);
	} else if (lc != UDRV_INIT) {
		app_warn(
			"a predecessor was stopped in a reset or a shutdown: the controller is started anew");
	}
	return err;
}

static int open_device(struct host *h)
{
	int err;

	err = host_await(h, UDRV_FD_VFIO);
	if (!err)
		err = udrv_handle_identify(&h->handle, h->dev);
	if (!err && h->nvme)
		err = resume_step(h, udrv_nvme_resume_look(h->nvme));
	if (!err)
		err = host_await(h, UDRV_FD_IOMMU);
	if (!err)
		err = udrv_handle_complete(&h->handle, h->dev);
	if (!err && h->nvme)
		err = resume_step(h, udrv_nvme_resume_finish(h->nvme));
	return err;
}

/* Resume if the state says so and all agrees with it; else reset, which is what start begins with.
 */
static int bring_up(struct host *h)
{
	int err;

	err = open_memory(h);
	if (!err)
		err = open_device(h);
	if (!err && h->nvme)
		h->start = "resumed";
	if (err || h->nvme)
		return err;
	err = udrv_nvme_start(h->dev, &h->opts, &h->nvme);
	if (err)
		app_err("cannot start the controller: %s", app_errname(err));
	return err;
}

/*
 * What is there is delivered first, since it is what owners wait for; everything is polled once
 * more after interrupts are armed, for what came while nobody listened. Nothing is issued before:
 * it would be mistaken for what was pending.
 */
static int go_live(struct host *h)
{
	struct udrv_source *idle;
	int err;

	deliver(h);
	err = udrv_loop_create(0, &h->loop);
	if (err) {
		app_err("cannot make an event loop: %s", app_errname(err));
		return err;
	}
	host_irq_before(h);
	err = h->opts.poll ? -EOPNOTSUPP : udrv_nvme_irq_arm(h->nvme, h->loop, queue_ready, h);
	if (err && err != -EOPNOTSUPP) {
		app_err("cannot arm interrupts: %s", app_errname(err));
		return err;
	}
	if (err) {
		err = udrv_loop_idle(h->loop, poll_idle, h, &idle);
		if (err)
			return err;
	}
	host_irq_after(h);
	host_poll(h);
	return 0;
}

/* Told once the device runs: until then every line of a log is time in which it does not. */
static void report_resume(struct host *h)
{
	const struct udrv_nvme_resume_report *r = udrv_nvme_resume_report(h->nvme);

	app_log_level(UDRV_LOG_INFO);
	if (strcmp(h->start, "resumed"))
		return;
	app_info(
		"%s: resumed: %u in flight, %u of them completed meanwhile, %u never submitted, %u to deliver again",
		udrv_device_name(h->dev), r->in_flight, r->completed, r->never_submitted,
		r->redelivered);
}

static int run(struct host *h)
{
	char why[96];
	int err;

	err = config_nvme(&h->opts, why, sizeof(why));
	if (err) {
		app_err("udrv.nvme=: %s", why);
		return APP_USAGE;
	}
	err = bring_up(h);
	/* None comes if the device cannot be adopted: the agent has told why. */
	if (err == -ENOTCONN)
		return APP_FAILED;
	if (!err)
		err = h->consumer->open(h, !strcmp(h->start, "resumed"));
	if (!err)
		err = go_live(h);
	/* Also a format that only a newer program knows. */
	if (err == -ESTALE || err == -EBADMSG || err == -EPROTONOSUPPORT) {
		host_refused(h);
		return HOST_EXIT_HANDLE;
	}
	if (err) {
		app_err("giving up: %s", app_errname(err));
		return APP_FAILED;
	}
	host_adopted(h);
	report_resume(h);
	err = host_listen(h);
	if (!err)
		err = host_stop_arm(h);
	if (!err)
		err = udrv_loop_timer(h->loop, TICK_NS, TICK_NS, tick, h, NULL);
	if (!err)
		err = udrv_loop_timer(h->loop, ISSUE_NS, ISSUE_NS, issue_tick, h, NULL);
	if (!err)
		err = udrv_loop_run(h->loop);
	if (!h->failed)
		app_err("event loop: %s", app_errname(err));
	return APP_FAILED;
}

static struct host the_host = { .handle = UDRV_HANDLE_INIT, .consumer = &verify_consumer };

static void host_log(const char *name)
{
	char prefix[48];

	app_join(prefix, sizeof(prefix), "udrv-host ", name);
	app_log(prefix);
	signal(SIGPIPE, SIG_IGN);
}

/* However a host ends, the device goes on: nothing is closed or detached that a successor would
 * miss. */

int udrv_host_run(const char *name, const struct host_lease *lease)
{
	host_log(name);
	the_host.lease = *lease;
	app_log_level(UDRV_LOG_WARN);
	return run(&the_host);
}

int udrv_host_main(int argc, char **argv)
{
	if (argc != 2 || !udrv_name_valid(argv[1])) {
		fprintf(stderr, "usage: udrv-host DEVICE\n");
		return APP_USAGE;
	}
	host_log(argv[1]);
	if (host_lease(&the_host, argv[1]))
		return APP_FAILED;
	return run(&the_host);
}
