/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading members of JSON objects from the daemon. A member that is missing or of another type
 * reads as empty, because a newer or older daemon may send more or less than this program knows.
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Borrowed from `object`; "" if there is no such text. */
static inline const char *json_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static inline int64_t json_number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_real(value) ? (int64_t)json_real_value(value) : json_integer_value(value);
}

static inline bool json_flag(const json_t *object, const char *key) {
    return json_is_true(json_object_get(object, key));
}

static inline bool json_has(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return value != NULL && !json_is_null(value);
}

static inline void json_put(json_t **json) {
    json_decref(*json);
    *json = NULL;
}
static inline void json_text_free(char **text) {
    free(*text);
    *text = NULL;
}

/* Released at the end of the block. */
#define json_auto json_t __attribute__((cleanup(json_put)))
#define text_auto char __attribute__((cleanup(json_text_free)))

/* "a, b, c" of an array of strings or an object's keys; the caller frees it with free(). Never
 * NULL. */
char *json_join(const json_t *names, const char *separator);

#endif
