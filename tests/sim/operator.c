/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The administrator: commands on any node and their results; set-up; random requests.
 */
#include "sim/world.h"

#include "base/check.h"
#include "plain_vm.h"

#include <stdio.h>
#include <string.h>

/* ---- requests ---- */

static struct request *request_of(const struct sim *s, uint64_t id) {
    const struct request *r = &s->requests[id % MAX_REQUESTS];
    return r->id == id ? (struct request *)(uintptr_t)r : NULL;
}

/* 0: nobody answers there. */
static uint64_t ask(struct sim *s, uint32_t node, struct core_request request) {
    struct node *n = &s->nodes[node];
    bool command = request.kind == REQUEST_COMMAND;
    if (!n->alive || !n->core || n->frozen || s->now_us < n->stuck_until_us) {
        return 0;
    }
    request.id = ++s->last_request;
    s->requests[request.id % MAX_REQUESTS] =
        (struct request){.id = request.id,
                         .node = node,
                         .life = n->life,
                         .asked_us = s->now_us,
                         .code = -1,
                         /* if it is proposed, it is so at once */
                         .number = command ? n->core->last_request + 1 : 0};
    sim_trace(s, "%s: asked for %s", s->names[node],
              command                           ? command_name(request.command)
              : request.kind == REQUEST_OUTLOOK ? "the outlook"
              : request.kind == REQUEST_PREDICT ? "what a live move would take"
                                                : "a test of a fence device");
    struct core_event event = {.type = CORE_EVENT_REQUEST, .request = request};
    node_step(s, node, &event);
    return request.id;
}

uint64_t sim_command(struct sim *s, uint32_t node, uint32_t command, const void *value) {
    return ask(s, node,
               (struct core_request){.kind = REQUEST_COMMAND, .command = command, .value = value});
}

uint64_t sim_test_device(struct sim *s, uint32_t node, const char *device, const char *of) {
    return ask(s, node,
               (struct core_request){.kind = REQUEST_DEVICE_TEST, .device = device, .node = of});
}

uint64_t sim_predict(struct sim *s, uint32_t node, const struct cmd_vm_move *move) {
    return ask(
        s, node,
        (struct core_request){.kind = REQUEST_PREDICT, .command = COMMAND_VM_MOVE, .value = move});
}

uint64_t sim_look(struct sim *s, uint32_t node) {
    return ask(s, node, (struct core_request){.kind = REQUEST_OUTLOOK});
}

int sim_answer(const struct sim *s, uint64_t request) {
    const struct request *r = request_of(s, request);
    return r ? r->code : -1;
}

const char *sim_answer_text(const struct sim *s, uint64_t request) {
    const struct request *r = request_of(s, request);
    return r ? r->text : "";
}

uint64_t sim_answer_operation(const struct sim *s, uint64_t request) {
    const struct request *r = request_of(s, request);
    return r ? r->operation : 0;
}

/* ---- set-up ---- */

static const char *const device_keys[] = {"plug", "ip"};

void sim_add_device(struct sim *s, uint32_t node) {
    static const char *const values[] = {"{node}", "pdu"};
    struct cmd_device_add device = {
        .name = "pdu", .agent = "fence_sim", .keys = {device_keys, 2}, .values = {values, 2}};
    (void)sim_command(s, node, COMMAND_DEVICE_ADD, &device);
}

struct cmd_device_add sim_device_for(const char *const values[2], const char *const *node) {
    return (struct cmd_device_add){.name = values[1],
                                   .agent = "fence_sim",
                                   .nodes = {node, 1},
                                   .keys = {device_keys, 2},
                                   .values = {values, 2}};
}

bool sim_is_tight(const struct sim *s) {
    return s->options.seed % 3 == 0 && !s->options.calm && !s->options.plain;
}

uint64_t sim_add_vm(struct sim *s, uint32_t node, uint32_t number, enum add_how how) {
    char name[24];
    (void)snprintf(name, sizeof(name), "vm%u", number);
    /* In some clusters there is not room for much more than what runs: moves make room then. */
    uint64_t fair = (uint64_t)SIM_MEMORY_MB * s->n * 3 / 4 / (s->options.vms + 3);
    fair = fair < SIM_MEMORY_MB * 2 / 5 ? fair : SIM_MEMORY_MB * 2 / 5;
    bool tight = sim_is_tight(s);
    struct cmd_vm_add add = plain_vm(name);
    char xml[40];
    add.xml = files_definition(s, guest_for(s, name, name), xml, sizeof(xml));
    add.memory_mb = tight ? fair / 2 + number % 3 * fair / 3 : add.memory_mb;
    add.priority = number;
    add.start = how == ADD_AND_START;
    add.adopt = how == ADD_AND_ADOPT;
    return sim_command(s, node, COMMAND_VM_ADD, &add);
}

static bool all_online(struct sim *s, const void *arg) {
    (void)arg;
    const struct model *m = sim_model(s);
    uint32_t online = 0;
    if (m) {
        MODEL_EACH(model_node, node, &m->nodes) {
            online += node->state == NODE_ONLINE;
        }
    }
    return online == (uint32_t)__builtin_popcount(s->there);
}

static bool all_run(struct sim *s, const void *arg) {
    (void)arg;
    const struct model *m = sim_model(s);
    uint32_t run = 0, healthy = 0;
    MODEL_EACH(model_vm, vm, &m->vms) {
        run += vm->state == VM_RUNNING;
    }
    MODEL_EACH(model_health, health, &m->health) {
        healthy += health->state == VOLUME_OK;
    }
    return run == s->options.vms && healthy == (uint32_t)__builtin_popcount(s->there);
}

/* An agent that hangs shall not outlast the healing. */
static void set_limits(struct sim *s) {
    static const char *const limits[][2] = {
        {"migrate_timeout_ms", "60000"}, {"save_timeout_ms", "30000"}, {"self_fence_ms", "7000"}};
    for (size_t i = 0; i < ARRAY_SIZE(limits) - !s->options.no_fencing; i++) {
        struct cmd_config_set set = {.key = limits[i][0], .value = limits[i][1]};
        (void)sim_command(s, 1, COMMAND_CONFIG_SET, &set);
        sim_run(s, 50000);
    }
}

bool sim_set_up(struct sim *s) {
    for (uint32_t i = 1; i <= s->n; i++) {
        s->nodes[i].fence = s->options.no_fencing ? FENCE_FAILS : FENCE_WORKS;
        if (s->there >> i & 1) {
            sim_power_on(s, i);
        }
    }
    if (!sim_run_until(s, all_online, NULL, 60 * SIM_SECOND)) {
        return false;
    }
    if (!s->options.plain) {
        set_limits(s);
    }
    struct cmd_volume_add volume = {.name = "csv1", .path = "/srv/csv1"};
    (void)sim_command(s, 1, COMMAND_VOLUME_ADD, &volume);
    sim_run(s, 100000);
    sim_add_device(s, 1);
    sim_run(s, 100000);
    for (uint32_t i = 1; i <= s->options.vms; i++) {
        (void)sim_add_vm(s, 1 + i % s->n, i, ADD_AND_START);
    }
    return sim_run_until(s, all_run, NULL, 60 * SIM_SECOND);
}

/* ---- random wishes ---- */

static const char *any_node(struct sim *s) {
    return s->names[1 + sim_random(s, s->n)];
}

static const char *any_vm(struct sim *s) {
    return s->n_vms ? s->vms[sim_random(s, s->n_vms)].name : "vm1";
}

static void move(struct sim *s, uint32_t node) {
    struct cmd_vm_move wish = {.vm = any_vm(s),
                               .to = sim_chance(s, 50) ? "" : any_node(s),
                               .mode = (uint8_t)sim_random(s, 3)};
    (void)sim_command(s, node, COMMAND_VM_MOVE, &wish);
}

static void change_setting(struct sim *s, uint32_t node) {
    static const char *const wishes[][2] = {
        {"self_fence_ms", "7000"},
        {"self_fence_ms", "12000"},
        {"migrations_per_node", "1"},
        {"migrations_per_node", "4"},
        {"drain_allow_quick", "0"},
        {"drain_allow_quick", "1"},
        {"restart_limit", "0"},
        {"restart_limit", "3"},
        {"stop_grace_ms", "1000"},
        {"stop_grace_ms", "90000"},
        {"startup_wait_ms", "0"},
        {"fence_retry_max_ms", "5000"},
        {"migrate_timeout_ms", "1000"},
        {"migrate_timeout_ms", "60000"},
        {"balance", "auto"},
        {"balance", "advise"},
        {"balance", "auto"},
        {"balance_pause_s", "1"},
        {"balance_pause_s", "10"},
        {"balance_threshold_percent", "30"},
        {"balance_threshold_percent", "60"},
        {"balance_stay_s", "0"},
        {"reserve_nodes", "1"},
        {"reserve_nodes", "2"},
        {"reserve_nodes", "0"},
        {"failover_may_move", "0"},
        {"failover_may_move", "1"},
        {"drain_may_move", "1"},
        {"drain_may_move", "0"},
    };
    const char *const *wish = wishes[sim_random(s, ARRAY_SIZE(wishes))];
    struct cmd_config_set set = {.key = wish[0], .value = wish[1]};
    (void)sim_command(s, node, COMMAND_CONFIG_SET, &set);
}

/* Of a VM that is off; else one is stopped, and moved another time. */
static void move_files(struct sim *s, uint32_t node) {
    const struct model *m = sim_model(s);
    uint32_t off = 0;
    for (uint32_t vm = 1; vm <= s->n_vms; vm++) {
        const struct model_vm *row = model_vm_by_uuid(m, s->vms[vm - 1].uuid);
        bool is_off = row && row->state == VM_OFF && row->wanted == WANTED_STOPPED;
        off = is_off && (off == 0 || sim_chance(s, 50)) ? vm : off;
    }
    struct cmd_vm_stop stop = {.vm = any_vm(s), .force = 1};
    if (off) {
        (void)sim_move_files(s, node, off, (uint32_t)sim_random(s, SIM_PLACES));
    } else {
        (void)sim_command(s, node, COMMAND_VM_STOP, &stop);
    }
}

/* One of a few names; a VM that is off may be set back. */
static void checkpoint(struct sim *s, uint32_t node) {
    static const char *const names[] = {"one", "two", "three"};
    const char *name = names[sim_random(s, ARRAY_SIZE(names))];
    uint32_t vm = 1 + (uint32_t)sim_random(s, s->n_vms);
    enum command_type type = sim_chance(s, 50)   ? COMMAND_CHECKPOINT_CREATE
                             : sim_chance(s, 50) ? COMMAND_CHECKPOINT_REVERT
                                                 : COMMAND_CHECKPOINT_REMOVE;
    (void)sim_checkpoint(s, node, vm, type, name);
}

static void cancel(struct sim *s, uint32_t node) {
    const struct model *m = sim_model(s);
    struct cmd_operation_cancel wish = {0};
    MODEL_EACH(model_operation, op, &m->operations) {
        if (op->state == OPERATION_RUNNING) {
            wish.operation = op->id;
        }
    }
    if (wish.operation) {
        (void)sim_command(s, node, COMMAND_OPERATION_CANCEL, &wish);
    }
}

static void change_vms(struct sim *s, uint32_t node) {
    if (sim_chance(s, 50) && s->n_vms < SIM_VMS &&
        s->n_vms < s->options.vms + (sim_is_tight(s) ? 2 : 20)) {
        (void)sim_add_vm(s, node, s->n_vms + 1, ADD_AND_START);
        return;
    }
    struct cmd_vm_remove wish = {.vm = any_vm(s)};
    (void)sim_command(s, node, COMMAND_VM_REMOVE, &wish);
}

/* A second one for some node; those that name it are tried first. */
static void change_second_device(struct sim *s, uint32_t node) {
    char name[24];
    const char *const of = sim_node_name(s, 1 + (uint32_t)sim_random(s, s->n));
    const char *const values[2] = {"{node}", name};
    struct cmd_device_remove wish = {.device = name};
    (void)snprintf(name, sizeof(name), "bmc-%s", of);
    struct cmd_device_add add = sim_device_for(values, &of);
    if (model_device_by_name(sim_model(s), name)) {
        (void)sim_command(s, node, COMMAND_DEVICE_REMOVE, &wish);
    } else {
        (void)sim_command(s, node, COMMAND_DEVICE_ADD, &add);
    }
}

static void change_device(struct sim *s, uint32_t node) {
    const struct model *m = sim_model(s);
    if (sim_chance(s, 50)) {
        change_second_device(s, node);
        return;
    }
    struct cmd_device_remove wish = {.device = "pdu"};
    if (!model_device_by_name(m, "pdu")) {
        sim_add_device(s, node);
    } else if (sim_chance(s, 30)) {
        (void)sim_command(s, node, COMMAND_DEVICE_REMOVE, &wish);
    }
}

/* Somebody has said before what is to become of some of the VMs there. */
static void drain(struct sim *s, uint32_t node) {
    struct cmd_node_drain wish = {
        .node = any_node(s),
        .deadline_ms = sim_chance(s, 30) ? 1 + sim_random(s, 30000) : 0,
    };
    for (uint32_t i = (uint32_t)sim_random(s, 5); i > 0; i--) {
        struct cmd_vm_set set = {.vm = any_vm(s),
                                 .given = VM_SET_MOVE_POLICY,
                                 .move_policy = (uint8_t)sim_random(s, MOVE_POLICY_STAY + 1)};
        (void)sim_command(s, node, COMMAND_VM_SET, &set);
    }
    (void)sim_command(s, node, COMMAND_NODE_DRAIN, &wish);
}

void sim_operate(struct sim *s) {
    uint32_t node = 1 + (uint32_t)sim_random(s, s->n);
    if (!sim_model(s)) {
        return;
    }
    struct cmd_node_resume resume = {.node = any_node(s),
                                     .failback = (uint8_t)sim_random(s, FAILBACK_POLICY + 1)};
    struct cmd_node_fence fence = {.node = any_node(s)};
    struct cmd_vm_start start = {.vm = any_vm(s)};
    struct cmd_vm_stop stop = {.vm = any_vm(s), .force = (uint8_t)sim_random(s, 2)};
    switch (sim_random(s, 20)) {
    case 0:
    case 1: drain(s, node); break;
    case 2:
    case 3: (void)sim_command(s, node, COMMAND_NODE_RESUME, &resume); break;
    case 4:
    case 5:
    case 6: move(s, node); break;
    case 7:
    case 8: (void)sim_command(s, node, COMMAND_VM_START, &start); break;
    case 9: (void)sim_command(s, node, COMMAND_VM_STOP, &stop); break;
    case 10: change_setting(s, node); break;
    case 11: cancel(s, node); break;
    case 12: change_vms(s, node); break;
    case 13: change_device(s, node); break;
    case 15:
    case 16: rules_wish(s, node); break;
    case 17: move_files(s, node); break;
    case 18: checkpoint(s, node); break;
    case 14: sim_confirm_off(s, node, 1 + (uint32_t)sim_random(s, s->n)); break;
    default:
        if (sim_chance(s, 30)) {
            (void)sim_command(s, node, COMMAND_NODE_FENCE, &fence);
        }
    }
}
