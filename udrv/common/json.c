// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "udrv/common/json.h"

void json_set(struct json_object *o, const char *key, struct json_object *val)
{
	json_object_object_add(o, key, val);
}

void json_set_str(struct json_object *o, const char *key, const char *val)
{
	json_set(o, key, json_object_new_string(val));
}

void json_set_u64(struct json_object *o, const char *key, uint64_t val)
{
	json_set(o, key, json_object_new_uint64(val));
}

void json_set_double(struct json_object *o, const char *key, double val)
{
	char text[40];

	/* Microseconds are the finest that is meant; json-c would print all 17 digits. */
	snprintf(text, sizeof(text), "%.3f", val);
	json_set(o, key, json_object_new_double_s(val, text));
}

void json_set_bool(struct json_object *o, const char *key, bool val)
{
	json_set(o, key, json_object_new_boolean(val));
}

struct json_object *json_get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, key, &v) ? v : NULL;
}

size_t json_length(struct json_object *o)
{
	return json_object_is_type(o, json_type_array) ? json_object_array_length(o) : 0;
}

const char *json_get_str(struct json_object *o, const char *key, const char *dflt)
{
	struct json_object *v = json_get(o, key);

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : dflt;
}

uint64_t json_get_u64(struct json_object *o, const char *key, uint64_t dflt)
{
	struct json_object *v = json_get(o, key);

	return json_object_is_type(v, json_type_int) ? json_object_get_uint64(v) : dflt;
}

bool json_get_flag(struct json_object *o, const char *key)
{
	return json_object_get_boolean(json_get(o, key));
}

const char *json_text(struct json_object *o)
{
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
}
