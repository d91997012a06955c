/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes as a placement problem in the tests' own words (tests/unit/placement/world.h). What the
 * library answers is held against its header's promises, written once more and plainly (naive.h):
 * decision by decision, as long as the problem is small.
 */
#include "base/check.h"
#include "fuzz/bytes.h"
#include "unit/placement/naive.h"
#include "unit/placement/world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t target_of(const struct placement_plan *plan, uint32_t vm) {
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        if (plan->moves[i].vm == vm) {
            return plan->moves[i].to;
        }
    }
    return PLACEMENT_NONE;
}

static void explain(const struct world *w, struct placement_solver *solver, uint32_t vm,
                    const struct naive_plan *naive) {
    struct placement_verdict verdicts[WORLD_NODES];
    struct placement_explanation e;
    char line[PLACEMENT_TEXT_MAX];
    CHECK(placement_explain(solver, vm, verdicts, &e) == 0);
    for (uint32_t node = 0; node < w->problem.n_nodes; node++) {
        size_t n =
            placement_verdict_text(&w->problem, vm, node, &verdicts[node], line, sizeof(line));
        CHECK(n < sizeof(line) && line[n] == '\0');
        CHECK(!naive || verdicts[node].obstacles ==
                            naive_obstacles(&w->problem, &w->request, naive, vm, node));
    }
    size_t n = placement_explanation_text(&w->problem, vm, &e, line, sizeof(line));
    CHECK(n < sizeof(line) && line[n] == '\0');
}

static void compare(const struct world *w, struct placement_solver *solver,
                    const struct placement_plan *plan) {
    struct naive_plan naive;
    naive_begin(&w->problem, &w->request, &naive);
    CHECK(plan->n_moves + plan->n_unplaced == naive.n_asked);
    for (uint32_t i = 0; i < naive.n_asked; i++) {
        uint32_t vm = naive.order[i];
        uint32_t best = naive_best(&w->problem, &w->request, &naive, vm);
        CHECK(target_of(plan, vm) == best);
        explain(w, solver, vm, &naive);
        naive.decided[vm] = true;
        naive.target[vm] = best;
    }
    CHECK(naive_wrong(&w->problem, &w->request, &naive) == NULL);
}

static void solve(const struct world *w) {
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;
    CHECK(placement_solver_create(&solver) == 0);
    int err = placement_solve(solver, &w->problem, &w->request, &plan);
    CHECK(err == 0 || err == -EINVAL || err == -E2BIG || err == -ENOTSUP);
    if (err == 0 && w->problem.n_vms <= NAIVE_VMS) {
        compare(w, solver, plan);
    } else if (err == 0) {
        for (uint32_t i = 0; i < plan->n_moves; i++) {
            explain(w, solver, plan->moves[i].vm, NULL);
        }
    }
    placement_solver_destroy(solver);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 4096) {
        return 0;
    }
    struct world *w = world_create();
    char *text = strndup((const char *)data, size);
    CHECK(text != NULL);
    if (world_parse(w, text) == 0) {
        solve(w);
    }
    free(text);
    world_destroy(w);
    return 0;
}
