/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "guards.h"
#include "session.h"
#include "sysfs.h"
#include "tap.h"
#include "try.h"

/* What comes first has to be preserved first, and by the same session. */
static void refuse_order(struct world *w, struct device *dev)
{
	int session = session_create(w->luo, "first"), other = session_create(w->luo, "second");

	tap_is(session_preserve(session, dev->iommu, TRY_IOMMU), -EINVAL,
	       "preserve an iommufd before its memory");
	tap_is(session_preserve(session, dev->memory, TRY_MEMORY), 0, "preserve the memory");
	tap_is(session_preserve(other, dev->iommu, TRY_IOMMU), -EINVAL,
	       "preserve an iommufd whose memory another session preserves");
	tap_is(session_preserve(session, dev->cdev, TRY_CDEV), -EINVAL,
	       "preserve a cdev before its iommufd");
	tap_is(session_preserve(session, dev->iommu, TRY_IOMMU), 0, "preserve the iommufd");
	tap_is(session_preserve(other, dev->cdev, TRY_CDEV), -EINVAL,
	       "preserve a cdev whose iommufd another session preserves");
	tap_is(session_preserve(other, dev->iommu, TRY_IOMMU), -EBUSY,
	       "preserve an iommufd that is preserved");
	tap_is(session_preserve(session, dev->cdev, TRY_CDEV), 0, "preserve the cdev");
	close(other);
	close(session);
}

static void refuse_memory(struct world *w, struct device *dev)
{
	int other = memory_create("other", 2 * PAGE, MFD_ALLOW_SEALING | MFD_EXEC);
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);

	tap_is(device_map_anonymous(dev, DEVICE_EXTRA), 0, "map anonymous memory");
	tap_is(try_preserve(w->luo, dev, dev->cdev, -1), -EOPNOTSUPP,
	       "preserve an iommufd with anonymous memory mapped");
	tap_is(device_unmap(dev, DEVICE_EXTRA, PAGE), 0, "unmap it");

	page[0] = page[PAGE] = 1;
	tap_is(device_map(dev, other, 2 * PAGE, DEVICE_EXTRA), 0, "map another memfd");
	tap_is(try_preserve(w->luo, dev, dev->cdev, -1), -EINVAL,
	       "preserve an iommufd without one of its memfds");
	tap_is(try_preserve(w->luo, dev, dev->cdev, other), 0, "preserve it with both of them");
	tap_is(memory_punch(other, PAGE), 0, "punch a page out of a memfd that is mapped");
	page[PAGE] = 2; /* there is a page again, but not the one that the device knows */
	tap_is(try_preserve(w->luo, dev, dev->cdev, other), -ESTALE,
	       "preserve an iommufd with a memfd that was punched");
	tap_is(device_unmap(dev, DEVICE_EXTRA, 2 * PAGE), 0, "unmap it");

	munmap(page, 2 * PAGE);
	close(other);
}

/* Only a kernel with CONFIG_HUGETLBFS has such memory; who runs this knows whether it is one. */
static void refuse_hugetlb(struct world *w, struct device *dev)
{
	int huge;

	write_file("/proc/sys/vm/nr_hugepages", "1");
	huge = memory_create("huge", HUGE_PAGE, MFD_HUGETLB | MFD_EXEC);
	if (huge == -ENOSYS) {
		tap(true,
		    "preserve an iommufd with hugetlb memory mapped # SKIP this kernel has none");
		return;
	}
	/* iommufd pins the page, but does not reserve one. */
	tap_is(fallocate(huge, 0, 0, HUGE_PAGE) ? -errno : 0, 0, "allocate a huge page");
	tap_is(device_map(dev, huge, HUGE_PAGE, DEVICE_EXTRA), 0, "map hugetlb memory");
	tap_is(try_preserve(w->luo, dev, dev->cdev, -1), -EOPNOTSUPP,
	       "preserve an iommufd with hugetlb memory mapped");
	tap_is(device_unmap(dev, DEVICE_EXTRA, HUGE_PAGE), 0, "unmap it");
	close(huge);
	write_file("/proc/sys/vm/nr_hugepages", "0");
}

/*
 * Memory of a device, which no memfd is there for: only a kernel with CONFIG_VFIO_PCI_DMABUF
 * exports it.
 */
static void refuse_dmabuf(struct world *w, struct device *dev)
{
	int bar = device_export_bar(dev);

	if (bar == -ENOTTY) {
		tap(true, "preserve an iommufd with a dma-buf mapped # SKIP this kernel has none");
		return;
	}
	tap_is(bar, 0, "export a page of the BAR as a dma-buf");
	tap_is(device_map(dev, bar, PAGE, DEVICE_EXTRA), 0, "map the dma-buf");
	tap_is(try_preserve(w->luo, dev, dev->cdev, -1), -EOPNOTSUPP,
	       "preserve an iommufd with a dma-buf mapped");
	tap_is(device_unmap(dev, DEVICE_EXTRA, PAGE), 0, "unmap it");
	close(bar);
}

/* Nobody would find its memory: that it is pinned is a device's doing. */
static void refuse_unused(struct world *w, struct device *dev)
{
	uint32_t kept = dev->ioas;

	tap_is(device_allocate(dev, &dev->ioas), 0, "allocate an IOAS that no device uses");
	tap_is(try_preserve(w->luo, dev, dev->cdev, -1), 0, "preserve it without mappings");
	tap_is(device_map(dev, dev->memory, PAGE, DEVICE_EXTRA), 0, "map a memfd into it");
	tap_is(try_preserve(w->luo, dev, dev->cdev, -1), -EINVAL,
	       "preserve an iommufd with mappings that no device uses");
	tap_is(device_destroy(dev, dev->ioas), 0, "destroy it");
	dev->ioas = kept;
}

static void refuse_objects(struct world *w, struct device *dev)
{
	uint32_t hwpt = 0;

	tap_is(device_allocate_hwpt(dev, &hwpt), 0, "allocate a HWPT");
	tap_is(try_preserve(w->luo, dev, dev->cdev, -1), -EOPNOTSUPP,
	       "preserve an iommufd with a HWPT of the user's");
	tap_is(device_destroy(dev, hwpt), 0, "destroy it");
}

bool check_refusals(struct world *w)
{
	struct device *dev = &w->dev[KEPT];
	int unbound;

	if (!tap_need(device_open(dev, w->bdf[KEPT], POOL_SIZE), "open %s", w->bdf[KEPT]))
		return false;
	refuse_order(w, dev);
	refuse_memory(w, dev);
	refuse_hugetlb(w, dev);
	refuse_dmabuf(w, dev);
	refuse_unused(w, dev);
	refuse_objects(w, dev);

	unbound = pci_open_cdev(dev->bdf);
	tap_is(unbound, 0, "open the cdev a second time");
	tap_is(try_preserve(w->luo, dev, unbound, -1), -EINVAL,
	       "preserve a cdev file that is not bound");
	close(unbound);

	tap_is(device_arm(dev, VFIO_PCI_INTX_IRQ_INDEX), 0, "arm INTx");
	tap_is(try_preserve(w->luo, dev, dev->cdev, -1), -EOPNOTSUPP,
	       "preserve a cdev that uses INTx");
	tap_is(device_disarm(dev, VFIO_PCI_INTX_IRQ_INDEX), 0, "disarm it");
	tap_is(device_arm(dev, VFIO_PCI_MSIX_IRQ_INDEX), 0, "arm MSI-X");
	tap_is(try_preserve(w->luo, dev, dev->cdev, -1), 0,
	       "preserve the same cdev that uses MSI-X");
	return true;
}
