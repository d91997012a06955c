/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * admit.h - shared by admit.c and admit_case.c: an admission, and what is kept of its cases.
 */
#pragma once

#include "search.h"

#define CASES_MAX 100000u /* witnesses that are kept */
#define LOST_MAX 64u      /* k */

struct kept {
    size_t first, first_unplaced; /* among all kept */
    uint32_t n_moves, n_unplaced; /* unplaced: only those without automatic start */
    bool found;
};

struct admission {
    struct placement_admission answer;
    struct placement_solver *solver; /* for the cases that are not easy */
    struct placement_solver *base;   /* all as it runs now */
    const struct placement_problem *problem;
    uint32_t *nodes; /* that can be lost */
    uint32_t *all;   /* VMs that run */
    bool any_moves;  /* some VM is on its way: then no case is easy */
    uint32_t n_nodes, k;
    uint64_t before[LOST_MAX + 1]; /* cases of fewer nodes than the index */
    uint32_t lost[LOST_MAX];       /* the answer's set */
    struct kept *kept;             /* by number of the case, as next_set() counts them */
    size_t n_kept;
    struct placement_move *moves;
    struct placement_unplaced *unplaced;
    size_t n_moves, moves_size, n_unplaced, unplaced_size;
    struct placement_plan plan; /* of placement_admit_witness() */
};

/* The state that the easy cases begin from: all as it runs now. -ENOMEM. */
int placement_case_begin(struct admission *admission);
/* One case: the nodes with these indices (of admission->nodes) are lost. Counts the answer, keeps
 * the plan under the number, and subtracts the work done from *work. -ENOMEM. */
int placement_case_solve(struct admission *admission, const struct placement_admit_request *request,
                         const uint32_t *set, uint32_t n, uint64_t number, uint64_t *work);
