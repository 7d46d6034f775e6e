// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include <udrv/handle.h>

#include "udrv/lib/iommufd.h"

int udrv_iommufd_open(const struct udrv_log *log)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	int err;

	if (fd >= 0)
		return fd;
	err = -errno;
	udrv_log(log, UDRV_LOG_ERR, "iommufd: cannot open /dev/iommu: %m%s",
		 err == -ENOENT ? "; the kernel needs CONFIG_IOMMUFD" : "");
	return err;
}

int udrv_iommufd_bind(int iommufd, int vfio_fd, const char *what, const struct udrv_log *log)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };
	int err;

	if (ioctl(vfio_fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) == 0)
		return 0;
	/* vfio says EINVAL too when the device is already open through another descriptor. */
	err = errno == EINVAL ? -EBUSY : -errno;
	udrv_log(log, UDRV_LOG_ERR, "%s: cannot bind the device to an iommufd: %m%s", what,
		 err == -EBUSY ?
			 "; another process has it open, or the kernel guards it for an update" :
		 err == -EPERM ?
			 "; noiommu mode needs CAP_SYS_RAWIO, and an IOMMU that does not remap interrupts iommufd.allow_unsafe_interrupts=1" :
			 "");
	return err;
}

bool udrv_iommufd_is_bound(int vfio_fd)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	/* A cdev that is not bound answers nothing but VFIO_DEVICE_BIND_IOMMUFD. */
	return ioctl(vfio_fd, VFIO_DEVICE_GET_INFO, &info) == 0;
}

static int file_size(int fd, uint64_t *ret)
{
	struct stat sb;

	if (fstat(fd, &sb) < 0)
		return -errno;
	if (sb.st_size <= 0 || (uint64_t)sb.st_size % UDRV_DMA_PAGE)
		return -EBADMSG;
	*ret = (uint64_t)sb.st_size;
	return 0;
}

int udrv_iommufd_map(int iommufd, int memfd, const char *what, const struct udrv_log *log,
		     uint32_t *ret_ioas_id)
{
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.fd = memfd,
		.iova = UDRV_DMA_IOVA,
	};
	uint64_t size = 0;
	int err;

	err = file_size(memfd, &size);
	if (err) {
		udrv_log(log, UDRV_LOG_ERR, "%s: the DMA memfd has no usable size: %s", what,
			 strerror(-err));
		return err;
	}
	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &ioas) < 0) {
		err = -errno;
		udrv_log(log, UDRV_LOG_ERR, "%s: cannot allocate an IOAS: %m", what);
		return err;
	}
	map.ioas_id = ioas.out_ioas_id;
	map.length = size;
	if (ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &map) < 0) {
		err = -errno;
		udrv_log(log, UDRV_LOG_ERR,
			 "%s: cannot map the pool of %llu bytes at IOVA %#llx: %m%s", what,
			 (unsigned long long)size, (unsigned long long)UDRV_DMA_IOVA,
			 err == -ENOTTY ? "; IOMMU_IOAS_MAP_FILE needs Linux 6.13" : "");
		return err;
	}
	*ret_ioas_id = ioas.out_ioas_id;
	return 0;
}

int udrv_iommufd_attach(int vfio_fd, uint32_t ioas_id, const char *what, const struct udrv_log *log)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach), .pt_id = ioas_id };
	int err;

	if (ioctl(vfio_fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) == 0)
		return 0;
	err = -errno;
	udrv_log(log, UDRV_LOG_ERR, "%s: cannot attach the device to its IOAS: %m%s", what,
		 err == -ENOMEM ?
			 "; the pool cannot be pinned" :
		 err == -ESTALE ?
			 "; what it was given before the update is not where it was, see the kernel log" :
			 "");
	return err;
}

/* Physical address of @iova, and how far from there they follow each other. */
static int get_pa(int iommufd, uint32_t ioas_id, uint64_t iova, uint64_t max,
		  struct udrv_dma_run *ret)
{
	struct iommu_ioas_noiommu_get_pa pa = {
		.size = sizeof(pa),
		.ioas_id = ioas_id,
		.iova = iova,
		.length = max,
	};

	if (ioctl(iommufd, IOMMU_IOAS_NOIOMMU_GET_PA, &pa) < 0)
		return -errno;
	if (pa.length == 0 || pa.length > max || pa.length % UDRV_DMA_PAGE ||
	    pa.out_phys % UDRV_DMA_PAGE)
		return -EBADMSG;
	ret->addr = pa.out_phys;
	ret->len = pa.length;
	return 0;
}

int udrv_iommufd_runs(int iommufd, uint32_t ioas_id, bool noiommu, int memfd, const char *what,
		      const struct udrv_log *log, struct udrv_dma_run runs[UDRV_DMA_MAX_RUNS])
{
	uint64_t size = 0, off = 0;
	int n = 0, err;

	err = file_size(memfd, &size);
	if (err)
		return err;
	if (!noiommu) {
		runs[0] = (struct udrv_dma_run){ .len = size, .addr = UDRV_DMA_IOVA };
		return 1;
	}
	for (; off < size; off += runs[n++].len) {
		if (n == UDRV_DMA_MAX_RUNS) {
			udrv_log(log, UDRV_LOG_ERR,
				 "%s: the pool is scattered over more than %d physical runs (%llu of %llu bytes seen): boot with transparent_hugepage_shmem=within_size, or make the pool smaller",
				 what, UDRV_DMA_MAX_RUNS, (unsigned long long)off,
				 (unsigned long long)size);
			return -EFBIG;
		}
		runs[n].off = off;
		err = get_pa(iommufd, ioas_id, UDRV_DMA_IOVA + off, size - off, &runs[n]);
		if (err) {
			udrv_log(log, UDRV_LOG_ERR,
				 "%s: cannot get the physical address of pool offset %#llx: %s%s",
				 what, (unsigned long long)off, strerror(-err),
				 err == -EPERM ? "; this needs CAP_SYS_RAWIO" : "");
			return err;
		}
	}
	return n;
}

int udrv_iommufd_is_noiommu(int iommufd, uint32_t ioas_id)
{
	struct udrv_dma_run run;
	int err = get_pa(iommufd, ioas_id, UDRV_DMA_IOVA, UDRV_DMA_PAGE, &run);

	/* EOPNOTSUPP: behind a real IOMMU; ENOTTY: the kernel has no noiommu mode. */
	if (err == -EOPNOTSUPP || err == -ENOTTY)
		return 0;
	return err ? err : 1;
}
