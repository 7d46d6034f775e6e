/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * break_device BDF HOW [BDF]: damage a device, or what is kept of it, in one exact way
 *
 *	anonymous	let it reach a page that is of no memfd
 *	flip		change a byte in both copies of its state's tree
 *	newer		make its state one of the next major version
 *	asq		record another admin submission queue than the controller has
 *	swap		exchange its state with that of the second BDF
 *	disable		CC.EN = 0: the controller is not ready
 *	fail		make it enable itself with a page size that it has not: CSTS.CFS
 *
 * Memory is found among the memfds that udrv-init (PID 1) keeps, registers through sysfs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/iommufd.h>

#include <udrv/state.h>

#include "udrv/lib/crc32c.h"
#include "udrv/lib/state_internal.h"

#define KEEPER	    "/proc/1/fd"
#define NVME_CC	    0x14 /* Base 2.0, 3.1.3.5 */
#define NVME_CC_EN  1u
#define NVME_CC_MPS (15u << 7) /* 128 MiB */

static int is_state_of(int fd, const char *bdf)
{
	struct udrv_state *st;
	const char *found;
	int node;

	if (udrv_state_open(fd, UDRV_STATE_RDONLY, NULL, &st))
		return 0;
	node = fdt_path_offset(udrv_state_fdt(st), "/device");
	found = node < 0 ? NULL : fdt_getprop(udrv_state_fdt(st), node, "bdf", NULL);
	node = found && !strcmp(found, bdf);
	udrv_state_close(st);
	return node;
}

/* The state's memfd; its name, without "state", is that of the device's others. */
static int find_state(const char *bdf, char *path, size_t size)
{
	struct dirent *entry;
	DIR *dir = opendir(KEEPER);
	int fd = -1;

	while (dir && (entry = readdir(dir))) {
		snprintf(path, size, "%s/%s", KEEPER, entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && is_state_of(fd, bdf))
			break;
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	if (dir)
		closedir(dir);
	if (fd < 0)
		fprintf(stderr, "break_device: no state of %s in %s\n", bdf, KEEPER);
	return fd;
}

static void *map_state(const char *bdf, size_t *size)
{
	char path[300];
	struct stat st;
	int fd = find_state(bdf, path, sizeof(path));
	void *map;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	*size = (size_t)st.st_size;
	map = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return map == MAP_FAILED ? NULL : map;
}

static int flip(const char *bdf)
{
	size_t size;
	uint8_t *map = map_state(bdf, &size);

	if (!map)
		return -1;
	map[STATE_HEADER_SIZE + 100] ^= 1;
	map[STATE_HEADER_SIZE + UDRV_STATE_FDT_MAX + 100] ^= 1;
	return 0;
}

static int newer(const char *bdf)
{
	size_t size;
	struct state_header *h = map_state(bdf, &size);

	if (!h)
		return -1;
	h->major++;
	h->crc = udrv_crc32c(0, h, offsetof(struct state_header, crc));
	return 0;
}

static int swap(const char *bdf, const char *other)
{
	size_t na, nb;
	uint8_t *a = map_state(bdf, &na), *b = map_state(other, &nb);

	if (!a || !b || na != nb)
		return -1;
	for (size_t i = 0; i < na; i++) {
		uint8_t x = a[i];

		a[i] = b[i];
		b[i] = x;
	}
	return 0;
}

static int asq(const char *bdf)
{
	struct udrv_state *st;
	const fdt64_t *p;
	char path[300];
	int fd = find_state(bdf, path, sizeof(path)), node, err = -1;
	void *fdt;

	if (fd < 0 || udrv_state_open(fd, 0, NULL, &st))
		return -1;
	fdt = udrv_state_edit(st);
	node = fdt_path_offset(fdt, "/nvme");
	p = node < 0 ? NULL : fdt_getprop(fdt, node, "asq", NULL);
	if (p && !fdt_setprop_u64(fdt, node, "asq", fdt64_ld(p) + 4096))
		err = udrv_state_commit(st);
	udrv_state_close(st);
	return err;
}

/*
 * A page of this process in the device's address space, which is of no memfd and so cannot cross a
 * kexec. udrv-init has received the iommufd just before the state.
 */
static int anonymous(const char *bdf)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.length = 4096,
		.iova = 0x10000,
	};
	char path[300], link[64];
	int fd = find_state(bdf, path, sizeof(path));
	int number, init;
	ssize_t n;
	void *page;

	if (fd < 0)
		return -1;
	close(fd);
	number = atoi(strrchr(path, '/') + 1) - 1;
	snprintf(path, sizeof(path), "%s/%d", KEEPER, number);
	n = readlink(path, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = '\0';
	init = pidfd_open(1, 0);
	fd = init < 0 || strcmp(link, "/dev/iommu") ? -1 : pidfd_getfd(init, number, 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		    -1, 0);
	if (fd < 0 || page == MAP_FAILED)
		return -1;
	map.user_va = (uintptr_t)page;
	/* Its number is not known here: only one of the objects is an address space. */
	for (map.ioas_id = 1; map.ioas_id < 16; map.ioas_id++)
		if (!ioctl(fd, IOMMU_IOAS_MAP, &map))
			return 0;
	return -1;
}

static int controller(const char *bdf, int enable)
{
	char path[128];
	volatile uint32_t *cc;
	uint8_t *bar;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", bdf);
	fd = open(path, O_RDWR | O_CLOEXEC | O_SYNC);
	if (fd < 0)
		return -1;
	bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (bar == MAP_FAILED)
		return -1;
	cc = (volatile uint32_t *)(bar + NVME_CC);
	*cc = 0;
	if (enable)
		*cc = NVME_CC_EN | NVME_CC_MPS;
	/* Flush. */
	return *cc == 0xffffffff ? -1 : 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[2] : "";
	int err = -1;

	errno = 0;
	if (!strcmp(how, "anonymous"))
		err = anonymous(argv[1]);
	else if (!strcmp(how, "flip"))
		err = flip(argv[1]);
	else if (!strcmp(how, "newer"))
		err = newer(argv[1]);
	else if (!strcmp(how, "asq"))
		err = asq(argv[1]);
	else if (!strcmp(how, "swap") && argc > 3)
		err = swap(argv[1], argv[3]);
	else if (!strcmp(how, "disable"))
		err = controller(argv[1], 0);
	else if (!strcmp(how, "fail"))
		err = controller(argv[1], 1);
	if (err)
		fprintf(stderr, "break_device %s: not done: %s\n", how, strerror(errno));
	return err ? 1 : 0;
}
