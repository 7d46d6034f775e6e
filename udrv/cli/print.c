// SPDX-License-Identifier: GPL-2.0-or-later
/* Output: JSON as it is, or the same as text. */
#include <stdio.h>
#include <string.h>

#include "udrv/cli/cli.h"
#include "udrv/common/json.h"

static bool is_leaf(struct json_object *o)
{
	return !json_object_is_type(o, json_type_object) &&
	       !json_object_is_type(o, json_type_array);
}

static bool all_leaves(struct json_object *array)
{
	for (size_t i = 0; i < json_length(array); i++)
		if (!is_leaf(json_object_array_get_idx(array, i)))
			return false;
	return true;
}

static void print_text(struct json_object *o, int indent)
{
	if (!json_object_is_type(o, json_type_object)) {
		printf("%*s%s\n", indent, "", json_object_get_string(o));
		return;
	}
	json_object_object_foreach(o, key, val) {
		printf("%*s%s:", indent, "", key);
		if (json_object_is_type(val, json_type_object)) {
			printf("\n");
			print_text(val, indent + 2);
		} else if (json_object_is_type(val, json_type_array)) {
			bool flat = all_leaves(val);

			for (size_t i = 0; i < json_length(val); i++) {
				struct json_object *e = json_object_array_get_idx(val, i);

				if (flat) {
					printf(" %s", json_object_get_string(e));
					continue;
				}
				printf("\n%*s- [%zu]\n", indent + 2, "", i);
				print_text(e, indent + 4);
			}
			if (flat || !json_length(val))
				printf("\n");
		} else {
			printf(" %s\n", json_object_get_string(val));
		}
	}
}

void cli_print(const struct cli *c, struct json_object *o)
{
	if (c->json)
		printf("%s\n", o ? json_text(o) : "{}");
	else if (o)
		print_text(o, 0);
	json_object_put(o);
}
