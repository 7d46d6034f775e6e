/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fake device with the NVMe model behind it, and a driver on top.
 */
#ifndef TESTS_UNIT_NVME_FIXTURE_H
#define TESTS_UNIT_NVME_FIXTURE_H

#include <udrv/nvme.h>
#include <udrv/nvme_spec.h>

#include "tests/model/nvme/nvme_model.h"
#include "tests/unit/fake_device.h"
#include "tests/unit/fake_log.h"

struct nvme_fixture {
	struct nvme_model *m;
	struct fake_device fd;
	struct fake_log log;
	struct udrv_nvme *ctrl;
	struct udrv_nvme_opts opts;
	struct udrv_loop *loop;
	uint64_t buf; /* pool offset of the test's buffer */
	uint64_t buf_size;
};

/*
 * The pool has room for the driver and for a buffer of @buf_size bytes, which nvme_fixture_start()
 * allocates. Fails the test if something is wrong.
 */
void nvme_fixture_init(struct nvme_fixture *fx, const struct nvme_model_opts *mo,
		       const struct udrv_nvme_opts *opts, uint64_t buf_size);
/* Likewise, with the pool in @nruns pieces. */
void nvme_fixture_init_runs(struct nvme_fixture *fx, const struct nvme_model_opts *mo,
			    const struct udrv_nvme_opts *opts, uint64_t buf_size,
			    unsigned int nruns);
void nvme_fixture_free(struct nvme_fixture *fx);
/* The end of a test: nvme_fixture_clean(), and everything freed. */
void nvme_fixture_end(struct nvme_fixture *fx);

/* udrv_nvme_start() or the test fails. */
void nvme_fixture_start(struct nvme_fixture *fx);
/* The process dies: its memory is freed here so that leaks show, nothing else is done. */
void nvme_fixture_crash(struct nvme_fixture *fx);
/* A successor opens state and pool and resumes. Returns what udrv_nvme_resume() does. */
int nvme_fixture_resume(struct nvme_fixture *fx);

/* Model and driver agree that nothing forbidden happened. */
void nvme_fixture_clean(const struct nvme_fixture *fx);

/*
 * A command with one piece @seg, or none if @n or @block is 0; its cookie is
 * @cookie and the complement.
 */
struct udrv_nvme_io nvme_io(uint8_t opcode, uint32_t nsid, uint64_t slba, uint32_t n, uint64_t off,
			    uint32_t block, uint64_t cookie, struct udrv_nvme_seg *seg);
/* Submit one command of @n blocks at pool offset @off, or without data (@n 0). */
int nvme_submit(struct udrv_nvme_queue *q, uint8_t opcode, uint32_t nsid, uint64_t slba, uint32_t n,
		uint64_t off, uint32_t block, uint64_t cookie);
/*
 * Ring, run the model and poll until one completion came; fails the test if
 * none does. Released already.
 */
struct udrv_nvme_done nvme_complete(struct nvme_fixture *fx, struct udrv_nvme_queue *q);
/*
 * Make a loop and arm the vectors on it; udrv_loop_run_once(fx->loop, 0) serves what is ready.
 * nvme_fixture_free() ends it. Returns what udrv_nvme_irq_arm() does.
 */
int nvme_fixture_listen(struct nvme_fixture *fx, void (*fn)(void *ctx, struct udrv_nvme_queue *q),
			void *ctx);
/*
 * Poll and release all that has completed; whether a predecessor submitted it must be as @resumed
 * says. How many.
 */
unsigned int nvme_drain(struct udrv_nvme_queue *q, bool resumed);

#endif
