/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_property.c - what holds for every plan: valid by the checker on large problems, the same for
 * the same input, never worse for more work, no matter in which order rules and lists are given.
 */
#include "checker.h"
#include "generate.h"
#include "oracle.h"
#include "verdicts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SLICE 50000u

/* A copy that outlives the solver's own plan. */
struct kept {
    struct placement_plan plan;
    struct placement_move *moves;
    struct placement_unplaced *unplaced;
};

static struct kept keep(const struct placement_plan *plan) {
    struct kept k = {.plan = *plan,
                     .moves = calloc(plan->n_moves + 1, sizeof(*k.moves)),
                     .unplaced = calloc(plan->n_unplaced + 1, sizeof(*k.unplaced))};
    assert_non_null(k.moves);
    assert_non_null(k.unplaced);
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        k.moves[i] = plan->moves[i];
    }
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        k.unplaced[i] = plan->unplaced[i];
    }
    return k;
}

static void drop(struct kept *k) {
    free(k->moves);
    free(k->unplaced);
}

static bool same_move(const struct placement_move *a, const struct placement_move *b) {
    return a->vm == b->vm && a->from == b->from && a->to == b->to && a->stage == b->stage &&
           a->mode == b->mode && a->asked == b->asked && a->ready_ms == b->ready_ms;
}

static bool same_cost(const struct placement_cost *a, const struct placement_cost *b) {
    return a->unplaced == b->unplaced && a->nodes_over == b->nodes_over &&
           a->soft_broken == b->soft_broken && a->moves == b->moves &&
           a->moves_of_others == b->moves_of_others && a->moved_mb == b->moved_mb &&
           a->move_ms == b->move_ms && a->least_free_permille == b->least_free_permille;
}

static bool same(const struct kept *k, const struct placement_plan *plan) {
    bool equal = k->plan.n_moves == plan->n_moves && k->plan.n_unplaced == plan->n_unplaced &&
                 k->plan.proven == plan->proven && same_cost(&k->plan.cost, &plan->cost);
    for (uint32_t i = 0; equal && i < plan->n_moves; i++) {
        equal = same_move(&k->moves[i], &plan->moves[i]);
    }
    for (uint32_t i = 0; equal && i < plan->n_unplaced; i++) {
        equal = k->unplaced[i].vm == plan->unplaced[i].vm &&
                k->unplaced[i].node == plan->unplaced[i].node &&
                k->unplaced[i].reason == plan->unplaced[i].reason;
    }
    return equal;
}

/* Unplaced by priority: negative if a is better. Both lists begin with the most important. */
static int compare_unplaced(const struct placement_problem *p, const struct placement_plan *a,
                            const struct placement_plan *b) {
    for (uint32_t i = 0; i < a->n_unplaced && i < b->n_unplaced; i++) {
        const int32_t of_a = p->vms[a->unplaced[i].vm].priority;
        const int32_t of_b = p->vms[b->unplaced[i].vm].priority;
        if (of_a != of_b) {
            return of_a < of_b ? -1 : 1;
        }
    }
    return a->n_unplaced < b->n_unplaced ? -1 : a->n_unplaced > b->n_unplaced;
}

static int compare(const struct placement_problem *p, const struct placement_plan *a,
                   const struct placement_plan *b) {
    const int unplaced = compare_unplaced(p, a, b);
    const struct placement_cost *x = &a->cost, *y = &b->cost;
    if (unplaced != 0) {
        return unplaced;
    }
#define STEP(field)                          \
    if (x->field != y->field) {              \
        return x->field < y->field ? -1 : 1; \
    }
    STEP(nodes_over)
    STEP(soft_broken)
    STEP(moves_of_others)
#undef STEP
    return 0;
}

static void check(const struct world *w, const struct placement_plan *plan, uint64_t seed) {
    char text[CHECKER_TEXT_MAX];
    if (!checker_plan_ok(&w->problem, &w->request, plan, CHECKER_ALL, text)) {
        fail_msg("seed %llu: %s", (unsigned long long)seed, text);
    }
}

/* Hundreds of nodes, thousands of VMs, all rules: each plan on the way is valid, none is worse than
 * the one before. */
static void test_large_problems(void **state) {
    (void)state;
    struct placement_solver *solver = NULL;
    assert_int_equal(placement_solver_create(&solver), 0);
    for (uint32_t seed = 1; seed <= 30; seed++) {
        const struct generate_size size = {20 + seed * 10, 200 + seed * 100, seed * 5};
        const struct placement_plan *plan = NULL;
        struct world *w = generate_large(seed, &size, 50 + seed % 5 * 10);
        w->request.work = seed % 2 == 0 ? UINT64_MAX : 0;
        assert_int_equal(placement_solve(solver, &w->problem, &w->request, &plan), 0);
        check(w, plan, seed);
        for (unsigned i = 0; i < 4; i++) {
            struct kept before = keep(plan);
            int more = placement_improve(solver, SLICE, &plan);
            assert_true(more == 0 || more == 1);
            before.plan.unplaced = before.unplaced;
            if (compare(&w->problem, plan, &before.plan) > 0) {
                fail_msg("seed %u: more work made it worse", seed);
            }
            check(w, plan, seed);
            drop(&before);
        }
        world_destroy(w);
    }
    placement_solver_destroy(solver);
}

/* Too large for brute force, small enough for many: plans and every verdict. */
static void test_middle_problems(void **state) {
    (void)state;
    const struct generate_size size = {.nodes_max = 9, .vms_max = 24, .rules_max = 8};
    struct placement_solver *solver = NULL;
    const char *more = getenv("CLUSTERD_PLACEMENT_SEEDS");
    const uint64_t n_seeds = more != NULL ? strtoull(more, NULL, 10) : 2000;
    assert_int_equal(placement_solver_create(&solver), 0);
    for (uint64_t seed = 1; seed <= n_seeds; seed++) {
        const struct placement_plan *plan = NULL;
        char text[VERDICTS_TEXT_MAX];
        struct world *w = generate_small(seed, &size);
        w->request.work = 30000;
        assert_int_equal(placement_solve(solver, &w->problem, &w->request, &plan), 0);
        check(w, plan, seed);
        assert_true(placement_improve(solver, 10000, &plan) >= 0);
        check(w, plan, seed);
        if (!verdicts_ok(&w->problem, &w->request, solver, plan, text)) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, text);
        }
        world_destroy(w);
    }
    placement_solver_destroy(solver);
}

static const struct generate_size small = {.nodes_max = 6, .vms_max = 14, .rules_max = 5};

static const struct placement_plan *solve_in_slices(struct placement_solver *solver,
                                                    const struct world *w) {
    const struct placement_plan *plan = NULL;
    assert_int_equal(placement_solve(solver, &w->problem, &w->request, &plan), 0);
    for (unsigned i = 0; i < 5 && placement_improve(solver, 1000, &plan) > 0; i++) {
    }
    return plan;
}

/* The same input and the same work: the same answer, whatever the solver did before. */
static void test_same_again(void **state) {
    (void)state;
    struct placement_solver *one = NULL, *other = NULL;
    assert_int_equal(placement_solver_create(&one), 0);
    assert_int_equal(placement_solver_create(&other), 0);
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        struct world *w = generate_small(seed, &small), *between = generate_small(seed + 7, &small);
        w->request.work = seed % 3 == 0 ? UINT64_MAX : 20000;
        struct kept first = keep(solve_in_slices(one, w));
        first.plan.unplaced = first.unplaced;
        check(w, solve_in_slices(other, w), seed);
        if (!same(&first, solve_in_slices(other, w))) {
            fail_msg("seed %llu: the second time is another plan", (unsigned long long)seed);
        }
        (void)solve_in_slices(one, between);
        if (!same(&first, solve_in_slices(one, w))) {
            fail_msg("seed %llu: a solve in between changes it", (unsigned long long)seed);
        }
        drop(&first);
        world_destroy(between);
        world_destroy(w);
    }
    placement_solver_destroy(one);
    placement_solver_destroy(other);
}

static void turn_round(struct placement_set *set) {
    uint32_t *index = calloc(set->n + 1, sizeof(*index));
    assert_non_null(index);
    for (uint32_t i = 0; i < set->n; i++) {
        index[i] = set->index[set->n - 1 - i];
    }
    set->index = index;
}

/* In which order rules and the request's lists are given does not matter to what is best. */
static void test_order_does_not_matter(void **state) {
    (void)state;
    struct placement_solver *solver = NULL;
    unsigned n_proven = 0;
    assert_int_equal(placement_solver_create(&solver), 0);
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        const struct generate_size size = {.nodes_max = 4, .vms_max = 6, .rules_max = 4};
        struct world *w = generate_small(seed, &size);
        const struct placement_plan *plan = NULL;
        assert_int_equal(placement_solve(solver, &w->problem, &w->request, &plan), 0);
        struct kept first = keep(plan);
        first.plan.unplaced = first.unplaced;
        for (uint32_t i = 0, j = w->problem.n_rules; i + 1 < j; i++, j--) {
            struct placement_rule rule = w->rules[i];
            w->rules[i] = w->rules[j - 1];
            w->rules[j - 1] = rule;
        }
        turn_round(&w->request.vms);
        turn_round(&w->request.nodes);
        assert_int_equal(placement_solve(solver, &w->problem, &w->request, &plan), 0);
        if (first.plan.proven && plan->proven) {
            n_proven++;
            if (compare_unplaced(&w->problem, &first.plan, plan) != 0) {
                fail_msg("seed %llu: another order, another optimum", (unsigned long long)seed);
            }
        }
        free((uint32_t *)(uintptr_t)w->request.vms.index);
        free((uint32_t *)(uintptr_t)w->request.nodes.index);
        drop(&first);
        world_destroy(w);
    }
    placement_solver_destroy(solver);
    print_message("%u of 1500 proven both times\n", n_proven);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_problems),
        cmocka_unit_test(test_middle_problems),
        cmocka_unit_test(test_same_again),
        cmocka_unit_test(test_order_does_not_matter),
    };
    return cmocka_run_group_tests_name("placement: properties", tests, NULL, NULL);
}
