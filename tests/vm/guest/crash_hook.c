// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In the build of udrv that can stop itself: PID 1 with UDRV_CRASH=N in its environment (the
 * kernel's command line) crashes after the Nth step of what it does before there is an agent.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "udrv/agent/agent.h"
#include "udrv/init/init.h"

static void step(void)
{
	static long n;
	const char *at = getpid() == 1 ? getenv("UDRV_CRASH") : NULL;

	if (at && ++n == atol(at))
		raise(SIGSEGV);
}

#define STEP_AFTER(name, params, args)        \
	int __real_##name params;             \
	int __wrap_##name params;             \
	int __wrap_##name params              \
	{                                     \
		int ret = __real_##name args; \
                                              \
		step();                       \
		return ret;                   \
	}

#define STEP_AFTER_VOID(name, params, args) \
	void __real_##name params;          \
	void __wrap_##name params;          \
	void __wrap_##name params           \
	{                                   \
		__real_##name args;         \
		step();                     \
	}

/* clang-format off */
STEP_AFTER(luo_retrieve, (int session, uint64_t token), (session, token))
STEP_AFTER(custody_keep_fd, (const char *name, int fd), (name, fd))
STEP_AFTER(custody_keep_handle, (const struct udrv_handle *h), (h))
STEP_AFTER(udrv_handle_bind, (struct udrv_handle *h, const struct udrv_log *log), (h, log))
STEP_AFTER(udrv_handle_attach, (struct udrv_handle *h, const struct udrv_log *log), (h, log))
STEP_AFTER_VOID(device_start_host, (struct agent *a, struct agent_device *d), (a, d))
STEP_AFTER_VOID(device_give_part, (struct agent_device *d, unsigned int mask), (d, mask))
STEP_AFTER_VOID(device_mounted, (struct agent_device *d), (d))
STEP_AFTER_VOID(mounts_other, (void), ())
/* clang-format on */
