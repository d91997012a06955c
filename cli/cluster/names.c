/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names and their numbers: see cluster/names.h. Open addressing, at most half full.
 */
#include "cluster/names.h"

#include "base/check.h"
#include "base/hash.h"

#include <errno.h>
#include <string.h>

enum { CAPACITY_FIRST = 64 };

/* The slot of the name or, if there is none, the free slot for it. */
static uint32_t *slot_of(const struct cluster_names *names, const char *name) {
    uint32_t mask = 2 * names->capacity - 1;
    uint64_t hash = fnv64(FNV64_START, name, strlen(name));
    uint32_t at = (uint32_t)(hash ^ (hash >> 32)) & mask;
    while (names->slots[at] != 0 && strcmp(names->names[names->slots[at] - 1], name) != 0) {
        at = (at + 1) & mask;
    }
    return &names->slots[at];
}

uint32_t cluster_names_find(const struct cluster_names *names, const char *name) {
    uint32_t slot = names->capacity > 0 ? *slot_of(names, name) : 0;
    return slot > 0 ? slot - 1 : CLUSTER_NAMES_NONE;
}

/* The old arrays stay in the arena: together they are no larger than the last. */
static int grow(struct cluster_names *names, struct arena *arena) {
    uint32_t capacity = names->capacity > 0 ? 2 * names->capacity : CAPACITY_FIRST;
    const char **texts = arena_array(arena, capacity, sizeof(*texts));
    uint32_t *slots = arena_array(arena, 2 * (size_t)capacity, sizeof(*slots));
    if (texts == NULL || slots == NULL) {
        return -ENOMEM;
    }
    if (names->n > 0) {
        memcpy(texts, names->names, names->n * sizeof(*texts));
    }
    names->names = texts;
    names->slots = slots;
    names->capacity = capacity;
    for (uint32_t i = 0; i < names->n; i++) {
        *slot_of(names, texts[i]) = i + 1;
    }
    return 0;
}

int cluster_names_add(struct cluster_names *names, struct arena *arena, const char *name,
                      uint32_t *ret_number) {
    if (names->n == names->capacity && grow(names, arena) < 0) {
        return -ENOMEM;
    }
    CHECK(names->n < names->capacity); /* a search in a full table would never end */
    uint32_t *slot = slot_of(names, name);
    if (*slot > 0) {
        *ret_number = *slot - 1;
        return 1;
    }
    names->names[names->n] = name;
    *ret_number = names->n++;
    *slot = names->n;
    return 0;
}
