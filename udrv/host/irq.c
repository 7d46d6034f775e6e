// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Evidence about interrupts over an update. Before re-arming, the pending bit array tells which
 * vectors latched one while they were masked; afterwards /proc/interrupts tells which were
 * delivered. Neither can be satisfied by the eventfds, which the kernel signals once in any case.
 */
#include <errno.h>
#include <stdio.h>

#include <linux/pci_regs.h>

#include <udrv/bar.h>
#include <udrv/device.h>

#include "udrv/common/app.h"
#include "udrv/host/host.h"

/* How long a latched interrupt may take until it is called lost; nothing new is issued meanwhile.
 */
#define SETTLE_NS 250000000ull

static int find_cap(struct udrv_device *dev, unsigned int id)
{
	uint32_t pos, cap;
	int err;

	err = udrv_device_config_read(dev, PCI_CAPABILITY_LIST, 1, &pos);
	/* A device may not have us walk in circles: there is room for 48 capabilities. */
	for (int i = 0; !err && i < 48 && pos >= 0x40 && pos < 0x100; i++) {
		pos &= ~3u;
		err = udrv_device_config_read(dev, pos, 2, &cap);
		if (!err && (cap & 0xff) == id)
			return (int)pos;
		pos = cap >> 8;
	}
	return err ? err : -ENOENT;
}

void host_irq_before(struct host *h)
{
	struct host_irq *irq = &h->irq;
	struct udrv_bar bar;
	uint32_t pba;
	int cap, n;

	*irq = (struct host_irq){ 0 };
	irq->vectors = udrv_device_irq_count(h->dev);
	cap = find_cap(h->dev, PCI_CAP_ID_MSIX);
	if (irq->vectors <= 0 || irq->vectors > (int)IRQ_VECTORS_MAX || cap < 0 ||
	    udrv_device_config_read(h->dev, (unsigned int)cap + PCI_MSIX_PBA, 4, &pba))
		return;
	n = (irq->vectors + 63) / 64;
	if (udrv_device_bar(h->dev, pba & PCI_MSIX_PBA_BIR,
			    (pba & PCI_MSIX_PBA_OFFSET) + (uint64_t)n * 8, &bar))
		return;
	for (int i = 0; i < n; i++) {
		uint64_t bits =
			udrv_bar_read64(&bar, (pba & PCI_MSIX_PBA_OFFSET) + (uint64_t)i * 8);

		if (i == n - 1 && irq->vectors % 64)
			bits &= (1ull << (irq->vectors % 64)) - 1;
		irq->latched += (unsigned int)__builtin_popcountll(bits);
		irq->latched_map[i] = bits;
	}
}

static unsigned int delivered(const struct host *h)
{
	unsigned int n;
	FILE *f;

	f = fopen("/proc/interrupts", "re");
	if (!f)
		return 0;
	n = irq_lines_delivered(f, h->handle.bdf, h->irq.latched_map);
	fclose(f);
	return n;
}

void host_irq_after(struct host *h)
{
	struct host_irq *irq = &h->irq;
	uint64_t end = app_now_ns() + SETTLE_NS;

	if (!irq->latched)
		return;
	do {
		irq->delivered = delivered(h);
	} while (irq->delivered < irq->latched && app_now_ns() < end);
	if (irq->delivered < irq->latched)
		app_warn("%u vector(s) were pending when interrupts were armed again, only %u were delivered",
			 irq->latched, irq->delivered);
}
