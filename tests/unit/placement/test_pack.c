/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_pack.c - many VMs at once where spreading them leaves some down: what could be placed is,
 * whatever else cannot; many VMs on each node; many priorities. Plans are valid by the checker.
 */
#include "checker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NODES_MAX 64u
#define VMS_MAX 4096u
#define SLICES 40u
#define ANY UINT32_MAX /* as many as it happens to be */
#define SLICE_WORK 1000000u

static struct placement_node nodes[NODES_MAX];
static struct placement_vm vms[VMS_MAX];
static uint64_t capacities[NODES_MAX * 2], needs[VMS_MAX * 2];
static uint32_t asked[VMS_MAX];
static struct placement_problem problem;

static void begin(uint32_t n_nodes, uint64_t memory) {
    memset(nodes, 0, sizeof(nodes));
    problem = (struct placement_problem){.nodes = nodes,
                                         .vms = vms,
                                         .n_nodes = n_nodes,
                                         .n_resources = 2,
                                         .capacities = capacities,
                                         .needs = needs,
                                         .seed = 1};
    for (uint32_t i = 0; i < n_nodes; i++) {
        capacities[(size_t)i * 2] = memory;
        capacities[(size_t)i * 2 + 1] = 1000000;
    }
}

static void add(uint32_t n, uint64_t memory) {
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t vm = problem.n_vms++;
        vms[vm] = (struct placement_vm)PLACEMENT_VM_INIT;
        needs[(size_t)vm * 2] = memory;
        needs[(size_t)vm * 2 + 1] = 1;
        asked[vm] = vm;
    }
}

/* In the end `unplaced` are left, and the plan says so truly. */
static void solve(const struct placement_request *request, uint32_t unplaced) {
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;
    char text[CHECKER_TEXT_MAX];

    assert_int_equal(placement_solver_create(&solver), 0);
    assert_int_equal(placement_solve(solver, &problem, request, &plan), 0);
    const uint32_t slices = unplaced == ANY ? 4 : SLICES;
    for (uint32_t i = 0; i < slices && (unplaced == ANY || plan->n_unplaced > unplaced); i++) {
        assert_true(placement_improve(solver, SLICE_WORK, &plan) >= 0);
    }
    if (!checker_plan_ok(&problem, request, plan, CHECKER_ALL, text)) {
        fail_msg("%s", text);
    }
    if (unplaced != ANY) {
        assert_int_equal(plan->n_unplaced, unplaced);
    }
    placement_solver_destroy(solver);
}

static void place_all(uint32_t unplaced) {
    const struct placement_request request = {.kind = PLACEMENT_PLACE,
                                              .vms = {.index = asked, .n = problem.n_vms}};
    solve(&request, unplaced);
}

/* Two of 6 fill a node of 12, three of 4 another; one of each wastes 2. */
static void test_spreading_wastes(void **state) {
    (void)state;
    begin(48, 12);
    add(48, 6);
    add(72, 4);
    place_all(0);
}

static void test_others_do_not_wait_for_one_that_fits_nowhere(void **state) {
    (void)state;
    begin(48, 12);
    add(1, 13);
    add(48, 6);
    add(72, 4);
    place_all(1);
}

/* More is asked for than there is room: as many as can be, and no more, are placed. */
static void test_as_many_as_there_is_room_for(void **state) {
    (void)state;
    begin(48, 12);
    add(48, 6);
    add(75, 4);
    place_all(3);
}

static void test_hundreds_of_vms_on_a_node(void **state) {
    (void)state;
    begin(6, 1203);
    for (uint32_t i = 0; i < 400; i++) {
        add(1, 3);
        add(1, 4);
        add(1, 5);
        add(1, 7);
    }
    add(1, 900);
    place_all(ANY);
}

/* 60 VMs have lost their node; there is a place for each, if a running one makes room for the last.
 */
static void test_a_move_among_many(void **state) {
    (void)state;
    begin(62, 12);
    add(59, 6);
    add(1, 8);
    const struct placement_request request = {
        .kind = PLACEMENT_PLACE, .vms = {.index = asked, .n = 60}, .may_move_others = true};
    for (uint32_t node = 0; node < 59; node++) {
        add(1, 6);
        vms[60 + node].host = node;
    }
    add(1, 8);
    vms[119].host = 59;
    add(2, 4);
    vms[120].host = vms[121].host = 60;
    nodes[61].state = PLACEMENT_NODE_FENCED;
    solve(&request, 0);
}

/* A failover leaves 100 VMs down that are not started by one, each of its own priority. */
static void test_many_priorities(void **state) {
    static const uint32_t lost[] = {0};
    (void)state;
    begin(3, 12);
    add(103, 6);
    for (uint32_t i = 0; i < 103; i++) {
        vms[i].host = 0;
        vms[i].priority = (int32_t)(200 - i);
        vms[i].no_auto_start = i < 100;
    }
    vms[101].host = vms[102].host = 0;
    needs[(size_t)100 * 2] = needs[(size_t)101 * 2] = 13;
    const struct placement_request request = {
        .kind = PLACEMENT_FAILOVER, .nodes = {.index = lost, .n = 1}, .may_move_others = true};
    solve(&request, 102);
    needs[(size_t)100 * 2] = needs[(size_t)101 * 2] = 4;
    add(4, 8);
    for (uint32_t vm = 103; vm < 107; vm++) {
        vms[vm].host = 1 + vm % 2;
        needs[(size_t)vm * 2] = vm < 105 ? 8 : 1;
    }
    needs[(size_t)100 * 2] = 5;
    solve(&request, 102);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spreading_wastes),
        cmocka_unit_test(test_others_do_not_wait_for_one_that_fits_nowhere),
        cmocka_unit_test(test_as_many_as_there_is_room_for),
        cmocka_unit_test(test_hundreds_of_vms_on_a_node),
        cmocka_unit_test(test_a_move_among_many),
        cmocka_unit_test(test_many_priorities),
    };
    return cmocka_run_group_tests_name("placement: packing", tests, NULL, NULL);
}
