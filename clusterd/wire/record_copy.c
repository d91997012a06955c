/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deep copies of records on the heap: this is how a decoded command becomes a row of the model.
 */
#include "wire/record.h"

#include "base/owned.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *duplicate(const void *data, size_t size) {
    /* malloc(0) may return NULL without a failure: always ask for something. */
    void *p = malloc(size ? size : 1);
    if (p && size) {
        memcpy(p, data, size);
    }
    return p;
}

static int copy_strs(const struct wire_strs *from, struct wire_strs *to) {
    char **v = calloc(from->n ? from->n : 1, sizeof(*v));
    *to = (struct wire_strs){.v = (const char *const *)v, .n = v ? from->n : 0};
    if (!v) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < from->n; i++) {
        v[i] = strdup(from->v[i]);
        if (!v[i]) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int copy_list(const struct wire_record *element, const struct wire_list *from,
                     struct wire_list *to) {
    uint8_t *items = calloc(from->n ? from->n : 1, element->size);
    *to = (struct wire_list){.items = items, .n = 0};
    if (!items) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < from->n; i++) {
        size_t at = (size_t)i * element->size;
        int err = wire_copy(element, (const uint8_t *)from->items + at, items + at);
        if (err < 0) {
            return err;
        }
        to->n++;
    }
    return 0;
}

/* On failure `to` may be half filled; it can be released. */
static int copy_field(const struct wire_field *field, const void *from, void *to) {
    switch (field->type) {
    case WIRE_U8: memcpy(to, from, sizeof(uint8_t)); return 0;
    case WIRE_U32: memcpy(to, from, sizeof(uint32_t)); return 0;
    case WIRE_U64: memcpy(to, from, sizeof(uint64_t)); return 0;
    case WIRE_STR: {
        const char *text = *(const char *const *)from;
        char *copy = strdup(text ? text : "");
        memcpy(to, &copy, sizeof(copy));
        return copy ? 0 : -ENOMEM;
    }
    case WIRE_BYTES: {
        const struct wire_bytes *bytes = from;
        uint8_t *data = duplicate(bytes->data, bytes->size);
        *(struct wire_bytes *)to = (struct wire_bytes){.data = data, .size = bytes->size};
        return data ? 0 : -ENOMEM;
    }
    case WIRE_IDS: {
        const struct wire_ids *ids = from;
        uint32_t *v = duplicate(ids->v, ids->n * sizeof(*v));
        *(struct wire_ids *)to = (struct wire_ids){.v = v, .n = v ? ids->n : 0};
        return v ? 0 : -ENOMEM;
    }
    case WIRE_STRS: return copy_strs(from, to);
    case WIRE_LIST: return copy_list(field->element, from, to);
    }
    return -EINVAL;
}

int wire_copy(const struct wire_record *record, const void *value, void *ret_copy) {
    uint8_t *copy = calloc(1, record->size);
    if (!copy) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < record->n_fields; i++) {
        const struct wire_field *field = &record->fields[i];
        int err = copy_field(field, (const uint8_t *)value + field->offset, copy + field->offset);
        if (err < 0) {
            wire_release(record, copy);
            free(copy);
            return err;
        }
    }
    memcpy(ret_copy, copy, record->size);
    free(copy);
    return 0;
}

static void release_field(const struct wire_field *field, void *at) {
    switch (field->type) {
    case WIRE_U8:
    case WIRE_U32:
    case WIRE_U64: break;
    case WIRE_STR: {
        char *text;
        memcpy(&text, at, sizeof(text));
        free(text);
        break;
    }
    case WIRE_BYTES: {
        struct wire_bytes *bytes = at;
        owned_free(bytes->data);
        break;
    }
    case WIRE_IDS: {
        struct wire_ids *ids = at;
        owned_free(ids->v);
        break;
    }
    case WIRE_STRS: {
        struct wire_strs *strs = at;
        for (uint32_t i = 0; i < strs->n; i++) {
            owned_free(strs->v[i]);
        }
        owned_free(strs->v);
        break;
    }
    case WIRE_LIST: {
        struct wire_list *list = at;
        uint8_t *items = list->items;
        for (uint32_t i = 0; items && i < list->n; i++) {
            wire_release(field->element, items + (size_t)i * field->element->size);
        }
        free(items);
        break;
    }
    }
}

void wire_release(const struct wire_record *record, void *value) {
    for (uint32_t i = 0; i < record->n_fields; i++) {
        const struct wire_field *field = &record->fields[i];
        release_field(field, (uint8_t *)value + field->offset);
    }
    memset(value, 0, record->size);
}
