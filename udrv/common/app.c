// SPDX-License-Identifier: GPL-2.0-or-later
/* Small helpers that all programs use. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "udrv/common/app.h"

struct app_log_state {
	char prefix[48];
	bool kmsg;
	int fd; /* of /dev/kmsg, -1: not open */
	char error[192];
};

static struct app_log_state log_state = { .fd = -1 };

static void app_log_write(void *ctx, enum udrv_log_level level, const char *msg)
{
	static const char severity[] = { [UDRV_LOG_ERR] = '3',
					 [UDRV_LOG_WARN] = '4',
					 [UDRV_LOG_INFO] = '6',
					 [UDRV_LOG_DEBUG] = '7' };
	struct app_log_state *s = ctx;
	char line[640];
	int n;

	if (level == UDRV_LOG_ERR)
		snprintf(s->error, sizeof(s->error), "%s", msg);
	if (s->kmsg && s->fd < 0)
		s->fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (s->kmsg)
		n = snprintf(line, sizeof(line), "<%c>%s: %s\n", severity[level], s->prefix, msg);
	else
		n = snprintf(line, sizeof(line), "%s: %s\n", s->prefix, msg);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	/*
	 * One write: a record of the kernel's log, or a line that no other process's line can cut.
	 * Not dprintf(), which seeks, and /dev/kmsg does not take that. There is nowhere to report
	 * a failure to.
	 */
	if (write(s->kmsg && s->fd >= 0 ? s->fd : STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

static struct udrv_log log = { .fn = app_log_write, .ctx = &log_state, .level = UDRV_LOG_INFO };

const struct udrv_log *app_log(const char *prefix)
{
	struct stat st;

	if (!prefix)
		return &log;
	app_join(log_state.prefix, sizeof(log_state.prefix), prefix, "");
	/* Executed by one that logs there: its stderr is the kernel's log. */
	if (!log_state.kmsg && !fstat(STDERR_FILENO, &st) && S_ISCHR(st.st_mode) &&
	    st.st_rdev == makedev(1, 11)) {
		log_state.kmsg = true;
		log_state.fd = STDERR_FILENO;
	}
	return &log;
}

const char *app_last_error(void)
{
	return log_state.error;
}

void app_log_kmsg(void)
{
	log_state.kmsg = true;
}

void app_log_level(enum udrv_log_level level)
{
	log.level = level;
}

void app_stdio(void)
{
	int null = open("/dev/null", O_RDWR);
	int kmsg = open("/dev/kmsg", O_WRONLY);

	if (null >= 0)
		dup2(null, STDIN_FILENO);
	if (kmsg >= 0) {
		dup2(kmsg, STDOUT_FILENO);
		dup2(kmsg, STDERR_FILENO);
	}
	if (null > STDERR_FILENO)
		close(null);
	if (kmsg > STDERR_FILENO)
		close(kmsg);
}

const char *app_join(char *buf, size_t size, const char *a, const char *b)
{
	const char *parts[] = { a, b };
	size_t len = 0;

	for (unsigned int i = 0; i < 2; i++)
		for (const char *p = parts[i]; *p && len + 1 < size; p++)
			buf[len++] = *p;
	buf[len] = '\0';
	return buf;
}

const char *app_errname(int err)
{
	const char *name = strerrorname_np(abs(err));

	return name ? name : "unknown errno";
}

int app_read_file(const char *path, char *buf, size_t size)
{
	size_t len = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = -errno;

			close(fd);
			return err;
		}
		if (!n)
			break;
		len += (size_t)n;
	}
	close(fd);
	if (len == size)
		return -E2BIG;
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return (int)len;
}

int app_write_file(const char *path, const char *text)
{
	int err = 0;
	int fd;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

const char *app_cmdline(void)
{
	static char cmdline[4096];

	if (!cmdline[0] && app_read_file("/proc/cmdline", cmdline, sizeof(cmdline)) < 0)
		cmdline[0] = '\0';
	return cmdline;
}

/* As the kernel compares them: '-' and '_' are the same. */
static bool app_same_key(const char *word, const char *key, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((word[i] == '-' ? '_' : word[i]) != (key[i] == '-' ? '_' : key[i]))
			return false;
	return true;
}

bool app_param(const char *cmdline, const char *key, char *val, size_t size)
{
	size_t keylen = strlen(key);
	bool found = false;

	while (*cmdline) {
		const char *word = cmdline;
		bool quoted = false;
		size_t len, n = 0;

		for (; *cmdline && (quoted || !isspace((unsigned char)*cmdline)); cmdline++)
			if (*cmdline == '"')
				quoted = !quoted;
		len = (size_t)(cmdline - word);
		while (isspace((unsigned char)*cmdline))
			cmdline++;
		/* What follows is for init. */
		if (len == 2 && !strncmp(word, "--", 2))
			break;
		if (len < keylen || !app_same_key(word, key, keylen) ||
		    (len > keylen && word[keylen] != '='))
			continue;
		found = true;
		for (size_t i = keylen + 1; i < len; i++) {
			if (word[i] == '"')
				continue;
			if (n + 1 >= size) {
				found = false;
				break;
			}
			val[n++] = word[i];
		}
		val[n] = '\0';
	}
	return found;
}

static int app_option(const char *word, const struct app_option *opts, unsigned int n, char *why,
		      size_t why_size)
{
	const char *eq = strchrnul(word, '=');
	uint64_t v = 1;

	for (unsigned int i = 0; i < n; i++) {
		if (strlen(opts[i].name) != (size_t)(eq - word) ||
		    strncmp(opts[i].name, word, (size_t)(eq - word)))
			continue;
		if (*eq) {
			char *end;

			errno = 0;
			v = strtoull(eq + 1, &end, 0);
			if (errno || *end || end == eq + 1 || eq[1] == '-') {
				snprintf(why, why_size, "'%s': not a number", word);
				return -EINVAL;
			}
		}
		if (v < opts[i].min || v > opts[i].max) {
			snprintf(why, why_size, "'%s': not within %llu..%llu", word,
				 (unsigned long long)opts[i].min, (unsigned long long)opts[i].max);
			return -EINVAL;
		}
		*opts[i].value = v;
		return 0;
	}
	snprintf(why, why_size, "'%.*s': no such option", (int)(eq - word), word);
	return -EINVAL;
}

int app_options(const char *list, const struct app_option *opts, unsigned int n, char *why,
		size_t why_size)
{
	char *copy, *save = NULL;
	int err = 0;

	copy = strdup(list);
	if (!copy)
		return -ENOMEM;
	for (char *w = strtok_r(copy, ",", &save); w && !err; w = strtok_r(NULL, ",", &save))
		err = app_option(w, opts, n, why, why_size);
	free(copy);
	return err;
}

/* The lowest of these descriptors that is not below @from; UINT_MAX: none. */
static unsigned int lowest_fd(const int *fd, unsigned int n, unsigned int from)
{
	unsigned int low = UINT_MAX;

	for (unsigned int i = 0; i < n; i++)
		if (fd[i] >= (int)from && (unsigned int)fd[i] < low)
			low = (unsigned int)fd[i];
	return low;
}

int app_memfd(const char *name, const void *data, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = pwrite(fd, data, size, 0);
	if (n == (ssize_t)size)
		return fd;
	err = n < 0 ? -errno : -EIO;
	close(fd);
	return err;
}

void app_deadly(void (*fn)(int sig))
{
	static const int deadly[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM };
	/* Not blocked while it is handled: the handler need not return. */
	const struct sigaction sa = { .sa_handler = fn, .sa_flags = SA_NODEFER | SA_ONSTACK };

	for (unsigned int i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		sigaction(deadly[i], &sa, NULL);
}

void app_close_others(const int *keep, unsigned int n)
{
	unsigned int from = STDERR_FILENO + 1, next;

	if (log_state.fd > STDERR_FILENO)
		log_state.fd = -1;
	while ((next = lowest_fd(keep, n, from)) != UINT_MAX) {
		if (next > from)
			close_range(from, next - 1, 0);
		from = next + 1;
	}
	close_range(from, UINT_MAX, 0);
}

pid_t app_fork(const int *keep, unsigned int n)
{
	sigset_t none;
	pid_t pid;

	pid = _Fork();
	if (pid)
		return pid;
	app_deadly(SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	app_close_others(keep, n);
	return 0;
}

void app_name(const char *name)
{
	prctl(PR_SET_NAME, name);
}

static uint64_t app_clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t app_now_ns(void)
{
	return app_clock_ns(CLOCK_MONOTONIC);
}

/* A (time, counter) pair of one moment: the closest of some, as the process may be preempted in
 * between. */
static void app_tsc_sample(uint64_t *ns, uint64_t *tsc)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t a = app_tsc();
		uint64_t t = app_clock_ns(CLOCK_MONOTONIC_RAW);
		uint64_t b = app_tsc();

		if (b - a < best) {
			best = b - a;
			*ns = t;
			*tsc = a + (b - a) / 2;
		}
	}
}

uint64_t app_tsc_khz(void)
{
	const struct timespec wait = { .tv_nsec = 20000000 };
	uint64_t ns0 = 0, tsc0 = 0, ns1 = 0, tsc1 = 0;

	app_tsc_sample(&ns0, &tsc0);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, NULL);
	app_tsc_sample(&ns1, &tsc1);
	return ns1 > ns0 ? (uint64_t)((unsigned __int128)(tsc1 - tsc0) * 1000000u / (ns1 - ns0)) :
			   0;
}
