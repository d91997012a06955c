/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that lives until the arena is reset: for one step of the core, or for one decoded message.
 * Nobody frees a piece of it. arena_reset() takes everything back at once and keeps the first block
 * for the next use.
 */
#ifndef CLUSTERD_BASE_ARENA_H
#define CLUSTERD_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
};

void arena_init(struct arena *a);
void arena_finish(struct arena *a);
void arena_reset(struct arena *a);
/* Zeroed memory, aligned for any type. NULL when memory has run out. */
void *arena_alloc(struct arena *a, size_t size);
/* Zeroed array; NULL when memory has run out or count * size overflows. */
void *arena_array(struct arena *a, size_t count, size_t size);
void *arena_copy(struct arena *a, const void *data, size_t size);
/* A copy of the string; NULL stays NULL. */
char *arena_strdup(struct arena *a, const char *text);
/* Like snprintf, into the arena's memory. */
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
