/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.c - may this input be answered at all?
 *
 * Everything that later code relies on is checked here, once: every index is in range, and every
 * number is small enough that no sum or product can overflow. So the rest of the library cannot
 * fail.
 *
 * Bounds: a node's used amount is at most 3 places x 2^20 VMs x 2^40 < 2^62; a capacity after
 * overcommit at most 2^40 x 1000 < 2^50, so a thousand times that still fits 64 bits.
 */
#include "search.h"

#include <errno.h>

static bool set_ok(const struct placement_set *set, uint32_t limit) {
    if (set->n > 0 && set->index == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->index[i] >= limit) {
            return false;
        }
    }
    return true;
}

static bool index_ok(uint32_t index, uint32_t limit) {
    return index == PLACEMENT_NONE || index < limit;
}

static int sizes_check(const struct placement_problem *p) {
    if (p->n_nodes > PLACEMENT_NODES_MAX || p->n_vms > PLACEMENT_VMS_MAX ||
        p->n_rules > PLACEMENT_RULES_MAX || p->n_volumes > PLACEMENT_VOLUMES_MAX ||
        p->n_networks > PLACEMENT_NETWORKS_MAX || p->n_cpu_models > PLACEMENT_CPU_MODELS_MAX ||
        p->n_machines > PLACEMENT_MACHINES_MAX || p->n_resources > PLACEMENT_RESOURCES_MAX) {
        return -E2BIG;
    }
    if (p->n_resources <= PLACEMENT_CPU) {
        return -EINVAL;
    }
    if ((p->n_nodes > 0 && (p->nodes == NULL || p->capacities == NULL)) ||
        (p->n_vms > 0 && (p->vms == NULL || p->needs == NULL)) ||
        (p->n_rules > 0 && p->rules == NULL)) {
        return -EINVAL;
    }
    return 0;
}

static int amounts_check(const uint64_t *amounts, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (amounts[i] > PLACEMENT_AMOUNT_MAX) {
            return -E2BIG;
        }
    }
    return 0;
}

static int node_check(const struct placement_problem *p, const struct placement_node *node) {
    if (node->cpu_overcommit_permille > PLACEMENT_OVERCOMMIT_MAX ||
        node->threshold_permille > PLACEMENT_OVERCOMMIT_MAX) {
        return -E2BIG;
    }
    if ((unsigned)node->state >= PLACEMENT_NODE_STATE_COUNT || node->site >= p->n_nodes ||
        node->rack >= p->n_nodes || !set_ok(&node->volumes, p->n_volumes) ||
        !set_ok(&node->networks, p->n_networks) || !set_ok(&node->cpu_models, p->n_cpu_models) ||
        !set_ok(&node->machines, p->n_machines)) {
        return -EINVAL;
    }
    return 0;
}

static int vm_check(const struct placement_problem *p, const struct placement_vm *vm) {
    if ((unsigned)vm->mobility > PLACEMENT_FIXED || !index_ok(vm->host, p->n_nodes) ||
        !index_ok(vm->also_on, p->n_nodes) || !index_ok(vm->return_to, p->n_nodes) ||
        !index_ok(vm->cpu_model, p->n_cpu_models) || !index_ok(vm->machine, p->n_machines)) {
        return -EINVAL;
    }
    /* A move in progress has two ends. */
    if (vm->also_on != PLACEMENT_NONE && (vm->host == PLACEMENT_NONE || vm->host == vm->also_on)) {
        return -EINVAL;
    }
    if (!set_ok(&vm->volumes, p->n_volumes) || !set_ok(&vm->networks, p->n_networks) ||
        !set_ok(&vm->possible, p->n_nodes) || !set_ok(&vm->preferred, p->n_nodes) ||
        !set_ok(&vm->excluded, p->n_nodes)) {
        return -EINVAL;
    }
    return 0;
}

static int rule_check(const struct placement_problem *p, const struct placement_rule *rule) {
    if ((unsigned)rule->kind >= PLACEMENT_RULE_KIND_COUNT ||
        (unsigned)rule->scope >= PLACEMENT_SCOPE_COUNT ||
        (unsigned)rule->strength >= PLACEMENT_STRENGTH_COUNT || !set_ok(&rule->vms, p->n_vms) ||
        !set_ok(&rule->nodes, p->n_nodes)) {
        return -EINVAL;
    }
    bool has_nodes = rule_has_nodes(rule), limits = rule->kind == PLACEMENT_AT_MOST;
    if (!has_nodes && rule->nodes.n > 0) {
        return -EINVAL;
    }
    if (limits && rule->amount > PLACEMENT_AMOUNT_MAX) {
        return -E2BIG;
    }
    if (limits && (rule->strength != PLACEMENT_HARD || !index_ok(rule->resource, p->n_resources))) {
        return -EINVAL;
    }
    if (rule->group_of != NULL && rule->kind != PLACEMENT_APART) {
        return -EINVAL;
    }
    for (uint32_t i = 0; rule->group_of != NULL && i < rule->vms.n; i++) {
        if (rule->group_of[i] >= rule->vms.n) {
            return -EINVAL;
        }
    }
    if ((rule->scope == PLACEMENT_PART && !has_nodes) != (rule->part_of != NULL)) {
        return -EINVAL;
    }
    for (uint32_t i = 0; rule->part_of != NULL && i < p->n_nodes; i++) {
        if (!index_ok(rule->part_of[i], p->n_nodes)) {
            return -EINVAL;
        }
    }
    return 0;
}

int placement_problem_check(const struct placement_problem *p) {
    int error = sizes_check(p);
    if (error == 0) {
        error = amounts_check(p->capacities, (size_t)p->n_nodes * p->n_resources);
    }
    if (error == 0) {
        error = amounts_check(p->needs, (size_t)p->n_vms * p->n_resources);
    }
    if (error == 0 && p->loads != NULL) {
        error = amounts_check(p->loads, (size_t)p->n_vms * p->n_resources);
    }
    for (uint32_t i = 0; error == 0 && i < p->n_nodes; i++) {
        error = node_check(p, &p->nodes[i]);
    }
    for (uint32_t i = 0; error == 0 && i < p->n_vms; i++) {
        error = vm_check(p, &p->vms[i]);
    }
    for (uint32_t i = 0; error == 0 && i < p->n_rules; i++) {
        error = rule_check(p, &p->rules[i]);
    }
    return error;
}

int placement_request_check(const struct placement_problem *p,
                            const struct placement_request *request) {
    if ((unsigned)request->kind >= PLACEMENT_KIND_COUNT || !set_ok(&request->vms, p->n_vms) ||
        !set_ok(&request->nodes, p->n_nodes)) {
        return -EINVAL;
    }
    /* PLACE has no nodes; giving some is a misunderstanding. */
    return request->kind == PLACEMENT_PLACE && request->nodes.n > 0 ? -EINVAL : 0;
}
