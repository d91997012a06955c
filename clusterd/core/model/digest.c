/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The digest by which nodes find that their models differ; see model_check_digest() in model.h.
 *
 * It covers values, not bytes: the number and content of each field that is not empty. So a build
 * whose rows have more fields comes to the same digest as long as those are empty, and nodes of
 * different versions can be compared.
 */
#include "core/model/model.h"

#include "base/hash.h"
#include "core/model/needed_protocol.h"

#include <string.h>

/* One step: multiply and fold (as in MurmurHash3's finish). */
static uint64_t mix(uint64_t hash, uint64_t v) {
    hash = (hash ^ v) * UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 32;
}

/* Eight bytes at a time, the same on every machine. */
static uint64_t mix_bytes(uint64_t hash, const uint8_t *data, size_t size) {
    size_t i = 0;
    hash = mix(hash, size);
    for (; i + 8 <= size; i += 8) {
        const uint8_t *p = data + i;
        hash = mix(hash, (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
                             (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 |
                             (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56);
    }
    uint64_t rest = 0;
    for (size_t k = 0; i + k < size; k++) {
        rest |= (uint64_t)data[i + k] << (8 * k);
    }
    return mix(hash, rest);
}

/* Texts for people may be worded differently by each build. Only their presence is compared. */
static bool is_for_people(const struct wire_record *record, const struct wire_field *field) {
    return field->limit == WIRE_MAX_TEXT && record != &model_setting_record;
}

/* Nothing is decided by a definition, and the log's chain covers it: not worth the time. */
static bool is_definition(const struct wire_record *record, const struct wire_field *field) {
    return record == &model_vm_record && field->limit == WIRE_MAX_XML;
}

static uint64_t mix_record(uint64_t hash, const struct wire_record *record, const uint8_t *row);

static uint64_t mix_list(uint64_t hash, uint32_t i, const struct wire_field *field,
                         const struct wire_list *list) {
    const uint8_t *items = list->items;
    hash = list->n ? mix(hash, i << 1 | 1) : hash;
    for (uint32_t k = 0; k < list->n; k++) {
        hash = mix_record(hash, field->element, items + (size_t)k * field->element->size);
    }
    return hash;
}

/* Who asked for something: older builds do not keep it, and nothing is decided by it. */
static bool names_user(const struct wire_field *field) {
    return strcmp(field->name, "asker") == 0 || strcmp(field->name, "user") == 0;
}

static uint64_t mix_number(uint64_t hash, uint32_t i, uint64_t v) {
    return v ? mix(mix(hash, i << 1 | 1), v) : hash;
}

static uint64_t mix_field(uint64_t hash, uint32_t i, const struct wire_record *record,
                          const uint8_t *row) {
    const struct wire_field *field = &record->fields[i];
    const void *at = row + field->offset;
    switch (field->type) {
    case WIRE_U8: return mix_number(hash, i, *(const uint8_t *)at);
    case WIRE_U32: return mix_number(hash, i, *(const uint32_t *)at);
    case WIRE_U64: return mix_number(hash, i, *(const uint64_t *)at);
    case WIRE_STR: {
        const char *text = *(const char *const *)at;
        bool any = text && text[0] && !is_definition(record, field);
        size_t size = any && !is_for_people(record, field) ? strlen(text) : 0;
        return any ? mix_bytes(mix(hash, i << 1 | 1), (const uint8_t *)text, size) : hash;
    }
    case WIRE_BYTES: {
        const struct wire_bytes *bytes = at;
        return bytes->size ? mix_bytes(mix(hash, i << 1 | 1), bytes->data, bytes->size) : hash;
    }
    case WIRE_IDS: {
        const struct wire_ids *ids = at;
        hash = ids->n ? mix(mix(hash, i << 1 | 1), ids->n) : hash;
        for (uint32_t k = 0; k < ids->n; k++) {
            hash = mix(hash, ids->v[k]);
        }
        return hash;
    }
    case WIRE_STRS: {
        const struct wire_strs *strs = at;
        hash = strs->n ? mix(mix(hash, i << 1 | 1), strs->n) : hash;
        for (uint32_t k = 0; k < strs->n; k++) {
            hash = mix_bytes(hash, (const uint8_t *)strs->v[k], strlen(strs->v[k]));
        }
        return hash;
    }
    case WIRE_LIST: return mix_list(hash, i, field, at);
    }
    return hash;
}

static uint64_t mix_record(uint64_t hash, const struct wire_record *record, const uint8_t *row) {
    for (uint32_t i = 0; i < record->n_fields; i++) {
        hash = names_user(&record->fields[i]) ? hash : mix_field(hash, i, record, row);
    }
    return mix(hash, 0); /* the end of the row */
}

uint64_t model_check_digest(const struct model *m) {
    const uint64_t counters[] = {m->epoch,       m->index,    m->last_event, m->last_vm,
                                 m->last_volume, m->protocol, m->needs};
    uint64_t hash = FNV64_START;
    uint32_t number = 0;
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        hash = mix(hash, counters[i]);
    }
    for (uint32_t i = 0; i < m->members.n; i++) {
        hash = mix(hash, m->members.v[i]);
    }
    const struct model_table *const tables[] = {
#define X(table, type) &m->table,
        MODEL_TABLES(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        const struct model_table *table = tables[i];
        const uint8_t *rows = table->rows;
        number++;
        if (table == &m->events && version_of_view(m) >= PROTOCOL_REPEATED) {
            continue; /* for people: which of them are counted in one row depends on their words */
        }
        hash = table->n ? mix(hash, UINT64_C(1) << 32 | number) : hash;
        for (uint32_t k = 0; k < table->n; k++) {
            hash = mix_record(hash, table->record, rows + (size_t)k * table->record->size);
        }
    }
    return hash ? hash : 1;
}
