/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growing byte buffer. Running out of memory is sticky: once `failed` is set, nothing is appended
 * any more. The caller checks once, at the end, instead of after each append.
 */
#ifndef CLUSTERD_BASE_BUFFER_H
#define CLUSTERD_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data; /* owned; freed by buffer_finish() */
    size_t size;
    size_t capacity;
    bool failed; /* out of memory or over the limit of 2 GiB */
};

void buffer_init(struct buffer *b);
void buffer_finish(struct buffer *b);
/* Drops the content, keeps the memory, and clears `failed`. */
void buffer_clear(struct buffer *b);
/* So many more bytes, for the caller to fill in before the next call; NULL if the buffer failed,
 * and for none. */
uint8_t *buffer_extend(struct buffer *b, size_t size);
void buffer_append(struct buffer *b, const void *data, size_t size);
void buffer_append_u8(struct buffer *b, uint8_t v);
void buffer_append_u32(struct buffer *b,
                       uint32_t v); /* little endian, as all of clusterd's formats */
void buffer_append_u64(struct buffer *b, uint64_t v);
/* Overwrites four bytes at `offset`; they must exist already. */
void buffer_set_u32(struct buffer *b, size_t offset, uint32_t v);
/* Hands the memory over: the caller frees it with free(). NULL if the buffer failed or is empty. */
uint8_t *buffer_steal(struct buffer *b, size_t *ret_size);

#endif
