// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "udrv/agent/worker.h"

static void tell(struct worker *w, int type)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	w->event.type = type;
	w->event.ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	/* An agent that is gone needs no answer, and takes this process along. */
	if (send(w->sock, &w->event, sizeof(w->event), MSG_NOSIGNAL) < 0)
		_exit(1);
}

void worker_begin(struct worker *w, const char *phase, const char *device)
{
	snprintf(w->event.phase, sizeof(w->event.phase), "%s", phase);
	snprintf(w->event.device, sizeof(w->event.device), "%s", device ? device : "");
	tell(w, WORKER_BEGIN);
}

void worker_end(struct worker *w)
{
	tell(w, WORKER_END);
}

int worker_refuse(struct worker *w, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->event.why, sizeof(w->event.why), fmt, ap);
	va_end(ap);
	return err;
}

static void __attribute__((noreturn))
child(struct worker *w, pid_t parent, int (*job)(void *ctx, struct worker *w), void *ctx)
{
	prctl(PR_SET_NAME, "udrv-update");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	w->event = (struct worker_event){ 0 };
	w->event.err = job(ctx, w);
	tell(w, WORKER_DONE);
	_exit(0);
}

int worker_start(struct worker *w, int (*job)(void *ctx, struct worker *w), void *ctx)
{
	pid_t parent = getpid();
	int sock[2], err;

	*w = (struct worker)WORKER_INIT;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock))
		return -errno;
	w->pid = fork();
	if (!w->pid) {
		w->sock = sock[1];
		child(w, parent, job, ctx);
	}
	err = w->pid < 0 ? -errno : 0;
	close(sock[1]);
	w->sock = sock[0];
	w->pidfd = err ? -1 : pidfd_open(w->pid, 0);
	if (!err && w->pidfd < 0) {
		err = -errno;
		kill(w->pid, SIGKILL);
		waitpid(w->pid, NULL, 0);
	}
	if (err) {
		close(w->sock);
		*w = (struct worker)WORKER_INIT;
	}
	return err;
}

int worker_next(struct worker *w, struct worker_event *ret)
{
	ssize_t n = recv(w->sock, ret, sizeof(*ret), MSG_DONTWAIT);

	/* Linux may tell of the end before a message that came just before it, but never twice. */
	if (!n)
		n = recv(w->sock, ret, sizeof(*ret), MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -ENOTCONN;
	if (n != (ssize_t)sizeof(*ret))
		return -ENOTCONN;
	ret->phase[sizeof(ret->phase) - 1] = '\0';
	ret->device[sizeof(ret->device) - 1] = '\0';
	ret->why[sizeof(ret->why) - 1] = '\0';
	return 0;
}

void worker_kill(struct worker *w)
{
	if (w->pidfd >= 0)
		pidfd_send_signal(w->pidfd, SIGKILL, NULL, 0);
}

int worker_reap(struct worker *w)
{
	int status = -1;

	if (w->pid > 0 && waitpid(w->pid, &status, 0) != w->pid)
		status = -1;
	if (w->pidfd >= 0)
		close(w->pidfd);
	if (w->sock >= 0)
		close(w->sock);
	*w = (struct worker)WORKER_INIT;
	return status;
}
