// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Evidence about interrupts over an update. Before re-arming, the pending bit array tells which
 * vectors latched one while they were masked; afterwards /proc/interrupts tells which were
 * delivered. Neither can be satisfied by the eventfds, which the kernel signals once in any case.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	if (irq->vectors <= 0 || cap < 0 ||
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
		if (!i)
			irq->latched_mask = bits;
	}
}

/* Vector of a line "24:  3  0  PCI-MSIX-0000:01:00.0  1-edge  vfio-msix[1](0000:01:00.0)" that has
 * counted, or -1. */
static int line_vector(char *line, const char *bdf)
{
	char *name = strstr(line, "vfio-msix[");
	char *p = strchr(line, ':');
	unsigned long long sum = 0;

	if (!name || !p || !strstr(name, bdf))
		return -1;
	for (p++; p < name;) {
		char *end;
		unsigned long long v = strtoull(p, &end, 10);

		if (end == p || (*end != ' ' && *end != '\t'))
			break;
		sum += v;
		p = end;
	}
	return sum ? atoi(name + strlen("vfio-msix[")) : -1;
}

/* Vectors 0–63 of the device of which /proc/interrupts has counted an interrupt. */
static uint64_t delivered_vectors(const char *bdf)
{
	uint64_t seen = 0;
	char line[1024];
	FILE *f;

	f = fopen("/proc/interrupts", "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		int v = line_vector(line, bdf);

		if (v >= 0 && v < 64)
			seen |= 1ull << v;
	}
	fclose(f);
	return seen;
}

void host_irq_after(struct host *h)
{
	struct host_irq *irq = &h->irq;
	uint64_t end = app_now_ns() + SETTLE_NS;

	if (!irq->latched)
		return;
	do {
		irq->delivered = (unsigned int)__builtin_popcountll(
			delivered_vectors(h->handle.bdf) & irq->latched_mask);
	} while (irq->delivered < irq->latched && app_now_ns() < end);
	if (irq->delivered < irq->latched)
		app_warn(
			"%u vector(s) were pending when interrupts were armed again, only %u were delivered",
			irq->latched, irq->delivered);
}
