/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UDRV_AGENT_HOLDER_H
#define UDRV_AGENT_HOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "udrv/common/luo.h"

/**
 * holder_find() - a process, not this one, that has a file open
 * @link: the file, as the links in /proc/PID/fd say it
 * @ret: "process 123 (name)", or what stands for it in a sentence if there is none
 */
bool holder_find(const char *link, char *ret, size_t size);

/**
 * holder_open_luo() - open LUO_DEVICE unless it is open
 * @luo: its descriptor, or the errno of the last attempt; it is set
 * @why: if it cannot be opened: why, and by whom it is held
 */
int holder_open_luo(int *luo, char *why, size_t size);

/** holder_create_session() - the session of an update; its descriptor, or -errno and @why */
int holder_create_session(int luo, char *why, size_t size);

#endif
