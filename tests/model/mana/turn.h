/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fair lock: who waits is next. A plain mutex would let a thread that takes it over and over
 * starve another, and that other one is the guest's processor waiting for a register.
 */
#ifndef TESTS_MODEL_MANA_TURN_H
#define TESTS_MODEL_MANA_TURN_H

#include <pthread.h>

struct turn {
	pthread_mutex_t lock;
	pthread_cond_t next;
	unsigned int ticket, serving;
};

#define TURN_INITIALIZER                                                            \
	{                                                                           \
		.lock = PTHREAD_MUTEX_INITIALIZER, .next = PTHREAD_COND_INITIALIZER \
	}

static inline void turn_take(struct turn *t)
{
	unsigned int mine;

	pthread_mutex_lock(&t->lock);
	mine = t->ticket++;
	while (t->serving != mine)
		pthread_cond_wait(&t->next, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

static inline void turn_give(struct turn *t)
{
	pthread_mutex_lock(&t->lock);
	t->serving++;
	if (t->serving != t->ticket)
		pthread_cond_broadcast(&t->next);
	pthread_mutex_unlock(&t->lock);
}

#endif
