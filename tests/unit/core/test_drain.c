/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a drain does with a VM by its move policy: what is refused, what the VM's row keeps, and who
 * makes it run again.
 */
#include "one_model.h"

#include "core/model/needed_protocol.h"
#include "core/model/settings.h"

#include <errno.h>

static struct model_vm *drained(struct bench *b, const char *name, enum vm_move_policy policy) {
    struct model_vm *vm = bench_running_vm(b, name, 1);
    b->m.protocol = 5;
    assert_int_equal(GIVE(b, VM_SET, .vm = (char *)(uintptr_t)name, .given = VM_SET_MOVE_POLICY,
                          .move_policy = (uint8_t)policy),
                     REPLY_OK);
    assert_int_equal(vm->move_policy, policy);
    assert_int_equal(GIVE(b, NODE_DRAIN, .node = "n1"), REPLY_OK);
    return vm;
}

static enum core_reply_code stop(struct bench *b, const struct model_vm *vm, uint32_t target) {
    const struct model_node *node = model_node_by_id(&b->m, 1);
    return GIVE(b, VM_ORDER, .vm = vm->id, .generation = vm->generation, .serial = vm->serial,
                .kind = ORDER_STOP, .node = vm->owner, .target = target,
                .operation = node->operation);
}

static const struct operation_vm *row_of_last(struct bench *b) {
    const struct model_operation *ops = b->m.operations.rows;
    return ops[b->m.operations.n - 1].vms.items;
}

/* Its node's drain stops it, as its policy says, and nothing else does. (To stop one that is to run
 * and has another policy is harmless: it starts again.) */
static void no_other_stops(void **state) {
    (void)state;
    static const struct {
        enum vm_move_policy policy;
        uint32_t target;
        bool drains, accepted;
    } cases[] = {
        {MOVE_POLICY_LIVE_OR_QUICK, 2, true, false}, {MOVE_POLICY_LIVE, 2, true, false},
        {MOVE_POLICY_RESTART, 2, true, true},        {MOVE_POLICY_RESTART, 2, false, false},
        {MOVE_POLICY_SHUT_DOWN, 0, true, true},      {MOVE_POLICY_SHUT_DOWN, 0, false, false},
        {MOVE_POLICY_SHUT_DOWN, 2, true, false},     {MOVE_POLICY_STAY, 2, true, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;
        bench_begin(&b);
        struct model_vm *vm = drained(&b, "vm1", cases[i].policy);
        bench_node(&b, 1)->service = cases[i].drains ? SERVICE_DRAINING : SERVICE_ACTIVE;
        assert_int_equal(stop(&b, vm, cases[i].target) == REPLY_OK, cases[i].accepted);
        bench_end(&b);
    }
}

static void restart(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = drained(&b, "vm1", MOVE_POLICY_RESTART);
    assert_int_equal(stop(&b, vm, 2), REPLY_OK);
    assert_int_equal(vm->state, VM_STOPPING);
    assert_int_equal(vm->wanted, WANTED_RUNNING);
    assert_int_equal(vm->restore_node, 2); /* its room there is kept */
    assert_int_equal(vm->return_to, 1);
    assert_int_equal(row_of_last(&b)->mode, MOVE_RESTART);
    /* Nobody starts it before it is off. */
    assert_int_not_equal(bench_order(&b, vm, ORDER_START, 2, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(vm->state, VM_OFF);
    assert_int_equal(row_of_last(&b)->state, OPERATION_RUNNING);
    assert_int_not_equal(vm->operation, 0);
    assert_int_equal(GIVE(&b, VM_ORDER, .vm = vm->id, .generation = vm->generation,
                          .serial = vm->serial, .kind = ORDER_START, .node = 2,
                          .operation = vm->operation),
                     REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
    assert_int_equal(vm->owner, 2);
    assert_int_equal(vm->return_to, 1);
    assert_int_equal(row_of_last(&b)->state, OPERATION_DONE);
    assert_int_equal(row_of_last(&b)->to, 2);
    bench_end(&b);
}

/* Its stop failed: it runs on, and belongs where it is. */
static void stop_that_fails(void **state) {
    (void)state;
    static const enum vm_move_policy policies[] = {MOVE_POLICY_RESTART, MOVE_POLICY_SHUT_DOWN};
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
        for (uint32_t unclear = 0; unclear < 2; unclear++) {
            struct bench b;
            bench_begin(&b);
            struct model_vm *vm = drained(&b, "vm1", policies[i]);
            assert_int_equal(stop(&b, vm, policies[i] == MOVE_POLICY_RESTART ? 2 : 0), REPLY_OK);
            if (unclear) {
                assert_int_equal(bench_report(&b, vm, RESULT_TIMEOUT, VM_STATE_UNKNOWN), REPLY_OK);
                assert_int_equal(vm->state, VM_RESOLVING);
                assert_int_equal(bench_order(&b, vm, ORDER_PROBE, 1, 0), REPLY_OK);
            }
            assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_RUNNING), REPLY_OK);
            assert_int_equal(vm->state, VM_RUNNING);
            assert_int_equal(vm->owner, 1);
            assert_int_equal(vm->wanted, WANTED_RUNNING);
            assert_int_equal(vm->shut_down_by, 0);
            assert_int_equal(vm->return_to, 0);
            assert_int_equal(vm->restore_node, 0);
            assert_int_equal(row_of_last(&b)->state, OPERATION_FAILED);
            bench_end(&b);
        }
    }
}

static struct model_vm *shut_down(struct bench *b) {
    struct model_vm *vm = drained(b, "vm1", MOVE_POLICY_SHUT_DOWN);
    assert_int_equal(stop(b, vm, 0), REPLY_OK);
    assert_int_equal(bench_report(b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(vm->state, VM_OFF);
    assert_int_equal(vm->wanted, WANTED_STOPPED);
    assert_int_equal(vm->shut_down_by, 1);
    assert_non_null(strstr(vm->reason, "the drain of n1"));
    assert_int_equal(row_of_last(b)->state, OPERATION_DONE);
    assert_int_equal(row_of_last(b)->mode, MOVE_SHUT_DOWN);
    assert_int_equal(row_of_last(b)->to, 0);
    return vm;
}

/* Whoever ends the drain, and how far it had come. */
static void wanted_again(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = shut_down(&b);
    assert_int_equal(GIVE(&b, NODE_RESUME, .node = "n2"), REPLY_OK); /* of another node */
    assert_int_equal(vm->wanted, WANTED_STOPPED);
    assert_int_equal(GIVE(&b, NODE_RESUME, .node = "n1"), REPLY_OK);
    assert_int_equal(vm->wanted, WANTED_RUNNING);
    assert_int_equal(vm->shut_down_by, 0);
    assert_int_equal(vm->return_to, 1);
    assert_int_equal(vm->operation, b.last.operation);
    /* A start that fails there does not end its story: it is tried elsewhere. */
    assert_int_equal(GIVE(&b, VM_ORDER, .vm = vm->id, .generation = vm->generation,
                          .serial = vm->serial, .kind = ORDER_START, .node = 1,
                          .operation = vm->operation),
                     REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_OFF), REPLY_OK);
    assert_int_not_equal(vm->operation, 0);
    bench_end(&b);

    bench_begin(&b);
    vm = drained(&b, "vm1", MOVE_POLICY_SHUT_DOWN);
    uint64_t drain = b.last.operation;
    assert_int_equal(stop(&b, vm, 0), REPLY_OK);
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = drain), REPLY_OK);
    assert_int_equal(vm->wanted, WANTED_RUNNING);
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(vm->wanted, WANTED_RUNNING);
    assert_int_equal(bench_order(&b, vm, ORDER_START, 1, 0), REPLY_OK);
    bench_end(&b);
}

/* What a person says meanwhile stands. */
static void a_person_decides(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = shut_down(&b);
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "vm1"), REPLY_OK);
    assert_int_equal(GIVE(&b, NODE_RESUME, .node = "n1"), REPLY_OK);
    assert_int_equal(vm->wanted, WANTED_STOPPED);
    bench_end(&b);

    bench_begin(&b);
    vm = shut_down(&b);
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm1"), REPLY_OK);
    assert_int_equal(vm->wanted, WANTED_RUNNING);
    assert_int_equal(bench_order(&b, vm, ORDER_START, 2, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
    assert_int_equal(GIVE(&b, NODE_RESUME, .node = "n1"), REPLY_OK);
    assert_int_equal(vm->owner, 2);
    assert_int_equal(vm->return_to, 0);
    bench_end(&b);
}

/* It ends, but the node goes on taking no VMs, and what was shut down stays off: as after any drain
 * that has not moved all. */
static void deadline(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = shut_down(&b);
    uint64_t drain = model_node_by_id(&b.m, 1)->operation;
    const struct model_operation *op = model_operation_by_id(&b.m, drain);
    assert_int_equal(op->deadline_ms, 0);
    /* Without a deadline nobody is late; a person cancels. */
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = drain, .late = 1), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, NODE_DRAIN, .node = "n1", .deadline_ms = 5000), REPLY_OK);
    assert_int_equal(b.last.operation, drain);
    assert_int_equal(op->deadline_ms, b.last.time_ms + 5000);
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = drain, .late = 1), REPLY_OK);
    assert_int_equal(op->cancelled, 1);
    assert_int_equal(op->late, 1);
    assert_int_equal(op->state, OPERATION_RUNNING);
    assert_int_equal(model_node_by_id(&b.m, 1)->service, SERVICE_DRAINING);
    assert_int_equal(vm->wanted, WANTED_STOPPED);
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = drain, .late = 1), REPLY_REFUSED);
    bench_end(&b);
}

static void leave(struct bench *b, const struct model_vm *vm) {
    assert_int_equal(GIVE(b, VM_ORDER, .vm = vm->id, .generation = vm->generation,
                          .serial = vm->serial, .kind = ORDER_MIGRATE, .node = 1, .target = 2,
                          .operation = model_node_by_id(&b->m, 1)->operation),
                     REPLY_OK);
    assert_int_equal(bench_report(b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(vm->owner, 2);
    assert_int_equal(vm->return_to, 1);
}

/* Who returns when; and what a person or the policy may say of a node that is resumed already. */
static void failback(void **state) {
    (void)state;
    static const struct {
        enum failback failback;
        uint32_t return_to, listed;
        bool due;
    } cases[] = {
        {FAILBACK_NOW, 1, 1, false}, {FAILBACK_NO, 0, 0, false}, {FAILBACK_POLICY, 1, 0, true}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;
        bench_begin(&b);
        struct model_vm *vm = drained(&b, "vm1", MOVE_POLICY_LIVE);
        leave(&b, vm);
        assert_int_equal(GIVE(&b, NODE_RESUME, .node = "n1", .due = 1), REPLY_REFUSED);
        assert_int_equal(
            GIVE(&b, NODE_RESUME, .node = "n1", .failback = (uint8_t)cases[i].failback), REPLY_OK);
        const struct model_operation *op = model_operation_by_id(&b.m, b.last.operation);
        assert_int_equal(op->vms.n, cases[i].listed);
        assert_int_equal(vm->return_to, cases[i].return_to);
        assert_int_equal(model_node_by_id(&b.m, 1)->failback_due, cases[i].due);
        assert_int_equal(GIVE(&b, OPERATION_END, .operation = op->id, .state = OPERATION_DONE),
                         REPLY_OK);
        assert_int_equal(GIVE(&b, NODE_RESUME, .node = "n1", .due = 1),
                         cases[i].due ? REPLY_OK : REPLY_REFUSED);
        assert_int_equal(model_node_by_id(&b.m, 1)->failback_due, 0);
        if (cases[i].due) {
            assert_int_equal(model_operation_by_id(&b.m, b.last.operation)->vms.n, 1);
        }
        bench_end(&b);
    }
}

static void hours(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int err;
        uint64_t value;
    } values[] = {{"22-6", 0, 2206},     {"0-24", 0, 24},      {"8-18", 0, 818},
                  {"6-6", -ERANGE, 0},   {"25-6", -ERANGE, 0}, {"22", -EINVAL, 0},
                  {"22-", -EINVAL, 0},   {"-6", -EINVAL, 0},   {"22-6h", -EINVAL, 0},
                  {"022-6", -EINVAL, 0}, {"", -EINVAL, 0},     {"22-6-7", -EINVAL, 0}};
    const uint64_t h = 3600000, day = 24 * h;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        uint64_t v = 0;
        char text[SETTING_TEXT];
        assert_int_equal(setting_parse(SETTING_failback_hours, values[i].text, &v), values[i].err);
        assert_int_equal(v, values[i].value);
        if (values[i].err == 0) {
            assert_string_equal(setting_text(SETTING_failback_hours, v, text), values[i].text);
        }
    }
    static const struct {
        uint64_t hours, at_h, wait_h;
    } waits[] = {{2206, 21, 1}, {2206, 22, 0}, {2206, 0, 0},  {2206, 5, 0},  {2206, 6, 16},
                 {818, 7, 1},   {818, 8, 0},   {818, 17, 0},  {818, 18, 14}, {24, 0, 0},
                 {24, 23, 0},   {2424, 3, 0},  {1824, 3, 15}, {2406, 23, 1}};
    for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
        assert_int_equal(setting_hours_wait_ms(waits[i].hours, 700 * day + waits[i].at_h * h),
                         waits[i].wait_h * h);
    }
}

/* Not before all members know it. */
static void older_members(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    const struct cmd_vm_set set = {.vm = "vm1", .given = VM_SET_MOVE_POLICY};
    const struct cmd_vm_add plain = {.move_policy = MOVE_POLICY_LIVE_OR_QUICK};
    const struct cmd_vm_add add = {.move_policy = MOVE_POLICY_STAY};
    const struct cmd_node_resume now = {.node = "n1"};
    const struct cmd_node_resume no = {.node = "n1", .failback = FAILBACK_NO};
    const struct cmd_node_resume due = {.node = "n1", .due = 1};
    assert_int_equal(version_of_command(COMMAND_NODE_RESUME, &now), 1);
    assert_int_equal(version_of_command(COMMAND_NODE_RESUME, &no), 5);
    assert_int_equal(version_of_command(COMMAND_NODE_RESUME, &due), 5);
    const struct cmd_node_drain drain = {.node = "n1"}, until = {.node = "n1", .deadline_ms = 1};
    const struct cmd_operation_cancel cancel = {.operation = 1}, late = {.operation = 1, .late = 1};
    assert_int_equal(version_of_command(COMMAND_NODE_DRAIN, &drain), 1);
    assert_int_equal(version_of_command(COMMAND_NODE_DRAIN, &until), 5);
    assert_int_equal(version_of_command(COMMAND_OPERATION_CANCEL, &cancel), 1);
    assert_int_equal(version_of_command(COMMAND_OPERATION_CANCEL, &late), 5);
    assert_int_equal(version_of_command(COMMAND_VM_SET, &set), 5);
    assert_int_equal(version_of_command(COMMAND_VM_ADD, &plain), 1);
    assert_int_equal(version_of_command(COMMAND_VM_ADD, &add), 5);
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_other_stops),   cmocka_unit_test(restart),
        cmocka_unit_test(stop_that_fails),  cmocka_unit_test(wanted_again),
        cmocka_unit_test(a_person_decides), cmocka_unit_test(deadline),
        cmocka_unit_test(failback),         cmocka_unit_test(hours),
        cmocka_unit_test(older_members),
    };
    return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
