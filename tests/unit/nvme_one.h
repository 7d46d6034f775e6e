/* SPDX-License-Identifier: BSD-2-Clause */
/* One controller, and reads of it: what the tests of a controller's life share. */
#ifndef TESTS_UNIT_NVME_ONE_H
#define TESTS_UNIT_NVME_ONE_H

#include "tests/unit/nvme_fixture.h"

#define BLOCK 4096u
#define MS    1000000ull

extern struct nvme_fixture fx;

/*
 * nvme_fixture_init() with a buffer of 64 KiB; the default has a queue of 8 commands, polled, and
 * 100 ms of time.
 */
void one_init(const struct nvme_model_opts *mo, const struct udrv_nvme_opts *opts);
void one_init_default(void);

/* udrv_nvme_start() */
int one_start(void);

/* One read that must succeed. */
void one_read(unsigned int queue);
/* Submit @n reads that the controller fetches and keeps. */
void one_hang(struct udrv_nvme_queue *q, unsigned int n);
/* Poll and release; how many had that status. */
unsigned int one_count(struct udrv_nvme_queue *q, uint32_t status);

#endif
