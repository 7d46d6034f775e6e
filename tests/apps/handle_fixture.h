/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors and handles that are nothing but distinct, for tests of who keeps them. Functions
 * check (check(3)).
 */
#ifndef TESTS_APPS_HANDLE_FIXTURE_H
#define TESTS_APPS_HANDLE_FIXTURE_H

#include <sys/types.h>

#include <udrv/handle.h>

/* A new memfd. */
int temp(void);
/* 0: it is not open. */
ino_t inode(int fd);
/* With memfds as VFIO, state, DMA and second extra descriptor; udrv_handle_close() it. */
struct udrv_handle make_handle(const char *name);

#endif
