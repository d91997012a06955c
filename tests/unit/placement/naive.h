/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * naive.h - placement.h's promises once more, written from its text alone and as plainly as can
 * be: no state is kept, everything is counted again for every question. Slow, and shares no line
 * with the library.
 */
#pragma once

#include "placement/placement.h"

#define NAIVE_VMS 16u

/* Where each VM is to go; NONE: it stays, or stays down. Only of those asked for. */
struct naive_plan {
    bool asked[NAIVE_VMS];
    bool decided[NAIVE_VMS];
    uint32_t target[NAIVE_VMS];
    uint32_t order[NAIVE_VMS]; /* the asked ones, as they are decided */
    uint32_t n_asked;
};

/* Who is asked for, in the documented order; nothing decided yet. */
void naive_begin(const struct placement_problem *p, const struct placement_request *q,
                 struct naive_plan *ret_plan);

/* Every reason against, as 1u << reason, with what has been decided so far. */
uint32_t naive_obstacles(const struct placement_problem *p, const struct placement_request *q,
                         const struct naive_plan *plan, uint32_t vm, uint32_t node);

uint64_t naive_soft_broken(const struct placement_problem *p, const struct placement_request *q,
                           const struct naive_plan *plan, uint32_t vm, uint32_t node);

/* The best node by the documented comparison, or NONE. */
uint32_t naive_best(const struct placement_problem *p, const struct placement_request *q,
                    const struct naive_plan *plan, uint32_t vm);

/* NULL if all targets can be reached, in any order and all at once; else what is wrong. */
const char *naive_wrong(const struct placement_problem *p, const struct placement_request *q,
                        const struct naive_plan *plan);
