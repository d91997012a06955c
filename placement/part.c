/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * part.c - improves the plan in parts (large neighbourhood search).
 *
 * Some nodes are selected, the plan for them is undone, and a new one is sought (chain.c), with
 * fewer VMs left down or fewer moves. An equally good one is accepted too, because it may lead to a
 * better one.
 */
#include "chain.h"

/* Draws the part's nodes and puts them first in the list; nodes where the plan moved others are
 * more likely, since there is something to gain. */
static void choose_part(struct chain *c) {
    struct placement_solver *s = c->s;
    uint32_t *nodes = placement_chain_nodes(c);
    const uint32_t n = s->problem->n_nodes;
    uint32_t size = 2 + random_below(s, 9);
    uint32_t n_chosen = 0;
    size = size < n ? size : n;
    while (n_chosen < size) {
        uint32_t i = n_chosen + random_below(s, n - n_chosen);
        if (s->n_touched > 0 && random_below(s, 2) == 0) {
            const uint32_t vm = s->touched[random_below(s, s->n_touched)];
            const uint32_t node = random_below(s, 2) == 0 ? s->home[vm] : s->at[vm];
            for (uint32_t k = n_chosen; node != PLACEMENT_NONE && k < n; k++) {
                i = nodes[k] == node ? k : i;
            }
        }
        const uint32_t node = nodes[i];
        nodes[i] = nodes[n_chosen];
        nodes[n_chosen++] = node;
    }
    c->n_nodes = size;
}

static bool in_part(const struct chain *c, uint32_t node) {
    for (uint32_t i = 0; i < c->n_nodes; i++) {
        if (c->nodes[i] == node) {
            return true;
        }
    }
    return false;
}

/* Undoes what the plan did in the part: VMs asked for are pending, others back at home, or pending
 * if their home is elsewhere. Returns the number of moves undone. */
static uint32_t take_back(struct chain *c) {
    struct placement_solver *s = c->s;
    uint32_t moves = 0, n_touched = s->n_touched;
    for (uint32_t i = 0; i < n_touched && c->n_pending < PENDING_MAX; i++) {
        const uint32_t vm = s->touched[i];
        if (s->at[vm] == PLACEMENT_NONE || s->at[vm] == s->home[vm] || !in_part(c, s->at[vm])) {
            continue;
        }
        placement_take(s, vm);
        if (s->flags[vm] & VM_ASKED) {
            c->pending[c->n_pending++] = vm;
            continue;
        }
        moves++;
        if (in_part(c, s->home[vm])) {
            placement_put(s, vm, s->home[vm]);
        } else {
            c->moves++;
            c->pending[c->n_pending++] = vm;
        }
    }
    return moves;
}

/* Adds a VM that the plan leaves down, often the most important one: perhaps it finds a place now.
 * Less important VMs may be left down for it. */
static void add_left(struct chain *c) {
    struct placement_solver *s = c->s;
    uint32_t chosen = PLACEMENT_NONE, n = 0;
    const bool first = random_below(s, 2) == 0;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        const uint32_t vm = s->decisions[i].vm;
        if ((s->flags[vm] & VM_MOVABLE) && s->decisions[i].node == PLACEMENT_NONE &&
            random_below(s, ++n) == 0 && !(first && chosen != PLACEMENT_NONE)) {
            chosen = vm;
        }
    }
    if (chosen == PLACEMENT_NONE || c->n_pending == PENDING_MAX) {
        return;
    }
    for (uint32_t level = placement_level(s, chosen) + 1; level < LEVELS_MAX; level++) {
        c->may_leave[level] = UINT32_MAX;
    }
    if (s->at[chosen] != PLACEMENT_NONE) {
        placement_take(s, chosen);
    }
    c->pending[c->n_pending++] = chosen;
}

/* All nodes, with nothing undone: the VM that is left is pushed into the plan as it is. */
static void choose_all(struct chain *c) {
    c->n_nodes = c->s->problem->n_nodes;
    if (c->n_nodes > WHOLE_MAX) {
        choose_part(c);
        c->n_nodes = WHOLE_MAX;
    }
}

bool placement_chain_part(struct placement_solver *s, uint64_t work) {
    const uint64_t work_end = s->work_end;
    const bool left = s->plan.cost.unplaced > 0;
    const uint32_t most = placement_chain_moves_max(s);
    struct chain c;
    if (!placement_chain_begin(&c, s)) {
        return false;
    }
    placement_load_plan(s);
    placement_chain_clear(&c);
    uint32_t moves = 0;
    const uint32_t kind = random_below(s, 4);
    const bool more = left && kind < 3;
    if (more && kind == 0) {
        choose_all(&c);
        c.moves = s->moves_of_others;
        moves = c.moves;
    } else {
        choose_part(&c);
        moves = take_back(&c);
        c.moves += s->moves_of_others;
        moves += s->moves_of_others;
    }
    if (more) {
        add_left(&c);
    }
    c.back = true;
    c.width = 3 + random_below(s, 4);
    c.noise = 1 + random_below(s, 32);
    /* Placing one more VM is worth any moves, sometimes many small ones. Otherwise there must be no
     * more moves than before; as many different ones may lead to fewer. */
    c.many = more && random_below(s, 2) == 0;
    c.may_push = c.many ? PUSHES_MAX : 6;
    c.may_move = more ? moves + (c.many ? PUSHES_MAX : 4) : moves;
    c.may_move = c.may_move < most ? c.may_move : most;
    if (!more && random_below(s, 2) == 0 && c.may_move > 0) {
        c.may_move--;
    }
    s->work_end = s->work + work < work_end ? s->work + work : work_end;
    const bool found = c.n_pending > 0 && c.moves <= c.may_move && placement_chain_descend(&c);
    s->work_end = work_end;
    placement_chain_unlock(s);
    return found;
}
