// SPDX-License-Identifier: BSD-2-Clause
/* What an update demands of the next kernel's image and command line, and the parsers under it. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/suite.h"
#include "udrv/agent/agent.h"
#include "udrv/common/app.h"

static char why[256];

static const struct {
	const char *cmdline;
	const char *complaint; /* a word of it; NULL: accepted */
} cmdlines[] = {
	{ "kho=on liveupdate=on", NULL },
	{ "console=ttyS0 liveupdate=1 quiet kho=y", NULL },
	{ "kho=off kho=on liveupdate=on", NULL },
	{ "xkho=off movablecore_not=1 kho=on liveupdate=on", NULL },
	{ "", "kho=on" },
	{ "liveupdate=on", "kho=on" },
	{ "kho liveupdate=on", "kho=on" },
	{ "kho=off liveupdate=on", "kho=on" },
	{ "kho=on kho=off liveupdate=on", "kho=on" },
	{ "kho=on", "liveupdate=on" },
	{ "kho=on liveupdate=off", "liveupdate=on" },
	{ "kho=on liveupdate=onn", "liveupdate=on" },
	{ "kho=on liveupdate=on movablecore=1G", "movablecore" },
	{ "kho=on kernelcore=mirror liveupdate=on", "kernelcore" },
	{ "kho=on liveupdate=on movable_node", "movable_node" },
	{ "kho=on liveupdate=on movable-node", "movable_node" },
	{ "kho=on -- liveupdate=on", "liveupdate=on" },
	{ "kho=on liveupdate=on -- movable_node", NULL },
};

START_TEST(cmdline)
{
	int err = check_cmdline(cmdlines[_i].cmdline, why, sizeof(why));

	ck_assert_msg(err == (cmdlines[_i].complaint ? -EINVAL : 0), "'%s': %d",
		      cmdlines[_i].cmdline, err);
	if (cmdlines[_i].complaint)
		ck_assert_msg(strstr(why, cmdlines[_i].complaint), "'%s' complains: %s",
			      cmdlines[_i].cmdline, why);
}
END_TEST

/* A file with a bzImage's header that names @release; @version_off as in the header. */
static int image(const char *release, unsigned int version_off)
{
	unsigned char head[0x1000] = { 0 };
	int fd = memfd_create("image", 0);

	memcpy(head + 0x202, "HdrS", 4);
	head[0x20e] = (unsigned char)version_off;
	head[0x20f] = (unsigned char)(version_off >> 8);
	strcpy((char *)head + 0x400, release);
	ck_assert_int_eq(write(fd, head, sizeof(head)), sizeof(head));
	return fd;
}

static const struct {
	const char *release;
	int err;
} images[] = {
	{ "7.3.4-udrv2 (me@here) #1 SMP", 0 },	     { "7.3.4-udrv2", 0 },
	{ "7.3.4-udrv3 (me@here)", -EINVAL },	     { "7.3.4-udrv0 (me@here)", -EINVAL },
	{ "7.3.4-udrv2+ (me@here)", -EINVAL },	     { "7.3.4-udrv (me@here)", -EINVAL },
	{ "7.3.4-udrv-1 (me@here)", -EINVAL },	     { "7.3.4-udrv4294967298 (me@here)", -EINVAL },
	{ "7.3.4-amd64 (me@here) -udrv2", -EINVAL }, { "", -EINVAL },
};

START_TEST(release)
{
	int fd = image(images[_i].release, 0x200);
	char found[65];

	ck_assert_msg(check_image(fd, found, sizeof(found), why, sizeof(why)) == images[_i].err,
		      "'%s'", images[_i].release);
	close(fd);
}
END_TEST

START_TEST(no_image)
{
	int fd = memfd_create("empty", 0);
	char found[65];

	ck_assert_int_eq(check_image(fd, found, sizeof(found), why, sizeof(why)), -EINVAL);
	close(fd);
	/* The release lies outside the file, or there is none. */
	fd = image("7.3.4-udrv2", 0xffff);
	ck_assert_int_eq(check_image(fd, found, sizeof(found), why, sizeof(why)), -EINVAL);
	close(fd);
	fd = image("7.3.4-udrv2", 0);
	ck_assert_int_eq(check_image(fd, found, sizeof(found), why, sizeof(why)), -EINVAL);
	close(fd);
}
END_TEST

START_TEST(long_release)
{
	char text[200], found[16];
	int fd;

	memset(text, 'a', sizeof(text));
	strcpy(text + 180, "-udrv2");
	fd = image(text, 0x200);
	/* Cut to what is looked at, it does not end in -udrv2. */
	ck_assert_int_eq(check_image(fd, found, sizeof(found), why, sizeof(why)), -EINVAL);
	ck_assert_uint_lt(strlen(found), sizeof(found));
	close(fd);
}
END_TEST

START_TEST(param)
{
	char val[8];

	ck_assert(app_param("a=1 b=2 a=3", "a", val, sizeof(val)));
	ck_assert_str_eq(val, "3");
	ck_assert(app_param("x=\"p q\" a", "x", val, sizeof(val)));
	ck_assert_str_eq(val, "p q");
	ck_assert(app_param("  a  ", "a", val, sizeof(val)));
	ck_assert_str_eq(val, "");
	ck_assert(!app_param("aa=1 ba=2", "a", val, sizeof(val)));
	ck_assert(!app_param("a=12345678", "a", val, sizeof(val)));
	ck_assert(!app_param("", "a", val, sizeof(val)));
}
END_TEST

START_TEST(options)
{
	uint64_t queues = 7, depth = 7;
	const struct app_option o[] = { { "queues", &queues, 1, 64 },
					{ "depth", &depth, 1, 4091 } };

	ck_assert_int_eq(app_options("queues=4,depth=0x10", o, 2, why, sizeof(why)), 0);
	ck_assert_uint_eq(queues, 4);
	ck_assert_uint_eq(depth, 16);
	ck_assert_int_eq(app_options("queues", o, 2, why, sizeof(why)), 0);
	ck_assert_uint_eq(queues, 1);
	ck_assert_int_eq(app_options("", o, 2, why, sizeof(why)), 0);
	ck_assert_int_eq(app_options("queues=65", o, 2, why, sizeof(why)), -EINVAL);
	ck_assert_int_eq(app_options("queues=-1", o, 2, why, sizeof(why)), -EINVAL);
	ck_assert_int_eq(app_options("queues=", o, 2, why, sizeof(why)), -EINVAL);
	ck_assert_int_eq(app_options("queues=4x", o, 2, why, sizeof(why)), -EINVAL);
	ck_assert_int_eq(app_options("queue=4", o, 2, why, sizeof(why)), -EINVAL);
	ck_assert_int_eq(app_options("queues=99999999999999999999999", o, 2, why, sizeof(why)),
			 -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("update_check");
	TCase *tc = suite_case(suite, "update_check", 60);

	tcase_add_loop_test(tc, cmdline, 0, sizeof(cmdlines) / sizeof(cmdlines[0]));
	tcase_add_loop_test(tc, release, 0, sizeof(images) / sizeof(images[0]));
	tcase_add_test(tc, no_image);
	tcase_add_test(tc, long_release);
	tcase_add_test(tc, param);
	tcase_add_test(tc, options);
	return suite_run(suite);
}
