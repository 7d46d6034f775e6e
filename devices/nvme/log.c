// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "devices/nvme/ctrl.h"

static int get_log(struct udrv_nvme *ctrl, uint32_t lid, void *buf, uint32_t len)
{
	struct nvme_sqe cmd = {
		.opcode = NVME_ADMIN_GET_LOG_PAGE,
		.nsid = htole32(0xffffffff),
		.cdw10 = htole32((len / 4 - 1) << 16 | lid),
	};

	return nvme_admin_wait(ctrl, &cmd, buf, len, false, NULL);
}

int udrv_nvme_smart(struct udrv_nvme *ctrl, void *buf)
{
	return get_log(ctrl, NVME_LOG_SMART, buf, NVME_LOG_SMART_SIZE);
}

int udrv_nvme_error_log(struct udrv_nvme *ctrl, void *buf, unsigned int n)
{
	if (!n || n > 4096 / NVME_LOG_ERROR_ENTRY)
		return -EINVAL;
	return get_log(ctrl, NVME_LOG_ERROR, buf, n * NVME_LOG_ERROR_ENTRY);
}
