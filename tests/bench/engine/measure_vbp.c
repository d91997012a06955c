/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure_vbp.c - onto how few nodes does the engine get all VMs?
 *
 * First upwards from the lower bound, with a single default solve for each number of nodes in steps
 * that grow: that gives a number that is enough. Then down from there by one: a number is tried
 * until all VMs are placed or the time of the whole instance is over. Where the engine has nothing
 * left to try it gets another seed.
 */
#include "measure.h"

#include <errno.h>
#include <stdio.h>

/* Slices double, since the engine tries harder at once what it may spend more on; but none may last
 * longer than the time that is left. */
#define SLICE_WORK 2000000u
#define SLICE_WORK_MOST 64000000u
#define WORK_PER_S 20e6 /* about */

struct attempt {
    struct placement_solver *solver;
    double deadline;
    uint32_t seeds; /* used in all attempts */
};

static uint64_t slice_work(const struct attempt *a, uint64_t wanted) {
    const double left = (a->deadline - bench_now()) * WORK_PER_S;
    return left < SLICE_WORK ? SLICE_WORK : left < (double)wanted ? (uint64_t)left : wanted;
}

/* 1: all are placed, 0: they are not, and the time (n_seeds: or as many solves) is over. */
static int try_nodes(struct attempt *a, const struct bench_vbp *vbp, uint32_t n_nodes,
                     uint32_t first_seed, uint32_t n_seeds) {
    const struct placement_plan *plan = NULL;
    struct bench_cluster c;
    struct bench_verdict verdict;
    int error = bench_vbp_cluster(vbp, n_nodes, &c);
    if (error < 0) {
        return error;
    }
    const struct placement_request request = {
        .kind = PLACEMENT_PLACE,
        .vms = {.index = c.homeless, .n = c.n_homeless},
    };
    int left = 0;
    for (uint32_t i = 0; i < n_seeds; i++) {
        c.problem.seed = (uint64_t)first_seed + i;
        a->seeds++;
        left = placement_solve(a->solver, &c.problem, &request, &plan);
        uint64_t slice = SLICE_WORK;
        while (left >= 0 && n_seeds > 1 && plan->n_unplaced > 0 && !plan->proven &&
               bench_now() < a->deadline) {
            left = placement_improve(a->solver, slice_work(a, slice), &plan);
            if (left == 0) {
                break;
            }
            slice = slice < SLICE_WORK_MOST ? 2 * slice : slice;
        }
        if (left < 0 || plan->n_unplaced == 0 || plan->proven || bench_now() >= a->deadline) {
            break;
        }
    }
    error = left < 0 ? left : bench_check(&c.problem, &request, plan, &verdict);
    if (error == 0) {
        error = plan->n_unplaced == 0;
        if (verdict.wrong > 0 || verdict.overloaded > 0) {
            fprintf(stderr,
                    "placement_bench: %u nodes: the plan is wrong: %u nodes overloaded %s\n",
                    n_nodes, verdict.overloaded, verdict.error);
            error = -EBADMSG;
        }
    }
    bench_cluster_finish(&c);
    return error;
}

/* At the bound some dimension would be filled to the last: if it can be, it is found by filling
 * each node so from the first on, and not by coming down one node at a time. */
static bool is_perfect(const struct bench_vbp *vbp, uint32_t bound) {
    for (uint32_t d = 0; d < vbp->n_dimensions; d++) {
        int64_t room = (int64_t)bound * vbp->capacity[d];
        for (uint32_t i = 0; i < vbp->n_items; i++) {
            room -= vbp->sizes[(size_t)i * vbp->n_dimensions + d];
        }
        if (room < vbp->capacity[d] / 8) {
            return true;
        }
    }
    return false;
}

int bench_measure_vbp(const struct bench_vbp *vbp, double seconds, json_t *answer) {
    const double began = bench_now();
    struct attempt a = {.deadline = began + seconds};
    const uint32_t bound = bench_vbp_lower_bound(vbp);
    double found = 0;
    uint32_t bins = bound, tried = 0;
    int error = placement_solver_create(&a.solver), placed = 0;
    for (uint32_t step = 0; error == 0 && placed == 0; step++) {
        bins = bound + step * (step + 1) / 2;
        placed = try_nodes(&a, vbp, bins, 1, 1);
        error = placed < 0 ? placed : 0;
    }
    const double first = bench_now() - began;
    const uint32_t at_first = bins;

    if (error == 0 && bins > bound && is_perfect(vbp, bound)) {
        const uint32_t before = a.seeds;
        a.deadline = began + seconds * 0.3;
        placed = try_nodes(&a, vbp, bound, 1, UINT32_MAX);
        tried = a.seeds - before;
        error = placed < 0 ? placed : 0;
        bins = placed > 0 ? bound : bins;
        found = placed > 0 ? bench_now() - began : found;
        a.deadline = began + seconds;
    }
    while (error == 0 && bins > bound && bench_now() < a.deadline) {
        /* What was tried at the bound already would only come out as it did. */
        placed = try_nodes(&a, vbp, bins - 1, bins - 1 == bound ? 1 + tried : 1, UINT32_MAX);
        if (placed <= 0) {
            error = placed;
            break;
        }
        bins--;
        found = bench_now() - began;
    }
    if (error == 0) {
        json_object_set_new(answer, "items", json_integer(vbp->n_items));
        json_object_set_new(answer, "dimensions", json_integer(vbp->n_dimensions));
        json_object_set_new(answer, "lower_bound", json_integer(bound));
        json_object_set_new(answer, "first_bins", json_integer(at_first));
        json_object_set_new(answer, "first_s", json_real(first));
        json_object_set_new(answer, "bins", json_integer(bins));
        json_object_set_new(answer, "found_s", json_real(found));
        json_object_set_new(answer, "seconds", json_real(bench_now() - began));
        json_object_set_new(answer, "solves", json_integer(a.seeds));
    }
    placement_solver_destroy(a.solver);
    return error;
}
