/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks of memory taken back all at once; see arena.h.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK_BYTES ((size_t)16 * 1024)
#define ARENA_ALIGN _Alignof(max_align_t)

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t capacity;
    _Alignas(max_align_t) unsigned char data[];
};

void arena_init(struct arena *a) {
    a->blocks = NULL;
}

void arena_finish(struct arena *a) {
    while (a->blocks) {
        struct arena_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
}

void arena_reset(struct arena *a) {
    /* The oldest block is an ordinary one, unless the first request was huge; keep only that
     * one. */
    while (a->blocks && (a->blocks->next || a->blocks->capacity > ARENA_BLOCK_BYTES)) {
        struct arena_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
    if (a->blocks) {
        a->blocks->used = 0;
    }
}

void *arena_alloc(struct arena *a, size_t size) {
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    if (!a->blocks || a->blocks->capacity - a->blocks->used < size) {
        size_t capacity = size > ARENA_BLOCK_BYTES ? size : ARENA_BLOCK_BYTES;
        struct arena_block *block = malloc(sizeof(*block) + capacity);
        if (!block) {
            return NULL;
        }
        block->next = a->blocks;
        block->used = 0;
        block->capacity = capacity;
        a->blocks = block;
    }
    void *p = a->blocks->data + a->blocks->used;
    a->blocks->used += size;
    memset(p, 0, size);
    return p;
}

void *arena_array(struct arena *a, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    return arena_alloc(a, count * size);
}

void *arena_copy(struct arena *a, const void *data, size_t size) {
    void *p = arena_alloc(a, size);
    if (p && size) {
        memcpy(p, data, size);
    }
    return p;
}

char *arena_strdup(struct arena *a, const char *text) {
    return text ? arena_copy(a, text, strlen(text) + 1) : NULL;
}

char *arena_printf(struct arena *a, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) {
        return NULL;
    }
    char *text = arena_alloc(a, (size_t)n + 1);
    if (!text) {
        return NULL;
    }
    va_start(args, format);
    (void)vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}
