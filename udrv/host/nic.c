// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The verifying consumer of a NIC. A request is recorded, then its echo is sent, then the packet is
 * released, then, some time, the echo's completion is counted and released. Whoever is stopped
 * between two of these is followed by somebody who is shown the packet again: its place tells that
 * it was counted, the unfinished sends tell that it was echoed.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/mana.h>

#include "udrv/common/app.h"
#include "udrv/common/json.h"
#include "udrv/host/config.h"
#include "udrv/host/host.h"
#include "udrv/host/mana.h"
#include "udrv/host/nic.h"
#include "udrv/host/nic_frame.h"
#include "udrv/host/tap.h"
#include "udrv/lib/step.h"

#define DMA_TAG 0x6f686365ull /* "echo" */
#define BATCH	MANA_BATCH

/*
 * struct echo_queue - a queue pair as this process sees it
 * @next: buffer of the next echo
 * @echoed: place behind the last packet whose echo was handed to the device
 */
struct echo_queue {
	uint32_t next;
	uint32_t echoed;
};

/*
 * struct nic - one process's view
 * @dma_off: the echoes' buffers in the pool, @depth for each queue pair
 * @cycle_opened: the cycle whose account this process opened
 * @stop_sock, @stop_id: who asked for the stop and waits for its end; -1
 */
struct nic {
	struct nic_memory *m;
	uint64_t dma_off;
	uint32_t depth;
	struct echo_queue q[NIC_QUEUES];
	uint64_t cycle_opened;
	int stop_sock;
	uint32_t stop_id;
};

static struct nic the_nic = { .stop_sock = -1, .cycle_opened = UINT64_MAX };

static unsigned int queue_number(struct host *h, const struct udrv_mana_queue *q)
{
	return udrv_mana_queue_vport(q) * udrv_mana_info(h->mana)->queues +
	       udrv_mana_queue_index(q);
}

/* A store that is in its place before whatever follows it in the program. */
static void publish(uint64_t *to, uint64_t val)
{
	__atomic_store_n(to, val, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	UDRV_STEP();
}

static uint32_t counted_until(uint64_t count)
{
	return (uint32_t)count;
}

static void count(struct nic_queue *a, enum nic_count what, uint32_t place)
{
	uint64_t n = (a->count[what] >> 32) + 1;

	publish(&a->count[what], n << 32 | (uint32_t)(place + 1));
}

/* Place behind the last packet that was recorded. */
static uint32_t recorded_until(const struct nic_queue *a)
{
	uint32_t until = counted_until(a->count[0]);

	for (unsigned int k = 1; k < NIC_RX_KINDS; k++)
		if ((int32_t)(counted_until(a->count[k]) - until) > 0)
			until = counted_until(a->count[k]);
	return until;
}

/*
 * Places are compared modulo 2^32, so that none may stay too far behind the packets that come in,
 * as that of a kind that never occurs would. One that is left behind follows, and keeps its
 * distance from whatever may be under way. Ahead of @place is what was recorded and not released.
 */
#define FAR_BEHIND (1u << 30)
#define FOLLOWS	   (1u << 29)
#define AHEAD	   (1u << 16)

static uint32_t near(uint32_t place, uint32_t at)
{
	uint32_t behind = place - at;

	return behind > FAR_BEHIND && behind < -AHEAD ? place - FOLLOWS : at;
}

static void keep_near(struct nic_queue *a, uint32_t place)
{
	for (unsigned int k = 0; k < NIC_COUNTS; k++) {
		uint32_t at = counted_until(a->count[k]);

		if (near(place, at) != at)
			publish(&a->count[k], a->count[k] >> 32 << 32 | near(place, at));
	}
}

/* ---- Receiving ------------------------------------------------------------------------------- */

/* Something that is not of the stream, and nobody else's. */
static void count_other(struct nic_queue *a, uint32_t place)
{
	if ((int32_t)(place - recorded_until(a)) >= 0)
		count(a, NIC_OTHER, place);
}

/*
 * A request, or a damaged one, is recorded once. The bit comes last: while it is not set, the count
 * tells. 0; -ENOMSG: it is not of the stream; -EBADMSG: it is damaged.
 */
static int record(struct nic *nic, struct nic_queue *a, uint32_t place,
		  const struct udrv_mana_rx *pkt, const void *frame, struct nic_request *req)
{
	int err = pkt->flags & UDRV_MANA_RX_ERROR ? -EBADMSG :
						    nic_frame_check(frame, pkt->len, req);
	bool again = (int32_t)(place - recorded_until(a)) < 0;
	uint64_t *word, bit;

	if (!err && req->seq >= NIC_SEQUENCES)
		err = -EBADMSG;
	if (err) {
		if (err != -ENOMSG && !again)
			count(a, NIC_CORRUPT, place);
		return err;
	}
	word = &nic->m->seen[req->seq / 64];
	bit = 1ull << req->seq % 64;
	if (!again)
		count(a, *word & bit ? NIC_DUPLICATE : NIC_FIRST, place);
	publish(word, *word | bit);
	return 0;
}

unsigned int nic_room(struct host *h, struct udrv_mana_queue *q)
{
	unsigned int sending = udrv_mana_sending(q), depth = udrv_mana_info(h->mana)->tx_depth;
	unsigned int room = depth > sending ? depth - sending : 0;

	return room < BATCH ? room : BATCH;
}

void nic_receive(struct host *h, struct udrv_mana_queue *q, const struct udrv_mana_rx *pkts,
		 unsigned int n)
{
	struct nic *nic = &the_nic;
	struct udrv_dma *dma = udrv_device_dma(h->dev);
	unsigned int qn = queue_number(h, q), nsend = 0;
	struct nic_queue *a = nic->m ? &nic->m->queue[qn] : NULL;
	struct udrv_mana_seg seg[BATCH];
	struct udrv_mana_tx tx[BATCH];
	uint32_t place = 0;
	int sent;

	/* Whether they count or not, each packet has its place. */
	if (a) {
		place = udrv_mana_recv_taken(q) + (uint32_t)a->origin;
		keep_near(a, place);
		nic->q[qn].echoed = near(place, nic->q[qn].echoed);
	}
	/*
	 * The adapter is closed once no send is under way, which has to come some time: what comes
	 * in while the host stops gets no echo, and counts as little as what comes in afterwards.
	 */
	if (!a || !nic->m->h.running || h->stopping) {
		for (unsigned int i = 0; i < n; i++)
			tap_receive(h, q, &pkts[i]);
		udrv_mana_recv_release(q, n);
		return;
	}
	if (nic->cycle_opened == h->lease.cycle &&
	    !nic->m->cycle[h->lease.cycle % NIC_CYCLES].tsc_first_rx)
		nic->m->cycle[h->lease.cycle % NIC_CYCLES].tsc_first_rx = app_tsc();
	for (unsigned int i = 0; i < n; i++, place++) {
		uint32_t slot = nic->q[qn].next % nic->depth;
		struct nic_request req;
		void *echo;
		int err;

		err = record(nic, a, place, &pkts[i], udrv_dma_ptr(dma, pkts[i].off), &req);
		if (err == -ENOMSG && !tap_receive(h, q, &pkts[i]))
			count_other(a, place);
		if (err)
			continue;
		/*
		 * Its echo has gone out already; the process that sent it
		 * did not get to release it.
		 */
		if ((int32_t)(place - nic->q[qn].echoed) < 0)
			continue;
		seg[nsend] = (struct udrv_mana_seg){
			.off = nic->dma_off + ((uint64_t)qn * nic->depth + slot) * NIC_ECHO_SIZE,
			.len = req.len,
		};
		echo = udrv_dma_ptr(dma, seg[nsend].off);
		memcpy(echo, udrv_dma_ptr(dma, pkts[i].off), req.len);
		nic_frame_echo(echo, &req, (uint32_t)h->lease.cycle);
		tx[nsend] = (struct udrv_mana_tx){
			.seg = &seg[nsend],
			.nseg = 1,
			.flags = UDRV_MANA_TX_IPV4 | UDRV_MANA_TX_UDP_CSUM,
			.cookie = NIC_COOKIE_ECHO | (uint64_t)slot << 32 | place,
			.l4_off = NIC_FRAME_L4,
		};
		nic->q[qn].next++;
		nsend++;
	}
	nic->q[qn].echoed = place;
	sent = nsend ? udrv_mana_send(q, tx, nsend) : 0;
	/*
	 * There was room for all of them, so that only a queue that has failed takes less: its
	 * reset comes.
	 */
	for (unsigned int i = sent > 0 ? (unsigned int)sent : 0; i < nsend; i++)
		count(a, NIC_ECHO_ERROR, (uint32_t)tx[i].cookie);
	udrv_mana_recv_release(q, n);
}

static void stop_progress(struct host *h, struct nic *nic)
{
	const struct udrv_mana_info *info = udrv_mana_info(h->mana);

	if (nic->stop_sock < 0)
		return;
	for (unsigned int i = 0; i < info->vports * info->queues; i++) {
		struct udrv_mana_queue *q =
			udrv_mana_queue(h->mana, i / info->queues, i % info->queues);

		if (udrv_mana_sending(q) != tap_sending(h, q))
			return;
	}
	host_reply(nic->stop_sock, nic->stop_id, nic_memory_json(nic->m));
	nic->stop_sock = -1;
}

void nic_sent(struct host *h, struct udrv_mana_queue *q, const struct udrv_mana_sent *done)
{
	struct nic *nic = &the_nic;
	struct nic_queue *a = nic->m ? &nic->m->queue[queue_number(h, q)] : NULL;
	uint32_t place = (uint32_t)done->cookie;
	enum nic_count what = done->status ? NIC_ECHO_ERROR : NIC_ECHOED;

	/* Shown again: completions come in the order of their packets. */
	if (!a || (int32_t)(place - counted_until(a->count[what])) < 0)
		return;
	count(a, what, place);
}

/* ---- Coming back ----------------------------------------------------------------------------- */

struct unfinished {
	struct nic *nic;
	struct echo_queue *q;
};

static int unfinished_echo(void *ctx, uint64_t cookie)
{
	struct unfinished *u = ctx;
	uint32_t place = (uint32_t)cookie;

	if (!(cookie & NIC_COOKIE_ECHO))
		return 0;
	/* In the order of sending: the last one is what counts. */
	u->q->next = ((uint32_t)(cookie >> 32 & 0x7fffffff) + 1) % u->nic->depth;
	u->q->echoed = place + 1;
	return 0;
}

static uint64_t generation(struct host *h)
{
	static struct udrv_mana_snapshot s;

	return udrv_mana_inspect(udrv_device_state(h->dev), &s) ? 0 : 1 + s.starts + s.resets;
}

void nic_before_start(struct host *h)
{
	(void)h;
	if (the_nic.m)
		publish(&the_nic.m->h.generation, 0);
}

void nic_rebase(struct host *h)
{
	const struct udrv_mana_info *info = udrv_mana_info(h->mana);
	struct nic *nic = &the_nic;

	if (!nic->m)
		return;
	publish(&nic->m->h.generation, 0);
	for (unsigned int i = 0; i < info->vports * info->queues; i++) {
		struct udrv_mana_queue *q =
			udrv_mana_queue(h->mana, i / info->queues, i % info->queues);
		struct nic_queue *a = &nic->m->queue[i];

		a->origin = (uint32_t)(recorded_until(a) - udrv_mana_recv_taken(q));
		nic->q[i].echoed = recorded_until(a);
	}
	publish(&nic->m->h.generation, generation(h));
}

static void find_unfinished(struct host *h, struct nic *nic)
{
	const struct udrv_mana_info *info = udrv_mana_info(h->mana);

	for (unsigned int i = 0; i < info->vports * info->queues; i++) {
		struct udrv_mana_queue *q =
			udrv_mana_queue(h->mana, i / info->queues, i % info->queues);
		struct unfinished u = { .nic = nic, .q = &nic->q[i] };

		/* What was taken was echoed before. */
		nic->q[i].echoed = udrv_mana_recv_taken(q) + (uint32_t)nic->m->queue[i].origin;
		udrv_mana_each_send(q, unfinished_echo, &u);
	}
}

/* A kexec lies between the predecessor and this process: open the account of its cycle. */
static void open_cycle(struct host *h, struct nic *nic)
{
	const struct udrv_mana_resume_report *r = udrv_mana_resume_report(h->mana);

	nic->m->cycle[h->lease.cycle % NIC_CYCLES] = (struct nic_cycle){
		.rx_buffered_across = r->rx_waiting,
		.tx_unfinished_across = r->tx_in_flight,
		.tsc_reboot = h->lease.tsc_reboot,
		.tsc_init = h->lease.tsc_init,
	};
	nic->m->h.cycle = h->lease.cycle;
	nic->cycle_opened = h->lease.cycle;
}

/* ---- As a consumer --------------------------------------------------------------------------- */

static int map_memory(struct host *h, struct nic *nic)
{
	struct stat st;
	void *map;

	if (fstat(h->handle.fd[UDRV_FD_EXTRA], &st))
		return -errno;
	if ((uint64_t)st.st_size < sizeof(*nic->m))
		return -EBADMSG;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   h->handle.fd[UDRV_FD_EXTRA], 0);
	if (map == MAP_FAILED)
		return -errno;
	nic->m = map;
	return 0;
}

static void nic_prepare(struct host *h)
{
	if (h->handle.fd[UDRV_FD_EXTRA] >= 0 && !the_nic.m)
		map_memory(h, &the_nic);
}

static int open_buffers(struct host *h, struct nic *nic)
{
	const struct udrv_mana_info *info = udrv_mana_info(h->mana);
	struct udrv_dma *dma = udrv_device_dma(h->dev);
	uint64_t size, found;
	int err;

	nic->depth = info->tx_depth;
	size = (uint64_t)info->vports * info->queues * nic->depth * NIC_ECHO_SIZE;
	err = udrv_dma_find(dma, DMA_TAG, &nic->dma_off, &found);
	if (!err)
		return found >= size ? 0 : -EBADMSG;
	return udrv_dma_alloc(dma, size, 4096, 0, DMA_TAG, &nic->dma_off);
}

static int nic_open(struct host *h, bool resumed)
{
	struct nic *nic = &the_nic;
	char list[256];
	int err;

	if (h->handle.fd[UDRV_FD_EXTRA] < 0)
		return 0;
	err = nic->m ? 0 : map_memory(h, nic);
	if (!err)
		err = open_buffers(h, nic);
	if (err) {
		app_err("verify: cannot open its memory: %s", app_errname(err));
		return err;
	}
	if (!nic_memory_is(nic->m)) {
		err = host_await_mounts(h);
		if (err)
			return err;
		memset(nic->m, 0, sizeof(*nic->m));
		nic->m->h.cycle = h->lease.cycle;
		nic->m->h.running = config_verify_at_boot(list, sizeof(list));
		memcpy(nic->m->h.magic, NIC_MEMORY_MAGIC, sizeof(nic->m->h.magic));
	}
	if (!resumed || !nic->m->h.generation || nic->m->h.generation != generation(h))
		nic_rebase(h);
	else
		find_unfinished(h, nic);
	if (nic->m->h.cycle != h->lease.cycle)
		open_cycle(h, nic);
	return 0;
}

static void nic_issue(struct host *h)
{
	struct nic *nic = &the_nic;
	struct nic_cycle *c;

	if (!nic->m)
		return;
	stop_progress(h, nic);
	if (nic->cycle_opened != h->lease.cycle)
		return;
	c = &nic->m->cycle[h->lease.cycle % NIC_CYCLES];
	c->latched_while_masked = h->irq.latched;
	c->delivered_after = h->irq.delivered;
}

static struct json_object *nic_status(struct host *h)
{
	(void)h;
	return the_nic.m ? nic_memory_json(the_nic.m) : NULL;
}

static void nic_gone(struct host *h, int sock)
{
	(void)h;
	if (the_nic.stop_sock == sock)
		the_nic.stop_sock = -1;
}

static int nic_command(struct host *h, struct json_object *req, int sock, uint32_t id)
{
	const char *action = json_get_str(req, "action", "");
	struct nic *nic = &the_nic;

	if (!nic->m)
		return -ENODEV;
	if (!strcmp(action, "start")) {
		if (json_get_str(req, "options", NULL))
			return -EINVAL;
		publish(&nic->m->h.running, 1);
		host_reply(sock, id, NULL);
		return 0;
	}
	if (strcmp(action, "stop"))
		return -EOPNOTSUPP;
	if (nic->stop_sock >= 0)
		return -EALREADY;
	/* What has come in until now is part of it. */
	host_poll(h);
	publish(&nic->m->h.running, 0);
	nic->stop_sock = sock;
	nic->stop_id = id;
	stop_progress(h, nic);
	return 1;
}

const struct consumer_ops nic_consumer = {
	.name = "verify",
	.prepare = nic_prepare,
	.open = nic_open,
	.issue = nic_issue,
	.status = nic_status,
	.command = nic_command,
	.gone = nic_gone,
};
