/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "guards.h"
#include "session.h"
#include "sysfs.h"
#include "tap.h"

static void refuse_use(struct device *dev)
{
	tap_is(device_arm(dev, VFIO_PCI_MSIX_IRQ_INDEX), -EBUSY, "not adopted: arm MSI-X");
	tap_is(device_reset(dev), -EBUSY, "not adopted: VFIO_DEVICE_RESET");
	tap_is(device_set_command(dev, 0), -EBUSY, "not adopted: write COMMAND");
	tap(pci_command(dev->bdf) & PCI_COMMAND_BME, "not adopted: %s is a bus master", dev->bdf);
}

/* Whatever it is, it is not what the device was given. */
static void refuse_other_memory(struct device *dev)
{
	uint32_t kept = dev->ioas;

	tap_is(device_map(dev, dev->memory, PAGE, DEVICE_EXTRA), -EBUSY,
	       "not adopted: map a memfd");
	tap_is(device_unmap(dev, DEVICE_IOVA, dev->size), -EBUSY, "not adopted: unmap the memory");
	tap_is(device_destroy(dev, dev->ioas), -EBUSY, "not adopted: destroy the IOAS");

	tap_is(device_allocate(dev, &dev->ioas), 0, "not adopted: allocate another IOAS");
	tap_is(device_attach(dev), -EINVAL, "not adopted: attach to an IOAS without memory");
	tap_is(device_map(dev, dev->memory, dev->size, DEVICE_IOVA), 0,
	       "not adopted: map the memory into it");
	tap_is(device_attach(dev), -EINVAL, "not adopted: attach to it");
	tap_is(device_destroy(dev, dev->ioas), 0, "not adopted: destroy it");
	dev->ioas = kept;
}

static bool take_over(struct world *w, enum function fn)
{
	const struct record *record = w->dev[KEPT].pool;
	struct device *dev = &w->dev[fn];
	int again;

	dev->iommu = session_retrieve_fd(w->session[fn], TOKEN_IOMMU(fn));
	dev->cdev = session_retrieve_fd(w->session[fn], TOKEN_CDEV(fn));
	again = session_retrieve_fd(w->session[fn], TOKEN_CDEV(fn));
	tap_is(again, 0, "retrieve the cdev of %s twice", dev->bdf);
	close(again);
	if (!tap_need(dev->iommu, "retrieve the iommufd of %s", dev->bdf) ||
	    !tap_need(dev->cdev, "retrieve the cdev of %s", dev->bdf) ||
	    !tap_need(device_bind(dev), "bind %s", dev->bdf))
		return false;
	refuse_use(dev);
	dev->ioas = record->ioas[fn];
	refuse_other_memory(dev);
	return tap_need(device_attach(dev), "attach %s", dev->bdf) &&
	       tap_need(device_map_bar(dev), "map BAR 0 of %s", dev->bdf);
}

static void check_kept(struct device *dev)
{
	const struct record *record = dev->pool;
	unsigned int wrong = 0;

	for (size_t i = 0; i < POOL_PAGES; i++)
		wrong += device_address(dev, i * PAGE) != record->address[i];
	tap(wrong == 0, "adopted: GET_PA says what it said before the kexec");
	tap(pci_command(dev->bdf) == record->command, "adopted: COMMAND is %#06x, was %#06x",
	    pci_command(dev->bdf), record->command);
	tap(device_runs(dev), "adopted: the controller was not reset");
	tap_is(device_arm(dev, VFIO_PCI_MSIX_IRQ_INDEX), 0, "adopted: arm MSI-X");
}

/*
 * What the IOAS had was compared, so it may be changed: but then it is not what
 * another device was given.
 */
static bool refuse_stranger(struct world *w)
{
	struct device *kept = &w->dev[KEPT], *dev = &w->dev[STRANGER];
	size_t half = dev->size / 2;
	int other = memory_create("other", dev->size, MFD_ALLOW_SEALING | MFD_EXEC);

	dev->iommu = dup(kept->iommu);
	dev->ioas = kept->ioas;
	dev->cdev = session_retrieve_fd(w->session[STRANGER], TOKEN_CDEV(STRANGER));
	if (!tap_need(dev->cdev, "retrieve the cdev of %s", dev->bdf) ||
	    !tap_need(device_bind(dev), "bind %s", dev->bdf))
		return false;
	tap_is(device_unmap(dev, dev->iova, dev->size), 0, "stranger: unmap its memory");
	tap_is(device_attach(dev), -ESTALE, "stranger: attach without its memory");
	tap_is(device_map(dev, other, dev->size, dev->iova), 0,
	       "stranger: map other memory in its place");
	tap_is(device_attach(dev), -ESTALE, "stranger: attach to other memory");
	tap_is(device_unmap(dev, dev->iova, dev->size), 0, "stranger: unmap that");
	tap_is(device_map(dev, kept->memory, dev->size, dev->iova), 0,
	       "stranger: map the memory of another device");
	tap_is(device_attach(dev), -ESTALE, "stranger: attach to another device's memory");
	tap_is(device_unmap(dev, dev->iova, dev->size), 0, "stranger: unmap that");
	dev->memory = session_retrieve_fd(w->session[STRANGER], TOKEN_MEMORY(STRANGER));
	tap_is(device_map_part(dev, dev->memory, half, half, dev->iova), 0,
	       "stranger: map its memory, the second half first");
	tap_is(device_map(dev, dev->memory, half, dev->iova + half), 0, "stranger: and the first");
	tap_is(device_attach(dev), -ESTALE, "stranger: attach to its memory in another order");
	tap_is(device_unmap(dev, dev->iova, dev->size), 0, "stranger: unmap that");
	tap(pci_command(dev->bdf) & PCI_COMMAND_BME, "stranger: it runs on");
	close(other);
	return true;
}

bool check_adoption(struct world *w)
{
	struct device *kept = &w->dev[KEPT], *sibling = &w->dev[SIBLING];
	char port[32];

	if (!take_over(w, KEPT))
		return false;
	check_kept(kept);
	tap_is(pci_write(kept->bdf, "reset", "1"), -EBUSY,
	       "adopted, not finished: reset through sysfs");

	if (!refuse_stranger(w) || !take_over(w, SIBLING))
		return false;
	tap(device_runs(sibling), "adopted: the controller of the sibling was not reset");
	if (!tap_need(session_finish(w->session[SIBLING]), "finish the sibling's session"))
		return false;
	close(w->session[SIBLING]);
	device_close(sibling);
	tap(!(pci_command(sibling->bdf) & PCI_COMMAND_BME), "closed: the sibling is no bus master");
	tap(device_runs(kept), "closed: the controller that is kept runs on");
	tap(pci_register(w->bdf[LEFT], NVME_CC) & NVME_CC_EN,
	    "closed: the controller that is incoming runs on");
	tap(pci_command(w->bdf[LEFT]) & PCI_COMMAND_BME, "closed: it is a bus master");

	/* The port above: ../ of a device is its bridge. */
	snprintf(port, sizeof(port), "%s/..", w->bdf[LEFT]);
	tap_is(pci_write(port, "reset_subordinate", "1"), -EBUSY,
	       "closed: reset the bus through sysfs");
	tap_is(memory_punch(kept->memory, POOL_SIZE - PAGE), -EPERM,
	       "closed: punch the memfd as long as one is unclaimed");
	return true;
}
