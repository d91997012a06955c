/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as a message of another clusterd. The checksum is put right, for a fuzzer does not find
 * one, and what comes from a node of the ring bears the right one. What decodes is encoded and
 * decoded again, and must be the same.
 *
 * The first byte says what the rest is: a message; or what one of each kind is made of.
 */
#include "base/check.h"
#include "base/hash.h"
#include "fuzz/bytes.h"
#include "wire/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    uint32_t type;
    const struct wire_record *record;
} kinds[] = {
#define X(NAME, number, msg) {number, &msg##_record},
    WIRE_MESSAGES(X)
#undef X
};

/* Two decoded messages are the same if they are encoded the same. */
static void check_again(const struct message *m, struct arena *arena, struct buffer *ret_bytes) {
    struct buffer again;
    struct message back;
    buffer_init(&again);
    message_encode(m, ret_bytes);
    CHECK(message_decode(ret_bytes->data, ret_bytes->size, arena, &back) == 0);
    CHECK(back.type == m->type && back.incarnation == m->incarnation && back.epoch == m->epoch);
    message_encode(&back, &again);
    CHECK(again.size == ret_bytes->size && memcmp(again.data, ret_bytes->data, again.size) == 0);
    buffer_finish(&again);
}

static void decode(uint8_t *data, size_t size, struct arena *arena) {
    struct message m;
    struct message_header header;
    if (size >= MESSAGE_HEADER_BYTES) {
        uint32_t crc = crc32c(data + 8, size - 8);
        for (size_t i = 0; i < 4; i++) {
            data[4 + i] = (uint8_t)(crc >> (8 * i));
        }
    }
    int err = message_decode(data, size, arena, &m);
    CHECK(err == 0 || err == -EBADMSG || err == -EPROTONOSUPPORT);
    if (err != -EBADMSG) {
        CHECK(message_header(data, size, &header) == 0);
        CHECK((err == 0) <= (header.version <= PROTOCOL_HIGHEST));
    }
    if (err == 0) {
        struct buffer bytes;
        buffer_init(&bytes);
        check_again(&m, arena, &bytes);
        buffer_finish(&bytes);
    }
}

/* What is made within the limits of its record is taken by the decoder, whole; damaged, it is not.
 */
static void make(struct bytes *b, struct arena *arena) {
    uint32_t kind = bytes_below(b, ARRAY_SIZE(kinds));
    struct message back;
    struct message m = {.type = (enum message_type)kinds[kind].type,
                        .incarnation = bytes_number(b, 8),
                        .epoch = bytes_number(b, 8)};
    struct buffer bytes;
    buffer_init(&bytes);
    size_t flip = bytes_number(b, 2);
    make_record(kinds[kind].record, &m.body, b, arena, 1000);
    check_again(&m, arena, &bytes);
    bytes.data[flip % bytes.size] ^= (uint8_t)(1u << flip % 7);
    CHECK(message_decode(bytes.data, bytes.size, arena, &back) < 0);
    buffer_finish(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    if (size == 0) {
        return 0;
    }
    arena_init(&arena);
    if (data[0] & 1) {
        struct bytes b = {.data = data + 1, .left = size - 1};
        make(&b, &arena);
    } else {
        /* A copy of that very size, so that a sanitizer sees a step too far. */
        uint8_t *copy = malloc(size > 1 ? size - 1 : 1);
        CHECK(copy != NULL);
        memcpy(copy, data + 1, size - 1);
        decode(copy, size - 1, &arena);
        free(copy);
    }
    arena_finish(&arena);
    return 0;
}
