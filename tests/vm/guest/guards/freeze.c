/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "guards.h"
#include "kexec.h"
#include "session.h"
#include "sysfs.h"
#include "tap.h"

#define INTERRUPT_MS 10000

static bool start(struct world *w, enum function fn, int session)
{
	struct device *dev = &w->dev[fn];

	return tap_need(device_open(dev, w->bdf[fn], pool_size(fn)), "open %s", w->bdf[fn]) &&
	       tap_need(device_start_nvme(dev), "start %s", w->bdf[fn]) &&
	       tap_need(session_preserve(session, dev->memory, TOKEN_MEMORY(fn)),
			"preserve its memory") &&
	       tap_need(session_preserve(session, dev->iommu, TOKEN_IOMMU(fn)),
			"preserve its iommufd") &&
	       tap_need(session_preserve(session, dev->cdev, TOKEN_CDEV(fn)), "preserve its cdev");
}

/*
 * A command that is completed and says so by an interrupt: bus mastering is
 * on, and nothing is masked.
 */
static void check_runs(struct device *dev, int event, unsigned int count)
{
	struct pollfd p = { .fd = event, .events = POLLIN };
	uint64_t n;

	if (read(event, &n, sizeof(n)) < 0)
		n = 0; /* the kick of a vector that was just armed may be there or not */
	device_submit_identify(dev, count);
	tap_is(device_ring(dev->bdf, count), 0, "refused: ring the doorbell");
	tap(poll(&p, 1, INTERRUPT_MS) == 1, "refused: the interrupt comes");
	tap(device_completions(dev->pool, dev->size) == count, "refused: the command is completed");
}

/*
 * Freezing goes from device to device, in the order in which they were preserved. The second one
 * has changed since, so the first is frozen already when the reboot is refused.
 */
bool check_freeze(struct world *w, const char *kernel, const char *image)
{
	struct device *dev = &w->dev[KEPT], *other = &w->dev[LEFT];
	int session = session_create(w->luo, "freeze");
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (!start(w, KEPT, session) || !start(w, LEFT, session))
		return false;
	tap_is(device_arm_with(dev, VFIO_PCI_MSIX_IRQ_INDEX, event), 0, "arm MSI-X");
	tap_is(device_disarm(other, VFIO_PCI_MSIX_IRQ_INDEX), 0, "disarm that of the other device");
	tap_is(device_arm(other, VFIO_PCI_INTX_IRQ_INDEX), 0, "and arm its INTx");
	if (!tap_need(kexec_load_file(kernel, image, ""), "load the next kernel"))
		return false;

	tap_is(kexec_reboot(), -EOPNOTSUPP, "reboot with a device that cannot be frozen");
	check_runs(dev, event, 1);
	tap_is(device_set_command(dev, pci_command(dev->bdf)), 0, "refused: write COMMAND");
	/* It is still preserved, and another try may succeed. */
	tap_is(device_detach(dev), -EBUSY, "refused: detach");
	tap_is(kexec_reboot(), -EOPNOTSUPP, "reboot once more");
	check_runs(dev, event, 2);

	close(session);
	tap_is(device_detach(dev), 0, "given up: detach");
	device_close(dev);
	device_close(other);
	close(event);
	return true;
}
