// SPDX-License-Identifier: BSD-2-Clause
/*
 * Event loop. Every source but the idle ones has one request in the ring at a time, whose user_data
 * points at the source. A removed source is only marked: it is freed at the end of a round in which
 * the kernel holds no request of it any more, so that neither a late completion nor a list that is
 * being walked meets freed memory.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include <udrv/loop.h>

#define DEFAULT_ENTRIES 64
#define REAP_MAX	256 /* completions a round: idle callbacks get their turn */
#define NS_PER_S	1000000000ull
#define DESTROY_ROUNDS	50
#define DESTROY_WAIT_NS (NS_PER_S / 50)

enum kind { SRC_EVENTFD, SRC_POLL, SRC_TIMER, SRC_IDLE };

struct udrv_source {
	TAILQ_ENTRY(udrv_source) link;
	struct udrv_loop *loop;
	enum kind kind;
	bool armed; /* the ring has a request of this source */
	bool dead;  /* removed: never call it again */
	bool ours;  /* nobody else has a pointer to it */
	int fd;
	short events;	  /* poll */
	bool by_poll;	  /* non-blocking eventfd: the ring will not wait in a read of it */
	uint64_t count;	  /* eventfd: where the ring reads to */
	uint64_t next_ns; /* timer */
	uint64_t period_ns;
	struct __kernel_timespec ts;
	union {
		void (*eventfd)(void *ctx, uint64_t count);
		void (*poll)(void *ctx, short revents);
		void (*timer)(void *ctx);
		int (*idle)(void *ctx);
	} fn;
	void *ctx;
};

TAILQ_HEAD(source_list, udrv_source);

struct udrv_loop {
	struct io_uring ring;
	struct source_list sources;
	struct source_list idle;
	unsigned int ndead;
	bool running;
	bool stopping;
	bool busy; /* an idle callback had work: do not wait */
	int stop_fd;
	int err; /* what makes going on useless */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static struct __kernel_timespec to_timespec(uint64_t ns)
{
	return (struct __kernel_timespec){ .tv_sec = (long long)(ns / NS_PER_S),
					   .tv_nsec = (long long)(ns % NS_PER_S) };
}

static struct io_uring_sqe *get_sqe(struct udrv_loop *loop)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);

	if (sqe)
		return sqe;
	io_uring_submit(&loop->ring);
	return io_uring_get_sqe(&loop->ring);
}

static int arm(struct udrv_source *src)
{
	struct io_uring_sqe *sqe = get_sqe(src->loop);

	if (!sqe)
		return -EAGAIN;
	switch (src->kind) {
	case SRC_EVENTFD:
		if (src->by_poll)
			io_uring_prep_poll_add(sqe, src->fd, POLLIN);
		else
			io_uring_prep_read(sqe, src->fd, &src->count, sizeof(src->count),
					   (uint64_t)-1);
		break;
	case SRC_POLL:
		io_uring_prep_poll_add(sqe, src->fd, (unsigned int)(unsigned short)src->events);
		break;
	case SRC_TIMER:
		src->ts = to_timespec(src->next_ns);
		io_uring_prep_timeout(sqe, &src->ts, 0, IORING_TIMEOUT_ABS);
		break;
	case SRC_IDLE:
		return -EINVAL;
	}
	io_uring_sqe_set_data(sqe, src);
	src->armed = true;
	return 0;
}

static int ring_init(struct io_uring *ring, unsigned int entries)
{
	/*
	 * Newest first: completions only when this thread asks for them, and a flag in memory that
	 * says so.
	 */
	static const unsigned int flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		0,
	};
	int err = -EINVAL;

	for (unsigned int i = 0; err == -EINVAL && i < sizeof(flags) / sizeof(flags[0]); i++)
		err = io_uring_queue_init(entries, ring, flags[i]);
	return err;
}

static void on_stop(void *ctx, uint64_t count)
{
	struct udrv_loop *loop = ctx;

	(void)count;
	loop->stopping = true;
}

int udrv_loop_create(unsigned int entries, struct udrv_loop **ret)
{
	struct udrv_loop *loop;
	int err;

	loop = calloc(1, sizeof(*loop));
	if (!loop)
		return -ENOMEM;
	TAILQ_INIT(&loop->sources);
	TAILQ_INIT(&loop->idle);
	loop->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (loop->stop_fd < 0) {
		err = -errno;
		goto fail;
	}
	err = ring_init(&loop->ring, entries ? entries : DEFAULT_ENTRIES);
	if (err)
		goto fail_fd;
	err = udrv_loop_eventfd(loop, loop->stop_fd, on_stop, loop, NULL);
	if (err)
		goto fail_ring;
	*ret = loop;
	return 0;

fail_ring:
	io_uring_queue_exit(&loop->ring);
fail_fd:
	close(loop->stop_fd);
fail:
	free(loop);
	return err;
}

static struct source_list *list_of(struct udrv_source *src)
{
	return src->kind == SRC_IDLE ? &src->loop->idle : &src->loop->sources;
}

static int add(struct udrv_loop *loop, const struct udrv_source *template, struct udrv_source **ret)
{
	struct udrv_source *src;
	int err;

	src = malloc(sizeof(*src));
	if (!src)
		return -ENOMEM;
	*src = *template;
	src->loop = loop;
	src->ours = !ret;
	if (src->kind != SRC_IDLE) {
		err = arm(src);
		if (err) {
			free(src);
			return err;
		}
	}
	TAILQ_INSERT_TAIL(list_of(src), src, link);
	if (ret)
		*ret = src;
	return 0;
}

int udrv_loop_eventfd(struct udrv_loop *loop, int fd, void (*fn)(void *ctx, uint64_t count),
		      void *ctx, struct udrv_source **ret)
{
	const struct udrv_source src = {
		.kind = SRC_EVENTFD, .fd = fd, .fn.eventfd = fn, .ctx = ctx
	};

	return add(loop, &src, ret);
}

int udrv_loop_poll(struct udrv_loop *loop, int fd, short events,
		   void (*fn)(void *ctx, short revents), void *ctx, struct udrv_source **ret)
{
	const struct udrv_source src = {
		.kind = SRC_POLL, .fd = fd, .events = events, .fn.poll = fn, .ctx = ctx
	};

	return add(loop, &src, ret);
}

int udrv_loop_timer(struct udrv_loop *loop, uint64_t first_ns, uint64_t period_ns,
		    void (*fn)(void *ctx), void *ctx, struct udrv_source **ret)
{
	const struct udrv_source src = {
		.kind = SRC_TIMER,
		.next_ns = now_ns() + first_ns,
		.period_ns = period_ns,
		.fn.timer = fn,
		.ctx = ctx,
	};

	return add(loop, &src, ret);
}

int udrv_loop_idle(struct udrv_loop *loop, int (*fn)(void *ctx), void *ctx,
		   struct udrv_source **ret)
{
	const struct udrv_source src = { .kind = SRC_IDLE, .fn.idle = fn, .ctx = ctx };

	return add(loop, &src, ret);
}

/* Ask the kernel to end a source's request. It does so at once, but its answer is a completion. */
static void cancel(struct udrv_source *src)
{
	struct io_uring_sqe *sqe = get_sqe(src->loop);

	if (!sqe)
		return; /* the request ends with its event, or udrv_loop_destroy() asks again */
	io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)src, 0);
	io_uring_sqe_set_data64(sqe, 0);
	/* Now, so that the kernel lets go of a descriptor that the caller is about to close. */
	io_uring_submit(&src->loop->ring);
}

/* To be freed at the end of a round. */
static void bury(struct udrv_source *src)
{
	src->dead = true;
	src->loop->ndead++;
}

/*
 * An eventfd's read may complete between the last round and this call: that count is lost with the
 * source. Who hands an eventfd on to another loop looks once at what it stands for, as after arming
 * a vector.
 */
void udrv_loop_remove(struct udrv_source *src)
{
	if (!src || src->dead)
		return;
	bury(src);
	if (src->armed)
		cancel(src);
}

static void sweep_list(struct udrv_loop *loop, struct source_list *list)
{
	struct udrv_source *src = TAILQ_FIRST(list);

	while (src) {
		struct udrv_source *next = TAILQ_NEXT(src, link);

		if (src->dead && !src->armed) {
			TAILQ_REMOVE(list, src, link);
			free(src);
			loop->ndead--;
		}
		src = next;
	}
}

static void sweep(struct udrv_loop *loop)
{
	if (!loop->ndead)
		return;
	sweep_list(loop, &loop->sources);
	sweep_list(loop, &loop->idle);
}

/* An eventfd's request ended: is there a count to deliver? 1, 0 or -errno. */
static int eventfd_result(struct udrv_source *src, int res)
{
	if (res == -EAGAIN && !src->by_poll) {
		src->by_poll = true;
		return 0;
	}
	if (res < 0)
		return res;
	if (!src->by_poll)
		return res == sizeof(src->count) ? 1 : -EIO;
	if (read(src->fd, &src->count, sizeof(src->count)) == sizeof(src->count))
		return 1;
	return errno == EAGAIN ? 0 : -errno;
}

static int next_timer(struct udrv_source *src)
{
	uint64_t now = now_ns();

	if (!src->period_ns)
		return 0;
	src->next_ns += src->period_ns;
	if (src->next_ns <= now) /* late by whole periods: do not make up for them */
		src->next_ns = now + src->period_ns;
	return 1;
}

/* Deliver a completion. 1 if a callback ran. */
static int dispatch(struct udrv_source *src, int res)
{
	struct udrv_loop *loop = src->loop;
	bool rearm = true;
	int served = 1, err = 0;

	if (res == -EINTR || res == -ECANCELED) {
		served = 0;
	} else if (src->kind == SRC_EVENTFD) {
		served = eventfd_result(src, res);
		if (served > 0)
			src->fn.eventfd(src->ctx, src->count);
	} else if (src->kind == SRC_POLL) {
		served = res < 0 ? res : 1;
		if (served > 0)
			src->fn.poll(src->ctx, (short)res);
	} else if (src->kind == SRC_TIMER) {
		/* A timeout that has run out is no error. */
		served = res < 0 && res != -ETIME ? res : 1;
		if (served > 0) {
			rearm = next_timer(src);
			if (!rearm && src->ours)
				bury(src);
			src->fn.timer(src->ctx);
		}
	}
	if (served < 0)
		err = served;
	else if (rearm && !src->dead)
		err = arm(src);
	if (err && !loop->err)
		loop->err = err;
	return served > 0;
}

static int reap(struct udrv_loop *loop)
{
	struct io_uring_cqe *cqe;
	int served = 0;

	/*
	 * Peeking also asks the kernel for what it has put off, if its flag says that there is
	 * something.
	 */
	for (int budget = REAP_MAX; budget > 0 && !io_uring_peek_cqe(&loop->ring, &cqe); budget--) {
		struct udrv_source *src;
		int res;

		src = io_uring_cqe_get_data(cqe);
		res = cqe->res;
		if (cqe->user_data == LIBURING_UDATA_TIMEOUT)
			src = NULL;
		io_uring_cqe_seen(&loop->ring, cqe);
		if (!src)
			continue;
		src->armed = false;
		if (!src->dead)
			served += dispatch(src, res);
	}
	return served;
}

static int run_idle(struct udrv_loop *loop)
{
	struct udrv_source *src;
	int served = 0;

	loop->busy = false;
	TAILQ_FOREACH(src, &loop->idle, link) {
		if (!src->dead && src->fn.idle(src->ctx) > 0) {
			loop->busy = true;
			served++;
		}
	}
	return served;
}

static int wait_events(struct udrv_loop *loop, uint64_t timeout_ns)
{
	struct __kernel_timespec ts = to_timespec(timeout_ns);
	struct io_uring_cqe *cqe;
	int err;

	if (timeout_ns == 0)
		err = io_uring_sq_ready(&loop->ring) ? io_uring_submit(&loop->ring) : 0;
	else if (timeout_ns == UINT64_MAX)
		err = io_uring_submit_and_wait(&loop->ring, 1);
	else
		err = io_uring_submit_and_wait_timeout(&loop->ring, &cqe, 1, &ts, NULL);
	return err == -ETIME || err == -EINTR || err > 0 ? 0 : err;
}

int udrv_loop_run_once(struct udrv_loop *loop, uint64_t timeout_ns)
{
	int err, served;

	if (loop->running)
		return -EBUSY;
	err = wait_events(loop, loop->busy ? 0 : timeout_ns);
	if (err)
		return err;
	loop->running = true;
	served = reap(loop);
	served += run_idle(loop);
	sweep(loop);
	loop->running = false;
	if (loop->err) {
		err = loop->err;
		loop->err = 0;
		return err;
	}
	return served;
}

int udrv_loop_run(struct udrv_loop *loop)
{
	int served = 0;

	while (!loop->stopping && served >= 0)
		served = udrv_loop_run_once(loop, UINT64_MAX);
	loop->stopping = false;
	return served < 0 ? served : 0;
}

void udrv_loop_stop(struct udrv_loop *loop)
{
	int saved = errno;

	/* Cannot fail but for a full counter, which wakes the loop as well. */
	(void)eventfd_write(loop->stop_fd, 1);
	errno = saved;
}

void udrv_loop_destroy(struct udrv_loop *loop)
{
	struct udrv_source *src;

	if (!loop)
		return;
	TAILQ_FOREACH(src, &loop->idle, link)
		udrv_loop_remove(src);
	TAILQ_FOREACH(src, &loop->sources, link)
		udrv_loop_remove(src);
	sweep(loop);
	/*
	 * Until the kernel writes to none of them any more: each was cancelled, so each has an end.
	 */
	for (int round = 0; round < DESTROY_ROUNDS && !TAILQ_EMPTY(&loop->sources); round++) {
		if (wait_events(loop, DESTROY_WAIT_NS))
			break;
		reap(loop);
		sweep(loop);
		TAILQ_FOREACH(src, &loop->sources, link)
			cancel(src);
	}
	/* What is left after all is leaked: better than a kernel that writes to freed memory. */
	io_uring_queue_exit(&loop->ring);
	close(loop->stop_fd);
	free(loop);
}
