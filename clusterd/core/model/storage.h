/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes that do not see one storage at a volume's path: whose is the right one?
 *
 * Two nodes have the same storage if each sees the other's heartbeat move. Both must: a node that
 * only reads the others' (through an overlay, or by a link that is cut one way) proves nothing of
 * where its own writes go. Nodes that see each other, directly or by way of others, are a class.
 *
 * One class is right, and each node finds the same one from the same model:
 *   1. the class with more than half of all configured votes, whatever was before;
 *   2. else of those with a node that is OK, else of those without a node that was found DIFFERENT,
 *      the one with most votes;
 *   3. of equal ones, that with the lowest id.
 * So a node that comes with another storage never takes the volume away from those who use it, and
 * nodes that were found to have another storage are not right merely because the others have gone:
 * then there may be no right class at all.
 */
#ifndef CLUSTERD_CORE_MODEL_STORAGE_H
#define CLUSTERD_CORE_MODEL_STORAGE_H

#include "wire/command.h"

#include <stdbool.h>
#include <stdint.h>

/* What a node says of a volume, or what we know of it ourselves. */
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
