// SPDX-License-Identifier: BSD-2-Clause
/*
 * The beginning after a kexec: by PID 1 and the agent that follows, or by an agent alone. What is
 * missing, or cannot be adopted, makes one device start clean, keeps its consumers' memory, and is
 * nobody else's business.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/suite.h"
#include "udrv/common/app.h"
#include "restore_fixture.h"

/*
 * What udrv-init does first, up to its end or a crash. Nothing of it is left for the agent but what
 * is in custody.
 */
static void take_over(void)
{
	if (!setjmp(fx.dead))
		udrv_take_over(NULL, 0);
	ck_assert_uint_eq(fx.finished, 0);
	ck_assert(restore_in_custody("incoming"));
	ck_assert(restore_in_custody("directory"));
}

/*
 * Devices other than @victim are as if nothing had been; it starts clean once the session is over.
 */
static void check(const char *victim)
{
	ck_assert_int_eq(agent_restore(&fx.agent), 0);
	ck_assert_uint_eq(fx.agent.ndev, 3);
	ck_assert_uint_eq(fx.nhandles, victim ? 2 : 3);
	/* Closed by whoever noticed it, and not tried once more. */
	ck_assert_uint_eq(fx.closed, victim ? 1 : 0);
	for (unsigned int i = 0; i < 3; i++) {
		struct agent_device *d = agent_find(&fx.agent, restore_names[i]);

		ck_assert_ptr_nonnull(d);
		if (victim && !strcmp(d->h.name, victim)) {
			ck_assert_int_eq(d->state, DEV_PENDING);
			ck_assert(d->fallback);
			ck_assert_str_ne(d->error, "");
			ck_assert_str_ne(d->h.bdf, "");
			ck_assert_str_eq(d->h.driver, "nvme");
			for (unsigned int f = 0; f < UDRV_HANDLE_FDS; f++)
				ck_assert_int_eq(d->h.fd[f], -1);
			continue;
		}
		ck_assert_int_eq(d->state, DEV_STARTING);
		ck_assert_int_ge(d->pidfd, 0);
		ck_assert_int_ge(d->h.fd[UDRV_FD_DMA], 0);
		/* Its host says that it runs. */
		d->state = DEV_RUNNING;
		strcpy(d->start, "resumed");
	}
	agent_progress(&fx.agent);
	ck_assert_uint_eq(fx.finished, 1);
	agent_progress(&fx.agent);
	ck_assert(fx.agent.ready);
	for (unsigned int i = 0; i < 3; i++) {
		struct agent_device *d = agent_find(&fx.agent, restore_names[i]);
		char name[48];

		ck_assert_str_eq(d->start,
				 victim && !strcmp(d->h.name, victim) ? "fallback" : "resumed");
		/* Of no use once it is read, or the session is over. */
		snprintf(name, sizeof(name), "host-%s", d->h.name);
		ck_assert(!restore_in_custody(name));
		/* Until its host has told that it runs, for the agent that would learn of that. */
		snprintf(name, sizeof(name), "fallback-%s", d->h.name);
		ck_assert(restore_in_custody(name) == (victim && !strcmp(d->h.name, victim)));
		fallen_drop(&fx.agent, d);
		ck_assert(!restore_in_custody(name));
	}
	ck_assert(!restore_in_custody("incoming"));
}

/* As under udrv-init, which takes over, or under systemd, which does not. */
static void check_both(bool with, const char *victim)
{
	bool early = victim && fx.missing && fx.missing != directory_token(1) + UDRV_FD_VFIO;

	if (with)
		take_over();
	/* Without its memory a host has nothing to begin with. */
	ck_assert_uint_eq(fx.hosts, !with ? 0 : early ? 2 : 3);
	check(victim);
	ck_assert_uint_eq(fx.heard, !with ? 0 : victim ? 2 : 3);
	ck_assert_uint_eq(fx.hosts, victim && (early || !with) ? 2 : 3);
}

START_TEST(nothing_is_wrong)
{
	check_both(_i, NULL);
}
END_TEST

/* Each descriptor of the second device in turn. */
START_TEST(something_is_missing)
{
	int fd = _i % UDRV_HANDLE_FDS;

	fx.missing = directory_token(1) + (uint64_t)fd;
	if (!(RESTORE_FDS & 1u << fd))
		return;
	check_both(_i / UDRV_HANDLE_FDS, "nvme1");
	ck_assert_str_eq(fx.kept.name, "nvme1");
	/* Memory of consumers that was there is kept for them. */
	if (fd < UDRV_FD_EXTRA)
		ck_assert_int_ge(fx.kept.fd[0], 0);
}
END_TEST

START_TEST(it_is_bound_elsewhere)
{
	fx.stranger = "nvme2";
	check_both(_i, "nvme2");
	ck_assert_int_ge(fx.kept.fd[0], 0);
}
END_TEST

/* What it had adopted is kept, and the agent adopts the others. */
START_TEST(takeover_crashes)
{
	fx.deaths = (unsigned int)_i + 1;
	take_over();
	ck_assert_uint_eq(fx.nhandles, (unsigned int)_i);
	fx.deaths = 0;
	check(NULL);
	ck_assert_uint_eq(fx.binds, 3 + 1);
	ck_assert_uint_eq(fx.heard, (unsigned int)_i);
}
END_TEST

/* A host has a device's memory: none that no agent knows of may be there beside the next one. */
START_TEST(hosts_of_a_crashed_takeover)
{
	unsigned int leased = 0;

	fx.real = true;
	fx.deaths = (unsigned int)_i + 1;
	take_over();
	ck_assert_uint_eq(fx.hosts, 3);
	udrv_take_over_undo(restore_in_custody);
	for (unsigned int i = 0; i < 3; i++) {
		char name[48];
		bool lives = waitpid(fx.host_pid[i], NULL, WNOHANG) == 0;

		snprintf(name, sizeof(name), "lease-%s", restore_names[i]);
		ck_assert(lives == restore_in_custody(name));
		leased += lives;
		if (lives)
			kill(fx.host_pid[i], SIGKILL);
	}
	ck_assert_uint_eq(leased, (unsigned int)_i);
}
END_TEST

/* The agent says why, and has every device started clean. */
START_TEST(there_is_no_directory)
{
	int junk = memfd_create("junk", MFD_CLOEXEC);

	ck_assert_int_eq(write(junk, "no tree", 7), 7);
	close(fx.directory);
	fx.directory = junk;
	udrv_take_over(NULL, 0);
	ck_assert(restore_in_custody("incoming"));
	ck_assert(!restore_in_custody("directory"));
	ck_assert_uint_eq(fx.hosts + fx.nhandles, 0);
	ck_assert_int_eq(agent_restore(&fx.agent), 0);
	ck_assert_ptr_nonnull(strstr(app_last_error(), "directory"));
	ck_assert_uint_eq(fx.agent.ndev, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("restore");
	TCase *tc = suite_case(suite, "restore", 60);

	tcase_add_checked_fixture(tc, restore_fixture_begin, NULL);
	tcase_add_loop_test(tc, nothing_is_wrong, 0, 2);
	tcase_add_loop_test(tc, something_is_missing, 0, 2 * UDRV_HANDLE_FDS);
	tcase_add_loop_test(tc, it_is_bound_elsewhere, 0, 2);
	tcase_add_loop_test(tc, takeover_crashes, 0, 3);
	tcase_add_loop_test(tc, hosts_of_a_crashed_takeover, 0, 3);
	tcase_add_test(tc, there_is_no_directory);
	return suite_run(suite);
}
