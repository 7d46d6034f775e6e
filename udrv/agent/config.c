// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which devices there are: udrv.devices=NAME@BDF[/POLICY],… on the kernel command line, else the
 * lines "NAME@BDF[/POLICY]" of /etc/udrv/devices.conf, else every device that we have a
 * driver for.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/handle.h>
#include <udrv/proto.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/host/driver.h"

#define DEVICES_CONF "/etc/udrv/devices.conf"

/*
 * What is in custody, or listens in /run/udrv, beside the devices, by its name or the beginning of
 * it: a device of that name would be taken for it.
 */
static const char *const reserved[] = { "agent",    "directory", "incoming",  "marks",
					"outgoing", "consumer",	 "fallback-", "host-",
					"lease-",   "program-",	 "start-" };

static bool is_reserved(const char *name)
{
	for (unsigned int i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (!strncmp(name, reserved[i], strlen(reserved[i])))
			return true;
	return false;
}

static int add_configured(struct agent *a, const char *name, const char *bdf,
			  enum udrv_policy policy)
{
	const struct host_driver *driver = bind_driver(bdf);
	struct agent_device *d = agent_find(a, name);

	if (d) {
		if (strcmp(d->h.bdf, bdf))
			app_err("%s is %s, not the configured %s: it stays what it is", name,
				d->h.bdf, bdf);
		return 0;
	}
	d = agent_add(a, name);
	if (!d) {
		app_err("%s: more than %u devices", name, AGENT_DEVICES);
		return -ENOSPC;
	}
	snprintf(d->h.bdf, sizeof(d->h.bdf), "%s", bdf);
	snprintf(d->h.driver, sizeof(d->h.driver), "%s", driver ? driver->name : "");
	fallen_restore(d);
	d->h.policy = policy;
	return 0;
}

static int parse_device(struct agent *a, char *word)
{
	enum udrv_policy policy = UDRV_KEEP;
	char *at = strchr(word, '@');
	char *slash = strchr(word, '/');
	int err = 0;

	if (slash) {
		*slash++ = '\0';
		err = policy_parse(slash, &policy);
	}
	if (at)
		*at++ = '\0';
	if (err || !at || !udrv_name_valid(word) || !udrv_bdf_valid(at)) {
		app_err("device '%s': not NAME@dddd:bb:dd.f[/keep|reset|detach], left out", word);
		return 0;
	}
	if (is_reserved(word)) {
		app_err("device '%s' (%s): names that begin like this are the agent's own, left out: give it another",
			word, at);
		return 0;
	}
	return add_configured(a, word, at, policy);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/*
 * Every device that there is a driver for: nvme0, nvme1 …, mana0 … in the order of their addresses.
 */
static int scan(struct agent *a)
{
	char *bdf[AGENT_DEVICES];
	unsigned int n = 0;
	struct dirent *e;
	DIR *dir;
	int err = 0;

	dir = opendir("/sys/bus/pci/devices");
	if (!dir)
		return -errno;
	while (n < AGENT_DEVICES && (e = readdir(dir))) {
		if (!udrv_bdf_valid(e->d_name) || !bind_driver(e->d_name))
			continue;
		bdf[n] = strdup(e->d_name);
		if (bdf[n])
			n++;
	}
	closedir(dir);
	qsort(bdf, n, sizeof(bdf[0]), compare_names);
	for (unsigned int i = 0; i < n; i++) {
		const struct host_driver *driver = bind_driver(bdf[i]);
		unsigned int before = 0;
		char name[24];

		for (unsigned int k = 0; k < i; k++)
			before += bdf[k] && bind_driver(bdf[k]) == driver;
		snprintf(name, sizeof(name), "%s%u", driver ? driver->name : "none", before);
		if (!err && driver)
			err = add_configured(a, name, bdf[i], UDRV_KEEP);
	}
	for (unsigned int i = 0; i < n; i++)
		free(bdf[i]);
	return err;
}

int agent_configure(struct agent *a)
{
	char list[2048];
	char *save = NULL;
	int err = 0;

	if (!app_param(app_cmdline(), "udrv.devices", list, sizeof(list)))
		err = app_read_file(DEVICES_CONF, list, sizeof(list));
	if (err == -ENOENT)
		return scan(a);
	if (err < 0) {
		/* Perhaps it leaves out the disk that we run from. */
		app_err("cannot read " DEVICES_CONF
			": %s: no device is taken but those in custody; mend it (at most %zu bytes) and start udrv-agent again",
			app_errname(err), sizeof(list) - 1);
		return 0;
	}
	err = 0;
	if (!strcmp(list, "none"))
		return 0;
	for (char *w = strtok_r(list, ", \n", &save); w && !err; w = strtok_r(NULL, ", \n", &save))
		err = parse_device(a, w);
	return err;
}

int agent_driver_opts(const struct udrv_handle *h, struct udrv_handle_opts *ret)
{
	const struct host_driver *driver = host_driver_find(h->driver);
	struct udrv_handle_opts opts = { .size = sizeof(opts) };
	int err;

	if (!driver) {
		app_err("%s (%s): there is no driver for it", h->name, h->bdf);
		return -EOPNOTSUPP;
	}
	err = driver->requirements(&opts);
	if (!err)
		*ret = opts;
	return err;
}
