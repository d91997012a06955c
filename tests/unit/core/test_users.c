/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events that somebody asked for name the user: those of the command itself, and those of what
 * clusterd then does for it. What happens by itself names nobody.
 */
#include "unit/core/one_model.h"

/* The newest event of that kind: "alice", "" without a name, "-" without a user. */
static const char *user_of(const struct bench *b, const char *kind) {
    const struct model_event *found = NULL;
    MODEL_EACH(model_event, event, &b->m.events) {
        found = strcmp(event->kind, kind) == 0 ? event : found;
    }
    assert_non_null(found);
    assert_true(found->asker != 0 || found->user[0] == '\0');
    return found->asker ? found->user : "-";
}

static void is_asking(struct bench *b, uint64_t uid, const char *user) {
    b->asker = uid + 1;
    b->user = user;
}

static void nobody_asks(struct bench *b) {
    b->asker = 0;
    b->user = "";
}

static void of_the_command(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    assert_string_equal(user_of(&b, "volume-added"), "-");
    is_asking(&b, 1000, "alice");
    assert_int_equal(GIVE(&b, CONFIG_SET, .key = "start_timeout_ms", .value = "31000"), REPLY_OK);
    assert_string_equal(user_of(&b, "config"), "alice");
    is_asking(&b, 0, "root");
    assert_int_equal(GIVE(&b, CONFIG_SET, .key = "start_timeout_ms", .value = "32000"), REPLY_OK);
    assert_string_equal(user_of(&b, "config"), "root");
    is_asking(&b, 4711, "");
    assert_int_equal(GIVE(&b, CONFIG_SET, .key = "start_timeout_ms", .value = "33000"), REPLY_OK);
    assert_string_equal(user_of(&b, "config"), "");
    nobody_asks(&b);
    bench_view(&b, 2, 2);
    assert_string_equal(user_of(&b, "view"), "-");
    bench_end(&b);
}

/* The nodes' answers come as commands of their own, and so do order and report. */
static void of_what_follows(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    bench_volume_ok(&b, "csv1");
    b.unanswered = true;
    is_asking(&b, 1000, "alice");
    const struct model_vm *vm = bench_add_vm(&b, "vm1", true);
    nobody_asks(&b);
    for (uint32_t node = 1; node <= 3; node++) {
        assert_int_equal(bench_claim(&b, vm, node, RESULT_OK, VM_STATE_OFF, ""), REPLY_OK);
    }
    assert_string_equal(user_of(&b, "vm-added"), "alice");
    assert_true(vm->asker == 0 && vm->user[0] == '\0');
    assert_int_equal(bench_order(&b, vm, ORDER_START, 1, 0), REPLY_OK);
    assert_string_equal(user_of(&b, "vm-order"), "alice");
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
    assert_string_equal(user_of(&b, "vm-started"), "alice");
    assert_string_equal(user_of(&b, "operation"), "alice");
    const struct model_operation *op = model_operation_by_id(&b.m, vm->operation);
    assert_null(op); /* it has ended */
    is_asking(&b, 1001, "bob");
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "vm1", .force = 1), REPLY_OK);
    nobody_asks(&b);
    assert_int_equal(bench_order(&b, vm, ORDER_STOP, 1, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_string_equal(user_of(&b, "operation"), "bob");
    bench_end(&b);
}

static void of_a_refused_vm(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    b.unanswered = true;
    is_asking(&b, 1000, "alice");
    const struct model_vm *vm = bench_add_vm(&b, "vm1", true);
    nobody_asks(&b);
    assert_int_equal(bench_claim(&b, vm, 2, RESULT_OK, VM_STATE_RUNNING, ""), REPLY_OK);
    assert_string_equal(user_of(&b, "vm-not-added"), "alice");
    bench_end(&b);
}

/* A crash is nobody's, though somebody has once started the VM. */
static void of_a_crash(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    bench_volume_ok(&b, "csv1");
    is_asking(&b, 1000, "alice");
    const struct model_vm *vm = bench_running_vm(&b, "vm1", 1);
    nobody_asks(&b);
    assert_int_equal(GIVE(&b, VM_EVENT, .vm = vm->id, .node = 1, .incarnation = 11,
                          .generation = vm->generation, .kind = VM_EVENT_CRASHED, .reason = ""),
                     REPLY_OK);
    const struct model_event *events = b.m.events.rows;
    assert_true(events[b.m.events.n - 1].asker == 0);
    bench_end(&b);
}

/* An older clusterd does not keep users; with it in the cluster, the states must still compare. */
static void not_compared(void **state) {
    (void)state;
    uint64_t digests[2];
    for (uint32_t i = 0; i < 2; i++) {
        struct bench b;
        bench_begin(&b);
        if (i) {
            is_asking(&b, 1000, "alice");
        }
        b.unanswered = true;
        (void)bench_add_vm(&b, "vm1", true);
        assert_int_equal(GIVE(&b, NODE_DRAIN, .node = "n3"), REPLY_OK);
        digests[i] = model_check_digest(&b.m);
        assert_int_equal(b.m.needs, 0);
        bench_end(&b);
    }
    assert_int_equal(digests[0], digests[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_the_command),  cmocka_unit_test(of_what_follows),
        cmocka_unit_test(of_a_refused_vm), cmocka_unit_test(of_a_crash),
        cmocka_unit_test(not_compared),
    };
    return cmocka_run_group_tests_name("core_users", tests, NULL, NULL);
}
