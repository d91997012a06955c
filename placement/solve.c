/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * solve.c - from the request to the plan.
 *
 * First, each VM goes to its best node, one after the other (greedy.c). If the result cannot be
 * improved, it is the plan. Otherwise, a small problem is searched completely (exact.c). In a
 * larger one, the remaining VMs get places: few of them by pushing others out, with the fewest
 * moves (chain.c); many by refilling nodes (pack.c). Then parts of the plan are improved (part.c).
 * Each result is put in order (sequence.c) and kept until a better plan is found.
 * placement_improve() continues where the last call ended.
 */
#include "chain.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum phase {
    PHASE_SEARCH, /* there is a first answer; nothing was searched yet */
    PHASE_PACK,   /* many have no place */
    PHASE_PARTS,  /* parts of the plan are solved again */
    PHASE_DONE,
};

#define PART_WORK 30000u

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
        placement_admission_finish(solver);
        free(solver->memory);
        free(solver->rows);
        free(solver->search);
        free(solver);
    }
}

/* ---- the plan from the assignment and the steps */

static void add_move(struct placement_solver *s, const struct step *step) {
    const struct placement_vm *v = &s->problem->vms[step->vm];
    const bool starts = step->from == PLACEMENT_NONE;
    const bool asked = (s->flags[step->vm] & VM_ASKED) != 0;
    struct placement_cost *cost = &s->plan.cost;

    CHECK(step->to < s->problem->n_nodes && step->to != step->from);
    CHECK(s->plan.n_moves == 0 || s->moves[s->plan.n_moves - 1].stage <= step->stage);
    s->moves[s->plan.n_moves++] = (struct placement_move){
        .vm = step->vm,
        .from = starts ? v->host : step->from,
        .to = step->to,
        .stage = step->stage,
        .mode = starts                                  ? PLACEMENT_START
                : v->mobility == PLACEMENT_MOVABLE_LIVE ? PLACEMENT_LIVE
                                                        : PLACEMENT_COLD,
        .asked = asked,
    };
    if (!starts) {
        cost->moves++;
        cost->moves_of_others += asked ? 0 : 1;
        cost->moved_mb += vm_need(s, step->vm)[PLACEMENT_MEMORY];
        cost->move_ms += placement_move_ms(s, step->vm, step->from, step->to);
    }
}

static void add_unplaced(struct placement_solver *s, struct decision *decision) {
    const uint32_t vm = decision->vm;
    struct placement_unplaced *unplaced = &s->unplaced[s->plan.n_unplaced++];
    struct task task;

    *unplaced = (struct placement_unplaced){.vm = vm, .node = PLACEMENT_NONE};
    placement_task_begin(s, vm, &task);
    if (s->flags[vm] & VM_ARRIVING) {
        unplaced->node = s->problem->vms[vm].also_on;
        unplaced->reason = PLACEMENT_IN_TRANSIT;
    } else if (task.everywhere != 0) {
        unplaced->reason = placement_first_obstacle(task.everywhere);
    } else if (s->problem->n_nodes == 0) {
        unplaced->reason = PLACEMENT_NODE_STATE;
    } else {
        const uint32_t at = s->at[vm];
        if (at != PLACEMENT_NONE) {
            placement_take(s, vm);
        }
        unplaced->node = placement_judge_nearest(s, &task, &unplaced->reason);
        if (unplaced->reason == PLACEMENT_POSSIBLE) {
            unplaced->reason = PLACEMENT_NO_WAY;
        }
        if (at != PLACEMENT_NONE) {
            placement_put(s, vm, at);
        }
    }
    decision->reason = unplaced->reason;
    s->plan.cost.unplaced++;
}

static uint32_t least_free_permille(const struct placement_solver *s) {
    uint32_t least = 1000;
    for (uint32_t i = 0; i < s->plan.n_moves; i++) {
        for (uint32_t r = PLACEMENT_MEMORY; r <= PLACEMENT_CPU; r++) {
            size_t k = (size_t)s->at[s->moves[i].vm] * s->n_resources + r;
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

bool placement_has_no_node(const struct placement_solver *s, uint32_t vm) {
    if (s->flags[vm] & VM_STUCK) {
        return true;
    }
    for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
        const uint64_t *need = vm_need(s, vm);
        bool large = false;
        for (uint32_t r = 0; r < s->n_resources; r++) {
            large |= need[r] > s->capacities[(size_t)node * s->n_resources + r];
        }
        if (!large && placement_allowed(s, vm, node)) {
            return false;
        }
    }
    return true;
}

/* A balance asks for no VMs; those that it moves are its decisions, in the order of the moves. */
static void decide_moved(struct placement_solver *s) {
    s->n_decisions = 0;
    for (uint32_t i = 0; i < s->n_steps; i++) {
        const struct step *step = &s->steps[i];
        if (s->at[step->vm] == step->to && step->to != s->home[step->vm]) {
            s->decisions[s->n_decisions++] = (struct decision){.vm = step->vm};
        }
    }
}

/* No more VMs are down than must be. That bound is worked out for the VMs that are down, and again
 * once there are fewer. */
static bool leaves_least(struct placement_solver *s) {
    if (s->bound_for != s->plan.n_unplaced) {
        placement_bound(s);
        s->bound_for = s->plan.n_unplaced;
    }
    return placement_bound_reached(s);
}

/* What placement.h promises about a plan, as far as its moves show it: no node that a VM goes to is
 * too full at the end. A cluster that followed such a plan would overload a node, or refuse the
 * plan's moves for ever. */
static void check_plan(const struct placement_solver *s) {
    for (uint32_t i = 0; i < s->plan.n_moves; i++) {
        const struct placement_move *move = &s->moves[i];
        const uint64_t *need = vm_need(s, move->vm);
        const size_t base = (size_t)move->to * s->n_resources;
        if (s->at[move->vm] != move->to) {
            continue; /* a detour */
        }
        for (uint32_t r = 0; r < s->n_resources; r++) {
            CHECK(need[r] == 0 || s->used[base + r] <= s->capacities[base + r]);
        }
        CHECK(s->n_vms_on[move->to] <= s->vms_max[move->to]);
    }
    CHECK(s->plan.n_unplaced == s->plan.cost.unplaced);
}

static void make_plan(struct placement_solver *s) {
    s->plan = (struct placement_plan){.moves = s->moves, .unplaced = s->unplaced};
    for (uint32_t i = 0; i < s->n_steps; i++) {
        add_move(s, &s->steps[i]);
    }
    placement_times(s);
    if (s->request.kind == PLACEMENT_BALANCE) {
        decide_moved(s);
    }
    placement_see_end(s, true);
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        struct decision *decision = &s->decisions[i];
        if (placement_is_placed(s, decision->vm)) {
            decision->node = s->at[decision->vm];
            decision->reason = PLACEMENT_CHOSEN;
        } else {
            decision->node = PLACEMENT_NONE;
            add_unplaced(s, decision);
        }
    }
    s->plan.cost.soft_broken = s->soft_broken;
    placement_see_end(s, false);
    s->plan.cost.least_free_permille = least_free_permille(s);
    if (s->request.kind == PLACEMENT_BALANCE) {
        s->plan.cost.nodes_over = placement_nodes_over(s);
    }
    s->n_applied = PLACEMENT_NONE;
    s->plan.proven = s->plan.n_unplaced == 0 || leaves_least(s);
    check_plan(s);
}

/* ---- is the assignment better than the plan? */

/* Compares from the highest priority down; < 0: the assignment leaves fewer unplaced. */
static int compare_unplaced(const struct placement_solver *s) {
    int64_t more = 0;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        const bool last =
            i + 1 == s->n_decisions || s->decisions[i + 1].priority != s->decisions[i].priority;
        more += placement_is_placed(s, s->decisions[i].vm) ? 0 : 1;
        more -= s->decisions[i].node != PLACEMENT_NONE ? 0 : 1;
        if (last && more != 0) {
            return more < 0 ? -1 : 1;
        }
    }
    return 0;
}

static uint64_t total_move_ms(const struct placement_solver *s) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < s->n_steps; i++) {
        const struct step *step = &s->steps[i];
        sum +=
            step->from != PLACEMENT_NONE ? placement_move_ms(s, step->vm, step->from, step->to) : 0;
    }
    return sum;
}

static uint32_t steps_of_others(const struct placement_solver *s) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_steps; i++) {
        n += s->flags[s->steps[i].vm] & VM_ASKED ? 0 : 1;
    }
    return n;
}

/* < 0: the assignment and its steps are better than the plan; 0: as good. */
static int compare(struct placement_solver *s) {
    const struct placement_cost *cost = &s->plan.cost;
    const int unplaced = s->request.kind == PLACEMENT_BALANCE ? 0 : compare_unplaced(s);
    if (unplaced != 0) {
        return unplaced;
    }
    if (s->request.kind == PLACEMENT_BALANCE) {
        const uint32_t over = placement_nodes_over(s);
        if (over != cost->nodes_over) {
            return over < cost->nodes_over ? -1 : 1;
        }
    }
    const uint64_t soft = placement_soft_at_end(s);
    const uint32_t others = steps_of_others(s);
    const int by_others = (others > cost->moves_of_others) - (others < cost->moves_of_others);
    if (s->sparing && by_others != 0) {
        return by_others;
    }
    if (soft != cost->soft_broken) {
        return soft < cost->soft_broken ? -1 : 1;
    }
    if (by_others != 0) {
        return by_others;
    }
    const uint64_t move_ms = total_move_ms(s);
    return move_ms == cost->move_ms ? 0 : move_ms < cost->move_ms ? -1 : 1;
}

/* ---- affinity: a VM that stays must not be left alone */

/* If a hard affinity does not hold because a VM asked for stays at its host, the others of the rule
 * stay too. Returns whether any VM was sent back. */
static bool hold_together(struct placement_solver *s) {
    bool sent_back = false;
    for (uint32_t r = 0; r < s->problem->n_rules; r++) {
        const struct placement_rule *rule = &s->problem->rules[r];
        if (rule->kind != PLACEMENT_TOGETHER || !s->rules[r].hard ||
            placement_together_holds(s, r)) {
            continue;
        }
        for (uint32_t k = 0; k < rule->vms.n; k++) {
            const uint32_t vm = rule->vms.index[k];
            if ((s->flags[vm] & VM_MOVABLE) && s->at[vm] != s->home[vm]) {
                placement_take(s, vm);
                placement_stay(s, vm);
                sent_back = true;
            }
        }
    }
    return sent_back;
}

static void sequence(struct placement_solver *s) {
    do {
        placement_sequence(s);
    } while (hold_together(s));
}

/* ---- the phases */

/* The first goals are fully met. */
static bool perfect(const struct placement_solver *s) {
    const struct placement_cost *cost = &s->plan.cost;
    return s->plan.proven && cost->soft_broken == 0 && cost->moves_of_others == 0 &&
           (s->request.kind != PLACEMENT_BALANCE || (cost->moves == 0 && cost->nodes_over == 0));
}

/* No search places more. */
static bool only_hopeless(const struct placement_solver *s) {
    for (uint32_t i = 0; i < s->plan.n_unplaced; i++) {
        const uint16_t flags = s->flags[s->plan.unplaced[i].vm];
        if ((flags & (VM_MOVABLE | VM_HOPELESS)) == VM_MOVABLE) {
            return false;
        }
    }
    return true;
}

static void first_answer(struct placement_solver *s) {
    if (s->request.kind == PLACEMENT_BALANCE) {
        placement_balance(s);
    } else {
        placement_greedy(s);
    }
    sequence(s);
    make_plan(s);
    s->phase = perfect(s) && only_hopeless(s) ? PHASE_DONE : PHASE_SEARCH;
}

void placement_load_plan(struct placement_solver *s) {
    placement_state_reset(s);
    for (uint32_t i = 0; i < s->plan.n_moves; i++) {
        const struct placement_move *move = &s->moves[i];
        if (s->at[move->vm] != PLACEMENT_NONE) {
            placement_take(s, move->vm);
        }
        placement_put(s, move->vm, move->to);
    }
}

static void take_if(struct placement_solver *s, int worst) {
    sequence(s);
    if (compare(s) <= worst) {
        make_plan(s);
    }
}

static uint32_t count_placed(const struct placement_solver *s) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        n += placement_is_placed(s, s->decisions[i].vm);
    }
    return n;
}

/* Returns whether nothing better than the plan was passed over. */
static bool search_chain(struct placement_solver *s) {
    bool fewest = false, proven = false;
    if (placement_chain(s, &fewest, &proven)) {
        const uint32_t n = count_placed(s);
        sequence(s);
        /* A result that is not carried out in full proves nothing. */
        fewest = fewest && count_placed(s) == n;
        if (compare(s) < 0) {
            make_plan(s);
        }
    }
    s->plan.proven = s->plan.proven || (fewest && proven);
    return fewest;
}

/* Parts are solved again for VMs that are left, and for fewer moves of others. */
static bool parts_may_help(const struct placement_solver *s) {
    return !s->plan.proven || s->plan.cost.moves_of_others > 0;
}

static void search(struct placement_solver *s) {
    bool proven = false;
    if (placement_exact(s, &proven)) {
        placement_sequence_path(s);
        if (compare(s) < 0) {
            make_plan(s);
        }
        s->plan.proven = proven;
        s->phase = PHASE_DONE;
        return;
    }
    if (s->request.kind == PLACEMENT_BALANCE) {
        s->plan.proven = false;
        s->phase = PHASE_DONE;
        return;
    }
    const bool fewest = search_chain(s);
    if (s->plan.cost.soft_broken > 0 && placement_soften(s)) {
        take_if(s, -1);
    }
    s->phase = fewest || perfect(s)                                        ? PHASE_DONE
               : s->n_decisions > PENDING_MAX && s->plan.cost.unplaced > 0 ? PHASE_PACK
               : parts_may_help(s)                                         ? PHASE_PARTS
                                                                           : PHASE_DONE;
}

static void improve_parts(struct placement_solver *s) {
    while (s->work < s->work_end && s->phase != PHASE_DONE) {
        s->work += 1000 + s->problem->n_vms / 4;
        if (placement_chain_part(s, PART_WORK)) {
            take_if(s, 0);
        }
        s->phase = parts_may_help(s) ? PHASE_PARTS : PHASE_DONE;
    }
}

/* Only parts move other VMs: if the request allows that, half of the work is kept for it. What pack
 * finds is taken whenever it is better, whether all VMs have a place or not. */
static void improve_by_packing(struct placement_solver *s) {
    const uint64_t work_end = s->work_end;
    const bool others = s->request.may_move_others;
    if (others) {
        s->work_end -= (s->work_end - s->work) / 2;
    }
    bool all;
    if (placement_pack(s, &all)) {
        take_if(s, all ? 0 : -1);
    }
    s->work_end = work_end;
    if (all || others) {
        s->phase = parts_may_help(s) ? PHASE_PARTS : PHASE_DONE;
    }
}

/* Spends the work requested beyond the first answer. */
static int improve_at_once(struct placement_solver *s, const struct placement_plan **ret_plan) {
    const uint64_t work = s->request.work > 0 ? s->request.work : PLACEMENT_WORK;
    s->solved = true;
    if (work != UINT64_MAX && !s->no_memory) {
        const struct placement_plan *ignored;
        if (placement_improve(s, work, &ignored) == -ENOMEM) {
            s->no_memory = true;
        }
    }
    if (s->no_memory) {
        s->solved = false;
        return -ENOMEM;
    }
    *ret_plan = &s->plan;
    return 0;
}

int placement_solve(struct placement_solver *s, const struct placement_problem *problem,
                    const struct placement_request *request,
                    const struct placement_plan **ret_plan) {
    CHECK(s != NULL && problem != NULL && request != NULL && ret_plan != NULL);
    s->solved = s->no_memory = false;
    int error = placement_problem_check(problem);
    if (error == 0) {
        error = placement_request_check(problem, request);
    }
    if (error == 0) {
        error = placement_compile(s, problem, request);
    }
    if (error < 0) {
        return error;
    }
    s->work = 0;
    first_answer(s);
    return improve_at_once(s, ret_plan);
}

/* The plan is carried over to a request that allows more: from now on a result has to be better.
 * Its moves stay where they are in memory, since the problem is as large as before. */
static int widen(struct placement_solver *s, const struct placement_request *request) {
    const struct placement_problem *problem = s->problem;
    s->solved = false;
    int error = placement_compile(s, problem, request);
    if (error < 0) {
        return error;
    }
    s->work = 0;
    s->sparing = true;
    placement_load_plan(s);
    s->n_steps = s->plan.n_moves;
    for (uint32_t i = 0; i < s->n_steps; i++) {
        const struct placement_move *move = &s->moves[i];
        s->steps[i] = (struct step){
            .vm = move->vm,
            .from = move->mode == PLACEMENT_START ? PLACEMENT_NONE : move->from,
            .to = move->to,
            .stage = move->stage,
        };
    }
    make_plan(s);
    s->phase = PHASE_SEARCH;
    return 0;
}

int placement_solve_sparing(struct placement_solver *s, const struct placement_problem *problem,
                            const struct placement_request *request,
                            const struct placement_plan **ret_plan) {
    struct placement_request alone = *request;
    alone.may_move_others = false;
    int error = placement_solve(s, problem, &alone, ret_plan);
    if (error < 0 || !request->may_move_others || request->kind == PLACEMENT_BALANCE ||
        only_hopeless(s)) {
        return error;
    }
    error = widen(s, request);
    return error == 0 ? improve_at_once(s, ret_plan) : error;
}

int placement_improve(struct placement_solver *s, uint64_t work,
                      const struct placement_plan **ret_plan) {
    CHECK(s != NULL && ret_plan != NULL);
    if (!s->solved) {
        return -EINVAL;
    }
    s->work_end = s->work + work;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        s->flags[s->decisions[i].vm] &= (uint16_t)~VM_STAYS;
    }
    if (s->phase == PHASE_SEARCH) {
        search(s);
    }
    if (s->phase == PHASE_PACK && s->work < s->work_end) {
        improve_by_packing(s);
    }
    if (s->phase == PHASE_PARTS) {
        improve_parts(s);
    }
    *ret_plan = &s->plan;
    if (s->no_memory) {
        s->no_memory = false;
        return -ENOMEM;
    }
    return s->phase == PHASE_DONE ? 0 : 1;
}
