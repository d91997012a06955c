/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * admit.c - can any k nodes be lost?
 *
 * Each set of k nodes is a failover of its own, solved with the nodes gone. A plan that starts all
 * is the witness, and is kept; a set for which it is proven that there is none is the
 * counterexample. Proofs are cheap first: a VM that no other node may take, or less room altogether
 * than is needed; then those of the searches. What neither a plan nor a proof was found for within
 * the work given stays open: the answer is then "unknown", never "yes".
 *
 * Losing fewer than k is asked as well: a VM that still runs can be in the way of a rule where one
 * that is started would not be.
 *
 * Most cases are easy: the VMs of the lost nodes, each to its best node, one after the other, from
 * one state that all cases share (easy_case()). Only where that leaves one down, the failover is
 * solved as any other. Both by solvers of their own, so that the plan of the caller's stays.
 */
#include "search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* The next set of n out of the nodes, as indices in ascending order; false after the last one. */
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

/* Room for so many more. */
static int grow(void **items, size_t *size, size_t n, size_t more, size_t item_size) {
    if (n + more <= *size) {
        return 0;
    }
    const size_t larger = 2 * *size + more + 64;
    void *block = realloc(*items, larger * item_size);
    if (block == NULL) {
        return -ENOMEM;
    }
    *items = block;
    *size = larger;
    return 0;
}

static int keep(struct admission *a, uint64_t number, const struct placement_plan *plan) {
    if (number >= a->n_kept) {
        return 0;
    }
    void *moves = a->moves, *unplaced = a->unplaced;
    int error = grow(&moves, &a->moves_size, a->n_moves, plan->n_moves, sizeof(*a->moves));
    a->moves = moves;
    if (error == 0) {
        error = grow(&unplaced, &a->unplaced_size, a->n_unplaced, plan->n_unplaced,
                     sizeof(*a->unplaced));
        a->unplaced = unplaced;
    }
    if (error < 0) {
        return error;
    }
    a->kept[number] = (struct kept){
        .first = a->n_moves,
        .first_unplaced = a->n_unplaced,
        .n_moves = plan->n_moves,
        .n_unplaced = plan->n_unplaced,
        .found = true,
    };
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        a->moves[a->n_moves++] = plan->moves[i];
    }
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        a->unplaced[a->n_unplaced++] = plan->unplaced[i];
    }
    return 0;
}

/* The first VM that matters among those without a place; NULL: all that are to start, do. */
static const struct placement_unplaced *down(const struct placement_plan *plan) {
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        if (plan->unplaced[i].reason != PLACEMENT_NO_AUTO_START) {
            return &plan->unplaced[i];
        }
    }
    return NULL;
}

/* The VM takes room on the nodes that are left: it must be started, or runs there. */
static bool counts(const struct placement_problem *p, const uint32_t *lost, uint32_t n,
                   const struct placement_vm *v) {
    for (uint32_t i = 0; i < n; i++) {
        if (lost[i] == v->host) {
            return !v->no_auto_start;
        }
    }
    return p->nodes[v->host].state == PLACEMENT_NODE_ACCEPTS;
}

/* A resource of which the nodes that are left have less than is needed altogether. */
static void find_shortage(const struct admission *a, const uint32_t *lost, uint32_t n,
                          struct placement_admission *answer) {
    const struct placement_problem *p = a->problem;
    const struct placement_solver *s = a->solver;
    for (uint32_t r = 0; r < p->n_resources; r++) {
        uint64_t need = 0, room = 0;
        for (uint32_t node = 0; node < p->n_nodes; node++) {
            bool is_lost = false;
            for (uint32_t i = 0; i < n; i++) {
                is_lost |= lost[i] == node;
            }
            if (!is_lost && p->nodes[node].state == PLACEMENT_NODE_ACCEPTS) {
                room += s->capacities[(size_t)node * p->n_resources + r];
            }
        }
        for (uint32_t vm = 0; vm < p->n_vms; vm++) {
            const struct placement_vm *v = &p->vms[vm];
            if (v->host != PLACEMENT_NONE && counts(p, lost, n, v)) {
                need += p->needs[(size_t)vm * p->n_resources + r];
            }
        }
        if (need > room && need - room > answer->short_of) {
            answer->short_of = need - room;
            answer->resource = r;
            answer->reason = r == PLACEMENT_MEMORY ? PLACEMENT_NO_MEMORY
                             : r == PLACEMENT_CPU  ? PLACEMENT_NO_CPU
                                                   : PLACEMENT_NO_RESOURCE;
        }
    }
}

/* Why the VM stays down: what the verdict on the nearest node says. */
static int find_cause(struct admission *a, const struct placement_unplaced *unplaced,
                      struct placement_admission *answer) {
    answer->vm = unplaced->vm;
    answer->reason = unplaced->reason;
    answer->resource = answer->rule = PLACEMENT_NONE;
    answer->short_of = 0;
    struct placement_verdict *verdicts = malloc((a->problem->n_nodes + 1) * sizeof(*verdicts));
    if (verdicts == NULL) {
        return -ENOMEM;
    }
    if (unplaced->node != PLACEMENT_NONE &&
        placement_explain(a->solver, unplaced->vm, verdicts, NULL) == 0) {
        const struct placement_verdict *v = &verdicts[unplaced->node];
        const bool room = v->reason == PLACEMENT_NO_MEMORY || v->reason == PLACEMENT_NO_CPU ||
                          v->reason == PLACEMENT_NO_RESOURCE;
        answer->resource = room ? v->resource : PLACEMENT_NONE;
        answer->rule = v->reason >= PLACEMENT_NODE_RULE && v->reason <= PLACEMENT_ANTI_AFFINITY
                           ? v->rule
                           : PLACEMENT_NONE;
    }
    free(verdicts);
    return 0;
}

/* The state that the easy cases begin from: everybody is asked for and seen where it runs. */
static int begin_base(struct admission *a) {
    const struct placement_problem *p = a->problem;
    uint32_t n = 0;
    a->all = malloc(((size_t)p->n_vms + 1) * sizeof(*a->all));
    if (a->all == NULL) {
        return -ENOMEM;
    }
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        if (p->vms[vm].host != PLACEMENT_NONE) {
            a->all[n++] = vm;
        }
        a->any_moves |= p->vms[vm].also_on != PLACEMENT_NONE;
    }
    const struct placement_request request = {.kind = PLACEMENT_PLACE,
                                              .vms = {.index = a->all, .n = n}};
    int error = placement_compile(a->base, p, &request);
    if (error == 0) {
        a->base->work = 0;
        placement_see_end(a->base, true);
    }
    return error;
}

/* Takes those that are to start off the lost nodes. */
static void take_lost(struct placement_solver *b, const uint32_t *lost, uint32_t n,
                      struct placement_plan *plan) {
    uint32_t next;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t vm = b->first_on[lost[i]]; vm != PLACEMENT_NONE; vm = next) {
            const struct placement_vm *v = &b->problem->vms[vm];
            next = b->next_on[vm];
            if (v->no_auto_start) {
                b->unplaced[plan->n_unplaced++] = (struct placement_unplaced){
                    .vm = vm, .node = PLACEMENT_NONE, .reason = PLACEMENT_NO_AUTO_START};
                placement_take(b, vm);
                continue;
            }
            b->moves[plan->n_moves++] = (struct placement_move){
                .vm = vm,
                .from = lost[i],
                .to = PLACEMENT_NONE,
                .mode = PLACEMENT_START,
                .asked = true,
                .ready_ms = v->start_ms > 0 ? v->start_ms : PLACEMENT_START_MS,
            };
            placement_take(b, vm);
        }
    }
}

static int compare_vms(const struct placement_problem *p, uint32_t a, uint32_t b) {
    const struct placement_vm *va = &p->vms[a], *vb = &p->vms[b];
    const uint64_t ma = p->needs[(size_t)a * p->n_resources];
    const uint64_t mb = p->needs[(size_t)b * p->n_resources];
    if (va->priority != vb->priority) {
        return va->priority > vb->priority ? -1 : 1;
    }
    return ma != mb ? (ma > mb ? -1 : 1) : a < b ? -1 : a > b;
}

static void sort_moves(struct placement_move *moves, uint32_t n,
                       const struct placement_problem *p) {
    for (uint32_t gap = n / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < n; i++) {
            const struct placement_move moving = moves[i];
            uint32_t k = i;
            for (; k >= gap && compare_vms(p, moves[k - gap].vm, moving.vm) > 0; k -= gap) {
                moves[k] = moves[k - gap];
            }
            moves[k] = moving;
        }
    }
}

static void sort_unplaced(struct placement_unplaced *unplaced, uint32_t n,
                          const struct placement_problem *p) {
    for (uint32_t i = 1; i < n; i++) {
        const struct placement_unplaced moving = unplaced[i];
        uint32_t k = i;
        for (; k > 0 && compare_vms(p, unplaced[k - 1].vm, moving.vm) > 0; k--) {
            unplaced[k] = unplaced[k - 1];
        }
        unplaced[k] = moving;
    }
}

/* Whether each VM of the lost nodes finds a place by itself; the plan is kept then. The base is
 * left as it was. */
static int easy_case(struct admission *a, const uint32_t *lost, uint32_t n, uint64_t number,
                     bool *ret_found) {
    struct placement_solver *b = a->base;
    struct placement_plan plan = {.moves = b->moves, .unplaced = b->unplaced, .proven = true};
    uint32_t vms_max[LOST_MAX];
    bool found = true;

    if (a->any_moves) {
        *ret_found = false;
        return 0;
    }
    take_lost(b, lost, n, &plan);

    for (uint32_t i = 0; i < n; i++) {
        vms_max[i] = b->vms_max[lost[i]];
        b->vms_max[lost[i]] = 0;
    }
    sort_moves(b->moves, plan.n_moves, a->problem);
    sort_unplaced(b->unplaced, plan.n_unplaced, a->problem);
    for (uint32_t i = 0; found && i < plan.n_moves; i++) {
        const uint32_t node = placement_best_node(b, b->moves[i].vm);
        found = node != PLACEMENT_NONE;
        if (found) {
            b->moves[i].to = node;
            placement_put(b, b->moves[i].vm, node);
        }
    }
    int error = found ? keep(a, number, &plan) : 0;
    for (uint32_t i = 0; i < plan.n_moves; i++) {
        if (b->at[b->moves[i].vm] != PLACEMENT_NONE) {
            placement_take(b, b->moves[i].vm);
        }
        placement_put(b, b->moves[i].vm, b->moves[i].from);
    }
    for (uint32_t i = 0; i < plan.n_unplaced; i++) {
        placement_put(b, b->unplaced[i].vm, a->problem->vms[b->unplaced[i].vm].host);
    }
    for (uint32_t i = 0; i < n; i++) {
        b->vms_max[lost[i]] = vms_max[i];
    }
    *ret_found = found;
    return error;
}

/* One case; what it took is taken off *work. */
static int solve_case(struct admission *a, const struct placement_admit_request *request,
                      const uint32_t *set, uint32_t n, uint64_t number, uint64_t *work) {
    uint32_t lost[LOST_MAX];
    for (uint32_t i = 0; i < n; i++) {
        lost[i] = a->nodes[set[i]];
    }
    const uint64_t before = a->base->work;
    bool easy = false;
    int error = easy_case(a, lost, n, number, &easy);
    const uint64_t easy_work = a->base->work - before + 16;
    *work -= easy_work < *work ? easy_work : *work;
    if (error < 0 || easy) {
        a->answer.n_yes += easy ? 1 : 0;
        return error;
    }
    const struct placement_request failover = {
        .kind = PLACEMENT_FAILOVER,
        .nodes = {.index = lost, .n = n},
        .may_move_others = request->may_move_others,
        .work = *work < PLACEMENT_WORK ? *work + 1 : PLACEMENT_WORK,
    };
    const struct placement_plan *plan = NULL;
    error = placement_solve(a->solver, a->problem, &failover, &plan);
    if (error < 0) {
        return error;
    }
    const uint64_t done = a->solver->work + a->problem->n_vms / 4;
    *work -= done < *work ? done : *work;
    const struct placement_unplaced *unplaced = down(plan);
    struct placement_admission *answer = &a->answer;
    if (unplaced == NULL) {
        answer->n_yes++;
        return keep(a, number, plan);
    }
    struct placement_admission found = *answer;
    error = find_cause(a, unplaced, &found);
    if (error < 0) {
        return error;
    }
    struct placement_admission shortage = {.short_of = 0};
    find_shortage(a, lost, n, &shortage);
    const bool proven = plan->proven || shortage.short_of > 0;
    if (shortage.short_of > 0) {
        found.reason = shortage.reason;
        found.resource = shortage.resource;
        found.rule = PLACEMENT_NONE;
        found.short_of = shortage.short_of;
    }
    /* The first counterexample is told; if there is none, the first open case. */
    const bool tell = proven ? answer->n_no == 0 : answer->n_no == 0 && answer->n_unknown == 0;
    if (proven) {
        found.n_no++;
    } else {
        found.n_unknown++;
    }
    if (tell) {
        memcpy(a->lost, lost, n * sizeof(*lost));
        found.lost = (struct placement_set){.index = a->lost, .n = n};
        *answer = found;
    } else {
        answer->n_no = found.n_no;
        answer->n_unknown = found.n_unknown;
    }
    return 0;
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
        int error = solve_case(a, request, set, n, number++, work);
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
    error = begin_base(a);
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
    answer->n_unknown = answer->n_cases - answer->n_yes - answer->n_no;
    answer->answer = answer->n_no > 0        ? PLACEMENT_NO
                     : answer->n_unknown > 0 ? PLACEMENT_UNKNOWN
                                             : PLACEMENT_YES;
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
    /* Sets before it: for each place those with a smaller node there. */
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
