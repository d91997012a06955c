/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fill.c - node by node, each filled as well as possible.
 *
 * A node gets the VM that is hardest to place, and then those of the others that fit and are worth
 * most together (knapsack.c). The worth of a VM is its size or its price (price.c), with a little
 * noise, so that refilling the same nodes gives another result (pack.c).
 *
 * If there is hardly more room than needed (the slack), a node that leaves more than the slack
 * spoils the plan: choices that leave less come first, whatever their worth. The work is split in
 * two halves: if the first half finds nothing within the slack, the second half does not cut off
 * choices by their worth.
 */
#include "knapsack.h"

#include <string.h>

#define KNAPSACK_WORK 4000u
#define KNAPSACK_WORK_MOST 2000000u
#define PART_VMS 512u

static void drop(struct pack *p, uint32_t vm) {
    uint32_t i = 0;
    while (p->left[i] != vm) {
        i++;
    }
    p->left[i] = p->left[--p->n_left];
}

/* The VMs left that may go to the node; the first one is already there. */
static uint32_t make_list(struct pack *p, struct knapsack *k, uint32_t node) {
    const struct placement_solver *s = p->s;
    uint32_t n = 0;
    memset(k->least, 0xff, sizeof(k->least));
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t vm = p->left[i];
        if (placement_knapsack_fits(k, vm) && placement_allowed(s, vm, node)) {
            p->list[n++] = vm;
            placement_knapsack_least(k, vm);
        }
    }
    placement_knapsack_sort(p, p->list, n);
    return n;
}

/* The VM worth most among those left that may go to the node. */
static uint32_t hardest(const struct pack *p, uint32_t node) {
    uint32_t best = PLACEMENT_NONE;
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t vm = p->left[i];
        if ((best == PLACEMENT_NONE || p->value[vm] > p->value[best]) &&
            placement_can_go(p->s, vm, node)) {
            best = vm;
        }
    }
    return best;
}

static void fill_node(struct pack *p, uint32_t node, uint32_t work) {
    struct placement_solver *s = p->s;
    struct knapsack k = {.p = p, .list = p->list, .slack = p->slack};
    s->work += 8 + p->n_left;
    const uint32_t first = hardest(p, node);
    if (first == PLACEMENT_NONE) {
        return;
    }
    drop(p, first);
    placement_pack_put(p, first, node);
    placement_knapsack_room(&k, node);
    k.best_within = placement_knapsack_within_slack(&k);
    k.n_list = make_list(p, &k, node);
    k.work = work / 2;
    k.by_value = true;
    placement_knapsack_search(&k, 0);
    s->work += (work / 2 - k.work) / 4 + 2 * (uint64_t)k.n_list;
    if (!k.best_within) {
        k.work = work / 2;
        k.by_value = false;
        placement_knapsack_search(&k, 0);
        s->work += (work / 2 - k.work) / 4;
    }
    uint32_t chosen[KNAPSACK_VMS];
    for (uint32_t i = 0; i < k.n_best; i++) {
        chosen[i] = p->list[k.best[i]];
    }
    for (uint32_t i = 0; i < k.n_best; i++) {
        if (!(s->flags[chosen[i]] & VM_HAS_RULES) || placement_rules_allow(s, chosen[i], node)) {
            drop(p, chosen[i]);
            placement_pack_put(p, chosen[i], node);
        }
    }
}

/* There is hardly any slack in some resource: nearly every choice must be right. */
static bool is_tight(const struct pack *p) {
    const struct placement_solver *s = p->s;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        if (p->room[r] > 0 && p->slack[r] < p->room[r] / 32) {
            return true;
        }
    }
    return false;
}

uint32_t placement_fill_work(const struct pack *p) {
    const struct placement_solver *s = p->s;
    const uint64_t left = s->work_end > s->work ? s->work_end - s->work : 0;
    const uint64_t share = left * 8 / s->problem->n_nodes;
    if (!is_tight(p) || share < KNAPSACK_WORK) {
        return KNAPSACK_WORK;
    }
    return share < KNAPSACK_WORK_MOST ? (uint32_t)share : KNAPSACK_WORK_MOST;
}

/* Nodes in order, from a random start: if they differ, none is always the last. */
void placement_fill(struct pack *p, uint32_t work) {
    struct placement_solver *s = p->s;
    const uint32_t n_nodes = s->problem->n_nodes;
    const uint32_t first = random_below(s, n_nodes);
    for (uint32_t i = 0; i < n_nodes && p->n_left > 0; i++) {
        const uint32_t node = first + i < n_nodes ? first + i : first + i - n_nodes;
        if (bit_test(s->accepts, node)) {
            fill_node(p, node, work);
        }
    }
}

uint64_t placement_worth_left(const struct pack *p) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->n_left; i++) {
        sum += p->worth[p->left[i]];
    }
    return sum;
}

/* How unevenly the nodes are filled: the sum of squares. */
static uint64_t unevenness(const struct pack *p, const uint32_t *nodes, uint32_t n_nodes) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n_nodes; i++) {
        const uint64_t load = p->load[nodes[i]] >> 10;
        sum += load * load;
    }
    return sum;
}

/* This search put the VM there, so it may take it away again. */
static bool is_ours(const struct placement_solver *s, uint32_t vm) {
    return (s->flags[vm] & (VM_MOVABLE | VM_ASKED)) == (VM_MOVABLE | VM_ASKED) &&
           s->at[vm] != s->home[vm];
}

static uint32_t count_ours(const struct placement_solver *s, uint32_t node) {
    uint32_t n = 0;
    for (uint32_t vm = s->first_on[node]; vm != PLACEMENT_NONE; vm = s->next_on[vm]) {
        n += is_ours(s, vm) ? 1 : 0;
    }
    return n;
}

static void empty_node(struct pack *p, uint32_t node) {
    const struct placement_solver *s = p->s;
    uint32_t next;
    for (uint32_t vm = s->first_on[node]; vm != PLACEMENT_NONE; vm = next) {
        next = s->next_on[vm];
        if (is_ours(s, vm)) {
            placement_pack_take(p, vm);
            p->left[p->n_left++] = vm;
        }
    }
}

/* Empties as many of the nodes as hold no more than PART_VMS together; remembers what was where, at
 * the end of `left`. Returns the number of nodes. */
static uint32_t empty_nodes(struct pack *p, const uint32_t *nodes, uint32_t n_nodes,
                            uint32_t *ret_places, uint32_t *ret_n) {
    uint32_t n = 0, i = 0;
    for (; i < n_nodes; i++) {
        const uint32_t more = count_ours(p->s, nodes[i]);
        if (n + more > PART_VMS) {
            break;
        }
        empty_node(p, nodes[i]);
        for (uint32_t k = 0; k < more; k++) {
            ret_places[n++] = nodes[i];
        }
    }
    *ret_n = n;
    return i;
}

void placement_fill_part(struct pack *p, const uint32_t *nodes, uint32_t n_nodes,
                         const struct fill_manner *manner) {
    struct placement_solver *s = p->s;
    uint32_t vms[PART_VMS], places[PART_VMS], n;
    const uint64_t left_before = placement_worth_left(p);
    const uint32_t n_left = p->n_left;
    const uint64_t uneven_before = unevenness(p, nodes, n_nodes);
    const uint32_t n_emptied = empty_nodes(p, nodes, n_nodes, places, &n);
    memcpy(vms, &p->left[n_left], n * sizeof(*vms));
    s->work += 8 + 4 * (uint64_t)n;

    /* A little noise in the VMs' worth, so that the same part gives another result. */
    for (uint32_t i = 0; i < p->n_left; i++) {
        const uint32_t vm = p->left[i];
        p->value[vm] = p->worth[vm] + p->worth[vm] / manner->noise * random_below(s, 16);
    }
    for (uint32_t i = 0; i < n_emptied && p->n_left > 0; i++) {
        fill_node(p, nodes[i], manner->work);
    }
    const uint64_t left_after = placement_worth_left(p);
    const uint64_t slack = uneven_before / 1000 * random_below(s, 5);
    if (left_after < left_before || left_after <= manner->tolerated ||
        (left_after == left_before &&
         (!manner->concentrate || unevenness(p, nodes, n_nodes) + slack >= uneven_before))) {
        return;
    }
    for (uint32_t i = 0; i < n_emptied; i++) {
        empty_node(p, nodes[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        drop(p, vms[i]);
        placement_pack_put(p, vms[i], places[i]);
    }
}
