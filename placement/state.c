/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.c - who takes what where.
 *
 * Memory is one block, laid out twice by the same function: first with no base, to learn the size,
 * then for good. The block is kept from solve to solve and grows only.
 *
 * What a plan moves away is not given back: until a plan is carried out both ends of a move are
 * taken, so whatever part of it is done, in whatever order, no node is overloaded. Only a
 * failover's VMs hold nothing, since they do not run any more.
 */
#include "internal.h"

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
    const size_t n = p->n_nodes, v = p->n_vms;

    s->capacities = arena_take(arena, n * p->n_resources, sizeof(*s->capacities));
    s->used = arena_take(arena, n * p->n_resources, sizeof(*s->used));
    s->n_vms_on = arena_take(arena, n, sizeof(*s->n_vms_on));
    s->leaving = arena_take(arena, n, sizeof(*s->leaving));
    s->marks = arena_take(arena, n, sizeof(*s->marks));
    s->candidates = arena_take(arena, n, sizeof(*s->candidates));
    s->volume_bits = arena_take(arena, n * s->volume_words, sizeof(*s->volume_bits));
    s->cpu_model_bits = arena_take(arena, n * s->cpu_model_words, sizeof(*s->cpu_model_bits));
    s->asked = arena_take(arena, v, sizeof(*s->asked));
    s->placed_on = arena_take(arena, v, sizeof(*s->placed_on));
    s->rules_start = arena_take(arena, v + 1, sizeof(*s->rules_start));
    s->rules_of = arena_take(arena, n_memberships, sizeof(*s->rules_of));
    s->rules = arena_take(arena, p->n_rules, sizeof(*s->rules));
    s->fixed_bits = arena_take(arena, s->n_fixed_words, sizeof(*s->fixed_bits));
    s->moving_bits = arena_take(arena, s->n_moving_words, sizeof(*s->moving_bits));
    s->decisions = arena_take(arena, v, sizeof(*s->decisions));
    s->moves = arena_take(arena, v, sizeof(*s->moves));
    s->unplaced = arena_take(arena, v, sizeof(*s->unplaced));
}

static bool rule_has_nodes(const struct placement_rule *rule) {
    return rule->kind == PLACEMENT_ON_NODES || rule->kind == PLACEMENT_NOT_ON_NODES;
}

/* Words that the rule's bits take; a hard APART keeps two sets. */
static size_t rule_words(const struct placement_solver *s, const struct placement_rule *rule) {
    if (rule_has_nodes(rule)) {
        return bit_words(s->problem->n_nodes);
    }
    size_t words = bit_words(s->n_domains[rule->scope]);
    return rule_counts_source(rule) ? 2 * words : words;
}

/* Learn the sizes, make room, lay out. */
static int make_room(struct placement_solver *s) {
    const struct placement_problem *p = s->problem;
    size_t n_memberships = 0;

    s->n_domains[PLACEMENT_NODE] = p->n_nodes;
    s->n_domains[PLACEMENT_RACK] = 0;
    s->n_domains[PLACEMENT_SITE] = 0;
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        const struct placement_node *node = &p->nodes[i];
        if (node->rack >= s->n_domains[PLACEMENT_RACK]) {
            s->n_domains[PLACEMENT_RACK] = node->rack + 1;
        }
        if (node->site >= s->n_domains[PLACEMENT_SITE]) {
            s->n_domains[PLACEMENT_SITE] = node->site + 1;
        }
    }
    s->volume_words = bit_words(p->n_volumes);
    s->cpu_model_words = bit_words(p->n_cpu_models);
    s->n_fixed_words = s->n_moving_words = 0;
    for (uint32_t i = 0; i < p->n_rules; i++) {
        const struct placement_rule *rule = &p->rules[i];
        *(rule_has_nodes(rule) ? &s->n_fixed_words : &s->n_moving_words) += rule_words(s, rule);
        n_memberships += rule->vms.n;
    }
    if (n_memberships > UINT32_MAX) {
        return -E2BIG;
    }

    struct arena count = {0};
    layout(s, &count, n_memberships);
    if (count.too_big) {
        return -ENOMEM;
    }
    if (count.used > s->memory_size) {
        free(s->memory);
        s->memory_size = 0;
        s->memory = malloc(count.used);
        if (s->memory == NULL) {
            return -ENOMEM;
        }
        s->memory_size = count.used;
    }
    struct arena arena = {.base = s->memory};
    layout(s, &arena, n_memberships);
    return 0;
}

static void compile_nodes(struct placement_solver *s) {
    const struct placement_problem *p = s->problem;
    const uint32_t n_resources = p->n_resources;

    memset(s->marks, 0, p->n_nodes * sizeof(*s->marks));
    memset(s->leaving, 0, p->n_nodes * sizeof(*s->leaving));
    memset(s->volume_bits, 0, p->n_nodes * s->volume_words * sizeof(*s->volume_bits));
    memset(s->cpu_model_bits, 0, p->n_nodes * s->cpu_model_words * sizeof(*s->cpu_model_bits));
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        const struct placement_node *node = &p->nodes[i];
        uint64_t *capacity = &s->capacities[(size_t)i * n_resources];
        memcpy(capacity, &p->capacities[(size_t)i * n_resources], n_resources * sizeof(*capacity));
        if (node->cpu_overcommit_permille > 0) {
            capacity[PLACEMENT_CPU] =
                capacity[PLACEMENT_CPU] * node->cpu_overcommit_permille / 1000;
        }
        for (uint32_t k = 0; k < node->volumes.n; k++) {
            bit_set(&s->volume_bits[i * s->volume_words], node->volumes.index[k]);
        }
        for (uint32_t k = 0; k < node->cpu_models.n; k++) {
            bit_set(&s->cpu_model_bits[i * s->cpu_model_words], node->cpu_models.index[k]);
        }
    }
    if (s->request.kind == PLACEMENT_FAILOVER || s->request.kind == PLACEMENT_DRAIN) {
        for (uint32_t k = 0; k < s->request.nodes.n; k++) {
            s->leaving[s->request.nodes.index[k]] = true;
        }
    }
}

/* rules_of: for each VM the rules that name it, each once. Counted first, then filled in. */
static void compile_rules_of_vms(struct placement_solver *s) {
    const struct placement_problem *p = s->problem;
    uint32_t *last = s->placed_on; /* on loan: the rule that named the VM last */

    memset(s->rules_start, 0, ((size_t)p->n_vms + 1) * sizeof(*s->rules_start));
    for (int fill = 0; fill < 2; fill++) {
        memset(last, 0xff, p->n_vms * sizeof(*last));
        for (uint32_t r = 0; r < p->n_rules; r++) {
            for (uint32_t k = 0; k < p->rules[r].vms.n; k++) {
                uint32_t vm = p->rules[r].vms.index[k];
                if (last[vm] == r) {
                    continue;
                }
                last[vm] = r;
                if (fill == 0) {
                    s->rules_start[vm + 1]++;
                } else {
                    s->rules_of[s->rules_start[vm]++] = r;
                }
            }
        }
        if (fill == 0) {
            for (uint32_t vm = 0; vm < p->n_vms; vm++) {
                s->rules_start[vm + 1] += s->rules_start[vm];
            }
        }
    }
    /* Filling moved each start to its end, which is the next one's start. */
    memmove(&s->rules_start[1], &s->rules_start[0], p->n_vms * sizeof(*s->rules_start));
    s->rules_start[0] = 0;
}

static void compile_rules(struct placement_solver *s) {
    const struct placement_problem *p = s->problem;
    uint64_t *fixed = s->fixed_bits, *moving = s->moving_bits;

    memset(s->fixed_bits, 0, s->n_fixed_words * sizeof(*s->fixed_bits));
    for (uint32_t r = 0; r < p->n_rules; r++) {
        const struct placement_rule *rule = &p->rules[r];
        struct rule_state *state = &s->rules[r];
        *state = (struct rule_state){0};
        if (rule_has_nodes(rule)) {
            state->one = fixed;
            fixed += rule_words(s, rule);
            for (uint32_t k = 0; k < rule->nodes.n; k++) {
                bit_set(state->one, rule->nodes.index[k]);
            }
        } else {
            state->one = moving;
            if (rule_counts_source(rule)) {
                state->two = moving + bit_words(s->n_domains[rule->scope]);
            }
            moving += rule_words(s, rule);
        }
    }
}

int placement_state_compile(struct placement_solver *s, const struct placement_problem *problem,
                            const struct placement_request *request) {
    s->problem = problem;
    s->request = *request;
    int error = make_room(s);
    if (error < 0) {
        return error;
    }
    compile_nodes(s);
    compile_rules_of_vms(s);
    compile_rules(s);
    memset(s->asked, 0, problem->n_vms * sizeof(*s->asked));
    s->n_decisions = 0;
    s->n_applied = 0;
    s->stamp = 0;
    return 0;
}

bool placement_state_holds(const struct placement_solver *s, uint32_t vm) {
    return s->problem->vms[vm].host != PLACEMENT_NONE &&
           !(s->request.kind == PLACEMENT_FAILOVER && s->asked[vm]);
}

uint32_t placement_rule_domain(const struct placement_rule *rule,
                               const struct placement_node *nodes, uint32_t node) {
    switch (rule->scope) {
    case PLACEMENT_RACK: return nodes[node].rack;
    case PLACEMENT_SITE: return nodes[node].site;
    case PLACEMENT_NODE:
    case PLACEMENT_SCOPE_COUNT: break;
    }
    return node;
}

static void take(struct placement_solver *s, uint32_t vm, uint32_t node) {
    const uint32_t n_resources = s->problem->n_resources;
    const uint64_t *need = &s->problem->needs[(size_t)vm * n_resources];
    uint64_t *used = &s->used[(size_t)node * n_resources];
    for (uint32_t r = 0; r < n_resources; r++) {
        used[r] += need[r];
    }
    s->n_vms_on[node]++;
}

/* The VM is in the rule's domain now, beside other VMs that may be. */
static void locate(struct placement_solver *s, uint32_t r, uint32_t node) {
    const struct placement_rule *rule = &s->problem->rules[r];
    struct rule_state *state = &s->rules[r];
    if (rule_has_nodes(rule)) {
        return;
    }
    uint32_t domain = placement_rule_domain(rule, s->problem->nodes, node);
    if (state->two != NULL && bit_test(state->one, domain)) {
        bit_set(state->two, domain);
    }
    bit_set(state->one, domain);
    state->n_located++;
}

/* Locate a VM at its host and at the other end of its move, for the rules which count that
 * (`sources`) or for those which do not. Once per domain: a VM is no second VM to itself. */
static void locate_where_it_runs(struct placement_solver *s, uint32_t vm, bool sources) {
    const struct placement_vm *v = &s->problem->vms[vm];
    for (uint32_t i = s->rules_start[vm]; i < s->rules_start[vm + 1]; i++) {
        const struct placement_rule *rule = &s->problem->rules[s->rules_of[i]];
        if (rule_counts_source(rule) != sources) {
            continue;
        }
        locate(s, s->rules_of[i], v->host);
        if (v->also_on != PLACEMENT_NONE &&
            placement_rule_domain(rule, s->problem->nodes, v->host) !=
                placement_rule_domain(rule, s->problem->nodes, v->also_on)) {
            locate(s, s->rules_of[i], v->also_on);
        }
    }
}

void placement_state_reset(struct placement_solver *s) {
    const struct placement_problem *p = s->problem;

    memset(s->used, 0, (size_t)p->n_nodes * p->n_resources * sizeof(*s->used));
    memset(s->n_vms_on, 0, p->n_nodes * sizeof(*s->n_vms_on));
    memset(s->placed_on, 0xff, p->n_vms * sizeof(*s->placed_on));
    memset(s->moving_bits, 0, s->n_moving_words * sizeof(*s->moving_bits));
    for (uint32_t r = 0; r < p->n_rules; r++) {
        s->rules[r].n_located = 0;
    }
    s->n_applied = 0;
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        if (!placement_state_holds(s, vm)) {
            continue;
        }
        take(s, vm, p->vms[vm].host);
        if (p->vms[vm].also_on != PLACEMENT_NONE) {
            take(s, vm, p->vms[vm].also_on);
        }
        locate_where_it_runs(s, vm, true);
        if (!s->asked[vm]) {
            locate_where_it_runs(s, vm, false);
        }
    }
}

void placement_state_apply(struct placement_solver *s) {
    const struct decision *decision = &s->decisions[s->n_applied++];
    const uint32_t vm = decision->vm;

    if (decision->node == PLACEMENT_NONE) {
        if (placement_state_holds(s, vm)) {
            locate_where_it_runs(s, vm, false); /* it stays, so it counts there after all */
        }
        return;
    }
    s->placed_on[vm] = decision->node;
    take(s, vm, decision->node);
    /* If its old place in the domain counts as well, `two` is set by this VM alone. That does no
     * harm: the VM is not judged again, and others look at `two` only if they are in the domain
     * too. */
    for (uint32_t i = s->rules_start[vm]; i < s->rules_start[vm + 1]; i++) {
        locate(s, s->rules_of[i], decision->node);
    }
}
