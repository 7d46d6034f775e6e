/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live Update Orchestrator: its ioctls, without policy. All return 0, or a descriptor (which LUO
 * makes close-on-exec), or -errno.
 */
#ifndef UDRV_COMMON_LUO_H
#define UDRV_COMMON_LUO_H

#include <stdint.h>

/* The one session that holds all of ours. */
#define SESSION_NAME "udrv"

#define LUO_DEVICE   "/dev/liveupdate"
/* What a link in /proc/PID/fd to a session begins with; its name follows. */
#define LUO_SESSION_LINK   "anon_inode:[luo_session] "

#define LUO_PRESERVE_TRIES 20u

/** luo_open() - /dev/liveupdate, which the kernel gives to one process; others get -EBUSY */
int luo_open(void);
int luo_create_session(int luo, const char *name);
/**
 * luo_retrieve_session() - of the previous kernel; -ENOENT: there is none. Closing it finishes it
 */
int luo_retrieve_session(int luo, const char *name);
/** luo_preserve() - a file, under a token; -ENOMEM after as many tries as LUO_PRESERVE_TRIES */
int luo_preserve(int session, int fd, uint64_t token);
/** luo_retrieve() - once more gives another descriptor of the same file */
int luo_retrieve(int session, uint64_t token);
int luo_finish(int session);

#endif
