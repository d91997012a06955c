/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_random.c - small random problems with every rule, against the naive reading of the header
 * and against brute force.
 *
 * On failure the seed of the problem is printed; run the program with it as its argument to see
 * only that one.
 */
#include "naive.h"
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N_PROBLEMS 20000u
#define BRUTE_VMS 4u

static uint64_t random_state;

/* splitmix64, below n. */
static uint32_t pick(uint32_t n) {
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((z ^ (z >> 31)) % n);
}

static bool chance(uint32_t percent) {
    return pick(100) < percent;
}

/* Each of 0..n-1 with the given chance, shuffled. */
static struct placement_set pick_set(struct world *w, uint32_t n, uint32_t percent) {
    uint32_t index[WORLD_VMS] = {0}, size = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (chance(percent)) {
            uint32_t at = pick(size + 1);
            index[size++] = index[at];
            index[at] = i;
        }
    }
    return world_set(w, index, size);
}

static uint32_t pick_node(const struct world *w) {
    return pick(w->problem.n_nodes);
}

static void random_nodes(struct world *w) {
    struct placement_problem *p = &w->problem;
    p->n_nodes = 1 + pick(5);
    p->n_volumes = pick(3);
    p->n_cpu_models = 1 + pick(2);
    p->n_resources = 2 + pick(2);
    w->resources[2] = (struct placement_resource){.name = "vgpu"};
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        w->nodes[i] = (struct placement_node){
            .state = chance(85) ? PLACEMENT_NODE_ACCEPTS
                                : (enum placement_node_state)pick(PLACEMENT_NODE_STATE_COUNT),
            .site = pick(p->n_nodes < 2 ? 1 : 2),
            .rack = pick(p->n_nodes),
            .cpu_overcommit_permille = chance(70) ? 0 : 500 * pick(5),
            .vms_max = chance(80) ? 0 : 1 + pick(3),
            .volumes = pick_set(w, p->n_volumes, 85),
            .cpu_models = pick_set(w, p->n_cpu_models, 90),
        };
        w->capacities[i * p->n_resources] = 4 + pick(9);
        w->capacities[i * p->n_resources + 1] = pick(10);
        if (p->n_resources > 2) {
            w->capacities[i * p->n_resources + 2] = pick(3);
        }
    }
}

static void random_vms(struct world *w) {
    struct placement_problem *p = &w->problem;
    p->n_vms = pick(9);
    for (uint32_t i = 0; i < p->n_vms; i++) {
        struct placement_vm *vm = &w->vms[i];
        *vm = (struct placement_vm)PLACEMENT_VM_INIT;
        vm->priority = (int32_t)pick(3) - 1;
        vm->no_auto_start = chance(5);
        vm->mobility = chance(85) ? PLACEMENT_MOVABLE_LIVE : (enum placement_mobility)pick(3);
        vm->host = chance(60) ? pick_node(w) : PLACEMENT_NONE;
        if (vm->host != PLACEMENT_NONE && p->n_nodes > 1 && chance(10)) {
            vm->also_on = (vm->host + 1 + pick(p->n_nodes - 1)) % p->n_nodes;
        }
        vm->return_to = chance(50) ? pick_node(w) : PLACEMENT_NONE;
        vm->cpu_model = chance(70) ? PLACEMENT_NONE : pick(p->n_cpu_models);
        vm->volumes = pick_set(w, p->n_volumes, 30);
        vm->possible = chance(70) ? pick_set(w, 0, 0) : pick_set(w, p->n_nodes, 60);
        vm->preferred = chance(70) ? pick_set(w, 0, 0) : pick_set(w, p->n_nodes, 50);
        vm->excluded = chance(85) ? pick_set(w, 0, 0) : pick_set(w, p->n_nodes, 30);
        w->needs[i * p->n_resources] = pick(6);
        w->needs[i * p->n_resources + 1] = pick(4);
        if (p->n_resources > 2) {
            w->needs[i * p->n_resources + 2] = chance(30) ? pick(2) : 0;
        }
    }
}

static struct world *random_world(uint64_t seed) {
    struct world *w = world_create();
    struct placement_problem *p = &w->problem;
    random_state = seed;
    random_nodes(w);
    random_vms(w);
    p->volume_names = NULL;
    p->n_rules = pick(4);
    for (uint32_t i = 0; i < p->n_rules; i++) {
        struct placement_rule *rule = &w->rules[i];
        *rule = (struct placement_rule){
            .kind = (enum placement_rule_kind)pick(PLACEMENT_RULE_KIND_COUNT),
            .scope = (enum placement_scope)pick(PLACEMENT_SCOPE_COUNT),
            .weight = pick(4),
            .vms = pick_set(w, p->n_vms, 50),
        };
        if (rule->vms.n > 0 && chance(10)) { /* named twice is named once */
            world_set(w, &rule->vms.index[pick(rule->vms.n)], 1);
            rule->vms.n++;
        }
        if (chance(40) && true) {
            rule->strength = PLACEMENT_HARD;
        }
        if (rule->kind == PLACEMENT_ON_NODES || rule->kind == PLACEMENT_NOT_ON_NODES) {
            rule->nodes = pick_set(w, p->n_nodes, 50);
        }
    }
    w->request.kind = (enum placement_kind)pick(PLACEMENT_BALANCE);
    w->request.vms = pick_set(w, p->n_vms, w->request.kind == PLACEMENT_PLACE ? 60 : 15);
    if (w->request.kind != PLACEMENT_PLACE) {
        w->request.nodes = pick_set(w, p->n_nodes, 30);
    }
    return w;
}

/* The verdicts on every node against the naive ones, for the VM that is decided next. */
static void compare_verdicts(const struct world *w, struct placement_solver *solver,
                             const struct naive_plan *naive, uint32_t vm, uint32_t chosen) {
    struct placement_verdict verdicts[WORLD_NODES];
    struct placement_explanation e;
    char line[PLACEMENT_TEXT_MAX];
    uint32_t n_possible = 0, n_counted = 0;

    assert_int_equal(placement_explain(solver, vm, verdicts, &e), 0);
    assert_int_equal(e.chosen, chosen);
    for (uint32_t node = 0; node < w->problem.n_nodes; node++) {
        const struct placement_verdict *v = &verdicts[node];
        assert_int_equal(v->obstacles, naive_obstacles(&w->problem, &w->request, naive, vm, node));
        assert_int_equal(v->soft_broken,
                         naive_soft_broken(&w->problem, &w->request, naive, vm, node));
        assert_int_equal(v->reason == PLACEMENT_CHOSEN, node == chosen);
        assert_int_equal(v->obstacles == 0, v->reason <= PLACEMENT_POSSIBLE);
        assert_int_equal(v->rank == 0, node == chosen);
        assert_int_equal(v->rank == PLACEMENT_NONE, v->obstacles != 0);
        if (v->rank == 1 && chosen != PLACEMENT_NONE) {
            assert_int_equal(e.runner_up, node);
        }
        n_possible += v->obstacles == 0;
        placement_verdict_text(&w->problem, vm, node, v, line, sizeof(line));
        assert_true(strlen(line) > 0 && strlen(line) + 1 < sizeof(line));
        assert_null(strchr(line, '\n'));
    }
    for (unsigned reason = 0; reason < PLACEMENT_REASON_COUNT; reason++) {
        n_counted += e.by_reason[reason];
    }
    assert_int_equal(n_counted, w->problem.n_nodes);
    assert_int_equal(e.n_possible, n_possible);
    assert_int_equal(e.runner_up == PLACEMENT_NONE, chosen == PLACEMENT_NONE || n_possible < 2);
    placement_explanation_text(&w->problem, vm, &e, line, sizeof(line));
    assert_true(strlen(line) > 0 && strlen(line) + 1 < sizeof(line));
}

static uint32_t planned_target(const struct placement_plan *plan, uint32_t vm, bool *ret_named) {
    uint32_t target = PLACEMENT_NONE;
    unsigned n = 0;
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        if (plan->moves[i].vm == vm) {
            target = plan->moves[i].to;
            n++;
        }
    }
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        n += plan->unplaced[i].vm == vm;
    }
    assert_true(n <= 1);
    *ret_named = n == 1;
    return target;
}

/* Decision by decision, the plan is what the header says. */
static void compare_with_naive(const struct world *w, struct placement_solver *solver,
                               const struct placement_plan *plan) {
    const struct placement_problem *p = &w->problem;
    struct naive_plan naive;
    bool named;

    naive_begin(p, &w->request, &naive);
    assert_int_equal(plan->n_moves + plan->n_unplaced, naive.n_asked);
    assert_int_equal(plan->cost.unplaced, plan->n_unplaced);
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        planned_target(plan, vm, &named);
        assert_int_equal(named, naive.asked[vm]);
    }
    uint64_t soft_broken = 0;
    for (uint32_t i = 0; i < naive.n_asked; i++) {
        const uint32_t vm = naive.order[i];
        const uint32_t best = naive_best(p, &w->request, &naive, vm);
        assert_int_equal(planned_target(plan, vm, &named), best);
        compare_verdicts(w, solver, &naive, vm, best);
        if (best != PLACEMENT_NONE) {
            soft_broken += naive_soft_broken(p, &w->request, &naive, vm, best);
        }
        naive.decided[vm] = true;
        naive.target[vm] = best;
    }
    assert_int_equal(plan->cost.soft_broken, soft_broken);
    const char *wrong = naive_wrong(p, &w->request, &naive);
    if (wrong != NULL) {
        fail_msg("%s", wrong);
    }
}

/* A second solve, and explanations in another order, say the same. */
static void check_repeatable(const struct world *w, struct placement_solver *solver,
                             const struct placement_plan *plan) {
    struct placement_solver *other = NULL;
    const struct placement_plan *again = NULL;
    struct placement_verdict forth[WORLD_NODES], back[WORLD_NODES];
    /* Padding is compared too. */
    memset(forth, 0, sizeof(forth));
    memset(back, 0, sizeof(back));

    assert_int_equal(placement_solver_create(&other), 0);
    assert_int_equal(placement_solve(other, &w->problem, &w->request, &again), 0);
    assert_int_equal(plan->n_moves, again->n_moves);
    assert_int_equal(plan->n_unplaced, again->n_unplaced);
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        assert_int_equal(plan->moves[i].vm, again->moves[i].vm);
        assert_int_equal(plan->moves[i].to, again->moves[i].to);
    }
    for (uint32_t i = plan->n_moves; i-- > 0;) {
        const uint32_t vm = plan->moves[i].vm;
        assert_int_equal(placement_explain(solver, vm, back, NULL), 0);
        assert_int_equal(
            placement_explain(other, plan->moves[plan->n_moves - 1 - i].vm, NULL, NULL), 0);
        assert_int_equal(placement_explain(other, vm, forth, NULL), 0);
        for (uint32_t node = 0; node < w->problem.n_nodes; node++) {
            assert_int_equal(forth[node].obstacles, back[node].obstacles);
            assert_int_equal(forth[node].rank, back[node].rank);
            assert_int_equal(forth[node].have, back[node].have);
        }
    }
    placement_solver_destroy(other);
}

/* All ways to place the asked VMs: how many can be placed at most, and can the first one? */
struct brute {
    uint32_t most_placed;
    bool first_placed;
};

static void brute_force(const struct world *w, struct naive_plan *plan, uint32_t i,
                        uint32_t n_placed, struct brute *best) {
    if (i == plan->n_asked) {
        if (naive_wrong(&w->problem, &w->request, plan) == NULL) {
            best->most_placed = n_placed > best->most_placed ? n_placed : best->most_placed;
            best->first_placed |= plan->target[plan->order[0]] != PLACEMENT_NONE;
        }
        return;
    }
    const uint32_t vm = plan->order[i];
    plan->target[vm] = PLACEMENT_NONE;
    brute_force(w, plan, i + 1, n_placed, best);
    for (uint32_t node = 0; node < w->problem.n_nodes; node++) {
        plan->target[vm] = node;
        brute_force(w, plan, i + 1, n_placed + 1, best);
    }
    plan->target[vm] = PLACEMENT_NONE;
}

static struct { uint32_t n, n_optimal, placed, most; } brute_sum;

static void compare_with_brute_force(const struct world *w, const struct placement_plan *plan) {
    struct naive_plan naive;
    struct brute best = {0};
    bool named;

    naive_begin(&w->problem, &w->request, &naive);
    if (naive.n_asked == 0 || naive.n_asked > BRUTE_VMS) {
        return;
    }
    brute_force(w, &naive, 0, 0, &best);
    assert_true(plan->n_moves <= best.most_placed);
    /* Greedy is not optimal, but the first in the order gets a node if there is any. */
    assert_int_equal(planned_target(plan, naive.order[0], &named) != PLACEMENT_NONE,
                     best.first_placed);
    brute_sum.n++;
    brute_sum.n_optimal += plan->n_moves == best.most_placed;
    brute_sum.placed += plan->n_moves;
    brute_sum.most += best.most_placed;
}

static const char *only_seed;

static void test_random_problems(void **state) {
    (void)state;
    struct placement_solver *solver = NULL;
    assert_int_equal(placement_solver_create(&solver), 0);
    uint64_t first = only_seed != NULL ? strtoull(only_seed, NULL, 10) : 1;
    uint64_t last = only_seed != NULL ? first : N_PROBLEMS;
    for (uint64_t seed = first; seed <= last; seed++) {
        const struct placement_plan *plan = NULL;
        struct world *w = random_world(seed);
        /* Read in the debugger, or in the trace below, when an assertion stops the test. */
        random_state = seed;
        if (placement_solve(solver, &w->problem, &w->request, &plan) != 0) {
            fail_msg("seed %llu was refused", (unsigned long long)seed);
        }
        compare_with_naive(w, solver, plan);
        check_repeatable(w, solver, plan);
        compare_with_brute_force(w, plan);
        world_destroy(w);
    }
    placement_solver_destroy(solver);
    print_message(
        "greedy placed %u of %u VMs that can be placed; all of them in %u of %u problems\n",
        brute_sum.placed, brute_sum.most, brute_sum.n_optimal, brute_sum.n);
}

static int print_seed(void **state) {
    (void)state;
    if (random_state > 0 && random_state <= N_PROBLEMS) {
        print_message("the last problem had seed %llu\n", (unsigned long long)random_state);
    }
    return 0;
}

int main(int argc, char **argv) {
    only_seed = argc > 1 ? argv[1] : NULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_random_problems, print_seed),
    };
    return cmocka_run_group_tests_name("placement: random problems", tests, NULL, NULL);
}
