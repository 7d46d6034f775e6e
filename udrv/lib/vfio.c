// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <udrv/dma.h>
#include <udrv/state.h>

#include "udrv/lib/vfio.h"

static int vfio_bar_map(void *ctx, unsigned int bar, struct udrv_bar *ret)
{
	struct vfio *vfio = ctx;

	if (vfio->fd < 0)
		return -ENODEV;
	if (bar >= VFIO_BARS)
		return -ENOENT;
	return udrv_vfio_bar_map(vfio->fd, VFIO_PCI_BAR0_REGION_INDEX + bar, &vfio->bar[bar], ret);
}

static int vfio_config_read(void *ctx, unsigned int off, void *buf, unsigned int len)
{
	struct vfio *vfio = ctx;
	ssize_t n;

	if (vfio->fd < 0)
		return -ENODEV;
	if (off >= vfio->config_size || len > vfio->config_size - off)
		return -EINVAL;
	n = pread(vfio->fd, buf, len, (off_t)(vfio->config_off + off));
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static int vfio_config_write(void *ctx, unsigned int off, const void *buf, unsigned int len)
{
	struct vfio *vfio = ctx;
	ssize_t n;

	if (vfio->fd < 0)
		return -ENODEV;
	if (off >= vfio->config_size || len > vfio->config_size - off)
		return -EINVAL;
	n = pwrite(vfio->fd, buf, len, (off_t)(vfio->config_off + off));
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static int vfio_irq_count(void *ctx)
{
	struct vfio *vfio = ctx;

	return (int)vfio->nirqs;
}

static int set_irqs(int fd, uint32_t flags, unsigned int first, unsigned int n, const int *eventfds)
{
	size_t data = eventfds ? n * sizeof(*eventfds) : 0;
	struct vfio_irq_set *set;
	int err = 0;

	set = calloc(1, sizeof(*set) + data);
	if (!set)
		return -ENOMEM;
	*set = (struct vfio_irq_set){
		.argsz = (uint32_t)(sizeof(*set) + data),
		.flags = flags | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.start = first,
		.count = n,
	};
	if (data)
		memcpy(set->data, eventfds, data);
	if (ioctl(fd, VFIO_DEVICE_SET_IRQS, set) < 0)
		err = -errno;
	free(set);
	return err;
}

/*
 * What was signalled to a predecessor's eventfd is lost with it, so each eventfd is signalled once
 * here: the owner polls its queues, whatever the kernel does about interrupts that were pending.
 */
static int vfio_irq_arm(void *ctx, unsigned int first, unsigned int n, const int *eventfds)
{
	struct vfio *vfio = ctx;
	int err;

	err = set_irqs(vfio->fd, VFIO_IRQ_SET_DATA_EVENTFD, first, n, eventfds);
	if (err)
		return err;
	for (unsigned int i = 0; i < n; i++) {
		/* EAGAIN: the counter is full, so it is signalled. */
		if (eventfds[i] >= 0 && eventfd_write(eventfds[i], 1) < 0 && errno != EAGAIN)
			return -errno;
	}
	return 0;
}

static int vfio_irq_disarm(void *ctx)
{
	struct vfio *vfio = ctx;

	if (!vfio->nirqs)
		return 0;
	return set_irqs(vfio->fd, VFIO_IRQ_SET_DATA_NONE, 0, 0, NULL);
}

static int vfio_reset(void *ctx)
{
	struct vfio *vfio = ctx;

	if (vfio->fd < 0)
		return -ENODEV;
	if (ioctl(vfio->fd, VFIO_DEVICE_RESET) == 0)
		return 0;
	/* EINVAL is how vfio-pci says that the device has no reset; ENOTTY that no method works. */
	if (errno == EINVAL || errno == ENOTTY)
		return -EOPNOTSUPP;
	return -errno;
}

static void vfio_close(void *ctx)
{
	struct vfio *vfio = ctx;

	for (unsigned int i = 0; i < VFIO_BARS; i++)
		udrv_vfio_bar_unmap(&vfio->bar[i]);
	udrv_dma_close(vfio->dma);
	udrv_state_close(vfio->st);
	free(vfio);
}

const struct udrv_device_ops udrv_vfio_ops = {
	.size = sizeof(struct udrv_device_ops),
	.bar_map = vfio_bar_map,
	.config_read = vfio_config_read,
	.config_write = vfio_config_write,
	.irq_count = vfio_irq_count,
	.irq_arm = vfio_irq_arm,
	.irq_disarm = vfio_irq_disarm,
	.reset = vfio_reset,
	.close = vfio_close,
};

int udrv_vfio_new(struct vfio **ret)
{
	struct vfio *vfio;

	vfio = calloc(1, sizeof(*vfio));
	if (!vfio)
		return -ENOMEM;
	vfio->fd = -1;
	*ret = vfio;
	return 0;
}

int udrv_vfio_open(struct vfio *vfio, int fd)
{
	struct vfio_region_info config = {
		.argsz = sizeof(config),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = VFIO_PCI_MSIX_IRQ_INDEX };

	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &config) < 0 ||
	    ioctl(fd, VFIO_DEVICE_GET_IRQ_INFO, &irq) < 0)
		return -errno;
	vfio->fd = fd;
	vfio->config_off = config.offset;
	vfio->config_size = config.size;
	vfio->nirqs = irq.flags & VFIO_IRQ_INFO_EVENTFD ? irq.count : 0;
	return 0;
}

int udrv_vfio_bar_sizes(struct vfio *vfio, uint64_t sizes[VFIO_BARS])
{
	for (unsigned int i = 0; i < VFIO_BARS; i++) {
		struct vfio_region_info info = {
			.argsz = sizeof(info),
			.index = VFIO_PCI_BAR0_REGION_INDEX + i,
		};

		if (ioctl(vfio->fd, VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
			return -errno;
		sizes[i] = info.size;
	}
	return 0;
}
