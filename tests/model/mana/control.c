// SPDX-License-Identifier: BSD-2-Clause
/* Faults at the start, at their time, and on demand. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/model/mana/server.h"

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
	/* Configuration space is not the model's. */
	if (mana_model_removed(s->m))
		vfio_user_remove(s->vu);
	turn_give(&s->turn);
}

static void become(struct server *s, const char *id)
{
	char *end;
	unsigned long device = strtoul(id, &end, 0);

	if (!device || device > UINT16_MAX || *end) {
		say(s, "\"%s\" is no PCI Device ID", id);
		return;
	}
	vfio_user_become(s->vu, (uint16_t)device);
	say(s, "device ID: %#lx", device);
}

static void run_command(struct server *s)
{
	if (!strncmp(s->line, "become ", 7)) {
		become(s, s->line + 7);
	} else if (!strcmp(s->line, "stats")) {
		turn_take(&s->turn);
		report(s->opts->out, s->m);
		turn_give(&s->turn);
	} else if (*s->line) {
		strike(s, s->line, strlen(s->line));
	}
}

/* Standard input may be anything, also closed, or a terminal that types slowly. */
void control_read(struct server *s)
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
void control_start(struct server *s)
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

void control_timer(struct server *s, unsigned int i)
{
	uint64_t count;

	if (read(s->timer_fd[i], &count, sizeof(count)) > 0)
		strike(s, s->opts->fault[i], strcspn(s->opts->fault[i], "@"));
}

int control_prepare(struct server *s)
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

void control_close(struct server *s)
{
	for (unsigned int i = 0; i < s->opts->nfaults; i++) {
		if (s->timer_fd[i] > 0)
			close(s->timer_fd[i]);
	}
}
