// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Beginning: after a cold boot, after a kexec (a session with a directory, custody holds what PID 1
 * took over), or after a crash of an earlier agent (custody holds everything). One path serves all
 * three: take what there is, complete it, lease it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/proto.h>
#include <udrv/state.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"

static void kept_handle(struct agent *a, struct udrv_handle *h)
{
	struct agent_device *d = agent_find(a, h->name);

	if (!d)
		d = agent_add(a, h->name);
	if (!d) {
		udrv_handle_close(h);
		return;
	}
	d->h = *h;
	d->state = DEV_BACKOFF;
}

/* What is in custody and of no use any more. */
static char stale[2 * AGENT_DEVICES + 2][UDRV_NAME_MAX + 1];
static unsigned int nstale;

static void stale_add(const char *name)
{
	if (nstale < sizeof(stale) / sizeof(stale[0]))
		snprintf(stale[nstale++], sizeof(stale[0]), "%s", name);
}

/* Handles come first, so a lease finds its device. */
static void kept_fd(struct agent *a, const char *name, int fd)
{
	struct agent_device *d;

	if (!strcmp(name, "incoming")) {
		a->incoming = fd;
		return;
	}
	if (!strcmp(name, "directory")) {
		a->directory = fd;
		return;
	}
	if (rescue_kept(a, name, fd))
		return;
	d = strncmp(name, "program-", 8) ? NULL : agent_find(a, name + 8);
	if (d) {
		d->program = fd;
		return;
	}
	if (lease_kept(a, name, fd) || fallen_kept(name, fd) || report_kept(name, fd))
		return;
	/* A connection has one reader: there must be nobody else who could be it. */
	d = strncmp(name, HOST_SOCK, strlen(HOST_SOCK)) ? NULL :
							  agent_find(a, name + strlen(HOST_SOCK));
	if (d) {
		d->sock = fd;
		stale_add(name);
		return;
	}
	/*
	 * "outgoing": an update that its agent did not live to see; closing the session undoes it.
	 * The kernel that it has loaded is harmless without a session: the reboot would be an
	 * ordinary one. udrv-init's duplicate has to wait until all of its answer was read.
	 */
	close(fd);
	stale_add(name);
}

static void drop_stale(struct agent *a)
{
	while (nstale)
		custody_drop(a, stale[--nstale]);
}

/* Is there a session of the previous kernel? udrv-init had a look; systemd hands it over. */
static void open_session(struct agent *a)
{
	a->luo = luo_open();
	a->luo_err = a->luo < 0 ? a->luo : 0;
	if (a->luo < 0) {
		app_warn("/dev/liveupdate: %s: no kernel update without it (liveupdate=on kho=on on the command line?)",
			 app_errname(a->luo));
		return;
	}
	if (a->directory >= 0)
		return;
	if (a->incoming < 0) {
		a->incoming = luo_retrieve_session(a->luo, SESSION_NAME);
		if (a->incoming >= 0)
			custody_put_fd(a, "incoming", a->incoming);
	}
	if (a->incoming == -ENOENT) {
		app_info("no session '" SESSION_NAME
			 "' from a previous kernel: every device is reset and started clean");
		return;
	}
	if (a->incoming < 0) {
		app_err("cannot retrieve the session '" SESSION_NAME
			"': %s: every device is started clean",
			app_errname(a->incoming));
		return;
	}
	a->directory = luo_retrieve(a->incoming, DIRECTORY_TOKEN);
	if (a->directory < 0)
		app_err("cannot retrieve the directory: %s: devices are left to the kernel to quiesce, and started clean",
			app_errname(a->directory));
}

/* A clean start, because what the previous kernel left cannot be used. */
static void fall_back(struct agent *a, struct agent_device *d, const char *what, int err)
{
	app_err("%s (%s): %s: %s: it is quiesced and started clean", d->h.name, d->h.bdf, what,
		app_errname(err));
	snprintf(d->error, sizeof(d->error), "%s: %s", what, app_errname(err));
	/* It may be delivering what is in memory. */
	device_recall_host(a, d);
	device_close_handle(a, d, true);
	/* Its consumers' memory is in custody: it is not retrieved once more. */
	fallen_put(a, d);
	d->adopt = false;
	d->fallback = true;
	d->state = DEV_PENDING;
}

/* All of it, whatever fails: consumers learn from their memory what was lost with the rest. */
static int retrieve(struct agent *a, struct agent_device *d, uint64_t base, uint32_t mask)
{
	int err = 0;

	for (unsigned int i = 0; i < UDRV_HANDLE_FDS; i++) {
		int fd;

		if (!(mask & 1u << i))
			continue;
		fd = luo_retrieve(a->incoming, base + (uint64_t)i);
		if (fd >= 0)
			d->h.fd[i] = fd;
		else if (!err)
			err = fd;
	}
	if (err)
		fall_back(a, d, "cannot be retrieved", err);
	return err;
}

/*
 * Memory first: the device may write to it from the moment on at which the kernel lets go of it.
 * With it a host can begin, and open the rest as it comes.
 */
static int retrieve_memory(void *ctx, const struct udrv_handle *entry, uint64_t base, uint32_t mask)
{
	struct agent *a = ctx;
	struct agent_device *d = agent_find(a, entry->name);

	if (d)
		return 0;
	d = agent_add(a, entry->name);
	if (!d)
		return -ENOSPC;
	d->h = *entry;
	if (fallen_restore(d)) {
		d->state = DEV_PENDING;
		return 0;
	}
	if (!retrieve(a, d, base, mask & HANDLE_MEMORY) && a->taking_over)
		device_start_host(a, d);
	return 0;
}

/* Should this process end before custody has the handle: the session gives it out once more. */
static int retrieve_device(void *ctx, const struct udrv_handle *entry, uint64_t base, uint32_t mask)
{
	struct agent *a = ctx;
	struct agent_device *d = agent_find(a, entry->name);

	if (!d || d->h.fd[UDRV_FD_VFIO] >= 0 || d->fallback)
		return 0;
	d->adopt = !retrieve(a, d, base, mask & (HANDLE_VFIO | HANDLE_IOMMU));
	report_mark("retrieve", d->h.name);
	return 0;
}

static void set_updating(const struct udrv_handle *h, bool on)
{
	struct udrv_state *st;
	int err;

	err = udrv_state_open(h->fd[UDRV_FD_STATE], 0, app_log(NULL), &st);
	if (err)
		return;
	udrv_state_set_updating(st, on);
	udrv_state_close(st);
}

static void adopt(struct agent *a, struct agent_device *d)
{
	int err;

	err = udrv_handle_bind(&d->h, app_log(NULL));
	if (!err) {
		device_give_part(d, HANDLE_VFIO);
		err = udrv_handle_attach(&d->h, app_log(NULL));
	}
	if (err) {
		fall_back(a, d, "cannot be adopted", err);
		return;
	}
	d->adopt = false;
	/* Before it is used: an agent that came after this one's death would adopt it once more. */
	custody_put_handle(a, &d->h);
	if (d->state != DEV_STARTING)
		device_start_host(a, d);
	device_watch_host(a, d);
	device_give_part(d, HANDLE_IOMMU);
	custody_mounts(a);
	device_mounted(d);
	device_listen(a, d);
	report_mark("adopt", d->h.name);
	set_updating(&d->h, false);
}

static int read_directory(struct agent *a)
{
	int err;

	if (a->directory >= 0) {
		err = directory_read(a->directory, &a->fdt);
		if (!err)
			a->cycle = directory_cycle(a->fdt);
		return err;
	}
	/* So that a later agent of this kernel knows that it is not the first. */
	a->directory = directory_write(a, NULL, NULL, 0, NULL);
	return a->directory < 0 ? a->directory : directory_read(a->directory, &a->fdt);
}

void restore_devices(struct agent *a)
{
	if (a->fdt && a->incoming >= 0) {
		directory_handles(a->fdt, retrieve_memory, a);
		directory_handles(a->fdt, retrieve_device, a);
	}
	for (unsigned int i = 0; i < a->ndev; i++) {
		struct agent_device *d = &a->dev[i];

		if (d->adopt)
			adopt(a, d);
		else if (d->h.fd[UDRV_FD_STATE] >= 0)
			set_updating(&d->h, false);
	}
}

int agent_restore(struct agent *a)
{
	int err;

	err = custody_get_all(a, kept_handle, kept_fd);
	if (err) {
		app_err("PID 1's custody: %s", app_errname(err));
		return err;
	}
	drop_stale(a);
	lease_restore(a);
	for (unsigned int i = 0; i < a->ndev; i++) {
		device_listen(a, &a->dev[i]);
		fallen_restore(&a->dev[i]);
	}
	open_session(a);
	if (a->luo_on_demand && a->luo >= 0) {
		close(a->luo);
		a->luo = -1;
	}
	err = read_directory(a);
	if (err)
		app_err("directory: %s: devices are left to the kernel to quiesce, and started clean",
			app_errname(err));
	if (a->directory >= 0)
		custody_put_fd(a, "directory", a->directory);
	restore_devices(a);
	return 0;
}

static void finish_session(struct agent *a)
{
	int err;

	err = luo_finish(a->incoming);
	if (err)
		app_err("the previous kernel's session cannot be finished: %s: no further update is possible before "
			"a cold boot",
			app_errname(err));
	custody_drop(a, "incoming");
	close(a->incoming);
	a->incoming = -1;
	report_mark("finish", NULL);
}

static bool settled(const struct agent *a)
{
	for (unsigned int i = 0; i < a->ndev; i++) {
		enum agent_state s = a->dev[i].state;

		if (s != DEV_RUNNING && s != DEV_FAILED && s != DEV_DETACHED)
			return false;
	}
	return true;
}

static void report_ready(struct agent *a)
{
	unsigned int resumed = 0, started = 0, failed = 0, detached = 0;

	for (unsigned int i = 0; i < a->ndev; i++) {
		if (a->dev[i].state == DEV_FAILED)
			failed++;
		else if (a->dev[i].state == DEV_DETACHED)
			detached++;
		else if (!strcmp(a->dev[i].start, "resumed"))
			resumed++;
		else
			started++;
	}
	app_info("ready: %u device(s): %u resumed, %u started, %u failed, %u detached; kexecs since the cold boot: %llu",
		 a->ndev, resumed, started, failed, detached, (unsigned long long)a->cycle);
}

void agent_progress(struct agent *a)
{
	uint64_t now = app_now_ns();
	bool open = false;

	for (unsigned int i = 0; i < a->ndev; i++) {
		struct agent_device *d = &a->dev[i];

		if (d->state == DEV_BACKOFF && d->pidfd < 0 && now >= d->backoff.due_ns) {
			device_start_host(a, d);
			device_watch_host(a, d);
		}
		open |= d->state == DEV_STARTING || d->state == DEV_BACKOFF;
	}
	/* A device that is started clean has to wait: until the session is finished the kernel
	 * guards it. */
	if (!open && a->incoming >= 0)
		finish_session(a);
	/* A handle that an update has preserved must be let go of first. */
	if (a->incoming < 0 && !update_active())
		for (unsigned int i = 0; i < a->ndev; i++)
			if (a->dev[i].state == DEV_PENDING)
				device_create(a, &a->dev[i]);
	if (a->ready || !settled(a))
		return;
	a->ready = true;
	report_settled(a);
	report_ready(a);
	custody_ready(a);
}
