/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of an update that may take long: a child process, so that the agent goes on serving
 * meanwhile, and can give it up. Loading a kernel and preserving a descriptor are effects on the
 * kernel and on files that both processes have: it does not matter which of them causes them.
 */
#ifndef UDRV_AGENT_WORKER_H
#define UDRV_AGENT_WORKER_H

#include <stdint.h>
#include <sys/types.h>

/**
 * enum worker_event_type - what a worker tells, in order; a last one of WORKER_DONE unless it died
 */
enum worker_event_type {
	WORKER_BEGIN,
	WORKER_END,
	WORKER_DONE,
};

/**
 * struct worker_event - one packet from worker to agent
 * @type: enum worker_event_type
 * @err: with WORKER_DONE: 0 or -errno
 * @ns: CLOCK_MONOTONIC, of the event itself
 * @phase, @device: with WORKER_BEGIN and WORKER_END; @device is "" for none
 * @why: with WORKER_DONE and an error
 */
struct worker_event {
	int32_t type;
	int32_t err;
	uint64_t ns;
	char phase[32];
	char device[32];
	char why[384];
};

/**
 * struct worker - both ends
 * @sock: the agent's end; in the worker its own; -1: there is none
 * @pidfd: of the worker; readable once it is gone; -1: there is none
 */
struct worker {
	pid_t pid;
	int pidfd;
	int sock;
	struct worker_event event;
};

#define WORKER_INIT                                \
	{                                          \
		.pid = -1, .pidfd = -1, .sock = -1 \
	}

/**
 * worker_start() - run @job(@ctx) in a child that dies with the agent
 *
 * The job tells its steps with worker_begin() and worker_end(), and why it
 * fails with worker_refuse().
 * Return: 0; -errno: there is no child.
 */
int worker_start(struct worker *w, int (*job)(void *ctx, struct worker *w), void *ctx);

/* In the worker. */
void worker_begin(struct worker *w, const char *phase, const char *device);
void worker_end(struct worker *w);
/** worker_refuse() - the text that goes with the error; returns @err */
int worker_refuse(struct worker *w, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* In the agent. */
/**
 * worker_next() - the next event, without waiting
 *
 * Return: 0; -EAGAIN: nothing yet; -ENOTCONN: there will be none, the worker is ending or dead.
 */
int worker_next(struct worker *w, struct worker_event *ret);
/** worker_kill() - end it; it is gone once @w->pidfd is readable */
void worker_kill(struct worker *w);
/** worker_reap() - after that: take its remains away. Return: wait status, -1 if unknown */
int worker_reap(struct worker *w);

#endif
