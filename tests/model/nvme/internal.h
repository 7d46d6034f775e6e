/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MODEL_NVME_INTERNAL_H
#define TESTS_MODEL_NVME_INTERNAL_H

#include "tests/model/nvme/nvme_model.h"

#define MAX_QUEUES   65
#define MAX_COMMANDS 8192
#define MAX_EVENTS   32
#define MAX_VECTORS  65

struct sq {
	bool live;
	uint64_t addr;
	uint32_t entries, head, tail; /* tail as rung */
	uint32_t doorbell;	      /* last value written, 0 after creation */
	uint16_t cqid;
};

struct cq {
	bool live;
	uint64_t addr;
	uint32_t entries, head, tail; /* head as rung */
	uint32_t doorbell;
	uint16_t phase;
	bool ien;
	uint16_t vector;
};

enum command_state { CMD_FETCHED = 1, CMD_EXECUTED };

struct command {
	enum command_state state;
	uint16_t sqid;
	bool aborted;
	struct nvme_sqe sqe;
	uint64_t prp_sum; /* of the list as it was when the command was fetched */
	uint32_t result;
	uint16_t status;
};

struct ns {
	bool attached;
	uint64_t nsze, capacity;
	uint16_t ms;
	uint8_t *data;
};

struct nvme_model {
	struct nvme_model_opts opts;
	uint64_t rnd;
	uint8_t config[4096];
	uint64_t cap;
	uint32_t cc, csts, aqa;
	uint64_t asq, acq;
	unsigned int delay; /* reads of CSTS until RDY follows EN, or SHST the notification */

	struct sq sq[MAX_QUEUES];
	struct cq cq[MAX_QUEUES];
	struct command cmd[MAX_COMMANDS];
	unsigned int ncmd;

	struct ns ns[NVME_MODEL_MAX_NS];
	uint32_t events[MAX_EVENTS];
	unsigned int nevents;
	bool changed_masked; /* the notice waits for its log page to be read */
	uint32_t changed[NVME_MODEL_MAX_NS];
	unsigned int nchanged;

	int eventfd[MAX_VECTORS];
	bool pending[MAX_VECTORS];
	bool msix; /* MSI-X is enabled */

	struct nvme_model_faults faults;
	struct nvme_model_counts counts;
	bool setup_forbidden;
	unsigned int violations;
	char first[256];
};

void model_violation(struct nvme_model *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
uint32_t model_random(struct nvme_model *m, uint32_t below);
void *model_mem(struct nvme_model *m, uint64_t addr, uint64_t len, const char *what);
void model_drop_queues(struct nvme_model *m);

/* Copy @len bytes between @buf and the command's data pointer. false: bad PRP. */
bool model_transfer(struct nvme_model *m, const struct nvme_sqe *sqe, void *buf, uint64_t len,
		    bool to_host);
/* A sum over the command's PRP list for @len bytes, 0 if it has none. */
uint64_t model_prp_sum(struct nvme_model *m, const struct nvme_sqe *sqe, uint64_t len);
uint64_t model_data_length(const struct nvme_model *m, const struct command *c);

/* Some steps of the admin queue alone. */
void nvme_model_run_admin(struct nvme_model *m);

/* Carry a command out: fills in result and status. false: it stays (asynchronous event, hang). */
bool model_admin(struct nvme_model *m, struct command *c);
bool model_io(struct nvme_model *m, struct command *c);

#endif
