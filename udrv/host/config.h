/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host is configured to do, and how much memory of a handle that takes: the agent asks, too.
 */
#ifndef UDRV_HOST_CONFIG_H
#define UDRV_HOST_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct udrv_mana_opts;
struct udrv_nvme_opts;

/*
 * A handle's room for consumers: buffers in the pool, and tables in its first extra memfd. Large
 * folios are 2 MiB: a memfd of that size is one, which is preserved, retrieved and mapped in one
 * go.
 */
#define CONFIG_CONSUMER_DMA   (2ull << 20)
#define CONFIG_CONSUMER_MEMFD (2ull << 20)

/** config_nvme() - udrv.nvme= of the kernel command line over the defaults; -EINVAL (message) */
int config_nvme(struct udrv_nvme_opts *ret);

/**
 * config_mana() - likewise udrv.mana=
 * @ret_tap: are vports to be TAP interfaces? By default if the kernel has them
 */
int config_mana(struct udrv_mana_opts *ret, bool *ret_tap);

/**
 * struct verify_config - what the verifying workload does
 * @blocks: 4 KiB blocks of namespace 1 that it uses, from LBA 0 on
 * @queues: I/O queues used
 * @depth: commands in flight per queue to namespace 1
 * @zdepth: likewise to each further namespace, which reads as zeroes
 * @rate: commands per second over all, 0: as many as complete
 * @write: percentage of writes
 * @flush: one flush in so many commands to namespace 1, 0: none
 */
struct verify_config {
	uint64_t blocks, queues, depth, zdepth, rate, write, flush;
};

/** config_verify() - parse "blocks=8192,depth=16,…" over the defaults; -EINVAL and @why */
int config_verify(const char *list, struct verify_config *ret, char *why, size_t why_size);

/** config_verify_at_boot() - is there an udrv.verify= on the kernel command line? */
bool config_verify_at_boot(char *list, size_t size);

#endif
