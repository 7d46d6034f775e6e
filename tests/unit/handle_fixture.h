/* SPDX-License-Identifier: BSD-2-Clause */
/* A handle of a device that is a mock down to the system calls. */
#ifndef TESTS_UNIT_HANDLE_FIXTURE_H
#define TESTS_UNIT_HANDLE_FIXTURE_H

#include <stdint.h>

#include <udrv/handle.h>

#include "tests/unit/fake_log.h"
#include "tests/unit/mock_vfio.h"

extern struct udrv_handle h;
extern struct fake_log flog;
extern unsigned int fds_before; /* descriptors that were open before the handle was made */

/* A checked fixture: an empty handle of nvme0; at the end no descriptor may be left. */
void handle_setup(void);
void handle_teardown(void);

/* Make the handle, with a pool of so many bytes. */
int handle_create(uint64_t pool);
/* The result of opening the device; what was opened is closed again. */
int handle_try_device(void);
/* As the next kernel's agent does: the iommufd is gone, the rest is there. */
int handle_adopt(void);

#endif
