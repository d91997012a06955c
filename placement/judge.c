/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * judge.c - one VM on one node: may it run there, how good is that, and what is there to report?
 *
 * The VM is on no node when the question is asked (placement_take()), so nothing has to be
 * subtracted. The search uses placement_can_go() (state.c) and the score. The explanation uses all
 * obstacles and the figures. Tests check that the two agree.
 */
#include "search.h"

#include <string.h>

void placement_task_begin(struct placement_solver *s, uint32_t vm, struct task *ret_task) {
    const struct placement_vm *v = &s->problem->vms[vm];

    *ret_task = (struct task){.vm = vm, .need = vm_need(s, vm)};
    if (s->request.kind == PLACEMENT_FAILOVER && v->no_auto_start) {
        ret_task->everywhere |= reason_bit(PLACEMENT_NO_AUTO_START);
    }
    if ((s->flags[vm] & VM_HOLDS) && v->mobility == PLACEMENT_FIXED) {
        ret_task->everywhere |= reason_bit(PLACEMENT_VM_FIXED);
    }
    if (s->request.kind == PLACEMENT_RETURN && v->return_to == PLACEMENT_NONE) {
        ret_task->everywhere |= reason_bit(PLACEMENT_NOT_RETURN_NODE);
    }

    uint32_t stamp = ++s->stamp;
    const struct placement_set *const sets[] = {&v->possible, &v->preferred, &v->excluded};
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        for (uint32_t k = 0; k < sets[i]->n; k++) {
            struct node_mark *mark = &s->marks[sets[i]->index[k]];
            if (mark->stamp != stamp) {
                *mark = (struct node_mark){.stamp = stamp, .preferred_rank = PLACEMENT_NONE};
            }
            if (sets[i] == &v->possible) {
                mark->possible = true;
            } else if (sets[i] == &v->excluded) {
                mark->excluded = true;
            } else if (mark->preferred_rank == PLACEMENT_NONE) {
                mark->preferred_rank = k;
            }
        }
    }
}

static const struct node_mark *task_mark(const struct placement_solver *s, uint32_t node) {
    static const struct node_mark unmarked = {.preferred_rank = PLACEMENT_NONE};
    return s->marks[node].stamp == s->stamp ? &s->marks[node] : &unmarked;
}

static inline uint64_t free_of(const struct placement_solver *s, uint32_t node, uint32_t r) {
    size_t i = (size_t)node * s->n_resources + r;
    return s->capacities[i] > s->used[i] ? s->capacities[i] - s->used[i] : 0;
}

static enum placement_reason rule_reason(enum placement_rule_kind kind) {
    switch (kind) {
    case PLACEMENT_APART: return PLACEMENT_ANTI_AFFINITY;
    case PLACEMENT_TOGETHER: return PLACEMENT_AFFINITY;
    case PLACEMENT_AT_MOST: return PLACEMENT_LIMIT_NODES;
    case PLACEMENT_ON_NODES:
    case PLACEMENT_NOT_ON_NODES:
    case PLACEMENT_RULE_KIND_COUNT: break;
    }
    return PLACEMENT_NODE_RULE;
}

/* Obstacles in the properties of the VM and the node, which other VMs do not change. */
static inline uint32_t obstacles_of_node(const struct placement_solver *s, const struct task *task,
                                         uint32_t node) {
    const struct placement_vm *v = &s->problem->vms[task->vm];
    const struct node_mark *mark = task_mark(s, node);
    uint32_t found = task->everywhere;

    if (v->host == node) {
        found |= reason_bit(PLACEMENT_CURRENT_HOST);
    }
    if ((s->flags[task->vm] & VM_ARRIVING) && v->also_on == node) {
        found |= reason_bit(PLACEMENT_IN_TRANSIT);
    }
    if (s->request.kind == PLACEMENT_RETURN && v->return_to != node) {
        found |= reason_bit(PLACEMENT_NOT_RETURN_NODE);
    }
    if (v->possible.n > 0 && !mark->possible) {
        found |= reason_bit(PLACEMENT_NOT_POSSIBLE_OWNER);
    }
    if (mark->excluded) {
        found |= reason_bit(PLACEMENT_EXCLUDED);
    }
    if (s->problem->nodes[node].state != PLACEMENT_NODE_ACCEPTS) {
        found |= reason_bit(PLACEMENT_NODE_STATE);
    }
    if (s->leaving[node]) {
        found |= reason_bit(PLACEMENT_NODE_LEAVING);
    }
    if (!has_cpu_model(s, v, node)) {
        found |= reason_bit(PLACEMENT_CPU_MODEL);
    }
    if (!has_machine(s, v, node)) {
        found |= reason_bit(PLACEMENT_MACHINE);
    }
    if (missing_volume(s, v, node) != PLACEMENT_NONE) {
        found |= reason_bit(PLACEMENT_VOLUME_MISSING);
    }
    if (missing_network(s, v, node) != PLACEMENT_NONE) {
        found |= reason_bit(PLACEMENT_NETWORK_MISSING);
    }
    return found;
}

static inline uint32_t obstacles_of_room(const struct placement_solver *s, const struct task *task,
                                         uint32_t node) {
    uint32_t found = 0;

    if (s->request.kind == PLACEMENT_BALANCE && placement_over_with(s, task->vm, node)) {
        found |= reason_bit(PLACEMENT_OVER_THRESHOLD);
    }
    if (s->n_vms_on[node] >= s->vms_max[node]) {
        found |= reason_bit(PLACEMENT_LIMIT_VMS);
    }
    for (uint32_t r = 0; r < s->n_resources; r++) {
        if (task->need[r] > free_of(s, node, r)) {
            found |= reason_bit(r == PLACEMENT_MEMORY ? PLACEMENT_NO_MEMORY
                                : r == PLACEMENT_CPU  ? PLACEMENT_NO_CPU
                                                      : PLACEMENT_NO_RESOURCE);
        }
    }
    return found;
}

static inline uint32_t obstacles_of_rules(const struct placement_solver *s, const struct task *task,
                                          uint32_t node) {
    uint32_t found = 0;
    for (uint32_t i = s->rules_start[task->vm]; i < s->rules_start[task->vm + 1]; i++) {
        const struct membership *m = &s->rules_of[i];
        const struct placement_rule *rule = &s->problem->rules[m->rule];
        if (rule->strength == PLACEMENT_HARD &&
            (placement_rule_broken(s, task->vm, m, node) || placement_in_no_part(rule, node))) {
            found |= reason_bit(rule_reason(rule->kind));
        }
    }
    return found;
}

uint32_t placement_judge_obstacles(const struct placement_solver *s, const struct task *task,
                                   uint32_t node) {
    return obstacles_of_room(s, task, node) | obstacles_of_node(s, task, node) |
           obstacles_of_rules(s, task, node);
}

/* The smallest share of a resource that would be left, and which resource it is. */
static uint32_t free_share(const struct placement_solver *s, const struct task *task, uint32_t node,
                           uint32_t *ret_scarcest) {
    uint32_t least = 1000, scarcest = PLACEMENT_MEMORY;

    for (uint32_t r = 0; r < s->n_resources; r++) {
        const uint64_t need = task->need[r];
        const uint64_t capacity = s->capacities[(size_t)node * s->n_resources + r];
        if ((r > PLACEMENT_CPU && need == 0) || (capacity == 0 && need == 0)) {
            continue;
        }
        uint64_t free_now = free_of(s, node, r);
        uint32_t share =
            free_now > need && capacity > 0 ? (uint32_t)((free_now - need) * 1000 / capacity) : 0;
        if (share < least) {
            least = share;
            scarcest = r;
        }
    }
    *ret_scarcest = scarcest;
    return least;
}

void placement_judge_score(const struct placement_solver *s, const struct task *task, uint32_t node,
                           struct score *ret_score) {
    uint32_t scarcest;
    uint64_t free_mb = free_of(s, node, PLACEMENT_MEMORY);

    *ret_score = (struct score){
        .preferred_rank = task_mark(s, node)->preferred_rank,
        .waits = !placement_fits_now(s, task->vm, node),
        .free_permille = free_share(s, task, node, &scarcest),
        .free_mb =
            free_mb > task->need[PLACEMENT_MEMORY] ? free_mb - task->need[PLACEMENT_MEMORY] : 0,
    };
    if (s->flags[task->vm] & VM_HAS_RULES) {
        ret_score->soft_broken = placement_soft_delta(s, task->vm, node);
    }
}

/* Whether a is better. Equal is not better, so a walk over the nodes from the lowest index on
 * prefers the lowest. */
bool placement_score_better(const struct score *a, const struct score *b) {
    if (a->soft_broken != b->soft_broken) {
        return a->soft_broken < b->soft_broken;
    }
    if (a->preferred_rank != b->preferred_rank) {
        return a->preferred_rank < b->preferred_rank; /* NONE is the greatest */
    }
    if (a->waits != b->waits) {
        return b->waits;
    }
    if (a->free_permille != b->free_permille) {
        return a->free_permille > b->free_permille;
    }
    return a->free_mb > b->free_mb;
}

enum placement_reason placement_first_obstacle(uint32_t obstacles) {
    for (unsigned reason = PLACEMENT_CURRENT_HOST; reason < PLACEMENT_REASON_COUNT; reason++) {
        if (obstacles & reason_bit((enum placement_reason)reason)) {
            return (enum placement_reason)reason;
        }
    }
    return PLACEMENT_POSSIBLE;
}

static uint32_t group_in(const struct placement_solver *s, uint32_t vm, uint32_t r) {
    uint32_t i = s->rules_start[vm];
    while (s->rules_of[i].rule != r) {
        i++;
    }
    return s->rules_of[i].group;
}

/* A VM of the rule, but of another group, in the node's domain. The task's own VM is nowhere at the
 * moment. */
static uint32_t vm_in_the_way(const struct placement_solver *s, const struct membership *m,
                              uint32_t node) {
    const struct placement_rule *rule = &s->problem->rules[m->rule];
    const uint32_t domain = placement_rule_domain(s->problem, rule, node);

    for (uint32_t k = 0; k < rule->vms.n; k++) {
        const uint32_t vm = rule->vms.index[k];
        if (s->at[vm] != PLACEMENT_NONE &&
            (m->group == PLACEMENT_NONE || group_in(s, vm, m->rule) != m->group) &&
            placement_rule_domain(s->problem, rule, s->at[vm]) == domain) {
            return vm;
        }
    }
    return PLACEMENT_NONE;
}

static void verdict_rules(const struct placement_solver *s, const struct task *task, uint32_t node,
                          struct placement_verdict *v) {
    const struct membership *hard = NULL, *soft = NULL;
    for (uint32_t i = s->rules_start[task->vm]; i < s->rules_start[task->vm + 1]; i++) {
        const struct membership *m = &s->rules_of[i];
        const bool is_hard = s->rules[m->rule].hard;
        if (placement_rule_broken(s, task->vm, m, node) ||
            (is_hard && placement_in_no_part(&s->problem->rules[m->rule], node))) {
            hard = is_hard && hard == NULL ? m : hard;
            soft = !is_hard && soft == NULL ? m : soft;
        }
    }
    const struct membership *first = hard != NULL ? hard : soft;
    if (first != NULL) {
        v->rule = first->rule;
        if (s->problem->rules[v->rule].kind == PLACEMENT_APART) {
            v->other_vm = vm_in_the_way(s, first, node);
        }
    }
}

/* The resource that the figures are about: the one that the reason names, else the scarcest. */
static uint32_t verdict_resource(const struct placement_solver *s, const struct task *task,
                                 uint32_t node, enum placement_reason reason, uint32_t scarcest) {
    switch ((unsigned)reason) {
    case PLACEMENT_LIMIT_VMS: return PLACEMENT_NONE;
    case PLACEMENT_NO_MEMORY: return PLACEMENT_MEMORY;
    case PLACEMENT_NO_CPU: return PLACEMENT_CPU;
    case PLACEMENT_NO_RESOURCE:
        for (uint32_t r = PLACEMENT_CPU + 1; r < s->n_resources; r++) {
            if (task->need[r] > free_of(s, node, r)) {
                return r;
            }
        }
        return scarcest;
    default: return scarcest;
    }
}

void placement_judge_verdict(const struct placement_solver *s, const struct task *task,
                             uint32_t node, struct placement_verdict *ret_verdict) {
    const struct placement_vm *vm = &s->problem->vms[task->vm];
    const uint32_t obstacles = placement_judge_obstacles(s, task, node);
    struct score score;
    uint32_t scarcest;

    placement_judge_score(s, task, node, &score);
    (void)free_share(s, task, node, &scarcest);
    struct placement_verdict v = {
        .reason = placement_first_obstacle(obstacles),
        .obstacles = obstacles,
        .rank = PLACEMENT_NONE,
        .free_after_permille = score.free_permille,
        .free_after_mb = score.free_mb,
        .waits = score.waits && obstacles == 0,
        .soft_broken = score.soft_broken,
        .preferred_rank = score.preferred_rank,
        .volume = missing_volume(s, vm, node),
        .network = missing_network(s, vm, node),
        .rule = PLACEMENT_NONE,
        .other_vm = PLACEMENT_NONE,
        .node_state = s->problem->nodes[node].state,
    };
    v.resource = verdict_resource(s, task, node, v.reason, scarcest);
    if (v.resource == PLACEMENT_NONE) {
        v.capacity = s->problem->nodes[node].vms_max;
        v.have = s->n_vms_on[node];
        v.need = 1;
    } else {
        v.capacity = s->capacities[(size_t)node * s->n_resources + v.resource];
        v.have = free_of(s, node, v.resource);
        v.need = task->need[v.resource];
    }
    verdict_rules(s, task, node, &v);
    *ret_verdict = v;
}

static unsigned count_obstacles(uint32_t obstacles) {
    unsigned n = 0;
    for (; obstacles != 0; obstacles &= obstacles - 1) {
        n++;
    }
    return n;
}

uint32_t placement_judge_nearest(const struct placement_solver *s, const struct task *task,
                                 enum placement_reason *ret_reason) {
    const struct placement_vm *vm = &s->problem->vms[task->vm];
    uint32_t nearest = PLACEMENT_NONE, nearest_obstacles = 0;
    unsigned least = 0;

    for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
        uint32_t obstacles = placement_judge_obstacles(s, task, node);
        /* The nearest miss says where the VM could be put: its host is no answer, and for a return
         * only the node that it goes back to is one. */
        unsigned count = count_obstacles(obstacles);
        count += vm->host == node || (obstacles & reason_bit(PLACEMENT_NOT_RETURN_NODE)) ? 64 : 0;
        if (nearest == PLACEMENT_NONE || count < least ||
            (count == least &&
             placement_first_obstacle(obstacles) > placement_first_obstacle(nearest_obstacles))) {
            nearest = node;
            nearest_obstacles = obstacles;
            least = count;
        }
    }
    *ret_reason = placement_first_obstacle(nearest_obstacles);
    return nearest;
}
