/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bound.c - how many VMs must stay without a place, whatever is moved where?
 *
 * What is counted: amounts of a resource, VMs, VMs at least as large as one that is down, VMs that
 * a hard rule keeps apart, and what a limit counts. A set of nodes has only so much of each,
 * however the VMs are spread over it. VMs that can run nowhere else use their part first. The rest
 * is enough for a certain number of the VMs in question: the smallest ones. The sets are all nodes
 * that accept VMs, and for each VM that is down the nodes it may use: licensed nodes can be full
 * while others are empty.
 *
 * The order of moves, rules between VMs and the fragmentation of nodes are ignored, so more VMs may
 * have to stay down than this says, never fewer: it is a proof about every plan that the request
 * allows. What already exceeds a node's capacity may stay, but nothing is added, so it counts as
 * room.
 *
 * Priorities are handled level by level: of the higher levels, only the VMs that must stay down do
 * so, and the rest use their room. The figure of a level holds for plans that leave no more VMs of
 * higher levels down than that.
 */
#include "search.h"

#include <string.h>

#define SETS_MAX 12u
#define ROOMS_MAX 128u
#define LARGE_MAX 8u         /* sizes, over all resources */
#define EFFORT_MAX 16000000u /* rooms times VMs: a large problem gets fewer rooms */

enum counted { AMOUNTS, LARGE_ONES, VMS, RULE };

struct room {
    enum counted counted;
    uint32_t which; /* the resource, or the rule */
    uint64_t least; /* LARGE_ONES: of that resource */
    uint32_t set;
    uint64_t left;
};

struct bound {
    struct placement_solver *s;
    uint64_t *sets;    /* bits of nodes, SETS_MAX times node_words */
    uint64_t *there;   /* by node or domain: what is there when the plan begins */
    uint64_t *amounts; /* of a level's VMs */
    bool *within;      /* [set * n_classes + class]: VMs of the class can be nowhere else */
    bool *seen;        /* by domain */
    struct room rooms[ROOMS_MAX];
    uint32_t n_sets, n_rooms;
};

static uint64_t share_of(const struct placement_solver *s, uint32_t vm, uint32_t r) {
    const struct placement_rule *rule = &s->problem->rules[r];
    for (uint32_t i = s->rules_start[vm]; i < s->rules_start[vm + 1]; i++) {
        if (s->rules_of[i].rule == r) {
            const bool counts = rule->kind == PLACEMENT_APART || rule->resource == PLACEMENT_NONE;
            return counts ? 1 : vm_need(s, vm)[rule->resource];
        }
    }
    return 0;
}

static uint64_t amount_of(const struct placement_solver *s, const struct room *room, uint32_t vm) {
    switch (room->counted) {
    case AMOUNTS: return vm_need(s, vm)[room->which];
    case LARGE_ONES: return vm_need(s, vm)[room->which] >= room->least ? 1 : 0;
    case VMS: return 1;
    case RULE: return share_of(s, vm, room->which);
    }
    return 0;
}

static const uint64_t *nodes_of(const struct bound *b, const struct room *room) {
    return &b->sets[room->set * b->s->node_words];
}

/* If the VM is moved or started, it ends on a node of the room. */
static bool ends_in(const struct bound *b, const struct room *room, uint32_t vm) {
    const struct placement_solver *s = b->s;
    if (s->request.kind == PLACEMENT_RETURN && (s->flags[vm] & VM_ASKED)) {
        return bit_test(nodes_of(b, room), s->problem->vms[vm].return_to);
    }
    return b->within[room->set * s->n_classes + s->class_of[vm]];
}

/* The VM is now, or is about to arrive, on a node of the room. */
static bool begins_in(const struct bound *b, const struct room *room, uint32_t vm) {
    return b->s->home[vm] != PLACEMENT_NONE &&
           bit_test(nodes_of(b, room), placement_began_at(b->s, vm));
}

/* The VM is on a node of the room in the end, whatever is done. */
static bool is_bound_to(const struct bound *b, const struct room *room, uint32_t vm) {
    return begins_in(b, room, vm) && (!(b->s->flags[vm] & VM_MOVABLE) || ends_in(b, room, vm));
}

/* Placing the VM takes some of the room, which it does not take yet. */
static bool is_candidate(const struct bound *b, const struct room *room, uint32_t vm) {
    return (b->s->flags[vm] & (VM_MOVABLE | VM_HOPELESS)) == VM_MOVABLE && ends_in(b, room, vm) &&
           !begins_in(b, room, vm);
}

/* ---- how much there is */

static uint64_t greatest_divisor(uint64_t a, uint64_t b) {
    while (b > 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* All needs are multiples of it, so what a node has beyond a multiple is of no use. */
static uint64_t unit_of(const struct placement_solver *s, uint32_t r) {
    uint64_t unit = 0;
    for (uint32_t vm = 0; vm < s->problem->n_vms && unit != 1; vm++) {
        unit = greatest_divisor(vm_need(s, vm)[r], unit);
    }
    return unit > 0 ? unit : 1;
}

static uint64_t capacity_of_node(const struct placement_solver *s, const struct room *room,
                                 uint32_t node, uint64_t unit) {
    if (room->counted == VMS) {
        return s->vms_max[node];
    }
    const uint64_t capacity = s->capacities[(size_t)node * s->n_resources + room->which];
    return room->counted == AMOUNTS ? capacity / unit * unit : capacity / room->least;
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* Each node's capacity, or what is there already. */
static uint64_t capacity_of_nodes(const struct bound *b, const struct room *room) {
    const struct placement_solver *s = b->s;
    const uint64_t unit = room->counted == AMOUNTS ? unit_of(s, room->which) : 1;
    uint64_t sum = 0;
    for (uint32_t node = 0; node < s->problem->n_nodes; node++) {
        if (bit_test(nodes_of(b, room), node)) {
            sum += larger(capacity_of_node(s, room, node, unit), b->there[node]);
        }
    }
    return sum;
}

/* One VM in each domain, or those that are there already. */
static uint64_t capacity_of_domains(const struct bound *b, const struct room *room) {
    const struct placement_problem *p = b->s->problem;
    const struct placement_rule *rule = &p->rules[room->which];
    uint64_t sum = 0;
    memset(b->seen, 0, 2 * (size_t)p->n_nodes * sizeof(*b->seen));
    for (uint32_t node = 0; node < p->n_nodes; node++) {
        const uint32_t domain = placement_rule_domain(p, rule, node);
        if (bit_test(nodes_of(b, room), node) && !b->seen[domain]) {
            b->seen[domain] = true;
            sum += larger(1, b->there[domain]);
        }
    }
    return sum;
}

/* By node; for an APART rule by domain; for an AT_MOST rule all in the first. */
static void add_there(const struct bound *b, const struct room *room, uint32_t node,
                      uint64_t amount) {
    const struct placement_solver *s = b->s;
    if (room->counted != RULE) {
        b->there[node] += amount;
        return;
    }
    const struct placement_rule *rule = &s->problem->rules[room->which];
    if (rule->kind == PLACEMENT_APART) {
        b->there[placement_rule_domain(s->problem, rule, node)] += amount;
    } else {
        b->there[0] += bit_test(s->rules[room->which].nodes, node) ? amount : 0;
    }
}

/* What is there for VMs that were asked for, before any of them is placed. */
static void measure(const struct bound *b, struct room *room) {
    struct placement_solver *s = b->s;
    uint64_t bound_to = 0, capacity;
    memset(b->there, 0, 2 * (size_t)s->problem->n_nodes * sizeof(*b->there));
    for (uint32_t vm = 0; vm < s->problem->n_vms; vm++) {
        const uint64_t amount = s->home[vm] != PLACEMENT_NONE ? amount_of(s, room, vm) : 0;
        if (amount == 0) {
            continue;
        }
        bound_to += is_bound_to(b, room, vm) ? amount : 0;
        add_there(b, room, s->home[vm], amount);
        if (s->flags[vm] & VM_ARRIVING) {
            add_there(b, room, s->problem->vms[vm].also_on, amount);
        }
    }
    if (room->counted != RULE) {
        capacity = capacity_of_nodes(b, room);
    } else if (s->problem->rules[room->which].kind == PLACEMENT_APART) {
        capacity = capacity_of_domains(b, room);
    } else {
        capacity = larger(s->problem->rules[room->which].amount, b->there[0]);
    }
    room->left = capacity > bound_to ? capacity - bound_to : 0;
    s->work += s->problem->n_vms / 16;
}

/* ---- which sets, and what is counted on them */

/* Returns the set's number; NONE: there are enough already. Only nodes that take VMs count. */
static uint32_t add_set(struct bound *b, const uint64_t *nodes) {
    const struct placement_solver *s = b->s;
    if (b->n_sets == SETS_MAX) {
        return PLACEMENT_NONE;
    }
    uint64_t *set = &b->sets[b->n_sets * s->node_words];
    for (size_t i = 0; i < s->node_words; i++) {
        set[i] = nodes[i] & s->accepts[i];
    }
    for (uint32_t other = 0; other < b->n_sets; other++) {
        if (memcmp(&b->sets[other * s->node_words], set, s->node_words * sizeof(*set)) == 0) {
            return other;
        }
    }
    for (uint32_t class = 0; class < s->n_classes; class ++) {
        const uint64_t *row = &s->rows[class * s->node_words];
        bool within = true;
        for (size_t i = 0; i < s->node_words; i++) {
            within = within && (row[i] & ~set[i]) == 0;
        }
        b->within[b->n_sets * s->n_classes + class] = within;
    }
    return b->n_sets++;
}

static void add_room(struct bound *b, struct room room) {
    const uint64_t n_vms = b->s->problem->n_vms;
    if (room.set == PLACEMENT_NONE || b->n_rooms == ROOMS_MAX ||
        (b->n_rooms > b->s->n_resources && b->n_rooms * n_vms > EFFORT_MAX)) {
        return;
    }
    for (uint32_t i = 0; i < b->n_rooms; i++) {
        const struct room *other = &b->rooms[i];
        if (other->counted == room.counted && other->which == room.which &&
            other->least == room.least && other->set == room.set) {
            return;
        }
    }
    measure(b, &room);
    b->rooms[b->n_rooms++] = room;
}

/* Counts VMs at least as large as this one, which is down: they are as large on every node. */
static void add_large(struct bound *b, uint32_t vm, uint32_t set) {
    for (uint32_t r = 0; r < b->s->n_resources; r++) {
        const uint64_t need = vm_need(b->s, vm)[r];
        if (need > 0) {
            add_room(b, (struct room){LARGE_ONES, .which = r, .least = need, .set = set});
        }
    }
}

static void add_rules(struct bound *b, uint32_t vm, uint32_t all) {
    const struct placement_solver *s = b->s;
    for (uint32_t i = s->rules_start[vm]; i < s->rules_start[vm + 1]; i++) {
        const uint32_t r = s->rules_of[i].rule;
        const struct placement_rule *rule = &s->problem->rules[r];
        if (!s->rules[r].hard) {
            continue;
        }
        if (rule->kind == PLACEMENT_APART && rule->group_of == NULL) {
            add_room(b, (struct room){RULE, .which = r, .set = all});
        } else if (rule->kind == PLACEMENT_AT_MOST) {
            add_room(b, (struct room){RULE, .which = r, .set = add_set(b, s->rules[r].nodes)});
        }
    }
}

/* Only for VMs that the plan leaves down: a VM that a plan places needs no proof. */
static void add_rooms(struct bound *b) {
    const struct placement_solver *s = b->s;
    const uint32_t all = add_set(b, s->accepts);
    uint32_t n_large = 0;
    for (uint32_t r = 0; r < s->n_resources; r++) {
        add_room(b, (struct room){AMOUNTS, .which = r, .set = all});
    }
    add_room(b, (struct room){VMS, .set = all});
    for (uint32_t i = 0; i < s->plan.n_unplaced; i++) {
        const uint32_t vm = s->plan.unplaced[i].vm;
        if ((s->flags[vm] & (VM_MOVABLE | VM_HOPELESS)) != VM_MOVABLE) {
            continue;
        }
        const uint32_t set = add_set(b, &s->rows[s->class_of[vm] * s->node_words]);
        for (uint32_t r = 0; r < s->n_resources; r++) {
            add_room(b, (struct room){AMOUNTS, .which = r, .set = set});
        }
        add_room(b, (struct room){VMS, .set = set});
        add_rules(b, vm, all);
        if (n_large++ < LARGE_MAX && set != PLACEMENT_NONE) {
            add_large(b, vm, set);
        }
    }
}

/* ---- level by level */

static void sort_amounts(uint64_t *amounts, uint32_t n) {
    for (uint32_t gap = n / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < n; i++) {
            const uint64_t moving = amounts[i];
            uint32_t k = i;
            for (; k >= gap && amounts[k - gap] > moving; k -= gap) {
                amounts[k] = amounts[k - gap];
            }
            amounts[k] = moving;
        }
    }
}

/* The amounts of the decisions from `first` to before `end`, the smallest first. */
static uint32_t list_amounts(const struct bound *b, const struct room *room, uint32_t first,
                             uint32_t end) {
    struct placement_solver *s = b->s;
    uint32_t n = 0;
    for (uint32_t i = first; i < end; i++) {
        const uint32_t vm = s->decisions[i].vm;
        if (is_candidate(b, room, vm)) {
            b->amounts[n++] = amount_of(s, room, vm);
        }
    }
    sort_amounts(b->amounts, n);
    s->work += n / 4;
    return n;
}

static void bound_level(struct bound *b, uint32_t first, uint32_t end, uint32_t *ret_least) {
    uint32_t least = 0;
    for (uint32_t i = 0; i < b->n_rooms; i++) {
        const uint32_t n = list_amounts(b, &b->rooms[i], first, end);
        uint64_t left = b->rooms[i].left;
        uint32_t placed = 0;
        for (; placed < n && b->amounts[placed] <= left; placed++) {
            left -= b->amounts[placed];
        }
        least = n - placed > least ? n - placed : least;
    }
    for (uint32_t i = 0; i < b->n_rooms; i++) {
        struct room *room = &b->rooms[i];
        const uint32_t n = list_amounts(b, room, first, end);
        for (uint32_t k = 0; k + least < n; k++) {
            room->left -= b->amounts[k] < room->left ? b->amounts[k] : room->left;
        }
    }
    *ret_least = least;
}

static bool make_bound(struct bound *b, struct placement_solver *s) {
    const size_t n = s->problem->n_nodes, v = s->problem->n_vms, words = SETS_MAX * s->node_words;
    *b = (struct bound){.s = s};
    unsigned char *room = placement_search_room(s, (words + 2 * n + v) * sizeof(uint64_t) +
                                                       SETS_MAX * (size_t)s->n_classes + 2 * n);
    if (room == NULL) {
        return false;
    }
    b->sets = (uint64_t *)(void *)room;
    b->there = b->sets + words;
    b->amounts = b->there + 2 * n;
    b->within = (bool *)(void *)(b->amounts + v);
    b->seen = b->within + SETS_MAX * (size_t)s->n_classes;
    add_rooms(b);
    return true;
}

/* Decisions are in the order of their levels; stuck VMs have no level. */
static void bound_levels(struct placement_solver *s) {
    struct bound b;
    memset(s->least_down, 0, s->problem->n_vms * sizeof(*s->least_down));
    if (!make_bound(&b, s)) {
        return;
    }
    for (uint32_t i = 0; i < s->n_decisions;) {
        const uint32_t first = i, priority = (uint32_t)s->decisions[i].priority;
        uint32_t level = 0;
        for (; i < s->n_decisions && (uint32_t)s->decisions[i].priority == priority; i++) {
            level = s->decisions[i].level > level ? s->decisions[i].level : level;
        }
        uint32_t least;
        bound_level(&b, first, i, &least);
        s->least_down[level] += least;
    }
}

void placement_bound(struct placement_solver *s) {
    for (uint32_t i = 0; i < s->plan.n_unplaced; i++) {
        const uint32_t vm = s->plan.unplaced[i].vm;
        s->flags[vm] |= placement_has_no_node(s, vm) ? VM_HOPELESS : 0;
    }
    s->some_stay_down = false;
    if (s->request.kind == PLACEMENT_BALANCE) {
        return;
    }
    bound_levels(s);
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        s->some_stay_down |= s->least_down[s->decisions[i].level] > 0;
    }
}

bool placement_bound_reached(const struct placement_solver *s) {
    for (uint32_t i = 0; i < s->n_decisions;) {
        const int32_t priority = s->decisions[i].priority;
        uint32_t down = 0, level = 0;
        for (; i < s->n_decisions && s->decisions[i].priority == priority; i++) {
            const struct decision *decision = &s->decisions[i];
            const bool open = (s->flags[decision->vm] & (VM_MOVABLE | VM_HOPELESS)) == VM_MOVABLE;
            down += open && decision->node == PLACEMENT_NONE ? 1 : 0;
            level = decision->level > level ? decision->level : level;
        }
        if (down > s->least_down[level]) {
            return false;
        }
    }
    return true;
}
