/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * allocation_failures leave-failing BUS KERNEL IMAGE
 * allocation_failures leave BUS KERNEL IMAGE
 * allocation_failures take-failing BUS
 * allocation_failures take BUS
 *
 * A live update whose allocations fail in the kernel, one after the other. `leave` preserves NVMe
 * controllers, eight functions each of as many buses from BUS ("0000:01") on as DEVICES needs, and
 * ends with the kexec; `take` is run by the kernel that comes. Output is TAP, with a plan at the
 * end of each half.
 *
 * Nobody else may use /dev/liveupdate and the devices; debugfs is mounted.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "allocations.h"
#include "faults.h"
#include "../guards/kexec.h"
#include "../guards/sysfs.h"
#include "../guards/tap.h"

static bool name_devices(struct world *w, const char *bus)
{
	unsigned int domain, first;

	if (sscanf(bus, "%x:%x", &domain, &first) != 2)
		return false;
	for (unsigned int i = 0; i < DEVICES; i++)
		snprintf(w->dev[i].bdf, sizeof(w->dev[i].bdf), "%04x:%02x:00.%x", domain & 0xffff,
			 (first + i / 8) & 0xff, i % 8);
	return true;
}

static bool leave(struct world *w, const char *kernel, const char *image)
{
	for (unsigned int i = 0; i < DEVICES; i++)
		if (!tap_need(pci_bind_vfio(w->dev[i].bdf), "bind %s", w->dev[i].bdf))
			return false;
	if (!open_all(w) || (w->failing && !check_preserve(w)) || !preserve_all(w) ||
	    !tap_need(kexec_load_file(kernel, image, ""), "load the next kernel"))
		return false;
	tap(true, "%u devices are preserved", DEVICES);
	tap_end();
	tcdrain(STDOUT_FILENO);
	return tap_need(kexec_reboot(), "kexec");
}

static bool take(struct world *w)
{
	return retrieve_all(w) && check_before(w) && check_finish(w);
}

int main(int argc, char **argv)
{
	static struct world w;
	size_t len;
	bool good;

	if (argc >= 2) {
		len = strcspn(argv[1], "-");
		w.failing = !strcmp(argv[1] + len, "-failing");
		w.leaving = len == 5 && !strncmp(argv[1], "leave", len);
	}
	if (argc != (w.leaving ? 5 : 3) || !name_devices(&w, argv[2])) {
		fprintf(stderr,
			"usage: allocation_failures leave[-failing] BUS KERNEL IMAGE | take[-failing] BUS\n");
		return 2;
	}
	w.luo = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	good = tap_need(w.luo, "open /dev/liveupdate") &&
	       tap_need(faults_set_up(), "set up fault injection") &&
	       (w.leaving ? leave(&w, argv[3], argv[4]) : take(&w));
	if (!good)
		printf("Bail out!\n");
	return tap_end() != 0 || !good;
}
