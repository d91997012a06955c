/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The replicated log as one node has it: entries from just after a snapshot to the last one, each
 * with the epoch of the view in which it was appended and with a chain digest over all of the log
 * up to it. Two logs with the same (epoch, index) at their end are the same log; the chain proves
 * it.
 *
 * An entry's bytes are a `log_command`: who asked, when, and the encoded command.
 */
#ifndef CLUSTERD_CORE_REPLICA_LOG_H
#define CLUSTERD_CORE_REPLICA_LOG_H

#include "core/core.h"
#include "core/outbox.h"
#include "wire/message.h"
#include "wire/record.h"

#include <stddef.h>
#include <stdint.h>

/* clang-format off */
#define WIRE_FIELDS_log_command(F, S)                                                        \
    F(S, U32, type, 0)         /* enum command_type */                                       \
    F(S, U64, time_ms, 0)      /* the sender's wall clock, for people */                     \
    F(S, U32, origin, 0)       /* node that sent it */                                       \
    F(S, U64, incarnation, 0)  /* of its clusterd */                                         \
    F(S, U64, request, 0)      /* number of the command within that incarnation */           \
    F(S, BYTES, body, MESSAGE_MAX_BYTES)                                                     \
    F(S, U64, asker, 0)        /* uid of who asked for it there, plus 1; 0: clusterd itself */ \
    F(S, STR, user, WIRE_MAX_NAME) /* the name of that user; "": it has none */
WIRE_STRUCT(log_command);
/* clang-format on */

struct log_item {
    uint64_t epoch;
    uint64_t chain; /* digest of the log up to and including this entry */
    uint8_t *data;  /* owned by the log */
    uint32_t size;
};

struct log {
    uint64_t base_index, base_epoch, base_chain; /* what lies before the first entry */
    struct log_item *items;                      /* index base_index + 1 + i */
    uint32_t n, capacity;
    uint64_t bytes; /* of all entries */
};

/* Reads a whole entry: `ret` and its command. -EBADMSG: unreadable, or a command that this clusterd
 * does not know; -ENOMEM. */
int log_read_entry(const uint8_t *data, size_t size, struct arena *arena, struct log_command *ret,
                   void **ret_command);

/* The protocol version that an entry needs; 0: it cannot be read. */
uint32_t log_needs(const uint8_t *data, size_t size, struct outbox *out);

void log_init(struct log *log);
void log_finish(struct log *log);
/* Forgets all entries: the log starts again after a snapshot. */
void log_reset(struct log *log, uint64_t index, uint64_t epoch, uint64_t chain);
/* Copies the data. -ENOMEM. */
int log_append(struct log *log, uint64_t epoch, const uint8_t *data, uint32_t size);
/* Drops the entries from `index` on. */
void log_truncate(struct log *log, uint64_t index);
/* Drops the entries up to and including `index`, which must be there. */
void log_trim(struct log *log, uint64_t index);
/* NULL if the log does not hold that entry (any more). */
const struct log_item *log_at(const struct log *log, uint64_t index);
uint64_t log_last_index(const struct log *log);
uint64_t log_last_epoch(const struct log *log);
uint64_t log_last_chain(const struct log *log);

#endif
