/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as a placement problem: as text in the tests' own words (tests/unit/placement/world.h), or,
 * if they are none, as what steers the tests' generator, over all kinds and fields. What the
 * library answers is walked by the checker, each verdict is counted anew, and a small problem is
 * worked out by brute force: what is said to be proven is the best.
 */
#include "base/check.h"
#include "fuzz/bytes.h"
#include "unit/placement/checker.h"
#include "unit/placement/generate.h"
#include "unit/placement/oracle.h"
#include "unit/placement/verdicts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORK 20000u
#define SMALL_VMS 6u
#define SMALL_NODES 4u

static void must(bool ok, const struct world *w, const char *text) {
    if (!ok) {
        char *words = world_write(w);
        (void)fprintf(stderr, "%s\n%s", text, words);
        free(words);
        abort();
    }
}

static void check_best(const struct world *w, const struct placement_plan *plan) {
    const struct oracle_options quick = {0}, exact = {.hops_max = 2, .way_home = true};
    struct oracle_answer best;
    if (!plan->proven || w->problem.n_vms > SMALL_VMS || w->problem.n_nodes > SMALL_NODES ||
        !oracle_solve(&w->problem, &w->request, &quick, &best) ||
        oracle_unplaced(&w->problem, plan) == best.unplaced) {
        return;
    }
    if (oracle_solve(&w->problem, &w->request, &exact, &best)) {
        must(oracle_unplaced(&w->problem, plan) == best.unplaced, w, "proven, but not the best");
    }
}

static void solve(struct world *w, struct placement_solver *solver) {
    const struct placement_plan *plan = NULL;
    char text[CHECKER_TEXT_MAX];
    w->request.work = WORK;
    int err = placement_solve(solver, &w->problem, &w->request, &plan);
    CHECK(err == 0 || err == -EINVAL || err == -E2BIG);
    if (err < 0) {
        return;
    }
    must(checker_plan_ok(&w->problem, &w->request, plan, CHECKER_ALL, text), w, text);
    check_best(w, plan);
    CHECK(placement_improve(solver, WORK, &plan) >= 0);
    must(checker_plan_ok(&w->problem, &w->request, plan, CHECKER_ALL, text), w, text);
    must(verdicts_ok(&w->problem, &w->request, solver, plan, text), w, text);
}

/* The plans that are kept for the loss of one node. */
static void check_witnesses(const struct world *w, struct placement_solver *solver) {
    char text[CHECKER_TEXT_MAX];
    for (uint32_t node = 0; node < w->problem.n_nodes; node++) {
        const struct placement_set lost = {.index = &node, .n = 1};
        const struct placement_request request = {
            .kind = PLACEMENT_FAILOVER, .nodes = lost, .may_move_others = w->admit.may_move_others};
        const struct placement_plan *plan = NULL;
        if (placement_admit_witness(solver, &lost, &plan) == 0) {
            must(checker_plan_ok(&w->problem, &request, plan, CHECKER_NO_COSTS, text), w, text);
        }
    }
}

static void admit(struct world *w, struct placement_solver *solver) {
    const struct placement_admission *a = NULL;
    w->admit.k = w->admits ? w->admit.k % 4 : 1;
    w->admit.may_move_others |= w->request.may_move_others;
    w->admit.work = WORK;
    int err = placement_admit(solver, &w->problem, &w->admit, &a);
    CHECK(err == 0 || err == -EINVAL || err == -E2BIG);
    if (err == 0) {
        w->admits = true; /* of the words of what is wrong */
        must(a->n_yes + a->n_no + a->n_unknown == a->n_cases, w, "cases are missing");
        must((a->answer == PLACEMENT_YES) == (a->n_yes == a->n_cases), w, "yes, but not to all");
        must((a->answer == PLACEMENT_NO) == (a->n_no > 0), w, "no, but to none");
        check_witnesses(w, solver);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct generate_size small = {.nodes_max = 5, .vms_max = 8, .rules_max = 5};
    struct placement_solver *solver = NULL;
    if (size == 0 || size > 4096) {
        return 0;
    }
    char *text = strndup((const char *)data, size);
    CHECK(text != NULL && placement_solver_create(&solver) == 0);
    struct world *w = world_create();
    if (world_parse(w, text) < 0) {
        world_destroy(w);
        w = generate_from_bytes(data, size, &small);
    }
    solve(w, solver);
    admit(w, solver);
    placement_solver_destroy(solver);
    world_destroy(w);
    free(text);
    return 0;
}
