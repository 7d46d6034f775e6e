// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <udrv/bar.h>
#include <udrv/loop.h>

#include "tests/unit/mana_fixture.h"

#define BUFFER_TAG  0x74657374u
#define STEPS	    64 /* that the device may take when a register is read */
#define PCI_COMMAND 4u
#define ID_AT	    42u /* Ethernet, IPv4, UDP */

/* ---- The device as the driver sees it -------------------------------------------------------- */

static uint64_t bar_read(void *ctx, uint64_t off, unsigned int width)
{
	struct mana_fixture *fx = ctx;

	if (!fx->still)
		mana_model_run(fx->m, STEPS);
	return mana_model_bar_read(fx->m, off, width);
}

static void bar_write(void *ctx, uint64_t off, uint64_t val, unsigned int width)
{
	struct mana_fixture *fx = ctx;

	mana_model_bar_write(fx->m, off, val, width);
	if (fx->eager)
		mana_model_run(fx->m, STEPS);
}

static const struct udrv_bar_ops bar_ops = { .read = bar_read, .write = bar_write };

static int bar_map(void *ctx, unsigned int bar, struct udrv_bar *ret)
{
	struct mana_fixture *fx = ctx;

	if (bar)
		return -ENOENT;
	*ret = (struct udrv_bar){
		.size = MANA_MODEL_BAR0_SIZE,
		.ops = fx->bar_ops ? fx->bar_ops : &bar_ops,
		.ctx = ctx,
	};
	return 0;
}

static int config_read(void *ctx, unsigned int off, void *buf, unsigned int len)
{
	struct mana_fixture *fx = ctx;
	/* clang-format off */
	uint8_t config[64] = { 0x14, 0x14, 0xba, 0x00, fx->command & 0xff, fx->command >> 8,
			       [0x08] = 0, 0, 0, 0x02, [0x2c] = 0x14, 0x14, 0xba, 0x00 };
	/* clang-format on */

	memset(buf, 0, len);
	if (off < sizeof(config) && len <= sizeof(config) - off)
		memcpy(buf, config + off, len);
	return 0;
}

static int config_write(void *ctx, unsigned int off, const void *buf, unsigned int len)
{
	struct mana_fixture *fx = ctx;

	if (off == PCI_COMMAND && len >= 2) {
		memcpy(&fx->command, buf, 2);
		mana_model_set_command(fx->m, fx->command);
	}
	return 0;
}

static int irq_count(void *ctx)
{
	struct mana_fixture *fx = ctx;

	return fx->model.vectors ? (int)fx->model.vectors : MANA_MODEL_MAX_VECTORS;
}

static void forget_vectors(struct mana_fixture *fx)
{
	for (unsigned int i = 0; i < MANA_MODEL_MAX_VECTORS; i++) {
		if (fx->eventfd[i] >= 0)
			close(fx->eventfd[i]);
		fx->eventfd[i] = -1;
	}
}

static int irq_arm(void *ctx, unsigned int first, unsigned int n, const int *eventfds)
{
	struct mana_fixture *fx = ctx;
	uint64_t one = 1;

	if (first || n > MANA_MODEL_MAX_VECTORS)
		return -EINVAL;
	forget_vectors(fx);
	for (unsigned int i = 0; i < n; i++) {
		if (eventfds[i] < 0)
			continue;
		fx->eventfd[i] = dup(eventfds[i]);
		/* As a backend does: whatever was signalled before, it is again. */
		if (write(fx->eventfd[i], &one, sizeof(one)) < 0)
			return -errno;
	}
	return 0;
}

static int irq_disarm(void *ctx)
{
	forget_vectors(ctx);
	return 0;
}

static int reset(void *ctx)
{
	struct mana_fixture *fx = ctx;

	if (fx->no_reset)
		return -EOPNOTSUPP;
	mana_model_reset(fx->m);
	fx->command = 0;
	return 0;
}

static const struct udrv_device_ops device_ops = {
	.size = sizeof(device_ops),
	.bar_map = bar_map,
	.config_read = config_read,
	.config_write = config_write,
	.irq_count = irq_count,
	.irq_arm = irq_arm,
	.irq_disarm = irq_disarm,
	.reset = reset,
};

/* ---- What the device sees -------------------------------------------------------------------- */

static void *dma(void *ctx, uint64_t addr, size_t *len, bool write)
{
	const struct mana_fixture *fx = ctx;

	(void)write;
	for (unsigned int i = 0; i < fx->fd.nruns; i++) {
		const struct udrv_dma_run *r = &fx->fd.runs[i];

		if (addr < r->addr || addr - r->addr >= r->len)
			continue;
		if (*len > r->len - (addr - r->addr))
			*len = r->len - (addr - r->addr);
		return fx->fd.mem + r->off + (addr - r->addr);
	}
	return NULL;
}

static void irq(void *ctx, unsigned int vector)
{
	struct mana_fixture *fx = ctx;
	uint64_t one = 1;

	if (vector < MANA_MODEL_MAX_VECTORS && fx->eventfd[vector] >= 0)
		ck_assert_int_eq(write(fx->eventfd[vector], &one, sizeof(one)), sizeof(one));
}

static const struct mana_model_ops model_ops = { .dma = dma, .irq = irq };

static int wire_send(struct net_backend *b, const uint8_t *frame, size_t len)
{
	struct mana_wire *wire = (struct mana_wire *)b;

	if (wire->n == MANA_FIXTURE_WIRE) {
		wire->lost++;
		return -ENOBUFS;
	}
	wire->frame[wire->n] = malloc(len);
	ck_assert_ptr_nonnull(wire->frame[wire->n]);
	memcpy(wire->frame[wire->n], frame, len);
	wire->len[wire->n++] = len;
	return 0;
}

static ssize_t wire_receive(struct net_backend *b, uint8_t *frame, size_t size)
{
	(void)b;
	(void)frame;
	(void)size;
	return -EAGAIN;
}

static void wire_close(struct net_backend *b)
{
	struct mana_wire *wire = (struct mana_wire *)b;

	for (unsigned int i = 0; i < wire->n; i++)
		free(wire->frame[i]);
	wire->n = 0;
}

static const struct net_backend_ops wire_ops = {
	.name = "test",
	.send = wire_send,
	.receive = wire_receive,
	.close = wire_close,
};

/* ---- Life ------------------------------------------------------------------------------------ */

void mana_fixture_init(struct mana_fixture *fx, const struct mana_model_opts *mo,
		       const struct udrv_mana_opts *opts, uint64_t buf_size, unsigned int nruns)
{
	struct fake_device_opts fo = {
		.pool_size = 2 << 20, .ops = &device_ops, .ctx = fx, .nruns = nruns
	};
	uint64_t state_size, dma_size;

	*fx = (struct mana_fixture){ .opts = *opts, .buf_size = buf_size, .model = *mo };
	fx->opts.size = sizeof(fx->opts);
	for (unsigned int i = 0; i < MANA_MODEL_MAX_VECTORS; i++)
		fx->eventfd[i] = -1;
	fake_log_init(&fx->log);
	fx->model.ops = &model_ops;
	fx->model.ctx = fx;
	fx->model.cq_room = true;
	for (unsigned int i = 0; i < MANA_MODEL_MAX_VPORTS; i++) {
		fx->wire[i].backend = (struct net_backend){ .ops = &wire_ops, .fd = -1 };
		fx->model.backend[i] = &fx->wire[i].backend;
	}
	ck_assert_int_eq(mana_model_create(&fx->model, &fx->m), 0);
	ck_assert_int_eq(udrv_mana_requirements(&fx->opts, &state_size, &dma_size), 0);
	fo.state_size = state_size;
	while (fo.pool_size < dma_size + buf_size + (64 << 10))
		fo.pool_size += 2 << 20;
	fo.log = &fx->log.log;
	ck_assert_int_eq(fake_device_create(&fx->fd, &fo), 0);
}

void mana_fixture_free(struct mana_fixture *fx)
{
	udrv_mana_detach(fx->mana);
	udrv_loop_destroy(fx->loop);
	forget_vectors(fx);
	fake_device_destroy(&fx->fd);
	mana_model_destroy(fx->m);
	for (unsigned int i = 0; i < MANA_MODEL_MAX_VPORTS; i++)
		wire_close(&fx->wire[i].backend);
}

void mana_fixture_clean(const struct mana_fixture *fx)
{
	const char *first;

	ck_assert_msg(!mana_model_violations(fx->m, &first), "the model objects: %s", first);
	/* Nobody of ours rings while another destroys. */
	ck_assert_uint_eq(mana_model_counts(fx->m)->late_doorbells, 0);
}

void mana_fixture_end(struct mana_fixture *fx)
{
	mana_fixture_clean(fx);
	mana_fixture_free(fx);
}

void mana_fixture_start(struct mana_fixture *fx)
{
	int err = udrv_mana_start(fx->fd.dev, &fx->opts, &fx->mana);

	ck_assert_msg(!err, "start: %d, %s", err, fx->log.last);
	if (!fx->buf_size)
		return;
	ck_assert_int_eq(udrv_dma_alloc(fx->fd.dma, fx->buf_size, 4096, 0, BUFFER_TAG, &fx->buf),
			 0);
	fx->own_used = (fx->buf_size + 63) & ~(uint64_t)63;
}

void mana_fixture_crash(struct mana_fixture *fx)
{
	udrv_mana_detach(fx->mana);
	udrv_loop_destroy(fx->loop);
	fx->loop = NULL;
	fx->mana = NULL;
	forget_vectors(fx);
	fake_device_crash(&fx->fd);
}

int mana_fixture_resume(struct mana_fixture *fx)
{
	ck_assert_int_eq(fake_device_open(&fx->fd), 0);
	return udrv_mana_resume(fx->fd.dev, &fx->opts, &fx->mana);
}

int mana_fixture_listen(struct mana_fixture *fx, void (*fn)(void *ctx, struct udrv_mana_queue *q),
			void *ctx)
{
	ck_assert_int_eq(udrv_loop_create(0, &fx->loop), 0);
	return udrv_mana_irq_arm(fx->mana, fx->loop, fn, ctx);
}

void mana_fixture_key(struct mana_fixture *fx)
{
	/* Of Microsoft's "Verifying the RSS Hash Calculation". */
	static const uint8_t key[UDRV_MANA_RSS_KEY] = {
		0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
		0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
		0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
	};

	for (unsigned int v = 0; v < udrv_mana_info(fx->mana)->vports; v++) {
		struct udrv_mana_rss rss;

		ck_assert_int_eq(udrv_mana_get_rss(fx->mana, v, &rss), 0);
		memcpy(rss.key, key, sizeof(key));
		ck_assert_int_eq(udrv_mana_set_rss(fx->mana, v, &rss), 0);
	}
}

void mana_fixture_run(struct mana_fixture *fx)
{
	ck_assert_uint_lt(mana_model_run(fx->m, 100000), 100000);
}

/* ---- Frames ---------------------------------------------------------------------------------- */

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static uint16_t sum(const uint8_t *p, size_t len, uint32_t s)
{
	for (size_t i = 0; i < len; i++)
		s += i & 1 ? p[i] : p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

size_t mana_frame(uint8_t *frame, unsigned int vport, uint32_t flow, uint64_t id, size_t len)
{
	const uint8_t dst[6] = { 0x02, 'M', 'A', 'N', 'A', (uint8_t)vport },
		      src[6] = { 2, 0, 0, 0, 0, 2 };
	uint16_t csum;

	ck_assert_uint_ge(len, 60);
	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	put16(frame + 12, 0x0800);
	memset(frame + 14, 0, 28);
	frame[14] = 0x45;
	put16(frame + 16, len - 14);
	frame[22] = 64;
	frame[23] = 17;
	memcpy(frame + 26, (uint8_t[]){ 10, 0, 0, 2, 10, 0, 0, 1 }, 8);
	put16(frame + 24, ~sum(frame + 14, 20, 0));
	put16(frame + 34, 10000 + flow);
	put16(frame + 36, 7);
	put16(frame + 38, len - 34);
	for (size_t i = ID_AT; i < len; i++)
		frame[i] = (uint8_t)(id * 31 + i);
	memcpy(frame + ID_AT, &id, sizeof(id));
	csum = ~sum(frame + 34, len - 34, sum(frame + 26, 8, 17 + (len - 34)));
	put16(frame + 40, csum ? csum : 0xffff);
	return len;
}

uint64_t mana_frame_id(const uint8_t *frame, size_t len)
{
	uint64_t id;

	if (len < 60 || frame[12] != 8 || frame[23] != 17)
		return UINT64_MAX;
	memcpy(&id, frame + ID_AT, sizeof(id));
	for (size_t i = ID_AT + sizeof(id); i < len; i++) {
		if (frame[i] != (uint8_t)(id * 31 + i))
			return UINT64_MAX;
	}
	return id;
}

void mana_inject(struct mana_fixture *fx, unsigned int vport, uint32_t flow, uint64_t id,
		 size_t len)
{
	uint8_t frame[9300];

	mana_frame(frame, vport, flow, id, len);
	ck_assert_int_eq(mana_model_receive(fx->m, vport, frame, len), 0);
}

int mana_send_one(struct mana_fixture *fx, struct udrv_mana_queue *q, uint64_t at, uint64_t id,
		  size_t len)
{
	struct udrv_mana_seg seg = { .off = fx->buf + at, .len = len };
	struct udrv_mana_tx pkt = { .seg = &seg, .nseg = 1, .cookie = id };

	mana_frame(udrv_dma_ptr(fx->fd.dma, seg.off), 0, 0, id, len);
	return udrv_mana_send(q, &pkt, 1);
}
