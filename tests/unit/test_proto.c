// SPDX-License-Identifier: BSD-2-Clause
/*
 * The handle protocol: messages arrive whole with their descriptors, or are refused without leaving
 * any.
 */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/handle.h>
#include <udrv/proto.h>

#include "tests/unit/open_fds.h"
#include "tests/unit/suite.h"

static bool end_first;

ssize_t __real_recvmsg(int sock, struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int sock, struct msghdr *msg, int flags);

/* What Linux does between two looks of its own: there is no message, and then there is an end. */
ssize_t __wrap_recvmsg(int sock, struct msghdr *msg, int flags)
{
	if (!end_first)
		return __real_recvmsg(sock, msg, flags);
	end_first = false;
	msg->msg_controllen = 0;
	return 0;
}

static int pair[2];
static struct udrv_msg out, in;
static unsigned int fds_before;

static void setup(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
				    pair),
			 0);
	fds_before = open_fds();
}

static void teardown(void)
{
	ck_assert_uint_eq(open_fds(), fds_before);
	close(pair[0]);
	close(pair[1]);
}

static struct udrv_handle example(void)
{
	struct udrv_handle h = UDRV_HANDLE_INIT;

	strcpy(h.name, "nvme0");
	strcpy(h.bdf, "0000:01:00.0");
	strcpy(h.driver, "nvme");
	h.policy = UDRV_RESET;
	h.noiommu = true;
	h.ioas_id = 77;
	h.fd[UDRV_FD_VFIO] = memfd_create("vfio", 0);
	h.fd[UDRV_FD_STATE] = memfd_create("state", 0);
	h.fd[UDRV_FD_EXTRA + 3] = memfd_create("extra3", 0);
	return h;
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return !fstat(a, &sa) && !fstat(b, &sb) && sa.st_ino == sb.st_ino && sa.st_dev == sb.st_dev;
}

START_TEST(text)
{
	static char large[UDRV_MSG_PAYLOAD + 2];

	udrv_msg_init(&out, UDRV_MSG_COMMAND, 5);
	ck_assert_int_eq(udrv_msg_set_text(&out, "{\"command\": \"ping\"}"), 0);
	ck_assert_int_eq(udrv_msg_send(pair[0], &out), 0);
	ck_assert_int_eq(udrv_msg_recv(pair[1], &in), 0);
	ck_assert_uint_eq(in.type, UDRV_MSG_COMMAND);
	ck_assert_uint_eq(in.id, 5);
	ck_assert_uint_eq(in.nfds, 0);
	ck_assert_str_eq(udrv_msg_text(&in), "{\"command\": \"ping\"}");
	ck_assert_int_eq(udrv_msg_recv(pair[1], &in), -EAGAIN);

	memset(large, 'x', sizeof(large) - 1);
	ck_assert_int_eq(udrv_msg_set_text(&out, large), -EMSGSIZE);
	large[UDRV_MSG_PAYLOAD] = '\0';
	ck_assert_int_eq(udrv_msg_set_text(&out, large), 0);
	ck_assert_int_eq(udrv_msg_send(pair[0], &out), 0);
	ck_assert_int_eq(udrv_msg_recv(pair[1], &in), 0);
	ck_assert_uint_eq(in.len, UDRV_MSG_PAYLOAD);
	ck_assert_str_eq(udrv_msg_text(&in), large);

	/* A NUL inside is no text. */
	udrv_msg_init(&out, UDRV_MSG_DROP, 1);
	memcpy(out.data, "a\0b", 3);
	out.len = 3;
	ck_assert_int_eq(udrv_msg_send(pair[0], &out), 0);
	ck_assert_int_eq(udrv_msg_recv(pair[1], &in), 0);
	ck_assert_ptr_null(udrv_msg_text(&in));

	out.len = UDRV_MSG_PAYLOAD + 1;
	ck_assert_int_eq(udrv_msg_send(pair[0], &out), -EINVAL);
}
END_TEST

START_TEST(handle)
{
	struct udrv_handle h = example(), got = UDRV_HANDLE_INIT, dup;

	udrv_msg_init(&out, UDRV_MSG_PUT_HANDLE, 9);
	ck_assert_int_eq(udrv_msg_set_handle(&out, &h), 0);
	ck_assert_int_eq(udrv_msg_send(pair[0], &out), 0);
	ck_assert_int_eq(udrv_msg_recv(pair[1], &in), 0);
	ck_assert_int_eq(udrv_msg_take_handle(&in, &got), 0);
	ck_assert_uint_eq(in.nfds, 0);
	ck_assert_str_eq(got.name, "nvme0");
	ck_assert_str_eq(got.bdf, "0000:01:00.0");
	ck_assert_str_eq(got.driver, "nvme");
	ck_assert_int_eq(got.policy, UDRV_RESET);
	ck_assert(got.noiommu);
	ck_assert_uint_eq(got.ioas_id, 77);
	for (int i = 0; i < UDRV_HANDLE_FDS; i++) {
		ck_assert_int_eq(got.fd[i] < 0, h.fd[i] < 0);
		if (h.fd[i] >= 0) {
			ck_assert_int_ne(got.fd[i], h.fd[i]);
			ck_assert(same_file(got.fd[i], h.fd[i]));
			ck_assert_int_eq(fcntl(got.fd[i], F_GETFD), FD_CLOEXEC);
		}
	}
	ck_assert_int_eq(udrv_handle_dup(&got, &dup), 0);
	udrv_handle_close(&got);
	ck_assert_int_eq(got.fd[UDRV_FD_VFIO], -1);
	ck_assert(same_file(dup.fd[UDRV_FD_EXTRA + 3], h.fd[UDRV_FD_EXTRA + 3]));
	udrv_handle_close(&dup);
	udrv_handle_close(&h);
}
END_TEST

START_TEST(bad_handles_are_not_sent)
{
	struct udrv_handle h = example(), bad;

	udrv_msg_init(&out, UDRV_MSG_PUT_HANDLE, 9);
	bad = h;
	bad.size--;
	ck_assert_int_eq(udrv_msg_set_handle(&out, &bad), -EINVAL);
	bad = h;
	memset(bad.name, 'a', sizeof(bad.name));
	ck_assert_int_eq(udrv_msg_set_handle(&out, &bad), -EINVAL);
	bad = h;
	memset(bad.driver, 'a', sizeof(bad.driver));
	ck_assert_int_eq(udrv_msg_set_handle(&out, &bad), -EINVAL);
	bad = h;
	strcpy(bad.bdf, "01:00.0");
	ck_assert_int_eq(udrv_msg_set_handle(&out, &bad), -EINVAL);
	udrv_handle_close(&h);
}
END_TEST

/*
 * Each byte of a handle's payload set to each value: taken with valid fields, or refused; nothing
 * leaks.
 */
START_TEST(mutated_handles)
{
	struct udrv_handle h = example(), got;
	unsigned int refused = 0, taken = 0;

	udrv_msg_init(&out, UDRV_MSG_HANDLE, 1);
	ck_assert_int_eq(udrv_msg_set_handle(&out, &h), 0);
	for (unsigned int i = 0; i < sizeof(struct udrv_wire_handle); i++) {
		uint8_t was = out.data[i];

		for (unsigned int v = 0; v < 256; v++) {
			bool good;

			out.data[i] = (uint8_t)v;
			if (udrv_msg_send(pair[0], &out) || udrv_msg_recv(pair[1], &in))
				ck_abort_msg("byte %u value %u was not passed on", i, v);
			if (udrv_msg_take_handle(&in, &got)) {
				refused++;
				udrv_msg_drop_fds(&in);
				continue;
			}
			taken++;
			good = udrv_name_valid(got.name) && udrv_name_valid(got.driver) &&
			       udrv_bdf_valid(got.bdf) && got.policy <= UDRV_DETACH;
			udrv_handle_close(&got);
			if (!good)
				ck_abort_msg("byte %u value %u was believed", i, v);
		}
		out.data[i] = was;
	}
	ck_assert_uint_gt(refused, 256);
	ck_assert_uint_gt(taken, 256);
	udrv_handle_close(&h);
}
END_TEST

/* A packet of @len bytes of @data with one descriptor; what udrv_msg_recv() says. */
static int raw_packet(const void *data, size_t len, unsigned int nfds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(64 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int err;

	if (nfds) {
		struct cmsghdr *cmsg = &control.align;
		int *fds = (int *)(void *)CMSG_DATA(cmsg);

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		for (unsigned int i = 0; i < nfds; i++)
			fds[i] = 0;
	}
	ck_assert_int_eq(sendmsg(pair[0], &msg, 0), (ssize_t)len);
	err = udrv_msg_recv(pair[1], &in);
	if (!err)
		udrv_msg_drop_fds(&in);
	else
		ck_assert_uint_eq(in.nfds, 0);
	return err;
}

START_TEST(truncated_packets)
{
	static uint8_t packet[sizeof(struct udrv_msg_header) + UDRV_MSG_PAYLOAD + 1];
	struct udrv_msg_header head = {
		htole32(UDRV_MSG_MAGIC),
		htole16(UDRV_MSG_VERSION),
		htole16(UDRV_MSG_STATUS),
		htole32(1),
		htole32(40),
	};

	memcpy(packet, &head, sizeof(head));
	memset(packet + sizeof(head), 'y', 64);
	for (size_t len = 0; len < sizeof(head) + 64; len++) {
		int err = raw_packet(packet, len, 1);

		if (len == sizeof(head) + 40)
			ck_assert_int_eq(err, 0);
		else
			ck_assert_int_eq(err, -EBADMSG);
	}
	/* Larger than any message may be. */
	head.len = htole32(UDRV_MSG_PAYLOAD + 1);
	memcpy(packet, &head, sizeof(head));
	ck_assert_int_eq(raw_packet(packet, sizeof(packet), 1), -EBADMSG);
	/* More descriptors than any message may have: none of them stays. */
	head.len = 0;
	memcpy(packet, &head, sizeof(head));
	ck_assert_int_eq(raw_packet(packet, sizeof(head), UDRV_MSG_FDS), 0);
	ck_assert_int_eq(raw_packet(packet, sizeof(head), UDRV_MSG_FDS + 1), -EBADMSG);
	ck_assert_int_eq(raw_packet(packet, sizeof(head), 60), -EBADMSG);
}
END_TEST

START_TEST(damaged_headers)
{
	struct udrv_msg_header head = {
		htole32(UDRV_MSG_MAGIC),
		htole16(UDRV_MSG_VERSION),
		htole16(UDRV_MSG_STATUS),
		htole32(1),
		0,
	};
	uint8_t *bytes = (uint8_t *)&head;

	for (size_t bit = 0; bit < sizeof(head) * 8; bit++) {
		int err;

		bytes[bit / 8] ^= 1 << bit % 8;
		err = raw_packet(&head, sizeof(head), 1);
		if (bit < 32 || bit >= 96) /* magic, length */
			ck_assert_int_eq(err, -EBADMSG);
		else if (bit < 48) /* version */
			ck_assert_int_eq(err, -EPROTONOSUPPORT);
		else /* type and id are the user's */
			ck_assert_int_eq(err, 0);
		bytes[bit / 8] ^= 1 << bit % 8;
	}
}
END_TEST

START_TEST(errors)
{
	const char *text;
	char long_text[3000];

	ck_assert_int_eq(udrv_msg_reply_error(pair[0], 3, -EBUSY, "leased by %d", 42), 0);
	ck_assert_int_eq(udrv_msg_recv(pair[1], &in), 0);
	ck_assert_uint_eq(in.id, 3);
	ck_assert_int_eq(udrv_msg_error(&in, &text), -EBUSY);
	ck_assert_str_eq(text, "leased by 42");
	memset(long_text, 'z', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	udrv_msg_set_error(&out, 0, "%s", long_text);
	ck_assert_int_eq(udrv_msg_error(&out, &text), -EIO);
	ck_assert_uint_eq(strlen(text), 1023);
	out.len = 3;
	ck_assert_int_eq(udrv_msg_error(&out, &text), -EBADMSG);
	out.len = 4;
	memset(out.data, 0xff, 4);
	ck_assert_int_eq(udrv_msg_error(&out, &text), -EBADMSG);
	udrv_msg_init(&out, UDRV_MSG_OK, 0);
	ck_assert_int_eq(udrv_msg_error(&out, &text), -EBADMSG);
}
END_TEST

START_TEST(descriptors)
{
	int fd;

	udrv_msg_init(&out, UDRV_MSG_PUT_FD, 1);
	ck_assert_int_eq(udrv_msg_add_fd(&out, -1), -EBADF);
	for (unsigned int i = 0; i < UDRV_MSG_FDS; i++)
		ck_assert_int_eq(udrv_msg_add_fd(&out, 0), 0);
	ck_assert_int_eq(udrv_msg_add_fd(&out, 0), -EMSGSIZE);
	ck_assert_int_eq(udrv_msg_send(pair[0], &out), 0);
	ck_assert_int_eq(udrv_msg_recv(pair[1], &in), 0);
	ck_assert_uint_eq(in.nfds, UDRV_MSG_FDS);
	fd = udrv_msg_take_fd(&in, 4);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(udrv_msg_take_fd(&in, 4), -ENOENT);
	ck_assert_int_eq(udrv_msg_take_fd(&in, UDRV_MSG_FDS), -ENOENT);
	udrv_msg_drop_fds(&in);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}
END_TEST

START_TEST(peer_gone)
{
	udrv_msg_init(&out, UDRV_MSG_STATUS, 1);
	close(pair[1]);
	ck_assert_int_eq(udrv_msg_send(pair[0], &out), -EPIPE);
	ck_assert_int_eq(udrv_msg_recv(pair[0], &in), -ENOTCONN);
	pair[1] = dup(pair[0]);
}
END_TEST

static int count_progress(void *ctx, struct udrv_msg *answer)
{
	unsigned int *n = ctx;

	ck_assert_uint_eq(answer->type, UDRV_MSG_PROGRESS);
	ck_assert_uint_eq(answer->nfds, 1);
	return ++*n == 3 ? -ECANCELED : 0;
}

START_TEST(call)
{
	int block[2];
	unsigned int n = 0;
	const char *text;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, block), 0);
	/* Answers that are there before the question: a packet socket keeps them apart. */
	udrv_msg_init(&out, UDRV_MSG_PROGRESS, 8);
	ck_assert_int_eq(udrv_msg_add_fd(&out, 0), 0);
	ck_assert_int_eq(udrv_msg_send(block[1], &out), 0);
	ck_assert_int_eq(udrv_msg_send(block[1], &out), 0);
	ck_assert_int_eq(udrv_msg_reply_ok(block[1], 8, "done"), 0);
	udrv_msg_init(&in, UDRV_MSG_COMMAND, 8);
	ck_assert_int_eq(udrv_msg_call(block[0], &in, count_progress, &n), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(udrv_msg_text(&in), "done");

	/* Ended by the callback. */
	ck_assert_int_eq(udrv_msg_send(block[1], &out), 0);
	udrv_msg_init(&in, UDRV_MSG_COMMAND, 8);
	ck_assert_int_eq(udrv_msg_call(block[0], &in, count_progress, &n), -ECANCELED);
	/* An error, and an answer to another question. */
	ck_assert_int_eq(udrv_msg_reply_error(block[1], 8, ENOENT, "no such device"), 0);
	udrv_msg_init(&in, UDRV_MSG_COMMAND, 8);
	ck_assert_int_eq(udrv_msg_call(block[0], &in, NULL, NULL), -ENOENT);
	ck_assert_int_eq(udrv_msg_error(&in, &text), -ENOENT);
	ck_assert_str_eq(text, "no such device");
	ck_assert_int_eq(udrv_msg_send(block[1], &out), 0);
	udrv_msg_init(&in, UDRV_MSG_COMMAND, 9);
	ck_assert_int_eq(udrv_msg_call(block[0], &in, NULL, NULL), -EBADMSG);
	close(block[1]);
	close(block[0]);
}
END_TEST

START_TEST(sockets_and_peers)
{
	char dir[] = "/tmp/udrv-test-XXXXXX", path[64];
	struct udrv_peer peer;
	struct pollfd pfd;
	struct stat sb;
	int listener, fd, status;
	pid_t pid;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	ck_assert_int_eq(udrv_proto_connect(path, false), -ENOENT);
	ck_assert_int_eq(close(open(path, O_CREAT | O_WRONLY, 0600)), 0); /* a leftover */
	listener = udrv_proto_listen(path, 0600);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(stat(path, &sb), 0);
	ck_assert_uint_eq(sb.st_mode, S_IFSOCK | 0600);

	pid = fork();
	if (pid == 0) {
		fd = udrv_proto_connect(path, false);
		_exit(fd < 0 || udrv_msg_recv(fd, &in) != 0);
	}
	fd = udrv_proto_accept(listener, true);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(udrv_proto_peer(fd, &peer), 0);
	ck_assert_int_eq(peer.pid, pid);
	ck_assert_uint_eq(peer.uid, getuid());
	ck_assert_int_ge(peer.pidfd, 0);
	pfd = (struct pollfd){ .fd = peer.pidfd, .events = POLLIN };
	ck_assert_int_eq(poll(&pfd, 1, 0), 0); /* it lives */
	ck_assert_int_eq(udrv_msg_reply_ok(fd, 1, NULL), 0);
	ck_assert_int_eq(poll(&pfd, 1, 10000), 1); /* it is gone */
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(peer.pidfd);
	close(fd);
	close(listener);
	unlink(path);
	rmdir(dir);
	memset(path, 'p', sizeof(path));
	ck_assert_int_eq(udrv_proto_connect((char[200]){ [0 ... 198] = 'p' }, false),
			 -ENAMETOOLONG);
	ck_assert_int_eq(udrv_proto_listen((char[200]){ [0 ... 198] = 'p' }, 0600), -ENAMETOOLONG);
}
END_TEST

START_TEST(names)
{
	static const char *const good[] = { "a", "nvme0", "dma-book",
					    "abcdefghijklmnopqrstuvwxyz-1234" };
	static const char *const bad[] = {
		"", "0a", "-a", "A", "a_b", "a b", "abcdefghijklmnopqrstuvwxyz-12345", "\xff"
	};
	static const char *const bad_bdf[] = { "",
					       "0000:01:00.8",
					       "0000:01:00.",
					       "0000:01:00.00",
					       "000:01:00.0",
					       "0000-01:00.0",
					       "0000:0G:00.0",
					       "0000:0A:00.0",
					       "0000:01:00:0" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert(udrv_name_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert(!udrv_name_valid(bad[i]));
	ck_assert(udrv_bdf_valid("0000:01:00.0"));
	ck_assert(udrv_bdf_valid("abcd:ef:1f.7"));
	for (size_t i = 0; i < sizeof(bad_bdf) / sizeof(bad_bdf[0]); i++)
		ck_assert(!udrv_bdf_valid(bad_bdf[i]));
}
END_TEST

START_TEST(last_message_of_a_peer_that_is_gone)
{
	struct udrv_handle h = example(), got;

	udrv_msg_init(&out, UDRV_MSG_PUT_HANDLE, 1);
	ck_assert_int_eq(udrv_msg_set_handle(&out, &h), 0);
	ck_assert_int_eq(udrv_msg_send(pair[0], &out), 0);
	close(pair[0]);
	end_first = true;
	ck_assert_int_eq(udrv_msg_recv(pair[1], &in), 0);
	ck_assert_int_eq(udrv_msg_take_handle(&in, &got), 0);
	ck_assert(same_file(got.fd[UDRV_FD_STATE], h.fd[UDRV_FD_STATE]));
	ck_assert_int_eq(udrv_msg_recv(pair[1], &in), -ENOTCONN);
	udrv_handle_close(&got);
	udrv_handle_close(&h);
	pair[0] = dup(pair[1]);
}
END_TEST

/* It looks like the end of the connection, which is not there: nobody waits for what follows it. */
START_TEST(empty_packet)
{
	int flags = fcntl(pair[1], F_GETFL);

	ck_assert_int_eq(fcntl(pair[1], F_SETFL, flags & ~O_NONBLOCK), 0);
	alarm(20);
	ck_assert_int_eq(send(pair[0], "", 0, 0), 0);
	ck_assert_int_eq(udrv_msg_recv(pair[1], &in), -EBADMSG);
	ck_assert_uint_eq(in.nfds, 0);
	alarm(0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto");
	TCase *tc = suite_case(suite, "proto", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, text);
	tcase_add_test(tc, handle);
	tcase_add_test(tc, bad_handles_are_not_sent);
	tcase_add_test(tc, mutated_handles);
	tcase_add_test(tc, truncated_packets);
	tcase_add_test(tc, damaged_headers);
	tcase_add_test(tc, errors);
	tcase_add_test(tc, descriptors);
	tcase_add_test(tc, peer_gone);
	tcase_add_test(tc, last_message_of_a_peer_that_is_gone);
	tcase_add_test(tc, empty_packet);
	tcase_add_test(tc, call);
	tcase_add_test(tc, sockets_and_peers);
	tcase_add_test(tc, names);
	return suite_run(suite);
}
