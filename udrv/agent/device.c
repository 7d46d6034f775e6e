// SPDX-License-Identifier: GPL-2.0-or-later
/* One device: its handle, its lease, its host. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/common/json.h"
#include "udrv/host/host_exit.h"

#define HANDLES_MAX 4u /* handles in a row that were of no use */

const char *device_state_name(enum agent_state s)
{
	static const char *const names[] = {
		[DEV_PENDING] = "pending",  [DEV_STARTING] = "starting", [DEV_RUNNING] = "running",
		[DEV_BACKOFF] = "backoff",  [DEV_FAILED] = "failed",	 [DEV_STOPPED] = "stopped",
		[DEV_DETACHED] = "detached"
	};

	return names[s];
}

static void __attribute__((format(printf, 3, 4)))
device_fail(struct agent *a, struct agent_device *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d->error, sizeof(d->error), fmt, ap);
	va_end(ap);
	d->state = DEV_FAILED;
	fallen_drop(a, d);
	app_err("%s (%s): %s: the device is given up", d->h.name, d->h.bdf, d->error);
}

/*
 * PID 1 may not have closed yet the handle that the device had before: to
 * the kernel that is EINVAL.
 */
static int create_handle(const struct agent *a, struct udrv_handle *h,
			 const struct udrv_handle_opts *opts)
{
	unsigned int tries = 0;
	int err;

	do {
		err = udrv_handle_create(h, opts, app_log(NULL));
	} while ((err == -EBUSY || err == -EINVAL) && custody_still_open(a, &tries));
	return err;
}

void device_create(struct agent *a, struct agent_device *d)
{
	struct udrv_handle_opts opts;
	int err;

	/* Large folios make the pool contiguous. */
	app_write_file("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "within_size");
	err = bind_vfio(d->h.bdf);
	if (!err)
		err = agent_driver_opts(&d->h, &opts);
	if (!err)
		err = create_handle(a, &d->h, &opts);
	if (err) {
		device_fail(a, d, "cannot open it: %s", app_errname(err));
		return;
	}
	rescue_give(a, &d->h);
	custody_put_handle(a, &d->h);
	rescue_given(a, d->h.name);
	device_start_host(a, d);
	device_watch_host(a, d);
}

void device_close_handle(struct agent *a, struct agent_device *d, bool rescue)
{
	if (rescue)
		rescue_take(a, &d->h);
	custody_drop(a, d->h.name);
	udrv_handle_close(&d->h);
}

/*
 * The child. PID 1's is a plain fork, which has its program in memory, and the descriptors of its
 * handle as far as they are there, but for the one that comes last: it cannot use the device
 * without, and gets it when its lease is in custody. An agent's are executed, since they may be of
 * a new build, and lease like any other process.
 */
static void __attribute__((noreturn))
host_child(const struct agent *a, const struct agent_device *d, int sock)
{
	struct udrv_handle h = d->h;
	const struct host_lease lease = { .cycle = a->cycle,
					  .tsc_init = a->tsc_init,
					  .tsc_reboot = a->fdt ? directory_tsc_reboot(a->fdt) : 0,
					  .driver = d->h.driver,
					  .agent = sock };
	char *const argv[] = { "udrv-host", (char *)d->h.name, NULL };
	char *const envp[] = { "PATH=/bin:/sbin", NULL };
	int program = d->program;

	h.fd[UDRV_FD_IOMMU] = -1;
	if (sock >= 0)
		_exit(udrv_host_run(&h, &lease));
	if (program >= 0)
		execveat(program, "", argv, envp, AT_EMPTY_PATH);
	else
		execve("/proc/self/exe", argv, envp);
	app_err("cannot start udrv-host %s: %s (%s)", d->h.name, strerror(errno),
		app_errname(errno));
	_exit(APP_FAILED);
}

/* There will be no further host: nobody looks after the device, so it must not go on writing. */
static void give_up(struct agent *a, struct agent_device *d, const char *why)
{
	int err;

	err = udrv_handle_quiesce(&d->h, app_log(NULL));
	device_close_handle(a, d, true);
	device_fail(a, d, "%s; %s", why,
		    err ? "it may not be quiet (see above)" :
			  "it is quiesced (bus mastering off, reset); udrvctl restart begins again");
}

/* Whether another host may be tried, which is when the back-off says. */
static bool may_go_on(struct agent *a, struct agent_device *d, uint64_t now, uint64_t running_ns)
{
	char why[64];

	if (backoff_death(&d->backoff, now, running_ns))
		return true;
	snprintf(why, sizeof(why), "its hosts ended %u times in a row", d->backoff.streak);
	give_up(a, d, why);
	return false;
}

/* As if it had ended at once: the device goes on, and another one is tried. */
static void not_started(struct agent *a, struct agent_device *d, const char *what, int err)
{
	if (d->sock >= 0)
		close(d->sock);
	d->sock = -1;
	d->restarts++;
	app_err("%s (%s): its host cannot be started: %s: %s", d->h.name, d->h.bdf, what,
		app_errname(err));
	if (!may_go_on(a, d, app_now_ns(), 0))
		return;
	snprintf(d->error, sizeof(d->error), "its host cannot be started: %s: %s", what,
		 app_errname(err));
	d->state = DEV_BACKOFF;
}

void device_start_host(struct agent *a, struct agent_device *d)
{
	int sock[2] = { -1, -1 };
	int keep[2 + UDRV_HANDLE_FDS];
	unsigned int n = 0;
	int err;

	if (a->taking_over && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock)) {
		not_started(a, d, "socketpair", errno);
		return;
	}
	keep[n++] = sock[1];
	keep[n++] = d->program;
	for (unsigned int i = 0; sock[1] >= 0 && i < UDRV_HANDLE_FDS; i++)
		if (i != UDRV_FD_IOMMU)
			keep[n++] = d->h.fd[i];
	d->pid = app_fork(keep, n);
	if (!d->pid)
		host_child(a, d, sock[1]);
	err = d->pid < 0 ? errno : 0;
	if (sock[1] >= 0)
		close(sock[1]);
	d->sock = sock[0];
	if (err) {
		not_started(a, d, "fork", err);
		return;
	}
	d->state = DEV_STARTING;
}

void device_watch_host(struct agent *a, struct agent_device *d)
{
	int err;

	if (d->state != DEV_STARTING)
		return;
	d->pidfd = pidfd_open(d->pid, 0);
	if (d->pidfd < 0) {
		err = errno;
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
		d->pid = -1;
		not_started(a, d, "pidfd_open", err);
		return;
	}
	lease_put(a, d);
}

/* What it waits for does not come: it ends, if it has not, and its successor is told all of it. */
static void not_sent(struct agent_device *d, const char *what, int err)
{
	app_err("%s (%s): its host does not take %s: %s", d->h.name, d->h.bdf, what,
		app_errname(err));
	close(d->sock);
	d->sock = -1;
}

void device_give_part(struct agent_device *d, unsigned int mask)
{
	static struct udrv_msg m;
	struct udrv_handle part = d->h;
	int err;

	if (d->sock < 0)
		return;
	for (unsigned int i = 0; i < UDRV_HANDLE_FDS; i++)
		if (!(mask & 1u << i))
			part.fd[i] = -1;
	udrv_msg_init(&m, UDRV_MSG_HANDLE, 0);
	err = udrv_msg_set_handle(&m, &part);
	if (!err)
		err = udrv_msg_send(d->sock, &m);
	if (err)
		not_sent(d, "the handle", err);
}

void device_mounted(struct agent_device *d)
{
	static struct udrv_msg m;
	int err;

	if (d->sock < 0)
		return;
	udrv_msg_init(&m, UDRV_MSG_MOUNTED, 0);
	err = udrv_msg_send(d->sock, &m);
	if (err)
		not_sent(d, "its order to go on", err);
}

void device_listen(struct agent *a, struct agent_device *d)
{
	char name[48];

	if (d->sock < 0)
		return;
	if (a->taking_over) {
		app_join(name, sizeof(name), HOST_SOCK, d->h.name);
		custody_put_fd(a, name, d->sock);
		close(d->sock);
	} else if (d->pidfd >= 0) {
		agent_client(a, d->sock, d);
	} else {
		close(d->sock);
	}
	d->sock = -1;
}

void device_recall_host(struct agent *a, struct agent_device *d)
{
	siginfo_t si;

	if (d->sock >= 0)
		close(d->sock);
	d->sock = -1;
	if (d->pidfd < 0) {
		if (d->state != DEV_STARTING)
			return;
		/* It cannot use the device yet, and no lease of it is in custody. */
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
		d->pid = -1;
		return;
	}
	waitid(P_PIDFD, (id_t)d->pidfd, &si, WEXITED);
	lease_drop(a, d);
}

static bool lease_held(const struct agent_device *d)
{
	struct pollfd p = { .fd = d->pidfd, .events = POLLIN };

	return d->pidfd >= 0 && poll(&p, 1, 0) == 0;
}

static int send_lease(struct agent *a, struct agent_device *d, int sock, uint32_t id)
{
	static struct udrv_msg m;
	struct json_object *o;
	int err;

	udrv_msg_init(&m, UDRV_MSG_HANDLE, id);
	err = udrv_msg_set_handle(&m, &d->h);
	if (!err)
		err = udrv_msg_send(sock, &m);
	if (err)
		return err;
	o = json_object_new_object();
	json_set_u64(o, "cycle", a->cycle);
	json_set_u64(o, "tsc_init", a->tsc_init);
	json_set_u64(o, "tsc_reboot", a->fdt ? directory_tsc_reboot(a->fdt) : 0);
	err = udrv_msg_reply_ok(sock, id, json_text(o));
	json_object_put(o);
	return err;
}

int device_lease(struct agent *a, struct agent_device *d, int sock, uint32_t id)
{
	struct udrv_peer peer;
	int err;

	/* Its holder has ended, and the news of that is still to be read. */
	if (d->pidfd >= 0 && !lease_held(d))
		device_lease_over(a, d);
	if (d->h.fd[UDRV_FD_VFIO] < 0 || d->adopt)
		return udrv_msg_reply_error(sock, id, ENODEV, "%s is not open (%s)", d->h.name,
					    device_state_name(d->state));
	err = udrv_proto_peer(sock, &peer);
	if (err || peer.pidfd < 0)
		return udrv_msg_reply_error(sock, id, err ? err : ESRCH, "who are you?");
	if (d->pidfd >= 0) {
		close(peer.pidfd);
		return peer.pid == d->pid ?
			       send_lease(a, d, sock, id) :
			       udrv_msg_reply_error(sock, id, EBUSY, "%s is leased to process %d",
						    d->h.name, d->pid);
	}
	d->pid = peer.pid;
	d->pidfd = peer.pidfd;
	d->state = DEV_STARTING;
	lease_put(a, d);
	return send_lease(a, d, sock, id);
}

int device_adopted(struct agent *a, struct agent_device *d, const char *start, const char *why)
{
	int err;

	if (why[0])
		snprintf(d->error, sizeof(d->error), "%s", why);
	if (!strcmp(start, "refused"))
		return 0;
	if (d->state == DEV_STARTING) {
		d->state = DEV_RUNNING;
		d->running_ns = app_now_ns();
		d->handles = 0;
	}
	if (!strcmp(start, "started") && d->fallback)
		start = "fallback";
	d->fallback = false;
	snprintf(d->start, sizeof(d->start), "%s", start);
	/* Why it had to start clean stays of interest. */
	if (strcmp(start, "fallback"))
		d->error[0] = '\0';
	err = lease_told(a, d);
	if (!err)
		fallen_drop(a, d);
	return err;
}

/* The handle is of no use to its host: quiesce by closing, and begin again with a new one. */
static void start_over(struct agent *a, struct agent_device *d)
{
	/* Its consumers' memory may be what is wrong. */
	bool rescue = d->handles++ == 0;

	app_warn("%s (%s): its state cannot be resumed: the device is closed, which quiesces it, and started clean%s",
		 d->h.name, d->h.bdf, rescue ? "" : ", without its consumers' memory");
	device_close_handle(a, d, rescue);
	if (d->handles > HANDLES_MAX) {
		device_fail(a, d, "%u new handles in a row were of no use either", HANDLES_MAX);
		return;
	}
	if (!d->error[0])
		snprintf(d->error, sizeof(d->error), "its state could not be resumed");
	d->fallback = true;
	d->state = DEV_PENDING;
}

void device_stop(struct agent *a, struct agent_device *d)
{
	if (d->pidfd < 0) {
		device_close_handle(a, d, d->h.policy == UDRV_RESET);
		d->state = DEV_STOPPED;
		return;
	}
	d->stopping = true;
	if (pidfd_send_signal(d->pidfd, SIGTERM, NULL, 0))
		app_warn("%s (%s): cannot signal its host: %s", d->h.name, d->h.bdf,
			 app_errname(errno));
}

void device_kill(struct agent_device *d)
{
	if (d->pidfd >= 0 && pidfd_send_signal(d->pidfd, SIGKILL, NULL, 0) && errno != ESRCH)
		app_err("%s (%s): cannot kill its host: %s", d->h.name, d->h.bdf,
			app_errname(errno));
}

int device_restart(struct agent *a, struct agent_device *d, int program, char *why, size_t why_size)
{
	char name[48];

	if (d->stopping || d->state == DEV_DETACHED) {
		snprintf(why, why_size, "%s is %s", d->h.name,
			 d->stopping ? "being stopped for an update" :
				       "detached: set another policy first");
		return -EBUSY;
	}
	if (program >= 0) {
		int seals = fcntl(program, F_GET_SEALS);

		if (seals < 0 || !(seals & F_SEAL_WRITE)) {
			snprintf(why, why_size, "the program is no memfd sealed against writing");
			return -EINVAL;
		}
		if (d->program >= 0)
			close(d->program);
		d->program = program;
		snprintf(name, sizeof(name), "program-%s", d->h.name);
		custody_put_fd(a, name, program);
	}
	d->backoff.streak = 0;
	d->backoff.delay_ns = 0;
	d->handles = 0;
	if (d->pidfd >= 0) {
		d->replacing = true;
		device_kill(d);
	} else if (d->state == DEV_FAILED) {
		d->error[0] = '\0';
		d->state = DEV_PENDING;
	} else {
		d->backoff.due_ns = 0;
	}
	return 0;
}

void device_lease_over(struct agent *a, struct agent_device *d)
{
	uint64_t now = app_now_ns();
	pid_t pid = d->pid;
	char end[64], who[24] = "";
	int status;

	status = ended_status(d->pidfd, end, sizeof(end));
	lease_drop(a, d);
	d->restarts++;
	if (d->stopping) {
		d->stopping = false;
		device_close_handle(a, d, d->h.policy == UDRV_RESET);
		d->state = DEV_STOPPED;
		return;
	}
	if (d->replacing) {
		d->replacing = false;
		d->state = DEV_BACKOFF;
		d->backoff.due_ns = now;
		return;
	}
	if (status == HOST_EXIT_HANDLE) {
		start_over(a, d);
		return;
	}
	if (status == HOST_EXIT_DEVICE) {
		give_up(a, d, "its driver cannot run it (its host has said why)");
		return;
	}
	/* Unknown if it was gone before this agent began. */
	if (pid > 0)
		snprintf(who, sizeof(who), " (pid %d)", pid);
	app_err("%s (%s): its host%s ended %s: the device goes on, a successor takes it over",
		d->h.name, d->h.bdf, who, end);
	/* However often a host dies: as long as its successors get the device to run for a while,
	 * it is not given up. */
	if (!may_go_on(a, d, now, d->state == DEV_RUNNING ? d->running_ns : 0))
		return;
	snprintf(d->error, sizeof(d->error),
		 "its host ended %s; %u in a row, the next one after %llu ms", end,
		 d->backoff.streak, (unsigned long long)d->backoff.delay_ns / 1000000);
	d->state = DEV_BACKOFF;
}
