// SPDX-License-Identifier: GPL-2.0-or-later
/* The commit part of an update: devices that are not kept are closed, then the kernel is left. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "udrv/agent/update.h"
#include "udrv/common/app.h"

static bool leaves(const struct agent_device *d)
{
	return d->h.fd[UDRV_FD_VFIO] >= 0 && d->h.policy != UDRV_KEEP;
}

void commit_begin(struct update *u)
{
	struct agent *a = u->a;

	for (unsigned int i = 0; i < a->ndev; i++)
		if (leaves(&a->dev[i]))
			device_stop(a, &a->dev[i]);
}

bool commit_stopped(const struct update *u)
{
	for (unsigned int i = 0; i < u->a->ndev; i++)
		if (u->a->dev[i].stopping)
			return false;
	return true;
}

void commit_kill(struct update *u)
{
	for (unsigned int i = 0; i < u->a->ndev; i++) {
		struct agent_device *d = &u->a->dev[i];

		if (!d->stopping)
			continue;
		app_warn("%s (%s): its host does not end: it is killed, what is outstanding is lost",
			 d->h.name, d->h.bdf);
		device_kill(d);
	}
}

/*
 * Memory of consumers of devices that start clean in the next kernel: they learn from it there what
 * was lost.
 */
static int preserve_rescued(struct update *u)
{
	struct agent *a = u->a;

	for (unsigned int i = 0; i < a->ndev; i++) {
		const int *fd = rescue_find(a, a->dev[i].h.name);

		for (unsigned int e = 0; fd && e < UDRV_HANDLE_EXTRA; e++) {
			int err;

			if (fd[e] < 0)
				continue;
			err = luo_preserve(u->session, fd[e],
					   directory_token(i) + UDRV_FD_EXTRA + e);
			/* The device was given up after it was preserved, and this with it. */
			if (err == -EEXIST)
				err = 0;
			if (err)
				return update_refuse(u, err,
						     "%s (%s): its consumers' memory cannot be preserved: %s",
						     a->dev[i].h.name, a->dev[i].h.bdf,
						     strerror(-err));
		}
	}
	return 0;
}

int commit_leave(struct update *u)
{
	void *directory;
	int fd, err;

	update_phase_begin(u, "preserve-directory", NULL);
	err = preserve_rescued(u);
	if (err)
		return err;
	fd = directory_write(u->a, u->release, u->phase, u->nphases, &directory);
	if (fd < 0)
		return update_refuse(u, fd, "cannot write the directory: %s", strerror(-fd));
	err = luo_preserve(u->session, fd, DIRECTORY_TOKEN);
	close(fd);
	if (err) {
		err = update_refuse(u, err, "the directory cannot be preserved: %s",
				    strerror(-err));
		goto unmap;
	}
	update_phase_end(u);
	update_phase_begin(u, "reboot", NULL);
	update_phase_end(u);
	directory_stamp(directory);
	err = custody_leave(u->a);
	if (err)
		err = update_refuse(u, err, "the kernel refused to reboot: %s: see the kernel log",
				    strerror(-err));
unmap:
	munmap(directory, DIRECTORY_SIZE);
	return err;
}

void commit_undo(struct update *u)
{
	struct agent *a = u->a;

	for (unsigned int i = 0; i < a->ndev; i++) {
		struct agent_device *d = &a->dev[i];

		if (!d->stopping && d->state != DEV_STOPPED)
			continue;
		if (d->stopping)
			device_kill(d);
		d->stopping = false;
		if (d->state == DEV_STOPPED)
			d->state = DEV_PENDING;
		a->ready = false;
	}
}
