// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What PID 1 does of an agent's beginning: the part that devices wait for. It says nothing of what
 * it does not find, and leaves what is not there to the agent that it starts next.
 */
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

void udrv_take_over(const struct custody_backend *keeper, uint64_t tsc_init)
{
	static struct agent a;

	a.listener = a.custody = a.luo = a.incoming = a.directory = -1;
	a.keeper = keeper;
	a.taking_over = true;
	a.tsc_init = tsc_init;
	if (take_session(&a))
		return;
	custody_put_fd(&a, "directory", a.directory);
	a.cycle = directory_cycle(a.fdt);
	restore_devices(&a);
	report_keep(&a);
}
