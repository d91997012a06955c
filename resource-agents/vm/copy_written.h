/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which parts of a copy were written. All else is a hole of a new file that only we wrote, so it
 * need not be read back. Pure: no file is accessed.
 */
#ifndef AGENTS_VM_COPY_WRITTEN_H
#define AGENTS_VM_COPY_WRITTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    /* A smaller hole costs more in requests than it saves in space. */
    COPY_UNIT = 16 * 1024,
    /* What is read and written at once: the units of one word of the record. */
    COPY_PIECE = 64 * COPY_UNIT,
};

struct copy_written {
    off_t size;
    _Atomic(uint64_t) *words; /* a bit for each unit, a word for each piece */
};

/* 0 or -ENOMEM. */
int copy_written_init(struct copy_written *written, off_t size);
void copy_written_finish(struct copy_written *written);

/* [start, end) was written, zeros or not. Threads may do this at once. */
void copy_written_add(struct copy_written *written, off_t start, off_t end);

/* The bytes of [start, start + len) are going to be written, but for the units that are all zeros
 * so far as these bytes go. */
void copy_written_add_data(struct copy_written *written, off_t start, const uint8_t *bytes,
                           size_t len);

/* The next part of [start, end) whose units are all written, or none of them is. False: there is
 * none. */
bool copy_written_next(const struct copy_written *written, off_t start, off_t end, bool is_written,
                       off_t *ret_start, off_t *ret_end);

/* How many bytes the written units hold. */
uint64_t copy_written_count(const struct copy_written *written);

#endif
