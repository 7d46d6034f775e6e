/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verifying consumer of a NIC: records each request of the numbered UDP stream (nic_frame.h),
 * and echoes it.
 */
#ifndef UDRV_HOST_NIC_H
#define UDRV_HOST_NIC_H

#include <stdbool.h>
#include <stdint.h>

#include "udrv/host/nic_layout.h"

struct host;
struct json_object;
struct udrv_mana_queue;
struct udrv_mana_rx;
struct udrv_mana_sent;

/* Room for echoes: the largest frame of the stream has 1514 bytes. */
#define NIC_ECHO_SIZE 2048u

/*
 * Whose a send is: the top bit of its cookie. The rest of an echo's: its buffer 62:32, its packet's
 * place 31:0.
 */
#define NIC_COOKIE_ECHO (1ull << 63)

/** nic_room() - how many received packets may be looked at now: each may need a send */
unsigned int nic_room(struct host *h, struct udrv_mana_queue *q);

/**
 * nic_receive() - record packets that were shown, echo requests, pass others on to TAP (tap.h), and
 * release them. While the host stops, or nothing is verified, all are others
 * @n: all that were shown and not taken
 */
void nic_receive(struct host *h, struct udrv_mana_queue *q, const struct udrv_mana_rx *pkts,
		 unsigned int n);

/** nic_sent() - count an echo that was sent; its completion is released by the caller */
void nic_sent(struct host *h, struct udrv_mana_queue *q, const struct udrv_mana_sent *done);

/** nic_rebase() - the adapter was set up anew: its packets are numbered from 0 on again */
void nic_rebase(struct host *h);

/** nic_before_start() - the adapter is going to be set up anew */
void nic_before_start(struct host *h);

/* nic_report.c */

/** nic_memory_is() - is this such a memory, and not that of another consumer? */
bool nic_memory_is(const void *mem);
/** nic_memory_json() - its figures, for the host, and for udrvctl beside it */
struct json_object *nic_memory_json(const struct nic_memory *m);

#endif
