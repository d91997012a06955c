/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a cluster file, the inside: see cluster/reader.h.
 */
#include "cluster/reader.h"

#include "base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Appends to the message, which is cut off when it is full. */
__attribute__((format(printf, 2, 3))) static void put(struct cluster_reader *r, const char *format,
                                                      ...) {
    size_t used = strlen(r->message);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(r->message + used, CLUSTER_FILE_MESSAGE_MAX - used, format, arguments);
    va_end(arguments);
}

static void put_place(struct cluster_reader *r) {
    const char *dot = "";
    if (r->section != NULL) {
        put(r, "%s", r->section);
        dot = ".";
        if (r->index != CLUSTER_NOWHERE) {
            put(r, "[%zu]", r->index);
        }
    }
    if (r->within != NULL) {
        put(r, "%s%s", dot, r->within);
        dot = ".";
    }
    if (r->key != NULL) {
        put(r, "%s%s", dot, r->key);
        dot = ".";
    }
    if (r->sub != NULL) {
        put(r, "%s%s", dot, r->sub);
    }
    if (r->element != CLUSTER_NOWHERE) {
        put(r, "[%zu]", r->element);
    }
}

int reader_fail(struct cluster_reader *r, const char *format, ...) {
    va_list arguments;
    r->message[0] = '\0';
    put(r, "%s: ", r->path);
    put_place(r);
    if (r->section != NULL || r->key != NULL) {
        put(r, ": ");
    }
    size_t used = strlen(r->message);
    va_start(arguments, format);
    (void)vsnprintf(r->message + used, CLUSTER_FILE_MESSAGE_MAX - used, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

int reader_no_memory(struct cluster_reader *r) {
    (void)snprintf(r->message, CLUSTER_FILE_MESSAGE_MAX, "%s: out of memory", r->path);
    return -ENOMEM;
}

void *reader_array(struct cluster_reader *r, size_t count, size_t size) {
    void *array = arena_array(&r->file->arena, count > 0 ? count : 1, size);
    if (array == NULL) {
        (void)reader_no_memory(r);
    }
    return array;
}

void reader_enter(struct cluster_reader *r, const char *section, size_t index) {
    r->section = section;
    r->index = index;
    r->within = r->key = r->sub = NULL;
    r->element = CLUSTER_NOWHERE;
}

static const char *type_name(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a text";
    case JSON_INTEGER: return "a number";
    case JSON_REAL: return "a number with a fraction or an exponent";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    case JSON_NULL: return "null";
    }
    return "something else";
}

int reader_amount(struct cluster_reader *r, const json_t *value, uint64_t max, uint64_t *ret) {
    if (!json_is_integer(value)) {
        return reader_fail(r, "must be a whole number, and is %s", type_name(value));
    }
    json_int_t number = json_integer_value(value);
    if (number < 0 || (uint64_t)number > max) {
        return reader_fail(r, "%" PRId64 " is not in the range from 0 to %" PRIu64, (int64_t)number,
                           max);
    }
    *ret = (uint64_t)number;
    return 0;
}

int reader_name(struct cluster_reader *r, const json_t *value, const char **ret) {
    if (!json_is_string(value)) {
        return reader_fail(r, "must be a name, and is %s", type_name(value));
    }
    if (json_string_length(value) == 0 || json_string_length(value) > CLUSTER_NAME_MAX) {
        return reader_fail(r, "a name has 1 to %u bytes, this one %zu", CLUSTER_NAME_MAX,
                           json_string_length(value));
    }
    *ret = json_string_value(value);
    return 0;
}

static int read_word(struct cluster_reader *r, const json_t *value, const char *const *words,
                     uint32_t *ret) {
    const char *text = json_string_value(value);
    for (uint32_t i = 0; text != NULL && words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            *ret = i;
            return 0;
        }
    }
    (void)reader_fail(r, "must be one of");
    for (uint32_t i = 0; words[i] != NULL; i++) {
        put(r, "%s %s", i > 0 ? "," : "", words[i]);
    }
    if (text != NULL) {
        put(r, "; \"%.40s\" is none of them", text);
    }
    return -EINVAL;
}

static int read_signed(struct cluster_reader *r, const json_t *value, int32_t *ret) {
    if (!json_is_integer(value)) {
        return reader_fail(r, "must be a whole number, and is %s", type_name(value));
    }
    json_int_t number = json_integer_value(value);
    if (number < INT32_MIN || number > INT32_MAX) {
        return reader_fail(r, "%" PRId64 " is not in the range from %" PRId32 " to %" PRId32,
                           (int64_t)number, INT32_MIN, INT32_MAX);
    }
    *ret = (int32_t)number;
    return 0;
}

static int read_compound(struct cluster_reader *r, const json_t *value, json_type type,
                         const json_t **ret) {
    if (json_typeof(value) != type) {
        return reader_fail(r, "must be %s, and is %s",
                           type == JSON_ARRAY ? "an array" : "an object", type_name(value));
    }
    *ret = value;
    return 0;
}

static int read_field(struct cluster_reader *r, const struct cluster_field *field,
                      const json_t *value, void *target) {
    void *at = (char *)target + field->offset;
    uint64_t number = 0;
    int error = 0;
    switch (field->type) {
    case FIELD_NAME_OR_NULL:
        if (json_is_null(value)) {
            return 0;
        }
        return reader_name(r, value, at);
    case FIELD_NAME: return reader_name(r, value, at);
    case FIELD_AMOUNT: return reader_amount(r, value, PLACEMENT_AMOUNT_MAX, at);
    case FIELD_SEED: return reader_amount(r, value, INT64_MAX, at);
    case FIELD_U32:
        error = reader_amount(r, value, field->max, &number);
        *(uint32_t *)at = error == 0 ? (uint32_t)number : 0;
        return error;
    case FIELD_I32: return read_signed(r, value, at);
    case FIELD_BOOL:
        if (!json_is_boolean(value)) {
            return reader_fail(r, "must be true or false, and is %s", type_name(value));
        }
        *(bool *)at = json_is_true(value);
        return 0;
    case FIELD_WORD: return read_word(r, value, field->words, at);
    case FIELD_ARRAY: return read_compound(r, value, JSON_ARRAY, at);
    case FIELD_OBJECT: return read_compound(r, value, JSON_OBJECT, at);
    case FIELD_ANY: return 0;
    }
    return 0;
}

static int fail_unknown(struct cluster_reader *r, const char *key,
                        const struct cluster_field *fields, size_t n_fields) {
    char shown[41];
    (void)snprintf(shown, sizeof(shown), "%s", key);
    r->key = shown;
    (void)reader_fail(r, "unknown key; allowed are");
    for (size_t i = 0; i < n_fields; i++) {
        put(r, "%s %s", i > 0 ? "," : "", fields[i].key);
    }
    r->key = NULL;
    return -EINVAL;
}

int reader_object(struct cluster_reader *r, const json_t *object,
                  const struct cluster_field *fields, size_t n_fields, void *target) {
    uint64_t seen = 0;
    const char *key = NULL;
    json_t *value = NULL;
    CHECK(n_fields <= 64); /* a bit of `seen` for each */
    r->key = r->sub = NULL;
    r->element = CLUSTER_NOWHERE;
    if (!json_is_object(object)) {
        return reader_fail(r, "must be an object, and is %s", type_name(object));
    }
    json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
        size_t i = 0;
        while (i < n_fields && strcmp(fields[i].key, key) != 0) {
            i++;
        }
        if (i == n_fields) {
            return fail_unknown(r, key, fields, n_fields);
        }
        r->key = fields[i].key;
        int error = read_field(r, &fields[i], value, target);
        if (error < 0) {
            return error;
        }
        seen |= UINT64_C(1) << i;
    }
    for (size_t i = 0; i < n_fields; i++) {
        if (fields[i].required && (seen & (UINT64_C(1) << i)) == 0) {
            r->key = fields[i].key;
            return reader_fail(r, "is missing");
        }
    }
    r->key = NULL;
    return 0;
}

int reader_find(struct cluster_reader *r, const struct cluster_names *names, const char *what,
                const char *name, uint32_t *ret) {
    uint32_t number = cluster_names_find(names, name);
    if (number == CLUSTER_NAMES_NONE) {
        return reader_fail(r, "there is no %s %.64s", what, name);
    }
    *ret = number;
    return 0;
}

/* Reads the names of an array one by one; `add`: adds new ones, up to `max`. */
static int read_set(struct cluster_reader *r, struct cluster_names *names, const char *what,
                    bool add, uint32_t max, const json_t *array, struct placement_set *ret) {
    size_t n = json_array_size(array);
    if (n > PLACEMENT_VMS_MAX) {
        return reader_fail(r, "has %zu names; allowed are at most %u", n, PLACEMENT_VMS_MAX);
    }
    uint32_t *index = reader_array(r, n, sizeof(*index));
    if (index == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = NULL;
        r->element = i;
        int error = reader_name(r, json_array_get(array, i), &name);
        if (error == 0 && !add) {
            error = reader_find(r, names, what, name, &index[i]);
        } else if (error == 0) {
            error = cluster_names_add(names, &r->file->arena, name, &index[i]);
            error = error < 0 ? reader_no_memory(r) : 0;
        }
        if (error == 0 && add && names->n > max) {
            error = reader_fail(r, "there are more than %u of them in all", max);
        }
        if (error < 0) {
            return error;
        }
    }
    r->element = CLUSTER_NOWHERE;
    *ret = (struct placement_set){.index = index, .n = (uint32_t)n};
    return 0;
}

int reader_find_set(struct cluster_reader *r, const struct cluster_names *names, const char *what,
                    const char *key, const json_t *array, struct placement_set *ret) {
    r->key = key;
    if (array == NULL) {
        *ret = (struct placement_set){0};
        return 0;
    }
    return read_set(r, (struct cluster_names *)(uintptr_t)names, what, false, 0, array, ret);
}

int reader_add_set(struct cluster_reader *r, struct cluster_names *names, const char *key,
                   uint32_t max, const json_t *array, struct placement_set *ret) {
    r->key = key;
    return read_set(r, names, "", true, max, array, ret);
}

int reader_resources(struct cluster_reader *r, const char *key, const json_t *object,
                     uint64_t *row) {
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
        char shown[65];
        (void)snprintf(shown, sizeof(shown), "%s", name);
        r->key = key;
        r->sub = shown;
        uint32_t number = cluster_names_find(&r->resource_names, name);
        int error = 0;
        if (number == CLUSTER_NAMES_NONE || number <= PLACEMENT_CPU) {
            error = reader_fail(r, "is not among the additional resources of the file");
        } else {
            error = reader_amount(r, value, PLACEMENT_AMOUNT_MAX, &row[number]);
        }
        r->sub = NULL;
        if (error < 0) {
            return error;
        }
    }
    return 0;
}
