/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records: one list of fields gives the C struct, its encoder, its bounds-checked decoder, its deep
 * copy and its JSON names. Everything that leaves a process (messages, log entries, snapshots) is
 * made of records: there is only one decoder to read and to fuzz.
 *
 * A list of fields is a macro  WIRE_FIELDS_name(F, S)  with one  F(S, TYPE, field, LIMIT)  a field:
 *     U8 U32 U64   LIMIT: largest value allowed, 0 = any
 *     STR          const char *, never NULL after decoding; LIMIT: bytes without the final NUL
 *     BYTES        struct wire_bytes; LIMIT: bytes
 *     IDS          struct wire_ids, an array of u32; LIMIT: elements
 *     STRS         struct wire_strs, an array of strings; LIMIT: elements
 *     LIST         struct wire_list of records; LIMIT: the element's record name
 *
 * Format: u32 size of the rest, then the fields in order; integers little endian; STR as u32 size +
 * bytes + NUL. Later versions may only append fields: a decoder that knows fewer fields skips the
 * rest, one that knows more finds zeros. A field that changes the model is set only when every
 * member of the view knows it: see "Versions" in wire/message.h.
 */
#ifndef CLUSTERD_WIRE_RECORD_H
#define CLUSTERD_WIRE_RECORD_H

#include "base/arena.h"
#include "base/buffer.h"
#include "wire/limits.h"

#include <stddef.h>
#include <stdint.h>

enum wire_type {
    WIRE_U8,
    WIRE_U32,
    WIRE_U64,
    WIRE_STR,
    WIRE_BYTES,
    WIRE_IDS,
    WIRE_STRS,
    WIRE_LIST
};

struct wire_bytes {
    const uint8_t *data;
    uint32_t size;
};

struct wire_ids {
    const uint32_t *v;
    uint32_t n;
};

struct wire_strs {
    const char *const *v;
    uint32_t n;
};

struct wire_list {
    void *items; /* array of the element's struct */
    uint32_t n;
};

struct wire_record;

struct wire_field {
    const char *name;
    enum wire_type type;
    uint32_t offset;
    uint64_t limit;
    const struct wire_record *element; /* LIST only */
};

struct wire_record {
    const char *name;
    uint32_t size; /* of the C struct */
    uint32_t n_fields;
    const struct wire_field *fields;
};

#define WIRE_CTYPE_U8 uint8_t
#define WIRE_CTYPE_U32 uint32_t
#define WIRE_CTYPE_U64 uint64_t
#define WIRE_CTYPE_STR const char *
#define WIRE_CTYPE_BYTES struct wire_bytes
#define WIRE_CTYPE_IDS struct wire_ids
#define WIRE_CTYPE_STRS struct wire_strs
#define WIRE_CTYPE_LIST struct wire_list

/* clang-format off */
#define WIRE_MEMBER(S, TYPE, field, LIMIT) WIRE_CTYPE_##TYPE field;
#define WIRE_STRUCT(S)                                                                             \
    struct S { WIRE_FIELDS_##S(WIRE_MEMBER, S) };                                                  \
    extern const struct wire_record S##_record

#define WIRE_ENTRY_U8(S, f, L)    {#f, WIRE_U8, (uint32_t)offsetof(struct S, f), (L) ? (L) : UINT8_MAX, NULL},
#define WIRE_ENTRY_U32(S, f, L)   {#f, WIRE_U32, (uint32_t)offsetof(struct S, f), (L) ? (L) : UINT32_MAX, NULL},
#define WIRE_ENTRY_U64(S, f, L)   {#f, WIRE_U64, (uint32_t)offsetof(struct S, f), (L) ? (L) : UINT64_MAX, NULL},
#define WIRE_ENTRY_STR(S, f, L)   {#f, WIRE_STR, (uint32_t)offsetof(struct S, f), (L), NULL},
#define WIRE_ENTRY_BYTES(S, f, L) {#f, WIRE_BYTES, (uint32_t)offsetof(struct S, f), (L), NULL},
#define WIRE_ENTRY_IDS(S, f, L)   {#f, WIRE_IDS, (uint32_t)offsetof(struct S, f), (L), NULL},
#define WIRE_ENTRY_STRS(S, f, L)  {#f, WIRE_STRS, (uint32_t)offsetof(struct S, f), (L), NULL},
#define WIRE_ENTRY_LIST(S, f, E)  {#f, WIRE_LIST, (uint32_t)offsetof(struct S, f), WIRE_MAX_LIST, &E##_record},
#define WIRE_ENTRY(S, TYPE, field, LIMIT) WIRE_ENTRY_##TYPE(S, field, LIMIT)
/* Defines what WIRE_STRUCT declares; once, in a .c file. */
#define WIRE_DEFINE(S)                                                                             \
    static const struct wire_field S##_fields[] = { WIRE_FIELDS_##S(WIRE_ENTRY, S) };              \
    const struct wire_record S##_record = {#S, (uint32_t)sizeof(struct S),                         \
                                           (uint32_t)(sizeof(S##_fields) / sizeof(S##_fields[0])), \
                                           S##_fields}
/* clang-format on */

/* Appends the record to `out`; see buffer.h for running out of memory. A NULL STR is written as "".
 * A value beyond its field's limit is a fault of the caller: CHECK. */
void wire_encode(const struct wire_record *record, const void *value, struct buffer *out);

/*
 * Decodes one record from the start of data into *ret_value (a struct of record->size bytes). STR
 * and BYTES point into `data`, which must outlive the value; arrays are taken from the arena.
 * ret_used: bytes consumed; with NULL, the record must fill `size` exactly. -EBADMSG: malformed,
 * and *ret_value must not be used; -ENOMEM.
 */
int wire_decode(const struct wire_record *record, const uint8_t *data, size_t size,
                struct arena *arena, void *ret_value, size_t *ret_used);

/* Deep copy to the heap: every STR, BYTES, array is malloc'ed. -ENOMEM: *ret_copy is untouched. */
int wire_copy(const struct wire_record *record, const void *value, void *ret_copy);
/* Frees what wire_copy() allocated, and zeroes the struct. Zeroed structs are fine. */
void wire_release(const struct wire_record *record, void *value);

#endif
