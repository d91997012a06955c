/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * soften.c - fewer soft rules broken, once each VM has a place.
 *
 * The greedy answer breaks a soft rule if a VM was decided too late: the right node was full, or
 * used by another VM that could have gone elsewhere. So each VM that breaks a rule moves to a node
 * where it breaks less, if there is one now. Otherwise it swaps places with another VM asked for,
 * if the two together then break less. No other VM is moved.
 */
#include "search.h"

/* Moves one VM to a better node. */
static bool move(struct placement_solver *s, uint32_t vm, uint64_t broken) {
    const uint32_t at = s->at[vm];
    placement_take(s, vm);
    const uint32_t node = placement_best_node(s, vm);
    const bool better = node != PLACEMENT_NONE && placement_soft_delta(s, vm, node) < broken;
    placement_put(s, vm, better ? node : at);
    return better;
}

/* Swaps the two if less is broken then; otherwise leaves them as they were. */
static bool swap(struct placement_solver *s, uint32_t a, uint32_t b) {
    const uint32_t from = s->at[a], to = s->at[b];
    const uint64_t before = s->soft_broken;
    placement_take(s, a);
    placement_take(s, b);
    if (placement_can_go(s, a, to)) {
        placement_put(s, a, to);
        if (placement_can_go(s, b, from)) {
            placement_put(s, b, from);
            if (s->soft_broken < before) {
                return true;
            }
            placement_take(s, b);
        }
        placement_take(s, a);
    }
    placement_put(s, b, to);
    placement_put(s, a, from);
    return false;
}

static bool swap_with_any(struct placement_solver *s, uint32_t vm) {
    for (uint32_t i = 0; i < s->n_decisions && s->work < s->work_end; i++) {
        const uint32_t other = s->decisions[i].vm;
        s->work++;
        if (other != vm && placement_is_placed(s, other) && s->at[other] != s->at[vm] &&
            swap(s, vm, other)) {
            return true;
        }
    }
    return false;
}

static uint64_t broken_by(struct placement_solver *s, uint32_t vm) {
    const uint32_t at = s->at[vm];
    placement_take(s, vm);
    const uint64_t broken = placement_soft_delta(s, vm, at);
    placement_put(s, vm, at);
    return broken;
}

bool placement_soften(struct placement_solver *s) {
    bool any = false, again = true;
    placement_load_plan(s);
    while (again && s->work < s->work_end) {
        again = false;
        for (uint32_t i = 0; i < s->n_decisions && s->work < s->work_end; i++) {
            const uint32_t vm = s->decisions[i].vm;
            if (!(s->flags[vm] & VM_HAS_RULES) || !placement_is_placed(s, vm)) {
                continue;
            }
            const uint64_t broken = broken_by(s, vm);
            if (broken > 0 && (move(s, vm, broken) || swap_with_any(s, vm))) {
                again = any = true;
            }
        }
    }
    return any;
}
