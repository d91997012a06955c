/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checkpoints: which requests are refused, and what each report leads to.
 */
#include "core/apply/storage.h"
#include "unit/core/one_model.h"

static const char *disks[] = {"vda", "vdb"}, *paths[] = {"/srv/csv1/a", "/srv/csv1/b"};

static struct model_vm *vm1(struct bench *b) {
    return bench_vm(b, "vm1");
}

static void begin(struct bench *b, bool runs) {
    bench_begin(b);
    bench_volume_ok(b, "csv1");
    b->m.protocol = PROTOCOL_HIGHEST;
    if (runs) {
        (void)bench_running_vm(b, "vm1", 1);
    } else {
        (void)bench_add_vm(b, "vm1", false);
        vm1(b)->owner = 1;
    }
}

/* All three commands have the same fields. */
static enum core_reply_code give(struct bench *b, uint32_t type, const char *name, uint32_t n) {
    struct cmd_checkpoint_create wish = {.vm = "vm1",
                                         .serial = vm1(b)->serial,
                                         .name = name,
                                         .disks = {disks, n},
                                         .paths = {paths, n}};
    return bench_give(b, type, &wish);
}

static void asks(struct bench *b, uint32_t type, const char *name) {
    assert_int_equal(give(b, type, name, 2), REPLY_OK);
}

static void refuses(struct bench *b, uint32_t type, const char *name, uint32_t n,
                    const char *text) {
    assert_int_not_equal(give(b, type, name, n), REPLY_OK);
    if (!strstr(b->last.message, text)) {
        fail_msg("\"%s\" is not in: %s", text, b->last.message);
    }
}

static uint8_t phase(struct bench *b) {
    const struct model_journal *row = model_journal_of_vm(&b->m, vm1(b)->id);
    return row ? row->phase : 0;
}

static const struct model_checkpoint *checkpoint(struct bench *b, const char *name) {
    return model_checkpoint_by_name(&b->m, vm1(b)->id, name);
}

static void orders(struct bench *b, enum order_kind kind, uint32_t node) {
    assert_int_equal(storage_next(&b->m, vm1(b)), kind);
    assert_int_equal(bench_order(b, vm1(b), kind, node, 0), REPLY_OK);
    assert_int_equal(storage_next(&b->m, vm1(b)), ORDER_NONE);
}

static void reports(struct bench *b, enum agent_result result, enum agent_vm_state state,
                    bool not_begun) {
    struct model_vm *vm = vm1(b);
    struct cmd_vm_report r = {.vm = vm->id,
                              .order = vm->order_index,
                              .node = vm->order_node,
                              .incarnation = bench_node(b, vm->order_node)->incarnation,
                              .result = (uint8_t)result,
                              .state = (uint8_t)state,
                              .reason = result == RESULT_OK ? "" : "it went wrong",
                              .machine = "",
                              .not_begun = not_begun};
    assert_int_equal(bench_give(b, COMMAND_VM_REPORT, &r), REPLY_OK);
    assert_int_equal(vm1(b)->order, ORDER_NONE);
}

static void ends(struct bench *b, enum order_kind kind, enum agent_result result) {
    bool live = kind == ORDER_CHECKPOINT_LIVE || kind == ORDER_FORGET_LIVE;
    orders(b, kind, live ? 1 : 2);
    reports(b, result, live ? VM_STATE_RUNNING : VM_STATE_OFF, false);
}

static enum operation_state story(struct bench *b, uint64_t id) {
    return (enum operation_state)model_operation_by_id(&b->m, id)->state;
}

static void made(struct bench *b, const char *name) {
    asks(b, COMMAND_CHECKPOINT_CREATE, name);
    ends(b, vm1(b)->state == VM_OFF ? ORDER_CHECKPOINT : ORDER_CHECKPOINT_LIVE, RESULT_OK);
    assert_true(checkpoint(b, name)->whole);
    assert_int_equal(b->m.journal.n, 0);
}

static void refusals(void **state) {
    struct bench b;
    (void)state;
    begin(&b, true);
    refuses(&b, COMMAND_CHECKPOINT_CREATE, "a b", 2, "not a valid name");
    refuses(&b, COMMAND_CHECKPOINT_CREATE, "one", 0, "names no disks");
    paths[1] = "b";
    refuses(&b, COMMAND_CHECKPOINT_CREATE, "one", 2, "names no disks");
    paths[1] = "/srv/csv1/b";
    refuses(&b, COMMAND_CHECKPOINT_REVERT, "one", 2, "vm1 has no checkpoint 'one'");
    refuses(&b, COMMAND_CHECKPOINT_REMOVE, "one", 2, "vm1 has no checkpoint 'one'");
    made(&b, "one");
    refuses(&b, COMMAND_CHECKPOINT_CREATE, "one", 2, "has a checkpoint 'one' already");
    refuses(&b, COMMAND_CHECKPOINT_REVERT, "one", 2, "vm1 is running: only a VM that is off");
    struct cmd_checkpoint_create older = {.vm = "vm1", .serial = 1, .name = "two"};
    assert_int_equal(bench_give(&b, COMMAND_CHECKPOINT_CREATE, &older), REPLY_REFUSED);
    assert_non_null(strstr(b.last.message, "has changed"));
    free((void *)(uintptr_t)vm1(&b)->other_disks);
    vm1(&b)->other_disks = strdup("vda");
    refuses(&b, COMMAND_CHECKPOINT_CREATE, "two", 2, "differ from its definition");
    free((void *)(uintptr_t)vm1(&b)->other_disks);
    vm1(&b)->other_disks = strdup("");
    vm1(&b)->wanted = WANTED_STOPPED;
    refuses(&b, COMMAND_CHECKPOINT_CREATE, "two", 2, "about to change");
    refuses(&b, COMMAND_CHECKPOINT_REMOVE, "one", 2, "about to change");
    assert_int_equal(b.m.journal.n, 0);
    assert_int_equal(b.m.checkpoints.n, 1);
    bench_end(&b);
}

static void too_many(void **state) {
    struct bench b;
    char name[16];
    (void)state;
    begin(&b, false);
    for (unsigned i = 0; i < WIRE_MAX_CHECKPOINTS; i++) {
        (void)snprintf(name, sizeof(name), "c%u", i);
        made(&b, name);
    }
    refuses(&b, COMMAND_CHECKPOINT_CREATE, "more", 2, "maximum number of checkpoints");
    bench_end(&b);
}

static void made_and_removed(void **state) {
    (void)state;
    for (int runs = 0; runs < 2; runs++) {
        struct bench b;
        begin(&b, runs);
        made(&b, "one");
        made(&b, "two");
        assert_int_equal(checkpoint(&b, "one")->running, runs);
        assert_int_equal(checkpoint(&b, "one")->disks.n, 2);
        asks(&b, COMMAND_CHECKPOINT_REMOVE, "one");
        uint64_t id = b.last.operation;
        enum order_kind kind = runs ? ORDER_FORGET_LIVE : ORDER_FORGET;
        ends(&b, kind, RESULT_FAILED);
        assert_int_equal(phase(&b), CHECKPOINT_REMOVE); /* it is tried again */
        ends(&b, kind, RESULT_OK);
        assert_null(checkpoint(&b, "one"));
        assert_non_null(checkpoint(&b, "two"));
        assert_int_equal(story(&b, id), OPERATION_DONE);
        assert_int_equal(b.m.journal.n, 0);
        bench_end(&b);
    }
}

/* Whatever there is of it is removed. */
static void not_made(void **state) {
    static const enum agent_result results[] = {RESULT_FAILED, RESULT_TIMEOUT, RESULT_CANCELLED};
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_SIZE(results); i++) {
        bool runs = i % 2;
        struct bench b;
        begin(&b, runs);
        asks(&b, COMMAND_CHECKPOINT_CREATE, "one");
        uint64_t id = b.last.operation;
        ends(&b, runs ? ORDER_CHECKPOINT_LIVE : ORDER_CHECKPOINT, results[i / 2]);
        assert_int_equal(story(&b, id), OPERATION_FAILED);
        assert_int_equal(phase(&b), CHECKPOINT_REMOVE);
        assert_false(checkpoint(&b, "one")->whole);
        ends(&b, runs ? ORDER_FORGET_LIVE : ORDER_FORGET, RESULT_OK);
        assert_int_equal(b.m.checkpoints.n + b.m.journal.n, 0);
        bench_end(&b);
    }
}

/* It may have got one on some of its disks. It runs again first; then that is removed. */
static void vm_ends_meanwhile(void **state) {
    struct bench b;
    (void)state;
    begin(&b, true);
    asks(&b, COMMAND_CHECKPOINT_CREATE, "one");
    orders(&b, ORDER_CHECKPOINT_LIVE, 1);
    assert_int_equal(GIVE(&b, VM_EVENT, .vm = vm1(&b)->id, .node = 1, .incarnation = 11,
                          .generation = vm1(&b)->generation, .kind = VM_EVENT_CRASHED,
                          .reason = "killed"),
                     REPLY_OK);
    assert_int_equal(vm1(&b)->state, VM_OFF);
    assert_int_equal(phase(&b), CHECKPOINT_REMOVE);
    assert_int_equal(bench_order(&b, vm1(&b), ORDER_START, 2, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm1(&b), RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
    orders(&b, ORDER_FORGET_LIVE, 2);
    reports(&b, RESULT_OK, VM_STATE_RUNNING, false);
    assert_int_equal(b.m.checkpoints.n + b.m.journal.n, 0);
    bench_end(&b);
}

static void reverted(void **state) {
    struct bench b;
    (void)state;
    begin(&b, false);
    made(&b, "one");
    refuses(&b, COMMAND_CHECKPOINT_REVERT, "one", 1, "has no disk vdb any more");
    disks[1] = "vdc";
    refuses(&b, COMMAND_CHECKPOINT_REVERT, "one", 2, "has no disk vdb any more");
    disks[1] = "vdb";
    asks(&b, COMMAND_CHECKPOINT_REVERT, "one");
    uint64_t id = b.last.operation;
    /* Meanwhile the VM is locked, whoever wants it to run. */
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm1"), REPLY_REFUSED);
    assert_non_null(strstr(b.last.message, "are being set back to a checkpoint"));
    assert_int_equal(GIVE(&b, VM_REMOVE, .vm = "vm1"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = id), REPLY_REFUSED);
    vm1(&b)->wanted = WANTED_RUNNING;
    assert_int_equal(bench_order(&b, vm1(&b), ORDER_START, 2, 0), REPLY_REFUSED);
    ends(&b, ORDER_REVERT, RESULT_OK);
    assert_int_equal(story(&b, id), OPERATION_DONE);
    assert_int_equal(b.m.journal.n, 0);
    assert_true(checkpoint(&b, "one")->whole);
    assert_int_equal(bench_order(&b, vm1(&b), ORDER_START, 2, 0), REPLY_OK);
    bench_end(&b);
}

static void shared_files(void **state) {
    struct bench b;
    (void)state;
    begin(&b, false);
    made(&b, "one");
    struct model_vm *other = bench_add_vm(&b, "vm2", false);
    free((void *)(uintptr_t)other->xml);
    other->xml = strdup("<source file='/srv/csv1/b'/>");
    refuses(&b, COMMAND_CHECKPOINT_CREATE, "two", 2, "/srv/csv1/b is a file of vm2, too");
    refuses(&b, COMMAND_CHECKPOINT_REVERT, "one", 2, "/srv/csv1/b is a file of vm2, too");
    asks(&b, COMMAND_CHECKPOINT_REMOVE, "one");
    bench_end(&b);
}

/* A disk that came later would not fit. */
static void more_disks(void **state) {
    struct bench b;
    (void)state;
    begin(&b, false);
    assert_int_equal(give(&b, COMMAND_CHECKPOINT_CREATE, "one", 1), REPLY_OK);
    ends(&b, ORDER_CHECKPOINT, RESULT_OK);
    refuses(&b, COMMAND_CHECKPOINT_REVERT, "one", 2, "has disks that it did not have");
    bench_end(&b);
}

static void revert_that_did_not_begin(void **state) {
    struct bench b;
    (void)state;
    begin(&b, false);
    made(&b, "one");
    asks(&b, COMMAND_CHECKPOINT_REVERT, "one");
    uint64_t id = b.last.operation;
    orders(&b, ORDER_REVERT, 2);
    reports(&b, RESULT_FAILED, VM_STATE_OFF, true);
    assert_int_equal(story(&b, id), OPERATION_FAILED);
    assert_int_equal(b.m.journal.n, 0);
    bench_end(&b);
}

/* Once an order may have touched a disk, another that did not begin ends nothing. */
static void revert_half_done(void **state) {
    static const enum agent_result results[] = {RESULT_FAILED, RESULT_TIMEOUT, RESULT_CANCELLED};
    (void)state;
    for (size_t i = 0; i <= ARRAY_SIZE(results); i++) {
        struct bench b;
        begin(&b, false);
        made(&b, "one");
        made(&b, "two");
        asks(&b, COMMAND_CHECKPOINT_REVERT, "one");
        uint64_t id = b.last.operation;
        orders(&b, ORDER_REVERT, 2);
        if (i < ARRAY_SIZE(results)) {
            reports(&b, results[i], VM_STATE_OFF, false);
        } else {
            vm1(&b)->order = ORDER_NONE; /* as when the node was fenced: nothing is reported */
            ((struct model_journal *)b.m.journal.rows)->held_by = 0;
        }
        assert_int_equal(phase(&b), CHECKPOINT_REVERT);
        orders(&b, ORDER_REVERT, 3);
        reports(&b, RESULT_FAILED, VM_STATE_OFF, true);
        assert_int_equal(phase(&b), CHECKPOINT_REVERT);
        assert_int_equal(story(&b, id), OPERATION_RUNNING);
        assert_int_equal(GIVE(&b, VM_START, .vm = "vm1"), REPLY_REFUSED);
        refuses(&b, COMMAND_CHECKPOINT_CREATE, "three", 2, "already in progress");
        if (i % 2) { /* the way out where an image is damaged */
            asks(&b, COMMAND_CHECKPOINT_REVERT, "two");
            assert_int_equal(b.last.operation, id);
            orders(&b, ORDER_REVERT, 2);
            reports(&b, RESULT_FAILED, VM_STATE_OFF, true);
            assert_int_equal(phase(&b), CHECKPOINT_REVERT);
        }
        ends(&b, ORDER_REVERT, RESULT_OK);
        assert_int_equal(story(&b, id), OPERATION_DONE);
        assert_int_equal(b.m.journal.n, 0);
        bench_end(&b);
    }
}

static void moves_of_files(void **state) {
    struct storage_file file = {
        .disk = "vda", .from = "/srv/csv1/a", .to = "/srv/csv1/c", .format = ""};
    static const char *const csv1 = "csv1";
    struct bench b;
    (void)state;
    begin(&b, true);
    made(&b, "one");
    assert_int_equal(GIVE(&b, VM_STORAGE, .vm = "vm1", .serial = vm1(&b)->serial,
                          .files = {&file, 1}, .xml = "<new/>",
                          .volumes = {(const char **)(uintptr_t)&csv1, 1}),
                     REPLY_REFUSED);
    assert_non_null(strstr(b.last.message, "vm1 runs and has 1 checkpoint, "));
    asks(&b, COMMAND_CHECKPOINT_CREATE, "two");
    assert_int_equal(GIVE(&b, VM_MOVE, .vm = "vm1", .to = "n2"), REPLY_REFUSED);
    assert_non_null(strstr(b.last.message, "already in progress"));
    bench_end(&b);
}

/* The drain's order comes before that of the checkpoint. */
static void drain_moves_it_meanwhile(void **state) {
    struct bench b;
    (void)state;
    begin(&b, true);
    assert_int_equal(GIVE(&b, NODE_DRAIN, .node = "n1"), REPLY_OK);
    uint64_t drain = b.last.operation;
    asks(&b, COMMAND_CHECKPOINT_CREATE, "one");
    uint64_t own = b.last.operation;
    assert_int_equal(GIVE(&b, VM_ORDER, .vm = vm1(&b)->id, .serial = vm1(&b)->serial,
                          .generation = vm1(&b)->generation, .kind = ORDER_MIGRATE, .node = 1,
                          .target = 2, .operation = drain, .reason = "drain"),
                     REPLY_OK);
    reports(&b, RESULT_OK, VM_STATE_OFF, false);
    assert_int_equal(vm1(&b)->owner, 2);
    orders(&b, ORDER_CHECKPOINT_LIVE, 2);
    reports(&b, RESULT_OK, VM_STATE_RUNNING, false);
    assert_true(checkpoint(&b, "one")->whole);
    assert_int_equal(story(&b, own), OPERATION_DONE);
    bench_end(&b);
}

/* A node that does not know how its order ended may still write: nobody else gets one. */
static void held_by_who_does_not_know(void **state) {
    struct bench b;
    (void)state;
    begin(&b, false);
    made(&b, "one");
    asks(&b, COMMAND_CHECKPOINT_REVERT, "one");
    orders(&b, ORDER_REVERT, 2);
    reports(&b, RESULT_TIMEOUT, VM_STATE_UNKNOWN, false);
    assert_int_equal(bench_order(&b, vm1(&b), ORDER_REVERT, 3, 0), REPLY_REFUSED);
    assert_true(model_node_holds_vms(&b.m, 2));
    for (int i = 0; i < 2; i++) { /* what a later order did not do says nothing about the first */
        orders(&b, ORDER_REVERT, 2);
        reports(&b, RESULT_FAILED, VM_STATE_OFF, i == 0);
        assert_int_equal(bench_order(&b, vm1(&b), ORDER_REVERT, 3, 0), REPLY_REFUSED);
    }
    ends(&b, ORDER_REVERT, RESULT_OK);
    assert_false(model_node_holds_vms(&b.m, 2));
    assert_int_equal(b.m.journal.n, 0);
    bench_end(&b);
}

/* An image may hold what an earlier cluster, whose log had the same indexes, has left in it. */
static void numbers_differ_between_clusters(void **state) {
    (void)state;
    assert_true(model_checkpoint_number(1000, 7) != model_checkpoint_number(1001, 7));
    assert_true(model_checkpoint_number(1000, 7) != model_checkpoint_number(1000, 8));
    assert_true(model_checkpoint_number(UINT64_C(2145916800000), 4095) < UINT64_C(1) << 53);
}

static void vm_is_removed(void **state) {
    struct bench b;
    (void)state;
    begin(&b, false);
    made(&b, "one");
    made(&b, "two");
    assert_int_equal(GIVE(&b, VM_REMOVE, .vm = "vm1"), REPLY_OK);
    assert_int_equal(b.m.checkpoints.n, 0);
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(too_many),
        cmocka_unit_test(made_and_removed),
        cmocka_unit_test(not_made),
        cmocka_unit_test(vm_ends_meanwhile),
        cmocka_unit_test(reverted),
        cmocka_unit_test(more_disks),
        cmocka_unit_test(revert_that_did_not_begin),
        cmocka_unit_test(revert_half_done),
        cmocka_unit_test(moves_of_files),
        cmocka_unit_test(vm_is_removed),
        cmocka_unit_test(shared_files),
        cmocka_unit_test(drain_moves_it_meanwhile),
        cmocka_unit_test(numbers_differ_between_clusters),
        cmocka_unit_test(held_by_who_does_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
