// SPDX-License-Identifier: BSD-2-Clause
#include <sanitizer/lsan_interface.h>
#include <setjmp.h>
#include <stddef.h>

#include "tests/unit/crash.h"
#include "udrv/lib/step.h"

static jmp_buf out;
static unsigned int steps, stop_at;

static void on_step(void)
{
	if (++steps == stop_at)
		longjmp(out, 1);
}

bool crash_after(unsigned int n, void (*fn)(void *ctx), void *ctx)
{
	volatile bool stopped = true;

	steps = 0;
	stop_at = n;
	udrv_step_hook = on_step;
	__lsan_disable();
	if (!setjmp(out)) {
		fn(ctx);
		stopped = false;
	}
	__lsan_enable();
	udrv_step_hook = NULL;
	return stopped;
}
