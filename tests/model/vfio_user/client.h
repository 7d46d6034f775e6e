/* SPDX-License-Identifier: BSD-2-Clause */
/* QEMU's side of a connection, for tests, and a device that records what it is told. */
#ifndef TESTS_MODEL_VFIO_USER_CLIENT_H
#define TESTS_MODEL_VFIO_USER_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/model/vfio_user/proto.h"
#include "tests/model/vfio_user/vfio_user.h"

#define CLIENT_BAR0_SIZE 0x4000u
#define CLIENT_VECTORS	 8u

struct client {
	struct vfio_user *vu;
	int fd; /* ours */
	int server_fd;
	pthread_t thread;
	bool running;
	int result; /* of vfio_user_serve() */

	/* The device; only looked at after a reply, or when the server has ended. */
	uint8_t bar[CLIENT_BAR0_SIZE];
	uint16_t command;
	unsigned int resets[3];
	atomic_int paused;
	atomic_uint pauses, logs;
};

/* Options of a device with BAR 0, and MSI-X in BAR 4; @c is its context. */
struct vfio_user_opts client_opts(struct client *c);

/* Create the server and connect; with @negotiate, the handshake is done. */
void client_start(struct client *c, const struct vfio_user_opts *opts, bool negotiate);
/* Hang up, wait for the server's end, free it. Returns what vfio_user_serve() returned. */
int client_stop(struct client *c);

/*
 * Connect to a server in another process, or thread, and do the handshake; @c->fd is to be closed.
 */
void client_connect(struct client *c, const char *path);

/*
 * Send a request and wait for the answer. @reply takes up to *@reply_len bytes behind the header,
 * and *@reply_len is how many there were; @reply_fd, if not NULL, the descriptor or -1. Returns
 * 0, or the error in the answer as -errno.
 */
int client_call(struct client *c, unsigned int command, const void *payload, size_t len,
		const int *fds, unsigned int nfds, void *reply, size_t *reply_len, int *reply_fd);
/* Send without waiting. false: the server has hung up. */
bool client_send(struct client *c, const struct vfio_user_header *hdr, const void *payload,
		 size_t len, const int *fds, unsigned int nfds);

/* Accesses to regions, as calls. */
int client_read(struct client *c, unsigned int region, uint64_t off, void *buf, uint32_t len);
int client_write(struct client *c, unsigned int region, uint64_t off, const void *buf,
		 uint32_t len);
int client_map(struct client *c, uint64_t addr, uint64_t size, uint32_t flags, int fd,
	       uint64_t offset);
int client_unmap(struct client *c, uint64_t addr, uint64_t size, uint32_t flags);
int client_set_irqs(struct client *c, uint32_t flags, uint32_t start, uint32_t count,
		    const int *fds, unsigned int nfds);

/* A sealed memfd of @size bytes. */
int client_memory(size_t size);

#endif
