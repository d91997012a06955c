/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The actions of one step. Everything they point to lies in the outbox's arena, which is emptied at
 * the beginning of the next step.
 */
#ifndef CLUSTERD_CORE_OUTBOX_H
#define CLUSTERD_CORE_OUTBOX_H

#include "base/arena.h"
#include "core/core.h"
#include "wire/message.h"

struct outbox {
    struct arena arena;
    struct core_action *v; /* owned; grows */
    uint32_t n, capacity;
    struct buffer scratch;    /* for encoding */
    int error;                /* sticky: -ENOMEM */
    struct core_action spare; /* what outbox_add() returns when memory has run out */
};

void outbox_init(struct outbox *out);
void outbox_finish(struct outbox *out);
void outbox_reset(struct outbox *out);
/* A zeroed action of that type. Never NULL; see `error`. Valid until the next outbox_add(). */
struct core_action *outbox_add(struct outbox *out, enum core_action_type type);
/* The answer to a client's request. Everything it points to must live as long as the step. Valid
 * until the next outbox_add(); a warning may be added until then. */
struct core_reply *outbox_reply(struct outbox *out, uint64_t id, enum core_reply_code code,
                                uint64_t operation, const char *message, const char *hint);
void outbox_send(struct outbox *out, const struct message *message);
/* Copies the record's encoding into the arena. Empty when memory has run out. */
struct wire_bytes outbox_encode(struct outbox *out, const struct wire_record *record,
                                const void *value);
void outbox_log(struct outbox *out, enum severity severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As arena_printf(), but "" when memory has run out (and `error` says so). */
const char *outbox_text(struct outbox *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
