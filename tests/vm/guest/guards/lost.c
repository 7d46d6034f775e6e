/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that the next kernel cannot stop, because they are not there, or cannot be reset; and one
 * that can only be reset with its bus.
 */
#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "guards.h"
#include "session.h"
#include "sysfs.h"
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

#define MSI_ADDRESS 0xfee01000u

bool leave_device(struct world *w, bool resettable)
{
	struct device *dev = &w->dev[KEPT];
	int session = session_create(w->luo, SESSION);

	if (!tap_need(device_open(dev, w->igb, HUGE_PAGE), "open %s", w->igb) ||
	    !tap_need(device_set_command(dev, PCI_COMMAND_BME | 2 /* memory space */),
		      "make it a bus master"))
		return false;
	tap((device_reset(dev) == 0) == resettable, "%s can%s be reset", w->igb,
	    resettable ? "" : "not");
	if (resettable)
		tap_is(pci_set_msi_address(w->igb, MSI_ADDRESS), 0, "set its MSI address");
	tap_is(session_preserve(session, dev->memory, TOKEN_MEMORY(KEPT)), 0,
	       "preserve its memory");
	tap_is(session_preserve(session, dev->iommu, TOKEN_IOMMU(KEPT)), 0, "preserve its iommufd");
	tap_is(session_preserve(session, dev->cdev, TOKEN_CDEV(KEPT)), 0, "preserve its cdev");
	return true;
}

bool check_left(struct world *w)
{
	int session = session_retrieve(w->luo, SESSION);
	int memory = session_retrieve_fd(session, TOKEN_MEMORY(KEPT));

	if (!tap_need(memory, "retrieve the memory of %s", w->igb))
		return false;
	tap(pci_command(w->igb) & PCI_COMMAND_BME, "left: %s is a bus master", w->igb);
	tap_is(session_finish(session), 0, "left: finish the session");
	tap(!(pci_command(w->igb) & PCI_COMMAND_BME), "finished: it is no bus master");
	tap_is(pci_open_cdev(w->igb), -EBUSY, "finished: open its cdev");
	tap_is(pci_write(w->igb, "driver/unbind", w->igb), -EBUSY, "finished: unbind it");
	tap_is(memory_punch(memory, 0), -EPERM, "finished: punch its memory");
	return true;
}

bool check_bus_reset(struct world *w)
{
	int session = session_retrieve(w->luo, SESSION);
	int memory = session_retrieve_fd(session, TOKEN_MEMORY(KEPT));
	struct device again;

	if (!tap_need(memory, "retrieve the memory of %s", w->igb))
		return false;
	tap(pci_command(w->igb) & PCI_COMMAND_BME, "left: %s is a bus master", w->igb);
	tap(pci_msi_address(w->igb) == MSI_ADDRESS, "left: nobody has reset it");
	tap_is(memory_punch(memory, 0), -EPERM, "left: punch its memory");
	tap_is(session_finish(session), 0, "left: finish the session");
	tap(!(pci_command(w->igb) & PCI_COMMAND_BME), "finished: it is no bus master");
	tap(pci_msi_address(w->igb) == 0, "finished: it was reset");
	tap_is(memory_punch(memory, 0), 0, "finished: punch its memory");
	tap_is(device_open(&again, w->igb, HUGE_PAGE), 0, "finished: its cdev opens");
	device_close(&again);
	return true;
}
