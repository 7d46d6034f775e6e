// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * udrv-init, PID 1 of the paravisor: mounts what the others need, keeps their descriptors, starts the agent
 * and starts it again. Everything up to the agent's start is inside an update's blackout.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/common/app.h"
#include "udrv/init/init.h"

#define CLIENTS			4
#define AGENT_DELAY_MIN_NS	100000000ull
#define AGENT_DELAY_MAX_NS	10000000000ull
#define SHELL_DELAY_NS		1000000000ull
#define READY_LIMIT_NS		30000000000ull

struct init {
	uint64_t tsc;			/* of the first instruction: where an update's userspace part begins */
	pid_t agent, late;
	uint64_t agent_delay_ns;
	uint64_t agent_due_ns;		/* when to start the agent again, 0: it runs */
	uint64_t agent_started_ns;
	uint64_t late_due_ns;		/* likewise for the late child; ~0: not wanted */
	bool late_mounted;
};

static void init_mounts(void)
{
	static const struct {
		const char *type, *dir;
		unsigned long flags;
	} mounts[] = {
		{ "proc", "/proc", MS_NOSUID | MS_NOEXEC | MS_NODEV },
		{ "sysfs", "/sys", MS_NOSUID | MS_NOEXEC | MS_NODEV },
		{ "devtmpfs", "/dev", MS_NOSUID },
		{ "tmpfs", "/run", MS_NOSUID | MS_NODEV },
	};

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].dir, 0755);
		if (mount(mounts[i].type, mounts[i].dir, mounts[i].type, mounts[i].flags, NULL) && errno != EBUSY)
			app_err("cannot mount %s at %s: %s (%s)", mounts[i].type, mounts[i].dir, strerror(errno),
				app_errname(errno));
	}
	mkdir("/run/udrv", 0700);
}

/* Messages go to the kernel's log, which costs no wait for a serial line and keeps them in order with it. */
static void init_stdio(void)
{
	int null = open("/dev/null", O_RDWR);
	int kmsg = open("/dev/kmsg", O_WRONLY);

	if (null >= 0)
		dup2(null, STDIN_FILENO);
	if (kmsg >= 0) {
		dup2(kmsg, STDOUT_FILENO);
		dup2(kmsg, STDERR_FILENO);
	}
	if (null > STDERR_FILENO)
		close(null);
	if (kmsg > STDERR_FILENO)
		close(kmsg);
	app_write_file("/proc/sys/kernel/printk_devkmsg", "on");
	app_log("udrv-init");
}

static void start_agent(struct init *in)
{
	char tsc[32];
	char *const argv[] = { "udrv-agent", "--custody", UDRV_INIT_SOCKET, "--tsc-init", tsc, NULL };
	char *const envp[] = { "PATH=/bin:/sbin", NULL };
	sigset_t none;

	in->agent_due_ns = 0;
	in->agent_started_ns = app_now_ns();
	snprintf(tsc, sizeof(tsc), "%llu", (unsigned long long)in->tsc);
	in->agent = fork();
	if (in->agent < 0) {
		app_err("cannot fork for udrv-agent: %s (%s)", strerror(errno), app_errname(errno));
		in->agent_due_ns = in->agent_started_ns + in->agent_delay_ns;
	} else if (!in->agent) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setsid();
		execve("/proc/self/exe", argv, envp);
		app_err("cannot start udrv-agent: %s (%s)", strerror(errno), app_errname(errno));
		_exit(APP_FAILED);
	}
}

static void agent_died(struct init *in, int status)
{
	uint64_t now = app_now_ns();

	/* An agent that ran for a while died of something new: begin the back-off from its start. */
	if (now - in->agent_started_ns > AGENT_DELAY_MAX_NS)
		in->agent_delay_ns = AGENT_DELAY_MIN_NS;
	app_err("udrv-agent ended (%s %d): it is started again in %llu ms, nothing is lost meanwhile",
		WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		(unsigned long long)in->agent_delay_ns / 1000000);
	in->agent_due_ns = now + in->agent_delay_ns;
	in->agent_delay_ns *= 2;
	if (in->agent_delay_ns > AGENT_DELAY_MAX_NS)
		in->agent_delay_ns = AGENT_DELAY_MAX_NS;
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

static void serve(struct init *in, int listener, int signals)
{
	struct pollfd p[2 + CLIENTS] = { { .fd = signals, .events = POLLIN }, { .fd = listener, .events = POLLIN } };
	static struct udrv_msg m;

	for (int i = 2; i < 2 + CLIENTS; i++)
		p[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	for (;;) {
		int timeout = run_timers(in);

		if (poll(p, 2 + CLIENTS, timeout) <= 0)
			continue;
		if (p[0].revents) {
			struct signalfd_siginfo si;

			if (read(signals, &si, sizeof(si)) < 0)
				app_err("signalfd: %s", strerror(errno));
			reap(in);
		}
		for (int i = 2; i < 2 + CLIENTS; i++) {
			bool ready = false;

			if (p[i].fd < 0 || !p[i].revents)
				continue;
			if (udrv_msg_recv(p[i].fd, &m) || custody_serve(p[i].fd, &m, &ready)) {
				close(p[i].fd);
				p[i].fd = -1;
			}
			if (ready && !in->late_mounted)
				in->late_due_ns = 0;
		}
		if (p[1].revents) {
			int i = 2, sock = udrv_proto_accept(listener, false);

			while (i < 2 + CLIENTS && p[i].fd >= 0)
				i++;
			if (sock >= 0 && i < 2 + CLIENTS)
				p[i].fd = sock;
			else if (sock >= 0)
				close(sock);
		}
	}
}

int udrv_init_main(int argc, char **argv)
{
	struct init in = { .tsc = app_tsc(), .agent = -1, .late = -1, .agent_delay_ns = AGENT_DELAY_MIN_NS };
	sigset_t set;
	int listener, signals;

	(void)argv;
	if (getpid() != 1 || argc < 1) {
		fprintf(stderr, "udrv-init: this is PID 1 of the paravisor; start it as /init\n");
		return APP_USAGE;
	}
	init_mounts();
	init_stdio();
	/* Before any pool is made: large folios make it contiguous. */
	app_write_file("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "within_size");

	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	listener = udrv_proto_listen(UDRV_INIT_SOCKET, 0600);
	if (listener < 0 || signals < 0)
		app_err("cannot listen at %s: %s (%s)", UDRV_INIT_SOCKET, strerror(-listener), app_errname(listener));
	/* A shell comes even if the agent never gets ready: somebody has to look why. */
	in.late_due_ns = app_now_ns() + READY_LIMIT_NS;
	start_agent(&in);
	serve(&in, listener, signals);
	return APP_FAILED;
}
