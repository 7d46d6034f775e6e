/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server of the vfio-user protocol: a PCI device in this process, for QEMU's vfio-user-pci.
 *
 * The server speaks the protocol, keeps configuration space, guest memory and MSI-X, and calls
 * the device for everything else. vfio_user_serve() runs on one thread (the "socket thread"),
 * which makes all calls of struct vfio_user_ops. Since the guest's processor, and with it QEMU's
 * big lock, waits for a reply, no operation may do the device's work: they record, and another
 * thread works.
 *
 * The peer is not trusted: messages, their sizes, offsets, counts and descriptors are checked,
 * the number of mappings is bounded, memory that the peer could take away again (SIGBUS) is not
 * touched.
 *
 * Bus master enable is the server's business: while COMMAND.BME is 0, vfio_user_dma() finds
 * nothing, and vectors stay pending.
 */
#ifndef TESTS_MODEL_VFIO_USER_H
#define TESTS_MODEL_VFIO_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VFIO_USER_BARS	      6
#define VFIO_USER_MAX_VECTORS 2048u
#define VFIO_USER_MAX_AREAS   8u
#define VFIO_USER_MAX_MAPS    65535u /* QEMU's own limit */
#define VFIO_USER_CONFIG_SIZE 4096u

struct vfio_user;

enum vfio_user_reset {
	VFIO_USER_RESET_MACHINE, /* DEVICE_RESET: of machine or bus; QEMU starts with one */
	VFIO_USER_RESET_FLR,	 /* function-level reset by the guest */
	VFIO_USER_RESET_GONE,	 /* the peer is gone */
};

/**
 * struct vfio_user_ops - the device
 * @bar_read: @width is 1, 2, 4 or 8, @off a multiple of it, inside of the BAR
 * @bar_write: likewise
 * @command: the COMMAND register has changed
 * @reset: afterwards, no DMA and no interrupt from before. Never called for a peer that was not
 *	there
 * @pause: stop using vfio_user_dma() and its pointers until @resume; called around every change
 *	of guest memory
 * @resume:
 * @log: may be NULL; one line, no newline, about what was refused
 */
struct vfio_user_ops {
	uint64_t (*bar_read)(void *ctx, unsigned int bar, uint64_t off, unsigned int width);
	void (*bar_write)(void *ctx, unsigned int bar, uint64_t off, uint64_t val,
			  unsigned int width);
	void (*command)(void *ctx, uint16_t command);
	void (*reset)(void *ctx, enum vfio_user_reset why);
	void (*pause)(void *ctx);
	void (*resume)(void *ctx);
	void (*log)(void *ctx, const char *line);
};

struct vfio_user_area {
	uint64_t offset, size; /* page aligned */
};

/**
 * struct vfio_user_bar - a memory BAR
 * @size: a power of two, 0: there is no such BAR
 * @wide: 64 bit wide (takes the next one as well)
 * @prefetchable:
 * @fd: memory behind @area, of @size bytes, that the peer may map; borrowed. -1 or 0 areas: none.
 *	Costs the whole device its posted writes
 * @areas, @nareas: the parts of the BAR that may be mapped. Accesses by message go to the device
 *	there, too
 */
struct vfio_user_bar {
	uint64_t size;
	bool wide;
	bool prefetchable;
	int fd;
	unsigned int nareas;
	struct vfio_user_area area[VFIO_USER_MAX_AREAS];
};

/**
 * struct vfio_user_opts - what the device is
 * @vectors: of MSI-X, 1 to VFIO_USER_MAX_VECTORS; table and PBA are in @msix_bar at these
 *	offsets. The peer emulates them, the device never sees an access
 * @max_maps: how many mappings of guest memory the peer may make, 0: VFIO_USER_MAX_MAPS
 * @flr: offers function-level reset
 * @reset: offers DEVICE_RESET; without it, state survives a reset of the machine
 */
struct vfio_user_opts {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code;
	uint8_t revision;
	struct vfio_user_bar bar[VFIO_USER_BARS];
	unsigned int vectors;
	unsigned int msix_bar;
	uint32_t table_offset, pba_offset;
	unsigned int max_maps;
	bool flr;
	bool reset;
	const struct vfio_user_ops *ops;
	void *ctx;
};

/* 0, -EINVAL (contradictory options) or -ENOMEM. */
int vfio_user_create(const struct vfio_user_opts *opts, struct vfio_user **ret);
/* Not while vfio_user_serve() runs. */
void vfio_user_destroy(struct vfio_user *vu);

/* A listening socket at @path, in place of an old one; the descriptor or -errno. */
int vfio_user_listen(const char *path);

/**
 * vfio_user_serve() - talk to one peer until it goes
 * @fd: connected stream socket; borrowed
 *
 * Returns: 0: the peer has closed, or vfio_user_stop(); -EPROTO: it broke the protocol (logged);
 * another -errno of the socket. In all cases guest memory and eventfds have been let go of, and
 * the device has been reset.
 */
int vfio_user_serve(struct vfio_user *vu, int fd);

/* Make vfio_user_serve() return; from any thread, and from a signal handler. */
void vfio_user_stop(struct vfio_user *vu);

/**
 * vfio_user_dma() - guest memory behind a bus address
 * @len: lowered to what is contiguous in this process
 *
 * From the thread that @pause stops. Returns NULL if there is nothing, or nothing that may be
 * accessed like that.
 */
void *vfio_user_dma(struct vfio_user *vu, uint64_t addr, size_t *len, bool write);

/* Send the message of a vector, or keep it pending until it can be sent. From any thread. */
void vfio_user_irq(struct vfio_user *vu, unsigned int vector);

/*
 * Surprise removal: reads give all ones, writes go nowhere, no interrupts, no memory. From any
 * thread, for good.
 */
void vfio_user_remove(struct vfio_user *vu);

/*
 * Be another device: this is its Device ID from now on, whatever is reset. Nothing else changes.
 * From any thread.
 */
void vfio_user_become(struct vfio_user *vu, uint16_t device);

#endif
