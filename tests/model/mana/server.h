/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the program share. */
#ifndef TESTS_MODEL_MANA_SERVER_H
#define TESTS_MODEL_MANA_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/model/mana/mailbox.h"
#include "tests/model/mana/serve.h"
#include "tests/model/mana/turn.h"
#include "tests/model/vfio_user/vfio_user.h"

/* What an epoll event is about; its number of that kind is in the upper half. */
enum source { WAKE, SIGNAL, COMMANDS, TIMER, WIRE };

struct server {
	const struct serve_opts *opts;
	struct mana_model *m;
	struct vfio_user *vu;
	struct turn turn;
	struct mailbox mail;
	pthread_mutex_t log_lock;

	int listen_fd, epoll_fd, wake_fd, signal_fd;
	int timer_fd[SERVE_MAX_FAULTS]; /* -1: struck at the start */
	atomic_bool kicked;		/* since the device began its last turn */
	atomic_bool asleep;
	atomic_bool gone;		       /* QEMU is */
	bool started;			       /* the driver has enabled reception once */
	bool listening[MANA_MODEL_MAX_VPORTS]; /* for frames of its wire */
	char line[128];			       /* of a command, so far */
	size_t line_len;
};

/* A line on the log. From any thread. */
void say(struct server *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* There may be work for the device. From any thread. */
void wake(struct server *s);

/* bridge.c: what QEMU does to the device, and what the device does to its memory and vectors */
extern const struct vfio_user_ops bridge_vfio_ops;
extern const struct mana_model_ops bridge_model_ops;
/* Hand the register writes that wait to the model. With the turn. */
void bridge_empty_mailbox(struct server *s);

/* control.c: faults of the command line and standard input */
int control_prepare(struct server *s);
/* Faults that have a time count it from now. */
void control_start(struct server *s);
void control_timer(struct server *s, unsigned int i);
void control_read(struct server *s);
void control_close(struct server *s);

void watch(struct server *s, int fd, enum source source, unsigned int index);

#endif
