/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_admit.c - can any k nodes be lost? Small random clusters, each case worked out by brute
 * force: YES only if every case has a plan, and the kept plan is one; NO only with a case that has
 * none; UNKNOWN only if there was no time.
 *
 *     test_placement_admit [SEED]
 */
#include "checker.h"
#include "generate.h"
#include "oracle.h"
#include "reading.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define N_SEEDS 10000u
#define SHOWN 5u

static const struct generate_size size = {.nodes_max = 4, .vms_max = 6, .rules_max = 3};
static uint64_t first_seed = 1, n_seeds = N_SEEDS;
static unsigned n_wrong, n_answers[3];

struct one_case {
    uint32_t index[ORACLE_NODES];
    struct placement_set lost;
    bool feasible;
};

/* Any k nodes may be lost one after the other, so the sets of fewer nodes count too: to lose one is
 * harder than to lose two where a rule binds a VM to one that is still there. */
struct all_cases {
    struct one_case of[64];
    uint32_t n, n_feasible;
};

static void wrong(struct world *w, uint64_t seed, const char *what) {
    if (++n_wrong > SHOWN) {
        print_error("seed %llu: %s\n", (unsigned long long)seed, what);
        return;
    }
    w->admits = true;
    char *text = world_write(w);
    print_error("seed %llu: %s\n%s\n", (unsigned long long)seed, what, text);
    free(text);
}

/* It runs VMs or accepts them. */
static bool can_be_lost(const struct placement_problem *p, uint32_t node) {
    bool can = p->nodes[node].state == PLACEMENT_NODE_ACCEPTS;
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        can |= p->vms[vm].host == node || p->vms[vm].also_on == node;
    }
    return can;
}

static struct placement_request loss_of(const struct world *w, const struct placement_set *lost) {
    return (struct placement_request){
        .kind = PLACEMENT_FAILOVER, .nodes = *lost, .may_move_others = w->admit.may_move_others};
}

/* Whether a VM of the case is to run again. */
static bool counts(const struct placement_problem *p, const struct placement_request *q,
                   uint32_t vm) {
    return vm < p->n_vms && reading_asks(p, q, vm) && !p->vms[vm].no_auto_start;
}

static bool is_feasible(const struct world *w, const struct placement_set *lost) {
    const struct placement_problem *p = &w->problem;
    const struct placement_request q = loss_of(w, lost);
    const struct oracle_options options = {0};
    struct placement_unplaced down[ORACLE_VMS];
    struct placement_plan plan = {.unplaced = down};
    struct oracle_answer best;
    assert_true(oracle_solve(p, &q, &options, &best));
    for (uint32_t vm = 0; vm < p->n_vms; vm++) {
        if (reading_asks(p, &q, vm) && p->vms[vm].no_auto_start) {
            down[plan.n_unplaced++].vm = vm;
        }
    }
    return best.unplaced == oracle_unplaced(p, &plan);
}

static void make_cases(const struct world *w, struct all_cases *all) {
    const uint32_t n_nodes = w->problem.n_nodes;
    uint32_t k = 0;
    for (uint32_t node = 0; node < n_nodes; node++) {
        k += can_be_lost(&w->problem, node);
    }
    k = k < w->admit.k ? k : w->admit.k;
    all->n = all->n_feasible = 0;
    for (uint32_t set = 0; set < 1u << n_nodes; set++) {
        struct one_case *c = &all->of[all->n];
        bool fits = true;
        c->lost = (struct placement_set){.index = c->index};
        for (uint32_t node = 0; node < n_nodes; node++) {
            if ((set >> node) & 1u) {
                c->index[c->lost.n++] = node;
                fits &= can_be_lost(&w->problem, node);
            }
        }
        if (fits && c->lost.n > 0 && c->lost.n <= k) {
            c->feasible = is_feasible(w, &c->lost);
            all->n_feasible += c->feasible;
            all->n++;
        }
    }
}

static const struct one_case *find_case(const struct all_cases *all,
                                        const struct placement_set *lost) {
    for (uint32_t i = 0; i < all->n; i++) {
        bool same = all->of[i].lost.n == lost->n;
        for (uint32_t k = 0; same && k < lost->n; k++) {
            same = reading_has(lost, all->of[i].index[k]);
        }
        if (same) {
            return &all->of[i];
        }
    }
    return NULL;
}

/* NULL, or what is wrong with the figures. */
static const char *figures(const struct world *w, const struct placement_admission *a,
                           const struct all_cases *all) {
    if (a->n_cases != all->n) {
        return "counts other cases";
    }
    if (a->n_yes + a->n_no + a->n_unknown != a->n_cases || a->n_yes > all->n_feasible ||
        a->n_no > all->n - all->n_feasible) {
        return "counts the cases wrongly";
    }
    if (a->answer == PLACEMENT_YES) {
        return a->n_yes != a->n_cases || all->n_feasible != all->n ? "a false yes" : NULL;
    }
    const struct one_case *c = find_case(all, &a->lost);
    const struct placement_request q = loss_of(w, &a->lost);
    if (c == NULL) {
        return "names a case that is none";
    }
    if (a->answer == PLACEMENT_UNKNOWN) {
        return "does not know, though there was time";
    }
    if (c->feasible) {
        return "a false no: this case has a plan";
    }
    if (!counts(&w->problem, &q, a->vm)) {
        return "names a VM that need not run again";
    }
    if (a->reason < PLACEMENT_CURRENT_HOST || a->reason >= PLACEMENT_REASON_COUNT ||
        (a->resource != PLACEMENT_NONE && a->resource >= w->problem.n_resources) ||
        (a->rule != PLACEMENT_NONE && a->rule >= w->problem.n_rules)) {
        return "gives no reason, or a resource or rule that is none";
    }
    return NULL;
}

/* The plans that are kept are plans. */
static bool witnesses_ok(const struct world *w, struct placement_solver *solver,
                         const struct placement_admission *a, const struct all_cases *all,
                         char *text) {
    uint32_t n_kept = 0;
    for (uint32_t i = 0; i < all->n; i++) {
        const struct placement_plan *plan = NULL;
        const struct placement_request q = loss_of(w, &all->of[i].lost);
        int error = placement_admit_witness(solver, &all->of[i].lost, &plan);
        if (error == -ENOENT) {
            continue;
        }
        n_kept++;
        assert_int_equal(error, 0);
        if (!checker_plan_ok(&w->problem, &q, plan, CHECKER_NO_COSTS, text)) {
            return false;
        }
        for (uint32_t u = 0; u < plan->n_unplaced; u++) {
            if (counts(&w->problem, &q, plan->unplaced[u].vm)) {
                snprintf(text, CHECKER_TEXT_MAX, "a witness leaves a VM down");
                return false;
            }
        }
    }
    snprintf(text, CHECKER_TEXT_MAX, "%u witnesses for %u cases that can be", n_kept,
             (uint32_t)a->n_yes);
    return n_kept >= a->n_yes;
}

static void one_admission(struct placement_solver *solver, struct world *w, uint64_t seed) {
    const struct placement_admission *a = NULL;
    struct all_cases all;
    char text[CHECKER_TEXT_MAX];
    int error = placement_admit(solver, &w->problem, &w->admit, &a);
    if (error < 0) {
        snprintf(text, sizeof(text), "is refused with %d", error);
        wrong(w, seed, text);
        return;
    }
    make_cases(w, &all);
    n_answers[a->answer]++;
    const char *what = figures(w, a, &all);
    if (what != NULL) {
        snprintf(text, sizeof(text), "%s (answer %d, of %u cases %u yes, %u no; true %u, %u)", what,
                 (int)a->answer, (unsigned)a->n_cases, (unsigned)a->n_yes, (unsigned)a->n_no,
                 all.n_feasible, all.n - all.n_feasible);
        wrong(w, seed, text);
    } else if (!witnesses_ok(w, solver, a, &all, text)) {
        wrong(w, seed, text);
    }
}

static void test_against_brute_force(void **state) {
    (void)state;
    struct placement_solver *solver = NULL;
    assert_int_equal(placement_solver_create(&solver), 0);
    for (uint64_t i = 0; i < n_seeds; i++) {
        struct world *w = generate_small(first_seed + i, &size);
        w->admit = (struct placement_admit_request){.k = (uint32_t)(i % 5 == 0  ? 3
                                                                    : i % 5 < 3 ? 1
                                                                                : 2),
                                                    .may_move_others = i % 2 == 0,
                                                    .work = 10000000};
        one_admission(solver, w, first_seed + i);
        world_destroy(w);
    }
    placement_solver_destroy(solver);
    print_message("%u yes, %u no, %u unknown\n", n_answers[0], n_answers[1], n_answers[2]);
    assert_int_equal(n_wrong, 0);
}

/* With hardly any work the answer may be UNKNOWN, but never wrong. */
static void test_little_work(void **state) {
    (void)state;
    struct placement_solver *solver = NULL;
    assert_int_equal(placement_solver_create(&solver), 0);
    for (uint64_t seed = 1; n_seeds > 1 && seed <= 500; seed++) {
        struct world *w = generate_small(seed, &size);
        const struct placement_admission *a = NULL;
        struct all_cases all;
        w->admit = (struct placement_admit_request){
            .k = 1, .may_move_others = true, .work = 1 + seed % 200};
        assert_int_equal(placement_admit(solver, &w->problem, &w->admit, &a), 0);
        make_cases(w, &all);
        if ((a->answer == PLACEMENT_YES && all.n_feasible != all.n) ||
            (a->answer == PLACEMENT_NO && all.n_feasible == all.n)) {
            fail_msg("seed %llu: a false answer", (unsigned long long)seed);
        }
        world_destroy(w);
    }
    placement_solver_destroy(solver);
}

/* Its host has no GPU any more, and the VM stays: that is no lack that a loss brings. n1's VM stays
 * down for the memory, which is there, but nowhere in one piece. */
static void test_a_node_that_is_too_full_already(void **state) {
    (void)state;
    const struct placement_node nodes[] = {{.name = "n0"}, {.name = "n1"}, {.name = "n2"}};
    const uint64_t capacities[] = {100, 1000, 0, 100, 1000, 0, 50, 1000, 0};
    const uint64_t needs[] = {10, 1, 1, 95, 1, 0};
    struct placement_vm vms[] = {PLACEMENT_VM_INIT, PLACEMENT_VM_INIT};
    vms[0].host = 0;
    vms[0].no_auto_start = true; /* n0 may be lost */
    vms[1].host = 1;
    const struct placement_problem problem = {.nodes = nodes,
                                              .vms = vms,
                                              .n_nodes = 3,
                                              .n_vms = 2,
                                              .n_resources = 3,
                                              .capacities = capacities,
                                              .needs = needs};
    const struct placement_admit_request request = {.k = 1};
    const struct placement_admission *a = NULL;
    struct placement_solver *solver = NULL;
    assert_int_equal(placement_solver_create(&solver), 0);
    assert_int_equal(placement_admit(solver, &problem, &request, &a), 0);
    assert_int_equal(a->answer, PLACEMENT_NO);
    assert_true(a->lost.n == 1 && a->lost.index[0] == 1 && a->vm == 1);
    assert_int_equal(a->reason, PLACEMENT_NO_MEMORY);
    assert_int_equal(a->resource, PLACEMENT_MEMORY);
    assert_int_equal(a->short_of, 0);
    placement_solver_destroy(solver);
}

int main(int argc, char **argv) {
    first_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    n_seeds = argc > 1 ? 1 : N_SEEDS;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_brute_force),
                                       cmocka_unit_test(test_little_work),
                                       cmocka_unit_test(test_a_node_that_is_too_full_already)};
    return cmocka_run_group_tests_name("placement: admission", tests, NULL, NULL);
}
