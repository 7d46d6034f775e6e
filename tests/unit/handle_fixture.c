// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>
#include <string.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/state.h>

#include "tests/unit/handle_fixture.h"
#include "tests/unit/open_fds.h"

struct udrv_handle h;
struct fake_log flog;
unsigned int fds_before;

void handle_setup(void)
{
	fake_log_init(&flog);
	mock_vfio_reset();
	h = (struct udrv_handle)UDRV_HANDLE_INIT;
	strcpy(h.name, "nvme0");
	strcpy(h.bdf, "0000:01:00.0");
	strcpy(h.driver, "nvme");
	fds_before = open_fds();
}

void handle_teardown(void)
{
	udrv_handle_close(&h);
	ck_assert_uint_eq(open_fds(), fds_before);
}

int handle_create(uint64_t pool)
{
	const struct udrv_handle_opts opts = {
		.size = sizeof(opts),
		.state_size = udrv_state_size(8192, 4),
		.dma_size = pool,
		.extra_size = { 0, 5000 },
	};

	return udrv_handle_create(&h, &opts, &flog.log);
}

int handle_try_device(void)
{
	struct udrv_device *dev;
	int err = udrv_handle_device(&h, &flog.log, &dev);

	if (!err)
		udrv_device_close(dev);
	return err;
}

int handle_adopt(void)
{
	return udrv_handle_adopt(&h, &flog.log);
}
