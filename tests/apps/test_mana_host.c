// SPDX-License-Identifier: BSD-2-Clause
/* A MANA adapter's host: what it makes of an adapter that a predecessor left. */
#include <check.h>
#include <string.h>

#include "tests/unit/crash.h"
#include "tests/unit/mana_fixture.h"
#include "tests/unit/suite.h"
#include "udrv/host/config.h"
#include "udrv/host/driver.h"
#include "udrv/host/host.h"
#include "udrv/host/mana.h"
#include "udrv/host/nic.h"
#include "udrv/host/tap.h"

#define PACKETS 100u
#define DEPTH	128u

static struct mana_fixture fx;
static struct host h;

/* ---- What the rest of the host does: a consumer that copies ---------------------------------- */

const struct consumer_ops nic_consumer;

int config_mana(struct udrv_mana_opts *ret, bool *ret_tap)
{
	*ret = fx.opts;
	*ret_tap = false;
	return 0;
}

void host_first_completion(struct host *host)
{
	(void)host;
}

unsigned int nic_room(struct host *host, struct udrv_mana_queue *q)
{
	(void)host;
	(void)q;
	return MANA_BATCH;
}

void nic_receive(struct host *host, struct udrv_mana_queue *q, const struct udrv_mana_rx *pkts,
		 unsigned int n)
{
	(void)host;
	(void)pkts;
	ck_assert_int_eq(udrv_mana_recv_release(q, n), 0);
}

void nic_sent(struct host *host, struct udrv_mana_queue *q, const struct udrv_mana_sent *done)
{
	(void)host;
	(void)q;
	(void)done;
}

void nic_rebase(struct host *host)
{
	(void)host;
}

void nic_before_start(struct host *host)
{
	(void)host;
}

uint64_t tap_dma_size(const struct udrv_mana_opts *opts)
{
	(void)opts;
	return 0;
}

void tap_configure(bool on)
{
	(void)on;
}

void tap_open(struct host *host)
{
	(void)host;
}

void tap_listen(struct host *host)
{
	(void)host;
}

void tap_tick(struct host *host)
{
	(void)host;
}

void tap_sent(struct host *host, const struct udrv_mana_queue *q, const struct udrv_mana_sent *done)
{
	(void)host;
	(void)q;
	(void)done;
}

void tap_go_on(struct host *host, const struct udrv_mana_queue *q)
{
	(void)host;
	(void)q;
}

void mana_status(struct host *host, struct json_object *o)
{
	(void)host;
	(void)o;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void open_host(void)
{
	h = (struct host){ .dev = fx.fd.dev, .mana = fx.mana, .driver = &mana_host_driver };
}

static void set_up(void)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = { .tx_depth = 64, .rx_depth = DEPTH, .poll = true };

	mana_fixture_init(&fx, &model, &opts, 0, 0);
	mana_fixture_start(&fx);
	mana_model_forbid_setup(fx.m, true);
	open_host();
}

static void die_and_resume(void)
{
	mana_fixture_crash(&fx);
	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	open_host();
	ck_assert_int_eq(h.driver->resume_begin(&h), 0);
	fx.mana = h.mana;
	ck_assert_int_eq(h.driver->resume_look(&h), 0);
	ck_assert_int_eq(h.driver->resume_finish(&h), 0);
}

static void deliver(void *unused)
{
	(void)unused;
	h.driver->deliver(&h);
}

static void arrive(void)
{
	for (unsigned int i = 0; i < PACKETS; i++)
		mana_inject(&fx, 0, 0, i, 60);
	mana_fixture_run(&fx);
}

/* As often as that none would be left if each left those that it held. */
START_TEST(no_buffer_stays_with_the_dead)
{
	unsigned int at = 0, held = 0;
	bool more;

	set_up();
	do {
		struct udrv_mana_queue *q;

		arrive();
		more = crash_after(++at, deliver, NULL);
		held += udrv_mana_recv_held(udrv_mana_queue(fx.mana, 0, 0));
		die_and_resume();
		q = udrv_mana_queue(fx.mana, 0, 0);
		ck_assert_msg(!udrv_mana_recv_held(q), "step %u: %u buffers held", at,
			      udrv_mana_recv_held(q));
		deliver(NULL);
	} while (more);
	ck_assert_uint_gt(held, DEPTH);
	ck_assert_uint_eq(mana_model_counts(fx.m)->rx_no_buffer, 0);
	mana_fixture_end(&fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mana_host");
	TCase *tc = suite_case(suite, "mana_host", 60);

	tcase_add_test(tc, no_buffer_stays_with_the_dead);
	return suite_run(suite);
}
