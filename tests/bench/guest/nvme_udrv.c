// SPDX-License-Identifier: BSD-2-Clause
/* The driver as an application uses it: a handle with its persistent state, queues, batches. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/handle.h>
#include <udrv/log.h>
#include <udrv/loop.h>
#include <udrv/nvme.h>
#include <udrv/nvme_spec.h>

#include "tests/bench/guest/nvme_load.h"

struct queue {
	struct udrv_nvme_queue *q;
	const struct udrv_nvme_ns_info *ns;
	struct bench_worker *w;
	struct nvme_place place;
	struct udrv_nvme_seg seg[LOAD_MAX_DEPTH];
	struct udrv_nvme_io io[LOAD_MAX_DEPTH];
};

static const struct nvme_load *load;
static struct udrv_nvme *ctrl;
static struct queue queues[BENCH_MAX_WORKERS];
static struct udrv_loop *loop;

static void prepare(struct queue *q, struct bench_worker *w)
{
	uint64_t buf, lba = q->ns->lba_size;

	q->w = w;
	q->place = nvme_place_init(w, q->ns->nsze * lba, load);
	buf = q->seg[0].off;
	for (unsigned int i = 0; i < load->depth; i++) {
		q->seg[i] = (struct udrv_nvme_seg){ .off = buf + (uint64_t)i * load->block,
						    .len = load->block };
		q->io[i] = (struct udrv_nvme_io){
			.opcode = load->write ? NVME_CMD_WRITE : NVME_CMD_READ,
			.nsid = q->ns->nsid,
			.slba = nvme_place_next(&q->place, load) / lba,
			.nlb = (uint32_t)(load->block / lba),
			.seg = &q->seg[i],
			.nseg = 1,
			.cookie = { i },
		};
	}
	if (udrv_nvme_submit_batch(q->q, q->io, load->depth) != (int)load->depth)
		bench_fail("submit", EIO);
	udrv_nvme_ring(q->q);
}

/* What has completed is released and issued again, elsewhere. */
static unsigned int turn(struct queue *q)
{
	struct udrv_nvme_done done[32];
	struct udrv_nvme_io io[32];
	uint64_t lba = q->ns->lba_size;
	int n = udrv_nvme_poll(q->q, done, 32);

	if (n < 0)
		bench_fail("poll", n);
	if (!n)
		return 0;
	for (int i = 0; i < n; i++) {
		if (done[i].status)
			bench_fail("a command failed", EIO);
		io[i] = q->io[done[i].cookie[0]];
		io[i].slba = nvme_place_next(&q->place, load) / lba;
	}
	if (udrv_nvme_release_batch(q->q, done, (unsigned int)n) ||
	    udrv_nvme_submit_batch(q->q, io, (unsigned int)n) != n)
		bench_fail("submit again", EIO);
	udrv_nvme_ring(q->q);
	bench_count(q->w, (uint64_t)n, (uint64_t)n * load->block);
	return (unsigned int)n;
}

static void drain(struct queue *q)
{
	struct udrv_nvme_done done[32];
	int n;

	while (udrv_nvme_outstanding(q->q)) {
		n = udrv_nvme_poll(q->q, done, 32);
		if (n < 0 || udrv_nvme_release_batch(q->q, done, (unsigned int)n))
			bench_fail("drain", n);
	}
}

static void poll_worker(struct bench_worker *w)
{
	struct queue *q = &queues[w->index];

	prepare(q, w);
	while (!bench_stopped())
		turn(q);
	drain(q);
}

static void ready(void *ctx, struct udrv_nvme_queue *nq)
{
	(void)ctx;
	for (unsigned int i = 0; i < load->queues; i++) {
		if (queues[i].q == nq && queues[i].w) {
			while (turn(&queues[i]) == 32)
				;
		}
	}
}

/*
 * Interrupts come to the CPU that waits for them, as Linux's driver has it by its managed affinity.
 */
static void pin_interrupts(unsigned int cpu)
{
	FILE *f = fopen("/proc/interrupts", "re");
	char line[1024], path[64];
	unsigned int irq;

	if (!f)
		bench_fail("/proc/interrupts", errno);
	while (fgets(line, sizeof(line), f)) {
		FILE *affinity;

		if (!strstr(line, "vfio-msi") || sscanf(line, " %u:", &irq) != 1)
			continue;
		snprintf(path, sizeof(path), "/proc/irq/%u/smp_affinity_list", irq);
		affinity = fopen(path, "we");
		if (!affinity || fprintf(affinity, "%u\n", cpu) < 0 || fclose(affinity))
			bench_fail(path, errno);
	}
	fclose(f);
}

/* One loop serves all queues. */
static void loop_worker(struct bench_worker *w)
{
	int err = udrv_loop_create(0, &loop);

	if (!err)
		err = udrv_nvme_irq_arm(ctrl, loop, ready, NULL);
	if (err)
		bench_fail("interrupts", err);
	pin_interrupts(w->index);
	for (unsigned int i = 0; i < load->queues; i++)
		prepare(&queues[i], w);
	/* Without a time limit, as the peer waits: there is always a next completion. */
	while (!bench_stopped()) {
		err = udrv_loop_run_once(loop, UINT64_MAX);
		if (err < 0)
			bench_fail("loop", err);
	}
	for (unsigned int i = 0; i < load->queues; i++)
		drain(&queues[i]);
}

void nvme_bench_udrv(const struct nvme_load *l)
{
	const struct udrv_nvme_opts opts = {
		.size = sizeof(opts),
		.io_queues = l->queues,
		.depth = l->depth,
		.poll = l->poll,
	};
	struct udrv_handle_opts sizes = { .size = sizeof(sizes) };
	struct udrv_log log = { .fn = udrv_log_stderr, .ctx = "bench", .level = UDRV_LOG_WARN };
	struct udrv_handle handle = UDRV_HANDLE_INIT;
	struct udrv_device *dev;
	int err;

	load = l;
	strcpy(handle.name, "bench");
	strcpy(handle.driver, "nvme");
	strncpy(handle.bdf, l->device, sizeof(handle.bdf) - 1);
	err = udrv_nvme_requirements(&opts, &sizes.state_size, &sizes.dma_size);
	sizes.dma_size += (uint64_t)l->queues * l->depth * l->block + (2u << 20);
	sizes.dma_size = (sizes.dma_size + (2u << 20) - 1) & ~((2ull << 20) - 1);
	if (!err)
		err = udrv_handle_create(&handle, &sizes, &log);
	if (!err)
		err = udrv_handle_device(&handle, &log, &dev);
	if (!err)
		err = udrv_nvme_start(dev, &opts, &ctrl);
	if (err)
		bench_fail(l->device, err);
	if (udrv_nvme_info(ctrl)->io_queues < l->queues || udrv_nvme_info(ctrl)->depth < l->depth)
		bench_fail("queues of that depth", ENOSPC);
	for (unsigned int i = 0; i < l->queues; i++) {
		queues[i].q = udrv_nvme_queue(ctrl, i);
		queues[i].ns = udrv_nvme_ns(ctrl, 0);
		err = udrv_dma_alloc(udrv_device_dma(dev), (uint64_t)l->depth * l->block, 4096, 0,
				     i + 1, &queues[i].seg[0].off);
		if (err)
			bench_fail("buffers", err);
	}
	if (l->poll)
		bench_run(poll_worker, NULL, l->queues, l->ms);
	else
		bench_run(loop_worker, NULL, 1, l->ms);
	err = udrv_nvme_shutdown(ctrl);
	if (err)
		bench_fail("shutdown", err);
	udrv_device_close(dev);
	udrv_handle_close(&handle);
}
