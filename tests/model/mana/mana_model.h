/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A MANA virtual function (PCI 1414:00ba), stricter than a real one, that knows nothing of how it
 * is reached: the program mana-model serves it to QEMU over vfio-user, and unit tests drive it in
 * their own process.
 *
 * Nothing happens by itself. A register write is remembered (a doorbell moves a tail, the last
 * dword of the shared memory channel leaves a request); mana_model_run() lets the device take
 * steps: answer the channel, carry out one request of the hardware channel, send one work
 * request, raise one interrupt. With the same calls, it does the same things; a seed draws
 * another order of the queues.
 *
 * One thread at a time: the caller serializes all calls on one model, and none of them blocks.
 * Memory that was asked for is used only during that call.
 *
 * While COMMAND.BME is 0, the model does no DMA and raises nothing: doorbells and requests stay
 * where they are, vectors stay pending, mana_model_receive() takes no frame. All of it goes on
 * when the bit is set again.
 *
 * What a driver must never do is a violation: counted, the first one's text kept, each one logged.
 */
#ifndef TESTS_MODEL_MANA_MODEL_H
#define TESTS_MODEL_MANA_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/model/net/backend.h"

struct mana_model;

#define MANA_MODEL_MAX_VPORTS  2
#define MANA_MODEL_MAX_QUEUES  16 /* send and receive queues of a vport, each */
#define MANA_MODEL_MAX_VECTORS 64
#define MANA_MODEL_BAR0_SIZE   0x10000u

/**
 * struct mana_model_ops - what the model needs from where it lives
 * @dma: memory behind a bus address. Lowers *@len to what is contiguous there and returns a
 *	pointer to it; NULL: there is no memory, or it may not be written. The model calls it
 *	again for the rest
 * @irq: the message of MSI-X vector @vector is sent. Never called while COMMAND.BME is 0
 * @log: may be NULL: a line (no newline) about a violation, a fault that is injected, a reset
 */
struct mana_model_ops {
	void *(*dma)(void *ctx, uint64_t addr, size_t *len, bool write);
	void (*irq)(void *ctx, unsigned int vector);
	void (*log)(void *ctx, const char *line);
};

/**
 * struct mana_model_opts - how to make one; zeroes are sensible
 * @seed: 0: queues take turns; otherwise the order in which they are served is drawn from it
 * @vports: 0: 1
 * @queues: of each kind a vport, 0: 16
 * @vectors: 0: 64
 * @mtu: without the Ethernet header, 0: 1500
 * @indir_entries: that it says its RSS table has, 0: 64
 * @cq_room: a violation too when a completion is posted although as many as the CQ has entries
 *	have not been acknowledged by a doorbell. Linux acknowledges every fourth lap only; a
 *	driver that resumes from its counters must be exact
 * @backend: the wire of each vport, borrowed; NULL: what is sent is lost
 */
struct mana_model_opts {
	uint64_t seed;
	unsigned int vports;
	unsigned int queues;
	unsigned int vectors;
	unsigned int mtu;
	unsigned int indir_entries;
	bool cq_room;
	struct net_backend *backend[MANA_MODEL_MAX_VPORTS];
	const struct mana_model_ops *ops;
	void *ctx;
};

/* 0, -EINVAL (more of something than there is) or -ENOMEM. */
int mana_model_create(const struct mana_model_opts *opts, struct mana_model **ret);
void mana_model_destroy(struct mana_model *m);

/* BAR0. @width: 1, 2, 4 or 8; what is outside reads as 0. Doorbells are 8 bytes wide. */
uint64_t mana_model_bar_read(struct mana_model *m, uint64_t off, unsigned int width);
void mana_model_bar_write(struct mana_model *m, uint64_t off, uint64_t val, unsigned int width);

/*
 * The COMMAND register was written; only bus master enable matters. 0 after creation and after a
 * reset.
 */
void mana_model_set_command(struct mana_model *m, uint16_t command);

/* Function-level (or any other) reset: all is forgotten but counters, and the link's state. */
void mana_model_reset(struct mana_model *m);

/* Surprise removal: from now on everything reads all ones, and nothing happens. */
void mana_model_remove(struct mana_model *m);
bool mana_model_removed(const struct mana_model *m);

/*
 * Up to @steps steps; returns how many could be taken: fewer than @steps means that there is
 * nothing left to do.
 */
unsigned int mana_model_run(struct mana_model *m, unsigned int steps);

/**
 * mana_model_receive() - a frame arrives at a vport
 * @frame: with all checksums, without FCS; its VLAN tag is taken out in place
 *
 * It goes into a posted buffer, or is dropped and counted (rx_no_buffer, rx_disabled …): that is
 * 0 too.
 * Returns: 0, or -EAGAIN: bus mastering is off, keep the frame and come again.
 */
int mana_model_receive(struct mana_model *m, unsigned int vport, uint8_t *frame, size_t len);

/*
 * Take up to @max frames from a vport's backend and receive them. Returns how many, 0 when there
 * are none or bus mastering is off, or -errno: the backend is broken.
 */
int mana_model_poll_backend(struct mana_model *m, unsigned int vport, unsigned int max);

/* false: bus mastering is off; what waits at the wire's other end is to stay there */
bool mana_model_wants_frames(const struct mana_model *m, unsigned int vport);

/* Whether any vport has been told to receive: the driver is up. */
bool mana_model_receiving(const struct mana_model *m);

/* Violations so far, and the first one's text ("" if none). */
unsigned int mana_model_violations(const struct mana_model *m, const char **first);

/*
 * From now on what a resume in place must not do is a violation as well: the shared memory
 * channel, reset, creating or destroying queues and regions, (de)registering the device.
 */
void mana_model_forbid_setup(struct mana_model *m, bool on);

/* Counters, all over the model's life. */
struct mana_model_counts {
	uint64_t resets, hwc_established, hwc_destroyed, hwc_requests, hwc_errors, hwc_unanswered;
	uint64_t queues_created, queues_destroyed, eqs_created, eqs_destroyed, regions_created;
	/*
	 * tx_csum, tx_lso: sends whose TCP or UDP checksum was left to the device, and that were
	 * cut into segments.
	 */
	uint64_t tx, tx_bytes, tx_wqes, tx_csum, tx_lso, tx_errors, tx_lost;
	/* rx_csum: packets with a TCP or UDP checksum that the device has found good. */
	uint64_t rx, rx_bytes, rx_csum, rx_no_buffer, rx_disabled, rx_truncated, rx_filtered,
		rx_errors;
	/* late_doorbells: of the hardware channel's CQ and EQ after the channel was destroyed. */
	uint64_t eqes, cqes, interrupts, interrupts_dropped, doorbells, late_doorbells, faults;
};

const struct mana_model_counts *mana_model_counts(const struct mana_model *m);

/* What exists now; all 0 after a clean close. */
struct mana_model_live {
	unsigned int hwc, registered, eqs, sqs, rqs, regions;
	unsigned int rx_posted; /* receive work requests that were rung and not used */
};

void mana_model_live(const struct mana_model *m, struct mana_model_live *ret);

/**
 * mana_model_fault() - prepare a fault
 *
 * hwc-timeout:CODE[:N]	the next N (1) requests CODE (0: any) stay unanswered
 * hwc-status:CODE:STATUS[:N]	they are refused with STATUS, and not carried out
 * smc-status:STATUS	the next request of the shared memory channel fails
 * smc-stuck		that channel stays owned by the device until a reset
 * reset-request	EQE 135 on the HWC's EQ, now (lost if there is no hardware channel yet)
 * link-down, link-up	EQE 133 on the HWC's EQ, now; no frames pass while the link is down
 * tx-error:TYPE[:N]	the next N sends complete with CQE type TYPE (33 to 42; 42 disables the
 *			queue) and are not sent
 * rx-error:TYPE[:N]	the next N receptions complete with CQE type TYPE
 * drop-irq:VECTOR[:N]	the next N interrupts of VECTOR (0xffff: any) are lost
 * garbage-cqe[:N]	the next N completions of data queues are preceded by one of random bits,
 *			owner bits apart
 * no-vports[:N]	the next N answers of what the device is, say that it has no vport
 * remove		surprise removal, now
 *
 * Numbers are decimal or 0x…. Several faults are separated by commas. Returns: 0 or -EINVAL
 * (nothing is prepared). With @m NULL, @spec is only checked.
 */
int mana_model_fault(struct mana_model *m, const char *spec);

/*
 * The EQE of another hardware event on the HWC's EQ: 132 FPGA reconfiguration, 134 service … with
 * @detail. Returns 0, -ENODEV (there is no hardware channel) or -ENOSPC (too many wait).
 */
int mana_model_event(struct mana_model *m, uint8_t type, uint32_t detail);

/* Ids of what the driver was given, for tests that ring wrong doorbells on purpose. */
struct mana_model_ids {
	uint32_t hwc_db, hwc_pdid, hwc_mkey, hwc_eq, hwc_cq, hwc_rq, hwc_sq;
	uint32_t db, pdid, mkey;
};

const struct mana_model_ids *mana_model_ids(const struct mana_model *m);

#endif
