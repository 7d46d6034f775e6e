// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Custody in the fd store of systemd, for a unit with FileDescriptorStoreMax=. What is sent to it
 * outlives this process: systemd reads its queue before it looks at who has died.
 *
 * It answers nothing. What it would refuse is therefore refused here: more descriptors than it
 * keeps, names that it does not take; and a file that it has already, under whatever name, it does
 * not take once more.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "udrv/agent/custody.h"
#include "udrv/agent/fdstore.h"
#include "udrv/agent/notify.h"
#include "udrv/common/app.h"

#define ENTRIES	   (AGENT_DEVICES * (4 + UDRV_HANDLE_EXTRA) + 8)
#define HANDED_MAX 1024
#define BARRIER_MS 10000
/* As init(1) of systemd documents it: SIGRTMIN+6 starts kexec.target. */
#define START_KEXEC 6

/* One thing that is in the store. @key is what the agent calls it; @parts is 0 for a descriptor. */
struct entry {
	char key[UDRV_NAME_MAX + 1];
	struct fdstore_name name;
	unsigned int parts;
};

/* A descriptor that systemd has handed over; -1: dealt with. */
struct handed {
	struct fdstore_name name;
	int fd;
};

static struct notify systemd = { .sock = -1 };
static char boot[FDSTORE_BOOT_LEN + 1];
static uint64_t sequence;
static unsigned int room, used; /* descriptors */
static struct entry entries[ENTRIES];
static unsigned int nentries;
static bool unsettled;
static uint64_t alive_every_ns, alive_due_ns;

static struct handed handed[HANDED_MAX];
static unsigned int nhanded;

static int store(const struct fdstore_name *n, int fd)
{
	char name[NOTIFY_NAME_MAX + 1], text[NOTIFY_NAME_MAX + 64];
	int err = fdstore_name_format(n, name, sizeof(name));

	if (err)
		return err;
	/*
	 * FDPOLL=0: the lease of a host that has ended must not vanish before the next agent has
	 * seen it.
	 */
	snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	err = notify_send(&systemd, text, fd);
	if (!err)
		used++;
	unsettled = true;
	return err;
}

static void unstore_text(const char *name)
{
	char text[NOTIFY_NAME_MAX + 64];
	int err;

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	err = notify_send(&systemd, text, -1);
	if (err)
		app_err("systemd is not told to drop %s: %s", name, app_errname(err));
	unsettled = true;
}

static void unstore(const struct fdstore_name *n)
{
	char name[NOTIFY_NAME_MAX + 1];

	if (!fdstore_name_format(n, name, sizeof(name)))
		unstore_text(name);
}

static unsigned int entry_fds(const struct entry *e)
{
	return e->parts ? (unsigned int)__builtin_popcount(e->parts) : 1;
}

static void entry_unstore(const struct entry *e)
{
	struct fdstore_name n = e->name;

	if (!e->parts)
		unstore(&n);
	for (n.part = 0; n.part < FDSTORE_PARTS; n.part++)
		if (e->parts & 1u << n.part)
			unstore(&n);
	used -= entry_fds(e);
}

static struct entry *entry_find(const char *key)
{
	for (unsigned int i = 0; i < nentries; i++)
		if (!strcmp(entries[i].key, key))
			return &entries[i];
	return NULL;
}

/* @n is in the store from now on, in place of what went by this key before. */
static int entry_set(const char *key, const struct fdstore_name *n, unsigned int parts)
{
	struct entry new = { .name = *n, .parts = parts }, *e = entry_find(key);

	strcpy(new.key, key);
	new.name.part = -1;
	if (!e && nentries == ENTRIES) {
		entry_unstore(&new);
		return -ENOSPC;
	}
	if (e)
		entry_unstore(e);
	else
		e = &entries[nentries++];
	*e = new;
	return 0;
}

static int begin(struct fdstore_name *n, const char *name, unsigned int fds)
{
	if (!*name || strlen(name) > UDRV_NAME_MAX)
		return -EINVAL;
	if (used + fds > room) {
		app_err("%u descriptors are in systemd's store, which takes %u: a larger FileDescriptorStoreMax= is needed",
			used, room);
		return -ENOSPC;
	}
	*n = (struct fdstore_name){ .seq = ++sequence, .part = -1 };
	strcpy(n->boot, boot);
	strcpy(n->name, name);
	return 0;
}

/*
 * A memfd may be there already, as part of a handle that is about to be dropped: let systemd have a
 * description of its own. One that is sealed against writing may be a program, which must not be
 * open for writing.
 */
static int description(int fd)
{
	struct stat st;
	char path[32];
	int seals;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	seals = fcntl(fd, F_GET_SEALS);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, (seals > 0 && seals & F_SEAL_WRITE ? O_RDONLY : O_RDWR) | O_CLOEXEC);
}

static int put_fd(struct agent *a, const char *name, int fd)
{
	struct fdstore_name n;
	int err, own;

	(void)a;
	err = begin(&n, name, 1);
	if (err)
		return err;
	own = description(fd);
	if (own < 0)
		return errno ? -errno : -EBADF;
	err = store(&n, own);
	close(own);
	return err ? err : entry_set(name, &n, 0);
}

static int drop(struct agent *a, const char *name)
{
	struct entry *e = entry_find(name);

	(void)a;
	if (!e)
		return -ENOENT;
	entry_unstore(e);
	*e = entries[--nentries];
	/* What is dropped is closed next: it has to be gone here, too. */
	return notify_barrier(&systemd, BARRIER_MS);
}

static int store_parts(struct entry *e, const struct udrv_handle *h, int meta)
{
	int err = 0;

	for (int i = 0; i < FDSTORE_PARTS && !err; i++) {
		int fd = i == FDSTORE_META ? meta : h->fd[i];

		if (fd < 0)
			continue;
		e->name.part = i;
		err = store(&e->name, fd);
		if (!err)
			e->parts |= 1u << i;
	}
	e->name.part = -1;
	if (err && e->parts)
		entry_unstore(e);
	return err;
}

static int put_handle(struct agent *a, const struct udrv_handle *h)
{
	struct entry new = { 0 };
	unsigned int fds = 1;
	int meta, err;

	/* Its descriptors would not be taken a second time. */
	if (entry_find(h->name))
		drop(a, h->name);
	for (unsigned int i = 0; i < UDRV_HANDLE_FDS; i++)
		fds += h->fd[i] >= 0;
	err = begin(&new.name, h->name, fds);
	if (err)
		return err;
	meta = fdstore_meta_create(h);
	if (meta < 0)
		return meta;
	err = store_parts(&new, h, meta);
	close(meta);
	return err ? err : entry_set(h->name, &new.name, new.parts);
}

static int settle(struct agent *a)
{
	int err;

	(void)a;
	if (!unsettled)
		return 0;
	unsettled = false;
	err = notify_barrier(&systemd, BARRIER_MS);
	if (err)
		app_err("systemd does not read its notification socket: %s", app_errname(err));
	return err;
}

/* ---- what an earlier agent has left ------------------------------------------------------- */

static int take_handed(void)
{
	static char names[HANDED_MAX * (NOTIFY_NAME_MAX + 1)];
	const char *name = names;
	int n = notify_listen_fds(names, sizeof(names));

	if (n < 0)
		return n;
	nhanded = 0;
	for (int i = 0; i < n; i++, name += strlen(name) + 1) {
		struct handed h = { .fd = 3 + i };

		if (!fdstore_name_parse(name, &h.name)) {
			handed[nhanded++] = h;
			used++;
			if (!strcmp(h.name.boot, boot) && h.name.seq > sequence)
				sequence = h.name.seq;
			continue;
		}
		app_warn("systemd's store has a descriptor that is none of ours (%s): it is dropped",
			 name);
		close(h.fd);
		unstore_text(name);
	}
	return 0;
}

static void discard(struct handed *h)
{
	unstore(&h->name);
	close(h->fd);
	h->fd = -1;
	used--;
}

/* Handles and leases of another kernel are nothing in this one; its session is what came over. */
static void take_foreign(struct agent *a, void (*fn)(struct agent *a, const char *name, int fd))
{
	bool found = false;

	for (unsigned int i = 0; i < nhanded; i++) {
		struct handed *h = &handed[i];

		if (!strcmp(h->name.boot, boot))
			continue;
		if (found || h->name.part >= 0 || strcmp(h->name.name, "outgoing")) {
			discard(h);
			continue;
		}
		found = true;
		entry_set("incoming", &h->name, 0);
		fn(a, "incoming", h->fd);
		h->fd = -1;
	}
}

static bool same(const struct fdstore_name *a, const struct fdstore_name *b)
{
	return a->seq == b->seq && !strcmp(a->name, b->name);
}

/* All parts of one handle, if it is complete. */
static int gather(const struct fdstore_name *n, struct udrv_handle *ret, unsigned int *ret_parts)
{
	int fd[UDRV_HANDLE_FDS], meta = -1, err;

	memset(fd, -1, sizeof(fd));
	*ret_parts = 0;
	for (unsigned int i = 0; i < nhanded; i++) {
		const struct handed *h = &handed[i];

		if (h->fd < 0 || h->name.part < 0 || !same(&h->name, n) ||
		    *ret_parts & 1u << h->name.part)
			continue;
		*ret_parts |= 1u << h->name.part;
		if (h->name.part == FDSTORE_META)
			meta = h->fd;
		else
			fd[h->name.part] = h->fd;
	}
	err = meta < 0 ? -EBADMSG : fdstore_meta_read(meta, fd, ret);
	if (!err && strcmp(ret->name, n->name))
		err = -EBADMSG;
	return err;
}

/* Its descriptors are the handle's now. */
static void taken(const struct fdstore_name *n)
{
	for (unsigned int i = 0; i < nhanded; i++) {
		struct handed *h = &handed[i];

		if (h->fd < 0 || h->name.part < 0 || !same(&h->name, n))
			continue;
		if (h->name.part == FDSTORE_META)
			close(h->fd);
		h->fd = -1;
	}
}

/* A name twice: the older one was about to be dropped. */
static bool superseded(const struct fdstore_name *n)
{
	for (unsigned int i = 0; i < nhanded; i++) {
		const struct handed *h = &handed[i];
		struct udrv_handle handle;
		unsigned int parts;

		if (h->fd >= 0 && h->name.seq > n->seq && !strcmp(h->name.name, n->name) &&
		    (h->name.part < 0) == (n->part < 0) &&
		    (n->part < 0 || !gather(&h->name, &handle, &parts)))
			return true;
	}
	return false;
}

/* In the order in which they were put. */
static struct handed *oldest(bool handle)
{
	struct handed *best = NULL;

	for (unsigned int i = 0; i < nhanded; i++) {
		struct handed *h = &handed[i];

		if (h->fd < 0 || (h->name.part >= 0) != handle)
			continue;
		if (!best || h->name.seq < best->name.seq)
			best = h;
	}
	return best;
}

static void discard_parts(const struct fdstore_name *n)
{
	for (unsigned int i = 0; i < nhanded; i++)
		if (handed[i].fd >= 0 && handed[i].name.part >= 0 && same(&handed[i].name, n))
			discard(&handed[i]);
}

static void take_handles(struct agent *a, void (*fn)(struct agent *a, struct udrv_handle *h))
{
	struct handed *h;

	while ((h = oldest(true))) {
		struct fdstore_name n = h->name;
		struct udrv_handle handle;
		unsigned int parts;
		int err = gather(&n, &handle, &parts);

		if (err)
			app_warn("%s: systemd's store has no complete handle of that name: what there is of it is dropped",
				 n.name);
		if (!err && !superseded(&n))
			err = entry_set(n.name, &n, parts);
		else
			err = -ESTALE;
		if (err) {
			discard_parts(&n);
			continue;
		}
		taken(&n);
		fn(a, &handle);
	}
}

static void take_fds(struct agent *a, void (*fn)(struct agent *a, const char *name, int fd))
{
	struct handed *h;

	while ((h = oldest(false))) {
		int fd = h->fd;

		if (superseded(&h->name) || entry_set(h->name.name, &h->name, 0)) {
			discard(h);
			continue;
		}
		h->fd = -1;
		fn(a, h->name.name, fd);
	}
}

static int get_all(struct agent *a, void (*handle)(struct agent *a, struct udrv_handle *h),
		   void (*fd)(struct agent *a, const char *name, int fd))
{
	int err = take_handed();

	if (err) {
		app_err("what systemd hands over ($LISTEN_FDS, $LISTEN_FDNAMES) makes no sense: %s",
			app_errname(err));
		return err;
	}
	take_foreign(a, fd);
	take_handles(a, handle);
	take_fds(a, fd);
	return settle(a);
}

/* ---- the service ---------------------------------------------------------------------------- */

static int ready(struct agent *a)
{
	unsigned int running = 0;
	char text[96];

	for (unsigned int i = 0; i < a->ndev; i++)
		running += a->dev[i].state == DEV_RUNNING;
	snprintf(text, sizeof(text),
		 "READY=1\nSTATUS=%u of %u device(s) running, %llu live update(s)", running,
		 a->ndev, (unsigned long long)a->cycle);
	return notify_send(&systemd, text, -1);
}

/*
 * Other services and file systems are systemd's to put in order. It keeps the session open, and
 * hands it to the same unit in the next kernel.
 */
static int leave(struct agent *a)
{
	int err = settle(a);

	if (err)
		return err;
	notify_send(&systemd, "STATUS=Live update: systemd goes on to the next kernel", -1);
	return kill(1, SIGRTMIN + START_KEXEC) ? -errno : 0;
}

static uint64_t alive(struct agent *a)
{
	uint64_t now = app_now_ns();

	(void)a;
	if (!alive_every_ns)
		return UINT64_MAX;
	if (now >= alive_due_ns) {
		notify_send(&systemd, "WATCHDOG=1", -1);
		alive_due_ns = now + alive_every_ns;
	}
	return alive_due_ns;
}

/* There is nothing to put in order: the next agent finds everything in the store. */
static void stopping(int sig)
{
	(void)sig;
	notify_send(&systemd, "STOPPING=1", -1);
	_exit(APP_OK);
}

static void open_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (!usec || (pid && atoi(pid) != getpid()))
		return;
	alive_every_ns = strtoull(usec, NULL, 10) * 1000 / 2;
	alive_due_ns = 0;
}

int custody_fdstore_open(void)
{
	const struct sigaction stop = { .sa_handler = stopping };
	const char *address = getenv("NOTIFY_SOCKET"), *max = getenv("FDSTORE");
	int err;

	if (!address)
		return -ENOENT;
	room = max ? (unsigned int)strtoul(max, NULL, 10) : 0;
	if (!room)
		return -ENOTSUP;
	err = notify_open(&systemd, address);
	if (!err)
		err = fdstore_boot(boot);
	if (err) {
		app_err("systemd's fd store cannot be used: %s", app_errname(err));
		return err;
	}
	used = nentries = 0;
	open_watchdog();
	sigaction(SIGTERM, &stop, NULL);
	return 0;
}

const struct custody_backend custody_fdstore = {
	.name = "systemd",
	.opens_luo = true,
	.closes_late = true,
	.get_all = get_all,
	.put_handle = put_handle,
	.put_fd = put_fd,
	.settle = settle,
	.drop = drop,
	.ready = ready,
	.leave = leave,
	.alive = alive,
};
