/* SPDX-License-Identifier: GPL-2.0-or-later */
/* checker_end.c - the end of a plan: who is where, who was left and why, what it cost. */
#include "checker_walk.h"

#include <stdlib.h>

const char *const checker_reasons[PLACEMENT_REASON_COUNT] = {
    [PLACEMENT_CURRENT_HOST] = "it is its host",
    [PLACEMENT_IN_TRANSIT] = "it is on its way there",
    [PLACEMENT_NO_AUTO_START] = "it is not started by a failover",
    [PLACEMENT_VM_FIXED] = "it is fixed",
    [PLACEMENT_NOT_RETURN_NODE] = "it is not the node it returns to",
    [PLACEMENT_NOT_POSSIBLE_OWNER] = "not a possible owner",
    [PLACEMENT_NODE_STATE] = "the node takes no VM",
    [PLACEMENT_NODE_LEAVING] = "the node is leaving",
    [PLACEMENT_CPU_MODEL] = "cpu model",
    [PLACEMENT_MACHINE] = "machine type",
    [PLACEMENT_VOLUME_MISSING] = "a volume is missing",
    [PLACEMENT_NETWORK_MISSING] = "a network is missing",
    [PLACEMENT_EXCLUDED] = "it is excluded there",
    [PLACEMENT_NODE_RULE] = "a hard rule about nodes",
    [PLACEMENT_AFFINITY] = "outside all parts of a hard TOGETHER",
};

/* Who moved aside and came back is one that stays. */
static bool stays(const struct checker *c, uint32_t vm) {
    return c->at[vm] != READING_NOWHERE && c->at[vm] == reading_begins_on(c->p, c->q, vm);
}

static bool moved(const struct checker *c, uint32_t vm) {
    return c->hops[vm] > 0 && !stays(c, vm);
}

/* The moved of a hard TOGETHER are with those that stay or, if none stays, all in one domain. */
static bool together_ok(struct checker *c, const struct placement_rule *rule) {
    uint32_t first_moved = PLACEMENT_NONE;
    bool any_stays = false;
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        const uint32_t vm = rule->vms.index[i];
        any_stays |= stays(c, vm);
        first_moved = moved(c, vm) && first_moved == PLACEMENT_NONE ? vm : first_moved;
    }
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        const uint32_t vm = rule->vms.index[i];
        if (!moved(c, vm)) {
            continue;
        }
        const uint32_t domain = reading_domain(c->p, rule, c->at[vm]);
        bool with = !any_stays && reading_domain(c->p, rule, c->at[first_moved]) == domain;
        for (uint32_t j = 0; j < rule->vms.n; j++) {
            const uint32_t other = rule->vms.index[j];
            with |= stays(c, other) && reading_domain(c->p, rule, c->at[other]) == domain;
        }
        if (!with) {
            return checker_wrong(c, "vm %u ends apart from the others of a hard TOGETHER, rule %u",
                                 vm, (uint32_t)(rule - c->p->rules));
        }
    }
    return true;
}

static bool places_ok(struct checker *c) {
    for (uint32_t vm = 0; vm < c->p->n_vms; vm++) {
        const struct placement_vm *v = &c->p->vms[vm];
        if (c->hops[vm] > 0 && c->asked[vm] && c->q->kind == PLACEMENT_RETURN &&
            c->at[vm] != v->return_to) {
            return checker_wrong(c, "vm %u does not end where it returns to", vm);
        }
    }
    for (uint32_t r = 0; r < c->p->n_rules; r++) {
        const struct placement_rule *rule = &c->p->rules[r];
        if (rule->kind == PLACEMENT_TOGETHER && rule->strength == PLACEMENT_HARD &&
            !together_ok(c, rule)) {
            return false;
        }
    }
    return true;
}

/* The reason given must be true at least as far as it does not hang on other VMs. */
static bool reason_ok(struct checker *c, const struct placement_unplaced *u) {
    const uint32_t bit = 1u << (unsigned)u->reason;
    if (u->reason < PLACEMENT_CURRENT_HOST || u->reason >= PLACEMENT_REASON_COUNT) {
        return checker_wrong(c, "vm %u is unplaced without a reason", u->vm);
    }
    if (u->reason == PLACEMENT_IN_TRANSIT && reading_on_its_way(c->p, c->q, u->vm)) {
        return true;
    }
    if (u->node != PLACEMENT_NONE && u->node >= c->p->n_nodes) {
        return checker_wrong(c, "vm %u is unplaced at no node", u->vm);
    }
    for (uint32_t node = 0; node < c->p->n_nodes; node++) {
        const bool here = u->node == node || u->node == PLACEMENT_NONE;
        const uint32_t known = reading_obstacles(c->p, c->q, u->vm, node);
        if (here && u->reason < PLACEMENT_AFFINITY && !(known & bit)) {
            return checker_wrong(c, "vm %u is unplaced for a reason that is not so: %s", u->vm,
                                 checker_reasons[u->reason]);
        }
        if (u->node == node && (known & (bit - 1)) != 0) {
            return checker_wrong(c, "vm %u is unplaced for a reason that is not the first", u->vm);
        }
    }
    return true;
}

static bool unplaced_ok(struct checker *c) {
    const struct placement_plan *plan = c->plan;
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        const struct placement_unplaced *u = &plan->unplaced[i];
        if (u->vm >= c->p->n_vms || !c->asked[u->vm]) {
            return checker_wrong(c, "unplaced %u was not asked for", i);
        }
        if (c->hops[u->vm] > 0) {
            return checker_wrong(c, "vm %u is both placed and unplaced", u->vm);
        }
        c->hops[u->vm] = UINT32_MAX; /* seen; the walk is over */
        if (i > 0 && c->p->vms[plan->unplaced[i - 1].vm].priority < c->p->vms[u->vm].priority) {
            return checker_wrong(c, "the most important unplaced are not first");
        }
        if (!reason_ok(c, u)) {
            return false;
        }
    }
    for (uint32_t vm = 0; vm < c->p->n_vms; vm++) {
        if (c->asked[vm] && c->hops[vm] == 0) {
            return checker_wrong(c, "vm %u was asked for and is neither placed nor unplaced", vm);
        }
        c->hops[vm] = c->hops[vm] == UINT32_MAX ? 0 : c->hops[vm];
    }
    return true;
}

bool checker_end_ok(struct checker *c) {
    return places_ok(c) && unplaced_ok(c);
}

static uint32_t least_free_permille(const struct checker *c) {
    uint64_t least = 1000;
    for (uint32_t i = 0; i < c->plan->n_moves; i++) {
        const uint32_t node = c->at[c->plan->moves[i].vm];
        for (uint32_t r = PLACEMENT_MEMORY; r <= PLACEMENT_CPU; r++) {
            const uint64_t used = c->used[(size_t)node * c->p->n_resources + r];
            const uint64_t capacity = reading_capacity(c->p, node, r);
            uint64_t share = used == 0         ? 1000
                             : used > capacity ? 0
                                               : (capacity - used) * 1000 / capacity;
            least = share < least ? share : least;
        }
    }
    return (uint32_t)least;
}

static bool figure_ok(struct checker *c, const char *what, uint64_t is, uint64_t should) {
    return is == should || checker_wrong(c, "cost.%s is %llu and should be %llu", what,
                                         (unsigned long long)is, (unsigned long long)should);
}

/* Times are predictions; what is promised is their order, and what a start takes. */
static bool times_ok(struct checker *c) {
    uint32_t last_stage = 0;
    uint64_t begins_ms = 0, ends_ms = 0;
    for (uint32_t i = 0; i < c->plan->n_moves; i++) {
        const struct placement_move *m = &c->plan->moves[i];
        if (m->stage != last_stage) {
            last_stage = m->stage;
            begins_ms = ends_ms;
        }
        const uint32_t start_ms = c->p->vms[m->vm].start_ms;
        uint32_t least_ms = m->mode != PLACEMENT_START ? 0
                            : start_ms > 0             ? start_ms
                                                       : PLACEMENT_START_MS;
        if (m->ready_ms < begins_ms + least_ms) {
            return checker_wrong(c, "vm %u is ready before it can be", m->vm);
        }
        ends_ms = m->ready_ms > ends_ms ? m->ready_ms : ends_ms;
    }
    return true;
}

bool checker_costs_ok(struct checker *c) {
    const struct placement_cost *cost = &c->plan->cost;
    const bool balance = c->q->kind == PLACEMENT_BALANCE;
    uint64_t n_moves = 0, n_others = 0, moved_mb = 0;
    for (uint32_t i = 0; i < c->plan->n_moves; i++) {
        const struct placement_move *m = &c->plan->moves[i];
        if (m->mode != PLACEMENT_START) {
            n_moves++;
            n_others += !c->asked[m->vm]; /* of a balance: all */
            moved_mb += c->p->needs[(size_t)m->vm * c->p->n_resources + PLACEMENT_MEMORY];
        }
    }
    if (c->q->moves_max > 0 && n_others > c->q->moves_max) {
        return checker_wrong(c, "more moves than moves_max: %llu", (unsigned long long)n_others);
    }
    return figure_ok(c, "unplaced", cost->unplaced, c->plan->n_unplaced) &&
           figure_ok(c, "nodes_over", cost->nodes_over,
                     balance ? reading_nodes_over(c->p, c->at) : 0) &&
           figure_ok(c, "soft_broken", cost->soft_broken, reading_soft_broken(c->p, c->q, c->at)) &&
           figure_ok(c, "moves", cost->moves, n_moves) &&
           figure_ok(c, "moves_of_others", cost->moves_of_others, n_others) &&
           figure_ok(c, "moved_mb", cost->moved_mb, moved_mb) &&
           figure_ok(c, "least_free_permille", cost->least_free_permille, least_free_permille(c)) &&
           times_ok(c);
}
