/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chain.c - few VMs, little room: depth-first search that pushes other VMs out, fewest moves first.
 *
 * The pending VMs are placed one after the other; the VM with the fewest possible nodes comes
 * first. A VM goes to a node that has room, or to one from which others are pushed out
 * (leavers.c). Those become pending too. The search never touches again what it has placed.
 *
 * At first all VMs of the request are pending. Only running VMs are pushed out, each at the cost of
 * a move. Every plan can be found in this way: take any plan, place each VM where the plan has it,
 * and push out the VMs that are in the way and that the plan moves. So a complete search without
 * success proves that no plan has so few moves and leaves so few VMs down. (This is about the end
 * state; the sequence checks whether the moves can be carried out.) A plan with more moves may
 * exist: only if the request allows no more moves than were tried is it proven that no plan at all
 * leaves fewer down.
 *
 * The number of VMs left down starts at the lower bound (bound.c). It grows, and for each number
 * the moves grow (iterative deepening), level by level of priority. Each depth is searched narrowly
 * first: the best few choices of each VM, then more, then all, as far as the work lasts. If a level
 * is not solved, the levels above it keep their places, and the rest go where there is room.
 */
#include "chain.h"

#include <string.h>

#define MANY_LEFT 2u
#define FEW_MOVES 2u

/* scale[r]: the amount on an average node counts as 2^20 x 2^10. */
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

/* How many nodes have room for the VM; stops counting at `enough_nodes`. */
static uint32_t count_nodes(struct chain *c, uint32_t vm, uint32_t enough_nodes) {
    struct placement_solver *s = c->s;
    uint32_t n = 0;
    s->work += c->n_nodes / 4;
    for (uint32_t i = 0; i < c->n_nodes && n < enough_nodes; i++) {
        const uint32_t node = c->nodes[i];
        n += placement_fits(s, vm, node) && placement_chain_may(c, vm, node) ? 1 : 0;
    }
    return n;
}

/* The pending VM with the fewest nodes; among equals the largest. */
static uint32_t choose(struct chain *c, uint32_t *ret_nodes) {
    uint32_t chosen = 0, fewest = UINT32_MAX;
    uint64_t largest = 0;
    for (uint32_t i = 0; i < c->n_pending; i++) {
        const uint32_t n =
            count_nodes(c, c->pending[i], fewest == UINT32_MAX ? fewest : fewest + 1);
        const uint64_t size = placement_chain_size(c, c->pending[i]);
        if (n < fewest || (n == fewest && size > largest)) {
            chosen = i;
            fewest = n;
            largest = size;
        }
    }
    *ret_nodes = fewest;
    return chosen;
}

/* Places the VM on the node and pushes out those in the way; undoes that if it leads nowhere. */
static bool try_option(struct chain *c, uint32_t vm, const struct option *option) {
    struct placement_solver *s = c->s;
    const uint32_t n_pending = c->n_pending;
    const uint32_t moves = c->moves;
    uint32_t n_out = 0;
    for (; n_out < option->n_out; n_out++) {
        const uint32_t out = c->outs[option->out + n_out];
        c->moves += placement_chain_cost(s, out);
        placement_take(s, out);
        c->pending[c->n_pending++] = out;
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
        placement_put(s, c->outs[option->out + --n_out], option->node);
    }
    return false;
}

/* Leaves the VM down (a running one: where it is). */
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
    const uint32_t first = c->n_options, first_out = c->n_outs;
    c->pending[i] = c->pending[--c->n_pending];
    placement_chain_options(c, vm);
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
    c->n_outs = first_out;
    found = found || try_leaving(c, vm);
    if (!found) {
        c->pending[c->n_pending++] = c->pending[i];
        c->pending[i] = vm;
    }
    return found;
}

void placement_chain_clear(struct chain *c) {
    c->n_pending = c->n_options = c->n_outs = c->moves = c->pushes = 0;
    c->complete = true;
    memset(c->left, 0, sizeof(c->left));
}

void placement_chain_unlock(struct placement_solver *s) {
    for (uint32_t i = 0; i < s->n_touched; i++) {
        s->flags[s->touched[i]] = (uint16_t)(s->flags[s->touched[i]] & ~VM_LOCKED);
    }
}

/* Starts over: all VMs asked for in the current levels are out. Those in the levels below are out
 * too: their places are not known yet and must not be in the way. */
static void begin(struct chain *c) {
    struct placement_solver *s = c->s;
    placement_chain_clear(c);
    placement_chain_unlock(s);
    placement_state_reset(s);
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        const uint32_t vm = s->decisions[i].vm;
        if (!(s->flags[vm] & VM_MOVABLE)) {
            continue;
        }
        if (s->at[vm] != PLACEMENT_NONE) {
            placement_take(s, vm);
        }
        if (s->decisions[i].level < c->n_levels) {
            c->pending[c->n_pending++] = vm;
        }
    }
}

/* A pending VM of the level that no node can take; else the largest one. NONE: there is none. */
static uint32_t largest_pending(const struct chain *c, uint32_t level) {
    uint32_t found = PLACEMENT_NONE;
    uint64_t largest = 0;
    for (uint32_t i = 0; i < c->n_pending; i++) {
        const uint32_t vm = c->pending[i];
        const bool hopeless = (c->s->flags[vm] & VM_HOPELESS) != 0;
        const uint64_t size = hopeless ? UINT64_MAX : placement_chain_size(c, vm);
        if (placement_level(c->s, vm) == level && (found == PLACEMENT_NONE || size > largest)) {
            found = i;
            largest = size;
        }
    }
    return found;
}

/* Leaves as many down as allowed, the largest first: then the rest is easiest to place. */
static void leave_largest(struct chain *c) {
    struct placement_solver *s = c->s;
    for (uint32_t level = 0; level < c->n_levels; level++) {
        for (; c->left[level] < c->may_leave[level]; c->left[level]++) {
            const uint32_t i = largest_pending(c, level);
            if (i == PLACEMENT_NONE) {
                break;
            }
            const uint32_t vm = c->pending[i];
            c->pending[i] = c->pending[--c->n_pending];
            placement_stay(s, vm);
        }
    }
}

static bool leaves_any(const struct chain *c) {
    bool any = false;
    for (uint32_t level = 0; level < c->n_levels; level++) {
        any |= c->may_leave[level] > 0;
    }
    return any;
}

/* A quick try at this depth; finding nothing proves nothing. */
static bool search_without_largest(struct chain *c, uint64_t work) {
    const uint64_t work_end = c->s->work_end;
    c->width = 4;
    begin(c);
    leave_largest(c);
    c->s->work_end = c->s->work + work < work_end ? c->s->work + work : work_end;
    const bool found = placement_chain_descend(c);
    c->s->work_end = work_end;
    placement_chain_unlock(c->s);
    return found;
}

/* One depth (so many VMs left down, so many moves): narrowly, then with all choices. */
static bool search_depth(struct chain *c, uint64_t work, bool *ret_complete) {
    static const uint32_t widths[] = {2, 4, 10, UINT32_MAX};
    const uint64_t work_end = c->s->work_end;
    bool found = leaves_any(c) && search_without_largest(c, work / 10);
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
    return s->request.moves_max > 0 ? s->request.moves_max : UINT32_MAX;
}

/* The number of the level's VMs that stay down in any case. `bounded`: the levels above leave no
 * more down than their lower bounds; only then does this level's bound hold. */
static uint32_t least_left(const struct placement_solver *s, uint32_t level, bool bounded) {
    uint32_t n = bounded && s->bound_for != PLACEMENT_NONE ? s->least_down[level] : 0;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        const uint16_t flags = s->flags[s->decisions[i].vm];
        n += (flags & VM_HOPELESS) && (flags & VM_MOVABLE) && s->decisions[i].level == level;
    }
    return n;
}

/* Keeps all places in case the next search finds nothing. */
static void keep_places(struct placement_solver *s) {
    memcpy(s->packed, s->at, s->problem->n_vms * sizeof(*s->at));
}

static void restore_places(struct placement_solver *s) {
    placement_state_reset(s);
    for (uint32_t vm = 0; vm < s->problem->n_vms; vm++) {
        if (s->at[vm] != s->packed[vm] && s->at[vm] != PLACEMENT_NONE) {
            placement_take(s, vm);
        }
    }
    for (uint32_t vm = 0; vm < s->problem->n_vms; vm++) {
        if (s->at[vm] == PLACEMENT_NONE && s->packed[vm] != PLACEMENT_NONE) {
            placement_put(s, vm, s->packed[vm]);
        }
    }
}

/* If many VMs of a level are left, counting up from the lower bound takes too long. Counts down
 * instead: leaves one fewer, always the largest, as long as that succeeds with few moves. */
static bool count_down(struct chain *c, uint32_t level, uint32_t leaves, uint32_t least,
                       uint64_t work) {
    const uint32_t most = placement_chain_moves_max(c->s);
    uint32_t reached = leaves;
    bool found = true;
    while (found && reached > least) {
        found = false;
        c->may_leave[level] = reached - 1;
        for (c->may_move = 0; !found && c->may_move <= most && c->may_move <= FEW_MOVES;
             c->may_move++) {
            c->may_push = c->may_move;
            found = search_without_largest(c, work / 80);
        }
        if (found) {
            keep_places(c->s);
            reached--;
        }
    }
    c->may_leave[level] = reached;
    return reached < leaves;
}

/* All depths of one level of priority, up to `leaves` VMs left down. Returns whether one was found;
 * *ret_fewest stays true only if nothing better was skipped. */
static bool search_level(struct chain *c, uint32_t level, uint32_t leaves, uint64_t work,
                         bool *ret_fewest) {
    const struct placement_solver *s = c->s;
    uint32_t most = placement_chain_moves_max(s);
    most = most < MOVES_MAX ? most : MOVES_MAX;
    const uint32_t least = least_left(s, level, c->bounded);
    if (leaves > least + MANY_LEFT && count_down(c, level, leaves, least, work)) {
        restore_places(c->s);
        *ret_fewest = false;
        return true;
    }
    c->may_leave[level] = least;
    for (; c->may_leave[level] <= leaves; c->may_leave[level]++) {
        for (c->may_move = 0; c->may_move <= most; c->may_move++) {
            bool complete;
            c->may_push = c->may_move;
            if (search_depth(c, work / 4, &complete)) {
                return true;
            }
            *ret_fewest = *ret_fewest && complete;
            if (s->work > s->work_end) {
                return false;
            }
        }
    }
    return false;
}

/* The number of the level's VMs without a place in the plan so far. `better`: the levels above have
 * more places now; then any number will do. */
static uint32_t count_left(const struct placement_solver *s, uint32_t level, bool better) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        const uint32_t vm = s->decisions[i].vm;
        n += (s->flags[vm] & VM_MOVABLE) && (better || s->decisions[i].node == PLACEMENT_NONE) &&
                     s->decisions[i].level == level
                 ? 1
                 : 0;
    }
    return n;
}

uint32_t *placement_chain_nodes(struct chain *c) {
    return (uint32_t *)(void *)(c->options + OPTIONS_MAX) + OUTS_MAX;
}

/* Puts the stack of options and the list of nodes into the solver's search memory. */
bool placement_chain_begin(struct chain *c, struct placement_solver *s) {
    const uint32_t n_nodes = s->problem->n_nodes;
    *c = (struct chain){.s = s};
    c->options = placement_search_room(s, OPTIONS_MAX * sizeof(*c->options) +
                                              (OUTS_MAX + n_nodes) * sizeof(*c->nodes));
    if (c->options == NULL) {
        return false;
    }
    c->outs = (uint32_t *)(void *)(c->options + OPTIONS_MAX);
    uint32_t *nodes = placement_chain_nodes(c);
    for (uint32_t node = 0; node < n_nodes; node++) {
        nodes[node] = node;
    }
    c->nodes = nodes;
    c->n_nodes = n_nodes;
    scales(c);
    return true;
}

/* ---- all levels ---- */

/* Restores the kept places; then the VMs asked for in the levels below go where there is room, the
 * most important first. */
static void fill_up(struct placement_solver *s) {
    restore_places(s);
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        const uint32_t vm = s->decisions[i].vm;
        if (s->at[vm] != PLACEMENT_NONE || (s->flags[vm] & VM_STUCK)) {
            continue;
        }
        const uint32_t node = placement_best_node(s, vm);
        if (node != PLACEMENT_NONE) {
            placement_put(s, vm, node);
        } else {
            placement_stay(s, vm);
        }
    }
    memset(s->packed, 0xff, s->problem->n_vms * sizeof(*s->packed));
}

/* True if no more moves are allowed than were tried, and no hard affinity exists. An affinity sees
 * which VMs stay where they are, so its result depends on the order of this search. */
static bool tried_all_moves(const struct placement_solver *s) {
    bool together = false;
    for (uint32_t r = 0; r < s->problem->n_rules; r++) {
        together |= s->problem->rules[r].kind == PLACEMENT_TOGETHER && s->rules[r].hard;
    }
    return !together && placement_chain_moves_max(s) <= MOVES_MAX;
}

static uint32_t count_levels(const struct placement_solver *s, uint32_t *ret_asked) {
    uint32_t n_asked = 0, n_levels = 0;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        if (s->flags[s->decisions[i].vm] & VM_MOVABLE) {
            n_asked++;
            n_levels = s->decisions[i].level + 1;
        }
    }
    *ret_asked = n_asked;
    return n_levels;
}

bool placement_chain(struct placement_solver *s, bool *ret_fewest, bool *ret_proven) {
    struct chain c;
    uint32_t n_asked;
    const uint32_t n_levels = count_levels(s, &n_asked);
    bool better = false;
    *ret_fewest = *ret_proven = false;
    if (n_asked == 0 || n_asked > PENDING_MAX || !placement_chain_begin(&c, s)) {
        return false;
    }
    *ret_fewest = c.bounded = true;
    for (c.n_levels = 1; c.n_levels <= n_levels; c.n_levels++) {
        const uint32_t level = c.n_levels - 1;
        const uint32_t leaves = count_left(s, level, better);
        if (!search_level(&c, level, leaves, s->work_end - s->work, ret_fewest)) {
            *ret_fewest = false;
            if (level > 0) {
                fill_up(s);
            }
            return level > 0;
        }
        better |= c.may_leave[level] < leaves;
        c.bounded = c.bounded && c.may_leave[level] == least_left(s, level, true);
        if (c.n_levels < n_levels) {
            keep_places(s);
        }
    }
    *ret_proven = *ret_fewest && tried_all_moves(s);
    return true;
}
