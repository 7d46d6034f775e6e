// SPDX-License-Identifier: BSD-2-Clause
/*
 * The next agent in the same kernel, after the death of the one before: what it goes by is in
 * custody.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "tests/unit/suite.h"
#include "restore_fixture.h"

static struct agent_device *next_agent(void)
{
	free(fx.agent.fdt);
	restore_fixture_agent();
	ck_assert_int_eq(agent_restore(&fx.agent), 0);
	/* The other two run: the session waits for none but the first. */
	for (unsigned int i = 0; i < fx.agent.ndev; i++)
		if (strcmp(fx.agent.dev[i].h.name, "nvme0"))
			fx.agent.dev[i].state = DEV_RUNNING;
	ck_assert_ptr_nonnull(agent_find(&fx.agent, "nvme0"));
	return agent_find(&fx.agent, "nvme0");
}

/* PID 1 has the handle of nvme0, and the lease of it. */
static void handle_in_custody(int lease)
{
	ck_assert_int_ge(lease, 0);
	fx.handles[0] = (struct udrv_handle)UDRV_HANDLE_INIT;
	strcpy(fx.handles[0].name, "nvme0");
	fx.handles[0].fd[UDRV_FD_VFIO] = fx.directory;
	fx.nhandles = 1;
	custody_put_fd(NULL, "directory", fx.directory);
	custody_put_fd(NULL, "lease-nvme0", lease);
}

/*
 * A host outlives the agent that started it. Whether its device runs is what the host has told, and
 * nothing else: before that the session's memory must not be let go of, and nobody is told "resumed".
 */
START_TEST(host_outlives_agents)
{
	struct agent_device *d;
	int lease = pidfd_open(getpid(), 0);

	handle_in_custody(lease);
	custody_put_fd(NULL, "incoming", fx.directory);

	d = next_agent();
	ck_assert_int_eq(d->state, DEV_STARTING);
	ck_assert_int_eq(d->pid, getpid());
	agent_progress(&fx.agent);
	ck_assert_uint_eq(fx.finished, 0);
	ck_assert(!fx.agent.ready);
	d->state = DEV_RUNNING;
	strcpy(d->start, "fallback");
	lease_told(&fx.agent, d);

	d = next_agent();
	ck_assert_int_eq(d->state, DEV_RUNNING);
	ck_assert_str_eq(d->start, "fallback");
	agent_progress(&fx.agent);
	ck_assert_uint_eq(fx.finished, 1);
	lease_drop(&fx.agent, d);
	ck_assert(!restore_in_custody("lease-nvme0") && !restore_in_custody("start-nvme0"));

	d = next_agent();
	ck_assert_int_eq(d->state, DEV_BACKOFF);
	close(lease);
}
END_TEST

/* What is there of a lease that was being dropped, or is damaged, says nothing of a device. */
START_TEST(half_a_lease)
{
	const struct agent_device *d;
	int lease = pidfd_open(getpid(), 0), junk = memfd_create("junk", MFD_CLOEXEC);

	ck_assert_int_eq(write(junk, "resumed and more than fits", 26), 26);
	handle_in_custody(lease);
	custody_put_fd(NULL, "start-nvme0", junk);
	d = next_agent();
	ck_assert_int_eq(d->state, DEV_STARTING);
	ck_assert_str_eq(d->start, "");

	ck_assert_int_eq(ftruncate(junk, 7), 0);
	ck_assert_str_eq(next_agent()->start, "resumed");
	custody_drop(NULL, "lease-nvme0");
	d = next_agent();
	ck_assert_int_eq(d->state, DEV_BACKOFF);
	ck_assert_str_eq(d->start, "");
	ck_assert(!restore_in_custody("start-nvme0"));
	close(lease);
	close(junk);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("next_agent");
	TCase *tc = suite_case(suite, "next_agent", 60);

	tcase_add_checked_fixture(tc, restore_fixture_begin, NULL);
	tcase_add_test(tc, host_outlives_agents);
	tcase_add_test(tc, half_a_lease);
	return suite_run(suite);
}
