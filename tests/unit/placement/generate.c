/* SPDX-License-Identifier: GPL-2.0-or-later */
/* generate.c - see generate.h. */
#include "generate.h"

#include <stdlib.h>

struct dice {
    struct world *w;
    uint64_t state;
    const uint8_t *bytes; /* what a fuzzer throws; NULL: random */
    size_t n_bytes;
    /* Hardly any rule and no limits but room, of which there is little: plans need thought. */
    bool tight;
};

/* Below n: the next byte, or splitmix64. */
static uint32_t pick(struct dice *d, uint32_t n) {
    if (d->bytes != NULL) {
        const uint32_t byte = d->n_bytes > 0 ? *d->bytes : 0;
        d->bytes += d->n_bytes > 0;
        d->n_bytes -= d->n_bytes > 0;
        return n > 0 ? byte % n : 0;
    }
    uint64_t z = d->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return n > 0 ? (uint32_t)((z ^ (z >> 31)) % n) : 0;
}

static bool chance(struct dice *d, uint32_t percent) {
    return pick(d, 100) < percent;
}

/* Up to `most` of 0..n-1 in any order; now and then one twice. */
static struct placement_set some(struct dice *d, uint32_t n, uint32_t most) {
    uint32_t index[64], size = 0;
    most = most < 63 ? most : 63;
    for (uint32_t i = 0; n > 0 && i < most; i++) {
        uint32_t at = 0, one = pick(d, n);
        while (at < size && index[at] != one) {
            at++;
        }
        if (at == size || pick(d, 20) == 0) {
            index[size++] = one;
        }
    }
    return world_set(d->w, index, size);
}

/* Each of 0..n-1 with the given chance. */
static struct placement_set each(struct dice *d, uint32_t n, uint32_t percent) {
    uint32_t *index = calloc(n + 1, sizeof(*index)), size = 0;
    if (index == NULL) {
        abort();
    }
    for (uint32_t i = 0; i < n; i++) {
        if (chance(d, percent)) {
            index[size++] = i;
        }
    }
    struct placement_set set = world_set(d->w, index, size);
    free(index);
    return set;
}

static void make_node(struct dice *d, uint32_t i, uint32_t scale, uint32_t n_sites) {
    struct world *w = d->w;
    struct placement_problem *p = &w->problem;
    uint64_t *capacity = &w->capacities[i * p->n_resources];
    w->nodes[i] = (struct placement_node){
        .state = d->tight || chance(d, 92)
                     ? PLACEMENT_NODE_ACCEPTS
                     : (enum placement_node_state)pick(d, PLACEMENT_NODE_STATE_COUNT),
        .site = pick(d, n_sites),
        .rack = pick(d, (p->n_nodes + 1) / 2),
        .cpu_overcommit_permille = chance(d, 70) ? 0 : 500 * (1 + pick(d, 5)),
        .vms_max = d->tight || chance(d, 85) ? 0 : scale * (1 + pick(d, 3)),
        .threshold_permille = chance(d, 30) ? 0 : 400 + 100 * pick(d, 6),
        .bandwidth_mb_s = chance(d, 70) ? 0 : 1 + pick(d, 3000),
        .volumes = each(d, p->n_volumes, 90),
        .cpu_models = each(d, p->n_cpu_models, 92),
        .machines = each(d, p->n_machines, 92),
        .networks = each(d, p->n_networks, 85),
    };
    capacity[PLACEMENT_MEMORY] = (uint64_t)scale * (4 + pick(d, 6));
    capacity[PLACEMENT_CPU] = (uint64_t)scale * (4 + pick(d, 8));
    for (uint32_t r = 2; r < p->n_resources; r++) {
        capacity[r] = (uint64_t)scale * pick(d, 3);
    }
}

static void make_vm(struct dice *d, uint32_t i) {
    struct world *w = d->w;
    struct placement_problem *p = &w->problem;
    struct placement_vm *vm = &w->vms[i];
    uint64_t *need = &w->needs[i * p->n_resources];
    *vm = (struct placement_vm)PLACEMENT_VM_INIT;
    vm->priority = chance(d, 70) ? 0 : (int32_t)pick(d, 4) - 1;
    vm->no_auto_start = chance(d, 4);
    vm->start_ms = chance(d, 70) ? 0 : pick(d, 2000);
    vm->mobility = chance(d, 80) ? PLACEMENT_MOVABLE_LIVE : (enum placement_mobility)pick(d, 3);
    vm->cpu_model =
        p->n_cpu_models == 0 || chance(d, 85) ? PLACEMENT_NONE : pick(d, p->n_cpu_models);
    vm->machine = p->n_machines == 0 || chance(d, 80) ? PLACEMENT_NONE : pick(d, p->n_machines);
    vm->volumes = each(d, p->n_volumes, 30);
    vm->networks = each(d, p->n_networks, 30);
    if (!d->tight && chance(d, 20)) {
        vm->possible = some(d, p->n_nodes, 1 + pick(d, p->n_nodes));
    }
    if (chance(d, 20)) {
        vm->preferred = some(d, p->n_nodes, 1 + pick(d, 3));
    }
    if (!d->tight && chance(d, 8)) {
        vm->excluded = some(d, p->n_nodes, 1 + pick(d, 2));
    }
    need[PLACEMENT_MEMORY] = chance(d, 3) ? 0 : 1 + pick(d, 6);
    need[PLACEMENT_CPU] = pick(d, d->tight ? 3 : 4);
    for (uint32_t r = 2; r < p->n_resources; r++) {
        need[r] = chance(d, 70) ? 0 : 1 + pick(d, 2);
    }
    for (uint32_t r = 0; p->loads != NULL && r < p->n_resources; r++) {
        w->loads[i * p->n_resources + r] = need[r] > 0 ? pick(d, (uint32_t)need[r] + 1) : 0;
    }
}

/* A node that has the room, most often; `used` keeps count. */
static uint32_t find_host(struct dice *d, uint32_t vm, uint64_t *used, uint32_t tries) {
    const struct placement_problem *p = &d->w->problem;
    for (uint32_t i = 0; i < tries; i++) {
        uint32_t node = pick(d, p->n_nodes);
        bool fits = true;
        for (uint32_t r = 0; r < p->n_resources; r++) {
            fits &= used[node * p->n_resources + r] + p->needs[vm * p->n_resources + r] <=
                    p->capacities[node * p->n_resources + r];
        }
        if (fits || chance(d, 2)) {
            for (uint32_t r = 0; r < p->n_resources; r++) {
                used[node * p->n_resources + r] += p->needs[vm * p->n_resources + r];
            }
            return node;
        }
    }
    return PLACEMENT_NONE;
}

static void make_hosts(struct dice *d, uint32_t runs_percent, uint32_t on_its_way_percent) {
    struct world *w = d->w;
    struct placement_problem *p = &w->problem;
    uint64_t *used = calloc((size_t)p->n_nodes * p->n_resources + 1, sizeof(*used));
    if (used == NULL) {
        abort();
    }
    for (uint32_t i = 0; i < p->n_vms; i++) {
        struct placement_vm *vm = &w->vms[i];
        if (chance(d, runs_percent)) {
            vm->host = find_host(d, i, used, d->tight ? 12 : 6);
        }
        if (vm->host != PLACEMENT_NONE && chance(d, on_its_way_percent)) {
            vm->also_on = find_host(d, i, used, 2);
            vm->also_on = vm->also_on == vm->host ? PLACEMENT_NONE : vm->also_on;
        }
        vm->return_to = chance(d, d->tight ? 90 : 40) ? pick(d, p->n_nodes) : PLACEMENT_NONE;
    }
    free(used);
}

/* Neighbours in the list are one group, some of them. */
static void make_groups(struct dice *d, struct placement_rule *rule) {
    uint32_t group_of[64], group = 0;
    for (uint32_t k = 0; k < rule->vms.n; k++) {
        group += k > 0 && chance(d, 50);
        group_of[k] = group;
    }
    rule->group_of = world_set(d->w, group_of, rule->vms.n).index;
}

static void make_rule(struct dice *d, uint32_t i, uint32_t vms_most) {
    struct world *w = d->w;
    struct placement_problem *p = &w->problem;
    struct placement_rule *rule = &w->rules[i];
    *rule = (struct placement_rule){
        .kind = (enum placement_rule_kind)pick(d, PLACEMENT_RULE_KIND_COUNT),
        .scope = (enum placement_scope)pick(d, PLACEMENT_SCOPE_COUNT),
        .strength = chance(d, 45) ? PLACEMENT_HARD : PLACEMENT_SOFT,
        .weight = pick(d, 4),
        .vms = some(d, p->n_vms, 1 + pick(d, vms_most)),
    };
    if (rule->kind == PLACEMENT_ON_NODES || rule->kind == PLACEMENT_NOT_ON_NODES) {
        rule->nodes = each(d, p->n_nodes, rule->kind == PLACEMENT_ON_NODES ? 60 : 30);
        rule->scope = PLACEMENT_NODE;
    }
    if (rule->kind == PLACEMENT_APART && chance(d, 40)) {
        make_groups(d, rule);
    }
    if (rule->kind == PLACEMENT_AT_MOST) {
        rule->nodes = each(d, p->n_nodes, 60);
        rule->scope = PLACEMENT_NODE;
        rule->strength = PLACEMENT_HARD;
        rule->resource = chance(d, 50) ? PLACEMENT_NONE : pick(d, p->n_resources);
        rule->amount = rule->resource == PLACEMENT_NONE ? pick(d, rule->vms.n + 1)
                                                        : pick(d, 4 * rule->vms.n + 1);
    }
    if (rule->scope == PLACEMENT_PART) {
        uint32_t *part_of = calloc(p->n_nodes, sizeof(*part_of));
        if (part_of == NULL) {
            abort();
        }
        for (uint32_t node = 0; node < p->n_nodes; node++) {
            part_of[node] = chance(d, 15) ? PLACEMENT_NONE : pick(d, (p->n_nodes + 1) / 2);
        }
        rule->part_of = world_set(w, part_of, p->n_nodes).index;
        free(part_of);
    }
}

static void make_request(struct dice *d, uint32_t vms_percent, uint32_t nodes_most) {
    struct world *w = d->w;
    struct placement_request *q = &w->request;
    const uint32_t n_nodes = w->problem.n_nodes;
    q->kind = (enum placement_kind)pick(d, PLACEMENT_KIND_COUNT);
    q->may_move_others = chance(d, d->tight ? 70 : 50);
    q->moves_max = chance(d, 80) ? 0 : 1 + pick(d, 3);
    switch (q->kind) {
    case PLACEMENT_PLACE: q->vms = each(d, w->problem.n_vms, vms_percent); break;
    case PLACEMENT_FAILOVER:
    case PLACEMENT_DRAIN:
        q->nodes = some(d, n_nodes, 1 + (chance(d, 25) ? pick(d, nodes_most) : 0));
        q->vms = each(d, w->problem.n_vms, chance(d, 20) ? vms_percent / 4 : 0);
        break;
    case PLACEMENT_RETURN:
        q->nodes = each(d, n_nodes, 60);
        q->vms = each(d, w->problem.n_vms, vms_percent / 4);
        break;
    case PLACEMENT_BALANCE:
        q->vms = each(d, w->problem.n_vms, chance(d, 20) ? 60 : 0);
        q->nodes = each(d, n_nodes, chance(d, 20) ? 60 : 0);
        break;
    case PLACEMENT_KIND_COUNT: break;
    }
}

static void begin(struct dice *d, uint64_t seed) {
    struct placement_problem *p = &d->w->problem;
    d->state = seed;
    p->seed = seed;
    p->volume_names = NULL;
    p->network_names = NULL;
    p->machine_names = NULL;
    d->tight = chance(d, 40);
    p->n_volumes = d->tight || chance(d, 70) ? 0 : 1 + pick(d, 2);
    p->n_networks = d->tight || chance(d, 70) ? 0 : 1 + pick(d, 2);
    p->n_cpu_models = d->tight ? 0 : 1 + pick(d, 2);
    p->n_machines = d->tight ? 0 : pick(d, 3);
    p->n_resources = chance(d, 75) ? 2 : 3;
    d->w->resources[2] = (struct placement_resource){.name = "vgpu", .per_unit = 1};
    p->loads = chance(d, 50) ? d->w->loads : NULL;
}

static struct world *make_small(struct dice d, uint64_t seed, const struct generate_size *size) {
    struct world *w = d.w;
    struct placement_problem *p = &w->problem;
    begin(&d, seed);
    p->n_nodes = !d.tight && chance(&d, 5) ? 1 : 2 + pick(&d, size->nodes_max - 1);
    p->n_vms =
        chance(&d, 15) ? pick(&d, size->vms_max + 1) : size->vms_max - pick(&d, size->vms_max / 2);
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        make_node(&d, i, 1, p->n_nodes < 2 ? 1 : 2);
    }
    for (uint32_t i = 0; i < p->n_vms; i++) {
        make_vm(&d, i);
    }
    make_hosts(&d, 80, d.tight ? 1 : 4);
    p->n_rules = pick(&d, d.tight ? 2 : size->rules_max + 1);
    for (uint32_t i = 0; i < p->n_rules; i++) {
        make_rule(&d, i, p->n_vms > 0 ? p->n_vms : 1);
    }
    make_request(&d, 60, p->n_nodes);
    return w;
}

struct world *generate_small(uint64_t seed, const struct generate_size *size) {
    return make_small((struct dice){.w = world_create()}, seed, size);
}

struct world *generate_from_bytes(const uint8_t *bytes, size_t n,
                                  const struct generate_size *size) {
    return make_small((struct dice){.w = world_create(), .bytes = bytes, .n_bytes = n}, 0, size);
}

struct world *generate_large(uint64_t seed, const struct generate_size *size,
                             uint32_t fill_percent) {
    const struct world_size room = {size->nodes_max, size->vms_max, size->rules_max,
                                    100000 + size->vms_max * 40 +
                                        (size->nodes_max + 64) * (size->rules_max + 16)};
    struct world *w = world_create_sized(&room);
    struct placement_problem *p = &w->problem;
    struct dice d = {.w = w};
    begin(&d, seed);
    p->n_nodes = size->nodes_max;
    p->n_vms = size->vms_max;
    for (uint32_t i = 0; i < p->n_vms; i++) {
        make_vm(&d, i);
    }
    /* Memory of a VM is 3 on average, of a node 7 x scale. */
    const uint32_t scale = 1 + p->n_vms * 300 / (p->n_nodes * 7 * fill_percent);
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        make_node(&d, i, scale, p->n_nodes < 4 ? 1 : 3);
    }
    make_hosts(&d, 97, 1);
    p->n_rules = size->rules_max;
    for (uint32_t i = 0; i < p->n_rules; i++) {
        make_rule(&d, i, 12);
    }
    make_request(&d, 5, 4);
    return w;
}
