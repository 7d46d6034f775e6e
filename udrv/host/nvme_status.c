// SPDX-License-Identifier: GPL-2.0-or-later
/* What udrvctl asks of an NVMe controller's host: status and log pages. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/nvme.h>
#include <udrv/proto.h>
#include <udrv/state.h>

#include "udrv/common/json.h"
#include "udrv/host/host.h"
#include "udrv/host/nvme.h"

#define ERROR_LOG_MAX 64u

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

void nvme_status(struct host *h, struct json_object *o)
{
	const struct udrv_nvme_resume_report *r = udrv_nvme_resume_report(h->nvme);
	struct json_object *sub = json_object_new_object();

	json_set(o, "nvme", nvme_json(h));
	json_set_u64(sub, "in_flight", r->in_flight);
	json_set_u64(sub, "completed", r->completed);
	json_set_u64(sub, "never_submitted", r->never_submitted);
	json_set_u64(sub, "rung", r->rung);
	json_set_u64(sub, "nudges", r->nudges);
	json_set_u64(sub, "redelivered", r->redelivered);
	json_set_u64(sub, "tsc_first_completion", h->tsc_first_completion);
	json_set_u64(sub, "tsc_running", h->tsc_running);
	json_set(o, "resume", sub);
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

int nvme_command(struct host *h, const char *command, struct json_object *req, int sock,
		 uint32_t id)
{
	if (!strcmp(command, "smart-log"))
		return log_page(h, req, sock, id, true);
	if (!strcmp(command, "error-log"))
		return log_page(h, req, sock, id, false);
	return -EOPNOTSUPP;
}
