/* SPDX-License-Identifier: GPL-2.0-or-later */
/* naive.c - see naive.h. */
#include "naive.h"

#include <string.h>

static bool has(const struct placement_set *set, uint32_t index) {
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->index[i] == index) {
            return true;
        }
    }
    return false;
}

static uint32_t bit(enum placement_reason reason) {
    return 1u << (unsigned)reason;
}

/* Runs, as far as the request is concerned. */
static bool holds(const struct placement_problem *p, const struct placement_request *q,
                  const struct naive_plan *plan, uint32_t vm) {
    return p->vms[vm].host != PLACEMENT_NONE && !(q->kind == PLACEMENT_FAILOVER && plan->asked[vm]);
}

static bool is_asked(const struct placement_problem *p, const struct placement_request *q,
                     uint32_t vm) {
    const struct placement_vm *v = &p->vms[vm];
    const bool on_listed = v->host != PLACEMENT_NONE && has(&q->nodes, v->host);
    switch (q->kind) {
    case PLACEMENT_FAILOVER: return has(&q->vms, vm) || on_listed;
    case PLACEMENT_DRAIN: return has(&q->vms, vm) || (on_listed && v->also_on == PLACEMENT_NONE);
    case PLACEMENT_RETURN:
        if (v->return_to == PLACEMENT_NONE) {
            return has(&q->vms, vm);
        }
        return v->return_to != v->host && v->return_to != v->also_on &&
               (has(&q->vms, vm) || has(&q->nodes, v->return_to));
    case PLACEMENT_PLACE:
    case PLACEMENT_BALANCE:
    case PLACEMENT_KIND_COUNT: break;
    }
    return has(&q->vms, vm);
}

static bool before(const struct placement_problem *p, uint32_t a, uint32_t b) {
    const uint64_t *need_a = &p->needs[a * p->n_resources], *need_b = &p->needs[b * p->n_resources];
    if (p->vms[a].priority != p->vms[b].priority) {
        return p->vms[a].priority > p->vms[b].priority;
    }
    if (need_a[0] != need_b[0]) {
        return need_a[0] > need_b[0];
    }
    return need_a[1] != need_b[1] ? need_a[1] > need_b[1] : a < b;
}

void naive_begin(const struct placement_problem *p, const struct placement_request *q,
                 struct naive_plan *plan) {
    memset(plan, 0, sizeof(*plan));
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        plan->target[vm] = PLACEMENT_NONE;
        plan->asked[vm] = is_asked(p, q, vm);
        if (!plan->asked[vm]) {
            continue;
        }
        uint32_t at = plan->n_asked++;
        for (; at > 0 && before(p, vm, plan->order[at - 1]); at--) {
            plan->order[at] = plan->order[at - 1];
        }
        plan->order[at] = vm;
    }
}

/* How many times the VM takes its needs on the node now: old place, other end, new place. */
static unsigned times_on(const struct placement_problem *p, const struct placement_request *q,
                         const struct naive_plan *plan, uint32_t vm, uint32_t node) {
    unsigned n = plan->target[vm] == node;
    if (holds(p, q, plan, vm)) {
        n += p->vms[vm].host == node;
        n += p->vms[vm].also_on == node;
    }
    return n;
}

static uint64_t capacity_of(const struct placement_problem *p, uint32_t node, uint32_t r) {
    uint64_t capacity = p->capacities[node * p->n_resources + r];
    if (r == PLACEMENT_CPU && p->nodes[node].cpu_overcommit_permille > 0) {
        capacity = capacity * p->nodes[node].cpu_overcommit_permille / 1000;
    }
    return capacity;
}

/* What all VMs but one take there; `except` may be NONE. */
static uint64_t used_by_others(const struct placement_problem *p, const struct placement_request *q,
                               const struct naive_plan *plan, uint32_t except, uint32_t node,
                               uint32_t r) {
    uint64_t sum = 0;
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        if (vm != except) {
            sum += times_on(p, q, plan, vm, node) * p->needs[vm * p->n_resources + r];
        }
    }
    return sum;
}

static unsigned vms_on(const struct placement_problem *p, const struct placement_request *q,
                       const struct naive_plan *plan, uint32_t except, uint32_t node) {
    unsigned n = 0;
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        n += vm != except ? times_on(p, q, plan, vm, node) : 0;
    }
    return n;
}

static uint32_t domain_of(const struct placement_problem *p, const struct placement_rule *rule,
                          uint32_t node) {
    return rule->scope == PLACEMENT_RACK   ? p->nodes[node].rack
           : rule->scope == PLACEMENT_SITE ? p->nodes[node].site
                                           : node;
}

/* Whether the VM counts in the node's domain. A hard rule sees every place that is taken; a soft
 * one sees where a VM is to be in the end, and of one asked for but not decided yet: nothing. */
static bool counts_in_domain(const struct placement_problem *p, const struct placement_request *q,
                             const struct naive_plan *plan, const struct placement_rule *rule,
                             uint32_t vm, uint32_t node) {
    for (uint32_t other = 0; other < p->n_nodes; other++) {
        if (domain_of(p, rule, other) != domain_of(p, rule, node)) {
            continue;
        }
        bool there = times_on(p, q, plan, vm, other) > 0;
        if (rule->strength == PLACEMENT_SOFT && plan->asked[vm] &&
            (!plan->decided[vm] || plan->target[vm] != PLACEMENT_NONE)) {
            there = plan->target[vm] == other;
        }
        if (there) {
            return true;
        }
    }
    return false;
}

static bool breaks(const struct placement_problem *p, const struct placement_request *q,
                   const struct naive_plan *plan, const struct placement_rule *rule, uint32_t vm,
                   uint32_t node) {
    bool any_in_domain = false, any_at_all = false;
    if (!has(&rule->vms, vm)) {
        return false;
    }
    for (uint32_t other = 0; other < p->n_vms; other++) {
        if (other == vm || !has(&rule->vms, other)) {
            continue;
        }
        any_in_domain |= counts_in_domain(p, q, plan, rule, other, node);
        for (uint32_t n = 0; n < p->n_nodes; n++) {
            any_at_all |= counts_in_domain(p, q, plan, rule, other, n);
        }
    }
    switch (rule->kind) {
    case PLACEMENT_APART: return any_in_domain;
    case PLACEMENT_TOGETHER: return any_at_all && !any_in_domain;
    case PLACEMENT_ON_NODES: return !has(&rule->nodes, node);
    case PLACEMENT_NOT_ON_NODES: return has(&rule->nodes, node);
    case PLACEMENT_RULE_KIND_COUNT: break;
    }
    return false;
}

uint64_t naive_soft_broken(const struct placement_problem *p, const struct placement_request *q,
                           const struct naive_plan *plan, uint32_t vm, uint32_t node) {
    uint64_t sum = 0;
    for (uint32_t r = 0; r < p->n_rules; r++) {
        if (p->rules[r].strength == PLACEMENT_SOFT && breaks(p, q, plan, &p->rules[r], vm, node)) {
            sum += p->rules[r].weight > 0 ? p->rules[r].weight : 1;
        }
    }
    return sum;
}

static uint32_t hard_rules(const struct placement_problem *p, const struct placement_request *q,
                           const struct naive_plan *plan, uint32_t vm, uint32_t node) {
    uint32_t found = 0;
    for (uint32_t r = 0; r < p->n_rules; r++) {
        if (p->rules[r].strength == PLACEMENT_HARD && breaks(p, q, plan, &p->rules[r], vm, node)) {
            found |= p->rules[r].kind == PLACEMENT_APART ? bit(PLACEMENT_ANTI_AFFINITY)
                                                         : bit(PLACEMENT_NODE_RULE);
        }
    }
    return found;
}

uint32_t naive_obstacles(const struct placement_problem *p, const struct placement_request *q,
                         const struct naive_plan *plan, uint32_t vm, uint32_t node) {
    const struct placement_vm *v = &p->vms[vm];
    const struct placement_node *n = &p->nodes[node];
    const bool runs = holds(p, q, plan, vm);
    uint32_t found = hard_rules(p, q, plan, vm, node);

    found |= v->host == node ? bit(PLACEMENT_CURRENT_HOST) : 0;
    found |= runs && v->also_on == node ? bit(PLACEMENT_IN_TRANSIT) : 0;
    found |= q->kind == PLACEMENT_FAILOVER && v->no_auto_start ? bit(PLACEMENT_NO_AUTO_START) : 0;
    found |= runs && v->mobility == PLACEMENT_FIXED ? bit(PLACEMENT_VM_FIXED) : 0;
    found |=
        q->kind == PLACEMENT_RETURN && v->return_to != node ? bit(PLACEMENT_NOT_RETURN_NODE) : 0;
    found |= v->possible.n > 0 && !has(&v->possible, node) ? bit(PLACEMENT_NOT_POSSIBLE_OWNER) : 0;
    found |= n->state != PLACEMENT_NODE_ACCEPTS ? bit(PLACEMENT_NODE_STATE) : 0;
    if (q->kind == PLACEMENT_DRAIN || q->kind == PLACEMENT_FAILOVER) {
        found |= has(&q->nodes, node) ? bit(PLACEMENT_NODE_LEAVING) : 0;
    }
    found |= v->cpu_model != PLACEMENT_NONE && !has(&n->cpu_models, v->cpu_model)
                 ? bit(PLACEMENT_CPU_MODEL)
                 : 0;
    for (uint32_t i = 0; i < v->volumes.n; i++) {
        found |= has(&n->volumes, v->volumes.index[i]) ? 0 : bit(PLACEMENT_VOLUME_MISSING);
    }
    found |= has(&v->excluded, node) ? bit(PLACEMENT_EXCLUDED) : 0;
    found |= n->vms_max > 0 && vms_on(p, q, plan, vm, node) + 1 > n->vms_max
                 ? bit(PLACEMENT_LIMIT_VMS)
                 : 0;
    for (uint32_t r = 0; r < p->n_resources; r++) {
        uint64_t need = p->needs[vm * p->n_resources + r];
        if (need > 0 && used_by_others(p, q, plan, vm, node, r) + need > capacity_of(p, node, r)) {
            found |= bit(r == 0   ? PLACEMENT_NO_MEMORY
                         : r == 1 ? PLACEMENT_NO_CPU
                                  : PLACEMENT_NO_RESOURCE);
        }
    }
    return found;
}

static uint64_t left_of(const struct placement_problem *p, const struct placement_request *q,
                        const struct naive_plan *plan, uint32_t vm, uint32_t node, uint32_t r) {
    uint64_t taken = used_by_others(p, q, plan, vm, node, r) + p->needs[vm * p->n_resources + r];
    uint64_t capacity = capacity_of(p, node, r);
    return capacity > taken ? capacity - taken : 0;
}

static uint64_t least_share(const struct placement_problem *p, const struct placement_request *q,
                            const struct naive_plan *plan, uint32_t vm, uint32_t node) {
    uint64_t least = 1000;
    for (uint32_t r = 0; r < p->n_resources; r++) {
        const uint64_t capacity = capacity_of(p, node, r);
        const uint64_t need = p->needs[vm * p->n_resources + r];
        if (need > 0 || (r < 2 && capacity > 0)) {
            uint64_t share = capacity > 0 ? left_of(p, q, plan, vm, node, r) * 1000 / capacity : 0;
            least = share < least ? share : least;
        }
    }
    return least;
}

static uint32_t preferred_rank(const struct placement_vm *v, uint32_t node) {
    for (uint32_t i = 0; i < v->preferred.n; i++) {
        if (v->preferred.index[i] == node) {
            return i;
        }
    }
    return PLACEMENT_NONE;
}

/* Whether node a is better than node b, both being possible. */
static bool better(const struct placement_problem *p, const struct placement_request *q,
                   const struct naive_plan *plan, uint32_t vm, uint32_t a, uint32_t b) {
    uint64_t soft_a = naive_soft_broken(p, q, plan, vm, a);
    uint64_t soft_b = naive_soft_broken(p, q, plan, vm, b);
    uint32_t rank_a = preferred_rank(&p->vms[vm], a), rank_b = preferred_rank(&p->vms[vm], b);
    uint64_t share_a = least_share(p, q, plan, vm, a), share_b = least_share(p, q, plan, vm, b);
    uint64_t mb_a = left_of(p, q, plan, vm, a, 0), mb_b = left_of(p, q, plan, vm, b, 0);
    return soft_a != soft_b     ? soft_a < soft_b
           : rank_a != rank_b   ? rank_a < rank_b
           : share_a != share_b ? share_a > share_b
           : mb_a != mb_b       ? mb_a > mb_b
                                : a < b;
}

uint32_t naive_best(const struct placement_problem *p, const struct placement_request *q,
                    const struct naive_plan *plan, uint32_t vm) {
    uint32_t best = PLACEMENT_NONE;
    if (holds(p, q, plan, vm) && p->vms[vm].also_on != PLACEMENT_NONE) {
        return PLACEMENT_NONE;
    }
    for (uint32_t node = 0; node < p->n_nodes; node++) {
        if (naive_obstacles(p, q, plan, vm, node) == 0 &&
            (best == PLACEMENT_NONE || better(p, q, plan, vm, node, best))) {
            best = node;
        }
    }
    return best;
}

const char *naive_wrong(const struct placement_problem *p, const struct placement_request *q,
                        const struct naive_plan *plan) {
    /* Everything counted at both ends at once is the worst moment there can be; a target that has
     * no obstacle then has none at any moment. */
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        if (plan->target[vm] == PLACEMENT_NONE) {
            continue;
        }
        if (!plan->asked[vm]) {
            return "a VM is moved that was not asked for";
        }
        if (holds(p, q, plan, vm) && p->vms[vm].also_on != PLACEMENT_NONE) {
            return "a VM on its way is sent elsewhere";
        }
        if (plan->target[vm] >= p->n_nodes) {
            return "there is no such node";
        }
        if (naive_obstacles(p, q, plan, vm, plan->target[vm]) != 0) {
            return "a VM is put where it cannot run";
        }
    }
    return NULL;
}
