/* SPDX-License-Identifier: GPL-2.0-or-later */
/* reading.c - see reading.h. */
#include "reading.h"

#include <stdlib.h>

bool reading_has(const struct placement_set *set, uint32_t index) {
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->index[i] == index) {
            return true;
        }
    }
    return false;
}

static bool listed(const struct placement_set *nodes, uint32_t node) {
    return node != PLACEMENT_NONE && reading_has(nodes, node);
}

bool reading_asks(const struct placement_problem *p, const struct placement_request *q,
                  uint32_t vm) {
    const struct placement_vm *v = &p->vms[vm];
    switch (q->kind) {
    case PLACEMENT_PLACE: return reading_has(&q->vms, vm);
    case PLACEMENT_FAILOVER: return listed(&q->nodes, v->host) || reading_has(&q->vms, vm);
    case PLACEMENT_DRAIN:
        return (listed(&q->nodes, v->host) && v->also_on == PLACEMENT_NONE) ||
               reading_has(&q->vms, vm);
    case PLACEMENT_RETURN:
        if (v->return_to != PLACEMENT_NONE &&
            (v->return_to == v->host || v->return_to == v->also_on)) {
            return false;
        }
        return listed(&q->nodes, v->return_to) || reading_has(&q->vms, vm);
    case PLACEMENT_BALANCE:
    case PLACEMENT_KIND_COUNT: break;
    }
    return false;
}

bool reading_runs(const struct placement_problem *p, const struct placement_request *q,
                  uint32_t vm) {
    return p->vms[vm].host != PLACEMENT_NONE &&
           !(q->kind == PLACEMENT_FAILOVER && reading_asks(p, q, vm));
}

bool reading_on_its_way(const struct placement_problem *p, const struct placement_request *q,
                        uint32_t vm) {
    const uint32_t also_on = p->vms[vm].also_on;
    return reading_runs(p, q, vm) && also_on != PLACEMENT_NONE &&
           !(q->kind == PLACEMENT_FAILOVER && reading_has(&q->nodes, also_on));
}

uint32_t reading_begins_on(const struct placement_problem *p, const struct placement_request *q,
                           uint32_t vm) {
    const struct placement_vm *v = &p->vms[vm];
    if (!reading_runs(p, q, vm)) {
        return READING_NOWHERE;
    }
    return reading_on_its_way(p, q, vm) ? v->also_on : v->host;
}

bool reading_is_movable_other(const struct placement_problem *p, const struct placement_request *q,
                              uint32_t vm) {
    const struct placement_vm *v = &p->vms[vm];
    if (v->host == PLACEMENT_NONE || reading_on_its_way(p, q, vm) ||
        v->mobility != PLACEMENT_MOVABLE_LIVE || reading_asks(p, q, vm)) {
        return false;
    }
    if (q->kind == PLACEMENT_BALANCE) {
        return (q->vms.n == 0 || reading_has(&q->vms, vm)) &&
               (q->nodes.n == 0 || reading_has(&q->nodes, v->host));
    }
    return q->may_move_others;
}

static uint32_t bit(enum placement_reason reason) {
    return 1u << (unsigned)reason;
}

static uint32_t node_obstacles(const struct placement_problem *p, const struct placement_request *q,
                               const struct placement_vm *v, uint32_t node) {
    const struct placement_node *n = &p->nodes[node];
    uint32_t found = 0;
    if (v->possible.n > 0 && !reading_has(&v->possible, node)) {
        found |= bit(PLACEMENT_NOT_POSSIBLE_OWNER);
    }
    if (n->state != PLACEMENT_NODE_ACCEPTS) {
        found |= bit(PLACEMENT_NODE_STATE);
    }
    if ((q->kind == PLACEMENT_DRAIN || q->kind == PLACEMENT_FAILOVER) &&
        reading_has(&q->nodes, node)) {
        found |= bit(PLACEMENT_NODE_LEAVING);
    }
    if (v->cpu_model != PLACEMENT_NONE && !reading_has(&n->cpu_models, v->cpu_model)) {
        found |= bit(PLACEMENT_CPU_MODEL);
    }
    if (v->machine != PLACEMENT_NONE && !reading_has(&n->machines, v->machine)) {
        found |= bit(PLACEMENT_MACHINE);
    }
    for (uint32_t i = 0; i < v->volumes.n; i++) {
        if (!reading_has(&n->volumes, v->volumes.index[i])) {
            found |= bit(PLACEMENT_VOLUME_MISSING);
        }
    }
    for (uint32_t i = 0; i < v->networks.n; i++) {
        if (!reading_has(&n->networks, v->networks.index[i])) {
            found |= bit(PLACEMENT_NETWORK_MISSING);
        }
    }
    if (reading_has(&v->excluded, node)) {
        found |= bit(PLACEMENT_EXCLUDED);
    }
    return found;
}

static uint32_t rule_obstacles(const struct placement_problem *p, uint32_t vm, uint32_t node) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < p->n_rules; i++) {
        const struct placement_rule *rule = &p->rules[i];
        if (rule->strength != PLACEMENT_HARD || !reading_has(&rule->vms, vm)) {
            continue;
        }
        bool among = reading_has(&rule->nodes, node);
        if ((rule->kind == PLACEMENT_ON_NODES && !among) ||
            (rule->kind == PLACEMENT_NOT_ON_NODES && among)) {
            found |= bit(PLACEMENT_NODE_RULE);
        }
        if (rule->kind == PLACEMENT_TOGETHER && reading_outside(rule, node)) {
            found |= bit(PLACEMENT_AFFINITY);
        }
    }
    return found;
}

uint32_t reading_obstacles(const struct placement_problem *p, const struct placement_request *q,
                           uint32_t vm, uint32_t node) {
    const struct placement_vm *v = &p->vms[vm];
    const bool asked = reading_asks(p, q, vm), runs = reading_runs(p, q, vm);
    uint32_t found = node_obstacles(p, q, v, node) | rule_obstacles(p, vm, node);

    if (asked && v->host == node) {
        found |= bit(PLACEMENT_CURRENT_HOST);
    }
    if (runs && v->also_on == node) {
        found |= bit(PLACEMENT_IN_TRANSIT);
    }
    if (q->kind == PLACEMENT_FAILOVER && asked && v->no_auto_start) {
        found |= bit(PLACEMENT_NO_AUTO_START);
    }
    if (runs && v->mobility == PLACEMENT_FIXED) {
        found |= bit(PLACEMENT_VM_FIXED);
    }
    if (q->kind == PLACEMENT_RETURN && asked && v->return_to != node) {
        found |= bit(PLACEMENT_NOT_RETURN_NODE);
    }
    return found;
}

uint64_t reading_capacity(const struct placement_problem *p, uint32_t node, uint32_t r) {
    uint64_t capacity = p->capacities[(size_t)node * p->n_resources + r];
    uint64_t permille = p->nodes[node].cpu_overcommit_permille;
    return r == PLACEMENT_CPU && permille > 0 ? capacity * permille / 1000 : capacity;
}

uint32_t reading_domain(const struct placement_problem *p, const struct placement_rule *rule,
                        uint32_t node) {
    switch (rule->scope) {
    case PLACEMENT_RACK: return p->nodes[node].rack;
    case PLACEMENT_SITE: return p->nodes[node].site;
    case PLACEMENT_PART:
        /* Each node in no part is a domain of its own; parts are below n_nodes. */
        return rule->part_of[node] != PLACEMENT_NONE ? rule->part_of[node] : p->n_nodes + node;
    case PLACEMENT_NODE:
    case PLACEMENT_SCOPE_COUNT: break;
    }
    return node;
}

bool reading_outside(const struct placement_rule *rule, uint32_t node) {
    return rule->scope == PLACEMENT_PART && rule->part_of[node] == PLACEMENT_NONE;
}

uint64_t reading_weight(const struct placement_rule *rule) {
    return rule->weight > 0 ? rule->weight : 1;
}

static uint32_t group(const struct placement_rule *rule, uint32_t vm) {
    uint32_t entry = 0;
    while (rule->vms.index[entry] != vm) {
        entry++;
    }
    return rule->group_of[entry];
}

bool reading_one_group(const struct placement_rule *rule, uint32_t vm, uint32_t other) {
    return vm == other || (rule->group_of != NULL && group(rule, vm) == group(rule, other));
}

bool reading_counts_on(const struct placement_rule *rule, uint32_t node) {
    return node != READING_NOWHERE && reading_has(&rule->nodes, node);
}

uint64_t reading_share(const struct placement_problem *p, const struct placement_rule *rule,
                       uint32_t vm) {
    return rule->resource == PLACEMENT_NONE
               ? 1
               : p->needs[(size_t)vm * p->n_resources + rule->resource];
}

bool reading_first_named(const struct placement_rule *rule, uint32_t entry) {
    for (uint32_t i = 0; i < entry; i++) {
        if (rule->vms.index[i] == rule->vms.index[entry]) {
            return false;
        }
    }
    return true;
}

/* How often the rule is broken: VMs in its domains are counted in a table, pair by pair where the
 * table would be a heap allocation; rules have few VMs. */
static uint64_t times_broken(const struct placement_problem *p, const struct placement_rule *rule,
                             const uint32_t *at) {
    uint64_t n_there = 0, n_groups = 0, n_domains = 0, n_elsewhere = 0, n_among = 0;
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        const uint32_t node = at[rule->vms.index[i]];
        if (node == READING_NOWHERE || !reading_first_named(rule, i)) {
            continue;
        }
        bool first_of_domain = true, first_of_group = true;
        for (uint32_t j = 0; (first_of_domain || first_of_group) && j < i; j++) {
            const uint32_t other = rule->vms.index[j];
            if (at[other] != READING_NOWHERE &&
                reading_domain(p, rule, at[other]) == reading_domain(p, rule, node)) {
                first_of_domain = false;
                first_of_group &= !reading_one_group(rule, rule->vms.index[i], other);
            }
        }
        n_there++;
        n_groups += first_of_group;
        n_domains += first_of_domain;
        n_among += reading_has(&rule->nodes, node);
    }
    n_elsewhere = n_there - n_among;
    switch (rule->kind) {
    case PLACEMENT_APART: return n_groups - n_domains;
    case PLACEMENT_TOGETHER: return n_domains > 0 ? n_domains - 1 : 0;
    case PLACEMENT_ON_NODES: return n_elsewhere;
    case PLACEMENT_NOT_ON_NODES: return n_among;
    case PLACEMENT_AT_MOST: break;
    case PLACEMENT_RULE_KIND_COUNT: break;
    }
    return 0;
}

/* Whether anybody whom the rule names is asked for. */
static bool matters(const struct placement_problem *p, const struct placement_request *q,
                    const struct placement_rule *rule) {
    bool found = q->kind == PLACEMENT_BALANCE;
    for (uint32_t i = 0; !found && i < rule->vms.n; i++) {
        found = reading_asks(p, q, rule->vms.index[i]);
    }
    return found;
}

uint64_t reading_soft_broken(const struct placement_problem *p, const struct placement_request *q,
                             const uint32_t *at) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->n_rules; i++) {
        if (p->rules[i].strength == PLACEMENT_SOFT && matters(p, q, &p->rules[i])) {
            sum += reading_weight(&p->rules[i]) * times_broken(p, &p->rules[i], at);
        }
    }
    return sum;
}

uint32_t reading_nodes_over(const struct placement_problem *p, const uint32_t *at) {
    const uint64_t *loads = p->loads != NULL ? p->loads : p->needs;
    uint64_t *sums = calloc((size_t)p->n_nodes * p->n_resources + 1, sizeof(*sums));
    uint32_t n_over = 0;
    if (sums == NULL) {
        abort();
    }
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        for (uint32_t r = 0; at[vm] != READING_NOWHERE && r < p->n_resources; r++) {
            sums[(size_t)at[vm] * p->n_resources + r] += loads[(size_t)vm * p->n_resources + r];
        }
    }
    for (uint32_t node = 0; node < p->n_nodes; node++) {
        bool over = false;
        for (uint32_t r = 0; p->nodes[node].threshold_permille > 0 && r < p->n_resources; r++) {
            const uint64_t capacity = reading_capacity(p, node, r);
            const uint64_t permille = p->nodes[node].threshold_permille;
            over |= capacity <= UINT64_MAX / permille &&
                    sums[(size_t)node * p->n_resources + r] * 1000 > capacity * permille;
        }
        n_over += over;
    }
    free(sums);
    return n_over;
}
