/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle.h - brute force: what is the best that any executable sequence of moves can reach?
 *
 * States say where every VM is; a step is one start or one move, possible when it is done. One at a
 * time is the most permissive order: two moves at once need all that they need one after the
 * other. Moves in progress have ended before the first step, which only makes room. Every state
 * that can be reached is looked at, in the order of how many moves of VMs not asked for it takes.
 *
 * Small problems only: at most ORACLE_STATES states.
 */
#pragma once

#include "placement/placement.h"

#define ORACLE_VMS 12u
#define ORACLE_NODES 8u
#define ORACLE_STATES (1u << 26)

/* Unplaced VMs by priority in one number, less is better: 5 bits for each priority, the highest
 * priority in the highest bits. */
typedef uint64_t oracle_unplaced_t;

struct oracle_options {
    /* How often one VM may be moved; 0: no limit. */
    uint32_t hops_max;
    /* A VM not asked for may be moved away and back home. */
    bool way_home;
};

struct oracle_answer {
    oracle_unplaced_t unplaced;
    uint32_t nodes_over; /* BALANCE: the least of all ends */
    /* Among the ends with that: */
    uint32_t others;           /* the least number of moves of VMs that are not asked for */
    uint64_t soft_with_others; /* the least weight of soft rules broken with so few moves */
    uint64_t soft;             /* the least weight at all */
    uint32_t others_for_soft;  /* and the least number of moves for that */
    uint32_t n_states;
};

/* false: too large. */
bool oracle_solve(const struct placement_problem *problem, const struct placement_request *request,
                  const struct oracle_options *options, struct oracle_answer *ret_answer);

/* The plan's unplaced as the oracle counts. */
oracle_unplaced_t oracle_unplaced(const struct placement_problem *problem,
                                  const struct placement_plan *plan);
