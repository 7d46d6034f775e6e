/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guards.h"
#include "session.h"
#include "sysfs.h"
#include "tap.h"

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

/* Pages of the pool that are not where they were before the kexec. */
static unsigned int moved(const struct device *dev)
{
	const struct record *record = dev->pool;
	unsigned int count = 0;

	for (size_t i = 0; i < POOL_PAGES; i++)
		count += memory_address((char *)dev->pool + i * PAGE) != record->address[i];
	return count;
}

static void refuse_device(const char *bdf)
{
	char driver[32] = "none";
	int fd;

	pci_driver(bdf, driver, sizeof(driver));
	tap(!strcmp(driver, "vfio-pci"), "incoming: %s is bound to vfio-pci (%s)", bdf, driver);
	tap(pci_command(bdf) & PCI_COMMAND_BME, "incoming: %s is a bus master", bdf);
	tap(pci_register(bdf, NVME_CC) & NVME_CC_EN, "incoming: the controller of %s is enabled",
	    bdf);
	fd = pci_open_cdev(bdf);
	tap_is(fd, -EBUSY, "incoming: open the cdev");
	if (fd >= 0)
		close(fd);
	tap_is(pci_set_command(bdf, 0), -EBUSY, "incoming: write COMMAND through sysfs");
	tap_is(pci_write(bdf, "reset", "1"), -EBUSY, "incoming: reset through sysfs");
	tap_is(pci_write(bdf, "remove", "1"), -EBUSY, "incoming: remove through sysfs");
	tap_is(pci_write(bdf, "driver/unbind", bdf), -EBUSY, "incoming: unbind through sysfs");
	tap_is(pci_write(bdf, "driver_override", "nvme"), 0, "incoming: ask for another driver");
	tap_is(write_file("/sys/bus/pci/drivers/nvme/bind", bdf), -EBUSY,
	       "incoming: bind it to nvme");
	write_file("/sys/bus/pci/drivers_probe", bdf);
	pci_driver(bdf, driver, sizeof(driver));
	tap(!strcmp(driver, "vfio-pci"), "incoming: vfio-pci is still bound to it (%s)", driver);
	pci_write(bdf, "driver_override", "vfio-pci");
}

static void check_pool(struct world *w, struct device *dev)
{
	char *collapsible = (char *)dev->pool + HUGE_PAGE;
	int session = session_create(w->luo, "again");

	tap(moved(dev) == 0, "retrieved: every page of the pool is where it was");
	tap_is(memory_punch(dev->memory, POOL_SIZE - PAGE), -EPERM, "retrieved: punch the memfd");
	tap_is(memory_resize(dev->memory, POOL_SIZE - PAGE), -EPERM, "retrieved: shrink the memfd");
	tap_is(memory_resize(dev->memory, POOL_SIZE + PAGE), -EPERM, "retrieved: grow the memfd");
	tap_is(session_preserve(session, dev->memory, 1), -EBUSY,
	       "retrieved: preserve the memfd again");
	close(session);

	tap_is(write_file("/proc/sys/vm/compact_memory", "1"), 0, "retrieved: compact memory");
	tap(moved(dev) == 0, "retrieved: no page was moved by compaction");
	tap(memory_collapse(collapsible) < 0, "retrieved: small pages do not become a huge one");
	tap(moved(dev) == 0, "retrieved: no page was moved by that");
}

static void check_noexec(int fd)
{
	struct stat st = { 0 };
	int seals, err;
	char *page;

	if (!tap_need(fd, "retrieve the memfd with MFD_NOEXEC_SEAL"))
		return;
	seals = fcntl(fd, F_GET_SEALS);
	tap(seals == F_SEAL_EXEC, "MFD_NOEXEC_SEAL: the one seal is F_SEAL_EXEC (%#x)", seals);
	err = fstat(fd, &st);
	tap(!err && (st.st_mode & 0777) == 0666, "MFD_NOEXEC_SEAL: the mode is 666 (%03o)",
	    st.st_mode & 0777);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	tap(page != MAP_FAILED && !strcmp(page, NOEXEC_TEXT),
	    "MFD_NOEXEC_SEAL: it can be written, and has what was in it");
}

bool check_incoming(struct world *w)
{
	struct device *dev = &w->dev[KEPT];

	for (int fn = 0; fn < FUNCTIONS; fn++)
		refuse_device(w->bdf[fn]);

	w->session[KEPT] = w->session[LEFT] = w->session[STRANGER] =
		session_retrieve(w->luo, SESSION);
	w->session[SIBLING] = session_retrieve(w->luo, session_names[SIBLING]);
	if (!tap_need(w->session[KEPT], "retrieve the session") ||
	    !tap_need(w->session[SIBLING], "retrieve the sibling's session"))
		return false;
	for (int fn = 0; fn < FUNCTIONS; fn++) {
		struct device *d = &w->dev[fn];

		*d = (struct device){ .cdev = -1,
				      .iommu = -1,
				      .memory = -1,
				      .size = pool_size(fn),
				      .iova = pool_iova(fn) };
		strcpy(d->bdf, w->bdf[fn]);
		if (fn != KEPT && fn != LEFT && fn != SIBLING)
			continue;
		d->memory = session_retrieve_fd(w->session[fn], TOKEN_MEMORY(fn));
		if (!tap_need(d->memory, "retrieve the memory of %s", d->bdf))
			return false;
	}
	dev->pool = memory_map(dev->memory, POOL_SIZE);
	if (!tap_need(dev->pool ? 0 : -ENOMEM, "map the pool"))
		return false;
	check_pool(w, dev);
	check_noexec(session_retrieve_fd(w->session[KEPT], TOKEN_NOEXEC));
	return true;
}
