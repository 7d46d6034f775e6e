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

/* Resume if the state says so and all agrees with it; else reset, which is what start begins with.
 */
static int bring_up(struct host *h)
{
	enum udrv_lifecycle lc = udrv_state_lifecycle(udrv_device_state(h->dev));
	int err = -EAGAIN;

	if (lc == UDRV_READY) {
		err = udrv_nvme_resume(h->dev, &h->opts, &h->nvme);
		if (!err) {
			h->start = "resumed";
			return 0;
		}
		snprintf(h->why, sizeof(h->why), "%s", app_last_error());
		app_err("cannot resume: %s: the controller is reset, what was outstanding is lost",
			app_errname(err));
	} else if (lc != UDRV_INIT) {
		app_warn(
			"a predecessor was stopped in a reset or a shutdown: the controller is started anew");
	}
	if (err != -EAGAIN && err != -ESTALE && err != -EBADMSG && err != -EIO)
		return err;
	h->start = lc == UDRV_INIT ? "started" : "fallback";
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

/*
 * While the kernel adopts the device: read what is about to be read, so that it, and the code that
 * does it, are at hand when every millisecond counts. Whatever is wrong with it is found, and told,
 * by the real reading.
 */
static void preview(struct host *h)
{
	static struct udrv_nvme_snapshot snapshot;
	struct udrv_state *st;

	app_cmdline();
	if (udrv_state_open(h->handle.fd[UDRV_FD_STATE], UDRV_STATE_RDONLY, NULL, &st))
		return;
	udrv_nvme_inspect(st, &snapshot);
	udrv_state_close(st);
	if (h->consumer->preview)
		h->consumer->preview(h);
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
	err = udrv_handle_device(&h->handle, app_log(NULL), &h->dev);
	/* Also a format that only a newer program knows. */
	if (err == -ESTALE || err == -EBADMSG || err == -EPROTONOSUPPORT) {
		host_refused(h);
		return HOST_EXIT_HANDLE;
	}
	if (!err)
		err = bring_up(h);
	if (!err)
		err = h->consumer->open(h, !strcmp(h->start, "resumed"));
	if (!err)
		err = go_live(h);
	if (err) {
		if (err == -ESTALE || err == -EBADMSG)
			host_refused(h);
		app_err("giving up: %s", app_errname(err));
		return err == -ESTALE || err == -EBADMSG ? HOST_EXIT_HANDLE : APP_FAILED;
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

/* What needs neither the device nor anything mounted. */
static int prepare(struct host *h)
{
	int err;

	err = udrv_loop_create(0, &h->loop);
	if (err)
		app_err("cannot make an event loop: %s", app_errname(err));
	return err;
}

static struct host the_host = { .consumer = &verify_consumer };

static void host_log(const char *name)
{
	char prefix[48];

	snprintf(prefix, sizeof(prefix), "udrv-host %s", name);
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
	if (prepare(&the_host))
		return APP_FAILED;
	/* None comes if the device cannot be adopted: the agent has told why. */
	return host_receive(&the_host, preview) ? APP_FAILED : run(&the_host);
}

int udrv_host_main(int argc, char **argv)
{
	if (argc != 2 || !udrv_name_valid(argv[1])) {
		fprintf(stderr, "usage: udrv-host DEVICE\n");
		return APP_USAGE;
	}
	host_log(argv[1]);
	if (prepare(&the_host) || host_lease(&the_host, argv[1]))
		return APP_FAILED;
	return run(&the_host);
}
