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
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/model/mana/mailbox.h"
#include "tests/model/mana/serve.h"
#include "tests/model/mana/turn.h"
#include "tests/model/vfio_user/vfio_user.h"

/* Work between two looks at who else wants the turn */
#define STEPS	   8u
#define FRAMES	   8u
#define TABLE_BAR  4u
#define TABLE_SIZE 0x8000u
#define PBA_OFFSET 0x4000u

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
	atomic_bool kicked; /* since the device began its last turn */
	atomic_bool asleep;
	atomic_bool gone; /* QEMU is */
	bool started; /* the driver has enabled reception once */
	bool listening[MANA_MODEL_MAX_VPORTS]; /* for frames of its wire */
	char line[128]; /* of a command, so far */
	size_t line_len;
};

static void say(struct server *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct server *s, const char *fmt, ...)
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
static void wake(struct server *s)
{
	static const uint64_t one = 1;

	atomic_store(&s->kicked, true);
	if (atomic_exchange(&s->asleep, false) && write(s->wake_fd, &one, sizeof(one)) < 0)
		say(s, "cannot wake the device: %s", strerror(errno));
}

/* With the turn. */
static void empty_mailbox(struct server *s)
{
	struct letter l;

	while (mailbox_take(&s->mail, &l))
		mana_model_bar_write(s->m, l.off, l.val, l.width);
}

/* ---- the device, as the vfio-user server sees it (socket thread) ---- */

static uint64_t bar_read(void *ctx, unsigned int bar, uint64_t off, unsigned int width)
{
	struct server *s = ctx;
	uint64_t val;

	if (bar)
		return 0;
	turn_take(&s->turn);
	empty_mailbox(s);
	val = mana_model_bar_read(s->m, off, width);
	turn_give(&s->turn);
	wake(s);
	return val;
}

static void bar_write(void *ctx, unsigned int bar, uint64_t off, uint64_t val, unsigned int width)
{
	const struct letter l = { .off = off, .val = val, .width = width };
	struct server *s = ctx;

	if (bar)
		return;
	while (!mailbox_put(&s->mail, &l)) {
		turn_take(&s->turn);
		empty_mailbox(s);
		turn_give(&s->turn);
	}
	wake(s);
}

static void command(void *ctx, uint16_t value)
{
	struct server *s = ctx;

	turn_take(&s->turn);
	empty_mailbox(s);
	mana_model_set_command(s->m, value);
	turn_give(&s->turn);
	wake(s);
}

static void reset(void *ctx, enum vfio_user_reset why)
{
	struct server *s = ctx;

	if (why == VFIO_USER_RESET_GONE)
		return;
	turn_take(&s->turn);
	empty_mailbox(s);
	mana_model_reset(s->m);
	fprintf(s->opts->out, "reset: %s\n", why == VFIO_USER_RESET_FLR ? "flr" : "machine");
	fflush(s->opts->out);
	turn_give(&s->turn);
}

static void pause_device(void *ctx)
{
	struct server *s = ctx;

	turn_take(&s->turn);
}

static void resume_device(void *ctx)
{
	struct server *s = ctx;

	turn_give(&s->turn);
}

static void vfio_log(void *ctx, const char *line)
{
	say(ctx, "vfio-user: %s", line);
}

static const struct vfio_user_ops vfio_ops = {
	.bar_read = bar_read,
	.bar_write = bar_write,
	.command = command,
	.reset = reset,
	.pause = pause_device,
	.resume = resume_device,
	.log = vfio_log,
};

/* ---- the host, as the model sees it (device thread, with the turn) ---- */

static void *model_dma(void *ctx, uint64_t addr, size_t *len, bool write)
{
	struct server *s = ctx;

	return vfio_user_dma(s->vu, addr, len, write);
}

static void model_irq(void *ctx, unsigned int vector)
{
	struct server *s = ctx;

	vfio_user_irq(s->vu, vector);
}

static void model_logs(void *ctx, const char *line)
{
	say(ctx, "%s", line);
}

static const struct mana_model_ops model_ops = { .dma = model_dma,
						 .irq = model_irq,
						 .log = model_logs };

/* ---- threads ---- */

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

static void watch(struct server *s, int fd, enum source source, unsigned int index)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = (uint64_t)index << 32 | source };

	/* A file cannot be watched (commands out of one), and need not be. */
	epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
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

static void strike(struct server *s, const char *spec, size_t len)
{
	char buf[128];

	if (len >= sizeof(buf))
		len = sizeof(buf) - 1;
	memcpy(buf, spec, len);
	buf[len] = 0;
	turn_take(&s->turn);
	if (mana_model_fault(s->m, buf))
		say(s, "\"%s\" is neither a fault nor a command", buf);
	else
		say(s, "fault: %s", buf);
	turn_give(&s->turn);
}

static void run_command(struct server *s)
{
	if (!strcmp(s->line, "stats")) {
		turn_take(&s->turn);
		report(s->opts->out, s->m);
		turn_give(&s->turn);
	} else if (*s->line) {
		strike(s, s->line, strlen(s->line));
	}
}

/* Standard input may be anything, also closed, or a terminal that types slowly. */
static void read_commands(struct server *s)
{
	char buf[128];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n <= 0) {
		epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == '\n') {
			s->line[s->line_len] = 0;
			s->line_len = 0;
			run_command(s);
		} else if (s->line_len < sizeof(s->line) - 1) {
			s->line[s->line_len++] = buf[i];
		}
	}
}

/* Faults of the command line that have a time count it from now. */
static void start_timers(struct server *s)
{
	s->started = true;
	for (unsigned int i = 0; i < s->opts->nfaults; i++) {
		const char *at = strchr(s->opts->fault[i], '@');
		unsigned long ms = at ? strtoul(at + 1, NULL, 10) : 0;
		struct itimerspec its = { .it_value = { .tv_sec = (time_t)(ms / 1000),
							.tv_nsec =
								(long)(ms % 1000) * 1000000 + 1 } };

		if (at)
			timerfd_settime(s->timer_fd[i], 0, &its, NULL);
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
			read_commands(s);
			break;
		case TIMER:
			if (read(s->timer_fd[index], &count, sizeof(count)) > 0)
				strike(s, s->opts->fault[index],
				       strcspn(s->opts->fault[index], "@"));
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
	empty_mailbox(s);
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
		start_timers(s);
	turn_give(&s->turn);
	return err ? err : (int)done;
}

static int device_loop(struct server *s)
{
	unsigned int rounds = 0;
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
		if (!wait_events(s, atomic_load(&s->kicked) ? 0 : -1))
			return 0;
		atomic_store(&s->asleep, false);
	}
}

static int prepare_faults(struct server *s)
{
	for (unsigned int i = 0; i < s->opts->nfaults; i++) {
		const char *spec = s->opts->fault[i];

		s->timer_fd[i] = -1;
		if (!strchr(spec, '@')) {
			strike(s, spec, strlen(spec));
			continue;
		}
		s->timer_fd[i] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		if (s->timer_fd[i] < 0)
			return -errno;
		watch(s, s->timer_fd[i], TIMER, i);
	}
	return 0;
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
		.ops = &vfio_ops,
		.ctx = s,
	};
	struct mana_model_opts mo = s->opts->model;
	sigset_t signals;
	int err;

	mo.ops = &model_ops;
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
	err = prepare_faults(s);
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
	for (unsigned int i = 0; i < s->opts->nfaults; i++) {
		if (s->timer_fd[i] > 0)
			close(s->timer_fd[i]);
	}
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
