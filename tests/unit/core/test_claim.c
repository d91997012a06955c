/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs that are added, and what the nodes say of them.
 */
#include "unit/core/one_model.h"

static struct model_vm *asked(struct bench *b, const char *name, bool start) {
    b->unanswered = true;
    return bench_add_vm(b, name, start);
}

static enum core_reply_code off(struct bench *b, const struct model_vm *vm, uint32_t node) {
    return bench_claim(b, vm, node, RESULT_OK, VM_STATE_OFF, "");
}

static void all_say_no(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = asked(&b, "vm1", true);
    assert_true(b.last.asking == vm->id && vm->unasked.n == 3);
    assert_int_equal(bench_order(&b, vm, ORDER_START, 1, 0), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm1"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_REMOVE, .vm = "vm1"), REPLY_REFUSED);
    assert_int_equal(off(&b, vm, 2), REPLY_OK);
    assert_int_equal(off(&b, vm, 2), REPLY_OK); /* twice is once */
    assert_int_equal(bench_claim(&b, vm, 3, RESULT_OK, VM_STATE_OFF, "it had autostart"), REPLY_OK);
    assert_true(vm->unasked.n == 1 && b.last.added == NULL);
    assert_int_equal(off(&b, vm, 1), REPLY_OK);
    const struct apply_added *added = b.last.added;
    assert_true(added && added->vm == vm->id && added->code == REPLY_OK);
    assert_true(added->operation != 0 && added->operation == vm->operation);
    assert_string_equal(added->warning, "n3: it had autostart");
    assert_string_equal(vm->reason, "");
    assert_int_equal(bench_order(&b, vm, ORDER_START, 1, 0), REPLY_OK);
    bench_end(&b);
}

/* What follows from what one of them says: the VM is added when the other two say no, or not. */
static void one_says_yes(void **state) {
    static const struct {
        enum agent_result result;
        enum agent_vm_state said;
        const char *reason, *message;
    } cases[] = {
        {RESULT_OK, VM_STATE_RUNNING, "", "VM vm1 runs on n2 under libvirt"},
        {RESULT_OK, VM_STATE_PAUSED, "", "VM vm1 runs on n2 under libvirt"},
        {RESULT_OK, VM_STATE_INCOMING, "", "VM vm1 runs on n2 under libvirt"},
        {RESULT_OK, VM_STATE_UNKNOWN, "", "n2: it cannot say whether the VM runs there"},
        {RESULT_TIMEOUT, VM_STATE_UNKNOWN, "libvirt hangs", "n2: libvirt hangs"},
        {RESULT_FAILED, VM_STATE_OFF, "its memory is saved", "n2: its memory is saved"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench b;
        bench_begin(&b);
        struct model_vm *vm = asked(&b, "vm1", true);
        uint32_t id = vm->id;
        assert_int_equal(off(&b, vm, 1), REPLY_OK);
        assert_int_equal(bench_claim(&b, vm, 2, cases[i].result, cases[i].said, cases[i].reason),
                         REPLY_OK);
        assert_null(model_vm_by_id(&b.m, id));
        assert_true(b.last.added && b.last.added->vm == id);
        assert_int_equal(b.last.added->code, REPLY_REFUSED);
        assert_string_equal(b.last.added->message, cases[i].message);
        assert_true(b.last.added->hint[0] != '\0');
        bench_end(&b);
    }
}

/* One that has said no, and sees it start while others have not answered. */
static void started_while_it_is_asked(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = asked(&b, "vm1", false);
    assert_int_equal(off(&b, vm, 1), REPLY_OK);
    assert_int_equal(bench_claim(&b, vm, 1, RESULT_OK, VM_STATE_RUNNING, ""), REPLY_OK);
    assert_null(model_vm_by_name(&b.m, "vm1"));
    assert_string_equal(b.last.added->message, "VM vm1 runs on n1 under libvirt");
    bench_end(&b);
}

static void a_node_goes(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *one = asked(&b, "vm1", false);
    uint32_t first = one->id;
    (void)off(&b, one, 3);
    uint32_t second = asked(&b, "vm2", true)->id;
    bench_view(&b, 2, 3); /* n3 has answered about vm1, and not about vm2 */
    assert_non_null(model_vm_by_id(&b.m, first));
    assert_null(model_vm_by_id(&b.m, second));
    assert_string_equal(b.last.added->message,
                        "n3 went away before it could say whether vm2 runs there");
    one = model_row(&b.m.vms, model_vm_by_id(&b.m, first));
    (void)off(&b, one, 1);
    (void)off(&b, one, 2);
    assert_string_equal(b.last.added->warning, "n3 could not be asked: make sure that vm1 does not "
                                               "run there under libvirt");
    /* Without any node that could be asked it is added at once. */
    bench_view(&b, 0, 3);
    const struct model_vm *three = asked(&b, "vm3", false);
    assert_true(three && three->unasked.n == 0 && b.last.asking == 0);
    assert_true(strstr(b.last.warning, "n1, n2, n3 could not be asked") != NULL);
    bench_end(&b);
}

static void under_libvirt(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = bench_add_vm(&b, "vm1", false);
    assert_int_equal(bench_claim(&b, vm, 2, RESULT_OK, VM_STATE_RUNNING, ""), REPLY_OK);
    assert_true(ids_contain(&vm->foreign, 2) && vm->foreign.n == 1);
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm1"), REPLY_REFUSED);
    assert_string_equal(b.last.message, "vm1 runs on n2 under libvirt, not by the cluster");
    vm->wanted = WANTED_RUNNING;
    assert_int_equal(bench_order(&b, vm, ORDER_START, 1, 0), REPLY_REFUSED);
    /* A node that has gone may run it still, until it is known to be off. */
    bench_view(&b, 1, 1);
    assert_int_equal(vm->foreign.n, 1);
    assert_int_equal(GIVE(&b, NODE_CONFIRM_OFF, .node = "n2"), REPLY_OK);
    assert_int_equal(vm->foreign.n, 0);
    assert_int_equal(bench_order(&b, vm, ORDER_START, 1, 0), REPLY_OK);
    bench_end(&b);
}

/* Word of one that runs elsewhere by the cluster is late: that copy is a stray. */
static void late_word(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = bench_running_vm(&b, "vm1", 1);
    assert_int_equal(bench_claim(&b, vm, 2, RESULT_OK, VM_STATE_RUNNING, ""), REPLY_OK);
    assert_int_equal(vm->foreign.n, 0);
    assert_false(model_vm_is_foreign(vm, vm->generation));
    assert_true(model_vm_is_foreign(vm, 0) && model_vm_is_foreign(vm, vm->added - 1));
    assert_int_equal(GIVE(&b, VM_CLAIM, .vm = vm->id, .node = 2, .incarnation = 99), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_CLAIM, .vm = 77, .node = 2, .incarnation = 12), REPLY_REFUSED);
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_say_no),    cmocka_unit_test(one_says_yes),
        cmocka_unit_test(a_node_goes),   cmocka_unit_test(started_while_it_is_asked),
        cmocka_unit_test(under_libvirt), cmocka_unit_test(late_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
