// SPDX-License-Identifier: BSD-2-Clause
/* The server: creation, handshake, and which message goes where. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "tests/model/vfio_user/internal.h"

void vu_log(struct vfio_user *vu, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (!vu->opts.ops->log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	vu->opts.ops->log(vu->opts.ctx, line);
}

static int check_opts(const struct vfio_user_opts *o)
{
	uint64_t table = o->vectors * 16ull, pba = (o->vectors + 63ull) / 64 * 8, size;

	if (o->max_maps > VFIO_USER_MAX_MAPS)
		return -EINVAL;
	if (!o->vectors || o->vectors > VFIO_USER_MAX_VECTORS || o->msix_bar >= VFIO_USER_BARS)
		return -EINVAL;
	size = o->bar[o->msix_bar].size;
	if (o->table_offset & 7 || o->pba_offset & 7 || o->table_offset + table > size ||
	    o->pba_offset + pba > size)
		return -EINVAL;
	for (unsigned int i = 0; i < VFIO_USER_BARS; i++) {
		const struct vfio_user_bar *b = &o->bar[i];

		if (b->size & (b->size - 1) || b->nareas > VFIO_USER_MAX_AREAS ||
		    (b->nareas && b->fd < 0))
			return -EINVAL;
		if (b->size && b->wide && (i + 1 == VFIO_USER_BARS || o->bar[i + 1].size))
			return -EINVAL;
		for (unsigned int j = 0; j < b->nareas; j++) {
			const struct vfio_user_area *a = &b->area[j];

			if ((a->offset | a->size) & 4095 || !a->size || a->offset > b->size ||
			    a->size > b->size - a->offset)
				return -EINVAL;
		}
	}
	return 0;
}

int vfio_user_create(const struct vfio_user_opts *opts, struct vfio_user **ret)
{
	struct vfio_user *vu;
	int err = check_opts(opts);

	if (err)
		return err;
	vu = calloc(1, sizeof(*vu));
	if (!vu)
		return -ENOMEM;
	vu->opts = *opts;
	if (!vu->opts.max_maps)
		vu->opts.max_maps = VFIO_USER_MAX_MAPS;
	atomic_init(&vu->fd, NO_FD);
	vu->map = calloc(vu->opts.max_maps, sizeof(*vu->map));
	err = vu_irq_init(&vu->irq, opts->vectors);
	if (err || !vu->map) {
		vfio_user_destroy(vu);
		return -ENOMEM;
	}
	vu_config_init(vu);
	*ret = vu;
	return 0;
}

void vfio_user_destroy(struct vfio_user *vu)
{
	if (!vu)
		return;
	if (vu->map)
		vu_dma_clear(vu);
	vu_irq_exit(&vu->irq);
	free(vu->map);
	free(vu);
}

int vfio_user_listen(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* What a predecessor left behind, and nothing else. */
	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

void vfio_user_stop(struct vfio_user *vu)
{
	int fd;

	atomic_store(&vu->stop, true);
	fd = atomic_load(&vu->fd);
	if (fd != NO_FD)
		shutdown(fd, SHUT_RDWR);
}

void vfio_user_remove(struct vfio_user *vu)
{
	atomic_store(&vu->removed, true);
}

static int version(struct vfio_user *vu, struct message *msg)
{
	static const char ours[] =
		"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":4096}}";
	struct vfio_user_version ver;

	if (vu->negotiated || msg->in_len < sizeof(ver))
		return -EINVAL;
	memcpy(&ver, msg->in, sizeof(ver));
	if (ver.major || !memchr(msg->in + sizeof(ver), 0, msg->in_len - sizeof(ver))) {
		vu_log(vu,
		       "the peer speaks version %u.%u, or its capabilities have no end; version 0 is spoken here",
		       ver.major, ver.minor);
		return -EINVAL;
	}
	ver.minor = 0;
	memcpy(msg->out, &ver, sizeof(ver));
	memcpy(msg->out + sizeof(ver), ours, sizeof(ours));
	msg->out_len = sizeof(ver) + sizeof(ours);
	vu->negotiated = true;
	return 0;
}

static int device_info(struct vfio_user *vu, struct message *msg)
{
	struct vfio_user_device_info info = {
		.argsz = sizeof(info),
		.flags = VFIO_DEVICE_FLAGS_PCI | (vu->opts.reset ? VFIO_DEVICE_FLAGS_RESET : 0),
		.num_regions = VFIO_PCI_NUM_REGIONS,
		.num_irqs = VFIO_PCI_NUM_IRQS,
	};

	if (msg->in_len < sizeof(info))
		return -EINVAL;
	memcpy(msg->out, &info, sizeof(info));
	msg->out_len = sizeof(info);
	return 0;
}

/*
 * Idempotent: a machine that starts again resets twice. Unlike a device's, vectors survive: the
 * peer keeps table and eventfds, and does not give them again. What was pending goes, once the
 * device raises nothing more.
 */
void vu_reset(struct vfio_user *vu, enum vfio_user_reset why)
{
	vu_config_reset(vu);
	vu->opts.ops->reset(vu->opts.ctx, why);
	vu_irq_clear(&vu->irq, false);
}

static int dispatch(struct vfio_user *vu, struct message *msg)
{
	switch (msg->hdr.command) {
	case VFIO_USER_VERSION:
		return version(vu, msg);
	case VFIO_USER_DMA_MAP:
		return vu_dma_map(vu, msg);
	case VFIO_USER_DMA_UNMAP:
		return vu_dma_unmap(vu, msg);
	case VFIO_USER_DEVICE_GET_INFO:
		return device_info(vu, msg);
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		return vu_region_info(vu, msg);
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		return vu_irq_info(vu, msg);
	case VFIO_USER_DEVICE_SET_IRQS:
		return vu_set_irqs(vu, msg);
	case VFIO_USER_REGION_READ:
		return vu_region_read(vu, msg);
	case VFIO_USER_REGION_WRITE:
		return vu_region_write(vu, msg);
	case VFIO_USER_DEVICE_RESET:
		if (!vu->opts.reset)
			return -EINVAL;
		vu_reset(vu, VFIO_USER_RESET_MACHINE);
		return 0;
	}
	return -EOPNOTSUPP;
}

static int handle(struct vfio_user *vu, int fd, struct message *msg)
{
	int err;

	if (!vu->negotiated && msg->hdr.command != VFIO_USER_VERSION) {
		vu_log(vu, "command %u before the version was agreed on", msg->hdr.command);
		return -EPROTO;
	}
	err = dispatch(vu, msg);
	if (err)
		vu_log(vu, "command %u (%zu bytes, %u descriptors) refused: %s", msg->hdr.command,
		       msg->in_len, msg->nfds, strerror(-err));
	if (msg->hdr.flags & VFIO_USER_F_NO_REPLY)
		return 0;
	return vu_reply(fd, msg, err);
}

int vfio_user_serve(struct vfio_user *vu, int fd)
{
	int err;

	atomic_store(&vu->fd, fd);
	vu->negotiated = false;
	do {
		err = atomic_load(&vu->stop) ? 0 : vu_receive(vu, fd, &vu->msg);
		if (err > 0) {
			err = handle(vu, fd, &vu->msg);
			err = err ? err : 1;
		}
		vu_message_end(&vu->msg);
	} while (err > 0);
	atomic_store(&vu->fd, NO_FD);

	vu_reset(vu, VFIO_USER_RESET_GONE);
	vu_dma_clear(vu);
	vu_irq_clear(&vu->irq, true);
	return err == -ECONNRESET || err == -EPIPE ? 0 : err;
}
