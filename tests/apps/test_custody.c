// SPDX-License-Identifier: BSD-2-Clause
/* PID 1's custody: what was put comes back after the agent died, also if it died right after
 * sending. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/handle.h>
#include <udrv/proto.h>

#include "tests/apps/handle_fixture.h"
#include "tests/unit/suite.h"
#include "udrv/common/app.h"
#include "udrv/init/init.h"

static struct udrv_msg msg;
static int sv[2];

static void connect_pair(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
}

static void hang_up(void)
{
	close(sv[0]);
	close(sv[1]);
}

/* One request through the socket, served; the type of the answer. */
static int request(bool *ready)
{
	static struct udrv_msg m;

	ck_assert_int_eq(udrv_msg_send(sv[0], &msg), 0);
	ck_assert_int_eq(udrv_msg_recv(sv[1], &m), 0);
	ck_assert_int_eq(custody_serve(sv[1], &m, ready), 0);
	ck_assert_int_eq(udrv_msg_recv(sv[0], &msg), 0);
	udrv_msg_drop_fds(&msg);
	return msg.type;
}

static int request_type(uint16_t type, const char *text, int fd)
{
	bool ready = false;

	udrv_msg_init(&msg, type, 7);
	if (text)
		ck_assert_int_eq(udrv_msg_set_text(&msg, text), 0);
	if (fd >= 0)
		ck_assert_int_eq(udrv_msg_add_fd(&msg, fd), 0);
	return request(&ready);
}

static int put_handle(const struct udrv_handle *h)
{
	bool ready = false;

	udrv_msg_init(&msg, UDRV_MSG_PUT_HANDLE, 7);
	ck_assert_int_eq(udrv_msg_set_handle(&msg, h), 0);
	return request(&ready);
}

/* GET_ALL: how many handles and fds there are, and the inode of the one that is asked for. */
static void get_all(unsigned int *handles, unsigned int *fds, const char *name, ino_t *ino)
{
	static struct udrv_msg m;
	struct udrv_handle h;
	bool ready = false;

	*handles = *fds = 0;
	*ino = 0;
	udrv_msg_init(&msg, UDRV_MSG_GET_ALL, 9);
	ck_assert_int_eq(udrv_msg_send(sv[0], &msg), 0);
	ck_assert_int_eq(udrv_msg_recv(sv[1], &m), 0);
	ck_assert_int_eq(custody_serve(sv[1], &m, &ready), 0);
	for (;;) {
		ck_assert_int_eq(udrv_msg_recv(sv[0], &m), 0);
		ck_assert_uint_eq(m.id, 9);
		if (m.type == UDRV_MSG_OK)
			return;
		if (m.type == UDRV_MSG_HANDLE) {
			ck_assert_int_eq(udrv_msg_take_handle(&m, &h), 0);
			if (!strcmp(h.name, name))
				*ino = inode(h.fd[UDRV_FD_VFIO]);
			udrv_handle_close(&h);
			++*handles;
		} else {
			ck_assert_int_eq(m.type, UDRV_MSG_FD);
			if (!strcmp(udrv_msg_text(&m), name))
				*ino = inode(m.fd[0]);
			++*fds;
		}
		udrv_msg_drop_fds(&m);
	}
}

START_TEST(keeps)
{
	struct udrv_handle h = make_handle("nvme0");
	ino_t want = inode(h.fd[UDRV_FD_VFIO]), got;
	unsigned int handles, fds;
	int fd = temp();
	ino_t fd_ino = inode(fd);

	ck_assert_int_eq(put_handle(&h), UDRV_MSG_OK);
	ck_assert_int_eq(request_type(UDRV_MSG_PUT_FD, "incoming", fd), UDRV_MSG_OK);
	udrv_handle_close(&h);
	close(fd);
	hang_up();

	connect_pair();
	get_all(&handles, &fds, "nvme0", &got);
	ck_assert_uint_eq(handles, 1);
	ck_assert_uint_eq(fds, 1);
	ck_assert_uint_eq(got, want);
	get_all(&handles, &fds, "incoming", &got);
	ck_assert_uint_eq(got, fd_ino);

	/* A later one of the same name replaces it. */
	h = make_handle("nvme0");
	want = inode(h.fd[UDRV_FD_VFIO]);
	ck_assert_int_eq(put_handle(&h), UDRV_MSG_OK);
	udrv_handle_close(&h);
	get_all(&handles, &fds, "nvme0", &got);
	ck_assert_uint_eq(handles, 1);
	ck_assert_uint_eq(got, want);

	ck_assert_int_eq(request_type(UDRV_MSG_DROP, "nvme0", -1), UDRV_MSG_OK);
	ck_assert_int_eq(request_type(UDRV_MSG_DROP, "nvme0", -1), UDRV_MSG_ERR);
	ck_assert_int_eq(request_type(UDRV_MSG_DROP, "incoming", -1), UDRV_MSG_OK);
	get_all(&handles, &fds, "", &got);
	ck_assert_uint_eq(handles + fds, 0);
}
END_TEST

START_TEST(sender_dies)
{
	static struct udrv_msg m;
	struct udrv_handle h = make_handle("nvme0");
	ino_t want = inode(h.fd[UDRV_FD_VFIO]), got;
	unsigned int handles, fds;
	bool ready = false;

	/* Sent, and the sender and all that it had open gone, before anybody looks. */
	udrv_msg_init(&msg, UDRV_MSG_PUT_HANDLE, 7);
	ck_assert_int_eq(udrv_msg_set_handle(&msg, &h), 0);
	ck_assert_int_eq(udrv_msg_send(sv[0], &msg), 0);
	udrv_handle_close(&h);
	close(sv[0]);
	ck_assert_int_eq(udrv_msg_recv(sv[1], &m), 0);
	custody_serve(sv[1], &m, &ready);
	close(sv[1]);
	connect_pair();
	get_all(&handles, &fds, "nvme0", &got);
	ck_assert_uint_eq(handles, 1);
	ck_assert_uint_eq(got, want);
}
END_TEST

/* An agent that has not read all its answers resets the connection: what it sent afterwards still
 * counts. */
START_TEST(sender_dies_with_answers_unread)
{
	static const char *const names[] = { "incoming", "directory", "lease-nvme0" };
	unsigned int handles, fds, served = 0;
	bool ready = false;
	ino_t got;

	for (int i = 0; i < 3; i++) {
		int fd = temp();

		udrv_msg_init(&msg, UDRV_MSG_PUT_FD, (uint32_t)i);
		ck_assert_int_eq(udrv_msg_set_text(&msg, names[i]), 0);
		ck_assert_int_eq(udrv_msg_add_fd(&msg, fd), 0);
		ck_assert_int_eq(udrv_msg_send(sv[0], &msg), 0);
		close(fd);
	}
	ck_assert_int_eq(custody_next(sv[1], &ready), 0);
	close(sv[0]);
	while (!custody_next(sv[1], &ready))
		ck_assert_uint_lt(served++, 3);
	ck_assert_uint_eq(served, 2);
	close(sv[1]);
	connect_pair();
	get_all(&handles, &fds, "", &got);
	ck_assert_uint_eq(handles, 0);
	ck_assert_uint_eq(fds, 3);
}
END_TEST

/*
 * Its worker holds the connection while the kernel ends it: what the agent had sent is taken, and
 * nobody waits.
 */
START_TEST(sender_dies_before_its_child)
{
	unsigned int handles, fds;
	bool ready = false;
	int fd = temp();
	ino_t got;

	for (uint32_t i = 0; i < 2; i++) {
		udrv_msg_init(&msg, UDRV_MSG_PUT_FD, i);
		ck_assert_int_eq(udrv_msg_set_text(&msg, i ? "directory" : "outgoing"), 0);
		ck_assert_int_eq(udrv_msg_add_fd(&msg, fd), 0);
		ck_assert_int_eq(udrv_msg_send(sv[0], &msg), 0);
	}
	alarm(20);
	ck_assert(custody_drain(sv[1], &ready));
	alarm(0);
	close(sv[0]);
	ck_assert(!custody_drain(sv[1], &ready));
	ck_assert(!ready);
	close(sv[1]);
	close(fd);
	connect_pair();
	get_all(&handles, &fds, "", &got);
	ck_assert_uint_eq(fds, 2);
}
END_TEST

/* In another process, for check(3) has something open as well. What is kept is open still. */
static void custody_closes(const struct udrv_handle *h, const int *fds, unsigned int n)
{
	int status, open = 0;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		custody_close_others();
		for (unsigned int f = 0; f < UDRV_HANDLE_FDS; f++)
			open += !!inode(h->fd[f]);
		for (unsigned int f = 0; f < n; f++)
			open += !!inode(fds[f]);
		/* A handle of four, and a lease. */
		for (int f = 3; f < 256; f++)
			open += inode(f) ? 16 : 0;
		_exit(open);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), 5 * 16);
}

/*
 * What takes devices over is in the same process: what it keeps are duplicates, and nothing else
 * stays open after it, in whatever order numbers come.
 */
START_TEST(kept_by_the_takeover)
{
	struct udrv_handle h = make_handle("nvme0");
	ino_t want = inode(h.fd[UDRV_FD_VFIO]), got;
	int lease = temp(), left = temp(), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ino_t lease_ino = inode(lease);
	unsigned int handles, fds;
	char name[UDRV_NAME_MAX + 2];

	ck_assert_int_eq(custody_keep_handle(&h), 0);
	ck_assert_int_eq(custody_keep_fd("lease-nvme0", lease), 0);
	ck_assert_int_eq(custody_keep_fd("host-nvme0", null), 0);
	/* A newer one replaces it, and is no second one. */
	ck_assert_int_eq(custody_keep_handle(&h), 0);
	ck_assert_int_eq(custody_keep_fd("lease-nvme0", lease), 0);
	ck_assert(custody_keeps("nvme0") && custody_keeps("lease-nvme0"));
	ck_assert(custody_keeps("host-nvme0"));
	ck_assert_int_eq(custody_forget("host-nvme0"), 0);
	ck_assert_int_eq(custody_forget("host-nvme0"), -ENOENT);
	ck_assert(!custody_keeps("host-nvme0"));
	ck_assert_int_eq(custody_keep_fd("", lease), -EINVAL);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(custody_keep_fd(name, lease), -EINVAL);
	ck_assert_int_eq(custody_keep_fd("lease-nvme1", -1), -EBADF);
	custody_closes(&h, (int[]){ lease, left, null, sv[0] }, 4);
	udrv_handle_close(&h);
	close(lease);
	close(left);
	close(null);
	get_all(&handles, &fds, "nvme0", &got);
	ck_assert_uint_eq(handles, 1);
	ck_assert_uint_eq(fds, 1);
	ck_assert_uint_eq(got, want);
	get_all(&handles, &fds, "lease-nvme0", &got);
	ck_assert_uint_eq(got, lease_ino);
}
END_TEST

START_TEST(nonsense)
{
	bool ready = false;
	int fd = temp();

	ck_assert_int_eq(request_type(UDRV_MSG_PUT_FD, "nothing", -1), UDRV_MSG_ERR);
	ck_assert_int_eq(request_type(UDRV_MSG_PUT_FD, "", fd), UDRV_MSG_ERR);
	ck_assert_int_eq(request_type(UDRV_MSG_PUT_FD, NULL, fd), UDRV_MSG_ERR);
	ck_assert_int_eq(request_type(UDRV_MSG_PUT_HANDLE, "nvme0", fd), UDRV_MSG_ERR);
	ck_assert_int_eq(request_type(UDRV_MSG_DROP, NULL, -1), UDRV_MSG_ERR);
	ck_assert_int_eq(request_type(UDRV_MSG_LEASE, "nvme0", -1), UDRV_MSG_ERR);
	ck_assert_int_eq(request_type(4711, "nvme0", fd), UDRV_MSG_ERR);
	udrv_msg_init(&msg, UDRV_MSG_READY, 1);
	ck_assert_int_eq(request(&ready), UDRV_MSG_OK);
	ck_assert(ready);
	close(fd);
}
END_TEST

/* It fills up, and says so; what it refused it does not keep open. */
START_TEST(full)
{
	unsigned int i, kept = 0, handles, fds;
	ino_t got;
	char name[16];
	int fd = temp();

	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "fd%u", i);
		kept += request_type(UDRV_MSG_PUT_FD, name, fd) == UDRV_MSG_OK;
	}
	get_all(&handles, &fds, "", &got);
	ck_assert_uint_eq(fds, kept);
	ck_assert_uint_ge(kept, 16 * 6 + 3);
	ck_assert_uint_lt(kept, 200);
	for (i = 0; i < kept; i++) {
		snprintf(name, sizeof(name), "fd%u", i);
		ck_assert_int_eq(request_type(UDRV_MSG_DROP, name, -1), UDRV_MSG_OK);
	}
	close(fd);
	i = (unsigned int)temp();
	/* No descriptor leaked: the number that was free before is free again. */
	ck_assert_int_eq((int)i, fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("custody");
	TCase *tc = suite_case(suite, "custody", 60);

	tcase_add_checked_fixture(tc, connect_pair, hang_up);
	tcase_add_test(tc, keeps);
	tcase_add_test(tc, sender_dies);
	tcase_add_test(tc, sender_dies_with_answers_unread);
	tcase_add_test(tc, sender_dies_before_its_child);
	tcase_add_test(tc, kept_by_the_takeover);
	tcase_add_test(tc, nonsense);
	tcase_add_test(tc, full);
	return suite_run(suite);
}
