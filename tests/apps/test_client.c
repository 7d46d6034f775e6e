// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests, and whatever a peer may answer. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "tests/unit/suite.h"
#include "udrv/common/client.h"
#include "udrv/common/json.h"

static char directory[64], path[96];
static pid_t server;

/* A peer that answers, or refuses with @refusal; with NULL not at all. */
static void serve(const char *text, int refusal)
{
	static struct udrv_msg m;
	int listener, sock;

	strcpy(directory, "/tmp/udrv-client-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/sock", directory);
	listener = udrv_proto_listen(path, 0600);
	ck_assert_int_ge(listener, 0);
	server = fork();
	ck_assert_int_ge(server, 0);
	if (server)
		return;
	sock = udrv_proto_accept(listener, false);
	while (sock >= 0 && !udrv_msg_recv(sock, &m))
		if (refusal)
			udrv_msg_reply_error(sock, m.id, refusal, "%s", text);
		else if (text)
			udrv_msg_reply_ok(sock, m.id, text);
	_exit(0);
}

static void end(void)
{
	kill(server, SIGKILL);
	ck_assert_int_eq(waitpid(server, NULL, 0), server);
	unlink(path);
	rmdir(directory);
}

START_TEST(answer)
{
	struct client_call call = { .type = UDRV_MSG_STATUS };
	struct json_object *o = NULL;

	serve("{\"pid\":7}", 0);
	ck_assert_int_eq(client_call_path(path, &call, &o), 0);
	ck_assert_uint_eq(json_get_u64(o, "pid", 0), 7);
	json_object_put(o);
	end();
}
END_TEST

START_TEST(empty_answer)
{
	struct client_call call = { .type = UDRV_MSG_STATUS };
	struct json_object *o = NULL;

	serve("", 0);
	ck_assert_int_eq(client_call_path(path, &call, &o), 0);
	ck_assert_ptr_null(o);
	end();
}
END_TEST

static const char *const no_objects[] = { "[1]", "7", "\"text\"", "null", "{", "true", "[{}]" };

START_TEST(no_object)
{
	struct client_call call = { .type = UDRV_MSG_STATUS };
	struct json_object *o = NULL;

	serve(no_objects[_i], 0);
	ck_assert_int_eq(client_call_path(path, &call, &o), -EBADMSG);
	ck_assert_ptr_null(o);
	end();
}
END_TEST

START_TEST(no_answer)
{
	struct client_call call = { .type = UDRV_MSG_STATUS, .timeout_ms = 50 };
	struct json_object *o = NULL;

	serve(NULL, 0);
	ck_assert_int_eq(client_call_path(path, &call, &o), -ETIMEDOUT);
	ck_assert_ptr_null(o);
	end();
}
END_TEST

/* With a time limit or without, it is the peer's word. */
START_TEST(refused)
{
	struct client_call call = { .type = UDRV_MSG_STATUS, .timeout_ms = _i ? 5000 : 0 };
	struct json_object *o = NULL;

	serve("an update is under way", EAGAIN);
	ck_assert_int_eq(client_call_path(path, &call, &o), -EAGAIN);
	ck_assert_str_eq(call.why, "an update is under way");
	ck_assert_ptr_null(o);
	end();
}
END_TEST

START_TEST(nobody)
{
	struct client_call call = { .type = UDRV_MSG_STATUS, .timeout_ms = 50 };

	ck_assert_int_eq(client_call_path("/tmp/udrv-client-nobody/sock", &call, NULL), -ENOENT);
}
END_TEST

/* Members of another type than they should be. */
START_TEST(lengths)
{
	struct json_object *o = json_tokener_parse("{\"a\":[1,2],\"n\":3,\"s\":\"x\",\"o\":{}}");

	ck_assert_uint_eq(json_length(json_get(o, "a")), 2);
	ck_assert_uint_eq(json_length(json_get(o, "n")), 0);
	ck_assert_uint_eq(json_length(json_get(o, "s")), 0);
	ck_assert_uint_eq(json_length(json_get(o, "o")), 0);
	ck_assert_uint_eq(json_length(json_get(o, "none")), 0);
	json_object_put(o);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client");
	TCase *tc = suite_case(suite, "client", 10);

	tcase_add_test(tc, answer);
	tcase_add_test(tc, empty_answer);
	tcase_add_loop_test(tc, no_object, 0, sizeof(no_objects) / sizeof(no_objects[0]));
	tcase_add_test(tc, no_answer);
	tcase_add_loop_test(tc, refused, 0, 2);
	tcase_add_test(tc, nobody);
	tcase_add_test(tc, lengths);
	return suite_run(suite);
}
