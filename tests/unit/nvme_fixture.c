// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>

#include <udrv/loop.h>

#include "tests/unit/nvme_fixture.h"

#define BUFFER_TAG 0x74657374u

static void *mem(void *ctx, uint64_t addr, uint64_t len)
{
	return fake_device_mem(ctx, addr, len);
}

void nvme_fixture_init(struct nvme_fixture *fx, const struct nvme_model_opts *mo,
		       const struct udrv_nvme_opts *opts, uint64_t buf_size)
{
	nvme_fixture_init_runs(fx, mo, opts, buf_size, 0);
}

void nvme_fixture_init_runs(struct nvme_fixture *fx, const struct nvme_model_opts *mo,
			    const struct udrv_nvme_opts *opts, uint64_t buf_size,
			    unsigned int nruns)
{
	struct nvme_model_opts model = *mo;
	struct fake_device_opts fo = { .pool_size = 2 << 20,
				       .nruns = nruns,
				       .ops = &nvme_model_ops };
	uint64_t state_size, dma_size;

	*fx = (struct nvme_fixture){ .opts = *opts, .buf_size = buf_size };
	fx->opts.size = sizeof(fx->opts);
	fake_log_init(&fx->log);
	model.mem = mem;
	model.mem_ctx = &fx->fd;
	ck_assert_int_eq(nvme_model_create(&model, &fx->m), 0);
	ck_assert_int_eq(udrv_nvme_requirements(&fx->opts, &state_size, &dma_size), 0);
	fo.state_size = state_size;
	while (fo.pool_size < dma_size + buf_size + (64 << 10))
		fo.pool_size += 2 << 20;
	fo.ctx = fx->m;
	fo.log = &fx->log.log;
	ck_assert_int_eq(fake_device_create(&fx->fd, &fo), 0);
}

void nvme_fixture_free(struct nvme_fixture *fx)
{
	udrv_nvme_detach(fx->ctrl);
	udrv_loop_destroy(fx->loop);
	fake_device_destroy(&fx->fd);
	nvme_model_destroy(fx->m);
}

void nvme_fixture_end(struct nvme_fixture *fx)
{
	nvme_fixture_clean(fx);
	nvme_fixture_free(fx);
}

void nvme_fixture_start(struct nvme_fixture *fx)
{
	int err = udrv_nvme_start(fx->fd.dev, &fx->opts, &fx->ctrl);

	ck_assert_msg(!err, "start: %d, %s", err, fx->log.last);
	if (fx->buf_size)
		ck_assert_int_eq(udrv_dma_alloc(fx->fd.dma, fx->buf_size, 4096, 0, BUFFER_TAG,
						&fx->buf),
				 0);
}

void nvme_fixture_crash(struct nvme_fixture *fx)
{
	udrv_nvme_detach(fx->ctrl);
	fx->ctrl = NULL;
	fake_device_crash(&fx->fd);
}

int nvme_fixture_resume(struct nvme_fixture *fx)
{
	ck_assert_int_eq(fake_device_open(&fx->fd), 0);
	return udrv_nvme_resume(fx->fd.dev, &fx->opts, &fx->ctrl);
}

void nvme_fixture_clean(const struct nvme_fixture *fx)
{
	const char *first;

	ck_assert_msg(!nvme_model_violations(fx->m, &first), "the model objects: %s", first);
}

struct udrv_nvme_io nvme_io(uint8_t opcode, uint32_t nsid, uint64_t slba, uint32_t n, uint64_t off,
			    uint32_t block, uint64_t cookie, struct udrv_nvme_seg *seg)
{
	*seg = (struct udrv_nvme_seg){ .off = off, .len = (uint64_t)n * block };
	return (struct udrv_nvme_io){
		.opcode = opcode,
		.nsid = nsid,
		.slba = slba,
		.nlb = n,
		.seg = n && block ? seg : NULL,
		.nseg = n && block,
		.cookie = { cookie, ~cookie },
	};
}

int nvme_submit(struct udrv_nvme_queue *q, uint8_t opcode, uint32_t nsid, uint64_t slba, uint32_t n,
		uint64_t off, uint32_t block, uint64_t cookie)
{
	struct udrv_nvme_seg seg;
	struct udrv_nvme_io io = nvme_io(opcode, nsid, slba, n, off, block, cookie, &seg);

	return udrv_nvme_submit(q, &io);
}

struct udrv_nvme_done nvme_complete(struct nvme_fixture *fx, struct udrv_nvme_queue *q)
{
	struct udrv_nvme_done done = { 0 };
	int n = 0;

	udrv_nvme_ring(q);
	for (int i = 0; i < 1000 && !n; i++) {
		n = udrv_nvme_poll(q, &done, 1);
		if (!n)
			nvme_model_run(fx->m, 1);
	}
	ck_assert_msg(n == 1, "no completion: %d, %s", n, fx->log.last);
	ck_assert_int_eq(udrv_nvme_release(q, done.slot), 0);
	return done;
}

int nvme_fixture_listen(struct nvme_fixture *fx, void (*fn)(void *ctx, struct udrv_nvme_queue *q),
			void *ctx)
{
	ck_assert_int_eq(udrv_loop_create(0, &fx->loop), 0);
	return udrv_nvme_irq_arm(fx->ctrl, fx->loop, fn, ctx);
}

unsigned int nvme_drain(struct udrv_nvme_queue *q, bool resumed)
{
	struct udrv_nvme_done done[8];
	unsigned int count = 0;
	int n;

	while ((n = udrv_nvme_poll(q, done, 8)) > 0) {
		for (int i = 0; i < n; i++) {
			ck_assert(done[i].resumed == resumed);
			ck_assert_int_eq(udrv_nvme_release(q, done[i].slot), 0);
		}
		count += (unsigned int)n;
	}
	ck_assert_int_eq(n, 0);
	return count;
}
