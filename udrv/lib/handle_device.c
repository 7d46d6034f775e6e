// SPDX-License-Identifier: BSD-2-Clause
/*
 * The device of a handle in this process: memory, then the device's identity, then its addresses.
 * Each step needs a descriptor more than the one before, so that who waits for a device has done
 * the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/state.h>

#include "udrv/lib/device_internal.h"
#include "udrv/lib/handle_internal.h"
#include "udrv/lib/iommufd.h"
#include "udrv/lib/vfio.h"

/* Seals that keep a memfd mapped in several processes from being pulled away under one of them. */
#define MEMFD_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

static int memfd_check(int fd, const char *which, const struct udrv_handle *h,
		       const struct udrv_log *log)
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals >= 0 && (seals & MEMFD_SEALS) == MEMFD_SEALS)
		return 0;
	udrv_log(log, UDRV_LOG_ERR, "%s: the %s descriptor is no memfd of a fixed size (seals %d)",
		 h->name, which, seals);
	return -EBADMSG;
}

static int has_fds(const struct udrv_handle *h, unsigned int mask, const struct udrv_log *log)
{
	for (int i = 0; i < UDRV_FD_EXTRA; i++) {
		if (!(mask & 1u << i) || h->fd[i] >= 0)
			continue;
		udrv_log(log, UDRV_LOG_ERR,
			 "%s: the handle is not complete: descriptor %d is missing", h->name, i);
		return -EINVAL;
	}
	return 0;
}

int udrv_handle_open_vfio(const struct udrv_handle *h, struct vfio *vfio,
			  const struct udrv_log *log)
{
	int err = udrv_vfio_open(vfio, h->fd[UDRV_FD_VFIO]);

	if (err)
		udrv_log(log, UDRV_LOG_ERR, "%s (%s): cannot query the device: %s", h->name, h->bdf,
			 strerror(-err));
	return err;
}

int udrv_handle_memory(const struct udrv_handle *h, const struct udrv_log *log,
		       struct udrv_device **ret)
{
	char name[sizeof(h->name) + sizeof(h->bdf) + sizeof(" ()")];
	struct vfio *vfio;
	int err;

	err = udrv_handle_check(h, log);
	if (!err)
		err = has_fds(h, 1u << UDRV_FD_STATE | 1u << UDRV_FD_DMA, log);
	if (!err)
		err = memfd_check(h->fd[UDRV_FD_STATE], "state", h, log);
	if (!err)
		err = memfd_check(h->fd[UDRV_FD_DMA], "DMA", h, log);
	if (!err)
		err = udrv_vfio_new(&vfio);
	if (err)
		return err;
	err = udrv_state_open(h->fd[UDRV_FD_STATE], 0, log, &vfio->st);
	if (!err)
		err = udrv_dma_open(h->fd[UDRV_FD_DMA], vfio->st, log, &vfio->dma);
	stpcpy(stpcpy(stpcpy(stpcpy(name, h->name), " ("), h->bdf), ")");
	if (!err)
		err = udrv_device_create(name, &udrv_vfio_ops, vfio, vfio->dma, vfio->st, log, ret);
	if (err)
		udrv_vfio_ops.close(vfio);
	return err;
}

int udrv_handle_identify(const struct udrv_handle *h, struct udrv_device *dev)
{
	const struct udrv_log *log = udrv_device_log(dev);
	struct vfio *vfio = udrv_device_ctx(dev);
	int err;

	err = has_fds(h, 1u << UDRV_FD_VFIO, log);
	if (!err)
		err = udrv_handle_open_vfio(h, vfio, log);
	return err ? err : udrv_handle_compare_id(vfio, h, vfio->st, log);
}

int udrv_handle_complete(const struct udrv_handle *h, struct udrv_device *dev)
{
	const struct udrv_log *log = udrv_device_log(dev);
	struct udrv_dma_run runs[UDRV_DMA_MAX_RUNS];
	int err, nruns;

	err = has_fds(h, 1u << UDRV_FD_IOMMU, log);
	if (err)
		return err;
	nruns = udrv_iommufd_runs(h->fd[UDRV_FD_IOMMU], h->ioas_id, h->noiommu, h->fd[UDRV_FD_DMA],
				  h->bdf, log, runs);
	if (nruns < 0)
		return nruns == -EFBIG ? -ESTALE : nruns;
	return udrv_dma_compare(udrv_device_dma(dev), runs, (unsigned int)nruns);
}

int udrv_handle_device(const struct udrv_handle *h, const struct udrv_log *log,
		       struct udrv_device **ret)
{
	struct udrv_device *dev;
	int err;

	err = udrv_handle_memory(h, log, &dev);
	if (err)
		return err;
	err = udrv_handle_identify(h, dev);
	if (!err)
		err = udrv_handle_complete(h, dev);
	if (err)
		udrv_device_close(dev);
	else
		*ret = dev;
	return err;
}
