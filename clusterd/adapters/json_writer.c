/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON that is written as bytes at once; see json_writer.h. */
#include "adapters/json_writer.h"

#include "adapters/json_value.h"

#include <string.h>

#define DIGITS_MOST 20 /* of 64 bits */

void json_writer_init(struct json_writer *w) {
    buffer_init(&w->out);
    w->more = false;
}

void json_writer_finish(struct json_writer *w) {
    buffer_finish(&w->out);
}

char *json_writer_steal(struct json_writer *w) {
    size_t size = 0;
    buffer_append_u8(&w->out, '\0');
    char *text = (char *)buffer_steal(&w->out, &size);
    buffer_finish(&w->out);
    return text;
}

/* What stands before a value: a comma, a name; and room for `n` bytes of the value, or NULL. */
static char *begin(struct json_writer *w, const char *key, size_t n) {
    size_t comma = w->more ? 1 : 0;
    size_t name = key ? strlen(key) : 0;
    char *at = (char *)buffer_extend(&w->out, comma + (key ? name + 3 : 0) + n);
    w->more = true;
    if (at && comma) {
        *at++ = ',';
    }
    if (at && key) {
        *at++ = '"';
        memcpy(at, key, name + 1); /* the quote replaces its NUL */
        at += name;
        *at++ = '"';
        *at++ = ':';
    }
    return at;
}

/* A value that is already as it is written. */
static void write_plain(struct json_writer *w, const char *key, const char *bytes, size_t n) {
    char *at = begin(w, key, n);
    if (at) {
        memcpy(at, bytes, n);
    }
}

static void open(struct json_writer *w, const char *key, char bracket) {
    write_plain(w, key, &bracket, 1);
    w->more = false;
}

static void shut(struct json_writer *w, char bracket) {
    buffer_append_u8(&w->out, (uint8_t)bracket);
    w->more = true;
}

void json_write_object(struct json_writer *w, const char *key) {
    open(w, key, '{');
}

void json_write_array(struct json_writer *w, const char *key) {
    open(w, key, '[');
}

void json_write_object_end(struct json_writer *w) {
    shut(w, '}');
}

void json_write_array_end(struct json_writer *w) {
    shut(w, ']');
}

/* Printable ASCII that means nothing in JSON. */
static bool is_plain(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\') {
            return false;
        }
    }
    return true;
}

void json_write_text(struct json_writer *w, const char *key, const char *text) {
    size_t n = text ? strlen(text) : 0;
    if (!is_plain(text, n)) {
        json_write_value(w, key, json_of_text(text)); /* jansson knows how that is written */
        return;
    }
    char *at = begin(w, key, n + 2);
    if (at) {
        at[0] = '"';
        memcpy(at + 1, text ? text : "", n);
        at[n + 1] = '"';
    }
}

void json_write_number(struct json_writer *w, const char *key, uint64_t number) {
    char digits[DIGITS_MOST];
    size_t at = sizeof(digits);
    number = number > INT64_MAX ? INT64_MAX : number; /* as json_of_number() */
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    write_plain(w, key, digits + at, sizeof(digits) - at);
}

void json_write_bool(struct json_writer *w, const char *key, bool value) {
    write_plain(w, key, value ? "true" : "false", value ? 4 : 5);
}

void json_write_null(struct json_writer *w, const char *key) {
    write_plain(w, key, "null", 4);
}

static int append(const char *bytes, size_t n, void *data) {
    struct json_writer *w = data;
    buffer_append(&w->out, bytes, n);
    return w->out.failed ? -1 : 0;
}

static void write_borrowed(struct json_writer *w, const char *key, const json_t *value) {
    (void)begin(w, key, 0);
    if (!value || json_dump_callback(value, append, w, JSON_COMPACT | JSON_ENCODE_ANY) < 0) {
        w->out.failed = true;
    }
}

void json_write_value(struct json_writer *w, const char *key, json_t *value) {
    write_borrowed(w, key, value);
    json_decref(value);
}

void json_write_members(struct json_writer *w, json_t *object) {
    const char *key = NULL;
    json_t *value = NULL;
    w->out.failed = w->out.failed || !object;
    json_object_foreach (object, key, value) {
        write_borrowed(w, key, value);
    }
    json_decref(object);
}
