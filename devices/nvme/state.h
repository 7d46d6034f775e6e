/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the driver keeps in the state memfd beside the cold facts (facts.c): three areas.
 *
 *	"nvme-ctrl"	struct nvme_ctrl_state
 *	"nvme-q0"	the admin queue: struct nvme_queue_state followed by its slots
 *	"nvme-io"	the I/O queues, one after the other, each as the admin queue
 *
 * Counters run freely and are never set back: a ring index is (counter - origin) mod entries, with
 * the origin taken at the last controller reset, and a wrapped index never looks like an old one.
 * docs/nvme-resume.md has the order of the stores and what a successor makes of each place at which
 * they can stop.
 *
 * Little endian, but for the cookies, which are the owner's and kept as they are.
 */
#ifndef DEVICES_NVME_STATE_H
#define DEVICES_NVME_STATE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <udrv/nvme_spec.h>

#define NVME_AREA_CTRL	"nvme-ctrl"
#define NVME_AREA_ADMIN "nvme-q0"
#define NVME_AREA_IO	"nvme-io"

/* Entries and slots beyond the depth, for nudges (docs/nvme-resume.md). */
#define NVME_RESERVE 4u

/*
 * A CID is the slot in the low bits and the slot's generation above them, so that a late completion
 * of a slot's previous command does not pass for its present one's.
 */
#define NVME_CID_SLOT_BITS 12
#define NVME_CID_SLOT_MASK ((1u << NVME_CID_SLOT_BITS) - 1)
#define NVME_MAX_DEPTH	   ((1u << NVME_CID_SLOT_BITS) - 1 - NVME_RESERVE)

#define NVME_ADMIN_ENTRIES 16u
#define NVME_ADMIN_DEPTH   (NVME_ADMIN_ENTRIES - 1 - NVME_RESERVE)
#define NVME_ADMIN_SLOTS   (NVME_ADMIN_DEPTH + NVME_RESERVE)

enum nvme_slot_status {
	NVME_SLOT_FREE = 0,
	NVME_SLOT_PENDING = 1, /* the device has it, or is about to */
	NVME_SLOT_DONE = 2,    /* completed, not yet released by its owner */
};

/*
 * struct nvme_slot_state - one command; @state is stored last when it is
 * made, and first when it ends
 */
struct nvme_slot_state {
	struct nvme_sqe sqe; /* as submitted */
	uint64_t cookie[2];  /* the owner's; in the admin queue [0] is an enum nvme_admin_kind */
	uint64_t seq;	     /* counter of its place in the submission queue */
	uint32_t state;	     /* enum nvme_slot_status */
	uint32_t status;     /* when DONE: as in struct udrv_nvme_done */
	uint32_t result;
	uint32_t rsvd[5];
} __attribute__((aligned(64)));

/* struct nvme_queue_state - a queue pair; the first line is written by every command */
struct nvme_queue_state {
	uint64_t tail;	    /* submission: next place to be filled */
	uint64_t ringing;   /* tail that is being, or was, written to the doorbell */
	uint64_t rung;	    /* tail that is known to have been written */
	uint64_t head;	    /* completion: next place to be looked at */
	uint64_t head_rung; /* head that is known to have been written */
	uint64_t sq_doorbells;
	uint64_t cq_doorbells;
	uint64_t rsvd;

	/* fixed since the last controller reset */
	uint64_t sq_origin;
	uint64_t cq_origin;
	uint32_t qid;
	uint32_t sq_entries; /* 0: never set up */
	uint32_t cq_entries;
	uint32_t depth;
	uint64_t rings_off; /* pool offset of the submission ring, the completion ring behind it */
	uint64_t lists_off; /* pool offset of the slots' PRP lists (admin: of their data pages) */
	uint32_t list_size; /* bytes a slot */
	uint32_t rsvd1[3];

	/* counters; the owner's submitted commands are tail - nudges */
	uint64_t nudges;
	uint64_t errors;
	uint64_t lost;
	uint64_t reissued;
	uint64_t spurious_cqes;
	uint64_t bad_cqes;
	uint64_t timeouts;
	uint64_t aborts;
	uint64_t rsvd2[8];
} __attribute__((aligned(64)));

/* struct nvme_ctrl_state - the controller's own counters */
struct nvme_ctrl_state {
	uint64_t starts;
	uint64_t resumes;
	uint64_t resets;
	uint64_t events;	/* AENs answered */
	uint32_t io_capacity;	/* queues that "nvme-io" has room for */
	uint32_t slot_capacity; /* slots of each of them, reserve included */
	uint64_t rsvd[3];
} __attribute__((aligned(64)));

static_assert(sizeof(struct nvme_slot_state) == 128, "a slot is two cache lines");
static_assert(sizeof(struct nvme_queue_state) == 256, "a queue's header is four cache lines");
static_assert(sizeof(struct nvme_ctrl_state) == 64, "one cache line");

/* Bytes of one queue in its area; @slots includes the reserve. */
static inline size_t nvme_queue_state_size(unsigned int slots)
{
	return sizeof(struct nvme_queue_state) + slots * sizeof(struct nvme_slot_state);
}

#endif
