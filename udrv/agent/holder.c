// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who has what an update needs: the kernel gives /dev/liveupdate to one process, and a session's
 * name to one session, and says no more than that they are taken.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "udrv/agent/holder.h"
#include "udrv/common/app.h"

static bool has_open(const char *pid, const char *link)
{
	char path[64], found[256];
	struct dirent *entry;
	bool ret = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	dir = opendir(path);
	while (dir && !ret && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, found, sizeof(found));

		ret = n == (ssize_t)strlen(link) && !memcmp(found, link, (size_t)n);
	}
	if (dir)
		closedir(dir);
	return ret;
}

bool holder_find(const char *link, char *ret, size_t size)
{
	char path[64], name[32];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	dir = opendir("/proc");
	while (dir && !found && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]) || atoi(entry->d_name) == getpid() ||
		    !has_open(entry->d_name, link))
			continue;
		found = true;
		snprintf(path, sizeof(path), "/proc/%.16s/comm", entry->d_name);
		if (app_read_file(path, name, sizeof(name)) < 0)
			strcpy(name, "?");
		name[strcspn(name, "\n")] = '\0';
		snprintf(ret, size, "process %.16s (%s)", entry->d_name, name);
	}
	if (dir)
		closedir(dir);
	if (!found)
		snprintf(ret, size, "another process");
	return found;
}

int holder_open_luo(int *luo, char *why, size_t size)
{
	char who[64];

	/* Whoever had it may have let go of it since this agent began. */
	if (*luo < 0)
		*luo = luo_open();
	if (*luo >= 0)
		return 0;
	if (*luo == -EBUSY) {
		holder_find(LUO_DEVICE, who, sizeof(who));
		snprintf(why, size, LUO_DEVICE " is open in %s: end it first", who);
	} else if (*luo == -ENOENT || *luo == -ENODEV || *luo == -ENXIO) {
		snprintf(why, size,
			 LUO_DEVICE ": %s: this kernel was not booted with liveupdate=on kho=on",
			 app_errname(*luo));
	} else {
		snprintf(why, size, LUO_DEVICE ": %s", strerror(-*luo));
	}
	return *luo;
}

int holder_create_session(int luo, char *why, size_t size)
{
	int session = luo_create_session(luo, SESSION_NAME);
	char who[64];

	if (session >= 0)
		return session;
	if (session == -EEXIST) {
		holder_find(LUO_SESSION_LINK SESSION_NAME, who, sizeof(who));
		snprintf(why, size, "%s holds a session '" SESSION_NAME "': end it first", who);
	} else {
		snprintf(why, size, "cannot create the session '" SESSION_NAME "': %s",
			 strerror(-session));
	}
	return session;
}
