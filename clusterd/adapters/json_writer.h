/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON that is written as bytes at once. Jansson builds a tree first: for the status of 8,000 VMs
 * that is 200,000 values, each with memory of its own, and some 100 ms of the daemon's loop. So
 * only what has thousands of rows is written this way; all else is a tree of jansson's, which may
 * be a part of what is written.
 *
 * Texts and numbers come out as json_value.h makes them. `key` is the name of a member, of plain
 * ASCII without quotes; NULL in an array and at the top. Running out of memory is sticky, and shows
 * at the end only.
 */
#ifndef CLUSTERD_ADAPTERS_JSON_WRITER_H
#define CLUSTERD_ADAPTERS_JSON_WRITER_H

#include "base/buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct json_writer {
    struct buffer out;
    bool more; /* something stands before the next value: a comma parts them */
};

void json_writer_init(struct json_writer *writer);
void json_writer_finish(struct json_writer *writer);
/* What has been written, ended by a NUL; the caller frees it. NULL: out of memory. The writer is
 * finished. */
char *json_writer_steal(struct json_writer *writer);

void json_write_object(struct json_writer *writer, const char *key);
void json_write_array(struct json_writer *writer, const char *key);
void json_write_object_end(struct json_writer *writer);
void json_write_array_end(struct json_writer *writer);

void json_write_text(struct json_writer *writer, const char *key, const char *text);
void json_write_number(struct json_writer *writer, const char *key, uint64_t number);
void json_write_bool(struct json_writer *writer, const char *key, bool value);
void json_write_null(struct json_writer *writer, const char *key);

/* Both take ownership; NULL: whoever made it had no memory. The second writes the members of an
 * object, without its braces. */
void json_write_value(struct json_writer *writer, const char *key, json_t *value);
void json_write_members(struct json_writer *writer, json_t *object);

#endif
