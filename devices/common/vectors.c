// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/loop.h>

#include "devices/common/vectors.h"

struct vector {
	struct vectors *all;
	struct udrv_source *source;
	int fd;
	unsigned int index;
};

static void signalled(void *arg, uint64_t count)
{
	struct vector *v = arg;

	(void)count;
	v->all->fn(v->all->ctx, v->index);
}

void vectors_free(struct vectors *vs)
{
	for (unsigned int i = 0; i < vs->n; i++) {
		udrv_loop_remove(vs->v[i].source);
		if (vs->v[i].fd >= 0)
			close(vs->v[i].fd);
	}
	free(vs->v);
	vs->v = NULL;
	vs->n = 0;
}

int vectors_enable(const struct vectors *vs, struct udrv_device *dev, unsigned int n)
{
	int *fds = calloc(n, sizeof(*fds)), err;

	if (!fds)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		fds[i] = i < vs->n ? vs->v[i].fd : -1;
	err = udrv_device_irq_arm(dev, 0, n, fds);
	free(fds);
	return err;
}

static int make_sources(struct vectors *vs, struct udrv_loop *loop)
{
	for (unsigned int i = 0; i < vs->n; i++) {
		struct vector *v = &vs->v[i];
		int err;

		v->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (v->fd < 0)
			return -errno;
		err = udrv_loop_eventfd(loop, v->fd, signalled, v, &v->source);
		if (err)
			return err;
	}
	return 0;
}

int vectors_listen(struct vectors *vs, struct udrv_device *dev, struct udrv_loop *loop,
		   unsigned int n, void (*fn)(void *ctx, unsigned int vector), void *ctx)
{
	int err;

	vectors_free(vs);
	vs->v = calloc(n, sizeof(*vs->v));
	if (!vs->v)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		vs->v[i] = (struct vector){ .all = vs, .fd = -1, .index = i };
	vs->n = n;
	vs->fn = fn;
	vs->ctx = ctx;
	err = make_sources(vs, loop);
	if (!err)
		err = vectors_enable(vs, dev, n);
	if (err)
		vectors_free(vs);
	return err;
}
