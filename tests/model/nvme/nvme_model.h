/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An NVMe controller in the test's own process, behind udrv_device_ops, that is stricter than a
 * real one.
 *
 * Nothing happens by itself: a doorbell is only remembered. nvme_model_run() lets the controller
 * take steps, in an order drawn from a seed: fetch the next command of some queue, carry out one of
 * those fetched (its PRP entries are read only now), or post a completion. A read of CSTS lets the
 * admin queue take steps, so that a driver that waits for an admin command gets on.
 *
 * What a driver must never do is recorded as a violation, and counted.
 */
#ifndef TESTS_MODEL_NVME_MODEL_H
#define TESTS_MODEL_NVME_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <udrv/device.h>
#include <udrv/nvme_spec.h>

struct nvme_model;

#define NVME_MODEL_MAX_NS 70

struct nvme_model_opts {
	uint64_t seed;
	uint16_t mqes; /* 0's based; 0: 1023 */
	uint8_t dstrd;
	uint8_t mdts;
	uint16_t max_queues; /* granted; 0: 16 */
	uint8_t aerl, acl;   /* 0's based */
	unsigned int vectors;
	unsigned int nn;     /* namespaces 1 to nn; 0: 1 */
	uint64_t nsze;	     /* blocks; 0: 1024 */
	uint8_t lbads;	     /* 0: 12 */
	uint16_t oncs;	     /* 0: compare, dataset management, write zeroes */
	uint64_t cap_toggle; /* bits of CAP that are other than usual */
	uint32_t crto;
	/* DMA: NULL if the range is not the device's to use */
	void *(*mem)(void *ctx, uint64_t addr, uint64_t len);
	void *mem_ctx;
};

int nvme_model_create(const struct nvme_model_opts *opts, struct nvme_model **ret);
void nvme_model_destroy(struct nvme_model *m);

/* For udrv_device_create(), with the model as context. */
extern const struct udrv_device_ops nvme_model_ops;

/* Up to @steps steps of the I/O and admin queues; returns how many could be taken. */
unsigned int nvme_model_run(struct nvme_model *m, unsigned int steps);

/* Violations so far, and the first one's text ("" if none). */
unsigned int nvme_model_violations(const struct nvme_model *m, const char **first);

/*
 * From now on what a resume must not do is a violation too: CC, AQA, ASQ, ACQ,
 * queues, Identify Controller.
 */
void nvme_model_forbid_setup(struct nvme_model *m, bool on);

/* Counters, all over the model's life. */
struct nvme_model_counts {
	uint64_t io_fetched, io_executed, io_completed, admin_fetched, flushes, aborts;
	uint64_t enables, disables, shutdowns, resets, sq_created, identify_ctrl, identify_ns,
		aer_fetched;
	uint64_t changed_ns_read;
};

const struct nvme_model_counts *nvme_model_counts(const struct nvme_model *m);

/* Contents of a namespace, nsze << lbads bytes. */
uint8_t *nvme_model_data(struct nvme_model *m, uint32_t nsid);

/* Firmware left it enabled with queues of its own; @half: CC.EN=1 just now, CSTS.RDY not yet. */
void nvme_model_firmware(struct nvme_model *m, bool half);

/* Registers as the device has them. */
uint32_t nvme_model_csts(const struct nvme_model *m);
/* Another value behind the driver's back: NVME_REG_CC, AQA, ASQ or ACQ. */
void nvme_model_poke(struct nvme_model *m, uint64_t off, uint64_t val);
/* Commands that the controller has fetched or could fetch, and not completed. */
uint32_t nvme_model_outstanding(const struct nvme_model *m);

/* Faults. */
struct nvme_model_faults {
	bool gone;	/* everything reads all ones */
	bool cfs;	/* fatal status from now on, until a reset */
	bool rdy_stuck; /* CSTS.RDY does not follow CC.EN any more */
	bool rdy_stays; /* it follows to 1, but not to 0 */
	bool no_flr;	/* a function-level reset fails */
	bool shst_stuck;
	bool hang;	 /* I/O commands are fetched, but carried out only when aborted */
	bool hang_abort; /* and not even then */
	bool hang_admin; /* admin commands are not answered */
	bool fail_identify_ns;
	bool fail_identify; /* Identify Controller */
	uint16_t status;    /* set in the status field of every completion as well */
	/* this many completions are replaced by random bits (with the right phase) */
	unsigned int garbage;
	unsigned int duplicate; /* this many completions are posted twice */
};

struct nvme_model_faults *nvme_model_faults(struct nvme_model *m);

/* Change a namespace (nsze 0: detach) and raise the notice; attaching one above nn adds it. */
void nvme_model_resize(struct nvme_model *m, uint32_t nsid, uint64_t nsze);
/* Give a namespace's format metadata. */
void nvme_model_metadata(struct nvme_model *m, uint32_t nsid, uint16_t ms);
/* Raise another event. */
void nvme_model_event(struct nvme_model *m, uint32_t dw0);

#endif
