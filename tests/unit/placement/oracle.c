/* SPDX-License-Identifier: GPL-2.0-or-later */
/* oracle.c - see oracle.h. */
#include "oracle.h"

#include "reading.h"

#include <stdlib.h>
#include <string.h>

#define BITS_EACH 5u

struct oracle {
    const struct placement_problem *p;
    const struct placement_request *q;
    struct oracle_options options;
    struct oracle_answer *answer;
    bool any_end;

    bool asked[ORACLE_VMS], mover[ORACLE_VMS];
    uint32_t begins_on[ORACLE_VMS];
    bool allowed[ORACLE_VMS][ORACLE_NODES]; /* by all that does not hang on other VMs */
    oracle_unplaced_t unplaced_unit[ORACLE_VMS];

    /* The state that is looked at, and its number: one digit per VM, (hops, place). */
    uint32_t at[ORACLE_VMS], hops[ORACLE_VMS];
    uint32_t digit_base, n_states;
    uint8_t *seen;             /* 1: looked at; 2: waits for the next level */
    uint32_t *stack, *waiting; /* states of this level and of the next */
    uint32_t n_stack, n_waiting;
};

static oracle_unplaced_t unplaced_unit(const struct placement_problem *p, uint32_t vm) {
    unsigned rank = 0; /* number of higher priorities that there are */
    for (uint32_t i = 0; i < p->n_vms; i++) {
        bool first = p->vms[i].priority > p->vms[vm].priority;
        for (uint32_t j = 0; first && j < i; j++) {
            first = p->vms[j].priority != p->vms[i].priority;
        }
        rank += first;
    }
    return UINT64_C(1) << (BITS_EACH * (ORACLE_VMS - 1 - rank));
}

oracle_unplaced_t oracle_unplaced(const struct placement_problem *p,
                                  const struct placement_plan *plan) {
    oracle_unplaced_t sum = 0;
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        sum += unplaced_unit(p, plan->unplaced[i].vm);
    }
    return sum;
}

static uint32_t number_of(const struct oracle *o) {
    uint32_t number = 0;
    for (uint32_t vm = o->p->n_vms; vm-- > 0;) {
        if (o->mover[vm]) {
            uint32_t place = o->at[vm] == READING_NOWHERE ? o->p->n_nodes : o->at[vm];
            number = number * o->digit_base + o->hops[vm] * (o->p->n_nodes + 1) + place;
        }
    }
    return number;
}

static void state_of(struct oracle *o, uint32_t number) {
    for (uint32_t vm = 0; vm < o->p->n_vms; vm++) {
        if (o->mover[vm]) {
            uint32_t digit = number % o->digit_base, place = digit % (o->p->n_nodes + 1);
            o->hops[vm] = digit / (o->p->n_nodes + 1);
            o->at[vm] = place == o->p->n_nodes ? READING_NOWHERE : place;
            number /= o->digit_base;
        }
    }
}

static bool has_room(const struct oracle *o, uint32_t vm, uint32_t node) {
    const struct placement_problem *p = o->p;
    uint32_t n_on = 0;
    for (uint32_t i = 0; i < p->n_vms; i++) {
        n_on += i != vm && o->at[i] == node;
    }
    if (p->nodes[node].vms_max > 0 && n_on >= p->nodes[node].vms_max) {
        return false;
    }
    for (uint32_t r = 0; r < p->n_resources; r++) {
        uint64_t used = 0, need = p->needs[vm * p->n_resources + r];
        for (uint32_t i = 0; i < p->n_vms; i++) {
            used += i != vm && o->at[i] == node ? p->needs[i * p->n_resources + r] : 0;
        }
        if (need > 0 && used + need > reading_capacity(p, node, r)) {
            return false;
        }
    }
    return true;
}

static bool keeps_apart(const struct oracle *o, uint32_t vm, uint32_t node) {
    for (uint32_t r = 0; r < o->p->n_rules; r++) {
        const struct placement_rule *rule = &o->p->rules[r];
        if (rule->kind != PLACEMENT_APART || rule->strength != PLACEMENT_HARD ||
            !reading_has(&rule->vms, vm)) {
            continue;
        }
        for (uint32_t i = 0; i < rule->vms.n; i++) {
            const uint32_t other = rule->vms.index[i];
            if (!reading_one_group(rule, vm, other) && o->at[other] != READING_NOWHERE &&
                reading_domain(o->p, rule, o->at[other]) == reading_domain(o->p, rule, node)) {
                return false;
            }
        }
    }
    return true;
}

static bool keeps_limits(const struct oracle *o, uint32_t vm, uint32_t node) {
    for (uint32_t r = 0; r < o->p->n_rules; r++) {
        const struct placement_rule *rule = &o->p->rules[r];
        if (rule->kind != PLACEMENT_AT_MOST || !reading_has(&rule->vms, vm) ||
            !reading_counts_on(rule, node) || reading_share(o->p, rule, vm) == 0) {
            continue;
        }
        uint64_t taken = reading_share(o->p, rule, vm);
        for (uint32_t i = 0; i < rule->vms.n; i++) {
            const uint32_t other = rule->vms.index[i];
            if (other != vm && reading_first_named(rule, i) &&
                reading_counts_on(rule, o->at[other])) {
                taken += reading_share(o->p, rule, other);
            }
        }
        if (taken > rule->amount) {
            return false;
        }
    }
    return true;
}

/* The moved are with those that stay, or all in one domain. */
static bool keeps_together(const struct oracle *o, const struct placement_rule *rule) {
    bool any_stays = false, any_moved = false;
    uint32_t moved_domain = 0;
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        const uint32_t vm = rule->vms.index[i];
        any_stays |= o->at[vm] != READING_NOWHERE && o->at[vm] == o->begins_on[vm];
    }
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        const uint32_t vm = rule->vms.index[i];
        if (o->at[vm] == o->begins_on[vm]) {
            continue;
        }
        const uint32_t domain = reading_domain(o->p, rule, o->at[vm]);
        bool with = !any_stays && (!any_moved || domain == moved_domain);
        for (uint32_t j = 0; any_stays && j < rule->vms.n; j++) {
            const uint32_t other = rule->vms.index[j];
            with |= o->at[other] != READING_NOWHERE && o->at[other] == o->begins_on[other] &&
                    reading_domain(o->p, rule, o->at[other]) == domain;
        }
        if (!with) {
            return false;
        }
        any_moved = true;
        moved_domain = domain;
    }
    return true;
}

static bool is_end(const struct oracle *o, oracle_unplaced_t *ret_unplaced) {
    *ret_unplaced = 0;
    for (uint32_t vm = 0; vm < o->p->n_vms; vm++) {
        if (o->asked[vm] && o->at[vm] == o->begins_on[vm]) {
            *ret_unplaced += o->unplaced_unit[vm];
        } else if (o->asked[vm] && o->q->kind == PLACEMENT_RETURN &&
                   o->at[vm] != o->p->vms[vm].return_to) {
            return false;
        }
    }
    for (uint32_t r = 0; r < o->p->n_rules; r++) {
        const struct placement_rule *rule = &o->p->rules[r];
        if (rule->kind == PLACEMENT_TOGETHER && rule->strength == PLACEMENT_HARD &&
            !keeps_together(o, rule)) {
            return false;
        }
    }
    return true;
}

/* Levels come in ascending order, so the first of equals has the fewest moves. */
static void look_at_end(struct oracle *o, uint32_t level) {
    struct oracle_answer *a = o->answer;
    oracle_unplaced_t unplaced;
    if (!is_end(o, &unplaced) || (o->any_end && unplaced > a->unplaced)) {
        return;
    }
    const uint64_t soft = reading_soft_broken(o->p, o->q, o->at);
    const uint32_t over = o->q->kind == PLACEMENT_BALANCE ? reading_nodes_over(o->p, o->at) : 0;
    if (!o->any_end || unplaced < a->unplaced || over < a->nodes_over) {
        *a = (struct oracle_answer){.unplaced = unplaced,
                                    .nodes_over = over,
                                    .others = level,
                                    .soft_with_others = soft,
                                    .soft = soft,
                                    .others_for_soft = level,
                                    .n_states = a->n_states};
        o->any_end = true;
    } else if (over == a->nodes_over) {
        if (level == a->others && soft < a->soft_with_others) {
            a->soft_with_others = soft;
        }
        if (soft < a->soft) {
            a->soft = soft;
            a->others_for_soft = level;
        }
    }
}

static bool step_ok(const struct oracle *o, uint32_t vm, uint32_t node) {
    const uint32_t hops_max = o->options.hops_max;
    if (!o->allowed[vm][node] || o->at[vm] == node || (hops_max > 0 && o->hops[vm] == hops_max)) {
        return false;
    }
    /* Somebody who was started stays: waiting for the room is never worse. */
    if (o->begins_on[vm] == READING_NOWHERE && o->at[vm] != READING_NOWHERE) {
        return false;
    }
    return has_room(o, vm, node) && keeps_apart(o, vm, node) && keeps_limits(o, vm, node);
}

static void step(struct oracle *o, uint32_t vm, uint32_t node) {
    const uint32_t was_at = o->at[vm];
    if (!step_ok(o, vm, node)) {
        return;
    }
    o->at[vm] = node;
    o->hops[vm] += o->options.hops_max > 0;
    const uint32_t number = number_of(o);
    if (o->seen[number] != 1 && o->asked[vm]) {
        o->seen[number] = 1;
        o->stack[o->n_stack++] = number;
    } else if (o->seen[number] == 0) {
        o->seen[number] = 2;
        o->waiting[o->n_waiting++] = number;
    }
    o->at[vm] = was_at;
    o->hops[vm] -= o->options.hops_max > 0;
}

static void search(struct oracle *o) {
    const uint32_t moves_max = o->q->moves_max;
    o->stack[o->n_stack++] = number_of(o);
    o->seen[o->stack[0]] = 1;
    for (uint32_t level = 0; o->n_stack > 0; level++) {
        while (o->n_stack > 0) {
            state_of(o, o->stack[--o->n_stack]);
            o->answer->n_states++;
            look_at_end(o, level);
            for (uint32_t vm = 0; vm < o->p->n_vms; vm++) {
                bool may = o->mover[vm] && (o->asked[vm] || moves_max == 0 || level < moves_max);
                for (uint32_t node = 0; may && node < o->p->n_nodes; node++) {
                    step(o, vm, node);
                }
            }
        }
        for (uint32_t i = 0; i < o->n_waiting; i++) {
            if (o->seen[o->waiting[i]] == 2) {
                o->seen[o->waiting[i]] = 1;
                o->stack[o->n_stack++] = o->waiting[i];
            }
        }
        o->n_waiting = 0;
    }
}

static bool prepare(struct oracle *o) {
    const struct placement_problem *p = o->p;
    if (p->n_vms > ORACLE_VMS || p->n_nodes > ORACLE_NODES) {
        return false;
    }
    uint64_t n_states = 1;
    o->digit_base = (p->n_nodes + 1) * (o->options.hops_max + 1);
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        o->asked[vm] = reading_asks(p, o->q, vm);
        o->begins_on[vm] = o->at[vm] = reading_begins_on(p, o->q, vm);
        o->unplaced_unit[vm] = unplaced_unit(p, vm);
        bool may = (o->asked[vm] && !reading_on_its_way(p, o->q, vm)) ||
                   reading_is_movable_other(p, o->q, vm);
        for (uint32_t node = 0; may && node < p->n_nodes; node++) {
            o->allowed[vm][node] = (reading_obstacles(p, o->q, vm, node) &
                                    ~(1u << (unsigned)PLACEMENT_NOT_RETURN_NODE)) == 0 &&
                                   (o->options.way_home || node != o->begins_on[vm]);
            o->mover[vm] |= o->allowed[vm][node];
        }
        n_states *= o->mover[vm] ? o->digit_base : 1;
        if (n_states > ORACLE_STATES) {
            return false;
        }
    }
    o->n_states = (uint32_t)n_states;
    return true;
}

bool oracle_solve(const struct placement_problem *p, const struct placement_request *q,
                  const struct oracle_options *options, struct oracle_answer *ret_answer) {
    struct oracle o = {.p = p, .q = q, .options = *options, .answer = ret_answer};
    *ret_answer = (struct oracle_answer){0};
    if (!prepare(&o)) {
        return false;
    }
    o.seen = calloc(o.n_states, sizeof(*o.seen));
    o.stack = calloc(o.n_states, sizeof(*o.stack));
    o.waiting = calloc(o.n_states, sizeof(*o.waiting));
    if (o.seen == NULL || o.stack == NULL || o.waiting == NULL) {
        abort();
    }
    search(&o);
    free(o.seen);
    free(o.stack);
    free(o.waiting);
    return true;
}
