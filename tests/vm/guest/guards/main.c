/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live_update_guards before BUS IGB KERNEL IMAGE
 * live_update_guards after BUS IGB
 * live_update_guards lose BUS IGB KERNEL IMAGE
 * live_update_guards lost BUS IGB
 * live_update_guards leave BUS DEVICE KERNEL IMAGE
 * live_update_guards left BUS DEVICE
 * live_update_guards leave-bus BUS DEVICE KERNEL IMAGE
 * live_update_guards bus-reset BUS DEVICE
 *
 * What the kernel refuses and guards over a live update, call by call. `before` ends with the kexec
 * into KERNEL and IMAGE; `after` is run by the kernel that comes. BUS is "0000:01:00" with NVMe
 * controllers as functions 0 to 5. `lose` is `before` without what is refused there, into a kernel
 * that does not find PCI devices, and `lost` is run by that. `leave` and `left` are about a DEVICE
 * that cannot be reset, `leave-bus` and `bus-reset` about one that can be with its bus, and in no
 * other way. Output is TAP, with a plan at the end of each half.
 *
 * Nobody else may use /dev/liveupdate and the devices.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "guards.h"
#include "kexec.h"
#include "session.h"
#include "sysfs.h"
#include "tap.h"

const char *const session_names[FUNCTIONS] = {
	[KEPT] = SESSION,      [LEFT] = SESSION,	  [STRANGER] = SESSION,
	[SIBLING] = "sibling", [FORGOTTEN] = "forgotten", [ORPHAN] = "orphan",
};

/* That compaction does not move a page says something only if pages of a memfd can be moved. */
static void check_collapse(void)
{
	int fd = memory_create("movable", HUGE_PAGE, MFD_EXEC);
	char *pages = fd < 0 ? NULL : memory_map(fd, HUGE_PAGE);
	uint64_t before;

	if (!tap_need(pages ? 0 : -ENOMEM, "map a memfd"))
		return;
	before = memory_address(pages + PAGE);
	tap_is(memory_collapse(pages), 0, "small pages of a memfd become a huge one");
	tap(before && memory_address(pages + PAGE) != before, "which moves them");
	munmap(pages, HUGE_PAGE);
	close(fd);
}

static bool start_all(struct world *w)
{
	struct record *record;
	struct device *dev;

	for (int fn = 0; fn < FUNCTIONS; fn++) {
		int err;

		dev = &w->dev[fn];
		if (fn == STRANGER)
			err = device_open_with(dev, w->bdf[fn], pool_size(fn), pool_iova(fn),
					       &w->dev[KEPT]);
		else
			err = device_open(dev, w->bdf[fn], pool_size(fn));
		if (!tap_need(err, "open %s", w->bdf[fn]) ||
		    !tap_need(device_start_nvme(dev), "start %s", w->bdf[fn]))
			return false;
	}
	device_submit_identify(&w->dev[ORPHAN], IDENTIFY_MAX);
	dev = &w->dev[KEPT];
	record = dev->pool;
	for (size_t i = 0; i < POOL_PAGES; i++)
		record->address[i] = device_address(dev, i * PAGE);
	record->command = pci_command(dev->bdf);
	for (int fn = 0; fn < FUNCTIONS; fn++)
		record->ioas[fn] = w->dev[fn].ioas;
	return true;
}

/* Failures are reported, and the update goes on with what can be preserved. */
static void preserve_all(struct world *w)
{
	int fd = memory_create("noexec", PAGE, MFD_NOEXEC_SEAL);

	w->session[KEPT] = w->session[LEFT] = w->session[STRANGER] =
		session_create(w->luo, SESSION);
	for (int fn = 0; fn < FUNCTIONS; fn++) {
		if (session_names[fn] != session_names[KEPT])
			w->session[fn] = session_create(w->luo, session_names[fn]);
		tap_is(session_preserve(w->session[fn], w->dev[fn].memory, TOKEN_MEMORY(fn)), 0,
		       "preserve the memory of %s", w->bdf[fn]);
	}
	for (int fn = 0; fn < FUNCTIONS; fn++) {
		if (fn != STRANGER)
			tap_is(session_preserve(w->session[fn], w->dev[fn].iommu, TOKEN_IOMMU(fn)),
			       0, "preserve the iommufd of %s", w->bdf[fn]);
		tap_is(session_preserve(w->session[fn], w->dev[fn].cdev, TOKEN_CDEV(fn)), 0,
		       "preserve the cdev of %s", w->bdf[fn]);
	}
	tap(fd >= 0 && write(fd, NOEXEC_TEXT, sizeof(NOEXEC_TEXT)) == sizeof(NOEXEC_TEXT),
	    "make a memfd with MFD_NOEXEC_SEAL");
	tap_is(session_preserve(w->session[KEPT], fd, TOKEN_NOEXEC), 0, "preserve it");
}

static bool bind_all(struct world *w)
{
	for (int fn = 0; fn < FUNCTIONS; fn++)
		if (!tap_need(pci_bind_vfio(w->bdf[fn]), "bind %s", w->bdf[fn]))
			return false;
	return true;
}

static int reboot_into(const char *kernel, const char *image, const char *more)
{
	if (!tap_need(kexec_load_file(kernel, image, more), "load the next kernel"))
		return 1;
	tap_end();
	tcdrain(STDOUT_FILENO);
	tap_is(kexec_reboot(), 0, "kexec");
	return 1;
}

static int update(struct world *w, const char *kernel, const char *image, const char *more)
{
	if (!start_all(w))
		return 1;
	preserve_all(w);
	return reboot_into(kernel, image, more);
}

static int before(struct world *w, const char *kernel, const char *image)
{
	if (!bind_all(w))
		return 1;
	check_collapse();
	return !check_refusals(w) || !check_igb(w) || !check_hold(w) ||
	       !check_freeze(w, kernel, image) || update(w, kernel, image, "");
}

static int lose(struct world *w, const char *kernel, const char *image)
{
	return !bind_all(w) || update(w, kernel, image, " pci=off");
}

static int leave_it(struct world *w, const char *kernel, const char *image, bool resettable)
{
	return !tap_need(pci_bind_vfio(w->igb), "bind %s", w->igb) ||
	       !leave_device(w, resettable) || reboot_into(kernel, image, "");
}

static int leave(struct world *w, const char *kernel, const char *image)
{
	return leave_it(w, kernel, image, false);
}

static int leave_bus(struct world *w, const char *kernel, const char *image)
{
	return leave_it(w, kernel, image, true);
}

static int bus_reset(struct world *w)
{
	return !check_bus_reset(w);
}

static int left(struct world *w)
{
	return !check_left(w);
}

static int lost(struct world *w)
{
	return !check_lost(w);
}

static int after(struct world *w)
{
	return !check_incoming(w) || !check_forgotten(w) || !check_orphan(w) ||
	       !check_adoption(w) || !check_finish(w);
}

static const struct {
	const char *name;
	int (*old_kernel)(struct world *w, const char *kernel, const char *image);
	int (*next_kernel)(struct world *w);
} modes[] = {
	{ .name = "before", .old_kernel = before },
	{ .name = "after", .next_kernel = after },
	{ .name = "lose", .old_kernel = lose },
	{ .name = "lost", .next_kernel = lost },
	{ .name = "leave", .old_kernel = leave },
	{ .name = "left", .next_kernel = left },
	{ .name = "leave-bus", .old_kernel = leave_bus },
	{ .name = "bus-reset", .next_kernel = bus_reset },
};

int main(int argc, char **argv)
{
	const size_t n = sizeof(modes) / sizeof(modes[0]);
	struct world w = { 0 };
	size_t mode = 0;
	int err;

	while (mode < n && (argc < 4 || strcmp(argv[1], modes[mode].name)))
		mode++;
	if (mode == n || argc != (modes[mode].old_kernel ? 6 : 4)) {
		fprintf(stderr,
			"usage: live_update_guards before|lose|leave|leave-bus BUS DEVICE KERNEL IMAGE | after|lost|left|bus-reset BUS DEVICE\n");
		return 2;
	}
	for (int fn = 0; fn < FUNCTIONS; fn++)
		snprintf(w.bdf[fn], sizeof(w.bdf[fn]), "%.10s.%d", argv[2], fn);
	snprintf(w.igb, sizeof(w.igb), "%s", argv[3]);
	w.luo = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	if (!tap_need(w.luo < 0 ? -errno : 0, "open /dev/liveupdate"))
		return 1;
	if (modes[mode].old_kernel)
		err = modes[mode].old_kernel(&w, argv[4], argv[5]);
	else
		err = modes[mode].next_kernel(&w);
	if (err)
		printf("Bail out!\n");
	return tap_end() != 0 || err;
}
