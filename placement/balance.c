/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * balance.c - bring nodes below their thresholds, with few and cheap moves.
 *
 * The node furthest above its threshold comes first. It is brought below in the cheapest way: by
 * moving one VM away; else two or three VMs; else by swapping a VM for a smaller one on another
 * node. If that is not enough, VMs leave one after the other, the largest first, as long as a
 * target node stays below its own threshold. The cost of a move is its time: memory over bandwidth.
 *
 * Thresholds apply to what VMs use (loads), capacities to what they may use (needs). Both hold on
 * every node that receives a VM.
 */
#include "search.h"

#define VMS_AT_ONCE 3u
#define CANDIDATES_MAX 256u

struct balance {
    struct placement_solver *s;
    uint32_t node;
    uint32_t vms[CANDIDATES_MAX]; /* that may leave it */
    uint32_t n_vms;
    uint32_t chosen[VMS_AT_ONCE], targets[VMS_AT_ONCE];
    uint32_t best[VMS_AT_ONCE], best_targets[VMS_AT_ONCE];
    uint32_t n_chosen, n_best;
    uint64_t cost, best_cost;
    uint64_t share, work_end; /* of the work: each node's, and where the current try is to stop */
};

/* How far the load is above the threshold, in millionths of the capacity, for the resource that is
 * furthest above. 0: it is not above. */
static uint64_t excess(const struct placement_solver *s, uint32_t node, const uint64_t *more) {
    const uint32_t threshold = s->problem->nodes[node].threshold_permille;
    uint64_t most = 0;
    for (uint32_t r = 0; threshold > 0 && r < s->n_resources; r++) {
        const size_t i = (size_t)node * s->n_resources + r;
        const uint64_t load = s->loaded[i] + (more != NULL ? more[r] : 0);
        const uint64_t limit = s->capacities[i] * threshold / 1000;
        if (load * 1000 > s->capacities[i] * threshold) {
            const uint64_t over = (load - limit) / (s->capacities[i] / 1000000 + 1) + 1;
            most = over > most ? over : most;
        }
    }
    return most;
}

bool placement_over_with(const struct placement_solver *s, uint32_t vm, uint32_t node) {
    return excess(s, node, vm_load(s, vm)) > 0;
}

uint32_t placement_nodes_over(const struct placement_solver *s) {
    uint32_t n = 0;
    for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
        n += excess(s, node, NULL) > 0 ? 1 : 0;
    }
    return n;
}

static uint32_t moves_left(const struct placement_solver *s) {
    const uint32_t most = s->request.moves_max;
    if (most == 0) {
        return UINT32_MAX;
    }
    return s->moves_of_others < most ? most - s->moves_of_others : 0;
}

/* The VMs that may leave, the largest load first. */
static void collect(struct balance *b) {
    const struct placement_solver *s = b->s;
    b->n_vms = 0;
    for (uint32_t vm = s->first_on[b->node]; vm != PLACEMENT_NONE; vm = s->next_on[vm]) {
        if (!(s->flags[vm] & VM_MOVABLE) || s->at[vm] != s->home[vm]) {
            continue;
        }
        const uint64_t load = vm_load(s, vm)[PLACEMENT_MEMORY];
        uint32_t i = b->n_vms < CANDIDATES_MAX ? b->n_vms++ : CANDIDATES_MAX - 1;
        for (;
             i > 0 && (vm_load(s, b->vms[i - 1])[PLACEMENT_MEMORY] < load ||
                       (vm_load(s, b->vms[i - 1])[PLACEMENT_MEMORY] == load && b->vms[i - 1] > vm));
             i--) {
            b->vms[i] = b->vms[i - 1];
        }
        b->vms[i] = vm;
    }
}

/* Tries all ways to bring the node below with n more moves. */
static void choose(struct balance *b, uint32_t first, uint32_t n) {
    struct placement_solver *s = b->s;
    for (uint32_t i = first; i < b->n_vms && s->work < b->work_end; i++) {
        const uint32_t vm = b->vms[i];
        placement_take(s, vm);
        const bool below = excess(s, b->node, NULL) == 0;
        if (below || n > 1) {
            const uint32_t target = placement_best_node(s, vm);
            if (target != PLACEMENT_NONE) {
                const uint64_t cost = placement_move_ms(s, vm, b->node, target);
                b->chosen[b->n_chosen] = vm;
                b->targets[b->n_chosen++] = target;
                b->cost += cost;
                placement_put(s, vm, target);
                if (below && b->cost < b->best_cost) {
                    b->best_cost = b->cost;
                    b->n_best = b->n_chosen;
                    for (uint32_t k = 0; k < b->n_chosen; k++) {
                        b->best[k] = b->chosen[k];
                        b->best_targets[k] = b->targets[k];
                    }
                } else if (!below) {
                    choose(b, i + 1, n - 1);
                }
                placement_take(s, vm);
                b->cost -= cost;
                b->n_chosen--;
            }
        }
        placement_put(s, vm, b->node);
    }
}

static void move(struct placement_solver *s, uint32_t vm, uint32_t to) {
    placement_take(s, vm);
    placement_put(s, vm, to);
}

static bool by_moving(struct balance *b) {
    struct placement_solver *s = b->s;
    const uint32_t most = moves_left(s) < VMS_AT_ONCE ? moves_left(s) : VMS_AT_ONCE;
    for (uint32_t n = 1; n <= most; n++) {
        b->n_chosen = b->n_best = 0;
        b->cost = 0;
        b->best_cost = UINT64_MAX;
        b->work_end = s->work + b->share;
        choose(b, 0, n);
        for (uint32_t i = 0; i < b->n_best; i++) {
            move(s, b->best[i], b->best_targets[i]);
        }
        if (b->n_best > 0) {
            return true;
        }
    }
    return false;
}

/* Whether the two may be swapped so that both nodes are below then; changes nothing. */
static bool may_swap(struct placement_solver *s, uint32_t a, uint32_t b) {
    const uint32_t from = s->at[a], to = s->at[b];
    placement_take(s, a);
    placement_take(s, b);
    bool may = placement_can_go(s, a, to) && !placement_over_with(s, a, to);
    if (may) {
        placement_put(s, a, to);
        may = placement_can_go(s, b, from) && !placement_over_with(s, b, from);
        placement_take(s, a);
    }
    placement_put(s, b, to);
    placement_put(s, a, from);
    return may;
}

static bool by_swapping(struct balance *b) {
    struct placement_solver *s = b->s;
    uint32_t best_a = PLACEMENT_NONE, best_b = PLACEMENT_NONE;
    uint64_t least = UINT64_MAX;
    const uint64_t work_end = s->work + b->share;
    for (uint32_t i = 0; i < b->n_vms && moves_left(s) >= 2; i++) {
        for (uint32_t node = 0; node < s->problem->n_nodes && s->work < work_end; node++) {
            s->work += 2;
            if (node == b->node) {
                continue;
            }
            uint32_t next;
            for (uint32_t vm = s->first_on[node]; vm != PLACEMENT_NONE; vm = next) {
                next = s->next_on[vm];
                s->work++;
                if (!(s->flags[vm] & VM_MOVABLE) || s->at[vm] != s->home[vm]) {
                    continue;
                }
                const uint64_t cost = placement_move_ms(s, b->vms[i], b->node, node) +
                                      placement_move_ms(s, vm, node, b->node);
                if (cost < least && may_swap(s, b->vms[i], vm)) {
                    least = cost;
                    best_a = b->vms[i];
                    best_b = vm;
                }
            }
        }
    }
    if (best_a == PLACEMENT_NONE) {
        return false;
    }
    const uint32_t to = s->at[best_b];
    placement_take(s, best_a);
    move(s, best_b, b->node);
    placement_put(s, best_a, to);
    return true;
}

/* VMs leave one after the other; if that does not help in the end, all are put back. */
static void by_and_by(struct balance *b) {
    struct placement_solver *s = b->s;
    uint32_t moved[CANDIDATES_MAX], n = 0;
    const uint64_t work_end = s->work + b->share;
    for (uint32_t i = 0; i < b->n_vms && moves_left(s) > 0 && s->work < work_end; i++) {
        placement_take(s, b->vms[i]);
        const uint32_t target = placement_best_node(s, b->vms[i]);
        placement_put(s, b->vms[i], target != PLACEMENT_NONE ? target : b->node);
        if (target != PLACEMENT_NONE) {
            moved[n++] = b->vms[i];
        }
        if (excess(s, b->node, NULL) == 0) {
            return;
        }
    }
    while (n > 0) {
        move(s, moved[--n], b->node);
    }
}

void placement_balance(struct placement_solver *s) {
    const uint32_t n_nodes = s->problem->n_nodes;
    const uint64_t n_over = placement_nodes_over(s);
    /* Enough for each node to try some VMs on all nodes. */
    const uint64_t least = 16 * (uint64_t)n_nodes;
    const uint64_t even = PLACEMENT_WORK / 4 / (n_over > 0 ? n_over : 1);
    const uint64_t share = even > least ? even : least;
    for (uint32_t node = 0; node < n_nodes; node++) {
        s->candidates[node].node = 0; /* on loan: 1 for nodes that were dealt with */
    }
    for (;;) {
        struct balance b = {.s = s, .node = PLACEMENT_NONE, .share = share};
        uint64_t most = 0;
        for (uint32_t node = 0; node < n_nodes; node++) {
            const uint64_t over = s->candidates[node].node != 0 ? 0 : excess(s, node, NULL);
            if (over > most) {
                most = over;
                b.node = node;
            }
        }
        if (b.node == PLACEMENT_NONE || moves_left(s) == 0) {
            return;
        }
        collect(&b);
        if (!by_moving(&b) && !by_swapping(&b)) {
            by_and_by(&b);
        }
        s->candidates[b.node].node = 1;
    }
}
