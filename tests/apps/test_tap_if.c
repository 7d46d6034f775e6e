// SPDX-License-Identifier: BSD-2-Clause
/*
 * Interfaces of a real kernel, in a network namespace of the test's own. Without the right to that
 * nothing is tested.
 */
#include <check.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/suite.h"
#include "udrv/host/tap_if.h"

#define NAME   "mana0"
#define QUEUES 4u

static const uint8_t mac[6] = { 2, 1, 2, 3, 4, 5 }, other[6] = { 2, 1, 2, 3, 4, 6 };
static int fds[QUEUES];
static int sock;

/* In the child that runs a test. */
static bool set_up(void)
{
	if (!tap_if_possible() || unshare(CLONE_NEWNET)) {
		fprintf(stderr, "skipped: no right to make a TAP interface\n");
		return false;
	}
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(sock, 0);
	return true;
}

static struct ifreq ask(unsigned long request)
{
	struct ifreq ifr = { .ifr_name = NAME };

	ck_assert_int_eq(ioctl(sock, request, &ifr), 0);
	return ifr;
}

static void close_all(void)
{
	for (unsigned int i = 0; i < QUEUES; i++)
		ck_assert_int_eq(close(fds[i]), 0);
}

static bool exists(void)
{
	struct ifreq ifr = { .ifr_name = NAME };

	return !ioctl(sock, SIOCGIFFLAGS, &ifr);
}

START_TEST(a_new_one_is_set_up)
{
	if (!set_up())
		return;
	ck_assert_int_eq(tap_if_open(NAME, mac, 1400, QUEUES, fds), 0);
	ck_assert_mem_eq(ask(SIOCGIFHWADDR).ifr_hwaddr.sa_data, mac, 6);
	ck_assert_int_eq(ask(SIOCGIFMTU).ifr_mtu, 1400);
	ck_assert_int_eq(ask(SIOCGIFFLAGS).ifr_flags & IFF_UP, 0);
	ck_assert_int_eq(tap_if_carrier(fds[0], true), 0);
	ck_assert_int_eq(tap_if_carrier(fds[QUEUES - 1], false), 0);
}
END_TEST

START_TEST(one_that_is_left_is_taken_over)
{
	struct ifreq ifr;

	if (!set_up())
		return;
	for (unsigned int life = 0; life < 5; life++) {
		ck_assert_int_eq(tap_if_open(NAME, mac, 1400, QUEUES - life % 2, fds), 0);
		/* What its users have set stays. */
		ck_assert_int_eq(ask(SIOCGIFMTU).ifr_mtu, life ? 1300 : 1400);
		ck_assert_int_eq(!!(ask(SIOCGIFFLAGS).ifr_flags & IFF_UP), life > 0);
		ifr = ask(SIOCGIFFLAGS);
		ifr.ifr_flags |= IFF_UP;
		ck_assert_int_eq(ioctl(sock, SIOCSIFFLAGS, &ifr), 0);
		ifr.ifr_mtu = 1300;
		ck_assert_int_eq(ioctl(sock, SIOCSIFMTU, &ifr), 0);
		for (unsigned int i = 0; i < QUEUES - life % 2; i++)
			ck_assert_int_eq(close(fds[i]), 0);
		ck_assert(exists());
	}
}
END_TEST

START_TEST(none_is_made_to_be_taken_over)
{
	if (!set_up())
		return;
	ck_assert_int_eq(tap_if_take_over(NAME, mac, QUEUES, fds), -ENODEV);
	ck_assert(!exists());
	ck_assert_int_eq(tap_if_open(NAME, mac, 1400, QUEUES, fds), 0);
	close_all();
	ck_assert_int_eq(tap_if_take_over(NAME, other, QUEUES, fds), -ENODEV);
	ck_assert_int_eq(tap_if_take_over(NAME, mac, QUEUES, fds), 0);
	ck_assert_int_eq(ask(SIOCGIFMTU).ifr_mtu, 1400);
}
END_TEST

START_TEST(anothers_is_left_alone)
{
	if (!set_up())
		return;
	ck_assert_int_eq(tap_if_open(NAME, other, 1400, QUEUES, fds), 0);
	close_all();
	ck_assert_int_eq(tap_if_open(NAME, mac, 1500, QUEUES, fds), -EBUSY);
	ck_assert_mem_eq(ask(SIOCGIFHWADDR).ifr_hwaddr.sa_data, other, 6);
	ck_assert_int_eq(ask(SIOCGIFMTU).ifr_mtu, 1400);
}
END_TEST

/* What cannot be completed leaves nothing. */
START_TEST(a_failure_leaves_nothing)
{
	const uint8_t multicast[6] = { 3, 1, 2, 3, 4, 5 };
	int before, after;

	if (!set_up())
		return;
	before = dup(0);
	close(before);
	ck_assert_int_eq(tap_if_open(NAME, multicast, 1400, QUEUES, fds), -EADDRNOTAVAIL);
	ck_assert(!exists());
	ck_assert_int_eq(tap_if_open(NAME, mac, 1u << 20, QUEUES, fds), -EINVAL);
	ck_assert(!exists());
	after = dup(0);
	close(after);
	ck_assert_int_eq(after, before);
	ck_assert_int_eq(tap_if_open(NAME, mac, 1400, QUEUES, fds), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tap_if");
	TCase *tc = suite_case(suite, "tap_if", 30);

	tcase_add_test(tc, a_new_one_is_set_up);
	tcase_add_test(tc, one_that_is_left_is_taken_over);
	tcase_add_test(tc, none_is_made_to_be_taken_over);
	tcase_add_test(tc, anothers_is_left_alone);
	tcase_add_test(tc, a_failure_leaves_nothing);
	return suite_run(suite);
}
