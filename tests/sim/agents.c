/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The resource agents, as resource-agents/README.md describes them: processes that give libvirtd a
 * job (jobs.c) and report how it ended. Killing a process takes nothing back that libvirtd has
 * begun.
 *
 * A slot is the process and its job: `process` says whether somebody still listens.
 */
#include "sim/world.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROCESS_US 8000u

/* ---- slots ---- */

struct agent *agent_new(struct sim *s, uint32_t node, uint64_t run, const char *action) {
    uint32_t slot = 0;
    while (slot < s->n_agents && s->agents[slot].used) {
        slot++;
    }
    CHECK(slot < MAX_AGENTS); /* more agents than any core should run */
    s->n_agents = slot < s->n_agents ? s->n_agents : slot + 1;
    struct agent *a = &s->agents[slot];
    *a = (struct agent){.used = true,
                        .serial = a->serial + 1,
                        .node = node,
                        .run = run,
                        .boot = s->nodes[node].boot,
                        .life = s->nodes[node].life,
                        .process = true,
                        .began_us = s->now_us};
    (void)snprintf(a->action, sizeof(a->action), "%s", action);
    return a;
}

void agent_free(struct agent *a) {
    a->used = false;
    a->serial++;
}

bool agent_is(const struct sim *s, uint64_t index, uint64_t serial) {
    return s->agents[index].used && s->agents[index].serial == serial;
}

static uint64_t index_of(const struct sim *s, const struct agent *a) {
    return (uint64_t)(a - s->agents);
}

void agent_then(struct sim *s, const struct agent *a, uint64_t us, sim_fn *fn) {
    sim_at(s, us, fn, index_of(s, a), a->serial);
}

struct item *agent_line(const struct agent *a, enum core_agent_line line) {
    struct item *item = item_new(ITEM_EVENT);
    item->event.type = CORE_EVENT_AGENT;
    item->event.agent = (struct core_agent){.run = a->run,
                                            .line = line,
                                            .uuid = item->text[0],
                                            .name = item->text[1],
                                            .reason = item->text[2]};
    return item;
}

const char *agent_refusal(uint8_t how) {
    return how == REFUSE_FOR_GOOD ? "unsupported configuration: no such machine type here"
                                  : "its QEMU ended";
}

void agent_process_ends(struct sim *s, struct agent *a, enum agent_result result,
                        enum agent_vm_state state, const char *reason) {
    if (a->process && s->nodes[a->node].alive && s->nodes[a->node].life == a->life) {
        struct item *item = agent_line(a, AGENT_DONE);
        item->event.agent.result = (uint8_t)result;
        item->event.agent.state = (uint8_t)state;
        item->event.agent.state_lost = strncmp(reason, "state-", 6) == 0;
        item->event.agent.refused = strcmp(reason, agent_refusal(REFUSE_FOR_GOOD)) == 0;
        item->event.agent.not_begun = a->not_begun;
        bool there = state == VM_STATE_RUNNING || state == VM_STATE_PAUSED;
        item->event.agent.generation = there && !a->fence ? agent_copy(s, a)->generation : 0;
        item->event.agent.handed_over = strncmp(reason, "handed over", 11) == 0;
        item->event.agent.total_ms = (s->now_us - a->began_us) / 1000;
        (void)snprintf(item->text[2], sizeof(item->text[2]), "%s", reason);
        node_post(s, a->node, STREAM_AGENTS, item, sim_delay(s, 500));
    }
    a->process = false;
}

void agent_done(struct sim *s, struct agent *a, enum agent_result result, enum agent_vm_state state,
                const char *reason) {
    if (a->how == AGENT_DOES_NOT_KNOW) {
        result = RESULT_FAILED;
        state = VM_STATE_UNKNOWN;
        reason = "the simulator has made it forget";
    }
    agent_process_ends(s, a, result, state, reason);
    agent_free(a);
}

struct copy *agent_copy(struct sim *s, const struct agent *a) {
    return &s->vms[a->vm - 1].copies[a->node];
}

enum agent_vm_state agent_truth(struct sim *s, const struct agent *a) {
    return copy_told(agent_copy(s, a), true);
}

bool agent_may_go_on(struct sim *s, uint64_t index, uint64_t serial, sim_fn *fn) {
    if (!agent_is(s, index, serial)) {
        return false;
    }
    const struct agent *a = &s->agents[index];
    const struct node *n = &s->nodes[a->node];
    if (n->frozen || (n->libvirtd_hangs && a->job != JOB_NONE)) {
        sim_at(s, 100000, fn, index, serial);
        return false;
    }
    return true;
}

bool agent_has_storage(struct sim *s, struct agent *a, sim_fn *fn) {
    if (s->nodes[a->node].volume == VOLUME_HANGS) {
        agent_then(s, a, 200000, fn);
        return false;
    }
    if (s->nodes[a->node].volume == VOLUME_GONE) {
        agent_done(s, a, RESULT_FAILED, agent_truth(s, a), "the volume is not there");
        return false;
    }
    return true;
}

/* ---- agents that stay, and those that only tell ---- */

static void tell_cpu_models(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_may_go_on(s, index, serial, tell_cpu_models)) {
        return;
    }
    struct node *n = &s->nodes[a->node];
    if (n->libvirtd) {
        struct item *item = agent_line(a, AGENT_CPU_MODELS);
        item->event.agent.models = (struct wire_strs){.v = n->cpu_models, .n = n->n_cpu_models};
        item->event.agent.machines = (struct wire_strs){.v = n->machines, .n = n->n_machines};
        node_post(s, a->node, STREAM_AGENTS, item, 100);
    }
    agent_done(s, a, n->libvirtd ? RESULT_OK : RESULT_FAILED, VM_STATE_UNKNOWN, "");
}

void sim_offer_cpu(struct sim *s, uint32_t node, const char *model) {
    struct node *n = &s->nodes[node];
    CHECK(n->n_cpu_models < SIM_OFFERS);
    n->cpu_models[n->n_cpu_models++] = model;
}

void sim_offer_machine(struct sim *s, uint32_t node, const char *machine) {
    struct node *n = &s->nodes[node];
    CHECK(n->n_machines < SIM_OFFERS);
    n->machines[n->n_machines++] = machine;
}

static void begin_watching(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (agent_is(s, index, serial)) {
        s->nodes[a->node].watch_run = a->run;
        watch_begin(s, a->node);
    }
}

/* ---- processes ---- */

/* Its own: what it can still abort it aborts, a little before it would be killed. */
static void out_of_time(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (agent_is(s, index, serial) && a->process && a->job == JOB_MIGRATE) {
        migrate_abort(s, a, RESULT_FAILED);
    } else if (agent_is(s, index, serial) && a->process && a->job == JOB_SAVE) {
        a->cancelled = true;
    }
}

/* What it has asked of libvirtd is not taken back by its death. */
static bool leaves_work(const struct sim *s, const struct agent *a) {
    return a->job != JOB_NONE || (mirror_job(a) && a->phase == PHASE_BEGUN) ||
           checkpoint_writes_late(s, a);
}

static void deadline(struct sim *s, uint64_t index, uint64_t serial) {
    struct agent *a = &s->agents[index];
    if (!agent_is(s, index, serial) || !a->process) {
        return;
    }
    sim_trace(s, "%s: vm %s %s is killed at its deadline", s->names[a->node], a->action, a->name);
    agent_process_ends(s, a, RESULT_TIMEOUT, VM_STATE_UNKNOWN, "killed at its deadline");
    if (!leaves_work(s, a)) {
        agent_free(a);
    }
}

static void note_call(struct sim *s, const struct core_run_agent *order) {
    size_t i = 0;
    while (i < ARRAY_SIZE(s->calls) && s->calls[i].n > 0 &&
           strcmp(s->calls[i].action, order->action) != 0) {
        i++;
    }
    CHECK(i < ARRAY_SIZE(s->calls));
    (void)snprintf(s->calls[i].action, sizeof(s->calls[i].action), "%s", order->action);
    s->calls[i].n++;
    s->calls[i].params[0] = '\0';
    for (uint32_t k = 0; k < order->n_params; k++) {
        size_t used = strlen(s->calls[i].params);
        (void)snprintf(s->calls[i].params + used, sizeof(s->calls[i].params) - used, "%s=%s ",
                       order->params[k].key, order->params[k].value);
    }
}

static const char *param(const struct core_run_agent *r, const char *key) {
    for (uint32_t i = 0; i < r->n_params; i++) {
        if (strcmp(r->params[i].key, key) == 0) {
            return r->params[i].value;
        }
    }
    return "";
}

static void fill(struct sim *s, struct agent *a, const struct core_run_agent *r) {
    const char *uuid = param(r, "uuid");
    (void)snprintf(a->name, sizeof(a->name), "%s", r->instance);
    (void)snprintf(a->path, sizeof(a->path), "%s", param(r, "state_file"));
    a->vm = uuid[0] ? guest_for(s, uuid, r->instance) : 0;
    a->generation = strtoull(param(r, "generation"), NULL, 10);
    a->target = node_by_name(s, param(r, "target"));
    a->grace_us = strtoull(param(r, "grace_ms"), NULL, 10) * 1000;
    a->place = files_place(r->input);
    a->cancelled = param(r, "cancelled")[0] == '1';
    files_fill(a, param(r, "files"), param(r, "move"));
    checkpoint_fill(a, param(r, "checkpoint"));
}

void agent_run(struct sim *s, uint32_t node, const struct core_run_agent *order) {
    struct agent *a = agent_new(s, node, order->run, order->action);
    fill(s, a, order);
    note_call(s, order);
    if (s->now_us < s->nodes[node].agents_back_us) {
        agent_done(s, a, RESULT_FAILED, VM_STATE_UNKNOWN, "the agent cannot be run");
        return;
    }
    if (strcmp(order->agent, "volume") == 0) {
        (void)snprintf(a->path, sizeof(a->path), "%s", param(order, "nonce"));
        agent_then(s, a, sim_delay(s, PROCESS_US), volume_tells);
        return;
    }
    if (strcmp(order->action, "watch") == 0) {
        agent_then(s, a, sim_delay(s, PROCESS_US), begin_watching);
        return;
    }
    if (strcmp(order->action, "host-cpu") == 0) {
        agent_then(s, a, sim_delay(s, PROCESS_US), tell_cpu_models);
        return;
    }
    sim_trace(s, "%s: vm %s %s", s->names[node], order->action, order->instance);
    if (strcmp(s->next_agent.action, order->action) == 0) {
        a->how = s->next_agent.how;
        s->next_agent.action[0] = '\0';
    } else if (strcmp(s->nodes[node].habit.action, order->action) == 0) {
        a->how = s->nodes[node].habit.how;
    }
    check_agent(s, node, order);
    agent_then(s, a, sim_delay(s, PROCESS_US), job_begin);
    if (order->timeout_ms) {
        agent_then(s, a, strtoull(param(order, "timeout_ms"), NULL, 10) * 1000, out_of_time);
        agent_then(s, a, order->timeout_ms * 1000, deadline);
    }
}

static void stop_watching(struct sim *s, const struct agent *a) {
    if (s->nodes[a->node].watch_run == a->run) {
        s->nodes[a->node].watch_run = 0;
    }
}

static void ask_to_end(struct sim *s, struct agent *a) {
    if (mirror_job(a) && a->phase == PHASE_BEGUN) {
        mirror_ask_to_end(s, a);
    } else if (a->job == JOB_MIGRATE && a->phase < PHASE_PERFORMED) {
        migrate_abort(s, a, RESULT_CANCELLED);
    } else if (a->job == JOB_SAVE) {
        a->cancelled = true;
    } else if (checkpoint_writes_late(s, a)) {
        agent_process_ends(s, a, RESULT_CANCELLED, VM_STATE_UNKNOWN, "cancelled");
    } else if (a->job == JOB_NONE && a->phase < PHASE_CONFIRMED) {
        a->not_begun = job_says_what_it_begins(a);
        agent_process_ends(s, a, RESULT_CANCELLED, a->vm ? agent_truth(s, a) : VM_STATE_UNKNOWN,
                           "cancelled");
        agent_free(a);
    } /* else it is too late: it says how it ended */
}

void agent_kill(struct sim *s, uint32_t node, const struct core_kill_agent *kill) {
    for (uint32_t i = 0; i < s->n_agents; i++) {
        struct agent *a = &s->agents[i];
        if (!a->used || !a->process || a->fence || a->node != node || a->run != kill->run) {
            continue;
        }
        if (!kill->force) {
            ask_to_end(s, a);
            return;
        }
        stop_watching(s, a);
        agent_process_ends(s, a, RESULT_CANCELLED, VM_STATE_UNKNOWN, "killed");
        if (!leaves_work(s, a)) {
            agent_free(a);
        }
        return;
    }
}

void sim_kill_agent(struct sim *s, uint32_t vm, const char *action) {
    for (uint32_t i = 0; i < s->n_agents; i++) {
        struct agent *a = &s->agents[i];
        if (a->used && a->process && a->vm == vm && strcmp(a->action, action) == 0) {
            sim_trace(s, "%s: vm %s %s is killed", s->names[a->node], action, a->name);
            agent_process_ends(s, a, RESULT_FAILED, VM_STATE_UNKNOWN, "it was ended by signal 9");
            if (!leaves_work(s, a)) {
                agent_free(a);
            }
        }
    }
}

void sim_kill_watch(struct sim *s, uint32_t node) {
    for (uint32_t i = 0; i < s->n_agents; i++) {
        struct agent *a = &s->agents[i];
        if (a->used && a->process && a->node == node && a->run == s->nodes[node].watch_run) {
            sim_trace(s, "%s: the agent that watches libvirt is killed", s->names[node]);
            stop_watching(s, a);
            agent_process_ends(s, a, RESULT_CANCELLED, VM_STATE_UNKNOWN, "killed");
            agent_free(a);
        }
    }
}

void agents_of_clusterd_end(struct sim *s, uint32_t node) {
    for (uint32_t i = 0; i < s->n_agents; i++) {
        struct agent *a = &s->agents[i];
        if (!a->used || !a->process || a->node != node) {
            continue;
        }
        a->process = false;
        /* One of a migration or a save outlives it, unless it is killed, too. */
        bool moves = a->job == JOB_MIGRATE || a->job == JOB_SAVE || a->phase == PHASE_CONFIRMED;
        a->orphan = moves && (s->options.calm || sim_chance(s, 80));
        /* What a fence device has been asked for it may do all the same. */
        if (!leaves_work(s, a) && !a->orphan && !(a->fence && sim_chance(s, 50))) {
            agent_free(a);
        }
    }
}

void agents_of_node_end(struct sim *s, uint32_t node) {
    for (uint32_t i = 0; i < s->n_agents; i++) {
        struct agent *a = &s->agents[i];
        if (a->used && a->node == node) {
            if (a->job == JOB_MIGRATE) {
                migrate_libvirtd_lost(s, a, node);
            }
            if (a->used) {
                agent_free(a);
            }
        }
    }
}

void sim_agents_missing(struct sim *s, uint32_t node, uint64_t us) {
    sim_trace(s, "%s: no agent can be run for %llu ms", s->names[node],
              (unsigned long long)us / 1000);
    s->nodes[node].agents_back_us = s->now_us + us;
}

static const char *const how_names[] = {"works", "fails", "hangs", "does not know how it ended",
                                        "ends without a word"};

void sim_agents_of(struct sim *s, uint32_t node, const char *action, enum sim_agent how) {
    sim_trace(s, "%s: each vm %s %s", s->names[node], action, how_names[how]);
    (void)snprintf(s->nodes[node].habit.action, sizeof(s->nodes[node].habit.action), "%s", action);
    s->nodes[node].habit.how = how;
}

void sim_next_agent(struct sim *s, const char *action, enum sim_agent how) {
    sim_trace(s, "the next vm %s %s", action, how_names[how]);
    (void)snprintf(s->next_agent.action, sizeof(s->next_agent.action), "%s", action);
    s->next_agent.how = how;
}
