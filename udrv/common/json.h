/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shorthands on json-c; NULL objects and members of another type read as the default. */
#ifndef UDRV_COMMON_JSON_H
#define UDRV_COMMON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

void json_set_str(struct json_object *o, const char *key, const char *val);
void json_set_u64(struct json_object *o, const char *key, uint64_t val);
void json_set_double(struct json_object *o, const char *key, double val);
void json_set_bool(struct json_object *o, const char *key, bool val);
/** json_set() - @val is taken over */
void json_set(struct json_object *o, const char *key, struct json_object *val);

struct json_object *json_get(struct json_object *o, const char *key);
/** json_length() - members of an array; 0 of anything else */
size_t json_length(struct json_object *o);
const char *json_get_str(struct json_object *o, const char *key, const char *dflt);
uint64_t json_get_u64(struct json_object *o, const char *key, uint64_t dflt);
bool json_get_flag(struct json_object *o, const char *key);

/** json_text() - compact text, valid until the object is changed or put */
const char *json_text(struct json_object *o);

#endif
