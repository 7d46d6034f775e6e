/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interfaces of a NIC, on the driver and a model of the adapter, with a socket pair for each
 * queue in place of /dev/net/tun. Functions check (check(3)); there is one fixture a process.
 */
#ifndef TESTS_APPS_TAP_FIXTURE_H
#define TESTS_APPS_TAP_FIXTURE_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/mana_fixture.h"
#include "udrv/host/host.h"
#include "udrv/host/tap.h"
#include "udrv/host/tap_internal.h"

#define TAP_FIXTURE_QUEUES 2u
#define TAP_FIXTURE_DEPTH  64u
#define TAP_FIXTURE_FRAME  2000u /* bytes: room for any frame that tap_fixture_pop() fetches */

struct tap_fixture {
	struct mana_fixture adapter;
	struct host host;
	/* the kernel's side of the interfaces */
	int peer[UDRV_MANA_MAX_VPORTS][TAP_FIXTURE_QUEUES];
	unsigned int made, busy; /* interfaces; how often a name is taken first */
	bool carrier;
	bool left;	       /* a predecessor's interfaces are there */
	unsigned int given[2]; /* packets that an interface got, [true], and that none did */
	unsigned int echoed;   /* the verifying consumer's sends that are over */
};

extern struct tap_fixture fx;

/*
 * An adapter that is set up, and a host that has no interface yet: tap_fixture_begin(), or
 * tap_fixture_start() for all.
 */
void tap_fixture_init(unsigned int vports, unsigned int mtu);
void tap_fixture_open_host(void);
void tap_fixture_begin(void *unused);
void tap_fixture_start(void);
/* As when the process dies: nothing is told to the adapter. */
void tap_fixture_forget(void);
void tap_fixture_end(void);

struct tap_queue *tap_fixture_queue(unsigned int i);
/*
 * A UDP datagram of @len bytes for the kernel to send, its checksum left to
 * the interface. 0, -errno
 */
int tap_fixture_push(unsigned int queue, uint64_t id, size_t len);
/* The next packet that the interface got: its length, or -EAGAIN. */
int tap_fixture_pop(unsigned int vport, unsigned int queue, struct virtio_net_hdr *hdr,
		    uint8_t *frame);
/* What the host does when its queues have something; whether they had. */
bool tap_fixture_serve(unsigned int vport, unsigned int i);
bool tap_fixture_serve_all(void);
/* Until nothing happens any more. */
void tap_fixture_settle(void *unused);
/* All memory is free, and the rings are as at the beginning. */
void tap_fixture_check_idle(void);

#endif
