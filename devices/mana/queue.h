/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One queue pair: SQ and RQ with a CQ each and an EQ for both.
 *
 * Places run freely and 32 bits wide (state.h). The order of the stores in here is what makes a
 * resume possible; docs/mana-resume.md has it as a table.
 */
#ifndef DEVICES_MANA_QUEUE_H
#define DEVICES_MANA_QUEUE_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>

#include <udrv/bar.h>
#include <udrv/dma.h>
#include <udrv/mana_spec.h>

#include "devices/mana/facts.h"
#include "devices/mana/state.h"
#include "udrv/lib/step.h"

struct udrv_mana;

#define MANA_MIN_TX_SLOTS      64u
#define MANA_MAX_TX_SLOTS      4096u
#define MANA_MIN_RX_DEPTH      128u
#define MANA_MAX_RX_DEPTH      8192u
#define MANA_MIN_MTU	       68u
#define MANA_MAX_MTU	       9216u
#define MANA_MAX_RX_BUF	       12288u

#define MANA_EQ_BYTES	       4096u
#define MANA_EQ_ENTRIES	       (MANA_EQ_BYTES >> GDMA_EQE_SHIFT)
#define MANA_SQ_BYTES_PER_SLOT 64u
#define MANA_RQ_OOB	       GDMA_OOB_SMALL_SIZE
#define MANA_BAD_CQES_MAX      64u
/* Of a CQE's last dword: owner bits, direction and WQ. */
#define MANA_CQE_WHOSE \
	((uint32_t)GDMA_OWNER_MASK << GDMA_OWNER_SHIFT | GDMA_CQE_IS_SQ | GDMA_DB_ID_MASK)
#define MANA_RX_IDLE	 64u
#define MANA_RX_BATCH	 256u

#define mana_unlikely(x) __builtin_expect(!!(x), 0)

/* A CQ or an EQ as its consumer sees it. */
struct mana_cq {
	const struct gdma_cqe *ring;
	uint32_t mask;	/* entries - 1 */
	uint32_t shift; /* log2 of entries */
	uint32_t head;	/* taken: what the state says */
	uint32_t seen;	/* shown */
	uint32_t rung;	/* what the device was told */
	uint32_t lag;	/* entries that may be taken before it has to be told */
	uint32_t id;
	uint32_t info; /* what identifies its entries: WQ and direction */
	bool armed;
};

struct mana_eq {
	const struct gdma_eqe *ring;
	uint32_t mask, shift;
	uint32_t head;
	uint32_t id;
	bool tested;  /* a test event was seen */
	bool overdue; /* the last tick saw an event at @overdue_at that nobody had been told of */
	uint32_t overdue_at;
};

struct udrv_mana_queue {
	/* sending: what every packet needs first */
	struct mana_queue_state *st __attribute__((aligned(64)));
	struct mana_tx_slot *slots;
	uint8_t *sq;
	const uint64_t *page_addr; /* the pool's */
	uint64_t pool_size;
	uint32_t tx_mask;		    /* slots - 1 */
	uint32_t tx_tail, tx_seen, tx_done; /* packets */
	uint32_t tx_unit, tx_unit_done;	    /* basic units */
	uint32_t sq_units;		    /* of the ring, a power of two */
	uint32_t oob0, oob1;		    /* short OOB of a packet without offloads */
	uint32_t mkey;
	uint32_t max_frame;    /* 0: the queue has failed */
	bool short_form;       /* the vport's sends may have a short OOB */
	uint32_t tx_lost;      /* of the oldest sends: they are lost */
	uint32_t tx_inherited; /* of the next ones to be shown: a predecessor's */
	struct mana_cq tx_cq;

	/* receiving */
	struct mana_cq rx_cq __attribute__((aligned(64)));
	uint32_t rx_seen, rx_head; /* buffers shown, taken */
	uint32_t rx_tail, rx_rung; /* posted, rung */
	uint32_t rx_mask;	   /* buffers - 1 */
	uint32_t rx_batch;	   /* posted buffers after which the doorbell is due */
	uint32_t rx_idle;	   /* calls in a row that found nothing */
	uint32_t rx_buf_size;
	uint32_t rx_wqe_size;
	uint32_t rx_inherited;	       /* of the next ones to be shown: a predecessor's */
	uint32_t rx_sum, rx_sum_taken; /* bytes shown, taken */
	uint64_t bufs_off;
	uint32_t *rx_sums; /* rx_sum after each packet, at its buffer's number */

	/* seldom */
	const struct udrv_bar *bar;
	uint64_t db; /* offset of the doorbell page */
	struct mana_eq eq;
	struct udrv_mana *mana;
	const struct mana_vport_facts *vport_facts;
	uint32_t rq_id, sq_id;
	unsigned int vport, index;
	uint32_t bad; /* entries that made no sense since the last reset */
	bool failed;
	bool fenced; /* the fence's completion was seen */
};

static inline uint32_t mana_rx_sges(const struct mana_facts *facts)
{
	return facts->rx_buf_size > UDRV_DMA_PAGE ? facts->rx_buf_size / (uint32_t)UDRV_DMA_PAGE :
						    1;
}

static inline uint32_t mana_rx_wqe_size(const struct mana_facts *facts)
{
	return gdma_wqe_size(MANA_RQ_OOB, mana_rx_sges(facts));
}

/* struct mana_rings - a queue pair's rings: bytes, and the offset behind the EQ */
struct mana_rings {
	uint32_t sq, tx_cq, rq, rx_cq;
	uint32_t sq_off, tx_cq_off, rq_off, rx_cq_off;
	uint32_t total;
};

/*
 * CQs have twice the entries that can be outstanding, so that the device need not be told of each
 * one's taking.
 */
static inline struct mana_rings mana_rings(const struct mana_facts *facts)
{
	struct mana_rings r = {
		.sq = facts->tx_slots * MANA_SQ_BYTES_PER_SLOT,
		.tx_cq = 2 * facts->tx_slots << GDMA_CQE_SHIFT,
		.rq = facts->rx_depth * mana_rx_wqe_size(facts),
		.rx_cq = 2 * facts->rx_depth << GDMA_CQE_SHIFT,
	};

	r.sq_off = MANA_EQ_BYTES;
	r.tx_cq_off = r.sq_off + r.sq;
	r.rq_off = r.tx_cq_off + r.tx_cq;
	r.rx_cq_off = r.rq_off + r.rq;
	r.total = r.rx_cq_off + r.rx_cq;
	return r;
}

static inline bool mana_power_of_two(uint32_t n)
{
	return n && !(n & (n - 1));
}

/* Do depths and buffer size fit each other and the device? */
bool mana_geometry_valid(const struct mana_facts *facts);
/* Bytes of a receive buffer for frames of @mtu. */
uint32_t mana_rx_buf_size(unsigned int mtu);

/*
 * Is there an entry at @idx? 1: yes, *@info is its last dword; 0: no; -1: the owner bits say that
 * the ring has overflown, or that something else wrote to it. What was in the entry before the
 * owner bits is visible.
 */
static inline int mana_cq_look(const struct mana_cq *cq, uint32_t idx, uint32_t *info)
{
	uint32_t v = le32toh(__atomic_load_n(&cq->ring[idx & cq->mask].info, __ATOMIC_ACQUIRE));
	uint32_t laps = (GDMA_OWNER(v) - (idx >> cq->shift)) & GDMA_OWNER_MASK;

	*info = v;
	if (__builtin_expect(!laps, 1))
		return 1;
	return laps == GDMA_OWNER_MASK ? 0 : -1;
}

/* One dword of an entry, read once. */
static inline uint32_t mana_cqe_dword(const struct mana_cq *cq, uint32_t idx, unsigned int i)
{
	return le32toh(*(const volatile uint32_t *)&cq->ring[idx & cq->mask].data[i]);
}

/* The number that a CQ's or EQ's doorbell takes. */
static inline uint32_t mana_db_index(uint32_t idx, uint32_t shift)
{
	return idx & ((GDMA_LAPS << shift) - 1);
}

static inline void mana_ring(const struct udrv_mana_queue *q, uint32_t off, uint64_t val)
{
	udrv_bar_write64_once(q->bar, q->db + off, val);
	UDRV_STEP();
}

static inline void mana_count(uint64_t *counter, uint64_t n)
{
	*counter = htole64(le64toh(*counter) + n);
}

/* queue.c */
/* Pool memory for rings and buffers by tag, into @st; the rings are zeroed. -ENOMEM, -ENOSPC. */
int mana_queue_memory(struct udrv_mana *mana, struct mana_queue_state *st, unsigned int vport,
		      unsigned int index);
/* The process's view, its places from what @st says now. -ENOMEM */
int mana_queue_init(struct udrv_mana *mana, struct udrv_mana_queue *q, struct mana_queue_state *st,
		    unsigned int vport, unsigned int index);
void mana_queue_free(struct udrv_mana_queue *q);
/* Does what @st says fit the pool, its book and the geometry? 0 or -EBADMSG with a message. */
int mana_queue_check(struct udrv_mana *mana, const struct mana_queue_state *st, unsigned int vport,
		     unsigned int index);
/*
 * After a reset: rings begin anew, what was being sent is lost. Works on state of which only bounds
 * are known.
 */
void mana_queue_origin(struct mana_queue_state *st, uint32_t tx_slots, uint32_t rx_depth);
/* Completions of either direction that wait to be looked at; -EIO: a ring has overflown. */
int mana_queue_waiting(const struct udrv_mana_queue *q, uint32_t *ret_tx, uint32_t *ret_rx);
void mana_queue_fail(struct udrv_mana_queue *q, const char *why);

/* cq.c */
/* Tell the device which entries are taken. */
void mana_cq_ring(struct udrv_mana_queue *q, struct mana_cq *cq, bool arm);
/*
 * The entry at cq->seen is nobody's: take it if nothing shown waits before
 * it. false: it has to wait.
 */
bool mana_tx_skip(struct udrv_mana_queue *q, const char *why);
bool mana_rx_skip(struct udrv_mana_queue *q, const char *why);

/* eq.c */
/* Take the events that are there: which CQs are disarmed, whether a test event came. */
void mana_eq_drain(struct udrv_mana_queue *q);
void mana_eq_arm(struct udrv_mana_queue *q);
int mana_eq_look(const struct mana_eq *eq, uint32_t idx, struct gdma_eqe *ret);

/* wqe.c */
/* A packet of any kind, at most GDMA_MAX_SQE_SIZE bytes at @wqe. Its size or -errno. */
int mana_wqe_build(const struct udrv_mana_queue *q, const struct udrv_mana_tx *pkt,
		   uint32_t max_frame, uint8_t *wqe);

/* tx.c, rx.c */
void mana_tx_ring(struct udrv_mana_queue *q);
void mana_rx_ring(struct udrv_mana_queue *q);
/* Write the receive WQEs, all alike but for their addresses, once. */
void mana_rx_fill(struct udrv_mana_queue *q);
/*
 * A queue that is closed: let go of packets until the fence's completion, in place of a consumer.
 */
void mana_rx_drop_until_fence(struct udrv_mana_queue *q);

#endif
