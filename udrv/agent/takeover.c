// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What PID 1 does of an agent's beginning: the part that devices wait for. It says nothing of what
 * it does not find, and leaves what is not there to the agent that it starts next.
 */
#include <signal.h>
#include <sys/wait.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"

/* As far as it gets: everything that is open is closed when PID 1 goes on, but for custody's. */
static int take_session(struct agent *a)
{
	static uint8_t directory[DIRECTORY_SIZE] __attribute__((aligned(8)));
	int err;

	a->luo = luo_open();
	if (a->luo < 0)
		return a->luo;
	a->incoming = luo_retrieve_session(a->luo, SESSION_NAME);
	if (a->incoming < 0)
		return a->incoming;
	custody_put_fd(a, "incoming", a->incoming);
	a->directory = luo_retrieve(a->incoming, DIRECTORY_TOKEN);
	if (a->directory < 0)
		return a->directory;
	err = directory_read_into(a->directory, directory, sizeof(directory));
	if (!err)
		a->fdt = directory;
	return err;
}

/* PID 1's part of an agent, until there is one. */
static struct agent taken;

void udrv_take_over(const struct custody_backend *keeper, uint64_t tsc_init)
{
	taken.listener = taken.custody = taken.luo = taken.incoming = taken.directory = -1;
	taken.keeper = keeper;
	taken.taking_over = true;
	taken.tsc_init = tsc_init;
	if (take_session(&taken))
		return;
	custody_put_fd(&taken, "directory", taken.directory);
	taken.cycle = directory_cycle(taken.fdt);
	restore_devices(&taken);
	report_keep(&taken);
}

static bool unknown(const struct agent_device *d, bool (*kept)(const char *name))
{
	char name[LEASE_NAME_SIZE];

	lease_name(d, name, sizeof(name));
	return d->pid > 0 && !kept(name);
}

void udrv_take_over_undo(bool (*kept)(const char *name))
{
	/* All of them first: waiting for one may be cut short. */
	for (unsigned int i = 0; i < taken.ndev && i < AGENT_DEVICES; i++)
		if (unknown(&taken.dev[i], kept))
			kill(taken.dev[i].pid, SIGKILL);
	for (unsigned int i = 0; i < taken.ndev && i < AGENT_DEVICES; i++)
		if (unknown(&taken.dev[i], kept))
			waitpid(taken.dev[i].pid, NULL, 0);
}
