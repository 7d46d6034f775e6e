// SPDX-License-Identifier: GPL-2.0-or-later
/* Which devices the agent takes: what is configured, and all there are only if nothing is. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/suite.h"
#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/host/driver.h"

static const char *cmdline, *conf;
static int conf_err;
static unsigned int scans;
static struct agent agent;

const char *__wrap_app_cmdline(void);
int __wrap_app_read_file(const char *path, char *buf, size_t size);
DIR *__wrap_opendir(const char *path);

const char *__wrap_app_cmdline(void)
{
	return cmdline;
}

int __wrap_app_read_file(const char *path, char *buf, size_t size)
{
	ck_assert_str_eq(path, "/etc/udrv/devices.conf");
	if (conf_err)
		return conf_err;
	ck_assert_uint_lt(strlen(conf), size);
	return snprintf(buf, size, "%s", conf);
}

DIR *__wrap_opendir(const char *path)
{
	(void)path;
	scans++;
	errno = ENOTDIR;
	return NULL;
}

const struct host_driver *bind_driver(const char *bdf)
{
	static const struct host_driver nvme = { .name = "nvme" };

	(void)bdf;
	return &nvme;
}

const struct host_driver *host_driver_find(const char *name)
{
	(void)name;
	return NULL;
}

bool fallen_restore(struct agent_device *d)
{
	(void)d;
	return false;
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
	struct agent_device *d = a->ndev < AGENT_DEVICES ? &a->dev[a->ndev++] : NULL;

	if (d)
		snprintf(d->h.name, sizeof(d->h.name), "%s", name);
	return d;
}

static void set_up(void)
{
	memset(&agent, 0, sizeof(agent));
	cmdline = "quiet";
	conf = "";
	conf_err = 0;
	scans = 0;
}

START_TEST(configured)
{
	if (_i)
		cmdline = "quiet udrv.devices=nvme1@0000:02:00.0/reset,disk@0000:01:00.0 kho=on";
	else
		conf = "nvme1@0000:02:00.0/reset\ndisk@0000:01:00.0";
	ck_assert_int_eq(agent_configure(&agent), 0);
	ck_assert_uint_eq(agent.ndev, 2);
	ck_assert_str_eq(agent.dev[0].h.name, "nvme1");
	ck_assert_int_eq(agent.dev[0].h.policy, UDRV_RESET);
	ck_assert_str_eq(agent.dev[1].h.bdf, "0000:01:00.0");
	ck_assert_str_eq(agent.dev[1].h.driver, "nvme");
	ck_assert_uint_eq(scans, 0);
}
END_TEST

START_TEST(none)
{
	conf = "none";
	ck_assert_int_eq(agent_configure(&agent), 0);
	ck_assert_uint_eq(agent.ndev, 0);
	ck_assert_uint_eq(scans, 0);
}
END_TEST

START_TEST(all_if_nothing_is_configured)
{
	conf_err = -ENOENT;
	ck_assert_int_eq(agent_configure(&agent), -ENOTDIR);
	ck_assert_uint_eq(scans, 1);
}
END_TEST

static const int unreadable[] = { -E2BIG, -EACCES, -EIO, -EISDIR };

/* It may be what keeps us from the disk that the machine runs from. */
START_TEST(none_if_it_cannot_be_read)
{
	conf_err = unreadable[_i];
	ck_assert_int_eq(agent_configure(&agent), 0);
	ck_assert_uint_eq(agent.ndev, 0);
	ck_assert_uint_eq(scans, 0);
	ck_assert_ptr_nonnull(strstr(app_last_error(), "devices.conf"));
	ck_assert_ptr_nonnull(strstr(app_last_error(), app_errname(conf_err)));
}
END_TEST

static const char *const reserved[] = { "agent",     "directory",   "incoming",	      "outgoing",
					"marks",     "lease-nvme0", "host-nvme0",     "start-nvme0",
					"fallback-", "program-a",   "consumer0-nvme0" };

START_TEST(names_that_are_not_to_be_had)
{
	char line[128];

	snprintf(line, sizeof(line), "%s@0000:01:00.0\nnvme0@0000:02:00.0", reserved[_i]);
	conf = line;
	ck_assert_int_eq(agent_configure(&agent), 0);
	ck_assert_uint_eq(agent.ndev, 1);
	ck_assert_str_eq(agent.dev[0].h.name, "nvme0");
	ck_assert_ptr_nonnull(strstr(app_last_error(), reserved[_i]));
}
END_TEST

static const char *const wrong[] = { "nvme0",	      "nvme0@01:00.0",	      "Nvme0@0000:01:00.0",
				     "@0000:01:00.0", "nvme0@0000:01:00.0/x", "a/b@0000:01:00.0" };

START_TEST(what_makes_no_sense_is_left_out)
{
	conf = wrong[_i];
	ck_assert_int_eq(agent_configure(&agent), 0);
	ck_assert_uint_eq(agent.ndev, 0);
	ck_assert_uint_eq(scans, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("devices");
	TCase *tc = suite_case(suite, "devices", 10);

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_loop_test(tc, configured, 0, 2);
	tcase_add_test(tc, none);
	tcase_add_test(tc, all_if_nothing_is_configured);
	tcase_add_loop_test(tc, none_if_it_cannot_be_read, 0,
			    sizeof(unreadable) / sizeof(unreadable[0]));
	tcase_add_loop_test(tc, names_that_are_not_to_be_had, 0,
			    sizeof(reserved) / sizeof(reserved[0]));
	tcase_add_loop_test(tc, what_makes_no_sense_is_left_out, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	return suite_run(suite);
}
