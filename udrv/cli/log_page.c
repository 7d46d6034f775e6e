// SPDX-License-Identifier: GPL-2.0-or-later
/* udrvctl smart-log, error-log: log pages of a controller, with the specification's names. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/proto.h>

#include "udrv/cli/cli.h"
#include "udrv/common/app.h"
#include "udrv/common/json.h"

#define ENTRY	    64u
#define ENTRIES_MAX 64u

static int nibble(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static int get_page(const char *device, const char *request, uint8_t *buf, size_t len)
{
	struct json_object *o = NULL;
	const char *hex;

	if (cli_host(device, UDRV_MSG_COMMAND, request, NULL, NULL, &o))
		return -EIO;
	hex = json_get_str(o, "data", "");
	if (strlen(hex) < 2 * len || strspn(hex, "0123456789abcdef") < 2 * len) {
		json_object_put(o);
		cli_fail(EBADMSG, "its host's answer is no such page", "%s", device);
		return -EBADMSG;
	}
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
	json_object_put(o);
	return 0;
}

static uint64_t le(const uint8_t *p, unsigned int bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

/* NVM Express Base 2.0, figure 207; counters of 16 bytes are cut to their low 8. */
static const struct field {
	const char *name;
	uint16_t off, bytes;
} smart_fields[] = {
	{ "critical_warning", 0, 1 },
	{ "composite_temperature", 1, 2 },
	{ "available_spare", 3, 1 },
	{ "available_spare_threshold", 4, 1 },
	{ "percentage_used", 5, 1 },
	{ "data_units_read", 32, 8 },
	{ "data_units_written", 48, 8 },
	{ "host_read_commands", 64, 8 },
	{ "host_write_commands", 80, 8 },
	{ "controller_busy_time", 96, 8 },
	{ "power_cycles", 112, 8 },
	{ "power_on_hours", 128, 8 },
	{ "unsafe_shutdowns", 144, 8 },
	{ "media_and_data_integrity_errors", 160, 8 },
	{ "number_of_error_information_log_entries", 176, 8 },
	{ "warning_composite_temperature_time", 192, 4 },
	{ "critical_composite_temperature_time", 196, 4 },
};

/* Figure 206 */
static const struct field error_fields[] = {
	{ "error_count", 0, 8 },   { "submission_queue_id", 8, 2 },	  { "command_id", 10, 2 },
	{ "status_field", 12, 2 }, { "parameter_error_location", 14, 2 }, { "lba", 16, 8 },
	{ "namespace", 24, 4 },
};

static struct json_object *decode(const uint8_t *page, const struct field *f, size_t n)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < n; i++)
		json_set_u64(o, f[i].name, le(page + f[i].off, f[i].bytes));
	return o;
}

int cmd_smart_log(struct cli *c)
{
	uint8_t page[512];

	if (c->argc != 1)
		return cli_usage();
	if (get_page(c->argv[0], "{\"command\":\"smart-log\"}", page, sizeof(page)))
		return APP_FAILED;
	cli_print(c, decode(page, smart_fields, sizeof(smart_fields) / sizeof(smart_fields[0])));
	return APP_OK;
}

int cmd_error_log(struct cli *c)
{
	static uint8_t page[ENTRIES_MAX * ENTRY];
	struct json_object *o, *entries;
	unsigned long n = ENTRIES_MAX;
	char request[64], *tail = "";

	if (c->argc == 2)
		n = strtoul(c->argv[1], &tail, 10);
	if (c->argc < 1 || c->argc > 2 || *tail || !n || n > ENTRIES_MAX)
		return cli_usage();
	snprintf(request, sizeof(request), "{\"command\":\"error-log\",\"entries\":%lu}", n);
	if (get_page(c->argv[0], request, page, n * ENTRY))
		return APP_FAILED;
	o = json_object_new_object();
	entries = json_object_new_array();
	/* Entries that were never written have an error count of 0. */
	for (unsigned long i = 0; i < n && le(page + i * ENTRY, 8); i++)
		json_object_array_add(entries,
				      decode(page + i * ENTRY, error_fields,
					     sizeof(error_fields) / sizeof(error_fields[0])));
	json_set(o, "entries", entries);
	cli_print(c, o);
	return APP_OK;
}
