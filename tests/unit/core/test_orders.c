/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of orders, tried in every state of a VM: whatever is accepted makes no second copy.
 * Every report on every order: no VM is called off of which a copy may run.
 */
#include "core/replica/log.h"
#include "core/apply/order.h"
#include "core/apply/resolve.h"
#include "unit/core/one_model.h"

static const enum vm_state vm_states[] = {VM_OFF,      VM_STARTING,  VM_RUNNING,
                                          VM_STOPPING, VM_MIGRATING, VM_SAVING,
                                          VM_SAVED,    VM_RESTORING, VM_RESOLVING};

/* What an order may never do, in the words of the contract. */
static void check_order(const struct model *m, const struct model_vm *vm,
                        const struct cmd_vm_order *o) {
    bool fits = order_fits(m, vm, o);
    bool begins = o->kind == ORDER_START || o->kind == ORDER_RESTORE;
    bool moves = o->kind == ORDER_MIGRATE || o->kind == ORDER_SAVE;
    if (!fits) {
        return;
    }
    assert_int_equal(vm->order, ORDER_NONE);
    assert_true(ids_contain(&m->members, o->node));
    for (uint32_t node = 1; begins && node <= 3; node++) {
        assert_false(model_vm_may_run_on(vm, node)); /* there would be two */
    }
    if (o->kind == ORDER_START) {
        assert_int_equal(vm->wanted, WANTED_RUNNING);
        assert_int_equal(vm->state, VM_OFF);
    }
    if (begins || moves) {
        const struct model_node *to = model_node_by_id(m, begins ? o->node : o->target);
        assert_true(to && to->state == NODE_ONLINE && ids_contain(&m->members, to->id));
    }
    if (moves) {
        assert_true(o->node == vm->owner && o->target != vm->owner && vm->state == VM_RUNNING);
    }
    if (o->kind == ORDER_RESUME) {
        /* The source's memory is the newest, but only a target's copy that is known to be gone can
         * not run beside it. */
        assert_true(vm->state == VM_RESOLVING && vm->probe_owner == VM_STATE_PAUSED);
        assert_true(o->node == vm->owner && (!vm->target || vm->probe_target == VM_STATE_OFF));
    }
    if (order_on_files(o->kind)) {
        assert_non_null(model_journal_of_vm(m, vm->id));
        assert_true(vm->state == VM_OFF || (vm->state == VM_RUNNING && o->kind != ORDER_COPY));
    }
    if (o->kind == ORDER_DESTROY && vm->state == VM_RESOLVING) {
        assert_true(o->node == vm->owner || o->node == vm->target);
    }
}

/* ORDER_NONE, each kind, and one that nobody knows. */
#define X(...) +1
enum { KINDS = 2 ORDER_KINDS(X) };
#undef X

static uint32_t try_orders(const struct model *m, const struct model_vm *vm) {
    uint32_t fit = 0;
    for (uint32_t i = 0; i < KINDS * 25; i++) {
        struct cmd_vm_order o = {
            .vm = vm->id, .kind = (uint8_t)(i / 25), .node = i / 5 % 5, .target = i % 5};
        check_order(m, vm, &o);
        fit += order_fits(m, vm, &o);
    }
    return fit;
}

/* Of three nodes, n3 is no member. */
static void every_order_in_every_state(void **state) {
    (void)state;
    struct bench b;
    uint32_t fit = 0;
    bench_begin(&b);
    struct model_vm *vm = bench_add_vm(&b, "vm1", true);
    bench_view(&b, 2, 2);
    for (uint32_t i = 0; i < ARRAY_SIZE(vm_states) * 2 * 4 * 4; i++) {
        vm->state = (uint8_t)vm_states[i / 32];
        vm->wanted = (uint8_t)(i / 16 % 2);
        vm->owner = i / 4 % 4;
        vm->target = i % 4;
        bool alone = vm->state != VM_RESOLVING;
        for (uint32_t probes = 0; probes < (alone ? 1 : 25); probes++) {
            vm->probe_owner = (uint8_t)(probes / 5);
            vm->probe_target = (uint8_t)(probes % 5);
            vm->order = ORDER_NONE;
            fit += try_orders(&b.m, vm);
            vm->order = ORDER_PROBE; /* one at a time */
            assert_int_equal(try_orders(&b.m, vm), 0);
        }
    }
    assert_true(fit > 100);
    vm->order = ORDER_NONE;
    bench_end(&b);
}

/* Every report on every order: it ends where the VM's truth is known, or in RESOLVING; never is a
 * VM called off of which a copy may run. */
static void every_report(void **state) {
    (void)state;
    static const struct {
        enum order_kind kind;
        uint32_t node, target;
    } orders[] = {{ORDER_START, 1, 0},   {ORDER_STOP, 1, 0}, {ORDER_DESTROY, 1, 0},
                  {ORDER_MIGRATE, 1, 2}, {ORDER_SAVE, 1, 2}, {ORDER_RESTORE, 2, 0}};
    for (uint32_t i = 0; i < ARRAY_SIZE(orders) * 5 * 5; i++) {
        struct bench b;
        enum order_kind kind = orders[i / 25].kind;
        enum agent_result result = (enum agent_result)(i / 5 % 5);
        enum agent_vm_state found = (enum agent_vm_state)(i % 5);
        bench_begin(&b);
        struct model_vm *vm =
            kind == ORDER_START ? bench_add_vm(&b, "vm1", true) : bench_running_vm(&b, "vm1", 1);
        if (kind == ORDER_RESTORE) {
            assert_int_equal(bench_order(&b, vm, ORDER_SAVE, 1, 2), REPLY_OK);
            assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
        }
        assert_int_equal(bench_order(&b, vm, kind, orders[i / 25].node, orders[i / 25].target),
                         REPLY_OK);
        assert_int_equal(bench_report(&b, vm, result, found), REPLY_OK);
        assert_int_equal(vm->order, ORDER_NONE);
        assert_true(vm->state == VM_OFF || vm->state == VM_RUNNING || vm->state == VM_SAVED ||
                    vm->state == VM_RESOLVING);
        bool off = found == VM_STATE_OFF;
        assert_true(off || (vm->state != VM_OFF && vm->state != VM_SAVED));
        assert_true(vm->state != VM_RUNNING || found == VM_STATE_RUNNING ||
                    (kind == ORDER_MIGRATE && off && result == RESULT_OK && vm->owner == 2));
        assert_int_equal(bench_report(&b, vm, result, found), REPLY_REFUSED); /* once */
        bench_end(&b);
    }
}

/* What ended without a word, of a VM that is then found nowhere, has failed where it was at work.
 */
static void without_a_word(void **state) {
    (void)state;
    static const struct {
        enum order_kind kind;
        bool avoids;
        uint32_t failures;
    } cases[] = {{ORDER_START, true, 0}, {ORDER_RESTORE, true, 0}, {ORDER_MIGRATE, false, 1},
                 {ORDER_SAVE, false, 1}, {ORDER_STOP, false, 0},   {ORDER_DESTROY, false, 0}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;
        enum order_kind kind = cases[i].kind;
        bool starts = kind == ORDER_START;
        bool moves = kind == ORDER_MIGRATE || kind == ORDER_SAVE;
        bench_begin(&b);
        struct model_vm *vm =
            starts ? bench_add_vm(&b, "vm1", true) : bench_running_vm(&b, "vm1", 1);
        if (kind == ORDER_RESTORE) {
            assert_int_equal(bench_order(&b, vm, ORDER_SAVE, 1, 2), REPLY_OK);
            assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
        }
        uint32_t node = kind == ORDER_RESTORE ? 2 : 1;
        assert_int_equal(bench_order(&b, vm, kind, node, moves ? 2 : 0), REPLY_OK);
        assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_UNKNOWN), REPLY_OK);
        while (vm->state == VM_RESOLVING) {
            struct resolve_step step = resolve_next(vm);
            assert_int_equal(step.kind, ORDER_PROBE);
            assert_int_equal(bench_order(&b, vm, step.kind, step.node, 0), REPLY_OK);
            assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
        }
        assert_int_equal(vm->state,
                         kind == ORDER_RESTORE || kind == ORDER_SAVE ? VM_SAVED : VM_OFF);
        assert_int_equal(ids_contain(&vm->avoid, node), cases[i].avoids);
        assert_int_equal(vm->failures, cases[i].failures);
        assert_non_null(strstr(vm->reason, "ended without a clear result"));
        assert_int_equal(vm->unclear, ORDER_NONE);
        bench_end(&b);
    }
}

/* What was never begun has left the VM as it was: nothing is asked. */
static void never_begun(void **state) {
    (void)state;
    static const struct {
        enum order_kind kind;
        enum vm_state after;
        bool avoids;
    } cases[] = {{ORDER_START, VM_OFF, true},
                 {ORDER_RESTORE, VM_SAVED, true},
                 {ORDER_MIGRATE, VM_RUNNING, false},
                 {ORDER_SAVE, VM_RUNNING, false}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;
        enum order_kind kind = cases[i].kind;
        bool moves = kind == ORDER_MIGRATE || kind == ORDER_SAVE;
        bench_begin(&b);
        struct model_vm *vm =
            kind == ORDER_START ? bench_add_vm(&b, "vm1", true) : bench_running_vm(&b, "vm1", 1);
        if (kind == ORDER_RESTORE) {
            assert_int_equal(bench_order(&b, vm, ORDER_SAVE, 1, 2), REPLY_OK);
            assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
        }
        uint32_t node = kind == ORDER_RESTORE ? 2 : 1;
        assert_int_equal(bench_order(&b, vm, kind, node, moves ? 2 : 0), REPLY_OK);
        assert_int_equal(GIVE(&b, VM_REPORT, .vm = vm->id, .order = vm->order_index, .node = node,
                              .incarnation = 10 + node, .result = RESULT_FAILED, .not_begun = 1,
                              .reason = "no answer"),
                         REPLY_OK);
        assert_int_equal(vm->state, cases[i].after);
        assert_int_equal(vm->order, ORDER_NONE);
        assert_int_equal(ids_contain(&vm->avoid, node), cases[i].avoids);
        bench_end(&b);
    }
}

/* A node whose libvirt does not answer takes no VM; what is there, stays; and it is stuck only when
 * nothing is there but what nobody knows. */
static void without_libvirt(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = bench_add_vm(&b, "vm1", true);
    struct model_node *node = bench_node(&b, 1);
    assert_int_equal(GIVE(&b, NODE_LIBVIRT, .node = 1, .incarnation = 12, .reason = "gone"),
                     REPLY_REFUSED);
    assert_int_equal(GIVE(&b, NODE_LIBVIRT, .node = 1, .incarnation = 11, .reason = ""),
                     REPLY_REFUSED);
    assert_int_equal(bench_order(&b, vm, ORDER_START, 1, 0), REPLY_OK);
    assert_int_equal(GIVE(&b, NODE_LIBVIRT, .node = 1, .incarnation = 11, .reason = "gone"),
                     REPLY_OK);
    assert_string_equal(node->libvirt, "gone");
    assert_false(model_node_is_stuck(&b.m, node)); /* its agent is at work */
    assert_int_equal(GIVE(&b, FENCE_BEGIN, .node = 1, .incarnation = 11, .device = "d", .by = 1),
                     REPLY_REFUSED);
    assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_UNKNOWN), REPLY_OK);
    assert_int_equal(vm->state, VM_RESOLVING);
    assert_true(model_node_is_stuck(&b.m, node));
    struct model_vm *other = bench_add_vm(&b, "vm2", true);
    vm = bench_vm(&b, "vm1");
    assert_int_equal(bench_order(&b, other, ORDER_START, 1, 0), REPLY_REFUSED);
    other->state = VM_RUNNING; /* was there before */
    other->owner = 1;
    assert_false(model_node_is_stuck(&b.m, node));
    other->owner = 2;
    assert_true(model_node_is_stuck(&b.m, node));
    assert_int_equal(GIVE(&b, NODE_LIBVIRT, .node = 1, .incarnation = 11, .reason = ""), REPLY_OK);
    assert_false(model_node_is_stuck(&b.m, node));
    bench_end(&b);
}

/* A pause begins once, for a VM that has failed somewhere and is down, and ends once. */
static void retries(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = bench_add_vm(&b, "vm1", true);
    struct cmd_vm_retry wait = {.vm = vm->id, .serial = vm->serial, .wait = 1};
    assert_int_equal(bench_give(&b, COMMAND_VM_RETRY, &wait), REPLY_REFUSED); /* nothing failed */
    for (uint32_t round = 1; round <= 3; round++) {
        assert_int_equal(bench_order(&b, vm, ORDER_START, 1, 0), REPLY_OK);
        wait.serial = vm->serial;
        assert_int_equal(bench_give(&b, COMMAND_VM_RETRY, &wait), REPLY_REFUSED); /* it starts */
        assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_OFF), REPLY_OK);
        struct cmd_vm_retry again = {.vm = vm->id, .serial = vm->serial};
        assert_int_equal(bench_give(&b, COMMAND_VM_RETRY, &again), REPLY_REFUSED);
        wait.serial = vm->serial - 1;
        assert_int_equal(bench_give(&b, COMMAND_VM_RETRY, &wait), REPLY_REFUSED);
        wait.serial = vm->serial;
        assert_int_equal(bench_give(&b, COMMAND_VM_RETRY, &wait), REPLY_OK);
        assert_int_equal(vm->waits, 1);
        assert_int_equal(vm->retries, round);
        assert_int_equal(vm->retry_ms - b.last.time_ms, 5000u << round);
        wait.serial = vm->serial;
        assert_int_equal(bench_give(&b, COMMAND_VM_RETRY, &wait), REPLY_REFUSED); /* once */
        again.serial = vm->serial;
        assert_int_equal(bench_give(&b, COMMAND_VM_RETRY, &again), REPLY_OK);
        assert_int_equal(vm->waits, 0);
        assert_int_equal(vm->avoid.n, 0);
    }
    bench_end(&b);
}

static void void_orders(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = bench_running_vm(&b, "vm1", 1);
    struct cmd_vm_order o = {.vm = vm->id,
                             .generation = vm->generation,
                             .serial = vm->serial,
                             .kind = ORDER_STOP,
                             .node = 1};
    struct cmd_vm_order bad[4] = {o, o, o, o};
    bad[0].vm = 99;
    bad[1].generation--;
    bad[2].serial--;
    bad[3].kind = 99;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(bench_give(&b, COMMAND_VM_ORDER, &bad[i]), REPLY_REFUSED);
    }
    assert_int_equal(GIVE(&b, VM_RENEW, .vm = vm->id, .order = 1), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_RENEW, .vm = 99, .order = 1), REPLY_REFUSED);
    assert_int_equal(bench_give(&b, COMMAND_VM_ORDER, &o), REPLY_OK);
    assert_int_equal(GIVE(&b, VM_RENEW, .vm = vm->id, .order = vm->order_index - 1), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_RENEW, .vm = vm->id, .order = vm->order_index), REPLY_OK);
    struct cmd_vm_report r = {.vm = vm->id,
                              .order = vm->order_index,
                              .node = 1,
                              .incarnation = 11,
                              .state = VM_STATE_OFF};
    struct cmd_vm_report others[5] = {r, r, r, r, r};
    others[0].vm = 99;
    others[1].order--;
    others[2].node = 2;
    others[3].node = 99;
    others[4].incarnation = 12;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        assert_int_equal(bench_give(&b, COMMAND_VM_REPORT, &others[i]), REPLY_REFUSED);
    }
    assert_int_equal(bench_give(&b, COMMAND_VM_REPORT, &r), REPLY_OK);
    assert_int_equal(vm->state, VM_OFF);
    bench_end(&b);
}

/* A VM that was saved off a node that is being drained may go back there, as long as that node is
 * there, is not yet empty as its administrator wished, and has not failed to restore it, too. */
static void saved_goes_back(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = bench_running_vm(&b, "vm1", 1);
    assert_int_equal(GIVE(&b, NODE_DRAIN, .node = "n1"), REPLY_OK);
    assert_int_equal(bench_order(&b, vm, ORDER_SAVE, 1, 2), REPLY_OK);
    assert_false(resolve_goes_back(&b.m, vm)); /* it is not saved yet */
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(bench_order(&b, vm, ORDER_RESTORE, 2, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(vm->state, VM_SAVED);
    assert_true(resolve_goes_back(&b.m, vm));
    struct model_node *n1 = bench_node(&b, 1);
    const enum node_service services[] = {SERVICE_DRAINED, SERVICE_ACTIVE, SERVICE_DRAINING};
    for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
        n1->service = (uint8_t)services[i];
        assert_true(resolve_goes_back(&b.m, vm) == (services[i] == SERVICE_DRAINING));
    }
    n1->state = NODE_LOST;
    assert_false(resolve_goes_back(&b.m, vm));
    n1->state = NODE_ONLINE;
    const char *const name = "vm1", *const node = "n1";
    assert_int_equal(GIVE(&b, RULE_ADD, .name = "r", .kind = RULE_NOT_ON, .hard = 1,
                          .vms = {&name, 1}, .nodes = {&node, 1}),
                     REPLY_OK);
    assert_false(resolve_goes_back(&b.m, vm));
    assert_int_equal(GIVE(&b, RULE_REMOVE, .rule = "r"), REPLY_OK);
    assert_int_equal(bench_order(&b, vm, ORDER_RESTORE, 1, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_OFF), REPLY_OK);
    assert_false(resolve_goes_back(&b.m, vm)); /* it was tried there */
    bench_end(&b);
}

/* What happens to a copy without an order; and not if it is not the present one. */
/* A source that is gone says nothing about the copy that has arrived: it may have gone on before it
 * ended. Only the agent's word that it did not lets that copy go on. */
static void handed_over(void **state) {
    (void)state;
    for (int word = 0; word < 2; word++) {
        struct bench b;
        bench_begin(&b);
        struct model_vm *vm = bench_running_vm(&b, "vm1", 1);
        assert_int_equal(bench_order(&b, vm, ORDER_MIGRATE, 1, 2), REPLY_OK);
        uint64_t arrived = vm->move_generation;
        assert_int_equal(GIVE(&b, VM_REPORT, .vm = vm->id, .order = vm->order_index, .node = 1,
                              .incarnation = 11, .result = RESULT_FAILED, .state = VM_STATE_OFF,
                              .reason = "", .handed_over = (uint8_t)word),
                         REPLY_OK);
        assert_int_equal(vm->state, VM_RESOLVING);
        assert_int_equal(vm->owner, word ? 2 : 1);
        if (!word) {
            assert_int_equal(bench_order(&b, vm, ORDER_PROBE, 1, 0), REPLY_OK);
            assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_OFF), REPLY_OK);
        }
        assert_int_equal(bench_order(&b, vm, ORDER_PROBE, 2, 0), REPLY_OK);
        assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_PAUSED), REPLY_OK);
        struct resolve_step step = resolve_next(vm);
        assert_int_equal(step.node, 2);
        assert_int_equal(step.kind, word ? ORDER_RESUME : ORDER_DESTROY);
        assert_int_equal(bench_order(&b, vm, step.kind, 2, 0), REPLY_OK);
        assert_int_equal(bench_report(&b, vm, RESULT_OK, word ? VM_STATE_RUNNING : VM_STATE_OFF),
                         REPLY_OK);
        assert_int_equal(vm->state, word ? VM_RUNNING : VM_OFF);
        assert_true(!word || (vm->owner == 2 && vm->generation == arrived));
        bench_end(&b);
    }
}

static void events(void **state) {
    (void)state;
    static const struct {
        enum agent_event kind;
        enum vm_state state;
        enum vm_wanted wanted;
    } cases[] = {{VM_EVENT_NONE, VM_RUNNING, WANTED_RUNNING},
                 {VM_EVENT_STARTED, VM_RUNNING, WANTED_RUNNING},
                 {VM_EVENT_STOPPED, VM_OFF, WANTED_RUNNING},
                 {VM_EVENT_CRASHED, VM_OFF, WANTED_RUNNING},
                 {VM_EVENT_SHUTDOWN, VM_OFF, WANTED_STOPPED},
                 {VM_EVENT_PAUSED, VM_RUNNING, WANTED_RUNNING},
                 {VM_EVENT_RESUMED, VM_RUNNING, WANTED_RUNNING},
                 {VM_EVENT_MIGRATED, VM_OFF, WANTED_STOPPED},
                 {VM_EVENT_SURRENDERED, VM_OFF, WANTED_RUNNING}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;
        bench_begin(&b);
        struct model_vm *vm = bench_running_vm(&b, "vm1", 1);
        struct cmd_vm_event e = {.vm = vm->id,
                                 .node = 1,
                                 .generation = vm->generation,
                                 .incarnation = 11,
                                 .kind = (uint8_t)cases[i].kind,
                                 .reason = "why"};
        struct cmd_vm_event bad[5] = {e, e, e, e, e};
        bad[0].vm = 99;
        bad[1].node = 2;
        bad[2].node = 99;
        bad[3].generation--;
        bad[4].incarnation++;
        for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
            assert_int_equal(bench_give(&b, COMMAND_VM_EVENT, &bad[k]), REPLY_REFUSED);
        }
        assert_int_equal(bench_give(&b, COMMAND_VM_EVENT, &e), REPLY_OK);
        assert_int_equal(vm->state, cases[i].state);
        assert_int_equal(vm->wanted, cases[i].wanted);
        assert_int_equal(vm->paused, cases[i].kind == VM_EVENT_PAUSED);
        bench_end(&b);
    }
}

/* An entry of a later version, or one that cannot be read, changes nothing; the log goes on. */
static void unknown_command(void **state) {
    (void)state;
    struct bench b;
    struct buffer entry;
    struct apply result;
    bench_begin(&b);
    buffer_init(&entry);
    struct log_command c = {.type = 9999, .origin = 1};
    wire_encode(&log_command_record, &c, &entry);
    uint64_t events_before = b.m.last_event;
    assert_int_equal(apply_entry(&b.m, b.m.index + 1, b.epoch, entry.data, (uint32_t)entry.size,
                                 &b.out, &result),
                     0);
    assert_int_equal(result.code, REPLY_FAILED);
    assert_int_equal(b.m.last_event, events_before);
    assert_int_equal(apply_entry(&b.m, b.m.index + 1, b.epoch, entry.data, (uint32_t)entry.size - 1,
                                 &b.out, &result),
                     0);
    assert_int_equal(result.code, REPLY_FAILED);
    assert_int_equal(b.m.last_event, events_before + 1);
    const struct model_event *last = (const struct model_event *)b.m.events.rows + b.m.events.n - 1;
    assert_string_equal(last->kind, "log-damaged");
    assert_string_equal(command_name(9999), "UNKNOWN");
    assert_string_equal(command_name(COMMAND_VM_ADD), "VM_ADD");
    assert_string_equal(vm_state_name(200), "unknown");
    buffer_finish(&entry);
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_in_every_state),
        cmocka_unit_test(every_report),
        cmocka_unit_test(without_a_word),
        cmocka_unit_test(retries),
        cmocka_unit_test(never_begun),
        cmocka_unit_test(without_libvirt),
        cmocka_unit_test(void_orders),
        cmocka_unit_test(saved_goes_back),
        cmocka_unit_test(handed_over),
        cmocka_unit_test(events),
        cmocka_unit_test(unknown_command),
    };
    return cmocka_run_group_tests_name("core_orders", tests, NULL, NULL);
}
