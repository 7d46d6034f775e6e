/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What udrv-init, udrv-agent, udrv-host and udrvctl share. They are one executable with several
 * names: one file to unpack and to page in while the machine is between two kernels.
 */
#ifndef UDRV_COMMON_APP_H
#define UDRV_COMMON_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <udrv/log.h>

struct custody_backend;
struct udrv_handle;

int udrv_init_main(int argc, char **argv);
int udrv_agent_main(int argc, char **argv);
int udrv_host_main(int argc, char **argv);
int udrvctl_main(int argc, char **argv);

/**
 * udrv_take_over() - take over what the previous kernel has left, before there is an agent
 * @keeper: PID 1's custody
 * @tsc_init: app_tsc() at udrv-init's first instruction
 *
 * For PID 1. What cannot be taken over is left to the agent, which comes next and says why.
 */
void udrv_take_over(const struct custody_backend *keeper, uint64_t tsc_init);
/**
 * udrv_take_over_undo() - after a takeover that was cut short: end the hosts that it has started
 * and of which no agent will know
 * @kept: whether custody has a descriptor of that name; a host whose lease it has is left alone
 *
 * A host has its device's memory and delivers out of it: there must be no other beside it. Kills
 * all of them, then waits until they are gone.
 */
void udrv_take_over_undo(bool (*kept)(const char *name));

/**
 * struct host_lease - what a host gets with its device, from the agent or from PID 1
 * @cycle: kexecs since the cold boot
 * @tsc_init, @tsc_reboot: app_tsc() at the last one's two ends, 0 if unknown
 * @driver: name of the device's driver
 * @agent: connection over which comes what its handle does not have yet; the agent listens at its
 *	other end later
 */
struct host_lease {
	uint64_t cycle, tsc_init, tsc_reboot;
	const char *driver;
	int agent;
};

/**
 * udrv_host_run() - a host in the present process, which PID 1 has forked
 * @handle: of its device, as far as it is there; descriptors are inherited. The rest comes as
 *	UDRV_MSG_HANDLE over @lease->agent, in parts, while the device is adopted
 *
 * Return: exit code.
 */
int udrv_host_run(const struct udrv_handle *handle, const struct host_lease *lease);

/* Exit codes of all programs. */
#define APP_OK	   0
#define APP_FAILED 1
#define APP_USAGE  2

/**
 * app_log() - the program's log
 * @prefix: what each line begins with; set by the first call, later calls may pass NULL
 *
 * Goes to stderr, or to the kernel's log once app_log_kmsg() was called.
 */
const struct udrv_log *app_log(const char *prefix);

/**
 * app_log_kmsg() - from now on, in this process and those forked from it, log to /dev/kmsg
 *
 * It is opened when there is something to say. The kernel's log costs no wait for a serial line.
 */
void app_log_kmsg(void);

/**
 * app_stdio() - standard input from nowhere, output and errors to the kernel's log, also for who is
 * executed next
 */
void app_stdio(void);

/**
 * app_last_error() - the last error that this process has logged, or "": the
 * reason of what failed last
 */
const char *app_last_error(void);

/** app_log_level() - least severe level that is logged; UDRV_LOG_INFO at the beginning */
void app_log_level(enum udrv_log_level level);

#define app_err(...)  udrv_log(app_log(NULL), UDRV_LOG_ERR, __VA_ARGS__)
#define app_warn(...) udrv_log(app_log(NULL), UDRV_LOG_WARN, __VA_ARGS__)
#define app_info(...) udrv_log(app_log(NULL), UDRV_LOG_INFO, __VA_ARGS__)

/**
 * app_join() - @a and @b as one string, cut to @size
 *
 * Return: @buf.
 */
const char *app_join(char *buf, size_t size, const char *a, const char *b);

/** app_errname() - "ENODEV" for 19 or -19; never NULL */
const char *app_errname(int err);

/**
 * app_read_file() - read a small file (sysfs, procfs) as a string, without a trailing newline
 *
 * Return: its length; -E2BIG: it does not fit in @size with the NUL; -errno.
 */
int app_read_file(const char *path, char *buf, size_t size);
/** app_write_file() - one write() of a string; 0 or -errno */
int app_write_file(const char *path, const char *text);

/** app_cmdline() - the kernel command line, read once */
const char *app_cmdline(void);

/**
 * app_param() - value of parameter @key in a kernel command line
 * @cmdline: words separated by blanks; "quoted values" may contain blanks
 * @val: the last occurrence's value; "" for a bare word
 *
 * Return: found? A value that does not fit counts as not found.
 */
bool app_param(const char *cmdline, const char *key, char *val, size_t size);

/**
 * struct app_option - a number in a list like "queues=4,depth=64,poll"
 * @name: its name; a bare word means 1
 * @value: where it goes
 * @min, @max: accepted range
 */
struct app_option {
	const char *name;
	uint64_t *value;
	uint64_t min, max;
};

/**
 * app_options() - parse such a list
 * @why: on failure, what is wrong with which word
 *
 * Return: 0; -EINVAL: unknown name, not a number, out of range. Values before it have been stored.
 */
int app_options(const char *list, const struct app_option *opts, unsigned int n, char *why,
		size_t why_size);

/**
 * app_fork() - fork; the child is a process of its own, as exec would make it
 * @keep: descriptors beside 0–2 that the child keeps open, @n of them, -1 allowed
 *
 * What a parent has open must not live on in a child: closing the last duplicate means something
 * here. No handlers of pthread_atfork() run, and no locks are reinitialized:
 * the caller has one thread.
 *
 * Return: as fork(); -1 with errno.
 */
pid_t app_fork(const int *keep, unsigned int n);

/**
 * app_deadly() - who handles the signals of a process that has crashed or takes too long: SIGSEGV,
 * SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM
 * @fn: SIG_DFL; or a handler, for which signals are not blocked, on sigaltstack(2)'s stack if there
 *	is one. A child of app_fork() does not have it
 */
void app_deadly(void (*fn)(int sig));

/** app_memfd() - a memfd of that name with @size bytes in it, close-on-exec; -errno */
int app_memfd(const char *name, const void *data, size_t size);

/** app_close_others() - close all descriptors but those and 0–2, as app_fork() does in the child */
void app_close_others(const int *keep, unsigned int n);

/**
 * app_name() - what ps calls this process: one that was forked has its parent's name, and may be
 * busy at first
 */
void app_name(const char *name);

/** app_now_ns() - CLOCK_MONOTONIC in nanoseconds */
uint64_t app_now_ns(void);

/**
 * app_tsc() - a cycle counter that runs on through a kexec, unlike every clock of a kernel
 */
static inline uint64_t app_tsc(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t v;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#else
#error "no cycle counter that survives kexec is known for this architecture"
#endif
}

/** app_tsc_khz() - its rate, measured against CLOCK_MONOTONIC_RAW for about 20 ms */
uint64_t app_tsc_khz(void);

#endif
