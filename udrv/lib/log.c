// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <udrv/log.h>

#define LOG_MAX 512

void udrv_log(const struct udrv_log *log, enum udrv_log_level level, const char *fmt, ...)
{
	char msg[LOG_MAX];
	int saved = errno;
	va_list ap;

	if (!log || !log->fn || level > log->level)
		return;
	va_start(ap, fmt);
	if (vsnprintf(msg, sizeof(msg), fmt, ap) < 0)
		strcpy(msg, "(message could not be formatted)");
	va_end(ap);
	log->fn(log->ctx, level, msg);
	errno = saved;
}

void udrv_log_stderr(void *ctx, enum udrv_log_level level, const char *msg)
{
	static const char *const names[] = {
		[UDRV_LOG_ERR] = "error: ",
		[UDRV_LOG_WARN] = "warning: ",
		[UDRV_LOG_INFO] = "",
		[UDRV_LOG_DEBUG] = "debug: ",
	};
	const char *name = "";

	if ((size_t)level < sizeof(names) / sizeof(names[0]))
		name = names[level];
	/* One call, so that lines of several threads do not mix. */
	fprintf(stderr, "%s: %s%s\n", ctx ? (const char *)ctx : "udrv", name, msg);
}
