/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUARDS_SESSION_H
#define GUARDS_SESSION_H

#include <stdint.h>

/* LUO's ioctls: 0 or a file descriptor, or -errno. @luo is /dev/liveupdate, open. */
int session_create(int luo, const char *name);
int session_retrieve(int luo, const char *name);
int session_preserve(int session, int fd, uint64_t token);
int session_retrieve_fd(int session, uint64_t token);
int session_finish(int session);

#endif
