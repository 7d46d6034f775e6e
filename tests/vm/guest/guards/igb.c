/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QEMU's NVMe has not, and an igb has: MSI, D3, virtual functions. */
#include <errno.h>

#include <linux/vfio.h>

#include "guards.h"
#include "sysfs.h"
#include "tap.h"
#include "try.h"

static void refuse_msi(struct world *w, struct device *pf)
{
	tap_is(device_arm(pf, VFIO_PCI_MSI_IRQ_INDEX), 0, "arm MSI");
	tap_is(try_preserve(w->luo, pf, pf->cdev, -1), -EOPNOTSUPP,
	       "preserve a cdev that uses MSI");
	tap_is(device_disarm(pf, VFIO_PCI_MSI_IRQ_INDEX), 0, "disarm it");
	tap_is(try_preserve(w->luo, pf, pf->cdev, -1), 0,
	       "preserve the same cdev without interrupts");
}

static void refuse_low_power(struct world *w, struct device *pf)
{
	tap_is(device_set_power(pf, 3), 0, "put it into D3hot");
	tap_is(try_preserve(w->luo, pf, pf->cdev, -1), -EBUSY, "preserve a function in D3hot");
	tap_is(device_set_power(pf, 0), 0, "put it back into D0");
	tap_is(device_low_power(pf, true), 0, "let it go into low power when it is idle");
	tap_is(try_preserve(w->luo, pf, pf->cdev, -1), -EBUSY,
	       "preserve a function that may go into low power");
	tap_is(device_low_power(pf, false), 0, "keep it awake");
	tap_is(try_preserve(w->luo, pf, pf->cdev, -1), 0, "preserve it awake");
}

static void refuse_vf(struct world *w, const uint8_t token[16])
{
	struct device vf;
	char bdf[16];

	if (!tap_need(pci_virtfn(w->igb, bdf, sizeof(bdf)), "find the VF") ||
	    !tap_need(pci_bind_vfio(bdf), "bind it") ||
	    !tap_need(device_open_vf(&vf, bdf, HUGE_PAGE, token), "open it"))
		return;
	tap_is(try_preserve(w->luo, &vf, vf.cdev, -1), -EOPNOTSUPP, "preserve a VF");
	device_close(&vf);
}

bool check_igb(struct world *w)
{
	static const uint8_t token[16] = "guards of VFs";
	struct device pf;

	if (!tap_need(pci_bind_vfio(w->igb), "bind %s", w->igb) ||
	    !tap_need(device_open(&pf, w->igb, HUGE_PAGE), "open %s", w->igb))
		return false;
	refuse_msi(w, &pf);
	refuse_low_power(w, &pf);

	tap_is(device_set_token(&pf, token), 0, "set a token for VFs");
	tap_is(write_file("/sys/module/vfio_pci/parameters/enable_sriov", "1"), 0, "allow SR-IOV");
	tap_is(pci_write(w->igb, "sriov_numvfs", "1"), 0, "make a VF");
	refuse_vf(w, token);
	tap_is(try_preserve(w->luo, &pf, pf.cdev, -1), -EBUSY, "preserve a function that has VFs");
	tap_is(pci_write(w->igb, "sriov_numvfs", "0"), 0, "remove the VF");
	tap_is(try_preserve(w->luo, &pf, pf.cdev, -1), 0, "preserve it without");
	device_close(&pf);
	return true;
}
