/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs that run with other disks than their definition has.
 */
#include "unit/core/one_model.h"

static enum core_reply_code event(struct bench *b, const struct model_vm *vm, enum agent_event kind,
                                  const char *reason) {
    return GIVE(b, VM_EVENT, .vm = vm->id, .node = vm->owner, .generation = vm->generation,
                .incarnation = 10 + vm->owner, .kind = (uint8_t)kind, .reason = reason);
}

static bool told(const struct bench *b, const char *kind, const char *text) {
    MODEL_EACH(model_event, row, &b->m.events) {
        if (strcmp(row->kind, kind) == 0 && strstr(row->message, text)) {
            return true;
        }
    }
    return false;
}

static void it_stays_down(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = bench_running_vm(&b, "vm1", 1);
    assert_int_equal(event(&b, vm, VM_EVENT_DISKS, "vda is b now, and was a"), REPLY_OK);
    assert_string_equal(vm->other_disks, "vda is b now, and was a");
    assert_int_equal(GIVE(&b, VM_SET, .vm = "vm1", .given = VM_SET_ACCEPT_DISKS, .accept_disks = 1),
                     REPLY_REFUSED);
    assert_int_equal(event(&b, vm, VM_EVENT_CRASHED, "QEMU died"), REPLY_OK);
    assert_true(vm->state == VM_OFF && vm->wanted == WANTED_RUNNING && vm->operation == 0);
    assert_true(told(&b, "vm-stays-down", "vda is b now, and was a"));
    assert_int_equal(bench_order(&b, vm, ORDER_START, 2, 0), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm1"), REPLY_REFUSED);
    assert_true(strstr(b.last.message, "vda is b now, and was a") != NULL);
    assert_int_equal(GIVE(&b, VM_SET, .vm = "vm1", .given = VM_SET_ACCEPT_DISKS, .accept_disks = 0),
                     REPLY_OK); /* says nothing */
    assert_int_equal(bench_order(&b, vm, ORDER_START, 2, 0), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_SET, .vm = "vm1", .given = VM_SET_ACCEPT_DISKS, .accept_disks = 1),
                     REPLY_OK);
    assert_int_equal(bench_order(&b, vm, ORDER_START, 2, 0), REPLY_OK);
    bench_end(&b);
}

/* The others of its node are recovered; it is no part of that. */
static void its_node_is_lost(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    (void)bench_running_vm(&b, "vm2", 3);
    struct model_vm *vm = bench_running_vm(&b, "vm1", 3);
    assert_int_equal(event(&b, vm, VM_EVENT_DISKS, "vda"), REPLY_OK);
    bench_view(&b, 2, 2);
    assert_int_equal(GIVE(&b, NODE_CONFIRM_OFF, .node = "n3"), REPLY_OK);
    assert_true(vm->state == VM_OFF && vm->operation == 0);
    assert_true(told(&b, "vm-stays-down", "vm1"));
    uint32_t recovered = 0;
    MODEL_EACH(model_operation, op, &b.m.operations) {
        recovered += op->kind == OPERATION_RECOVER ? op->vms.n : 0;
    }
    assert_int_equal(recovered, 1);
    bench_end(&b);
}

/* As it runs it may go anywhere, and it knows about itself there. */
static void it_may_move(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = bench_running_vm(&b, "vm1", 1);
    assert_int_equal(event(&b, vm, VM_EVENT_DISKS, "vda"), REPLY_OK);
    assert_int_equal(bench_order(&b, vm, ORDER_MIGRATE, 1, 2), REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_true(vm->state == VM_RUNNING && vm->owner == 2);
    assert_string_equal(vm->other_disks, "vda");
    assert_int_equal(bench_order(&b, vm, ORDER_SAVE, 2, 3), REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(vm->state, VM_SAVED);
    assert_int_equal(bench_order(&b, vm, ORDER_RESTORE, 3, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
    assert_string_equal(vm->other_disks, "vda");
    assert_int_equal(event(&b, vm, VM_EVENT_DISKS, ""), REPLY_OK);
    assert_true(told(&b, "vm-disks", "runs with the disks of its definition again"));
    assert_int_equal(event(&b, vm, VM_EVENT_CRASHED, ""), REPLY_OK);
    assert_int_equal(bench_order(&b, vm, ORDER_START, 1, 0), REPLY_OK);
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stays_down),
        cmocka_unit_test(its_node_is_lost),
        cmocka_unit_test(it_may_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
