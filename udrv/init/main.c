// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * udrv-init, PID 1 of the paravisor: takes over the previous kernel's devices, mounts what others
 * need, keeps their descriptors, starts the agent and starts it again. Everything up to the agent's
 * start is inside an update's blackout.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/common/app.h"
#include "udrv/init/init.h"

#define AGENT_DELAY_MIN_NS 100000000ull
#define AGENT_DELAY_MAX_NS 10000000000ull
#define SHELL_DELAY_NS	   1000000000ull
#define READY_LIMIT_NS	   30000000000ull

struct init {
	uint64_t tsc; /* of the first instruction: where an update's userspace part begins */
	pid_t agent, late;
	int custody; /* the agent's connection, -1: it has none */
	uint64_t agent_delay_ns;
	uint64_t agent_due_ns; /* when to start the agent again, 0: it runs */
	uint64_t agent_started_ns;
	uint64_t late_due_ns; /* likewise for the late child; ~0: not wanted */
	bool late_mounted;
};

/* Executed: a process of its own, with nothing of what PID 1 has in memory. */
static void __attribute__((noreturn)) agent_child(const struct init *in, int custody)
{
	char tsc[32], fd[16];
	char *const argv[] = { "udrv-agent", "--custody-fd", fd, "--tsc-init", tsc, NULL };
	char *const envp[] = { "PATH=/bin:/sbin", NULL };

	snprintf(tsc, sizeof(tsc), "%llu", (unsigned long long)in->tsc);
	snprintf(fd, sizeof(fd), "%d", custody);
	fcntl(custody, F_SETFD, 0);
	execve("/proc/self/exe", argv, envp);
	app_err("cannot start udrv-agent: %s (%s)", strerror(errno), app_errname(errno));
	_exit(APP_FAILED);
}

static void start_agent(struct init *in)
{
	int sock[2] = { -1, -1 };

	in->agent_due_ns = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock))
		app_err("no socket for custody: %s (%s)", strerror(errno), app_errname(errno));
	in->agent = app_fork(&sock[1], 1);
	if (!in->agent)
		agent_child(in, sock[1]);
	in->agent_started_ns = app_now_ns();
	if (sock[1] >= 0)
		close(sock[1]);
	in->custody = sock[0];
	if (in->agent < 0) {
		app_err("cannot fork for udrv-agent: %s (%s)", strerror(errno), app_errname(errno));
		in->agent_due_ns = in->agent_started_ns + in->agent_delay_ns;
	}
}

static void hang_up(struct init *in)
{
	close(in->custody);
	in->custody = -1;
}

static void note_ready(struct init *in, bool ready)
{
	if (ready && !in->late_mounted)
		in->late_due_ns = 0;
}

/* One request of the agent. */
static void serve_custody(struct init *in)
{
	bool ready = false;

	if (custody_next(in->custody, &ready))
		hang_up(in);
	note_ready(in, ready);
}

/* What it sent is ours before its successor asks. */
static void end_custody(struct init *in)
{
	bool ready = false;

	if (in->custody < 0)
		return;
	custody_drain(in->custody, &ready);
	hang_up(in);
	note_ready(in, ready);
}

static uint64_t agent_delay_max_ns(void)
{
	char text[16];

	if (!app_param(app_cmdline(), "udrv.agent_max_ms", text, sizeof(text)))
		return AGENT_DELAY_MAX_NS;
	return strtoull(text, NULL, 10) * 1000000;
}

static void agent_died(struct init *in, int status)
{
	uint64_t now = app_now_ns(), max = agent_delay_max_ns();

	end_custody(in);
	/* An agent that ran for a while died of something new: begin the back-off from its start.
	 */
	if (now - in->agent_started_ns > AGENT_DELAY_MAX_NS)
		in->agent_delay_ns = AGENT_DELAY_MIN_NS;
	if (in->agent_delay_ns > max)
		in->agent_delay_ns = max;
	app_err("udrv-agent ended (%s %d): it is started again in %llu ms, nothing is lost meanwhile",
		WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		(unsigned long long)in->agent_delay_ns / 1000000);
	in->agent_due_ns = now + in->agent_delay_ns;
	in->agent_delay_ns *= 2;
}

static void reap(struct init *in)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == in->agent)
			agent_died(in, status);
		if (pid == in->late)
			in->late_due_ns = app_now_ns() + SHELL_DELAY_NS;
	}
}

/* What is due now; returns the milliseconds until the next thing is, -1 for none. */
static int run_timers(struct init *in)
{
	uint64_t now = app_now_ns();
	uint64_t next = UINT64_MAX;

	if (in->agent_due_ns && now >= in->agent_due_ns)
		start_agent(in);
	if (in->late_due_ns <= now) {
		in->late = late_start(!in->late_mounted);
		in->late_mounted = true;
		in->late_due_ns = UINT64_MAX;
	}
	if (in->agent_due_ns)
		next = in->agent_due_ns;
	if (in->late_due_ns < next)
		next = in->late_due_ns;
	if (next == UINT64_MAX)
		return -1;
	return next <= now ? 0 : (int)((next - now + 999999) / 1000000);
}

static void serve(struct init *in, int signals)
{
	for (;;) {
		int timeout = run_timers(in);
		struct pollfd p[] = { { .fd = signals, .events = POLLIN },
				      { .fd = in->custody, .events = POLLIN } };
		struct signalfd_siginfo si;

		if (poll(p, 2, timeout) <= 0)
			continue;
		if (p[1].revents)
			serve_custody(in);
		if (p[0].revents) {
			if (read(signals, &si, sizeof(si)) < 0)
				app_err("signalfd: %s", strerror(errno));
			reap(in);
		}
	}
}

int udrv_init_main(int argc, char **argv)
{
	struct init in = { .tsc = app_tsc(),
			   .agent = -1,
			   .late = -1,
			   .custody = -1,
			   .agent_delay_ns = AGENT_DELAY_MIN_NS };
	sigset_t set;
	int signals;

	(void)argv;
	if (getpid() != 1 || argc < 1) {
		fprintf(stderr, "udrv-init: this is PID 1 of the paravisor; start it as /init\n");
		return APP_USAGE;
	}
	app_log_kmsg();
	app_log("udrv-init");
	mounts_dev();
	takeover_start(in.tsc);

	mounts_other();
	app_stdio();
	app_write_file("/proc/sys/kernel/printk_devkmsg", "on\n");
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0)
		app_err("signalfd: %s (%s)", strerror(errno), app_errname(errno));
	start_agent(&in);
	/* Hosts that ended before anybody was told of it. */
	reap(&in);
	/* A shell comes even if the agent never gets ready: somebody has to look why. */
	in.late_due_ns = app_now_ns() + READY_LIMIT_NS;
	serve(&in, signals);
	return APP_FAILED;
}
