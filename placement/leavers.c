/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * leavers.c - where a VM may go, and which VMs have to leave for it: the options of chain.c.
 *
 * All sets of one or two other VMs are tried. Larger sets are too many, so only two are made: one
 * of the largest VMs until there is room (or, with noise, of some of them), and one of VMs whose
 * leaving is not a move. It is recorded that more sets would have been possible, because then a
 * search without a result proves nothing.
 */
#include "chain.h"

#define MOST_THERE 256u /* VMs on a node that larger sets are made of */

/* What stays free on the node with the VM there and `out` gone, in parts of an average node. */
static uint64_t left_over(const struct chain *c, uint32_t vm, uint32_t node, const uint32_t *out,
                          uint32_t n_out) {
    const struct placement_solver *s = c->s;
    const uint64_t *need = vm_need(s, vm);
    uint64_t sum = 0;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        const size_t i = (size_t)node * s->n_resources + r;
        uint64_t used = s->used[i] + need[r];
        for (uint32_t k = 0; k < n_out; k++) {
            used -= vm_need(s, out[k])[r];
        }
        sum += s->capacities[i] > used ? ((s->capacities[i] - used) * c->scale[r]) >> 20 : 0;
    }
    return sum;
}

uint64_t placement_chain_size(const struct chain *c, uint32_t vm) {
    uint64_t sum = 0;
    for (uint32_t r = 0; r < c->s->n_resources; r++) {
        sum += (vm_need(c->s, vm)[r] * c->scale[r]) >> 20;
    }
    return sum;
}

/* A VM that was pushed out does not go back, or pushing it out was unnecessary. */
bool placement_chain_may(const struct chain *c, uint32_t vm, uint32_t node) {
    const struct placement_solver *s = c->s;
    return (node != s->home[vm] || c->back) && placement_allowed(s, vm, node) &&
           (!(s->flags[vm] & VM_HAS_RULES) || placement_rules_allow(s, vm, node));
}

/* A VM pushed out costs twice its size, because it has to go somewhere else. Options that push out
 * few VMs come first, unless many small ones are as good. */
static void add_option(struct chain *c, uint32_t vm, uint32_t node, const uint32_t *out,
                       uint32_t n_out) {
    if (c->n_options == OPTIONS_MAX || c->n_outs + n_out > OUTS_MAX) {
        c->complete = false;
        return;
    }
    uint64_t rank = left_over(c, vm, node, out, n_out);
    for (uint32_t k = 0; k < n_out; k++) {
        rank += 2 * placement_chain_size(c, out[k]);
    }
    rank += n_out > 1 && !c->many ? (uint64_t)(n_out - 1) << 40 : 0;
    if (c->noise > 0) {
        rank += (rank / 16 + 1) * random_below(c->s, c->noise) / 16;
    }
    c->options[c->n_options++] =
        (struct option){.rank = rank, .node = node, .out = c->n_outs, .n_out = n_out};
    for (uint32_t k = 0; k < n_out; k++) {
        c->outs[c->n_outs++] = out[k];
    }
}

static bool pushable(const struct chain *c, uint32_t vm) {
    const struct placement_solver *s = c->s;
    return (s->flags[vm] & (VM_MOVABLE | VM_LOCKED)) == VM_MOVABLE && s->at[vm] != PLACEMENT_NONE &&
           (c->moves < c->may_move || (s->flags[vm] & VM_ASKED) || s->at[vm] != s->home[vm]) &&
           !((s->flags[vm] & VM_ASKED) && s->at[vm] == s->home[vm]);
}

/* Pushing the VM out costs a move if it runs there and was not asked for. */
uint32_t placement_chain_cost(const struct placement_solver *s, uint32_t vm) {
    return !(s->flags[vm] & VM_ASKED) && s->at[vm] == s->home[vm] ? 1 : 0;
}

/* There is enough room if `out` leave; ignores the VM's rules. */
static bool enough(const struct placement_solver *s, uint32_t vm, uint32_t node,
                   const uint32_t *out, uint32_t n_out) {
    const uint64_t *need = vm_need(s, vm);
    for (uint32_t r = 0; r < s->n_resources; r++) {
        const size_t i = (size_t)node * s->n_resources + r;
        uint64_t gone = 0;
        for (uint32_t k = 0; k < n_out; k++) {
            gone += vm_need(s, out[k])[r];
        }
        if (need[r] > 0 && s->used[i] + need[r] > s->capacities[i] + gone) {
            return false;
        }
    }
    return s->n_vms_on[node] - n_out < s->vms_max[node];
}

/* Pushing out a VM that needs at least as much, and may go to no other nodes than this one, is in
 * vain: this one could itself go where that one would go. */
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
    const bool allow = placement_chain_may(c, vm, node);
    placement_put(s, out, node);
    return allow;
}

/* ---- one, or two */

static void push_with(struct chain *c, uint32_t vm, uint32_t node, uint32_t a) {
    const struct placement_solver *s = c->s;
    const uint32_t cost = placement_chain_cost(s, a);
    for (uint32_t b = s->next_on[a]; b != PLACEMENT_NONE; b = s->next_on[b]) {
        const uint32_t out[2] = {a, b};
        c->s->work++;
        if (pushable(c, b) && c->moves + cost + placement_chain_cost(s, b) <= c->may_move &&
            !enough(s, vm, node, &b, 1) && enough(s, vm, node, out, 2)) {
            add_option(c, vm, node, out, 2);
        }
    }
}

static void push_few(struct chain *c, uint32_t vm, uint32_t node, bool pairs) {
    const struct placement_solver *s = c->s;
    /* VMs of a rule that is in the way can be pushed out too; room is checked first. */
    for (uint32_t a = s->first_on[node]; a != PLACEMENT_NONE;) {
        const uint32_t next = s->next_on[a];
        c->s->work++;
        if (pushable(c, a)) {
            if (enough(s, vm, node, &a, 1)) {
                if (!in_vain(s, vm, a) && rules_allow_without(c, vm, node, a)) {
                    add_option(c, vm, node, &a, 1);
                }
            } else if (pairs && placement_chain_may(c, vm, node)) {
                push_with(c, vm, node, a);
            }
        }
        /* Taking out and putting back moves a VM to the front of the list. */
        a = next;
    }
}

/* ---- more of them */

/* The VMs that may leave, the largest first. A VM bound to the same nodes is not one of them: it
 * would only be in the way elsewhere. */
static uint32_t list_there(struct chain *c, uint32_t vm, uint32_t node, uint32_t *there) {
    const struct placement_solver *s = c->s;
    uint64_t sizes[MOST_THERE];
    uint32_t n = 0;
    for (uint32_t a = s->first_on[node]; a != PLACEMENT_NONE && n < MOST_THERE; a = s->next_on[a]) {
        c->s->work++;
        if (!pushable(c, a) || (s->class_of[a] > 0 && s->class_of[a] == s->class_of[vm])) {
            continue;
        }
        const uint64_t size = placement_chain_size(c, a);
        uint32_t k = n++;
        for (; k > 0 && sizes[k - 1] < size; k--) {
            sizes[k] = sizes[k - 1];
            there[k] = there[k - 1];
        }
        sizes[k] = size;
        there[k] = a;
    }
    return n;
}

/* Takes the largest until there is enough room, then drops those not needed, from the first on: so
 * small ones replace a large one if they are enough. False: too many, or too few. */
static bool gather(struct chain *c, uint32_t vm, uint32_t node, const uint32_t *there, uint32_t n,
                   uint32_t most, uint32_t *out, uint32_t *ret_n) {
    const struct placement_solver *s = c->s;
    uint32_t n_out = 0, cost = 0;
    for (uint32_t i = 0; i < n && n_out < most && !enough(s, vm, node, out, n_out); i++) {
        c->s->work++;
        if (c->noise == 0 || random_below(c->s, 3) > 0) {
            out[n_out++] = there[i];
        }
    }
    if (!enough(s, vm, node, out, n_out)) {
        return false;
    }
    for (uint32_t k = 0; k < n_out;) {
        const uint32_t spared = out[k];
        out[k] = out[n_out - 1];
        if (enough(s, vm, node, out, n_out - 1)) {
            n_out--;
        } else {
            out[k++] = spared;
        }
    }
    for (uint32_t k = 0; k < n_out; k++) {
        cost += placement_chain_cost(s, out[k]);
    }
    *ret_n = n_out;
    return n_out > (c->many ? 1 : 2) && c->moves + cost <= c->may_move;
}

static void push_many(struct chain *c, uint32_t vm, uint32_t node) {
    uint32_t there[MOST_THERE] = {0}, out[PUSHES_MAX], n_out;
    const uint32_t most = c->may_push - c->pushes;
    if (!placement_chain_may(c, vm, node)) {
        return;
    }
    const uint32_t n = list_there(c, vm, node, there);
    if (gather(c, vm, node, there, n, most, out, &n_out)) {
        add_option(c, vm, node, out, n_out);
    }
    uint32_t n_free = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (placement_chain_cost(c->s, there[i]) == 0) {
            there[n_free++] = there[i];
        }
    }
    if (n_free < n && gather(c, vm, node, there, n_free, most, out, &n_out)) {
        add_option(c, vm, node, out, n_out);
    }
}

/* Whether all ways to push others out for the VM within this many pushes are tried. A rule that is
 * in the way may be about VMs on other nodes, or about two here. */
static bool tries_all(const struct chain *c, uint32_t vm, uint32_t node, uint32_t pushes) {
    return pushes <= 2 && (placement_chain_may(c, vm, node) || !(c->s->flags[vm] & VM_HAS_RULES));
}

static void options_by_pushing(struct chain *c, uint32_t vm, uint32_t node) {
    const uint32_t pushes = c->may_push - c->pushes;
    c->complete = c->complete && tries_all(c, vm, node, pushes);
    push_few(c, vm, node, pushes >= 2 && !c->many);
    if (pushes > 2) {
        push_many(c, vm, node);
    }
}

void placement_chain_options(struct chain *c, uint32_t vm) {
    const struct placement_solver *s = c->s;
    const bool push = c->pushes < c->may_push;
    for (uint32_t k = 0; k < c->n_nodes; k++) {
        const uint32_t node = c->nodes[k];
        if (placement_fits(s, vm, node)) {
            if (placement_chain_may(c, vm, node)) {
                add_option(c, vm, node, NULL, 0);
            } else if (push && (s->flags[vm] & VM_HAS_RULES)) {
                options_by_pushing(c, vm, node);
            }
        } else if (push && placement_allowed(s, vm, node)) {
            options_by_pushing(c, vm, node);
        }
    }
}
