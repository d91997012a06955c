/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records from bytes; see bytes.h.
 */
#include "fuzz/bytes.h"

#include "base/check.h"

#include <errno.h>
#include <string.h>

uint64_t bytes_number(struct bytes *b, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n && b->left > 0; i++) {
        v |= (uint64_t)*b->data << (8 * i);
        b->data++;
        b->left--;
    }
    return v;
}

uint32_t bytes_below(struct bytes *b, uint32_t n) {
    return (uint32_t)bytes_number(b, 1) % n;
}

struct wire_bytes bytes_part(struct bytes *b, size_t size) {
    size = size < b->left ? size : b->left;
    struct wire_bytes part = {.data = b->data, .size = (uint32_t)size};
    b->data += size;
    b->left -= size;
    return part;
}

/* ---- making ---- */

/* So large that each limit of a table is hit, and so small that a run is quick. */
#define MANY 70u

struct maker {
    struct bytes *bytes;
    struct arena *arena;
    uint64_t recent;
};

static uint64_t make_number(struct maker *m, uint64_t limit) {
    uint32_t how = (uint32_t)bytes_number(m->bytes, 1);
    uint64_t v = how % 8;
    if (how >= 240) {
        v = bytes_number(m->bytes, 8);
    } else if (how >= 128) {
        v = m->recent - how % 16;
    }
    return limit == UINT64_MAX || v <= limit ? v : v % (limit + 1);
}

static const char *make_text(struct maker *m, uint64_t limit) {
    static const char *const names[] = {
        "n1",
        "n2",
        "n3",
        "vm1",
        "vm2",
        "vm3",
        "csv1",
        "csv2",
        "pdu",
        "",
        "/srv/csv1",
        "{node}",
        "plug",
        "9",
        "1",
        "restart_limit",
        "fence_ipmilan",
        "host-model",
        "custom",
        "skylake",
        "self_fence_ms",
        "7000",
        "a1",
        "s1",
    };
    uint32_t how = (uint32_t)bytes_number(m->bytes, 1);
    if (how < 224) {
        const char *name = names[how % ARRAY_SIZE(names)];
        return strlen(name) <= limit ? name : "";
    }
    /* Either its own words, or a word as long as it may be. */
    uint64_t longest = limit < WIRE_MAX_PATH ? limit : WIRE_MAX_PATH;
    uint64_t size = how < 248 ? bytes_number(m->bytes, 1) % (longest + 1) : longest;
    char *text = arena_alloc(m->arena, size + 1);
    CHECK(text != NULL);
    for (uint64_t i = 0; i < size; i++) {
        char c = how < 248 ? (char)bytes_number(m->bytes, 1) : 'x';
        text[i] = c ? c : 'y';
    }
    return text;
}

static uint32_t make_count(struct maker *m, uint64_t limit) {
    uint32_t how = (uint32_t)bytes_number(m->bytes, 1);
    uint32_t n = how < 250 ? how % 5 : MANY;
    return n <= limit ? n : (uint32_t)limit;
}

static void make_record_with(const struct wire_record *record, void *value, struct maker *m);

static struct wire_list make_list(const struct wire_record *element, uint32_t n, struct maker *m) {
    uint8_t *items = arena_array(m->arena, n ? n : 1, element->size);
    CHECK(items != NULL);
    for (uint32_t i = 0; i < n; i++) {
        make_record_with(element, items + (size_t)i * element->size, m);
    }
    return (struct wire_list){.items = items, .n = n};
}

static struct wire_ids make_ids(uint32_t n, struct maker *m) {
    uint32_t *v = arena_array(m->arena, n ? n : 1, sizeof(*v));
    CHECK(v != NULL);
    for (uint32_t i = 0; i < n; i++) {
        v[i] = (uint32_t)make_number(m, UINT32_MAX);
    }
    return (struct wire_ids){.v = v, .n = n};
}

static struct wire_strs make_strs(uint32_t n, struct maker *m) {
    const char **v = arena_array(m->arena, n ? n : 1, sizeof(*v));
    CHECK(v != NULL);
    for (uint32_t i = 0; i < n; i++) {
        v[i] = make_text(m, WIRE_MAX_TEXT);
    }
    return (struct wire_strs){.v = v, .n = n};
}

static void make_field(const struct wire_field *field, void *at, struct maker *m) {
    switch (field->type) {
    case WIRE_U8: *(uint8_t *)at = (uint8_t)make_number(m, field->limit); break;
    case WIRE_U32: *(uint32_t *)at = (uint32_t)make_number(m, field->limit); break;
    case WIRE_U64: *(uint64_t *)at = make_number(m, field->limit); break;
    case WIRE_STR: *(const char **)at = make_text(m, field->limit); break;
    case WIRE_BYTES:
        *(struct wire_bytes *)at = bytes_part(m->bytes, bytes_number(m->bytes, 1));
        break;
    case WIRE_IDS: *(struct wire_ids *)at = make_ids(make_count(m, field->limit), m); break;
    case WIRE_STRS: *(struct wire_strs *)at = make_strs(make_count(m, field->limit), m); break;
    case WIRE_LIST:
        *(struct wire_list *)at = make_list(field->element, make_count(m, field->limit), m);
        break;
    }
}

static void make_record_with(const struct wire_record *record, void *value, struct maker *m) {
    for (uint32_t i = 0; i < record->n_fields; i++) {
        make_field(&record->fields[i], (uint8_t *)value + record->fields[i].offset, m);
    }
}

void make_record(const struct wire_record *record, void *value, struct bytes *b,
                 struct arena *arena, uint64_t recent) {
    struct maker m = {.bytes = b, .arena = arena, .recent = recent};
    make_record_with(record, value, &m);
}

/* ---- checking ---- */

void check_record(const struct wire_record *record, const uint8_t *data, size_t size) {
    struct arena arena;
    struct buffer first, second;
    size_t used = 0;
    arena_init(&arena);
    buffer_init(&first);
    buffer_init(&second);
    void *value = arena_alloc(&arena, record->size), *copy = arena_alloc(&arena, record->size);
    CHECK(value && copy);
    int err = wire_decode(record, data, size, &arena, value, &used);
    CHECK(err == 0 || err == -EBADMSG);
    CHECK(err < 0 || used <= size);
    if (err == 0 && wire_copy(record, value, copy) == 0) {
        wire_encode(record, copy, &first);
        wire_release(record, copy);
        CHECK(wire_decode(record, first.data, first.size, &arena, value, NULL) == 0);
        wire_encode(record, value, &second);
        CHECK(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
        /* Nothing was left out but what it did not know; nothing added but what was not there. */
        CHECK(used != first.size || record->n_fields > 0);
    }
    buffer_finish(&first);
    buffer_finish(&second);
    arena_finish(&arena);
}
