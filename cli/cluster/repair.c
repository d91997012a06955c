/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moving running VMs that break rules of BtrPlace; see cluster/reader.h.
 *
 * clusterd's engine applies rules to the VMs that it places and leaves running VMs alone. BtrPlace
 * wants its rules to hold at the end, so running VMs that break one are asked to move: as few as
 * possible. A hard rule of the engine also holds during the moves, except TOGETHER, which holds at
 * the end.
 */
#include "cluster/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t domain_of(const struct placement_rule *rule, uint32_t node) {
    return rule->scope == PLACEMENT_PART ? rule->part_of[node] : node;
}

/* How many of the rule's VMs run in each domain; the last count is for VMs in no part. */
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

/* A VM of a rule, and where it runs. */
struct seat {
    uint32_t host, group, vm;
    uint64_t share; /* of a limit's amount */
};

static int by_host_and_group(const void *left, const void *right) {
    const struct seat *a = left, *b = right;
    if (a->host != b->host) {
        return a->host < b->host ? -1 : 1;
    }
    return a->group != b->group ? (a->group < b->group ? -1 : 1)
                                : (a->vm > b->vm) - (a->vm < b->vm);
}

static int by_share(const void *left, const void *right) {
    const struct seat *a = left, *b = right;
    return a->share != b->share ? (a->share > b->share ? -1 : 1)
                                : (a->vm > b->vm) - (a->vm < b->vm);
}

/* The running VMs of the rule. */
static struct seat *take_seats(struct cluster_reader *r, const struct placement_rule *rule,
                               uint32_t *ret_n) {
    struct seat *seats = reader_array(r, rule->vms.n, sizeof(*seats));
    *ret_n = 0;
    for (uint32_t i = 0; seats != NULL && i < rule->vms.n; i++) {
        const uint32_t vm = rule->vms.index[i];
        if (r->vms[vm].host != PLACEMENT_NONE) {
            seats[(*ret_n)++] = (struct seat){.host = r->vms[vm].host, .vm = vm};
            seats[*ret_n - 1].group = rule->group_of != NULL ? rule->group_of[i] : i;
        }
    }
    return seats;
}

/* Where groups share a node, the group with most VMs there stays; a VM without a group counts as
 * one. */
static int repair_apart(struct cluster_reader *r, const struct placement_rule *rule) {
    uint32_t n;
    struct seat *seats = take_seats(r, rule, &n);
    if (seats == NULL) {
        return -ENOMEM;
    }
    qsort(seats, n, sizeof(*seats), by_host_and_group);
    for (uint32_t first = 0, end = 0; first < n; first = end) {
        uint32_t begin = first, most = 0, stays = 0;
        for (end = first; end < n && seats[end].host == seats[first].host; end++) {
            begin = seats[end].group != seats[begin].group ? end : begin;
            if (end + 1 - begin >= most) {
                most = end + 1 - begin;
                stays = seats[end].group;
            }
        }
        for (uint32_t i = first; i < end; i++) {
            r->moves[seats[i].vm] |= seats[i].group != stays;
        }
    }
    return 0;
}

/* Moves the largest first, until the rest is within the limit. */
static int repair_limit(struct cluster_reader *r, const struct placement_rule *rule) {
    const uint32_t n_resources = r->file->problem.n_resources;
    bool *among = reader_array(r, r->file->problem.n_nodes, sizeof(*among));
    uint32_t n;
    struct seat *seats = take_seats(r, rule, &n);
    uint64_t taken = 0;
    if (among == NULL || seats == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < rule->nodes.n; i++) {
        among[rule->nodes.index[i]] = true;
    }
    for (uint32_t i = 0; i < n; i++) {
        const bool counts = among[seats[i].host] && !r->moves[seats[i].vm];
        const uint64_t need = rule->resource == PLACEMENT_NONE
                                  ? 1
                                  : r->needs[(size_t)seats[i].vm * n_resources + rule->resource];
        seats[i].share = counts ? need : 0;
        taken += seats[i].share;
    }
    qsort(seats, n, sizeof(*seats), by_share);
    for (uint32_t i = 0; i < n && taken > rule->amount; i++) {
        r->moves[seats[i].vm] = true;
        taken -= seats[i].share;
    }
    return 0;
}

/* "Continuous" rules also hold during the plan: none of the VMs may leave the domain. For a part,
 * restrict the VMs to its nodes. For a single node, pin them: the first to move would break the
 * rule. */
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

/* They go to the domain with most of them, except `taken` ones; the chosen domain becomes taken. */
static int repair_together(struct cluster_reader *r, struct placement_rule *rule, bool continuous,
                           bool *taken) {
    const uint32_t n_nodes = r->file->problem.n_nodes;
    uint32_t *counts = count_domains(r, rule);
    if (counts == NULL) {
        return -ENOMEM;
    }
    uint32_t best = 0, n_domains = counts[n_nodes] > 0, n_run = counts[n_nodes];
    for (uint32_t i = 0; i < n_nodes; i++) {
        n_domains += counts[i] > 0;
        n_run += counts[i];
        counts[i] = taken != NULL && taken[i] ? 0 : counts[i];
        best = counts[i] > counts[best] ? i : best;
    }
    if (taken != NULL && counts[best] > 0) {
        taken[best] = true;
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

int cluster_groups_repair(struct cluster_reader *r, struct placement_rule *rules, uint32_t n,
                          bool continuous) {
    bool *taken = reader_array(r, r->file->problem.n_nodes, sizeof(*taken));
    if (taken == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        int error = repair_together(r, &rules[i], continuous, taken);
        if (error < 0) {
            return error;
        }
    }
    return 0;
}

int cluster_rule_repair(struct cluster_reader *r, struct placement_rule *rule, bool continuous) {
    switch (rule->kind) {
    case PLACEMENT_ON_NODES:
    case PLACEMENT_NOT_ON_NODES: repair_nodes(r, rule); return 0;
    case PLACEMENT_APART: return repair_apart(r, rule);
    case PLACEMENT_TOGETHER: return repair_together(r, rule, continuous, NULL);
    case PLACEMENT_AT_MOST: return repair_limit(r, rule);
    case PLACEMENT_RULE_KIND_COUNT: break;
    }
    return 0;
}
