/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What others can use of a NIC: each vport is a TAP interface with a queue for each queue pair.
 * Interfaces belong to a kernel and die with it. A host that ends leaves them, with their
 * addresses and connections, and a successor takes them over before it looks at what the adapter
 * has received; what was in their queues is lost. What a predecessor had taken from them and not
 * seen completed goes on, and its memory is free when it completes.
 */
#ifndef UDRV_HOST_TAP_H
#define UDRV_HOST_TAP_H

#include <stdbool.h>
#include <stdint.h>

struct host;
struct json_object;
struct udrv_mana_opts;
struct udrv_mana_queue;
struct udrv_mana_rx;
struct udrv_mana_sent;

/**
 * tap_dma_size() - bytes of the pool that the interfaces of an adapter with these options may need
 */
uint64_t tap_dma_size(const struct udrv_mana_opts *opts);

/** tap_configure() - are there to be interfaces? Before tap_listen() */
void tap_configure(bool on);

/**
 * tap_open() - the adapter runs, nothing was taken from it yet: find the sends of a predecessor,
 * and take over the interfaces that it has left: what has come in is theirs. Always called
 */
void tap_open(struct host *h);

/**
 * tap_listen() - make the interfaces that there are not, in the first round of the loop, or when
 * the names are free; then their frames are read
 *
 * Without memory in the pool (message) there will be none; that is all.
 */
void tap_listen(struct host *h);

/** tap_tick() - the adapter may have been reset, or its link changed: a few times a second */
void tap_tick(struct host *h);

/**
 * tap_receive() - a received packet is not the stream's: copy it. false: there is no interface
 * (yet), which counts as dropped, or it is no packet
 */
bool tap_receive(struct host *h, const struct udrv_mana_queue *q, const struct udrv_mana_rx *pkt);

/**
 * tap_sent() - count a send of ours that is complete; its completion is released by the caller, who
 * then calls tap_go_on()
 */
void tap_sent(struct host *h, const struct udrv_mana_queue *q, const struct udrv_mana_sent *done);

/** tap_go_on() - sends of a queue pair were released: there may be room for more */
void tap_go_on(struct host *h, const struct udrv_mana_queue *q);

/** tap_sending() - sends of ours, or of a predecessor, that are not released yet */
unsigned int tap_sending(struct host *h, const struct udrv_mana_queue *q);

/** tap_json() - of a vport's interface; NULL: it has none */
struct json_object *tap_json(unsigned int vport);

#endif
