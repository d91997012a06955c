/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_large.c - large clusters lose a node: the plan is valid by the checker. 10,000 nodes with
 * 200,000 VMs are solved, and so is a problem at the library's limits; how long it takes is
 * printed, not judged (tests/bench does that).
 */
#include "checker.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

struct large {
    struct placement_problem problem;
    struct placement_node *nodes;
    struct placement_vm *vms;
    uint64_t *capacities, *needs;
};

static void *room(size_t n, size_t size) {
    void *memory = calloc(n, size);
    assert_non_null(memory);
    return memory;
}

/* The memory of all nodes is filled to 60 % or less. */
static struct large make_large(uint32_t n_nodes, uint32_t n_vms) {
    struct large l = {.nodes = room(n_nodes, sizeof(*l.nodes)),
                      .vms = room(n_vms, sizeof(*l.vms)),
                      .capacities = room((size_t)n_nodes * 2, sizeof(*l.capacities)),
                      .needs = room((size_t)n_vms * 2, sizeof(*l.needs))};
    const uint64_t scale = n_vms / n_nodes + 1;
    for (uint32_t i = 0; i < n_nodes; i++) {
        l.nodes[i].rack = i / 16;
        l.capacities[(size_t)i * 2] = scale * 5200 + 8192;
        l.capacities[(size_t)i * 2 + 1] = scale * 4200 + 4000;
    }
    for (uint32_t i = 0; i < n_vms; i++) {
        l.vms[i] = (struct placement_vm)PLACEMENT_VM_INIT;
        l.vms[i].host = i % n_nodes;
        l.vms[i].priority = (int32_t)(i % 3);
        l.needs[(size_t)i * 2] = 512u << (i * 2654435761u >> 16) % 5;
        l.needs[(size_t)i * 2 + 1] = 1000 * (1 + (i * 2246822519u >> 16) % 4);
    }
    l.problem = (struct placement_problem){.nodes = l.nodes,
                                           .vms = l.vms,
                                           .n_nodes = n_nodes,
                                           .n_vms = n_vms,
                                           .n_resources = 2,
                                           .capacities = l.capacities,
                                           .needs = l.needs};
    return l;
}

static void drop_large(struct large *l) {
    free(l->nodes);
    free(l->vms);
    free(l->capacities);
    free(l->needs);
}

static long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void lose_one(uint32_t n_nodes, uint32_t n_vms) {
    static const uint32_t lost[] = {42};
    const struct placement_request request = {.kind = PLACEMENT_FAILOVER,
                                              .nodes = {.index = lost, .n = 1}};
    struct large l = make_large(n_nodes, n_vms);
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;
    char text[CHECKER_TEXT_MAX];

    assert_int_equal(placement_solver_create(&solver), 0);
    const long begin = milliseconds();
    assert_int_equal(placement_solve(solver, &l.problem, &request, &plan), 0);
    print_message("%u nodes, %u VMs: %u start elsewhere, %ld ms\n", n_nodes, n_vms, plan->n_moves,
                  milliseconds() - begin);
    assert_int_equal(plan->n_unplaced, 0);
    assert_int_equal(plan->n_moves, (n_vms - 43 + n_nodes) / n_nodes);
    assert_int_equal(plan->cost.moves_of_others, 0);
    if (!checker_plan_ok(&l.problem, &request, plan, CHECKER_ALL, text)) {
        fail_msg("%s", text);
    }
    placement_solver_destroy(solver);
    drop_large(&l);
}

static void test_a_node_is_lost(void **state) {
    (void)state;
    lose_one(100, 10000);
    lose_one(1000, 100000);
    lose_one(10000, 200000);
}

/* At the limits, nothing is refused; beyond them, nothing is read. */
static void test_limits(void **state) {
    (void)state;
    lose_one(PLACEMENT_NODES_MAX, PLACEMENT_NODES_MAX);
    lose_one(64, PLACEMENT_VMS_MAX);

    const struct placement_request request = {.kind = PLACEMENT_PLACE};
    struct placement_problem beyond = {.n_nodes = PLACEMENT_NODES_MAX + 1, .n_resources = 2};
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;
    assert_int_equal(placement_solver_create(&solver), 0);
    assert_int_equal(placement_solve(solver, &beyond, &request, &plan), -E2BIG);
    beyond = (struct placement_problem){.n_vms = PLACEMENT_VMS_MAX + 1, .n_resources = 2};
    assert_int_equal(placement_solve(solver, &beyond, &request, &plan), -E2BIG);
    assert_null(plan);
    placement_solver_destroy(solver);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_node_is_lost),
                                       cmocka_unit_test(test_limits)};
    return cmocka_run_group_tests_name("placement: large", tests, NULL, NULL);
}
