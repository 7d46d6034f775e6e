/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the programs that count a driver's instructions have in common: callgrind's requests, and a
 * device whose memory is this process's.
 */
#ifndef TESTS_BENCH_INSN_H
#define TESTS_BENCH_INSN_H

#include <stdint.h>

#include <udrv/device.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else /* builds everywhere; only a run under callgrind means something */
#define CALLGRIND_ZERO_STATS \
	do {                 \
	} while (0)
#define CALLGRIND_DUMP_STATS_AT(name) ((void)(name))
#endif

#define INSN_POOL_ADDR 0x100000000ull

/*
 * A device with an empty state of @state_size bytes, and @pool_size bytes of memory for DMA that
 * it has at INSN_POOL_ADDR and this process at *@pool. NULL: it could not be made.
 */
struct udrv_device *insn_device(const struct udrv_device_ops *ops, void *ctx, uint64_t state_size,
				uint64_t pool_size, uint8_t **pool);

#endif
