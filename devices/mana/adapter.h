/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's view of an adapter in this process. Everything here is rebuilt from the state
 * (state.h, facts.h) by a successor; nothing that must survive is kept in it.
 *
 *	adapter.c	start, detach, accessors
 *	areas.c		the state's areas and their sizes
 *	setup.c		from any state to a running adapter
 *	close.c		and back
 *	regs.c		registers, waiting
 *	smc.c		shared memory channel: establish and destroy the hardware channel
 *	hwc.c		requests and responses
 *	event.c		the hardware channel's events
 *	gdma.c		requests to GDMA: versions, resources, DMA regions, event queues
 *	vport.c rss.c	requests to the network device: vports, work queues, steering
 *	facts.c		cold facts in the state's tree, node /mana
 *	queue.c		a queue pair's memory and places
 *	cq.c eq.c	completion and event queues
 *	wqe.c tx.c	packets on their way to the device
 *	rx.c		packets from it
 *	resume.c	take a running adapter over
 *	reset.c		who has to be reset, when, and how often
 *	irq.c		vectors to queues
 *	stats.c		counters, also of a state seen from outside
 */
#ifndef DEVICES_MANA_ADAPTER_H
#define DEVICES_MANA_ADAPTER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <udrv/bar.h>
#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/log.h>
#include <udrv/mana.h>
#include <udrv/mana_spec.h>
#include <udrv/state.h>

#include "devices/common/vectors.h"
#include "devices/common/wait.h"
#include "devices/mana/facts.h"
#include "devices/mana/queue.h"
#include "devices/mana/state.h"

/* Owner tags in the pool's book. */
#define MANA_TAG(kind, vport, index) \
	(0x6d616e6100000000ull | (uint64_t)(kind) << 16 | (vport) << 8 | (index))
#define MANA_TAG_HWC   1u
#define MANA_TAG_RINGS 2u
#define MANA_TAG_BUFS  3u

/* The hardware channel's pages: four rings, then a page for each request and for each response. */
#define MANA_HWC_EQ_PAGE   0u
#define MANA_HWC_CQ_PAGE   1u
#define MANA_HWC_RQ_PAGE   2u
#define MANA_HWC_SQ_PAGE   3u
#define MANA_HWC_REQ_PAGE  4u
#define MANA_HWC_RESP_PAGE (MANA_HWC_REQ_PAGE + MANA_HWC_SLOTS)
#define MANA_HWC_PAGES	   (MANA_HWC_RESP_PAGE + MANA_HWC_SLOTS)

/* The hardware channel in this process. */
struct mana_hwc {
	uint8_t *mem; /* its pages */
	struct mana_cq cq;
	struct mana_eq eq;
	uint32_t rq_head; /* responses taken */
	uint32_t bad;
	bool failed;	/* unanswered, or makes no sense */
	bool init_done; /* GDMA_EQE_HWC_INIT_DONE was seen */
	bool init_ids;	/* GDMA_EQE_HWC_INIT_EQ_ID_DB was */

	/* the request that somebody waits for */
	int waited; /* its slot, or -1 */
	void *resp;
	uint32_t resp_len;
	int result; /* 0: still waiting; 1: answered; -errno */

	uint64_t inherited_since_ns; /* a predecessor's request is unanswered since; 0: none */
};

#define MANA_TIMEOUT_MS 30000u /* of a request, if nobody says otherwise */

struct udrv_mana {
	struct udrv_device *dev;
	struct udrv_dma *dma;
	struct udrv_state *st;
	const struct udrv_log *log;
	struct udrv_bar bar;

	struct mana_ctrl_state *state;
	struct mana_facts facts;
	struct mana_hwc hwc;
	struct udrv_mana_info info;
	struct udrv_mana_vport_info vport_info[UDRV_MANA_MAX_VPORTS];
	struct udrv_mana_resume_report report;

	struct udrv_mana_queue *queues; /* vport by vport */
	unsigned int nqueues;

	struct udrv_mana_opts opts; /* as asked for, defaults filled in */
	uint64_t timeout_ns;
	bool failed;	   /* queues and channel cannot be used */
	bool lost_counted; /* by a set-up that has not succeeded yet */
	uint64_t last_reset_ns, reset_wait_ns;

	void (*event_fn)(void *ctx, enum udrv_mana_event event);
	void *event_ctx;

	struct vectors vectors;
	void (*irq_fn)(void *ctx, struct udrv_mana_queue *q);
	void *irq_ctx;
};

/* Nothing is evaluated without a log. */
#define mana_log(mana, lvl, fmt, ...)                                                        \
	((mana)->log ? udrv_log((mana)->log, lvl, "%s: " fmt, udrv_device_name((mana)->dev), \
				##__VA_ARGS__) :                                             \
		       (void)0)
#define mana_err(mana, fmt, ...)  mana_log(mana, UDRV_LOG_ERR, fmt, ##__VA_ARGS__)
#define mana_warn(mana, fmt, ...) mana_log(mana, UDRV_LOG_WARN, fmt, ##__VA_ARGS__)
#define mana_info(mana, fmt, ...) mana_log(mana, UDRV_LOG_INFO, fmt, ##__VA_ARGS__)

/* adapter.c */
int mana_new(struct udrv_device *dev, const struct udrv_mana_opts *opts, struct udrv_mana **ret);
void mana_free(struct udrv_mana *mana);
/* The public info out of the facts. */
void mana_fill_info(struct udrv_mana *mana);
void mana_fail(struct udrv_mana *mana);

/* areas.c */
int mana_opts_default(const struct udrv_mana_opts *opts, struct udrv_mana_opts *ret);
int mana_areas_make(struct udrv_mana *mana);
int mana_areas_find(struct udrv_mana *mana);
struct mana_queue_state *mana_queue_state(const struct udrv_mana *mana, unsigned int vport,
					  unsigned int index);

/* regs.c */
int mana_regs_map(struct udrv_mana *mana);
/* 0; -ENODEV when registers read all ones */
int mana_regs_alive(struct udrv_mana *mana);
/* Offset of doorbell page @db in the BAR; -EPROTO with a message when it is not inside. */
int mana_regs_doorbell(struct udrv_mana *mana, uint32_t db, uint64_t *ret);

/* smc.c */
int mana_smc_establish(struct udrv_mana *mana, const uint64_t addr[4], uint32_t vector);
int mana_smc_destroy(struct udrv_mana *mana);

/* hwc.c */
int mana_hwc_memory(struct udrv_mana *mana);
int mana_hwc_check(struct udrv_mana *mana);
/* The process's view out of facts and state. */
void mana_hwc_init(struct udrv_mana *mana);
/* Rings, counters and slots begin anew. */
void mana_hwc_origin(struct udrv_mana *mana);
/* Establish the channel and take in what it tells about itself. */
int mana_hwc_start(struct udrv_mana *mana);
/* Responses, then events. */
void mana_hwc_service(struct udrv_mana *mana);
/* Take what is there without telling the device; finish and ring what a predecessor left; arm. */
void mana_hwc_look(struct udrv_mana *mana);
void mana_hwc_settle(struct udrv_mana *mana);
unsigned int mana_hwc_pending(const struct udrv_mana *mana);
/*
 * Send a request whose header is filled in but for the sizes, and wait. @resp_len: bytes that the
 * answer has at least. 0; -EIO: refused (message: status); -EOPNOTSUPP: the device does not know
 * it; -ETIMEDOUT: the channel has failed; -EPROTO; -ENODEV; -ESHUTDOWN: it had failed before;
 * -EBUSY: from within a callback; -EMSGSIZE: it does not fit a message.
 */
int mana_hwc_call(struct udrv_mana *mana, void *req, uint32_t req_len, void *resp,
		  uint32_t resp_len);

/* event.c */
void mana_events(struct udrv_mana *mana);
void mana_hwc_arm(struct udrv_mana *mana);

/* gdma.c */
struct gdma_req_hdr mana_request(const struct udrv_mana *mana, uint32_t type, bool mana_dev,
				 uint16_t req_version, uint16_t resp_version);
int mana_gdma_probe(struct udrv_mana *mana, uint32_t *ret_max_queues);
int mana_gdma_register(struct udrv_mana *mana);
int mana_gdma_deregister(struct udrv_mana *mana);
int mana_gdma_region(struct udrv_mana *mana, uint64_t off, uint32_t len, uint64_t *ret);
int mana_gdma_create_eq(struct udrv_mana *mana, struct udrv_mana_queue *q);
int mana_gdma_disable_eq(struct udrv_mana *mana, struct udrv_mana_queue *q);

/* vport.c */
int mana_query_device(struct udrv_mana *mana, uint32_t *ret_vports);
int mana_query_vport(struct udrv_mana *mana, unsigned int vport, uint32_t *ret_queues);
int mana_config_tx(struct udrv_mana *mana, unsigned int vport);
int mana_create_sq(struct udrv_mana *mana, struct udrv_mana_queue *q);
int mana_create_rq(struct udrv_mana *mana, struct udrv_mana_queue *q);
int mana_destroy_wq(struct udrv_mana *mana, uint32_t type, uint64_t obj);
int mana_fence_rq(struct udrv_mana *mana, struct udrv_mana_queue *q);

/* rss.c */
void mana_rss_default(struct udrv_mana *mana, unsigned int vport);
int mana_steer(struct udrv_mana *mana, unsigned int vport, bool enable);
/* Tell the device again what a predecessor may not have told it. */
int mana_steer_again(struct udrv_mana *mana);

/* setup.c */
int mana_setup(struct udrv_mana *mana, bool again);
/*
 * Stop all DMA, however: reset the function, or destroy the hardware channel. -errno: neither can
 * be done, so bus mastering is off; -ENODEV: it is gone (message)
 */
int mana_quiesce(struct udrv_mana *mana);

/* irq.c */
/* MSI-X is on, for as many vectors as there are queues; who listens already goes on to. */
int mana_irq_enable(struct udrv_mana *mana);
/* Look for events whose interrupt never came. */
void mana_irq_missed(struct udrv_mana *mana);

#endif
