// SPDX-License-Identifier: BSD-2-Clause
/* Finding the cdev of an address, and saying why there is none. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_log.h"
#include "tests/unit/suite.h"
#include "udrv/lib/cdev.h"

#define BDF "0000:01:00.0"

static char root[] = "/tmp/udrv-test-XXXXXX";
static struct fake_log flog;
static struct udrv_cdev_path cdev;

static void setup(void)
{
	fake_log_init(&flog);
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void teardown(void)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	ck_assert_int_eq(system(cmd), 0);
}

/* A sysfs and a /dev of files; an empty string leaves its part out. */
static void make_tree(const char *driver, const char *vfio, const char *node)
{
	char cmd[1200];

	snprintf(cmd, sizeof(cmd),
		 "rm -rf %1$s/* && mkdir -p %1$s/bus/pci/devices/" BDF
		 " %1$s/vfio/devices %1$s/drivers/%2$s && "
		 "{ [ -z '%2$s' ] || ln -s ../../../../drivers/%2$s %1$s/bus/pci/devices/" BDF
		 "/driver; } && "
		 "{ [ -z '%3$s' ] || mkdir -p %1$s/bus/pci/devices/" BDF "/vfio-dev/%3$s; } && "
		 "{ [ -z '%4$s' ] || : > %1$s/vfio/devices/%4$s; }",
		 root, driver, vfio, node);
	ck_assert_int_eq(system(cmd), 0);
}

static int find(const char *bdf)
{
	return udrv_cdev_find(root, root, bdf, &flog.log, &cdev);
}

START_TEST(found)
{
	char want[300];

	make_tree("vfio-pci", "noiommu-vfio3", "noiommu-vfio3");
	ck_assert_int_eq(find(BDF), 0);
	snprintf(want, sizeof(want), "%s/vfio/devices/noiommu-vfio3", root);
	ck_assert_str_eq(cdev.node, want);
	ck_assert(cdev.noiommu);
	make_tree("vfio-pci", "vfio12", "vfio12");
	ck_assert_int_eq(find(BDF), 0);
	ck_assert(!cdev.noiommu);
}
END_TEST

/* Each way of not being there has its own advice. */
static const struct {
	const char *driver, *vfio, *node, *advice;
} missing[] = {
	{ "vfio-pci", "vfio12", "", "devtmpfs" },
	{ "vfio-pci", "", "", "enable_unsafe_noiommu_mode" },
	{ "nvme", "", "", "driver nvme is bound" },
	{ "", "", "", "no driver is bound" },
};

START_TEST(not_found)
{
	make_tree(missing[_i].driver, missing[_i].vfio, missing[_i].node);
	ck_assert_int_eq(find(BDF), -ENODEV);
	ck_assert_ptr_nonnull(strstr(flog.last, missing[_i].advice));
}
END_TEST

START_TEST(no_such_device)
{
	make_tree("vfio-pci", "vfio12", "vfio12");
	ck_assert_int_eq(find("0000:02:00.0"), -ENODEV);
	ck_assert_ptr_nonnull(strstr(flog.last, "no such PCI device"));
	ck_assert_int_eq(find("../../x"), -ENODEV);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cdev");
	TCase *tc = suite_case(suite, "cdev", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, found);
	tcase_add_loop_test(tc, not_found, 0, sizeof(missing) / sizeof(missing[0]));
	tcase_add_test(tc, no_such_device);
	return suite_run(suite);
}
