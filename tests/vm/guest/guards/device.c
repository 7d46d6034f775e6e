/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "device.h"
#include "memory.h"
#include "sysfs.h"

#define BAR_SIZE (2 * PAGE)
#define ACCESS	 (IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE)

static int request(int fd, unsigned long number, void *args)
{
	return ioctl(fd, number, args) < 0 ? -errno : 0;
}

int device_bind(struct device *dev)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = dev->iommu };
	int err;

	if (dev->token) {
		bind.flags = VFIO_DEVICE_BIND_FLAG_TOKEN;
		bind.token_uuid_ptr = (uintptr_t)dev->token;
	}
	err = request(dev->cdev, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	if (!err)
		dev->id = bind.out_devid;
	return err;
}

int device_allocate(struct device *dev, uint32_t *ioas)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	int err = request(dev->iommu, IOMMU_IOAS_ALLOC, &alloc);

	if (!err)
		*ioas = alloc.out_ioas_id;
	return err;
}

int device_allocate_hwpt(struct device *dev, uint32_t *hwpt)
{
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc),
		.dev_id = dev->id,
		.pt_id = dev->ioas,
	};
	int err = request(dev->iommu, IOMMU_HWPT_ALLOC, &alloc);

	if (!err)
		*hwpt = alloc.out_hwpt_id;
	return err;
}

int device_map_part(struct device *dev, int memfd, size_t offset, size_t size, uint64_t iova)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = ACCESS,
		.ioas_id = dev->ioas,
		.fd = memfd,
		.start = offset,
		.length = size,
		.iova = iova,
	};

	return request(dev->iommu, IOMMU_IOAS_MAP_FILE, &map);
}

int device_map(struct device *dev, int memfd, size_t size, uint64_t iova)
{
	return device_map_part(dev, memfd, 0, size, iova);
}

int device_map_anonymous(struct device *dev, uint64_t iova)
{
	static char page[PAGE] __attribute__((aligned(PAGE)));
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = ACCESS,
		.ioas_id = dev->ioas,
		.user_va = (uintptr_t)page,
		.length = PAGE,
		.iova = iova,
	};

	return request(dev->iommu, IOMMU_IOAS_MAP, &map);
}

int device_export_bar(struct device *dev)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_feature_dma_buf dma_buf;
		struct vfio_region_dma_range range;
	} args = {
		.feature.argsz = sizeof(args),
		.feature.flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF,
		.dma_buf.region_index = VFIO_PCI_BAR0_REGION_INDEX,
		.dma_buf.open_flags = O_CLOEXEC,
		.dma_buf.nr_ranges = 1,
		.range.length = PAGE,
	};
	int fd = ioctl(dev->cdev, VFIO_DEVICE_FEATURE, &args);

	return fd < 0 ? -errno : fd;
}

int device_unmap(struct device *dev, uint64_t iova, uint64_t size)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = dev->ioas,
		.iova = iova,
		.length = size,
	};

	return request(dev->iommu, IOMMU_IOAS_UNMAP, &unmap);
}

int device_attach(struct device *dev)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = dev->ioas,
	};
	int err = request(dev->cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);

	if (!err)
		dev->hwpt = attach.pt_id;
	return err;
}

int device_detach(struct device *dev)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };

	return request(dev->cdev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach);
}

int device_destroy(struct device *dev, uint32_t id)
{
	struct iommu_destroy destroy = { .size = sizeof(destroy), .id = id };

	return request(dev->iommu, IOMMU_DESTROY, &destroy);
}

int device_arm_with(struct device *dev, unsigned int index, int event)
{
	_Alignas(struct vfio_irq_set) uint8_t room[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
	struct vfio_irq_set *set = (struct vfio_irq_set *)room;
	int32_t fd = event;

	*set = (struct vfio_irq_set){
		.argsz = sizeof(room),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
		.count = 1,
	};
	memcpy(set->data, &fd, sizeof(fd));
	return request(dev->cdev, VFIO_DEVICE_SET_IRQS, set);
}

int device_arm(struct device *dev, unsigned int index)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int err;

	if (event < 0)
		return -errno;
	err = device_arm_with(dev, index, event);
	close(event); /* VFIO has its own reference */
	return err;
}

int device_disarm(struct device *dev, unsigned int index)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
	};

	return request(dev->cdev, VFIO_DEVICE_SET_IRQS, &set);
}

int device_reset(struct device *dev)
{
	return request(dev->cdev, VFIO_DEVICE_RESET, NULL);
}

static int region(struct device *dev, unsigned int index, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info){ .argsz = sizeof(*info), .index = index };
	return request(dev->cdev, VFIO_DEVICE_GET_REGION_INFO, info);
}

int device_set_command(struct device *dev, uint16_t command)
{
	struct vfio_region_info info;
	int err = region(dev, VFIO_PCI_CONFIG_REGION_INDEX, &info);

	if (err)
		return err;
	return pwrite(dev->cdev, &command, sizeof(command), (off_t)info.offset + 4) < 0 ? -errno :
											  0;
}

static int set_feature(struct device *dev, uint32_t feature, const void *data, size_t size)
{
	_Alignas(struct vfio_device_feature) uint8_t room[sizeof(struct vfio_device_feature) + 16];
	struct vfio_device_feature *set = (struct vfio_device_feature *)room;

	*set = (struct vfio_device_feature){
		.argsz = (uint32_t)(sizeof(*set) + size),
		.flags = feature | VFIO_DEVICE_FEATURE_SET,
	};
	if (size)
		memcpy(set->data, data, size);
	return request(dev->cdev, VFIO_DEVICE_FEATURE, set);
}

int device_set_token(struct device *pf, const uint8_t token[16])
{
	return set_feature(pf, VFIO_DEVICE_FEATURE_PCI_VF_TOKEN, token, 16);
}

int device_low_power(struct device *dev, bool allow)
{
	return set_feature(dev,
			   allow ? VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY :
				   VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
			   NULL, 0);
}

int device_set_power(struct device *dev, uint16_t state)
{
	struct vfio_region_info info;
	uint8_t at = PCI_CAPABILITY_LIST, id;
	int err = region(dev, VFIO_PCI_CONFIG_REGION_INDEX, &info);

	for (int n = 0; !err && n < 48; n++) {
		off_t offset = (off_t)info.offset;

		if (pread(dev->cdev, &at, 1, offset + at) != 1 || !at ||
		    pread(dev->cdev, &id, 1, offset + at) != 1)
			return -ENOENT;
		if (id == PCI_CAP_ID_PM)
			return pwrite(dev->cdev, &state, sizeof(state), offset + at + PCI_PM_CTRL) <
					       0 ?
				       -errno :
				       0;
		at += PCI_CAP_LIST_NEXT;
	}
	return err ? err : -ENOENT;
}

int device_map_bar(struct device *dev)
{
	struct vfio_region_info info;
	int err = region(dev, VFIO_PCI_BAR0_REGION_INDEX, &info);
	void *bar;

	if (err)
		return err;
	bar = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dev->cdev,
		   (off_t)info.offset);
	if (bar == MAP_FAILED)
		return -errno;
	dev->bar = bar;
	return 0;
}

static int open_pool(struct device *dev, const char *bdf, size_t size, uint64_t iova)
{
	*dev = (struct device){ .cdev = -1, .iommu = -1, .memory = -1, .size = size, .iova = iova };
	snprintf(dev->bdf, sizeof(dev->bdf), "%s", bdf);
	dev->memory = memory_create("pool", size, MFD_ALLOW_SEALING | MFD_EXEC);
	if (dev->memory < 0)
		return dev->memory;
	dev->pool = memory_map(dev->memory, size);
	if (!dev->pool)
		return -ENOMEM;
	dev->cdev = pci_open_cdev(bdf);
	return dev->cdev < 0 ? dev->cdev : 0;
}

int device_open(struct device *dev, const char *bdf, size_t size)
{
	return device_open_vf(dev, bdf, size, NULL);
}

int device_open_vf(struct device *dev, const char *bdf, size_t size, const uint8_t token[16])
{
	int err = open_pool(dev, bdf, size, DEVICE_IOVA);

	if (err)
		return err;
	dev->token = token;
	dev->iommu = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (dev->iommu < 0)
		return -errno;
	err = device_bind(dev);
	if (!err)
		err = device_allocate(dev, &dev->ioas);
	if (!err)
		err = device_map(dev, dev->memory, size, DEVICE_IOVA);
	return err ? err : device_attach(dev);
}

int device_open_with(struct device *dev, const char *bdf, size_t size, uint64_t iova,
		     const struct device *with)
{
	int err = open_pool(dev, bdf, size, iova);

	if (err)
		return err;
	dev->iommu = dup(with->iommu);
	dev->ioas = with->ioas;
	if (dev->iommu < 0)
		return -errno;
	err = device_bind(dev);
	if (!err)
		err = device_map(dev, dev->memory, size, iova);
	return err ? err : device_attach(dev);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void device_close(struct device *dev)
{
	if (dev->bar)
		munmap((void *)dev->bar, BAR_SIZE);
	if (dev->pool)
		munmap(dev->pool, dev->size);
	dev->bar = NULL;
	dev->pool = NULL;
	close_fd(&dev->cdev);
	close_fd(&dev->iommu);
	close_fd(&dev->memory);
}

uint64_t device_address(struct device *dev, uint64_t offset)
{
	struct iommu_ioas_noiommu_get_pa pa = {
		.size = sizeof(pa),
		.ioas_id = dev->ioas,
		.iova = dev->iova + offset,
		.length = PAGE,
	};

	return request(dev->iommu, IOMMU_IOAS_NOIOMMU_GET_PA, &pa) ? 0 : pa.out_phys;
}
