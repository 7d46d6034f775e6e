/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: Devices
 *
 * A &struct udrv_device is what a driver is given: registers, configuration space, MSI-X
 * vectors, DMA memory and persistent state, behind a small table of operations. VFIO is one
 * implementation (udrv/handle.h); the in-process models of the tests are another. Drivers depend
 * on this header only.
 */
#ifndef UDRV_DEVICE_H
#define UDRV_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <udrv/bar.h>

#ifdef __cplusplus
extern "C" {
#endif

struct udrv_device;
struct udrv_dma;
struct udrv_log;
struct udrv_state;

/** struct udrv_pci_id - who a device is; compared on every resume */
struct udrv_pci_id {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code; /* 24 bits: base class, subclass, interface */
	uint8_t revision;
};

/**
 * struct udrv_device_ops - what a backend implements
 * @size: sizeof(struct udrv_device_ops) of who filled it in; members beyond it count as NULL
 * @bar_map: make BAR @bar accessible. Guarantees: the same BAR may be asked for
 *	twice; valid until @close
 * @config_read: read @len (1, 2 or 4) bytes of configuration space at @off
 * @config_write: write likewise
 * @irq_count: number of MSI-X vectors, 0 if the device has none
 * @irq_arm: route vectors [@first, @first + @n) to eventfds. Guarantees: what was pending is
 *	signalled; after a resume every eventfd is signalled at least once in any case, so the
 *	caller polls its queues
 * @irq_disarm: stop all vectors
 * @reset: function-level reset; afterwards the device does no DMA until it is set up again
 * @close: release what the backend holds in this process. The device goes on running if its handle
 *	lives on
 *
 * All return 0 (or a count) or -errno and are called by one thread at a time.
 */
struct udrv_device_ops {
	size_t size;
	int (*bar_map)(void *ctx, unsigned int bar, struct udrv_bar *ret);
	int (*config_read)(void *ctx, unsigned int off, void *buf, unsigned int len);
	int (*config_write)(void *ctx, unsigned int off, const void *buf, unsigned int len);
	int (*irq_count)(void *ctx);
	int (*irq_arm)(void *ctx, unsigned int first, unsigned int n, const int *eventfds);
	int (*irq_disarm)(void *ctx);
	int (*reset)(void *ctx);
	void (*close)(void *ctx);
};

/**
 * udrv_device_create() - make a device out of a backend
 * @name: for messages, e.g. "nvme0 (0000:01:00.0)"; copied
 * @ops: static table
 * @ctx: passed to each operation
 * @dma: its pool, borrowed until udrv_device_close(); may be NULL for a device without DMA
 * @st: its state, likewise
 * @log: may be NULL
 *
 * Return: 0; -EINVAL: a required operation is missing; -ENOMEM.
 */
int udrv_device_create(const char *name, const struct udrv_device_ops *ops, void *ctx,
		       struct udrv_dma *dma, struct udrv_state *st, const struct udrv_log *log,
		       struct udrv_device **ret);

/**
 * udrv_device_close() - let go of the device; it keeps running while its
 * handle lives. NULL is allowed.
 */
void udrv_device_close(struct udrv_device *dev);

const char *udrv_device_name(const struct udrv_device *dev);
struct udrv_dma *udrv_device_dma(const struct udrv_device *dev);
struct udrv_state *udrv_device_state(const struct udrv_device *dev);
const struct udrv_log *udrv_device_log(const struct udrv_device *dev);

/**
 * udrv_device_bar() - access to a BAR
 * @bar: 0 to 5
 * @min_size: bytes that the driver is going to use
 * @ret: filled in; valid until udrv_device_close()
 *
 * Return: 0; -ENOENT: the device has no such memory BAR; -EINVAL: it is smaller than @min_size;
 * -errno of mmap().
 */
int udrv_device_bar(struct udrv_device *dev, unsigned int bar, uint64_t min_size,
		    struct udrv_bar *ret);

/**
 * udrv_device_id() - read the identity from configuration space; -ENODEV: it reads all ones, the
 * device is gone
 */
int udrv_device_id(struct udrv_device *dev, struct udrv_pci_id *ret);

/**
 * udrv_device_config_read() - little-endian read of 1, 2 or 4 bytes at an aligned offset below
 * 4096; -EINVAL, -errno
 */
int udrv_device_config_read(struct udrv_device *dev, unsigned int off, unsigned int width,
			    uint32_t *ret);
/**
 * udrv_device_config_write() - likewise; -EBUSY while the kernel guards the device for an update
 */
int udrv_device_config_write(struct udrv_device *dev, unsigned int off, unsigned int width,
			     uint32_t val);

/**
 * udrv_device_bus_master() - set or clear COMMAND.BME; only set-up and quiesce paths call it,
 * resume never does
 */
int udrv_device_bus_master(struct udrv_device *dev, bool on);

/** udrv_device_irq_count() - MSI-X vectors of the device; 0: none, poll */
int udrv_device_irq_count(struct udrv_device *dev);

/**
 * udrv_device_irq_arm() - route MSI-X vectors to eventfds
 * @first: first vector
 * @n: how many
 * @eventfds: @n eventfds, borrowed for the call; -1 leaves a vector disarmed
 *
 * All vectors that a device uses are armed with one call, in vector order: a later call that
 * enlarges the set may have to re-program the earlier ones.
 *
 * Return: 0; -EINVAL: out of range; -EBUSY: the kernel guards the device for an update, or it has
 * not been adopted yet; -errno.
 */
int udrv_device_irq_arm(struct udrv_device *dev, unsigned int first, unsigned int n,
			const int *eventfds);
int udrv_device_irq_disarm(struct udrv_device *dev);

/**
 * udrv_device_reset() - function-level reset; -EOPNOTSUPP: it cannot; -EBUSY: guarded for an
 * update; -EIO
 */
int udrv_device_reset(struct udrv_device *dev);

#ifdef __cplusplus
}
#endif
#endif
