// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/loop.h>

#include "devices/nvme/ctrl.h"

static void signalled(void *arg, uint64_t count)
{
	struct nvme_irq *irq = arg;
	struct udrv_nvme *ctrl = irq->ctrl;

	(void)count;
	if (!irq->vector && !ctrl->failed)
		nvme_admin_service(ctrl);
	for (unsigned int i = 0; i < ctrl->nio; i++) {
		if ((i + 1) % ctrl->nirqs == irq->vector)
			ctrl->irq_fn(ctrl->irq_ctx, &ctrl->io[i]);
	}
}

void nvme_irq_free(struct udrv_nvme *ctrl)
{
	for (unsigned int i = 0; i < ctrl->nirqs; i++) {
		udrv_loop_remove(ctrl->irqs[i].source);
		if (ctrl->irqs[i].fd >= 0)
			close(ctrl->irqs[i].fd);
	}
	free(ctrl->irqs);
	ctrl->irqs = NULL;
	ctrl->nirqs = 0;
}

static int make_sources(struct udrv_nvme *ctrl, struct udrv_loop *loop)
{
	for (unsigned int i = 0; i < ctrl->nirqs; i++) {
		struct nvme_irq *irq = &ctrl->irqs[i];
		int err;

		irq->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (irq->fd < 0)
			return -errno;
		err = udrv_loop_eventfd(loop, irq->fd, signalled, irq, &irq->source);
		if (err)
			return err;
	}
	return 0;
}

int udrv_nvme_irq_arm(struct udrv_nvme *ctrl, struct udrv_loop *loop,
		      void (*fn)(void *ctx, struct udrv_nvme_queue *q), void *ctx)
{
	/* The queues' vectors were fixed when they were created: vector i + 1 for queue i, modulo this. */
	unsigned int vectors = ctrl->facts.vectors, n = ctrl->nio + 1;
	int fds[UDRV_NVME_MAX_QUEUES + 1], err;

	if (!vectors)
		return -EOPNOTSUPP;
	if (n > vectors)
		n = vectors;
	nvme_irq_free(ctrl);
	ctrl->irqs = calloc(n, sizeof(*ctrl->irqs));
	if (!ctrl->irqs)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		ctrl->irqs[i] = (struct nvme_irq){ .ctrl = ctrl, .fd = -1, .vector = i };
	ctrl->nirqs = n;
	ctrl->irq_fn = fn;
	ctrl->irq_ctx = ctx;

	err = make_sources(ctrl, loop);
	if (err) {
		nvme_irq_free(ctrl);
		return err;
	}
	for (unsigned int i = 0; i < n; i++)
		fds[i] = ctrl->irqs[i].fd;
	err = udrv_device_irq_arm(ctrl->dev, 0, n, fds);
	if (err) {
		nvme_err(ctrl, "MSI-X vectors 0 to %u could not be armed (error %d)", n - 1, err);
		nvme_irq_free(ctrl);
	}
	return err;
}
