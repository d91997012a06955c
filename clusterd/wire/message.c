/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Header and body of the messages between clusterds; see message.h.
 */
#include "wire/message.h"

#include "base/check.h"
#include "base/hash.h"

#include <errno.h>
#include <string.h>

WIRE_DEFINE(state_floor);
WIRE_DEFINE(state_vote);
WIRE_DEFINE(msg_state);
WIRE_DEFINE(propose_member);
WIRE_DEFINE(msg_propose);
WIRE_DEFINE(msg_promised);
WIRE_DEFINE(entry_bytes);
WIRE_DEFINE(msg_entries);
WIRE_DEFINE(msg_ack);
WIRE_DEFINE(suffix_entry);
WIRE_DEFINE(msg_suffix);
WIRE_DEFINE(msg_snapshot);
WIRE_DEFINE(msg_heartbeat);
WIRE_DEFINE(msg_progress);

#define CRC_OFFSET 4u
#define VERSION_OFFSET 8u

static const struct wire_record *message_record(uint32_t type) {
    switch (type) {
#define X(NAME, number, msg) \
    case number: return &msg##_record;
        WIRE_MESSAGES(X)
#undef X
    default: return NULL;
    }
}

void message_encode(const struct message *message, struct buffer *out) {
    const struct wire_record *record = message_record(message->type);
    CHECK(record != NULL);
    size_t start = out->size;
    buffer_append_u32(out, MESSAGE_MAGIC);
    buffer_append_u32(out, 0);
    buffer_append_u8(out, PROTOCOL_LOWEST);
    buffer_append_u8(out, (uint8_t)message->type);
    buffer_append_u8(out, 0);
    buffer_append_u8(out, 0);
    buffer_append_u64(out, message->incarnation);
    buffer_append_u64(out, message->epoch);
    wire_encode(record, &message->body, out);
    if (!out->failed) {
        buffer_set_u32(out, start + CRC_OFFSET,
                       crc32c(out->data + start + VERSION_OFFSET,
                              out->size - start - VERSION_OFFSET));
    }
}

static uint64_t get_le(const uint8_t *p, size_t bytes) {
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

int message_header(const uint8_t *data, size_t size, struct message_header *ret) {
    if (size < MESSAGE_HEADER_BYTES || get_le(data, 4) != MESSAGE_MAGIC ||
        get_le(data + CRC_OFFSET, 4) != crc32c(data + VERSION_OFFSET, size - VERSION_OFFSET)) {
        return -EBADMSG;
    }
    *ret = (struct message_header){.version = data[VERSION_OFFSET],
                                   .type = data[VERSION_OFFSET + 1],
                                   .incarnation = get_le(data + 12, 8),
                                   .epoch = get_le(data + 20, 8)};
    return 0;
}

int message_decode(const uint8_t *data, size_t size, struct arena *arena, struct message *ret) {
    struct message_header header;
    int err = message_header(data, size, &header);
    if (err < 0) {
        return err;
    }
    const struct wire_record *record =
        header.version <= PROTOCOL_HIGHEST ? message_record(header.type) : NULL;
    if (!record) {
        return -EPROTONOSUPPORT;
    }
    struct message m = {.type = (enum message_type)header.type,
                        .incarnation = header.incarnation,
                        .epoch = header.epoch};
    err = wire_decode(record, data + MESSAGE_HEADER_BYTES, size - MESSAGE_HEADER_BYTES, arena,
                      &m.body, NULL);
    if (err < 0) {
        return err;
    }
    *ret = m;
    return 0;
}
