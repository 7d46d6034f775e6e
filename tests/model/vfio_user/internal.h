/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MODEL_VFIO_USER_INTERNAL_H
#define TESTS_MODEL_VFIO_USER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "tests/model/vfio_user/proto.h"
#include "tests/model/vfio_user/vfio_user.h"

/*
 * Descriptors of one message, and bytes: QEMU's largest are 16, and a read of all configuration
 * space.
 */
#define MAX_FDS	      16u
#define MAX_MESSAGE   8192u
#define MAX_FILES     16u
#define NO_FD	      (-1)

#define REGION_CONFIG 7u /* VFIO_PCI_CONFIG_REGION_INDEX */
#define IRQ_MSIX      2u /* VFIO_PCI_MSIX_IRQ_INDEX */

/* See memory.c. @users: mappings of it, 0: a free slot */
struct file {
	dev_t dev;
	ino_t ino;
	uint8_t *mem;
	uint64_t size;
	bool writable;
	unsigned int users;
};

struct map {
	uint64_t addr, size;
	uint32_t flags;
	struct file *file; /* NULL: nothing that can be accessed */
	uint8_t *mem;
};

struct config {
	uint8_t data[VFIO_USER_CONFIG_SIZE];
	uint8_t writable[256];
	unsigned int exp; /* offset of the PCI Express capability */
};

struct irq {
	pthread_mutex_t lock; /* all of this: vectors are raised from any thread */
	bool bus_master;
	unsigned int vectors;
	int *fd;
	bool *pending;
};

/* A message as it came, and its answer as it grows. */
struct message {
	struct vfio_user_header hdr;
	uint8_t in[MAX_MESSAGE];
	size_t in_len;
	int fds[MAX_FDS]; /* a handler that keeps one puts NO_FD there */
	unsigned int nfds;
	uint8_t out[MAX_MESSAGE];
	size_t out_len;
	int out_fd;
};

struct vfio_user {
	struct vfio_user_opts opts;
	struct config config;
	struct irq irq;
	struct file file[MAX_FILES];
	struct map *map; /* opts.max_maps of them, by address */
	unsigned int nmaps;
	atomic_bool removed;
	atomic_ushort device; /* 0: what opts say */
	atomic_bool stop;
	atomic_int fd;
	bool negotiated;
	struct message msg;
};

void vu_log(struct vfio_user *vu, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void vu_reset(struct vfio_user *vu, enum vfio_user_reset why);

/*
 * message.c: 1, 0 at the end of the stream, or -errno. Descriptors that are left are closed by
 * vu_message_end().
 */
int vu_receive(struct vfio_user *vu, int fd, struct message *msg);
int vu_reply(int fd, const struct message *msg, int err);
void vu_message_end(struct message *msg);

/* Each handler returns 0 or a negative errno for the reply. */
int vu_dma_map(struct vfio_user *vu, struct message *msg);
int vu_dma_unmap(struct vfio_user *vu, struct message *msg);
void vu_dma_clear(struct vfio_user *vu);

/* The file of a mapping, or NULL (said): it cannot be accessed. */
struct file *vu_file_get(struct vfio_user *vu, const struct vfio_user_dma_map *req, int fd);
void vu_file_put(struct file *f);

int vu_irq_init(struct irq *irq, unsigned int vectors);
void vu_irq_exit(struct irq *irq);
int vu_irq_info(struct vfio_user *vu, struct message *msg);
int vu_set_irqs(struct vfio_user *vu, struct message *msg);
void vu_irq_bus_master(struct irq *irq, bool on);
/* Forget what is pending; @close: and the eventfds. */
void vu_irq_clear(struct irq *irq, bool close);

int vu_region_info(struct vfio_user *vu, struct message *msg);
int vu_region_read(struct vfio_user *vu, struct message *msg);
int vu_region_write(struct vfio_user *vu, struct message *msg);

void vu_config_init(struct vfio_user *vu);
/* Registers as after a reset. */
void vu_config_reset(struct vfio_user *vu);
void vu_config_read(struct vfio_user *vu, uint64_t off, uint8_t *buf, size_t len);
void vu_config_write(struct vfio_user *vu, uint64_t off, const uint8_t *buf, size_t len);

#endif
