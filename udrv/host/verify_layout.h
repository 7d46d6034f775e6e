/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verifying workload's preserved memory (a handle's first extra memfd). It is right at every
 * instruction, as a state is: how many commands there were, and what came of them, is the sum of
 * per-command counts that are stored, not incremented, so that a completion which is delivered
 * twice, because a process died before it released it, counts once.
 *
 * That is not so for completed_across and for the histogram. The first is kept by the process that
 * opened its cycle, and by no other: it is short if that one dies before all are in. In the
 * histogram, a completion that is delivered twice is there twice.
 *
 * Every block's two sequence numbers: @submitted is stored before the command exists, @acked before
 * its slot is released. A block of which submitted > acked and which no command is under way for
 * had a write that never reached the device, or was lost in a reset; the disk may hold anything
 * from acked to submitted.
 */
#ifndef UDRV_HOST_VERIFY_LAYOUT_H
#define UDRV_HOST_VERIFY_LAYOUT_H

#include <assert.h>
#include <stdint.h>

#define VERIFY_MAGIC	    "UDRVVFY1"
#define VERIFY_BLOCK	    4096u
#define VERIFY_BLOCKS_MAX   24576u
#define VERIFY_OPS_MAX	    512u
#define VERIFY_CYCLES	    256u
#define VERIFY_ZERO_NS	    8u
#define VERIFY_BUCKETS	    65536u
#define VERIFY_BUCKET_SHIFT 24 /* counter ticks a bucket: about 7 ms */

/** enum verify_kind - what a command is; part of the cookie and index of the counts */
enum verify_kind {
	VERIFY_WRITE,
	VERIFY_READ,
	VERIFY_FLUSH,
	VERIFY_ZERO_READ,
	VERIFY_ZERO_WRITE,
	VERIFY_KINDS,
};

/** enum verify_mode - what the workload is doing */
enum verify_mode {
	VERIFY_IDLE, /* never started, or stopped and read back */
	VERIFY_RUNNING,
	VERIFY_DRAINING, /* no new commands; then read back */
	VERIFY_READBACK, /* reading every written block once more */
};

/** enum verify_outcome - what became of a command that has not simply completed */
enum verify_outcome {
	VERIFY_LOST, /* in a reset */
	VERIFY_ERROR,
	VERIFY_MISCOMPARE,
	VERIFY_OUTCOMES,
};

/**
 * struct verify_op - one command's place: its buffer, its counts by kind
 * @across_done: last cycle + 1 of which it is in completed_across
 * @outcome: for each enum verify_outcome the low half is the number of the last command that was
 *	counted as this, the high half how many were. A command's number is how many were submitted
 *	in this place up to and with it, modulo 2^32
 */
struct verify_op {
	uint64_t submitted[6];
	uint64_t completed[6];
	uint64_t across_done;
	uint64_t outcome[VERIFY_OUTCOMES];
};

struct verify_block {
	uint64_t acked, submitted;
};

/** struct verify_cycle - about the kexec with which a cycle began */
struct verify_cycle {
	uint64_t in_flight;	   /* as the driver's resume found them */
	uint64_t completed_across; /* those of them that completed once with the right data */
	uint64_t never_submitted;
	uint64_t latched_while_masked;
	uint64_t delivered_after;
	uint64_t tsc_reboot, tsc_last_completion, tsc_last_alive, tsc_init, tsc_first_completion;
	uint64_t rsvd[6];
};

struct verify_header {
	char magic[8];
	uint32_t mode;	   /* enum verify_mode */
	uint32_t readback; /* next block to read back */
	uint64_t cycle;
	uint64_t blocks, queues, depth, zdepth, rate, write, flush; /* struct verify_config */
	uint64_t nops;
	uint64_t nzero;
	uint32_t zero_nsid[VERIFY_ZERO_NS];
	uint64_t seq; /* last sequence number given out */
	/* what versions without verify_op::outcome have counted; to be added to that */
	uint64_t errors, miscompares, reissued, lost;
	uint64_t last_bucket; /* newest bucket of the histogram; 0: none yet */
	uint64_t first_bucket;
	uint64_t tsc_last_completion;
	uint64_t tsc_last_alive; /* when the event loop last came round */
	uint64_t rsvd[32];
};

/** struct verify_memory - the whole memfd */
struct verify_memory {
	struct verify_header h;
	uint8_t pad[4096 - sizeof(struct verify_header)];
	struct verify_cycle cycle[VERIFY_CYCLES];
	struct verify_op op[VERIFY_OPS_MAX];
	struct verify_block block[VERIFY_BLOCKS_MAX];
	uint32_t bucket[VERIFY_BUCKETS];
};

static_assert(sizeof(struct verify_op) == 128, "two cache lines");
static_assert(sizeof(struct verify_cycle) == 128, "two cache lines");
static_assert(sizeof(struct verify_memory) <= 2u << 20, "fits a handle's extra memfd");

#endif
