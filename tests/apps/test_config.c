// SPDX-License-Identifier: BSD-2-Clause
/* Drivers' options on the kernel command line. */
#include <check.h>
#include <errno.h>

#include <udrv/mana.h>
#include <udrv/nvme.h>

#include "tests/unit/suite.h"
#include "udrv/host/config.h"
#include "udrv/host/tap_if.h"

static const char *cmdline;
static bool tun_there;

const char *__wrap_app_cmdline(void);

const char *__wrap_app_cmdline(void)
{
	return cmdline;
}

bool tap_if_possible(void)
{
	return tun_there;
}

START_TEST(defaults)
{
	struct udrv_nvme_opts nvme;
	struct udrv_mana_opts mana;
	bool tap;

	cmdline = "quiet";
	ck_assert_int_eq(config_nvme(&nvme), 0);
	ck_assert_uint_eq(nvme.io_queues, 4);
	ck_assert_uint_eq(nvme.depth, 64);
	ck_assert(!nvme.poll);
	ck_assert_int_eq(config_mana(&mana, &tap), 0);
	ck_assert_uint_eq(mana.tx_depth, 256);
	ck_assert_uint_eq(mana.mtu, 1500);
	ck_assert_int_eq(tap, tun_there);
	tun_there = !tun_there;
	ck_assert_int_eq(config_mana(&mana, &tap), 0);
	ck_assert_int_eq(tap, tun_there);
}
END_TEST

START_TEST(given)
{
	struct udrv_nvme_opts nvme;
	struct udrv_mana_opts mana;
	bool tap;

	cmdline = "quiet udrv.nvme=queues=2,poll udrv.mana=queues=1,mtu=9000,rx_depth=128";
	ck_assert_int_eq(config_nvme(&nvme), 0);
	ck_assert_uint_eq(nvme.io_queues, 2);
	ck_assert(nvme.poll);
	ck_assert_int_eq(config_mana(&mana, &tap), 0);
	ck_assert_uint_eq(mana.queues, 1);
	ck_assert_uint_eq(mana.mtu, 9000);
	ck_assert_uint_eq(mana.rx_depth, 128);
	for (unsigned int i = 0; i < 2; i++) {
		cmdline = i ? "udrv.mana=tap=1" : "udrv.mana=tap=0";
		ck_assert_int_eq(config_mana(&mana, &tap), 0);
		ck_assert_int_eq(tap, i);
	}
	cmdline = "udrv.nvme=depth=0";
	ck_assert_int_eq(config_nvme(&nvme), -EINVAL);
	cmdline = "udrv.mana=depht=64";
	ck_assert_int_eq(config_mana(&mana, &tap), -EINVAL);
}
END_TEST

/*
 * The driver would round up by itself, and the consumer's buffers be made for fewer sends than
 * there are.
 */
START_TEST(depth_of_a_send_queue)
{
	static const struct {
		const char *cmdline;
		unsigned int depth;
	} cases[] = {
		{ "udrv.mana=depth=64", 64 },	  { "udrv.mana=depth=65", 128 },
		{ "udrv.mana=depth=300", 512 },	  { "udrv.mana=depth=513", 1024 },
		{ "udrv.mana=depth=1024", 1024 },
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct udrv_mana_opts mana;
		bool tap;

		cmdline = cases[i].cmdline;
		ck_assert_int_eq(config_mana(&mana, &tap), 0);
		ck_assert_uint_eq(mana.tx_depth, cases[i].depth);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tc = suite_case(suite, "config", 60);

	tcase_add_test(tc, defaults);
	tcase_add_test(tc, given);
	tcase_add_test(tc, depth_of_a_send_queue);
	return suite_run(suite);
}
