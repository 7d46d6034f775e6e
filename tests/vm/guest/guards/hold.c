/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <unistd.h>

#include "guards.h"
#include "session.h"
#include "sysfs.h"
#include "tap.h"

static void refuse_changes(struct device *dev)
{
	uint32_t id;

	tap_is(device_map_anonymous(dev, DEVICE_EXTRA), -EBUSY, "preserved: map anonymous memory");
	tap_is(device_map(dev, dev->memory, PAGE, DEVICE_EXTRA), -EBUSY, "preserved: map a memfd");
	tap_is(device_unmap(dev, DEVICE_IOVA, POOL_SIZE), -EBUSY, "preserved: unmap the memory");
	tap_is(device_unmap(dev, 0, UINT64_MAX), -EBUSY, "preserved: unmap everything");
	tap_is(device_attach(dev), -EBUSY, "preserved: attach again");
	tap_is(device_detach(dev), -EBUSY, "preserved: detach");
	tap_is(device_allocate(dev, &id), -EBUSY, "preserved: allocate an IOAS");
	tap_is(device_destroy(dev, dev->hwpt), -EBUSY, "preserved: destroy the HWPT");
	tap_is(device_destroy(dev, dev->ioas), -EBUSY, "preserved: destroy the IOAS");

	tap_is(memory_punch(dev->memory, POOL_SIZE - PAGE), -EPERM, "preserved: punch the memfd");
	tap_is(memory_resize(dev->memory, POOL_SIZE - PAGE), -EPERM, "preserved: shrink the memfd");
	tap_is(memory_resize(dev->memory, POOL_SIZE + PAGE), -EPERM, "preserved: grow the memfd");

	tap_is(pci_write(dev->bdf, "reset", "1"), -EBUSY, "preserved: reset through sysfs");
	tap_is(pci_write(dev->bdf, "remove", "1"), -EBUSY, "preserved: remove through sysfs");
	tap_is(pci_write(dev->bdf, "driver/unbind", dev->bdf), -EBUSY,
	       "preserved: unbind through sysfs");
}

bool check_hold(struct world *w)
{
	struct device *dev = &w->dev[KEPT];
	int session = session_create(w->luo, "hold");
	int err;

	tap_is(session_preserve(session, dev->memory, TOKEN_MEMORY(KEPT)), 0,
	       "preserve the memory");
	tap_is(session_preserve(session, dev->iommu, TOKEN_IOMMU(KEPT)), 0, "preserve the iommufd");
	tap_is(device_unmap(dev, 0, UINT64_MAX), -EBUSY, "preserved: unmap everything");
	tap_is(device_detach(dev), -EBUSY, "preserved: detach");
	/*
	 * Where it is not preserved nothing is refused, and unbinding would wait for this process.
	 */
	err = session_preserve(session, dev->cdev, TOKEN_CDEV(KEPT));
	tap_is(err, 0, "preserve the cdev");
	if (!err)
		refuse_changes(dev);
	close(session);

	tap_is(pci_write(dev->bdf, "reset", "1"), 0, "given up: reset through sysfs");
	tap_is(device_map_anonymous(dev, DEVICE_EXTRA), 0, "given up: map anonymous memory");
	tap_is(device_unmap(dev, DEVICE_EXTRA, PAGE), 0, "given up: unmap it");
	tap_is(device_detach(dev), 0, "given up: detach");
	tap_is(device_unmap(dev, DEVICE_IOVA, POOL_SIZE), 0, "given up: unmap the memory");
	tap_is(device_destroy(dev, dev->ioas), 0, "given up: destroy the IOAS");
	tap_is(memory_punch(dev->memory, POOL_SIZE - PAGE), 0, "given up: punch the memfd");
	tap_is(memory_resize(dev->memory, POOL_SIZE - PAGE), 0, "given up: shrink the memfd");
	device_close(dev);
	tap_is(pci_write(dev->bdf, "driver/unbind", dev->bdf), 0, "given up: unbind through sysfs");
	tap_is(pci_write(dev->bdf, "remove", "1"), 0, "given up: remove through sysfs");
	tap_is(write_file("/sys/bus/pci/rescan", "1"), 0, "given up: find it again");
	return tap_need(pci_bind_vfio(dev->bdf), "bind %s", dev->bdf);
}
