// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A lease in custody: "lease-NAME" is the pidfd of the process that has the device; "start-NAME",
 * from the moment on at which that process has told that the device runs, says how it got there.
 * A later agent so knows which hosts have still to tell.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"

#define LEASE "lease-"
#define START "start-"

static const char *const starts[] = { "resumed", "started", "fallback" };

static bool start_known(const char *text)
{
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (!strcmp(text, starts[i]))
			return true;
	return false;
}

void lease_name(const struct agent_device *d, char *ret, size_t size)
{
	app_join(ret, size, LEASE, d->h.name);
}

void lease_put(struct agent *a, const struct agent_device *d)
{
	char name[LEASE_NAME_SIZE];

	lease_name(d, name, sizeof(name));
	custody_put_fd(a, name, d->pidfd);
}

int lease_told(struct agent *a, struct agent_device *d)
{
	char name[48];
	int fd;

	app_join(name, sizeof(name), START, d->h.name);
	fd = app_memfd(name, d->start, strlen(d->start));
	if (fd < 0)
		return fd;
	custody_put_fd(a, name, fd);
	d->told = true;
	close(fd);
	return 0;
}

static void drop_start(struct agent *a, struct agent_device *d)
{
	char name[48];

	if (!d->told)
		return;
	d->told = false;
	app_join(name, sizeof(name), START, d->h.name);
	custody_drop(a, name);
}

void lease_drop(struct agent *a, struct agent_device *d)
{
	char name[48];

	/* First what it has told, so that nobody takes its successor's silence for running. */
	drop_start(a, d);
	close(d->pidfd);
	d->pidfd = -1;
	/* Nor what it has said and nobody has read yet. */
	d->pid = -1;
	for (unsigned int i = 0; i < AGENT_CLIENTS; i++)
		if (a->client[i].owner == d)
			a->client[i].owner = NULL;
	lease_name(d, name, sizeof(name));
	custody_drop(a, name);
}

static pid_t pidfd_pid(int pidfd)
{
	char path[48], text[512];
	const char *line;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	if (app_read_file(path, text, sizeof(text)) < 0)
		return -1;
	line = strstr(text, "\nPid:");
	return line ? atoi(line + 5) : -1;
}

static void start_kept(struct agent_device *d, int fd)
{
	char text[sizeof(d->start)] = "";

	d->told = true;
	if (pread(fd, text, sizeof(text) - 1, 0) > 0 && start_known(text))
		strcpy(d->start, text);
	close(fd);
}

bool lease_kept(struct agent *a, const char *name, int fd)
{
	struct agent_device *d;

	d = strncmp(name, LEASE, strlen(LEASE)) ? NULL : agent_find(a, name + strlen(LEASE));
	if (d) {
		d->pidfd = fd;
		d->pid = pidfd_pid(fd);
		return true;
	}
	d = strncmp(name, START, strlen(START)) ? NULL : agent_find(a, name + strlen(START));
	if (d)
		start_kept(d, fd);
	return d;
}

void lease_restore(struct agent *a)
{
	for (unsigned int i = 0; i < a->ndev; i++) {
		struct agent_device *d = &a->dev[i];

		if (d->pidfd < 0) {
			drop_start(a, d);
			d->start[0] = '\0';
		} else if (d->start[0]) {
			d->state = DEV_RUNNING;
			d->running_ns = app_now_ns();
		} else {
			d->state = DEV_STARTING;
		}
	}
}
