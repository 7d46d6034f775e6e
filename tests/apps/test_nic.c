// SPDX-License-Identifier: BSD-2-Clause
/*
 * The verifying consumer of a NIC, on the driver and a model of the adapter, stopped after each
 * store of either: its successor's figures are exact, and each request has been echoed once.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "tests/unit/crash.h"
#include "tests/unit/mana_fixture.h"
#include "tests/unit/suite.h"
#include "udrv/lib/crc32c.h"

/* With its source: what a process remembers is to be forgotten, as when it dies. */
#include "udrv/host/nic.c"

#define FRAMES 40u
#define QUEUES 2u

static struct mana_fixture fx;
static struct host h;
static int memfd;
static unsigned int injected;
static bool interface;	   /* there is somebody who takes what is not of the stream */
static unsigned int taken; /* how many he took, some of them twice after a death */

/* ---- What the rest of the host does ---------------------------------------------------------- */

bool config_verify_at_boot(char *list, size_t size)
{
	(void)list;
	(void)size;
	return true;
}

void host_reply(int sock, uint32_t id, struct json_object *o)
{
	(void)sock;
	(void)id;
	json_object_put(o);
}

bool tap_receive(struct host *host, const struct udrv_mana_queue *q, const struct udrv_mana_rx *pkt)
{
	(void)host;
	(void)q;
	(void)pkt;
	taken += interface;
	return interface;
}

unsigned int tap_sending(struct host *host, const struct udrv_mana_queue *q)
{
	(void)host;
	(void)q;
	return 0;
}

int host_await_mounts(struct host *host)
{
	(void)host;
	return 0;
}

void host_poll(struct host *host)
{
	(void)host;
}

/* As udrv/host/mana.c has it. */
static bool serve(struct udrv_mana_queue *q)
{
	struct udrv_mana_sent done[8];
	struct udrv_mana_rx pkts[8];
	int sent = udrv_mana_sent(q, done, 8), received;

	ck_assert_int_ge(sent, 0);
	for (int i = 0; i < sent; i++)
		nic_sent(&h, q, &done[i]);
	udrv_mana_sent_release(q, (unsigned int)sent);
	received = udrv_mana_recv(q, pkts, nic_room(&h, q) < 8 ? nic_room(&h, q) : 8);
	ck_assert_int_ge(received, 0);
	if (received)
		nic_receive(&h, q, pkts, (unsigned int)received);
	return sent || received;
}

/* ---- The stream: frame i has the number that sequence(i) says, or is something else ---------- */

enum kind { REQUEST, AGAIN, DAMAGED, FOREIGN };

static enum kind kind(unsigned int i)
{
	return i % 10 == 7 ? AGAIN : i % 10 == 8 ? DAMAGED : i % 10 == 9 ? FOREIGN : REQUEST;
}

static uint64_t sequence(unsigned int i)
{
	return kind(i) == AGAIN ? i - 3 : i;
}

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

static void inject(void)
{
	unsigned int i = injected++;
	uint64_t seq = sequence(i);
	uint8_t frame[100], *payload = frame + 42;

	/*
	 * One that comes again comes to the same queue, behind the first: across
	 * queues there is no order.
	 */
	mana_frame(frame, 0, (uint32_t)seq, i, sizeof(frame));
	if (kind(i) != FOREIGN) {
		frame[36] = 7777 >> 8;
		frame[37] = 7777 & 0xff;
	}
	frame[40] = frame[41] = 0;
	memcpy(payload, "UDRVNIC1", 8);
	memcpy(payload + 8, &seq, 8);
	put32(payload + 16, 0);
	put32(payload + 20, 0);
	put32(payload + 24, 0);
	put32(payload + 28, 0);
	put32(payload + 24, udrv_crc32c(0, payload, sizeof(frame) - 42));
	if (kind(i) == DAMAGED)
		payload[50] ^= 1;
	ck_assert_int_eq(mana_model_receive(fx.m, 0, frame, sizeof(frame)), 0);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void open_host(bool resumed)
{
	h = (struct host){ .mana = fx.mana, .dev = fx.fd.dev };
	for (unsigned int i = 0; i < sizeof(h.handle.fd) / sizeof(h.handle.fd[0]); i++)
		h.handle.fd[i] = -1;
	h.handle.fd[UDRV_FD_EXTRA] = memfd;
	ck_assert_int_eq(nic_open(&h, resumed), 0);
}

static void set_up(void)
{
	struct mana_model_opts model = { .seed = 1 };
	struct udrv_mana_opts opts = {
		.queues = QUEUES, .tx_depth = 64, .rx_depth = 128, .poll = true
	};

	injected = taken = 0;
	mana_fixture_init(&fx, &model, &opts, 2 << 20, 0);
	fx.buf_size = 0; /* the room is the consumer's */
	mana_fixture_start(&fx);
	memfd = memfd_create("nic", MFD_CLOEXEC);
	ck_assert_int_ge(memfd, 0);
	ck_assert_int_eq(ftruncate(memfd, 2 << 20), 0);
	open_host(false);
	mana_model_forbid_setup(fx.m, true);
}

static void forget(void)
{
	munmap(the_nic.m, 2 << 20);
	the_nic = (struct nic){ .stop_sock = -1, .cycle_opened = UINT64_MAX };
}

static void tear_down(void)
{
	forget();
	close(memfd);
	mana_fixture_end(&fx);
}

static void resume(void *unused)
{
	(void)unused;
	ck_assert_int_eq(udrv_mana_resume(fx.fd.dev, &fx.opts, &fx.mana), 0);
}

static void die_and_resume(void)
{
	forget();
	mana_fixture_crash(&fx);
	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	resume(NULL);
	open_host(true);
}

static void work(void *unused)
{
	bool busy;

	(void)unused;
	do {
		for (unsigned int i = 0; i < 3 && injected < FRAMES; i++)
			inject();
		mana_model_run(fx.m, 7);
		busy = injected < FRAMES;
		for (unsigned int i = 0; i < QUEUES; i++) {
			struct udrv_mana_queue *q = udrv_mana_queue(fx.mana, 0, i);

			busy |= serve(q) || udrv_mana_sending(q);
		}
	} while (busy);
}

static uint64_t figure(const char *name)
{
	struct json_object *o = nic_memory_json(the_nic.m), *v;
	uint64_t n;

	ck_assert(json_object_object_get_ex(o, name, &v));
	n = json_object_get_uint64(v);
	json_object_put(o);
	return n;
}

static void figures_are_exact(unsigned int at)
{
	unsigned int echoes[FRAMES] = { 0 };

	ck_assert_msg(figure("received") == FRAMES / 10 * 7, "step %u: %u received", at,
		      (unsigned int)figure("received"));
	ck_assert_msg(figure("duplicated") == FRAMES / 10, "step %u: %u duplicated", at,
		      (unsigned int)figure("duplicated"));
	ck_assert_msg(figure("corrupt") == FRAMES / 10, "step %u: %u corrupt", at,
		      (unsigned int)figure("corrupt"));
	ck_assert_msg(figure("other") == (interface ? 0 : FRAMES / 10), "step %u: %u others", at,
		      (unsigned int)figure("other"));
	ck_assert_msg(taken >= (interface ? FRAMES / 10 : 0), "step %u: %u taken", at, taken);
	ck_assert_msg(figure("echoed") == FRAMES / 10 * 8, "step %u: %u echoed", at,
		      (unsigned int)figure("echoed"));
	ck_assert_uint_eq(figure("echo_errors"), 0);
	ck_assert_uint_eq(figure("highest"), FRAMES - 4);
	for (unsigned int i = 0; i < fx.wire[0].n; i++) {
		uint64_t seq;

		ck_assert_uint_eq(fx.wire[0].len[i], 100);
		memcpy(&seq, fx.wire[0].frame[i] + 50, 8);
		ck_assert_uint_lt(seq, FRAMES);
		echoes[seq]++;
	}
	for (unsigned int i = 0; i < FRAMES; i++) {
		unsigned int want = kind(i) != REQUEST			   ? 0 :
				    i + 3 < FRAMES && kind(i + 3) == AGAIN ? 2 :
									     1;

		ck_assert_msg(echoes[i] == want, "step %u: %u echoes of request %u", at, echoes[i],
			      i);
	}
}

START_TEST(counts)
{
	interface = _i;
	set_up();
	work(NULL);
	figures_are_exact(0);
	tear_down();
}
END_TEST

START_TEST(counts_when_stopped_at_every_step)
{
	unsigned int at = 0;
	bool more;

	interface = _i;
	do {
		set_up();
		more = crash_after(++at, work, NULL);
		if (more) {
			die_and_resume();
			work(NULL);
		}
		figures_are_exact(at);
		tear_down();
	} while (more);
	ck_assert_uint_gt(at, 200);
}
END_TEST

/*
 * Again and again; each life is long enough for a batch of echoes, which exist all together or not
 * at all.
 */
START_TEST(counts_over_many_deaths)
{
	interface = _i;
	for (unsigned int period = 60; period < 110; period += 3) {
		unsigned int lives = 0;

		set_up();
		while (crash_after(period + lives % 5, work, NULL)) {
			ck_assert_uint_lt(++lives, 1000);
			die_and_resume();
		}
		figures_are_exact(period);
		tear_down();
	}
}
END_TEST

/*
 * Where a queue pair is after many packets, with kinds that have not occurred since @rare. Those
 * packets were of the stream, or they were all others.
 */
static const struct {
	uint32_t place, rare;
	bool ours;
} far[] = {
	{ 0x80000000 - 8, 0, true },  { 0xffffffff - 8, 0x60000000, true },
	{ 0x80000000 - 8, 0, false }, { 0x80000005, 0, false },
	{ 0xc0000000 - 8, 0, false },
};

static void set_up_far(unsigned int i)
{
	set_up();
	for (unsigned int q = 0; q < QUEUES; q++) {
		struct nic_queue *a = &the_nic.m->queue[q];

		a->origin = far[i].place;
		for (unsigned int k = 0; k < NIC_COUNTS; k++)
			a->count[k] = far[i].rare;
		if (far[i].ours)
			a->count[NIC_FIRST] = a->count[NIC_ECHOED] = the_nic.q[q].echoed =
				far[i].place;
	}
}

START_TEST(counts_after_many_packets)
{
	unsigned int at = 0;
	bool more;

	interface = false;
	do {
		set_up_far((unsigned int)_i);
		more = crash_after(at += 7, work, NULL);
		if (more) {
			die_and_resume();
			work(NULL);
		}
		figures_are_exact(at);
		tear_down();
	} while (more);
}
END_TEST

/* Whoever closes the adapter waits for an instant without a send. */
START_TEST(a_host_that_stops_sends_no_echoes)
{
	interface = true;
	set_up();
	inject();
	mana_model_run(fx.m, 1000);
	serve(udrv_mana_queue(fx.mana, 0, 0));
	serve(udrv_mana_queue(fx.mana, 0, 1));
	h.stopping = true;
	while (injected < FRAMES)
		inject();
	for (unsigned int i = 0; i < FRAMES; i++) {
		mana_model_run(fx.m, 1000);
		serve(udrv_mana_queue(fx.mana, 0, i % QUEUES));
	}
	for (unsigned int i = 0; i < QUEUES; i++)
		ck_assert_uint_eq(udrv_mana_sending(udrv_mana_queue(fx.mana, 0, i)), 0);
	ck_assert_uint_eq(fx.wire[0].n, 1);
	ck_assert_uint_eq(figure("echoed"), 1);
	ck_assert_uint_eq(figure("received"), 1);
	ck_assert_uint_eq(taken, FRAMES - 1);
	tear_down();
}
END_TEST

/* More kexecs than there is an account of, with figures as large as they get. */
START_TEST(an_account_fits_a_message)
{
	struct nic_memory *m = calloc(1, sizeof(*m));
	struct json_object *o;

	ck_assert_ptr_nonnull(m);
	m->h.cycle = 10 * NIC_CYCLES;
	for (unsigned int i = 0; i < NIC_CYCLES; i++) {
		struct nic_cycle *c = &m->cycle[i];

		c->rx_buffered_across = c->tx_unfinished_across = 8192;
		c->latched_while_masked = c->delivered_after = 64;
		c->tsc_reboot = c->tsc_init = c->tsc_first_rx = UINT64_MAX / 2;
	}
	o = nic_memory_json(m);
	ck_assert_uint_eq(json_object_array_length(json_get(o, "cycles")), NIC_CYCLES);
	/* The rest of a status takes a few kilobytes. */
	ck_assert_uint_lt(strlen(json_text(o)), UDRV_MSG_PAYLOAD - 16384);
	json_object_put(o);
	free(m);
}
END_TEST

/* Nor does it take for ever if they are what nobody has written. */
START_TEST(an_account_of_anything_ends)
{
	struct nic_memory *m = calloc(1, sizeof(*m));
	struct json_object *o;

	ck_assert_ptr_nonnull(m);
	m->h.cycle = UINT64_MAX;
	o = nic_memory_json(m);
	ck_assert_uint_eq(json_object_array_length(json_get(o, "cycles")), NIC_CYCLES);
	json_object_put(o);
	free(m);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nic");
	TCase *tc = suite_case(suite, "nic", 120);

	tcase_add_loop_test(tc, counts, 0, 2);
	tcase_add_loop_test(tc, counts_when_stopped_at_every_step, 0, 2);
	tcase_add_loop_test(tc, counts_over_many_deaths, 0, 2);
	tcase_add_loop_test(tc, counts_after_many_packets, 0, sizeof(far) / sizeof(far[0]));
	tcase_add_test(tc, a_host_that_stops_sends_no_echoes);
	tcase_add_test(tc, an_account_fits_a_message);
	tcase_add_test(tc, an_account_of_anything_ends);
	return suite_run(suite);
}
