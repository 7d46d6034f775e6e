// SPDX-License-Identifier: BSD-2-Clause
/*
 * Instructions that the MANA driver takes for a packet of 64 bytes: to receive one (look, take,
 * post its buffer again, doorbells) and to send one (WQE, doorbell, completion, release). Run under
 * callgrind by tests/bench/mana-insn, which counts what happens in the driver's functions and
 * nothing else.
 *
 * The adapter is set up on the model; then its BAR becomes plain memory, as VFIO maps it, and this
 * program posts the completions.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "devices/mana/adapter.h"
#include "tests/bench/insn.h"
#include "tests/model/mana/mana_model.h"

#define POOL_SIZE   (8u << 20)
#define ROUNDS	    1000u
#define MAX_BATCH   32u
#define PCI_COMMAND 4u

static uint8_t *pool;
static struct mana_model *model;

/* ---- The model as a device ------------------------------------------------------------------- */

static void *dma(void *ctx, uint64_t addr, size_t *len, bool write)
{
	(void)ctx;
	(void)write;
	if (addr < INSN_POOL_ADDR || addr - INSN_POOL_ADDR >= POOL_SIZE)
		return NULL;
	if (*len > POOL_SIZE - (addr - INSN_POOL_ADDR))
		*len = POOL_SIZE - (addr - INSN_POOL_ADDR);
	return pool + (addr - INSN_POOL_ADDR);
}

static void irq(void *ctx, unsigned int vector)
{
	(void)ctx;
	(void)vector;
}

static uint64_t bar_read(void *ctx, uint64_t off, unsigned int width)
{
	mana_model_run(ctx, 64);
	return mana_model_bar_read(ctx, off, width);
}

static void bar_write(void *ctx, uint64_t off, uint64_t val, unsigned int width)
{
	mana_model_bar_write(ctx, off, val, width);
}

static int bar_map(void *ctx, unsigned int bar, struct udrv_bar *ret)
{
	static const struct udrv_bar_ops ops = { .read = bar_read, .write = bar_write };

	if (bar)
		return -ENOENT;
	*ret = (struct udrv_bar){ .size = MANA_MODEL_BAR0_SIZE, .ops = &ops, .ctx = ctx };
	return 0;
}

static int config_read(void *ctx, unsigned int off, void *buf, unsigned int len)
{
	static const uint8_t id[4] = { 0x14, 0x14, 0xba, 0x00 };

	(void)ctx;
	memset(buf, 0, len);
	if (off < sizeof(id) && len <= sizeof(id) - off)
		memcpy(buf, id + off, len);
	return 0;
}

static int config_write(void *ctx, unsigned int off, const void *buf, unsigned int len)
{
	uint16_t command;

	if (off == PCI_COMMAND && len >= sizeof(command)) {
		memcpy(&command, buf, sizeof(command));
		mana_model_set_command(ctx, command);
	}
	return 0;
}

static int reset(void *ctx)
{
	mana_model_reset(ctx);
	return 0;
}

static struct udrv_device *open_device(const struct udrv_mana_opts *opts)
{
	static const struct udrv_device_ops ops = {
		.size = sizeof(ops),
		.bar_map = bar_map,
		.config_read = config_read,
		.config_write = config_write,
		.reset = reset,
	};
	uint64_t state_size, dma_size;

	udrv_mana_requirements(opts, &state_size, &dma_size);
	return insn_device(&ops, model, state_size, POOL_SIZE, &pool);
}

/* ---- What it would have written -------------------------------------------------------------- */

static void post(const struct mana_cq *cq, unsigned int n, uint32_t hdr)
{
	struct gdma_cqe *ring = (struct gdma_cqe *)cq->ring;

	for (uint32_t idx = cq->seen; idx != cq->seen + n; idx++) {
		struct gdma_cqe *cqe = &ring[idx & cq->mask];

		cqe->data[0] = htole32(hdr | MANA_CQE_CLIENT_COMPLETION << MANA_CQE_CLIENT_SHIFT);
		cqe->data[1] = htole32(MANA_RX_IP_OK | MANA_RX_UDP_OK);
		cqe->data[2] = htole32(64);
		cqe->info = htole32((idx >> cq->shift & GDMA_OWNER_MASK) << GDMA_OWNER_SHIFT |
				    cq->info);
	}
}

static int receive(struct udrv_mana_queue *q, unsigned int batch)
{
	struct udrv_mana_rx pkts[MAX_BATCH];

	for (unsigned int round = 0; round < ROUNDS; round++) {
		post(&q->rx_cq, batch, MANA_CQE_RX_OKAY);
		if (udrv_mana_recv(q, pkts, batch) != (int)batch ||
		    udrv_mana_recv_release(q, batch))
			return -1;
	}
	return 0;
}

static int send(struct udrv_mana_queue *q, uint64_t buf, unsigned int batch)
{
	struct udrv_mana_sent done[MAX_BATCH];
	struct udrv_mana_seg seg[MAX_BATCH];
	struct udrv_mana_tx pkts[MAX_BATCH];

	for (unsigned int i = 0; i < batch; i++) {
		seg[i] = (struct udrv_mana_seg){ .off = buf + i * 2048, .len = 64 };
		pkts[i] = (struct udrv_mana_tx){ .seg = &seg[i], .nseg = 1, .cookie = i };
	}
	for (unsigned int round = 0; round < ROUNDS; round++) {
		if (udrv_mana_send(q, pkts, batch) != (int)batch)
			return -1;
		post(&q->tx_cq, batch, MANA_CQE_TX_OKAY);
		if (udrv_mana_sent(q, done, batch) != (int)batch ||
		    udrv_mana_sent_release(q, batch))
			return -1;
	}
	return 0;
}

int main(void)
{
	static const struct mana_model_ops model_ops = { .dma = dma, .irq = irq };
	static uint8_t registers[MANA_MODEL_BAR0_SIZE] __attribute__((aligned(4096)));
	static const unsigned int batches[] = { 1, MAX_BATCH };
	const struct udrv_mana_opts opts = { .size = sizeof(opts), .vports = 1, .poll = true };
	const struct mana_model_opts mo = { .ops = &model_ops };
	struct udrv_mana_queue *q;
	struct udrv_device *dev;
	struct udrv_mana *mana;
	uint64_t buf;

	if (mana_model_create(&mo, &model))
		return 1;
	mana_model_set_command(model, 0);
	dev = open_device(&opts);
	if (!dev || udrv_mana_start(dev, &opts, &mana) ||
	    udrv_dma_alloc(udrv_device_dma(dev), MAX_BATCH * 2048, 4096, 0, 1, &buf)) {
		fprintf(stderr, "mana-insn: the adapter's model could not be started\n");
		return 1;
	}
	mana->bar.base = registers;
	q = udrv_mana_queue(mana, 0, 0);
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int batch = batches[i / 2];
		char name[32];

		CALLGRIND_ZERO_STATS;
		if (i & 1 ? send(q, buf, batch) : receive(q, batch))
			return 1;
		snprintf(name, sizeof(name), "%s%u %u %u", i & 1 ? "tx" : "rx", batch, batch,
			 ROUNDS);
		CALLGRIND_DUMP_STATS_AT(name);
	}
	return 0;
}
