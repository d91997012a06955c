/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * broken.c - hard rules that are broken as the VMs run now.
 *
 * A plan breaks no rule further, but does not repair broken rules either, because their VMs were
 * not asked for. So broken rules are reported separately.
 */
#include "search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The first two VMs of the rule, of different groups, in one domain. `there`: for each domain, the
 * first VM's position in the list, or NONE. */
static bool find_pair(const struct placement_problem *p, const struct placement_rule *rule,
                      uint32_t *there, struct placement_broken *ret) {
    memset(there, 0xff, 2 * (size_t)p->n_nodes * sizeof(*there));
    for (uint32_t k = 0; k < rule->vms.n; k++) {
        const uint32_t vm = rule->vms.index[k];
        if (p->vms[vm].host == PLACEMENT_NONE) {
            continue;
        }
        uint32_t *first = &there[placement_rule_domain(p, rule, p->vms[vm].host)];
        if (*first == PLACEMENT_NONE) {
            *first = k;
            continue;
        }
        const uint32_t other = rule->vms.index[*first];
        const bool one_group =
            rule->group_of != NULL && rule->group_of[*first] == rule->group_of[k];
        if (other != vm && !one_group) {
            ret->vm = vm;
            ret->other = other;
            return true;
        }
    }
    return false;
}

static bool find_parted(const struct placement_problem *p, const struct placement_rule *rule,
                        struct placement_broken *ret) {
    uint32_t first = PLACEMENT_NONE;
    for (uint32_t k = 0; k < rule->vms.n; k++) {
        const uint32_t vm = rule->vms.index[k];
        if (p->vms[vm].host == PLACEMENT_NONE) {
            continue;
        }
        if (first == PLACEMENT_NONE) {
            first = vm;
        } else if (placement_rule_domain(p, rule, p->vms[vm].host) !=
                   placement_rule_domain(p, rule, p->vms[first].host)) {
            ret->vm = vm;
            ret->other = first;
            return true;
        }
    }
    return false;
}

static bool find_elsewhere(const struct placement_problem *p, const struct placement_rule *rule,
                           struct placement_broken *ret) {
    for (uint32_t k = 0; k < rule->vms.n; k++) {
        const uint32_t vm = rule->vms.index[k], host = p->vms[vm].host;
        if (host != PLACEMENT_NONE &&
            set_has(&rule->nodes, host) != (rule->kind == PLACEMENT_ON_NODES)) {
            ret->vm = vm;
            return true;
        }
    }
    return false;
}

/* `counted`: the VMs counted so far, because one may be named twice. */
static bool is_exceeded(const struct placement_problem *p, const struct placement_rule *rule,
                        bool *counted) {
    uint64_t sum = 0;
    memset(counted, 0, p->n_vms * sizeof(*counted));
    for (uint32_t k = 0; k < rule->vms.n; k++) {
        const uint32_t vm = rule->vms.index[k], host = p->vms[vm].host;
        if (host != PLACEMENT_NONE && !counted[vm] && set_has(&rule->nodes, host)) {
            counted[vm] = true;
            sum += rule->resource == PLACEMENT_NONE
                       ? 1
                       : p->needs[(size_t)vm * p->n_resources + rule->resource];
        }
    }
    return sum > rule->amount;
}

static bool is_broken(const struct placement_problem *p, const struct placement_rule *rule,
                      void *room, struct placement_broken *ret) {
    switch (rule->kind) {
    case PLACEMENT_APART: return find_pair(p, rule, room, ret);
    case PLACEMENT_TOGETHER: return find_parted(p, rule, ret);
    case PLACEMENT_ON_NODES:
    case PLACEMENT_NOT_ON_NODES: return find_elsewhere(p, rule, ret);
    case PLACEMENT_AT_MOST: return is_exceeded(p, rule, room);
    case PLACEMENT_RULE_KIND_COUNT: break;
    }
    return false;
}

int placement_broken_rules(const struct placement_problem *p, struct placement_broken *ret_broken,
                           uint32_t *ret_n) {
    const size_t domains = 2 * (size_t)p->n_nodes * sizeof(uint32_t);
    const size_t vms = p->n_vms * sizeof(bool);
    int error = placement_problem_check(p);
    if (error < 0) {
        return error;
    }
    void *room = malloc((domains > vms ? domains : vms) + 1);
    if (room == NULL) {
        return -ENOMEM;
    }
    uint32_t n = 0;
    for (uint32_t r = 0; r < p->n_rules; r++) {
        struct placement_broken found = {.rule = r, .vm = PLACEMENT_NONE, .other = PLACEMENT_NONE};
        if (p->rules[r].strength == PLACEMENT_HARD && is_broken(p, &p->rules[r], room, &found)) {
            ret_broken[n++] = found;
        }
    }
    free(room);
    *ret_n = n;
    return 0;
}
