// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kcmp.h>

#include "tests/apps/fake_systemd.h"
#include "udrv/agent/custody.h"
#include "udrv/agent/fdstore.h"

struct stored_fd stored[STORE_MAX];
unsigned int nstored;
char told[4096];
pthread_mutex_t store_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static int server = -1;
static bool deaf; /* PID 1 reads nothing */

struct agent agent = { .custody = -1 };
int killed_pid, killed_sig;

int __wrap_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig)
{
	killed_pid = pid;
	killed_sig = sig;
	return 0;
}

/* ---- PID 1 ----------------------------------------------------------------------------------- */

static bool have(int fd)
{
	for (unsigned int i = 0; i < nstored; i++)
		if (!syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, stored[i].fd, fd))
			return true;
	return false;
}

void pid1_store(const char *name, int fd)
{
	if (have(fd) || nstored == STORE_MAX) {
		close(fd);
		return;
	}
	snprintf(stored[nstored].name, sizeof(stored[0].name), "%s", name);
	stored[nstored++].fd = fd;
}

void pid1_remove(const char *name)
{
	for (unsigned int i = 0; i < nstored;) {
		if (strcmp(stored[i].name, name)) {
			i++;
			continue;
		}
		close(stored[i].fd);
		stored[i] = stored[--nstored];
	}
}

static void pid1_message(char *text, int fd)
{
	bool store = false, remove = false, poll = true;
	const char *name = "stored";
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strcmp(line, "FDSTORE=1"))
			store = true;
		else if (!strcmp(line, "FDSTOREREMOVE=1"))
			remove = true;
		else if (!strcmp(line, "FDPOLL=0"))
			poll = false;
		else if (!strncmp(line, "FDNAME=", 7))
			name = line + 7;
		else if (strcmp(line, "BARRIER=1"))
			snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s\n", line);
	}
	if (remove)
		pid1_remove(name);
	if (store && fd >= 0 && !poll)
		pid1_store(name, fd);
	else if (fd >= 0)
		close(fd);
}

static void *pid1(void *unused)
{
	(void)unused;
	for (;;) {
		char text[1024], control[CMSG_SPACE(sizeof(int))];
		struct iovec iov = { text, sizeof(text) - 1 };
		struct msghdr m = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control,
				    .msg_controllen = sizeof(control) };
		struct cmsghdr *c;
		ssize_t n = recvmsg(server, &m, MSG_CMSG_CLOEXEC);
		int fd = -1;

		if (n <= 0)
			return NULL;
		text[n] = '\0';
		c = CMSG_FIRSTHDR(&m);
		if (c)
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		pthread_mutex_lock(&store_lock);
		pid1_message(text, fd);
		pthread_mutex_unlock(&store_lock);
	}
}

void pid1_start(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char name[64];
	int len;

	len = snprintf(name, sizeof(name), "@udrv-test-fdstore-%d", getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("FDSTORE", "64", 1);
	memcpy(addr.sun_path + 1, name + 1, (size_t)len - 1);
	server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(server, 0);
	ck_assert_int_eq(bind(server, (struct sockaddr *)&addr,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)),
			 0);
	if (!deaf)
		ck_assert_int_eq(pthread_create(&thread, NULL, pid1, NULL), 0);
	ck_assert_int_eq(custody_fdstore_open(), 0);
}

void pid1_start_deaf(void)
{
	deaf = true;
	pid1_start();
}

void pid1_settled(void)
{
	struct notify n;

	/* By a way of its own: what is asked is only that PID 1 has read everything. */
	ck_assert_int_eq(notify_open(&n, getenv("NOTIFY_SOCKET")), 0);
	ck_assert_int_eq(notify_barrier(&n, 30000), 0);
	close(n.sock);
}

unsigned int pid1_count(void)
{
	pid1_settled();
	return nstored;
}

/* ---- what is put ----------------------------------------------------------------------------- */

const char *name_of(const char *boot, uint64_t seq, const char *name, int part)
{
	static char text[NOTIFY_NAME_MAX + 1];
	struct fdstore_name n = { .seq = seq, .part = part };

	strcpy(n.boot, boot);
	strcpy(n.name, name);
	ck_assert_int_eq(fdstore_name_format(&n, text, sizeof(text)), 0);
	return text;
}

const char *this_boot(void)
{
	static char boot[FDSTORE_BOOT_LEN + 1];

	ck_assert_int_eq(fdstore_boot(boot), 0);
	return boot;
}

/* Index in the store of what is called NAME, or NAME/PART; -1: it is not there. */
int find(const char *name, int part)
{
	struct fdstore_name n;

	for (unsigned int i = 0; i < nstored; i++)
		if (!fdstore_name_parse(stored[i].name, &n) && !strcmp(n.name, name) &&
		    n.part == part)
			return (int)i;
	return -1;
}

/* ---- the next agent: another process, which gets what is in the store ------------------------ */

struct udrv_handle got_handle[8];
static struct {
	char name[UDRV_NAME_MAX + 1];
	int fd;
} got_fd[8];
unsigned int ngot_handles, ngot_fds;

static void on_handle(struct agent *a, struct udrv_handle *h)
{
	(void)a;
	if (ngot_handles < 8)
		got_handle[ngot_handles++] = *h;
}

static void on_fd(struct agent *a, const char *name, int fd)
{
	(void)a;
	if (ngot_fds == 8)
		return;
	snprintf(got_fd[ngot_fds].name, sizeof(got_fd[0].name), "%s", name);
	got_fd[ngot_fds++].fd = fd;
}

int got(const char *name)
{
	for (unsigned int i = 0; i < ngot_fds; i++)
		if (!strcmp(got_fd[i].name, name))
			return got_fd[i].fd;
	return -1;
}

char listen_names[65536];

static void hand_over(void)
{
	char number[16];
	int high[STORE_MAX];

	listen_names[0] = '\0';
	for (unsigned int i = 0; i < nstored; i++) {
		high[i] = fcntl(stored[i].fd, F_DUPFD, 600);
		strcat(listen_names, i ? ":" : "");
		strcat(listen_names, stored[i].name);
	}
	for (unsigned int i = 0; i < nstored; i++)
		dup2(high[i], 3 + (int)i);
	snprintf(number, sizeof(number), "%d", getpid());
	setenv("LISTEN_PID", number, 1);
	snprintf(number, sizeof(number), "%u", nstored);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", listen_names, 1);
}

/* Runs @look there, which returns 0 or the number of the line that is not content. */
void next_agent(void (*change)(void), int want, int (*look)(const void *ctx), const void *ctx)
{
	int status;
	pid_t pid;

	pid1_settled();
	pid = fork();
	if (!pid) {
		int err;

		hand_over();
		if (change)
			change();
		err = custody_fdstore_open();
		if (!err)
			err = custody_fdstore.get_all(&agent, on_handle, on_fd);
		_exit(err != want ? 255 : look ? look(ctx) % 255 : 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "the next agent: signal %d", WTERMSIG(status));
	ck_assert_msg(WEXITSTATUS(status) == 0,
		      "the next agent is not content: line %d (255: the result) of %d",
		      WEXITSTATUS(status), 255);
	pid1_settled();
}
