/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of a VM are moved: which requests are refused, and what each report leads to.
 */
#include "core/apply/storage.h"
#include "unit/core/one_model.h"

static const char *const csv1 = "csv1", *const csv2 = "csv2", *const nowhere = "csv9";

static struct storage_file file = {
    .disk = "vda", .from = "/srv/csv1/a.img", .to = "/srv/csv2/a.img", .bytes = 7, .format = ""};

static void begin(struct bench *b) {
    bench_begin(b);
    bench_volume_ok(b, "csv1");
    b->m.protocol = PROTOCOL_HIGHEST;
    (void)bench_add_vm(b, "vm1", false);
    bench_vm(b, "vm1")->owner = 1;
}

static struct cmd_vm_storage wish(struct bench *b) {
    return (struct cmd_vm_storage){.vm = "vm1",
                                   .serial = bench_vm(b, "vm1")->serial,
                                   .files = {.items = &file, .n = 1},
                                   .xml = "<new/>",
                                   .volumes = {&csv1, 1}};
}

static void ask(struct bench *b) {
    struct cmd_vm_storage good = wish(b);
    assert_int_equal(bench_give(b, COMMAND_VM_STORAGE, &good), REPLY_OK);
}

static void expect(struct bench *b, struct cmd_vm_storage asked, const char *text) {
    assert_int_not_equal(bench_give(b, COMMAND_VM_STORAGE, &asked), REPLY_OK);
    assert_non_null(strstr(b->last.message, text));
    assert_int_equal(b->m.journal.n, 0);
}

static uint8_t phase(struct bench *b) {
    const struct model_journal *row = model_journal_of_vm(&b->m, bench_vm(b, "vm1")->id);
    return row ? row->phase : 0;
}

static enum order_kind next(struct bench *b) {
    return storage_next(&b->m, bench_vm(b, "vm1"));
}

/* Node 2 is ordered what comes next, and that ends so. */
static void ends(struct bench *b, enum order_kind kind, enum agent_result result) {
    assert_int_equal(next(b), kind);
    assert_int_equal(bench_order(b, bench_vm(b, "vm1"), kind, 2, 0), REPLY_OK);
    assert_int_equal(next(b), ORDER_NONE);
    assert_int_equal(bench_report(b, bench_vm(b, "vm1"), result, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(bench_vm(b, "vm1")->order, ORDER_NONE);
}

static void refusals(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    struct cmd_vm_storage asked = wish(&b);
    asked.vm = "vm9";
    expect(&b, asked, "vm9");
    asked = wish(&b);
    asked.serial--;
    expect(&b, asked, "has changed");
    asked = wish(&b);
    asked.files.n = 0;
    expect(&b, asked, "names no file");
    asked = wish(&b);
    asked.xml = "";
    expect(&b, asked, "names no file");
    asked = wish(&b);
    asked.volumes.v = &nowhere;
    expect(&b, asked, "csv9");
    assert_int_equal(GIVE(&b, VOLUME_ADD, .name = csv2, .path = "/srv/csv2"), REPLY_OK);
    asked = wish(&b);
    asked.volumes.v = &csv2;
    expect(&b, asked, "no node has all volumes");
    asked = wish(&b);
    file.format = "qcow2";
    expect(&b, asked, "is off: the format of vda can change only while it runs");
    file.format = "";
    free((void *)(uintptr_t)bench_vm(&b, "vm1")->other_disks);
    bench_vm(&b, "vm1")->other_disks = strdup("vda");
    expect(&b, wish(&b), "differ from its definition");
    free((void *)(uintptr_t)bench_vm(&b, "vm1")->other_disks);
    bench_vm(&b, "vm1")->other_disks = strdup("");
    bench_vm(&b, "vm1")->wanted = WANTED_RUNNING;
    expect(&b, wish(&b), "to run");
    bench_vm(&b, "vm1")->wanted = WANTED_STOPPED;

    /* A file that another VM uses, too, at either end. */
    struct model_vm *other = bench_add_vm(&b, "vm2", false);
    free((void *)(uintptr_t)other->xml);
    other->xml = strdup("<source file='/srv/csv1/a.img'/>");
    expect(&b, wish(&b), "/srv/csv1/a.img is a file of vm2");
    free((void *)(uintptr_t)bench_vm(&b, "vm2")->xml);
    bench_vm(&b, "vm2")->xml = strdup("<source file=\"/srv/csv2/a.img\"/>");
    expect(&b, wish(&b), "/srv/csv2/a.img is a file of vm2");
    free((void *)(uintptr_t)bench_vm(&b, "vm2")->xml);
    bench_vm(&b, "vm2")->xml = strdup("<nvram>/srv/csv2/a.img</nvram>");
    expect(&b, wish(&b), "/srv/csv2/a.img is a file of vm2");
    free((void *)(uintptr_t)bench_vm(&b, "vm2")->xml);
    bench_vm(&b, "vm2")->xml = strdup("<source file='/srv/csv1/a.img.old'/>");
    ask(&b);
    bench_end(&b);
}

static void copied(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    ask(&b);
    uint64_t operation = b.last.operation;
    assert_int_equal(phase(&b), STORAGE_COPY);
    assert_string_equal(bench_vm(&b, "vm1")->xml, "<domain/>");
    /* Meanwhile the VM is locked. */
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm1"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_REMOVE, .vm = "vm1"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "vm1"), REPLY_OK); /* it is off */
    struct cmd_vm_storage again = wish(&b);
    assert_int_equal(bench_give(&b, COMMAND_VM_STORAGE, &again), REPLY_REFUSED);
    ends(&b, ORDER_COPY, RESULT_OK);
    assert_string_equal(bench_vm(&b, "vm1")->xml, "<new/>");
    assert_int_equal(phase(&b), STORAGE_FINISH);
    assert_int_equal(model_operation_by_id(&b.m, operation)->state, OPERATION_DONE);
    ends(&b, ORDER_FINISH, RESULT_FAILED);
    assert_int_equal(phase(&b), STORAGE_FINISH); /* it is tried again */
    assert_int_equal(GIVE(&b, VM_REMOVE, .vm = "vm1"), REPLY_REFUSED);
    ends(&b, ORDER_FINISH, RESULT_OK);
    assert_int_equal(b.m.journal.n, 0);
    assert_int_equal(GIVE(&b, VM_REMOVE, .vm = "vm1"), REPLY_OK);
    bench_end(&b);
}

/* What nobody can work on says so, in each phase. */
static void waits_for_a_node(void **state) {
    static const char nobody[] = "it waits: no node has all volumes of the move";
    struct bench b;
    (void)state;
    begin(&b);
    ask(&b);
    const struct model_vm *vm = bench_vm(&b, "vm1");
    assert_null(model_journal_waits(&b.m, model_journal_of_vm(&b.m, vm->id)));
    assert_int_equal(bench_order(&b, vm, ORDER_COPY, 2, 0), REPLY_OK);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(GIVE(&b, VOLUME_HEALTH, .volume = csv1, .node = i, .incarnation = 10 + i,
                              .state = VOLUME_FAILED),
                         REPLY_OK);
    }
    assert_null(model_journal_waits(&b.m, model_journal_of_vm(&b.m, vm->id))); /* it is at work */
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(phase(&b), STORAGE_FINISH);
    assert_string_equal(model_journal_waits(&b.m, model_journal_of_vm(&b.m, vm->id)), nobody);
    bench_volume_ok(&b, csv1);
    assert_null(model_journal_waits(&b.m, model_journal_of_vm(&b.m, vm->id)));
    for (uint32_t i = 1; i <= 3; i++) {
        bench_node(&b, i)->service = SERVICE_DRAINED;
    }
    assert_non_null(strstr(model_journal_waits(&b.m, model_journal_of_vm(&b.m, vm->id)),
                           "that have all volumes of the move are drained"));
    bench_end(&b);
}

static void not_copied(void **state) {
    static const enum agent_result results[] = {RESULT_FAILED, RESULT_TIMEOUT, RESULT_CANCELLED};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
        struct bench b;
        begin(&b);
        ask(&b);
        uint64_t operation = b.last.operation;
        ends(&b, ORDER_COPY, results[i]);
        assert_string_equal(bench_vm(&b, "vm1")->xml, "<domain/>");
        assert_int_equal(phase(&b), STORAGE_UNDO);
        assert_int_equal(model_operation_by_id(&b.m, operation)->state,
                         results[i] == RESULT_CANCELLED ? OPERATION_CANCELLED : OPERATION_FAILED);
        assert_int_equal(GIVE(&b, VM_START, .vm = "vm1"), REPLY_OK); /* from where it was */
        assert_int_equal(GIVE(&b, VM_STOP, .vm = "vm1"), REPLY_OK);
        ends(&b, ORDER_UNDO, RESULT_OK);
        assert_int_equal(b.m.journal.n, 0);
        bench_end(&b);
    }
}

/* Cancelled before anything was ordered, while it is copied, and when it is too late. */
static void cancelled(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    ask(&b);
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = b.last.operation), REPLY_OK);
    ends(&b, ORDER_UNDO, RESULT_OK);
    assert_int_equal(b.m.journal.n, 0);
    ask(&b);
    uint64_t operation = b.last.operation;
    assert_int_equal(bench_order(&b, bench_vm(&b, "vm1"), ORDER_COPY, 2, 0), REPLY_OK);
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = operation), REPLY_OK);
    assert_int_equal(bench_report(&b, bench_vm(&b, "vm1"), RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(phase(&b), STORAGE_UNDO);
    assert_string_equal(bench_vm(&b, "vm1")->xml, "<domain/>");
    ends(&b, ORDER_UNDO, RESULT_OK);
    ask(&b);
    operation = b.last.operation;
    ends(&b, ORDER_COPY, RESULT_OK);
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = operation), REPLY_REFUSED);
    bench_end(&b);
}

/* A node that copies holds the VM: it is fenced when it is lost, and only then another one goes
 * on. One that comes back with a new clusterd has no agent any more. */
static void copying_node_is_lost(void **state) {
    struct bench b;
    (void)state;
    begin(&b);
    ask(&b);
    assert_int_equal(bench_order(&b, bench_vm(&b, "vm1"), ORDER_COPY, 3, 0), REPLY_OK);
    assert_true(model_node_holds_vms(&b.m, 3));
    assert_int_equal(GIVE(&b, NODE_LEAVE, .node = 3, .incarnation = 13), REPLY_REFUSED);
    bench_view(&b, 2, 2);
    b.m.protocol = PROTOCOL_HIGHEST;
    assert_int_equal(bench_node(&b, 3)->state, NODE_LOST);
    assert_int_equal(next(&b), ORDER_NONE);
    assert_int_equal(GIVE(&b, NODE_CONFIRM_OFF, .node = "n3"), REPLY_OK);
    assert_int_equal(bench_node(&b, 3)->state, NODE_FENCED);
    assert_int_equal(next(&b), ORDER_COPY);
    ends(&b, ORDER_COPY, RESULT_OK);
    assert_int_equal(phase(&b), STORAGE_FINISH);
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),         cmocka_unit_test(copied),
        cmocka_unit_test(waits_for_a_node), cmocka_unit_test(not_copied),
        cmocka_unit_test(cancelled),        cmocka_unit_test(copying_node_is_lost),
    };
    return cmocka_run_group_tests_name("core_files", tests, NULL, NULL);
}
