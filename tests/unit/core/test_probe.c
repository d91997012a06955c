/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a node asks its libvirt again about VMs of which it could say nothing.
 */
#include "core/executor/inside.h"
#include "core/timeouts.h"
#include "unit/core/one_core.h"

enum { BEGIN_MS = 1000000 };

struct scene {
    struct core c;
    const struct model_vm *vm; /* vm1; its state is unclear, and this node is to ask */
    uint32_t lines;            /* of the log, since the beginning */
};

/* As after a migration of each of the VMs whose end nobody knows. */
static void begin(struct scene *s, uint32_t vms) {
    struct bench b;
    char name[16];
    *s = (struct scene){.lines = 0};
    bench_begin(&b);
    for (uint32_t i = 1; i <= vms; i++) {
        (void)snprintf(name, sizeof(name), "vm%u", i);
        struct model_vm *vm = bench_running_vm(&b, name, 1);
        assert_int_equal(bench_order(&b, vm, ORDER_MIGRATE, 1, 2), REPLY_OK);
        assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_UNKNOWN), REPLY_OK);
        assert_int_equal(bench_order(&b, vm, ORDER_PROBE, 1, 0), REPLY_OK);
    }
    solo_begin(&s->c, &b);
    s->vm = model_vm_by_name(&s->c.model, "vm1");
    s->c.executor.connected = s->c.executor.listed = true;
    s->c.now_ms = BEGIN_MS;
}

/* One step; how many agents are begun in it. */
static uint32_t step(struct scene *s) {
    solo_step(&s->c, s->c.now_ms);
    s->c.executor.wakeup_ms = UINT64_MAX;
    assert_int_equal(executor_orders(&s->c), 0);
    return solo_actions(&s->c, CORE_ACTION_RUN_AGENT);
}

/* Nothing happens but what the executor has asked to be woken for: when it asks next. */
static uint64_t next_probe(struct scene *s) {
    while (step(s) == 0) {
        assert_true(s->c.executor.wakeup_ms > s->c.now_ms);
        assert_true(s->c.executor.wakeup_ms != UINT64_MAX);
        s->c.now_ms = s->c.executor.wakeup_ms;
    }
    return s->c.now_ms;
}

static struct run *run_of(struct scene *s, const char *vm) {
    struct run *run = executor_find_run(&s->c, RUN_ORDER, model_vm_by_name(&s->c.model, vm)->id);
    assert_non_null(run);
    return run;
}

/* The agent that asks about that VM ends. */
static void answer(struct scene *s, const char *vm, uint8_t result, uint8_t state) {
    struct core_agent line = {
        .line = AGENT_DONE, .result = result, .state = state, .reason = "busy"};
    solo_step(&s->c, s->c.now_ms);
    assert_int_equal(executor_order_done(&s->c, run_of(s, vm), &line), 0);
    s->lines += solo_actions(&s->c, CORE_ACTION_LOG);
}

static void no_answer(struct scene *s, uint64_t after_ms) {
    s->c.now_ms += after_ms;
    answer(s, "vm1", RESULT_FAILED, VM_STATE_UNKNOWN);
}

/* The pause before the next one, of as many as have had no answer at once. */
static uint64_t pause_after(struct scene *s, uint32_t unanswered) {
    uint64_t pause = 0;
    for (uint32_t i = 0; i < unanswered; i++) {
        uint64_t asked = s->c.now_ms;
        no_answer(s, 0);
        pause = next_probe(s) - asked;
    }
    return pause;
}

static void pauses_grow(void **state) {
    static const uint64_t pauses[] = {1000, 2000, 4000, 8000, 8000, 8000};
    struct scene s;
    (void)state;
    begin(&s, 1);
    assert_int_equal(next_probe(&s), BEGIN_MS);
    for (size_t i = 0; i < ARRAY_SIZE(pauses); i++) {
        assert_int_equal(pause_after(&s, 1), pauses[i]);
    }
    assert_int_equal(s.lines, 1);
    s.c.executor.begun[0].unanswered = UINT32_MAX;
    assert_int_equal(pause_after(&s, 2), 8000);
    solo_end(&s.c);
}

/* A probe that waits for libvirt has had its pause when its time is up: the next one follows. */
static void a_slow_one_was_a_pause(void **state) {
    struct scene s;
    (void)state;
    begin(&s, 1);
    next_probe(&s);
    assert_int_equal(pause_after(&s, 3), 4000);
    uint64_t asked = s.c.now_ms;
    no_answer(&s, 3000);
    assert_int_equal(next_probe(&s), asked + 8000);
    no_answer(&s, 30000);
    assert_int_equal(next_probe(&s), asked + 8000 + 30000 + 1000);
    solo_end(&s.c);
}

enum sign {
    LIBVIRT_IS_BACK,
    EVENT_OF_THE_VM,
    ANSWER_ABOUT_ANOTHER,
    EVENT_OF_ANOTHER,
    NO_ANSWER_ABOUT_ANOTHER
};

static void show(struct scene *s, enum sign sign) {
    const char *vm = sign == EVENT_OF_THE_VM ? "vm1" : "vm2";
    struct core_agent line = {.line = AGENT_LISTED};
    if (sign == EVENT_OF_THE_VM || sign == EVENT_OF_ANOTHER) {
        line = (struct core_agent){.line = AGENT_DOMAIN_EVENT,
                                   .uuid = model_vm_by_name(&s->c.model, vm)->uuid,
                                   .domain_event = VM_EVENT_PAUSED};
    }
    solo_step(&s->c, s->c.now_ms);
    if (sign == ANSWER_ABOUT_ANOTHER) {
        answer(s, "vm2", RESULT_OK, VM_STATE_RUNNING);
    } else if (sign == NO_ANSWER_ABOUT_ANOTHER) {
        answer(s, "vm2", RESULT_FAILED, VM_STATE_UNKNOWN);
    } else {
        assert_int_equal(executor_domain_line(&s->c, &line), 0);
    }
}

/* Whatever shows that libvirt may know more ends the pause, and the pauses grow anew; but there is
 * never more than one probe a second. */
static void a_sign_ends_the_pause(void **state) {
    (void)state;
    for (uint32_t i = LIBVIRT_IS_BACK; i <= NO_ANSWER_ABOUT_ANOTHER; i++) {
        bool ends = i <= ANSWER_ABOUT_ANOTHER;
        struct scene s;
        begin(&s, 2);
        assert_int_equal(step(&s), 2);
        pause_after(&s, 4);
        uint64_t asked = s.c.now_ms;
        no_answer(&s, 0);
        s.c.now_ms = asked + 300;
        show(&s, (enum sign)i);
        assert_int_equal(step(&s), 0);
        s.c.now_ms = asked + 1000;
        assert_int_equal(step(&s), ends);
        if (ends) {
            assert_int_equal(pause_after(&s, 1), 2000);
            assert_int_equal(pause_after(&s, 1), 4000);
        }
        solo_end(&s.c);
    }
}

/* A VM whose probes are not answered does not hold up the first probe of another. */
static void each_for_itself(void **state) {
    struct scene s;
    (void)state;
    begin(&s, 2);
    assert_int_equal(step(&s), 2);
    pause_after(&s, 4);
    no_answer(&s, 0);
    answer(&s, "vm2", RESULT_FAILED, VM_STATE_UNKNOWN);
    uint64_t asked = s.c.now_ms;
    assert_int_equal(next_probe(&s), asked + 1000); /* vm2 */
    assert_int_equal(run_of(&s, "vm2")->order_kind, ORDER_PROBE);
    assert_null(executor_find_run(&s.c, RUN_ORDER, s.vm->id));
    assert_int_equal(s.lines, 2);
    solo_end(&s.c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_grow),
        cmocka_unit_test(a_slow_one_was_a_pause),
        cmocka_unit_test(a_sign_ends_the_pause),
        cmocka_unit_test(each_for_itself),
    };
    return cmocka_run_group_tests_name("core_probe", tests, NULL, NULL);
}
