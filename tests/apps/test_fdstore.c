// SPDX-License-Identifier: BSD-2-Clause
/*
 * Custody in systemd's fd store, with a thread of the test as PID 1: what was put comes back to the next agent, whole
 * and once; what is damaged, or of another kernel, does not.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kcmp.h>

#include "tests/unit/suite.h"
#include "udrv/agent/custody.h"
#include "udrv/agent/fdstore.h"
#include "udrv/agent/notify.h"
#include "udrv/common/app.h"

#define STORE_MAX 512
#define OTHER	  "0badcafe"

static struct {
	char name[NOTIFY_NAME_MAX + 1];
	int fd;
} stored[STORE_MAX];
static unsigned int nstored;
static char told[4096]; /* all other assignments */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static int server = -1;
static bool deaf; /* PID 1 reads nothing */

static struct agent agent = { .custody = -1 };
static int killed_pid, killed_sig;

int __wrap_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig)
{
	killed_pid = pid;
	killed_sig = sig;
	return 0;
}

/* ---- PID 1 ---------------------------------------------------------------------------------- */

static bool have(int fd)
{
	for (unsigned int i = 0; i < nstored; i++)
		if (!syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, stored[i].fd, fd))
			return true;
	return false;
}

static void pid1_store(const char *name, int fd)
{
	if (have(fd) || nstored == STORE_MAX) {
		close(fd);
		return;
	}
	snprintf(stored[nstored].name, sizeof(stored[0].name), "%s", name);
	stored[nstored++].fd = fd;
}

static void pid1_remove(const char *name)
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
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
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
		pthread_mutex_lock(&lock);
		pid1_message(text, fd);
		pthread_mutex_unlock(&lock);
	}
}

static void start(void)
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
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)), 0);
	if (!deaf)
		ck_assert_int_eq(pthread_create(&thread, NULL, pid1, NULL), 0);
	ck_assert_int_eq(custody_fdstore_open(), 0);
}

static void start_deaf(void)
{
	deaf = true;
	start();
}

static void settled(void)
{
	struct notify n;

	/* By a way of its own: what is asked is only that PID 1 has read everything. */
	ck_assert_int_eq(notify_open(&n, getenv("NOTIFY_SOCKET")), 0);
	ck_assert_int_eq(notify_barrier(&n, 30000), 0);
	close(n.sock);
}

static unsigned int count(void)
{
	settled();
	return nstored;
}

/* ---- what is put ---------------------------------------------------------------------------- */

static int temp(void)
{
	int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static ino_t inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

static struct udrv_handle make_handle(const char *name)
{
	struct udrv_handle h = UDRV_HANDLE_INIT;

	strcpy(h.name, name);
	strcpy(h.bdf, "0000:01:00.0");
	strcpy(h.driver, "nvme");
	h.noiommu = true;
	h.ioas_id = 3;
	h.fd[UDRV_FD_VFIO] = open("/dev/null", O_RDWR | O_CLOEXEC);
	h.fd[UDRV_FD_STATE] = temp();
	h.fd[UDRV_FD_DMA] = temp();
	h.fd[UDRV_FD_EXTRA + 1] = temp();
	return h;
}

static const char *name_of(const char *boot, uint64_t seq, const char *name, int part)
{
	static char text[NOTIFY_NAME_MAX + 1];
	struct fdstore_name n = { .seq = seq, .part = part };

	strcpy(n.boot, boot);
	strcpy(n.name, name);
	ck_assert_int_eq(fdstore_name_format(&n, text, sizeof(text)), 0);
	return text;
}

static const char *this_boot(void)
{
	static char boot[FDSTORE_BOOT_LEN + 1];

	ck_assert_int_eq(fdstore_boot(boot), 0);
	return boot;
}

/* Index in the store of what is called NAME, or NAME/PART; -1: it is not there. */
static int find(const char *name, int part)
{
	struct fdstore_name n;

	for (unsigned int i = 0; i < nstored; i++)
		if (!fdstore_name_parse(stored[i].name, &n) && !strcmp(n.name, name) && n.part == part)
			return (int)i;
	return -1;
}

/* ---- the next agent: another process, which gets what is in the store ------------------------- */

static struct udrv_handle got_handle[8];
static struct {
	char name[UDRV_NAME_MAX + 1];
	int fd;
} got_fd[8];
static unsigned int ngot_handles, ngot_fds;

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

static int got(const char *name)
{
	for (unsigned int i = 0; i < ngot_fds; i++)
		if (!strcmp(got_fd[i].name, name))
			return got_fd[i].fd;
	return -1;
}

static char listen_names[65536];

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
static void next_agent(void (*change)(void), int want, int (*look)(const void *ctx), const void *ctx)
{
	int status;
	pid_t pid;

	settled();
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
	ck_assert_msg(WEXITSTATUS(status) == 0, "the next agent is not content: line %d (255: the result) of %d",
		      WEXITSTATUS(status), 255);
	settled();
}

#define WANT(x)                         \
	do {                            \
		if (!(x))               \
			return __LINE__; \
	} while (0)

/* ---- tests ------------------------------------------------------------------------------------ */

struct expected {
	ino_t state, extra, lease;
};

static int look_all(const void *ctx)
{
	const struct expected *e = ctx;
	const struct udrv_handle *h = got_handle;

	WANT(ngot_handles == 1 && ngot_fds == 1);
	WANT(!strcmp(h->name, "nvme0") && !strcmp(h->bdf, "0000:01:00.0") && !strcmp(h->driver, "nvme"));
	WANT(h->noiommu && h->ioas_id == 3);
	WANT(h->fd[UDRV_FD_VFIO] >= 0 && h->fd[UDRV_FD_IOMMU] < 0 && h->fd[UDRV_FD_EXTRA] < 0);
	WANT(inode(h->fd[UDRV_FD_STATE]) == e->state && inode(h->fd[UDRV_FD_EXTRA + 1]) == e->extra);
	WANT(inode(got("lease-nvme0")) == e->lease);
	WANT(fcntl(h->fd[UDRV_FD_STATE], F_GETFD) & FD_CLOEXEC);
	WANT(!getenv("LISTEN_FDS") && !getenv("LISTEN_PID"));
	return 0;
}

static void put_all(struct expected *e)
{
	struct udrv_handle h = make_handle("nvme0");
	int lease = temp();

	*e = (struct expected){ inode(h.fd[UDRV_FD_STATE]), inode(h.fd[UDRV_FD_EXTRA + 1]), inode(lease) };
	ck_assert_int_eq(custody_fdstore.put_handle(&agent, &h), 0);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "lease-nvme0", lease), 0);
	udrv_handle_close(&h);
	close(lease);
}

START_TEST(comes_back)
{
	struct expected e;

	put_all(&e);
	ck_assert_int_eq(custody_fdstore.settle(&agent), 0);
	ck_assert_uint_eq(count(), 6);
	next_agent(NULL, 0, look_all, &e);
	/* Also a second time: to hand over takes nothing away. */
	next_agent(NULL, 0, look_all, &e);
	ck_assert_int_eq(custody_fdstore.drop(&agent, "lease-nvme0"), 0);
	ck_assert_int_eq(custody_fdstore.drop(&agent, "lease-nvme0"), -ENOENT);
	ck_assert_uint_eq(nstored, 5);
	ck_assert_int_eq(custody_fdstore.drop(&agent, "nvme0"), 0);
	ck_assert_uint_eq(nstored, 0);
}
END_TEST

static int look_dropped(const void *ctx)
{
	int err = look_all(ctx);

	WANT(!err);
	WANT(!custody_fdstore.drop(&agent, "nvme0") && !custody_fdstore.drop(&agent, "lease-nvme0"));
	return 0;
}

START_TEST(next_agent_drops)
{
	struct expected e;

	put_all(&e);
	next_agent(NULL, 0, look_dropped, &e);
	ck_assert_uint_eq(nstored, 0);
}
END_TEST

static int look_directory(const void *ctx)
{
	WANT(ngot_handles == 0 && ngot_fds == 1 && inode(got("directory")) == *(const ino_t *)ctx);
	return 0;
}

START_TEST(newest_counts)
{
	int old = temp(), new = temp();
	ino_t want = inode(new);

	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "directory", old), 0);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "directory", new), 0);
	ck_assert_uint_eq(count(), 1);
	next_agent(NULL, 0, look_directory, &want);
	/* An agent that died between the two messages. */
	pthread_mutex_lock(&lock);
	pid1_store(name_of(this_boot(), 1, "directory", -1), fcntl(old, F_DUPFD_CLOEXEC, 0));
	pthread_mutex_unlock(&lock);
	ck_assert_uint_eq(count(), 2);
	next_agent(NULL, 0, look_directory, &want);
	ck_assert_uint_eq(nstored, 1);
}
END_TEST

static int look_nothing(const void *ctx)
{
	(void)ctx;
	WANT(ngot_handles == 0 && ngot_fds == 0);
	return 0;
}

static int look_lease(const void *ctx)
{
	WANT(ngot_handles == 0 && ngot_fds == 1 && inode(got("lease-nvme0")) == ((const struct expected *)ctx)->lease);
	return 0;
}

/* What is instead of a handle's part; -1: nothing. */
static void replace_part(int part, int fd)
{
	int i;

	settled();
	pthread_mutex_lock(&lock);
	i = find("nvme0", part);
	ck_assert_int_ge(i, 0);
	if (fd >= 0) {
		close(stored[i].fd);
		stored[i].fd = fd;
	} else {
		char name[sizeof(stored[0].name)];

		strcpy(name, stored[i].name);
		pid1_remove(name);
	}
	pthread_mutex_unlock(&lock);
}

static int damaged_meta(int how)
{
	struct udrv_handle h = make_handle("nvme0"), other = make_handle("nvme1");
	char buf[512];
	int meta, fd = temp();
	ssize_t len;

	if (how == 5)
		h.fd[UDRV_FD_DMA] = -1;
	meta = fdstore_meta_create(how == 6 ? &other : &h);
	ck_assert_int_ge(meta, 0);
	len = pread(meta, buf, sizeof(buf), 0);
	ck_assert_int_gt(len, 16);
	if (how == 0)
		len = 0;
	else if (how == 1)
		len--;
	else if (how == 2)
		len++;
	else if (how == 3)
		buf[0] ^= 1;
	else if (how == 4)
		buf[len / 2] ^= 1;
	ck_assert_int_eq(pwrite(fd, buf, (size_t)len, 0), len);
	close(meta);
	return how == 7 ? open("/dev/null", O_RDWR | O_CLOEXEC) : fd;
}

/* Empty, short, long, bad magic, bad checksum, other descriptors, another's, no memfd. */
START_TEST(damaged)
{
	struct expected e;

	put_all(&e);
	replace_part(FDSTORE_META, damaged_meta(_i));
	next_agent(NULL, 0, look_lease, &e);
	/* Nothing of it stays: the device's last descriptor closes it. */
	ck_assert_uint_eq(nstored, 1);
}
END_TEST

START_TEST(incomplete)
{
	static const int part[] = { FDSTORE_META, UDRV_FD_VFIO, UDRV_FD_EXTRA + 1 };
	struct expected e;

	put_all(&e);
	replace_part(part[_i], -1);
	next_agent(NULL, 0, look_lease, &e);
	ck_assert_uint_eq(nstored, 1);
}
END_TEST

static int look_incoming(const void *ctx)
{
	WANT(ngot_handles == 0 && ngot_fds == 1 && inode(got("incoming")) == *(const ino_t *)ctx);
	WANT(!custody_fdstore.drop(&agent, "incoming"));
	return 0;
}

/* Only the session is of use after a kexec. */
START_TEST(other_kernel)
{
	int session = temp();
	ino_t want = inode(session);

	pthread_mutex_lock(&lock);
	pid1_store(name_of(OTHER, 4, "directory", -1), temp());
	pid1_store(name_of(OTHER, 9, "outgoing", -1), session);
	pid1_store(name_of(OTHER, 5, "nvme0", FDSTORE_META), temp());
	pid1_store(name_of(OTHER, 5, "nvme0", UDRV_FD_STATE), temp());
	pid1_store(name_of("12345678", 5, "outgoing", -1), temp());
	pid1_store("stranger", temp());
	pthread_mutex_unlock(&lock);
	next_agent(NULL, 0, look_incoming, &want);
	ck_assert_uint_eq(nstored, 0);
}
END_TEST

static void of_another(void)
{
	setenv("LISTEN_PID", "1", 1);
}

static void nonsense_pid(void)
{
	setenv("LISTEN_PID", "12x", 1);
}

static void too_many(void)
{
	setenv("LISTEN_FDS", "7", 1);
}

static void far_too_many(void)
{
	setenv("LISTEN_FDS", "99999999999", 1);
}

static void negative(void)
{
	setenv("LISTEN_FDS", "-1", 1);
}

static void no_names(void)
{
	unsetenv("LISTEN_FDNAMES");
}

/* Names enough, but no such descriptors. */
static void closed(void)
{
	for (unsigned int i = nstored; i < 300; i++)
		strcat(listen_names, ":x");
	setenv("LISTEN_FDNAMES", listen_names, 1);
	setenv("LISTEN_FDS", "300", 1);
}

START_TEST(environment)
{
	struct expected e;

	put_all(&e);
	next_agent(of_another, 0, look_nothing, NULL);
	next_agent(nonsense_pid, -EBADMSG, look_nothing, NULL);
	next_agent(too_many, -EBADMSG, look_nothing, NULL);
	next_agent(far_too_many, -EBADMSG, look_nothing, NULL);
	next_agent(negative, -EBADMSG, look_nothing, NULL);
	next_agent(no_names, -EBADMSG, look_nothing, NULL);
	next_agent(closed, -EBADMSG, look_nothing, NULL);
	ck_assert_uint_eq(nstored, 6);
}
END_TEST

START_TEST(full)
{
	struct udrv_handle h = make_handle("nvme0");
	unsigned int n = 0;
	char name[16];
	int err, fd;

	do {
		snprintf(name, sizeof(name), "fd%u", n);
		fd = temp();
		err = custody_fdstore.put_fd(&agent, name, fd);
		close(fd);
	} while (!err && ++n < 100);
	ck_assert_int_eq(err, -ENOSPC);
	ck_assert_uint_eq(n, 64);
	ck_assert_uint_eq(count(), 64);
	/* Of a handle there is all or nothing. */
	for (unsigned int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "fd%u", i);
		ck_assert_int_eq(custody_fdstore.drop(&agent, name), 0);
		ck_assert_int_eq(custody_fdstore.put_handle(&agent, &h), -ENOSPC);
		ck_assert_uint_eq(count(), 63 - i);
	}
	ck_assert_int_eq(custody_fdstore.drop(&agent, "fd4"), 0);
	ck_assert_int_eq(custody_fdstore.put_handle(&agent, &h), 0);
	ck_assert_uint_eq(count(), 64);
}
END_TEST

static int look_consumer(const void *ctx)
{
	int program = got("program-nvme0");

	WANT(ngot_handles == 0 && ngot_fds == 2 && inode(got("consumer1-nvme0")) == *(const ino_t *)ctx);
	WANT((fcntl(got("consumer1-nvme0"), F_GETFL) & O_ACCMODE) == O_RDWR);
	WANT((fcntl(program, F_GETFL) & O_ACCMODE) == O_RDONLY);
	WANT(fcntl(program, F_GET_SEALS) & F_SEAL_WRITE);
	return 0;
}

/* systemd keeps a file once: a handle's memory that is put under another name must not go with the handle. */
START_TEST(same_file)
{
	struct udrv_handle h = make_handle("nvme0");
	ino_t want = inode(h.fd[UDRV_FD_EXTRA + 1]);
	int program = temp();

	ck_assert_int_eq(fcntl(program, F_ADD_SEALS, F_SEAL_WRITE), 0);
	ck_assert_int_eq(custody_fdstore.put_handle(&agent, &h), 0);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "consumer1-nvme0", h.fd[UDRV_FD_EXTRA + 1]), 0);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "program-nvme0", program), 0);
	ck_assert_int_eq(custody_fdstore.drop(&agent, "nvme0"), 0);
	ck_assert_uint_eq(nstored, 2);
	next_agent(NULL, 0, look_consumer, &want);
}
END_TEST

/* The same handle once more: systemd would not take its descriptors while it has them. */
START_TEST(same_handle)
{
	struct udrv_handle h = make_handle("nvme0");

	ck_assert_int_eq(custody_fdstore.put_handle(&agent, &h), 0);
	ck_assert_int_eq(custody_fdstore.put_handle(&agent, &h), 0);
	ck_assert_uint_eq(count(), 5);
}
END_TEST

START_TEST(names)
{
	static const char *const bad[] = {
		"", "stored", "12345678", "12345678/1", "12345678/1/", "1234567/1/x", "123456789/1/x", "1234567g/1/x",
		"12345678//x", "12345678/-1/x", "12345678/x/x", "12345678/1/X", "12345678/1/x/", "12345678/1/x/y",
		"12345678/1/x/vfio/", "12345678/99999999999999999999/x",
		"12345678/1/0123456789012345678901234567890123456789012345678901234567890123",
	};
	struct fdstore_name n;
	char long_name[UDRV_NAME_MAX + 2];
	int fd = temp();

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(fdstore_name_parse(bad[i], &n) == -EBADMSG, "'%s' was taken", bad[i]);
	ck_assert_int_eq(fdstore_name_parse("12345678/7/lease-nvme0", &n), 0);
	ck_assert_uint_eq(n.seq, 7);
	ck_assert_str_eq(n.name, "lease-nvme0");
	ck_assert_int_eq(n.part, -1);
	for (int part = 0; part < FDSTORE_PARTS; part++) {
		ck_assert_int_eq(fdstore_name_parse(name_of("12345678", 7, "nvme0", part), &n), 0);
		ck_assert_int_eq(n.part, part);
	}
	memset(long_name, 'a', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, long_name, fd), -EINVAL);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "", fd), -EINVAL);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "a:b", fd), -EINVAL);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "a\nREADY=1", fd), -EINVAL);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "closed", 999), -EBADF);
	ck_assert_uint_eq(count(), 0);
	ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(service)
{
	uint64_t due;

	agent.ndev = 2;
	agent.dev[1].state = DEV_RUNNING;
	ck_assert_int_eq(custody_fdstore.ready(&agent), 0);
	settled();
	ck_assert_str_eq(told, "READY=1\nSTATUS=1 of 2 device(s) running, 0 live update(s)\n");
	told[0] = '\0';
	ck_assert_uint_eq(custody_fdstore.alive(&agent), UINT64_MAX);
	setenv("WATCHDOG_USEC", "60000000", 1);
	ck_assert_int_eq(custody_fdstore_open(), 0);
	due = custody_fdstore.alive(&agent);
	ck_assert_uint_gt(due, app_now_ns());
	ck_assert_uint_le(due, app_now_ns() + 30000000000ull);
	ck_assert_uint_eq(custody_fdstore.alive(&agent), due);
	settled();
	ck_assert_str_eq(told, "WATCHDOG=1\n");
	told[0] = '\0';
	/* PID 1 is asked once it has the session. */
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "outgoing", temp()), 0);
	ck_assert_int_eq(custody_fdstore.leave(&agent), 0);
	ck_assert_int_ge(find("outgoing", -1), 0);
	ck_assert_int_eq(killed_pid, 1);
	ck_assert_int_eq(killed_sig, SIGRTMIN + 6);
}
END_TEST

START_TEST(stops)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		raise(SIGTERM);
		_exit(77);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	settled();
	ck_assert_str_eq(told, "STOPPING=1\n");
}
END_TEST

START_TEST(no_systemd)
{
	struct notify n;
	char text[200];

	unsetenv("FDSTORE");
	ck_assert_int_eq(custody_fdstore_open(), -ENOTSUP);
	setenv("FDSTORE", "8", 1);
	setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
	ck_assert_int_eq(custody_fdstore_open(), -EAFNOSUPPORT);
	unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(custody_fdstore_open(), -ENOENT);
	memset(text, 'x', sizeof(text));
	text[0] = '/';
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(notify_open(&n, text), -ENAMETOOLONG);
	ck_assert_int_eq(notify_open(&n, "/nothing/there"), 0);
	ck_assert_int_eq(notify_send(&n, "READY=1", -1), -ENOENT);
	close(n.sock);
}
END_TEST

START_TEST(hears_nothing)
{
	struct notify n;

	ck_assert_int_eq(notify_open(&n, getenv("NOTIFY_SOCKET")), 0);
	ck_assert_int_eq(notify_barrier(&n, 20), -ETIMEDOUT);
	close(n.sock);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fdstore");
	TCase *tc = suite_case(suite, "fdstore", 120), *alone = suite_case(suite, "deaf", 60);

	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_test(tc, comes_back);
	tcase_add_test(tc, next_agent_drops);
	tcase_add_test(tc, newest_counts);
	tcase_add_loop_test(tc, damaged, 0, 8);
	tcase_add_loop_test(tc, incomplete, 0, 3);
	tcase_add_test(tc, other_kernel);
	tcase_add_test(tc, environment);
	tcase_add_test(tc, full);
	tcase_add_test(tc, same_file);
	tcase_add_test(tc, same_handle);
	tcase_add_test(tc, names);
	tcase_add_test(tc, service);
	tcase_add_test(tc, stops);
	tcase_add_test(tc, no_systemd);
	tcase_add_checked_fixture(alone, start_deaf, NULL);
	tcase_add_test(alone, hears_nothing);
	return suite_run(suite);
}
