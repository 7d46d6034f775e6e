// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An update: check, load the next kernel, preserve, reboot. Nothing is stopped for it but the
 * devices that are not to be kept: drivers go on until the old kernel does. Whatever fails, takes
 * too long or is called off is undone, and I/O goes on as if nothing had been tried.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kexec.h>

#include <udrv/proto.h>

#include "udrv/agent/holder.h"
#include "udrv/agent/update.h"
#include "udrv/common/app.h"
#include "udrv/common/json.h"

static struct update the_update = {
	.kernel = -1, .image = -1, .session = -1, .worker = WORKER_INIT
};

int update_refuse(struct update *u, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(u->why, sizeof(u->why), fmt, ap);
	va_end(ap);
	return err;
}

bool update_keeps(const struct agent_device *d)
{
	return d->h.fd[UDRV_FD_VFIO] >= 0 && d->h.policy == UDRV_KEEP;
}

bool update_active(void)
{
	return the_update.stage != UPDATE_IDLE;
}

static void due_in(struct update *u, uint64_t ns)
{
	u->due_ns = ns ? app_now_ns() + ns : 0;
}

static void phase_begin(struct update *u, const char *phase, const char *device, uint64_t now)
{
	snprintf(u->phase_now, sizeof(u->phase_now), "%s", phase);
	snprintf(u->device_now, sizeof(u->device_now), "%s", device ? device : "");
	u->phase_ns = now;
	due_in(u, u->deadline_ns);
}

/* Who asked may be gone; the update is not theirs to stop that way. */
static void tell_progress(struct update *u, uint64_t duration_ns)
{
	static struct udrv_msg m;
	struct json_object *o;

	if (!u->client)
		return;
	o = json_object_new_object();
	json_set_str(o, "phase", u->phase_now);
	if (u->device_now[0])
		json_set_str(o, "device", u->device_now);
	json_set_u64(o, "duration_us", duration_ns / 1000);
	udrv_msg_init(&m, UDRV_MSG_PROGRESS, u->id);
	if (!udrv_msg_set_text(&m, json_text(o)))
		udrv_msg_send(u->client->sock, &m);
	json_object_put(o);
}

static void phase_end(struct update *u, uint64_t now)
{
	uint64_t duration = now - u->phase_ns;
	unsigned int n = u->nphases;

	if (n < UPDATE_PHASES) {
		snprintf(u->phase_name[n], sizeof(u->phase_name[0]), "%s%s%s", u->phase_now,
			 u->device_now[0] ? "-" : "", u->device_now);
		u->phase[n] = (struct directory_phase){ .name = u->phase_name[n],
							.start_ns = u->phase_ns - u->begin_ns,
							.duration_ns = duration };
		u->nphases++;
	}
	tell_progress(u, duration);
	u->phase_now[0] = u->device_now[0] = '\0';
	u->due_ns = 0;
}

void update_phase_begin(struct update *u, const char *phase, const char *device)
{
	phase_begin(u, phase, device, app_now_ns());
}

void update_phase_end(struct update *u)
{
	phase_end(u, app_now_ns());
}

/* Takes an answer once; its connection may be asked other things later. */
static struct agent_client *take(struct agent_client **c)
{
	struct agent_client *ret = *c;

	*c = NULL;
	return ret;
}

/* PID 1 may want it. */
static void release_luo(struct agent *a)
{
	if (!a->luo_on_demand || a->luo < 0)
		return;
	close(a->luo);
	a->luo = -1;
}

static void close_files(struct update *u)
{
	if (u->kernel >= 0)
		close(u->kernel);
	if (u->image >= 0)
		close(u->image);
	u->kernel = u->image = -1;
}

static void end(struct update *u)
{
	release_luo(u->a);
	close_files(u);
	free(u->cmdline);
	u->cmdline = NULL;
	u->stage = UPDATE_IDLE;
	u->due_ns = 0;
}

static void undo(struct update *u)
{
	struct agent *a = u->a;
	struct agent_client *c;

	if (u->session >= 0) {
		custody_drop(a, "outgoing");
		close(u->session);
		u->session = -1;
	}
	if (u->updating)
		prepare_updating(u, false);
	if (u->loaded &&
	    syscall(SYS_kexec_file_load, -1, -1, 0UL, "", (unsigned long)KEXEC_FILE_UNLOAD))
		app_warn("the next kernel cannot be unloaded: %s", app_errname(errno));
	u->loaded = false;
	commit_undo(u);
	if (u->err)
		snprintf(u->last, sizeof(u->last), "%s (%s)", u->why, app_errname(u->err));
	else
		snprintf(u->last, sizeof(u->last), "dry run: the update can be done");
	if (u->err)
		app_err("update refused: %s (%s): nothing was changed, I/O goes on", u->why,
			app_errname(u->err));
	c = take(&u->client);
	if (c && u->err)
		udrv_msg_reply_error(c->sock, u->id, u->err, "%s", u->why);
	else if (c)
		udrv_msg_reply_ok(c->sock, u->id, NULL);
	c = take(&u->aborter);
	if (c)
		udrv_msg_reply_ok(c->sock, u->abort_id, NULL);
	end(u);
}

/* @err and @u->why say why: undo everything, as soon as no worker is in the way. */
static void update_fail(struct update *u, int err)
{
	u->err = err;
	if (u->worker.pidfd >= 0) {
		worker_kill(&u->worker);
		u->stage = UPDATE_UNDO;
		due_in(u, u->deadline_ns);
		return;
	}
	undo(u);
}

static bool start_worker(struct update *u, enum update_stage stage,
			 int (*job)(void *ctx, struct worker *w))
{
	int err = worker_start(&u->worker, job, u);

	if (err) {
		update_fail(u,
			    update_refuse(u, err, "no process to work on it: %s", strerror(-err)));
		return false;
	}
	u->stage = stage;
	return true;
}

static int check_devices(struct update *u)
{
	struct agent *a = u->a;

	for (unsigned int i = 0; i < a->ndev; i++) {
		const struct agent_device *d = &a->dev[i];

		if (d->state != DEV_PENDING && d->state != DEV_STARTING &&
		    (d->state != DEV_BACKOFF || a->incoming < 0))
			continue;
		return update_refuse(u, -EBUSY, "%s (%s) is %s: wait until it runs%s", d->h.name,
				     d->h.bdf, device_state_name(d->state),
				     a->incoming < 0 ?
					     "" :
					     "; the previous update's session is not finished before");
	}
	return 0;
}

static int check(struct update *u)
{
	struct agent *a = u->a;
	char why[192];
	int err;

	err = holder_open_luo(&a->luo, why, sizeof(why));
	a->luo_err = err;
	if (err)
		return update_refuse(u, err, "%s", why);
	err = check_devices(u);
	if (err)
		return err;
	if (a->incoming >= 0)
		return update_refuse(u, -EBUSY, "the previous update's session is not finished");
	err = check_image(u->kernel, u->release, sizeof(u->release), why, sizeof(why));
	if (!err)
		err = check_cmdline(u->cmdline, why, sizeof(why));
	if (!err)
		err = check_memory(u->kernel, u->image, why, sizeof(why));
	return err ? update_refuse(u, err, "next kernel: %s", why) : 0;
}

static int create_session(struct agent *a, char *why, size_t size)
{
	unsigned int tries = 0;
	int session;

	/* An update that was undone a moment ago may not be gone. */
	do {
		session = luo_create_session(a->luo, SESSION_NAME);
	} while (session == -EEXIST && custody_still_open(a, &tries));
	if (session < 0)
		session = holder_create_session(a->luo, why, size);
	release_luo(a);
	return session;
}

static void begin_preserve(struct update *u)
{
	char why[192];
	int err;

	err = prepare_updating(u, true);
	if (err) {
		update_fail(u, err);
		return;
	}
	u->session = create_session(u->a, why, sizeof(why));
	if (u->session < 0) {
		update_fail(u, update_refuse(u, u->session, "%s", why));
		return;
	}
	/* PID 1 holds it, too: if this process died the session would be undone under a device's
	 * feet. */
	custody_put_fd(u->a, "outgoing", u->session);
	err = custody_settle(u->a);
	if (err) {
		update_fail(u, update_refuse(u, err, "PID 1 does not take the session: %s",
					     strerror(-err)));
		return;
	}
	start_worker(u, UPDATE_PRESERVE, prepare_preserve);
}

static void leave(struct update *u)
{
	int err;

	/* They are loaded. Open, they would keep systemd from unmounting what they are on. */
	close_files(u);
	err = commit_leave(u);
	if (err)
		update_fail(u, err);
	else
		u->stage = UPDATE_LEAVE;
}

static void begin_commit(struct update *u)
{
	u->stage = UPDATE_STOP;
	commit_begin(u);
	if (commit_stopped(u)) {
		leave(u);
		return;
	}
	update_phase_begin(u, "stop", NULL);
}

static void prepared(struct update *u)
{
	struct agent_client *c;

	if (u->dry_run) {
		u->err = 0;
		undo(u);
		return;
	}
	if (!u->hold) {
		begin_commit(u);
		return;
	}
	u->stage = UPDATE_PREPARED;
	due_in(u, u->hold_ns);
	c = take(&u->client);
	if (c)
		udrv_msg_reply_ok(c->sock, u->id, "{\"stage\":\"prepared\"}");
}

/* A kernel that somebody else has loaded is not to be unloaded. */
static void note_load(struct update *u, const struct worker_event *e)
{
	if (e->type == WORKER_BEGIN && !strcmp(e->phase, UPDATE_PHASE_LOAD))
		u->loaded = true;
}

static void worker_over(struct update *u, const struct worker_event *done)
{
	enum update_stage stage = u->stage;
	struct worker_event e;
	int status;

	/* What one that was killed has begun before. */
	while (!done && !worker_next(&u->worker, &e))
		note_load(u, &e);
	status = worker_reap(&u->worker);
	if (stage == UPDATE_UNDO) {
		undo(u);
	} else if (!done) {
		update_fail(u,
			    update_refuse(u, -EIO,
					  "%s%s%s: the process that worked on it ended with %s %d",
					  u->phase_now, u->device_now[0] ? " of " : "",
					  u->device_now, WIFSIGNALED(status) ? "signal" : "status",
					  WIFSIGNALED(status) ? WTERMSIG(status) :
								WEXITSTATUS(status)));
	} else if (done->err) {
		update_fail(u, update_refuse(u, done->err, "%s", done->why));
	} else if (stage == UPDATE_LOAD) {
		begin_preserve(u);
	} else {
		prepared(u);
	}
}

int update_pollfd(void)
{
	struct update *u = &the_update;

	/* A worker that was killed has no more to say: what counts is that it is gone. */
	return u->stage == UPDATE_UNDO ? u->worker.pidfd : u->worker.sock;
}

void update_event(void)
{
	struct update *u = &the_update;
	struct worker_event e;
	int err;

	if (u->stage == UPDATE_UNDO) {
		worker_over(u, NULL);
		return;
	}
	while (!(err = worker_next(&u->worker, &e))) {
		note_load(u, &e);
		if (e.type == WORKER_BEGIN) {
			phase_begin(u, e.phase, e.device, e.ns);
		} else if (e.type == WORKER_END) {
			phase_end(u, e.ns);
		} else {
			worker_over(u, &e);
			return;
		}
	}
	if (err != -EAGAIN)
		worker_over(u, NULL);
}

uint64_t update_due(void)
{
	return the_update.due_ns ? the_update.due_ns : UINT64_MAX;
}

static void overdue(struct update *u)
{
	double s = (double)u->deadline_ns / 1e9;

	u->due_ns = 0;
	switch (u->stage) {
	case UPDATE_LOAD:
	case UPDATE_PRESERVE:
		update_fail(u, update_refuse(u, -ETIMEDOUT, "%s%s%s took longer than %g s",
					     u->phase_now, u->device_now[0] ? " of " : "",
					     u->device_now, s));
		break;
	case UPDATE_PREPARED:
		update_fail(u,
			    update_refuse(u, -ETIMEDOUT,
					  "prepared, but neither committed nor aborted within %g s",
					  (double)u->hold_ns / 1e9));
		break;
	case UPDATE_STOP:
		commit_kill(u);
		break;
	case UPDATE_UNDO:
		app_err("update: the kernel does not let go of '%s %s' for %g s: it is undone as soon as it does",
			u->phase_now, u->device_now, s);
		break;
	case UPDATE_LEAVE:
	case UPDATE_IDLE:
		break;
	}
}

/* A device that needs a new handle is in the way: its old one is preserved. */
static void check_kept(struct update *u)
{
	for (unsigned int i = 0; i < u->a->ndev; i++) {
		const struct agent_device *d = &u->a->dev[i];

		if (d->state != DEV_PENDING)
			continue;
		update_fail(u, update_refuse(u, -ESTALE, "%s (%s) cannot be resumed any more: %s",
					     d->h.name, d->h.bdf,
					     d->error[0] ? d->error : "it is started clean"));
		return;
	}
}

void update_progress(void)
{
	struct update *u = &the_update;

	if (u->stage == UPDATE_IDLE)
		return;
	if (u->due_ns && app_now_ns() >= u->due_ns)
		overdue(u);
	if (u->stage == UPDATE_PRESERVE || u->stage == UPDATE_PREPARED || u->stage == UPDATE_STOP)
		check_kept(u);
	if (u->stage == UPDATE_STOP && commit_stopped(u)) {
		update_phase_end(u);
		leave(u);
	}
}

void update_client_gone(const struct agent_client *c)
{
	if (the_update.client == c)
		the_update.client = NULL;
	if (the_update.aborter == c)
		the_update.aborter = NULL;
}

static int refuse_second(const struct update *u, struct agent_client *c, uint32_t id)
{
	return udrv_msg_reply_error(c->sock, id, EBUSY,
				    "an update is under way%s%s: wait, or udrvctl update --abort",
				    u->stage == UPDATE_PREPARED ? ", prepared" : ": ",
				    u->stage == UPDATE_PREPARED ? "" : u->phase_now);
}

int agent_update(struct agent *a, struct agent_client *c, struct udrv_msg *m)
{
	struct update *u = &the_update;
	const char *text = udrv_msg_text(m);
	struct json_object *req;
	int err;

	if (u->stage != UPDATE_IDLE)
		return refuse_second(u, c, m->id);
	req = text ? json_tokener_parse(text) : NULL;
	u->a = a;
	u->client = c;
	u->id = m->id;
	u->err = 0;
	u->why[0] = u->last[0] = '\0';
	u->loaded = u->updating = false;
	u->session = -1;
	u->nphases = 0;
	u->begin_ns = app_now_ns();
	u->kernel = udrv_msg_take_fd(m, 0);
	u->image = udrv_msg_take_fd(m, 1);
	u->cmdline = strdup(json_get_str(req, "cmdline", app_cmdline()));
	snprintf(u->kernel_digest, sizeof(u->kernel_digest), "%s",
		 json_get_str(req, "kernel_sha256", ""));
	snprintf(u->image_digest, sizeof(u->image_digest), "%s",
		 json_get_str(req, "image_sha256", ""));
	u->dry_run = json_get_flag(req, "dry_run");
	u->hold = json_get_flag(req, "prepare");
	u->deadline_ns = json_get_u64(req, "deadline_ms", UPDATE_DEADLINE_NS / 1000000) * 1000000;
	u->hold_ns = json_get_u64(req, "hold_ms", UPDATE_HOLD_NS / 1000000) * 1000000;
	json_object_put(req);
	update_phase_begin(u, "check", NULL);
	if (u->kernel < 0 || u->image < 0 || !u->cmdline)
		err = update_refuse(u, -EINVAL, "the request lacks kernel and image");
	else
		err = check(u);
	if (err) {
		update_fail(u, err);
		return 0;
	}
	update_phase_end(u);
	start_worker(u, UPDATE_LOAD, prepare_load);
	return 0;
}

int update_abort(struct agent_client *c, uint32_t id)
{
	struct update *u = &the_update;

	if (u->stage == UPDATE_IDLE || u->aborter)
		return udrv_msg_reply_error(c->sock, id, ENOENT, "no update is under way%s",
					    u->aborter ? " that is not being aborted" : "");
	u->aborter = c;
	u->abort_id = id;
	if (u->stage != UPDATE_UNDO)
		update_fail(u, update_refuse(u, -ECANCELED, "aborted by request"));
	return 0;
}

int update_commit(struct agent_client *c, uint32_t id)
{
	struct update *u = &the_update;

	if (u->stage != UPDATE_PREPARED)
		return udrv_msg_reply_error(c->sock, id, ENOENT,
					    "no update is prepared: udrvctl update --prepare comes first");
	u->client = c;
	u->id = id;
	begin_commit(u);
	return 0;
}

struct json_object *update_json(void)
{
	static const char *const stages[] = {
		[UPDATE_IDLE] = "none",		[UPDATE_LOAD] = "load",
		[UPDATE_PRESERVE] = "preserve", [UPDATE_PREPARED] = "prepared",
		[UPDATE_STOP] = "stop",		[UPDATE_LEAVE] = "leave",
		[UPDATE_UNDO] = "undo"
	};
	const struct update *u = &the_update;
	struct json_object *o = json_object_new_object();

	json_set_str(o, "stage", stages[u->stage]);
	if (u->stage != UPDATE_IDLE)
		json_set_str(o, "to_kernel", u->release);
	if (u->phase_now[0] && u->stage != UPDATE_IDLE)
		json_set_str(o, "phase", u->phase_now);
	if (u->device_now[0] && u->stage != UPDATE_IDLE)
		json_set_str(o, "device", u->device_now);
	if (u->last[0])
		json_set_str(o, "last", u->last);
	return o;
}
