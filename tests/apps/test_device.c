// SPDX-License-Identifier: BSD-2-Clause
/*
 * A device's host and its lease: hosts that cannot be started, that nobody could watch, that wait
 * in vain, that cannot run the device; and who gets the lease of one that has ended unnoticed. The
 * kernel's refusals and everything around device.c are the test's.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/handle.h>
#include <udrv/proto.h>

#include "tests/unit/suite.h"
#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/host/host_exit.h"

static struct agent agent;
static struct agent_device *dev;
static int fork_errno, pidfd_errno, memfd_errno; /* 0: it succeeds */
static unsigned int quiesced, clients, reasons_dropped;
static int host_status;		       /* that a host ends with */
static char in_custody[64], order[64]; /* what is in custody, and what was done about it */

/* What is around device.c. */

pid_t __real_app_fork(const int *keep, unsigned int n);
pid_t __wrap_app_fork(const int *keep, unsigned int n);
pid_t __wrap_app_fork(const int *keep, unsigned int n)
{
	if (!fork_errno)
		return __real_app_fork(keep, n);
	errno = fork_errno;
	return -1;
}

int __real_pidfd_open(pid_t pid, unsigned int flags);
int __wrap_pidfd_open(pid_t pid, unsigned int flags);
int __wrap_pidfd_open(pid_t pid, unsigned int flags)
{
	if (!pidfd_errno)
		return __real_pidfd_open(pid, flags);
	errno = pidfd_errno;
	return -1;
}

int __wrap_udrv_handle_quiesce(const struct udrv_handle *h, const struct udrv_log *log);
int __wrap_udrv_handle_quiesce(const struct udrv_handle *h, const struct udrv_log *log)
{
	(void)log;
	ck_assert_int_ge(h->fd[UDRV_FD_VFIO], 0);
	quiesced++;
	return 0;
}

int __wrap_udrv_handle_create(struct udrv_handle *h, const struct udrv_handle_opts *opts,
			      const struct udrv_log *log);
int __wrap_udrv_handle_create(struct udrv_handle *h, const struct udrv_handle_opts *opts,
			      const struct udrv_log *log)
{
	(void)h;
	(void)opts;
	(void)log;
	return 0;
}

/* Nothing of the machine that runs the test is changed. */
int __wrap_app_write_file(const char *path, const char *text);
int __wrap_app_write_file(const char *path, const char *text)
{
	(void)path;
	(void)text;
	return 0;
}

int __real_memfd_create(const char *name, unsigned int flags);
int __wrap_memfd_create(const char *name, unsigned int flags);
int __wrap_memfd_create(const char *name, unsigned int flags)
{
	if (!memfd_errno)
		return __real_memfd_create(name, flags);
	errno = memfd_errno;
	return -1;
}

#define HOST_HAD_ALL  77 /* at its start */
#define HOST_GOT_REST 78
#define HOST_MAY_RUN  79

/* A host that does nothing but wait for the rest of its handle. */
int udrv_host_run(const struct udrv_handle *handle, const struct host_lease *lease)
{
	static struct udrv_msg m;
	struct udrv_handle part;
	int status = host_status;

	if (handle->fd[UDRV_FD_IOMMU] >= 0)
		return HOST_HAD_ALL;
	while (!udrv_msg_recv(lease->agent, &m)) {
		if (m.type == UDRV_MSG_MOUNTED)
			status = HOST_MAY_RUN;
		else if (!udrv_msg_take_handle(&m, &part)) {
			if (part.fd[UDRV_FD_IOMMU] >= 0)
				status = HOST_GOT_REST;
			udrv_handle_close(&part);
		}
		udrv_msg_drop_fds(&m);
	}
	return status;
}

int bind_vfio(const char *bdf)
{
	(void)bdf;
	return 0;
}

int agent_driver_opts(const struct udrv_handle *h, struct udrv_handle_opts *ret)
{
	(void)h;
	(void)ret;
	return 0;
}

void agent_client(struct agent *a, int sock, struct agent_device *owner)
{
	(void)a;
	(void)owner;
	close(sock);
	clients++;
}

struct agent_device *agent_find(struct agent *a, const char *name)
{
	(void)a;
	return strcmp(name, dev->h.name) ? NULL : dev;
}

uint64_t directory_tsc_reboot(const void *fdt)
{
	(void)fdt;
	return 0;
}

void fallen_drop(struct agent *a, const struct agent_device *d)
{
	(void)a;
	ck_assert_ptr_eq(d, dev);
	reasons_dropped++;
}

void rescue_give(struct agent *a, struct udrv_handle *h)
{
	(void)a;
	(void)h;
	strcat(order, "give ");
}

void rescue_given(struct agent *a, const char *name)
{
	(void)a;
	ck_assert_str_eq(name, "nvme0");
	strcat(order, "given ");
}

void rescue_take(struct agent *a, struct udrv_handle *h)
{
	(void)a;
	(void)h;
}

void custody_put_handle(struct agent *a, const struct udrv_handle *h)
{
	(void)a;
	(void)h;
	strcat(order, "put ");
}

void custody_put_fd(struct agent *a, const char *name, int fd)
{
	(void)a;
	ck_assert_int_ge(fd, 0);
	snprintf(in_custody, sizeof(in_custody), "%s", name);
}

int custody_drop(struct agent *a, const char *name)
{
	(void)a;
	if (!strcmp(name, in_custody))
		in_custody[0] = '\0';
	return 0;
}

bool custody_still_open(const struct agent *a, unsigned int *tries)
{
	(void)a;
	(void)tries;
	return false;
}

/* One device that is there, and PID 1, which forks its hosts. */
static void setup(void)
{
	memset(&agent, 0, sizeof(agent));
	agent.taking_over = true;
	agent.ndev = 1;
	dev = &agent.dev[0];
	*dev = (struct agent_device){
		.h = UDRV_HANDLE_INIT, .sock = -1, .pidfd = -1, .pid = -1, .program = -1
	};
	strcpy(dev->h.name, "nvme0");
	strcpy(dev->h.bdf, "0000:01:00.0");
	strcpy(dev->h.driver, "nvme");
	backoff_init(&dev->backoff);
	dev->h.fd[UDRV_FD_VFIO] = open("/dev/null", O_RDWR | O_CLOEXEC);
	dev->h.fd[UDRV_FD_STATE] = memfd_create("state", MFD_CLOEXEC);
	fork_errno = pidfd_errno = 0;
	host_status = 7;
	quiesced = clients = reasons_dropped = 0;
	in_custody[0] = order[0] = '\0';
}

static void teardown(void)
{
	if (dev->sock >= 0)
		close(dev->sock);
	if (dev->pidfd >= 0)
		close(dev->pidfd);
	udrv_handle_close(&dev->h);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

/* There is no child left: it would be reaped here, or waited for. */
static void no_child(void)
{
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}

START_TEST(host_is_watched)
{
	device_start_host(&agent, dev);
	ck_assert_int_eq(dev->state, DEV_STARTING);
	ck_assert_int_lt(dev->pidfd, 0);
	device_watch_host(&agent, dev);
	ck_assert_int_ge(dev->pidfd, 0);
	ck_assert_str_eq(in_custody, "lease-nvme0");
	agent.taking_over = false;
	device_listen(&agent, dev);
	ck_assert_uint_eq(clients, 1);
	ck_assert_int_lt(dev->sock, 0);
	/* The connection is closed, so it ends; the device goes on and waits for a successor. */
	device_recall_host(&agent, dev);
	ck_assert_int_lt(dev->pidfd, 0);
	ck_assert_str_eq(in_custody, "");
	no_child();
}
END_TEST

/* What it says of its start is there for later agents, as long as it lives. */
START_TEST(host_tells)
{
	device_start_host(&agent, dev);
	device_watch_host(&agent, dev);
	device_adopted(&agent, dev, "refused", "bad checksum");
	ck_assert_int_eq(dev->state, DEV_STARTING);
	ck_assert_str_eq(in_custody, "lease-nvme0");
	device_adopted(&agent, dev, "resumed", "");
	ck_assert_int_eq(dev->state, DEV_RUNNING);
	ck_assert_str_eq(in_custody, "start-nvme0");
	agent.client[3].owner = dev;
	device_recall_host(&agent, dev);
	ck_assert_str_eq(in_custody, "");
	ck_assert(!dev->told);
	/* What it has said, and nobody has read yet, is not its successor's. */
	ck_assert_int_eq(dev->pid, -1);
	ck_assert_ptr_null(agent.client[3].owner);
	no_child();
}
END_TEST

/* A later agent would wait for what this one has not written down: the host has to tell again. */
START_TEST(it_cannot_be_recorded)
{
	device_start_host(&agent, dev);
	device_watch_host(&agent, dev);
	memfd_errno = ENFILE;
	ck_assert_int_eq(device_adopted(&agent, dev, "resumed", ""), -ENFILE);
	ck_assert_uint_eq(reasons_dropped, 0);
	ck_assert_int_eq(dev->state, DEV_RUNNING);
	ck_assert(!dev->told);
	memfd_errno = 0;
	ck_assert_int_eq(device_adopted(&agent, dev, "resumed", ""), 0);
	ck_assert_uint_eq(reasons_dropped, 1);
	ck_assert_str_eq(in_custody, "start-nvme0");
	device_recall_host(&agent, dev);
}
END_TEST

static int host_ends(void)
{
	siginfo_t si;

	ck_assert_int_eq(waitid(P_PIDFD, (id_t)dev->pidfd, &si, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(si.si_code, CLD_EXITED);
	return si.si_status;
}

static void hang_up(void)
{
	close(dev->sock);
	dev->sock = -1;
}

/* A takeover that ends in between must not leave a host at work of which nobody knows. */
START_TEST(no_device_without_a_lease)
{
	dev->h.fd[UDRV_FD_IOMMU] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(dev->h.fd[UDRV_FD_IOMMU], 0);
	device_start_host(&agent, dev);
	device_watch_host(&agent, dev);
	ck_assert_str_eq(in_custody, "lease-nvme0");
	device_give_part(dev, HANDLE_IOMMU);
	hang_up();
	ck_assert_int_eq(host_ends(), HOST_GOT_REST);
	device_recall_host(&agent, dev);
}
END_TEST

/* What it says of its start is for the agent that comes: the connection is in custody till then. */
START_TEST(init_does_not_listen)
{
	device_start_host(&agent, dev);
	device_watch_host(&agent, dev);
	device_mounted(dev);
	device_listen(&agent, dev);
	ck_assert_str_eq(in_custody, "host-nvme0");
	ck_assert_int_lt(dev->sock, 0);
	ck_assert_uint_eq(clients, 0);
	/* That was the only duplicate here, so the host ends; it was told that it may run. */
	ck_assert_int_eq(host_ends(), HOST_MAY_RUN);
	device_recall_host(&agent, dev);
}
END_TEST

/* It would wait for ever for what did not arrive: it ends instead. */
START_TEST(part_is_not_sent)
{
	int sock;

	device_start_host(&agent, dev);
	device_watch_host(&agent, dev);
	sock = dev->sock;
	ck_assert_int_eq(shutdown(dev->sock, SHUT_WR), 0);
	if (_i)
		device_mounted(dev);
	else
		device_give_part(dev, HANDLE_IOMMU);
	ck_assert_int_lt(dev->sock, 0);
	ck_assert_int_eq(fcntl(sock, F_GETFD), -1);
	ck_assert_int_eq(host_ends(), host_status);
	device_listen(&agent, dev);
	ck_assert_str_eq(in_custody, "lease-nvme0");
	device_recall_host(&agent, dev);
}
END_TEST

/* Its connection without its lease: it ended, or never had one. */
START_TEST(connection_without_a_lease)
{
	agent.taking_over = false;
	dev->sock = open("/dev/null", O_RDONLY | O_CLOEXEC);
	device_listen(&agent, dev);
	ck_assert_int_lt(dev->sock, 0);
	ck_assert_uint_eq(clients, 0);
}
END_TEST

START_TEST(no_descriptor_is_left)
{
	struct rlimit was, none;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){ .rlim_cur = 3, .rlim_max = was.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	device_start_host(&agent, dev);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_assert_int_eq(dev->state, DEV_BACKOFF);
	ck_assert_ptr_nonnull(strstr(dev->error, "socketpair: EMFILE"));
	ck_assert_int_lt(dev->sock, 0);
	no_child();
}
END_TEST

/* PID 1 forks; a program that was set is executed. */
START_TEST(program_is_used)
{
	agent.taking_over = false;
	dev->program = open("/bin/true", O_PATH | O_CLOEXEC);
	ck_assert_int_ge(dev->program, 0);
	device_start_host(&agent, dev);
	device_watch_host(&agent, dev);
	ck_assert_int_lt(dev->sock, 0);
	ck_assert_int_eq(host_ends(), 0);
	device_recall_host(&agent, dev);
	close(dev->program);
	dev->program = -1;
}
END_TEST

/* Were the agent to die anywhere, custody has its consumers' memory, alone or in the handle. */
START_TEST(memory_is_always_in_custody)
{
	device_create(&agent, dev);
	ck_assert_str_eq(order, "give put given ");
	ck_assert_int_eq(dev->state, DEV_STARTING);
	device_recall_host(&agent, dev);
	no_child();
}
END_TEST

START_TEST(fork_fails)
{
	fork_errno = EAGAIN;
	device_start_host(&agent, dev);
	ck_assert_int_eq(dev->state, DEV_BACKOFF);
	ck_assert_uint_eq(dev->restarts, 1);
	ck_assert_ptr_nonnull(strstr(dev->error, "fork: EAGAIN"));
	ck_assert_int_lt(dev->sock, 0);
	/* What follows at each start finds nobody. */
	device_watch_host(&agent, dev);
	device_give_part(dev, HANDLE_IOMMU);
	device_mounted(dev);
	device_listen(&agent, dev);
	ck_assert_int_eq(dev->state, DEV_BACKOFF);
	ck_assert_int_lt(dev->pidfd, 0);
	ck_assert_uint_eq(clients + quiesced, 0);
	ck_assert_int_ge(dev->h.fd[UDRV_FD_VFIO], 0);

	fork_errno = 0;
	device_start_host(&agent, dev);
	ck_assert_int_eq(dev->state, DEV_STARTING);
	kill(dev->pid, SIGKILL);
}
END_TEST

/* Nobody looks after a device that cannot have a host: at the limit it must not go on writing. */
START_TEST(fork_fails_for_good)
{
	fork_errno = ENOMEM;
	dev->backoff.limit = 2;
	for (unsigned int i = 0; i < 2; i++) {
		device_start_host(&agent, dev);
		ck_assert_int_eq(dev->state, DEV_BACKOFF);
		ck_assert_uint_eq(quiesced, 0);
	}
	device_start_host(&agent, dev);
	ck_assert_int_eq(dev->state, DEV_FAILED);
	ck_assert_uint_eq(quiesced, 1);
	ck_assert_int_lt(dev->h.fd[UDRV_FD_VFIO], 0);
}
END_TEST

START_TEST(nobody_could_watch_it)
{
	pidfd_errno = EMFILE;
	device_start_host(&agent, dev);
	ck_assert_int_eq(dev->state, DEV_STARTING);
	device_watch_host(&agent, dev);
	ck_assert_int_eq(dev->state, DEV_BACKOFF);
	ck_assert_ptr_nonnull(strstr(dev->error, "pidfd_open: EMFILE"));
	ck_assert_int_lt(dev->sock, 0);
	ck_assert_str_eq(in_custody, "");
	no_child();
}
END_TEST

static pid_t last_host;

/* A host that is started, and ends with @status */
static void live_and_die(int status)
{
	siginfo_t si;

	host_status = status;
	device_start_host(&agent, dev);
	device_watch_host(&agent, dev);
	last_host = dev->pid;
	hang_up();
	ck_assert_int_eq(waitid(P_PIDFD, (id_t)dev->pidfd, &si, WEXITED | WNOWAIT), 0);
	device_lease_over(&agent, dev);
	ck_assert_int_lt(dev->pidfd, 0);
	ck_assert_str_eq(in_custody, "");
}

/* No successor would do better, and meanwhile the device goes on writing for nobody. */
START_TEST(driver_cannot_run_it)
{
	char pid[32];

	live_and_die(1);
	ck_assert_int_eq(dev->state, DEV_BACKOFF);
	ck_assert_ptr_nonnull(strstr(dev->error, "with status 1; 1 in a row"));
	snprintf(pid, sizeof(pid), "(pid %d)", last_host);
	ck_assert_msg(strstr(app_last_error(), pid), "%s: no %s", app_last_error(), pid);
	ck_assert_uint_eq(quiesced, 0);
	live_and_die(HOST_EXIT_DEVICE);
	ck_assert_int_eq(dev->state, DEV_FAILED);
	ck_assert_ptr_nonnull(strstr(dev->error, "its driver cannot run it"));
	ck_assert_uint_eq(quiesced, 1);
	ck_assert_int_lt(dev->h.fd[UDRV_FD_VFIO], 0);
}
END_TEST

START_TEST(waits_in_vain)
{
	device_start_host(&agent, dev);
	device_recall_host(&agent, dev);
	ck_assert_int_lt(dev->sock, 0);
	no_child();
}
END_TEST

/* Asks for the lease over a socket, as a process that the kernel vouches for: this one. */
static int ask(struct udrv_msg *m)
{
	int sv[2], err;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	err = device_lease(&agent, dev, sv[0], 1);
	ck_assert_int_eq(udrv_msg_recv(sv[1], m), 0);
	close(sv[0]);
	close(sv[1]);
	return err;
}

START_TEST(lease_is_held)
{
	static struct udrv_msg m;
	const char *why;

	device_start_host(&agent, dev);
	device_watch_host(&agent, dev);
	ck_assert_int_eq(ask(&m), 0);
	ck_assert_int_eq(udrv_msg_error(&m, &why), -EBUSY);
	ck_assert_ptr_nonnull(strstr(why, "leased to process"));
	ck_assert_uint_eq(dev->restarts, 0);
	kill(dev->pid, SIGKILL);
}
END_TEST

/* The successor is faster than the news of the death: it gets the lease, and the death counts. */
START_TEST(lease_of_a_dead_host)
{
	static struct udrv_msg m;
	siginfo_t si;
	pid_t was;

	device_start_host(&agent, dev);
	device_watch_host(&agent, dev);
	was = dev->pid;
	kill(was, SIGKILL);
	ck_assert_int_eq(waitid(P_PIDFD, (id_t)dev->pidfd, &si, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(ask(&m), 0);
	ck_assert_int_eq(m.type, UDRV_MSG_HANDLE);
	udrv_msg_drop_fds(&m);
	ck_assert_int_eq(dev->pid, getpid());
	ck_assert_int_eq(dev->state, DEV_STARTING);
	ck_assert_uint_eq(dev->restarts, 1);
	ck_assert_str_eq(in_custody, "lease-nvme0");
	no_child();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("device");
	TCase *tc = suite_case(suite, "device", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, host_is_watched);
	tcase_add_test(tc, host_tells);
	tcase_add_test(tc, it_cannot_be_recorded);
	tcase_add_test(tc, no_device_without_a_lease);
	tcase_add_test(tc, init_does_not_listen);
	tcase_add_loop_test(tc, part_is_not_sent, 0, 2);
	tcase_add_test(tc, connection_without_a_lease);
	tcase_add_test(tc, no_descriptor_is_left);
	tcase_add_test(tc, program_is_used);
	tcase_add_test(tc, memory_is_always_in_custody);
	tcase_add_test(tc, fork_fails);
	tcase_add_test(tc, fork_fails_for_good);
	tcase_add_test(tc, nobody_could_watch_it);
	tcase_add_test(tc, driver_cannot_run_it);
	tcase_add_test(tc, waits_in_vain);
	tcase_add_test(tc, lease_is_held);
	tcase_add_test(tc, lease_of_a_dead_host);
	return suite_run(suite);
}
