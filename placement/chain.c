/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chain.c - few VMs, little room: depth first, each by pushing others out, fewest moves first.
 *
 * VMs that are pending are placed one after the other, the one with the fewest nodes first. A VM
 * goes to a node that has room, or from which one or two others are pushed out, which are then
 * pending like the rest. What this search has placed it does not touch again.
 *
 * At first all VMs that are asked for are pending, and only running ones are pushed out, each at
 * the cost of a move. Every plan can be found that way: take any, place each VM where the plan has
 * it, and push out what the plan moves away when it is in the way. So to search to the end without
 * success proves that there is no plan with so few moves and so few VMs left down. (At the end;
 * whether the moves can be carried out is the sequence's question.) The number of VMs left down,
 * and below it the number of moves, grow from nothing (iterative deepening), level by level of
 * priority. Each depth is searched narrowly first: the best few choices of each VM; then with more;
 * then with all of them, if the work suffices.
 */
#include "chain.h"

#include <string.h>

/* What is left free on the node with the VM there and `out` gone, in parts of an average node. */
static uint64_t left_over(const struct chain *c, uint32_t vm, uint32_t node, const uint32_t *out) {
    const struct placement_solver *s = c->s;
    const uint64_t *need = vm_need(s, vm);
    uint64_t sum = 0;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        const size_t i = (size_t)node * s->n_resources + r;
        uint64_t used = s->used[i] + need[r];
        for (uint32_t k = 0; k < 2 && out[k] != PLACEMENT_NONE; k++) {
            used -= vm_need(s, out[k])[r];
        }
        sum += s->capacities[i] > used ? ((s->capacities[i] - used) * c->scale[r]) >> 20 : 0;
    }
    return sum;
}

static uint64_t size_of(const struct chain *c, uint32_t vm) {
    uint64_t sum = 0;
    for (uint32_t r = 0; r < c->s->n_resources; r++) {
        sum += (vm_need(c->s, vm)[r] * c->scale[r]) >> 20;
    }
    return sum;
}

/* scale[r]: an average node's amount of it counts 2^20 x 2^10. */
static void scales(struct chain *c) {
    const struct placement_solver *s = c->s;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        uint64_t sum = 0;
        for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
            sum += s->capacities[(size_t)node * s->n_resources + r];
        }
        const uint64_t average = sum / (s->problem->n_nodes > 0 ? s->problem->n_nodes : 1);
        c->scale[r] = (UINT64_C(1) << 30) / (average > 0 ? average : 1);
        c->scale[r] = c->scale[r] > 0 ? c->scale[r] : 1;
    }
}

/* A VM that was pushed out does not go back, or it need not have been. */
static bool may_take_part(const struct chain *c, uint32_t vm, uint32_t node) {
    const struct placement_solver *s = c->s;
    return (node != s->home[vm] || c->back) && placement_allowed(s, vm, node) &&
           (!(s->flags[vm] & VM_HAS_RULES) || placement_rules_allow(s, vm, node));
}

static void add_option(struct chain *c, uint64_t rank, uint32_t node, uint32_t a, uint32_t b) {
    if (c->n_options == OPTIONS_MAX) {
        c->complete = false;
        return;
    }
    if (c->noise > 0) {
        rank += (rank / 16 + 1) * random_below(c->s, c->noise) / 16;
    }
    c->options[c->n_options++] = (struct option){.rank = rank, .node = node, .out = {a, b}};
}

static bool pushable(const struct chain *c, uint32_t vm) {
    const struct placement_solver *s = c->s;
    return (s->flags[vm] & (VM_MOVABLE | VM_LOCKED)) == VM_MOVABLE && s->at[vm] != PLACEMENT_NONE &&
           (c->moves < c->may_move || (s->flags[vm] & VM_ASKED) || s->at[vm] != s->home[vm]) &&
           !((s->flags[vm] & VM_ASKED) && s->at[vm] == s->home[vm]);
}

/* To push it out costs a move: it runs there and nobody asked for it. */
static uint32_t cost_of(const struct placement_solver *s, uint32_t vm) {
    return !(s->flags[vm] & VM_ASKED) && s->at[vm] == s->home[vm] ? 1 : 0;
}

/* Enough room if `a` (and `b`) went; not counting what the VM's rules say. */
static bool enough(const struct placement_solver *s, uint32_t vm, uint32_t node, uint32_t a,
                   uint32_t b) {
    const uint64_t *need = vm_need(s, vm), *first = vm_need(s, a);
    const uint64_t *second = b != PLACEMENT_NONE ? vm_need(s, b) : NULL;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        const size_t i = (size_t)node * s->n_resources + r;
        if (need[r] > 0 &&
            s->used[i] + need[r] > s->capacities[i] + first[r] + (second != NULL ? second[r] : 0)) {
            return false;
        }
    }
    const uint32_t gone = b != PLACEMENT_NONE ? 2 : 1;
    return s->n_vms_on[node] - gone < s->vms_max[node];
}

/* To push out what needs at least as much, and may not go where the VM may not, is in vain: the
 * VM could go itself where that one would go. */
static bool in_vain(const struct placement_solver *s, uint32_t vm, uint32_t out) {
    if (s->class_of[vm] != s->class_of[out] ||
        ((s->flags[vm] | s->flags[out]) & (VM_HAS_RULES | VM_HOLDS)) != VM_HOLDS ||
        (s->flags[vm] & VM_HOLDS)) {
        return false;
    }
    for (uint32_t r = 0; r < s->n_resources; r++) {
        if (vm_need(s, out)[r] < vm_need(s, vm)[r]) {
            return false;
        }
    }
    return true;
}

static bool rules_allow_without(struct chain *c, uint32_t vm, uint32_t node, uint32_t out) {
    struct placement_solver *s = c->s;
    if (!(s->flags[vm] & VM_HAS_RULES)) {
        return placement_allowed(s, vm, node) && (node != s->home[vm] || c->back);
    }
    placement_take(s, out);
    const bool allow = may_take_part(c, vm, node);
    placement_put(s, out, node);
    return allow;
}

static void options_by_pushing(struct chain *c, uint32_t vm, uint32_t node) {
    const struct placement_solver *s = c->s;
    const bool pairs = c->may_push - c->pushes >= 2;
    /* A rule in the way can be pushed out, too; the list is walked by what the VM needs. */
    for (uint32_t a = s->first_on[node]; a != PLACEMENT_NONE;) {
        const uint32_t next = s->next_on[a];
        c->s->work++;
        if (pushable(c, a)) {
            if (enough(s, vm, node, a, PLACEMENT_NONE)) {
                if (!in_vain(s, vm, a) && rules_allow_without(c, vm, node, a)) {
                    const uint32_t out[2] = {a, PLACEMENT_NONE};
                    add_option(c, 2 * size_of(c, a) + left_over(c, vm, node, out), node, a,
                               PLACEMENT_NONE);
                }
            } else if (pairs && may_take_part(c, vm, node)) {
                for (uint32_t b = s->next_on[a]; b != PLACEMENT_NONE; b = s->next_on[b]) {
                    c->s->work++;
                    if (pushable(c, b) && c->moves + cost_of(s, a) + cost_of(s, b) <= c->may_move &&
                        !enough(s, vm, node, b, PLACEMENT_NONE) && enough(s, vm, node, a, b)) {
                        const uint32_t out[2] = {a, b};
                        add_option(c,
                                   (UINT64_C(1) << 40) + 2 * (size_of(c, a) + size_of(c, b)) +
                                       left_over(c, vm, node, out),
                                   node, a, b);
                    }
                }
            }
        }
        /* Taking out and putting back moves a VM to the front of the list. */
        a = next;
    }
}

static void sort_options(struct option *options, uint32_t n) {
    for (uint32_t gap = n / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < n; i++) {
            const struct option moving = options[i];
            uint32_t k = i;
            for (; k >= gap &&
                   (options[k - gap].rank > moving.rank ||
                    (options[k - gap].rank == moving.rank && options[k - gap].node > moving.node));
                 k -= gap) {
                options[k] = options[k - gap];
            }
            options[k] = moving;
        }
    }
}

/* How many nodes have room for it, not looking further than `enough_nodes`. */
static uint32_t count_nodes(struct chain *c, uint32_t vm, uint32_t enough_nodes) {
    struct placement_solver *s = c->s;
    uint32_t n = 0;
    s->work += c->n_nodes / 4;
    for (uint32_t i = 0; i < c->n_nodes && n < enough_nodes; i++) {
        const uint32_t node = c->nodes[i];
        n += placement_fits(s, vm, node) && may_take_part(c, vm, node) ? 1 : 0;
    }
    return n;
}

/* The pending VM with the fewest nodes; of several the largest. */
static uint32_t choose(struct chain *c, uint32_t *ret_nodes) {
    uint32_t chosen = 0, fewest = UINT32_MAX;
    uint64_t largest = 0;
    for (uint32_t i = 0; i < c->n_pending; i++) {
        const uint32_t n =
            count_nodes(c, c->pending[i], fewest == UINT32_MAX ? fewest : fewest + 1);
        const uint64_t size = size_of(c, c->pending[i]);
        if (n < fewest || (n == fewest && size > largest)) {
            chosen = i;
            fewest = n;
            largest = size;
        }
    }
    *ret_nodes = fewest;
    return chosen;
}

/* The VM to the node, those in the way out; and back if that leads nowhere. */
static bool try_option(struct chain *c, uint32_t vm, const struct option *option) {
    struct placement_solver *s = c->s;
    const uint32_t n_pending = c->n_pending;
    const uint32_t moves = c->moves;
    uint32_t n_out = 0;
    for (; n_out < 2 && option->out[n_out] != PLACEMENT_NONE; n_out++) {
        c->moves += cost_of(s, option->out[n_out]);
        placement_take(s, option->out[n_out]);
        c->pending[c->n_pending++] = option->out[n_out];
    }
    c->pushes += n_out;
    placement_put(s, vm, option->node);
    s->flags[vm] |= VM_LOCKED;
    if (placement_chain_descend(c)) {
        return true;
    }
    s->flags[vm] = (uint16_t)(s->flags[vm] & ~VM_LOCKED);
    placement_take(s, vm);
    c->moves = moves;
    c->pushes -= n_out;
    c->n_pending = n_pending;
    while (n_out > 0) {
        placement_put(s, option->out[--n_out], option->node);
    }
    return false;
}

/* Leave the VM down (a running one: where it is). */
static bool try_leaving(struct chain *c, uint32_t vm) {
    struct placement_solver *s = c->s;
    if (!(s->flags[vm] & VM_ASKED)) {
        return false;
    }
    const uint32_t level = placement_level(s, vm);
    if (level >= LEVELS_MAX || c->left[level] >= c->may_leave[level]) {
        return false;
    }
    const bool stays = s->home[vm] != PLACEMENT_NONE;
    c->left[level]++;
    if (stays) {
        placement_put(s, vm, s->home[vm]);
    }
    if (placement_chain_descend(c)) {
        return true;
    }
    if (stays) {
        placement_take(s, vm);
    }
    c->left[level]--;
    return false;
}

bool placement_chain_descend(struct chain *c) {
    struct placement_solver *s = c->s;
    if (c->n_pending == 0) {
        return true;
    }
    if (s->work > s->work_end) {
        c->complete = false;
        return false;
    }
    uint32_t n_nodes;
    const uint32_t i = choose(c, &n_nodes);
    const uint32_t vm = c->pending[i];
    const uint32_t first = c->n_options;
    c->pending[i] = c->pending[--c->n_pending];
    const bool push = c->pushes < c->may_push;
    for (uint32_t k = 0; k < c->n_nodes; k++) {
        static const uint32_t none[2] = {PLACEMENT_NONE, PLACEMENT_NONE};
        const uint32_t node = c->nodes[k];
        if (placement_fits(s, vm, node)) {
            if (may_take_part(c, vm, node)) {
                add_option(c, left_over(c, vm, node, none), node, PLACEMENT_NONE, PLACEMENT_NONE);
            } else if (push && (s->flags[vm] & VM_HAS_RULES)) {
                options_by_pushing(c, vm, node);
            }
        } else if (push && placement_allowed(s, vm, node)) {
            options_by_pushing(c, vm, node);
        }
    }
    const uint32_t n = c->n_options - first;
    sort_options(&c->options[first], n);
    bool found = false;
    for (uint32_t k = 0; k < n && !found; k++) {
        if (k == c->width) {
            c->complete = false;
            break;
        }
        found = try_option(c, vm, &c->options[first + k]);
    }
    c->n_options = first;
    found = found || try_leaving(c, vm);
    if (!found) {
        c->pending[c->n_pending++] = c->pending[i];
        c->pending[i] = vm;
    }
    return found;
}

void placement_chain_clear(struct chain *c) {
    c->n_pending = c->n_options = c->moves = c->pushes = 0;
    c->complete = true;
    memset(c->left, 0, sizeof(c->left));
}

void placement_chain_unlock(struct placement_solver *s) {
    for (uint32_t i = 0; i < s->n_touched; i++) {
        s->flags[s->touched[i]] = (uint16_t)(s->flags[s->touched[i]] & ~VM_LOCKED);
    }
}

/* From the beginning: all asked for of the levels in question are out. */
static void begin(struct chain *c) {
    struct placement_solver *s = c->s;
    placement_chain_clear(c);
    placement_chain_unlock(s);
    placement_state_reset(s);
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        const uint32_t vm = s->decisions[i].vm;
        if (!(s->flags[vm] & VM_MOVABLE) || s->decisions[i].level >= c->n_levels) {
            continue;
        }
        if (s->at[vm] != PLACEMENT_NONE) {
            placement_take(s, vm);
        }
        c->pending[c->n_pending++] = vm;
    }
}

/* One depth: so many VMs left down, so many moves; narrowly, then with all choices. */
static bool search_depth(struct chain *c, uint64_t work, bool *ret_complete) {
    static const uint32_t widths[] = {2, 4, 10, UINT32_MAX};
    const uint64_t work_end = c->s->work_end;
    bool found = false;
    *ret_complete = false;
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]) && !found && !*ret_complete; i++) {
        c->width = widths[i];
        begin(c);
        c->s->work_end = c->s->work + work * (i + 1) / 10;
        if (c->s->work_end > work_end) {
            c->s->work_end = work_end;
        }
        found = placement_chain_descend(c);
        *ret_complete = c->complete;
    }
    c->s->work_end = work_end;
    placement_chain_unlock(c->s);
    return found;
}

uint32_t placement_chain_moves_max(const struct placement_solver *s) {
    if (!s->request.may_move_others) {
        return 0;
    }
    return s->request.moves_max > 0 && s->request.moves_max < MOVES_MAX ? s->request.moves_max
                                                                        : MOVES_MAX;
}

/* All depths of one level of priority, up to `leaves` VMs left down. Returns whether one was found;
 * *ret_proven: nothing better was passed over. */
static bool search_level(struct chain *c, uint32_t level, uint32_t leaves, uint64_t work,
                         bool *ret_proven) {
    const struct placement_solver *s = c->s;
    const uint32_t most = placement_chain_moves_max(s);
    for (c->may_leave[level] = 0; c->may_leave[level] <= leaves; c->may_leave[level]++) {
        for (c->may_move = 0; c->may_move <= most; c->may_move++) {
            bool complete;
            c->may_push = c->may_move;
            if (search_depth(c, work / 4, &complete)) {
                return true;
            }
            *ret_proven = *ret_proven && complete;
            if (s->work > s->work_end) {
                return false;
            }
        }
    }
    return false;
}

/* VMs of the level without a place in the plan so far. */
static uint32_t count_left(const struct placement_solver *s, uint32_t level) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        const uint32_t vm = s->decisions[i].vm;
        n += (s->flags[vm] & VM_MOVABLE) && s->decisions[i].node == PLACEMENT_NONE &&
                     s->decisions[i].level == level
                 ? 1
                 : 0;
    }
    return n;
}

uint32_t *placement_chain_nodes(struct chain *c) {
    return (uint32_t *)(void *)(c->options + OPTIONS_MAX);
}

/* The options' stack and the list of nodes, in the room for searches. */
bool placement_chain_begin(struct chain *c, struct placement_solver *s) {
    const uint32_t n_nodes = s->problem->n_nodes;
    *c = (struct chain){.s = s};
    c->options =
        placement_search_room(s, OPTIONS_MAX * sizeof(*c->options) + n_nodes * sizeof(*c->nodes));
    if (c->options == NULL) {
        return false;
    }
    uint32_t *nodes = placement_chain_nodes(c);
    for (uint32_t node = 0; node < n_nodes; node++) {
        nodes[node] = node;
    }
    c->nodes = nodes;
    c->n_nodes = n_nodes;
    scales(c);
    return true;
}

bool placement_chain(struct placement_solver *s, bool *ret_proven) {
    struct chain c;
    uint32_t n_asked = 0, n_levels = 0;
    *ret_proven = false;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        if (s->flags[s->decisions[i].vm] & VM_MOVABLE) {
            n_asked++;
            n_levels = s->decisions[i].level + 1;
        }
    }
    if (n_asked == 0 || n_asked > PENDING_MAX || !placement_chain_begin(&c, s)) {
        return false;
    }
    *ret_proven = true;
    for (c.n_levels = 1; c.n_levels <= n_levels; c.n_levels++) {
        const uint32_t level = c.n_levels - 1;
        if (!search_level(&c, level, count_left(s, level), s->work_end - s->work, ret_proven)) {
            *ret_proven = false;
            return false;
        }
    }
    return true;
}
