/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compile.c - the problem as flat arrays.
 *
 * Memory is one block. The same function lays it out twice: first without a base, to compute the
 * size, then for real. The block is kept from solve to solve and only grows.
 *
 * Restrictions that follow from properties of the VM and the node (state, owners, cpu model,
 * volumes, hard node rules) do not change during a search. VMs with equal properties form a class,
 * and each class has a row of bits, one for each node. Clusters have few classes; only VMs that the
 * search may place get one.
 */
#include "search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct arena {
    unsigned char *base; /* NULL: only count */
    size_t used;
    bool too_big;
};

static void *arena_take(struct arena *arena, size_t n, size_t size) {
    const size_t align = _Alignof(max_align_t);
    size_t bytes, end;
    if (__builtin_mul_overflow(n, size, &bytes) ||
        __builtin_add_overflow(arena->used, bytes, &end) ||
        __builtin_add_overflow(end, align - 1, &end)) {
        arena->too_big = true;
        return NULL;
    }
    void *result = arena->base != NULL ? arena->base + arena->used : NULL;
    arena->used = end / align * align;
    return result;
}

static void layout(struct placement_solver *s, struct arena *arena, size_t n_memberships) {
    const struct placement_problem *p = s->problem;
    const size_t n = p->n_nodes, v = p->n_vms, amounts = n * p->n_resources;

    s->capacities = arena_take(arena, amounts, sizeof(*s->capacities));
    s->used = arena_take(arena, amounts, sizeof(*s->used));
    s->held = arena_take(arena, amounts, sizeof(*s->held));
    s->loaded = arena_take(arena, amounts, sizeof(*s->loaded));
    s->n_vms_on = arena_take(arena, n, sizeof(*s->n_vms_on));
    s->n_vms_held = arena_take(arena, n, sizeof(*s->n_vms_held));
    s->vms_max = arena_take(arena, n, sizeof(*s->vms_max));
    s->first_on = arena_take(arena, n, sizeof(*s->first_on));
    s->leaving = arena_take(arena, n, sizeof(*s->leaving));
    s->accepts = arena_take(arena, s->node_words, sizeof(*s->accepts));
    s->marks = arena_take(arena, n, sizeof(*s->marks));
    s->candidates = arena_take(arena, n, sizeof(*s->candidates));
    s->volume_bits = arena_take(arena, n * s->volume_words, sizeof(*s->volume_bits));
    s->network_bits = arena_take(arena, n * s->network_words, sizeof(*s->network_bits));
    s->cpu_model_bits = arena_take(arena, n * s->cpu_model_words, sizeof(*s->cpu_model_bits));
    s->machine_bits = arena_take(arena, n * s->machine_words, sizeof(*s->machine_bits));
    s->flags = arena_take(arena, v, sizeof(*s->flags));
    s->at = arena_take(arena, v, sizeof(*s->at));
    s->home = arena_take(arena, v, sizeof(*s->home));
    s->class_of = arena_take(arena, v, sizeof(*s->class_of));
    s->next_on = arena_take(arena, v, sizeof(*s->next_on));
    s->prev_on = arena_take(arena, v, sizeof(*s->prev_on));
    s->rules_start = arena_take(arena, v + 1, sizeof(*s->rules_start));
    s->rules_of = arena_take(arena, n_memberships, sizeof(*s->rules_of));
    s->rules = arena_take(arena, p->n_rules, sizeof(*s->rules));
    s->rule_bits = arena_take(arena, s->n_rule_words, sizeof(*s->rule_bits));
    s->counts = arena_take(arena, (size_t)s->counts_mask + 1, sizeof(*s->counts));
    s->decisions = arena_take(arena, v, sizeof(*s->decisions));
    s->touched = arena_take(arena, v, sizeof(*s->touched));
    s->prices = arena_take(arena, v, sizeof(*s->prices));
    s->packed = arena_take(arena, v, sizeof(*s->packed));
    s->steps = arena_take(arena, placement_steps_max(s), sizeof(*s->steps));
    s->moves = arena_take(arena, placement_steps_max(s), sizeof(*s->moves));
    s->unplaced = arena_take(arena, v, sizeof(*s->unplaced));
    s->least_down = arena_take(arena, v, sizeof(*s->least_down));
}

static int grow(void **block, size_t *block_size, size_t size) {
    size = size > 0 ? size : 1; /* an empty array has an address too */
    if (size <= *block_size) {
        return 0;
    }
    free(*block);
    *block_size = 0;
    *block = malloc(size);
    if (*block == NULL) {
        return -ENOMEM;
    }
    *block_size = size;
    return 0;
}

void *placement_search_room(struct placement_solver *s, size_t size) {
    if (grow(&s->search, &s->search_size, size) < 0) {
        s->no_memory = true;
        return NULL;
    }
    return s->search;
}

/* Learn the sizes, make room, lay out. */
static int make_room(struct placement_solver *s) {
    const struct placement_problem *p = s->problem;
    size_t n_memberships = 0, n_counts = 0;

    s->n_resources = p->n_resources;
    s->node_words = bit_words(p->n_nodes);
    s->volume_words = bit_words(p->n_volumes);
    s->network_words = bit_words(p->n_networks);
    s->cpu_model_words = bit_words(p->n_cpu_models);
    s->machine_words = bit_words(p->n_machines);
    s->n_rule_words = 0;
    for (uint32_t i = 0; i < p->n_rules; i++) {
        s->n_rule_words += rule_has_nodes(&p->rules[i]) ? s->node_words : 0;
        n_memberships += p->rules[i].vms.n;
        n_counts += p->rules[i].vms.n * (p->rules[i].group_of != NULL ? UINT64_C(2) : 1);
    }
    if (n_counts > UINT32_MAX / 8) {
        return -E2BIG;
    }
    /* A VM and its group count in at most two domains of each of its rules; half of the table stays
     * free. */
    uint32_t size = 4;
    while (size < 4 * n_counts) {
        size *= 2;
    }
    s->counts_mask = size - 1;

    struct arena count = {0};
    layout(s, &count, n_memberships);
    if (count.too_big) {
        return -ENOMEM;
    }
    void *block = s->memory;
    int error = grow(&block, &s->memory_size, count.used);
    s->memory = block;
    if (error == 0) {
        struct arena arena = {.base = s->memory};
        layout(s, &arena, n_memberships);
    }
    return error;
}

static bool leaves(enum placement_kind kind) {
    return kind == PLACEMENT_FAILOVER || kind == PLACEMENT_DRAIN;
}

static void compile_nodes(struct placement_solver *s) {
    const struct placement_problem *p = s->problem;
    const uint32_t n_resources = p->n_resources;

    memset(s->marks, 0, p->n_nodes * sizeof(*s->marks));
    memset(s->leaving, 0, p->n_nodes * sizeof(*s->leaving));
    memset(s->accepts, 0, s->node_words * sizeof(*s->accepts));
    memset(s->volume_bits, 0, p->n_nodes * s->volume_words * sizeof(*s->volume_bits));
    memset(s->network_bits, 0, p->n_nodes * s->network_words * sizeof(*s->network_bits));
    memset(s->cpu_model_bits, 0, p->n_nodes * s->cpu_model_words * sizeof(*s->cpu_model_bits));
    memset(s->machine_bits, 0, p->n_nodes * s->machine_words * sizeof(*s->machine_bits));
    for (uint32_t k = 0; leaves(s->request.kind) && k < s->request.nodes.n; k++) {
        s->leaving[s->request.nodes.index[k]] = true;
    }
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        const struct placement_node *node = &p->nodes[i];
        uint64_t *capacity = &s->capacities[(size_t)i * n_resources];
        memcpy(capacity, &p->capacities[(size_t)i * n_resources], n_resources * sizeof(*capacity));
        if (node->cpu_overcommit_permille > 0) {
            capacity[PLACEMENT_CPU] =
                capacity[PLACEMENT_CPU] * node->cpu_overcommit_permille / 1000;
        }
        s->vms_max[i] = node->vms_max > 0 ? node->vms_max : UINT32_MAX;
        if (node->state == PLACEMENT_NODE_ACCEPTS && !s->leaving[i]) {
            bit_set(s->accepts, i);
        }
        for (uint32_t k = 0; k < node->volumes.n; k++) {
            bit_set(&s->volume_bits[i * s->volume_words], node->volumes.index[k]);
        }
        for (uint32_t k = 0; k < node->networks.n; k++) {
            bit_set(&s->network_bits[i * s->network_words], node->networks.index[k]);
        }
        for (uint32_t k = 0; k < node->cpu_models.n; k++) {
            bit_set(&s->cpu_model_bits[i * s->cpu_model_words], node->cpu_models.index[k]);
        }
        for (uint32_t k = 0; k < node->machines.n; k++) {
            bit_set(&s->machine_bits[i * s->machine_words], node->machines.index[k]);
        }
    }
}

/* rules_of: for each VM the rules that name it, each once. They are counted, then filled in. */
static void compile_rules_of_vms(struct placement_solver *s) {
    const struct placement_problem *p = s->problem;
    uint32_t *last = s->at; /* on loan: the rule that named the VM last */

    memset(s->rules_start, 0, ((size_t)p->n_vms + 1) * sizeof(*s->rules_start));
    for (int fill = 0; p->n_rules > 0 && fill < 2; fill++) {
        memset(last, 0xff, p->n_vms * sizeof(*last));
        uint32_t first_group = p->n_rules;
        for (uint32_t r = 0; r < p->n_rules; r++) {
            const uint32_t *groups = p->rules[r].group_of;
            for (uint32_t k = 0; k < p->rules[r].vms.n; k++) {
                uint32_t vm = p->rules[r].vms.index[k];
                if (last[vm] == r) {
                    continue;
                }
                last[vm] = r;
                if (fill == 0) {
                    s->rules_start[vm + 1]++;
                } else {
                    s->rules_of[s->rules_start[vm]++] = (struct membership){
                        .rule = r,
                        .group = groups != NULL ? first_group + groups[k] : PLACEMENT_NONE,
                    };
                    s->flags[vm] |= VM_HAS_RULES;
                }
            }
            first_group += groups != NULL ? p->rules[r].vms.n : 0;
        }
        for (uint32_t vm = 0; fill == 0 && vm < p->n_vms; vm++) {
            s->rules_start[vm + 1] += s->rules_start[vm];
        }
    }
    if (p->n_rules > 0) {
        /* Filling moved each start to its end, which is the next one's start. */
        memmove(&s->rules_start[1], &s->rules_start[0], p->n_vms * sizeof(*s->rules_start));
        s->rules_start[0] = 0;
    }
}

static void compile_rules(struct placement_solver *s) {
    const struct placement_problem *p = s->problem;
    uint64_t *bits = s->rule_bits;

    memset(s->rule_bits, 0, s->n_rule_words * sizeof(*s->rule_bits));
    for (uint32_t r = 0; r < p->n_rules; r++) {
        const struct placement_rule *rule = &p->rules[r];
        struct rule_state *state = &s->rules[r];
        *state = (struct rule_state){
            .weight = rule->weight > 0 ? rule->weight : 1,
            .hard = rule->strength == PLACEMENT_HARD,
        };
        state->at_both_ends =
            state->hard && (rule->kind == PLACEMENT_APART || rule->kind == PLACEMENT_AT_MOST);
        if (rule_has_nodes(rule)) {
            state->nodes = bits;
            bits += s->node_words;
            for (uint32_t k = 0; k < rule->nodes.n; k++) {
                bit_set(state->nodes, rule->nodes.index[k]);
            }
        }
    }
}

/* Goal 2 is about the VMs asked for: a rule that names none of them does not concern this plan. */
static void drop_rules_of_others(struct placement_solver *s) {
    const struct placement_problem *p = s->problem;
    for (uint32_t r = 0; s->request.kind != PLACEMENT_BALANCE && r < p->n_rules; r++) {
        bool asked = s->rules[r].hard;
        for (uint32_t k = 0; !asked && k < p->rules[r].vms.n; k++) {
            asked = (s->flags[p->rules[r].vms.index[k]] & VM_ASKED) != 0;
        }
        s->rules[r].weight = asked ? s->rules[r].weight : 0;
    }
}

/* ---- classes */

/* A hard rule that forbids nodes whatever other VMs do. */
static bool forbids_nodes(const struct placement_solver *s, uint32_t r) {
    const struct placement_rule *rule = &s->problem->rules[r];
    return s->rules[r].hard && (rule_is_of_nodes(rule) || (rule->kind == PLACEMENT_TOGETHER &&
                                                           rule->scope == PLACEMENT_PART));
}

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

static uint64_t mix_set(uint64_t hash, const struct placement_set *set) {
    hash = mix(hash, set->n);
    for (uint32_t i = 0; i < set->n; i++) {
        hash = mix(hash, set->index[i]);
    }
    return hash;
}

static uint64_t class_hash(const struct placement_solver *s, uint32_t vm) {
    const struct placement_vm *v = &s->problem->vms[vm];
    uint64_t hash = mix(mix(0, v->cpu_model), v->machine);
    hash = mix_set(hash, &v->possible);
    hash = mix_set(hash, &v->excluded);
    hash = mix_set(hash, &v->volumes);
    hash = mix_set(hash, &v->networks);
    for (uint32_t i = s->rules_start[vm]; i < s->rules_start[vm + 1]; i++) {
        const uint32_t r = s->rules_of[i].rule;
        hash = forbids_nodes(s, r) ? mix(hash, r) : hash;
    }
    return hash;
}

static bool set_equal(const struct placement_set *a, const struct placement_set *b) {
    return a->n == b->n && (a->n == 0 || memcmp(a->index, b->index, a->n * sizeof(*a->index)) == 0);
}

static bool class_equal(const struct placement_solver *s, uint32_t a, uint32_t b) {
    const struct placement_vm *va = &s->problem->vms[a], *vb = &s->problem->vms[b];
    if (va->cpu_model != vb->cpu_model || va->machine != vb->machine ||
        !set_equal(&va->possible, &vb->possible) || !set_equal(&va->excluded, &vb->excluded) ||
        !set_equal(&va->volumes, &vb->volumes) || !set_equal(&va->networks, &vb->networks)) {
        return false;
    }
    uint32_t i = s->rules_start[a], k = s->rules_start[b];
    for (;;) {
        while (i < s->rules_start[a + 1] && !forbids_nodes(s, s->rules_of[i].rule)) {
            i++;
        }
        while (k < s->rules_start[b + 1] && !forbids_nodes(s, s->rules_of[k].rule)) {
            k++;
        }
        if (i == s->rules_start[a + 1] || k == s->rules_start[b + 1]) {
            return i == s->rules_start[a + 1] && k == s->rules_start[b + 1];
        }
        if (s->rules_of[i++].rule != s->rules_of[k++].rule) {
            return false;
        }
    }
}

static void row_fill(const struct placement_solver *s, uint32_t vm, uint64_t *row) {
    const struct placement_problem *p = s->problem;
    const struct placement_vm *v = &p->vms[vm];

    memcpy(row, s->accepts, s->node_words * sizeof(*row));
    if (v->possible.n > 0) {
        memset(row, 0, s->node_words * sizeof(*row));
        for (uint32_t k = 0; k < v->possible.n; k++) {
            uint32_t node = v->possible.index[k];
            if (bit_test(s->accepts, node)) {
                bit_set(row, node);
            }
        }
    }
    for (uint32_t k = 0; k < v->excluded.n; k++) {
        row[v->excluded.index[k] / 64] &= ~(UINT64_C(1) << (v->excluded.index[k] % 64));
    }
    for (uint32_t node = 0; node < p->n_nodes; node++) {
        bool ok = has_cpu_model(s, v, node) && has_machine(s, v, node) &&
                  missing_volume(s, v, node) == PLACEMENT_NONE &&
                  missing_network(s, v, node) == PLACEMENT_NONE;
        for (uint32_t i = s->rules_start[vm]; ok && i < s->rules_start[vm + 1]; i++) {
            const struct placement_rule *rule = &p->rules[s->rules_of[i].rule];
            if (forbids_nodes(s, s->rules_of[i].rule)) {
                ok = rule_is_of_nodes(rule) ? !placement_rule_broken(s, vm, &s->rules_of[i], node)
                                            : rule->part_of[node] != PLACEMENT_NONE;
            }
        }
        if (!ok) {
            row[node / 64] &= ~(UINT64_C(1) << (node % 64));
        }
    }
}

static bool is_plain(const struct placement_solver *s, uint32_t vm) {
    const struct placement_vm *v = &s->problem->vms[vm];
    return v->cpu_model == PLACEMENT_NONE && v->machine == PLACEMENT_NONE && v->possible.n == 0 &&
           v->excluded.n == 0 && v->volumes.n == 0 && v->networks.n == 0 &&
           !(s->flags[vm] & VM_HAS_RULES);
}

/* Class 0 is that of VMs without any constraint. `first[class]` and the hash table's slots are on
 * loan from arrays that the search fills later. */
static int compile_classes(struct placement_solver *s) {
    const struct placement_problem *p = s->problem;
    uint32_t *first = s->packed, *slots = s->touched;

    memset(slots, 0xff, p->n_vms * sizeof(*slots));
    s->n_classes = 1;
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        s->class_of[vm] = 0;
        if (!(s->flags[vm] & (VM_ASKED | VM_MOVABLE)) || is_plain(s, vm)) {
            continue;
        }
        uint32_t i = (uint32_t)(class_hash(s, vm) % p->n_vms);
        while (slots[i] != PLACEMENT_NONE && !class_equal(s, slots[i], vm)) {
            i = i + 1 < p->n_vms ? i + 1 : 0;
        }
        if (slots[i] == PLACEMENT_NONE) {
            slots[i] = vm;
            s->class_of[vm] = s->n_classes;
            first[s->n_classes++ - 1] = vm;
        } else {
            s->class_of[vm] = s->class_of[slots[i]];
        }
    }
    size_t size;
    if (__builtin_mul_overflow((size_t)s->n_classes, s->node_words * sizeof(*s->rows), &size)) {
        return -ENOMEM;
    }
    void *block = s->rows;
    int error = grow(&block, &s->rows_size, size);
    s->rows = block;
    if (error < 0) {
        return error;
    }
    for (size_t i = 0; i < s->node_words; i++) {
        s->rows[i] = s->accepts[i];
    }
    for (uint32_t i = 1; i < s->n_classes; i++) {
        row_fill(s, first[i - 1], &s->rows[i * s->node_words]);
    }
    return 0;
}

/* ---- VMs */

/* Whether a balance may move the VM, which runs. */
static bool balances(const struct placement_solver *s, uint32_t vm) {
    const struct placement_request *request = &s->request;
    return (request->vms.n == 0 || set_has(&request->vms, vm)) &&
           (request->nodes.n == 0 || set_has(&request->nodes, s->problem->vms[vm].host));
}

static void compile_vm(struct placement_solver *s, uint32_t vm) {
    const struct placement_vm *v = &s->problem->vms[vm];
    const enum placement_kind kind = s->request.kind;
    uint16_t flags = s->flags[vm];

    s->home[vm] = PLACEMENT_NONE;
    if (v->host != PLACEMENT_NONE && !(kind == PLACEMENT_FAILOVER && (flags & VM_ASKED))) {
        flags |= VM_HOLDS;
        s->home[vm] = v->host;
        /* A move to a node that is lost does not arrive. */
        if (v->also_on != PLACEMENT_NONE &&
            !(kind == PLACEMENT_FAILOVER && s->leaving[v->also_on])) {
            flags |= VM_ARRIVING;
        }
    }
    if (flags & VM_ASKED) {
        const bool stuck = (kind == PLACEMENT_FAILOVER && v->no_auto_start) ||
                           ((flags & VM_HOLDS) && v->mobility == PLACEMENT_FIXED) ||
                           (kind == PLACEMENT_RETURN && v->return_to == PLACEMENT_NONE) ||
                           (flags & VM_ARRIVING);
        flags |= stuck ? VM_STUCK : VM_MOVABLE;
    } else if ((flags & (VM_HOLDS | VM_ARRIVING)) == VM_HOLDS &&
               v->mobility == PLACEMENT_MOVABLE_LIVE &&
               (kind == PLACEMENT_BALANCE ? balances(s, vm) : s->request.may_move_others)) {
        flags |= VM_MOVABLE;
    }
    s->flags[vm] = flags;
}

/* Stuck VMs (nothing to decide) do not count, so there are no more levels than VMs to place. */
static void compile_levels(struct placement_solver *s) {
    const struct decision *last = NULL;
    for (uint32_t i = 0; i < s->n_decisions; i++) {
        struct decision *decision = &s->decisions[i];
        if (!(s->flags[decision->vm] & VM_MOVABLE)) {
            continue;
        }
        if (last != NULL) {
            decision->level = last->level + (decision->priority != last->priority ? 1 : 0);
        }
        last = decision;
    }
}

int placement_compile(struct placement_solver *s, const struct placement_problem *problem,
                      const struct placement_request *request) {
    s->problem = problem;
    s->request = *request;
    int error = make_room(s);
    if (error < 0) {
        return error;
    }
    memset(s->flags, 0, problem->n_vms * sizeof(*s->flags));
    compile_nodes(s);
    compile_rules_of_vms(s);
    compile_rules(s);
    s->n_decisions = 0;
    s->at_end = s->sparing = false;
    s->bound_for = PLACEMENT_NONE;
    s->some_stay_down = false;
    s->filled_with = 0;
    s->listed_with = 0;
    s->priced = s->by_price = false;
    s->stamp = 0;
    s->random = problem->seed * 2 + 1;
    placement_collect(s);
    drop_rules_of_others(s);
    for (uint32_t vm = 0; vm < problem->n_vms; vm++) {
        compile_vm(s, vm);
    }
    compile_levels(s);
    error = compile_classes(s);
    memset(s->packed, 0xff, problem->n_vms * sizeof(*s->packed));
    if (error == 0) {
        placement_state_reset(s);
    }
    return error;
}
