/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log in memory; see log.h.
 */
#include "core/replica/log.h"

#include "base/check.h"
#include "base/hash.h"
#include "core/model/needed_protocol.h"
#include "wire/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

WIRE_DEFINE(log_command);

int log_read_entry(const uint8_t *data, size_t size, struct arena *arena, struct log_command *ret,
                   void **ret_command) {
    struct log_command entry;
    int err = wire_decode(&log_command_record, data, size, arena, &entry, NULL);
    if (err < 0) {
        return err;
    }
    const struct wire_record *record = command_record(entry.type);
    if (!record) {
        return -EBADMSG;
    }
    void *command = arena_alloc(arena, record->size);
    if (!command) {
        return -ENOMEM;
    }
    err = wire_decode(record, entry.body.data, entry.body.size, arena, command, NULL);
    if (err < 0) {
        return err;
    }
    *ret = entry;
    *ret_command = command;
    return 0;
}

uint32_t log_needs(const uint8_t *data, size_t size, struct outbox *out) {
    struct log_command entry;
    void *command = NULL;
    int err = log_read_entry(data, size, &out->arena, &entry, &command);
    out->error = err == -ENOMEM ? err : out->error;
    return err == 0 ? version_of_command(entry.type, command) : 0;
}

void log_init(struct log *log) {
    *log = (struct log){.base_chain = FNV64_START};
}

void log_finish(struct log *log) {
    log_reset(log, 0, 0, FNV64_START);
    free(log->items);
    *log = (struct log){0};
}

void log_reset(struct log *log, uint64_t index, uint64_t epoch, uint64_t chain) {
    log_truncate(log, log->base_index + 1);
    log->base_index = index;
    log->base_epoch = epoch;
    log->base_chain = chain;
}

int log_append(struct log *log, uint64_t epoch, const uint8_t *data, uint32_t size) {
    CHECK(epoch >= log_last_epoch(log));
    if (log->n == log->capacity) {
        uint32_t capacity = log->capacity ? log->capacity * 2 : 64;
        struct log_item *items = realloc(log->items, capacity * sizeof(*items));
        if (!items) {
            return -ENOMEM;
        }
        log->items = items;
        log->capacity = capacity;
    }
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) {
        return -ENOMEM;
    }
    if (size) {
        memcpy(copy, data, size);
    }
    uint64_t chain = fnv64(fnv64_u64(log_last_chain(log), epoch), data, size);
    log->items[log->n++] =
        (struct log_item){.epoch = epoch, .chain = chain, .data = copy, .size = size};
    log->bytes += size;
    return 0;
}

void log_truncate(struct log *log, uint64_t index) {
    CHECK(index > log->base_index);
    while (log->n > 0 && log_last_index(log) >= index) {
        struct log_item *item = &log->items[--log->n];
        log->bytes -= item->size;
        free(item->data);
    }
}

void log_trim(struct log *log, uint64_t index) {
    const struct log_item *last = log_at(log, index);
    if (!last) {
        return;
    }
    uint32_t drop = (uint32_t)(index - log->base_index);
    log->base_epoch = last->epoch;
    log->base_chain = last->chain;
    log->base_index = index;
    for (uint32_t i = 0; i < drop; i++) {
        log->bytes -= log->items[i].size;
        free(log->items[i].data);
    }
    memmove(log->items, log->items + drop, (log->n - drop) * sizeof(*log->items));
    log->n -= drop;
}

const struct log_item *log_at(const struct log *log, uint64_t index) {
    if (index <= log->base_index || index > log_last_index(log)) {
        return NULL;
    }
    return &log->items[index - log->base_index - 1];
}

uint64_t log_last_index(const struct log *log) {
    return log->base_index + log->n;
}

uint64_t log_last_epoch(const struct log *log) {
    return log->n ? log->items[log->n - 1].epoch : log->base_epoch;
}

uint64_t log_last_chain(const struct log *log) {
    return log->n ? log->items[log->n - 1].chain : log->base_chain;
}
