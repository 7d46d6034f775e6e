/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host of a model in a test: memory, vectors, a wire that keeps what is sent, and a driver
 * that does one thing at a time. Its functions assert (check(3)) that each step succeeds, unless
 * they say otherwise.
 */
#ifndef TESTS_MODEL_MANA_HOST_H
#define TESTS_MODEL_MANA_HOST_H

#include <udrv/gdma_hwc_spec.h>
#include <udrv/mana_spec.h>

#include "tests/model/mana/mana_model.h"
#include "tests/model/net/backend.h"

#define HOST_BASE   0x12340000000ull
#define HOST_PAGES  2048u
#define HOST_FRAMES 64u
#define HOST_BME    4u

/*
 * A ring of scattered pages. @next: consumer's index (EQ, CQ), or bytes that were posted (SQ, RQ).
 */
struct host_ring {
	uint64_t page[16];
	uint32_t size;
	uint32_t id;
	uint32_t next;
	uint64_t object; /* of a work queue */
	uint32_t db, mkey;
};

struct host_frame {
	size_t len;
	uint8_t data[2048];
};

struct host_wire {
	struct net_backend backend;
	struct host_frame frame[HOST_FRAMES];
	unsigned int frames; /* sent over the test's life; the last HOST_FRAMES are kept */
	int error;	     /* what net_send() returns from now on */
};

struct host {
	struct mana_model *m;
	uint8_t *mem;
	unsigned int pages; /* handed out, from the end */
	unsigned int irqs[MANA_MODEL_MAX_VECTORS];
	struct host_wire wire[MANA_MODEL_MAX_VPORTS];
	unsigned int logs;

	struct host_ring hwc_eq, hwc_cq, hwc_rq, hwc_sq;
	uint64_t request, response;
	uint32_t pdid, mkey, db;
	uint64_t vport[MANA_MODEL_MAX_VPORTS];
};

/* @opts: what is not zero there is taken; ops and wires are the host's. COMMAND.BME is on. */
void host_create(struct host *h, const struct mana_model_opts *opts);
void host_destroy(struct host *h);

/* One page; pages that follow each other are not contiguous. */
uint64_t host_page(struct host *h);
/* What is at a bus address, up to the end of its page. */
void *host_at(struct host *h, uint64_t addr);
/* Let the device do all that it can. */
void host_run(struct host *h);

/*
 * The hardware channel, up to its last event; then the device's registration, and the vports'
 * handles.
 */
void host_establish(struct host *h);
void host_register(struct host *h);
/* Write the last dword of the shared memory channel, and read the answer. */
uint32_t host_smc(struct host *h, uint32_t hdr);

/* Fills in the header of @req. Returns the status, or -1: there is no answer. */
int64_t host_request(struct host *h, uint32_t code, void *req, uint32_t len, void *resp,
		     uint32_t resp_len);

/* Queues. host_region() makes @size bytes of pages into a region and returns its handle. */
uint64_t host_region(struct host *h, struct host_ring *r, uint32_t size);
void host_create_eq(struct host *h, struct host_ring *eq, uint32_t size, unsigned int vector);
int64_t host_create_wq(struct host *h, unsigned int v, bool sq, struct host_ring *wq,
		       uint32_t wq_size, struct host_ring *cq, uint32_t cq_size,
		       const struct host_ring *eq);
int64_t host_destroy_wq(struct host *h, bool sq, const struct host_ring *wq);

/* Post a work request with @flags beside the counts. It is not rung. */
void host_post(struct host *h, struct host_ring *wq, const void *oob, uint32_t oob_len,
	       uint32_t flags, const struct gdma_sge *sge, unsigned int nsge);
void host_ring_wq(struct host *h, const struct host_ring *wq, bool sq);
void host_ring_cq(struct host *h, const struct host_ring *cq, bool arm);
void host_ring_eq(struct host *h, const struct host_ring *eq, bool arm);

/* The next entry, if there is one. An entry of a wrong lap fails the test. */
bool host_cqe(struct host *h, struct host_ring *cq, struct gdma_cqe *ret);
bool host_eqe(struct host *h, struct host_ring *eq, struct gdma_eqe *ret);

/* Steering as Linux does it: @table of @n objects if @rss. */
int64_t host_steer(struct host *h, unsigned int v, bool rx, bool rss, uint64_t def,
		   const uint64_t *table, unsigned int n);

/* A port that is up, with an EQ on vector 1, one send and one receive queue and @buffers posted. */
struct host_port {
	struct host_ring eq, sq, scq, rq, rcq;
	uint64_t buffer[64];
};

void host_port_up(struct host *h, unsigned int v, struct host_port *p, unsigned int buffers);
/*
 * Send @len bytes of one page in one piece, short OOB with @s0 and @s1 beside what must be there.
 * Rung.
 */
void host_send(struct host *h, unsigned int v, struct host_port *p, const uint8_t *frame,
	       uint32_t len, uint32_t s0, uint32_t s1);

/* No violations so far; or exactly @n, and the first one's text contains @text. */
void host_clean(struct host *h);
void host_violated(struct host *h, unsigned int n, const char *text);

#endif
