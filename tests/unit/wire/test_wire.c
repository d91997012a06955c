/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record codec: every command, every message, filled by their own lists of fields, comes back
 * as it went; cut short or with flipped bits it is refused or decoded, but never believed beyond
 * its end; one message is fixed byte by byte.
 */
#include "base/arena.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/migrate_uri.h"
#include "core/replica/log.h"
#include "wire/command.h"
#include "wire/message.h"
#include "wire/names.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint32_t command_types[] = {
#define X(NAME, number, ...) number,
    WIRE_COMMANDS(X)
#undef X
};

static const uint32_t message_types[] = {
#define X(NAME, number, msg) number,
    WIRE_MESSAGES(X)
#undef X
};

static void fill(const struct wire_record *record, void *value, struct arena *arena, uint32_t seed);

static void fill_list(const struct wire_field *field, struct wire_list *list, struct arena *arena,
                      uint32_t seed) {
    uint8_t *items = arena_array(arena, 2, field->element->size);
    assert_non_null(items);
    fill(field->element, items, arena, seed);
    fill(field->element, items + field->element->size, arena, seed + 1);
    *list = (struct wire_list){.items = items, .n = 2};
}

static void fill_field(const struct wire_field *f, void *at, struct arena *arena, uint32_t seed) {
    static const char *const texts[] = {"", "one", "two words"};
    static const uint32_t ids[] = {7, 1, 3};
    uint64_t number = f->limit <= 5000 ? f->limit : 1000 + seed;
    switch (f->type) {
    case WIRE_U8: *(uint8_t *)at = (uint8_t)(f->limit < 200 ? f->limit : 200); break;
    case WIRE_U32: *(uint32_t *)at = (uint32_t)number; break;
    case WIRE_U64: *(uint64_t *)at = number << (f->limit == UINT64_MAX ? 40 : 0); break;
    case WIRE_STR: *(const char **)at = texts[seed % 3]; break;
    case WIRE_BYTES:
        *(struct wire_bytes *)at =
            (struct wire_bytes){.data = (const uint8_t *)"\0\1\2", .size = 3};
        break;
    case WIRE_IDS: *(struct wire_ids *)at = (struct wire_ids){.v = ids, .n = seed % 4}; break;
    case WIRE_STRS: *(struct wire_strs *)at = (struct wire_strs){.v = texts, .n = seed % 4}; break;
    case WIRE_LIST: fill_list(f, at, arena, seed); break;
    }
}

static void fill(const struct wire_record *record, void *value, struct arena *arena,
                 uint32_t seed) {
    for (uint32_t i = 0; i < record->n_fields; i++) {
        const struct wire_field *field = &record->fields[i];
        fill_field(field, (uint8_t *)value + field->offset, arena, seed + i);
    }
}

/* Encoded, decoded, copied, encoded again: the same bytes. Cut short: refused. Flipped: no crash.
 */
static void round_trip(const struct wire_record *record, uint32_t seed) {
    struct arena arena;
    struct buffer first, second;
    arena_init(&arena);
    buffer_init(&first);
    buffer_init(&second);
    void *value = arena_alloc(&arena, record->size), *back = arena_alloc(&arena, record->size);
    void *copy = arena_alloc(&arena, record->size);
    fill(record, value, &arena, seed);
    wire_encode(record, value, &first);
    assert_int_equal(wire_decode(record, first.data, first.size, &arena, back, NULL), 0);
    assert_int_equal(wire_copy(record, back, copy), 0);
    wire_encode(record, copy, &second);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    wire_release(record, copy);
    for (size_t size = 0; size < first.size; size++) {
        /* In memory of that very size, so that a sanitizer sees a step too far. */
        uint8_t *part = test_malloc(size ? size : 1);
        memcpy(part, first.data, size);
        assert_int_equal(wire_decode(record, part, size, &arena, back, NULL), -74); /* EBADMSG */
        test_free(part);
    }
    for (size_t bit = 0; bit < first.size * 8; bit++) {
        first.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        (void)wire_decode(record, first.data, first.size, &arena, back, NULL);
        first.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    buffer_finish(&first);
    buffer_finish(&second);
    arena_finish(&arena);
}

static void commands(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(command_types); i++) {
        for (uint32_t seed = 0; seed < 4; seed++) {
            round_trip(command_record(command_types[i]), seed);
        }
    }
    for (uint32_t seed = 0; seed < 4; seed++) {
        round_trip(&log_command_record, seed);
    }
    for (size_t i = 0; i < ARRAY_SIZE(command_types); i++) {
        assert_string_not_equal(command_name(command_types[i]), "UNKNOWN");
    }
    assert_string_equal(command_name(9999), "UNKNOWN");
    assert_null(command_record(0));
    assert_null(command_record(9999));
}

static void fill_message(struct message *m, uint32_t type, struct arena *arena) {
    *m = (struct message){.type = (enum message_type)type, .incarnation = 77, .epoch = 5};
    switch (type) {
#define X(NAME, number, msg) \
    case number: fill(&msg##_record, &m->body.msg, arena, number); break;
        WIRE_MESSAGES(X)
#undef X
    default: fail();
    }
}

/* Whatever bit is flipped, wherever it is cut: a message is refused as a whole. */
static void messages(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(message_types); i++) {
        struct arena arena;
        struct buffer b, again;
        struct message m, back;
        arena_init(&arena);
        buffer_init(&b);
        buffer_init(&again);
        fill_message(&m, message_types[i], &arena);
        message_encode(&m, &b);
        assert_int_equal(message_decode(b.data, b.size, &arena, &back), 0);
        assert_true(back.type == m.type && back.incarnation == 77 && back.epoch == 5);
        message_encode(&back, &again);
        assert_int_equal(b.size, again.size);
        assert_memory_equal(b.data, again.data, b.size);
        for (size_t bit = 0; bit < b.size * 8; bit++) {
            b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            assert_true(message_decode(b.data, b.size, &arena, &back) < 0);
            b.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        for (size_t size = 0; size < b.size; size++) {
            assert_true(message_decode(b.data, size, &arena, &back) < 0);
        }
        buffer_finish(&b);
        buffer_finish(&again);
        arena_finish(&arena);
    }
}

/* These bytes are what is sent: a change of them is a change of the protocol. */
static void golden(void **state) {
    (void)state;
    static const uint8_t expected[] = {
        0x43, 0x4c, 0x53, 0x44, 0x87, 0x2d, 0xc9, 0x4b, 4, 5, 0, 0, /* magic, crc, version, type */
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,             /* incarnation */
        3,    0,    0,    0,    0,    0,    0,    0,                /* epoch */
        16,   0,    0,    0,                                        /* size of the record */
        42,   0,    0,    0,    0,    0,    0,    0,                /* index */
        0xef, 0xbe, 0xad, 0xde, 0,    0,    0,    0x80,             /* chain */
    };
    struct message m = {.type = MESSAGE_ACK,
                        .incarnation = UINT64_C(0x1122334455667788),
                        .epoch = 3,
                        .body.msg_ack = {.index = 42, .chain = UINT64_C(0x80000000deadbeef)}};
    struct buffer b;
    buffer_init(&b);
    message_encode(&m, &b);
    assert_int_equal(b.size, sizeof(expected));
    assert_memory_equal(b.data, expected, sizeof(expected));
    buffer_finish(&b);
}

/* A whole message of another version is told from a damaged one, with what every version has in the
 * same place. */
static void other_versions(void **state) {
    static const struct {
        uint8_t version, type;
        int error;
    } cases[] = {
        {PROTOCOL_HIGHEST, MESSAGE_ACK, 0},
        {PROTOCOL_HIGHEST + 1, MESSAGE_ACK, -EPROTONOSUPPORT},
        {PROTOCOL_LOWEST, MESSAGE_ACK, 0},
        {PROTOCOL_LOWEST - 1, MESSAGE_ACK, 0}, /* may speak a higher one, too: its STATE says */
        {255, 255, -EPROTONOSUPPORT},
        {PROTOCOL_HIGHEST, 0, -EPROTONOSUPPORT},
        {PROTOCOL_HIGHEST, 255, -EPROTONOSUPPORT},
    };
    struct message m = {.type = MESSAGE_ACK, .incarnation = 77, .epoch = 5};
    struct message_header header;
    struct message back;
    struct arena arena;
    struct buffer b;
    (void)state;
    arena_init(&arena);
    buffer_init(&b);
    message_encode(&m, &b);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        b.data[8] = cases[i].version;
        b.data[9] = cases[i].type;
        buffer_set_u32(&b, 4, crc32c(b.data + 8, b.size - 8));
        assert_int_equal(message_decode(b.data, b.size, &arena, &back), cases[i].error);
        assert_int_equal(message_header(b.data, b.size, &header), 0);
        assert_int_equal(header.version, cases[i].version);
        assert_int_equal(header.type, cases[i].type);
        assert_true(header.incarnation == 77 && header.epoch == 5);
        b.data[9] ^= 1; /* damaged: of no version at all */
        assert_int_equal(message_decode(b.data, b.size, &arena, &back), -EBADMSG);
        assert_int_equal(message_header(b.data, b.size, &header), -EBADMSG);
    }
    assert_int_equal(message_header(b.data, MESSAGE_HEADER_BYTES - 1, &header), -EBADMSG);
    buffer_finish(&b);
    arena_finish(&arena);
}

static void names(void **state) {
    (void)state;
    char longest[WIRE_MAX_NAME + 2];
    memset(longest, 'a', sizeof(longest));
    longest[WIRE_MAX_NAME] = '\0';
    assert_true(name_is_good(longest));
    longest[WIRE_MAX_NAME] = 'a';
    longest[WIRE_MAX_NAME + 1] = '\0';
    assert_false(name_is_good(longest));
    assert_true(name_is_good("web-1.example_A"));
    const char *const bad[] = {"", ".hidden", "-x", "a b", "a/b", "../x", "\xc3\xa4"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(name_is_good(bad[i]));
    }
}

static void clear_uris(void **state) {
    static const char *const clear[] = {"qemu+tcp://n2/system", "QEMU+TCP://n2:1/system",
                                        "+tcp://"};
    static const char *const others[] = {"qemu+tls://n2/system",
                                         "qemu+ssh://root@n2/system",
                                         "qemu://n2/system",
                                         "tcp://n2/system",
                                         "qemu+tcpx://n2/system",
                                         "qemu+tls://n2/system?x=+tcp://",
                                         "qemu+tcp",
                                         ""};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(clear); i++) {
        assert_true(migrate_uri_is_clear(clear[i]));
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        assert_false(migrate_uri_is_clear(others[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),  cmocka_unit_test(commands),       cmocka_unit_test(messages),
        cmocka_unit_test(golden), cmocka_unit_test(other_versions), cmocka_unit_test(clear_uris),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
