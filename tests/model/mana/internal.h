/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MODEL_MANA_INTERNAL_H
#define TESTS_MODEL_MANA_INTERNAL_H

#include <endian.h>
#include <string.h>

#include <udrv/gdma_hwc_spec.h>
#include <udrv/mana_spec.h>

#include "tests/model/mana/mana_model.h"
#include "tests/model/net/rss.h"

/* BAR 0: registers, shared memory channel, doorbell pages */
#define SMC_OFFSET 0x40u
#define DB_OFFSET  0x1000u
#define DB_PAGES   8u

/*
 * Slot 0 of each table is the hardware channel's. Ids differ between kinds of queues and from
 * slots; those of SQs need more than 10 bits, since part of them travels in the OOB.
 */
#define MAX_EQS		   97u
#define MAX_CQS		   65u
#define MAX_WQS		   33u
#define MAX_REGIONS	   512u
#define EQ_ID(slot)	   (0x30u + (slot))
#define CQ_ID(slot)	   (0x100u + (slot))
#define RQ_ID(slot)	   (0x200u + (slot))
#define SQ_ID(slot)	   (0x500u + 0x155u * (slot))
#define MAX_NUM_CQS	   0x180u
#define NO_SLOT		   (-1)

#define HWC_DB		   1u
#define HWC_PDID	   0x11u
#define HWC_MKEY	   0x1100aau
#define HWC_DEPTH	   16u
#define MANA_DB		   3u
#define MANA_PDID	   0x33u
#define MANA_MKEY	   0x3300bbu
#define MANA_INSTANCE	   1u
#define TX_VPORT_OFFSET(v) (0x10u + (v))
#define LINK_MBPS	   100000u

/* Answer to a request that makes no sense */
#define STATUS_INVALID 0x57u

#define RING_MAX_PAGES GDMA_DMA_REGION_PAGES_MAX
#define MAX_EVENTS     16u
/* Longest send: the longest IP datagram many times over is no NIC's business. */
#define TX_MAX (256u * 1024)

struct ring {
	uint64_t *page; /* bus addresses of 4 KiB pages, owned */
	uint32_t size;	/* bytes, a power of two */
};

struct region {
	bool live;
	uint32_t generation;
	uint64_t *page;
	unsigned int pages;
};

/* What EQs and CQs have in common. Indexes run modulo 8 laps, as their doorbells do. */
struct entries {
	struct ring ring;
	unsigned int shift; /* log2 of an entry's size */
	uint32_t count;
	uint32_t producer, tail;
	bool armed;
	uint32_t db;
};

static inline uint32_t entries_modulo(const struct entries *e, uint32_t index)
{
	return index & (e->count * GDMA_LAPS - 1);
}

/* Posted, and not acknowledged by a doorbell. */
static inline uint32_t entries_pending(const struct entries *e)
{
	return entries_modulo(e, e->producer - e->tail);
}

struct eq {
	bool live;
	struct entries e;
	unsigned int vector;
	unsigned int tests; /* test events that are to come */
};

struct cq {
	bool live;
	struct entries e;
	bool overrun; /* said once */
	int eq;	      /* slot, NO_SLOT: none */
};

/*
 * A send or receive queue. head: what the device has done, tail: what was rung; both in bytes,
 * modulo 2^32.
 */
struct wq {
	bool live;
	bool sq;
	bool disabled; /* by an error */
	uint32_t generation;
	struct ring ring;
	uint32_t head, tail;
	unsigned int cq;
	unsigned int vport;
	uint32_t id;
	uint32_t db, mkey;
};

struct vport {
	bool tx_configured;
	bool rx;
	bool rss;
	uint64_t default_rxobj;
	uint8_t key[MANA_HASH_KEY_SIZE];
	unsigned int hash_types;
	uint64_t table[MANA_INDIR_MAX];
	unsigned int entries;
};

struct event {
	uint8_t type;
	uint32_t detail;
};

struct smc {
	uint32_t dword[GDMA_SMC_DWORDS];
	bool request;
};

struct hwc {
	bool live;
	bool destroyed;		/* by request, and nothing has come since */
	unsigned int init_eqes; /* sent of GDMA_EQE_HWC_INIT_* */
	struct event event[MAX_EVENTS];
	unsigned int events;
};

enum fault_kind {
	FAULT_HWC_TIMEOUT,
	FAULT_HWC_STATUS,
	FAULT_SMC_STATUS,
	FAULT_SMC_STUCK,
	FAULT_TX_ERROR,
	FAULT_RX_ERROR,
	FAULT_DROP_IRQ,
	FAULT_GARBAGE_CQE,
	FAULT_NO_VPORTS,
	FAULT_KINDS,
};

struct fault {
	uint32_t count;
	uint32_t arg[2];
};

struct set {
	uint64_t bits[2];
};

/* Counters that only the driver asks for */
struct traffic {
	uint64_t ucast, ucast_bytes, mcast, mcast_bytes, bcast, bcast_bytes;
};

struct mana_model {
	struct mana_model_opts opts;
	uint64_t rnd;
	bool bme;
	bool removed;
	bool registered;
	bool link_down;
	uint32_t generation;
	struct smc smc;
	struct hwc hwc;
	struct eq eq[MAX_EQS];
	struct cq cq[MAX_CQS];
	struct wq sq[MAX_WQS];
	struct wq rq[MAX_WQS];
	struct region region[MAX_REGIONS];
	struct vport vport[MANA_MODEL_MAX_VPORTS];
	/* What may have work, by slot; a member may turn out to have none */
	struct set eq_work, cq_work, sq_work;
	unsigned int eq_next, cq_next, sq_next;
	unsigned int eq_alloc, cq_alloc, sq_alloc, rq_alloc, region_alloc;
	struct fault fault[FAULT_KINDS];

	struct mana_model_counts counts;
	struct traffic rx, tx;
	uint64_t tx_err_mtu, tx_err_oob, tx_err_gdma;
	bool setup_forbidden;
	unsigned int violations;
	char first[256];

	uint8_t request[GDMA_HWC_MAX_MESSAGE] __attribute__((aligned(8)));
	uint8_t response[GDMA_HWC_MAX_MESSAGE] __attribute__((aligned(8)));
	uint8_t *tx_buf; /* NET_HEADROOM + TX_MAX */
	uint8_t *rx_buf; /* NET_FRAME_MAX */
};

/* model.c */
void model_log(struct mana_model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void model_violation(struct mana_model *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A violation if setting up is forbidden. */
void model_setup(struct mana_model *m, const char *what);
uint32_t model_random(struct mana_model *m, uint32_t below);
/* All queues, regions and the registration; the hardware channel too. */
void model_drop_all(struct mana_model *m);

/* set.h in a few lines */
static inline void set_add(struct set *s, unsigned int i)
{
	s->bits[i / 64] |= 1ull << i % 64;
}

static inline void set_del(struct set *s, unsigned int i)
{
	s->bits[i / 64] &= ~(1ull << i % 64);
}

/* The next member from @from on, all around; NO_SLOT: it is empty. */
int set_next(const struct set *s, unsigned int from);

/* dma.c: false after a violation: there is no such memory. @what names who wanted it. */
bool dma_read(struct mana_model *m, uint64_t addr, void *buf, size_t len, const char *what);
bool dma_write(struct mana_model *m, uint64_t addr, const void *buf, size_t len, const char *what);
/* @off may be anything, it is taken modulo the size; what is read or written may wrap. */
bool ring_read(struct mana_model *m, const struct ring *r, uint32_t off, void *buf, size_t len,
	       const char *what);
/* One entry of @len bytes: all but its last dword first. */
bool ring_post(struct mana_model *m, const struct ring *r, uint32_t off, const void *entry,
	       size_t len, const char *what);

/* regs.c */
void smc_run(struct mana_model *m);

/* doorbell.c */
void doorbell(struct mana_model *m, uint64_t off, uint64_t val, unsigned int width);

/* queue.c: slots of live queues, NO_SLOT if there is none of that id */
int eq_find(const struct mana_model *m, uint32_t id);
int cq_find(const struct mana_model *m, uint32_t id);
int sq_find(const struct mana_model *m, uint32_t id);
int rq_find(const struct mana_model *m, uint32_t id);
/* Whether there is a slot for another one. */
bool eq_room(const struct mana_model *m);
/* Take over @page (also on failure); slot or NO_SLOT. */
int eq_create(struct mana_model *m, int slot, uint64_t *page, uint32_t size, unsigned int vector,
	      uint32_t db);
int cq_create(struct mana_model *m, int slot, uint64_t *page, uint32_t size, int eq, uint32_t db);
int wq_create(struct mana_model *m, bool sq, int slot, uint64_t *page, uint32_t size,
	      unsigned int cq, unsigned int vport, uint32_t db, uint32_t mkey);
void eq_destroy(struct mana_model *m, unsigned int slot);
void cq_destroy(struct mana_model *m, unsigned int slot);
void wq_destroy(struct mana_model *m, struct wq *wq);

/* event.c: completions, events, interrupts */
bool cq_room(struct mana_model *m, unsigned int slot);
bool cq_post(struct mana_model *m, unsigned int slot, struct gdma_cqe *cqe, uint32_t wq, bool sq);
bool eq_post(struct mana_model *m, unsigned int slot, uint8_t type, uint32_t detail);
bool cq_step(struct mana_model *m);
bool eq_step(struct mana_model *m);

/* hwc.c */
void hwc_establish(struct mana_model *m, const struct gdma_smc_establish *req);
bool hwc_step(struct mana_model *m);

/*
 * What a request handler is given: @body behind the header, @len bytes of it; the answer's body
 * goes to @out, which has room for it and is zeroed. Returns the status.
 */
struct call {
	uint32_t code;
	uint16_t version;
	struct gdma_dev_id dev;
	const uint8_t *req; /* the whole message */
	uint32_t len;
	uint8_t *resp; /* the whole message, zeroes behind the header */
};

struct command {
	uint32_t code;
	uint32_t req_size, resp_size; /* least sizes of the messages */
	bool mana;		      /* for the MANA device */
	uint32_t (*handle)(struct mana_model *m, struct call *c);
	const char *name;
};

extern const struct command gdma_commands[], bnic_commands[];
extern const unsigned int gdma_ncommands, bnic_ncommands;

/* region.c */
uint32_t region_create(struct mana_model *m, struct call *c);
uint32_t region_destroy(struct mana_model *m, struct call *c);
/* Whether a queue of @size bytes can be made of a region; false after a violation. */
bool region_fits(struct mana_model *m, uint64_t handle, uint32_t size, const char *what);
/* The pages of a region that exists become the caller's, and the handle invalid. */
uint64_t *region_consume(struct mana_model *m, uint64_t handle);

/* object.c */
uint64_t wq_handle(const struct mana_model *m, const struct wq *wq);
struct wq *wq_by_handle(struct mana_model *m, uint64_t handle, bool sq);
uint64_t vport_handle(unsigned int v);
int vport_by_handle(const struct mana_model *m, uint64_t handle);
uint32_t object_create(struct mana_model *m, struct call *c);
uint32_t object_destroy(struct mana_model *m, struct call *c);
uint32_t object_fence(struct mana_model *m, struct call *c);

/* steer.c */
uint32_t steer_config(struct mana_model *m, struct call *c);
/* The queue for a frame, and its hash; NULL: there is none. */
struct wq *steer(struct mana_model *m, unsigned int v, const struct net_frame *f,
		 unsigned int *type, uint32_t *hash);

/* stats.c */
uint32_t stats_gf(struct mana_model *m, struct call *c);
uint32_t stats_phy(struct mana_model *m, struct call *c);
void stats_count(struct traffic *t, const uint8_t *frame, size_t len);

/* wqe.c */
#define WQE_MAX_SGES ((GDMA_MAX_SQE_SIZE - 16) / sizeof(struct gdma_sge))

struct parsed_wqe {
	uint32_t size;	/* in the ring */
	uint32_t flags; /* of struct gdma_wqe */
	unsigned int last_vbytes;
	unsigned int oob_size;
	uint8_t oob[32];
	unsigned int nsge;
	struct gdma_sge sge[WQE_MAX_SGES]; /* host's byte order */
	uint64_t bytes;
};

/* The one at @wq's head; false after a violation. */
bool wqe_parse(struct mana_model *m, struct wq *wq, struct parsed_wqe *w);
bool wqe_gather(struct mana_model *m, const struct parsed_wqe *w, void *buf, size_t len,
		const char *what);
bool wqe_scatter(struct mana_model *m, const struct parsed_wqe *w, const void *buf, size_t len,
		 const char *what);
/* The queue is of no use any more. */
void wq_disable(struct mana_model *m, struct wq *wq);

/* tx.c */
bool tx_step(struct mana_model *m);

/* fault.c: take one of a prepared fault */
bool fault_take(struct mana_model *m, enum fault_kind kind, uint32_t arg);
/* Drop what is prepared with a reset: only what is stuck. */
void fault_reset(struct mana_model *m);

#endif
