// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "devices/nvme/ctrl.h"

static void signalled(void *ctx, unsigned int vector)
{
	struct udrv_nvme *ctrl = ctx;

	if (!vector && !ctrl->failed)
		nvme_admin_service(ctrl);
	for (unsigned int i = 0; i < ctrl->nio; i++) {
		if ((i + 1) % ctrl->vectors.n == vector)
			ctrl->irq_fn(ctrl->irq_ctx, &ctrl->io[i]);
	}
}

int udrv_nvme_irq_arm(struct udrv_nvme *ctrl, struct udrv_loop *loop,
		      void (*fn)(void *ctx, struct udrv_nvme_queue *q), void *ctx)
{
	/*
	 * The queues' vectors were fixed when they were created: vector i + 1
	 * for queue i, modulo this.
	 */
	unsigned int vectors = ctrl->facts.vectors, n = ctrl->nio + 1;
	int err;

	if (!vectors)
		return -EOPNOTSUPP;
	if (n > vectors)
		n = vectors;
	ctrl->irq_fn = fn;
	ctrl->irq_ctx = ctx;
	err = vectors_listen(&ctrl->vectors, ctrl->dev, loop, n, signalled, ctrl);
	if (err)
		nvme_err(ctrl, "MSI-X vectors 0 to %u could not be armed (error %d)", n - 1, err);
	return err;
}
