// SPDX-License-Identifier: GPL-2.0-or-later
/* Custody: one keeper, chosen at the start. Without one, nothing outlives the agent. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <linux/reboot.h>
#include <sys/reboot.h>

#include "udrv/agent/custody.h"
#include "udrv/common/app.h"

#define CLOSE_WAIT_NS	 10000000l
#define CLOSE_WAIT_TRIES 500u

void custody_choose(struct agent *a)
{
	if (a->custody >= 0)
		a->keeper = &custody_init;
	else if (!custody_fdstore_open())
		a->keeper = &custody_fdstore;
	else
		app_warn(
			"neither udrv-init nor systemd (FileDescriptorStoreMax=) keeps descriptors: if this process "
			"ends, its devices are closed");
	a->luo_on_demand = a->keeper && a->keeper->opens_luo;
}

int custody_get_all(struct agent *a, void (*handle)(struct agent *a, struct udrv_handle *h),
		    void (*fd)(struct agent *a, const char *name, int fd))
{
	return a->keeper ? a->keeper->get_all(a, handle, fd) : 0;
}

static void told(const struct agent *a, int err, const char *name)
{
	if (err)
		app_err("%s does not take %s: %s: it would not survive this process",
			a->keeper->name, name, app_errname(err));
}

void custody_put_handle(struct agent *a, const struct udrv_handle *h)
{
	if (a->keeper)
		told(a, a->keeper->put_handle(a, h), h->name);
}

void custody_put_fd(struct agent *a, const char *name, int fd)
{
	if (a->keeper)
		told(a, a->keeper->put_fd(a, name, fd), name);
}

void custody_mounts(struct agent *a)
{
	if (a->keeper && a->keeper->mounts)
		a->keeper->mounts(a);
}

int custody_settle(struct agent *a)
{
	return a->keeper ? a->keeper->settle(a) : 0;
}

int custody_drop(struct agent *a, const char *name)
{
	return a->keeper ? a->keeper->drop(a, name) : 0;
}

int custody_ready(struct agent *a)
{
	return a->keeper ? a->keeper->ready(a) : 0;
}

int custody_leave(struct agent *a)
{
	if (a->keeper)
		return a->keeper->leave(a);
	reboot(LINUX_REBOOT_CMD_KEXEC);
	return -errno;
}

uint64_t custody_alive(struct agent *a)
{
	return a->keeper ? a->keeper->alive(a) : UINT64_MAX;
}

bool custody_still_open(const struct agent *a, unsigned int *tries)
{
	const struct timespec wait = { .tv_nsec = CLOSE_WAIT_NS };

	if (!a->keeper || !a->keeper->closes_late || *tries == CLOSE_WAIT_TRIES)
		return false;
	++*tries;
	nanosleep(&wait, NULL);
	return true;
}
