/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: Event loop on io_uring
 *
 * One loop a thread: eventfds of MSI-X vectors, timers and sockets on one ring. A loop belongs
 * to the thread that created it; only udrv_loop_stop() may be called from elsewhere (and from
 * signal handlers). Callbacks run from udrv_loop_run() and may add and remove sources,
 * themselves included.
 */
#ifndef UDRV_LOOP_H
#define UDRV_LOOP_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct udrv_loop;
struct udrv_source;

/**
 * udrv_loop_create() - set up a ring of @entries (0: a default); -ENOSYS: kernel
 * without io_uring; -errno
 */
int udrv_loop_create(unsigned int entries, struct udrv_loop **ret);
/**
 * udrv_loop_destroy() - removes every source without calling it; file descriptors stay the
 * caller's. NULL is allowed.
 */
void udrv_loop_destroy(struct udrv_loop *loop);

/**
 * udrv_loop_eventfd() - call @fn when an eventfd is signalled
 * @fd: borrowed, must stay open until the source is removed
 * @fn: called with the counter that was read (at least 1)
 * @ret: the source, for udrv_loop_remove(); may be NULL
 *
 * Return: 0; -ENOMEM; -errno of the ring.
 */
int udrv_loop_eventfd(struct udrv_loop *loop, int fd, void (*fn)(void *ctx, uint64_t count),
		      void *ctx, struct udrv_source **ret);

/**
 * udrv_loop_poll() - call @fn with the revents (poll(2)) each time @fd is ready for @events;
 * level-triggered; -errno as above
 */
int udrv_loop_poll(struct udrv_loop *loop, int fd, short events,
		   void (*fn)(void *ctx, short revents), void *ctx, struct udrv_source **ret);

/**
 * udrv_loop_timer() - call @fn every @period_ns, first after @first_ns (period
 * 0: once); CLOCK_MONOTONIC; -errno as above
 * @ret: may be NULL: a timer that has run out for good is freed then. One that the caller has a
 *	pointer to stays until udrv_loop_remove(), which may be called before and after it has run
 */
int udrv_loop_timer(struct udrv_loop *loop, uint64_t first_ns, uint64_t period_ns,
		    void (*fn)(void *ctx), void *ctx, struct udrv_source **ret);

/**
 * udrv_loop_idle() - call @fn after each round of events, and without waiting as long as it returns
 * above 0 (polling)
 */
int udrv_loop_idle(struct udrv_loop *loop, int (*fn)(void *ctx), void *ctx,
		   struct udrv_source **ret);

/** udrv_loop_remove() - no callback of the source runs after this returns. NULL is allowed. */
void udrv_loop_remove(struct udrv_source *src);

/** udrv_loop_run() - serve until udrv_loop_stop(); returns 0 or the -errno of the ring */
int udrv_loop_run(struct udrv_loop *loop);
/**
 * udrv_loop_run_once() - wait at most @timeout_ns (UINT64_MAX: for ever, 0: not at all), serve what
 * is ready
 *
 * Return: how many callbacks had something to do; -EBUSY: called from one; -errno of the ring, or
 * of a source's descriptor.
 */
int udrv_loop_run_once(struct udrv_loop *loop, uint64_t timeout_ns);
/** udrv_loop_stop() - make udrv_loop_run() return soon; any thread, async-signal-safe */
void udrv_loop_stop(struct udrv_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
