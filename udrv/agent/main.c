// SPDX-License-Identifier: GPL-2.0-or-later
/* udrv-agent: connections, leases that end, and children. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/common/client.h"
#include "udrv/common/json.h"

struct agent_device *agent_find(struct agent *a, const char *name)
{
	for (unsigned int i = 0; name && i < a->ndev; i++)
		if (!strcmp(a->dev[i].h.name, name))
			return &a->dev[i];
	return NULL;
}

struct agent_device *agent_add(struct agent *a, const char *name)
{
	struct agent_device *d;

	if (a->ndev == AGENT_DEVICES || strlen(name) >= sizeof(d->h.name))
		return NULL;
	d = &a->dev[a->ndev++];
	*d = (struct agent_device){
		.h = UDRV_HANDLE_INIT, .sock = -1, .pidfd = -1, .pid = -1, .program = -1
	};
	strcpy(d->h.name, name);
	backoff_init(&d->backoff);
	return d;
}

static struct json_object *device_json(const struct agent_device *d)
{
	struct json_object *o = json_object_new_object();

	json_set_str(o, "name", d->h.name);
	json_set_str(o, "bdf", d->h.bdf);
	json_set_str(o, "driver", d->h.driver);
	policy_json(d, o);
	json_set_bool(o, "noiommu", d->h.noiommu);
	json_set_str(o, "state", device_state_name(d->state));
	if (d->start[0])
		json_set_str(o, "start", d->start);
	if (d->error[0])
		json_set_str(o, "error", d->error);
	if (d->pidfd >= 0)
		json_set_u64(o, "pid", (uint64_t)d->pid);
	json_set_u64(o, "restarts", d->restarts);
	json_set_u64(o, "restarts_in_a_row", d->backoff.streak);
	return o;
}

static struct json_object *status_json(const struct agent *a)
{
	struct json_object *o = json_object_new_object(), *devices = json_object_new_array();
	struct utsname un;

	uname(&un);
	json_set_str(o, "kernel_release", un.release);
	json_set_u64(o, "cycle", a->cycle);
	json_set_bool(o, "ready", a->ready);
	json_set_str(o, "session", a->incoming >= 0 ? "incoming" : "none");
	json_set_bool(o, "liveupdate", !a->luo_err);
	json_set_u64(o, "tsc_init", a->tsc_init);
	json_set(o, "update", update_json());
	for (unsigned int i = 0; i < a->ndev; i++)
		json_object_array_add(devices, device_json(&a->dev[i]));
	json_set(o, "devices", devices);
	return o;
}

static int reply_json(int sock, uint32_t id, struct json_object *o)
{
	int err = udrv_msg_reply_ok(sock, id, json_text(o));

	json_object_put(o);
	return err;
}

static int serve_set(struct agent *a, struct agent_client *c, uint32_t id, struct json_object *req)
{
	struct agent_device *d = agent_find(a, json_get_str(req, "device", ""));
	char why[192] = "";
	int err;

	if (!d)
		return udrv_msg_reply_error(c->sock, id, ENOENT, "no such device");
	err = policy_set(a, d, req, why, sizeof(why));
	if (err)
		return udrv_msg_reply_error(c->sock, id, err, "%s", why);
	return reply_json(c->sock, id, device_json(d));
}

/* Answered when the device runs again, or has failed. */
static int serve_restart(struct agent *a, struct agent_client *c, struct udrv_msg *m,
			 struct json_object *req)
{
	struct agent_device *d = agent_find(a, json_get_str(req, "device", ""));
	char why[192] = "";
	int program = m->nfds ? udrv_msg_take_fd(m, 0) : -1;
	int err;

	if (!d) {
		err = -ENOENT;
		snprintf(why, sizeof(why), "no such device");
	} else if (update_active()) {
		err = -EBUSY;
		snprintf(why, sizeof(why), "an update is under way");
	} else {
		err = device_restart(a, d, program, why, sizeof(why));
	}
	if (err) {
		if (program >= 0)
			close(program);
		return udrv_msg_reply_error(c->sock, m->id, err, "%s", why);
	}
	c->wait_device = d;
	c->id = m->id;
	return 0;
}

static int serve_report(struct agent *a, struct agent_client *c, uint32_t id)
{
	struct json_object *report = report_json(a);

	return report ? reply_json(c->sock, id, report) :
			udrv_msg_reply_error(c->sock, id, ENOENT,
					     "there was no update since the cold boot");
}

static int serve_command(struct agent *a, struct agent_client *c, struct udrv_msg *m)
{
	const char *text = udrv_msg_text(m);
	struct json_object *req = text ? json_tokener_parse(text) : NULL;
	const char *command = json_get_str(req, "command", "");
	int err = 0;

	if (!strcmp(command, "wait")) {
		c->wait_ready = true;
		c->id = m->id;
	} else if (!strcmp(command, "report")) {
		err = serve_report(a, c, m->id);
	} else if (!strcmp(command, "abort")) {
		err = update_abort(c, m->id);
	} else if (!strcmp(command, "commit")) {
		err = update_commit(c, m->id);
	} else if (!strcmp(command, "set")) {
		err = serve_set(a, c, m->id, req);
	} else if (!strcmp(command, "restart")) {
		err = serve_restart(a, c, m, req);
	} else {
		err = udrv_msg_reply_error(c->sock, m->id, EOPNOTSUPP,
					   "the agent knows no command '%s'", command);
	}
	json_object_put(req);
	return err;
}

static int serve_adopted(struct agent *a, struct agent_client *c, struct udrv_msg *m)
{
	const char *text = udrv_msg_text(m);
	struct json_object *o = text ? json_tokener_parse(text) : NULL;
	struct agent_device *d = agent_find(a, json_get_str(o, "device", ""));
	const char *start = json_get_str(o, "start", "");
	struct udrv_peer peer = { .pidfd = -1 };
	int err;

	err = udrv_proto_peer(c->sock, &peer);
	if (peer.pidfd >= 0)
		close(peer.pidfd);
	if (err || !d || d->pidfd < 0 || (c->owner != d && peer.pid != d->pid)) {
		err = udrv_msg_reply_error(c->sock, m->id, EPERM, "the lease is not yours");
	} else {
		err = device_adopted(a, d, start, json_get_str(o, "why", ""));
		err = err ? udrv_msg_reply_error(c->sock, m->id, err, "it cannot be recorded: %s",
						 strerror(-err)) :
			    udrv_msg_reply_ok(c->sock, m->id, NULL);
	}
	json_object_put(o);
	return err;
}

static int serve_lease(struct agent *a, struct agent_client *c, struct udrv_msg *m)
{
	struct agent_device *d = agent_find(a, udrv_msg_text(m));
	int err;

	if (!d)
		return udrv_msg_reply_error(c->sock, m->id, ENOENT, "no such device");
	if (m->type == UDRV_MSG_LEASE_WAIT && d->pidfd >= 0 && d->state == DEV_RUNNING) {
		c->wait_lease = d;
		c->id = m->id;
		return 0;
	}
	err = device_lease(a, d, c->sock, m->id);
	return err;
}

static int serve_one(struct agent *a, struct agent_client *c)
{
	static struct udrv_msg m;
	int err;

	err = udrv_msg_recv(c->sock, &m);
	if (err)
		return err == -EAGAIN ? 0 : err;
	switch (m.type) {
	case UDRV_MSG_LEASE:
	case UDRV_MSG_LEASE_WAIT:
		err = serve_lease(a, c, &m);
		break;
	case UDRV_MSG_ADOPTED:
		err = serve_adopted(a, c, &m);
		break;
	case UDRV_MSG_STATUS:
		err = reply_json(c->sock, m.id, status_json(a));
		break;
	case UDRV_MSG_COMMAND:
		err = serve_command(a, c, &m);
		break;
	case UDRV_MSG_UPDATE:
		err = agent_update(a, c, &m);
		break;
	default:
		err = udrv_msg_reply_error(c->sock, m.id, EOPNOTSUPP,
					   "the agent knows no message %u", m.type);
	}
	udrv_msg_drop_fds(&m);
	return err;
}

/*
 * The first places are of hosts that were forked with their connection, one a device; the others
 * are anybody's.
 */
static struct agent_client *free_client(struct agent *a, bool forked)
{
	unsigned int i = forked ? 0 : AGENT_DEVICES, end = forked ? AGENT_DEVICES : AGENT_CLIENTS;

	while (i < end && a->client[i].sock >= 0)
		i++;
	return i < end ? &a->client[i] : NULL;
}

void agent_client(struct agent *a, int sock, struct agent_device *owner)
{
	struct agent_client *c = free_client(a, owner);

	/* A forked host's connection is made to wait; the agent waits for nobody. */
	if (c && !fcntl(sock, F_SETFL, O_RDWR | O_NONBLOCK))
		*c = (struct agent_client){ .sock = sock, .owner = owner };
	else
		close(sock);
}

/* A client whose answers do not fit any more, as it does not read them, is hung up on. */
static void accept_client(struct agent *a)
{
	int sock = udrv_proto_accept(a->listener, true);

	if (sock >= 0)
		agent_client(a, sock, NULL);
}

static void drop_client(struct agent_client *c)
{
	update_client_gone(c);
	close(c->sock);
	*c = (struct agent_client){ .sock = -1 };
}

static void answer_restart(struct agent_client *c)
{
	const struct agent_device *d = c->wait_device;

	if (d->replacing || (d->state != DEV_RUNNING && d->state != DEV_FAILED))
		return;
	c->wait_device = NULL;
	if (d->state == DEV_FAILED)
		udrv_msg_reply_error(c->sock, c->id, EIO, "%s", d->error);
	else
		reply_json(c->sock, c->id, device_json(d));
}

/* Connections that asked to be told. */
static void answer_waiting(struct agent *a)
{
	for (unsigned int i = 0; i < AGENT_CLIENTS; i++) {
		struct agent_client *c = &a->client[i];

		if (c->sock >= 0 && c->wait_ready && a->ready) {
			c->wait_ready = false;
			reply_json(c->sock, c->id, status_json(a));
		}
		if (c->sock >= 0 && c->wait_lease && c->wait_lease->pidfd < 0) {
			struct agent_device *d = c->wait_lease;

			c->wait_lease = NULL;
			device_lease(a, d, c->sock, c->id);
		}
		if (c->sock >= 0 && c->wait_device)
			answer_restart(c);
	}
}

static int next_timeout_ms(struct agent *a)
{
	uint64_t now = app_now_ns(), next = update_due(), alive = custody_alive(a);

	if (alive < next)
		next = alive;
	for (unsigned int i = 0; i < a->ndev; i++)
		if (a->dev[i].state == DEV_BACKOFF && a->dev[i].backoff.due_ns < next)
			next = a->dev[i].backoff.due_ns;
	if (next == UINT64_MAX)
		return -1;
	return next <= now ? 0 : (int)((next - now + 999999) / 1000000);
}

static void serve(struct agent *a)
{
	struct pollfd p[2 + AGENT_CLIENTS + AGENT_DEVICES];

	for (;;) {
		struct pollfd *clients = p + 2, *leases = p + 2 + AGENT_CLIENTS;
		unsigned int ndev = a->ndev;

		answer_waiting(a);
		update_progress();
		agent_progress(a);
		answer_waiting(a);
		custody_settle(a);
		/* Who comes when there is no room waits until somebody leaves. */
		p[0] = (struct pollfd){ .fd = free_client(a, false) ? a->listener : -1,
					.events = POLLIN };
		p[1] = (struct pollfd){ .fd = update_pollfd(), .events = POLLIN };
		for (unsigned int i = 0; i < AGENT_CLIENTS; i++)
			clients[i] = (struct pollfd){ .fd = a->client[i].sock, .events = POLLIN };
		for (unsigned int i = 0; i < ndev; i++)
			leases[i] = (struct pollfd){ .fd = a->dev[i].pidfd, .events = POLLIN };
		if (poll(p, 2 + AGENT_CLIENTS + ndev, next_timeout_ms(a)) < 0)
			continue;
		for (unsigned int i = 0; i < ndev; i++)
			if (leases[i].revents && a->dev[i].pidfd == leases[i].fd)
				device_lease_over(a, &a->dev[i]);
		for (unsigned int i = 0; i < AGENT_CLIENTS; i++)
			if (clients[i].revents && serve_one(a, &a->client[i]))
				drop_client(&a->client[i]);
		/* After the clients: what they want of an update comes first. */
		if (p[1].revents && update_pollfd() == p[1].fd)
			update_event();
		if (p[0].revents)
			accept_client(a);
	}
}

static int agent_listen(struct agent *a)
{
	a->listener = client_run_dir();
	if (!a->listener)
		a->listener = udrv_proto_listen(UDRV_AGENT_SOCKET, 0600);
	if (a->listener < 0)
		app_err("cannot listen at %s: %s", UDRV_AGENT_SOCKET, app_errname(a->listener));
	return a->listener < 0 ? a->listener : 0;
}

static int run(int custody, uint64_t tsc_init)
{
	static struct agent a = { .listener = -1, .luo = -1, .incoming = -1, .directory = -1 };

	app_log("udrv-agent");
	a.custody = custody;
	a.tsc_init = tsc_init;
	for (unsigned int i = 0; i < AGENT_CLIENTS; i++)
		a.client[i].sock = -1;
	custody_choose(&a);
	/* Hosts that the restoration executes look for the socket. */
	if (agent_listen(&a))
		return APP_FAILED;
	if (agent_restore(&a))
		return APP_FAILED;
	app_name("udrv-agent");
	if (custody_settle(&a))
		app_err("not everything is in PID 1's custody: it would not survive this process");
	signal(SIGPIPE, SIG_IGN);
	/* systemd has given a service its own. */
	if (a.custody >= 0)
		app_stdio();
	if (agent_configure(&a))
		return APP_FAILED;
	policy_restore(&a);
	serve(&a);
	return APP_FAILED;
}

static int usage(void)
{
	fprintf(stderr, "usage: udrv-agent [--custody-fd N] [--tsc-init N]\n");
	return APP_USAGE;
}

int udrv_agent_main(int argc, char **argv)
{
	static const struct option options[] = { { "custody-fd", required_argument, NULL, 'c' },
						 { "tsc-init", required_argument, NULL, 't' },
						 {} };
	uint64_t tsc_init = app_tsc();
	int opt, custody = -1;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'c')
			custody = atoi(optarg);
		else if (opt == 't')
			tsc_init = strtoull(optarg, NULL, 0);
		else
			return usage();
	}
	if (optind != argc)
		return usage();
	if (custody >= 0)
		fcntl(custody, F_SETFD, FD_CLOEXEC);
	return run(custody, tsc_init);
}
