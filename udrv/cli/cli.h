/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udrvctl: what its commands share. Each cmd_*() returns an exit code. */
#ifndef UDRV_CLI_CLI_H
#define UDRV_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;
struct udrv_msg;

/* How long a host may take to tell its status: it tells nothing while it resets its device. */
#define CLI_HOST_TIMEOUT_MS 10000u

struct cli {
	bool json; /* -o json */
	int argc;  /* what follows the command, options included */
	char **argv;
};

int cmd_list(struct cli *c);
int cmd_status(struct cli *c);
int cmd_wait(struct cli *c);
int cmd_inspect(struct cli *c);
int cmd_update(struct cli *c);
int cmd_verify(struct cli *c);
int cmd_smart_log(struct cli *c);
int cmd_error_log(struct cli *c);
int cmd_reset(struct cli *c);
int cmd_set(struct cli *c);
int cmd_restart(struct cli *c);
int cmd_upgrade(struct cli *c);

/** update_report() - udrvctl update --report */
int update_report(struct cli *c);

/**
 * cli_fail() - "udrvctl: what: why (errno name)"; returns APP_FAILED. @why NULL: what the errno
 * means
 */
int cli_fail(int err, const char *why, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int cli_usage(void);

/** cli_agent() - a request to the agent; prints on failure. @text may be NULL */
int cli_agent(uint16_t type, const char *text, struct json_object **ret);
/** cli_host() - a request to a device's host; likewise. @fn gets the answers before the last */
int cli_host(const char *device, uint16_t type, const char *text,
	     int (*fn)(void *ctx, struct udrv_msg *m), void *ctx, struct json_object **ret);
/**
 * cli_only_device() - @name, or the only device there is; NULL after a message. The caller frees
 * it.
 */
char *cli_only_device(const char *name);

/** cli_print() - as JSON, or as "key: value" lines; puts @o */
void cli_print(const struct cli *c, struct json_object *o);

#endif
