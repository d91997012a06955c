/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of a VM that runs are moved: what each report leads to, and what nobody may do
 * meanwhile.
 */
#include "core/apply/resolve.h"
#include "core/apply/storage.h"
#include "unit/core/one_model.h"

static const char *const csv1 = "csv1";
static struct storage_file file = {
    .disk = "vda", .from = "/srv/csv1/a.img", .to = "/srv/csv1/b.img", .bytes = 7, .format = ""};

static struct model_vm *vm1(struct bench *b) {
    return bench_vm(b, "vm1");
}

static enum core_reply_code ask(struct bench *b) {
    struct cmd_vm_storage wish = {.vm = "vm1",
                                  .serial = vm1(b)->serial,
                                  .files = {.items = &file, .n = 1},
                                  .xml = "<new/>",
                                  .volumes = {&csv1, 1}};
    return bench_give(b, COMMAND_VM_STORAGE, &wish);
}

/* It runs on n2, which sees all, and is to be moved. */
static uint64_t begin(struct bench *b) {
    bench_begin(b);
    b->m.protocol = PROTOCOL_HIGHEST;
    bench_volume_ok(b, "csv1");
    (void)bench_running_vm(b, "vm1", 2);
    assert_int_equal(ask(b), REPLY_OK);
    return b->last.operation;
}

static uint8_t phase(struct bench *b) {
    const struct model_journal *row = model_journal_of_vm(&b->m, vm1(b)->id);
    return row ? row->phase : 0;
}

static void order(struct bench *b, enum order_kind kind) {
    assert_int_equal(storage_next(&b->m, vm1(b)), kind);
    assert_int_equal(bench_order(b, vm1(b), kind, 2, 0), REPLY_OK);
    assert_int_equal(storage_next(&b->m, vm1(b)), ORDER_NONE);
}

static void ends(struct bench *b, enum order_kind kind, enum agent_result result,
                 enum agent_vm_state state) {
    order(b, kind);
    assert_int_equal(bench_report(b, vm1(b), result, state), REPLY_OK);
    assert_int_equal(vm1(b)->order, ORDER_NONE);
}

static uint8_t state_of(struct bench *b, uint64_t operation) {
    return model_operation_by_id(&b->m, operation)->state;
}

static void moved(void **state) {
    struct bench b;
    (void)state;
    uint64_t operation = begin(&b);
    assert_int_equal(phase(&b), STORAGE_MIRROR);
    /* Only its owner has its QEMU. */
    assert_int_equal(bench_order(&b, vm1(&b), ORDER_MIRROR, 1, 0), REPLY_REFUSED);
    ends(&b, ORDER_MIRROR, RESULT_OK, VM_STATE_PAUSED);
    assert_string_equal(vm1(&b)->xml, "<new/>");
    assert_int_equal(phase(&b), STORAGE_CONTINUE);
    assert_int_equal(vm1(&b)->state, VM_RUNNING);
    assert_true(vm1(&b)->paused);
    assert_int_equal(state_of(&b, operation), OPERATION_RUNNING); /* the guest stands still */
    ends(&b, ORDER_CONTINUE, RESULT_FAILED, VM_STATE_PAUSED);
    assert_int_equal(phase(&b), STORAGE_CONTINUE); /* it is tried again */
    ends(&b, ORDER_CONTINUE, RESULT_OK, VM_STATE_RUNNING);
    assert_false(vm1(&b)->paused);
    assert_int_equal(state_of(&b, operation), OPERATION_DONE);
    ends(&b, ORDER_FINISH, RESULT_OK, VM_STATE_OFF);
    assert_int_equal(b.m.journal.n, 0);
    assert_int_equal(vm1(&b)->state, VM_RUNNING);
    bench_end(&b);
}

/* QEMU and swtpm keep them open. */
static void only_disks(void **state) {
    static const char *const others[] = {"nvram", "tpm"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        struct bench b;
        bench_begin(&b);
        b.m.protocol = PROTOCOL_HIGHEST;
        bench_volume_ok(&b, "csv1");
        (void)bench_running_vm(&b, "vm1", 2);
        file.disk = others[i];
        assert_int_equal(ask(&b), REPLY_REFUSED);
        assert_non_null(strstr(b.last.message, "cannot be moved meanwhile"));
        file.disk = "vda";
        assert_int_equal(ask(&b), REPLY_OK);
        bench_end(&b);
    }
}

/* What may be taken for "it runs on the originals", and what may not. */
static void not_moved(void **state) {
    static const struct {
        enum agent_result result;
        enum agent_vm_state state;
        enum storage_phase then;
    } ends_so[] = {
        {RESULT_FAILED, VM_STATE_RUNNING, STORAGE_UNDO},
        {RESULT_CANCELLED, VM_STATE_RUNNING, STORAGE_UNDO},
        {RESULT_FAILED, VM_STATE_PAUSED, STORAGE_MIRROR},
        {RESULT_CANCELLED, VM_STATE_PAUSED, STORAGE_MIRROR},
        {RESULT_FAILED, VM_STATE_UNKNOWN, STORAGE_MIRROR},
        {RESULT_TIMEOUT, VM_STATE_UNKNOWN, STORAGE_MIRROR},
        {RESULT_FAILED, VM_STATE_OFF, STORAGE_MIRROR}, /* its end is about to be told */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ends_so); i++) {
        struct bench b;
        uint64_t operation = begin(&b);
        ends(&b, ORDER_MIRROR, ends_so[i].result, ends_so[i].state);
        assert_int_equal(phase(&b), ends_so[i].then);
        assert_string_equal(vm1(&b)->xml, "<domain/>");
        bool over = ends_so[i].then == STORAGE_UNDO;
        assert_int_equal(state_of(&b, operation) != OPERATION_RUNNING, over);
        if (over) {
            ends(&b, ORDER_UNDO, RESULT_OK, VM_STATE_OFF);
            assert_int_equal(b.m.journal.n, 0);
        }
        bench_end(&b);
    }
}

/* An attempt that never began says nothing of what an earlier one has left at work. */
static void not_begun(void **state) {
    struct bench b;
    (void)state;
    (void)begin(&b);
    order(&b, ORDER_MIRROR);
    assert_int_equal(GIVE(&b, VM_REPORT, .vm = vm1(&b)->id, .order = vm1(&b)->order_index,
                          .node = 2, .incarnation = 12, .result = RESULT_FAILED,
                          .state = VM_STATE_RUNNING, .not_begun = 1, .reason = "libvirt is away"),
                     REPLY_OK);
    assert_int_equal(phase(&b), STORAGE_MIRROR);
    assert_int_equal(storage_next(&b.m, vm1(&b)), ORDER_MIRROR);
    bench_end(&b);
}

/* Cancelled: whoever has its QEMU must end the copying first; if it is too late, it is done. */
static void cancelled(void **state) {
    struct bench b;
    (void)state;
    uint64_t operation = begin(&b);
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = operation), REPLY_OK);
    ends(&b, ORDER_MIRROR, RESULT_CANCELLED, VM_STATE_RUNNING);
    assert_int_equal(phase(&b), STORAGE_UNDO);
    assert_int_equal(state_of(&b, operation), OPERATION_CANCELLED);
    ends(&b, ORDER_UNDO, RESULT_OK, VM_STATE_OFF);
    assert_int_equal(ask(&b), REPLY_OK);
    operation = b.last.operation;
    order(&b, ORDER_MIRROR);
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = operation), REPLY_OK);
    assert_int_equal(bench_report(&b, vm1(&b), RESULT_OK, VM_STATE_PAUSED), REPLY_OK);
    assert_int_equal(phase(&b), STORAGE_CONTINUE);
    assert_string_equal(vm1(&b)->xml, "<new/>");
    ends(&b, ORDER_CONTINUE, RESULT_OK, VM_STATE_RUNNING);
    assert_int_equal(state_of(&b, operation), OPERATION_DONE);
    bench_end(&b);
}

/* A stop has its own story, which the end of the move leaves alone. */
static void stopped(void **state) {
    struct bench b;
    (void)state;
    uint64_t move = begin(&b);
    order(&b, ORDER_MIRROR);
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "vm1"), REPLY_OK);
    uint64_t stop = b.last.operation;
    assert_int_equal(state_of(&b, move), OPERATION_CANCELLED);
    assert_int_equal(bench_report(&b, vm1(&b), RESULT_CANCELLED, VM_STATE_RUNNING), REPLY_OK);
    assert_int_equal(phase(&b), STORAGE_UNDO);
    assert_int_equal(state_of(&b, stop), OPERATION_RUNNING);
    assert_int_equal(vm1(&b)->operation, stop);
    bench_end(&b);
}

/* Before the commit its node's end leaves it with the originals, afterwards with the copies. */
static void node_is_lost(void **state) {
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct bench b;
        uint64_t operation = begin(&b);
        order(&b, ORDER_MIRROR);
        if (late) {
            assert_int_equal(bench_report(&b, vm1(&b), RESULT_OK, VM_STATE_PAUSED), REPLY_OK);
        }
        assert_int_equal(bench_node(&b, 2)->state, NODE_ONLINE);
        struct model_vm *vm = vm1(&b);
        assert_true(model_node_holds_vms(&b.m, 2));
        assert_int_equal(GIVE(&b, VM_EVENT, .vm = vm->id, .node = 2, .generation = vm->generation,
                              .incarnation = 12, .kind = VM_EVENT_CRASHED, .reason = "died"),
                         REPLY_OK);
        assert_int_equal(vm1(&b)->state, VM_OFF);
        assert_int_equal(phase(&b), late ? STORAGE_FINISH : STORAGE_UNDO);
        assert_string_equal(vm1(&b)->xml, late ? "<new/>" : "<domain/>");
        assert_int_equal(state_of(&b, operation), late ? OPERATION_DONE : OPERATION_FAILED);
        assert_int_equal(storage_next(&b.m, vm1(&b)), late ? ORDER_FINISH : ORDER_UNDO);
        bench_end(&b);
    }
}

/* Nobody else moves, saves or resumes a guest whose QEMU copies, or stands still on the copies. */
static void is_bound(void **state) {
    struct bench b;
    (void)state;
    (void)begin(&b);
    assert_true(model_vm_is_bound(&b.m, vm1(&b)));
    assert_int_equal(bench_order(&b, vm1(&b), ORDER_MIGRATE, 2, 1), REPLY_REFUSED);
    assert_int_equal(bench_order(&b, vm1(&b), ORDER_SAVE, 2, 1), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_MOVE, .vm = "vm1", .to = "n1"), REPLY_REFUSED);
    /* An order of another kind ended without a result: libvirt is asked, and it is paused. */
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "vm1", .force = 1), REPLY_OK);
    assert_int_equal(bench_order(&b, vm1(&b), ORDER_DESTROY, 2, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm1(&b), RESULT_FAILED, VM_STATE_UNKNOWN), REPLY_OK);
    assert_int_equal(vm1(&b)->state, VM_RESOLVING);
    assert_int_equal(bench_order(&b, vm1(&b), ORDER_PROBE, 2, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm1(&b), RESULT_OK, VM_STATE_PAUSED), REPLY_OK);
    assert_int_equal(vm1(&b)->state, VM_RUNNING); /* and no RESUME */
    assert_int_equal(storage_next(&b.m, vm1(&b)), ORDER_MIRROR);
    bench_end(&b);
}

static void expect_refused(struct bench *b, const char *text) {
    assert_int_equal(ask(b), REPLY_REFUSED);
    assert_non_null(strstr(b->last.message, text));
    assert_true(b->last.hint[0] != '\0');
    assert_int_equal(b->m.journal.n, 0);
}

static void refusals(void **state) {
    struct bench b;
    (void)state;
    bench_begin(&b);
    b.m.protocol = PROTOCOL_HIGHEST;
    (void)bench_running_vm(&b, "vm1", 2);
    expect_refused(&b, "n2, where vm1 runs, does not have all volumes");
    bench_volume_ok(&b, "csv1");
    vm1(&b)->paused = 1;
    expect_refused(&b, "stands still");
    vm1(&b)->paused = 0;
    file.disk = "nvram";
    expect_refused(&b, "UEFI variables");
    file.disk = "vda";
    free((void *)(uintptr_t)vm1(&b)->other_disks);
    vm1(&b)->other_disks = strdup("vda is an overlay");
    expect_refused(&b, "runs with disks that differ");
    free((void *)(uintptr_t)vm1(&b)->other_disks);
    vm1(&b)->other_disks = strdup("");
    assert_int_equal(ask(&b), REPLY_OK);
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moved),     cmocka_unit_test(only_disks),   cmocka_unit_test(not_moved),
        cmocka_unit_test(not_begun), cmocka_unit_test(cancelled),    cmocka_unit_test(stopped),
        cmocka_unit_test(is_bound),  cmocka_unit_test(node_is_lost), cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests_name("core_mirror", tests, NULL, NULL);
}
