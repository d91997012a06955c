/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a test does to the small cluster, and sees of it.
 */
#include "unit/core/world_internal.h"

#include "base/check.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------------------------- the operator
 */

struct world *world_create(uint32_t nodes, uint64_t seed) {
    struct world *w = calloc(1, sizeof(*w));
    CHECK(w != NULL && nodes <= WORLD_NODES);
    w->n = nodes;
    w->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    w->now_ms = 1000;
    w->fence_works = true;
    w->fence_says = POWER_ON;
    w->fence_ms = 5;
    for (uint32_t i = 1; i <= nodes; i++) {
        (void)snprintf(w->names[i - 1], sizeof(w->names[0]), "n%u", i);
        w->view_nodes[i - 1] = (struct view_node){.id = i, .name = w->names[i - 1], .votes = 1};
        w->nodes[i].last = &w->nodes[i].first;
    }
    return w;
}

static void end_clusterd(struct world *w, uint32_t node) {
    struct node *n = &w->nodes[node];
    for (size_t i = 0; i < ARRAY_SIZE(w->agents); i++) {
        struct agent *a = &w->agents[i];
        if (a->used && a->node == node && a->fence) {
            a->used = false;
        } else if (a->used && a->node == node && !a->orphan) {
            world_kill_agent(w, a, true); /* agents die with clusterd */
        }
    }
    world_drop_items(n);
    world_store_lose(n);
    n->alive = false;
    n->frozen = false;
    n->watch_run = 0;
    n->processed = 0;
}

void world_destroy(struct world *w) {
    for (uint32_t i = 1; i <= w->n; i++) {
        struct node *n = &w->nodes[i];
        world_drop_items(n);
        world_store_lose(n);
        core_destroy(n->core);
        world_store_truncate(n, 0);
        free(n->log);
        free(n->snapshot);
    }
    free(w->committed);
    free(w);
}

void world_start_clusterd(struct world *w, uint32_t node) {
    struct node *n = &w->nodes[node];
    core_destroy(n->core);
    CHECK(core_create(&n->core) == 0);
    n->alive = true;
    n->checked_index = 0;
    n->incarnation = world_random(w) | 1;
    struct core_entry *entries = calloc(n->n_log ? n->n_log : 1, sizeof(*entries));
    CHECK(entries != NULL);
    for (uint32_t i = 0; i < n->n_log; i++) {
        entries[i] = (struct core_entry){.index = n->snapshot_index + 1 + i,
                                         .epoch = n->log[i].epoch,
                                         .data = n->log[i].data,
                                         .size = n->log[i].size};
    }
    struct core_event boot = {.type = CORE_EVENT_BOOT};
    boot.boot = (struct core_boot){
        .node = node,
        .incarnation = n->incarnation,
        .version = "test",
        .nodes = {.items = w->view_nodes, .n = w->n},
        .two_node = w->quorum.two_node,
        .last_man_standing = w->quorum.last_man_standing,
        .quorum_device = w->quorum.quorum_device,
        .wait_for_all = w->quorum.wait_for_all,
        .memory_mb = 8192,
        .cpus = 4,
        .watchdog_ms = w->watchdog_ms,
        .site = "",
        .rack = "",
        .migrate_uri = "qemu+tcp://%s/system",
        .libvirt_uri = "qemu:///system",
        .state = {.promised = n->promised,
                  .commit_index = n->commit_index,
                  .snapshot_index = n->snapshot_index,
                  .snapshot_epoch = n->snapshot_epoch,
                  .snapshot_chain = n->snapshot_chain,
                  .snapshot = n->snapshot,
                  .snapshot_size = n->snapshot_size,
                  .entries = entries,
                  .n_entries = n->n_log},
    };
    world_trace(w, "n%u: clusterd starts", node);
    world_step(w, node, &boot);
    free(entries);
    world_views_changed(w);
}

void world_kill_clusterd(struct world *w, uint32_t node) {
    world_trace(w, "n%u: clusterd is killed", node);
    end_clusterd(w, node);
    world_views_changed(w);
}

void world_boot(struct world *w, uint32_t node) {
    w->nodes[node].power = true;
    world_start_clusterd(w, node);
}

void world_power_off(struct world *w, uint32_t node) {
    if (!w->nodes[node].power) {
        return;
    }
    world_trace(w, "n%u: power off", node);
    end_clusterd(w, node);
    w->nodes[node].power = false;
    w->nodes[node].fed_ms = 0;
    for (size_t i = 0; i < ARRAY_SIZE(w->agents); i++) {
        w->agents[i].used = w->agents[i].used && w->agents[i].node != node;
    }
    for (uint32_t i = 0; i < w->n_guests; i++) {
        if (w->guests[i].node == node) {
            w->guests[i].node = 0;
        }
    }
    world_lose_messages(w);
    world_views_changed(w);
}

void world_partition(struct world *w, const uint32_t *groups) {
    world_trace(w, "the network is cut");
    for (uint32_t i = 1; i <= w->n; i++) {
        w->nodes[i].group = groups[i];
    }
    world_lose_messages(w);
    world_views_changed(w);
}

void world_heal(struct world *w) {
    world_trace(w, "the network is whole");
    for (uint32_t i = 1; i <= w->n; i++) {
        w->nodes[i].group = 0;
    }
    world_views_changed(w);
}

void world_fence_works(struct world *w, bool works) {
    w->fence_works = works;
}

void world_fence_lies(struct world *w, bool lies) {
    w->fence_lies = lies;
}

void world_fence_says(struct world *w, enum core_power power) {
    w->fence_says = (uint8_t)power;
}

void world_fence_takes(struct world *w, uint64_t ms) {
    w->fence_ms = ms;
}

void world_slow_disks(struct world *w, uint64_t ms) {
    w->store_ms = ms;
}

void world_watchdogs(struct world *w, uint64_t ms) {
    w->watchdog_ms = ms;
}

void world_freeze(struct world *w, uint32_t node) {
    world_trace(w, "n%u: clusterd is frozen", node);
    w->nodes[node].frozen = true;
}

void world_thaw(struct world *w, uint32_t node) {
    world_trace(w, "n%u: clusterd is thawed", node);
    w->nodes[node].frozen = false;
}

bool world_is_on(const struct world *w, uint32_t node) {
    return w->nodes[node].alive;
}

void world_quorum(struct world *w, struct world_quorum quorum) {
    w->quorum = quorum;
}

void world_two_node(struct world *w) {
    w->quorum = (struct world_quorum){.two_node = true, .wait_for_all = true};
}

void world_storage(struct world *w, uint32_t node, uint32_t number) {
    CHECK(number < WORLD_STORAGES);
    world_trace(w, "n%u has storage %u", node, number);
    w->nodes[node].storage = number;
}

void world_copy_storage(struct world *w, uint32_t from, uint32_t to) {
    memcpy(w->files[to], w->files[from], sizeof(w->files[to]));
}

void world_other_cluster(struct world *w) {
    w->other_cluster = true;
}

void world_hang_storage(struct world *w, uint32_t node, bool hangs) {
    w->nodes[node].storage_hangs = hangs;
}

void world_cpu_model(struct world *w, uint32_t node, const char *model) {
    struct node *n = &w->nodes[node];
    CHECK(n->n_cpu_models < ARRAY_SIZE(n->cpu_models));
    n->cpu_models[n->n_cpu_models++] = model;
}

void world_machine(struct world *w, uint32_t node, const char *machine) {
    struct node *n = &w->nodes[node];
    CHECK(n->n_machines < ARRAY_SIZE(n->machines));
    n->machines[n->n_machines++] = machine;
}

void world_say(struct world *w, uint32_t sender, const uint8_t *data, uint32_t size) {
    world_broadcast(w, sender, data, size);
}

void world_listen(struct world *w, const char *text) {
    (void)snprintf(w->listen, sizeof(w->listen), "%s", text);
    w->heard = 0;
}

uint32_t world_heard(const struct world *w) {
    return w->heard;
}

void world_next_agent(struct world *w, const char *action, const char *how) {
    (void)snprintf(w->next_action, sizeof(w->next_action), "%s", action);
    (void)snprintf(w->next_how, sizeof(w->next_how), "%s", how);
}

void world_crash_vm(struct world *w, const char *uuid) {
    world_vm_ends(w, world_guest(w, uuid, true), VM_EVENT_CRASHED);
}

void world_shutdown_vm(struct world *w, const char *uuid) {
    world_vm_ends(w, world_guest(w, uuid, true), VM_EVENT_SHUTDOWN);
}

static bool replied(struct world *w, const void *arg) {
    (void)arg;
    return w->reply_id == w->request_id;
}

void world_post(struct world *w, uint32_t node, uint32_t command, const void *value) {
    struct core_event event = {.type = CORE_EVENT_REQUEST};
    event.request = (struct core_request){
        .id = ++w->request_id, .kind = REQUEST_COMMAND, .command = command, .value = value};
    world_step(w, node, &event);
}

bool world_answered(const struct world *w) {
    return w->reply_id == w->request_id && w->reply.code == REPLY_OK;
}

int world_request(struct world *w, uint32_t node, uint32_t command, const void *value) {
    /* Given to the core at once: the value lives on the caller's stack. */
    world_post(w, node, command, value);
    if (!world_run_until(w, replied, NULL, 20000)) {
        return -1;
    }
    return (int)w->reply.code;
}

uint64_t world_last_operation(const struct world *w) {
    return w->reply.operation;
}

const char *world_last_message(const struct world *w) {
    return w->reply_message;
}

const struct model *world_model(struct world *w, uint32_t node) {
    return core_model(w->nodes[node].core);
}

struct core_status world_status(struct world *w, uint32_t node) {
    struct core_status s;
    core_get_status(w->nodes[node].core, &s);
    return s;
}

uint64_t world_now(const struct world *w) {
    return w->now_ms;
}

uint32_t world_runs_on(const struct world *w, const char *uuid) {
    for (uint32_t i = 0; i < w->n_guests; i++) {
        if (strcmp(w->guests[i].uuid, uuid) == 0) {
            return w->guests[i].node;
        }
    }
    return 0;
}

uint32_t world_fence_calls(const struct world *w) {
    return w->fence_calls;
}

uint64_t world_fence_call_ms(const struct world *w, uint32_t call) {
    return call < w->fence_calls && call < MAX_FENCE_CALLS ? w->fence_call_ms[call] : 0;
}

uint32_t world_agent_calls(const struct world *w, const char *action) {
    for (size_t i = 0; i < ARRAY_SIZE(w->calls); i++) {
        if (strcmp(w->calls[i].action, action) == 0) {
            return w->calls[i].n;
        }
    }
    return 0;
}

static bool all_online(struct world *w, const void *arg) {
    const uint32_t *vms = arg;
    uint32_t online = 0, running = 0;
    MODEL_EACH(model_node, node, &world_model(w, 1)->nodes) {
        online += node->state == NODE_ONLINE;
    }
    MODEL_EACH(model_vm, vm, &world_model(w, 1)->vms) {
        running += vm->state == VM_RUNNING;
    }
    uint32_t healthy = 0;
    MODEL_EACH(model_health, h, &world_model(w, 1)->health) {
        healthy += h->state == VOLUME_OK;
    }
    return online == w->n && running == *vms && (*vms == 0 || healthy == w->n);
}

void world_setup(struct world *w, uint32_t vms) {
    uint32_t none = 0;
    for (uint32_t i = 1; i <= w->n; i++) {
        world_boot(w, i);
    }
    assert_true(world_run_until(w, all_online, &none, 30000));
    struct cmd_volume_add volume = {.name = "csv1", .path = "/srv/csv1"};
    assert_int_equal(world_request(w, 1, COMMAND_VOLUME_ADD, &volume), REPLY_OK);
    const char *const key = "plug", *const value = "{node}";
    struct cmd_device_add device = {
        .name = "pdu", .agent = "fence_test", .keys = {&key, 1}, .values = {&value, 1}};
    assert_int_equal(world_request(w, 1, COMMAND_DEVICE_ADD, &device), REPLY_OK);
    for (uint32_t i = 1; i <= vms; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "vm%u", i);
        const char *const csv = "csv1";
        struct cmd_vm_add add = {.name = name,
                                 .uuid = name,
                                 .xml = "<domain/>",
                                 .memory_mb = 512,
                                 .vcpus = 1,
                                 .cpu_mode = "",
                                 .cpu_model = "",
                                 .volumes = {&csv, 1},
                                 .priority = i,
                                 .start = 1};
        assert_int_equal(world_request(w, 1 + i % w->n, COMMAND_VM_ADD, &add), REPLY_OK);
    }
    if (!world_run_until(w, all_online, &vms, 60000)) {
        world_print(w);
        fail_msg("the cluster did not come up");
    }
}

struct world *world_ready(uint32_t nodes, uint32_t vms, uint64_t seed) {
    struct world *w = world_create(nodes, seed);
    world_setup(w, vms);
    return w;
}
