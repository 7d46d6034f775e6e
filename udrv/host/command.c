// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests of udrvctl to a host. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/loop.h>
#include <udrv/proto.h>
#include <udrv/state.h>

#include "udrv/common/app.h"
#include "udrv/common/client.h"
#include "udrv/common/json.h"
#include "udrv/host/host.h"

#define ERROR_LOG_MAX 64u

struct connection {
	struct host *host;
	int sock;
	struct udrv_source *src;
};

void host_reply(int sock, uint32_t id, struct json_object *o)
{
	const char *text = o ? json_text(o) : "";

	if (udrv_msg_reply_ok(sock, id, text) == -EMSGSIZE)
		udrv_msg_reply_error(sock, id, EMSGSIZE, "the answer has %zu bytes", strlen(text));
	json_object_put(o);
}

void host_reply_error(int sock, uint32_t id, int err, const char *why)
{
	udrv_msg_reply_error(sock, id, err, "%s", why);
}

static struct json_object *queue_json(const struct udrv_nvme_counters *c)
{
	struct json_object *o = json_object_new_object();

	json_set_u64(o, "submitted", c->submitted);
	json_set_u64(o, "completed", c->completed);
	json_set_u64(o, "errors", c->errors);
	json_set_u64(o, "lost", c->lost);
	json_set_u64(o, "reissued", c->reissued);
	json_set_u64(o, "sq_doorbells", c->sq_doorbells);
	json_set_u64(o, "cq_doorbells", c->cq_doorbells);
	json_set_u64(o, "nudges", c->nudges);
	json_set_u64(o, "spurious_cqes", c->spurious_cqes);
	json_set_u64(o, "bad_cqes", c->bad_cqes);
	json_set_u64(o, "timeouts", c->timeouts);
	json_set_u64(o, "aborts", c->aborts);
	return o;
}

static struct json_object *nvme_json(struct host *h)
{
	static struct udrv_nvme_snapshot s;
	struct json_object *o, *queues, *outstanding, *namespaces;

	if (udrv_nvme_inspect(udrv_device_state(h->dev), &s))
		return NULL;
	o = json_object_new_object();
	json_set_str(o, "sn", s.sn);
	json_set_str(o, "mn", s.mn);
	json_set_str(o, "fr", s.fr);
	json_set_u64(o, "io_queues", s.io_queues);
	json_set_u64(o, "depth", s.depth);
	json_set_u64(o, "nn", s.nn);
	json_set_u64(o, "starts", s.starts);
	json_set_u64(o, "resumes", s.resumes);
	json_set_u64(o, "resets", s.resets);
	queues = json_object_new_array();
	outstanding = json_object_new_array();
	for (unsigned int i = 0; i <= s.io_queues && i <= UDRV_NVME_MAX_QUEUES; i++) {
		json_object_array_add(queues, queue_json(&s.q[i]));
		json_object_array_add(outstanding, json_object_new_uint64(s.outstanding[i]));
	}
	json_set(o, "outstanding", outstanding);
	json_set(o, "queues", queues);
	namespaces = json_object_new_array();
	for (unsigned int i = 0; i < s.nn && i < UDRV_NVME_MAX_NS; i++) {
		struct json_object *ns = json_object_new_object();

		json_set_u64(ns, "nsid", s.ns[i].nsid);
		json_set_u64(ns, "nsze", s.ns[i].nsze);
		json_set_u64(ns, "lba_size", s.ns[i].lba_size);
		json_set_bool(ns, "usable", s.ns[i].usable);
		json_object_array_add(namespaces, ns);
	}
	json_set(o, "namespaces", namespaces);
	return o;
}

static struct json_object *status_json(struct host *h)
{
	const struct udrv_nvme_resume_report *r = udrv_nvme_resume_report(h->nvme);
	struct json_object *o = json_object_new_object(), *sub;

	json_set_str(o, "start", h->start);
	json_set(o, "nvme", nvme_json(h));
	sub = json_object_new_object();
	json_set_u64(sub, "in_flight", r->in_flight);
	json_set_u64(sub, "completed", r->completed);
	json_set_u64(sub, "never_submitted", r->never_submitted);
	json_set_u64(sub, "rung", r->rung);
	json_set_u64(sub, "nudges", r->nudges);
	json_set_u64(sub, "redelivered", r->redelivered);
	json_set_u64(sub, "tsc_first_completion", h->tsc_first_completion);
	json_set(o, "resume", sub);
	sub = json_object_new_object();
	json_set_u64(sub, "vectors", h->irq.vectors > 0 ? (uint64_t)h->irq.vectors : 0);
	json_set_u64(sub, "latched_while_masked", h->irq.latched);
	json_set_u64(sub, "delivered_after", h->irq.delivered);
	json_set(o, "irq", sub);
	json_set(o, h->consumer->name, h->consumer->status(h));
	return o;
}

static struct json_object *hex_json(const uint8_t *buf, size_t len)
{
	static const char digit[] = "0123456789abcdef";
	struct json_object *o = NULL;
	char *text = malloc(2 * len + 1);

	if (text) {
		for (size_t i = 0; i < len; i++) {
			text[2 * i] = digit[buf[i] >> 4];
			text[2 * i + 1] = digit[buf[i] & 15];
		}
		o = json_object_new_string_len(text, (int)(2 * len));
		free(text);
	}
	return o;
}

static int log_page(struct host *h, struct json_object *req, int sock, uint32_t id, bool smart)
{
	static uint8_t buf[ERROR_LOG_MAX * 64];
	uint64_t n = json_get_u64(req, "entries", ERROR_LOG_MAX);
	struct json_object *o;
	int err;

	if (!n || n > ERROR_LOG_MAX)
		return -EINVAL;
	memset(buf, 0, sizeof(buf));
	err = smart ? udrv_nvme_smart(h->nvme, buf) :
		      udrv_nvme_error_log(h->nvme, buf, (unsigned int)n);
	if (err > 0) {
		udrv_msg_reply_error(sock, id, EIO, "the controller answered with status 0x%x",
				     (unsigned int)err);
		return 0;
	}
	if (err)
		return err;
	o = json_object_new_object();
	json_set(o, "data", hex_json(buf, smart ? 512 : n * 64));
	host_reply(sock, id, o);
	return 0;
}

/* The consumer's memory, read-only: bulk data needs no copy through the socket. */
static int send_memory(struct host *h, int sock, uint32_t id)
{
	static struct udrv_msg m;
	char path[48];
	int fd, err;

	if (h->handle.fd[UDRV_FD_EXTRA] < 0)
		return -ENODEV;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", h->handle.fd[UDRV_FD_EXTRA]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	udrv_msg_init(&m, UDRV_MSG_FD, id);
	err = udrv_msg_set_text(&m, h->consumer->name);
	if (!err)
		err = udrv_msg_add_fd(&m, fd);
	if (!err)
		err = udrv_msg_send(sock, &m);
	close(fd);
	if (!err)
		err = udrv_msg_reply_ok(sock, id, NULL);
	return err;
}

static int serve_command(struct host *h, struct udrv_msg *m, int sock)
{
	const char *text = udrv_msg_text(m);
	struct json_object *req = text ? json_tokener_parse(text) : NULL;
	const char *command = json_get_str(req, "command", "");
	int err;

	if (!strcmp(command, "smart-log"))
		err = log_page(h, req, sock, m->id, true);
	else if (!strcmp(command, "error-log"))
		err = log_page(h, req, sock, m->id, false);
	else if (!strcmp(command, "memory"))
		err = send_memory(h, sock, m->id);
	else if (!strcmp(command, "reset")) {
		err = host_reset(h);
		if (!err)
			host_reply(sock, m->id, NULL);
	} else if (!strcmp(command, h->consumer->name))
		err = h->consumer->command(h, req, sock, m->id);
	else
		err = -EOPNOTSUPP;
	if (err < 0)
		udrv_msg_reply_error(sock, m->id, err, "%s: %s", command, strerror(-err));
	json_object_put(req);
	return 0;
}

static void readable(void *ctx, short revents)
{
	static struct udrv_msg m;
	struct connection *c = ctx;
	int err;

	(void)revents;
	err = udrv_msg_recv(c->sock, &m);
	if (err == -EAGAIN)
		return;
	if (err) {
		c->host->consumer->gone(c->host, c->sock);
		udrv_loop_remove(c->src);
		close(c->sock);
		free(c);
		return;
	}
	if (m.type == UDRV_MSG_STATUS)
		host_reply(c->sock, m.id, status_json(c->host));
	else if (m.type == UDRV_MSG_COMMAND)
		serve_command(c->host, &m, c->sock);
	else
		udrv_msg_reply_error(c->sock, m.id, EOPNOTSUPP, "a host knows no message %u",
				     m.type);
	udrv_msg_drop_fds(&m);
}

struct listener {
	struct host *host;
	int fd;
};

static void acceptable(void *ctx, short revents)
{
	struct listener *l = ctx;
	struct connection *c;

	(void)revents;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->host = l->host;
	c->sock = udrv_proto_accept(l->fd, true);
	if (c->sock < 0 || udrv_loop_poll(l->host->loop, c->sock, POLLIN, readable, c, &c->src)) {
		if (c->sock >= 0)
			close(c->sock);
		free(c);
	}
}

int host_listen(struct host *h)
{
	static struct listener l;
	char path[64];

	client_host_path(path, sizeof(path), h->handle.name);
	l.host = h;
	l.fd = udrv_proto_listen(path, 0600);
	if (l.fd < 0)
		return l.fd;
	return udrv_loop_poll(h->loop, l.fd, POLLIN, acceptable, &l, NULL);
}
