/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often the coordinator orders the same step again.
 */
#include "base/check.h"
#include "core/core_internal.h"
#include "core/policy/inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

enum { BEGIN_MS = 1000000 };

static struct core *begin(void) {
    struct core *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->now_ms = BEGIN_MS;
    return c;
}

static void pauses_double(void **state) {
    static const uint64_t pauses[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct core *c = begin();
    (void)state;
    assert_true(policy_is_its_time(c, 1, ORDER_STOP, 1));
    for (size_t i = 0; i < ARRAY_SIZE(pauses); i++) {
        c->policy.wakeup_ms = UINT64_MAX;
        c->now_ms += pauses[i] - 1;
        assert_false(policy_is_its_time(c, 1, ORDER_STOP, 1));
        c->now_ms += 1;
        assert_int_equal(c->policy.wakeup_ms, c->now_ms);
        assert_true(policy_is_its_time(c, 1, ORDER_STOP, 1));
    }
    c->now_ms += 60000; /* it has not been wanted for a while */
    assert_true(policy_is_its_time(c, 1, ORDER_STOP, 1));
    c->now_ms += 1000;
    assert_true(policy_is_its_time(c, 1, ORDER_STOP, 1));
    free(c);
}

/* Another step, VM or node does not wait. */
static void each_for_itself(void **state) {
    struct core *c = begin();
    (void)state;
    assert_true(policy_is_its_time(c, 1, ORDER_STOP, 1));
    assert_true(policy_is_its_time(c, 1, ORDER_DESTROY, 1));
    assert_true(policy_is_its_time(c, 1, ORDER_STOP, 2));
    assert_true(policy_is_its_time(c, 2, ORDER_STOP, 1));
    assert_false(policy_is_its_time(c, 1, ORDER_STOP, 1));
    free(c);
}

/* With 400 VMs in the same trouble, each is ordered as often as one alone would be. */
static void many_at_once(void **state) {
    struct core *c = begin();
    uint32_t ordered = 0;
    (void)state;
    for (uint32_t ms = 0; ms <= 31000; ms += 100) {
        for (uint32_t vm = 1; vm <= 400; vm++) {
            ordered += policy_is_its_time(c, vm, ORDER_STOP, 1 + vm % 3);
        }
        c->now_ms += 100;
    }
    assert_int_equal(ordered, 400 * 6); /* after 0, 1, 3, 7, 15, 31 s */
    free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double),
        cmocka_unit_test(each_for_itself),
        cmocka_unit_test(many_at_once),
    };
    return cmocka_run_group_tests_name("core_pace", tests, NULL, NULL);
}
