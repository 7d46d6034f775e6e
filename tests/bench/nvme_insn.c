// SPDX-License-Identifier: BSD-2-Clause
/*
 * Instructions that the driver takes for one 4 KiB read: submit, doorbells, poll and release, with
 * everything on that a real queue has. Run under callgrind by tests/bench/nvme-insn, which counts
 * what happens in the driver's functions and nothing else.
 *
 * The controller is set up on the model; then its BAR becomes plain memory, as VFIO maps it, and
 * this program posts the completions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/nvme/ctrl.h"
#include "tests/bench/insn.h"
#include "tests/model/nvme/nvme_model.h"

#define POOL_SIZE (4u << 20)
#define ROUNDS	  1000u
#define MAX_BATCH 16u

static uint8_t *pool;

static void *mem(void *ctx, uint64_t addr, uint64_t len)
{
	(void)ctx;
	return addr >= INSN_POOL_ADDR && addr - INSN_POOL_ADDR + len <= POOL_SIZE ?
		       pool + (addr - INSN_POOL_ADDR) :
		       NULL;
}

static struct udrv_device *open_device(struct nvme_model *m, const struct udrv_nvme_opts *opts)
{
	uint64_t state_size, dma_size;

	udrv_nvme_requirements(opts, &state_size, &dma_size);
	return insn_device(&nvme_model_ops, m, state_size, POOL_SIZE, &pool);
}

/* What a device would have written for the newest @n commands. */
static void complete(struct udrv_nvme_queue *q, unsigned int n)
{
	struct nvme_cqe *at = q->cqe;
	uint16_t phase = q->phase;
	uint64_t tail = udrv_load64(&q->st->tail) - udrv_load64(&q->st->sq_origin);

	for (unsigned int i = 0; i < n; i++) {
		struct nvme_sqe *sqe = &q->sq[(tail - n + i) % q->sq_entries];

		*at = (struct nvme_cqe){
			.sqid = q->qid, .sqhd = q->sqe - q->sq, .cid = sqe->cid, .status = phase
		};
		if (++at == q->cq_end) {
			at = q->cq;
			phase ^= 1;
		}
	}
}

static int run(struct udrv_nvme_queue *q, uint64_t buf, unsigned int batch)
{
	struct udrv_nvme_done done[MAX_BATCH];
	struct udrv_nvme_seg seg[MAX_BATCH];
	struct udrv_nvme_io io[MAX_BATCH];

	for (unsigned int i = 0; i < batch; i++) {
		seg[i] = (struct udrv_nvme_seg){ .off = buf + i * 4096, .len = 4096 };
		io[i] = (struct udrv_nvme_io){ .opcode = NVME_CMD_READ,
					       .nsid = 1,
					       .slba = i,
					       .nlb = 1,
					       .seg = &seg[i],
					       .nseg = 1,
					       .cookie = { i, 1 } };
	}
	for (unsigned int round = 0; round < ROUNDS; round++) {
		if (batch == 1 ? udrv_nvme_submit(q, io) :
				 udrv_nvme_submit_batch(q, io, batch) != (int)batch)
			return -1;
		udrv_nvme_ring(q);
		complete(q, batch);
		if (udrv_nvme_poll(q, done, batch) != (int)batch)
			return -1;
		if (batch == 1 ? udrv_nvme_release(q, done[0].slot) :
				 udrv_nvme_release_batch(q, done, batch))
			return -1;
	}
	return 0;
}

int main(void)
{
	const struct udrv_nvme_opts opts = {
		.size = sizeof(opts), .io_queues = 1, .depth = 64, .poll = true
	};
	struct nvme_model_opts mo = { .seed = 1, .mem = mem };
	static uint8_t registers[0x4000] __attribute__((aligned(4096)));
	struct udrv_nvme_queue *q;
	struct udrv_device *dev;
	struct udrv_nvme *ctrl;
	struct nvme_model *m;
	uint64_t buf;

	if (nvme_model_create(&mo, &m))
		return 1;
	dev = open_device(m, &opts);
	if (!dev || udrv_nvme_start(dev, &opts, &ctrl) ||
	    udrv_dma_alloc(udrv_device_dma(dev), MAX_BATCH * 4096, 4096, 0, 1, &buf)) {
		fprintf(stderr, "nvme-insn: the controller's model could not be started\n");
		return 1;
	}
	q = udrv_nvme_queue(ctrl, 0);
	q->sq_reg = (volatile uint32_t *)(registers + q->sq_db);
	q->cq_reg = (volatile uint32_t *)(registers + q->cq_db);
	nvme_queue_limits(q);

	static const unsigned int batches[] = { 1, 16 };

	for (unsigned int i = 0; i < 2; i++) {
		char name[32];

		CALLGRIND_ZERO_STATS;
		if (run(q, buf, batches[i]))
			return 1;
		snprintf(name, sizeof(name), "batch %u %u", batches[i], ROUNDS);
		CALLGRIND_DUMP_STATS_AT(name);
	}
	return 0;
}
