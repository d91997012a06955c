/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_memory.c - the allocator's promises: every allocation may fail, what failed once works the
 * next time, and a solve that needs no more room than the last allocates nothing.
 */
#include "world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

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

static struct world *some_world(void) {
    struct world *w = world_create();
    assert_int_equal(world_parse(w, "node n1 memory 8192 cpu 8\nnode n2 memory 8192 cpu 8\n"
                                    "vm a memory 1024 cpu 1 on n1\nvm b memory 2048 cpu 1 on n1\n"
                                    "rule r apart hard vms a,b\nrequest drain nodes n1"),
                     0);
    return w;
}

static void test_allocations_fail(void **state) {
    (void)state;
    struct world *w = some_world();
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;

    fail_at = 1;
    assert_int_equal(placement_solver_create(&solver), -ENOMEM);
    assert_null(solver);
    assert_int_equal(placement_solver_create(&solver), 0);
    fail_at = 1;
    assert_int_equal(placement_solve(solver, &w->problem, &w->request, &plan), -ENOMEM);
    assert_null(plan);
    assert_int_equal(placement_explain(solver, 0, NULL, NULL), -EINVAL);
    assert_int_equal(placement_solve(solver, &w->problem, &w->request, &plan), 0);
    assert_int_equal(plan->n_moves, 1);
    placement_solver_destroy(solver);
    world_destroy(w);
}

static void test_room_is_kept(void **state) {
    (void)state;
    struct world *w = some_world();
    struct placement_solver *solver = NULL;
    const struct placement_plan *plan = NULL;
    struct placement_verdict verdicts[WORLD_NODES];

    assert_int_equal(placement_solver_create(&solver), 0);
    n_allocations = 0;
    assert_int_equal(placement_solve(solver, &w->problem, &w->request, &plan), 0);
    assert_int_equal(n_allocations, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(placement_explain(solver, 0, verdicts, NULL), 0);
        assert_int_equal(placement_solve(solver, &w->problem, &w->request, &plan), 0);
    }
    assert_int_equal(n_allocations, 1);
    placement_solver_destroy(solver);
    world_destroy(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations_fail),
        cmocka_unit_test(test_room_is_kept),
    };
    return cmocka_run_group_tests_name("placement: memory", tests, NULL, NULL);
}
