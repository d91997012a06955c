/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which parts of a copy were written. See copy_written.h. */
#include "copy_written.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BITS = COPY_PIECE / COPY_UNIT };

int copy_written_init(struct copy_written *written, off_t size) {
    size_t words = (size_t)(size / COPY_PIECE) + 1;

    written->size = size;
    /* Pages of it that nobody touches take no memory: a large image with few data needs little. */
    written->words = calloc(words, sizeof(*written->words));
    return written->words == NULL ? -ENOMEM : 0;
}

void copy_written_finish(struct copy_written *written) {
    free(written->words);
    written->words = NULL;
}

static uint64_t word_of(const struct copy_written *written, off_t offset) {
    return atomic_load_explicit(&written->words[offset / COPY_PIECE], memory_order_relaxed);
}

static bool unit_is_written(const struct copy_written *written, off_t offset) {
    return (word_of(written, offset) >> (offset / COPY_UNIT % WORD_BITS) & 1) != 0;
}

/* The end of the unit that offset is in. */
static off_t unit_end(off_t offset) {
    return (offset / COPY_UNIT + 1) * COPY_UNIT;
}

void copy_written_add(struct copy_written *written, off_t start, off_t end) {
    for (off_t at = start; at < end; at = unit_end(at)) {
        atomic_fetch_or_explicit(&written->words[at / COPY_PIECE],
                                 (uint64_t)1 << (at / COPY_UNIT % WORD_BITS), memory_order_relaxed);
    }
}

static bool all_zero(const uint8_t *bytes, size_t len) {
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

void copy_written_add_data(struct copy_written *written, off_t start, const uint8_t *bytes,
                           size_t len) {
    off_t end = start + (off_t)len;

    for (off_t at = start; at < end;) {
        off_t next = unit_end(at) < end ? unit_end(at) : end;
        if (!all_zero(bytes + (at - start), (size_t)(next - at))) {
            copy_written_add(written, at, next);
        }
        at = next;
    }
}

/* The first unit at or after start that is written, or is not; end if there is none. */
static off_t find(const struct copy_written *written, off_t start, off_t end, bool is_written) {
    const uint64_t without = is_written ? 0 : UINT64_MAX;

    while (start < end) {
        if (start % COPY_PIECE == 0 && word_of(written, start) == without) {
            start += COPY_PIECE;
        } else if (unit_is_written(written, start) == is_written) {
            return start;
        } else {
            start = unit_end(start);
        }
    }
    return end;
}

bool copy_written_next(const struct copy_written *written, off_t start, off_t end, bool is_written,
                       off_t *ret_start, off_t *ret_end) {
    off_t first = find(written, start, end, is_written);
    if (first >= end) {
        return false;
    }
    *ret_start = first;
    *ret_end = find(written, first, end, !is_written);
    return true;
}

uint64_t copy_written_count(const struct copy_written *written) {
    uint64_t bytes = 0;
    off_t start = 0;
    off_t end = 0;

    while (copy_written_next(written, end, written->size, true, &start, &end)) {
        bytes += (uint64_t)(end - start);
    }
    return bytes;
}
