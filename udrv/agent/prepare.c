// SPDX-License-Identifier: GPL-2.0-or-later
/* The prepare part of an update: what its workers do, and the word that tells drivers of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kexec.h>

#include <udrv/state.h>

#include "udrv/agent/update.h"
#include "udrv/common/app.h"

/* What kexec_file_load(2) means by an error, for who has to do something about it. */
static const char *load_reason(int err)
{
	switch (err) {
	case ENOEXEC:
		return "the image is damaged, or for another machine";
	case EADDRNOTAVAIL:
	case ENOMEM:
		return "kernel and initramfs do not fit into the memory that KHO keeps free for the next kernel: "
		       "boot with a larger kho_scratch=, or take smaller ones";
	case EBUSY:
		return "somebody else is loading a kernel";
	case EPERM:
		return "loading kernels is switched off (kernel.kexec_load_disabled), or not allowed";
	case EINVAL:
		return "the command line is too long, or the files are empty";
	default:
		return "see the kernel log";
	}
}

int prepare_load(void *ctx, struct worker *w)
{
	const struct update *u = ctx;
	char why[192] = "";
	int err;

	worker_begin(w, "check-image", NULL);
	err = check_payload(u->kernel, u->kernel_digest, why, sizeof(why));
	if (err)
		return worker_refuse(w, err, "next kernel: %s", why[0] ? why : strerror(-err));
	if (u->image_digest[0])
		err = check_digest(u->image, u->image_digest, why, sizeof(why));
	if (err)
		return worker_refuse(w, err, "next kernel: its initramfs: %s",
				     why[0] ? why : strerror(-err));
	worker_end(w);
	worker_begin(w, UPDATE_PHASE_LOAD, NULL);
	if (syscall(SYS_kexec_file_load, u->kernel, u->image, strlen(u->cmdline) + 1, u->cmdline,
		    0UL)) {
		err = errno;
		return worker_refuse(w, -err, "next kernel: it cannot be loaded: %s: %s",
				     strerror(err), load_reason(err));
	}
	worker_end(w);
	return 0;
}

static int preserve_memory(const struct update *u, struct worker *w, const struct agent_device *d,
			   uint64_t base)
{
	int err;

	worker_begin(w, "preserve-memory", d->h.name);
	for (unsigned int i = 0; i < UDRV_HANDLE_FDS; i++) {
		if (d->h.fd[i] < 0 || i == UDRV_FD_VFIO || i == UDRV_FD_IOMMU)
			continue;
		err = luo_preserve(u->session, d->h.fd[i], base + i);
		/* Which device uses which memory the kernel does not know. */
		if (err == -EBUSY)
			return worker_refuse(w, err,
					     "%s (%s): its memory (descriptor %u) is held since the last update: a device was neither taken over nor stopped then (see the kernel log); with policy=reset it gets memory of its own",
					     d->h.name, d->h.bdf, i);
		if (err)
			return worker_refuse(w, err,
					     "%s (%s): its memory (descriptor %u) cannot be preserved: %s",
					     d->h.name, d->h.bdf, i, strerror(-err));
	}
	worker_end(w);
	return 0;
}

static int preserve_device(const struct update *u, struct worker *w, const struct agent_device *d,
			   uint64_t base)
{
	const char *why = "see the kernel log; or set its policy to reset";
	int err;

	worker_begin(w, "preserve-device", d->h.name);
	err = luo_preserve(u->session, d->h.fd[UDRV_FD_IOMMU], base + UDRV_FD_IOMMU);
	if (!err)
		err = luo_preserve(u->session, d->h.fd[UDRV_FD_VFIO], base + UDRV_FD_VFIO);
	if (err == -ENOENT)
		why = "the running kernel cannot preserve a vfio-pci device";
	if (err)
		return worker_refuse(w, err, "%s (%s): the device cannot be preserved: %s: %s",
				     d->h.name, d->h.bdf, strerror(-err), why);
	worker_end(w);
	return 0;
}

/* All memory before the first device: a device is taken only if every page that it can reach is
 * kept. */
int prepare_preserve(void *ctx, struct worker *w)
{
	const struct update *u = ctx;
	const struct agent *a = u->a;
	int err = 0;

	for (unsigned int i = 0; i < a->ndev && !err; i++)
		if (update_keeps(&a->dev[i]))
			err = preserve_memory(u, w, &a->dev[i], directory_token(i));
	for (unsigned int i = 0; i < a->ndev && !err; i++)
		if (update_keeps(&a->dev[i]))
			err = preserve_device(u, w, &a->dev[i], directory_token(i));
	return err;
}

static int set_updating(struct update *u, const struct agent_device *d, bool on)
{
	struct udrv_state *st;
	int err;

	err = udrv_state_open(d->h.fd[UDRV_FD_STATE], 0, app_log(NULL), &st);
	if (err && on)
		return update_refuse(u, err, "%s (%s): its state memory cannot be read: %s",
				     d->h.name, d->h.bdf, strerror(-err));
	if (err) {
		app_err("%s (%s): its state memory cannot be read (%s): its host goes on without timeouts and "
			"resets until it is started again",
			d->h.name, d->h.bdf, app_errname(err));
		return 0;
	}
	udrv_state_set_updating(st, on);
	/* A reset that began before the word was set is not cut short by an update. */
	if (on && d->state == DEV_RUNNING && udrv_state_lifecycle(st) != UDRV_READY)
		err = update_refuse(u, -EBUSY, "%s (%s): the device is being reset or shut down",
				    d->h.name, d->h.bdf);
	udrv_state_close(st);
	return err;
}

int prepare_updating(struct update *u, bool on)
{
	struct agent *a = u->a;
	int err = 0;

	u->updating = on;
	for (unsigned int i = 0; i < a->ndev && !err; i++)
		if (update_keeps(&a->dev[i]))
			err = set_updating(u, &a->dev[i], on);
	return err;
}
