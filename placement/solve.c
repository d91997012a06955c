/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * solve.c - which VMs, in which order, to which node: the plan.
 *
 * The first solver, simple and honest. VMs are decided one after the other, never taken back: by
 * priority (higher first), then size (more memory, then more cpu), then index. Each goes to the
 * best of the nodes that can take it (placement_score_better() says what best is). No running VM is
 * moved to make room, so a VM may stay unplaced where a cleverer plan has room for it; whatever is
 * planned can be carried out.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int placement_solver_create(struct placement_solver **ret_solver) {
    struct placement_solver *solver = calloc(1, sizeof(*solver));
    if (solver == NULL) {
        return -ENOMEM;
    }
    *ret_solver = solver;
    return 0;
}

void placement_solver_destroy(struct placement_solver *solver) {
    if (solver != NULL) {
        free(solver->memory);
        free(solver);
    }
}

static void ask(struct placement_solver *s, uint32_t vm) {
    if (s->asked[vm]) {
        return;
    }
    const uint64_t *need = &s->problem->needs[(size_t)vm * s->problem->n_resources];
    s->asked[vm] = true;
    s->decisions[s->n_decisions++] = (struct decision){
        .memory = need[PLACEMENT_MEMORY],
        .cpu = need[PLACEMENT_CPU],
        .priority = s->problem->vms[vm].priority,
        .vm = vm,
        .node = PLACEMENT_NONE,
    };
}

static bool set_has(const struct placement_set *set, uint32_t index) {
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->index[i] == index) {
            return true;
        }
    }
    return false;
}

/* Of a VM in the request's list, whether there is anything to decide. */
static bool returns(const struct placement_vm *vm) {
    return vm->return_to == PLACEMENT_NONE ||
           (vm->return_to != vm->host && vm->return_to != vm->also_on);
}

/* Whether the request's nodes bring this VM in. */
static bool node_asks_for(const struct placement_solver *s, uint32_t vm) {
    const struct placement_vm *v = &s->problem->vms[vm];
    switch (s->request.kind) {
    case PLACEMENT_FAILOVER: return v->host != PLACEMENT_NONE && s->leaving[v->host];
    case PLACEMENT_DRAIN:
        return v->host != PLACEMENT_NONE && s->leaving[v->host] && v->also_on == PLACEMENT_NONE;
    case PLACEMENT_RETURN:
        return v->return_to != PLACEMENT_NONE && returns(v) &&
               set_has(&s->request.nodes, v->return_to);
    case PLACEMENT_PLACE:
    case PLACEMENT_BALANCE:
    case PLACEMENT_KIND_COUNT: break;
    }
    return false;
}

static void collect(struct placement_solver *s) {
    for (uint32_t i = 0; i < s->request.vms.n; i++) {
        uint32_t vm = s->request.vms.index[i];
        if (s->request.kind != PLACEMENT_RETURN || returns(&s->problem->vms[vm])) {
            ask(s, vm);
        }
    }
    for (uint32_t vm = 0; s->request.nodes.n > 0 && vm < s->problem->n_vms; vm++) {
        if (node_asks_for(s, vm)) {
            ask(s, vm);
        }
    }
}

/* A total order, so that qsort's own order of equals does not show. */
static int decision_compare(const void *left, const void *right) {
    const struct decision *a = left, *b = right;
    if (a->priority != b->priority) {
        return a->priority > b->priority ? -1 : 1;
    }
    if (a->memory != b->memory) {
        return a->memory > b->memory ? -1 : 1;
    }
    if (a->cpu != b->cpu) {
        return a->cpu > b->cpu ? -1 : 1;
    }
    return a->vm < b->vm ? -1 : a->vm > b->vm;
}

static uint32_t best_node(const struct placement_solver *s, const struct task *task,
                          struct score *ret_score) {
    uint32_t best = PLACEMENT_NONE;
    for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
        struct score score;
        if (!placement_judge_possible(s, task, node)) {
            continue;
        }
        placement_judge_score(s, task, node, &score);
        if (best == PLACEMENT_NONE || placement_score_better(&score, ret_score)) {
            best = node;
            *ret_score = score;
        }
    }
    return best;
}

static void add_move(struct placement_solver *s, uint32_t vm, uint32_t to) {
    const struct placement_vm *v = &s->problem->vms[vm];
    const bool runs = placement_state_holds(s, vm);
    s->moves[s->plan.n_moves++] = (struct placement_move){
        .vm = vm,
        .from = v->host,
        .to = to,
        .mode = !runs                                   ? PLACEMENT_START
                : v->mobility == PLACEMENT_MOVABLE_LIVE ? PLACEMENT_LIVE
                                                        : PLACEMENT_COLD,
    };
    if (runs) {
        s->plan.cost.moves++;
        s->plan.cost.moved_mb += s->problem->needs[(size_t)vm * s->problem->n_resources];
    }
}

static void add_unplaced(struct placement_solver *s, const struct task *task,
                         struct decision *decision) {
    const struct placement_vm *v = &s->problem->vms[task->vm];
    struct placement_unplaced *unplaced = &s->unplaced[s->plan.n_unplaced++];

    *unplaced = (struct placement_unplaced){.vm = task->vm};
    if (task->holds && v->also_on != PLACEMENT_NONE) {
        unplaced->node = v->also_on;
        unplaced->reason = PLACEMENT_IN_TRANSIT;
    } else if (task->everywhere != 0) {
        unplaced->node = PLACEMENT_NONE;
        unplaced->reason = placement_first_obstacle(task->everywhere);
    } else if (s->problem->n_nodes == 0) {
        unplaced->node = PLACEMENT_NONE;
        unplaced->reason = PLACEMENT_NODE_STATE;
    } else {
        unplaced->node = placement_judge_nearest(s, task, &unplaced->reason);
    }
    decision->reason = unplaced->reason;
    s->plan.cost.unplaced++;
}

static void decide(struct placement_solver *s, struct decision *decision) {
    struct task task;
    struct score score = {0};

    placement_task_begin(s, decision->vm, &task);
    /* A VM on its way is not sent elsewhere before it has arrived. */
    if (!task.holds || s->problem->vms[task.vm].also_on == PLACEMENT_NONE) {
        decision->node = best_node(s, &task, &score);
    }
    if (decision->node == PLACEMENT_NONE) {
        add_unplaced(s, &task, decision);
    } else {
        decision->reason = PLACEMENT_CHOSEN;
        add_move(s, decision->vm, decision->node);
        s->plan.cost.soft_broken += score.soft_broken;
    }
}

static uint32_t least_free_permille(const struct placement_solver *s) {
    uint32_t least = 1000;
    for (uint32_t i = 0; i < s->plan.n_moves; i++) {
        for (uint32_t r = PLACEMENT_MEMORY; r <= PLACEMENT_CPU; r++) {
            size_t k = (size_t)s->moves[i].to * s->problem->n_resources + r;
            uint64_t capacity = s->capacities[k], used = s->used[k];
            if (used == 0) {
                continue;
            }
            uint32_t share = capacity > used ? (uint32_t)((capacity - used) * 1000 / capacity) : 0;
            least = share < least ? share : least;
        }
    }
    return least;
}

int placement_solve(struct placement_solver *s, const struct placement_problem *problem,
                    const struct placement_request *request,
                    const struct placement_plan **ret_plan) {
    s->solved = false;
    int error = placement_problem_check(problem);
    if (error == 0) {
        error = placement_request_check(problem, request);
    }
    if (error == 0) {
        error = placement_state_compile(s, problem, request);
    }
    if (error < 0) {
        return error;
    }

    s->plan = (struct placement_plan){.moves = s->moves, .unplaced = s->unplaced};
    collect(s);
    qsort(s->decisions, s->n_decisions, sizeof(*s->decisions), decision_compare);
    placement_state_reset(s);
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        decide(s, &s->decisions[i]);
        placement_state_apply(s);
    }
    s->plan.cost.least_free_permille = least_free_permille(s);
    s->solved = true;
    *ret_plan = &s->plan;
    return 0;
}

int placement_improve(struct placement_solver *s, uint64_t work,
                      const struct placement_plan **ret_plan) {
    (void)work;
    *ret_plan = &s->plan;
    return s->solved ? 0 : -EINVAL;
}
