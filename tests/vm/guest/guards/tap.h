/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUARDS_TAP_H
#define GUARDS_TAP_H

#include <stdbool.h>

/* One line of TAP. */
__attribute__((format(printf, 2, 3))) void tap(bool good, const char *fmt, ...);

/* A call that must return @want: 0 (whatever is not negative passes) or -errno. */
__attribute__((format(printf, 3, 4))) void tap_is(long got, int want, const char *fmt, ...);

/* A step without which nothing that follows means anything: false is the end. */
__attribute__((format(printf, 2, 3))) bool tap_need(long got, const char *fmt, ...);

/*
 * A child's lines count as well, if it has fewer than 63: it exits with what tap_share() says,
 * given what tap_number() said before the fork, and the parent tells tap_take().
 */
int tap_number(void);
int tap_share(int begin);
void tap_take(int shared);

/* The plan; the number of failures. */
int tap_end(void);

#endif
