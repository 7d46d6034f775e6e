/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: Logging
 *
 * The library is silent unless it is given a &struct udrv_log: it has no global state and never
 * writes to stderr by itself. A message is one line without a newline and says what failed, on
 * what, why, and what to do about it.
 */
#ifndef UDRV_LOG_H
#define UDRV_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

/** enum udrv_log_level - severity of a message; a higher value is less severe */
enum udrv_log_level {
	UDRV_LOG_ERR,
	UDRV_LOG_WARN,
	UDRV_LOG_INFO,
	UDRV_LOG_DEBUG,
};

/**
 * struct udrv_log - where messages go
 * @fn: called with each message; @msg lives only for the call. May be called from every thread that
 *      calls into the library with this log; must not call back into the library.
 * @ctx: passed to @fn
 * @level: least severe level that is passed on
 *
 * Owned by the caller; must outlive every object that was made with it.
 */
struct udrv_log {
	void (*fn)(void *ctx, enum udrv_log_level level, const char *msg);
	void *ctx;
	enum udrv_log_level level;
};

/**
 * udrv_log() - format a message and hand it to a log
 * @log: where to; NULL discards the message
 * @level: severity
 * @fmt: printf format, without a trailing newline; results over 511 bytes are cut
 *
 * Any thread. errno is kept.
 */
void udrv_log(const struct udrv_log *log, enum udrv_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * udrv_log_stderr() - a ready &udrv_log.fn that writes "PREFIX: msg" lines to stderr
 * @ctx: the prefix, a NUL-terminated string
 * @level: severity
 * @msg: the message
 */
void udrv_log_stderr(void *ctx, enum udrv_log_level level, const char *msg);

#ifdef __cplusplus
}
#endif
#endif
