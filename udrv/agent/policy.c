// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/common/json.h"

/* In custody at once: an agent that dies the next moment has not forgotten it. */
static int store(struct agent *a)
{
	void *fdt;
	int fd;

	fd = directory_refresh(a, NULL, 0, &fdt);
	if (fd < 0)
		return fd;
	custody_put_fd(a, "directory", fd);
	if (a->directory >= 0)
		close(a->directory);
	a->directory = fd;
	free(a->fdt);
	a->fdt = fdt;
	return 0;
}

static int number(struct json_object *req, const char *key, uint64_t max, uint64_t *ret, char *why,
		  size_t why_size)
{
	struct json_object *o = json_get(req, key);

	if (!o)
		return 0;
	if (!json_object_is_type(o, json_type_int) || json_object_get_int64(o) < 0 ||
	    json_get_u64(req, key, 0) > max) {
		snprintf(why, why_size, "%s: a number from 0 to %llu is wanted", key,
			 (unsigned long long)max);
		return -EINVAL;
	}
	*ret = json_get_u64(req, key, 0);
	return 0;
}

int policy_set(struct agent *a, struct agent_device *d, struct json_object *req, char *why,
	       size_t why_size)
{
	const char *text = json_get_str(req, "policy", NULL);
	uint64_t limit = d->backoff.limit, max_ms = d->backoff.max_ns / 1000000;
	enum udrv_policy policy = d->h.policy;
	int err;

	if (update_active()) {
		snprintf(why, why_size, "an update is under way");
		return -EBUSY;
	}
	err = number(req, "restart_limit", 1000000, &limit, why, why_size);
	if (!err)
		err = number(req, "restart_max_ms", 3600000, &max_ms, why, why_size);
	if (err)
		return err;
	if (text && policy_parse(text, &policy)) {
		snprintf(why, why_size, "policy '%s': keep, reset or detach are there", text);
		return -EINVAL;
	}
	d->h.policy = policy;
	d->backoff.limit = (unsigned int)limit;
	d->backoff.max_ns = max_ms * 1000000;
	if (d->state == DEV_DETACHED && policy != UDRV_DETACH)
		d->state = DEV_PENDING;
	/* The handle in custody stays as it is: every agent takes its policy from the settings. */
	err = store(a);
	if (err)
		snprintf(why, why_size, "set, but it would not survive this agent: %s",
			 strerror(-err));
	return err;
}

static void apply(void *ctx, const struct policy_settings *s)
{
	struct agent *a = ctx;
	struct agent_device *d = agent_find(a, s->name);
	bool have = rescue_find(a, s->name);

	for (unsigned int i = 0; i < UDRV_HANDLE_EXTRA && a->incoming >= 0 && !have; i++) {
		int fd;

		if (!(s->mask & 1u << (UDRV_FD_EXTRA + i)))
			continue;
		fd = luo_retrieve(a->incoming, s->base + UDRV_FD_EXTRA + i);
		if (fd >= 0)
			rescue_put(a, s->name, i, fd);
		else
			app_err("%s: its consumers' memory cannot be retrieved: %s: they begin anew",
				s->name, app_errname(fd));
	}
	if (!d || strcmp(d->h.bdf, s->bdf))
		return;
	d->h.policy = s->policy;
	d->backoff.limit = s->restart_limit;
	d->backoff.max_ns = s->restart_max_ms * 1000000ull;
	if (s->detached && d->state == DEV_PENDING)
		d->state = DEV_DETACHED;
}

void policy_restore(struct agent *a)
{
	if (a->fdt)
		directory_settings(a->fdt, apply, a);
}

void policy_json(const struct agent_device *d, struct json_object *o)
{
	json_set_str(o, "policy", policy_name(d->h.policy));
	json_set_u64(o, "restart_limit", d->backoff.limit);
	json_set_u64(o, "restart_max_ms", d->backoff.max_ns / 1000000);
}
