/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UDRV_HOST_NVME_H
#define UDRV_HOST_NVME_H

#include <stdint.h>

struct host;
struct json_object;

/* nvme_status.c: &struct host_driver's @status and @command */
void nvme_status(struct host *h, struct json_object *o);
int nvme_command(struct host *h, const char *command, struct json_object *req, int sock,
		 uint32_t id);

#endif
