/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this node's QEMU offers: when it is asked, and when the others are told.
 */
#include "base/check.h"
#include "core/executor/inside.h"
#include "unit/core/one_core.h"

static void begin(struct core *c) {
    struct bench b;
    bench_begin(&b);
    solo_begin(c, &b);
    c->executor.connected = true;
}

static void offers_are_asked_once(void **state) {
    struct core c;
    (void)state;
    begin(&c);
    c.executor.connected = false;
    assert_int_equal(executor_ask_offers(&c), 0);
    assert_int_equal(c.out.n, 0);
    c.executor.connected = true;
    assert_int_equal(executor_ask_offers(&c), 0);
    assert_int_equal(solo_actions(&c, CORE_ACTION_RUN_AGENT), 1);
    assert_int_equal(executor_ask_offers(&c), 0);
    assert_int_equal(solo_actions(&c, CORE_ACTION_RUN_AGENT), 1);
    c.executor.cpu_asked = false; /* another QEMU, while the agent works */
    assert_int_equal(executor_ask_offers(&c), 0);
    assert_int_equal(solo_actions(&c, CORE_ACTION_RUN_AGENT), 1);
    executor_drop_run(&c, executor_find_run(&c, RUN_HOST_CPU, 0));
    assert_int_equal(executor_ask_offers(&c), 0);
    assert_int_equal(solo_actions(&c, CORE_ACTION_RUN_AGENT), 2);
    solo_end(&c);
}

static void offers_are_told_if_new(void **state) {
    static const char *const models[] = {"Haswell", "Skylake"};
    static const char *const others[] = {"Haswell", "EPYC"};
    static const char *const types[] = {"x86_64/pc-7", "x86_64/pc-8"};
    static const struct {
        struct wire_strs models, machines;
        bool told;
    } cases[] = {
        {{models, 1}, {types, 1}, true},     {{models, 1}, {types, 1}, false},
        {{models, 2}, {types, 1}, true},     {{others, 2}, {types, 1}, true},
        {{others, 2}, {types, 2}, true},     {{others, 2}, {types, 2}, false},
        {{others, 2}, {types + 1, 1}, true}, {{NULL, 0}, {NULL, 0}, true},
    };
    struct core c;
    (void)state;
    begin(&c);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct core_agent told = {.models = cases[i].models, .machines = cases[i].machines};
        c.executor.offers_untold = false;
        assert_int_equal(executor_keep_offers(&c, &told), 0);
        assert_int_equal(c.executor.offers_untold, cases[i].told);
        assert_int_equal(c.executor.offers.cpu_models.n, cases[i].models.n);
        assert_int_equal(c.executor.offers.machines.n, cases[i].machines.n);
        assert_true(c.executor.cpu_known);
    }
    /* What is still to be told stays so if the same comes again. */
    c.executor.offers_untold = true;
    assert_int_equal(executor_keep_offers(&c, &(struct core_agent){0}), 0);
    assert_true(c.executor.offers_untold);
    solo_end(&c);
}

static void unknown_machine_asks_again(void **state) {
    static const char *const types[] = {"nonsense", "x86_64/pc=pc-7", "x86_64/pc-7"};
    static const struct {
        const char *machine;
        uint32_t n; /* that are known */
        bool asks;
    } cases[] = {
        {NULL, 3, false},  {"", 3, false},     {"pc-7", 3, false},
        {"pc-8", 3, true}, {"pc-8", 0, false}, {"nonsense", 3, true},
    };
    struct core c;
    (void)state;
    begin(&c);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct core_agent told = {.machines = {types, cases[i].n}};
        assert_int_equal(executor_keep_offers(&c, &told), 0);
        c.executor.cpu_asked = true;
        executor_note_machine(&c, cases[i].machine);
        assert_int_equal(c.executor.cpu_asked, !cases[i].asks);
    }
    c.executor.cpu_asked = false; /* it is to be asked anyhow */
    executor_note_machine(&c, NULL);
    assert_false(c.executor.cpu_asked);
    solo_end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_are_asked_once),
        cmocka_unit_test(offers_are_told_if_new),
        cmocka_unit_test(unknown_machine_asks_again),
    };
    return cmocka_run_group_tests_name("core_offers", tests, NULL, NULL);
}
