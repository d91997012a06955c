/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One model, no cluster; see bench.h.
 */
#include "unit/core/one_model.h"

#include "core/replica/log.h"
#include "plain_vm.h"

static enum core_reply_code give(struct bench *b, uint32_t type, const void *command) {
    struct buffer body, entry;
    buffer_init(&body);
    buffer_init(&entry);
    wire_encode(command_record(type), command, &body);
    struct log_command c = {.type = type,
                            .time_ms = 1000 * b->m.index,
                            .origin = 1,
                            .incarnation = 1,
                            .body = {.data = body.data, .size = (uint32_t)body.size},
                            .asker = b->asker,
                            .user = b->user ? b->user : ""};
    wire_encode(&log_command_record, &c, &entry);
    outbox_reset(&b->out);
    assert_int_equal(apply_entry(&b->m, b->m.index + 1, b->epoch, entry.data, (uint32_t)entry.size,
                                 &b->out, &b->last),
                     0);
    buffer_finish(&body);
    buffer_finish(&entry);
    return b->last.code;
}

enum core_reply_code bench_give(struct bench *b, uint32_t type, const void *command) {
    enum core_reply_code code = give(b, type, command);
    uint32_t asking = b->last.asking;
    const struct model_vm *vm = asking && !b->unanswered ? model_vm_by_id(&b->m, asking) : NULL;
    while (vm && vm->unasked.n) {
        code = bench_claim(b, vm, vm->unasked.v[0], RESULT_OK, VM_STATE_OFF, "");
    }
    return code;
}

enum core_reply_code bench_claim(struct bench *b, const struct model_vm *vm, uint32_t node,
                                 enum agent_result result, enum agent_vm_state state,
                                 const char *reason) {
    struct cmd_vm_claim claim = {.vm = vm->id,
                                 .node = node,
                                 .incarnation = 10 + node,
                                 .result = (uint8_t)result,
                                 .state = (uint8_t)state,
                                 .reason = reason};
    return give(b, COMMAND_VM_CLAIM, &claim);
}

void bench_view(struct bench *b, uint32_t n, uint32_t ring) {
    static const uint32_t ids[] = {1, 2, 3};
    struct view_node nodes[] = {{.id = 1, .name = "n1", .votes = 1},
                                {.id = 2, .name = "n2", .votes = 1},
                                {.id = 3, .name = "n3", .votes = 1}};
    struct view_member members[] = {{1, 11}, {2, 12}, {3, 13}};
    struct cmd_view v = {
        .epoch = ++b->epoch, .members = {members, n}, .ring = {ids, ring}, .nodes = {nodes, 3}};
    assert_int_equal(bench_give(b, COMMAND_VIEW, &v), REPLY_OK);
}

void bench_begin(struct bench *b) {
    *b = (struct bench){0};
    model_init(&b->m);
    outbox_init(&b->out);
    bench_view(b, 3, 3);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(GIVE(b, NODE_REPORT, .node = i, .incarnation = 10 + i, .memory_mb = 4096,
                              .cpus = 4),
                         REPLY_OK);
    }
    assert_int_equal(GIVE(b, VOLUME_ADD, .name = "csv1", .path = "/srv/csv1"), REPLY_OK);
}

void bench_end(struct bench *b) {
    model_finish(&b->m);
    outbox_finish(&b->out);
}

void bench_volume_ok(struct bench *b, const char *name) {
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(GIVE(b, VOLUME_HEALTH, .volume = name, .node = i, .incarnation = 10 + i,
                              .state = VOLUME_OK),
                         REPLY_OK);
    }
}

struct model_vm *bench_vm(struct bench *b, const char *name) {
    return model_row(&b->m.vms, model_vm_by_name(&b->m, name));
}

struct model_node *bench_node(struct bench *b, uint32_t id) {
    return model_row(&b->m.nodes, model_node_by_id(&b->m, id));
}

struct model_vm *bench_add_vm(struct bench *b, const char *name, bool start) {
    struct cmd_vm_add add = plain_vm(name);
    add.start = start;
    assert_int_equal(bench_give(b, COMMAND_VM_ADD, &add), REPLY_OK);
    return bench_vm(b, name);
}

enum core_reply_code bench_order(struct bench *b, const struct model_vm *vm, enum order_kind kind,
                                 uint32_t node, uint32_t target) {
    return GIVE(b, VM_ORDER, .vm = vm->id, .generation = vm->generation, .serial = vm->serial,
                .kind = (uint8_t)kind, .node = node, .target = target, .operation = vm->operation);
}

enum core_reply_code bench_report(struct bench *b, const struct model_vm *vm,
                                  enum agent_result result, enum agent_vm_state state) {
    return GIVE(b, VM_REPORT, .vm = vm->id, .order = vm->order_index, .node = vm->order_node,
                .incarnation = 10 + vm->order_node, .result = (uint8_t)result,
                .state = (uint8_t)state, .reason = "because");
}

struct model_vm *bench_running_vm(struct bench *b, const char *name, uint32_t node) {
    struct model_vm *vm = bench_add_vm(b, name, true);
    assert_int_equal(bench_order(b, vm, ORDER_START, node, 0), REPLY_OK);
    assert_int_equal(bench_report(b, vm, RESULT_OK, VM_STATE_RUNNING), REPLY_OK);
    assert_int_equal(vm->state, VM_RUNNING);
    return vm;
}
