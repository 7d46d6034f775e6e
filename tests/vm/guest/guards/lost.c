/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices that the next kernel does not find cannot be stopped, so nobody else gets their memory. */
#include <errno.h>
#include <unistd.h>

#include "guards.h"
#include "session.h"
#include "tap.h"

static void check_memory(int session, enum function fn, int memory)
{
	int iommu = session_retrieve_fd(session, TOKEN_IOMMU(fn));

	tap_is(iommu, 0, "lost: retrieve the iommufd");
	tap_is(session_retrieve_fd(session, TOKEN_CDEV(fn)), -ENODEV, "lost: retrieve the cdev");
	tap_is(memory_punch(memory, 0), -EPERM, "lost: punch the memfd");
	tap_is(session_finish(session), 0, "lost: finish the session");
	tap_is(memory_punch(memory, 0), -EPERM, "lost, finished: punch the memfd");
	tap_is(memory_resize(memory, PAGE), -EPERM, "lost, finished: truncate the memfd");
	close(iommu);
}

bool check_lost(struct world *w)
{
	int session = session_retrieve(w->luo, SESSION), forgotten, again, memory;

	if (!tap_need(session, "retrieve the session"))
		return false;
	memory = session_retrieve_fd(session, TOKEN_MEMORY(KEPT));
	if (!tap_need(memory, "retrieve the memory"))
		return false;
	check_memory(session, KEPT, memory);

	forgotten = session_retrieve(w->luo, session_names[FORGOTTEN]);
	tap_is(session_finish(forgotten), 0, "lost: finish before anything is retrieved");

	again = session_create(w->luo, "again");
	tap_is(session_preserve(again, memory, 1), -EBUSY,
	       "lost, finished: preserve the memfd again");
	close(again);
	return true;
}
