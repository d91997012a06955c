/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_refusals.c - what the library refuses, and the edges of what it answers: nothing to do,
 * nobody asked for, no names, no room for the text.
 */
#include "world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ROOM "memory 8192 cpu 8"

static int solve_text(const char *text) {
    struct world *w = world_create();
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;
    assert_int_equal(world_parse(w, text), 0);
    assert_int_equal(placement_solver_create(&solver), 0);
    int result = placement_solve(solver, &w->problem, &w->request, &plan);
    assert_true(result == 0 || plan == NULL); /* outputs stay untouched on failure */
    if (result < 0) {
        assert_int_equal(placement_explain(solver, 0, NULL, NULL), -EINVAL);
    }
    placement_solver_destroy(solver);
    world_destroy(w);
    return result;
}

/* Nothing that the header names is refused: every kind of rule, hard and soft, every request. */
static void test_nothing_known_is_refused(void **state) {
    (void)state;
    static const char *const rules[] = {"apart hard vms a,b",
                                        "apart soft vms a,b",
                                        "together hard vms a,b",
                                        "together soft site vms a,b",
                                        "apart hard parts n1/n2 vms a,b",
                                        "on hard vms a nodes n1",
                                        "on soft vms a nodes n1",
                                        "off hard vms a nodes n2",
                                        "off soft vms a nodes n2"};
    static const char *const requests[] = {"place vms b", "failover nodes n1", "drain nodes n1",
                                           "return nodes n1", "balance"};
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        for (size_t k = 0; k < sizeof(requests) / sizeof(requests[0]); k++) {
            char text[512];
            snprintf(text, sizeof(text),
                     "node n1 " ROOM "\nnode n2 " ROOM "\nvm a memory 1 on n1\nvm b memory 1\n"
                     "rule r %s\nrequest %s may-move-others",
                     rules[i], requests[k]);
            assert_int_equal(solve_text(text), 0);
        }
    }
}

static int solve_world(struct world *w) {
    const struct placement_admit_request admit = {.k = 1};
    const struct placement_admission *admission = NULL;
    const struct placement_plan *plan = NULL;
    struct placement_solver *solver = NULL;
    assert_int_equal(placement_solver_create(&solver), 0);
    int result = placement_solve(solver, &w->problem, &w->request, &plan);
    assert_int_equal(placement_improve(solver, 1, &plan), -EINVAL);
    assert_null(plan);
    /* An admission refuses the same problems; of the request it knows nothing. */
    int admitted = placement_admit(solver, &w->problem, &admit, &admission);
    assert_true(admitted == result || admitted == 0);
    assert_int_equal(admitted == 0, admission != NULL);
    placement_solver_destroy(solver);
    return result;
}

static const uint32_t beyond[] = {77}, beyond_parts[] = {0, 2}, one_group[] = {0}, no_group[] = {1};
static const struct placement_set bad = {.index = beyond, .n = 1};

#define N_SPOILED 57

/* Spoils the world in the i-th way; returns what it is refused with. */
static int spoil_first(struct world *w, int i) {
    int expected = -EINVAL;
    switch (i) {
    case 0: w->vms[0].host = 2; break;
    case 1: w->vms[0].also_on = 2; break;
    case 2: w->vms[0].also_on = w->vms[0].host; break;
    case 3: w->vms[0].host = PLACEMENT_NONE, w->vms[0].also_on = 1; break;
    case 4: w->vms[0].return_to = 2; break;
    case 5: w->vms[0].cpu_model = 0; break;
    case 6: w->vms[0].possible = bad; break;
    case 7: w->vms[0].preferred = bad; break;
    case 8: w->vms[0].excluded = bad; break;
    case 9: w->vms[0].volumes = bad; break;
    case 10: w->nodes[0].volumes = bad; break;
    case 11: w->nodes[0].rack = 2; break;
    case 12: w->nodes[0].site = PLACEMENT_NONE; break;
    case 13: w->nodes[0].cpu_overcommit_permille = 1000001, expected = -E2BIG; break;
    case 14: w->rules[0].vms = bad; break;
    case 15: w->rules[0].nodes = w->request.nodes; break;
    case 16: w->request.nodes = bad; break;
    case 17: w->request.vms = bad; break;
    case 18: w->request.kind = PLACEMENT_PLACE; break;
    case 19: w->problem.n_resources = 1; break;
    case 20: w->needs[0] = PLACEMENT_AMOUNT_MAX + 1, expected = -E2BIG; break;
    case 21: w->capacities[3] = PLACEMENT_AMOUNT_MAX + 1, expected = -E2BIG; break;
    case 22: w->problem.n_vms = PLACEMENT_VMS_MAX + 1, expected = -E2BIG; break;
    case 23: w->vms[0].volumes = (struct placement_set){.index = NULL, .n = 1}; break;
    default: fail();
    }
    return expected;
}

static int spoil_more(struct world *w, int i) {
    int expected = -EINVAL;
    switch (i) {
    case 24: w->problem.n_nodes = PLACEMENT_NODES_MAX + 1, expected = -E2BIG; break;
    case 25: w->problem.n_rules = PLACEMENT_RULES_MAX + 1, expected = -E2BIG; break;
    case 26: w->problem.n_volumes = PLACEMENT_VOLUMES_MAX + 1, expected = -E2BIG; break;
    case 27: w->problem.n_cpu_models = PLACEMENT_CPU_MODELS_MAX + 1, expected = -E2BIG; break;
    case 28: w->problem.n_resources = PLACEMENT_RESOURCES_MAX + 1, expected = -E2BIG; break;
    case 29: w->problem.nodes = NULL; break;
    case 30: w->problem.capacities = NULL; break;
    case 31: w->problem.vms = NULL; break;
    case 32: w->problem.needs = NULL; break;
    case 33: w->problem.rules = NULL; break;
    case 34: w->nodes[0].state = PLACEMENT_NODE_STATE_COUNT; break;
    case 35: w->nodes[0].site = 2; break;
    case 36: w->nodes[0].cpu_models = bad; break;
    case 37: w->vms[0].mobility = (enum placement_mobility)(PLACEMENT_FIXED + 1); break;
    case 38: w->rules[0].kind = PLACEMENT_RULE_KIND_COUNT; break;
    case 39: w->rules[0].scope = PLACEMENT_SCOPE_COUNT; break;
    case 40: w->rules[0].strength = PLACEMENT_STRENGTH_COUNT; break;
    case 41: w->rules[0].nodes = bad; break;
    case 42: w->request.kind = PLACEMENT_KIND_COUNT; break;
    case 43: w->rules[0].scope = PLACEMENT_PART; break; /* and no part_of */
    case 44: w->rules[0].scope = PLACEMENT_PART, w->rules[0].part_of = beyond_parts; break;
    case 45: w->problem.resources = NULL, w->problem.n_resources = 0; break;
    case 46:
        w->loads[0] = PLACEMENT_AMOUNT_MAX + 1, w->problem.loads = w->loads;
        expected = -E2BIG;
        break;
    case 47: w->capacities[0] = UINT64_MAX, expected = -E2BIG; break;
    case 48: w->nodes[1].volumes = (struct placement_set){.index = NULL, .n = 2}; break;
    case 49: w->rules[0].group_of = no_group; break;
    case 50: w->rules[0].kind = PLACEMENT_TOGETHER, w->rules[0].group_of = one_group; break;
    case 51: w->rules[0].kind = PLACEMENT_AT_MOST, w->rules[0].strength = PLACEMENT_SOFT; break;
    case 52: w->rules[0].kind = PLACEMENT_AT_MOST, w->rules[0].resource = 2; break;
    case 53:
        w->rules[0].kind = PLACEMENT_AT_MOST, w->rules[0].amount = PLACEMENT_AMOUNT_MAX + 1;
        expected = -E2BIG;
        break;
    case 54: w->vms[0].networks = bad; break;
    case 55: w->nodes[0].networks = bad; break;
    case 56: w->problem.n_networks = PLACEMENT_NETWORKS_MAX + 1, expected = -E2BIG; break;
    default: fail();
    }
    return expected;
}

/* Each wrong index and number is found; none is used. */
static void test_nonsense_is_refused(void **state) {
    (void)state;
    static const char text[] = "node n1 " ROOM " volumes csv1\nnode n2 " ROOM "\n"
                               "vm a memory 1 cpu 1 on n1 volumes csv1\n"
                               "rule r apart hard vms a\nrequest drain nodes n1";
    for (int i = 0; i < N_SPOILED; i++) {
        struct world *w = world_create();
        assert_int_equal(world_parse(w, text), 0);
        const int expected = i < 24 ? spoil_first(w, i) : spoil_more(w, i);
        if (solve_world(w) != expected) {
            fail_msg("nonsense number %d was not refused with %d", i, expected);
        }
        world_destroy(w);
    }
}

static void test_explain_knows_whom_it_was_asked_for(void **state) {
    (void)state;
    struct world *w = world_create();
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;
    struct placement_explanation explanation;
    char line[PLACEMENT_TEXT_MAX], small[8];

    assert_int_equal(world_parse(w, "node n1 " ROOM "\nnode n2 " ROOM "\nnode n3 memory 1 cpu 1\n"
                                    "vm a memory 2048 cpu 1 on n1\nvm b memory 2048 cpu 1\n"
                                    "vm big memory 9000 cpu 1\nrequest place vms b,big"),
                     0);
    assert_int_equal(placement_solver_create(&solver), 0);
    assert_int_equal(placement_explain(solver, 0, NULL, NULL), -EINVAL);
    assert_int_equal(placement_solve(solver, &w->problem, &w->request, &plan), 0);
    assert_int_equal(placement_explain(solver, 0, NULL, &explanation), -ENOENT);
    assert_int_equal(placement_explain(solver, 3, NULL, &explanation), -EINVAL);
    assert_int_equal(placement_explain(solver, 1, NULL, &explanation), 0);
    assert_int_equal(explanation.chosen, 1);
    assert_int_equal(explanation.runner_up, 0);
    placement_explanation_text(&w->problem, 1, &explanation, line, sizeof(line));
    assert_string_equal(line, "n2 is the best of 2 possible nodes; runner-up n1");
    assert_int_equal(placement_explain(solver, 2, NULL, &explanation), 0);
    placement_explanation_text(&w->problem, 2, &explanation, line, sizeof(line));
    assert_string_equal(
        line, "no node can take it: 3 not enough memory; nearest: n1 (not enough memory)");
    /* Cut off and terminated; nothing at all in no room. */
    assert_int_equal(placement_explanation_text(&w->problem, 2, &explanation, small, sizeof(small)),
                     7);
    assert_string_equal(small, "no node");
    assert_int_equal(placement_explanation_text(&w->problem, 2, &explanation, NULL, 0), 0);
    placement_solver_destroy(solver);
    world_destroy(w);
}

static void test_nothing_is_fine(void **state) {
    (void)state;
    placement_solver_destroy(NULL);
    assert_int_equal(solve_text("request place"), 0);
    assert_int_equal(solve_text("vm a memory 1\nrequest place vms a"), 0);
    assert_int_equal(solve_text("node n1 " ROOM "\nrequest drain nodes n1"), 0);
}

/* Names are for texts; without any the texts still say which. */
static void test_texts_without_names(void **state) {
    (void)state;
    const struct placement_node nodes[2] = {{.state = PLACEMENT_NODE_ACCEPTS}};
    const struct placement_vm vms[1] = {PLACEMENT_VM_INIT};
    const uint64_t capacities[] = {100, 1000, 10, 1000}, needs[] = {50, 100};
    const uint32_t ask[] = {0};
    const struct placement_problem problem = {.nodes = nodes,
                                              .vms = vms,
                                              .n_nodes = 2,
                                              .n_vms = 1,
                                              .n_resources = 2,
                                              .capacities = capacities,
                                              .needs = needs};
    const struct placement_request request = {.vms = {.index = ask, .n = 1}};
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;
    struct placement_verdict verdicts[2];
    struct placement_explanation explanation;
    char line[PLACEMENT_TEXT_MAX];

    assert_int_equal(placement_solver_create(&solver), 0);
    assert_int_equal(placement_solve(solver, &problem, &request, &plan), 0);
    assert_int_equal(placement_explain(solver, 0, verdicts, &explanation), 0);
    placement_explanation_text(&problem, 0, &explanation, line, sizeof(line));
    assert_string_equal(line, "node 0 is the only possible node");
    placement_verdict_text(&problem, 0, 1, &verdicts[1], line, sizeof(line));
    assert_string_equal(line, "not enough memory: needs 50 MB, 10 MB free of 10 MB");
    placement_solver_destroy(solver);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_known_is_refused),
        cmocka_unit_test(test_nonsense_is_refused),
        cmocka_unit_test(test_explain_knows_whom_it_was_asked_for),
        cmocka_unit_test(test_nothing_is_fine),
        cmocka_unit_test(test_texts_without_names),
    };
    return cmocka_run_group_tests_name("placement: refusals and edges", tests, NULL, NULL);
}
