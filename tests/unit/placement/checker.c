/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checker.c - see checker.h.
 *
 * The walk: `at` is where a VM is, `also` the other end of its move. At first the moves in progress
 * have two ends; they end when stage 0 has. All moves of a stage begin together: each VM takes its
 * needs at both ends, then what must hold is looked at, then all sources are left.
 */
#include "checker_walk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool checker_wrong(struct checker *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (c->text[0] == '\0') {
        vsnprintf(c->text, CHECKER_TEXT_MAX, format, args);
    }
    va_end(args);
    return false;
}

static void *room(size_t n, size_t size) {
    void *memory = calloc(n + 1, size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* sign: +1 the VM takes its needs there, -1 it gives them back. */
static void count_vm(struct checker *c, uint32_t vm, uint32_t node, int sign) {
    const struct placement_problem *p = c->p;
    if (node == PLACEMENT_NONE) {
        return;
    }
    c->n_on[node] += (uint32_t)sign;
    for (uint32_t r = 0; r < p->n_resources; r++) {
        uint64_t need = p->needs[(size_t)vm * p->n_resources + r];
        c->used[(size_t)node * p->n_resources + r] += sign > 0 ? need : 0 - need;
    }
}

static void begin(struct checker *c) {
    for (uint32_t vm = 0; vm < c->p->n_vms; vm++) {
        c->asked[vm] = reading_asks(c->p, c->q, vm);
        c->at[vm] = reading_runs(c->p, c->q, vm) ? c->p->vms[vm].host : READING_NOWHERE;
        c->also[vm] = reading_on_its_way(c->p, c->q, vm) ? c->p->vms[vm].also_on : READING_NOWHERE;
        count_vm(c, vm, c->at[vm], 1);
        count_vm(c, vm, c->also[vm], 1);
    }
}

/* The moves that were in progress before the plan began. */
static void progress_ends(struct checker *c) {
    for (uint32_t vm = 0; !c->progress_ended && vm < c->p->n_vms; vm++) {
        if (!reading_on_its_way(c->p, c->q, vm)) {
            continue;
        }
        uint32_t stays = reading_begins_on(c->p, c->q, vm);
        count_vm(c, vm, stays == c->at[vm] ? c->also[vm] : c->at[vm], -1);
        c->at[vm] = stays;
        c->also[vm] = READING_NOWHERE;
    }
    c->progress_ended = true;
}

/* Who, whence, how: the move alone, against where the VM is when its stage begins. */
static bool move_ok(struct checker *c, const struct placement_move *m) {
    const struct placement_vm *v = &c->p->vms[m->vm];
    const bool runs = c->at[m->vm] != READING_NOWHERE;
    if (c->also[m->vm] != READING_NOWHERE) {
        return checker_wrong(c, "vm %u is moved while it is on its way", m->vm);
    }
    if (reading_on_its_way(c->p, c->q, m->vm)) {
        return checker_wrong(c, "vm %u, on its way before the plan, is sent elsewhere", m->vm);
    }
    if (m->from != (c->hops[m->vm] > 0 ? c->at[m->vm] : v->host)) {
        return checker_wrong(c, "vm %u is moved from a node where it is not", m->vm);
    }
    if (m->to == m->from) {
        return checker_wrong(c, "vm %u is moved to where it is", m->vm);
    }
    if (!c->asked[m->vm] && !reading_is_movable_other(c->p, c->q, m->vm)) {
        return checker_wrong(c, "vm %u is moved but was not asked for and may not be", m->vm);
    }
    if (m->asked != c->asked[m->vm]) {
        return checker_wrong(c, "vm %u: `asked` is not what was asked", m->vm);
    }
    enum placement_mode mode = !runs                                   ? PLACEMENT_START
                               : v->mobility == PLACEMENT_MOVABLE_LIVE ? PLACEMENT_LIVE
                                                                       : PLACEMENT_COLD;
    if (m->mode != mode) {
        return checker_wrong(c, "vm %u is moved in the wrong mode", m->vm);
    }
    if (++c->hops[m->vm] > 1 && !reading_runs(c->p, c->q, m->vm)) {
        return checker_wrong(c, "vm %u is moved too often", m->vm);
    }
    return true;
}

/* What the node must be for this VM, whoever else is there. A return's stop between may be
 * anywhere. */
static bool target_ok(struct checker *c, const struct placement_move *m) {
    uint32_t obstacles = reading_obstacles(c->p, c->q, m->vm, m->to);
    obstacles &= ~(1u << (unsigned)PLACEMENT_NOT_RETURN_NODE);
    for (unsigned reason = 0; reason < PLACEMENT_REASON_COUNT; reason++) {
        if ((obstacles >> reason) & 1u) {
            return checker_wrong(c, "vm %u cannot be on node %u: %s", m->vm, m->to,
                                 checker_reasons[reason]);
        }
    }
    return true;
}

static bool node_room_ok(struct checker *c, const struct placement_move *m) {
    const struct placement_problem *p = c->p;
    const uint32_t vms_max = p->nodes[m->to].vms_max;
    if (vms_max > 0 && c->n_on[m->to] > vms_max) {
        return checker_wrong(c, "node %u gets vm %u and has more VMs than it may, at stage %u",
                             m->to, m->vm, m->stage);
    }
    for (uint32_t r = 0; r < p->n_resources; r++) {
        if (p->needs[(size_t)m->vm * p->n_resources + r] > 0 &&
            c->used[(size_t)m->to * p->n_resources + r] > reading_capacity(p, m->to, r)) {
            return checker_wrong(c, "node %u gets vm %u and is overloaded in resource %u, stage %u",
                                 m->to, m->vm, r, m->stage);
        }
    }
    return true;
}

static bool is_in(const struct checker *c, const struct placement_rule *rule, uint32_t vm,
                  uint32_t domain) {
    return (c->at[vm] != READING_NOWHERE && reading_domain(c->p, rule, c->at[vm]) == domain) ||
           (c->also[vm] != READING_NOWHERE && reading_domain(c->p, rule, c->also[vm]) == domain);
}

/* No VM comes into a domain where another of the rule is, or is at this moment still. */
static bool apart_ok(struct checker *c, const struct placement_rule *rule) {
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        const uint32_t vm = rule->vms.index[i];
        if (!c->moves_now[vm]) {
            continue;
        }
        const uint32_t domain = reading_domain(c->p, rule, c->also[vm]);
        for (uint32_t j = 0; j < rule->vms.n; j++) {
            const uint32_t other = rule->vms.index[j];
            if (!reading_one_group(rule, vm, other) && is_in(c, rule, other, domain)) {
                return checker_wrong(c, "vm %u comes to vm %u against a hard APART, rule %u", vm,
                                     other, (uint32_t)(rule - c->p->rules));
            }
        }
    }
    return true;
}

/* No VM comes to the nodes of a limit that is exceeded then, whoever is there at either end. */
static bool limit_ok(struct checker *c, const struct placement_rule *rule) {
    uint64_t taken = 0;
    for (uint32_t i = 0; i < rule->vms.n; i++) {
        const uint32_t vm = rule->vms.index[i];
        const bool there =
            reading_counts_on(rule, c->at[vm]) || reading_counts_on(rule, c->also[vm]);
        taken += there && reading_first_named(rule, i) ? reading_share(c->p, rule, vm) : 0;
    }
    for (uint32_t i = 0; taken > rule->amount && i < rule->vms.n; i++) {
        const uint32_t vm = rule->vms.index[i];
        if (c->moves_now[vm] && reading_counts_on(rule, c->also[vm]) &&
            reading_share(c->p, rule, vm) > 0) {
            return checker_wrong(c, "vm %u comes where an AT_MOST forbids it, rule %u", vm,
                                 (uint32_t)(rule - c->p->rules));
        }
    }
    return true;
}

/* One stage: moves first to last of the plan. */
static bool stage_ok(struct checker *c, const struct placement_move *first, uint32_t n) {
    bool ok = true;
    if (first->stage > 0) {
        progress_ends(c);
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        ok = move_ok(c, &first[i]) && target_ok(c, &first[i]);
        if (ok) {
            c->also[first[i].vm] = first[i].to;
            c->moves_now[first[i].vm] = true;
            count_vm(c, first[i].vm, first[i].to, 1);
        }
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        ok = node_room_ok(c, &first[i]);
    }
    for (uint32_t r = 0; ok && r < c->p->n_rules; r++) {
        const struct placement_rule *rule = &c->p->rules[r];
        if (rule->kind == PLACEMENT_APART && rule->strength == PLACEMENT_HARD) {
            ok = apart_ok(c, rule);
        } else if (rule->kind == PLACEMENT_AT_MOST) {
            ok = limit_ok(c, rule);
        }
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        const uint32_t vm = first[i].vm;
        count_vm(c, vm, c->at[vm], -1);
        c->at[vm] = c->also[vm];
        c->also[vm] = READING_NOWHERE;
        c->moves_now[vm] = false;
    }
    return ok;
}

static bool moves_ok(struct checker *c) {
    const struct placement_plan *plan = c->plan;
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        if (plan->moves[i].vm >= c->p->n_vms || plan->moves[i].to >= c->p->n_nodes) {
            return checker_wrong(c, "move %u names no VM or no node", i);
        }
        if (i > 0 && plan->moves[i].stage < plan->moves[i - 1].stage) {
            return checker_wrong(c, "the stages do not ascend at move %u", i);
        }
    }
    for (uint32_t i = 0; i < plan->n_moves; i += n) {
        for (n = 1; i + n < plan->n_moves && plan->moves[i + n].stage == plan->moves[i].stage;) {
            n++;
        }
        if (!stage_ok(c, &plan->moves[i], n)) {
            return false;
        }
    }
    progress_ends(c);
    return true;
}

bool checker_plan_ok(const struct placement_problem *p, const struct placement_request *q,
                     const struct placement_plan *plan, enum checker_extent extent,
                     char ret_text[CHECKER_TEXT_MAX]) {
    struct checker c = {
        .p = p,
        .q = q,
        .plan = plan,
        .asked = room(p->n_vms, sizeof(bool)),
        .moves_now = room(p->n_vms, sizeof(bool)),
        .hops = room(p->n_vms, sizeof(uint32_t)),
        .at = room(p->n_vms, sizeof(uint32_t)),
        .also = room(p->n_vms, sizeof(uint32_t)),
        .n_on = room(p->n_nodes, sizeof(uint32_t)),
        .used = room((size_t)p->n_nodes * p->n_resources, sizeof(uint64_t)),
        .text = ret_text,
    };
    ret_text[0] = '\0';
    begin(&c);
    bool ok =
        moves_ok(&c) && checker_end_ok(&c) && (extent == CHECKER_NO_COSTS || checker_costs_ok(&c));
    free(c.asked);
    free(c.moves_now);
    free(c.hops);
    free(c.at);
    free(c.also);
    free(c.n_on);
    free(c.used);
    return ok;
}
