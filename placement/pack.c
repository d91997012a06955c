/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pack.c - many VMs, little room: tabu search over partial assignments.
 *
 * Some VMs are placed, each where it may be; the others are left. A step puts one of those left on
 * a node and pushes out what is in its way there, so that as little as possible is left, by size;
 * what was put somewhere stays there for some steps, what was pushed out does not come back for
 * some (tabu), so that the search does not run in circles. Between steps VMs are moved and swapped
 * among the nodes wherever that makes full nodes fuller: room in one piece is worth more than in
 * many. The idea is Buljubasic and Vasquez's consistent neighbourhood search for bin packing
 * (Computers & OR 76, 2016), here for any amounts, nodes that differ, and rules.
 *
 * The nodes are filled to the brim by this; polish.c spreads the load again where there is room.
 */
#include "pack.h"

#include <string.h>

#define LEFT_MAX 24u /* of those left, tried in a step */
#define PART_NODES 8u
#define NODES_MAX 160u /* tried in a step */

struct step_found {
    int64_t change;
    uint32_t vm, node, out[2];
    uint32_t n_equal;
};

/* Sizes: each resource counts by how scarce it is, against an average node. */
static void measure(struct pack *p) {
    const struct placement_solver *s = p->s;
    const struct placement_problem *problem = s->problem;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        uint64_t capacity = 1, need = 0;
        for (uint32_t node = 0; node < problem->n_nodes; node++) {
            if (bit_test(s->accepts, node)) {
                capacity += s->capacities[(size_t)node * s->n_resources + r];
            }
        }
        for (uint32_t i = 0; i < problem->n_vms; i++) {
            need += vm_need(s, i)[r];
        }
        const uint64_t average = capacity / (problem->n_nodes > 0 ? problem->n_nodes : 1) + 1;
        const uint64_t scarce = need / (capacity / 1024 + 1);
        p->scale[r] = ((scarce < 2048 ? scarce : 2048) << 22) / average;
    }
    for (uint32_t i = 0; i < problem->n_vms; i++) {
        p->size[i] = 1;
        for (uint32_t r = 0; r < s->n_resources; r++) {
            p->size[i] += (vm_need(s, i)[r] * p->scale[r]) >> 16;
        }
        p->value[i] = p->size[i];
        p->largest = p->size[i] > p->largest ? p->size[i] : p->largest;
    }
}

void placement_pack_put(struct pack *p, uint32_t vm, uint32_t node) {
    placement_put(p->s, vm, node);
    p->load[node] += p->size[vm];
}

void placement_pack_take(struct pack *p, uint32_t vm) {
    p->load[p->s->at[vm]] -= p->size[vm];
    placement_take(p->s, vm);
}

static bool may_push(const struct pack *p, uint32_t vm) {
    const struct placement_solver *s = p->s;
    return (s->flags[vm] & VM_MOVABLE) && p->free_at[vm] <= p->now &&
           !((s->flags[vm] & VM_ASKED) && s->at[vm] == s->home[vm]);
}

static uint64_t price_of_pushing(const struct pack *p, uint32_t vm) {
    const struct placement_solver *s = p->s;
    const bool moves = !(s->flags[vm] & VM_ASKED) && s->at[vm] == s->home[vm];
    return p->size[vm] + (moves ? p->penalty : 0);
}

static void consider(struct pack *p, struct step_found *best, int64_t change, uint32_t vm,
                     uint32_t node, uint32_t a, uint32_t b) {
    if (change < best->change) {
        best->n_equal = 0;
    } else if (change > best->change || random_below(p->s, ++best->n_equal + 1) > 0) {
        return;
    }
    best->change = change;
    best->vm = vm;
    best->node = node;
    best->out[0] = a;
    best->out[1] = b;
}

/* What is lacking on the node for the VM: fills lack[], returns the number of kinds. */
static uint32_t lacking(const struct pack *p, uint32_t vm, uint32_t node, uint64_t *lack,
                        uint32_t *kind) {
    const struct placement_solver *s = p->s;
    const uint64_t *need = vm_need(s, vm);
    uint32_t n = 0;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        const size_t i = (size_t)node * s->n_resources + r;
        if (need[r] > 0 && s->used[i] + need[r] > s->capacities[i]) {
            lack[n] = s->used[i] + need[r] - s->capacities[i];
            kind[n++] = r;
        }
    }
    return n;
}

static bool gives(const struct placement_solver *s, uint32_t a, uint32_t b, const uint64_t *lack,
                  const uint32_t *kind, uint32_t n) {
    const uint64_t *first = vm_need(s, a);
    const uint64_t *second = b != PLACEMENT_NONE ? vm_need(s, b) : NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (first[kind[i]] + (second != NULL ? second[kind[i]] : 0) < lack[i]) {
            return false;
        }
    }
    return true;
}

static void consider_node(struct pack *p, uint32_t vm, uint32_t node, struct step_found *best) {
    struct placement_solver *s = p->s;
    uint64_t lack[PLACEMENT_RESOURCES_MAX];
    uint32_t kind[PLACEMENT_RESOURCES_MAX];
    const int64_t gain = (int64_t)p->size[vm];

    if (!placement_allowed(s, vm, node) ||
        ((s->flags[vm] & VM_HAS_RULES) && !placement_rules_allow(s, vm, node))) {
        return;
    }
    const uint32_t n = lacking(p, vm, node, lack, kind);
    const bool full = s->n_vms_on[node] >= s->vms_max[node];
    if (n == 0 && !full) {
        consider(p, best, -gain - (int64_t)(p->load[node] >> 20), vm, node, PLACEMENT_NONE,
                 PLACEMENT_NONE);
        return;
    }
    for (uint32_t a = s->first_on[node]; a != PLACEMENT_NONE; a = s->next_on[a]) {
        s->work++;
        if (!may_push(p, a)) {
            continue;
        }
        const int64_t price = (int64_t)price_of_pushing(p, a);
        if (price - gain > best->change) {
            continue;
        }
        if (gives(s, a, PLACEMENT_NONE, lack, kind, n)) {
            consider(p, best, price - gain, vm, node, a, PLACEMENT_NONE);
            continue;
        }
        for (uint32_t b = s->next_on[a]; b != PLACEMENT_NONE; b = s->next_on[b]) {
            s->work++;
            if (!may_push(p, b)) {
                continue;
            }
            const int64_t both = price + (int64_t)price_of_pushing(p, b) - gain;
            if (both <= best->change && gives(s, a, b, lack, kind, n)) {
                consider(p, best, both, vm, node, a, b);
            }
        }
    }
}

/* The best step; false if there is none. */
static bool tabu_step(struct pack *p) {
    struct placement_solver *s = p->s;
    const uint32_t n_nodes = s->problem->n_nodes;
    struct step_found best = {.change = INT64_MAX, .vm = PLACEMENT_NONE};
    const uint32_t n_vms = p->n_left < LEFT_MAX ? p->n_left : LEFT_MAX;
    const uint32_t n = n_nodes < NODES_MAX ? n_nodes : NODES_MAX;

    for (uint32_t i = 0; i < n_vms; i++) {
        const uint32_t k = i + random_below(s, p->n_left - i);
        const uint32_t vm = p->left[k];
        p->left[k] = p->left[i];
        p->left[i] = vm;
        if (p->free_at[vm] > p->now) {
            continue;
        }
        const uint32_t first = n < n_nodes ? random_below(s, n_nodes) : 0;
        for (uint32_t j = 0; j < n; j++) {
            const uint32_t node = first + j < n_nodes ? first + j : first + j - n_nodes;
            s->work++;
            consider_node(p, vm, node, &best);
        }
    }
    p->now++;
    if (best.vm == PLACEMENT_NONE) {
        return false;
    }
    uint32_t i = 0;
    while (p->left[i] != best.vm) {
        i++;
    }
    p->left[i] = p->left[--p->n_left];
    for (uint32_t k = 0; k < 2 && best.out[k] != PLACEMENT_NONE; k++) {
        placement_pack_take(p, best.out[k]);
        p->left[p->n_left++] = best.out[k];
        p->free_at[best.out[k]] = p->now + 1 + random_below(s, 3 + p->n_left / 2);
    }
    placement_pack_put(p, best.vm, best.node);
    p->free_at[best.vm] = p->now + 3 + random_below(s, 10);
    return true;
}

/* A VM to another node, or two swapped, if the fuller node gets fuller by it. */
static void concentrate(struct pack *p, uint32_t tries) {
    struct placement_solver *s = p->s;
    for (uint32_t i = 0; i < tries && s->n_touched > 1; i++) {
        const uint32_t a = s->touched[random_below(s, s->n_touched)];
        const uint32_t b = s->touched[random_below(s, s->n_touched)];
        const uint32_t from = s->at[a], to = s->at[b];
        s->work++;
        if (from == PLACEMENT_NONE || to == PLACEMENT_NONE || from == to || from == s->home[a] ||
            to == s->home[b]) {
            continue;
        }
        const uint64_t small = p->size[a] < p->size[b] ? p->size[a] : p->size[b];
        const bool swap = random_below(s, 4) > 0 && p->size[a] > p->size[b];
        const uint64_t moved = swap ? p->size[a] - small : p->size[a];
        if (p->load[to] + moved < p->load[from]) {
            continue;
        }
        placement_pack_take(p, a);
        if (swap) {
            placement_pack_take(p, b);
        }
        if (placement_can_go(s, a, to)) {
            placement_pack_put(p, a, to);
            if (!swap) {
                continue;
            }
            if (placement_can_go(s, b, from)) {
                placement_pack_put(p, b, from);
                continue;
            }
            placement_pack_take(p, a);
        }
        placement_pack_put(p, a, from);
        if (swap) {
            placement_pack_put(p, b, to);
        }
    }
}

static bool make_room(struct pack *p, struct placement_solver *s) {
    const size_t v = s->problem->n_vms, n = s->problem->n_nodes;
    *p = (struct pack){.s = s};
    unsigned char *room = placement_search_room(
        s, v * (2 * sizeof(*p->size) + 3 * sizeof(*p->left)) + n * sizeof(*p->load));
    if (room == NULL) {
        return false;
    }
    p->size = (uint64_t *)(void *)room;
    p->value = p->size + v;
    p->load = p->value + v;
    p->left = (uint32_t *)(void *)(p->load + n);
    p->free_at = p->left + v;
    p->list = p->free_at + v;
    memset(p->free_at, 0, v * sizeof(*p->free_at));
    return true;
}

/* As the problem has it, with all that is asked for left. */
static void begin(struct pack *p) {
    struct placement_solver *s = p->s;
    placement_state_reset(s);
    p->n_left = 0;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        const uint32_t vm = s->decisions[i].vm;
        if (!(s->flags[vm] & VM_MOVABLE)) {
            continue;
        }
        if (s->at[vm] != PLACEMENT_NONE) {
            placement_take(s, vm);
        }
        p->left[p->n_left++] = vm;
    }
    memset(p->load, 0, s->problem->n_nodes * sizeof(*p->load));
    for (uint32_t vm = 0; vm < s->problem->n_vms; vm++) {
        if (s->at[vm] != PLACEMENT_NONE) {
            p->load[s->at[vm]] += p->size[vm];
        }
    }
}

/* Where the search was when it was interrupted; false: nowhere yet. */
static bool resume(struct pack *p) {
    struct placement_solver *s = p->s;
    bool resumed = false;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t vm = p->left[i], node = s->packed[vm];
        if (node != PLACEMENT_NONE) {
            placement_pack_put(p, vm, node);
            resumed = true;
        } else {
            p->left[kept++] = vm;
        }
    }
    p->n_left = kept;
    return resumed;
}

static void interrupt(struct pack *p) {
    struct placement_solver *s = p->s;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        const uint32_t vm = s->decisions[i].vm;
        s->packed[vm] = s->at[vm] != s->home[vm] ? s->at[vm] : PLACEMENT_NONE;
    }
}

static void choose_nodes(struct pack *p, uint32_t *nodes, uint32_t *ret_n) {
    struct placement_solver *s = p->s;
    const uint32_t n_nodes = s->problem->n_nodes;
    uint32_t n = 2 + random_below(s, PART_NODES - 1);
    n = n < n_nodes ? n : n_nodes;
    for (uint32_t i = 0; i < n;) {
        const uint32_t node = random_below(s, n_nodes);
        bool again = false;
        for (uint32_t k = 0; k < i; k++) {
            again |= nodes[k] == node;
        }
        if (!again) {
            nodes[i++] = node;
        }
    }
    *ret_n = n;
}

bool placement_pack(struct placement_solver *s) {
    struct pack p;
    uint32_t nodes[PART_NODES], n;
    if (!make_room(&p, s)) {
        return false;
    }
    measure(&p);
    p.penalty = p.size[s->decisions[0].vm] / 2;
    begin(&p);
    if (!resume(&p)) {
        placement_fill(&p);
    }
    while (p.n_left > 0 && s->work < s->work_end) {
        choose_nodes(&p, nodes, &n);
        (void)placement_fill_part(&p, nodes, n);
    }
    interrupt(&p);
    return p.n_left == 0;
}
