/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a live migration ends: converge.h decides, and predict.h, which plays QEMU and the guest,
 * shows what comes of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "resource-agents/vm/predict.h"

enum { MIB = 1024 * 1024 };

/* What is predicted for a guest with `dirty_bps`: predict() plays QEMU's part. */
static const struct measured busy = {
    .memory_bytes = 4096ULL * MIB, .set_bytes = 512ULL * MIB, .rate_bps = 1000ULL * MIB};

static void test_starts_low(void **state) {
    struct converge c;
    (void)state;
    converge_init(&c, 300, CONVERGE_OR_ABORT, true);
    assert_int_equal(c.permitted_ms, 50);
    converge_init(&c, 60, CONVERGE_OR_ABORT, true);
    assert_int_equal(c.permitted_ms, 30);
    converge_init(&c, 5, CONVERGE_OR_ABORT, true);
    assert_int_equal(c.permitted_ms, 5);
}

static void test_idle_guest_needs_no_more(void **state) {
    struct measured guest = busy;
    struct converge c;
    (void)state;
    guest.dirty_bps = 1 * MIB;
    converge_init(&c, 300, CONVERGE_OR_ABORT, true);
    struct predicted end = predict(&guest, &c);
    assert_true(end.moves);
    assert_int_equal(end.passes, 1);
    assert_int_equal(c.permitted_ms, 50);
}

/* Each pass is shorter than the one before, so it is worth waiting for. */
static void test_passes_that_help_keep_the_blackout_short(void **state) {
    struct measured guest = busy;
    struct converge c;
    (void)state;
    guest.dirty_bps = guest.rate_bps * 8 / 10;
    converge_init(&c, 300, CONVERGE_OR_ABORT, false);
    struct predicted end = predict(&guest, &c);
    assert_true(end.moves);
    assert_true(end.rest_ms <= 60);
}

/* 100 MiB are dirty again after each pass: that takes 100 ms. */
static void test_stall_that_fits_is_permitted(void **state) {
    struct measured guest = busy;
    struct converge c;
    (void)state;
    guest.dirty_bps = 4 * guest.rate_bps;
    guest.set_bytes = 100ULL * MIB;
    converge_init(&c, 300, CONVERGE_OR_ABORT, false);
    struct predicted end = predict(&guest, &c);
    assert_true(end.moves);
    assert_int_equal(end.passes, 4); /* the first that does not help, and two more */
    assert_true(c.permitted_ms > 100 && c.permitted_ms < 150);
}

static void test_permitted_downtime_never_passes_the_limit(void **state) {
    struct converge c;
    (void)state;
    for (uint64_t limit_ms = 1; limit_ms < 2000; limit_ms += 7) {
        for (uint64_t percent = 0; percent <= 400; percent += 20) {
            struct measured guest = busy;
            guest.dirty_bps = guest.rate_bps * percent / 100;
            converge_init(&c, limit_ms, CONVERGE_OR_ABORT, percent % 40 == 0);
            struct predicted end = predict(&guest, &c);
            assert_true(end.passes < 100);
            assert_true(c.permitted_ms <= limit_ms);
            assert_int_equal(end.converges, end.moves);
        }
    }
}

static void test_throttle_is_given_its_time(void **state) {
    struct measured guest = busy;
    struct converge c;
    (void)state;
    guest.dirty_bps = 2 * guest.rate_bps;
    converge_init(&c, 300, CONVERGE_OR_ABORT, true);
    struct predicted end = predict(&guest, &c);
    assert_true(end.moves);
    assert_true(end.throttle >= 60);
    assert_true(end.rest_ms <= 300);
}

/* Borders of a guest that writes at 80 % of the link whatever its throttle, seen in the lab. */
static void test_last_step_of_the_throttle_is_not_waited_for(void **state) {
    static const struct pass passes[] = {
        {.number = 10, .at_ms = 56601, .remaining_bytes = 40566784, .rate_bps = 58182690},
        {.number = 11, .at_ms = 57305, .remaining_bytes = 33705984, .rate_bps = 59166300},
        {.number = 12, .at_ms = 57861, .remaining_bytes = 20324352, .rate_bps = 60349278},
        {.number = 13, .at_ms = 58277, .remaining_bytes = 15998976, .rate_bps = 57973322},
        {.number = 14, .at_ms = 58513, .remaining_bytes = 11612160, .rate_bps = 57381709},
        {.number = 15, .at_ms = 58709, .remaining_bytes = 10391552, .rate_bps = 60507079},
    };
    static const uint64_t throttles[] = {0, 50, 80, 95};
    (void)state;
    for (size_t t = 0; t < sizeof(throttles) / sizeof(throttles[0]); t++) {
        struct converge c;
        converge_init(&c, 300, CONVERGE_OR_ABORT, true);
        for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
            struct pass pass = passes[i];
            pass.throttle = throttles[t];
            enum converge_step step = converge_at_border(&c, &pass);
            bool last = throttles[t] == 95 && i == 5; /* QEMU may look at the next border */
            assert_int_equal(step, last ? CONVERGE_PERMIT : CONVERGE_GO_ON);
            assert_int_equal(c.permitted_ms, last ? 216 : 50);
        }
    }
    /* If less is allowed, it is not given, and the throttle may grow. */
    struct converge c;
    converge_init(&c, 170, CONVERGE_OR_ABORT, true);
    for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
        struct pass pass = passes[i];
        pass.throttle = 95;
        assert_int_equal(converge_at_border(&c, &pass), CONVERGE_GO_ON);
        assert_int_equal(c.permitted_ms, 30);
    }
}

/* QEMU makes the throttle stronger at every second look: the first one is no reason to end. */
static void test_first_look_at_the_throttle_is_no_danger(void **state) {
    static const struct {
        uint64_t at_ms, remaining_mib;
        enum converge_step step;
    } borders[] = {{50000, 290, CONVERGE_GO_ON},
                   {50900, 240, CONVERGE_GO_ON}, /* looks in 100 ms, for the first time */
                   {51100, 200, CONVERGE_GO_ON},
                   {51900, 170, CONVERGE_PERMIT}};
    struct converge c;
    (void)state;
    converge_init(&c, 300, CONVERGE_OR_ABORT, true);
    for (size_t i = 0; i < sizeof(borders) / sizeof(borders[0]); i++) {
        const struct pass pass = {.number = 9 + i,
                                  .at_ms = borders[i].at_ms,
                                  .remaining_bytes = borders[i].remaining_mib * MIB,
                                  .rate_bps = 1000ULL * MIB,
                                  .throttle = 95};
        assert_int_equal(converge_at_border(&c, &pass), borders[i].step);
    }
}

/* Passes of 310 ms that do not help: QEMU has had no time yet to make the throttle stronger. */
static void test_short_passes_wait_for_the_throttle(void **state) {
    struct converge c;
    uint64_t at_ms = 50000;
    (void)state;
    converge_init(&c, 300, CONVERGE_OR_ABORT, true);
    enum converge_step step = CONVERGE_GO_ON;
    for (uint64_t number = 9; step == CONVERGE_GO_ON && number < 99; number++, at_ms += 310) {
        const struct pass pass = {.number = number,
                                  .at_ms = at_ms,
                                  .remaining_bytes = 310ULL * MIB,
                                  .rate_bps = 1000ULL * MIB,
                                  .throttle = 20};
        step = converge_at_border(&c, &pass);
    }
    assert_int_equal(step, CONVERGE_ABORT);
    assert_in_range(at_ms, 53000, 55000);
}

static void test_gives_up_when_nothing_helps(void **state) {
    struct measured guest = busy;
    struct converge c;
    (void)state;
    guest.dirty_bps = 2 * guest.rate_bps;
    converge_init(&c, 300, CONVERGE_OR_ABORT, false);
    struct predicted end = predict(&guest, &c);
    assert_false(end.moves);
    assert_true(end.passes <= 6);

    /* Even the strongest throttle does not help this one. */
    guest.dirty_bps = 1000 * guest.rate_bps;
    converge_init(&c, 300, CONVERGE_OR_ABORT, true);
    end = predict(&guest, &c);
    assert_false(end.moves);
    assert_int_equal(end.throttle, 99);
}

static void test_suspends_when_that_was_chosen(void **state) {
    struct measured guest = busy;
    struct converge c;
    (void)state;
    guest.dirty_bps = 2 * guest.rate_bps;
    converge_init(&c, 300, CONVERGE_OR_SUSPEND, false);
    struct predicted end = predict(&guest, &c);
    assert_true(end.moves);
    assert_false(end.converges);
    assert_true(end.rest_ms > 500);
}

/* QEMU compares with a rate of its own: what is permitted rises until it agrees. */
static void test_suspension_rises_without_limit(void **state) {
    struct pass pass = {.number = 20, .remaining_bytes = 512ULL * MIB, .rate_bps = MIB};
    struct converge c;
    (void)state;
    converge_init(&c, 300, CONVERGE_OR_SUSPEND, true);
    pass.throttle = 99;
    uint64_t before = c.permitted_ms;
    for (int i = 0; i < 20; i++) {
        if (converge_at_border(&c, &pass) == CONVERGE_PERMIT) {
            assert_true(c.permitted_ms > before);
            before = c.permitted_ms;
        }
    }
    assert_int_equal(c.permitted_ms, 2000000);

    /* Also if the rest comes to fit the limit, and QEMU still does not agree. */
    c.permitted_ms = 400;
    pass.rate_bps = 2048ULL * MIB;
    assert_int_equal(converge_at_border(&c, &pass), CONVERGE_PERMIT);
    assert_int_equal(c.permitted_ms, 800);
}

static void test_nothing_is_decided_without_a_rate(void **state) {
    const struct pass first = {.number = 1, .remaining_bytes = 1, .rate_bps = 1};
    const struct pass silent = {.number = 9, .remaining_bytes = MIB};
    struct converge c;
    (void)state;
    converge_init(&c, 300, CONVERGE_OR_ABORT, false);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(converge_at_border(&c, &first), CONVERGE_GO_ON);
        assert_int_equal(converge_at_border(&c, &silent), CONVERGE_GO_ON);
    }
}

/* 4 GiB in 4.1 s, and what 100 MiB/s have dirtied meanwhile in 0.4 s, and so on. */
static void test_predicted_times_add_up(void **state) {
    struct measured guest = busy;
    struct converge c;
    (void)state;
    guest.dirty_bps = 100ULL * MIB;
    guest.overhead_ms = 200;
    guest.blackout_ms = 150;
    converge_init(&c, 300, CONVERGE_OR_ABORT, true);
    struct predicted end = predict(&guest, &c);
    assert_true(end.moves && end.converges);
    assert_int_equal(end.passes, 2);
    assert_in_range(end.memory_ms, 4450, 4550);
    assert_int_equal(end.blackout_ms, 150);
    assert_int_equal(end.total_ms, 200 + end.memory_ms + 150);
}

static void test_predicted_blackout_has_the_rest_in_it(void **state) {
    struct measured guest = busy;
    struct converge c;
    (void)state;
    guest.dirty_bps = 4 * guest.rate_bps;
    guest.set_bytes = 200ULL * MIB;
    guest.blackout_ms = 150;
    converge_init(&c, 300, CONVERGE_OR_ABORT, false);
    struct predicted end = predict(&guest, &c);
    assert_true(end.moves && end.converges);
    assert_in_range(end.rest_ms, 199, 203);
    assert_int_equal(end.blackout_ms, 150 + end.rest_ms - 50);

    guest.set_bytes = 512ULL * MIB;
    converge_init(&c, 300, CONVERGE_OR_SUSPEND, false);
    end = predict(&guest, &c);
    assert_true(end.moves && !end.converges);
    assert_int_equal(end.blackout_ms, 150 + end.rest_ms - 50);
}

static void test_words_of_the_policy(void **state) {
    enum if_not_converging policy = CONVERGE_OR_ABORT;
    (void)state;
    assert_int_equal(converge_policy("suspend", &policy), 0);
    assert_int_equal(policy, CONVERGE_OR_SUSPEND);
    assert_int_equal(converge_policy("abort", &policy), 0);
    assert_int_equal(policy, CONVERGE_OR_ABORT);
    assert_true(converge_policy("", &policy) < 0);
    assert_true(converge_policy("Abort", &policy) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_low),
        cmocka_unit_test(test_idle_guest_needs_no_more),
        cmocka_unit_test(test_passes_that_help_keep_the_blackout_short),
        cmocka_unit_test(test_stall_that_fits_is_permitted),
        cmocka_unit_test(test_permitted_downtime_never_passes_the_limit),
        cmocka_unit_test(test_throttle_is_given_its_time),
        cmocka_unit_test(test_last_step_of_the_throttle_is_not_waited_for),
        cmocka_unit_test(test_first_look_at_the_throttle_is_no_danger),
        cmocka_unit_test(test_short_passes_wait_for_the_throttle),
        cmocka_unit_test(test_gives_up_when_nothing_helps),
        cmocka_unit_test(test_suspends_when_that_was_chosen),
        cmocka_unit_test(test_suspension_rises_without_limit),
        cmocka_unit_test(test_nothing_is_decided_without_a_rate),
        cmocka_unit_test(test_predicted_times_add_up),
        cmocka_unit_test(test_predicted_blackout_has_the_rest_in_it),
        cmocka_unit_test(test_words_of_the_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
