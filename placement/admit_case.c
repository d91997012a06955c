/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * admit_case.c - one set of nodes is lost: is there a plan, and if not, why not?
 *
 * Most cases are easy: from one state that all cases share, the VMs of the lost nodes go to their
 * best nodes, one after the other (easy_case()). Only if that leaves a VM down is the failover
 * solved like any other.
 */
#include "admit.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for this many more. */
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
    CHECK(!a->kept[number].found); /* each case has a number of its own */
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

/* The first VM that matters among those without a place; NULL: all that should start do. */
static const struct placement_unplaced *down(const struct placement_plan *plan) {
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        if (plan->unplaced[i].reason != PLACEMENT_NO_AUTO_START) {
            return &plan->unplaced[i];
        }
    }
    return NULL;
}

/* It is proven that not all VMs that should start can, whatever is moved. The plan leaves one down.
 */
static bool some_stay_down(const struct placement_solver *s) {
    bool some = s->plan.proven || s->some_stay_down;
    for (uint32_t i = 0; i < s->plan.n_unplaced; i++) {
        some |= (s->flags[s->plan.unplaced[i].vm] & (VM_MOVABLE | VM_HOPELESS)) ==
                (VM_MOVABLE | VM_HOPELESS);
    }
    return some;
}

static bool is_lost(const uint32_t *lost, uint32_t n, uint32_t node) {
    for (uint32_t i = 0; i < n; i++) {
        if (lost[i] == node) {
            return true;
        }
    }
    return false;
}

/* What the VMs on the lost nodes need of a resource. *stay: what the VMs on each remaining node
 * need. */
static uint64_t sum_needs(const struct placement_problem *p, const uint32_t *lost, uint32_t n,
                          uint32_t r, uint64_t *stay) {
    uint64_t need = 0;
    memset(stay, 0, p->n_nodes * sizeof(*stay));
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        const struct placement_vm *v = &p->vms[vm];
        const uint64_t amount = p->needs[(size_t)vm * p->n_resources + r];
        if (v->host == PLACEMENT_NONE) {
            continue;
        }
        if (is_lost(lost, n, v->host)) {
            need += v->no_auto_start ? 0 : amount;
        } else if (p->nodes[v->host].state == PLACEMENT_NODE_ACCEPTS &&
                   v->also_on == PLACEMENT_NONE) {
            stay[v->host] += amount; /* a moving VM may be about to leave */
        }
    }
    return need;
}

/* Finds a resource of which the remaining nodes together have too little. What already exceeds a
 * node's capacity may stay there, so it does not count as a shortage from the loss. */
static int find_shortage(const struct admission *a, const uint32_t *lost, uint32_t n,
                         struct placement_admission *answer) {
    const struct placement_problem *p = a->problem;
    const struct placement_solver *s = a->solver;
    uint64_t *stay = malloc((p->n_nodes + 1) * sizeof(*stay));
    if (stay == NULL) {
        return -ENOMEM;
    }
    for (uint32_t r = 0; r < p->n_resources; r++) {
        uint64_t need = sum_needs(p, lost, n, r, stay), room = 0;
        for (uint32_t node = 0; node < p->n_nodes; node++) {
            if (!is_lost(lost, n, node) && p->nodes[node].state == PLACEMENT_NODE_ACCEPTS) {
                const uint64_t capacity = s->capacities[(size_t)node * p->n_resources + r];
                room += capacity > stay[node] ? capacity - stay[node] : 0;
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
    free(stay);
    return 0;
}

/* Why the VM stays down, by the verdict on the nearest node. */
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

/* All VMs are asked for, and rules see them where they run. */
int placement_case_begin(struct admission *a) {
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

/* Takes the VMs that should start off the lost nodes. */
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

/* Whether each VM of the lost nodes finds a place by itself; then the plan is kept. The base is
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

int placement_case_solve(struct admission *a, const struct placement_admit_request *request,
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
    error = find_shortage(a, lost, n, &shortage);
    if (error < 0) {
        return error;
    }
    const bool proven = shortage.short_of > 0 || some_stay_down(a->solver);
    if (shortage.short_of > 0) {
        found.reason = shortage.reason;
        found.resource = shortage.resource;
        found.rule = PLACEMENT_NONE;
        found.short_of = shortage.short_of;
    }
    /* The first counterexample is reported; if there is none, the first open case. */
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
