// SPDX-License-Identifier: BSD-2-Clause
/*
 * What queue pairs cost: memory, and the time in which a successor resumes them from the handle
 * alone, which is what it does after a kexec or a crash. The adapter runs all the while.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/handle.h>
#include <udrv/log.h>
#include <udrv/mana.h>

#include "tests/bench/guest/mana_load.h"

#define ROUNDS 15u /* the first ones translate code, if the guest is emulated */

static struct udrv_log log = { .fn = udrv_log_stderr, .ctx = "bench", .level = UDRV_LOG_WARN };

static struct udrv_device *open_device(struct udrv_handle *handle)
{
	struct udrv_device *dev;
	int err = udrv_handle_device(handle, &log, &dev);

	if (err)
		bench_fail(handle->bdf, err);
	return dev;
}

static uint64_t median(uint64_t *v, unsigned int n)
{
	for (unsigned int i = 1; i < n; i++)
		for (unsigned int j = i; j && v[j] < v[j - 1]; j--) {
			uint64_t t = v[j];

			v[j] = v[j - 1];
			v[j - 1] = t;
		}
	return v[n / 2];
}

void mana_bench_scale(const char *bdf, unsigned int queues)
{
	const struct udrv_mana_opts opts = {
		.size = sizeof(opts), .vports = 1, .queues = queues, .poll = true
	};
	struct udrv_handle_opts sizes = { .size = sizeof(sizes) };
	struct udrv_handle handle = UDRV_HANDLE_INIT;
	uint64_t ns[ROUNDS], dma_size;
	struct udrv_device *dev;
	struct udrv_mana *mana;
	int err;

	strcpy(handle.name, "bench");
	strcpy(handle.driver, "mana");
	strncpy(handle.bdf, bdf, sizeof(handle.bdf) - 1);
	err = udrv_mana_requirements(&opts, &sizes.state_size, &dma_size);
	sizes.dma_size = (dma_size + (2u << 20) - 1) & ~((2ull << 20) - 1);
	if (!err)
		err = udrv_handle_create(&handle, &sizes, &log);
	if (err)
		bench_fail(bdf, err);
	dev = open_device(&handle);
	err = udrv_mana_start(dev, &opts, &mana);
	if (err)
		bench_fail("start", err);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t begin;

		udrv_mana_detach(mana);
		udrv_device_close(dev);
		begin = bench_now_ns();
		dev = open_device(&handle);
		err = udrv_mana_resume(dev, &opts, &mana);
		if (err)
			bench_fail("resume", err);
		ns[i] = bench_now_ns() - begin;
	}
	err = udrv_mana_shutdown(mana);
	if (err)
		bench_fail("shutdown", err);
	udrv_device_close(dev);
	udrv_handle_close(&handle);
	printf("{\"queues\": %u, \"state_bytes\": %llu, \"dma_bytes\": %llu, \"resume_ns\": %llu}\n",
	       queues, (unsigned long long)sizes.state_size, (unsigned long long)dma_size,
	       (unsigned long long)median(ns, ROUNDS));
}
