/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure.c - times and memory of single answers.
 *
 * A daemon keeps its solver, so a run uses the one of the run before; the first answer of a new
 * solver, which allocates, is told apart (cold). Memory is what malloc has handed out more after
 * the answer than before: the solver keeps all that it allocates, so that is its peak.
 */
#include "measure.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define IMPROVE_WORK 200000u
#define IMPROVE_S 1.0
#define RUNS_S \
    3.0 /* no further run of a kind begins after so long: what is slow needs no median \
         */

double bench_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare(const void *left, const void *right) {
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

double bench_median(double *values, uint32_t n) {
    qsort(values, n, sizeof(*values), compare);
    return n % 2 != 0 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static size_t in_use(void) {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Solve and improve until nothing is left to be tried, or the time is over. */
static int solve_whole(struct placement_solver *solver, const struct placement_problem *problem,
                       const struct placement_request *request, double seconds,
                       const struct placement_plan **ret_plan, double *ret_seconds) {
    const double began = bench_now();
    int left = placement_solve(solver, problem, request, ret_plan);
    while (left >= 0 && bench_now() - began < seconds) {
        left = placement_improve(solver, IMPROVE_WORK, ret_plan);
        if (left == 0) {
            break;
        }
    }
    *ret_seconds = bench_now() - began;
    return left < 0 ? left : 0;
}

static void add_verdict(json_t *answer, const struct placement_plan *plan,
                        const struct bench_verdict *verdict) {
    json_object_set_new(answer, "started", json_integer(verdict->started));
    json_object_set_new(answer, "moved", json_integer(verdict->moved));
    json_object_set_new(answer, "moved_others", json_integer(verdict->moved_others));
    json_object_set_new(answer, "unplaced", json_integer(plan->n_unplaced));
    json_object_set_new(answer, "nodes_over", json_integer(verdict->nodes_over));
    json_object_set_new(answer, "overloaded", json_integer(verdict->overloaded));
    json_object_set_new(answer, "wrong", json_integer(verdict->wrong));
    if (verdict->wrong > 0) {
        json_object_set_new(answer, "error", json_string(verdict->error));
    }
}

/* First answers (no work beyond), default solves, and one run to the end. */
static int measure_request(const struct bench_cluster *c, struct placement_request *request,
                           uint32_t runs, json_t *answer) {
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;
    struct bench_verdict verdict;
    double *first = calloc(runs, sizeof(double)), *whole = calloc(runs, sizeof(double));
    double cold = 0, to_the_end = 0;
    uint32_t n_first = 0, n_whole = 0;
    int error = first != NULL && whole != NULL ? 0 : -ENOMEM;
    const size_t before = in_use();

    const double begin = bench_now();
    for (uint32_t run = 0; error == 0 && (run < 2 || (run <= runs && bench_now() - begin < RUNS_S));
         run++) {
        const double began = bench_now();
        error = run == 0 ? placement_solver_create(&solver) : 0;
        request->work = UINT64_MAX;
        error = error == 0 ? placement_solve(solver, &c->problem, request, &plan) : error;
        *(run == 0 ? &cold : &first[run - 1]) = bench_now() - began;
        n_first = run;
    }
    request->work = 0;
    const double middle = bench_now();
    while (error == 0 && (n_whole == 0 || (n_whole < runs && bench_now() - middle < RUNS_S))) {
        const double began = bench_now();
        error = placement_solve(solver, &c->problem, request, &plan);
        whole[n_whole++] = bench_now() - began;
    }
    const size_t after = in_use();
    if (error == 0) {
        error = solve_whole(solver, &c->problem, request, IMPROVE_S, &plan, &to_the_end);
    }
    if (error == 0) {
        error = bench_check(&c->problem, request, plan, &verdict);
    }
    if (error == 0) {
        json_object_set_new(answer, "cold_s", json_real(cold));
        json_object_set_new(answer, "first_s", json_real(bench_median(first, n_first)));
        json_object_set_new(answer, "solve_s", json_real(bench_median(whole, n_whole)));
        json_object_set_new(answer, "end_s", json_real(to_the_end));
        json_object_set_new(answer, "memory_bytes", json_integer((json_int_t)(after - before)));
        add_verdict(answer, plan, &verdict);
    }
    placement_solver_destroy(solver);
    free(first);
    free(whole);
    return error;
}

static int measure_admit(const struct bench_cluster *c, uint32_t k, uint32_t runs, json_t *answer) {
    static const char *const words[] = {"yes", "no", "unknown"};
    const struct placement_admit_request request = {.k = k};
    const struct placement_admission *admission = NULL;
    struct placement_solver *solver = NULL;
    double *times = calloc(runs, sizeof(double));
    const size_t before = in_use();
    int error = times != NULL ? placement_solver_create(&solver) : -ENOMEM;

    const double begin = bench_now();
    uint32_t n = 0;
    while (error == 0 && (n == 0 || (n < runs && bench_now() - begin < RUNS_S))) {
        const double began = bench_now();
        error = placement_admit(solver, &c->problem, &request, &admission);
        times[n++] = bench_now() - began;
    }
    if (error == 0) {
        json_object_set_new(answer, "solve_s", json_real(bench_median(times, n)));
        json_object_set_new(answer, "memory_bytes", json_integer((json_int_t)(in_use() - before)));
        json_object_set_new(answer, "answer", json_string(words[admission->answer]));
        json_object_set_new(answer, "cases", json_integer((json_int_t)admission->n_cases));
        json_object_set_new(answer, "cases_yes", json_integer((json_int_t)admission->n_yes));
        json_object_set_new(answer, "cases_no", json_integer((json_int_t)admission->n_no));
    }
    placement_solver_destroy(solver);
    free(times);
    return error;
}

int bench_measure_kind(const char *kind, uint32_t n_nodes, uint32_t n_vms, uint32_t fill_permille,
                       uint64_t seed, uint32_t runs, json_t *answer) {
    static const char *const kinds[] = {"failover", "drain", "balance", "admit1", "admit2"};
    size_t which = 0;
    while (which < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kind, kinds[which]) != 0) {
        which++;
    }
    if (which == sizeof(kinds) / sizeof(kinds[0])) {
        return -EINVAL;
    }
    struct bench_cluster c;
    struct placement_request request = {0};
    int error = bench_generate(&c, n_nodes, n_vms, fill_permille, seed);
    if (error < 0) {
        return error;
    }
    json_t *figures = json_object();
    json_object_set_new(answer, kind, figures);
    if (which <= 1) {
        request.kind = which == 0 ? PLACEMENT_FAILOVER : PLACEMENT_DRAIN;
        request.nodes = (struct placement_set){.index = c.lost, .n = c.n_lost};
        error = measure_request(&c, &request, runs, figures);
    } else if (which == 2) {
        json_object_set_new(figures, "over_before", json_integer(bench_generate_hot(&c, 900, 800)));
        request.kind = PLACEMENT_BALANCE;
        error = measure_request(&c, &request, runs, figures);
    } else {
        error = measure_admit(&c, which == 3 ? 1 : 2, runs, figures);
    }
    bench_cluster_finish(&c);
    if (error == -ENOTSUP) { /* what the engine does not do yet has no figures */
        json_object_set_new(figures, "missing", json_true());
        error = 0;
    }
    return error;
}

static const char *name_of(const struct bench_cluster *c, uint32_t node) {
    return node == PLACEMENT_NONE ? NULL : c->nodes[node].name;
}

/* As clusterctl plan --json says it. */
static void add_plan(const struct bench_cluster *c, const struct placement_plan *plan,
                     json_t *answer) {
    json_t *placed = json_object(), *moves = json_array(), *unplaced = json_array();
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        const struct placement_move *m = &plan->moves[i];
        const char *from = m->mode == PLACEMENT_START ? NULL : name_of(c, m->from);
        json_array_append_new(moves,
                              json_pack("{s:s,s:s?,s:s,s:i}", "vm", c->vms[m->vm].name, "from",
                                        from, "to", name_of(c, m->to), "stage", (int)m->stage));
        if (m->mode == PLACEMENT_START) {
            json_object_set_new(placed, c->vms[m->vm].name, json_string(name_of(c, m->to)));
        }
    }
    for (uint32_t i = 0; i < plan->n_unplaced; i++) {
        const struct placement_unplaced *u = &plan->unplaced[i];
        json_array_append_new(unplaced, json_pack("{s:s,s:s}", "vm", c->vms[u->vm].name, "reason",
                                                  placement_reason_name(u->reason)));
    }
    json_object_set_new(answer, "placed", placed);
    json_object_set_new(answer, "moves", moves);
    json_object_set_new(answer, "unplaced", unplaced);
}

int bench_measure_plan(struct bench_cluster *c, uint32_t runs, json_t *answer) {
    const struct placement_request request = {
        .kind = c->n_lost > 0 ? PLACEMENT_FAILOVER : PLACEMENT_PLACE,
        .vms = {.index = c->homeless, .n = c->n_homeless},
        .nodes = {.index = c->lost, .n = c->n_lost},
        .may_move_others = true,
    };
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;
    struct bench_verdict verdict;
    double *times = calloc(runs, sizeof(double));
    int error = times != NULL ? placement_solver_create(&solver) : -ENOMEM;

    for (uint32_t run = 0; error == 0 && run < runs; run++) {
        error = solve_whole(solver, &c->problem, &request, IMPROVE_S, &plan, &times[run]);
    }
    if (error == 0) {
        error = bench_check(&c->problem, &request, plan, &verdict);
    }
    if (error == 0) {
        json_t *figures = json_object();
        add_plan(c, plan, answer);
        add_verdict(figures, plan, &verdict);
        json_object_set_new(answer, "seconds", json_real(bench_median(times, runs)));
        json_object_set_new(answer, "verdict", figures);
    }
    placement_solver_destroy(solver);
    free(times);
    return error;
}
