/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verifying consumer's preserved memory for a NIC (a handle's first extra memfd). It is
 * right at every instruction: whatever is counted is stored together with the place up to which
 * it was counted, so that a packet or a completion that is shown again, because a process died
 * before it let go of it, counts once. Distinct requests are not counted at all: they are the
 * bits that are set.
 */
#ifndef UDRV_HOST_NIC_LAYOUT_H
#define UDRV_HOST_NIC_LAYOUT_H

#include <assert.h>
#include <stdint.h>

#define NIC_MEMORY_MAGIC "UDRVNICM"
#define NIC_SEQUENCES	 (1u << 23)
#define NIC_CYCLES	 256u
#define NIC_QUEUES	 32u /* of all vports */
#define NIC_TX_DEPTH_MAX 1024u

/** enum nic_count - what a received packet, or an echo's completion, counts as */
enum nic_count {
	NIC_FIRST, /* a request that was not there before */
	NIC_DUPLICATE,
	NIC_CORRUPT,
	NIC_OTHER, /* not of the stream, and nobody else wanted it */
	NIC_RX_KINDS,
	NIC_ECHOED = NIC_RX_KINDS,
	NIC_ECHO_ERROR,
	NIC_COUNTS,
};

/**
 * struct nic_queue - a queue pair's account
 * @count: for each enum nic_count the low half is the place behind the last packet that was counted
 *	as this, or, if that was long ago, a later one that is still far behind; the high half how
 *	many were. Places are numbers of packets received by the queue pair, modulo 2^32
 * @origin: place of the packet that the driver calls number 0
 */
struct nic_queue {
	uint64_t count[NIC_COUNTS];
	uint64_t origin;
	uint64_t rsvd;
};

/** struct nic_cycle - about the kexec with which a cycle began */
struct nic_cycle {
	uint64_t rx_buffered_across;   /* packets that were waiting when the driver resumed */
	uint64_t tx_unfinished_across; /* sends that were unfinished then */
	uint64_t latched_while_masked, delivered_after;
	uint64_t tsc_reboot, tsc_init, tsc_first_rx;
	uint64_t rsvd;
};

struct nic_header {
	char magic[8];
	uint64_t running;
	uint64_t cycle;
	/* 1 + how often the adapter was set up, when the origins were right; 0: they are not */
	uint64_t generation;
	uint64_t rsvd[28];
};

/** struct nic_memory - the whole memfd */
struct nic_memory {
	struct nic_header h;
	struct nic_cycle cycle[NIC_CYCLES];
	struct nic_queue queue[NIC_QUEUES];
	uint64_t seen[NIC_SEQUENCES / 64]; /* by sequence number */
};

static_assert(sizeof(struct nic_cycle) == 64 && sizeof(struct nic_queue) == 64,
	      "a cache line each");
static_assert(sizeof(struct nic_memory) <= 2u << 20, "fits a handle's extra memfd");

#endif
