// SPDX-License-Identifier: GPL-2.0-or-later
/* What udrvctl status tells of a MANA adapter. */
#include <stdio.h>

#include <udrv/device.h>
#include <udrv/mana.h>
#include <udrv/state.h>

#include "udrv/common/json.h"
#include "udrv/host/host.h"
#include "udrv/host/mana.h"
#include "udrv/host/tap.h"

static struct json_object *queue_json(const struct udrv_mana_snapshot *s, unsigned int vport,
				      unsigned int i)
{
	const struct udrv_mana_counters *c = &s->queue[vport][i].counters;
	struct json_object *o = json_object_new_object();

	json_set_u64(o, "tx_packets", c->tx_packets);
	json_set_u64(o, "tx_bytes", c->tx_bytes);
	json_set_u64(o, "tx_completed", c->tx_completed);
	json_set_u64(o, "tx_errors", c->tx_errors);
	json_set_u64(o, "tx_lost", c->tx_lost);
	json_set_u64(o, "rx_packets", c->rx_packets);
	json_set_u64(o, "rx_bytes", c->rx_bytes);
	json_set_u64(o, "rx_errors", c->rx_errors);
	json_set_u64(o, "rx_csum_bad", c->rx_csum_bad);
	json_set_u64(o, "rx_lost", c->rx_lost);
	json_set_u64(o, "bad_cqes", c->bad_cqes);
	json_set_u64(o, "sending", s->queue[vport][i].sending);
	json_set_u64(o, "posted", s->queue[vport][i].posted);
	return o;
}

static struct json_object *vport_json(const struct udrv_mana_snapshot *s, unsigned int vport)
{
	const struct udrv_mana_vport_info *v = &s->vport[vport];
	struct json_object *o = json_object_new_object(), *queues = json_object_new_array(),
			   *tap = tap_json(vport);
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", v->mac[0], v->mac[1], v->mac[2],
		 v->mac[3], v->mac[4], v->mac[5]);
	json_set_str(o, "mac", mac);
	json_set_u64(o, "mtu", v->mtu);
	json_set_bool(o, "link", v->link);
	if (v->speed_mbps)
		json_set_u64(o, "speed_mbps", v->speed_mbps);
	for (unsigned int i = 0; i < s->info.queues; i++)
		json_object_array_add(queues, queue_json(s, vport, i));
	json_set(o, "queues", queues);
	if (tap)
		json_set(o, "tap", tap);
	return o;
}

static struct json_object *adapter_json(struct host *h)
{
	static struct udrv_mana_snapshot s;
	struct json_object *o, *vports;

	if (udrv_mana_inspect(udrv_device_state(h->dev), &s))
		return NULL;
	o = json_object_new_object();
	vports = json_object_new_array();
	json_set_u64(o, "queues", s.info.queues);
	json_set_u64(o, "tx_depth", s.info.tx_depth);
	json_set_u64(o, "rx_depth", s.info.rx_depth);
	json_set_u64(o, "starts", s.starts);
	json_set_u64(o, "resumes", s.resumes);
	json_set_u64(o, "resets", s.resets);
	json_set_u64(o, "reset_requests", s.reset_requests);
	json_set_u64(o, "link_events", s.link_events);
	json_set_u64(o, "hwc_requests", s.hwc_requests);
	json_set_u64(o, "hwc_timeouts", s.hwc_timeouts);
	for (unsigned int v = 0; v < s.info.vports; v++)
		json_object_array_add(vports, vport_json(&s, v));
	json_set(o, "vports", vports);
	return o;
}

void mana_status(struct host *h, struct json_object *o)
{
	const struct udrv_mana_resume_report *r = udrv_mana_resume_report(h->mana);
	struct json_object *sub = json_object_new_object();

	json_set(o, "mana", adapter_json(h));
	json_set_u64(sub, "rx_waiting", r->rx_waiting);
	json_set_u64(sub, "rx_posted", r->rx_posted);
	json_set_u64(sub, "tx_in_flight", r->tx_in_flight);
	json_set_u64(sub, "tx_completed", r->tx_completed);
	json_set_u64(sub, "hwc_pending", r->hwc_pending);
	json_set_u64(sub, "tsc_first_completion", h->tsc_first_completion);
	json_set_u64(sub, "tsc_running", h->tsc_running);
	json_set(o, "resume", sub);
}
