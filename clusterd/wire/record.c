/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one encoder and decoder; see record.h for the format.
 *
 * The decoder trusts nothing. It compares every length with the remaining bytes before it reads or
 * allocates anything. It allocates an array only if the elements could be there (each takes at
 * least four bytes).
 */
#include "wire/record.h"

#include "base/check.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* ---- encode ---- */

static void encode_str(const char *text, uint64_t limit, struct buffer *out) {
    size_t size = text ? strlen(text) : 0;
    CHECK(size <= limit);
    buffer_append_u32(out, (uint32_t)size);
    buffer_append(out, text, size);
    buffer_append_u8(out, 0);
}

static void encode_list(const struct wire_field *field, const struct wire_list *list,
                        struct buffer *out) {
    CHECK(list->n <= field->limit);
    buffer_append_u32(out, list->n);
    const uint8_t *item = list->items;
    for (uint32_t i = 0; i < list->n; i++) {
        wire_encode(field->element, item + (size_t)i * field->element->size, out);
    }
}

static void encode_field(const struct wire_field *field, const void *at, struct buffer *out) {
    switch (field->type) {
    case WIRE_U8:
        CHECK(*(const uint8_t *)at <= field->limit);
        buffer_append_u8(out, *(const uint8_t *)at);
        break;
    case WIRE_U32:
        CHECK(*(const uint32_t *)at <= field->limit);
        buffer_append_u32(out, *(const uint32_t *)at);
        break;
    case WIRE_U64:
        CHECK(*(const uint64_t *)at <= field->limit);
        buffer_append_u64(out, *(const uint64_t *)at);
        break;
    case WIRE_STR: encode_str(*(const char *const *)at, field->limit, out); break;
    case WIRE_BYTES: {
        const struct wire_bytes *bytes = at;
        CHECK(bytes->size <= field->limit);
        buffer_append_u32(out, bytes->size);
        buffer_append(out, bytes->data, bytes->size);
        break;
    }
    case WIRE_IDS: {
        const struct wire_ids *ids = at;
        CHECK(ids->n <= field->limit);
        buffer_append_u32(out, ids->n);
        for (uint32_t i = 0; i < ids->n; i++) {
            buffer_append_u32(out, ids->v[i]);
        }
        break;
    }
    case WIRE_STRS: {
        const struct wire_strs *strs = at;
        CHECK(strs->n <= field->limit);
        buffer_append_u32(out, strs->n);
        for (uint32_t i = 0; i < strs->n; i++) {
            encode_str(strs->v[i], WIRE_MAX_TEXT, out);
        }
        break;
    }
    case WIRE_LIST: encode_list(field, at, out); break;
    }
}

void wire_encode(const struct wire_record *record, const void *value, struct buffer *out) {
    size_t start = out->size;
    buffer_append_u32(out, 0);
    for (uint32_t i = 0; i < record->n_fields; i++) {
        const struct wire_field *field = &record->fields[i];
        encode_field(field, (const uint8_t *)value + field->offset, out);
    }
    if (!out->failed) {
        buffer_set_u32(out, start, (uint32_t)(out->size - start - 4));
    }
}

/* ---- decode ---- */

struct reader {
    const uint8_t *data;
    size_t left;
    struct arena *arena;
};

static int read_uint(struct reader *r, size_t bytes, uint64_t *ret) {
    if (r->left < bytes) {
        return -EBADMSG;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++) {
        v |= (uint64_t)r->data[i] << (8 * i);
    }
    r->data += bytes;
    r->left -= bytes;
    *ret = v;
    return 0;
}

/* A count of elements or bytes: within the field's limit, and with at least `each` bytes left for
 * each of them. */
static int read_count(struct reader *r, uint64_t limit, size_t each, uint32_t *ret) {
    uint64_t n;
    if (read_uint(r, 4, &n) < 0 || n > limit || n * each > r->left) {
        return -EBADMSG;
    }
    *ret = (uint32_t)n;
    return 0;
}

static int read_str(struct reader *r, uint64_t limit, const char **ret) {
    uint32_t size;
    if (read_count(r, limit, 1, &size) < 0 || r->left < (size_t)size + 1 || r->data[size] != 0 ||
        memchr(r->data, 0, size)) {
        return -EBADMSG;
    }
    *ret = (const char *)r->data;
    r->data += (size_t)size + 1;
    r->left -= (size_t)size + 1;
    return 0;
}

static int read_bytes(struct reader *r, uint64_t limit, struct wire_bytes *ret) {
    uint32_t size;
    if (read_count(r, limit, 1, &size) < 0) {
        return -EBADMSG;
    }
    *ret = (struct wire_bytes){.data = r->data, .size = size};
    r->data += size;
    r->left -= size;
    return 0;
}

static int read_ids(struct reader *r, uint64_t limit, struct wire_ids *ret) {
    uint32_t n;
    if (read_count(r, limit, 4, &n) < 0) {
        return -EBADMSG;
    }
    uint32_t *v = arena_array(r->arena, n, sizeof(*v));
    if (!v) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint64_t id;
        if (read_uint(r, 4, &id) < 0) {
            return -EBADMSG;
        }
        v[i] = (uint32_t)id;
    }
    *ret = (struct wire_ids){.v = v, .n = n};
    return 0;
}

static int read_strs(struct reader *r, uint64_t limit, struct wire_strs *ret) {
    uint32_t n;
    if (read_count(r, limit, 5, &n) < 0) {
        return -EBADMSG;
    }
    const char **v = arena_array(r->arena, n, sizeof(*v));
    if (!v) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        int err = read_str(r, WIRE_MAX_TEXT, &v[i]);
        if (err < 0) {
            return err;
        }
    }
    *ret = (struct wire_strs){.v = v, .n = n};
    return 0;
}

static int read_record(struct reader *r, const struct wire_record *record, void *value);

static int read_list(struct reader *r, const struct wire_field *field, struct wire_list *ret) {
    uint32_t n;
    if (read_count(r, field->limit, 4, &n) < 0) {
        return -EBADMSG;
    }
    uint8_t *items = arena_array(r->arena, n, field->element->size);
    if (!items) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        int err = read_record(r, field->element, items + (size_t)i * field->element->size);
        if (err < 0) {
            return err;
        }
    }
    *ret = (struct wire_list){.items = items, .n = n};
    return 0;
}

static int read_number(struct reader *r, const struct wire_field *field, size_t bytes, void *at) {
    uint64_t v;
    if (read_uint(r, bytes, &v) < 0 || v > field->limit) {
        return -EBADMSG;
    }
    if (bytes == 1) {
        *(uint8_t *)at = (uint8_t)v;
    } else if (bytes == 4) {
        *(uint32_t *)at = (uint32_t)v;
    } else {
        *(uint64_t *)at = v;
    }
    return 0;
}

static int read_field(struct reader *r, const struct wire_field *field, void *at) {
    switch (field->type) {
    case WIRE_U8: return read_number(r, field, 1, at);
    case WIRE_U32: return read_number(r, field, 4, at);
    case WIRE_U64: return read_number(r, field, 8, at);
    case WIRE_STR: return read_str(r, field->limit, at);
    case WIRE_BYTES: return read_bytes(r, field->limit, at);
    case WIRE_IDS: return read_ids(r, field->limit, at);
    case WIRE_STRS: return read_strs(r, field->limit, at);
    case WIRE_LIST: return read_list(r, field, at);
    }
    return -EBADMSG;
}

/* The value of a field that an earlier version does not send: zero, and "" for a string. */
static void set_absent(const struct wire_field *field, void *at) {
    if (field->type == WIRE_STR) {
        *(const char **)at = "";
    }
}

static int read_record(struct reader *r, const struct wire_record *record, void *value) {
    struct wire_bytes body;
    if (read_bytes(r, UINT32_MAX, &body) < 0) {
        return -EBADMSG;
    }
    struct reader fields = {.data = body.data, .left = body.size, .arena = r->arena};
    memset(value, 0, record->size);
    for (uint32_t i = 0; i < record->n_fields; i++) {
        const struct wire_field *field = &record->fields[i];
        void *at = (uint8_t *)value + field->offset;
        if (fields.left == 0) {
            set_absent(field, at);
            continue;
        }
        int err = read_field(&fields, field, at);
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

int wire_decode(const struct wire_record *record, const uint8_t *data, size_t size,
                struct arena *arena, void *ret_value, size_t *ret_used) {
    struct reader r = {.data = data, .left = size, .arena = arena};
    void *value = arena_alloc(arena, record->size);
    if (!value) {
        return -ENOMEM;
    }
    int err = read_record(&r, record, value);
    if (err < 0) {
        return err;
    }
    if (!ret_used && r.left != 0) {
        return -EBADMSG;
    }
    memcpy(ret_value, value, record->size);
    if (ret_used) {
        *ret_used = size - r.left;
    }
    return 0;
}
