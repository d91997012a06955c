/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Collecting actions; see outbox.h.
 */
#include "core/outbox.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void outbox_init(struct outbox *out) {
    *out = (struct outbox){0};
    arena_init(&out->arena);
    buffer_init(&out->scratch);
}

void outbox_finish(struct outbox *out) {
    arena_finish(&out->arena);
    buffer_finish(&out->scratch);
    free(out->v);
    *out = (struct outbox){0};
}

void outbox_reset(struct outbox *out) {
    arena_reset(&out->arena);
    buffer_clear(&out->scratch);
    out->n = 0;
}

struct core_action *outbox_add(struct outbox *out, enum core_action_type type) {
    if (out->n == out->capacity) {
        uint32_t capacity = out->capacity ? out->capacity * 2 : 32;
        struct core_action *v = realloc(out->v, capacity * sizeof(*v));
        if (!v) {
            out->error = -ENOMEM;
            out->spare = (struct core_action){.type = type};
            return &out->spare;
        }
        out->v = v;
        out->capacity = capacity;
    }
    struct core_action *action = &out->v[out->n++];
    *action = (struct core_action){.type = type};
    return action;
}

static struct wire_bytes take_scratch(struct outbox *out) {
    struct wire_bytes bytes = {0};
    if (out->scratch.failed) {
        out->error = -ENOMEM;
    } else {
        bytes.data = arena_copy(&out->arena, out->scratch.data, out->scratch.size);
        bytes.size = bytes.data ? (uint32_t)out->scratch.size : 0;
        if (!bytes.data) {
            out->error = -ENOMEM;
        }
    }
    buffer_clear(&out->scratch);
    return bytes;
}

struct core_reply *outbox_reply(struct outbox *out, uint64_t id, enum core_reply_code code,
                                uint64_t operation, const char *message, const char *hint) {
    struct core_action *action = outbox_add(out, CORE_ACTION_REPLY);
    action->reply = (struct core_reply){.id = id,
                                        .code = code,
                                        .operation = operation,
                                        .message = message,
                                        .hint = hint,
                                        .warning = ""};
    return &action->reply;
}

void outbox_send(struct outbox *out, const struct message *message) {
    message_encode(message, &out->scratch);
    struct wire_bytes bytes = take_scratch(out);
    struct core_action *action = outbox_add(out, CORE_ACTION_SEND);
    action->send.data = bytes.data;
    action->send.size = bytes.size;
}

struct wire_bytes outbox_encode(struct outbox *out, const struct wire_record *record,
                                const void *value) {
    wire_encode(record, value, &out->scratch);
    return take_scratch(out);
}

static const char *format_text(struct outbox *out, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static const char *format_text(struct outbox *out, const char *format, va_list args) {
    char text[WIRE_MAX_TEXT + 1];
    (void)vsnprintf(text, sizeof(text), format, args);
    const char *copy = arena_strdup(&out->arena, text);
    if (!copy) {
        out->error = -ENOMEM;
        return "";
    }
    return copy;
}

const char *outbox_text(struct outbox *out, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *text = format_text(out, format, args);
    va_end(args);
    return text;
}

void outbox_log(struct outbox *out, enum severity severity, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *text = format_text(out, format, args);
    va_end(args);
    struct core_action *action = outbox_add(out, CORE_ACTION_LOG);
    action->log.severity = severity;
    action->log.message = text;
}
