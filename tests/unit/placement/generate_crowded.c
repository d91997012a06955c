/* SPDX-License-Identifier: GPL-2.0-or-later */
/* generate_crowded.c - clusters in which several VMs have to leave a node for one: see generate.h.
 */
#include "generate.h"

#define UNDONE_VMS 120u

struct dice {
    struct world *w;
    uint64_t state;
};

/* splitmix64 */
static uint32_t pick(struct dice *d, uint32_t least, uint32_t most) {
    uint64_t z = d->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return least + (uint32_t)((z ^ (z >> 31)) % (most - least + 1));
}

static bool chance(struct dice *d, uint32_t percent) {
    return pick(d, 0, 99) < percent;
}

static void begin(struct dice *d, uint64_t seed, uint32_t n_nodes) {
    struct placement_problem *p = &d->w->problem;
    d->state = seed;
    p->seed = seed;
    p->n_nodes = n_nodes;
    p->n_vms = p->n_rules = 0;
    p->n_resources = 2;
    p->volume_names = NULL;
    p->network_names = NULL;
    p->loads = NULL;
}

static void add_nodes(struct dice *d, uint32_t least, uint32_t most) {
    struct world *w = d->w;
    for (uint32_t i = 0; i < w->problem.n_nodes; i++) {
        w->nodes[i] =
            (struct placement_node){.state = PLACEMENT_NODE_ACCEPTS, .rack = i / 2, .site = 0};
        w->capacities[i * 2 + PLACEMENT_MEMORY] = pick(d, least, most);
        w->capacities[i * 2 + PLACEMENT_CPU] = 1000;
    }
}

static uint32_t add_vm(struct dice *d, uint32_t host, uint64_t memory) {
    struct world *w = d->w;
    const uint32_t vm = w->problem.n_vms++;
    w->vms[vm] = (struct placement_vm)PLACEMENT_VM_INIT;
    w->vms[vm].host = host;
    w->needs[vm * 2 + PLACEMENT_MEMORY] = memory;
    w->needs[vm * 2 + PLACEMENT_CPU] = 1;
    return vm;
}

static uint64_t room_on(const struct world *w, uint32_t node) {
    uint64_t room = w->capacities[node * 2 + PLACEMENT_MEMORY];
    for (uint32_t vm = 0; vm < w->problem.n_vms; vm++) {
        const uint64_t need = w->needs[vm * 2 + PLACEMENT_MEMORY];
        room -= w->vms[vm].host == node && need < room ? need : w->vms[vm].host == node ? room : 0;
    }
    return room;
}

static struct placement_set one_to(struct dice *d, uint32_t n) {
    uint32_t index[UNDONE_VMS];
    for (uint32_t i = 0; i < n; i++) {
        index[i] = i;
    }
    return world_set(d->w, index, n);
}

/* A few of the VMs, in one rule. */
static void add_rule(struct dice *d) {
    static const enum placement_rule_kind kinds[] = {PLACEMENT_APART, PLACEMENT_TOGETHER,
                                                     PLACEMENT_ON_NODES, PLACEMENT_AT_MOST};
    struct world *w = d->w;
    uint32_t vms[4], nodes[4], n_nodes = 0;
    const uint32_t n = pick(d, 2, 4), first = pick(d, 0, w->problem.n_vms - 1);
    for (uint32_t i = 0; i < n; i++) {
        vms[i] = (first + i) % w->problem.n_vms;
    }
    for (uint32_t node = 0; node < w->problem.n_nodes && n_nodes < 4; node++) {
        if (chance(d, 70)) {
            nodes[n_nodes++] = node;
        }
    }
    w->rules[w->problem.n_rules++] = (struct placement_rule){
        .kind = kinds[pick(d, 0, 3)],
        .scope = chance(d, 70) ? PLACEMENT_NODE : PLACEMENT_RACK,
        .strength = PLACEMENT_HARD,
        .vms = world_set(w, vms, n),
        .nodes = world_set(w, nodes, n_nodes),
        .resource = chance(d, 50) ? PLACEMENT_NONE : PLACEMENT_MEMORY,
        .amount = pick(d, 1, 12),
    };
    struct placement_rule *rule = &w->rules[w->problem.n_rules - 1];
    if (rule->kind == PLACEMENT_APART || rule->kind == PLACEMENT_TOGETHER) {
        rule->nodes = (struct placement_set){0};
        rule->resource = 0;
        rule->amount = 0;
    } else {
        rule->scope = PLACEMENT_NODE;
        rule->resource = rule->kind == PLACEMENT_AT_MOST ? rule->resource : 0;
        rule->amount = rule->kind == PLACEMENT_AT_MOST ? rule->amount : 0;
    }
}

struct world *generate_crowded(uint64_t seed) {
    struct dice d = {.w = world_create()};
    struct world *w = d.w;
    /* (nodes + 1) to the power of the VMs that may move: 4^9, 5^8 and 6^7 are too many for it. */
    static const uint32_t n_vms_of[] = {0, 0, 0, 9, 8, 7};
    begin(&d, seed, 3 + (uint32_t)(seed % 3));
    add_nodes(&d, 9, 12);
    const uint32_t n_nodes = w->problem.n_nodes, n_vms = n_vms_of[n_nodes];
    for (uint32_t n = pick(&d, 1, n_nodes < 5 ? 2 : 1); n > 0; n--) {
        add_vm(&d, 0, pick(&d, 4, 8));
    }
    const uint32_t n_small = pick(&d, 3, n_vms - w->problem.n_vms - (n_nodes - 2));
    for (uint32_t n = n_small; n > 0; n--) {
        const uint64_t room = room_on(w, 1), need = pick(&d, 1, 3);
        add_vm(&d, 1, need < room ? need : room);
    }
    for (uint32_t node = 2; w->problem.n_vms < n_vms; node = node + 1 < n_nodes ? node + 1 : 2) {
        const uint64_t room = room_on(w, node), hole = pick(&d, 0, 3);
        const bool half = w->problem.n_vms + n_nodes <= n_vms + 2 && chance(&d, 50);
        add_vm(&d, node, half ? room / 2 : room > hole ? room - hole : 0);
    }
    for (uint32_t vm = 0; vm < w->problem.n_vms; vm++) {
        w->vms[vm].priority = chance(&d, 70) ? 0 : (int32_t)pick(&d, 0, 2);
    }
    if (chance(&d, 40)) {
        add_rule(&d);
    }
    w->request = (struct placement_request){
        .kind = chance(&d, 80) ? PLACEMENT_FAILOVER : PLACEMENT_DRAIN,
        .nodes = one_to(&d, 1),
        .may_move_others = chance(&d, 90),
        .moves_max = chance(&d, 85) ? 0 : pick(&d, 1, 4),
    };
    return w;
}

/* In the end small ones are on nodes that keep room for them, and a large one is where they were,
 * in their room and `hole` more. Undone: it is on node 0, and they are there. */
static void undo(struct dice *d, uint32_t node, uint32_t n_large, uint64_t *keeps) {
    const uint32_t n_receive = d->w->problem.n_nodes - 1 - n_large;
    const uint32_t first = pick(d, 0, n_receive - 1);
    const uint64_t hole = pick(d, 0, 3);
    uint64_t sum = 0;
    for (uint32_t n = pick(d, 3, 6); n > 0; n--) {
        const uint32_t to = 1 + n_large + (first + n) % n_receive;
        const uint64_t need = pick(d, 4, 9);
        add_vm(d, node, need);
        keeps[to] += need;
        sum += need;
    }
    add_vm(d, 0, sum + hole);
    keeps[node] += hole;
}

struct world *generate_undone(uint64_t seed) {
    struct dice d = {.w = world_create()};
    struct world *w = d.w;
    uint64_t keeps[WORLD_NODES] = {0};
    begin(&d, seed, pick(&d, 5, 12));
    add_nodes(&d, 1000, 1000);
    const uint32_t n_nodes = w->problem.n_nodes, n_large = pick(&d, 1, 3);
    for (uint32_t node = 1; node < n_nodes; node++) {
        for (uint32_t n = pick(&d, 1, 5); n > 0; n--) {
            add_vm(&d, node, pick(&d, 5, 20));
        }
    }
    for (uint32_t node = 1; node <= n_large; node++) {
        undo(&d, node, n_large, keeps);
    }
    /* Besides the room that they keep there is hardly any. */
    for (uint32_t node = 1; node < n_nodes; node++) {
        const uint64_t room = room_on(w, node), spared = keeps[node] + pick(&d, 0, 2);
        w->capacities[node * 2 + PLACEMENT_MEMORY] -= room - spared;
    }
    w->request = (struct placement_request){
        .kind = PLACEMENT_FAILOVER, .nodes = one_to(&d, 1), .may_move_others = true};
    return w;
}
