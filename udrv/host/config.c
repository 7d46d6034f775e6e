// SPDX-License-Identifier: GPL-2.0-or-later
#include <udrv/nvme.h>

#include "udrv/common/app.h"
#include "udrv/host/config.h"
#include "udrv/host/verify_layout.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

int config_nvme(struct udrv_nvme_opts *ret, char *why, size_t why_size)
{
	uint64_t queues = 4, depth = 64, poll = 0, timeout = 30000;
	const struct app_option options[] = {
		{ "queues", &queues, 1, UDRV_NVME_MAX_QUEUES },
		{ "depth", &depth, 1, 4091 },
		{ "poll", &poll, 0, 1 },
		{ "timeout_ms", &timeout, 100, 3600000 },
	};
	char list[256];
	int err;

	if (app_param(app_cmdline(), "udrv.nvme", list, sizeof(list))) {
		err = app_options(list, options, N(options), why, why_size);
		if (err)
			return err;
	}
	*ret = (struct udrv_nvme_opts){ .size = sizeof(*ret),
					.io_queues = (unsigned int)queues,
					.depth = (unsigned int)depth,
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
