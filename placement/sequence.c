/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sequence.c - the order of the moves.
 *
 * An assignment says where each VM will be. The sequence says how all VMs get there without
 * overloading a node or breaking a hard anti-affinity rule on the way. A moving VM uses its amounts
 * on both nodes, so the sequence is simulated: `now` holds the current occupancy.
 *
 * Each round (stage) takes all steps that are possible with the occupancy at its start; at its end,
 * the sources of the steps become free. If no step is possible and some VMs are left, they wait for
 * each other in a cycle: one of them makes a detour over a third node. If there is no such node,
 * the remaining VMs stay where they are.
 *
 * Starts come first in each round, in order of importance, so that a VM that is down waits only for
 * what it needs. If a cycle cannot be broken this way, the simulation is repeated with the starts
 * last: a node that is to run one has room for a detour until the start.
 */
#include "base/check.h"
#include "search.h"

#include <string.h>

struct now {
    struct placement_solver *s;
    uint64_t *taken;   /* [node * n_resources + r] */
    uint32_t *n_vms;   /* per node */
    uint32_t *where;   /* per VM: where it runs now */
    uint32_t *list;    /* VMs that are not yet where they will be */
    uint8_t *detoured; /* per VM */
    uint32_t n_list;
    uint32_t round;
    bool arrives; /* something is on its way when the plan begins */
};

static size_t now_size(const struct placement_solver *s) {
    const size_t n = s->problem->n_nodes, v = s->problem->n_vms;
    return n * s->n_resources * sizeof(uint64_t) + n * sizeof(uint32_t) + 2 * v * sizeof(uint32_t) +
           v * sizeof(uint8_t);
}

static void take_amounts(struct now *now, uint32_t vm, uint32_t node, bool add) {
    const struct placement_solver *s = now->s;
    const uint64_t *need = vm_need(s, vm);
    for (uint32_t r = 0; r < s->n_resources; r++) {
        uint64_t *taken = &now->taken[(size_t)node * s->n_resources + r];
        *taken = add ? *taken + need[r] : *taken - need[r];
    }
    CHECK(add || now->n_vms[node] > 0); /* a VM leaves only where it is */
    now->n_vms[node] += add ? 1 : UINT32_MAX;
}

/* While sequencing, the assignment's rule counters are borrowed: for hard anti-affinity and limits
 * they count current occupancy, including both ends of moves in flight. */
static void see(struct now *now, uint32_t vm, uint32_t node, bool there) {
    struct placement_solver *s = now->s;
    if (!(s->flags[vm] & VM_HAS_RULES)) {
        return;
    }
    for (uint32_t i = s->rules_start[vm]; i < s->rules_start[vm + 1]; i++) {
        const struct membership *m = &s->rules_of[i];
        if (!s->rules[m->rule].at_both_ends) {
            continue;
        }
        if (there) {
            placement_rule_locate(s, vm, m, node);
        } else {
            placement_rule_leave(s, vm, m, node);
        }
    }
}

static void occupy(struct now *now, uint32_t vm, uint32_t node) {
    take_amounts(now, vm, node, true);
    see(now, vm, node, true);
}

static void vacate(struct now *now, uint32_t vm, uint32_t node) {
    take_amounts(now, vm, node, false);
    see(now, vm, node, false);
}

static bool possible_now(const struct now *now, uint32_t vm, uint32_t node) {
    const struct placement_solver *s = now->s;
    const uint64_t *need = vm_need(s, vm);
    const size_t base = (size_t)node * s->n_resources;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        if (need[r] > 0 && now->taken[base + r] + need[r] > s->capacities[base + r]) {
            return false;
        }
    }
    return now->n_vms[node] < s->vms_max[node] &&
           (!(s->flags[vm] & VM_HAS_RULES) || placement_way_allows(s, vm, now->where[vm], node));
}

static bool begin(struct now *now, struct placement_solver *s) {
    const struct placement_problem *p = s->problem;
    unsigned char *room = placement_search_room(s, now_size(s));
    if (room == NULL) {
        return false;
    }
    *now = (struct now){.s = s};
    now->taken = (uint64_t *)(void *)room;
    room += (size_t)p->n_nodes * s->n_resources * sizeof(uint64_t);
    now->n_vms = (uint32_t *)(void *)room;
    now->where = now->n_vms + p->n_nodes;
    now->list = now->where + p->n_vms;
    now->detoured = (uint8_t *)(now->list + p->n_vms);
    return true;
}

static void rewind_to_now(struct now *now) {
    struct placement_solver *s = now->s;
    const struct placement_problem *p = s->problem;

    memset(now->taken, 0, (size_t)p->n_nodes * s->n_resources * sizeof(*now->taken));
    memset(now->n_vms, 0, p->n_nodes * sizeof(*now->n_vms));
    memset(now->detoured, 0, p->n_vms * sizeof(*now->detoured));
    memset(s->counts, 0xff, ((size_t)s->counts_mask + 1) * sizeof(*s->counts));
    for (uint32_t r = 0; r < p->n_rules; r++) {
        s->rules[r].n_used = 0;
        s->rules[r].taken = 0;
    }
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        now->where[vm] = s->home[vm];
        if (s->home[vm] == PLACEMENT_NONE) {
            continue;
        }
        occupy(now, vm, s->home[vm]);
        if (s->flags[vm] & VM_ARRIVING) {
            now->arrives = true;
            now->where[vm] = p->vms[vm].also_on;
            occupy(now, vm, now->where[vm]);
        }
    }
    now->round = 0;
    s->n_steps = 0;
}

/* What was on its way when the plan began has arrived. */
static void arrivals(struct now *now) {
    const struct placement_solver *s = now->s;
    for (uint32_t vm = 0; vm < s->problem->n_vms; vm++) {
        if (s->flags[vm] & VM_ARRIVING) {
            vacate(now, vm, s->home[vm]);
        }
    }
}

static void step(struct now *now, uint32_t vm, uint32_t to) {
    struct placement_solver *s = now->s;
    CHECK(s->n_steps < placement_steps_max(s)); /* the size of the array */
    s->steps[s->n_steps++] =
        (struct step){.vm = vm, .from = now->where[vm], .to = to, .stage = now->round};
    occupy(now, vm, to);
}

/* The sources of the round's steps become free, from step `first` on. */
static void end_round(struct now *now, uint32_t first) {
    const struct placement_solver *s = now->s;
    for (uint32_t i = first; i < s->n_steps; i++) {
        const struct step *done = &s->steps[i];
        if (done->from != PLACEMENT_NONE) {
            vacate(now, done->vm, done->from);
        }
        now->where[done->vm] = done->to;
    }
    if (now->round == 0) {
        arrivals(now);
    }
    now->round++;
}

static void collect_movers(struct now *now) {
    const struct placement_solver *s = now->s;
    now->n_list = 0;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        const uint32_t vm = s->decisions[i].vm;
        if (s->at[vm] != PLACEMENT_NONE && s->at[vm] != now->where[vm]) {
            now->list[now->n_list++] = vm;
        }
    }
    for (uint32_t i = 0; i < s->n_touched; i++) {
        const uint32_t vm = s->touched[i];
        if (!(s->flags[vm] & VM_ASKED) && s->at[vm] != now->where[vm]) {
            now->list[now->n_list++] = vm;
        }
    }
}

enum which { STARTS, MOVES, BOTH };

static bool is_one(const struct now *now, uint32_t vm, enum which which) {
    return which == BOTH || (now->where[vm] == PLACEMENT_NONE) == (which == STARTS);
}

/* Takes all possible steps of the kind, in order, off the list. */
static void take_possible(struct now *now, enum which which) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < now->n_list; i++) {
        const uint32_t vm = now->list[i];
        if (is_one(now, vm, which) && possible_now(now, vm, now->s->at[vm])) {
            step(now, vm, now->s->at[vm]);
        } else {
            now->list[kept++] = vm;
        }
    }
    now->n_list = kept;
}

/* One of the VMs left goes to a third node for a while: the smallest that finds one. */
static bool detour(struct now *now) {
    struct placement_solver *s = now->s;
    uint32_t best = PLACEMENT_NONE, via = PLACEMENT_NONE;
    for (uint32_t i = 0; i < now->n_list; i++) {
        const uint32_t vm = now->list[i];
        const bool counts = !(s->flags[vm] & VM_ASKED) && s->request.moves_max > 0;
        if (now->where[vm] == PLACEMENT_NONE || now->detoured[vm] || counts ||
            s->problem->vms[vm].mobility != PLACEMENT_MOVABLE_LIVE ||
            (best != PLACEMENT_NONE && vm_need(s, vm)[0] >= vm_need(s, best)[0])) {
            continue;
        }
        for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
            if (node != now->where[vm] && placement_may_pass(s, vm, node) &&
                possible_now(now, vm, node)) {
                best = vm;
                via = node;
                break;
            }
        }
    }
    if (best == PLACEMENT_NONE) {
        return false;
    }
    now->detoured[best] = true;
    step(now, best, via);
    return true;
}

/* Returns whether all VMs got to their places. */
static bool simulate(struct now *now, bool starts_first) {
    rewind_to_now(now);
    collect_movers(now);
    while (now->n_list > 0) {
        const uint32_t first = now->s->n_steps;
        if (starts_first) {
            take_possible(now, STARTS);
            take_possible(now, MOVES);
        } else {
            take_possible(now, MOVES);
            if (now->s->n_steps == first) {
                take_possible(now, STARTS);
            }
        }
        /* In the first round, arriving VMs may still free room. */
        const bool comes = now->round == 0 && now->arrives;
        if (now->s->n_steps == first && !comes && !detour(now)) {
            return false;
        }
        end_round(now, first);
    }
    return true;
}

/* Takes out of the assignment what could not be reached: those VMs stay where they are. */
static void give_up(struct now *now) {
    struct placement_solver *s = now->s;
    placement_rules_recount(s);
    for (uint32_t i = 0; i < now->n_list; i++) {
        const uint32_t vm = now->list[i];
        placement_take(s, vm);
        placement_stay(s, vm);
    }
}

void placement_sequence(struct placement_solver *s) {
    struct now now;
    if (!begin(&now, s)) {
        /* No memory to look for an order: no VM moves. */
        placement_state_reset(s);
        s->n_steps = 0;
        return;
    }
    while (!simulate(&now, true) && !simulate(&now, false)) {
        (void)simulate(&now, true);
        give_up(&now);
    }
    CHECK(now.n_list == 0); /* each VM gets to its place in the assignment, or was taken out */
    placement_rules_recount(s);
}

void placement_sequence_path(struct placement_solver *s) {
    struct now now;
    const uint32_t n = s->n_steps;
    if (!begin(&now, s)) {
        placement_state_reset(s);
        s->n_steps = 0;
        return;
    }
    rewind_to_now(&now);
    uint32_t first = 0;
    while (s->n_steps < n) {
        const struct step next = s->steps[s->n_steps];
        if (s->n_steps > first && s->steps[s->n_steps - 1].vm == next.vm) {
            end_round(&now, first);
            first = s->n_steps;
        }
        if (!possible_now(&now, next.vm, next.to) || now.where[next.vm] != next.from) {
            end_round(&now, first);
            first = s->n_steps;
        }
        step(&now, next.vm, next.to);
    }
    placement_rules_recount(s);
}

uint64_t placement_move_ms(const struct placement_solver *s, uint32_t vm, uint32_t from,
                           uint32_t to) {
    const struct placement_node *nodes = s->problem->nodes;
    const uint32_t a = nodes[from].bandwidth_mb_s, b = nodes[to].bandwidth_mb_s;
    uint64_t slower = a > 0 ? a : PLACEMENT_BANDWIDTH;
    const uint64_t other = b > 0 ? b : PLACEMENT_BANDWIDTH;
    slower = other < slower ? other : slower;
    return (vm_need(s, vm)[PLACEMENT_MEMORY] * 1000 + slower - 1) / slower;
}

static uint32_t clip_ms(uint64_t ms) {
    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

/* Predicted times: a node's moves of one stage follow each other over its network, all starts run
 * at once, and a stage begins when the one before has ended. */
void placement_times(struct placement_solver *s) {
    const struct placement_problem *p = s->problem;
    uint64_t *busy = placement_search_room(s, p->n_nodes * sizeof(*busy));
    uint64_t begin = 0, end = 0;

    if (busy == NULL) {
        return; /* times are left at 0: they are a service, the plan does not need them */
    }
    memset(busy, 0, p->n_nodes * sizeof(*busy));
    for (uint32_t i = 0; i < s->plan.n_moves; i++) {
        struct placement_move *move = &s->moves[i];
        if (i > 0 && move->stage != s->moves[i - 1].stage) {
            begin = end;
        }
        uint64_t ready;
        if (move->mode == PLACEMENT_START) {
            const uint32_t start_ms = p->vms[move->vm].start_ms;
            ready = begin + (start_ms > 0 ? start_ms : PLACEMENT_START_MS);
        } else {
            uint64_t from = busy[move->from] > begin ? busy[move->from] : begin;
            uint64_t to = busy[move->to] > begin ? busy[move->to] : begin;
            ready = (from > to ? from : to) + placement_move_ms(s, move->vm, move->from, move->to);
            busy[move->from] = busy[move->to] = ready;
        }
        move->ready_ms = clip_ms(ready);
        end = ready > end ? ready : end;
    }
}
