/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * greedy.c - the first answer: which VMs are asked for, in which order, each to its best node.
 *
 * VMs are decided one after the other, and decisions are final: by priority (higher first), then
 * size (more memory, then more cpu), then index. Each goes to the best node that can take it
 * (placement_score_better() defines best). This is fast and spreads the load. If it leaves a VM
 * without a place, the searches follow.
 */
#include "search.h"

#include <stdlib.h>

static void ask(struct placement_solver *s, uint32_t vm) {
    if (s->flags[vm] & VM_ASKED) {
        return;
    }
    const uint64_t *need = vm_need(s, vm);
    s->flags[vm] |= VM_ASKED;
    s->decisions[s->n_decisions++] = (struct decision){
        .memory = need[PLACEMENT_MEMORY],
        .cpu = need[PLACEMENT_CPU],
        .priority = s->problem->vms[vm].priority,
        .vm = vm,
        .node = PLACEMENT_NONE,
    };
}

/* Whether there is anything to decide about a VM in the request's list. */
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

/* A total order, so that qsort's order of equals does not matter. */
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

void placement_collect(struct placement_solver *s) {
    if (s->request.kind == PLACEMENT_BALANCE) {
        return; /* asks for no VMs: it decides itself which ones move */
    }
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
    qsort(s->decisions, s->n_decisions, sizeof(*s->decisions), decision_compare);
}

uint32_t placement_level(const struct placement_solver *s, uint32_t vm) {
    uint32_t i = 0;
    while (s->decisions[i].vm != vm) {
        i++;
    }
    return s->decisions[i].level;
}

/* Whether placing the VM leaves less than the permille free of some resource that counts. It
 * multiplies where the score divides. */
static bool leaves_less(const struct placement_solver *s, const uint64_t *need, uint32_t node,
                        uint64_t permille) {
    const size_t base = (size_t)node * s->n_resources;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        const uint64_t capacity = s->capacities[base + r];
        if (r > PLACEMENT_CPU && need[r] == 0) {
            continue;
        }
        if ((capacity - s->used[base + r] - need[r]) * 1000 < permille * capacity &&
            capacity >= s->used[base + r] + need[r]) {
            return true;
        }
    }
    return false;
}

uint32_t placement_best_node(struct placement_solver *s, uint32_t vm) {
    const uint64_t *need = vm_need(s, vm);
    const bool plain = !(s->flags[vm] & VM_HAS_RULES) && s->problem->vms[vm].preferred.n == 0;
    /* A running VM that moves for the sake of balance does not go to where it is. */
    const bool balances = s->request.kind == PLACEMENT_BALANCE;
    const uint32_t barred = balances ? s->home[vm] : PLACEMENT_NONE;
    uint32_t best = PLACEMENT_NONE;
    struct score best_score = {.waits = true};
    struct task task;

    placement_task_begin(s, vm, &task);
    s->work += s->problem->n_nodes;
    for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
        struct score score;
        if (!placement_can_go(s, vm, node) || node == barred ||
            (balances && placement_over_with(s, vm, node)) ||
            (plain && !best_score.waits && leaves_less(s, need, node, best_score.free_permille))) {
            continue;
        }
        placement_judge_score(s, &task, node, &score);
        if (best == PLACEMENT_NONE || placement_score_better(&score, &best_score)) {
            best = node;
            best_score = score;
        }
    }
    return best;
}

void placement_greedy(struct placement_solver *s) {
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        const uint32_t vm = s->decisions[i].vm;
        if (s->flags[vm] & VM_STUCK) {
            continue;
        }
        if (s->at[vm] != PLACEMENT_NONE) {
            placement_take(s, vm);
        }
        uint32_t node = placement_best_node(s, vm);
        if (node != PLACEMENT_NONE) {
            placement_put(s, vm, node);
            continue;
        }
        placement_stay(s, vm);
    }
}
