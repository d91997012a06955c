/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The view: members are those whom both CPG and quorum see; each change is told once.
 */
#include "adapters/corosync/ring_view.h"
#include "adapters/corosync/send_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static struct ring_view v;
static struct core_view told;

static int setup(void **state) {
    (void)state;
    ring_view_init(&v, 1, 100);
    return 0;
}

static void test_both_must_have_told(void **state) {
    const struct ring_process processes[] = {{3, 300}, {1, 100}};
    const uint32_t ring[] = {3, 1, 2};
    (void)state;
    assert_false(ring_view_news(&v, false, &told));
    ring_view_set_processes(&v, processes, 2);
    assert_false(ring_view_news(&v, false, &told));
    ring_view_set_quorum(&v, true, ring, 3);
    assert_true(ring_view_news(&v, false, &told));
    assert_int_equal(told.members.n, 2);
    assert_int_equal(told.members.v[0], 1);
    assert_int_equal(told.members.v[1], 3);
    assert_int_equal(told.ring.n, 3);
    assert_int_equal(told.ring.v[2], 3);
    assert_true(told.quorate);
    assert_false(ring_view_news(&v, false, &told));
}

static void test_not_joined_yet(void **state) {
    const struct ring_process others[] = {{2, 200}};
    const uint32_t ring[] = {1, 2};
    (void)state;
    ring_view_set_processes(&v, others, 1);
    ring_view_set_quorum(&v, true, ring, 2);
    assert_false(ring_view_news(&v, false, &told));
}

static void test_intersection(void **state) {
    const struct ring_process processes[] = {{1, 100}, {2, 200}, {3, 300}};
    const uint32_t all[] = {1, 2, 3}, two[] = {1, 2};
    (void)state;
    ring_view_set_processes(&v, processes, 3);
    ring_view_set_quorum(&v, true, all, 3);
    assert_true(ring_view_news(&v, false, &told));
    ring_view_set_quorum(&v, true, two, 2); /* quorum has noticed, CPG has not yet */
    assert_true(ring_view_news(&v, false, &told));
    assert_int_equal(told.members.n, 2);
    ring_view_set_processes(&v, processes, 2);
    assert_false(ring_view_news(&v, false, &told)); /* the same to everybody */
    ring_view_set_quorum(&v, false, two, 2);
    assert_true(ring_view_news(&v, false, &told));
    assert_false(told.quorate);
}

static void test_duplicate(void **state) {
    const struct ring_process two_of_us[] = {{1, 99}, {1, 100}};
    const struct ring_process two_of_another[] = {{1, 100}, {2, 200}, {2, 201}};
    const uint32_t ring[] = {1, 2};
    (void)state;
    ring_view_set_quorum(&v, true, ring, 2);
    ring_view_set_processes(&v, two_of_us, 2);
    assert_true(ring_view_has_duplicate(&v));
    assert_false(ring_view_news(&v, false, &told));
    ring_view_set_processes(&v, two_of_another, 3);
    assert_false(ring_view_has_duplicate(&v));
    assert_true(ring_view_news(&v, false, &told));
    assert_int_equal(told.members.n, 2);
}

static void test_down(void **state) {
    const struct ring_process processes[] = {{1, 100}, {2, 200}};
    const uint32_t ring[] = {1, 2};
    (void)state;
    assert_false(ring_view_news(&v, true, &told)); /* nothing was told: nothing to take back */
    ring_view_set_processes(&v, processes, 2);
    ring_view_set_quorum(&v, true, ring, 2);
    assert_true(ring_view_news(&v, false, &told));
    ring_view_forget(&v);
    assert_true(ring_view_news(&v, true, &told));
    assert_int_equal(told.members.n, 0);
    assert_int_equal(told.ring.n, 0);
    assert_false(told.quorate);
    assert_false(ring_view_news(&v, true, &told));
    ring_view_set_processes(&v, processes, 2);
    ring_view_set_quorum(&v, true, ring, 2);
    assert_true(ring_view_news(&v, false, &told)); /* the same as before, and yet news */
    assert_int_equal(told.members.n, 2);
}

static void test_send_queue(void **state) {
    struct send_queue q;
    (void)state;
    send_queue_init(&q);
    assert_null(send_queue_peek(&q));
    assert_int_equal(send_queue_push(&q, (const uint8_t *)"abc", 3), 0);
    assert_int_equal(send_queue_push(&q, (const uint8_t *)"de", 2), 0);
    assert_int_equal(q.bytes, 5);
    assert_int_equal(send_queue_peek(&q)->size, 3);
    send_queue_pop(&q);
    assert_memory_equal(send_queue_peek(&q)->data, "de", 2);
    send_queue_pop(&q);
    assert_null(send_queue_peek(&q));
    assert_int_equal(q.bytes, 0);
    assert_int_equal(send_queue_push(&q, (const uint8_t *)"f", 1), 0);
    send_queue_clear(&q);
    assert_null(send_queue_peek(&q));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_both_must_have_told, setup),
        cmocka_unit_test_setup(test_not_joined_yet, setup),
        cmocka_unit_test_setup(test_intersection, setup),
        cmocka_unit_test_setup(test_duplicate, setup),
        cmocka_unit_test_setup(test_down, setup),
        cmocka_unit_test(test_send_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
