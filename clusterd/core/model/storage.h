/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes see different storages at a volume's path: which storage is the right one?
 *
 * Two nodes have the same storage if each sees the other's heartbeat move. Both must: if a node
 * only reads the others' heartbeats (through an overlay, or over a link that is cut one way), that
 * says nothing about where its own writes go. Nodes that see each other, directly or through
 * others, form a class.
 *
 * One class is right, and each node finds the same one from the same model:
 *   1. the class with more than half of all configured votes, whatever was before;
 *   2. else the class with most votes among those with an OK node, or, if there are none, among
 *      those without a node found DIFFERENT;
 *   3. of equal ones, the class with the lowest id.
 * So a node that comes with another storage never takes the volume away from its users. And nodes
 * found to have another storage do not become right merely because the others have gone: there may
 * be no right class at all.
 */
#ifndef CLUSTERD_CORE_MODEL_STORAGE_H
#define CLUSTERD_CORE_MODEL_STORAGE_H

#include "wire/command.h"

#include <stdbool.h>
#include <stdint.h>

/* What a node says about a volume, or what we know about it ourselves. */
struct storage_claim {
    uint32_t node;
    uint32_t votes;
    uint8_t state; /* OK, DIFFERENT, or UNKNOWN: it has just begun to look */
    struct wire_ids sees;
};

/* Whether v[self] has the right storage. At most WIRE_MAX_NODES claims. */
bool storage_is_right(const struct storage_claim *v, uint32_t n, uint32_t self,
                      uint64_t total_votes);

#endif
