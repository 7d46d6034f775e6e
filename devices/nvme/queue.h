/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One queue pair: the rings, which the device sees, and the slots, which it does not.
 *
 * The order of the stores in the inline functions is what makes a resume possible;
 * docs/nvme-resume.md has it as a table.
 */
#ifndef DEVICES_NVME_QUEUE_H
#define DEVICES_NVME_QUEUE_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <udrv/bar.h>

#include "devices/nvme/state.h"
#include "udrv/lib/step.h"

struct udrv_nvme;
struct udrv_nvme_ns_info;

/*
 * What a transfer of one page to or from a namespace has to agree with. Written by the controller's
 * thread, read by the queues': @limit is 0 while the rest changes.
 */
struct nvme_page_io {
	uint64_t limit; /* the first block is below it; 0: none */
	uint32_t nlb;	/* logical blocks of a page */
};

extern const struct nvme_page_io nvme_no_page_io;

/*
 * What the timeouts know of a slot: the command they saw there, since when,
 * and what they did about it.
 */
struct nvme_watch {
	uint64_t seq;
	uint64_t since_ns;
	bool seen;
	bool aborted;
};

struct udrv_nvme_queue {
	/* every command: what is constant is copied here, so that nothing else is looked at */
	struct nvme_queue_state *st;
	struct nvme_slot_state *slots;
	struct nvme_sqe *sq, *sqe, *sq_end; /* ring, the place of st->tail in it, end */
	struct nvme_cqe *cq, *cqe, *cq_end; /* ring, the place of st->head in it, end */
	uint16_t *free;			    /* stack of free slots */
	uint32_t nfree;
	uint32_t depth;
	/* entries that may be polled for without a look at backlog, head_doubt, resuming, failed */
	uint32_t poll_limit;
	uint32_t sq_entries, cq_entries;
	uint32_t nslots; /* with the reserve */
	uint16_t qid;
	uint16_t phase;	   /* of a new entry at @cqe */
	uint32_t cq_batch; /* consumed entries after which the head doorbell is due */
	uint32_t nbacklog;
	/* mapped doorbells; NULL: through the BAR's callbacks */
	volatile uint32_t *sq_reg, *cq_reg;
	volatile uint32_t *ring_reg; /* @sq_reg, if the queue may write it */
	/* a command with a smaller seq is a predecessor's, see @inherited */
	uint64_t resumed_below;
	/* of the last command's namespace, or nvme_no_page_io */
	const struct nvme_page_io *page_io;
	uint64_t page_match; /* first eight bytes of a write of one piece to it, see submit.c */
	uint64_t page_dw01;  /* what is always the same in dwords 0 and 1 */
	const uint64_t *page_addr; /* the pool's */
	uint64_t pool_pages;
	uint32_t sqid_dw2; /* the queue's ID, as it is in dword 2 of a completion */
	/* slots below it may be released without a look at backlog and head_doubt */
	uint32_t release_limit;
	/* nobody knows which head the device knows, see nvme_queue_rebuild() */
	uint32_t head_doubt;

	/* seldom */
	uint64_t sq_db, cq_db; /* their offsets in the BAR */
	const struct udrv_bar *bar;
	struct udrv_nvme *ctrl;
	uint8_t *lists; /* PRP lists, st->list_size bytes a slot */
	uint64_t lists_off;
	uint32_t list_size;
	uint16_t *parking; /* free slots that wait until the device knows the head */
	uint32_t parked;
	uint16_t *backlog; /* completed, not handed out by this process yet */
	bool nudge_room; /* the completion ring has room for one more, whatever the device knows */
	bool *inherited; /* the device had the slot's command when the predecessor stopped */
	bool *handed;	 /* nvme_queue_note_handed(): handed out before, not released yet */
	bool resuming;	 /* the device is not to be told of anything yet */
	uint64_t head_found; /* st->head as the predecessor left it */
	uint32_t bad;	     /* bad entries since the last reset */
	bool failed;
	struct nvme_watch *watch;
};

/*
 * Bytes of the submission ring, after which the completion ring begins: both on pages of their own.
 */
static inline uint64_t nvme_sq_bytes(uint32_t entries)
{
	return ((uint64_t)entries * sizeof(struct nvme_sqe) + 4095) & ~(uint64_t)4095;
}

static inline uint64_t nvme_cq_bytes(uint32_t entries)
{
	return ((uint64_t)entries * sizeof(struct nvme_cqe) + 4095) & ~(uint64_t)4095;
}

/*
 * Allocate what the process needs for the queue, if it has not got it yet. @st
 * with geometry set; -ENOMEM.
 */
int nvme_queue_init(struct udrv_nvme *ctrl, struct udrv_nvme_queue *q, struct nvme_queue_state *st);
void nvme_queue_free(struct udrv_nvme_queue *q);
/* Where the doorbells are, once BAR 0 is mapped; part of nvme_queue_init() if it is. */
void nvme_queue_registers(struct udrv_nvme_queue *q);

/*
 * Pool memory for rings and lists by tag, geometry into @st; -ENOMEM,
 * -ENOSPC. The rings are zeroed.
 */
int nvme_queue_memory(struct udrv_nvme *ctrl, struct nvme_queue_state *st, unsigned int qid,
		      uint32_t sq_entries, uint32_t cq_entries, uint32_t depth, uint32_t list_size);
/*
 * Does what @st says fit the pool, the book and @slots that the area has? 0 or
 * -EBADMSG with a message.
 */
int nvme_queue_check(struct udrv_nvme *ctrl, const struct nvme_queue_state *st, unsigned int qid,
		     unsigned int slots);

/* Rings begin anew: after a controller reset, before the queue is created. */
void nvme_queue_origin(struct nvme_queue_state *st);
/* Free stack, ring places, phase and backlog out of what @q->st says now. */
void nvme_queue_rebuild(struct udrv_nvme_queue *q);
/*
 * Before completions are taken in and the queue is rebuilt: remember what the owner has got and not
 * released, so that it is not handed out again.
 */
void nvme_queue_note_handed(struct udrv_nvme_queue *q);
/*
 * After a controller reset: what the device still had is lost. Works on saved state of which
 * nothing is known but the area's @slots, reserve included.
 */
void nvme_queue_lose(struct nvme_queue_state *st, unsigned int slots, bool keep);

/*
 * What may go straight through, after a change of depth, backlog, head_doubt, resuming or failed.
 */
void nvme_queue_limits(struct udrv_nvme_queue *q);

static inline struct nvme_slot_state *nvme_queue_slots(struct nvme_queue_state *st)
{
	return (struct nvme_slot_state *)(st + 1);
}

static inline uint64_t nvme_list_off(const struct udrv_nvme_queue *q, unsigned int slot)
{
	return q->lists_off + (uint64_t)slot * q->list_size;
}

static inline void *nvme_list_ptr(const struct udrv_nvme_queue *q, unsigned int slot)
{
	return q->lists + (size_t)slot * q->list_size;
}

/* A new generation for a free slot's next command: its old completions no longer fit. */
static inline uint16_t nvme_next_cid(const struct nvme_slot_state *slot)
{
	return htole16((uint16_t)(le16toh(slot->sqe.cid) + (1u << NVME_CID_SLOT_BITS)));
}

/*
 * Put a filled-in slot's command into the ring. From the store of PENDING on a successor finishes
 * what is done here; before it, the command does not exist.
 */
static inline void nvme_sq_push(struct udrv_nvme_queue *q, struct nvme_slot_state *slot)
{
	struct nvme_queue_state *st = q->st;
	uint64_t tail = udrv_load64(&st->tail);

	slot->seq = htole64(tail);
	UDRV_STEP();
	udrv_store32(&slot->state, NVME_SLOT_PENDING);
	memcpy(q->sqe, &slot->sqe, sizeof(slot->sqe));
	UDRV_STEP();
	udrv_store64(&st->tail, tail + 1);
	if (++q->sqe == q->sq_end)
		q->sqe = q->sq;
}

typedef uint64_t nvme_prp_pair __attribute__((vector_size(16), aligned(8), may_alias));

/* What a read or write of one page needs; everything else in its SQE is zero. */
struct nvme_page_sqe {
	uint64_t dw01;
	nvme_prp_pair prp;
	uint64_t slba;
	uint32_t cdw12;
};

static inline void nvme_page_sqe_store(struct nvme_sqe *sqe, const struct nvme_page_sqe *s)
{
	/*
	 * The reserved dwords of an I/O queue's slots and ring are never written: they stay zero.
	 */
	memcpy(sqe, &s->dw01, sizeof(s->dw01));
	*(nvme_prp_pair *)&sqe->prp1 = s->prp;
	memcpy(&sqe->cdw10, &s->slba, sizeof(s->slba));
	sqe->cdw12 = s->cdw12;
}

/*
 * nvme_sq_push() for these, in the same order, into ring entry @sqe. It is not copied from the
 * slot: reading back what was just written in pieces would wait for the stores.
 */
static inline void nvme_sq_push_page(struct nvme_queue_state *st, struct nvme_sqe *sqe,
				     struct nvme_slot_state *slot, const struct nvme_page_sqe *s)
{
	uint64_t tail = udrv_load64(&st->tail);

	nvme_page_sqe_store(&slot->sqe, s);
	slot->seq = htole64(tail);
	UDRV_STEP();
	udrv_store32(&slot->state, NVME_SLOT_PENDING);
	nvme_page_sqe_store(sqe, s);
	UDRV_STEP();
	udrv_store64(&st->tail, tail + 1);
}

/* udrv_bar_write32() to a register whose place is known. */
static inline void nvme_doorbell(volatile uint32_t *reg, uint32_t val)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*reg = htole32(val);
	UDRV_STEP();
}

/* Hand the device what it has not been told of. */
static inline void nvme_sq_ring(struct udrv_nvme_queue *q)
{
	struct nvme_queue_state *st = q->st;
	uint64_t tail = udrv_load64(&st->tail);

	if (tail == udrv_load64(&st->rung))
		return;
	udrv_store64(&st->ringing, tail);
	udrv_bar_write32(q->bar, q->sq_db, q->sqe - q->sq);
	UDRV_STEP();
	udrv_store64(&st->rung, tail);
	st->sq_doorbells = htole64(le64toh(st->sq_doorbells) + 1);
}

/* The device knows the head again: what was held back may be used. */
void nvme_queue_head_known(struct udrv_nvme_queue *q);
/* A slot that is FREE in the state goes back to the stack. */
void nvme_queue_put(struct udrv_nvme_queue *q, uint16_t slot);

/* Only after an entry was consumed: a head that was written before is never written again. */
static inline void nvme_cq_ring(struct udrv_nvme_queue *q)
{
	struct nvme_queue_state *st = q->st;

	udrv_bar_write32(q->bar, q->cq_db, q->cqe - q->cq);
	UDRV_STEP();
	udrv_store64(&st->head_rung, udrv_load64(&st->head));
	st->cq_doorbells = htole64(le64toh(st->cq_doorbells) + 1);
	if (__builtin_expect(q->head_doubt, 0))
		nvme_queue_head_known(q);
}

#define NVME_CQE_NONE -1
#define NVME_CQE_DROP -2 /* consumed, but nobody's */

/*
 * Consume the next completion: its slot, which is DONE then (or FREE again, for a nudge: dropped),
 * or one of the above. No doorbell.
 */
int nvme_cq_take(struct udrv_nvme_queue *q);
/* nvme_cq_take() for a predecessor's queue: an entry may have been half consumed. */
int nvme_cq_take_first(struct udrv_nvme_queue *q);

/* A reserve slot with a command that does no harm is put into the ring. -EBUSY: all are in use. */
int nvme_queue_nudge(struct udrv_nvme_queue *q);
bool nvme_queue_can_nudge(const struct udrv_nvme_queue *q, bool head_known);
/*
 * Nothing will complete and nothing can be submitted, for want of a known head: only a nudge helps.
 */
bool nvme_queue_stuck(const struct udrv_nvme_queue *q);

#endif
