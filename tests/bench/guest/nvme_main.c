// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_nvme ENGINE DEVICE [bs=BYTES] [qd=N] [queues=N] [ms=N] [write=1] [seq=1]
 * [poll=1]: one measurement
 *
 *	udrv		our driver; DEVICE is a PCI address that vfio-pci is bound to
 *	uring		the kernel's driver by io_uring; DEVICE is a block device
 *	uring-cmd	the kernel's driver by io_uring's passthrough; DEVICE is its character
 *			device
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/guest/nvme_load.h"

int main(int argc, char **argv)
{
	struct nvme_load load;

	if (argc < 3) {
		fprintf(stderr, "usage: bench_nvme udrv|uring|uring-cmd DEVICE [KEY=VALUE]...\n");
		return 2;
	}
	load = (struct nvme_load){
		.device = argv[2],
		.block = (uint32_t)bench_option(argc, argv, "bs", 4096),
		.depth = (unsigned int)bench_option(argc, argv, "qd", 1),
		.queues = (unsigned int)bench_option(argc, argv, "queues", 1),
		.ms = (unsigned int)bench_option(argc, argv, "ms", 500),
		.write = bench_option(argc, argv, "write", 0),
		.sequential = bench_option(argc, argv, "seq", 0),
		.poll = bench_option(argc, argv, "poll", 0),
	};
	if (!load.depth || load.depth > LOAD_MAX_DEPTH || !load.block || load.block % 4096 ||
	    !load.queues || load.queues > BENCH_MAX_WORKERS)
		bench_fail("bs, qd or queues", EINVAL);
	if (!strcmp(argv[1], "udrv"))
		nvme_bench_udrv(&load);
	else if (!strcmp(argv[1], "uring") || !strcmp(argv[1], "uring-cmd"))
		nvme_bench_uring(&load, !strcmp(argv[1], "uring-cmd"));
	else
		bench_fail(argv[1], EINVAL);
	return 0;
}
