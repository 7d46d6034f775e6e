// SPDX-License-Identifier: BSD-2-Clause
/*
 * A host tells the agent that its device runs: the one that started it, or whoever comes after
 * that one's death, however long it takes, and without ever waiting for it. Who has lost the lease
 * ends. A forked one waits for what PID 1 mounts.
 */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "tests/unit/suite.h"
#include "udrv/common/json.h"
#include "udrv/host/host.h"

static struct host host;
static int agent;      /* its end of the connection; -1: there is none */
static bool successor; /* somebody listens at the agent's path */
static unsigned int calls;

int __wrap_udrv_proto_connect(const char *path, bool nonblock);
int __wrap_udrv_proto_connect(const char *path, bool nonblock)
{
	int sv[2];

	calls++;
	ck_assert_str_eq(path, UDRV_AGENT_SOCKET);
	ck_assert_msg(nonblock, "it would wait for a place in the queue");
	if (!successor)
		return -ECONNREFUSED;
	ck_assert_int_lt(agent, 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv),
			 0);
	agent = sv[1];
	return sv[0];
}

static void setup(void)
{
	int sv[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	host = (struct host){ .handle = UDRV_HANDLE_INIT, .start = "resumed" };
	strcpy(host.handle.name, "nvme0");
	host.lease.agent = sv[0];
	agent = sv[1];
	successor = false;
	calls = 0;
}

static void agent_dies(void)
{
	close(agent);
	agent = -1;
}

static void agent_reads(uint32_t *ret_id)
{
	struct udrv_msg m;
	struct json_object *o;

	ck_assert_int_eq(udrv_msg_recv(agent, &m), 0);
	ck_assert_uint_eq(m.type, UDRV_MSG_ADOPTED);
	o = json_tokener_parse(udrv_msg_text(&m));
	ck_assert_str_eq(json_get_str(o, "device", ""), "nvme0");
	ck_assert_str_eq(json_get_str(o, "start", ""), "resumed");
	json_object_put(o);
	*ret_id = m.id;
}

/* From the question to the end of the connection. */
static void agent_agrees(void)
{
	uint32_t id;

	agent_reads(&id);
	ck_assert(host.untold);
	/* It takes its time, and the host has other things to do. */
	ck_assert_int_eq(host_tell(&host), 0);
	ck_assert(host.untold);
	ck_assert_int_eq(udrv_msg_reply_ok(agent, id, NULL), 0);
	ck_assert_int_eq(host_tell(&host), 0);
	ck_assert(!host.untold);
	ck_assert_int_lt(host.lease.agent, 0);
}

START_TEST(who_started_it)
{
	ck_assert_int_eq(host_adopted(&host), 0);
	agent_agrees();
	ck_assert_uint_eq(calls, 0);
}
END_TEST

/* With nobody there between the death of the one and the beginning of the other. */
START_TEST(its_successor)
{
	uint32_t id;

	if (_i) {
		ck_assert_int_eq(host_adopted(&host), 0);
		agent_reads(&id);
		agent_dies();
	} else {
		agent_dies();
		ck_assert_int_eq(host_adopted(&host), 0);
	}
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(host_tell(&host), 0);
		ck_assert(host.untold);
	}
	successor = true;
	while (agent < 0)
		ck_assert_int_eq(host_tell(&host), 0);
	agent_agrees();
	ck_assert_uint_ge(calls, 3);
}
END_TEST

/* It could not take note of it: it is to be told again. */
START_TEST(who_forgets)
{
	uint32_t id;

	ck_assert_int_eq(host_adopted(&host), 0);
	agent_reads(&id);
	ck_assert_int_eq(udrv_msg_reply_error(agent, id, ENFILE, "it cannot be recorded"), 0);
	ck_assert_int_eq(host_tell(&host), 0);
	ck_assert(host.untold);
	agent_dies();
	successor = true;
	while (agent < 0)
		ck_assert_int_eq(host_tell(&host), 0);
	agent_agrees();
}
END_TEST

START_TEST(who_has_lost_the_lease)
{
	uint32_t id;

	ck_assert_int_eq(host_adopted(&host), 0);
	agent_reads(&id);
	ck_assert_int_eq(udrv_msg_reply_error(agent, id, EPERM, "the lease is not yours"), 0);
	ck_assert_int_eq(host_tell(&host), -EPERM);
}
END_TEST

static void agent_sends(uint16_t type)
{
	static struct udrv_msg m;
	struct udrv_handle h = UDRV_HANDLE_INIT;

	udrv_msg_init(&m, type, 0);
	if (type == UDRV_MSG_HANDLE) {
		strcpy(h.name, "nvme0");
		strcpy(h.bdf, "0000:01:00.0");
		strcpy(h.driver, "nvme");
		h.fd[UDRV_FD_IOMMU] = STDIN_FILENO;
		ck_assert_int_eq(udrv_msg_set_handle(&m, &h), 0);
	}
	ck_assert_int_eq(udrv_msg_send(agent, &m), 0);
}

/* After the last part of the handle, once; who leased its handle has nothing to wait for. */
START_TEST(mounts_are_waited_for)
{
	agent_sends(UDRV_MSG_HANDLE);
	agent_sends(UDRV_MSG_MOUNTED);
	ck_assert_int_eq(host_await_mounts(&host), 0);
	ck_assert_int_ge(host.handle.fd[UDRV_FD_IOMMU], 0);
	ck_assert_int_eq(host_await_mounts(&host), 0);
	host.mounted = false;
	host.lease.agent = -1;
	ck_assert_int_eq(host_await_mounts(&host), 0);
}
END_TEST

START_TEST(nobody_mounts)
{
	agent_sends(UDRV_MSG_HANDLE);
	if (_i)
		agent_sends(UDRV_MSG_OK);
	agent_dies();
	ck_assert_int_eq(host_await_mounts(&host), _i ? -EBADMSG : -ENOTCONN);
	ck_assert(!host.mounted);
}
END_TEST

/* What it waits for is behind what it has not read yet. */
START_TEST(refused_before_it_is_mounted)
{
	static struct udrv_msg m;
	int status;
	pid_t pid;

	agent_sends(UDRV_MSG_HANDLE);
	agent_sends(UDRV_MSG_MOUNTED);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		close(host.lease.agent);
		if (udrv_msg_recv(agent, &m) || m.type != UDRV_MSG_ADOPTED ||
		    !strstr(udrv_msg_text(&m), "refused"))
			_exit(1);
		_exit(!!udrv_msg_reply_ok(agent, m.id, NULL));
	}
	host_refused(&host);
	ck_assert_int_lt(host.lease.agent, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(calls, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tell_agent");
	TCase *tc = suite_case(suite, "tell_agent", 60);

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, who_started_it);
	tcase_add_loop_test(tc, its_successor, 0, 2);
	tcase_add_test(tc, who_forgets);
	tcase_add_test(tc, who_has_lost_the_lease);
	tcase_add_test(tc, mounts_are_waited_for);
	tcase_add_loop_test(tc, nobody_mounts, 0, 2);
	tcase_add_test(tc, refused_before_it_is_mounted);
	return suite_run(suite);
}
