// SPDX-License-Identifier: BSD-2-Clause
#include "udrv/lib/step.h"

#ifdef UDRV_STEP_HOOK
void (*udrv_step_hook)(void);
#endif
