/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growing byte buffer with a sticky failure; see buffer.h.
 */
#include "base/buffer.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define BUFFER_MAX ((size_t)1 << 31)

void buffer_init(struct buffer *b) {
    *b = (struct buffer){0};
}

void buffer_finish(struct buffer *b) {
    free(b->data);
    *b = (struct buffer){0};
}

void buffer_clear(struct buffer *b) {
    b->size = 0;
    b->failed = false;
}

static bool buffer_reserve(struct buffer *b, size_t more) {
    if (b->failed || more > BUFFER_MAX || b->size > BUFFER_MAX - more) {
        b->failed = true;
        return false;
    }
    if (b->size + more <= b->capacity) {
        return true;
    }
    size_t capacity = b->capacity ? b->capacity : 256;
    while (capacity < b->size + more) {
        capacity *= 2;
    }
    uint8_t *data = realloc(b->data, capacity);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

uint8_t *buffer_extend(struct buffer *b, size_t size) {
    if (size == 0 || !buffer_reserve(b, size)) {
        return NULL;
    }
    b->size += size;
    return b->data + b->size - size;
}

void buffer_append(struct buffer *b, const void *data, size_t size) {
    uint8_t *at = buffer_extend(b, size);
    if (at) {
        memcpy(at, data, size);
    }
}

void buffer_append_u8(struct buffer *b, uint8_t v) {
    buffer_append(b, &v, 1);
}

static void put_le(uint8_t *out, uint64_t v, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(v >> (8 * i));
    }
}

void buffer_append_u32(struct buffer *b, uint32_t v) {
    uint8_t raw[4];
    put_le(raw, v, sizeof(raw));
    buffer_append(b, raw, sizeof(raw));
}

void buffer_append_u64(struct buffer *b, uint64_t v) {
    uint8_t raw[8];
    put_le(raw, v, sizeof(raw));
    buffer_append(b, raw, sizeof(raw));
}

void buffer_set_u32(struct buffer *b, size_t offset, uint32_t v) {
    if (b->failed) {
        return;
    }
    CHECK(offset + 4 <= b->size);
    put_le(b->data + offset, v, 4);
}

uint8_t *buffer_steal(struct buffer *b, size_t *ret_size) {
    if (b->failed || b->size == 0) {
        return NULL;
    }
    uint8_t *data = b->data;
    *ret_size = b->size;
    *b = (struct buffer){0};
    return data;
}
