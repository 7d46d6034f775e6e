// SPDX-License-Identifier: BSD-2-Clause
/*
 * A host tells the agent that its device runs: the one that started it, or whoever comes after
 * that one's death, however long it takes.
 */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "tests/unit/suite.h"
#include "udrv/common/client.h"
#include "udrv/common/json.h"
#include "udrv/host/host.h"

static struct host host;
static int peer;	   /* the agent's end of the connection that the host was started with */
static int successor;	   /* what calling at the agent's path comes to */
static const char *no;	   /* what the successor says, if it refuses */
static unsigned int calls; /* of the path */

int __wrap_client_call_path(const char *path, struct client_call *c, struct json_object **ret);
int __wrap_client_call_path(const char *path, struct client_call *c, struct json_object **ret)
{
	struct json_object *o = json_tokener_parse(c->text);

	(void)ret;
	calls++;
	ck_assert_str_eq(path, UDRV_AGENT_SOCKET);
	ck_assert_uint_eq(c->type, UDRV_MSG_ADOPTED);
	ck_assert_str_eq(json_get_str(o, "device", ""), "nvme0");
	ck_assert_str_eq(json_get_str(o, "start", ""), "resumed");
	json_object_put(o);
	strcpy(c->why, no ? no : "");
	return successor;
}

static void setup(void)
{
	int sv[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	host = (struct host){ .handle = UDRV_HANDLE_INIT, .start = "resumed" };
	strcpy(host.handle.name, "nvme0");
	host.lease.agent = sv[0];
	peer = sv[1];
	successor = 0;
	no = NULL;
	calls = 0;
}

static void teardown(void)
{
	if (peer >= 0)
		close(peer);
	ck_assert_int_lt(host.lease.agent, 0);
}

static void agent_dies(void)
{
	close(peer);
	peer = -1;
}

START_TEST(who_started_it)
{
	struct udrv_msg m;

	/* The answer waits already: its number is that of this process's first request. */
	ck_assert_int_eq(udrv_msg_reply_ok(peer, 1, NULL), 0);
	host_adopted(&host);
	ck_assert(!host.untold);
	ck_assert_uint_eq(calls, 0);
	ck_assert_int_eq(udrv_msg_recv(peer, &m), 0);
	ck_assert_uint_eq(m.type, UDRV_MSG_ADOPTED);
}
END_TEST

START_TEST(its_successor)
{
	agent_dies();
	host_adopted(&host);
	ck_assert(!host.untold);
	ck_assert_uint_eq(calls, 1);
}
END_TEST

/* Between the death of the one and the beginning of the other. */
START_TEST(later)
{
	agent_dies();
	successor = -ECONNREFUSED;
	host_adopted(&host);
	ck_assert(host.untold);
	host_adopted(&host);
	ck_assert(host.untold);
	successor = 0;
	host_adopted(&host);
	ck_assert(!host.untold);
	ck_assert_uint_eq(calls, 3);
}
END_TEST

/* Whose lease is somebody else's would ask for ever. */
START_TEST(who_does_not_want_to_know)
{
	agent_dies();
	successor = -EPERM;
	no = "the lease is not yours";
	host_adopted(&host);
	ck_assert(!host.untold);
	ck_assert_uint_eq(calls, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tell_agent");
	TCase *tc = suite_case(suite, "tell_agent", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, who_started_it);
	tcase_add_test(tc, its_successor);
	tcase_add_test(tc, later);
	tcase_add_test(tc, who_does_not_want_to_know);
	return suite_run(suite);
}
