// SPDX-License-Identifier: BSD-2-Clause
/*
 * Two threads. The socket thread answers QEMU: doorbells it only puts into a mailbox, and for a
 * register it waits for the device to finish a few steps at most. The device thread empties the
 * mailbox, works, and looks after wires, timers, commands and signals. Whoever touches the model
 * has the turn.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/model/mana/server.h"

/* Work between two looks at who else wants the turn */
#define STEPS	   8u
#define FRAMES	   8u
#define TABLE_BAR  4u
#define TABLE_SIZE 0x8000u
#define PBA_OFFSET 0x4000u

void say(struct server *s, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&s->log_lock);
	fputs("mana-model: ", s->opts->log);
	va_start(ap, fmt);
	vfprintf(s->opts->log, fmt, ap);
	va_end(ap);
	putc('\n', s->opts->log);
	fflush(s->opts->log);
	pthread_mutex_unlock(&s->log_lock);
}

/* The device looks for a kick after it has said that it is asleep, so none is lost. */
void wake(struct server *s)
{
	static const uint64_t one = 1;

	atomic_store(&s->kicked, true);
	if (atomic_exchange(&s->asleep, false) && write(s->wake_fd, &one, sizeof(one)) < 0)
		say(s, "cannot wake the device: %s", strerror(errno));
}

void watch(struct server *s, int fd, enum source source, unsigned int index)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = (uint64_t)index << 32 | source };

	/* A file cannot be watched (commands out of one), and need not be. */
	epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static void *socket_thread(void *arg)
{
	struct server *s = arg;
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC), err;

	if (fd >= 0) {
		err = vfio_user_serve(s->vu, fd);
		if (err)
			say(s, "QEMU's connection: %s", strerror(-err));
		close(fd);
	}
	atomic_store(&s->gone, true);
	wake(s);
	return NULL;
}

/* A wire that may not be read must not wake us either. */
static void watch_wires(struct server *s)
{
	for (unsigned int v = 0; v < MANA_MODEL_MAX_VPORTS; v++) {
		struct net_backend *b = s->opts->model.backend[v];
		bool wanted;

		if (!b || b->fd < 0)
			continue;
		wanted = mana_model_wants_frames(s->m, v);
		if (wanted && !s->listening[v])
			watch(s, b->fd, WIRE, v);
		else if (!wanted && s->listening[v])
			epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, b->fd, NULL);
		s->listening[v] = wanted;
	}
}

/* false: it is time to end */
static bool wait_events(struct server *s, int timeout)
{
	struct epoll_event ev[16];
	int n = epoll_wait(s->epoll_fd, ev, 16, timeout);
	uint64_t count;

	for (int i = 0; i < n; i++) {
		unsigned int index = (unsigned int)(ev[i].data.u64 >> 32);

		switch ((enum source)(uint32_t)ev[i].data.u64) {
		case WAKE:
			if (read(s->wake_fd, &count, sizeof(count)) < 0)
				break;
			break;
		case SIGNAL:
			return false;
		case COMMANDS:
			control_read(s);
			break;
		case TIMER:
			control_timer(s, index);
			break;
		case WIRE:
			break;
		}
	}
	return !atomic_load(&s->gone);
}

/* A turn's worth; whether there may be more to do. */
static int work(struct server *s)
{
	unsigned int done;
	int n, err = 0;

	turn_take(&s->turn);
	bridge_empty_mailbox(s);
	done = mana_model_run(s->m, STEPS);
	for (unsigned int v = 0; v < MANA_MODEL_MAX_VPORTS && !err; v++) {
		n = mana_model_poll_backend(s->m, v, FRAMES);
		if (n < 0)
			err = n;
		else
			done += (unsigned int)n;
	}
	watch_wires(s);
	if (!s->started && mana_model_receiving(s->m))
		control_start(s);
	turn_give(&s->turn);
	return err ? err : (int)done;
}

static int device_loop(struct server *s)
{
	unsigned int rounds = 0;
	bool stay;
	int n;

	for (;;) {
		atomic_store(&s->kicked, false);
		n = work(s);
		if (n < 0) {
			say(s, "a wire is broken: %s", strerror(-n));
			return n;
		}
		/*
		 * Signals and commands are looked for now and then, also when the work does not
		 * end.
		 */
		if (n && ++rounds % 16)
			continue;
		if (n) {
			if (!wait_events(s, 0))
				return 0;
			continue;
		}
		atomic_store(&s->asleep, true);
		/* A kick from before this turn was work, which is done; QEMU's end is not. */
		stay = atomic_load(&s->kicked) || atomic_load(&s->gone);
		if (!wait_events(s, stay ? 0 : -1))
			return 0;
		atomic_store(&s->asleep, false);
	}
}

static int open_all(struct server *s)
{
	struct vfio_user_opts vo = {
		.vendor = 0x1414, .device = 0x00ba, .subsystem_vendor = 0x1414, .subsystem = 0x00ba,
		.class_code = 0x020000,
		.bar = {
			[0] = { .size = MANA_MODEL_BAR0_SIZE, .wide = true, .prefetchable = true,
				.fd = -1 },
			[TABLE_BAR] = { .size = TABLE_SIZE, .wide = true, .fd = -1 },
		},
		.msix_bar = TABLE_BAR,
		.pba_offset = PBA_OFFSET,
		.flr = true,
		.reset = true,
		.ops = &bridge_vfio_ops,
		.ctx = s,
	};
	struct mana_model_opts mo = s->opts->model;
	sigset_t signals;
	int err;

	mo.ops = &bridge_model_ops;
	mo.ctx = s;
	mo.vectors = mo.vectors ? mo.vectors : MANA_MODEL_MAX_VECTORS;
	vo.vectors = mo.vectors;
	err = mana_model_create(&mo, &s->m);
	if (!err)
		err = vfio_user_create(&vo, &s->vu);
	if (err)
		return err;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->epoll_fd < 0 || s->wake_fd < 0 || s->signal_fd < 0)
		return -errno;
	watch(s, s->wake_fd, WAKE, 0);
	watch(s, s->signal_fd, SIGNAL, 0);
	watch(s, STDIN_FILENO, COMMANDS, 0);
	err = control_prepare(s);
	if (err)
		return err;
	s->listen_fd = vfio_user_listen(s->opts->socket);
	return s->listen_fd < 0 ? s->listen_fd : 0;
}

static void close_all(struct server *s)
{
	const int fds[] = { s->listen_fd, s->epoll_fd, s->wake_fd, s->signal_fd };

	vfio_user_destroy(s->vu);
	mana_model_destroy(s->m);
	for (unsigned int i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	control_close(s);
}

int serve(const struct serve_opts *opts, unsigned int *violations)
{
	struct server s = {
		.opts = opts,
		.turn = TURN_INITIALIZER,
		.mail = MAILBOX_INITIALIZER,
		.log_lock = PTHREAD_MUTEX_INITIALIZER,
		.listen_fd = -1,
		.epoll_fd = -1,
		.wake_fd = -1,
		.signal_fd = -1,
	};
	pthread_t thread;
	int err = open_all(&s);

	if (!err)
		err = -pthread_create(&thread, NULL, socket_thread, &s);
	if (err) {
		say(&s, "cannot serve on %s: %s", opts->socket, strerror(-err));
		close_all(&s);
		return err;
	}
	fputs("ready\n", opts->out);
	fflush(opts->out);

	err = device_loop(&s);
	vfio_user_stop(s.vu);
	shutdown(s.listen_fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	unlink(opts->socket);
	report(opts->out, s.m);
	*violations = mana_model_violations(s.m, NULL);
	close_all(&s);
	return err;
}
