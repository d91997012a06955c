/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a fuzzer's bytes are turned into: numbers, parts, and whole records of the wire. A decoder
 * refuses nearly all bytes; a record that is made, field by field, from the record's own table goes
 * through it, and on to what lies behind.
 */
#ifndef TESTS_FUZZ_BYTES_H
#define TESTS_FUZZ_BYTES_H

#include "base/arena.h"
#include "wire/record.h"

#include <stddef.h>
#include <stdint.h>

/* The fuzzer's entry. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
    const uint8_t *data;
    size_t left;
};

/* Little endian, of up to n bytes; zeros when they have run out. */
uint64_t bytes_number(struct bytes *b, size_t n);
uint32_t bytes_below(struct bytes *b, uint32_t n);          /* 0 to n - 1, of one byte */
struct wire_bytes bytes_part(struct bytes *b, size_t size); /* or what is left */

/* Fills *value, within all of its limits. Names are a few that belong together; numbers are small,
 * or at most 15 below `recent` (a log index, say), or anything. */
void make_record(const struct wire_record *record, void *value, struct bytes *b,
                 struct arena *arena, uint64_t recent);

/* Decodes; what decodes is copied, encoded, and decoded again, and must come out the same. */
void check_record(const struct wire_record *record, const uint8_t *data, size_t size);

#endif
