/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as what the log holds: an entry with a command of any type in it, and a command by itself.
 */
#include "base/check.h"
#include "core/replica/log.h"
#include "fuzz/bytes.h"
#include "wire/command.h"

static const uint32_t types[] = {
#define X(NAME, number, ...) number,
    WIRE_COMMANDS(X)
#undef X
};

static void check_entry(const uint8_t *data, size_t size) {
    struct arena arena;
    struct log_command entry;
    arena_init(&arena);
    check_record(&log_command_record, data, size);
    if (wire_decode(&log_command_record, data, size, &arena, &entry, NULL) == 0) {
        const struct wire_record *record = command_record(entry.type);
        if (record) {
            check_record(record, entry.body.data, entry.body.size);
        }
    }
    arena_finish(&arena);
}

/* What is made within its limits is decoded, and nothing of it is left over. */
static void check_made(const struct wire_record *record, struct bytes *b) {
    struct arena arena;
    struct buffer bytes;
    arena_init(&arena);
    buffer_init(&bytes);
    void *value = arena_alloc(&arena, record->size);
    CHECK(value != NULL);
    make_record(record, value, b, &arena, 1000);
    wire_encode(record, value, &bytes);
    CHECK(wire_decode(record, bytes.data, bytes.size, &arena, value, NULL) == 0);
    check_record(record, bytes.data, bytes.size);
    buffer_finish(&bytes);
    arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    struct bytes b = {.data = data + 2, .left = size - 2};
    const struct wire_record *record = command_record(types[data[1] % ARRAY_SIZE(types)]);
    switch (data[0] % 3) {
    case 0: check_entry(b.data, b.left); break;
    case 1: check_record(record, b.data, b.left); break;
    default: check_made(record, &b);
    }
    return 0;
}
