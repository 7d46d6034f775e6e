// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Custody: PID 1 keeps duplicates of every descriptor on which a running device depends, so that
 * agent and hosts may die at any moment. It does not look into what it keeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <udrv/handle.h>
#include <udrv/proto.h>

#include "udrv/common/app.h"
#include "udrv/init/init.h"

/*
 * Each of 16 devices: its lease, how it was started or why it was not, its host's connection, its
 * program, and four memfds of its consumers while it has no handle.
 */
#define CUSTODY_MAX 160

struct kept_fd {
	char name[UDRV_NAME_MAX + 1];
	int fd;
};

static struct udrv_handle handles[CUSTODY_MAX];
static unsigned int nhandles;
static struct kept_fd fds[CUSTODY_MAX];
static unsigned int nfds;

static int store_handle(struct udrv_handle *h)
{
	unsigned int i;

	for (i = 0; i < nhandles; i++)
		if (!strcmp(handles[i].name, h->name))
			break;
	if (i == CUSTODY_MAX) {
		udrv_handle_close(h);
		return -ENOSPC;
	}
	if (i < nhandles)
		udrv_handle_close(&handles[i]);
	handles[i] = *h;
	/* Counted when it is there: a takeover may end at any moment. */
	atomic_signal_fence(memory_order_release);
	if (i == nhandles)
		nhandles++;
	return 0;
}

static int put_handle(struct udrv_msg *m)
{
	struct udrv_handle h;
	int err;

	err = udrv_msg_take_handle(m, &h);
	return err ? err : store_handle(&h);
}

int custody_keep_handle(const struct udrv_handle *h)
{
	struct udrv_handle dup;
	int err;

	err = udrv_handle_dup(h, &dup);
	return err ? err : store_handle(&dup);
}

static int store_fd(const char *name, int fd)
{
	unsigned int i;

	for (i = 0; i < nfds; i++)
		if (!strcmp(fds[i].name, name))
			break;
	if (i == CUSTODY_MAX) {
		close(fd);
		return -ENOSPC;
	}
	if (i < nfds)
		close(fds[i].fd);
	else
		strcpy(fds[i].name, name);
	fds[i].fd = fd;
	atomic_signal_fence(memory_order_release);
	if (i == nfds)
		nfds++;
	return 0;
}

static bool name_ok(const char *name)
{
	return name && *name && strlen(name) <= UDRV_NAME_MAX;
}

static int put_fd(struct udrv_msg *m)
{
	const char *name = udrv_msg_text(m);
	int fd;

	if (!name_ok(name) || m->nfds != 1)
		return -EINVAL;
	fd = udrv_msg_take_fd(m, 0);
	return fd < 0 ? fd : store_fd(name, fd);
}

int custody_keep_fd(const char *name, int fd)
{
	int dup;

	if (!name_ok(name))
		return -EINVAL;
	dup = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return dup < 0 ? -errno : store_fd(name, dup);
}

int custody_forget(const char *name)
{
	if (!name)
		return -EINVAL;
	for (unsigned int i = 0; i < nhandles; i++) {
		if (strcmp(handles[i].name, name))
			continue;
		udrv_handle_close(&handles[i]);
		handles[i] = handles[--nhandles];
		return 0;
	}
	for (unsigned int i = 0; i < nfds; i++) {
		if (strcmp(fds[i].name, name))
			continue;
		close(fds[i].fd);
		fds[i] = fds[--nfds];
		return 0;
	}
	return -ENOENT;
}

bool custody_keeps(const char *name)
{
	for (unsigned int i = 0; i < nhandles && i < CUSTODY_MAX; i++)
		if (!strcmp(handles[i].name, name))
			return true;
	for (unsigned int i = 0; i < nfds && i < CUSTODY_MAX; i++)
		if (!strcmp(fds[i].name, name))
			return true;
	return false;
}

static int give_all(int sock, uint32_t id)
{
	static struct udrv_msg m;
	int err;

	for (unsigned int i = 0; i < nhandles; i++) {
		udrv_msg_init(&m, UDRV_MSG_HANDLE, id);
		err = udrv_msg_set_handle(&m, &handles[i]);
		if (!err)
			err = udrv_msg_send(sock, &m);
		if (err)
			return err;
	}
	for (unsigned int i = 0; i < nfds; i++) {
		udrv_msg_init(&m, UDRV_MSG_FD, id);
		err = udrv_msg_set_text(&m, fds[i].name);
		if (!err)
			err = udrv_msg_add_fd(&m, fds[i].fd);
		if (!err)
			err = udrv_msg_send(sock, &m);
		if (err)
			return err;
	}
	return 0;
}

int custody_serve(int sock, struct udrv_msg *m, bool *ret_ready)
{
	int err = 0;

	switch (m->type) {
	case UDRV_MSG_PUT_HANDLE:
		err = put_handle(m);
		break;
	case UDRV_MSG_PUT_FD:
		err = put_fd(m);
		break;
	case UDRV_MSG_DROP:
		err = custody_forget(udrv_msg_text(m));
		break;
	case UDRV_MSG_GET_ALL:
		err = give_all(sock, m->id);
		if (err)
			return err;
		break;
	case UDRV_MSG_READY:
		*ret_ready = true;
		break;
	default:
		err = -EOPNOTSUPP;
	}
	udrv_msg_drop_fds(m);
	if (err)
		return udrv_msg_reply_error(sock, m->id, err, "custody request %u", m->type);
	return udrv_msg_reply_ok(sock, m->id, NULL);
}

int custody_next(int sock, bool *ret_ready)
{
	static struct udrv_msg m;
	int err;

	err = udrv_msg_recv(sock, &m);
	/* A connection that is reset, with answers in it that nobody read, tells so before it gives
	 * the rest. */
	if (err == -ENOTCONN)
		err = udrv_msg_recv(sock, &m);
	if (err)
		return err;
	err = custody_serve(sock, &m, ret_ready);
	return err == -EPIPE || err == -ECONNRESET ? 0 : err;
}

bool custody_drain(int sock, bool *ret_ready)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };

	while (poll(&p, 1, 0) > 0)
		if (custody_next(sock, ret_ready))
			return false;
	return true;
}

void custody_close_others(void)
{
	int keep[CUSTODY_MAX * (UDRV_HANDLE_FDS + 1)];
	unsigned int n = 0;

	for (unsigned int i = 0; i < nhandles && i < CUSTODY_MAX; i++)
		for (unsigned int f = 0; f < UDRV_HANDLE_FDS; f++)
			keep[n++] = handles[i].fd[f];
	for (unsigned int i = 0; i < nfds && i < CUSTODY_MAX; i++)
		keep[n++] = fds[i].fd;
	app_close_others(keep, n);
}
