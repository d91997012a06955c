/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_memory.c - the allocator's promises: every allocation may fail, what failed once works the
 * next time, and a solve that needs no more room than the last allocates nothing.
 */
#include "checker.h"
#include "world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "unit/ranges.h"

/* The linker sends the library's and the test's calls here (--wrap); cmocka's own are not touched.
 */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static unsigned n_allocations;
static unsigned fail_at; /* the n-th from now on fails; 0: none */

static bool fails_now(void) {
    n_allocations++;
    return fail_at > 0 && --fail_at == 0;
}

void *__wrap_malloc(size_t size) {
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
    return fails_now() ? NULL : __real_calloc(n, size);
}

static const char *const situations[] = {
    "node n1 memory 8192 cpu 8\nnode n2 memory 8192 cpu 8\nvm a memory 1024 cpu 1 on n1\n"
    "vm b memory 2048 cpu 1 on n1\nrule r apart hard vms a,b\nrequest drain nodes n1",
    "node n1 memory 8 volumes x cpu-models m\nnode n2 memory 8\nnode n3 memory 8\n"
    "vm a memory 5 on n1 return-to n2\nvm b memory 5 on n2 return-to n1\n"
    "vm c memory 3 volumes x cpu-model m\nrule r together soft parts n1/n2 vms a,b\n"
    "request return vms a,b,c may-move-others",
    "node n1 memory 10 threshold 0.5\nnode n2 memory 10 threshold 0.5\nvm a memory 3 on n1\n"
    "vm b memory 3 on n1 load-memory 3\nrequest balance",
    "node n1 memory 8\nnode n2 memory 8\nnode n3 memory 8\nvm a memory 5 on n1\n"
    "vm b memory 3 on n2\nvm c memory 3 on n3\nrequest admit 1 may-move-others",
};

static struct world *some_world(size_t i) {
    struct world *w = world_create();
    assert_int_equal(world_parse(w, situations[i]), 0);
    return w;
}

static void check_plan(const struct world *w, const struct placement_plan *plan) {
    const unsigned fail_later = fail_at; /* the checker's own are none of the count */
    char text[CHECKER_TEXT_MAX];
    fail_at = 0;
    if (!checker_plan_ok(&w->problem, &w->request, plan, CHECKER_ALL, text)) {
        fail_msg("%s", text);
    }
    fail_at = fail_later;
}

/* All that can be asked, until something fails. */
static int ask_everything(const struct world *w) {
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;
    const struct placement_admission *admission = NULL;
    struct placement_verdict verdicts[WORLD_NODES];
    int error = placement_solver_create(&solver);
    if (error < 0) {
        assert_null(solver);
        return error;
    }
    error = w->admits ? placement_admit(solver, &w->problem, &w->admit, &admission)
                      : placement_solve(solver, &w->problem, &w->request, &plan);
    if (error == 0 && plan != NULL) {
        check_plan(w, plan);
        error = placement_improve(solver, 100000, &plan);
        error = error > 0 ? 0 : error;
    }
    for (uint32_t vm = 0; error == 0 && plan != NULL && vm < w->problem.n_vms; vm++) {
        error = placement_explain(solver, vm, verdicts, NULL);
        error = error == -ENOENT ? 0 : error;
    }
    if (error < 0 && plan == NULL && !w->admits) {
        /* It holds no plan, and works again. */
        assert_int_equal(placement_explain(solver, 0, NULL, NULL), -EINVAL);
        assert_int_equal(placement_solve(solver, &w->problem, &w->request, &plan), 0);
    }
    if (error < 0 && w->admits) {
        assert_null(admission);
        assert_int_equal(placement_admit(solver, &w->problem, &w->admit, &admission), 0);
    }
    placement_solver_destroy(solver);
    return error;
}

/* The first allocation fails, the second... until none is left that could. */
static void test_each_allocation_fails(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++) {
        unsigned n_failed = 0;
        for (unsigned n = 1; n < 1000; n++) {
            struct world *w = some_world(i);
            fail_at = n;
            int error = ask_everything(w);
            const bool was_reached = fail_at == 0;
            fail_at = 0;
            world_destroy(w);
            if (!was_reached) {
                assert_int_equal(error, 0);
                break;
            }
            /* What is only for a better plan or reason may be done without. */
            assert_true(error == -ENOMEM || error == 0);
            n_failed++;
        }
        assert_int_in_range(n_failed, 2, 900);
    }
}

/* A second solve of the same size allocates nothing, nor does looking for better plans. */
static void test_room_is_kept(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++) {
        struct world *w = some_world(i);
        struct placement_solver *solver = NULL;
        const struct placement_plan *plan = NULL;
        struct placement_verdict verdicts[WORLD_NODES];
        if (w->admits) {
            world_destroy(w);
            continue;
        }
        assert_int_equal(placement_solver_create(&solver), 0);
        assert_int_equal(placement_solve(solver, &w->problem, &w->request, &plan), 0);
        n_allocations = 0;
        for (int k = 0; k < 3; k++) {
            assert_true(placement_improve(solver, 100000, &plan) >= 0);
            (void)placement_explain(solver, 0, verdicts, NULL);
            assert_int_equal(placement_solve(solver, &w->problem, &w->request, &plan), 0);
        }
        assert_int_equal(n_allocations, 0);
        placement_solver_destroy(solver);
        world_destroy(w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_fails),
        cmocka_unit_test(test_room_is_kept),
    };
    return cmocka_run_group_tests_name("placement: memory", tests, NULL, NULL);
}
