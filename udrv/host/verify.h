/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verifying workload: what verify*.c share. */
#ifndef UDRV_HOST_VERIFY_H
#define UDRV_HOST_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include <udrv/device.h>
#include <udrv/dma.h>

#include "udrv/host/config.h"
#include "udrv/host/host.h"
#include "udrv/host/verify_layout.h"
#include "udrv/lib/step.h"

struct json_object;
struct udrv_nvme_done;

/* struct verify_place - an op as this process sees it: volatile, rebuilt from the driver's slots */
struct verify_place {
	uint32_t nsid;
	uint32_t nlb; /* logical blocks a VERIFY_BLOCK */
	uint16_t queue;
	bool zero; /* of a namespace that reads as zeroes */
};

/**
 * struct verify - one process's view
 * @m: the preserved memory
 * @dma_off: its buffers in the pool, one block per op
 * @idle: ring of ops without a command, in the order in which they became so
 * @busy: per block: a command is under way
 * @ring: queues with commands that the device has not been told of
 * @tokens: commands that the rate allowed at @token_ns, which is 0 before anything was issued
 * @cycle_opened: the cycle whose account this process opened: what it resumes was in flight at that
 *	kexec
 * @stop_sock, @stop_id: who asked for the stop and waits for its end; -1
 */
struct verify {
	struct verify_memory *m;
	uint64_t dma_off;
	uint64_t zero_blocks[VERIFY_ZERO_NS];
	struct verify_place place[VERIFY_OPS_MAX];
	uint16_t idle[VERIFY_OPS_MAX];
	unsigned int idle_head, idle_len;
	uint8_t busy[VERIFY_BLOCKS_MAX];
	uint64_t ring;
	double tokens;
	uint64_t token_ns;
	uint64_t random;
	unsigned int data_count;
	unsigned int complaints;
	uint64_t cycle_opened;
	bool readback_wanted;
	int stop_sock;
	uint32_t stop_id;
};

/* verify_control.c */
int verify_start(struct host *h, const struct verify_config *c, char *why, size_t why_size);
int verify_command(struct host *h, struct json_object *req, int sock, uint32_t id);
void verify_gone(struct host *h, int sock);
/** verify_mode_progress() - DRAINING → READBACK → IDLE as commands complete */
void verify_mode_progress(struct host *h, struct verify *v);

/* verify_issue.c */

/** verify_issue() - submit what the mode and the rate allow, ring once for each queue */
void verify_issue(struct host *h);

/* verify_done.c */

/** verify_done() - check, count and release one completion; queue @qi counts from 0 */
void verify_done(struct host *h, unsigned int qi, const struct udrv_nvme_done *done);
/** verify_count() - count what became of an op's command, unless that has been counted */
void verify_count(struct verify_op *o, enum verify_outcome what);

/* verify_resume.c */

/**
 * verify_rebuild() - this process's tables out of the preserved ones and the driver's slots
 *
 * Return: 0; -EBADMSG: they make no sense, or do not fit the controller.
 */
int verify_rebuild(struct host *h, struct verify *v);
/** verify_resume() - take over what a predecessor left: its commands are the driver's slots */
int verify_resume(struct host *h, struct verify *v);
/**
 * verify_places() - assign ops to queues and namespaces by a header, @v's or one that is to become
 * it; -EBADMSG: it makes no sense
 */
int verify_places(struct host *h, struct verify *v, const struct verify_header *hd);

/* verify_report.c */
struct json_object *verify_json(struct host *h);
struct json_object *verify_memory_json(const struct verify_memory *m);
struct json_object *verify_timeline_json(const struct verify_memory *m);

/* The cookie: whose a command is, also for a successor. [1] is the sequence number of a write. */
static inline uint64_t verify_cookie(enum verify_kind kind, unsigned int op, uint64_t block)
{
	return (uint64_t)kind << 60 | (uint64_t)op << 48 | block;
}

static inline unsigned int verify_cookie_kind(uint64_t cookie)
{
	return (unsigned int)(cookie >> 60);
}

static inline unsigned int verify_cookie_op(uint64_t cookie)
{
	return (unsigned int)(cookie >> 48 & 0xfff);
}

static inline uint64_t verify_cookie_block(uint64_t cookie)
{
	return cookie & ((1ull << 48) - 1);
}

static inline unsigned int verify_in_flight(const struct verify *v)
{
	return (unsigned int)v->m->h.nops - v->idle_len;
}

/* An op has no command any more. */
static inline void verify_op_idle(struct verify *v, unsigned int op)
{
	v->idle[(v->idle_head + v->idle_len++) % VERIFY_OPS_MAX] = (uint16_t)op;
}

/* A store that is in its place before whatever follows it in the program. */
static inline void verify_publish(uint64_t *to, uint64_t val)
{
	__atomic_store_n(to, val, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	UDRV_STEP();
}

/* An op's block of the pool. */
static inline void *verify_buffer(struct host *h, const struct verify *v, unsigned int op)
{
	return udrv_dma_ptr(udrv_device_dma(h->dev), v->dma_off + (uint64_t)op * VERIFY_BLOCK);
}

#endif
