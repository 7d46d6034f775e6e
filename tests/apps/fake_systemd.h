/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * systemd's fd store for tests of custody in it: a thread of the test is PID 1, and a child is the
 * next agent, which gets what is in the store as a service does. Functions check (check(3)) that
 * each of their steps succeeds.
 */
#ifndef TESTS_APPS_FAKE_SYSTEMD_H
#define TESTS_APPS_FAKE_SYSTEMD_H

#include <pthread.h>
#include <sys/types.h>

#include "tests/apps/handle_fixture.h"
#include "udrv/agent/agent.h"
#include "udrv/agent/notify.h"

#define STORE_MAX 512

struct stored_fd {
	char name[NOTIFY_NAME_MAX + 1];
	int fd;
};

/*
 * PID 1's, under @store_lock unless it was just settled: the store, and all other assignments that
 * it was sent.
 */
extern pthread_mutex_t store_lock;
extern struct stored_fd stored[STORE_MAX];
extern unsigned int nstored;
extern char told[4096];

/* This agent, and the last signal that it sent, which goes nowhere (link with --wrap=kill). */
extern struct agent agent;
extern int killed_pid, killed_sig;

/* Fixtures: PID 1 begins, and custody is opened; a deaf one reads nothing. */
void pid1_start(void);
void pid1_start_deaf(void);
/* PID 1 has read everything; the number of descriptors that it keeps then. */
void pid1_settled(void);
unsigned int pid1_count(void);
/*
 * What PID 1 does, with @store_lock: keep @fd, which it takes over, unless it has that file; forget
 * what has that name.
 */
void pid1_store(const char *name, int fd);
void pid1_remove(const char *name);

/* What a descriptor is called in the store, in static memory; this kernel's mark. */
const char *name_of(const char *boot, uint64_t seq, const char *name, int part);
const char *this_boot(void);
/* Index in the store of what is called NAME, or NAME/PART; -1: it is not there. */
int find(const char *name, int part);

/* What the next agent got, in the child: @listen_names is its environment's. */
extern struct udrv_handle got_handle[8];
extern unsigned int ngot_handles, ngot_fds;
extern char listen_names[65536];
/* A descriptor by name; -1. */
int got(const char *name);

/*
 * A child with what is in the store: @change alters its environment before custody's get_all(),
 * which returns @want. @look (or NULL) returns 0, or the number of the line that is not content,
 * see WANT().
 */
void next_agent(void (*change)(void), int want, int (*look)(const void *ctx), const void *ctx);

#define WANT(x)                          \
	do {                             \
		if (!(x))                \
			return __LINE__; \
	} while (0)

#endif
