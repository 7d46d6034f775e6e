// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include <udrv/dma.h>
#include <udrv/handle.h>

#include "tests/unit/mock_vfio.h"
#include "udrv/lib/cdev.h"

struct mock_vfio mock;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_udrv_cdev_open(const char *bdf, const struct udrv_log *log, bool *ret_noiommu);

void mock_vfio_reset(void)
{
	mock = (struct mock_vfio){
		.fd = -1,
		.noiommu = true,
		.bar_size = { MOCK_BAR0_SIZE, 0, 0, 0, 0x1000, 0 },
		.bar_flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
			     VFIO_REGION_INFO_FLAG_MMAP,
		.nirqs = 8,
		.chunk_pages = 512,
		.phys_base = 0x7000000000ull,
	};
}

uint32_t mock_config(unsigned int off)
{
	uint32_t val = 0;

	if (pread(mock.fd, &val, 4, (off_t)(MOCK_CONFIG_OFF + off)) != 4)
		return UINT32_MAX;
	return val;
}

void mock_set_config(unsigned int off, uint32_t val)
{
	if (pwrite(mock.fd, &val, 4, (off_t)(MOCK_CONFIG_OFF + off)) != 4)
		mock.fd = -1;
}

int __wrap_udrv_cdev_open(const char *bdf, const struct udrv_log *log, bool *ret_noiommu)
{
	(void)bdf, (void)log;
	mock.fd = memfd_create("mock-vfio", MFD_CLOEXEC);
	if (mock.fd < 0 || ftruncate(mock.fd, (off_t)MOCK_CONFIG_OFF + 4096) < 0)
		return -errno;
	mock_set_config(0x00, 0x00101b36);
	mock_set_config(0x04, 0x00100002);
	mock_set_config(0x08, 0x01080202);
	mock_set_config(0x2c, 0x11001af4);
	*ret_noiommu = mock.noiommu;
	return mock.fd;
}

int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;

	if (flags & O_CREAT) {
		va_list ap;

		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	if (strcmp(path, "/dev/iommu"))
		return __real_open(path, flags, mode);
	return memfd_create("mock-iommu", MFD_CLOEXEC);
}

static int region_info(struct vfio_region_info *info)
{
	struct vfio_region_info_cap_sparse_mmap *sparse;
	uint32_t need = sizeof(*info);

	if (info->index == VFIO_PCI_CONFIG_REGION_INDEX) {
		info->size = 4096;
		info->offset = MOCK_CONFIG_OFF;
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
		info->argsz = need;
		return 0;
	}
	if (info->index > VFIO_PCI_BAR5_REGION_INDEX) {
		errno = EINVAL;
		return -1;
	}
	info->size = mock.bar_size[info->index];
	info->offset = MOCK_BAR_OFF(info->index);
	info->flags = mock.bar_flags;
	info->cap_offset = 0;
	if (mock.nareas || mock.claimed_areas)
		need += (uint32_t)(sizeof(*sparse) + mock.nareas * sizeof(sparse->areas[0]));
	if (need > sizeof(*info)) {
		info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
		if (info->argsz >= need) {
			sparse = (void *)(info + 1);
			info->cap_offset = sizeof(*info);
			sparse->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
			sparse->header.version = 1;
			sparse->header.next = mock.cap_next;
			if (mock.cap_next) /* something unknown that leads elsewhere */
				sparse->header.id = 0x7777;
			sparse->nr_areas = mock.claimed_areas ? mock.claimed_areas : mock.nareas;
			for (unsigned int i = 0; i < mock.nareas; i++) {
				sparse->areas[i].offset = mock.area[i].off;
				sparse->areas[i].size = mock.area[i].size;
			}
		}
	}
	info->argsz = need;
	return 0;
}

static int set_irqs(const struct vfio_irq_set *set)
{
	mock.irq_flags = set->flags;
	mock.irq_start = set->start;
	mock.irq_count = set->count;
	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		memcpy(mock.irq_fd, set->data, set->count * sizeof(int));
	return 0;
}

static int get_pa(struct iommu_ioas_noiommu_get_pa *pa)
{
	uint64_t page = (pa->iova - UDRV_DMA_IOVA) / UDRV_DMA_PAGE;
	uint64_t left = (mock.chunk_pages - page % mock.chunk_pages) * UDRV_DMA_PAGE;

	if (!mock.noiommu) {
		errno = EOPNOTSUPP;
		return -1;
	}
	pa->out_phys = mock.phys_base + page * UDRV_DMA_PAGE + page / mock.chunk_pages * 0x100000 +
		       mock.pa_misaligned;
	if (pa->length > left)
		pa->length = left;
	if (mock.pa_zero_length)
		pa->length = 0;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (mock.fail_request == request && mock.fail_errno) {
		errno = mock.fail_errno;
		return -1;
	}
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		errno = EINVAL;
		return mock.bound ? 0 : -1;
	case VFIO_DEVICE_BIND_IOMMUFD:
		mock.binds++;
		return 0;
	case IOMMU_IOAS_ALLOC:
		((struct iommu_ioas_alloc *)arg)->out_ioas_id = 3;
		return 0;
	case IOMMU_IOAS_MAP_FILE:
		return ((struct iommu_ioas_map_file *)arg)->iova == UDRV_DMA_IOVA ? 0 : -1;
	case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
		mock.attaches++;
		return ((struct vfio_device_attach_iommufd_pt *)arg)->pt_id == 3 ? 0 : -1;
	case IOMMU_IOAS_NOIOMMU_GET_PA:
		return get_pa(arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		((struct vfio_irq_info *)arg)->flags = VFIO_IRQ_INFO_EVENTFD;
		((struct vfio_irq_info *)arg)->count = mock.nirqs;
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(arg);
	case VFIO_DEVICE_RESET:
		mock.resets++;
		return 0;
	}
	return __real_ioctl(fd, request, arg);
}
