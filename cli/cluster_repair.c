/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BtrPlace's rules against what runs; see cluster_reader.h.
 *
 * clusterd's engine judges what it places and leaves alone what runs. BtrPlace asks for an end in
 * which its rules hold; so VMs that run against one are asked to move: as few as make it true. A
 * hard rule of the engine holds during the moves already, but for TOGETHER, which looks at the end.
 */
#include "cluster_reader.h"

#include <errno.h>
#include <string.h>

static uint32_t domain_of(const struct placement_rule *rule, uint32_t node) {
    return rule->scope == PLACEMENT_PART ? rule->part_of[node] : node;
}

/* How many of the rule's VMs run in each domain; those in no part are the last. */
static uint32_t *count_domains(struct cluster_reader *r, const struct placement_rule *rule) {
    const uint32_t n_nodes = r->file->problem.n_nodes;
    uint32_t *counts = reader_array(r, (size_t)n_nodes + 1, sizeof(*counts));
    for (uint32_t i = 0; counts != NULL && i < rule->vms.n; i++) {
        uint32_t host = r->vms[rule->vms.index[i]].host;
        if (host != PLACEMENT_NONE) {
            uint32_t domain = domain_of(rule, host);
            counts[domain == PLACEMENT_NONE ? n_nodes : domain]++;
        }
    }
    return counts;
}

static bool contains(const struct placement_set *set, uint32_t index) {
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->index[i] == index) {
            return true;
        }
    }
    return false;
}

static void repair_nodes(struct cluster_reader *r, const struct placement_rule *rule) {
    bool wanted = rule->kind == PLACEMENT_ON_NODES;
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        uint32_t vm = rule->vms.index[i];
        uint32_t host = r->vms[vm].host;
        if (host != PLACEMENT_NONE && contains(&rule->nodes, host) != wanted) {
            r->moves[vm] = true;
        }
    }
}

/* All but one of those that share a node. */
static int repair_apart(struct cluster_reader *r, const struct placement_rule *rule) {
    uint32_t *counts = count_domains(r, rule);
    if (counts == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        uint32_t vm = rule->vms.index[i];
        uint32_t host = r->vms[vm].host;
        if (host != PLACEMENT_NONE && counts[host] > 1) {
            counts[host]--;
            r->moves[vm] = true;
        }
    }
    return 0;
}

/* The domain goes on: until a plan is carried out, none of the VMs may leave it. Of a part, that is
 * a matter of its nodes; those on one node cannot move, as one of them would go first. */
static int hold_together(struct cluster_reader *r, struct placement_rule *rule, uint32_t domain) {
    const uint32_t n_nodes = r->file->problem.n_nodes;
    if (rule->scope == PLACEMENT_NODE) {
        for (uint32_t i = 0; i < rule->vms.n; i++) {
            struct placement_vm *vm = &r->vms[rule->vms.index[i]];
            vm->mobility = vm->host != PLACEMENT_NONE ? PLACEMENT_FIXED : vm->mobility;
        }
        return 0;
    }
    uint32_t *nodes = reader_array(r, n_nodes, sizeof(*nodes));
    uint32_t n = 0;
    for (uint32_t i = 0; nodes != NULL && i < n_nodes; i++) {
        if (rule->part_of[i] == domain) {
            nodes[n++] = i;
        }
    }
    *rule = (struct placement_rule){.name = rule->name,
                                    .kind = PLACEMENT_ON_NODES,
                                    .strength = PLACEMENT_HARD,
                                    .vms = rule->vms,
                                    .nodes = {.index = nodes, .n = n}};
    return nodes != NULL ? 0 : -ENOMEM;
}

/* To where most of them are. */
static int repair_together(struct cluster_reader *r, struct placement_rule *rule, bool continuous) {
    const uint32_t n_nodes = r->file->problem.n_nodes;
    uint32_t *counts = count_domains(r, rule);
    if (counts == NULL) {
        return -ENOMEM;
    }
    uint32_t best = 0, n_domains = counts[n_nodes] > 0, n_run = counts[n_nodes];
    for (uint32_t i = 0; i < n_nodes; i++) {
        best = counts[i] > counts[best] ? i : best;
        n_domains += counts[i] > 0;
        n_run += counts[i];
    }
    if (continuous && n_domains == 1 && counts[best] > 0 &&
        (n_run > 1 || rule->scope == PLACEMENT_PART)) {
        return hold_together(r, rule, best);
    }
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        uint32_t vm = rule->vms.index[i];
        uint32_t host = r->vms[vm].host;
        if (host != PLACEMENT_NONE && (counts[best] == 0 || domain_of(rule, host) != best)) {
            r->moves[vm] = true;
        }
    }
    return 0;
}

int cluster_rule_repair(struct cluster_reader *r, struct placement_rule *rule, bool continuous) {
    switch (rule->kind) {
    case PLACEMENT_ON_NODES:
    case PLACEMENT_NOT_ON_NODES: repair_nodes(r, rule); return 0;
    case PLACEMENT_APART: return repair_apart(r, rule);
    case PLACEMENT_TOGETHER: return repair_together(r, rule, continuous);
    case PLACEMENT_RULE_KIND_COUNT: break;
    }
    return 0;
}
