/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What people ask for, and by which rules it is refused; nodes that come, go and are fenced.
 */
#include "core/model/settings.h"
#include "unit/core/one_model.h"

/* ---- what people ask for ---- */

static void names(void **state) {
    (void)state;
    static const char *const bad[] = {"", "-a", ".a", "a b", "a/b", "\xc3\xa4"};
    struct bench b;
    bench_begin(&b);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(GIVE(&b, VOLUME_ADD, .name = bad[i], .path = "/x"), REPLY_REFUSED);
        assert_int_equal(GIVE(&b, DEVICE_ADD, .name = bad[i], .agent = "fence_x"), REPLY_REFUSED);
        assert_int_equal(GIVE(&b, VM_ADD, .name = bad[i], .uuid = "u", .xml = "x", .memory_mb = 1,
                              .vcpus = 1),
                         REPLY_REFUSED);
        assert_true(b.last.message[0] && b.last.hint[0]);
    }
    assert_true(b.m.volumes.n == 1 && b.m.vms.n == 0 && b.m.devices.n == 0);
    bench_end(&b);
}

static void volumes(void **state) {
    (void)state;
    struct bench b;
    char name[16], path[16];
    bench_begin(&b);
    assert_int_equal(GIVE(&b, VOLUME_ADD, .name = "csv1", .path = "/other"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VOLUME_ADD, .name = "other", .path = "/srv/csv1"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VOLUME_ADD, .name = "a", .path = "srv"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VOLUME_ADD, .name = "a", .path = "/"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VOLUME_ADD, .name = "a", .path = "/srv/../etc"), REPLY_REFUSED);
    for (uint32_t i = 2; i <= MODEL_MAX_VOLUMES + 1; i++) {
        (void)snprintf(name, sizeof(name), "v%u", i);
        (void)snprintf(path, sizeof(path), "/v%u", i);
        assert_int_equal(GIVE(&b, VOLUME_ADD, .name = name, .path = path),
                         i <= MODEL_MAX_VOLUMES ? REPLY_OK : REPLY_REFUSED);
    }
    struct model_vm *vm = bench_add_vm(&b, "vm1", false);
    assert_int_equal(GIVE(&b, VOLUME_REMOVE, .volume = "csv1"), REPLY_REFUSED);
    assert_non_null(strstr(b.last.message, "vm1"));
    assert_int_equal(GIVE(&b, VM_REMOVE, .vm = vm->name), REPLY_OK);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(GIVE(&b, VOLUME_HEALTH, .volume = i == 3 ? "v2" : "csv1", .node = i,
                              .incarnation = 10 + i, .state = VOLUME_OK),
                         REPLY_OK);
    }
    assert_int_equal(b.m.health.n, 3);
    assert_int_equal(GIVE(&b, VOLUME_REMOVE, .volume = "csv1"), REPLY_OK);
    assert_int_equal(b.m.health.n, 1); /* what was seen of it goes with it; the other stays */
    assert_int_equal(GIVE(&b, VOLUME_REMOVE, .volume = "csv1"), REPLY_NOT_FOUND);
    bench_end(&b);
}

/* Older members take a path as it comes; when all are new, one directory is one volume. */
static void volume_paths(void **state) {
    static const struct {
        const char *path;
        bool good; /* for new members */
    } cases[] = {
        {"/srv/csv1/", false}, {"//srv/csv1", false},  {"/srv/csv1/.", false},
        {"/a/..", false},      {"/..", false},         {"//", false},
        {"/a:b", false},       {"/a=b", false},        {"/a,b", false},
        {"/a\033b", false},    {"/a\302\205", false},  {"/a\342\200\216", false},
        {"/a\377", false},     {"/srv/../etc", false}, {"srv", false},
        {"/b//c/./", true},    {"/\303\244 b", true},
    };
    (void)state;
    for (uint32_t protocol = 4; protocol <= 5; protocol++) {
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
            struct bench b;
            bool before = cases[i].path[0] == '/' && !strstr(cases[i].path, "/../");
            bool good = protocol < 5 ? before : cases[i].good;
            bench_begin(&b);
            b.m.protocol = protocol;
            assert_int_equal(GIVE(&b, VOLUME_ADD, .name = "x", .path = cases[i].path),
                             good ? REPLY_OK : REPLY_REFUSED);
            assert_true(good || (b.last.message[0] && b.last.hint[0]));
            assert_true(b.m.needs <= protocol);
            bench_end(&b);
        }
    }
}

static void volume_paths_are_kept_in_one_form(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    b.m.protocol = 5;
    assert_int_equal(GIVE(&b, VOLUME_ADD, .name = "plain", .path = "/plain"), REPLY_OK);
    assert_int_equal(b.m.needs, 0); /* an older clusterd does the same */
    assert_int_equal(GIVE(&b, VOLUME_ADD, .name = "x", .path = "/b//c/./"), REPLY_OK);
    assert_string_equal(model_volume_by_name(&b.m, "x")->path, "/b/c");
    assert_int_equal(b.m.needs, 5);
    bench_end(&b);

    /* What an older version has left is the same directory all the same. */
    bench_begin(&b);
    b.m.protocol = 4;
    assert_int_equal(GIVE(&b, VOLUME_ADD, .name = "old", .path = "/b//c/"), REPLY_OK);
    assert_string_equal(model_volume_by_name(&b.m, "old")->path, "/b//c/");
    b.m.protocol = 5;
    assert_int_equal(GIVE(&b, VOLUME_ADD, .name = "x", .path = "/b/c"), REPLY_REFUSED);
    assert_non_null(strstr(b.last.message, "'old' at /b//c/ exists already"));
    assert_int_equal(b.m.needs, 5);
    b.m.protocol = 4;
    assert_int_equal(GIVE(&b, VOLUME_ADD, .name = "x", .path = "/b/c"), REPLY_OK);
    bench_end(&b);
}

static void volume_health(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = bench_add_vm(&b, "vm1", true);
    assert_int_equal(bench_order(&b, vm, ORDER_START, 1, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_FAILED, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(vm->avoid.n, 1);
    assert_int_equal(GIVE(&b, VOLUME_HEALTH, .volume = "none", .node = 1, .incarnation = 11),
                     REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VOLUME_HEALTH, .volume = "csv1", .node = 9, .incarnation = 11),
                     REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VOLUME_HEALTH, .volume = "csv1", .node = 1, .incarnation = 99),
                     REPLY_REFUSED);
    uint64_t told = b.m.last_event;
    static const struct {
        enum volume_state state;
        uint32_t events;
    } changes[] = {{VOLUME_UNKNOWN, 0},
                   {VOLUME_FAILED, 1},
                   {VOLUME_FAILED, 0},
                   {VOLUME_UNKNOWN, 0},
                   {VOLUME_OK, 1}};
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        assert_int_equal(GIVE(&b, VOLUME_HEALTH, .volume = "csv1", .node = 1, .incarnation = 11,
                              .state = (uint8_t)changes[i].state, .reason = i % 2 ? "why" : ""),
                         REPLY_OK);
        told += changes[i].events;
        assert_int_equal(b.m.last_event, told);
    }
    assert_int_equal(vm->avoid.n, 0); /* what failed without the volume may work now */
    bench_end(&b);
}

static void devices_and_settings(void **state) {
    (void)state;
    static const char *const words[] = {"n1", "n9"};
    struct bench b;
    char name[16];
    bench_begin(&b);
    assert_int_equal(GIVE(&b, DEVICE_ADD, .name = "d", .agent = "ipmi"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, DEVICE_ADD, .name = "d", .agent = "fence_/bin/sh"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, DEVICE_ADD, .name = "d", .agent = "fence_x", .keys = {words, 1}),
                     REPLY_REFUSED);
    assert_int_equal(GIVE(&b, DEVICE_ADD, .name = "d", .agent = "fence_x", .nodes = {words, 2}),
                     REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, NODE_FENCE, .node = "n1"), REPLY_REFUSED); /* no device */
    assert_int_equal(GIVE(&b, DEVICE_ADD, .name = "one", .agent = "fence_x", .nodes = {words, 1}),
                     REPLY_OK);
    assert_int_equal(GIVE(&b, DEVICE_ADD, .name = "one", .agent = "fence_x"), REPLY_REFUSED);
    assert_null(model_device_for(&b.m, 2));
    for (uint32_t i = 1; i <= MODEL_MAX_DEVICES; i++) {
        (void)snprintf(name, sizeof(name), "d%u", i);
        assert_int_equal(GIVE(&b, DEVICE_ADD, .name = name, .agent = "fence_x"),
                         i < MODEL_MAX_DEVICES ? REPLY_OK : REPLY_REFUSED);
    }
    assert_string_equal(model_device_for(&b.m, 1)->name,
                        "one"); /* that names it, not one for all */
    assert_string_equal(model_device_for(&b.m, 2)->name, "d1");
    assert_int_equal(GIVE(&b, DEVICE_REMOVE, .device = "none"), REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, DEVICE_REMOVE, .device = "one"), REPLY_OK);

    static const char *const no_values[] = {"", "x", "1x", "-1", "2", "1234567890123456789"};
    assert_int_equal(GIVE(&b, CONFIG_SET, .key = "none", .value = "1"), REPLY_NOT_FOUND);
    for (size_t i = 0; i < ARRAY_SIZE(no_values); i++) {
        assert_int_equal(GIVE(&b, CONFIG_SET, .key = "drain_allow_quick", .value = no_values[i]),
                         REPLY_REFUSED);
        assert_int_equal(GIVE(&b, CONFIG_SET, .key = "stop_grace_ms", .value = "99999999"),
                         REPLY_REFUSED);
    }
    assert_int_equal(GIVE(&b, CONFIG_SET, .key = "drain_allow_quick", .value = "0"), REPLY_OK);
    assert_int_equal(GIVE(&b, CONFIG_SET, .key = "restart_limit", .value = "9"), REPLY_OK);
    assert_int_equal(GIVE(&b, CONFIG_SET, .key = "restart_limit", .value = "8"), REPLY_OK);
    assert_int_equal(b.m.settings.n, 2);
    assert_int_equal(setting_get(&b.m, SETTING_restart_limit), 8);
    assert_int_equal(setting_get(&b.m, SETTING_drain_allow_quick), 0);
    bench_end(&b);
}

static void vm_definitions(void **state) {
    (void)state;
    static const char *const none = "none", *const n2 = "n2";
    struct bench b;
    bench_begin(&b);
    const struct cmd_vm_add good = {
        .name = "a", .uuid = "ua", .xml = "<domain/>", .memory_mb = 1, .vcpus = 1};
    struct cmd_vm_add bad[8];
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        bad[i] = good;
    }
    assert_int_equal(bench_give(&b, COMMAND_VM_ADD, &good), REPLY_OK);
    bad[0].uuid = "other";
    bad[1].name = "other";
    for (size_t i = 2; i < ARRAY_SIZE(bad); i++) {
        bad[i].name = "other";
        bad[i].uuid = "other";
    }
    bad[2].uuid = "";
    bad[3].xml = "";
    bad[4].memory_mb = 0;
    bad[5].vcpus = 0;
    bad[6].volumes = (struct wire_strs){&none, 1};
    bad[7].possible = (struct wire_strs){&none, 1};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(bench_give(&b, COMMAND_VM_ADD, &bad[i]),
                         i < 6 ? REPLY_REFUSED : REPLY_NOT_FOUND);
    }
    bad[7].possible = (struct wire_strs){&n2, 1};
    bad[7].preferred = (struct wire_strs){&none, 1};
    assert_int_equal(bench_give(&b, COMMAND_VM_ADD, &bad[7]), REPLY_NOT_FOUND);
    assert_int_equal(b.m.vms.n, 1);
    bench_end(&b);
}

static void vm_wishes(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    assert_int_equal(GIVE(&b, VM_START, .vm = "none"), REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "none"), REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, VM_MOVE, .vm = "none", .to = "n1"), REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, VM_REMOVE, .vm = "none"), REPLY_NOT_FOUND);
    struct model_vm *vm = bench_running_vm(&b, "vm1", 1);
    assert_int_equal(GIVE(&b, VM_REMOVE, .vm = "vm1"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_MOVE, .vm = "vm1", .to = "n9"), REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, VM_MOVE, .vm = "vm1", .to = "n1"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_EVENT, .vm = vm->id, .node = 1, .generation = vm->generation,
                          .incarnation = 11, .kind = VM_EVENT_PAUSED, .reason = "I/O error"),
                     REPLY_OK);
    assert_int_equal(GIVE(&b, VM_MOVE, .vm = "vm1", .to = "n2"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_EVENT, .vm = vm->id, .node = 1, .generation = vm->generation,
                          .incarnation = 11, .kind = VM_EVENT_RESUMED),
                     REPLY_OK);
    assert_int_equal(GIVE(&b, VM_MOVE, .vm = "vm1", .to = "n2"), REPLY_OK);
    uint64_t move = b.last.operation;
    assert_int_equal(GIVE(&b, VM_MOVE, .vm = "vm1", .to = "n3"), REPLY_REFUSED);
    /* A stop takes the move's place; once more is the same stop; a start takes it back. */
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "vm1"), REPLY_OK);
    uint64_t stop = b.last.operation;
    assert_int_equal(model_operation_by_id(&b.m, move)->state, OPERATION_CANCELLED);
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "vm1"), REPLY_OK);
    assert_int_equal(b.last.operation, stop);
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm1"), REPLY_OK);
    assert_int_not_equal(model_operation_by_id(&b.m, stop)->state, OPERATION_RUNNING);
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm1"), REPLY_OK); /* it runs */
    assert_int_equal(b.last.operation, 0);
    bench_end(&b);
}

static void vm_wishes_when_off(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = bench_add_vm(&b, "vm1", false);
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "vm1"), REPLY_OK);
    assert_int_equal(GIVE(&b, VM_MOVE, .vm = "vm1", .to = "n2"), REPLY_OK); /* it belongs there */
    assert_int_equal(vm->owner, 2);
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm1"), REPLY_OK);
    uint64_t start = b.last.operation;
    assert_int_equal(GIVE(&b, VM_START, .vm = "vm1"), REPLY_OK);
    assert_int_equal(b.last.operation, start);
    assert_int_equal(GIVE(&b, VM_REMOVE, .vm = "vm1"), REPLY_REFUSED); /* it is to run */
    vm->operation = 0;
    assert_int_equal(GIVE(&b, VM_MOVE, .vm = "vm1", .to = "n2"), REPLY_REFUSED);
    /* Saved by a quick move: its memory is not thrown away by the way. */
    struct model_vm *saved = bench_running_vm(&b, "vm2", 1);
    assert_int_equal(bench_order(&b, saved, ORDER_SAVE, 1, 2), REPLY_OK);
    assert_int_equal(bench_report(&b, saved, RESULT_OK, VM_STATE_OFF), REPLY_OK);
    assert_int_equal(saved->state, VM_SAVED);
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "vm2"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, VM_STOP, .vm = "vm2", .force = 1), REPLY_OK);
    assert_int_equal(saved->state, VM_OFF);
    assert_int_equal(GIVE(&b, VM_REMOVE, .vm = "vm2"), REPLY_OK);
    bench_end(&b);
}

static void operations(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = 999), REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, OPERATION_END, .operation = 999, .state = OPERATION_DONE),
                     REPLY_REFUSED);
    struct model_vm *vm = bench_running_vm(&b, "vm1", 1);
    assert_int_equal(GIVE(&b, NODE_DRAIN, .node = "n1"), REPLY_OK);
    uint64_t drain = b.last.operation;
    assert_int_equal(GIVE(&b, NODE_DRAIN, .node = "n1"), REPLY_OK);
    assert_int_equal(b.last.operation, drain);
    static const uint8_t no_ends[] = {0, OPERATION_RUNNING, OPERATION_CANCELLED + 1, 255};
    for (size_t i = 0; i < ARRAY_SIZE(no_ends); i++) {
        assert_int_equal(GIVE(&b, OPERATION_END, .operation = drain, .state = no_ends[i]),
                         REPLY_REFUSED);
    }
    /* It is not drained while a VM is there. */
    assert_int_equal(GIVE(&b, OPERATION_END, .operation = drain, .state = OPERATION_DONE),
                     REPLY_REFUSED);
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = drain), REPLY_OK);
    assert_int_equal(model_node_by_id(&b.m, 1)->service, SERVICE_ACTIVE);
    assert_int_equal(GIVE(&b, OPERATION_END, .operation = drain, .state = OPERATION_CANCELLED),
                     REPLY_OK);
    assert_int_equal(GIVE(&b, OPERATION_CANCEL, .operation = drain), REPLY_REFUSED);
    assert_int_equal(vm->operation, 0);
    /* A node without VMs: drained at once, and back. */
    assert_int_equal(GIVE(&b, NODE_RESUME, .node = "n2"), REPLY_OK);
    assert_int_equal(b.last.operation, 0);
    assert_int_equal(GIVE(&b, NODE_DRAIN, .node = "n2"), REPLY_OK);
    assert_int_equal(
        GIVE(&b, OPERATION_END, .operation = b.last.operation, .state = OPERATION_DONE), REPLY_OK);
    assert_int_equal(model_node_by_id(&b.m, 2)->service, SERVICE_DRAINED);
    assert_int_equal(GIVE(&b, NODE_RESUME, .node = "n2"), REPLY_OK);
    assert_int_not_equal(b.last.operation, 0);
    bench_end(&b);
}

/* The oldest that have ended are forgotten, and none that runs. */
static void operations_are_forgotten(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = bench_running_vm(&b, "vm1", 1);
    uint64_t first = 0;
    for (uint32_t i = 0; i < MODEL_MAX_OPERATIONS + 20; i++) {
        assert_int_equal(GIVE(&b, VM_MOVE, .vm = "vm1", .to = "n2"), REPLY_OK);
        first = first ? first : b.last.operation;
        assert_int_equal(GIVE(&b, OPERATION_END, .operation = b.last.operation,
                              .state = OPERATION_FAILED, .reason = "no"),
                         REPLY_OK);
        assert_int_equal(vm->operation, 0);
    }
    assert_null(model_operation_by_id(&b.m, first));
    assert_int_equal(b.m.operations.n, MODEL_MAX_OPERATIONS);
    bench_end(&b);
}

/* ---- nodes and fencing ---- */

/* What a node that returns does not tell of may run there all the same: only libvirt's word ends
 * it.
 */
static void a_vm_not_told_of(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = bench_running_vm(&b, "vm1", 3);
    bench_view(&b, 2, 2);
    bench_view(&b, 3, 3);
    assert_int_equal(GIVE(&b, NODE_REPORT, .node = 3, .incarnation = 13), REPLY_OK);
    assert_int_equal(vm->state, VM_RESOLVING);
    assert_int_equal(bench_order(&b, vm, ORDER_PROBE, 3, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
    assert_int_equal(vm->state, VM_RUNNING);
    bench_end(&b);
}

/* Resumed, and paused again at once: it is not resumed once more. */
static void a_resume_that_does_not_last(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    struct model_vm *vm = bench_running_vm(&b, "vm1", 3);
    bench_view(&b, 2, 2);
    bench_view(&b, 3, 3);
    assert_int_equal(GIVE(&b, NODE_REPORT, .node = 3, .incarnation = 13), REPLY_OK);
    assert_int_equal(bench_order(&b, vm, ORDER_PROBE, 3, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_PAUSED), REPLY_OK);
    assert_int_equal(bench_order(&b, vm, ORDER_RESUME, 3, 0), REPLY_OK);
    assert_int_equal(bench_report(&b, vm, RESULT_OK, VM_STATE_PAUSED), REPLY_OK);
    assert_int_equal(vm->state, VM_RUNNING);
    assert_int_equal(vm->paused, 1);
    assert_int_equal(vm->order, ORDER_NONE);
    bench_end(&b);
}

static void fencing(void **state) {
    (void)state;
    struct bench b;
    bench_begin(&b);
    assert_int_equal(GIVE(&b, DEVICE_ADD, .name = "pdu", .agent = "fence_x"), REPLY_OK);
    struct model_vm *vm = bench_running_vm(&b, "vm1", 3);
    struct model_node *node = bench_node(&b, 3);
    static const char *const none = "none";
    assert_int_equal(GIVE(&b, NODE_DRAIN, .node = none), REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, NODE_RESUME, .node = none), REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, NODE_FENCE, .node = none), REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, NODE_CONFIRM_OFF, .node = none), REPLY_NOT_FOUND);
    assert_int_equal(GIVE(&b, NODE_CONFIRM_OFF, .node = "n3"), REPLY_REFUSED); /* a member */
    assert_int_equal(GIVE(&b, FENCE_BEGIN, .node = 3, .incarnation = 13, .by = 1), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, FENCE_BEGIN, .node = 9, .by = 1), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, NODE_LEAVE, .node = 3, .incarnation = 13), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, NODE_LEAVE, .node = 9, .incarnation = 13), REPLY_REFUSED);
    bench_view(&b, 2, 3); /* its corosync answers, its clusterd does not */
    assert_int_equal(node->state, NODE_SILENT);
    assert_int_equal(GIVE(&b, NODE_CONFIRM_OFF, .node = "n3"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, NODE_REPORT, .node = 3, .incarnation = 13), REPLY_REFUSED);
    bench_view(&b, 2, 2);
    assert_int_equal(node->state, NODE_LOST);
    assert_int_equal(GIVE(&b, NODE_DRAIN, .node = "n3"), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, FENCE_BEGIN, .node = 3, .incarnation = 99, .by = 1), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, FENCE_BEGIN, .node = 3, .incarnation = 13, .by = 2), REPLY_REFUSED);
    assert_int_equal(GIVE(&b, FENCE_BEGIN, .node = 3, .incarnation = 13, .by = 1), REPLY_OK);
    uint64_t attempt = b.m.index;
    assert_int_equal(node->state, NODE_FENCING);
    assert_int_equal(GIVE(&b, FENCE_RESULT, .node = 3, .incarnation = 13, .order = attempt - 1,
                          .evidence = EVIDENCE_AGENT),
                     REPLY_REFUSED);
    assert_int_equal(GIVE(&b, FENCE_RESULT, .node = 3, .incarnation = 99, .order = attempt,
                          .evidence = EVIDENCE_AGENT),
                     REPLY_REFUSED);
    assert_int_equal(GIVE(&b, FENCE_RESULT, .node = 3, .incarnation = 13, .order = attempt,
                          .evidence = EVIDENCE_NONE, .message = "no answer"),
                     REPLY_OK);
    assert_int_equal(node->state, NODE_LOST);
    assert_int_equal(vm->state, VM_RUNNING); /* nobody knows */
    assert_int_equal(GIVE(&b, NODE_CONFIRM_OFF, .node = "n3"), REPLY_OK);
    assert_int_equal(node->state, NODE_FENCED);
    assert_int_equal(vm->state, VM_OFF);
    assert_int_equal(GIVE(&b, NODE_CONFIRM_OFF, .node = "n3"), REPLY_OK);
    assert_int_equal(GIVE(&b, NODE_FENCE, .node = "n3"), REPLY_OK); /* it is */
    assert_int_equal(b.last.operation, 0);
    /* By its watchdog only what is lost. */
    assert_int_equal(GIVE(&b, FENCE_RESULT, .node = 2, .incarnation = 12,
                          .evidence = EVIDENCE_WATCHDOG),
                     REPLY_REFUSED);
    bench_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(volumes),
        cmocka_unit_test(volume_paths),
        cmocka_unit_test(volume_paths_are_kept_in_one_form),
        cmocka_unit_test(volume_health),
        cmocka_unit_test(devices_and_settings),
        cmocka_unit_test(vm_definitions),
        cmocka_unit_test(vm_wishes),
        cmocka_unit_test(vm_wishes_when_off),
        cmocka_unit_test(operations),
        cmocka_unit_test(operations_are_forgotten),
        cmocka_unit_test(a_vm_not_told_of),
        cmocka_unit_test(a_resume_that_does_not_last),
        cmocka_unit_test(fencing),
    };
    return cmocka_run_group_tests_name("core_apply", tests, NULL, NULL);
}
