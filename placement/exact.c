/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exact.c - small problems: the best of all states that can be reached.
 *
 * A state says where each VM is that the search may place, as a number in base (nodes + 1). The
 * search is breadth first from the current state, and starts or moves one VM at a time. Moving one
 * at a time excludes nothing that moving several at once allows, so the search finds every state
 * that a plan can reach, detours included, with the fewest steps. The costs of the states are
 * compared in the order of the goals. A cluster of three nodes and ten VMs is small enough. A
 * larger problem is refused at once and left to the other searches.
 */
#include "search.h"

#include <string.h>

#define STATES_MAX (1u << 17)
#define VMS_MAX 24u

/* What the end of a plan is worth, in the order of the goals; less is better. */
struct value {
    uint8_t unplaced[VMS_MAX]; /* by level */
    uint64_t soft;
    uint32_t others;
    uint64_t move_ms;
    uint64_t preferred;
    uint32_t used_permille; /* the fullest of the nodes that got a VM */
};

struct list {
    uint32_t *states;
    uint32_t n;
};

struct exact {
    struct placement_solver *s;
    uint32_t vms[VMS_MAX];
    uint32_t digits[VMS_MAX]; /* of the state that `at` holds; n_nodes: nowhere */
    uint32_t power[VMS_MAX];
    uint32_t n, base, n_states;
    uint32_t *parent; /* per state: where it was reached from; NONE: not reached */
    struct list lists[2];
    uint8_t *moves;  /* per state: moves of VMs that were not asked for, on the way to it */
    uint8_t *closed; /* per state: looked at */
    struct value best_value;
    uint32_t best;
    bool passed_over;         /* a better state, for the way to it was too winding */
    uint32_t levels[VMS_MAX]; /* of asked ones */
};

static int value_compare(const struct value *a, const struct value *b, bool sparing) {
    int order = memcmp(a->unplaced, b->unplaced, sizeof(a->unplaced));
    if (order != 0) {
        return order;
    }
#define LESS(field)                          \
    if (a->field != b->field) {              \
        return a->field < b->field ? -1 : 1; \
    }
    if (sparing) {
        LESS(others)
    }
    LESS(soft)
    LESS(others)
    LESS(move_ms)
    LESS(preferred)
    LESS(used_permille)
#undef LESS
    return 0;
}

/* Which VMs, and how many states; false if there are too many. */
static bool measure(struct exact *x, struct placement_solver *s) {
    uint64_t states = 1;
    *x = (struct exact){.s = s, .base = s->problem->n_nodes + 1};
    for (uint32_t i = 0; i < s->problem->n_vms; i++) {
        if (!(s->flags[i] & VM_MOVABLE)) {
            continue;
        }
        if (x->n == VMS_MAX || x->base > UINT8_MAX || states * x->base > STATES_MAX) {
            return false;
        }
        x->power[x->n] = (uint32_t)states;
        x->vms[x->n++] = i;
        states *= x->base;
    }
    x->n_states = (uint32_t)states;
    for (uint32_t i = 0; i < x->n; i++) {
        x->levels[i] = s->flags[x->vms[i]] & VM_ASKED ? placement_level(s, x->vms[i]) : 0;
    }
    return true;
}

static void go(struct exact *x, uint32_t i, uint32_t digit) {
    const uint32_t vm = x->vms[i];
    if (x->digits[i] == digit) {
        return;
    }
    if (x->s->at[vm] != PLACEMENT_NONE) {
        placement_take(x->s, vm);
    }
    if (digit < x->base - 1) {
        placement_put(x->s, vm, digit);
    }
    x->digits[i] = digit;
}

static void go_to_state(struct exact *x, uint32_t state) {
    for (uint32_t i = 0; i < x->n; i++) {
        go(x, i, state % x->base);
        state /= x->base;
    }
}

static bool may_step(const struct exact *x, uint32_t i, uint32_t node) {
    const struct placement_solver *s = x->s;
    const uint32_t vm = x->vms[i];
    const bool down = s->at[vm] == PLACEMENT_NONE;
    /* A VM that was asked to leave does not come back: it would be moved and still unplaced. */
    if ((s->flags[vm] & VM_ASKED) && node == s->home[vm]) {
        return false;
    }
    /* A VM that is started is started where it is to stay. */
    if ((down && !placement_allowed(s, vm, node)) || (!down && s->home[vm] == PLACEMENT_NONE)) {
        return false;
    }
    return x->digits[i] != node && placement_fits(s, vm, node) && placement_may_pass(s, vm, node) &&
           placement_way_allows(s, vm, s->at[vm], node);
}

static bool may_end(const struct exact *x) {
    const struct placement_solver *s = x->s;
    for (uint32_t i = 0; i < x->n; i++) {
        const uint32_t vm = x->vms[i];
        if ((s->flags[vm] & VM_ASKED) && s->at[vm] != s->home[vm] &&
            !placement_allowed(s, vm, s->at[vm])) {
            return false;
        }
    }
    for (uint32_t r = 0; r < s->problem->n_rules; r++) {
        if (s->problem->rules[r].kind == PLACEMENT_TOGETHER && s->rules[r].hard &&
            !placement_together_holds(s, r)) {
            return false;
        }
    }
    return true;
}

/* The rules' counts leave out VMs asked for that are at their hosts, since they are about to leave.
 * In an end state they stay, and what they break there counts. */
static uint64_t soft_of_stayers(const struct exact *x) {
    struct placement_solver *s = x->s;
    const uint64_t before = s->soft_broken;
    bool stays = false;
    for (uint32_t i = 0; i < x->n; i++) {
        stays |= (s->flags[x->vms[i]] & VM_ASKED) && (s->flags[x->vms[i]] & VM_HOLDS) &&
                 s->at[x->vms[i]] == s->home[x->vms[i]];
    }
    return stays ? placement_soft_at_end(s) : before;
}

static uint32_t preferred_rank(const struct placement_solver *s, uint32_t vm) {
    const struct placement_set *preferred = &s->problem->vms[vm].preferred;
    uint32_t rank = 0;
    while (rank < preferred->n && preferred->index[rank] != s->at[vm]) {
        rank++;
    }
    return rank;
}

static uint32_t used_permille(const struct placement_solver *s, uint32_t node) {
    uint32_t most = 0;
    for (uint32_t r = PLACEMENT_MEMORY; r <= PLACEMENT_CPU; r++) {
        const size_t i = (size_t)node * s->n_resources + r;
        const uint64_t capacity = s->capacities[i] > 0 ? s->capacities[i] : 1;
        const uint64_t used = s->used[i] * 1000 / capacity;
        most = used > most ? (uint32_t)(used < UINT32_MAX ? used : UINT32_MAX) : most;
    }
    return most;
}

static void value_of(const struct exact *x, struct value *ret) {
    const struct placement_solver *s = x->s;
    *ret = (struct value){.soft = soft_of_stayers(x), .others = 0};
    if (s->request.kind == PLACEMENT_BALANCE) {
        ret->unplaced[0] = (uint8_t)placement_nodes_over(s);
    }
    for (uint32_t i = 0; i < x->n; i++) {
        const uint32_t vm = x->vms[i], home = s->home[vm];
        const bool asked = (s->flags[vm] & VM_ASKED) != 0;
        if (s->at[vm] == home) {
            ret->unplaced[x->levels[i]] = (uint8_t)(ret->unplaced[x->levels[i]] + (asked ? 1 : 0));
            continue;
        }
        if (home != PLACEMENT_NONE) {
            ret->move_ms += placement_move_ms(s, vm, home, s->at[vm]);
        }
        if (asked) {
            ret->preferred += preferred_rank(s, vm);
        }
        const uint32_t used = used_permille(s, s->at[vm]);
        ret->used_permille = used > ret->used_permille ? used : ret->used_permille;
    }
}

static uint32_t steps_to(const struct exact *x, uint32_t state) {
    uint32_t n = 0;
    for (; x->parent[state] != state; state = x->parent[state]) {
        n++;
    }
    return n;
}

/* The steps from the beginning to the state, in order. */
static void path_to(struct exact *x, uint32_t state) {
    struct placement_solver *s = x->s;
    uint32_t n = steps_to(x, state);
    s->n_steps = n;
    for (uint32_t at = state; n > 0; at = x->parent[at]) {
        const uint32_t before = x->parent[at];
        uint32_t i = 0;
        while (at / x->power[i] % x->base == before / x->power[i] % x->base) {
            i++;
        }
        const uint32_t from = before / x->power[i] % x->base;
        s->steps[--n] = (struct step){
            .vm = x->vms[i],
            .from = from < x->base - 1 ? from : PLACEMENT_NONE,
            .to = at / x->power[i] % x->base,
        };
    }
}

/* Judges the state in `at` as an end; kept if it is the best so far. */
static void consider(struct exact *x, uint32_t state) {
    struct value value;
    value_of(x, &value);
    value.others = x->moves[state];
    if (value_compare(&value, &x->best_value, x->s->sparing) >= 0 || !may_end(x)) {
        return;
    }
    if (steps_to(x, state) <= placement_steps_max(x->s)) {
        x->best = state;
        x->best_value = value;
    } else {
        x->passed_over = true;
    }
}

/* Adds all states one step away that were not yet reached with as few moves of others. */
static void expand(struct exact *x, uint32_t state, struct list *same, struct list *next_level) {
    const struct placement_solver *s = x->s;
    const uint32_t most = s->request.moves_max > 0 && s->request.moves_max < UINT8_MAX
                              ? s->request.moves_max
                              : UINT8_MAX - 1;
    for (uint32_t i = 0; i < x->n; i++) {
        const bool other = !(s->flags[x->vms[i]] & VM_ASKED);
        const uint32_t moves = x->moves[state] + (other ? 1u : 0u);
        if (moves > most) {
            continue;
        }
        for (uint32_t node = 0; node < x->base - 1; node++) {
            const uint32_t next = state + (node - x->digits[i]) * x->power[i];
            if (node != x->digits[i] && moves < x->moves[next] && may_step(x, i, node)) {
                struct list *list = other ? next_level : same;
                x->parent[next] = state;
                x->moves[next] = (uint8_t)moves;
                list->states[list->n++] = next;
            }
        }
    }
}

/* Breadth first, in levels by the number of moves of others, so that each state is reached with the
 * fewest of them. False if the work ran out. */
static bool explore(struct exact *x, uint32_t begin) {
    struct placement_solver *s = x->s;
    struct list *level = &x->lists[0], *next_level = &x->lists[1];

    memset(x->moves, 0xff, x->n_states * sizeof(*x->moves));
    memset(x->closed, 0, x->n_states * sizeof(*x->closed));
    x->parent[begin] = begin;
    x->moves[begin] = 0;
    x->best = begin;
    value_of(x, &x->best_value);
    level->states[0] = begin;
    level->n = 1;
    while (level->n > 0) {
        next_level->n = 0;
        for (uint32_t i = 0; i < level->n; i++) {
            const uint32_t state = level->states[i];
            if (x->closed[state]) {
                continue;
            }
            x->closed[state] = 1;
            go_to_state(x, state);
            consider(x, state);
            expand(x, state, level, next_level);
            s->work += (uint64_t)x->n * (x->base - 1) / 4 + 1;
            if (s->work > s->work_end) {
                return false;
            }
        }
        struct list *done = level;
        level = next_level;
        next_level = done;
    }
    return true;
}

bool placement_exact(struct placement_solver *s, bool *ret_proven) {
    struct exact x;
    *ret_proven = false;
    if (!measure(&x, s)) {
        return false;
    }
    const size_t n = x.n_states;
    uint32_t *room = placement_search_room(s, n * (3 * sizeof(*room) + 2 * sizeof(*x.moves)));
    if (room == NULL) {
        return false;
    }
    x.parent = room;
    x.lists[0].states = room + n;
    x.lists[1].states = room + 2 * n;
    x.moves = (uint8_t *)(room + 3 * n);
    x.closed = x.moves + n;
    placement_state_reset(s);
    uint32_t begin = 0;
    for (uint32_t i = 0; i < x.n; i++) {
        const uint32_t node = s->at[x.vms[i]];
        x.digits[i] = node != PLACEMENT_NONE ? node : x.base - 1;
        begin += x.digits[i] * x.power[i];
    }
    if (!explore(&x, begin)) {
        return false;
    }
    go_to_state(&x, x.best);
    path_to(&x, x.best);
    *ret_proven = !x.passed_over;
    return true;
}
