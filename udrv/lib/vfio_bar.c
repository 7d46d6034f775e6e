// SPDX-License-Identifier: BSD-2-Clause
/*
 * BARs. Mapped as a whole where VFIO allows it; a BAR of which only parts may be mapped ("sparse
 * mmap", as when the page of the MSI-X table is left out) gets accessors that use the mapping where
 * there is one and pread()/pwrite() elsewhere.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "udrv/lib/vfio.h"

#define REGION_INFO_MAX 65536u

/* Region information with its capabilities; free() it. */
static int region_info(int fd, unsigned int index, struct vfio_region_info **ret)
{
	struct vfio_region_info head = { .argsz = sizeof(head), .index = index };
	struct vfio_region_info *info;
	int err;

	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &head) < 0)
		return -errno;
	if (head.argsz < sizeof(head) || head.argsz > REGION_INFO_MAX)
		return -EBADMSG;
	info = calloc(1, head.argsz);
	if (!info)
		return -ENOMEM;
	info->argsz = head.argsz;
	info->index = index;
	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info) < 0) {
		err = -errno;
		free(info);
		return err;
	}
	info->argsz = head.argsz; /* what is allocated, whatever the kernel says now */
	*ret = info;
	return 0;
}

static const struct vfio_region_info_cap_sparse_mmap *
find_sparse(const struct vfio_region_info *info)
{
	uint32_t off = info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0;

	while (off >= sizeof(*info) && off % sizeof(uint64_t) == 0 &&
	       off <= info->argsz - sizeof(struct vfio_info_cap_header)) {
		const struct vfio_info_cap_header *cap =
			(const void *)((const uint8_t *)info + off);
		const struct vfio_region_info_cap_sparse_mmap *sparse = (const void *)cap;

		if (cap->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
			size_t room = info->argsz - off;

			if (room < sizeof(*sparse) ||
			    sparse->nr_areas > (room - sizeof(*sparse)) / sizeof(sparse->areas[0]))
				return NULL;
			return sparse;
		}
		if (cap->next <= off) /* offsets rise, or this would not end */
			break;
		off = cap->next;
	}
	return NULL;
}

static int map_window(struct vfio_bar *bar, uint64_t off, uint64_t len)
{
	struct vfio_window *w = &bar->window[bar->nwindows];
	void *map;

	if (len == 0)
		return 0;
	if (off > bar->size || len > bar->size - off)
		return -EBADMSG;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, bar->fd,
		   (off_t)(bar->file_off + off));
	if (map == MAP_FAILED)
		return -errno;
	*w = (struct vfio_window){ .off = off, .len = len, .map = map };
	bar->nwindows++;
	return 0;
}

void udrv_vfio_bar_unmap(struct vfio_bar *bar)
{
	for (unsigned int i = 0; i < bar->nwindows; i++)
		munmap((void *)(uintptr_t)bar->window[i].map, bar->window[i].len);
	free(bar->window);
	*bar = (struct vfio_bar){ 0 };
}

static volatile uint8_t *window_at(const struct vfio_bar *bar, uint64_t off, unsigned int width)
{
	for (unsigned int i = 0; i < bar->nwindows; i++) {
		const struct vfio_window *w = &bar->window[i];

		if (off >= w->off && width <= w->len && off - w->off <= w->len - width)
			return w->map + (off - w->off);
	}
	return NULL;
}

/*
 * udrv_bar's accessors read 32 bits only. A failed read is all ones, as from a device that is gone.
 */
static uint64_t split_read(void *ctx, uint64_t off, unsigned int width)
{
	const struct vfio_bar *bar = ctx;
	volatile uint8_t *p = window_at(bar, off, width);
	uint32_t val;

	if (p)
		val = *(volatile uint32_t *)p;
	else if (pread(bar->fd, &val, sizeof(val), (off_t)(bar->file_off + off)) != sizeof(val))
		return UINT32_MAX;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return le32toh(val);
}

/* 4 or 8 bytes at once; of the little-endian value, the first 4 bytes are the low half. */
static void split_write(void *ctx, uint64_t off, uint64_t val, unsigned int width)
{
	const struct vfio_bar *bar = ctx;
	volatile uint8_t *p = window_at(bar, off, width);
	uint64_t le = htole64(val);

	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (p && width == 8) {
		*(volatile uint64_t *)p = le;
	} else if (p) {
		*(volatile uint32_t *)p = htole32((uint32_t)val);
	} else if (pwrite(bar->fd, &le, width, (off_t)(bar->file_off + off)) != (ssize_t)width) {
		/*
		 * A posted write to a device that is gone vanishes as well; reads tell the driver.
		 */
	}
}

static const struct udrv_bar_ops split_ops = {
	.read = split_read,
	.write = split_write,
};

static int bar_open(int fd, unsigned int index, struct vfio_bar *bar)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	struct vfio_region_info *info = NULL;
	unsigned int nareas;
	int err;

	err = region_info(fd, index, &info);
	if (err)
		return err;
	if (info->size == 0) {
		free(info);
		return -ENOENT;
	}
	*bar = (struct vfio_bar){ .fd = fd, .size = info->size, .file_off = info->offset };
	sparse = find_sparse(info);
	nareas = sparse ? sparse->nr_areas : 1;
	bar->window = calloc(nareas ? nareas : 1, sizeof(*bar->window));
	if (!bar->window)
		err = -ENOMEM;
	if (!err && (info->flags & VFIO_REGION_INFO_FLAG_MMAP)) {
		if (!sparse)
			err = map_window(bar, 0, info->size);
		for (unsigned int i = 0; sparse && !err && i < nareas; i++)
			err = map_window(bar, sparse->areas[i].offset, sparse->areas[i].size);
	}
	free(info);
	if (err)
		udrv_vfio_bar_unmap(bar);
	else
		bar->ready = true;
	return err;
}

int udrv_vfio_bar_map(int fd, unsigned int index, struct vfio_bar *bar, struct udrv_bar *ret)
{
	if (!bar->ready) {
		int err = bar_open(fd, index, bar);

		if (err)
			return err;
	}
	*ret = (struct udrv_bar){ .size = bar->size, .ctx = bar, .ops = &split_ops };
	if (bar->nwindows == 1 && bar->window[0].off == 0 && bar->window[0].len == bar->size)
		ret->base = bar->window[0].map;
	return 0;
}
