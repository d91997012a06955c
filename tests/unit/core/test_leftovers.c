/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Saved memory that no VM needs any more: who owns its file, and until when.
 */
#include "unit/core/one_model.h"

static void begin(struct bench *b, uint32_t protocol, uint32_t node) {
    bench_begin(b);
    b->m.protocol = protocol;
    struct model_vm *vm = bench_running_vm(b, "vm1", node);
    const char *csv1 = "csv1";
    struct model_vm on = {.volumes = {&csv1, 1}}, copy;
    assert_int_equal(wire_copy(&model_vm_record, &on, &copy), 0);
    struct wire_strs none = vm->volumes;
    vm->volumes = copy.volumes;
    copy.volumes = none;
    wire_release(&model_vm_record, &copy);
}

static struct model_vm *vm1(struct bench *b) {
    return bench_vm(b, "vm1");
}

/* The path of the save that is ordered. */
static void save(struct bench *b, char *ret_path, size_t size) {
    assert_int_equal(bench_order(b, vm1(b), ORDER_SAVE, vm1(b)->owner, 2), REPLY_OK);
    assert_true(vm1(b)->state_file[0]);
    (void)snprintf(ret_path, size, "%s", vm1(b)->state_file);
    assert_null(model_leftover_by_path(&b->m, ret_path)); /* the VM's row owns it */
}

static enum core_reply_code order(struct bench *b, const char *path, uint32_t node) {
    return GIVE(b, LEFTOVER_ORDER, .path = path, .node = node);
}

static enum core_reply_code report(struct bench *b, const char *path, uint32_t node,
                                   enum agent_result result) {
    const struct model_leftover *row = model_leftover_by_path(&b->m, path);
    return GIVE(b, LEFTOVER_REPORT, .order = row ? row->order : 1, .node = node,
                .incarnation = 10 + node, .result = (uint8_t)result, .reason = "because");
}

/* From the VM to a row of its own, and away with it. */
static void the_file_of_a_failed_save_is_removed(void **state) {
    struct bench b;
    char first[200], second[200];
    (void)state;
    begin(&b, PROTOCOL_HIGHEST, 1);
    save(&b, first, sizeof(first));
    assert_int_equal(order(&b, first, 2), REPLY_REFUSED); /* it is needed */
    assert_int_equal(bench_report(&b, vm1(&b), RESULT_FAILED, VM_STATE_RUNNING), REPLY_OK);
    const struct model_leftover *row = model_leftover_by_path(&b.m, first);
    assert_non_null(row);
    assert_string_equal(row->volume, "csv1");
    assert_true(row->order == 0 && !model_leftover_stands(&b.m, row));

    /* A later save has another file, although the guest is the same. */
    save(&b, second, sizeof(second));
    assert_string_not_equal(first, second);
    assert_int_equal(order(&b, first, 2), REPLY_OK);
    assert_int_equal(order(&b, first, 3), REPLY_REFUSED); /* one at a time */
    assert_int_equal(report(&b, first, 3, RESULT_OK), REPLY_REFUSED);
    assert_int_equal(report(&b, first, 2, RESULT_FAILED), REPLY_OK);
    assert_string_equal(model_leftover_by_path(&b.m, first)->reason, "because");
    assert_int_equal(order(&b, first, 3), REPLY_OK);
    assert_int_equal(report(&b, first, 3, RESULT_OK), REPLY_OK);
    assert_null(model_leftover_by_path(&b.m, first));
    assert_int_equal(report(&b, first, 3, RESULT_OK), REPLY_REFUSED);
    assert_string_equal(vm1(&b)->state_file, second);
    bench_end(&b);
}

static void a_restored_state_is_needed_until_the_vm_runs(void **state) {
    struct bench b;
    char path[200];
    (void)state;
    begin(&b, PROTOCOL_HIGHEST, 1);
    save(&b, path, sizeof(path));
    assert_int_equal(bench_report(&b, vm1(&b), RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(vm1(&b)->state, VM_SAVED);
    assert_null(model_leftover_by_path(&b.m, path));
    assert_int_equal(bench_order(&b, vm1(&b), ORDER_RESTORE, 2, 0), REPLY_OK);
    assert_null(model_leftover_by_path(&b.m, path));
    assert_int_equal(bench_report(&b, vm1(&b), RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
    assert_non_null(model_leftover_by_path(&b.m, path));
    bench_end(&b);
}

/* An order is void when its node's clusterd is another one. */
static void a_node_that_was_away_is_ordered_again(void **state) {
    struct bench b;
    char path[200];
    (void)state;
    begin(&b, PROTOCOL_HIGHEST, 1);
    save(&b, path, sizeof(path));
    assert_int_equal(bench_report(&b, vm1(&b), RESULT_FAILED, VM_STATE_RUNNING), REPLY_OK);
    assert_int_equal(order(&b, path, 3), REPLY_OK);
    bench_view(&b, 2, 3);
    b.m.protocol = PROTOCOL_HIGHEST;
    assert_false(model_leftover_stands(&b.m, model_leftover_by_path(&b.m, path)));
    assert_int_equal(order(&b, path, 3), REPLY_REFUSED);
    assert_int_equal(order(&b, path, 2), REPLY_OK);
    assert_int_equal(report(&b, path, 2, RESULT_OK), REPLY_OK);
    assert_null(model_leftover_by_path(&b.m, path));
    bench_end(&b);
}

/* The VM may be removed; with its volume the file is left to people, and they are told. */
static void it_outlives_its_vm_but_not_its_volume(void **state) {
    struct bench b;
    char path[200];
    (void)state;
    begin(&b, PROTOCOL_HIGHEST, 1);
    save(&b, path, sizeof(path));
    assert_int_equal(bench_report(&b, vm1(&b), RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(GIVE(&b, VM_REMOVE, .vm = "vm1"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "vm1", .force = 1), REPLY_OK);
    assert_int_equal(vm1(&b)->state, VM_OFF);
    assert_int_equal(GIVE(&b, VM_REMOVE, .vm = "vm1"), REPLY_OK);
    assert_non_null(model_leftover_by_path(&b.m, path));
    assert_int_equal(GIVE(&b, VOLUME_REMOVE, .volume = "csv1"), REPLY_OK);
    assert_null(model_leftover_by_path(&b.m, path));
    bool told = false;
    MODEL_EACH(model_event, event, &b.m.events) {
        told = told || (strstr(event->message, path) && strstr(event->message, "by hand"));
    }
    assert_true(told);
    bench_end(&b);
}

/* A node of the move is off: a state that may be complete is tried before the VM starts afresh. */
static void a_state_that_may_be_complete_is_tried(void **state) {
    static const struct {
        bool restoring, no_auto_start;
        uint32_t protocol;
        enum vm_state then;
    } cases[] = {
        {false, false, PROTOCOL_HIGHEST, VM_SAVED}, {true, false, PROTOCOL_HIGHEST, VM_SAVED},
        {false, true, PROTOCOL_HIGHEST, VM_OFF},    {false, false, PROTOCOL_LOWEST, VM_OFF},
        {true, false, PROTOCOL_LOWEST, VM_OFF},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;
        char path[200];
        begin(&b, cases[i].protocol, cases[i].restoring ? 1 : 3);
        vm1(&b)->no_auto_start = cases[i].no_auto_start;
        save(&b, path, sizeof(path));
        if (cases[i].restoring) {
            assert_int_equal(bench_report(&b, vm1(&b), RESULT_OK, VM_STATE_OFF), REPLY_OK);
            assert_int_equal(bench_order(&b, vm1(&b), ORDER_RESTORE, 3, 0), REPLY_OK);
        }
        bench_view(&b, 2, 2);
        b.m.protocol = cases[i].protocol;
        assert_int_equal(GIVE(&b, NODE_CONFIRM_OFF, .node = "n3"), REPLY_OK);
        assert_int_equal(vm1(&b)->state, cases[i].then);
        bool owned = cases[i].then == VM_SAVED || model_leftover_by_path(&b.m, path);
        assert_int_equal(owned, cases[i].protocol == PROTOCOL_HIGHEST);
        bench_end(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_of_a_failed_save_is_removed),
        cmocka_unit_test(a_restored_state_is_needed_until_the_vm_runs),
        cmocka_unit_test(a_node_that_was_away_is_ordered_again),
        cmocka_unit_test(it_outlives_its_vm_but_not_its_volume),
        cmocka_unit_test(a_state_that_may_be_complete_is_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
