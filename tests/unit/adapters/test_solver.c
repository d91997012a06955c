/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs go to the thread and come back as events, each once, in their order; and one that is being
 * run when all ends is waited for.
 */
#include "harness.h"

#include "adapters/solver_thread.h"
#include "core/policy/solve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct harness h;
static struct model model;
static uint32_t ids[40];

/* Two nodes, and so many VMs that are off. */
static void fill_model(void) {
    model_init(&model);
    static const uint32_t members[] = {1, 2};
    for (uint32_t i = 1; i <= 2; i++) {
        struct model_node *node = model_add(&model.nodes);
        node->id = i;
        node->configured = 1;
        node->state = NODE_ONLINE;
        node->memory_mb = 65536;
        node->cpus = 32;
    }
    model.members = (struct wire_ids){.v = members, .n = 2};
    for (uint32_t i = 0; i < 40; i++) {
        struct model_vm *vm = model_add(&model.vms);
        ids[i] = vm->id = i + 1;
        vm->memory_mb = 512;
        vm->vcpus = 1;
    }
}

static struct solve_job *job_new(uint64_t id) {
    struct solve_job *job = calloc(1, sizeof(*job));
    assert_non_null(job);
    arena_init(&job->arena);
    job->id = id;
    job->question = (struct planner_question){.kind = PLANNER_PLACE, .vms = ids, .n_vms = 40};
    assert_int_equal(planner_problem_init(&job->problem, &model, NULL, &job->arena), 0);
    return job;
}

static int setup(void **state) {
    (void)state;
    harness_init(&h);
    fill_model();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    model.members = (struct wire_ids){0};
    model_finish(&model);
    harness_finish(&h);
    return 0;
}

static void test_answers_come_in_order(void **state) {
    struct solver *solver = NULL;
    struct solve_job *jobs[3];
    (void)state;
    assert_int_equal(solver_create(h.loop, harness_sink(&h), &solver), 0);
    for (uint64_t i = 0; i < 3; i++) {
        jobs[i] = job_new(10 + i);
        solver_run(solver, jobs[i]->id, jobs[i]);
    }
    for (uint64_t i = 0; i < 3; i++) {
        const struct core_event *event = harness_wait(&h, 10000);
        assert_non_null(event);
        assert_int_equal(event->type, CORE_EVENT_SOLVED);
        assert_int_equal(event->solved.id, 10 + i);
        assert_int_equal(jobs[i]->error, 0);
        assert_true(jobs[i]->plan.n == 40 && jobs[i]->plan.n_unplaced == 0);
        solve_job_destroy(jobs[i]);
    }
    solver_destroy(solver);
}

static void test_the_end_waits_for_what_is_run(void **state) {
    struct solver *solver = NULL;
    struct solve_job *job = job_new(1);
    (void)state;
    assert_int_equal(solver_create(h.loop, harness_sink(&h), &solver), 0);
    solver_run(solver, 1, job);
    solver_destroy(solver);
    solver_destroy(NULL);
    solve_job_destroy(job);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers_come_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_end_waits_for_what_is_run, setup, teardown),
    };
    return cmocka_run_group_tests_name("adapters_solver", tests, NULL, NULL);
}
