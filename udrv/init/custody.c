// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Custody: PID 1 keeps duplicates of every descriptor on which a running device depends, so that
 * agent and hosts may die at any moment. It does not look into what it keeps.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <udrv/handle.h>
#include <udrv/proto.h>

#include "udrv/common/app.h"
#include "udrv/common/luo.h"
#include "udrv/init/init.h"

/*
 * Each of 16 devices: its lease, how it was started, its program, and four memfds of its consumers
 * while it has no handle.
 */
#define CUSTODY_MAX 128

struct kept_fd {
	char name[UDRV_NAME_MAX + 1];
	int fd;
};

static struct udrv_handle handles[CUSTODY_MAX];
static unsigned int nhandles;
static struct kept_fd fds[CUSTODY_MAX];
static unsigned int nfds;

static int put_handle(struct udrv_msg *m)
{
	struct udrv_handle h;
	unsigned int i;
	int err;

	err = udrv_msg_take_handle(m, &h);
	if (err)
		return err;
	for (i = 0; i < nhandles; i++)
		if (!strcmp(handles[i].name, h.name))
			break;
	if (i == CUSTODY_MAX) {
		udrv_handle_close(&h);
		return -ENOSPC;
	}
	if (i < nhandles)
		udrv_handle_close(&handles[i]);
	else
		nhandles++;
	handles[i] = h;
	return 0;
}

static void keep_fd(const char *name, int fd)
{
	strcpy(fds[nfds].name, name);
	fds[nfds++].fd = fd;
}

static int put_fd(struct udrv_msg *m)
{
	const char *name = udrv_msg_text(m);
	unsigned int i;
	int fd;

	if (!name || !*name || strlen(name) > UDRV_NAME_MAX || m->nfds != 1)
		return -EINVAL;
	for (i = 0; i < nfds; i++)
		if (!strcmp(fds[i].name, name))
			break;
	if (i == CUSTODY_MAX)
		return -ENOSPC;
	fd = udrv_msg_take_fd(m, 0);
	if (fd < 0)
		return fd;
	if (i < nfds)
		close(fds[i].fd);
	else
		strcpy(fds[nfds++].name, name);
	fds[i].fd = fd;
	return 0;
}

static int drop(const char *name)
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
		err = drop(udrv_msg_text(m));
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

int custody_give_session(int sock)
{
	static struct udrv_msg m;
	int luo = luo_open();
	int session = luo < 0 ? luo : luo_retrieve_session(luo, SESSION_NAME);
	int err;

	if (session >= 0)
		keep_fd("incoming", session);
	udrv_msg_init(&m, UDRV_MSG_SESSION, 0);
	udrv_msg_set_session(&m, luo, session);
	err = udrv_msg_send(sock, &m);
	/* One process at a time may have it open, and that is the agent. */
	if (luo >= 0)
		close(luo);
	return err;
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
