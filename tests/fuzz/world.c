/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands from bytes, applied; see world.h.
 */
#include "fuzz/world.h"

#include "base/check.h"
#include "core/apply/apply.h"
#include "core/replica/log.h"
#include "core/planner/planner.h"
#include "plain_vm.h"

#include <errno.h>
#include <string.h>

void fuzz_world_init(struct fuzz_world *w) {
    *w = (struct fuzz_world){0};
    model_init(&w->model);
    outbox_init(&w->out);
}

void fuzz_world_finish(struct fuzz_world *w) {
    model_finish(&w->model);
    outbox_finish(&w->out);
}

/* ---- applying ---- */

static void apply_to(struct model *m, struct outbox *out, uint64_t epoch,
                     const struct buffer *entry) {
    struct apply result;
    outbox_reset(out);
    CHECK(apply_entry(m, m->index + 1, epoch, entry->data, (uint32_t)entry->size, out, &result) ==
          0);
    CHECK(result.message && result.hint);
}

static void apply_command(struct fuzz_world *w, struct model *again, uint32_t type,
                          const void *command, struct bytes *b) {
    struct buffer body, entry;
    buffer_init(&body);
    buffer_init(&entry);
    wire_encode(command_record(type), command, &body);
    struct log_command c = {.type = type,
                            .time_ms = 1000 * w->model.index,
                            .origin = 1 + bytes_below(b, 3),
                            .incarnation = 1,
                            .request = w->model.index,
                            .body = {.data = body.data, .size = (uint32_t)body.size}};
    wire_encode(&log_command_record, &c, &entry);
    apply_to(&w->model, &w->out, w->epoch, &entry);
    apply_to(again, &w->out, w->epoch, &entry);
    buffer_finish(&body);
    buffer_finish(&entry);
}

static const uint32_t types[] = {
#define X(NAME, number, ...) number,
    WIRE_COMMANDS(X)
#undef X
};

/* The fields by which an order, a report or an event is known, as the VM's row has them: so it is
 * not refused at once, as nearly all made ones would be. */
static void fit(const struct model *m, uint32_t type, void *command, struct bytes *b) {
    if (m->vms.n == 0) {
        return;
    }
    const struct model_vm *vm =
        (const struct model_vm *)m->vms.rows + bytes_below(b, m->vms.n < 255 ? m->vms.n : 255);
    if (type == COMMAND_VM_ORDER) {
        struct cmd_vm_order *order = command;
        order->vm = vm->id;
        order->generation = vm->generation;
        order->serial = vm->serial;
        order->operation = vm->operation;
    } else if (type == COMMAND_VM_REPORT) {
        struct cmd_vm_report *report = command;
        report->vm = vm->id;
        report->order = vm->order_index;
        report->node = vm->order_node;
    } else if (type == COMMAND_VM_EVENT) {
        struct cmd_vm_event *event = command;
        event->vm = vm->id;
        event->node = vm->owner;
        event->generation = vm->generation;
    } else if (type == COMMAND_VM_RENEW) {
        struct cmd_vm_renew *renew = command;
        renew->vm = vm->id;
        renew->order = vm->order_index;
    } else if (type == COMMAND_VM_RETRY) {
        struct cmd_vm_retry *retry = command;
        retry->vm = vm->id;
        retry->serial = vm->serial;
    }
}

/* What the replica sees to: each view has an epoch of its own, and 0 is no node. */
static void fit_view(struct fuzz_world *w, struct cmd_view *view) {
    struct view_member *members = view->members.items;
    struct view_node *nodes = view->nodes.items;
    view->epoch = ++w->epoch;
    for (uint32_t i = 0; i < view->members.n; i++) {
        members[i].node += members[i].node == 0;
    }
    for (uint32_t i = 0; i < view->nodes.n; i++) {
        nodes[i].id += nodes[i].id == 0;
    }
}

void fuzz_world_command(struct fuzz_world *w, struct model *again, struct bytes *b) {
    struct arena arena;
    arena_init(&arena);
    uint32_t how = (uint32_t)bytes_number(b, 1);
    uint32_t type = types[how % ARRAY_SIZE(types)];
    void *command = arena_alloc(&arena, command_record(type)->size);
    CHECK(command != NULL);
    make_record(command_record(type), command, b, &arena, w->model.index);
    if (how < 200) {
        fit(&w->model, type, command, b);
    }
    if (type == COMMAND_VIEW) {
        fit_view(w, command);
    }
    apply_command(w, again, type, command, b);
    arena_finish(&arena);
}

/* ---- a beginning ---- */

static void begin_nodes(struct fuzz_world *w, struct model *again, struct bytes *b) {
    static const uint32_t ids[] = {1, 2, 3};
    struct view_node nodes[] = {{.id = 1, .name = "n1", .votes = 1},
                                {.id = 2, .name = "n2", .votes = 1},
                                {.id = 3, .name = "n3", .votes = 1}};
    struct view_member members[] = {{1, 1}, {2, 1}, {3, 1}};
    struct cmd_view view = {
        .epoch = ++w->epoch, .members = {members, 3}, .ring = {ids, 3}, .nodes = {nodes, 3}};
    apply_command(w, again, COMMAND_VIEW, &view, b);
    for (uint32_t i = 1; i <= 3; i++) {
        struct cmd_node_report report = {
            .node = i, .incarnation = 1, .memory_mb = 4096, .cpus = 4, .watchdog_ms = 5000};
        apply_command(w, again, COMMAND_NODE_REPORT, &report, b);
    }
}

void fuzz_world_begin(struct fuzz_world *w, struct model *again) {
    static const char *const key = "plug", *const value = "{node}";
    struct bytes none = {0};
    struct cmd_volume_add volume = {.name = "csv1", .path = "/srv/csv1"};
    struct cmd_device_add device = {
        .name = "pdu", .agent = "fence_sim", .keys = {&key, 1}, .values = {&value, 1}};
    struct cmd_vm_add vm = plain_vm("vm1");
    vm.start = 1;
    begin_nodes(w, again, &none);
    apply_command(w, again, COMMAND_VOLUME_ADD, &volume, &none);
    apply_command(w, again, COMMAND_DEVICE_ADD, &device, &none);
    for (uint32_t i = 1; i <= 3; i++) {
        struct cmd_volume_health health = {
            .volume = "csv1", .node = i, .incarnation = 1, .state = VOLUME_OK, .nonce = "x"};
        apply_command(w, again, COMMAND_VOLUME_HEALTH, &health, &none);
    }
    apply_command(w, again, COMMAND_VM_ADD, &vm, &none);
    CHECK(w->model.vms.n == 1 && w->model.health.n == 3);
}

/* ---- asking ---- */

void fuzz_world_renew(struct fuzz_world *w, struct model *again) {
    struct buffer bytes;
    buffer_init(&bytes);
    model_encode(&w->model, &bytes);
    CHECK(!bytes.failed);
    model_finish(again);
    CHECK(model_decode(again, bytes.data, bytes.size) == 0);
    buffer_finish(&bytes);
    fuzz_world_same(w, again);
}

void fuzz_world_same(const struct fuzz_world *w, const struct model *again) {
    CHECK(w->model.index == again->index);
    CHECK(model_digest(&w->model) == model_digest(again));
}

static void ask_about(const struct model *m, uint32_t vm, struct arena *arena, bool must_answer) {
    struct planner_explanation explanation;
    struct planner_plan plan;
    struct planner_verdict verdict;
    int err = planner_explain(m, vm, arena, &explanation);
    CHECK(err == 0 || !must_answer);
    err = planner_place(m, &vm, 1, arena, &plan);
    CHECK(err == 0 || !must_answer);
    err = planner_check(m, vm, 1, arena, &verdict);
    CHECK(err == 0 || err == -ENOENT || !must_answer);
}

void fuzz_world_ask(const struct fuzz_world *w, bool must_answer) {
    struct arena arena;
    uint32_t asked = 0;
    arena_init(&arena);
    MODEL_EACH(model_vm, vm, &w->model.vms) {
        if (asked++ < 8) {
            ask_about(&w->model, vm->id, &arena, must_answer);
        }
    }
    MODEL_EACH(model_node, node, &w->model.nodes) {
        struct planner_plan plan;
        if (asked++ < 16) {
            int err = planner_drain(&w->model, 0, node->id, &arena, &plan);
            CHECK(err == 0 || !must_answer);
        }
    }
    arena_finish(&arena);
}
