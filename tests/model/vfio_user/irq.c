// SPDX-License-Identifier: BSD-2-Clause
/* MSI-X: the peer emulates table and masks, and gives an eventfd for each vector. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "tests/model/vfio_user/internal.h"

int vu_irq_init(struct irq *irq, unsigned int vectors)
{
	irq->vectors = vectors;
	irq->fd = malloc(vectors * sizeof(*irq->fd));
	irq->pending = calloc(vectors, sizeof(*irq->pending));
	pthread_mutex_init(&irq->lock, NULL);
	if (!irq->fd || !irq->pending)
		return -ENOMEM;
	for (unsigned int i = 0; i < vectors; i++)
		irq->fd[i] = NO_FD;
	return 0;
}

void vu_irq_exit(struct irq *irq)
{
	if (irq->fd && irq->pending)
		vu_irq_clear(irq, true);
	free(irq->fd);
	free(irq->pending);
	pthread_mutex_destroy(&irq->lock);
}

/* With the lock. A counter that is full has been signalled already. */
static void fire(struct irq *irq, unsigned int vector)
{
	static const uint64_t one = 1;

	irq->pending[vector] = !irq->bus_master || irq->fd[vector] == NO_FD;
	if (!irq->pending[vector] && write(irq->fd[vector], &one, sizeof(one)) < 0 &&
	    errno != EAGAIN)
		irq->pending[vector] = true;
}

void vfio_user_irq(struct vfio_user *vu, unsigned int vector)
{
	struct irq *irq = &vu->irq;

	if (vector >= irq->vectors || atomic_load(&vu->removed))
		return;
	pthread_mutex_lock(&irq->lock);
	fire(irq, vector);
	pthread_mutex_unlock(&irq->lock);
}

void vu_irq_bus_master(struct irq *irq, bool on)
{
	pthread_mutex_lock(&irq->lock);
	irq->bus_master = on;
	for (unsigned int i = 0; on && i < irq->vectors; i++) {
		if (irq->pending[i])
			fire(irq, i);
	}
	pthread_mutex_unlock(&irq->lock);
}

static void set_fd(struct irq *irq, unsigned int vector, int fd)
{
	if (irq->fd[vector] != NO_FD)
		close(irq->fd[vector]);
	irq->fd[vector] = fd;
}

void vu_irq_clear(struct irq *irq, bool close)
{
	pthread_mutex_lock(&irq->lock);
	for (unsigned int i = 0; i < irq->vectors; i++) {
		irq->pending[i] = false;
		if (close)
			set_fd(irq, i, NO_FD);
	}
	pthread_mutex_unlock(&irq->lock);
}

int vu_irq_info(struct vfio_user *vu, struct message *msg)
{
	struct vfio_irq_info info;

	if (msg->in_len < sizeof(info))
		return -EINVAL;
	memcpy(&info, msg->in, sizeof(info));
	if (info.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info.argsz = sizeof(info);
	info.flags = info.index == IRQ_MSIX ? VFIO_IRQ_INFO_EVENTFD : 0;
	info.count = info.index == IRQ_MSIX ? vu->irq.vectors : 0;
	memcpy(msg->out, &info, sizeof(info));
	msg->out_len = sizeof(info);
	return 0;
}

/* Writing to anything but an eventfd could block, and to one that blocks as well. */
static bool usable_eventfd(int fd)
{
	char path[64], target[64];
	ssize_t n;
	int flags;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = 0;
	flags = fcntl(fd, F_GETFL);
	return !strcmp(target, "anon_inode:[eventfd]") && flags >= 0 &&
	       !fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int vu_set_irqs(struct vfio_user *vu, struct message *msg)
{
	struct irq *irq = &vu->irq;
	struct vfio_irq_set set;
	uint32_t data;

	if (msg->in_len < sizeof(set))
		return -EINVAL;
	memcpy(&set, msg->in, sizeof(set));
	data = set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	if ((set.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) != VFIO_IRQ_SET_ACTION_TRIGGER)
		return -EINVAL;
	/* Everything off, whatever the index: also INTx and MSI, which are not there. */
	if (data == VFIO_IRQ_SET_DATA_NONE && !set.count) {
		if (set.index == IRQ_MSIX)
			vu_irq_clear(irq, true);
		return 0;
	}
	if (set.index != IRQ_MSIX || set.start >= irq->vectors ||
	    set.count > irq->vectors - set.start)
		return -EINVAL;
	if (data != VFIO_IRQ_SET_DATA_EVENTFD || msg->nfds > set.count)
		return -EINVAL;
	for (unsigned int i = 0; i < msg->nfds; i++) {
		if (!usable_eventfd(msg->fds[i])) {
			vu_log(vu, "vector %u: its descriptor is no eventfd", set.start + i);
			return -EINVAL;
		}
	}
	/* Without descriptors: MSI-X is being enabled, or these vectors lose theirs. */
	pthread_mutex_lock(&irq->lock);
	for (unsigned int i = 0; i < set.count; i++) {
		set_fd(irq, set.start + i, i < msg->nfds ? msg->fds[i] : NO_FD);
		if (i < msg->nfds)
			msg->fds[i] = NO_FD;
		if (irq->pending[set.start + i])
			fire(irq, set.start + i);
	}
	pthread_mutex_unlock(&irq->lock);
	return 0;
}
