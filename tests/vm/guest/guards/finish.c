/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <unistd.h>

#include "guards.h"
#include "session.h"
#include "sysfs.h"
#include "tap.h"

bool check_finish(struct world *w)
{
	struct device *kept = &w->dev[KEPT], *left = &w->dev[LEFT], *stranger = &w->dev[STRANGER];
	struct device again;
	int session;

	/* What is asked for afterwards must not be so already. */
	tap(pci_register(left->bdf, NVME_CC) & NVME_CC_EN, "before the end: what is left runs");
	tap_is(memory_punch(left->memory, 0), -EPERM, "before the end: its memory is held");
	if (!tap_need(session_finish(w->session[KEPT]), "finish the session"))
		return false;

	tap(!(pci_command(left->bdf) & PCI_COMMAND_BME),
	    "finished: what was left is no bus master");
	tap(!(pci_register(left->bdf, NVME_CC) & NVME_CC_EN), "finished: it was reset");
	tap(!(pci_command(stranger->bdf) & PCI_COMMAND_BME),
	    "finished: what was attached to other memory is no bus master");
	tap(!(pci_register(stranger->bdf, NVME_CC) & NVME_CC_EN), "finished: it was reset");
	device_close(stranger);
	tap_is(memory_punch(left->memory, 0), 0, "finished: its memory is free");
	tap_is(device_open(&again, left->bdf, HUGE_PAGE), 0, "finished: its cdev opens");
	device_close(&again);

	tap(device_runs(kept), "finished: the controller that is kept runs on");
	session = session_create(w->luo, "next");
	tap_is(session_preserve(session, kept->memory, 1), 0,
	       "finished: preserve its memory again");
	tap_is(session_preserve(session, kept->iommu, 2), 0,
	       "finished: preserve its iommufd again");
	tap_is(session_preserve(session, kept->cdev, 3), 0, "finished: preserve its cdev again");
	close(session);
	tap_is(memory_punch(kept->memory, POOL_SIZE - PAGE), 0, "finished: punch the memfd");
	tap_is(memory_resize(kept->memory, POOL_SIZE - PAGE), 0, "finished: shrink the memfd");
	tap_is(device_reset(kept), 0, "finished: VFIO_DEVICE_RESET");
	tap(!device_runs(kept), "finished: it was reset");
	tap_is(pci_write(kept->bdf, "reset", "1"), 0, "finished: reset through sysfs");
	device_close(kept);
	tap_is(pci_write(kept->bdf, "driver/unbind", kept->bdf), 0,
	       "finished: unbind through sysfs");
	tap_is(pci_write(kept->bdf, "driver_override", "nvme"), 0, "finished: ask for nvme");
	tap_is(write_file("/sys/bus/pci/drivers_probe", kept->bdf), 0, "finished: bind it to nvme");
	return true;
}
