/* SPDX-License-Identifier: BSD-2-Clause */
/* What an engine is to do: @queues workers with @depth transfers of @block bytes in flight each. */
#ifndef TESTS_BENCH_GUEST_NVME_LOAD_H
#define TESTS_BENCH_GUEST_NVME_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/guest/bench.h"

#define LOAD_MAX_DEPTH 256u

struct nvme_load {
	const char *device;
	uint32_t block;
	unsigned int depth, queues, ms;
	bool write, sequential, poll;
};

/* One worker's places on the disk. */
struct nvme_place {
	uint64_t random, next, blocks;
};

static inline struct nvme_place nvme_place_init(const struct bench_worker *w, uint64_t bytes,
						const struct nvme_load *load)
{
	return (struct nvme_place){ .random = 88172645463325252ull + w->index,
				    .blocks = bytes / load->block };
}

/* The next one, in bytes. */
static inline uint64_t nvme_place_next(struct nvme_place *p, const struct nvme_load *load)
{
	uint64_t block;

	if (load->sequential) {
		block = p->next;
		if (++p->next == p->blocks)
			p->next = 0;
	} else {
		block = ((bench_random(&p->random) >> 32) * p->blocks) >> 32;
	}
	return block * load->block;
}

void nvme_bench_udrv(const struct nvme_load *load);
/*
 * @passthrough: NVMe commands to the character device rather than reads and
 *	writes of the block device.
 */
void nvme_bench_uring(const struct nvme_load *load, bool passthrough);

#endif
