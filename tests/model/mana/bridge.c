// SPDX-License-Identifier: BSD-2-Clause
/* Between the vfio-user server and the model. */
#include "tests/model/mana/server.h"

void bridge_empty_mailbox(struct server *s)
{
	struct letter l;

	while (mailbox_take(&s->mail, &l))
		mana_model_bar_write(s->m, l.off, l.val, l.width);
}

/* ---- the device, as the vfio-user server sees it (socket thread) ---- */

static uint64_t bar_read(void *ctx, unsigned int bar, uint64_t off, unsigned int width)
{
	struct server *s = ctx;
	uint64_t val;

	if (bar)
		return 0;
	turn_take(&s->turn);
	bridge_empty_mailbox(s);
	val = mana_model_bar_read(s->m, off, width);
	turn_give(&s->turn);
	wake(s);
	return val;
}

static void bar_write(void *ctx, unsigned int bar, uint64_t off, uint64_t val, unsigned int width)
{
	const struct letter l = { .off = off, .val = val, .width = width };
	struct server *s = ctx;

	if (bar)
		return;
	while (!mailbox_put(&s->mail, &l)) {
		turn_take(&s->turn);
		bridge_empty_mailbox(s);
		turn_give(&s->turn);
	}
	wake(s);
}

static void command(void *ctx, uint16_t value)
{
	struct server *s = ctx;

	turn_take(&s->turn);
	bridge_empty_mailbox(s);
	mana_model_set_command(s->m, value);
	turn_give(&s->turn);
	wake(s);
}

static void reset(void *ctx, enum vfio_user_reset why)
{
	struct server *s = ctx;

	if (why == VFIO_USER_RESET_GONE)
		return;
	turn_take(&s->turn);
	bridge_empty_mailbox(s);
	mana_model_reset(s->m);
	fprintf(s->opts->out, "reset: %s\n", why == VFIO_USER_RESET_FLR ? "flr" : "machine");
	fflush(s->opts->out);
	turn_give(&s->turn);
}

static void pause_device(void *ctx)
{
	struct server *s = ctx;

	turn_take(&s->turn);
}

static void resume_device(void *ctx)
{
	struct server *s = ctx;

	turn_give(&s->turn);
}

static void vfio_log(void *ctx, const char *line)
{
	say(ctx, "vfio-user: %s", line);
}

const struct vfio_user_ops bridge_vfio_ops = {
	.bar_read = bar_read,
	.bar_write = bar_write,
	.command = command,
	.reset = reset,
	.pause = pause_device,
	.resume = resume_device,
	.log = vfio_log,
};

/* ---- the host, as the model sees it (device thread, with the turn) ---- */

static void *model_dma(void *ctx, uint64_t addr, size_t *len, bool write)
{
	struct server *s = ctx;

	return vfio_user_dma(s->vu, addr, len, write);
}

static void model_irq(void *ctx, unsigned int vector)
{
	struct server *s = ctx;

	vfio_user_irq(s->vu, vector);
}

static void model_logs(void *ctx, const char *line)
{
	say(ctx, "%s", line);
}

const struct mana_model_ops bridge_model_ops = { .dma = model_dma,
						 .irq = model_irq,
						 .log = model_logs };
