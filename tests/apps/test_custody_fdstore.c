// SPDX-License-Identifier: BSD-2-Clause
/*
 * Custody in systemd's fd store: what was put comes back to the next agent, whole and once; what is
 * damaged, or of another kernel, does not.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/apps/fake_systemd.h"
#include "tests/unit/suite.h"
#include "udrv/agent/custody.h"
#include "udrv/agent/fdstore.h"

#define OTHER "0badcafe"

struct expected {
	ino_t state, extra, lease;
};

static int look_all(const void *ctx)
{
	const struct expected *e = ctx;
	const struct udrv_handle *h = got_handle;

	WANT(ngot_handles == 1 && ngot_fds == 1);
	WANT(!strcmp(h->name, "nvme0") && !strcmp(h->bdf, "0000:01:00.0") &&
	     !strcmp(h->driver, "nvme"));
	WANT(h->noiommu && h->ioas_id == 3);
	WANT(h->fd[UDRV_FD_VFIO] >= 0 && h->fd[UDRV_FD_IOMMU] < 0 && h->fd[UDRV_FD_EXTRA] < 0);
	WANT(inode(h->fd[UDRV_FD_STATE]) == e->state &&
	     inode(h->fd[UDRV_FD_EXTRA + 1]) == e->extra);
	WANT(inode(got("lease-nvme0")) == e->lease);
	WANT(fcntl(h->fd[UDRV_FD_STATE], F_GETFD) & FD_CLOEXEC);
	WANT(!getenv("LISTEN_FDS") && !getenv("LISTEN_PID"));
	return 0;
}

static void put_all(struct expected *e)
{
	struct udrv_handle h = make_handle("nvme0");
	int lease = temp();

	*e = (struct expected){ inode(h.fd[UDRV_FD_STATE]), inode(h.fd[UDRV_FD_EXTRA + 1]),
				inode(lease) };
	ck_assert_int_eq(custody_fdstore.put_handle(&agent, &h), 0);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "lease-nvme0", lease), 0);
	udrv_handle_close(&h);
	close(lease);
}

START_TEST(comes_back)
{
	struct expected e;

	put_all(&e);
	ck_assert_int_eq(custody_fdstore.settle(&agent), 0);
	ck_assert_uint_eq(pid1_count(), 6);
	next_agent(NULL, 0, look_all, &e);
	/* Also a second time: to hand over takes nothing away. */
	next_agent(NULL, 0, look_all, &e);
	ck_assert_int_eq(custody_fdstore.drop(&agent, "lease-nvme0"), 0);
	ck_assert_int_eq(custody_fdstore.drop(&agent, "lease-nvme0"), -ENOENT);
	ck_assert_uint_eq(nstored, 5);
	ck_assert_int_eq(custody_fdstore.drop(&agent, "nvme0"), 0);
	ck_assert_uint_eq(nstored, 0);
}
END_TEST

static int look_dropped(const void *ctx)
{
	int err = look_all(ctx);

	WANT(!err);
	WANT(!custody_fdstore.drop(&agent, "nvme0") &&
	     !custody_fdstore.drop(&agent, "lease-nvme0"));
	return 0;
}

START_TEST(next_agent_drops)
{
	struct expected e;

	put_all(&e);
	next_agent(NULL, 0, look_dropped, &e);
	ck_assert_uint_eq(nstored, 0);
}
END_TEST

static int look_directory(const void *ctx)
{
	WANT(ngot_handles == 0 && ngot_fds == 1 && inode(got("directory")) == *(const ino_t *)ctx);
	return 0;
}

START_TEST(newest_counts)
{
	int old = temp(), new = temp();
	ino_t want = inode(new);

	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "directory", old), 0);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "directory", new), 0);
	ck_assert_uint_eq(pid1_count(), 1);
	next_agent(NULL, 0, look_directory, &want);
	/* An agent that died between the two messages. */
	pthread_mutex_lock(&store_lock);
	pid1_store(name_of(this_boot(), 1, "directory", -1), fcntl(old, F_DUPFD_CLOEXEC, 0));
	pthread_mutex_unlock(&store_lock);
	ck_assert_uint_eq(pid1_count(), 2);
	next_agent(NULL, 0, look_directory, &want);
	ck_assert_uint_eq(nstored, 1);
}
END_TEST

static int look_nothing(const void *ctx)
{
	(void)ctx;
	WANT(ngot_handles == 0 && ngot_fds == 0);
	return 0;
}

static int look_lease(const void *ctx)
{
	WANT(ngot_handles == 0 && ngot_fds == 1 &&
	     inode(got("lease-nvme0")) == ((const struct expected *)ctx)->lease);
	return 0;
}

/* What is instead of a handle's part; -1: nothing. */
static void replace_part(int part, int fd)
{
	int i;

	pid1_settled();
	pthread_mutex_lock(&store_lock);
	i = find("nvme0", part);
	ck_assert_int_ge(i, 0);
	if (fd >= 0) {
		close(stored[i].fd);
		stored[i].fd = fd;
	} else {
		char name[sizeof(stored[0].name)];

		strcpy(name, stored[i].name);
		pid1_remove(name);
	}
	pthread_mutex_unlock(&store_lock);
}

static int damaged_meta(int how)
{
	struct udrv_handle h = make_handle("nvme0"), other = make_handle("nvme1");
	char buf[512];
	int meta, fd = temp();
	ssize_t len;

	if (how == 5)
		h.fd[UDRV_FD_DMA] = -1;
	meta = fdstore_meta_create(how == 6 ? &other : &h);
	ck_assert_int_ge(meta, 0);
	len = pread(meta, buf, sizeof(buf), 0);
	ck_assert_int_gt(len, 16);
	if (how == 0)
		len = 0;
	else if (how == 1)
		len--;
	else if (how == 2)
		len++;
	else if (how == 3)
		buf[0] ^= 1;
	else if (how == 4)
		buf[len / 2] ^= 1;
	ck_assert_int_eq(pwrite(fd, buf, (size_t)len, 0), len);
	close(meta);
	return how == 7 ? open("/dev/null", O_RDWR | O_CLOEXEC) : fd;
}

/* Empty, short, long, bad magic, bad checksum, other descriptors, another's, no memfd. */
START_TEST(damaged)
{
	struct expected e;

	put_all(&e);
	replace_part(FDSTORE_META, damaged_meta(_i));
	next_agent(NULL, 0, look_lease, &e);
	/* Nothing of it stays: the device's last descriptor closes it. */
	ck_assert_uint_eq(nstored, 1);
}
END_TEST

START_TEST(incomplete)
{
	static const int part[] = { FDSTORE_META, UDRV_FD_VFIO, UDRV_FD_EXTRA + 1 };
	struct expected e;

	put_all(&e);
	replace_part(part[_i], -1);
	next_agent(NULL, 0, look_lease, &e);
	ck_assert_uint_eq(nstored, 1);
}
END_TEST

static int look_incoming(const void *ctx)
{
	WANT(ngot_handles == 0 && ngot_fds == 1 && inode(got("incoming")) == *(const ino_t *)ctx);
	WANT(!custody_fdstore.drop(&agent, "incoming"));
	return 0;
}

/* Only the session is of use after a kexec. */
START_TEST(other_kernel)
{
	int session = temp();
	ino_t want = inode(session);

	pthread_mutex_lock(&store_lock);
	pid1_store(name_of(OTHER, 4, "directory", -1), temp());
	pid1_store(name_of(OTHER, 9, "outgoing", -1), session);
	pid1_store(name_of(OTHER, 5, "nvme0", FDSTORE_META), temp());
	pid1_store(name_of(OTHER, 5, "nvme0", UDRV_FD_STATE), temp());
	pid1_store(name_of("12345678", 5, "outgoing", -1), temp());
	pid1_store("stranger", temp());
	pthread_mutex_unlock(&store_lock);
	next_agent(NULL, 0, look_incoming, &want);
	ck_assert_uint_eq(nstored, 0);
}
END_TEST

static void of_another(void)
{
	setenv("LISTEN_PID", "1", 1);
}

static void nonsense_pid(void)
{
	setenv("LISTEN_PID", "12x", 1);
}

static void too_many(void)
{
	setenv("LISTEN_FDS", "7", 1);
}

static void far_too_many(void)
{
	setenv("LISTEN_FDS", "99999999999", 1);
}

static void negative(void)
{
	setenv("LISTEN_FDS", "-1", 1);
}

static void no_names(void)
{
	unsetenv("LISTEN_FDNAMES");
}

/* Names enough, but no such descriptors. */
static void closed(void)
{
	for (unsigned int i = nstored; i < 300; i++)
		strcat(listen_names, ":x");
	setenv("LISTEN_FDNAMES", listen_names, 1);
	setenv("LISTEN_FDS", "300", 1);
}

START_TEST(environment)
{
	struct expected e;

	put_all(&e);
	next_agent(of_another, 0, look_nothing, NULL);
	next_agent(nonsense_pid, -EBADMSG, look_nothing, NULL);
	next_agent(too_many, -EBADMSG, look_nothing, NULL);
	next_agent(far_too_many, -EBADMSG, look_nothing, NULL);
	next_agent(negative, -EBADMSG, look_nothing, NULL);
	next_agent(no_names, -EBADMSG, look_nothing, NULL);
	next_agent(closed, -EBADMSG, look_nothing, NULL);
	ck_assert_uint_eq(nstored, 6);
}
END_TEST

START_TEST(full)
{
	struct udrv_handle h = make_handle("nvme0");
	unsigned int n = 0;
	char name[16];
	int err, fd;

	do {
		snprintf(name, sizeof(name), "fd%u", n);
		fd = temp();
		err = custody_fdstore.put_fd(&agent, name, fd);
		close(fd);
	} while (!err && ++n < 100);
	ck_assert_int_eq(err, -ENOSPC);
	ck_assert_uint_eq(n, 64);
	ck_assert_uint_eq(pid1_count(), 64);
	/* Of a handle there is all or nothing. */
	for (unsigned int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "fd%u", i);
		ck_assert_int_eq(custody_fdstore.drop(&agent, name), 0);
		ck_assert_int_eq(custody_fdstore.put_handle(&agent, &h), -ENOSPC);
		ck_assert_uint_eq(pid1_count(), 63 - i);
	}
	ck_assert_int_eq(custody_fdstore.drop(&agent, "fd4"), 0);
	ck_assert_int_eq(custody_fdstore.put_handle(&agent, &h), 0);
	ck_assert_uint_eq(pid1_count(), 64);
}
END_TEST

static int look_consumer(const void *ctx)
{
	int program = got("program-nvme0");

	WANT(ngot_handles == 0 && ngot_fds == 2 &&
	     inode(got("consumer1-nvme0")) == *(const ino_t *)ctx);
	WANT((fcntl(got("consumer1-nvme0"), F_GETFL) & O_ACCMODE) == O_RDWR);
	WANT((fcntl(program, F_GETFL) & O_ACCMODE) == O_RDONLY);
	WANT(fcntl(program, F_GET_SEALS) & F_SEAL_WRITE);
	return 0;
}

/*
 * systemd keeps a file once: a handle's memory that is put under another name
 * must not go with the handle.
 */
START_TEST(same_file)
{
	struct udrv_handle h = make_handle("nvme0");
	ino_t want = inode(h.fd[UDRV_FD_EXTRA + 1]);
	int program = temp();

	ck_assert_int_eq(fcntl(program, F_ADD_SEALS, F_SEAL_WRITE), 0);
	ck_assert_int_eq(custody_fdstore.put_handle(&agent, &h), 0);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "consumer1-nvme0", h.fd[UDRV_FD_EXTRA + 1]),
			 0);
	ck_assert_int_eq(custody_fdstore.put_fd(&agent, "program-nvme0", program), 0);
	ck_assert_int_eq(custody_fdstore.drop(&agent, "nvme0"), 0);
	ck_assert_uint_eq(nstored, 2);
	next_agent(NULL, 0, look_consumer, &want);
}
END_TEST

/* The same handle once more: systemd would not take its descriptors while it has them. */
START_TEST(same_handle)
{
	struct udrv_handle h = make_handle("nvme0");

	ck_assert_int_eq(custody_fdstore.put_handle(&agent, &h), 0);
	ck_assert_int_eq(custody_fdstore.put_handle(&agent, &h), 0);
	ck_assert_uint_eq(pid1_count(), 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("custody_fdstore");
	TCase *tc = suite_case(suite, "next agent", 120);

	tcase_add_checked_fixture(tc, pid1_start, NULL);
	tcase_add_test(tc, comes_back);
	tcase_add_test(tc, next_agent_drops);
	tcase_add_test(tc, newest_counts);
	tcase_add_loop_test(tc, damaged, 0, 8);
	tcase_add_loop_test(tc, incomplete, 0, 3);
	tcase_add_test(tc, other_kernel);
	tcase_add_test(tc, environment);
	tcase_add_test(tc, full);
	tcase_add_test(tc, same_file);
	tcase_add_test(tc, same_handle);
	return suite_run(suite);
}
