// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"

#define KEY   "consumer" /* in custody: "consumer0-nvme0" */
#define GIVEN -2	 /* a descriptor that is a handle's again */

static struct agent_rescued *find(struct agent *a, const char *name, bool make)
{
	struct agent_rescued *empty = NULL;

	for (unsigned int i = 0; i < AGENT_DEVICES; i++) {
		if (!strcmp(a->rescued[i].name, name))
			return &a->rescued[i];
		if (!a->rescued[i].name[0] && !empty)
			empty = &a->rescued[i];
	}
	if (!make || !empty)
		return NULL;
	snprintf(empty->name, sizeof(empty->name), "%s", name);
	for (unsigned int i = 0; i < UDRV_HANDLE_EXTRA; i++)
		empty->fd[i] = -1;
	return empty;
}

static void key(char *buf, size_t size, const char *name, unsigned int i)
{
	snprintf(buf, size, KEY "%u-%s", i, name);
}

static void keep(struct agent *a, const char *name, unsigned int i, int fd)
{
	struct agent_rescued *r = find(a, name, true);

	if (!r) {
		app_err("%s: more than %u devices with memory of consumers", name, AGENT_DEVICES);
		close(fd);
		return;
	}
	if (r->fd[i] >= 0)
		close(r->fd[i]);
	r->fd[i] = fd;
}

void rescue_put(struct agent *a, const char *name, unsigned int i, int fd)
{
	char text[UDRV_NAME_MAX + 1];

	key(text, sizeof(text), name, i);
	custody_put_fd(a, text, fd);
	keep(a, name, i, fd);
}

void rescue_take(struct agent *a, struct udrv_handle *h)
{
	for (unsigned int i = 0; i < UDRV_HANDLE_EXTRA; i++) {
		if (h->fd[UDRV_FD_EXTRA + i] < 0)
			continue;
		rescue_put(a, h->name, i, h->fd[UDRV_FD_EXTRA + i]);
		h->fd[UDRV_FD_EXTRA + i] = -1;
	}
}

static bool same_size(int a, int b)
{
	struct stat sa, sb;

	return !fstat(a, &sa) && !fstat(b, &sb) && sa.st_size == sb.st_size;
}

void rescue_give(struct agent *a, struct udrv_handle *h)
{
	struct agent_rescued *r = find(a, h->name, false);

	for (unsigned int i = 0; r && i < UDRV_HANDLE_EXTRA; i++) {
		int *fd = &h->fd[UDRV_FD_EXTRA + i];

		if (r->fd[i] < 0)
			continue;
		if (*fd >= 0 && same_size(*fd, r->fd[i])) {
			close(*fd);
			*fd = r->fd[i];
		} else {
			app_warn("%s (%s): its consumers' old memory has another size: they begin anew",
				 h->name, h->bdf);
			close(r->fd[i]);
		}
		r->fd[i] = GIVEN;
	}
}

void rescue_given(struct agent *a, const char *name)
{
	struct agent_rescued *r = find(a, name, false);
	char text[UDRV_NAME_MAX + 1];

	for (unsigned int i = 0; r && i < UDRV_HANDLE_EXTRA; i++) {
		if (r->fd[i] != GIVEN)
			continue;
		key(text, sizeof(text), name, i);
		custody_drop(a, text);
	}
	if (r)
		r->name[0] = '\0';
}

const int *rescue_find(const struct agent *a, const char *name)
{
	struct agent_rescued *r = find((struct agent *)a, name, false);

	return r ? r->fd : NULL;
}

bool rescue_kept(struct agent *a, const char *name, int fd)
{
	size_t len = strlen(KEY);
	char *end;
	unsigned long i;

	if (strncmp(name, KEY, len))
		return false;
	i = strtoul(name + len, &end, 10);
	if (*end != '-' || i >= UDRV_HANDLE_EXTRA || !udrv_name_valid(end + 1))
		return false;
	keep(a, end + 1, (unsigned int)i, fd);
	return true;
}
