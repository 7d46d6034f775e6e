/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sysfs.h"

#define DEVICES "/sys/bus/pci/devices"
#define PAGE	4096ul

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int pci_write(const char *bdf, const char *attribute, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/%s", bdf, attribute);
	return write_file(path, text);
}

/* What a link in a device's directory points at, without the path. */
static int link_target(const char *bdf, const char *link, char *name, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", bdf, link);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	snprintf(name, size, "%s", strrchr(target, '/') + 1);
	return 0;
}

int pci_driver(const char *bdf, char *name, size_t size)
{
	return link_target(bdf, "driver", name, size);
}

int pci_virtfn(const char *bdf, char *vf, size_t size)
{
	return link_target(bdf, "virtfn0", vf, size);
}

static bool bound_to_vfio(const char *bdf)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/vfio-pci/%s", bdf);
	return !access(path, F_OK);
}

/*
 * nvme probes asynchronously: after a rescan it may be under way, with nothing to unbind yet.
 * Asking for a probe waits for it, since both take the device's lock; what it bound is
 * unbound then.
 */
int pci_bind_vfio(const char *bdf)
{
	int err;

	err = pci_write(bdf, "driver_override", "vfio-pci");
	for (int i = 0; i < 8 && !err && !bound_to_vfio(bdf); i++) {
		pci_write(bdf, "driver/unbind", bdf); /* fails when no driver is bound */
		err = write_file("/sys/bus/pci/drivers_probe", bdf);
	}
	return err || bound_to_vfio(bdf) ? err : -ENODEV;
}

int pci_open_cdev(const char *bdf)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int fd = -ENODEV;
	DIR *dir;

	snprintf(path, sizeof(path), DEVICES "/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (fd == -ENODEV && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	closedir(dir);
	return fd;
}

static int open_device_file(const char *bdf, const char *name, int flags)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", bdf, name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool config_read(const char *bdf, off_t where, void *value, size_t size)
{
	int fd = open_device_file(bdf, "config", O_RDONLY);
	bool all;

	if (fd < 0)
		return false;
	all = pread(fd, value, size, where) == (ssize_t)size;
	close(fd);
	return all;
}

static int config_write(const char *bdf, off_t where, const void *value, size_t size)
{
	int fd = open_device_file(bdf, "config", O_RDWR);
	int err = 0;

	if (fd < 0)
		return fd;
	if (pwrite(fd, value, size, where) < 0)
		err = -errno;
	close(fd);
	return err;
}

uint16_t pci_command(const char *bdf)
{
	uint16_t command;

	return config_read(bdf, PCI_COMMAND, &command, sizeof(command)) ? command : 0xffff;
}

int pci_set_command(const char *bdf, uint16_t command)
{
	return config_write(bdf, PCI_COMMAND, &command, sizeof(command));
}

static uint8_t find_capability(const char *bdf, uint8_t id)
{
	uint8_t at, cap[2];

	if (!config_read(bdf, PCI_CAPABILITY_LIST, &at, sizeof(at)))
		return 0;
	for (unsigned int n = 0; at >= 0x40 && n < 48; n++, at = cap[1]) {
		if (!config_read(bdf, at, cap, sizeof(cap)))
			return 0;
		if (cap[0] == id)
			return at;
	}
	return 0;
}

uint32_t pci_msi_address(const char *bdf)
{
	uint8_t at = find_capability(bdf, PCI_CAP_ID_MSI);
	uint32_t address;

	return at && config_read(bdf, at + PCI_MSI_ADDRESS_LO, &address, sizeof(address)) ?
		       address :
		       UINT32_MAX;
}

int pci_set_msi_address(const char *bdf, uint32_t address)
{
	uint8_t at = find_capability(bdf, PCI_CAP_ID_MSI);

	return at ? config_write(bdf, at + PCI_MSI_ADDRESS_LO, &address, sizeof(address)) : -ENOENT;
}

uint32_t pci_register(const char *bdf, size_t offset)
{
	int fd = open_device_file(bdf, "resource0", O_RDWR);
	uint32_t value = UINT32_MAX;
	volatile uint8_t *bar;

	if (fd < 0)
		return value;
	bar = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (bar == MAP_FAILED)
		return value;
	value = *(volatile uint32_t *)(bar + offset);
	munmap((void *)bar, PAGE);
	return value;
}
