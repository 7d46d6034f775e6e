/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the driver keeps in the state memfd beside the cold facts (facts.c): two areas.
 *
 *	"mana-ctrl"	struct mana_ctrl_state: the adapter and its hardware channel
 *	"mana-queues"	the queue pairs, vport by vport: struct mana_queue_state followed by its
 *			send slots
 *
 * Counters of places run freely, 32 bits wide, from the last reset on; two that have to change
 * together share a word of 64 bits, which is one store. docs/mana-resume.md has the order of the
 * stores and what a successor makes of each place at which they can stop.
 *
 * Little endian, but for the cookies, which are the owner's and kept as they are.
 */
#ifndef DEVICES_MANA_STATE_H
#define DEVICES_MANA_STATE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define MANA_AREA_CTRL	 "mana-ctrl"
#define MANA_AREA_QUEUES "mana-queues"

/* Requests to the hardware channel in flight, at most. */
#define MANA_HWC_SLOTS 4u

enum mana_hwc_slot_status {
	MANA_HWC_FREE = 0,
	MANA_HWC_PENDING = 1, /* the device has it, or is about to */
};

/*
 * struct mana_hwc_slot - a request; @state is stored last when it is made, and first when it ends
 */
struct mana_hwc_slot {
	uint32_t state; /* enum mana_hwc_slot_status */
	uint32_t place; /* its number in the SQ */
	uint32_t msg_type;
	/* sent along and sent back: a late answer to a slot's former request differs */
	uint32_t activity;
	uint32_t len; /* bytes, in the slot's request page */
	uint32_t rsvd[3];
};

/* struct mana_ctrl_state - the adapter */
struct mana_ctrl_state {
	uint64_t starts;
	uint64_t resumes;
	uint64_t resets;
	uint64_t reset_requests;
	uint64_t link_events;
	uint64_t hwc_requests;
	uint64_t hwc_timeouts;
	uint64_t hwc_bad; /* entries of its rings that made no sense */

	uint32_t vport_capacity; /* that "mana-queues" has room for */
	uint32_t queue_capacity; /* a vport */
	uint32_t slot_capacity;	 /* send slots a queue, a power of two */
	uint32_t link_down;
	/* bit per vport: the device may not have been told what the tree says */
	uint32_t steer_unsure;
	uint32_t reset_wanted; /* the device asked for one */
	uint32_t rsvd0[2];
	uint64_t rsvd1[4];

	/* hardware channel; fixed since the last reset are its ids, in the tree */
	uint64_t hwc_head; /* 31:0 CQ, 63:32 RQ: taken */
	uint32_t hwc_eq_head;
	uint32_t hwc_sq_tail;  /* requests posted */
	uint32_t hwc_rq_tail;  /* response buffers posted */
	uint32_t hwc_activity; /* of the last request */
	uint64_t rsvd2[5];
	struct mana_hwc_slot slot[MANA_HWC_SLOTS];
} __attribute__((aligned(64)));

/* struct mana_tx_slot - a send, at place (number of the packet) mod slots */
struct mana_tx_slot {
	uint64_t cookie;
	uint32_t end; /* basic units posted, this one included */
	uint32_t rsvd;
};

/* Bit of mana_queue_state::tx_lost: the low half counts. */
#define MANA_TX_LOST_VALID ((uint64_t)1 << 32)

/* struct mana_queue_state - a queue pair */
struct mana_queue_state {
	/* sending */
	uint64_t tx_tail; /* 31:0 packets posted, 63:32 basic units */
	uint64_t tx_head; /* 31:0 CQ, 63:32 packets: completed and released */
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t tx_completed;
	uint64_t tx_errors;
	uint64_t sq_doorbells;
	uint64_t tx_cq_doorbells;

	/* receiving */
	uint64_t rx_head; /* 31:0 CQ, 63:32 buffers: taken by the consumer */
	uint64_t rx_tail; /* buffers posted, 32 bits */
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t rx_errors;
	uint64_t rx_csum_bad;
	uint64_t rq_doorbells;
	uint64_t rx_cq_doorbells;

	/* events, and what is seldom */
	uint64_t eq_head; /* 32 bits */
	uint64_t events;
	uint64_t eq_doorbells;
	uint64_t bad_cqes;
	uint64_t tx_lost; /* MANA_TX_LOST_VALID | packets up to which the last reset lost them */
	uint64_t tx_lost_count;
	uint64_t rx_lost;
	uint64_t rsvd0;

	/* fixed since the last reset */
	uint32_t eq_id;
	uint32_t vector;
	uint32_t sq_id;
	uint32_t tx_cq_id;
	uint32_t rq_id;
	uint32_t rx_cq_id;
	uint64_t sq_obj;
	uint64_t rq_obj;
	uint64_t rings_off; /* pool offset of EQ, SQ, its CQ, RQ, its CQ */
	uint64_t bufs_off;  /* and of the receive buffers */
} __attribute__((aligned(64)));

static_assert(sizeof(struct mana_hwc_slot) == 32, "two slots a cache line");
static_assert(offsetof(struct mana_ctrl_state, hwc_head) == 128, "the channel begins a cache line");
static_assert(sizeof(struct mana_ctrl_state) == 320, "five cache lines");
static_assert(sizeof(struct mana_tx_slot) == 16, "four slots a cache line");
static_assert(offsetof(struct mana_queue_state, rx_head) == 64, "one cache line each way");
static_assert(sizeof(struct mana_queue_state) == 256, "a queue's header is four cache lines");

static inline uint64_t mana_pair(uint32_t low, uint32_t high)
{
	return (uint64_t)high << 32 | low;
}

static inline uint32_t mana_low(uint64_t pair)
{
	return (uint32_t)pair;
}

static inline uint32_t mana_high(uint64_t pair)
{
	return (uint32_t)(pair >> 32);
}

/* Bytes of one queue pair in its area. */
static inline size_t mana_queue_state_size(unsigned int slots)
{
	return sizeof(struct mana_queue_state) + slots * sizeof(struct mana_tx_slot);
}

#endif
