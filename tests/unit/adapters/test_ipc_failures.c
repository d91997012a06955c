/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM whose orders end without a clear result, and which is then found nowhere: what is avoided,
 * when it is tried again, and what `status` says of it meanwhile.
 */
#include "adapters/ipc/view.h"
#include "core/apply/resolve.h"
#include "core/model/needed_protocol.h"
#include "planned.h"
#include "unit/core/one_model.h"

struct scene {
    struct bench b;
    struct model_vm *vm;
};

static void begin(struct scene *s, const char *restart_limit) {
    bench_begin(&s->b);
    bench_volume_ok(&s->b, "csv1");
    assert_int_equal(GIVE(&s->b, CONFIG_SET, .key = "restart_limit", .value = restart_limit),
                     REPLY_OK);
    s->b.m.needs = PROTOCOL_KEPT_AVOIDED;
}

/* The order ends without a clear result, and the VM is found nowhere. */
static void end_nowhere(struct scene *s, enum order_kind kind, uint32_t node, uint32_t target) {
    assert_int_equal(bench_order(&s->b, s->vm, kind, node, target), REPLY_OK);
    assert_int_equal(bench_report(&s->b, s->vm, RESULT_FAILED, VM_STATE_UNKNOWN), REPLY_OK);
    while (s->vm->state == VM_RESOLVING) {
        struct resolve_step step = resolve_next(s->vm);
        assert_int_equal(step.kind, ORDER_PROBE);
        assert_int_equal(bench_order(&s->b, s->vm, step.kind, step.node, 0), REPLY_OK);
        assert_int_equal(bench_report(&s->b, s->vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    }
}

static void run_on(struct scene *s, enum order_kind kind, uint32_t node) {
    assert_int_equal(bench_order(&s->b, s->vm, kind, node, 0), REPLY_OK);
    assert_int_equal(bench_report(&s->b, s->vm, RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
}

/* Where the coordinator would start the VM; 0: nowhere. */
static uint32_t next_place(struct scene *s) {
    struct planner_plan plan;
    assert_int_equal(planned_starts(&s->b.m, s->b.last.time_ms, false, &s->b.out.arena, &plan), 0);
    assert_int_equal(plan.n, 1);
    return plan.v[0].to;
}

/* The reason of the one problem that status has of the VM, with its state; NULL: none. */
static const char *problem(struct scene *s) {
    struct ipc_view view = {.model = &s->b.m,
                            .cluster = "lab",
                            .waiting = "",
                            .wall_ms = s->b.last.time_ms,
                            .arena = &s->b.out.arena};
    struct planner_plan starts;
    const char *reason = NULL;
    assert_int_equal(planned_starts(&s->b.m, view.wall_ms, false, view.arena, &starts), 0);
    view.outlook.starts = &starts;
    json_t *problems = render_problems(&view);
    for (size_t i = 0; i < json_array_size(problems); i++) {
        const json_t *it = json_array_get(problems, i);
        if (strcmp(json_string_value(json_object_get(it, "what")), "VM vm1 does not run: failed") ==
            0) {
            assert_null(reason);
            reason = arena_strdup(view.arena, json_string_value(json_object_get(it, "why")));
        }
    }
    json_decref(problems);
    return reason;
}

/* The kind that is tried; a move or save ends on n1, whatever starts or restores the VM then fails
 * likewise. */
static void everywhere(struct scene *s, enum order_kind kind) {
    bool moves = kind == ORDER_MIGRATE || kind == ORDER_SAVE;
    bool saved = kind == ORDER_SAVE || kind == ORDER_RESTORE;
    s->vm =
        kind == ORDER_START ? bench_add_vm(&s->b, "vm1", true) : bench_running_vm(&s->b, "vm1", 1);
    if (moves) {
        end_nowhere(s, kind, 1, 2);
    } else if (saved) {
        assert_int_equal(bench_order(&s->b, s->vm, ORDER_SAVE, 1, 2), REPLY_OK);
        assert_int_equal(bench_report(&s->b, s->vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    }
    for (uint32_t i = 0; i < (moves ? 2 : 3); i++) {
        uint32_t node = next_place(s);
        assert_true(node != 0 && !ids_contain(&s->vm->avoid, node));
        end_nowhere(s, saved ? ORDER_RESTORE : ORDER_START, node, 0);
    }
}

static void each_kind_ends_in_a_pause(void **state) {
    static const enum order_kind kinds[] = {ORDER_START, ORDER_RESTORE, ORDER_MIGRATE, ORDER_SAVE};
    static const char *const pauses[] = {"10", "20", "40", "80", "160", "300", "300"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct scene s;
        char text[64];
        begin(&s, "0");
        everywhere(&s, kinds[i]);
        bool saved = s.vm->state == VM_SAVED;
        for (size_t k = 0; k < ARRAY_SIZE(pauses); k++) {
            assert_int_equal(next_place(&s), 0);
            struct cmd_vm_retry retry = {.vm = s.vm->id, .serial = s.vm->serial, .wait = 1};
            assert_int_equal(bench_give(&s.b, COMMAND_VM_RETRY, &retry), REPLY_OK);
            const char *why = problem(&s);
            (void)snprintf(text, sizeof(text), "; next try in %s s", pauses[k]);
            assert_non_null(why);
            assert_non_null(strstr(why, text));
            assert_non_null(strstr(why, "ended without a clear result"));
            retry = (struct cmd_vm_retry){.vm = s.vm->id, .serial = s.vm->serial};
            assert_int_equal(bench_give(&s.b, COMMAND_VM_RETRY, &retry), REPLY_OK);
            assert_null(problem(&s));
            for (uint32_t node = 1; node <= 3; node++) {
                end_nowhere(&s, saved ? ORDER_RESTORE : ORDER_START, next_place(&s), 0);
            }
        }
        bench_end(&s.b);
    }
}

/* Up to restart_limit, a VM that was lost in its move may start where it was. */
static void up_to_the_limit(void **state) {
    static const enum order_kind kinds[] = {ORDER_MIGRATE, ORDER_SAVE};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct scene s;
        begin(&s, "2");
        s.vm = bench_running_vm(&s.b, "vm1", 1);
        for (uint32_t times = 1; times <= 3; times++) {
            end_nowhere(&s, kinds[i], 1, 2);
            assert_int_equal(ids_contain(&s.vm->avoid, 1), times == 3);
            if (times < 3) {
                run_on(&s, kinds[i] == ORDER_SAVE ? ORDER_RESTORE : ORDER_START, 1);
            }
        }
        assert_true(next_place(&s) != 1 && next_place(&s) != 0);
        bench_end(&s.b);
    }
}

/* A saved memory that is lost frees the nodes that could not restore it, not the one on which the
 * VM has failed too often. An older clusterd frees that one, too. */
static void lost_memory(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        bool newer = i & 1, too_often = i & 2;
        struct scene s;
        begin(&s, too_often ? "0" : "1");
        s.b.m.needs = newer ? PROTOCOL_KEPT_AVOIDED : PROTOCOL_KEPT_AVOIDED - 1;
        s.vm = bench_running_vm(&s.b, "vm1", 1);
        end_nowhere(&s, ORDER_SAVE, 1, 2);
        assert_int_equal(s.vm->state, VM_SAVED);
        end_nowhere(&s, ORDER_RESTORE, 2, 0);
        assert_int_equal(bench_order(&s.b, s.vm, ORDER_RESTORE, 3, 0), REPLY_OK);
        assert_int_equal(GIVE(&s.b, VM_REPORT, .vm = s.vm->id, .order = s.vm->order_index,
                              .node = 3, .incarnation = 13, .result = RESULT_FAILED,
                              .state = VM_STATE_OFF, .state_lost = 1, .reason = "lost"),
                         REPLY_OK);
        assert_int_equal(s.vm->state, VM_OFF);
        assert_int_equal(ids_contain(&s.vm->avoid, 1), newer && too_often);
        assert_false(ids_contain(&s.vm->avoid, 2) || ids_contain(&s.vm->avoid, 3));
        bench_end(&s.b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_ends_in_a_pause),
        cmocka_unit_test(up_to_the_limit),
        cmocka_unit_test(lost_memory),
    };
    return cmocka_run_group_tests_name("adapters_ipc_failures", tests, NULL, NULL);
}
