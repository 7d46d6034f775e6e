/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: Persistent device handles
 *
 * A handle is a named bundle of file descriptors that keeps a device alive and running: its VFIO
 * cdev, the iommufd it is bound to, the state memfd, the DMA memfd, and up to UDRV_HANDLE_EXTRA
 * memfds of consumers. It outlives drivers (udrv-init keeps duplicates) and kernels (LUO preserves
 * all of them).
 *
 * The life of a handle:
 *   cold start	udrv_handle_create() → udrv_handle_device() → driver start
 *   new process	handle received → udrv_handle_device() → driver resume
 *   new kernel	fds retrieved from LUO → udrv_handle_adopt() → udrv_handle_device() → driver resume
 *
 * After a kexec every millisecond counts, so adopting and opening can also be done in steps, by two
 * processes side by side:
 *   memfds retrieved			udrv_handle_memory() → udrv_nvme_resume_begin(),
 *						completions: udrv_nvme_resume_take()
 *   VFIO retrieved → udrv_handle_bind()	udrv_handle_identify() → udrv_nvme_resume_look()
 *   udrv_handle_attach()		udrv_handle_complete() → udrv_nvme_resume_finish()
 */
#ifndef UDRV_HANDLE_H
#define UDRV_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct udrv_device;
struct udrv_log;

#define UDRV_HANDLE_EXTRA 4

/**
 * enum udrv_handle_fd - index into &udrv_handle.fd; the LUO token of a fd is its handle's base
 * token + this
 */
enum udrv_handle_fd {
	UDRV_FD_VFIO,  /* /dev/vfio/devices/[noiommu-]vfioN */
	UDRV_FD_IOMMU, /* /dev/iommu */
	UDRV_FD_STATE, /* state memfd (udrv/state.h) */
	UDRV_FD_DMA,   /* DMA memfd (udrv/dma.h) */
	UDRV_FD_EXTRA, /* first of UDRV_HANDLE_EXTRA consumers' memfds */
	UDRV_HANDLE_FDS = UDRV_FD_EXTRA + UDRV_HANDLE_EXTRA,
};

/** enum udrv_policy - what an update does with a device */
enum udrv_policy {
	UDRV_KEEP,   /* resume in place */
	UDRV_RESET,  /* close it before, start it clean after */
	UDRV_DETACH, /* close it and leave it */
};

/**
 * struct udrv_handle - plain data; the fds are owned by whoever has the struct
 * @size: sizeof(struct udrv_handle)
 * @name: 1–31 of [a-z0-9-], unique, e.g. "nvme0"
 * @bdf: "0000:01:00.0"
 * @driver: "nvme" or "mana"
 * @policy: what an update does with it
 * @noiommu: physical addresses instead of IOVAs
 * @ioas_id: the IOAS in UDRV_FD_IOMMU
 * @fd: descriptors, -1 where there is none
 */
struct udrv_handle {
	size_t size;
	char name[32];
	char bdf[16];
	char driver[16];
	enum udrv_policy policy;
	bool noiommu;
	uint32_t ioas_id;
	int fd[UDRV_HANDLE_FDS];
};

/* clang-format off */
#define UDRV_HANDLE_INIT \
	{ .size = sizeof(struct udrv_handle), .fd = { -1, -1, -1, -1, -1, -1, -1, -1 } }
/* clang-format on */

/**
 * struct udrv_handle_opts - sizes of a new handle
 * @size: sizeof(struct udrv_handle_opts)
 * @state_size: bytes of the state memfd (the driver's requirements function tells)
 * @dma_size: bytes of the pool
 * @book_entries: capacity of the pool's book; 0 means 128
 * @extra_size: bytes of each consumer's memfd, 0 for none
 */
struct udrv_handle_opts {
	size_t size;
	uint64_t state_size;
	uint64_t dma_size;
	unsigned int book_entries;
	uint64_t extra_size[UDRV_HANDLE_EXTRA];
};

/**
 * The pool is mapped at this IOVA. (In noiommu mode it is bookkeeping only: the device uses
 * physical addresses.)
 */
#define UDRV_DMA_IOVA 0x100000000ull

/**
 * udrv_handle_create() - open a device that vfio-pci is bound to, and make its memory
 * @h: name, bdf, driver and policy are filled in by the caller; the rest is set here
 * @opts: sizes
 * @log: may be NULL
 *
 * Finds the cdev by BDF, binds it to a new iommufd, makes the memfds, maps the pool and attaches
 * the device. The state is formatted with the device's identity in its node /device (vendor,
 * device, subsystem-vendor, subsystem, class, revision, bdf, bar-sizes), the pool's runs in /dma,
 * lifecycle INIT.
 * Binding resets the device; afterwards bus mastering is off.
 *
 * Return: 0; -ENODEV: no such device, or vfio-pci is not bound to it, or it has no cdev (message
 * says which and what to do); -EBUSY: it is open elsewhere or guarded for an update; -EPERM:
 * noiommu needs CAP_SYS_RAWIO; -EFBIG: the pool is scattered over more than UDRV_DMA_MAX_RUNS runs;
 * -ENOMEM; -errno. On failure all is closed.
 */
int udrv_handle_create(struct udrv_handle *h, const struct udrv_handle_opts *opts,
		       const struct udrv_log *log);

/**
 * udrv_handle_adopt() - complete a handle whose fds came out of LUO
 * @h: VFIO, IOMMU, STATE and DMA fds are set, and ioas_id; noiommu is set here
 *
 * Binds the cdev to the iommufd, unless it is bound already, and attaches it to the IOAS. With that
 * the kernel compares every physical address with what it was before the update, and counts the
 * device as adopted. Nothing is written to the device, and nothing may be before
 * udrv_handle_device() has compared identity and addresses with the state's record: the one place
 * where that is done, for each process that is to drive the device.
 *
 * Return: 0; -EINVAL: one of those descriptors is not set; -ESTALE: the pool is not where it was;
 * -EBUSY: bound elsewhere; -errno. On failure close the handle, which quiesces the device, and
 * start clean.
 */
int udrv_handle_adopt(struct udrv_handle *h, const struct udrv_log *log);

/**
 * udrv_handle_bind() - the first half of udrv_handle_adopt(): bind the cdev to the iommufd
 *
 * From here on the device can be looked at (udrv_handle_identify()), but not used.
 * Return: as udrv_handle_adopt().
 */
int udrv_handle_bind(struct udrv_handle *h, const struct udrv_log *log);

/**
 * udrv_handle_attach() - the second half: attach
 * @h: after udrv_handle_bind(); noiommu is set here
 *
 * Return: as udrv_handle_adopt().
 */
int udrv_handle_attach(struct udrv_handle *h, const struct udrv_log *log);

/**
 * udrv_handle_device() - open the device of a complete handle in this process
 * @h: borrowed: the device duplicates nothing and closes nothing; the fds must
 *	stay open as long as @ret
 * @ret: the device, with its state and pool open (udrv_device_state(), udrv_device_dma())
 *
 * Compares the device's identity and every physical address with what the state records, before
 * anything is written to the device.
 *
 * Return: 0; -ESTALE: another device or other addresses than recorded: close the handle, which
 * quiesces the device, and start clean; -EBADMSG: damaged state, do the same; -ENODEV: the device
 * is gone; -errno.
 */
int udrv_handle_device(const struct udrv_handle *h, const struct udrv_log *log,
		       struct udrv_device **ret);

/**
 * udrv_handle_quiesce() - stop a device's DMA without knowing what it is
 * @h: borrowed; only its VFIO descriptor is used, whatever has become of state and memory
 *
 * Switches bus mastering off (PCI Local Bus 3.0, 6.2.2), reads back, and resets the function.
 * Nobody may drive the device: its host is gone. The handle stays open; what its driver had
 * outstanding is lost.
 *
 * Return: 0: the device does no DMA (message if only one of the two worked); -EINVAL: no VFIO
 * descriptor; -ENODEV: it is gone; -EBUSY: the kernel guards it for an update; -errno.
 */
int udrv_handle_quiesce(const struct udrv_handle *h, const struct udrv_log *log);

/**
 * udrv_handle_memory() - the first step of udrv_handle_device(): state and pool
 * @h: borrowed; needs only its STATE and DMA descriptors yet
 * @ret: a device that has memory and nothing else: BARs, configuration space and interrupts are
 *	-ENODEV until udrv_handle_identify()
 *
 * Return: 0; -EBADMSG: damaged state; -EINVAL: a descriptor is missing; -errno. To be closed with
 * udrv_device_close() whatever the later steps return.
 */
int udrv_handle_memory(const struct udrv_handle *h, const struct udrv_log *log,
		       struct udrv_device **ret);

/**
 * udrv_handle_identify() - the second step: compare the device's identity with the state's record
 * @h: the same handle; its VFIO descriptor is bound now
 * @dev: of udrv_handle_memory(). Reading BARs and configuration space is allowed afterwards,
 *	nothing else is
 *
 * Return: 0; -ESTALE, -EBADMSG, -ENODEV, -errno as udrv_handle_device().
 */
int udrv_handle_identify(const struct udrv_handle *h, struct udrv_device *dev);

/**
 * udrv_handle_complete() - the last step: compare every physical address with the state's record
 * @h: the same handle, complete
 * @dev: after udrv_handle_identify(); can be used like one of udrv_handle_device() afterwards
 *
 * Return: 0; -ESTALE, -errno as udrv_handle_device().
 */
int udrv_handle_complete(const struct udrv_handle *h, struct udrv_device *dev);

/**
 * udrv_handle_close() - close every fd and set it to -1. Closing the last duplicate of VFIO
 * quiesces the device.
 */
void udrv_handle_close(struct udrv_handle *h);

/**
 * udrv_handle_dup() - duplicate a handle, fds included (close-on-exec); -errno
 */
int udrv_handle_dup(const struct udrv_handle *h, struct udrv_handle *ret);

#ifdef __cplusplus
}
#endif
#endif
