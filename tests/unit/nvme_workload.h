/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An owner of I/O that keeps book like a real one: what it intends is recorded before each call,
 * and the book outlives the driver's process. After a crash it compares the book with what the
 * successor's slots hold; a command that is in the wrong place, comes twice, or carries wrong data
 * fails the test.
 */
#ifndef TESTS_UNIT_NVME_WORKLOAD_H
#define TESTS_UNIT_NVME_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/nvme_fixture.h"

#define WL_MAX_OPS    256
#define WL_MAX_BLOCKS 6 /* of a command: a PRP list at any alignment */
#define WL_MAX_BATCH  32u
#define WL_BLOCK      4096u

enum op_state { OP_NEW, OP_SUBMITTING, OP_SUBMITTED, OP_DONE, OP_RELEASING, OP_RELEASED };

struct op {
	enum op_state state;
	uint8_t opcode;
	uint32_t blocks;
	unsigned int queue;
	unsigned int life;    /* process in which it was last delivered */
	unsigned int present; /* slots that hold it, by udrv_nvme_each() */
	bool lost;
	uint32_t shift; /* its buffer does not begin on a page */
};

struct workload {
	struct nvme_fixture *fx;
	struct op op[WL_MAX_OPS];
	unsigned int nops, nqueues, life;
	/* completions of this life that a predecessor had left to the device */
	unsigned int resumed;
	uint64_t rnd;
	unsigned int batch; /* submissions before a doorbell, at most */
	bool may_lose;	    /* the controller may have been reset */
};

struct workload_opts {
	unsigned int ops;
	unsigned int batch;
	uint64_t seed;
};

uint64_t workload_buffer_size(unsigned int ops);
void workload_init(struct workload *w, struct nvme_fixture *fx, const struct workload_opts *opts);
/* Until everything is released. */
void workload_run(struct workload *w);
/* Only so many rounds. */
void workload_rounds(struct workload *w, unsigned int rounds);
/* Take what has completed, of each queue at most some. */
void workload_deliver(struct workload *w);
/* After a crash and a resume (or start): compare book and slots. */
void workload_reconcile(struct workload *w);
/* At the end: each command was carried out once, with its own data. */
void workload_verify(struct workload *w);

#endif
