// SPDX-License-Identifier: GPL-2.0-or-later
#include <udrv/mana.h>
#include <udrv/nvme.h>

#include "udrv/common/app.h"
#include "udrv/host/config.h"
#include "udrv/host/nic_layout.h"
#include "udrv/host/tap_if.h"
#include "udrv/host/verify_layout.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* Numbers of a parameter of the kernel command line over what is there. */
static int boot_options(const char *param, const struct app_option *options, unsigned int n)
{
	char list[256], why[128];
	int err;

	if (!app_param(app_cmdline(), param, list, sizeof(list)))
		return 0;
	err = app_options(list, options, n, why, sizeof(why));
	if (err)
		app_err("%s=%s: %s", param, list, why);
	return err;
}

int config_nvme(struct udrv_nvme_opts *ret)
{
	uint64_t queues = 4, depth = 64, poll = 0, timeout = 30000;
	const struct app_option options[] = {
		{ "queues", &queues, 1, UDRV_NVME_MAX_QUEUES },
		{ "depth", &depth, 1, 4091 },
		{ "poll", &poll, 0, 1 },
		{ "timeout_ms", &timeout, 100, 3600000 },
	};
	int err;

	err = boot_options("udrv.nvme", options, N(options));
	if (err)
		return err;
	*ret = (struct udrv_nvme_opts){ .size = sizeof(*ret),
					.io_queues = (unsigned int)queues,
					.depth = (unsigned int)depth,
					.timeout_ms = (unsigned int)timeout,
					.poll = poll };
	return 0;
}

int config_mana(struct udrv_mana_opts *ret, bool *ret_tap)
{
	uint64_t queues = 4, depth = 256, rx_depth = 1024, mtu = 1500, poll = 0, timeout = 30000;
	uint64_t tap = tap_if_possible();
	const struct app_option options[] = {
		{ "queues", &queues, 1, UDRV_MANA_MAX_QUEUES },
		{ "depth", &depth, 64, NIC_TX_DEPTH_MAX },
		{ "rx_depth", &rx_depth, 128, 8192 },
		{ "mtu", &mtu, 68, 9216 },
		{ "tap", &tap, 0, 1 },
		{ "poll", &poll, 0, 1 },
		{ "timeout_ms", &timeout, 100, 3600000 },
	};
	int err;

	err = boot_options("udrv.mana", options, N(options));
	if (err)
		return err;
	/*
	 * A ring is a power of two, and what the consumer needs follows from
	 * how many sends that has.
	 */
	while (depth & (depth - 1))
		depth += depth & -depth;
	*ret_tap = tap;
	*ret = (struct udrv_mana_opts){ .size = sizeof(*ret),
					.queues = (unsigned int)queues,
					.tx_depth = (unsigned int)depth,
					.rx_depth = (unsigned int)rx_depth,
					.mtu = (unsigned int)mtu,
					.timeout_ms = (unsigned int)timeout,
					.poll = poll };
	return 0;
}

int config_verify(const char *list, struct verify_config *ret, char *why, size_t why_size)
{
	struct verify_config c = { .blocks = 8192,
				   .queues = 4,
				   .depth = 16,
				   .zdepth = 8,
				   .rate = 2000,
				   .write = 60,
				   .flush = 64 };
	const struct app_option options[] = {
		{ "blocks", &c.blocks, 16, VERIFY_BLOCKS_MAX },
		{ "queues", &c.queues, 1, UDRV_NVME_MAX_QUEUES },
		{ "depth", &c.depth, 1, VERIFY_OPS_MAX },
		{ "zdepth", &c.zdepth, 0, VERIFY_OPS_MAX },
		{ "rate", &c.rate, 0, 10000000 },
		{ "write", &c.write, 0, 100 },
		{ "flush", &c.flush, 0, 1000000 },
	};
	int err = list ? app_options(list, options, N(options), why, why_size) : 0;

	if (!err)
		*ret = c;
	return err;
}

bool config_verify_at_boot(char *list, size_t size)
{
	return app_param(app_cmdline(), "udrv.verify", list, size);
}
