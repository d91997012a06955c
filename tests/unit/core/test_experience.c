/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What earlier live moves teach about the next one (executor/experience.h). */
#include "core/executor/experience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WEB = 1, DB, NEW };

/* A live move that ended well: 50 MB in half a second. */
static const struct operation_vm USUAL = {.mode = MOVE_LIVE,
                                          .state = OPERATION_DONE,
                                          .passes = 3,
                                          .sent_bytes = 50000000,
                                          .memory_ms = 500,
                                          .blackout_ms = 100,
                                          .total_ms = 2000};

static void moved(struct model *m, uint32_t vm, struct operation_vm row) {
    struct model_operation *operation = model_add(&m->operations);
    struct operation_vm *copy = calloc(1, sizeof(*copy));
    assert_non_null(operation);
    assert_non_null(copy);
    *copy = row;
    copy->vm = vm;
    free(operation->vms.items);
    operation->vms = (struct wire_list){copy, 1};
}

#define MOVED(m, id, ...)                 \
    do {                                  \
        struct operation_vm row_ = USUAL; \
        row_.__VA_ARGS__;                 \
        moved(m, id, row_);               \
    } while (0)

static void test_nothing_is_known_at_first(void **state) {
    struct model m;
    (void)state;
    model_init(&m);
    const struct experience none = experience_of(&m, WEB);
    assert_int_equal(none.rate_bps | none.overhead_ms | none.blackout_ms | none.sent_bytes, 0);
    model_finish(&m);
}

static void test_a_first_move_learns_from_others(void **state) {
    struct model m;
    (void)state;
    model_init(&m);
    moved(&m, WEB, USUAL);
    const struct experience known = experience_of(&m, NEW);
    assert_int_equal(known.rate_bps, 100000000);
    assert_int_equal(known.overhead_ms, 1400);
    assert_int_equal(known.blackout_ms, 100);
    assert_int_equal(known.sent_bytes, 0); /* what others send says nothing of this one */
    model_finish(&m);
}

static void test_own_moves_come_first(void **state) {
    struct model m;
    (void)state;
    model_init(&m);
    MOVED(&m, DB, blackout_ms = 450);
    for (uint32_t i = 0; i < 20; i++) {
        moved(&m, WEB, USUAL);
    }
    MOVED(&m, WEB, sent_bytes = 60000000);
    assert_int_equal(experience_of(&m, DB).blackout_ms, 450);
    assert_int_equal(experience_of(&m, DB).sent_bytes, 50000000);
    assert_int_equal(experience_of(&m, DB).rate_bps, 100000000); /* the network is everybody's */
    assert_int_equal(experience_of(&m, WEB).blackout_ms, 100);
    assert_int_equal(experience_of(&m, WEB).sent_bytes, 60000000); /* the newest */
    model_finish(&m);
}

static void test_only_moves_that_ended_teach(void **state) {
    struct model m;
    (void)state;
    model_init(&m);
    MOVED(&m, WEB, state = OPERATION_FAILED);
    MOVED(&m, WEB, state = OPERATION_RUNNING);
    MOVED(&m, WEB, mode = MOVE_QUICK);
    MOVED(&m, WEB, passes = 0);
    MOVED(&m, WEB, memory_ms = 0);
    assert_int_equal(experience_of(&m, WEB).rate_bps, 0);
    assert_int_equal(experience_of(&m, WEB).sent_bytes, 0);
    model_finish(&m);
}

static void test_limited_moves_say_nothing_of_the_network(void **state) {
    struct model m;
    (void)state;
    model_init(&m);
    MOVED(&m, WEB, memory_ms = 5000);
    MOVED(&m, WEB, memory_ms = 4000);
    moved(&m, WEB, USUAL);
    assert_int_equal(experience_of(&m, WEB).rate_bps, 100000000);
    model_finish(&m);
}

/* Two groups, as measured in the lab: the larger one is meant, and not what lies between. */
static void test_the_usual_stays_in_the_larger_group(void **state) {
    static const uint64_t fast[] = {85, 180, 77, 282, 101, 96, 188, 71};
    static const uint64_t slow[] = {430, 119, 481, 548, 433, 124};
    struct model m;
    (void)state;
    assert_in_range(experience_usual(fast, 8), 77, 96);
    assert_in_range(experience_usual(slow, 6), 430, 481);
    model_init(&m);
    for (size_t i = 0; i < sizeof(fast) / sizeof(fast[0]); i++) {
        MOVED(&m, WEB, blackout_ms = fast[i]);
    }
    assert_in_range(experience_of(&m, WEB).blackout_ms, 77, 96);
    model_finish(&m);
}

static void test_the_usual_of_little(void **state) {
    static const uint64_t one[] = {70}, two[] = {300, 100}, zeros[] = {0, 0, 90},
                          among_zeros[] = {0, 0, 0, 50, 100, 104};
    (void)state;
    assert_int_equal(experience_usual(NULL, 0), 0);
    assert_int_equal(experience_usual(one, 1), 70);
    assert_int_equal(experience_usual(two, 2), 100);
    assert_int_equal(experience_usual(zeros, 3), 90);
    assert_int_equal(experience_usual(zeros, 2), 0);
    assert_int_equal(experience_usual(among_zeros, 6), 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known_at_first),
        cmocka_unit_test(test_a_first_move_learns_from_others),
        cmocka_unit_test(test_own_moves_come_first),
        cmocka_unit_test(test_only_moves_that_ended_teach),
        cmocka_unit_test(test_limited_moves_say_nothing_of_the_network),
        cmocka_unit_test(test_the_usual_stays_in_the_larger_group),
        cmocka_unit_test(test_the_usual_of_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
