// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <udrv/state.h>

#include "restore_fixture.h"

struct restore_fixture fx;

const char *const restore_names[RESTORE_DEVICES] = { "nvme0", "nvme1", "nvme2" };

/* What is around restore.c. */

int luo_open(void)
{
	return 1000;
}

int luo_retrieve_session(int luo, const char *name)
{
	ck_assert_int_eq(luo, 1000);
	ck_assert_str_eq(name, SESSION_NAME);
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int luo_retrieve(int session, uint64_t token)
{
	(void)session;
	if (token == DIRECTORY_TOKEN)
		return dup(fx.directory);
	if (token == fx.missing)
		return -ENOENT;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int luo_finish(int session)
{
	(void)session;
	fx.finished++;
	return 0;
}

int custody_get_all(struct agent *a, void (*handle)(struct agent *a, struct udrv_handle *h),
		    void (*fd)(struct agent *a, const char *name, int fd))
{
	for (unsigned int i = 0; i < fx.nhandles; i++) {
		struct udrv_handle h;

		ck_assert_int_eq(udrv_handle_dup(&fx.handles[i], &h), 0);
		handle(a, &h);
	}
	for (unsigned int i = 0; i < fx.ncustody; i++)
		fd(a, fx.custody[i].name, dup(fx.custody[i].fd));
	return 0;
}

void custody_put_handle(struct agent *a, const struct udrv_handle *h)
{
	(void)a;
	ck_assert_uint_lt(fx.nhandles, 4);
	ck_assert_int_eq(udrv_handle_dup(h, &fx.handles[fx.nhandles++]), 0);
}

void custody_mounts(struct agent *a)
{
	(void)a;
	fx.mounted = true;
}

void custody_put_fd(struct agent *a, const char *name, int fd)
{
	unsigned int i = 0;

	(void)a;
	while (i < fx.ncustody && strcmp(fx.custody[i].name, name))
		i++;
	ck_assert_uint_lt(i, 16);
	if (i < fx.ncustody)
		close(fx.custody[i].fd);
	else
		strcpy(fx.custody[fx.ncustody++].name, name);
	fx.custody[i].fd = dup(fd);
}

int custody_settle(struct agent *a)
{
	(void)a;
	return 0;
}

int custody_drop(struct agent *a, const char *name)
{
	(void)a;
	for (unsigned int i = 0; i < fx.ncustody; i++) {
		if (strcmp(fx.custody[i].name, name))
			continue;
		close(fx.custody[i].fd);
		fx.custody[i] = fx.custody[--fx.ncustody];
		return 0;
	}
	return -ENOENT;
}

int custody_ready(struct agent *a)
{
	(void)a;
	return 0;
}

struct agent_device *agent_find(struct agent *a, const char *name)
{
	for (unsigned int i = 0; i < a->ndev; i++)
		if (!strcmp(a->dev[i].h.name, name))
			return &a->dev[i];
	return NULL;
}

struct agent_device *agent_add(struct agent *a, const char *name)
{
	struct agent_device *d = &a->dev[a->ndev++];

	*d = (struct agent_device){
		.h = UDRV_HANDLE_INIT, .sock = -1, .pidfd = -1, .pid = -1, .program = -1
	};
	strcpy(d->h.name, name);
	return d;
}

void device_start_host(struct agent *a, struct agent_device *d)
{
	(void)a;
	d->state = DEV_STARTING;
	if (fx.real) {
		d->pid = fork();
		ck_assert_int_ge(d->pid, 0);
		if (!d->pid)
			for (;;)
				pause();
		fx.host_pid[fx.hosts] = d->pid;
	}
	fx.hosts++;
}

void device_watch_host(struct agent *a, struct agent_device *d)
{
	char name[48];

	ck_assert_int_eq(d->state, DEV_STARTING);
	ck_assert_msg(d->pidfd < 0, "it is watched already");
	d->pidfd = pidfd_open(getpid(), 0);
	snprintf(name, sizeof(name), "lease-%s", d->h.name);
	custody_put_fd(a, name, d->pidfd);
}

void device_give_part(struct agent_device *d, unsigned int part)
{
	ck_assert_msg(!(part & HANDLE_IOMMU) || d->pidfd >= 0,
		      "the host of %s could use it, and end, and nobody would learn of it",
		      d->h.name);
}

void device_mounted(struct agent_device *d)
{
	ck_assert_msg(fx.mounted, "%s is told what is not so", d->h.name);
}

void device_listen(struct agent *a, struct agent_device *d)
{
	if (a->taking_over)
		custody_put_fd(a,
			       d->h.name[4] == '0' ? "host-nvme0" :
			       d->h.name[4] == '1' ? "host-nvme1" :
						     "host-nvme2",
			       fx.directory);
	else if (d->sock >= 0)
		fx.heard++;
}

void device_recall_host(struct agent *a, struct agent_device *d)
{
	(void)a;
	d->pidfd = -1;
}

void device_close_handle(struct agent *a, struct agent_device *d, bool rescue)
{
	(void)a;
	ck_assert(rescue);
	fx.closed++;
	strcpy(fx.kept.name, d->h.name);
	memcpy(fx.kept.fd, d->h.fd + UDRV_FD_EXTRA, sizeof(fx.kept.fd));
	for (int i = 0; i < UDRV_HANDLE_EXTRA; i++)
		d->h.fd[UDRV_FD_EXTRA + i] = -1;
	udrv_handle_close(&d->h);
}

void device_create(struct agent *a, struct agent_device *d)
{
	(void)a;
	ck_assert_msg(fx.finished, "%s is opened while the session's devices are guarded",
		      d->h.name);
	d->state = DEV_RUNNING;
	strcpy(d->start, d->fallback ? "fallback" : "started");
}

const char *device_state_name(enum agent_state s)
{
	(void)s;
	return "";
}

bool rescue_kept(struct agent *a, const char *name, int fd)
{
	(void)a;
	(void)name;
	(void)fd;
	return false;
}

const int *rescue_find(const struct agent *a, const char *name)
{
	(void)a;
	(void)name;
	return NULL;
}

void report_mark(const char *phase, const char *device)
{
	(void)phase;
	(void)device;
}

void report_keep(struct agent *a)
{
	(void)a;
}

bool report_kept(const char *name, int fd)
{
	(void)name;
	(void)fd;
	return false;
}

void report_settled(struct agent *a)
{
	(void)a;
}

bool update_active(void)
{
	return false;
}

int __wrap_udrv_handle_bind(struct udrv_handle *h, const struct udrv_log *log);
int __wrap_udrv_handle_attach(struct udrv_handle *h, const struct udrv_log *log);

int __wrap_udrv_handle_bind(struct udrv_handle *h, const struct udrv_log *log)
{
	(void)log;
	if (++fx.binds == fx.deaths)
		longjmp(fx.dead, 1);
	return fx.stranger && !strcmp(h->name, fx.stranger) ? -EBUSY : 0;
}

int __wrap_udrv_handle_attach(struct udrv_handle *h, const struct udrv_log *log)
{
	(void)h;
	(void)log;
	return 0;
}

void restore_fixture_agent(void)
{
	memset(&fx.agent, 0, sizeof(fx.agent));
	fx.agent.luo = fx.agent.incoming = -1;
	fx.agent.custody = fx.agent.directory = -1;
}

/* A directory of the devices, as their agent in the old kernel left it. */
void restore_fixture_begin(void)
{
	static struct agent old;

	memset(&old, 0, sizeof(old));
	for (unsigned int i = 0; i < RESTORE_DEVICES; i++) {
		struct agent_device *d = agent_add(&old, restore_names[i]);

		snprintf(d->h.bdf, sizeof(d->h.bdf), "0000:0%u:00.0", i + 1);
		strcpy(d->h.driver, "nvme");
		for (unsigned int f = 0; f < UDRV_HANDLE_FDS; f++)
			d->h.fd[f] = RESTORE_FDS & 1u << f ? 0 : -1;
	}
	memset(&fx, 0, sizeof(fx));
	fx.directory = directory_write(&old, "7.3.4-udrv1", NULL, 0, NULL);
	ck_assert_int_ge(fx.directory, 0);
	restore_fixture_agent();
}

bool restore_in_custody(const char *name)
{
	for (unsigned int i = 0; i < fx.ncustody; i++)
		if (!strcmp(fx.custody[i].name, name))
			return true;
	return false;
}
