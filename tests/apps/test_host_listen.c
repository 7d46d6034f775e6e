// SPDX-License-Identifier: BSD-2-Clause
/*
 * A host listens for udrvctl as soon as its device runs, which may be before the agent does: the
 * directory of their sockets is made by whoever comes first.
 */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <udrv/loop.h>
#include <udrv/proto.h>

#include "tests/unit/suite.h"
#include "udrv/host/host.h"

static int mkdir_errno; /* 0: it is made */
static bool there;
static struct host host;

int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode)
{
	ck_assert_str_eq(path, "/run/udrv");
	ck_assert_uint_eq(mode, 0700);
	errno = there ? EEXIST : mkdir_errno;
	if (errno)
		return -1;
	there = true;
	return 0;
}

int __wrap_udrv_proto_listen(const char *path, mode_t mode);
int __wrap_udrv_proto_listen(const char *path, mode_t mode)
{
	ck_assert_str_eq(path, "/run/udrv/nvme0.sock");
	ck_assert_uint_eq(mode, 0600);
	return there ? eventfd(0, EFD_CLOEXEC) : -ENOENT;
}

int host_reset(struct host *h)
{
	(void)h;
	return 0;
}

static void setup(void)
{
	mkdir_errno = 0;
	there = false;
	host = (struct host){ .handle = UDRV_HANDLE_INIT };
	strcpy(host.handle.name, "nvme0");
	ck_assert_int_eq(udrv_loop_create(0, &host.loop), 0);
}

static void teardown(void)
{
	udrv_loop_destroy(host.loop);
}

START_TEST(who_comes_first)
{
	there = _i;
	ck_assert_int_eq(host_listen(&host), 0);
	ck_assert(there);
}
END_TEST

START_TEST(it_cannot_be_made)
{
	mkdir_errno = EROFS;
	ck_assert_int_eq(host_listen(&host), -EROFS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("host_listen");
	TCase *tc = suite_case(suite, "host_listen", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, who_comes_first, 0, 2);
	tcase_add_test(tc, it_cannot_be_made);
	return suite_run(suite);
}
