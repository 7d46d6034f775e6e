// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>

#include "tests/unit/nvme_one.h"

struct nvme_fixture fx;

void one_init(const struct nvme_model_opts *mo, const struct udrv_nvme_opts *opts)
{
	nvme_fixture_init(&fx, mo, opts, 64 << 10);
}

void one_init_default(void)
{
	one_init(&(struct nvme_model_opts){ .seed = 1 },
		 &(struct udrv_nvme_opts){ .poll = true, .depth = 8, .timeout_ms = 100 });
}

int one_start(void)
{
	return udrv_nvme_start(fx.fd.dev, &fx.opts, &fx.ctrl);
}

void one_read(unsigned int queue)
{
	struct udrv_nvme_queue *q = udrv_nvme_queue(fx.ctrl, queue);

	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 1, 1, fx.buf, BLOCK, 7), 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).status, 0);
}

void one_hang(struct udrv_nvme_queue *q, unsigned int n)
{
	nvme_model_faults(fx.m)->hang = true;
	for (unsigned int i = 0; i < n; i++)
		ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, i, 1, fx.buf, BLOCK, i), 0);
	udrv_nvme_ring(q);
	nvme_model_run(fx.m, 1000);
}

unsigned int one_count(struct udrv_nvme_queue *q, uint32_t status)
{
	struct udrv_nvme_done done[16];
	int n = udrv_nvme_poll(q, done, 16);
	unsigned int count = 0;

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++) {
		count += done[i].status == status;
		ck_assert_int_eq(udrv_nvme_release(q, done[i].slot), 0);
	}
	return count;
}
