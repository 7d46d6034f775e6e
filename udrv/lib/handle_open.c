// SPDX-License-Identifier: BSD-2-Clause
/* Handles are made, and adopted after a kexec. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/state.h>

#include "udrv/lib/cdev.h"
#include "udrv/lib/dma_internal.h"
#include "udrv/lib/handle_internal.h"
#include "udrv/lib/iommufd.h"
#include "udrv/lib/vfio.h"

#define DEFAULT_BOOK_ENTRIES 128

static int make_memfds(struct udrv_handle *h, const struct udrv_handle_opts *opts,
		       const struct udrv_log *log)
{
	char name[64];
	int fd;

	for (int i = UDRV_FD_STATE; i < UDRV_HANDLE_FDS; i++) {
		static const char *const suffix[UDRV_HANDLE_FDS] = {
			[UDRV_FD_STATE] = "state",
			[UDRV_FD_DMA] = "dma",
		};
		uint64_t size = i == UDRV_FD_STATE ? opts->state_size :
				i == UDRV_FD_DMA   ? opts->dma_size :
						     opts->extra_size[i - UDRV_FD_EXTRA];

		if (size == 0)
			continue;
		if (suffix[i])
			snprintf(name, sizeof(name), "%s-%s", h->name, suffix[i]);
		else
			snprintf(name, sizeof(name), "%s-extra%d", h->name, i - UDRV_FD_EXTRA);
		fd = i == UDRV_FD_DMA ? udrv_dma_memfd(name, size) :
					udrv_memfd(name, size, UDRV_DMA_PAGE);
		if (fd < 0) {
			udrv_log(log, UDRV_LOG_ERR,
				 "%s: cannot make a memfd of %llu bytes (%s): %s", h->name,
				 (unsigned long long)size, name, strerror(-fd));
			return fd;
		}
		h->fd[i] = fd;
	}
	return 0;
}

/* Write the record of device and pool into a fresh state. */
static int format_state(const struct udrv_handle *h, const struct udrv_handle_opts *opts,
			const struct udrv_dma_run *runs, unsigned int nruns,
			const struct udrv_log *log)
{
	struct udrv_dma *dma = NULL;
	struct vfio *vfio = NULL;
	struct udrv_state *st;
	void *fdt;
	int err;

	err = udrv_state_format(h->fd[UDRV_FD_STATE], log, &st);
	if (err)
		return err;
	err = udrv_vfio_new(&vfio);
	if (!err)
		err = udrv_handle_open_vfio(h, vfio, log);
	if (err)
		goto out;
	fdt = udrv_state_edit(st);
	err = udrv_handle_record_id(vfio, h, fdt, log);
	if (!err)
		err = udrv_dma_format(h->fd[UDRV_FD_DMA], st, runs, nruns,
				      opts->book_entries ? opts->book_entries :
							   DEFAULT_BOOK_ENTRIES,
				      log, &dma);
	if (!err)
		err = udrv_state_commit(st);
out:
	udrv_dma_close(dma);
	if (vfio)
		udrv_vfio_ops.close(vfio);
	udrv_state_close(st);
	return err;
}

static int create(struct udrv_handle *h, const struct udrv_handle_opts *opts,
		  const struct udrv_log *log)
{
	struct udrv_dma_run runs[UDRV_DMA_MAX_RUNS];
	int fd, err, nruns;

	fd = udrv_cdev_open(h->bdf, log, &h->noiommu);
	if (fd < 0)
		return fd;
	h->fd[UDRV_FD_VFIO] = fd;
	fd = udrv_iommufd_open(log);
	if (fd < 0)
		return fd;
	h->fd[UDRV_FD_IOMMU] = fd;
	err = make_memfds(h, opts, log);
	if (!err)
		err = udrv_iommufd_bind(h->fd[UDRV_FD_IOMMU], h->fd[UDRV_FD_VFIO], h->bdf, log);
	if (!err)
		err = udrv_iommufd_map(h->fd[UDRV_FD_IOMMU], h->fd[UDRV_FD_DMA], h->bdf, log,
				       &h->ioas_id);
	if (!err)
		err = udrv_iommufd_attach(h->fd[UDRV_FD_VFIO], h->ioas_id, h->bdf, log);
	if (err)
		return err;
	nruns = udrv_iommufd_runs(h->fd[UDRV_FD_IOMMU], h->ioas_id, h->noiommu, h->fd[UDRV_FD_DMA],
				  h->bdf, log, runs);
	if (nruns < 0)
		return nruns;
	return format_state(h, opts, runs, (unsigned int)nruns, log);
}

int udrv_handle_create(struct udrv_handle *h, const struct udrv_handle_opts *opts,
		       const struct udrv_log *log)
{
	struct udrv_handle_opts o = { 0 };
	int err;

	err = udrv_handle_check(h, log);
	if (err)
		return err;
	memcpy(&o, opts, opts->size < sizeof(o) ? opts->size : sizeof(o));
	if (o.state_size == 0 || o.dma_size == 0) {
		udrv_log(log, UDRV_LOG_ERR, "%s: a handle needs sizes of state and DMA memory",
			 h->name);
		return -EINVAL;
	}
	for (int i = 0; i < UDRV_HANDLE_FDS; i++)
		h->fd[i] = -1;
	err = create(h, &o, log);
	if (err)
		udrv_handle_close(h);
	return err;
}

int udrv_handle_bind(struct udrv_handle *h, const struct udrv_log *log)
{
	int err;

	err = udrv_handle_check(h, log);
	if (err)
		return err;
	for (int i = 0; i < UDRV_FD_EXTRA; i++) {
		if (h->fd[i] < 0) {
			udrv_log(log, UDRV_LOG_ERR,
				 "%s: the handle cannot be adopted: descriptor %d is missing",
				 h->name, i);
			return -EINVAL;
		}
	}
	/* Whoever was to do this before may have died half way. */
	if (udrv_iommufd_is_bound(h->fd[UDRV_FD_VFIO]))
		return 0;
	return udrv_iommufd_bind(h->fd[UDRV_FD_IOMMU], h->fd[UDRV_FD_VFIO], h->bdf, log);
}

int udrv_handle_attach(struct udrv_handle *h, const struct udrv_log *log)
{
	int err;

	err = udrv_iommufd_attach(h->fd[UDRV_FD_VFIO], h->ioas_id, h->bdf, log);
	if (err)
		return err;
	err = udrv_iommufd_is_noiommu(h->fd[UDRV_FD_IOMMU], h->ioas_id);
	if (err < 0) {
		udrv_log(log, UDRV_LOG_ERR, "%s (%s): cannot tell whether there is an IOMMU: %s",
			 h->name, h->bdf, strerror(-err));
		return err;
	}
	h->noiommu = err;
	return 0;
}

int udrv_handle_adopt(struct udrv_handle *h, const struct udrv_log *log)
{
	int err = udrv_handle_bind(h, log);

	return err ? err : udrv_handle_attach(h, log);
}
