/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * admit.c - can any k nodes be lost?
 *
 * Each set of k nodes is a failover of its own, solved without these nodes. A plan that starts all
 * VMs is the witness, and is kept. A set for which there is provably no plan is the counterexample.
 * The proofs hold for all plans: no other node may run the VM, there is too little room in total
 * (bound.c), or every state was searched. If neither a plan nor a proof is found within the given
 * work, the case stays open: the answer is then "unknown", never "yes".
 *
 * Losing fewer than k nodes is examined as well: because of a rule, a VM that keeps running can be
 * in the way where one that is started anew would not be.
 *
 * Separate solvers solve the cases (admit_case.c), so the caller's plan stays valid.
 */
#include "admit.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void admission_clear(struct admission *a) {
    free(a->nodes);
    free(a->kept);
    free(a->moves);
    free(a->unplaced);
    free(a->all);
    struct placement_solver *solver = a->solver, *base = a->base;
    *a = (struct admission){.solver = solver, .base = base};
}

void placement_admission_finish(struct placement_solver *s) {
    if (s->admission != NULL) {
        admission_clear(s->admission);
        placement_solver_destroy(s->admission->solver);
        placement_solver_destroy(s->admission->base);
        free(s->admission);
        s->admission = NULL;
    }
}

static int admission_begin(struct placement_solver *s, struct admission **ret_admission) {
    if (s->admission == NULL) {
        s->admission = calloc(1, sizeof(*s->admission));
        if (s->admission == NULL) {
            return -ENOMEM;
        }
    }
    admission_clear(s->admission);
    *ret_admission = s->admission;
    int error = s->admission->solver != NULL ? 0 : placement_solver_create(&s->admission->solver);
    if (error == 0 && s->admission->base == NULL) {
        error = placement_solver_create(&s->admission->base);
    }
    return error;
}

/* Nodes that run VMs or accept them. */
static int collect_nodes(struct admission *a) {
    const struct placement_problem *p = a->problem;
    a->nodes = malloc((p->n_nodes + 1) * sizeof(*a->nodes));
    bool *counts = calloc(p->n_nodes + 1, sizeof(*counts));
    if (a->nodes == NULL || counts == NULL) {
        free(counts);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        counts[i] = p->nodes[i].state == PLACEMENT_NODE_ACCEPTS;
    }
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        if (p->vms[vm].host != PLACEMENT_NONE) {
            counts[p->vms[vm].host] = true;
        }
        if (p->vms[vm].also_on != PLACEMENT_NONE) {
            counts[p->vms[vm].also_on] = true;
        }
    }
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        if (counts[i]) {
            a->nodes[a->n_nodes++] = i;
        }
    }
    free(counts);
    return 0;
}

static uint64_t choose(uint64_t n, uint64_t k) {
    uint64_t sum = 1;
    for (uint64_t i = 0; i < k; i++) {
        if (__builtin_mul_overflow(sum, n - i, &sum)) {
            return UINT64_MAX;
        }
        sum /= i + 1;
    }
    return sum;
}

/* The next set of n of the nodes, as indices in ascending order; false after the last one. */
static bool next_set(uint32_t *set, uint32_t n, uint32_t of) {
    uint32_t i = n;
    while (i > 0 && set[i - 1] == of - n + i - 1) {
        i--;
    }
    if (i == 0) {
        return false;
    }
    set[i - 1]++;
    for (; i < n; i++) {
        set[i] = set[i - 1] + 1;
    }
    return true;
}

/* All sets of n nodes, as long as there is work left and no counterexample. */
static int solve_cases(struct admission *a, const struct placement_admit_request *request,
                       uint32_t n, uint64_t *work) {
    uint32_t set[LOST_MAX];
    uint64_t number = a->before[n];
    for (uint32_t i = 0; i < n; i++) {
        set[i] = i;
    }
    do {
        if (*work == 0) {
            for (uint32_t i = 0; a->answer.lost.n == 0 && i < n; i++) {
                a->lost[i] = a->nodes[set[i]];
            }
            if (a->answer.lost.n == 0) {
                a->answer.lost = (struct placement_set){.index = a->lost, .n = n};
            }
            return 0;
        }
        int error = placement_case_solve(a, request, set, n, number++, work);
        if (error < 0) {
            return error;
        }
    } while (a->answer.n_no == 0 && next_set(set, n, a->n_nodes));
    return 0;
}

int placement_admit(struct placement_solver *s, const struct placement_problem *problem,
                    const struct placement_admit_request *request,
                    const struct placement_admission **ret_admission) {
    struct admission *a = NULL;
    CHECK(s != NULL && problem != NULL && request != NULL && ret_admission != NULL);
    int error = placement_problem_check(problem);
    if (error == 0 && request->k > LOST_MAX) {
        error = -E2BIG;
    }
    if (error == 0) {
        error = admission_begin(s, &a);
    }
    if (error < 0 || a == NULL) {
        return error;
    }
    a->problem = problem;
    a->answer = (struct placement_admission){.vm = PLACEMENT_NONE,
                                             .resource = PLACEMENT_NONE,
                                             .rule = PLACEMENT_NONE,
                                             .reason = PLACEMENT_CHOSEN};
    error = collect_nodes(a);
    if (error < 0) {
        return error;
    }
    a->k = request->k < a->n_nodes ? request->k : a->n_nodes;
    struct placement_admission *answer = &a->answer;
    for (uint32_t n = 1; n <= a->k; n++) {
        a->before[n] = answer->n_cases;
        if (__builtin_add_overflow(answer->n_cases, choose(a->n_nodes, n), &answer->n_cases)) {
            answer->n_cases = UINT64_MAX;
        }
    }
    a->n_kept = answer->n_cases < CASES_MAX ? (size_t)answer->n_cases : CASES_MAX;
    a->kept = calloc(a->n_kept + 1, sizeof(*a->kept));
    if (a->kept == NULL) {
        return -ENOMEM;
    }
    error = placement_case_begin(a);
    if (error < 0) {
        return error;
    }
    uint64_t work = request->work > 0 ? request->work : 100 * (uint64_t)PLACEMENT_WORK;
    for (uint32_t n = 1; n <= a->k && answer->n_no == 0 && error == 0; n++) {
        error = solve_cases(a, request, n, &work);
    }
    if (error < 0) {
        return error;
    }
    /* The answer "yes" promises that the reserve holds; it must not come from an overflow. */
    CHECK(answer->n_yes <= answer->n_cases && answer->n_no <= answer->n_cases - answer->n_yes);
    answer->n_unknown = answer->n_cases - answer->n_yes - answer->n_no;
    answer->answer = answer->n_no > 0        ? PLACEMENT_NO
                     : answer->n_unknown > 0 ? PLACEMENT_UNKNOWN
                                             : PLACEMENT_YES;
    CHECK(answer->answer == PLACEMENT_YES || answer->lost.n > 0); /* the failing case is named */
    *ret_admission = answer;
    return 0;
}

/* The number of the set, as next_set() counts them; SIZE_MAX: it is none of them. */
static size_t number_of(const struct admission *a, const struct placement_set *lost) {
    uint32_t set[LOST_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->n_nodes; i++) {
        for (uint32_t k = 0; k < lost->n; k++) {
            if (lost->index[k] == a->nodes[i] && n < LOST_MAX) {
                set[n++] = i;
                break;
            }
        }
    }
    if (n == 0 || n > a->k || n != lost->n) {
        return SIZE_MAX;
    }
    /* Sets before it: for each position, those with a smaller node there. */
    uint64_t number = a->before[n];
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = i > 0 ? set[i - 1] + 1 : 0; j < set[i]; j++) {
            number += choose(a->n_nodes - j - 1, n - i - 1);
        }
    }
    return number < SIZE_MAX ? (size_t)number : SIZE_MAX;
}

int placement_admit_witness(struct placement_solver *s, const struct placement_set *lost,
                            const struct placement_plan **ret_plan) {
    struct admission *a = s->admission;
    if (a == NULL || a->kept == NULL) {
        return -ENOENT;
    }
    const size_t number = number_of(a, lost);
    if (number >= a->n_kept || !a->kept[number].found) {
        return -ENOENT;
    }
    const struct kept *kept = &a->kept[number];
    a->plan = (struct placement_plan){
        .moves = kept->n_moves > 0 ? &a->moves[kept->first] : NULL,
        .n_moves = kept->n_moves,
        .unplaced = kept->n_unplaced > 0 ? &a->unplaced[kept->first_unplaced] : NULL,
        .n_unplaced = kept->n_unplaced,
        .proven = true,
    };
    *ret_plan = &a->plan;
    return 0;
}
