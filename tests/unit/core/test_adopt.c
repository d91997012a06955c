/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Adoption: what libvirt runs on one node becomes the cluster's; a second copy is never started. */
#include "core/apply/order.h"
#include "plain_vm.h"
#include "unit/core/one_model.h"

static void begin(struct bench *b) {
    bench_begin(b);
    b->m.protocol = PROTOCOL_HIGHEST;
}

/* "vm1" is added, to be adopted where the nodes in `running` run it (bits). */
static enum core_reply_code add_running(struct bench *b, uint32_t running) {
    struct cmd_vm_add add = plain_vm("vm1");
    add.adopt = 1;
    b->unanswered = true;
    assert_int_equal(bench_give(b, COMMAND_VM_ADD, &add), REPLY_OK);
    for (uint32_t node = 1; node <= 3; node++) {
        const struct model_vm *vm = bench_vm(b, "vm1");
        bool runs = (running >> node & 1) != 0;
        assert_non_null(vm);
        assert_int_equal(vm->state, VM_OFF);
        (void)bench_claim(b, vm, node, RESULT_OK, runs ? VM_STATE_RUNNING : VM_STATE_OFF, "");
    }
    const struct apply_added *added = b->last.added;
    assert_non_null(added);
    return added->code;
}

static bool start_fits(struct bench *b, const struct model_vm *vm) {
    bool fits = false;
    for (uint32_t node = 1; node <= 3; node++) {
        struct cmd_vm_order o = {.vm = vm->id, .kind = ORDER_START, .node = node};
        fits = fits || order_fits(&b->m, vm, &o);
    }
    return fits;
}

static void runs_on_one_node(void **state) {
    (void)state;
    struct bench b;
    begin(&b);
    assert_int_equal(add_running(&b, 1u << 2), REPLY_OK);
    struct model_vm *vm = bench_vm(&b, "vm1");
    assert_true(vm->adopt && vm->wanted == WANTED_RUNNING && vm->foreign.n == 1);
    assert_false(start_fits(&b, vm));
    assert_int_equal(bench_order(&b, vm, ORDER_ADOPT, 1, 0), REPLY_REFUSED);
    assert_int_equal(bench_order(&b, vm, ORDER_ADOPT, 2, 0), REPLY_OK);
    assert_int_equal(vm->owner, 2); /* fenced before it starts elsewhere */
    assert_true(model_vm_may_run_on(vm, 2));
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
    assert_true(vm->state == VM_RUNNING && vm->owner == 2 && vm->foreign.n == 0 && !vm->adopt);
    bench_end(&b);
}

static void runs_on_none_or_two(void **state) {
    (void)state;
    static const uint32_t running[] = {0, 1u << 1 | 1u << 3};
    for (size_t i = 0; i < ARRAY_SIZE(running); i++) {
        struct bench b;
        begin(&b);
        assert_int_equal(add_running(&b, running[i]), REPLY_REFUSED);
        assert_null(bench_vm(&b, "vm1"));
        bench_end(&b);
    }
}

static void on_a_drained_node(void **state) {
    (void)state;
    struct bench b;
    begin(&b);
    bench_node(&b, 2)->service = SERVICE_DRAINED;
    assert_int_equal(add_running(&b, 1u << 2), REPLY_REFUSED);
    assert_non_null(strstr(b.last.added->message, "drained"));
    bench_end(&b);
}

/* Whatever the agent says but "ok, it is there": nothing starts it while it may run there by
 * itself. */
static void every_other_report(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 5 * 5; i++) {
        struct bench b;
        enum agent_result result = (enum agent_result)(i / 5);
        enum agent_vm_state found = (enum agent_vm_state)(i % 5);
        begin(&b);
        assert_int_equal(add_running(&b, 1u << 2), REPLY_OK);
        struct model_vm *vm = bench_vm(&b, "vm1");
        assert_int_equal(bench_order(&b, vm, ORDER_ADOPT, 2, 0), REPLY_OK);
        assert_int_equal(bench_report(&b, vm, result, found), REPLY_OK);
        bool adopted =
            result == RESULT_OK && (found == VM_STATE_RUNNING || found == VM_STATE_PAUSED);
        assert_int_equal(vm->state == VM_RUNNING, adopted);
        assert_true(!adopted || vm->paused == (found == VM_STATE_PAUSED));
        assert_true(adopted || ids_contain(&vm->foreign, 2));
        assert_false(start_fits(&b, vm));
        if (vm->state == VM_OFF) { /* given up: whoever runs it decides; what is gone was to run */
            assert_int_equal(vm->wanted, found == VM_STATE_OFF ? WANTED_RUNNING : WANTED_STOPPED);
            assert_false(vm->adopt);
            assert_true(result != RESULT_OK && found != VM_STATE_UNKNOWN);
        }
        bench_end(&b);
    }
}

/* Only the agent can tell what has our mark: it is asked again, for the same generation. */
static void its_end_is_not_known(void **state) {
    (void)state;
    struct bench b;
    begin(&b);
    assert_int_equal(add_running(&b, 1u << 2), REPLY_OK);
    struct model_vm *vm = bench_vm(&b, "vm1");
    assert_int_equal(bench_order(&b, vm, ORDER_ADOPT, 2, 0), REPLY_OK);
    uint64_t generation = vm->generation;
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_UNKNOWN), REPLY_OK);
        assert_int_equal(vm->state, VM_RESOLVING);
        assert_false(model_node_is_stuck(&b.m, model_node_by_id(&b.m, 2)));
        assert_int_equal(bench_order(&b, vm, ORDER_PROBE, 2, 0), REPLY_REFUSED);
        assert_int_equal(bench_order(&b, vm, ORDER_ADOPT, 2, 0), REPLY_OK);
        assert_true(vm->generation == generation && vm->owner == 2 && vm->foreign.n == 1);
    }
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
    assert_true(vm->state == VM_RUNNING && vm->generation == generation && vm->foreign.n == 0);
    bench_end(&b);
}

/* Never begun: what the agent found counts. It may be marked already. */
static void not_begun(void **state) {
    (void)state;
    struct bench b;
    begin(&b);
    assert_int_equal(add_running(&b, 1u << 2), REPLY_OK);
    struct model_vm *vm = bench_vm(&b, "vm1");
    assert_int_equal(bench_order(&b, vm, ORDER_ADOPT, 2, 0), REPLY_OK);
    assert_int_equal(GIVE(&b, VM_REPORT, .vm = vm->id, .order = vm->order_index, .node = 2,
                          .incarnation = 12, .result = RESULT_FAILED, .not_begun = 1,
                          .state = VM_STATE_UNKNOWN),
                     REPLY_OK);
    assert_int_equal(vm->state, VM_RESOLVING);
    bench_end(&b);
}

/* Lost with its node in the middle, and known to be off: the cluster starts it. */
static void its_node_is_off(void **state) {
    (void)state;
    for (uint32_t doubt = 0; doubt < 2; doubt++) {
        struct bench b;
        begin(&b);
        bench_volume_ok(&b, "csv1");
        assert_int_equal(add_running(&b, 1u << 2), REPLY_OK);
        struct model_vm *vm = bench_vm(&b, "vm1");
        assert_int_equal(bench_order(&b, vm, ORDER_ADOPT, 2, 0), REPLY_OK);
        if (doubt) {
            assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_UNKNOWN), REPLY_OK);
        }
        bench_view(&b, 1, 1);
        assert_false(start_fits(&b, vm));
        assert_int_equal(GIVE(&b, NODE_CONFIRM_OFF, .node = "n2"), REPLY_OK);
        assert_true(vm->state == VM_OFF && vm->foreign.n == 0 && !vm->adopt);
        assert_int_equal(vm->wanted, WANTED_RUNNING);
        assert_true(start_fits(&b, vm));
        bench_end(&b);
    }
}

/* A stop that was asked for in the middle has failed if the VM runs on by itself. */
static void stopped_and_not_adopted(void **state) {
    (void)state;
    struct bench b;
    begin(&b);
    assert_int_equal(add_running(&b, 1u << 2), REPLY_OK);
    struct model_vm *vm = bench_vm(&b, "vm1");
    assert_int_equal(bench_order(&b, vm, ORDER_ADOPT, 2, 0), REPLY_OK);
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "vm1"), REPLY_OK);
    uint64_t stop = vm->operation;
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm1", .adopt = 1), REPLY_REFUSED);
    assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_RUNNING), REPLY_OK);
    const struct model_operation *op = model_operation_by_id(&b.m, stop);
    assert_true(op && op->kind == OPERATION_STOP && op->state == OPERATION_FAILED);
    assert_true(vm->state == VM_OFF && vm->foreign.n == 1);
    bench_end(&b);
}

/* While it is being adopted, and off by the model: what a person may ask for. */
static void what_people_ask_for(void **state) {
    (void)state;
    struct bench b;
    begin(&b);
    struct model_vm *vm = bench_running_vm(&b, "vm2", 1);
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm2", .adopt = 1), REPLY_REFUSED);
    assert_non_null(strstr(b.last.message, "the cluster's already"));
    vm = bench_add_vm(&b, "vm3", false);
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm3", .adopt = 1), REPLY_REFUSED);
    assert_non_null(strstr(b.last.message, "runs on no node"));
    (void)bench_claim(&b, vm, 3, RESULT_OK, VM_STATE_RUNNING, "");
    assert_int_equal(vm->foreign.n, 1);
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm3"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm3", .adopt = 1), REPLY_OK);
    uint64_t operation = vm->operation;
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm3", .adopt = 1), REPLY_OK);
    assert_int_equal(vm->operation, operation); /* the same */
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "vm3"), REPLY_OK);
    assert_false(vm->adopt);
    assert_int_equal(bench_order(&b, vm, ORDER_ADOPT, 3, 0), REPLY_REFUSED);
    bench_end(&b);
}

/* It ends by itself before it is adopted: it was to run, so the cluster starts it. */
static void ends_before(void **state) {
    (void)state;
    struct bench b;
    begin(&b);
    assert_int_equal(add_running(&b, 1u << 2), REPLY_OK);
    struct model_vm *vm = bench_vm(&b, "vm1");
    assert_int_equal(bench_claim(&b, vm, 2, RESULT_OK, VM_STATE_OFF, ""), REPLY_OK);
    assert_true(vm->foreign.n == 0 && !vm->adopt && vm->wanted == WANTED_RUNNING);
    bench_end(&b);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_on_one_node),     cmocka_unit_test(runs_on_none_or_two),
        cmocka_unit_test(on_a_drained_node),    cmocka_unit_test(every_other_report),
        cmocka_unit_test(its_end_is_not_known), cmocka_unit_test(what_people_ask_for),
        cmocka_unit_test(ends_before),          cmocka_unit_test(not_begun),
        cmocka_unit_test(its_node_is_off),      cmocka_unit_test(stopped_and_not_adopted),
    };
    return cmocka_run_group_tests_name("adopt", tests, NULL, NULL);
}
