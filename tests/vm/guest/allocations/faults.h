/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Allocations of the calling thread that fail, see fault-injection/fault-injection.rst in the
 * Documentation of Linux
 */
#ifndef ALLOCATIONS_FAULTS_H
#define ALLOCATIONS_FAULTS_H

/* Every kind of allocation can fail from now on, in silence. 0 or -errno; debugfs is mounted. */
int faults_set_up(void);

/* The @nth allocation from here on fails: 1 is the next one. 0 or -errno. */
int faults_arm(unsigned int nth);
/*
 * How many allocations are missing to that: 0 is that one has failed. From here on none fails.
 * -errno.
 */
int faults_disarm(void);

#endif
