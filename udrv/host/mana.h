/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UDRV_HOST_MANA_H
#define UDRV_HOST_MANA_H

struct host;
struct json_object;

/* Packets and completions that are looked at together. */
#define MANA_BATCH 32u

/* mana_status.c: &struct host_driver's @status */
void mana_status(struct host *h, struct json_object *o);

#endif
