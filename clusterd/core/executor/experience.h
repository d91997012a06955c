/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What earlier live moves teach about the next one of a VM. The model keeps their figures; nothing
 * is written here.
 *
 * How fast the network carries memory is learnt from the newest moves of all VMs. How long the rest
 * takes, and how long the guest stands still, depend on the VM (its devices, how much of its memory
 * is in use), so its own moves count if there is one; else those of all.
 */
#ifndef CLUSTERD_CORE_EXECUTOR_EXPERIENCE_H
#define CLUSTERD_CORE_EXECUTOR_EXPERIENCE_H

#include "core/model/model.h"

#include <stdint.h>

#define EXPERIENCE_MOVES 9u /* so many of the newest moves count */

/* 0: nothing is known. */
struct experience {
    uint64_t rate_bps;    /* bytes of memory per second */
    uint64_t overhead_ms; /* of the whole move, without the memory and the blackout */
    uint64_t blackout_ms;
    uint64_t sent_bytes; /* in the VM's own newest move: what was in use then was not more */
};

struct experience experience_of(const struct model *m, uint32_t vm);

/*
 * The one of the values from which the others are least far off: the median of the errors, each in
 * parts of what was measured, is the least. Blackouts come in groups (some 90 and some 260 ms of
 * the same guest); a median lies between them, or changes sides; this one stays in the larger.
 * Values of 0 do not count. 0 if there is none. There are at most EXPERIENCE_MOVES.
 */
uint64_t experience_usual(const uint64_t *values, uint32_t n);

#endif
