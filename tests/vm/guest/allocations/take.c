/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <unistd.h>

#include "allocations.h"
#include "../guards/session.h"
#include "../guards/sysfs.h"
#include "../guards/tap.h"

static int retrieve_session(struct world *w, unsigned int device)
{
	(void)device;
	w->session = session_retrieve(w->luo, SESSION);
	return w->session;
}

static int retrieve_memory(struct world *w, unsigned int device)
{
	return w->dev[device].memory = session_retrieve_fd(w->session, TOKEN(device, MEMORY));
}

static int retrieve_iommu(struct world *w, unsigned int device)
{
	return w->dev[device].iommu = session_retrieve_fd(w->session, TOKEN(device, IOMMU));
}

static int retrieve_cdev(struct world *w, unsigned int device)
{
	return w->dev[device].cdev = session_retrieve_fd(w->session, TOKEN(device, CDEV));
}

static int bind(struct world *w, unsigned int device)
{
	return device_bind(&w->dev[device]);
}

static int attach(struct world *w, unsigned int device)
{
	return device_attach(&w->dev[device]);
}

static const struct call calls[] = {
	[MEMORY] = { .what = "retrieve a memfd", .fn = retrieve_memory },
	[IOMMU] = { .what = "retrieve an iommufd", .fn = retrieve_iommu },
	[CDEV] = { .what = "retrieve a cdev", .fn = retrieve_cdev },
};
#define KINDS (sizeof(calls) / sizeof(calls[0]))

static unsigned int count[KINDS]; /* allocations of a call without a failure */

/*
 * A file is retrieved once, so each of its allocations needs a file of its own. The first device
 * loses none, and shows how many there are; from then on every third has the same call fail, each
 * at another place.
 */
static unsigned int failing_at(unsigned int device, size_t kind)
{
	const unsigned int tries = (DEVICES - 1) / KINDS;
	unsigned int nth = (device - 1) / KINDS;

	if (!device || (device - 1) % KINDS != kind)
		return 0;
	return count[kind] <= tries ? nth + 1 : 1 + nth * (count[kind] - 1) / (tries - 1);
}

static bool retrieve(struct world *w, unsigned int device)
{
	static const struct call bind_it = { .what = "bind a cdev", .fn = bind, .once = true };
	static const struct call attach_it = { .what = "attach a cdev",
					       .fn = attach,
					       .once = true };
	struct device *dev = &w->dev[device];
	bool good = true;

	for (size_t kind = 0; kind < KINDS; kind++) {
		unsigned int nth = w->failing ? failing_at(device, kind) : 0;
		int ret = fail_one(w, device, &calls[kind], nth, device ? NULL : &count[kind]);

		good &= ret >= 0;
		if (nth)
			printf("# %s: %s, allocation %u of %u fails: %d\n", dev->bdf,
			       calls[kind].what, nth, count[kind], ret);
		else if (ret < 0 && good)
			tap_need(ret, "%s: %s", dev->bdf, calls[kind].what);
	}
	if (dev->memory >= 0) {
		dev->size = SIZE;
		dev->pool = memory_map(dev->memory, SIZE);
	}
	dev->ioas = dev->pool ? *(uint32_t *)dev->pool : 0;
	if (good && !device && w->failing)
		return fail_each(w, device, &bind_it, NULL) >= 0 &&
		       fail_each(w, device, &attach_it, NULL) >= 0;
	return device_bind(dev) >= 0 && device_attach(dev) >= 0;
}

bool retrieve_all(struct world *w)
{
	unsigned int taken = 0;
	int err;

	if (w->failing) {
		static const struct call session = {
			.what = "retrieve a session",
			.fn = retrieve_session,
			.once = true,
		};

		err = fail_each(w, 0, &session, NULL);
	} else {
		err = retrieve_session(w, 0);
	}
	if (!tap_need(err, "retrieve the session"))
		return false;
	for (unsigned int i = 0; i < DEVICES; i++) {
		w->taken[i] = retrieve(w, i);
		taken += w->taken[i];
	}
	tap(w->taken[0] && (w->failing ? taken < DEVICES : taken == DEVICES),
	    "%u of %u devices are taken over", taken, DEVICES);
	printf("# allocations: memfd %u, iommufd %u, cdev %u\n", count[MEMORY], count[IOMMU],
	       count[CDEV]);
	return true;
}

static bool runs(const char *bdf)
{
	return pci_command(bdf) & PCI_COMMAND_BME && pci_register(bdf, NVME_CC) & NVME_CC_EN;
}

bool check_before(struct world *w)
{
	for (unsigned int i = 0; i < DEVICES; i++) {
		bool open = w->dev[i].cdev >= 0;

		if (open && device_map_bar(&w->dev[i]))
			open = false;
		tap(pci_command(w->dev[i].bdf) & PCI_COMMAND_BME &&
			    (open ? device_runs(&w->dev[i]) : runs(w->dev[i].bdf)),
		    "before the end: %s runs", w->dev[i].bdf);
	}
	return true;
}

bool check_finish(struct world *w)
{
	if (!tap_need(session_finish(w->session), "finish the session"))
		return false;
	close(w->session);
	for (unsigned int i = 0; i < DEVICES; i++) {
		struct device *dev = &w->dev[i], again;
		char bdf[sizeof(dev->bdf)];

		snprintf(bdf, sizeof(bdf), "%s", dev->bdf);
		if (w->taken[i])
			tap(device_runs(dev), "finished: %s runs on", bdf);
		device_close(dev);
		if (w->taken[i])
			continue;
		tap(!(pci_command(bdf) & PCI_COMMAND_BME) &&
			    !(pci_register(bdf, NVME_CC) & NVME_CC_EN),
		    "finished: %s was stopped", bdf);
		tap_is(device_open(&again, bdf, SIZE), 0, "finished: its cdev opens");
		device_close(&again);
	}
	return true;
}
