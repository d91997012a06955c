/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a live move would take: the passes are played through with what has been measured, by the
 * same decisions as in the move itself (converge.h).
 *
 * A guest is taken to dirty its memory evenly; what it dirties twice within a pass is counted once
 * only where that exceeds its memory. So the prediction errs on the long side for guests that
 * dirty a few pages again and again.
 */
#ifndef AGENTS_VM_PREDICT_H
#define AGENTS_VM_PREDICT_H

#include "converge.h"

struct measured {
    uint64_t memory_bytes; /* in use */
    uint64_t set_bytes;    /* that the guest dirties at most */
    uint64_t dirty_bps;
    uint64_t rate_bps;    /* of the network; not 0 */
    uint64_t overhead_ms; /* of a move besides memory and blackout */
    uint64_t blackout_ms; /* of a move whose rest was small */
};

struct predicted {
    bool moves;     /* false: aborted */
    bool converges; /* false: aborted, or suspended */
    uint64_t passes, memory_ms, rest_ms, throttle;
    uint64_t total_ms, blackout_ms;
};

/* Plays with *converge, which must be fresh. */
struct predicted predict(const struct measured *measured, struct converge *converge);

#endif
