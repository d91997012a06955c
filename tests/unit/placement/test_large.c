/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_large.c - a large cluster loses a node: the plan is valid, judged by adding everything up.
 */
#include "placement/placement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LARGE_NODES 100u
#define LARGE_VMS 10000u

struct large {
    struct placement_problem problem;
    struct placement_node nodes[LARGE_NODES];
    struct placement_vm vms[LARGE_VMS];
    uint64_t capacities[LARGE_NODES * 2], needs[LARGE_VMS * 2], used[LARGE_NODES * 2];
};

static void fill_large(struct large *l) {
    l->problem = (struct placement_problem){.nodes = l->nodes,
                                            .vms = l->vms,
                                            .n_nodes = LARGE_NODES,
                                            .n_vms = LARGE_VMS,
                                            .n_resources = 2,
                                            .capacities = l->capacities,
                                            .needs = l->needs};
    for (uint32_t i = 0; i < LARGE_NODES * 2; i++) {
        l->capacities[i] = i % 2 == 0 ? 700000 : 400000;
    }
    for (uint32_t i = 0; i < LARGE_VMS; i++) {
        l->vms[i] = (struct placement_vm)PLACEMENT_VM_INIT;
        l->vms[i].host = i % LARGE_NODES;
        l->needs[i * 2] = 512u << (i * 2654435761u >> 16) % 5;
        l->needs[i * 2 + 1] = 1000 * (1 + (i * 2246822519u >> 16) % 4);
    }
}

/* 100 nodes x 10,000 VMs, one node lost: everybody starts again, nothing is overloaded. */
static void test_large_failover(void **state) {
    (void)state;
    static const uint32_t lost[] = {42};
    const struct placement_request request = {.kind = PLACEMENT_FAILOVER,
                                              .nodes = {.index = lost, .n = 1}};
    struct large *l = calloc(1, sizeof(*l));
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;

    assert_non_null(l);
    fill_large(l);
    assert_int_equal(placement_solver_create(&solver), 0);
    assert_int_equal(placement_solve(solver, &l->problem, &request, &plan), 0);
    assert_int_equal(plan->n_unplaced, 0);
    assert_int_equal(plan->n_moves, LARGE_VMS / LARGE_NODES);
    for (uint32_t i = 0; i < plan->n_moves; i++) {
        assert_int_equal(plan->moves[i].from, 42);
        l->vms[plan->moves[i].vm].host = plan->moves[i].to;
    }
    for (uint32_t i = 0; i < LARGE_VMS * 2; i++) {
        uint64_t *used = &l->used[l->vms[i / 2].host * 2 + i % 2];
        *used += l->needs[i];
        assert_true(*used <= l->capacities[l->vms[i / 2].host * 2 + i % 2]);
    }
    assert_int_equal(l->used[42 * 2], 0);
    placement_solver_destroy(solver);
    free(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_large_failover)};
    return cmocka_run_group_tests_name("placement: large", tests, NULL, NULL);
}
