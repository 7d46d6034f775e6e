// SPDX-License-Identifier: GPL-2.0-or-later
/* udrvctl update: ask the agent to go to the next kernel, in one step or in two, or not to. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/cli/cli.h"
#include "udrv/common/app.h"
#include "udrv/common/client.h"
#include "udrv/common/json.h"

static int progress(void *ctx, struct udrv_msg *m)
{
	const struct cli *c = ctx;
	const char *text = udrv_msg_text(m);
	struct json_object *o;

	if (m->type != UDRV_MSG_PROGRESS || !text)
		return 0;
	if (c->json) {
		printf("%s\n", text);
	} else {
		o = json_tokener_parse(text);
		printf("update: %s %s%s%.1f ms\n", json_get_str(o, "phase", "?"),
		       json_get_str(o, "device", ""), json_get(o, "device") ? " " : "",
		       (double)json_get_u64(o, "duration_us", 0) / 1000);
		json_object_put(o);
	}
	fflush(stdout);
	return 0;
}

/* What sha256sum(1) has written beside a file, if it has: its first word. */
static void add_digest(struct json_object *req, const char *key, const char *file)
{
	char path[PATH_MAX], text[PATH_MAX + 80];

	snprintf(path, sizeof(path), "%s.sha256", file);
	if (app_read_file(path, text, sizeof(text)) < 64)
		return;
	text[64] = '\0';
	json_set_str(req, key, text);
}

static int update(struct cli *c, const char *kernel, const char *image, struct json_object *req)
{
	struct client_call call = { .type = UDRV_MSG_UPDATE, .nfds = 2, .fn = progress, .ctx = c };
	int fd[2] = { -1, -1 };
	int err, ret = APP_OK;

	fd[0] = open(kernel, O_RDONLY | O_CLOEXEC);
	if (fd[0] >= 0)
		fd[1] = open(image, O_RDONLY | O_CLOEXEC);
	if (fd[1] < 0) {
		ret = cli_fail(errno, NULL, "%s", fd[0] < 0 ? kernel : image);
		goto out;
	}
	add_digest(req, "kernel_sha256", kernel);
	add_digest(req, "image_sha256", image);
	call.text = json_text(req);
	call.fd = fd;
	err = client_call_path(UDRV_AGENT_SOCKET, &call, NULL);
	if (err)
		ret = cli_fail(err, call.why, "update");
out:
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	return ret;
}

/* "commit" or "abort" of one that is under way. */
static int update_command(struct cli *c, const char *command)
{
	struct client_call call = { .type = UDRV_MSG_COMMAND, .fn = progress, .ctx = c };
	char text[64];
	int err;

	snprintf(text, sizeof(text), "{\"command\":\"%s\"}", command);
	call.text = text;
	err = client_call_path(UDRV_AGENT_SOCKET, &call, NULL);
	return err ? cli_fail(err, call.why, "update --%s", command) : APP_OK;
}

/* Seconds as milliseconds into the request; false: no number. */
static bool set_seconds(struct json_object *req, const char *key, const char *text)
{
	char *tail;
	double s = strtod(text, &tail);

	if (*tail || tail == text || !(s >= 0.001) || s > 86400)
		return false;
	json_set_u64(req, key, (uint64_t)(s * 1000));
	return true;
}

static const struct option update_options[] = { { "kernel", required_argument, NULL, 'k' },
						{ "image", required_argument, NULL, 'i' },
						{ "cmdline", required_argument, NULL, 'c' },
						{ "deadline", required_argument, NULL, 'd' },
						{ "hold", required_argument, NULL, 'h' },
						{ "dry-run", no_argument, NULL, 'n' },
						{ "prepare", no_argument, NULL, 'p' },
						{ "commit", no_argument, NULL, 'C' },
						{ "abort", no_argument, NULL, 'a' },
						{ "report", no_argument, NULL, 'r' },
						{} };

struct update_args {
	const char *kernel, *image;
	int what;	    /* 'C', 'a', 'r', 0: an update */
	unsigned int modes; /* how many of them */
	bool details;	    /* something that only an update takes */
};

static bool parse(int argc, char **argv, struct update_args *args, struct json_object *req)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "", update_options, NULL)) != -1) {
		args->details |= opt != 'C' && opt != 'a' && opt != 'r';
		switch (opt) {
		case 'k':
			args->kernel = optarg;
			break;
		case 'i':
			args->image = optarg;
			break;
		case 'c':
			json_set_str(req, "cmdline", optarg);
			break;
		case 'd':
			if (!set_seconds(req, "deadline_ms", optarg))
				return false;
			break;
		case 'h':
			if (!set_seconds(req, "hold_ms", optarg))
				return false;
			break;
		case 'n':
			json_set_bool(req, "dry_run", true);
			break;
		case 'p':
			json_set_bool(req, "prepare", true);
			break;
		case 'C':
		case 'a':
		case 'r':
			args->what = opt;
			args->modes++;
			break;
		default:
			return false;
		}
	}
	if (optind != argc || args->modes > 1)
		return false;
	return args->modes ? !args->details : args->kernel && args->image;
}

int cmd_update(struct cli *c)
{
	struct json_object *req = json_object_new_object();
	struct update_args args = { 0 };
	char *argv[34] = { "udrvctl update" };
	int argc = 1, ret;

	while (argc <= c->argc && argc < 33) {
		argv[argc] = c->argv[argc - 1];
		argc++;
	}
	if (!parse(argc, argv, &args, req))
		ret = cli_usage();
	else if (args.what == 'r')
		ret = update_report(c);
	else if (args.what)
		ret = update_command(c, args.what == 'C' ? "commit" : "abort");
	else
		ret = update(c, args.kernel, args.image, req);
	json_object_put(req);
	return ret;
}
