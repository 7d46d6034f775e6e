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
#include "udrv/host/driver.h"
#include "udrv/host/host.h"
#include "udrv/host/host_exit.h"

#define TICK_NS	   200000000ull
#define ISSUE_NS   5000000ull
#define FAILING_NS 60000000000ull /* a device that fails that long is the agent's business */

void host_first_completion(struct host *h)
{
	if (!h->tsc_first_completion)
		h->tsc_first_completion = app_tsc();
}

void host_issue(struct host *h)
{
	if (!h->stopping)
		h->driver->consumer->issue(h);
}

void host_poll(struct host *h)
{
	h->driver->deliver(h);
	host_issue(h);
}

int host_reset(struct host *h)
{
	int err;

	err = h->driver->reset(h);
	if (err && err != -EAGAIN)
		app_err("reset of the %s failed: %s", h->driver->what, app_errname(err));
	else if (!err) {
		app_warn("the %s was reset: what was outstanding is lost", h->driver->what);
		h->poll_due = true;
	}
	return err;
}

static void tick(void *ctx)
{
	struct host *h = ctx;
	uint64_t now = app_now_ns();
	int ret;

	ret = h->driver->tick(h, now);
	if (ret >= 0)
		h->failing_since_ns = 0;
	else if (!h->failing_since_ns)
		h->failing_since_ns = now;
	if (h->failing_since_ns && now - h->failing_since_ns > FAILING_NS) {
		app_err("the %s has not come back for %llu s: giving up", h->driver->what,
			FAILING_NS / 1000000000);
		h->failed = true;
		udrv_loop_stop(h->loop);
	}
	if (h->untold && host_tell(h)) {
		h->failed = true;
		udrv_loop_stop(h->loop);
	}
	/* No interrupt tells of what ended with a reset. */
	if (ret == 1 || h->poll_due) {
		h->poll_due = false;
		host_poll(h);
	}
}

static void issue_tick(void *ctx)
{
	host_issue(ctx);
}

static int poll_idle(void *ctx)
{
	host_poll(ctx);
	return 1;
}

/*
 * What came of a step of a resume. One that refuses ends the resume, and the device is started anew
 * when the device is there.
 */
static int resume_step(struct host *h, int err)
{
	if (!err)
		return 0;
	app_join(h->why, sizeof(h->why), app_last_error(), "");
	app_err("cannot resume: %s: the %s is reset, what was outstanding is lost",
		app_errname(err), h->driver->what);
	h->driver->resume_drop(h);
	h->resuming = h->opened = false;
	return err == -EAGAIN || err == -ESTALE || err == -EBADMSG || err == -EIO ? 0 : err;
}

/*
 * What has completed meanwhile is in memory: its owners need not wait for the device. It is told of
 * them, and gets new commands, once it is there.
 */
static int deliver_from_memory(struct host *h)
{
	int err;

	if (!h->resuming || !h->driver->resume_take)
		return 0;
	err = h->driver->consumer->open(h, true);
	if (err)
		return err;
	h->opened = true;
	h->driver->resume_take(h);
	h->driver->deliver(h);
	return 0;
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
		h->resuming = true;
		err = resume_step(h, h->driver->resume_begin(h));
		if (h->resuming && h->driver->consumer->prepare)
			h->driver->consumer->prepare(h);
	} else if (lc != UDRV_INIT) {
		app_warn("a predecessor was stopped in a reset or a shutdown: the %s is started anew",
			 h->driver->what);
	}
	return err;
}

static int open_device(struct host *h)
{
	int err;

	err = host_await(h, UDRV_FD_VFIO);
	if (!err)
		err = udrv_handle_identify(&h->handle, h->dev);
	if (!err && h->resuming)
		err = resume_step(h, h->driver->resume_look(h));
	if (!err)
		err = host_await(h, UDRV_FD_IOMMU);
	if (!err)
		err = udrv_handle_complete(&h->handle, h->dev);
	if (!err && h->resuming)
		err = resume_step(h, h->driver->resume_finish(h));
	return err;
}

static int configure(struct host *h)
{
	int err = 0;

	if (!h->configured)
		err = host_await_mounts(h);
	if (!h->configured && !err)
		err = h->driver->configure(h);
	h->configured = !err;
	return err;
}

/* Resume if the state says so and all agrees with it; else reset, which is what start begins with.
 */
static int bring_up(struct host *h)
{
	int err;

	err = open_memory(h);
	if (!err)
		err = deliver_from_memory(h);
	/* Not before: a process that asks for the time first finds the pages for it. */
	h->start_ns = app_now_ns();
	if (!err)
		err = open_device(h);
	if (!err && h->resuming)
		h->start = "resumed";
	if (err || h->resuming)
		return err;
	err = configure(h);
	if (!err)
		err = h->driver->start(h);
	if (err)
		app_err("cannot start the %s: %s", h->driver->what, app_errname(err));
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

	h->driver->deliver(h);
	err = configure(h);
	if (err)
		return err;
	err = udrv_loop_create(0, &h->loop);
	if (err) {
		app_err("cannot make an event loop: %s", app_errname(err));
		return err;
	}
	host_irq_before(h);
	err = h->driver->arm(h);
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
	/* Forked before anything was mounted: the first one after a kexec. */
	if (h->mounted)
		h->tsc_running = app_tsc();
	return 0;
}

/* Told once the device runs: until then every line of a log is time in which it does not. */
static void report_resume(struct host *h)
{
	app_log_level(UDRV_LOG_INFO);
	if (h->resuming)
		h->driver->tell_resume(h);
}

static int run(struct host *h)
{
	int err;

	h->driver = host_driver_find(h->lease.driver);
	if (!h->driver) {
		app_err("there is no driver '%s' in this udrv-host", h->lease.driver);
		return APP_FAILED;
	}
	err = bring_up(h);
	/* None comes if the device cannot be adopted: who tried has told why. */
	if (err == -ENOTCONN)
		return APP_FAILED;
	if (!err && !h->opened)
		err = h->driver->consumer->open(h, h->resuming);
	if (!err)
		err = go_live(h);
	/* Also a format that only a newer program knows. */
	if (err == -ESTALE || err == -EBADMSG || err == -EPROTONOSUPPORT) {
		host_refused(h);
		return HOST_EXIT_HANDLE;
	}
	if (err) {
		app_err("giving up: %s", app_errname(err));
		return err == -EOPNOTSUPP ? HOST_EXIT_DEVICE : APP_FAILED;
	}
	signal(SIGPIPE, SIG_IGN);
	app_name("udrv-host");
	/* First, so that who waits for the device to run can ask it. */
	err = host_listen(h);
	if (host_adopted(h))
		return APP_FAILED;
	report_resume(h);
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

static struct host the_host = { .handle = UDRV_HANDLE_INIT };

static void host_log(const char *name)
{
	char prefix[48];

	app_join(prefix, sizeof(prefix), "udrv-host ", name);
	app_log(prefix);
}

/* However a host ends, the device goes on: nothing is closed or detached that a successor would
 * miss. */

int udrv_host_run(const struct udrv_handle *handle, const struct host_lease *lease)
{
	host_log(handle->name);
	the_host.handle = *handle;
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
