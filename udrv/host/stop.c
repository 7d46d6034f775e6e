// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SIGTERM: the device is to be closed. What is outstanding is waited for, the device is closed
 * cleanly, and the host ends. How long that may take is the agent's business: it kills.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/loop.h>
#include <udrv/state.h>

#include "udrv/common/app.h"
#include "udrv/host/driver.h"
#include "udrv/host/host.h"

#define RETRY_NS 10000000ull

static void try_shutdown(void *ctx)
{
	struct host *h = ctx;
	int err;

	err = h->driver->shutdown(h);
	if (err == -EBUSY || err == -EAGAIN)
		return;
	if (err)
		app_warn("the %s did not shut down in order: %s", h->driver->what,
			 app_errname(err));
	/* The driver is gone: no other callback of the loop may run. */
	_exit(APP_OK);
}

static void signalled(void *ctx, short revents)
{
	struct host *h = ctx;
	struct signalfd_siginfo si;

	(void)revents;
	if (read(h->signals, &si, sizeof(si)) != sizeof(si) || h->stopping)
		return;
	/*
	 * The agent stops no device that it keeps: somebody goes through all processes on the way
	 * to the next kernel.
	 */
	if (udrv_state_updating(udrv_device_state(h->dev))) {
		app_warn("asked to stop in an update that keeps the device: it goes on");
		return;
	}
	app_info("asked to stop: nothing new is issued");
	h->stopping = true;
	if (udrv_loop_timer(h->loop, 0, RETRY_NS, try_shutdown, h, NULL))
		udrv_loop_stop(h->loop);
}

int host_stop_arm(struct host *h)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	h->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (h->signals < 0)
		return -errno;
	return udrv_loop_poll(h->loop, h->signals, POLLIN, signalled, h, NULL);
}
