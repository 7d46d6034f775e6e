// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An update: check, load the next kernel, preserve, reboot. Nothing is stopped for it: drivers go
 * on until the old kernel does. Whatever fails is undone, and I/O goes on as if nothing had been
 * tried.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kexec.h>
#include <linux/reboot.h>

#include <udrv/proto.h>
#include <udrv/state.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/common/json.h"

#define PHASES (2 * AGENT_DEVICES + 8)

struct update {
	struct agent *a;
	int sock;
	uint32_t id;
	int kernel, image;
	const char *cmdline;
	bool dry_run;
	char release[65];
	int session;
	bool loaded;
	uint64_t begin_ns, phase_ns;
	struct directory_phase phase[PHASES];
	char phase_name[PHASES][48];
	unsigned int nphases;
	char why[384];
};

static int refuse(struct update *u, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct update *u, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(u->why, sizeof(u->why), fmt, ap);
	va_end(ap);
	return err;
}

static void phase_begin(struct update *u)
{
	u->phase_ns = app_now_ns();
}

static void phase_end(struct update *u, const char *name, const char *device)
{
	static struct udrv_msg m;
	uint64_t now = app_now_ns();
	struct json_object *o;

	if (u->nphases < PHASES) {
		snprintf(u->phase_name[u->nphases], sizeof(u->phase_name[0]), "%s%s%s", name,
			 device ? "-" : "", device ? device : "");
		u->phase[u->nphases] =
			(struct directory_phase){ .name = u->phase_name[u->nphases],
						  .start_ns = u->phase_ns - u->begin_ns,
						  .duration_ns = now - u->phase_ns };
		u->nphases++;
	}
	o = json_object_new_object();
	json_set_str(o, "phase", name);
	if (device)
		json_set_str(o, "device", device);
	json_set_u64(o, "duration_us", (now - u->phase_ns) / 1000);
	udrv_msg_init(&m, UDRV_MSG_PROGRESS, u->id);
	/* Who asked may be gone; the update is not theirs to stop that way. */
	if (!udrv_msg_set_text(&m, json_text(o)))
		udrv_msg_send(u->sock, &m);
	json_object_put(o);
}

static bool kept(const struct agent_device *d)
{
	return d->h.fd[UDRV_FD_VFIO] >= 0 && d->h.policy == UDRV_KEEP;
}

static int check(struct update *u)
{
	struct agent *a = u->a;
	char why[192];
	int err;

	phase_begin(u);
	if (a->luo < 0)
		return refuse(
			u, -ENODEV,
			"/dev/liveupdate: %s: this kernel was not booted with liveupdate=on kho=on",
			app_errname(a->luo));
	for (unsigned int i = 0; i < a->ndev; i++)
		if (a->dev[i].state != DEV_RUNNING && a->dev[i].state != DEV_FAILED &&
		    a->dev[i].state != DEV_BACKOFF)
			return refuse(u, -EBUSY, "%s (%s) is %s: wait until it runs",
				      a->dev[i].h.name, a->dev[i].h.bdf,
				      device_state_name(a->dev[i].state));
	if (a->incoming >= 0)
		return refuse(u, -EBUSY, "the previous update's session is not finished");
	err = check_image(u->kernel, u->release, sizeof(u->release), why, sizeof(why));
	if (!err)
		err = check_cmdline(u->cmdline, why, sizeof(why));
	if (err)
		return refuse(u, err, "next kernel: %s", why);
	phase_end(u, "check", NULL);
	return 0;
}

static int load(struct update *u)
{
	phase_begin(u);
	if (syscall(SYS_kexec_file_load, u->kernel, u->image, strlen(u->cmdline) + 1, u->cmdline,
		    0UL))
		return refuse(u, -errno, "kexec_file_load: %s", strerror(errno));
	u->loaded = true;
	phase_end(u, "load", NULL);
	return 0;
}

static int set_updating(struct agent *a, bool on, struct update *u)
{
	for (unsigned int i = 0; i < a->ndev; i++) {
		struct agent_device *d = &a->dev[i];
		struct udrv_state *st;
		int err;

		if (!kept(d))
			continue;
		err = udrv_state_open(d->h.fd[UDRV_FD_STATE], 0, app_log(NULL), &st);
		if (err && on)
			return refuse(u, err, "%s (%s): its state memory cannot be read", d->h.name,
				      d->h.bdf);
		if (err) {
			app_err("%s (%s): its state memory cannot be read (%s): its host goes on without timeouts and "
				"resets until it is started again",
				d->h.name, d->h.bdf, app_errname(err));
			continue;
		}
		udrv_state_set_updating(st, on);
		/* A reset that began before the word was set is not cut short by an update. */
		if (on && d->state == DEV_RUNNING && udrv_state_lifecycle(st) != UDRV_READY)
			err = refuse(u, -EBUSY, "%s (%s): the device is being reset or shut down",
				     d->h.name, d->h.bdf);
		udrv_state_close(st);
		if (err)
			return err;
	}
	return 0;
}

static int preserve_memory(struct update *u, const struct agent_device *d, uint64_t base)
{
	int err;

	phase_begin(u);
	for (unsigned int i = 0; i < UDRV_HANDLE_FDS; i++) {
		if (d->h.fd[i] < 0 || i == UDRV_FD_VFIO || i == UDRV_FD_IOMMU)
			continue;
		err = luo_preserve(u->session, d->h.fd[i], base + i);
		if (err)
			return refuse(u, err,
				      "%s (%s): its memory (descriptor %u) cannot be preserved",
				      d->h.name, d->h.bdf, i);
	}
	phase_end(u, "preserve-memory", d->h.name);
	return 0;
}

static int preserve_device(struct update *u, const struct agent_device *d, uint64_t base)
{
	int err;

	phase_begin(u);
	err = luo_preserve(u->session, d->h.fd[UDRV_FD_VFIO], base + UDRV_FD_VFIO);
	if (err == -ENOENT)
		return refuse(u, err,
			      "%s (%s): the running kernel cannot preserve a vfio-pci device",
			      d->h.name, d->h.bdf);
	if (err)
		return refuse(u, err, "%s (%s): the device cannot be preserved, see the kernel log",
			      d->h.name, d->h.bdf);
	phase_end(u, "preserve-device", d->h.name);
	return 0;
}

/* All memory before the first device: a device is taken only if every page that it can reach is
 * kept. */
static int preserve(struct update *u)
{
	struct agent *a = u->a;
	int err = 0;

	u->session = luo_create_session(a->luo, SESSION_NAME);
	if (u->session < 0)
		return refuse(u, u->session, "cannot create the session '" SESSION_NAME "'");
	/* PID 1 holds it, too: if this process died the session would be undone under a device's
	 * feet. */
	custody_put_fd(a, "outgoing", u->session);
	err = custody_settle(a);
	if (err)
		return refuse(u, err, "udrv-init does not take the session");
	for (unsigned int i = 0; i < a->ndev && !err; i++)
		if (kept(&a->dev[i]))
			err = preserve_memory(u, &a->dev[i], directory_token(i));
	for (unsigned int i = 0; i < a->ndev && !err; i++)
		if (kept(&a->dev[i]))
			err = preserve_device(u, &a->dev[i], directory_token(i));
	return err;
}

static int leave(struct update *u)
{
	void *directory;
	int fd, err;

	phase_begin(u);
	fd = directory_write(u->a, u->release, u->phase, u->nphases, &directory);
	if (fd < 0)
		return refuse(u, fd, "cannot write the directory");
	err = luo_preserve(u->session, fd, DIRECTORY_TOKEN);
	close(fd);
	if (err) {
		err = refuse(u, err, "the directory cannot be preserved");
		goto unmap;
	}
	phase_end(u, "preserve-directory", NULL);
	phase_begin(u);
	phase_end(u, "reboot", NULL);
	directory_stamp(directory);
	reboot(LINUX_REBOOT_CMD_KEXEC);
	err = refuse(u, -errno, "the kernel refused to reboot: %s, see the kernel log",
		     strerror(errno));
unmap:
	munmap(directory, DIRECTORY_SIZE);
	return err;
}

static void undo(struct update *u)
{
	if (u->session >= 0) {
		custody_drop(u->a, "outgoing");
		close(u->session);
	}
	set_updating(u->a, false, u);
	if (u->loaded)
		syscall(SYS_kexec_file_load, -1, -1, 0UL, "", (unsigned long)KEXEC_FILE_UNLOAD);
}

void agent_update(struct agent *a, int sock, struct udrv_msg *m)
{
	struct update u = {
		.a = a, .sock = sock, .id = m->id, .session = -1, .begin_ns = app_now_ns()
	};
	const char *text = udrv_msg_text(m);
	struct json_object *req = text ? json_tokener_parse(text) : NULL;
	int err;

	u.kernel = udrv_msg_take_fd(m, 0);
	u.image = udrv_msg_take_fd(m, 1);
	u.cmdline = json_get_str(req, "cmdline", app_cmdline());
	u.dry_run = json_get_flag(req, "dry_run");
	if (u.kernel < 0 || u.image < 0)
		err = refuse(&u, -EINVAL, "the request lacks kernel and image");
	else
		err = check(&u);
	if (!err && u.dry_run) {
		udrv_msg_reply_ok(sock, u.id, NULL);
		goto out;
	}
	if (!err)
		err = load(&u);
	if (!err)
		err = set_updating(a, true, &u);
	if (!err)
		err = preserve(&u);
	if (!err)
		err = leave(&u);
	if (err) {
		undo(&u);
		app_err("update refused: %s (%s): nothing was changed, I/O goes on", u.why,
			app_errname(err));
		udrv_msg_reply_error(sock, u.id, err, "%s", u.why);
	}
out:
	json_object_put(req);
	if (u.kernel >= 0)
		close(u.kernel);
	if (u.image >= 0)
		close(u.image);
}
