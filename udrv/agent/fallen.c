// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A device that could not be taken over is started clean once the session is over. Until that is
 * done "fallback-NAME" in custody says why: an agent that comes later does not try it once more, and
 * knows the reason.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"

#define KEY "fallback-"

static struct {
	char name[32];
	char why[192];
} fallen[AGENT_DEVICES];
static unsigned int nfallen;

static void add(const char *name, const char *why)
{
	if (nfallen == AGENT_DEVICES)
		return;
	snprintf(fallen[nfallen].name, sizeof(fallen[0].name), "%s", name);
	snprintf(fallen[nfallen++].why, sizeof(fallen[0].why), "%s", why);
}

void fallen_put(struct agent *a, const struct agent_device *d)
{
	char name[48];
	int fd;

	app_join(name, sizeof(name), KEY, d->h.name);
	fd = app_memfd(name, d->error, strlen(d->error));
	/* Without it, it is tried once more, and fails again. */
	if (fd < 0) {
		app_warn("%s: %s", name, app_errname(fd));
	} else {
		custody_put_fd(a, name, fd);
		close(fd);
	}
	add(d->h.name, d->error);
}

bool fallen_kept(const char *name, int fd)
{
	char why[sizeof(fallen[0].why)] = "";
	ssize_t n;

	if (strncmp(name, KEY, strlen(KEY)))
		return false;
	n = pread(fd, why, sizeof(why) - 1, 0);
	close(fd);
	add(name + strlen(KEY), n > 0 ? why : "unknown");
	return true;
}

bool fallen_restore(struct agent_device *d)
{
	for (unsigned int i = 0; i < nfallen; i++) {
		if (strcmp(fallen[i].name, d->h.name))
			continue;
		snprintf(d->error, sizeof(d->error), "%s", fallen[i].why);
		d->fallback = true;
		return true;
	}
	return false;
}

void fallen_drop(struct agent *a, const struct agent_device *d)
{
	char name[48];

	for (unsigned int i = 0; i < nfallen; i++) {
		if (strcmp(fallen[i].name, d->h.name))
			continue;
		fallen[i] = fallen[--nfallen];
		app_join(name, sizeof(name), KEY, d->h.name);
		custody_drop(a, name);
		return;
	}
}
