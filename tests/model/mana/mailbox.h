/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Register writes on their way from the socket thread to the device: first in, first out, bounded.
 */
#ifndef TESTS_MODEL_MANA_MAILBOX_H
#define TESTS_MODEL_MANA_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define MAILBOX_SIZE 1024u

struct letter {
	uint64_t off, val;
	unsigned int width;
};

struct mailbox {
	pthread_mutex_t lock;
	unsigned int head, tail;
	struct letter letter[MAILBOX_SIZE];
};

#define MAILBOX_INITIALIZER                       \
	{                                         \
		.lock = PTHREAD_MUTEX_INITIALIZER \
	}

/* false: it is full */
static inline bool mailbox_put(struct mailbox *b, const struct letter *l)
{
	bool room;

	pthread_mutex_lock(&b->lock);
	room = b->tail - b->head < MAILBOX_SIZE;
	if (room)
		b->letter[b->tail++ % MAILBOX_SIZE] = *l;
	pthread_mutex_unlock(&b->lock);
	return room;
}

/* false: it is empty */
static inline bool mailbox_take(struct mailbox *b, struct letter *l)
{
	bool any;

	pthread_mutex_lock(&b->lock);
	any = b->tail != b->head;
	if (any)
		*l = b->letter[b->head++ % MAILBOX_SIZE];
	pthread_mutex_unlock(&b->lock);
	return any;
}

#endif
