/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names and their numbers, in order of appearance: a hash table in an arena, so that a file with
 * 100,000 VMs is read in one pass.
 */
#ifndef CLI_CLUSTER_NAMES_H
#define CLI_CLUSTER_NAMES_H

#include "base/arena.h"

#include <stdint.h>

#define CLUSTER_NAMES_NONE UINT32_MAX

/* Starts as zero. */
struct cluster_names {
    const char **names; /* n, in the arena; the texts are the caller's */
    uint32_t n;
    uint32_t capacity;
    uint32_t *slots; /* twice the capacity: number + 1, or 0 */
};

/* The name's number, or CLUSTER_NAMES_NONE. */
uint32_t cluster_names_find(const struct cluster_names *names, const char *name);
/* *ret_number is the number of the name, which is added if it is new. 1: it existed; 0: added;
 * -ENOMEM. `name` must live as long as the table. */
int cluster_names_add(struct cluster_names *names, struct arena *arena, const char *name,
                      uint32_t *ret_number);

#endif
