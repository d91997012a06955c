/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Agents and libvirt: what truly runs where.
 */
#include "unit/core/world_internal.h"

#include "base/check.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

/* --------------------------------------------------------------------------- libvirt and agents */

struct guest *world_guest(struct world *w, const char *uuid, bool add) {
    for (uint32_t i = 0; i < w->n_guests; i++) {
        if (strcmp(w->guests[i].uuid, uuid) == 0) {
            return &w->guests[i];
        }
    }
    if (!add) {
        return NULL;
    }
    CHECK(w->n_guests < MAX_VMS);
    struct guest *g = &w->guests[w->n_guests++];
    (void)snprintf(g->uuid, sizeof(g->uuid), "%s", uuid);
    return g;
}

static void set_text(struct item *item, int i, const char *text) {
    (void)snprintf(item->text[i], sizeof(item->text[i]), "%s", text);
}

struct item *world_push_line(struct world *w, uint32_t node, uint64_t run,
                             enum core_agent_line line) {
    struct item *item = world_push(w, node, CORE_EVENT_AGENT);
    item->event.agent = (struct core_agent){.run = run,
                                            .line = line,
                                            .uuid = item->text[0],
                                            .name = item->text[1],
                                            .reason = item->text[2]};
    return item;
}

static void domain_event(struct world *w, uint32_t node, const struct guest *g,
                         enum agent_event kind) {
    if (!w->nodes[node].alive || !w->nodes[node].watch_run) {
        return;
    }
    struct item *item = world_push_line(w, node, w->nodes[node].watch_run, AGENT_DOMAIN_EVENT);
    item->event.agent.domain_event = (uint8_t)kind;
    item->event.agent.generation = g->generation;
    set_text(item, 0, g->uuid);
    set_text(item, 1, g->name);
}

static void begin_watch(struct world *w, uint32_t node, uint64_t run) {
    w->nodes[node].watch_run = run;
    (void)world_push_line(w, node, run, AGENT_CONNECTED);
    for (uint32_t i = 0; i < w->n_guests; i++) {
        if (w->guests[i].node == node) {
            struct item *item = world_push_line(w, node, run, AGENT_DOMAIN);
            item->event.agent.state = VM_STATE_RUNNING;
            item->event.agent.generation = w->guests[i].generation;
            set_text(item, 0, w->guests[i].uuid);
            set_text(item, 1, w->guests[i].name);
        }
    }
    (void)world_push_line(w, node, run, AGENT_LISTED);
}

static void write_heartbeat(struct world *w, uint32_t node) {
    const struct node *n = &w->nodes[node];
    struct heartbeat_file *file = &w->files[n->storage][node];
    bool again = strcmp(file->nonce, n->nonce) == 0;
    memcpy(file->nonce, n->nonce, sizeof(file->nonce));
    file->beats = again ? file->beats + 1 : 1;
    file->beat_ms = w->now_ms;
}

/* The heartbeat file of node i as an agent reads it; false: there is none. It was seen to move if
 * it was written while the agent looked on, and not for the first time. */
static bool read_heartbeat(const struct world *w, const struct agent *a, uint32_t i,
                           struct core_seen *seen) {
    const struct heartbeat_file *file = &w->files[w->nodes[a->node].storage][i];
    bool moved = file->beats > 1 && file->beat_ms > a->begun_ms;
    *seen = (struct core_seen){.node = w->names[i - 1],
                               .nonce = file->nonce,
                               .moved_ms = moved ? w->now_ms - file->beat_ms : CORE_NEVER_MOVED};
    if (w->other_cluster && w->nodes[i].storage != w->nodes[a->node].storage) {
        seen->nonce = "of another cluster";
        seen->moved_ms = 0;
    }
    return seen->nonce[0] != '\0';
}

static void volume_line(struct world *w, const struct agent *a) {
    if (w->nodes[a->node].storage_hangs) {
        return;
    }
    write_heartbeat(w, a->node);
    struct item *item = world_push_line(w, a->node, a->run, AGENT_VOLUME);
    uint32_t n = 0;
    for (uint32_t i = 1; i <= w->n; i++) {
        struct core_seen *seen = &item->seen[n];
        if (i != a->node && read_heartbeat(w, a, i, seen)) {
            (void)snprintf(item->nonces[n], sizeof(item->nonces[n]), "%s", seen->nonce);
            seen->nonce = item->nonces[n++];
        }
    }
    item->event.agent.volume_ok = 1;
    item->event.agent.seen = item->seen;
    item->event.agent.n_seen = n;
}

static const char *param(const struct core_run_agent *r, const char *key) {
    for (uint32_t i = 0; i < r->n_params; i++) {
        if (strcmp(r->params[i].key, key) == 0) {
            return r->params[i].value;
        }
    }
    return "";
}

uint32_t world_node_by_name(const struct world *w, const char *name) {
    for (uint32_t i = 0; i < w->n; i++) {
        if (strcmp(w->names[i], name) == 0) {
            return i + 1;
        }
    }
    return 0;
}

struct agent *world_new_agent(struct world *w, uint32_t node, uint64_t run, const char *action) {
    for (size_t i = 0; i < ARRAY_SIZE(w->agents); i++) {
        struct agent *a = &w->agents[i];
        if (!a->used) {
            *a = (struct agent){.used = true, .node = node, .run = run};
            (void)snprintf(a->action, sizeof(a->action), "%s", action);
            return a;
        }
    }
    CHECK(false); /* too many agents for the array */
    return NULL;
}

static void count_call(struct world *w, const char *action) {
    for (size_t i = 0; i < ARRAY_SIZE(w->calls); i++) {
        if (w->calls[i].n == 0 || strcmp(w->calls[i].action, action) == 0) {
            (void)snprintf(w->calls[i].action, sizeof(w->calls[i].action), "%s", action);
            w->calls[i].n++;
            return;
        }
    }
}

void world_run_agent(struct world *w, uint32_t node, const struct core_run_agent *r) {
    struct agent *a = world_new_agent(w, node, r->run, r->action);
    count_call(w, r->action);
    (void)snprintf(a->uuid, sizeof(a->uuid), "%s", param(r, "uuid"));
    (void)snprintf(a->name, sizeof(a->name), "%s", r->instance);
    a->generation = strtoull(param(r, "generation"), NULL, 10);
    a->target = world_node_by_name(w, param(r, "target"));
    a->due_ms = w->now_ms + 1 + world_random(w) % 400;
    a->job_ms = w->now_ms + world_random(w) % (a->due_ms - w->now_ms);
    if (strcmp(r->agent, "volume") == 0) {
        a->long_lived = true;
        a->begun_ms = w->now_ms;
        (void)snprintf(w->nodes[node].nonce, sizeof(w->nodes[node].nonce), "%s", param(r, "nonce"));
        volume_line(w, a);
        a->due_ms = w->now_ms + 1000;
    } else if (strcmp(r->action, "watch") == 0) {
        a->long_lived = true;
        a->due_ms = UINT64_MAX;
        begin_watch(w, node, r->run);
    } else {
        world_trace(w, "n%u: vm %s %s", node, r->action, r->instance);
        if (strcmp(w->next_action, r->action) == 0 && strcmp(w->next_how, "hang") == 0) {
            a->due_ms = w->now_ms + r->timeout_ms;
        }
    }
}

static void vm_runs(struct world *w, struct guest *g, uint32_t node, uint64_t generation) {
    if (g->node != 0 && g->node != node) {
        world_trace(w, "VIOLATION: %s runs on n%u and starts on n%u", g->name, g->node, node);
        world_print(w);
        fail_msg("%s would run twice: on n%u and n%u", g->name, g->node, node);
    }
    g->node = node;
    g->generation = generation;
    domain_event(w, node, g, VM_EVENT_STARTED);
}

void world_vm_ends(struct world *w, struct guest *g, enum agent_event kind) {
    uint32_t node = g->node;
    if (node) {
        domain_event(w, node, g, kind);
        g->node = 0;
    }
}

/* What the operation does, when its time has come. Returns the state on the node afterwards. */
static enum agent_vm_state do_operation(struct world *w, const struct agent *a,
                                        enum agent_result *result) {
    struct guest *g = world_guest(w, a->uuid, true);
    bool here = g->node == a->node;
    (void)snprintf(g->name, sizeof(g->name), "%s", a->name);
    *result = RESULT_OK;
    if (here && strcmp(a->action, "start") == 0) {
        *result = g->generation == a->generation ? RESULT_OK : RESULT_FAILED;
    } else if (strcmp(a->action, "start") == 0 || strcmp(a->action, "restore") == 0) {
        vm_runs(w, g, a->node, a->generation);
        g->saved = false;
    } else if (strcmp(a->action, "migrate_to") == 0) {
        const struct node *t = &w->nodes[a->target];
        if (!here || !t->power || !world_in_ring(w, a->node, a->target)) {
            *result = RESULT_FAILED;
        } else {
            world_vm_ends(w, g, VM_EVENT_MIGRATED);
            vm_runs(w, g, a->target, a->generation);
        }
    } else if (here && strcmp(a->action, "save") == 0) {
        world_vm_ends(w, g, VM_EVENT_MIGRATED);
        g->saved = true;
    } else if (here && (strcmp(a->action, "stop") == 0 || strcmp(a->action, "destroy") == 0)) {
        world_vm_ends(w, g, VM_EVENT_STOPPED);
    }
    return g->node == a->node ? VM_STATE_RUNNING : VM_STATE_OFF;
}

/* libvirt does a job on the VM here: whoever asks waits for its end. */
static uint64_t job_ends(const struct world *w, const struct agent *asking) {
    for (size_t i = 0; i < ARRAY_SIZE(w->agents); i++) {
        const struct agent *a = &w->agents[i];
        if (a != asking && a->used && a->node == asking->node && a->job_ms < w->now_ms &&
            !a->long_lived && !a->fence && strcmp(a->uuid, asking->uuid) == 0 &&
            strcmp(a->action, "monitor") != 0) {
            return a->due_ms + 1;
        }
    }
    return 0;
}

static void finish_operation(struct world *w, struct agent *a) {
    uint64_t wait_ms = strcmp(a->action, "monitor") == 0 ? job_ends(w, a) : 0;
    if (wait_ms) {
        a->due_ms = wait_ms;
        return;
    }
    if (a->orphan) {
        enum agent_result ignored;
        (void)do_operation(w, a, &ignored);
        a->used = false;
        return;
    }
    enum agent_result result = RESULT_OK;
    enum agent_vm_state state = VM_STATE_UNKNOWN;
    const char *how = strcmp(w->next_action, a->action) == 0 ? w->next_how : "";
    if (strcmp(how, "failed") == 0) {
        struct guest *g = world_guest(w, a->uuid, true);
        result = RESULT_FAILED;
        state = g->node == a->node ? VM_STATE_RUNNING : VM_STATE_OFF;
    } else if (strcmp(how, "hang") == 0) {
        result = RESULT_TIMEOUT;
    } else if (strcmp(how, "unknown") == 0) {
        (void)do_operation(w, a, &result);
        result = RESULT_FAILED;
    } else {
        state = do_operation(w, a, &result);
    }
    if (how[0]) {
        w->next_action[0] = '\0';
    }
    struct item *item = world_push_line(w, a->node, a->run, AGENT_DONE);
    item->event.agent.result = (uint8_t)result;
    item->event.agent.state = (uint8_t)state;
    set_text(item, 2, result == RESULT_OK ? "" : "the test wants it so");
    a->used = false;
}

static void finish_fence(struct world *w, struct agent *a) {
    struct item *item = world_push(w, a->node, CORE_EVENT_FENCE);
    item->event.fence.run = a->run;
    bool ok = w->fence_works && !w->fence_lies;
    item->event.fence.ok = ok;
    item->event.fence.message = ok ? "off, verified by status" : "no answer";
    uint32_t target = a->target;
    a->used = false;
    if (a->status) {
        item->event.fence.power = ok ? w->fence_says : (uint8_t)POWER_UNKNOWN;
        item->event.fence.message = ok ? "the device answers" : "no answer";
    } else if (w->fence_works) {
        world_trace(w, "n%u is powered off by n%u", target, a->node);
        world_power_off(w, target);
    }
}

void world_finish_agent(struct world *w, struct agent *a) {
    if (a->fence) {
        finish_fence(w, a);
    } else if (strcmp(a->action, "watch") == 0) { /* the volume's */
        volume_line(w, a);
        a->due_ms = w->now_ms + 1000;
    } else if (strcmp(a->action, "host-cpu") == 0) {
        const struct node *n = &w->nodes[a->node];
        struct item *item = world_push_line(w, a->node, a->run, AGENT_CPU_MODELS);
        item->event.agent.models = (struct wire_strs){.v = n->cpu_models, .n = n->n_cpu_models};
        item->event.agent.machines = (struct wire_strs){.v = n->machines, .n = n->n_machines};
        item = world_push_line(w, a->node, a->run, AGENT_DONE);
        item->event.agent.result = RESULT_OK;
        a->used = false;
    } else {
        finish_operation(w, a);
    }
}

/* Killed, an agent takes nothing back that libvirtd has taken; asked to end, it aborts its job. */
void world_kill_agent(struct world *w, struct agent *a, bool force) {
    struct item *item = world_push_line(w, a->node, a->run, AGENT_DONE);
    item->event.agent.result = RESULT_CANCELLED;
    const struct guest *g = world_guest(w, a->uuid, true);
    if (!force) {
        item->event.agent.state = g->node == a->node ? VM_STATE_RUNNING : VM_STATE_OFF;
    }
    if (strcmp(a->action, "watch") == 0 && w->nodes[a->node].watch_run == a->run) {
        w->nodes[a->node].watch_run = 0;
    }
    a->orphan = force && !a->long_lived && a->job_ms < w->now_ms;
    a->used = a->orphan;
}
