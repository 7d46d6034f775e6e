// SPDX-License-Identifier: BSD-2-Clause
/*
 * The driver as an application uses it: a handle with its persistent state,
 * one queue pair, batches.
 */
#include <errno.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/handle.h>
#include <udrv/log.h>
#include <udrv/mana.h>

#include "tests/bench/guest/mana_load.h"

static const struct mana_load *load;
static struct udrv_mana_queue *queue;
static struct udrv_mana_seg seg;

/* All packets are the same memory: nobody changes it. */
static unsigned int send_some(unsigned int n)
{
	struct udrv_mana_tx pkts[MANA_BATCH];
	int ret;

	if (n > MANA_BATCH)
		n = MANA_BATCH;
	for (unsigned int i = 0; i < n; i++)
		pkts[i] = (struct udrv_mana_tx){ .seg = &seg, .nseg = 1 };
	ret = udrv_mana_send(queue, pkts, n);
	if (ret < 0)
		bench_fail("send", ret);
	return (unsigned int)ret;
}

static unsigned int sent_some(void)
{
	struct udrv_mana_sent done[MANA_BATCH];
	int n = udrv_mana_sent(queue, done, MANA_BATCH);

	if (n < 0 || (n && udrv_mana_sent_release(queue, (unsigned int)n)))
		bench_fail("completion", n < 0 ? n : EINVAL);
	return (unsigned int)n;
}

static unsigned int receive_some(void)
{
	struct udrv_mana_rx pkts[MANA_BATCH];
	int n = udrv_mana_recv(queue, pkts, MANA_BATCH);

	if (n < 0 || (n && udrv_mana_recv_release(queue, (unsigned int)n)))
		bench_fail("receive", n < 0 ? n : EINVAL);
	return (unsigned int)n;
}

static void udrv_worker(struct bench_worker *w)
{
	unsigned int answers = mana_answers(load), window = MANA_WINDOW, unfinished = 0, n;

	while (!bench_stopped()) {
		unfinished -= sent_some();
		if (load->what == MANA_TX) {
			n = send_some(MANA_BATCH);
			unfinished += n;
		} else {
			unsigned int sent = 0;

			n = receive_some();
			window += n;
			if (window >= answers)
				sent = send_some(window / answers);
			window -= sent * answers;
			unfinished += sent;
		}
		if (n)
			bench_count(w, n, (uint64_t)n * load->size);
	}
	while (unfinished)
		unfinished -= sent_some();
}

void mana_bench_udrv(const struct mana_load *l)
{
	const struct udrv_mana_opts opts = {
		.size = sizeof(opts), .vports = 1, .queues = 1, .poll = true
	};
	struct udrv_log log = { .fn = udrv_log_stderr, .ctx = "bench", .level = UDRV_LOG_WARN };
	struct udrv_handle_opts sizes = { .size = sizeof(sizes) };
	struct udrv_handle handle = UDRV_HANDLE_INIT;
	struct udrv_device *dev;
	struct udrv_mana *mana;
	uint8_t *frame;
	int err;

	load = l;
	strcpy(handle.name, "bench");
	strcpy(handle.driver, "mana");
	strncpy(handle.bdf, l->device, sizeof(handle.bdf) - 1);
	err = udrv_mana_requirements(&opts, &sizes.state_size, &sizes.dma_size);
	sizes.dma_size = (sizes.dma_size + (4u << 20) - 1) & ~((2ull << 20) - 1);
	if (!err)
		err = udrv_handle_create(&handle, &sizes, &log);
	if (!err)
		err = udrv_handle_device(&handle, &log, &dev);
	if (!err)
		err = udrv_mana_start(dev, &opts, &mana);
	if (!err)
		err = udrv_dma_alloc(udrv_device_dma(dev), MANA_MAX_FRAME, 4096, 0, 1, &seg.off);
	if (err)
		bench_fail(l->device, err);
	seg.len = l->size;
	frame = udrv_dma_ptr(udrv_device_dma(dev), seg.off);
	mana_frame(l, udrv_mana_vport(mana, 0)->mac, frame);
	queue = udrv_mana_queue(mana, 0, 0);
	bench_run(udrv_worker, NULL, 1, l->ms);
	err = udrv_mana_shutdown(mana);
	if (err)
		bench_fail("shutdown", err);
	udrv_device_close(dev);
	udrv_handle_close(&handle);
}
