/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Release: a VM that runs leaves the cluster; until its node says so, nobody else may run it. */
#include "core/apply/order.h"
#include "unit/core/one_model.h"

/* "vm1" runs on node 2. */
static struct model_vm *begin(struct bench *b) {
    bench_begin(b);
    b->m.protocol = PROTOCOL_HIGHEST;
    struct model_vm *vm = bench_running_vm(b, "vm1", 2);
    assert_true(vm->state == VM_RUNNING && vm->owner == 2);
    return vm;
}

static enum core_reply_code ask(struct bench *b, const char *node) {
    struct cmd_vm_remove remove = {.vm = "vm1", .release = node};
    return bench_give(b, COMMAND_VM_REMOVE, &remove);
}

static struct model_vm *ordered(struct bench *b) {
    struct model_vm *vm = begin(b);
    assert_int_equal(ask(b, "n2"), REPLY_OK);
    assert_int_equal(bench_order(b, vm, ORDER_RELEASE, 2, 0), REPLY_OK);
    assert_int_equal(vm->state, VM_STOPPING);
    return vm;
}

static void it_leaves(void **state) {
    (void)state;
    static const enum agent_vm_state found[] = {VM_STATE_RUNNING, VM_STATE_PAUSED};
    for (size_t i = 0; i < ARRAY_SIZE(found); i++) {
        struct bench b;
        struct model_vm *vm = ordered(&b);
        assert_int_equal(bench_report(&b, vm, RESULT_OK, found[i]), REPLY_OK);
        assert_null(bench_vm(&b, "vm1"));
        bench_end(&b);
    }
}

static void refused_with_nothing_changed(void **state) {
    (void)state;
    struct bench b;
    struct model_vm *vm = begin(&b);
    assert_int_equal(ask(&b, "n1"), REPLY_REFUSED);
    vm->paused = 1;
    assert_int_equal(ask(&b, "n2"), REPLY_REFUSED);
    vm->paused = 0;
    vm->wanted = WANTED_STOPPED;
    assert_int_equal(ask(&b, "n2"), REPLY_REFUSED);
    vm->wanted = WANTED_RUNNING;
    bench_node(&b, 2)->service = SERVICE_DRAINING;
    assert_int_equal(ask(&b, "n2"), REPLY_REFUSED);
    bench_node(&b, 2)->service = SERVICE_ACTIVE;
    bench_node(&b, 2)->state = NODE_SILENT;
    assert_int_equal(ask(&b, "n2"), REPLY_REFUSED);
    bench_node(&b, 2)->state = NODE_ONLINE;
    free((void *)(uintptr_t)vm->other_disks);
    vm->other_disks = strdup("vda is /srv/csv1/over.qcow2");
    assert_int_equal(ask(&b, "n2"), REPLY_REFUSED);
    assert_true(!vm->release && vm->operation == 0 && vm->state == VM_RUNNING);
    bench_end(&b);
}

/* Neither a move nor a second release comes between. */
static void nothing_else_begins(void **state) {
    (void)state;
    struct bench b;
    struct model_vm *vm = begin(&b);
    assert_int_equal(bench_order(&b, vm, ORDER_RELEASE, 2, 0), REPLY_REFUSED);
    assert_int_equal(ask(&b, "n2"), REPLY_OK);
    assert_int_equal(ask(&b, "n2"), REPLY_REFUSED);
    assert_int_equal(bench_order(&b, vm, ORDER_MIGRATE, 2, 3), REPLY_REFUSED);
    assert_int_equal(bench_order(&b, vm, ORDER_SAVE, 2, 3), REPLY_REFUSED);
    assert_int_equal(bench_order(&b, vm, ORDER_RELEASE, 1, 0), REPLY_REFUSED);
    assert_int_equal(bench_order(&b, vm, ORDER_RELEASE, 2, 0), REPLY_OK);
    bench_end(&b);
}

/* Who asks that it runs is not told "done" when it has left. */
static void no_start_waits_for_its_end(void **state) {
    (void)state;
    struct bench b;
    struct model_vm *vm = begin(&b);
    struct cmd_vm_start start = {.vm = "vm1"};
    assert_int_equal(ask(&b, "n2"), REPLY_OK);
    assert_int_equal(bench_give(&b, COMMAND_VM_START, &start), REPLY_REFUSED);
    assert_int_equal(bench_order(&b, vm, ORDER_RELEASE, 2, 0), REPLY_OK);
    assert_int_equal(bench_give(&b, COMMAND_VM_START, &start), REPLY_REFUSED);
    assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_RUNNING), REPLY_OK);
    assert_int_equal(bench_give(&b, COMMAND_VM_START, &start), REPLY_OK);
    bench_end(&b);
}

/* It stays, until the node has said that it is libvirt's. */
static void every_other_report(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 5 * 5; i++) {
        enum agent_result result = (enum agent_result)(i / 5);
        enum agent_vm_state found = (enum agent_vm_state)(i % 5);
        if (result == RESULT_OK) {
            continue;
        }
        struct bench b;
        struct model_vm *vm = ordered(&b);
        assert_int_equal(bench_report(&b, vm, result, found), REPLY_OK);
        vm = bench_vm(&b, "vm1");
        assert_non_null(vm);
        assert_int_equal(vm->wanted, WANTED_RUNNING);
        if (found == VM_STATE_RUNNING || found == VM_STATE_PAUSED) {
            assert_true(vm->state == VM_RUNNING && !vm->release && vm->operation == 0);
            assert_int_equal(vm->paused, found == VM_STATE_PAUSED);
        } else if (found == VM_STATE_OFF) {
            assert_true(vm->state == VM_OFF && !vm->release);
        } else {
            assert_true(vm->state == VM_RESOLVING && vm->release);
        }
        bench_end(&b);
    }
}

/* "Off" with "ok" is no end: the cluster would lose a VM that is to run. */
static void ended_as_it_was_released(void **state) {
    (void)state;
    struct bench b;
    struct model_vm *vm = ordered(&b);
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_true(vm->state == VM_RESOLVING && vm->release);
    assert_int_equal(bench_order(&b, vm, ORDER_RELEASE, 2, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_OFF), REPLY_OK);
    assert_true(vm->state == VM_OFF && vm->wanted == WANTED_RUNNING && !vm->release);
    bench_end(&b);
}

/* The node could not begin. The first order has left the VM as it was; a later one says nothing. */
static void not_begun(void **state) {
    (void)state;
    for (uint32_t again = 0; again < 2; again++) {
        struct bench b;
        struct model_vm *vm = ordered(&b);
        if (again) {
            assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_UNKNOWN), REPLY_OK);
            assert_int_equal(bench_order(&b, vm, ORDER_RELEASE, 2, 0), REPLY_OK);
        }
        struct cmd_vm_report report = {.vm = vm->id,
                                       .order = vm->order_index,
                                       .node = 2,
                                       .incarnation = 12,
                                       .result = RESULT_FAILED,
                                       .state = VM_STATE_UNKNOWN,
                                       .not_begun = 1,
                                       .reason = "libvirt does not answer",
                                       .machine = ""};
        assert_int_equal(bench_give(&b, COMMAND_VM_REPORT, &report), REPLY_OK);
        assert_int_equal(vm->state, again ? VM_RESOLVING : VM_RUNNING);
        assert_int_equal(vm->release, again);
        bench_end(&b);
    }
}

/* A node that counts as drained is switched off: nothing may be released there on the way. */
static void no_drain_meanwhile(void **state) {
    (void)state;
    struct bench b;
    struct model_vm *vm = begin(&b);
    assert_int_equal(ask(&b, "n2"), REPLY_OK);
    assert_int_equal(GIVE(&b, NODE_DRAIN, .node = "n2"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = vm->operation), REPLY_OK);
    assert_true(!vm->release && vm->state == VM_RUNNING && vm->operation == 0);
    assert_int_equal(GIVE(&b, NODE_DRAIN, .node = "n2"), REPLY_OK);
    bench_end(&b);

    vm = ordered(&b); /* what has been ordered comes to its end */
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = vm->operation), REPLY_OK);
    assert_int_equal(GIVE(&b, NODE_DRAIN, .node = "n2"), REPLY_REFUSED);
    assert_true(vm->release && vm->state == VM_STOPPING);
    bench_end(&b);
}

/* What has no mark any more runs all the same: the node is asked, in the only way that can tell. */
static void its_end_is_not_known(void **state) {
    (void)state;
    struct bench b;
    struct model_vm *vm = ordered(&b);
    uint64_t generation = vm->generation;
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_UNKNOWN), REPLY_OK);
        assert_int_equal(vm->state, VM_RESOLVING);
        assert_int_equal(bench_order(&b, vm, ORDER_PROBE, 2, 0), REPLY_REFUSED);
        assert_int_equal(bench_order(&b, vm, ORDER_DESTROY, 2, 0), REPLY_REFUSED);
        assert_int_equal(bench_order(&b, vm, ORDER_RELEASE, 2, 0), REPLY_OK);
        assert_int_equal(vm->generation, generation);
    }
    /* The call of an earlier agent may still remove the mark. */
    assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_RUNNING), REPLY_OK);
    assert_int_equal(vm->state, VM_RESOLVING);
    assert_int_equal(bench_order(&b, vm, ORDER_RELEASE, 2, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
    assert_null(bench_vm(&b, "vm1"));
    bench_end(&b);
}

/* A stop that comes in between is not lost: either it stops, or it is told that it did not. */
static void stopped_meanwhile(void **state) {
    (void)state;
    struct cmd_vm_stop stop = {.vm = "vm1"};
    struct bench b;
    struct model_vm *vm = begin(&b);
    assert_int_equal(ask(&b, "n2"), REPLY_OK);
    assert_int_equal(bench_give(&b, COMMAND_VM_STOP, &stop), REPLY_OK);
    assert_false(vm->release);
    assert_int_equal(bench_order(&b, vm, ORDER_STOP, 2, 0), REPLY_OK);
    bench_end(&b);

    vm = ordered(&b);
    assert_int_equal(bench_give(&b, COMMAND_VM_STOP, &stop), REPLY_OK);
    uint64_t operation = vm->operation;
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
    assert_null(bench_vm(&b, "vm1"));
    assert_int_equal(model_operation_by_id(&b.m, operation)->state, OPERATION_FAILED);
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_leaves),           cmocka_unit_test(refused_with_nothing_changed),
        cmocka_unit_test(nothing_else_begins), cmocka_unit_test(no_start_waits_for_its_end),
        cmocka_unit_test(every_other_report),  cmocka_unit_test(its_end_is_not_known),
        cmocka_unit_test(stopped_meanwhile),   cmocka_unit_test(ended_as_it_was_released),
        cmocka_unit_test(not_begun),           cmocka_unit_test(no_drain_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
