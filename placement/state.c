/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.c - the assignment: where each VM will be.
 *
 * Each VM counts once, where it will be: `used`. What VMs still use on nodes that they will leave
 * is counted separately, in `held`; only the sequence and the score (does the VM have to wait?) use
 * it. So an assignment is judged by its result, not by what happens on the way.
 *
 * Rules that count VMs per domain keep (rule, domain) -> count in one hash table, which is as large
 * as the lists of all rules together: a table of all rules by all nodes would be too large for
 * large clusters. A VM asked for that is still on its host is undecided. It is about to leave, so
 * soft rules and affinity do not count it there. A hard APART rule does, because two VMs must not
 * be together even on the way.
 */
#include "base/check.h"
#include "internal.h"
#include "search.h"

#include <string.h>

uint32_t placement_rule_domain(const struct placement_problem *p, const struct placement_rule *rule,
                               uint32_t node) {
    switch (rule->scope) {
    case PLACEMENT_RACK: return p->nodes[node].rack;
    case PLACEMENT_SITE: return p->nodes[node].site;
    case PLACEMENT_PART:
        return rule->part_of[node] != PLACEMENT_NONE ? rule->part_of[node] : p->n_nodes + node;
    case PLACEMENT_NODE:
    case PLACEMENT_SCOPE_COUNT: break;
    }
    return node;
}

/* ---- counts of rules */

static inline uint32_t slot_of(const struct placement_solver *s, uint64_t key) {
    return (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & s->counts_mask;
}

static struct rule_count *count_find(const struct placement_solver *s, uint64_t key) {
    uint32_t i = slot_of(s, key);
    while (s->counts[i].key != key && s->counts[i].key != UINT64_MAX) {
        i = (i + 1) & s->counts_mask;
    }
    return &s->counts[i];
}

static uint32_t count_of(const struct placement_solver *s, uint32_t counted, uint32_t domain) {
    const struct rule_count *found = count_find(s, (uint64_t)counted << 32 | domain);
    return found->key == UINT64_MAX ? 0 : found->count;
}

/* Closes the gap that a removed entry leaves: later entries whose hash lies before it move up. */
static void count_remove(struct placement_solver *s, uint32_t hole) {
    uint32_t i = hole;
    for (;;) {
        i = (i + 1) & s->counts_mask;
        if (s->counts[i].key == UINT64_MAX) {
            break;
        }
        uint32_t ideal = slot_of(s, s->counts[i].key);
        if (((i - ideal) & s->counts_mask) >= ((i - hole) & s->counts_mask)) {
            s->counts[hole] = s->counts[i];
            hole = i;
        }
    }
    s->counts[hole].key = UINT64_MAX;
}

/* Counts one more for a rule or group in a domain; returns the new count. */
static uint32_t count_up(struct placement_solver *s, uint32_t counted, uint32_t domain) {
    struct rule_count *found = count_find(s, (uint64_t)counted << 32 | domain);
    if (found->key == UINT64_MAX) {
        *found = (struct rule_count){.key = (uint64_t)counted << 32 | domain};
    }
    return ++found->count;
}

static uint32_t count_down(struct placement_solver *s, uint32_t counted, uint32_t domain) {
    struct rule_count *found = count_find(s, (uint64_t)counted << 32 | domain);
    CHECK(found->key != UINT64_MAX); /* a rule forgets only what it has counted */
    const uint32_t left = --found->count;
    if (left == 0) {
        count_remove(s, (uint32_t)(found - s->counts));
    }
    return left;
}

/* What the VM takes of an AT_MOST rule's amount. */
static uint64_t share_of(const struct placement_solver *s, const struct placement_rule *rule,
                         uint32_t vm) {
    return rule->resource == PLACEMENT_NONE ? 1 : vm_need(s, vm)[rule->resource];
}

void placement_rule_locate(struct placement_solver *s, uint32_t vm, const struct membership *m,
                           uint32_t node) {
    const struct placement_rule *rule = &s->problem->rules[m->rule];
    struct rule_state *state = &s->rules[m->rule];
    if (rule->kind == PLACEMENT_AT_MOST) {
        state->taken += bit_test(state->nodes, node) ? share_of(s, rule, vm) : 0;
        return;
    }
    const uint32_t domain = placement_rule_domain(s->problem, rule, node);
    if (m->group != PLACEMENT_NONE && count_up(s, m->group, domain) > 1) {
        return;
    }
    const bool first = count_up(s, m->rule, domain) == 1;
    const bool breaks = rule->kind == PLACEMENT_APART ? !first : first && state->n_used > 0;
    state->n_used += first ? 1 : 0;
    s->soft_broken += breaks && !state->hard ? state->weight : 0;
}

void placement_rule_leave(struct placement_solver *s, uint32_t vm, const struct membership *m,
                          uint32_t node) {
    const struct placement_rule *rule = &s->problem->rules[m->rule];
    struct rule_state *state = &s->rules[m->rule];
    if (rule->kind == PLACEMENT_AT_MOST) {
        const uint64_t share = bit_test(state->nodes, node) ? share_of(s, rule, vm) : 0;
        CHECK(state->taken >= share); /* or the limit would admit no VM any more, or every one */
        state->taken -= share;
        return;
    }
    const uint32_t domain = placement_rule_domain(s->problem, rule, node);
    if (m->group != PLACEMENT_NONE && count_down(s, m->group, domain) > 0) {
        return;
    }
    const bool last = count_down(s, m->rule, domain) == 0;
    state->n_used -= last ? 1 : 0;
    const bool mends = rule->kind == PLACEMENT_APART ? !last : last && state->n_used > 0;
    s->soft_broken -= mends && !state->hard ? state->weight : 0;
}

/* Whether others are in the VM's way there; `own`: a VM without a group is counted itself. */
static bool others_there(const struct placement_solver *s, const struct membership *m,
                         uint32_t domain, bool own) {
    const bool of_ours = m->group != PLACEMENT_NONE ? count_of(s, m->group, domain) > 0 : own;
    return count_of(s, m->rule, domain) > (of_ours ? 1 : 0);
}

/* Whether the limit would be exceeded with the VM there; `counted`: it counts already. */
static bool exceeds(const struct placement_solver *s, uint32_t vm, uint32_t r, uint32_t node,
                    bool counted) {
    const struct placement_rule *rule = &s->problem->rules[r];
    const uint64_t share = share_of(s, rule, vm);
    return bit_test(s->rules[r].nodes, node) && share > 0 &&
           s->rules[r].taken + (counted ? 0 : share) > rule->amount;
}

/* Whether the VM, which the rule does not count at the moment, would break it on the node. */
bool placement_rule_broken(const struct placement_solver *s, uint32_t vm,
                           const struct membership *m, uint32_t node) {
    const struct placement_rule *rule = &s->problem->rules[m->rule];
    const struct rule_state *state = &s->rules[m->rule];
    switch (rule->kind) {
    case PLACEMENT_APART:
        return state->n_used > 0 &&
               others_there(s, m, placement_rule_domain(s->problem, rule, node), false);
    case PLACEMENT_TOGETHER:
        return state->n_used > 0 &&
               count_of(s, m->rule, placement_rule_domain(s->problem, rule, node)) == 0;
    case PLACEMENT_ON_NODES: return !bit_test(state->nodes, node);
    case PLACEMENT_NOT_ON_NODES: return bit_test(state->nodes, node);
    case PLACEMENT_AT_MOST: return exceeds(s, vm, m->rule, node, false);
    case PLACEMENT_RULE_KIND_COUNT: break;
    }
    return false;
}

/* A VM's own place is not in its way. */
bool placement_way_allows(const struct placement_solver *s, uint32_t vm, uint32_t from,
                          uint32_t node) {
    for (uint32_t i = s->rules_start[vm]; i < s->rules_start[vm + 1]; i++) {
        const struct membership *m = &s->rules_of[i];
        const struct placement_rule *rule = &s->problem->rules[m->rule];
        if (!s->rules[m->rule].at_both_ends) {
            continue;
        }
        if (rule->kind == PLACEMENT_AT_MOST) {
            const bool counted = from != PLACEMENT_NONE && bit_test(s->rules[m->rule].nodes, from);
            if (exceeds(s, vm, m->rule, node, counted)) {
                return false;
            }
            continue;
        }
        const uint32_t domain = placement_rule_domain(s->problem, rule, node);
        const bool own =
            from != PLACEMENT_NONE && placement_rule_domain(s->problem, rule, from) == domain;
        if (others_there(s, m, domain, own)) {
            return false;
        }
    }
    return true;
}

bool placement_in_no_part(const struct placement_rule *rule, uint32_t node) {
    return rule->kind == PLACEMENT_TOGETHER && rule->scope == PLACEMENT_PART &&
           rule->part_of[node] == PLACEMENT_NONE;
}

static bool undecided(const struct placement_solver *s, uint32_t vm) {
    return !s->at_end &&
           (s->flags[vm] & (VM_ASKED | VM_HOLDS | VM_STUCK | VM_STAYS)) == (VM_ASKED | VM_HOLDS) &&
           s->at[vm] == s->home[vm];
}

/* Which of the VM's rules see it where it is. */
enum sight { BOTH_ENDS_ONLY, ALL_BUT_BOTH_ENDS, ALL_RULES };

/* For its rules, the VM begins (or ceases) to be where `at` says. */
static void rules_see(struct placement_solver *s, uint32_t vm, bool there, enum sight sight) {
    const uint32_t node = s->at[vm];
    for (uint32_t i = s->rules_start[vm]; i < s->rules_start[vm + 1]; i++) {
        const struct membership *m = &s->rules_of[i];
        const struct rule_state *state = &s->rules[m->rule];
        if (sight != ALL_RULES && state->at_both_ends != (sight == BOTH_ENDS_ONLY)) {
            continue;
        }
        if (rule_is_of_nodes(&s->problem->rules[m->rule])) {
            if (!state->hard && placement_rule_broken(s, vm, m, node)) {
                s->soft_broken += there ? state->weight : -(uint64_t)state->weight;
            }
        } else if (there) {
            placement_rule_locate(s, vm, m, node);
        } else {
            placement_rule_leave(s, vm, m, node);
        }
    }
}

static enum sight sight_of(const struct placement_solver *s, uint32_t vm) {
    return undecided(s, vm) ? BOTH_ENDS_ONLY : ALL_RULES;
}

uint64_t placement_soft_at_end(struct placement_solver *s) {
    for (uint32_t i = 0; s->problem->n_rules > 0 && i < s->n_decisions; i++) {
        if (undecided(s, s->decisions[i].vm)) {
            rules_see(s, s->decisions[i].vm, true, ALL_BUT_BOTH_ENDS);
        }
    }
    const uint64_t broken = s->soft_broken;
    for (uint32_t i = 0; s->problem->n_rules > 0 && i < s->n_decisions; i++) {
        if (undecided(s, s->decisions[i].vm)) {
            rules_see(s, s->decisions[i].vm, false, ALL_BUT_BOTH_ENDS);
        }
    }
    return broken;
}

uint32_t placement_began_at(const struct placement_solver *s, uint32_t vm) {
    return s->flags[vm] & VM_ARRIVING ? s->problem->vms[vm].also_on : s->home[vm];
}

/* The VM will be where it was when the plan began, and runs there. */
static bool stays(const struct placement_solver *s, uint32_t vm) {
    return s->at[vm] != PLACEMENT_NONE && s->at[vm] == placement_began_at(s, vm);
}

static bool stays_in(const struct placement_solver *s, const struct placement_rule *rule,
                     uint32_t domain) {
    for (uint32_t k = 0; k < rule->vms.n; k++) {
        const uint32_t vm = rule->vms.index[k];
        if (stays(s, vm) && placement_rule_domain(s->problem, rule, s->at[vm]) == domain) {
            return true;
        }
    }
    return false;
}

bool placement_together_holds(const struct placement_solver *s, uint32_t r) {
    const struct placement_rule *rule = &s->problem->rules[r];
    uint32_t common = PLACEMENT_NONE;
    bool any_stays = false;

    for (uint32_t k = 0; k < rule->vms.n; k++) {
        any_stays |= stays(s, rule->vms.index[k]);
    }
    for (uint32_t k = 0; k < rule->vms.n; k++) {
        const uint32_t vm = rule->vms.index[k];
        if (s->at[vm] == PLACEMENT_NONE || stays(s, vm)) {
            continue;
        }
        const uint32_t domain = placement_rule_domain(s->problem, rule, s->at[vm]);
        if (any_stays ? !stays_in(s, rule, domain) : common != PLACEMENT_NONE && common != domain) {
            return false;
        }
        common = domain;
    }
    return true;
}

void placement_rules_recount(struct placement_solver *s) {
    memset(s->counts, 0xff, ((size_t)s->counts_mask + 1) * sizeof(*s->counts));
    for (uint32_t r = 0; r < s->problem->n_rules; r++) {
        s->rules[r].n_used = 0;
        s->rules[r].taken = 0;
    }
    s->soft_broken = 0;
    for (uint32_t vm = 0; s->problem->n_rules > 0 && vm < s->problem->n_vms; vm++) {
        if ((s->flags[vm] & VM_HAS_RULES) && s->at[vm] != PLACEMENT_NONE) {
            rules_see(s, vm, true, sight_of(s, vm));
        }
    }
}

void placement_see_end(struct placement_solver *s, bool at_end) {
    s->at_end = at_end;
    placement_rules_recount(s);
}

/* ---- amounts and places */

static void amounts_add(const struct placement_solver *s, uint64_t *amounts, uint32_t node,
                        const uint64_t *need) {
    for (uint32_t r = 0; r < s->n_resources; r++) {
        amounts[(size_t)node * s->n_resources + r] += need[r];
    }
}

static void amounts_sub(const struct placement_solver *s, uint64_t *amounts, uint32_t node,
                        const uint64_t *need) {
    for (uint32_t r = 0; r < s->n_resources; r++) {
        amounts[(size_t)node * s->n_resources + r] -= need[r];
    }
}

static void hold(struct placement_solver *s, uint32_t vm, bool holds) {
    const uint32_t home = s->home[vm];
    if (home == PLACEMENT_NONE || home == s->at[vm]) {
        return;
    }
    if (holds) {
        amounts_add(s, s->held, home, vm_need(s, vm));
        s->n_vms_held[home]++;
    } else {
        CHECK(s->n_vms_held[home] > 0);
        amounts_sub(s, s->held, home, vm_need(s, vm));
        s->n_vms_held[home]--;
    }
}

static void list_insert(struct placement_solver *s, uint32_t vm, uint32_t node) {
    uint32_t next = s->first_on[node];
    s->next_on[vm] = next;
    s->prev_on[vm] = PLACEMENT_NONE;
    if (next != PLACEMENT_NONE) {
        s->prev_on[next] = vm;
    }
    s->first_on[node] = vm;
}

static void list_remove(struct placement_solver *s, uint32_t vm, uint32_t node) {
    uint32_t next = s->next_on[vm], prev = s->prev_on[vm];
    if (next != PLACEMENT_NONE) {
        s->prev_on[next] = prev;
    }
    if (prev != PLACEMENT_NONE) {
        s->next_on[prev] = next;
    } else {
        s->first_on[node] = next;
    }
}

static bool moves_as_other(const struct placement_solver *s, uint32_t vm) {
    return (s->flags[vm] & (VM_ASKED | VM_HOLDS | VM_ARRIVING)) == VM_HOLDS &&
           s->at[vm] != s->home[vm];
}

void placement_put(struct placement_solver *s, uint32_t vm, uint32_t node) {
    /* A VM put twice would be counted twice: the first place would never get its room back. */
    CHECK(s->at[vm] == PLACEMENT_NONE && node < s->problem->n_nodes);
    s->at[vm] = node;
    amounts_add(s, s->used, node, vm_need(s, vm));
    if (s->request.kind == PLACEMENT_BALANCE) {
        amounts_add(s, s->loaded, node, vm_load(s, vm));
    }
    s->n_vms_on[node]++;
    hold(s, vm, true);
    list_insert(s, vm, node);
    s->moves_of_others += moves_as_other(s, vm) ? 1 : 0;
    if (s->flags[vm] & VM_HAS_RULES) {
        rules_see(s, vm, true, sight_of(s, vm));
    }
    if (!(s->flags[vm] & VM_TOUCHED) && (s->flags[vm] & VM_MOVABLE)) {
        CHECK(s->n_touched < s->problem->n_vms); /* the size of the array */
        s->flags[vm] |= VM_TOUCHED;
        s->touched[s->n_touched++] = vm;
    }
}

void placement_take(struct placement_solver *s, uint32_t vm) {
    const uint32_t node = s->at[vm];
    CHECK(node != PLACEMENT_NONE && s->n_vms_on[node] > 0);
    if (s->flags[vm] & VM_HAS_RULES) {
        rules_see(s, vm, false, sight_of(s, vm));
    }
    s->moves_of_others -= moves_as_other(s, vm) ? 1 : 0;
    list_remove(s, vm, node);
    hold(s, vm, false);
    s->n_vms_on[node]--;
    amounts_sub(s, s->used, node, vm_need(s, vm));
    if (s->request.kind == PLACEMENT_BALANCE) {
        amounts_sub(s, s->loaded, node, vm_load(s, vm));
    }
    s->at[vm] = PLACEMENT_NONE;
}

void placement_stay(struct placement_solver *s, uint32_t vm) {
    if (s->home[vm] != PLACEMENT_NONE) {
        placement_put(s, vm, s->home[vm]);
    }
}

bool placement_is_placed(const struct placement_solver *s, uint32_t vm) {
    return s->at[vm] != PLACEMENT_NONE && s->at[vm] != s->home[vm] && !(s->flags[vm] & VM_STUCK);
}

void placement_state_reset(struct placement_solver *s) {
    const struct placement_problem *p = s->problem;
    const size_t n_amounts = (size_t)p->n_nodes * s->n_resources;

    memset(s->used, 0, n_amounts * sizeof(*s->used));
    memset(s->held, 0, n_amounts * sizeof(*s->held));
    memset(s->loaded, 0, n_amounts * sizeof(*s->loaded));
    memset(s->n_vms_on, 0, p->n_nodes * sizeof(*s->n_vms_on));
    memset(s->n_vms_held, 0, p->n_nodes * sizeof(*s->n_vms_held));
    memset(s->first_on, 0xff, p->n_nodes * sizeof(*s->first_on));
    memset(s->at, 0xff, p->n_vms * sizeof(*s->at));
    placement_rules_recount(s);
    s->moves_of_others = 0;
    s->n_touched = 0;
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        if (s->home[vm] != PLACEMENT_NONE) {
            placement_put(s, vm, placement_began_at(s, vm));
        }
    }
    s->n_touched = 0;
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        s->flags[vm] &= (uint16_t)~VM_TOUCHED;
    }
}

/* ---- may it go there? */

bool placement_fits(const struct placement_solver *s, uint32_t vm, uint32_t node) {
    const uint64_t *need = vm_need(s, vm);
    const size_t base = (size_t)node * s->n_resources;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        if (s->used[base + r] + need[r] > s->capacities[base + r] && need[r] > 0) {
            return false;
        }
    }
    return s->n_vms_on[node] < s->vms_max[node];
}

bool placement_fits_now(const struct placement_solver *s, uint32_t vm, uint32_t node) {
    const uint64_t *need = vm_need(s, vm);
    const size_t base = (size_t)node * s->n_resources;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        if (s->used[base + r] + s->held[base + r] + need[r] > s->capacities[base + r] &&
            need[r] > 0) {
            return false;
        }
    }
    return s->n_vms_on[node] + s->n_vms_held[node] < s->vms_max[node];
}

bool placement_may_pass(const struct placement_solver *s, uint32_t vm, uint32_t node) {
    return bit_test(&s->rows[s->class_of[vm] * s->node_words], node);
}

bool placement_allowed(const struct placement_solver *s, uint32_t vm, uint32_t node) {
    const struct placement_vm *v = &s->problem->vms[vm];
    if (!placement_may_pass(s, vm, node)) {
        return false;
    }
    if (!(s->flags[vm] & VM_ASKED)) {
        return true;
    }
    return v->host != node && (s->request.kind != PLACEMENT_RETURN || v->return_to == node);
}

bool placement_rules_allow(const struct placement_solver *s, uint32_t vm, uint32_t node) {
    for (uint32_t i = s->rules_start[vm]; i < s->rules_start[vm + 1]; i++) {
        const struct membership *m = &s->rules_of[i];
        if (s->rules[m->rule].hard && !rule_is_of_nodes(&s->problem->rules[m->rule]) &&
            placement_rule_broken(s, vm, m, node)) {
            return false;
        }
    }
    return true;
}

uint64_t placement_soft_delta(const struct placement_solver *s, uint32_t vm, uint32_t node) {
    uint64_t sum = 0;
    for (uint32_t i = s->rules_start[vm]; i < s->rules_start[vm + 1]; i++) {
        const struct membership *m = &s->rules_of[i];
        if (!s->rules[m->rule].hard && placement_rule_broken(s, vm, m, node)) {
            sum += s->rules[m->rule].weight;
        }
    }
    return sum;
}

bool placement_can_go(const struct placement_solver *s, uint32_t vm, uint32_t node) {
    return placement_fits(s, vm, node) && placement_allowed(s, vm, node) &&
           (!(s->flags[vm] & VM_HAS_RULES) || placement_rules_allow(s, vm, node));
}
