// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "udrv/host/driver.h"

static const struct host_driver *const drivers[] = { &nvme_host_driver, &mana_host_driver };

#define N_DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

const struct host_driver *host_driver_find(const char *name)
{
	for (size_t i = 0; i < N_DRIVERS; i++)
		if (!strcmp(drivers[i]->name, name))
			return drivers[i];
	return NULL;
}

const struct host_driver *host_driver_match(uint32_t class, uint16_t vendor, uint16_t device)
{
	for (size_t i = 0; i < N_DRIVERS; i++) {
		const struct host_driver *d = drivers[i];

		if (d->class ? d->class == class : d->vendor == vendor && d->device == device)
			return d;
	}
	return NULL;
}
