// SPDX-License-Identifier: GPL-2.0-or-later
/* The interfaces of an adapter: what they are made of, when, and what they are told. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/loop.h>

#include "udrv/common/app.h"
#include "udrv/common/json.h"
#include "udrv/host/host.h"
#include "udrv/host/nic.h"
#include "udrv/host/tap.h"
#include "udrv/host/tap_if.h"
#include "udrv/host/tap_internal.h"

#define DMA_TAG	 0x706174ull /* "tap" */
#define RETRY_NS 1000000000ull

/*
 * struct tap - all interfaces of the host
 * @on: they are wanted
 * @ready: there is memory for them
 * @told: that a name is taken has been said
 */
struct tap {
	bool on, ready, told;
	uint64_t start_ns;
	struct tap_port port[UDRV_MANA_MAX_VPORTS];
};

static struct tap the_tap;

uint64_t tap_dma_size(const struct udrv_mana_opts *opts)
{
	return (uint64_t)UDRV_MANA_MAX_VPORTS * opts->queues * TAP_RING_SIZE;
}

struct tap_queue *tap_queue_of(const struct udrv_mana_queue *q)
{
	return &the_tap.port[udrv_mana_queue_vport(q)].queue[udrv_mana_queue_index(q)];
}

void tap_passed(struct tap_queue *tq)
{
	struct tap_port *port = &the_tap.port[tq->vport];

	if (port->first_packet_ns)
		return;
	port->first_packet_ns = app_now_ns();
	port->tsc_first_packet = app_tsc();
}

static void close_queue(struct tap_queue *tq)
{
	if (tq->fd < 0)
		return;
	udrv_loop_remove(tq->src);
	tq->src = NULL;
	close(tq->fd);
	tq->fd = -1;
}

static void let_go(struct tap_port *port)
{
	for (unsigned int i = 0; i < UDRV_MANA_MAX_QUEUES; i++)
		close_queue(&port->queue[i]);
	port->made = false;
}

void tap_lost(struct tap_queue *tq)
{
	struct tap_port *port = &the_tap.port[tq->vport];

	app_warn("%s was deleted: vport %u has no interface until the host starts again",
		 port->name, tq->vport);
	let_go(port);
	port->given_up = true;
}

/* ---- The link -------------------------------------------------------------------------------- */

static void tell_link(struct host *h)
{
	for (unsigned int v = 0; v < udrv_mana_info(h->mana)->vports; v++) {
		struct tap_port *port = &the_tap.port[v];
		bool link = udrv_mana_vport(h->mana, v)->link;

		if (port->made && port->carrier != link && !tap_if_carrier(port->queue[0].fd, link))
			port->carrier = link;
	}
}

static void event(void *ctx, enum udrv_mana_event what)
{
	if (what != UDRV_MANA_RESET_REQUEST)
		tell_link(ctx);
}

/* ---- Memory, and what a predecessor left ----------------------------------------------------- */

static int unfinished(void *ctx, uint64_t cookie)
{
	struct tap_queue *tq = ctx;

	if (cookie & NIC_COOKIE_ECHO)
		return 0;
	tap_ring_found(&tq->ring, cookie);
	tq->inherited++;
	return 0;
}

static int find_area(struct host *h, uint64_t size, uint64_t *ret)
{
	struct udrv_dma *dma = udrv_device_dma(h->dev);
	uint64_t found;
	int err;

	err = udrv_dma_find(dma, DMA_TAG, ret, &found);
	if (!err)
		return found >= size ? 0 : -ENOMEM;
	return udrv_dma_alloc(dma, size, UDRV_DMA_PAGE, 0, DMA_TAG, ret);
}

void tap_configure(bool on)
{
	the_tap.on = on;
}

/* The first host of a handle allocates it, which takes a moment: it is zeroed. */
static int find_memory(struct host *h)
{
	const struct udrv_mana_info *info = udrv_mana_info(h->mana);
	uint64_t area = 0;
	int err;

	err = find_area(h, (uint64_t)info->vports * info->queues * TAP_RING_SIZE, &area);
	if (err) {
		app_warn("no memory for interfaces (%s): the vports have none. The handle of %s was made with tap=0, or by an earlier version",
			 app_errname(err), h->handle.name);
		return err;
	}
	for (unsigned int v = 0; v < info->vports; v++)
		for (unsigned int i = 0; i < info->queues; i++)
			the_tap.port[v].queue[i].area =
				area + ((uint64_t)v * info->queues + i) * TAP_RING_SIZE;
	return 0;
}

/* ---- Making them, or taking them over -------------------------------------------------------- */

/*
 * mana0's are mana0 and mana1, mana1's are mana2 and mana3 …, whether there are as many or not:
 * names never change.
 */
static void name_port(struct host *h, unsigned int vport, struct tap_port *port)
{
	const char *name = h->handle.name, *digits = name + strcspn(name, "0123456789");
	unsigned long adapter = strtoul(digits, NULL, 10) % 10000;

	snprintf(port->name, sizeof(port->name), "mana%lu", adapter * UDRV_MANA_MAX_VPORTS + vport);
}

/* @left: take over what a predecessor has left, and nothing else. */
static int make_port(struct host *h, unsigned int vport, bool left)
{
	const struct udrv_mana_vport_info *v = udrv_mana_vport(h->mana, vport);
	unsigned int queues = udrv_mana_info(h->mana)->queues;
	struct tap_port *port = &the_tap.port[vport];
	int fds[UDRV_MANA_MAX_QUEUES];
	int err;

	name_port(h, vport, port);
	err = left ? tap_if_take_over(port->name, v->mac, queues, fds) :
		     tap_if_open(port->name, v->mac, v->mtu, queues, fds);
	if (err)
		return err;
	err = tap_if_carrier(fds[0], v->link);
	if (err) {
		while (queues)
			close(fds[--queues]);
		return err;
	}
	port->made = true;
	port->carrier = v->link;
	for (unsigned int i = 0; i < queues; i++)
		port->queue[i].fd = fds[i];
	return 0;
}

void tap_open(struct host *h)
{
	const struct udrv_mana_info *info = udrv_mana_info(h->mana);
	struct tap *tap = &the_tap;

	*tap = (struct tap){ .on = tap->on, .start_ns = h->start_ns };
	for (unsigned int v = 0; v < UDRV_MANA_MAX_VPORTS; v++)
		for (unsigned int i = 0; i < UDRV_MANA_MAX_QUEUES; i++)
			tap->port[v].queue[i] =
				(struct tap_queue){ .host = h, .vport = v, .index = i, .fd = -1 };
	for (unsigned int v = 0; v < info->vports; v++)
		for (unsigned int i = 0; i < info->queues; i++)
			udrv_mana_each_send(udrv_mana_queue(h->mana, v, i), unfinished,
					    &tap->port[v].queue[i]);
	udrv_mana_on_event(h->mana, event, h);
	/* In a new kernel there is none. Whatever is wrong is found when they are made. */
	for (unsigned int v = 0; v < info->vports; v++)
		make_port(h, v, true);
}

static void begin_to_read(struct tap_port *port)
{
	for (unsigned int i = 0; i < UDRV_MANA_MAX_QUEUES; i++) {
		port->queue[i].reads = true;
		tap_tx_go_on(&port->queue[i]);
	}
}

static void let_all_go(struct tap *tap)
{
	for (unsigned int v = 0; v < UDRV_MANA_MAX_VPORTS; v++)
		let_go(&tap->port[v]);
}

static void make_ports(void *ctx)
{
	struct host *h = ctx;
	struct tap *tap = &the_tap;
	bool again = false;

	if (h->stopping)
		return;
	if (!tap->ready && find_memory(h)) {
		let_all_go(tap);
		return;
	}
	tap->ready = true;
	for (unsigned int v = 0; v < udrv_mana_info(h->mana)->vports; v++) {
		struct tap_port *port = &tap->port[v];
		int err = port->made || port->given_up ? 0 : make_port(h, v, false);

		if (port->made)
			begin_to_read(port);
		if (err == -EBUSY) {
			again = true;
			if (!tap->told)
				app_warn("there is an interface %s already, and its address is not that of the vport: waiting for it to go",
					 port->name);
			tap->told = true;
		} else if (err) {
			port->given_up = true;
			app_warn("cannot make the interface %s of vport %u: %s: it has none",
				 port->name, v, app_errname(err));
		}
	}
	/* No event tells that somebody else's is gone. */
	if (again)
		udrv_loop_timer(h->loop, RETRY_NS, 0, make_ports, h, NULL);
}

void tap_listen(struct host *h)
{
	int err = the_tap.on ? udrv_loop_timer(h->loop, 0, 0, make_ports, h, NULL) : 0;

	if (err)
		app_warn("cannot make interfaces: %s", app_errname(err));
	if (err || !the_tap.on)
		let_all_go(&the_tap);
}

void tap_tick(struct host *h)
{
	const struct udrv_mana_info *info = udrv_mana_info(h->mana);

	tell_link(h);
	for (unsigned int v = 0; v < info->vports; v++)
		for (unsigned int i = 0; i < info->queues; i++)
			tap_tx_go_on(&the_tap.port[v].queue[i]);
}

/* ---- Status ---------------------------------------------------------------------------------- */

struct json_object *tap_json(unsigned int vport)
{
	const struct tap_port *port = vport < UDRV_MANA_MAX_VPORTS ? &the_tap.port[vport] : NULL;
	struct tap_queue sum = { 0 };
	struct json_object *o;
	uint64_t queues = 0;

	if (!port || !port->made)
		return NULL;
	for (unsigned int i = 0; i < UDRV_MANA_MAX_QUEUES; i++) {
		const struct tap_queue *tq = &port->queue[i];

		queues += tq->fd >= 0;
		sum.rx_packets += tq->rx_packets;
		sum.rx_dropped += tq->rx_dropped;
		sum.tx_packets += tq->tx_packets;
		sum.tx_errors += tq->tx_errors;
		sum.tx_dropped += tq->tx_dropped;
	}
	o = json_object_new_object();
	json_set_str(o, "name", port->name);
	json_set_bool(o, "carrier", port->carrier);
	json_set_u64(o, "queues", queues);
	json_set_u64(o, "rx_packets", sum.rx_packets);
	json_set_u64(o, "rx_dropped", sum.rx_dropped);
	json_set_u64(o, "tx_packets", sum.tx_packets);
	json_set_u64(o, "tx_errors", sum.tx_errors);
	json_set_u64(o, "tx_dropped", sum.tx_dropped);
	if (port->first_packet_ns) {
		json_set_double(o, "first_packet_ms",
				(double)(port->first_packet_ns - the_tap.start_ns) / 1e6);
		json_set_u64(o, "tsc_first_packet", port->tsc_first_packet);
	}
	return o;
}
