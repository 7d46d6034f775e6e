/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <unistd.h>

#include "allocations.h"
#include "../guards/session.h"
#include "../guards/tap.h"

bool open_all(struct world *w)
{
	for (unsigned int i = 0; i < DEVICES; i++) {
		char bdf[sizeof(w->dev[i].bdf)];

		snprintf(bdf, sizeof(bdf), "%s", w->dev[i].bdf);
		if (!tap_need(device_open(&w->dev[i], bdf, SIZE), "open %s", bdf) ||
		    !tap_need(device_start_nvme(&w->dev[i]), "start %s", bdf))
			return false;
		*(uint32_t *)w->dev[i].pool = w->dev[i].ioas;
	}
	return true;
}

static int create(struct world *w, unsigned int device)
{
	(void)device;
	w->session = session_create(w->luo, SESSION);
	return w->session;
}

static int preserve_memory(struct world *w, unsigned int device)
{
	return session_preserve(w->session, w->dev[device].memory, TOKEN(device, MEMORY));
}

static int preserve_iommu(struct world *w, unsigned int device)
{
	return session_preserve(w->session, w->dev[device].iommu, TOKEN(device, IOMMU));
}

static int preserve_cdev(struct world *w, unsigned int device)
{
	return session_preserve(w->session, w->dev[device].cdev, TOKEN(device, CDEV));
}

static const struct call calls[] = {
	{ .what = "create a session", .fn = create },
	{ .what = "preserve a memfd", .fn = preserve_memory },
	{ .what = "preserve an iommufd", .fn = preserve_iommu },
	{ .what = "preserve a cdev", .fn = preserve_cdev },
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static size_t tried; /* of calls[] */

/*
 * What failed succeeds when there is memory again, and so does everything from the beginning,
 * without the session.
 */
static void from_the_beginning(struct world *w, unsigned int device, int ret)
{
	if (ret < 0 && calls[tried].fn(w, device) < 0)
		tap(false, "%s: it cannot be repeated", calls[tried].what);
	close(w->session);
	for (size_t i = 0; i < tried; i++)
		if (calls[i].fn(w, device) < 0)
			tap(false, "%s: then %s fails", calls[tried].what, calls[i].what);
}

bool check_preserve(struct world *w)
{
	for (tried = 0; tried < CALLS; tried++)
		if (fail_each(w, 0, &calls[tried], from_the_beginning) < 0)
			return false;
	close(w->session);
	return true;
}

bool preserve_all(struct world *w)
{
	if (!tap_need(create(w, 0), "create the session"))
		return false;
	for (unsigned int i = 0; i < DEVICES; i++)
		for (size_t k = 1; k < CALLS; k++)
			if (!tap_need(calls[k].fn(w, i), "%s of %s", calls[k].what, w->dev[i].bdf))
				return false;
	return true;
}
