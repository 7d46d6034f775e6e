// SPDX-License-Identifier: BSD-2-Clause
/* Fetching commands and posting completions. */
#include <endian.h>
#include <string.h>
#include <unistd.h>

#include "tests/model/nvme/internal.h"

typedef uint64_t aliasing_u64 __attribute__((may_alias));

static bool running(const struct nvme_model *m)
{
	return !m->faults.gone && !m->faults.cfs && (m->csts & NVME_CSTS_RDY) &&
	       (m->cc & NVME_CC_EN) && !(m->csts & NVME_CSTS_CFS);
}

static bool fetch(struct nvme_model *m, unsigned int sqid)
{
	struct sq *sq = &m->sq[sqid];
	struct command *c = &m->cmd[m->ncmd];
	const struct nvme_sqe *sqe;

	if (!sq->live || sq->head == sq->tail || m->ncmd == MAX_COMMANDS)
		return false;
	sqe = model_mem(m, sq->addr + sq->head * sizeof(*sqe), sizeof(*sqe), "submission queue");
	if (!sqe)
		return false;
	*c = (struct command){ .state = CMD_FETCHED, .sqid = (uint16_t)sqid, .sqe = *sqe };
	sq->head = (sq->head + 1) % sq->entries;

	for (unsigned int i = 0; i < m->ncmd; i++) {
		if (m->cmd[i].sqid == sqid && m->cmd[i].sqe.cid == c->sqe.cid)
			model_violation(m, "submission queue %u: CID %#x is in use already", sqid,
					c->sqe.cid);
	}
	if (sqid) {
		m->counts.io_fetched++;
		c->prp_sum = model_prp_sum(m, &c->sqe, model_data_length(m, c));
	} else {
		m->counts.admin_fetched++;
		m->counts.aer_fetched += c->sqe.opcode == NVME_ADMIN_ASYNC_EVENT;
	}
	m->ncmd++;
	return true;
}

static bool execute(struct nvme_model *m, unsigned int i)
{
	struct command *c = &m->cmd[i];
	bool done;

	if (c->state != CMD_FETCHED)
		return false;
	if (c->sqid) {
		if (model_prp_sum(m, &c->sqe, model_data_length(m, c)) != c->prp_sum)
			model_violation(m,
					"submission queue %u, CID %#x: its PRP list changed under way",
					c->sqid, c->sqe.cid);
		done = model_io(m, c);
		m->counts.io_executed += done;
	} else {
		done = model_admin(m, c);
	}
	if (done)
		c->state = CMD_EXECUTED;
	return done;
}

static void interrupt(struct nvme_model *m, const struct cq *cq)
{
	uint64_t one = 1;

	if (!cq->ien || cq->vector >= m->opts.vectors)
		return;
	if (m->eventfd[cq->vector] < 0)
		m->pending[cq->vector] = true;
	else if (write(m->eventfd[cq->vector], &one, sizeof(one)) != sizeof(one))
		model_violation(m, "eventfd of vector %u", cq->vector);
}

static bool put_cqe(struct nvme_model *m, struct cq *cq, struct nvme_cqe cqe)
{
	struct nvme_cqe *slot;
	uint64_t dw23;

	/* Full as far as the host has said. */
	if ((cq->tail + 1) % cq->entries == cq->head)
		return false;
	slot = model_mem(m, cq->addr + cq->tail * sizeof(cqe), sizeof(cqe), "completion queue");
	if (!slot)
		return false;
	cqe.status = htole16((le16toh(cqe.status) & ~NVME_CQE_PHASE) | cq->phase);
	slot->result = cqe.result;
	slot->dw1 = cqe.dw1;
	/* The phase with the rest of its half, after the first half. */
	memcpy(&dw23, &cqe.sqhd, sizeof(dw23));
	__atomic_store_n((aliasing_u64 *)&slot->sqhd, dw23, __ATOMIC_RELEASE);
	cq->tail = (cq->tail + 1) % cq->entries;
	if (!cq->tail)
		cq->phase ^= 1;
	return true;
}

static bool post(struct nvme_model *m, unsigned int i)
{
	struct command *c = &m->cmd[i];
	struct sq *sq = &m->sq[c->sqid];
	struct cq *cq = &m->cq[sq->cqid];
	struct nvme_cqe cqe = {
		.result = htole32(c->result),
		.sqhd = htole16((uint16_t)sq->head),
		.sqid = htole16(c->sqid),
		.cid = c->sqe.cid,
		.status = htole16((uint16_t)((c->status | m->faults.status) << 1)),
	};

	if (c->state != CMD_EXECUTED)
		return false;
	if (m->faults.garbage && c->sqid) {
		struct nvme_cqe junk;
		uint8_t *p = (uint8_t *)&junk;

		for (unsigned int j = 0; j < sizeof(junk); j++)
			p[j] = (uint8_t)model_random(m, 256);
		if (put_cqe(m, cq, junk))
			m->faults.garbage--;
	}
	if (!put_cqe(m, cq, cqe))
		return false;
	if (m->faults.duplicate && c->sqid && put_cqe(m, cq, cqe))
		m->faults.duplicate--;
	m->counts.io_completed += c->sqid != 0;
	interrupt(m, cq);
	m->cmd[i] = m->cmd[--m->ncmd];
	return true;
}

/* One step, tried from a random place on. */
static bool step(struct nvme_model *m, bool admin_only)
{
	unsigned int queues = admin_only ? 1 : MAX_QUEUES;
	unsigned int what = model_random(m, 3), start;

	for (unsigned int k = 0; k < 3; k++, what = (what + 1) % 3) {
		if (what == 0) {
			start = model_random(m, queues);
			for (unsigned int i = 0; i < queues; i++) {
				if (fetch(m, (start + i) % queues))
					return true;
			}
			continue;
		}
		if (!m->ncmd)
			continue;
		start = model_random(m, m->ncmd);
		for (unsigned int i = 0; i < m->ncmd; i++) {
			unsigned int j = (start + i) % m->ncmd;

			if (admin_only && m->cmd[j].sqid)
				continue;
			if (what == 1 ? execute(m, j) : post(m, j))
				return true;
		}
	}
	return false;
}

unsigned int nvme_model_run(struct nvme_model *m, unsigned int steps)
{
	unsigned int n = 0;

	while (n < steps && running(m) && step(m, false))
		n++;
	return n;
}

void nvme_model_run_admin(struct nvme_model *m)
{
	for (unsigned int n = 0; n < 8 && running(m) && step(m, true); n++)
		;
}
