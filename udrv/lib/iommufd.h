/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Binding a VFIO cdev to an iommufd, and the pool's device addresses. All return 0 (or a fd, a
 * count) or -errno.
 */
#ifndef UDRV_LIB_IOMMUFD_H
#define UDRV_LIB_IOMMUFD_H

#include <stdbool.h>
#include <stdint.h>

#include <udrv/dma.h>
#include <udrv/log.h>

int udrv_iommufd_open(const struct udrv_log *log);

/* @what names the device in messages. -EBUSY: open elsewhere, or guarded for an update. */
int udrv_iommufd_bind(int iommufd, int vfio_fd, const char *what, const struct udrv_log *log);

/* Was it bound, to whatever, by this very file or a duplicate? */
bool udrv_iommufd_is_bound(int vfio_fd);

/* Map the whole of @memfd at UDRV_DMA_IOVA of a new IOAS. */
int udrv_iommufd_map(int iommufd, int memfd, const char *what, const struct udrv_log *log,
		     uint32_t *ret_ioas_id);

/*
 * Attach the device to an IOAS of the iommufd that it is bound to, which pins what is mapped there.
 * A device that kept running over a kernel update is adopted by it: -ESTALE if its memory is not
 * where it was.
 */
int udrv_iommufd_attach(int vfio_fd, uint32_t ioas_id, const char *what,
			const struct udrv_log *log);

/*
 * The device addresses of a pool that is mapped so. @noiommu: physical addresses from the kernel;
 * otherwise the IOVA. Returns the number of runs; -EFBIG: more than UDRV_DMA_MAX_RUNS.
 */
int udrv_iommufd_runs(int iommufd, uint32_t ioas_id, bool noiommu, int memfd, const char *what,
		      const struct udrv_log *log, struct udrv_dma_run runs[UDRV_DMA_MAX_RUNS]);

/* Does the IOAS hand out physical addresses? 1, 0 or -errno. */
int udrv_iommufd_is_noiommu(int iommufd, uint32_t ioas_id);

#endif
