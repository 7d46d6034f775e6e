// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/handle.h>
#include <udrv/proto.h>

#include "udrv/common/app.h"
#include "device_fixture.h"

struct device_fixture fx;

/* What is around device.c. */

pid_t __real_app_fork(const int *keep, unsigned int n);
pid_t __wrap_app_fork(const int *keep, unsigned int n);
pid_t __wrap_app_fork(const int *keep, unsigned int n)
{
	if (!fx.fork_errno)
		return __real_app_fork(keep, n);
	errno = fx.fork_errno;
	return -1;
}

int __real_pidfd_open(pid_t pid, unsigned int flags);
int __wrap_pidfd_open(pid_t pid, unsigned int flags);
int __wrap_pidfd_open(pid_t pid, unsigned int flags)
{
	if (!fx.pidfd_errno)
		return __real_pidfd_open(pid, flags);
	errno = fx.pidfd_errno;
	return -1;
}

int __wrap_udrv_handle_quiesce(const struct udrv_handle *h, const struct udrv_log *log);
int __wrap_udrv_handle_quiesce(const struct udrv_handle *h, const struct udrv_log *log)
{
	(void)log;
	ck_assert_int_ge(h->fd[UDRV_FD_VFIO], 0);
	fx.quiesced++;
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
	if (!fx.memfd_errno)
		return __real_memfd_create(name, flags);
	errno = fx.memfd_errno;
	return -1;
}

/* A host that does nothing but wait for the rest of its handle. */
int udrv_host_run(const struct udrv_handle *handle, const struct host_lease *lease)
{
	static struct udrv_msg m;
	struct udrv_handle part;
	int status = fx.host_status;

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
	fx.clients++;
}

struct agent_device *agent_find(struct agent *a, const char *name)
{
	(void)a;
	return strcmp(name, fx.dev->h.name) ? NULL : fx.dev;
}

uint64_t directory_tsc_reboot(const void *fdt)
{
	(void)fdt;
	return 0;
}

void fallen_drop(struct agent *a, const struct agent_device *d)
{
	(void)a;
	ck_assert_ptr_eq(d, fx.dev);
	fx.reasons_dropped++;
}

void rescue_give(struct agent *a, struct udrv_handle *h)
{
	(void)a;
	(void)h;
	strcat(fx.order, "give ");
}

void rescue_given(struct agent *a, const char *name)
{
	(void)a;
	ck_assert_str_eq(name, "nvme0");
	strcat(fx.order, "given ");
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
	strcat(fx.order, "put ");
}

void custody_put_fd(struct agent *a, const char *name, int fd)
{
	(void)a;
	ck_assert_int_ge(fd, 0);
	snprintf(fx.in_custody, sizeof(fx.in_custody), "%s", name);
}

int custody_drop(struct agent *a, const char *name)
{
	(void)a;
	if (!strcmp(name, fx.in_custody))
		fx.in_custody[0] = '\0';
	return 0;
}

bool custody_still_open(const struct agent *a, unsigned int *tries)
{
	(void)a;
	(void)tries;
	return false;
}

void device_fixture_begin(void)
{
	memset(&fx, 0, sizeof(fx));
	fx.agent.taking_over = true;
	fx.agent.ndev = 1;
	fx.dev = &fx.agent.dev[0];
	*fx.dev = (struct agent_device){
		.h = UDRV_HANDLE_INIT, .sock = -1, .pidfd = -1, .pid = -1, .program = -1
	};
	strcpy(fx.dev->h.name, "nvme0");
	strcpy(fx.dev->h.bdf, "0000:01:00.0");
	strcpy(fx.dev->h.driver, "nvme");
	backoff_init(&fx.dev->backoff);
	fx.dev->h.fd[UDRV_FD_VFIO] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fx.dev->h.fd[UDRV_FD_STATE] = memfd_create("state", MFD_CLOEXEC);
	fx.host_status = 7;
}

void device_fixture_end(void)
{
	if (fx.dev->sock >= 0)
		close(fx.dev->sock);
	if (fx.dev->pidfd >= 0)
		close(fx.dev->pidfd);
	udrv_handle_close(&fx.dev->h);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

void device_fixture_no_child(void)
{
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}

int device_fixture_host_ends(void)
{
	siginfo_t si;

	ck_assert_int_eq(waitid(P_PIDFD, (id_t)fx.dev->pidfd, &si, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(si.si_code, CLD_EXITED);
	return si.si_status;
}

void device_fixture_hang_up(void)
{
	close(fx.dev->sock);
	fx.dev->sock = -1;
}
