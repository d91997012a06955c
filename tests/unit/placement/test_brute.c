/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_brute.c - small random problems, all that the header knows, against brute force: each plan
 * is walked by the checker and must be as good as the best that any sequence of moves can reach, in
 * the VMs unplaced and then in the soft rules broken.
 *
 *     test_placement_brute [FIRST N]        seeds FIRST to FIRST + N - 1; a seed alone is shown
 *     test_placement_brute FILE             a problem in world.h's words
 *     CLUSTERD_PLACEMENT_SEEDS=200000       so many of them, instead of what ctest asks for
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

#define N_SEEDS 25000u
#define SHOWN 5u /* problems that are printed in full */
#define IMPROVE_WORK 100000u
#define IMPROVE_ROUNDS 50u

static const struct generate_size size = {.nodes_max = 4, .vms_max = 6, .rules_max = 4};
static uint64_t first_seed = 1, n_seeds = N_SEEDS;
static const char *only_file;

static struct {
    uint32_t n, n_wrong, n_at_once, n_proven, n_others, n_others_best;
    uint64_t others, others_least, over, over_least;
} sum;

/* What was found wrong, with the problem; a line per kind of fault, the first few in full. */
static void wrong(const struct world *w, uint64_t seed, const char *what) {
    sum.n_wrong++;
    if (sum.n_wrong > SHOWN && n_seeds > 1) {
        print_error("seed %llu: %s\n", (unsigned long long)seed, what);
        return;
    }
    char *text = world_write(w);
    print_error("seed %llu: %s\n%s\n", (unsigned long long)seed, what, text);
    free(text);
}

static void show(const struct placement_plan *plan) {
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        const struct placement_move *m = &plan->moves[i];
        print_message("stage %u: vm %u %d -> %d\n", m->stage, m->vm, (int)m->from, (int)m->to);
    }
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        print_message("unplaced: vm %u, %s, node %d\n", plan->unplaced[i].vm,
                      placement_reason_name(plan->unplaced[i].reason), (int)plan->unplaced[i].node);
    }
    print_message("soft %llu, others %u, proven %d\n", (unsigned long long)plan->cost.soft_broken,
                  plan->cost.moves_of_others, plan->proven);
}

/* NULL, or in what the plan is less than it could be. */
static const char *less_than(const struct world *w, const struct placement_plan *plan,
                             const struct oracle_answer *best, char *text) {
    const struct placement_cost *cost = &plan->cost;
    const oracle_unplaced_t unplaced = oracle_unplaced(&w->problem, plan);
    if (unplaced < best->unplaced) {
        return "fewer unplaced than the brute force finds possible";
    }
    if (unplaced > best->unplaced) {
        snprintf(text, CHECKER_TEXT_MAX, "leaves %u unplaced (%llx, best %llx, %u moves of others)",
                 plan->n_unplaced, (unsigned long long)unplaced, (unsigned long long)best->unplaced,
                 best->others);
        return text;
    }
    if (w->request.kind == PLACEMENT_BALANCE) {
        return NULL; /* counted */
    }
    if (cost->soft_broken < best->soft) {
        return "fewer soft rules broken than the brute force finds possible";
    }
    if (cost->soft_broken > best->soft) {
        snprintf(text, CHECKER_TEXT_MAX, "breaks %llu of soft rules, best %llu with %u other moves",
                 (unsigned long long)cost->soft_broken, (unsigned long long)best->soft,
                 best->others_for_soft);
        return text;
    }
    return NULL;
}

static void count(const struct world *w, const struct placement_plan *plan,
                  const struct oracle_answer *best, uint64_t at_once, uint64_t soft_at_once) {
    sum.n_at_once += at_once == best->unplaced && soft_at_once == plan->cost.soft_broken;
    sum.n_proven += plan->proven;
    if (w->request.kind == PLACEMENT_BALANCE) {
        sum.over += plan->cost.nodes_over;
        sum.over_least += best->nodes_over;
    } else if (best->others_for_soft > 0 || plan->cost.moves_of_others > 0) {
        sum.n_others++;
        sum.n_others_best += plan->cost.moves_of_others == best->others_for_soft;
        sum.others += plan->cost.moves_of_others;
        sum.others_least += best->others_for_soft;
    }
}

static void one_problem(struct placement_solver *solver, const struct world *w, uint64_t seed) {
    const struct placement_plan *plan = NULL;
    const struct oracle_options options = {.hops_max = 0, .way_home = false};
    struct oracle_answer best;
    char text[CHECKER_TEXT_MAX];

    int error = placement_solve(solver, &w->problem, &w->request, &plan);
    if (error < 0) {
        snprintf(text, sizeof(text), "is refused with %d", error);
        wrong(w, seed, text);
        return;
    }
    const bool fine = checker_plan_ok(&w->problem, &w->request, plan, CHECKER_ALL, text);
    if (!fine) {
        wrong(w, seed, text);
    }
    assert_true(oracle_solve(&w->problem, &w->request, &options, &best));
    const uint64_t at_once = oracle_unplaced(&w->problem, plan);
    const uint64_t soft_at_once = plan->cost.soft_broken;
    const bool proven_at_once = plan->proven;
    for (unsigned i = 0; i < IMPROVE_ROUNDS; i++) {
        if (placement_improve(solver, IMPROVE_WORK, &plan) <= 0) {
            break;
        }
    }
    if (n_seeds == 1) {
        show(plan);
    }
    if (oracle_unplaced(&w->problem, plan) != best.unplaced || at_once != best.unplaced ||
        plan->cost.soft_broken != best.soft || plan->cost.nodes_over != best.nodes_over) {
        /* No VM is moved more than twice; one that was not asked for may move aside and back. The
         * states of that are too many for each problem. */
        const struct oracle_options exact = {.hops_max = 0, .way_home = true};
        assert_true(oracle_solve(&w->problem, &w->request, &exact, &best));
    }
    if (proven_at_once && at_once != best.unplaced) {
        wrong(w, seed, "is said to be proven and is not the best");
    }
    const char *less = less_than(w, plan, &best, text);
    if (less != NULL) {
        wrong(w, seed, less);
    } else if (!checker_plan_ok(&w->problem, &w->request, plan, CHECKER_ALL, text) && fine) {
        wrong(w, seed, text);
    }
    if (less == NULL && !verdicts_ok(&w->problem, &w->request, solver, plan, text)) {
        wrong(w, seed, text);
    }
    sum.n++;
    count(w, plan, &best, at_once, soft_at_once);
}

static struct world *read_world(const char *path) {
    static char text[65536];
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
    fclose(in);
    struct world *w = world_create();
    if (world_parse(w, text) < 0) {
        fail_msg("%s: %s", path, w->error);
    }
    return w;
}

static void test_all_seeds(void **state) {
    (void)state;
    struct placement_solver *solver = NULL;
    assert_int_equal(placement_solver_create(&solver), 0);
    for (uint64_t i = 0; i < n_seeds; i++) {
        struct world *w =
            only_file != NULL ? read_world(only_file) : generate_small(first_seed + i, &size);
        one_problem(solver, w, first_seed + i);
        world_destroy(w);
    }
    placement_solver_destroy(solver);
    print_message("%u problems, %u as good at once as in the end, %u proven\n", sum.n,
                  sum.n_at_once, sum.n_proven);
    print_message("%u need moves of others: %llu where %llu are enough; the least in %u\n",
                  sum.n_others, (unsigned long long)sum.others,
                  (unsigned long long)sum.others_least, sum.n_others_best);
    print_message("balance: %llu nodes over, %llu unavoidable\n", (unsigned long long)sum.over,
                  (unsigned long long)sum.over_least);
    assert_int_equal(sum.n_wrong, 0);
}

int main(int argc, char **argv) {
    const char *more = getenv("CLUSTERD_PLACEMENT_SEEDS");
    only_file = argc == 2 && strtoull(argv[1], NULL, 10) == 0 ? argv[1] : NULL;
    first_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    n_seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : N_SEEDS;
    if (more != NULL && n_seeds > 1) {
        first_seed = (first_seed - 1) / n_seeds * strtoull(more, NULL, 10) + 1;
        n_seeds = strtoull(more, NULL, 10);
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_seeds)};
    return cmocka_run_group_tests_name("placement: brute force", tests, NULL, NULL);
}
