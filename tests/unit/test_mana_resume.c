// SPDX-License-Identifier: BSD-2-Clause
/*
 * Resume at every step: the driver is stopped after each store to persistent memory and after each
 * doorbell in turn, a successor takes over the same memory and the same, still running adapter,
 * and both books have to come out right: what the test's consumer received and sent, and what the
 * wire carried.
 *
 * The consumer records a packet before it takes it, so a packet may be shown to it twice, but only
 * one that it had not taken; the record is what does not die (in real life a memfd of its own).
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/crash.h"
#include "tests/unit/mana_fixture.h"
#include "tests/unit/suite.h"

#define PACKETS 48 /* each way */
#define SLOT	2048u

struct setting {
	struct mana_model_opts model;
	struct udrv_mana_opts opts;
	unsigned int burst; /* packets of each way in a round */
	/* the device does all it can between predecessor and successor; otherwise nothing */
	bool go_on;
};

/* What the consumer recorded. Static: longjmp() must find it as it was left. */
struct record {
	unsigned int taken[PACKETS]; /* times that the packet was taken */
	unsigned int shown[PACKETS];
	unsigned int completed[PACKETS]; /* times that a send's completion was released */
	unsigned int injected;
	unsigned int sent; /* the next one to be sent */
	bool sending;	   /* a send of @nsend was under way */
	unsigned int nsend;
};

static struct mana_fixture fx;
static struct record rec;
static const struct setting *now;

static struct udrv_mana_queue *queue_of(unsigned int id)
{
	return udrv_mana_queue(fx.mana, 0, id % now->opts.queues);
}

static void inject(void)
{
	for (unsigned int i = 0; i < now->burst && rec.injected < PACKETS; i++, rec.injected++)
		mana_inject(&fx, 0, rec.injected, rec.injected, 60 + rec.injected % 100);
}

static void receive(struct udrv_mana_queue *q)
{
	struct udrv_mana_rx rx[8];
	int n = udrv_mana_recv(q, rx, 8);

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++) {
		uint64_t id = mana_frame_id(udrv_dma_ptr(fx.fd.dma, rx[i].off), rx[i].len);

		ck_assert_uint_lt(id, PACKETS);
		ck_assert_msg(!rec.taken[id], "packet %u was taken and is shown again",
			      (unsigned int)id);
		rec.shown[id]++;
	}
	/* One by one, so that a stop falls between. */
	for (int i = 0; i < n; i++) {
		uint64_t id = mana_frame_id(udrv_dma_ptr(fx.fd.dma, rx[i].off), rx[i].len);

		ck_assert_int_eq(udrv_mana_recv_take(q, 1), 0);
		rec.taken[id]++;
	}
	ck_assert_int_eq(udrv_mana_recv_repost(q, (unsigned int)n), 0);
}

static void send(void)
{
	struct udrv_mana_seg seg[8];
	struct udrv_mana_tx pkt[8];
	unsigned int n = 0;
	struct udrv_mana_queue *q = queue_of(rec.sent);

	while (n < now->burst && n < 8 && rec.sent + n < PACKETS) {
		unsigned int id = rec.sent + n;

		seg[n] = (struct udrv_mana_seg){ .off = fx.buf + id * SLOT, .len = 60 + id % 100 };
		pkt[n] = (struct udrv_mana_tx){
			.seg = &seg[n],
			.nseg = 1,
			.cookie = id,
			.flags = id % 3 == 2 ? UDRV_MANA_TX_VLAN : 0,
		};
		mana_frame(udrv_dma_ptr(fx.fd.dma, seg[n].off), 0, 0, id, seg[n].len);
		n++;
	}
	if (!n)
		return;
	rec.nsend = n;
	rec.sending = true;
	ck_assert_int_eq(udrv_mana_send(q, pkt, n), (int)n);
	rec.sending = false;
	rec.sent += n;
}

static void reap(struct udrv_mana_queue *q)
{
	struct udrv_mana_sent done[8];
	int n = udrv_mana_sent(q, done, 8);

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++) {
		ck_assert_uint_lt(done[i].cookie, PACKETS);
		ck_assert_uint_eq(done[i].status, 0);
		ck_assert_msg(!rec.completed[done[i].cookie],
			      "send %u was released and is shown again",
			      (unsigned int)done[i].cookie);
		ck_assert_int_eq(udrv_mana_sent_release(q, 1), 0);
		rec.completed[done[i].cookie]++;
	}
}

static bool done(void)
{
	for (unsigned int i = 0; i < PACKETS; i++) {
		if (!rec.taken[i] || !rec.completed[i])
			return false;
	}
	return true;
}

static void work(void *unused)
{
	(void)unused;
	for (unsigned int round = 0; !done(); round++) {
		ck_assert_msg(round < 1000, "traffic has stopped");
		inject();
		send();
		mana_fixture_run(&fx);
		for (unsigned int i = 0; i < now->opts.queues; i++) {
			struct udrv_mana_queue *q = udrv_mana_queue(fx.mana, 0, i);

			receive(q);
			reap(q);
			if (!now->opts.poll)
				udrv_mana_queue_arm(q);
		}
		if (round == 3) {
			struct udrv_mana_hw_stats hw;

			ck_assert_int_eq(udrv_mana_hw_stats(fx.mana, &hw), 0);
		}
		udrv_mana_tick(fx.mana, 1);
	}
}

static int count_ids(void *ctx, uint64_t cookie)
{
	bool *there = ctx;

	there[cookie] = true;
	return 0;
}

/*
 * The consumer comes back. What was in flight when the call was cut short is found out: a send is
 * there, completed, or was never made; a packet that was taken is not shown again although the call
 * did not return.
 */
static void reconcile(unsigned int at)
{
	bool there[PACKETS] = { false };

	for (unsigned int i = 0; i < now->opts.queues; i++)
		udrv_mana_each_send(udrv_mana_queue(fx.mana, 0, i), count_ids, there);
	if (rec.sending) {
		unsigned int n = 0;

		rec.sending = false;
		for (unsigned int i = rec.sent; i < rec.sent + rec.nsend; i++)
			n += there[i];
		ck_assert_msg(!n || n == rec.nsend, "step %u: %u of %u packets of a send exist", at,
			      n, rec.nsend);
		rec.sent += n;
	}
	for (unsigned int i = 0; i < rec.sent; i++)
		ck_assert_msg(there[i] != (rec.completed[i] > 0) || !there[i],
			      "step %u: send %u is there and released", at, i);
	/* Completed and released in the very step: neither there nor recorded. At most one. */
	for (unsigned int i = 0, n = 0; i < rec.sent; i++) {
		if (!there[i] && !rec.completed[i]) {
			ck_assert_msg(!n++, "step %u: sends are missing", at);
			rec.completed[i]++;
		}
	}
	for (unsigned int i = 0; i < now->opts.queues; i++) {
		struct udrv_mana_queue *q = udrv_mana_queue(fx.mana, 0, i);

		ck_assert_int_eq(udrv_mana_recv_repost(q, udrv_mana_recv_held(q)), 0);
	}
}

/* A packet whose take did not return, but was stored. */
static void note_taken(unsigned int at)
{
	struct udrv_mana_rx rx[PACKETS];
	bool waits[PACKETS] = { false };
	unsigned int missing = 0;

	for (unsigned int i = 0; i < now->opts.queues; i++) {
		struct udrv_mana_queue *q = udrv_mana_queue(fx.mana, 0, i);
		int n = udrv_mana_recv(q, rx, PACKETS);

		ck_assert_int_ge(n, 0);
		for (int p = 0; p < n; p++) {
			uint64_t id = mana_frame_id(udrv_dma_ptr(fx.fd.dma, rx[p].off), rx[p].len);

			ck_assert_uint_lt(id, PACKETS);
			ck_assert_msg(!rec.taken[id] && !waits[id],
				      "step %u: packet %u is shown again", at, (unsigned int)id);
			waits[id] = true;
		}
	}
	for (unsigned int i = 0; i < rec.injected; i++) {
		if (waits[i] || rec.taken[i])
			continue;
		ck_assert_msg(rec.shown[i] && !missing++, "step %u: packet %u is lost", at, i);
		rec.taken[i]++;
	}
	for (unsigned int i = 0; i < now->opts.queues; i++) {
		struct udrv_mana_queue *q = udrv_mana_queue(fx.mana, 0, i);
		unsigned int n = 0;

		while (!udrv_mana_recv_take(q, 1)) {
			n++;
			ck_assert_int_eq(udrv_mana_recv_repost(q, 1), 0);
		}
	}
	for (unsigned int i = 0; i < rec.injected; i++)
		rec.taken[i] += waits[i];
}

/* The wire has carried every packet that was sent, once and in order of each queue. */
static void check_wire(void)
{
	unsigned int times[PACKETS] = { 0 };

	ck_assert_uint_eq(fx.wire[0].lost, 0);
	for (unsigned int i = 0; i < fx.wire[0].n; i++) {
		uint8_t *frame = fx.wire[0].frame[i];
		size_t len = fx.wire[0].len[i];
		uint64_t id;

		if (frame[12] == 0x81) {
			memmove(frame + 12, frame + 16, len - 16);
			len -= 4;
		}
		id = mana_frame_id(frame, len);
		ck_assert_uint_lt(id, PACKETS);
		times[id]++;
	}
	for (unsigned int i = 0; i < PACKETS; i++)
		ck_assert_msg(times[i] == 1, "packet %u was sent %u times", i, times[i]);
}

static void set_up(const struct setting *s)
{
	now = s;
	rec = (struct record){ 0 };
	mana_fixture_init(&fx, &s->model, &s->opts, PACKETS * SLOT, 0);
	mana_fixture_start(&fx);
	mana_fixture_key(&fx);
	mana_model_forbid_setup(fx.m, true);
	fx.still = false;
}

static void resume(void *unused)
{
	int err;

	(void)unused;
	err = udrv_mana_resume(fx.fd.dev, &fx.opts, &fx.mana);
	ck_assert_msg(!err, "resume: %d, %s", err, fx.log.last);
}

/* false: the resume was cut short at @at. 0 lets it end. */
static bool take_over(unsigned int at)
{
	uint64_t resets = mana_model_counts(fx.m)->resets, violations;
	const char *first;

	ck_assert_int_eq(fake_device_open(&fx.fd), 0);
	fx.still = !now->go_on;
	if (crash_after(at, resume, NULL)) {
		fx.mana = NULL;
		fx.still = false;
		return false;
	}
	fx.still = false;
	violations = mana_model_violations(fx.m, &first);
	ck_assert_msg(!violations, "the model objects: %s", first);
	ck_assert_uint_eq(mana_model_counts(fx.m)->resets, resets);
	return true;
}

static void die(void)
{
	/*
	 * What the cut short call was in the middle of is not to be freed in order: it is memory of
	 * the process.
	 */
	mana_fixture_crash(&fx);
	if (now->go_on)
		mana_fixture_run(&fx);
}

static void finish(unsigned int at)
{
	reconcile(at);
	note_taken(at);
	work(NULL);
	check_wire();
}

static const struct setting settings[] = {
	{ { .seed = 1 }, { .queues = 1, .tx_depth = 64, .rx_depth = 128, .poll = true }, 3, false },
	{ { .seed = 2 }, { .queues = 1, .tx_depth = 64, .rx_depth = 128, .poll = true }, 8, true },
	{ { .seed = 3 }, { .queues = 3, .tx_depth = 64, .rx_depth = 128 }, 5, true },
	{ { .seed = 4 }, { .queues = 2, .tx_depth = 64, .rx_depth = 128 }, 1, false },
};

START_TEST(resume_at_every_step)
{
	unsigned int at = 0;
	bool more;

	do {
		set_up(&settings[_i]);
		more = crash_after(++at, work, NULL);
		if (more) {
			die();
			ck_assert(take_over(0));
			finish(at);
		} else {
			check_wire();
		}
		mana_fixture_end(&fx);
	} while (more);
	ck_assert_uint_gt(at, 200);
}
END_TEST

/* And the successor is stopped as well, at every step of its resume. */
START_TEST(resume_at_every_step_of_a_resume)
{
	bool more;

	for (unsigned int at = 1 + (unsigned int)_i;; at += 41) {
		unsigned int second = 0;
		bool whole;

		do {
			set_up(&settings[_i]);
			more = crash_after(at, work, NULL);
			if (!more)
				break;
			die();
			whole = take_over(++second);
			if (!whole) {
				die();
				ck_assert(take_over(0));
			}
			finish(at);
			mana_fixture_end(&fx);
		} while (!whole);
		if (!more) {
			mana_fixture_end(&fx);
			break;
		}
	}
}
END_TEST

/* Many in a row, with traffic in between: rings, owner bits and event queues go round. */
START_TEST(a_thousand_resumes)
{
	struct udrv_mana_rx rx[64];
	struct udrv_mana_sent done[64];
	uint64_t in = 0, out = 0, seen = 0, reaped = 0;

	set_up(&settings[_i]);
	for (unsigned int cycle = 0; cycle < 1000; cycle++) {
		for (unsigned int i = 0; i < 1 + cycle % 7; i++)
			mana_inject(&fx, 0, (uint32_t)in, in, 60), in++;
		for (unsigned int i = 0; i < 1 + cycle % 5; i++, out++)
			ck_assert_int_eq(mana_send_one(&fx, queue_of(cycle), i * 64, out, 60), 1);
		if (cycle & 1)
			mana_fixture_run(&fx);
		die();
		ck_assert(take_over(0));
		mana_fixture_run(&fx);
		for (unsigned int i = 0; i < now->opts.queues; i++) {
			struct udrv_mana_queue *q = udrv_mana_queue(fx.mana, 0, i);
			int n = udrv_mana_recv(q, rx, 64);

			ck_assert_int_ge(n, 0);
			ck_assert_int_eq(udrv_mana_recv_release(q, (unsigned int)n), 0);
			seen += (unsigned int)n;
			n = udrv_mana_sent(q, done, 64);
			ck_assert_int_ge(n, 0);
			ck_assert_int_eq(udrv_mana_sent_release(q, (unsigned int)n), 0);
			reaped += (unsigned int)n;
		}
		net_close(&fx.wire[0].backend);
	}
	ck_assert_uint_eq(seen, in);
	ck_assert_uint_eq(reaped, out);
	mana_fixture_end(&fx);
}
END_TEST

/* What the report says, and what flags say, to the packet. */
START_TEST(the_report_is_exact)
{
	const struct udrv_mana_resume_report *r;
	struct udrv_mana_rx rx[64];
	struct udrv_mana_sent done[64];
	struct udrv_mana_queue *q;

	set_up(&settings[0]);
	q = queue_of(0);
	for (unsigned int i = 0; i < 10; i++)
		mana_inject(&fx, 0, 0, i, 60);
	for (unsigned int i = 0; i < 6; i++)
		ck_assert_int_eq(mana_send_one(&fx, q, 0, i, 60), 1);
	mana_fixture_run(&fx);
	ck_assert_int_eq(udrv_mana_recv(q, rx, 64), 10);
	ck_assert_int_eq(udrv_mana_recv_take(q, 3), 0);
	ck_assert_int_eq(udrv_mana_recv_repost(q, 1), 0);
	ck_assert_int_eq(udrv_mana_sent(q, done, 64), 6);
	ck_assert_int_eq(udrv_mana_sent_release(q, 2), 0);
	ck_assert_int_eq(mana_send_one(&fx, q, 0, 6, 60), 1);
	mana_fixture_crash(&fx);
	/* Packets that arrive while there is no driver. */
	for (unsigned int i = 10; i < 15; i++)
		mana_inject(&fx, 0, 0, i, 60);
	ck_assert(take_over(0));
	q = queue_of(0);
	r = udrv_mana_resume_report(fx.mana);
	ck_assert_uint_eq(r->rx_waiting, 12);
	ck_assert_uint_eq(r->rx_held, 2);
	ck_assert_uint_eq(r->rx_posted, 128 - 12 - 2);
	ck_assert_uint_eq(r->tx_in_flight, 5);
	ck_assert_uint_eq(r->tx_completed, 4);
	ck_assert_uint_eq(r->hwc_pending, 0);
	mana_inject(&fx, 0, 0, 15, 60);
	ck_assert_int_eq(mana_send_one(&fx, q, 0, 7, 60), 1);
	mana_fixture_run(&fx);
	ck_assert_int_eq(udrv_mana_recv(q, rx, 64), 13);
	for (unsigned int i = 0; i < 13; i++)
		ck_assert_uint_eq(!!(rx[i].flags & UDRV_MANA_RX_RESUMED), i < 12);
	ck_assert_int_eq(udrv_mana_sent(q, done, 64), 6);
	for (unsigned int i = 0; i < 6; i++) {
		ck_assert_uint_eq(done[i].cookie, 2 + i);
		ck_assert_uint_eq(done[i].resumed, i < 5);
	}
	mana_fixture_end(&fx);
}
END_TEST

/* Buffers that a predecessor sent from, and held, are not given back by the resume itself. */
START_TEST(a_kept_buffer_stays_as_it_is)
{
	struct udrv_mana_rx rx;
	struct udrv_mana_queue *q;

	set_up(&settings[0]);
	q = queue_of(0);
	mana_inject(&fx, 0, 0, 7, 60);
	ck_assert_int_eq(udrv_mana_recv(q, &rx, 1), 1);
	ck_assert_int_eq(udrv_mana_recv_take(q, 1), 0);
	mana_fixture_crash(&fx);
	for (unsigned int i = 0; i < 200; i++)
		mana_inject(&fx, 0, 0, 1000 + i, 60);
	ck_assert(take_over(0));
	ck_assert_uint_eq(mana_frame_id(udrv_dma_ptr(fx.fd.dma, rx.off), 60), 7);
	ck_assert_uint_eq(udrv_mana_recv_held(queue_of(0)), 1);
	ck_assert_uint_eq(mana_model_counts(fx.m)->rx_no_buffer, 200 - 127);
	mana_fixture_end(&fx);
}
END_TEST

/* More packets than the ring holds: the device drops the rest, and reception goes on. */
START_TEST(reception_goes_on_after_a_flood)
{
	unsigned int got = 0;
	struct udrv_mana_rx rx[64];
	struct udrv_mana_queue *q;
	int n;

	set_up(&settings[0]);
	mana_fixture_crash(&fx);
	for (unsigned int i = 0; i < 1000; i++)
		mana_inject(&fx, 0, 0, i, 60);
	ck_assert_uint_eq(mana_model_counts(fx.m)->rx, 128);
	ck_assert(take_over(0));
	q = queue_of(0);
	ck_assert_uint_eq(udrv_mana_resume_report(fx.mana)->rx_waiting, 128);
	while ((n = udrv_mana_recv(q, rx, 64)) > 0) {
		for (int i = 0; i < n; i++)
			ck_assert_uint_eq(mana_frame_id(udrv_dma_ptr(fx.fd.dma, rx[i].off), 60),
					  got++);
		udrv_mana_recv_release(q, (unsigned int)n);
	}
	ck_assert_uint_eq(got, 128);
	for (unsigned int i = 0; i < 100; i++)
		mana_inject(&fx, 0, 0, i, 60);
	ck_assert_int_eq(udrv_mana_recv(q, rx, 64), 64);
	mana_fixture_end(&fx);
}
END_TEST

/*
 * RSS is changed and the process stops in between: whatever the tree says in the end is what the
 * device does.
 */
static struct udrv_mana_rss wanted;

static void change(void *unused)
{
	(void)unused;
	udrv_mana_set_rss(fx.mana, 0, &wanted);
}

START_TEST(steering_is_told_again)
{
	unsigned int at = 0;
	bool more;

	do {
		struct udrv_mana_rss rss;
		struct udrv_mana_rx rx[8];

		set_up(&settings[2]);
		udrv_mana_get_rss(fx.mana, 0, &wanted);
		for (unsigned int i = 0; i < wanted.entries; i++)
			wanted.table[i] = 2;
		more = crash_after(++at, change, NULL);
		if (more) {
			die();
			ck_assert(take_over(0));
			for (uint64_t t = 1; t < 20; t++)
				ck_assert_int_eq(udrv_mana_tick(fx.mana, t), 0);
		}
		udrv_mana_get_rss(fx.mana, 0, &rss);
		for (unsigned int flow = 0; flow < 8; flow++)
			mana_inject(&fx, 0, flow, flow, 60);
		if (rss.table[0] == 2 && rss.table[1] == 2)
			ck_assert_int_eq(udrv_mana_recv(udrv_mana_queue(fx.mana, 0, 2), rx, 8), 8);
		else
			ck_assert_int_lt(udrv_mana_recv(udrv_mana_queue(fx.mana, 0, 2), rx, 8), 8);
		mana_fixture_end(&fx);
	} while (more);
	ck_assert_uint_gt(at, 15);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mana-resume");
	TCase *tc = suite_case(suite, "resume", 120);

	tcase_add_loop_test(tc, resume_at_every_step, 0, sizeof(settings) / sizeof(settings[0]));
	tcase_add_loop_test(tc, resume_at_every_step_of_a_resume, 0,
			    sizeof(settings) / sizeof(settings[0]));
	tcase_add_loop_test(tc, a_thousand_resumes, 0, sizeof(settings) / sizeof(settings[0]));
	tcase_add_test(tc, the_report_is_exact);
	tcase_add_test(tc, a_kept_buffer_stays_as_it_is);
	tcase_add_test(tc, reception_goes_on_after_a_flood);
	tcase_add_test(tc, steering_is_told_again);
	return suite_run(suite);
}
