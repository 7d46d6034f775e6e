// SPDX-License-Identifier: BSD-2-Clause
#include <sanitizer/lsan_interface.h>
#include <setjmp.h>
#include <stddef.h>

#include "tests/unit/crash.h"
#include "udrv/lib/step.h"

static jmp_buf out;
static unsigned int left;

static void on_step(void)
{
	if (--left == 0)
		longjmp(out, 1);
}

bool crash_after(unsigned int n, void (*fn)(void *ctx), void *ctx)
{
	volatile bool stopped = true;

	left = n;
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
