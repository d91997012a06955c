/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Agents that run, and what this clusterd has begun: the tables that every part of the executor
 * uses.
 */
#include "core/executor/inside.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

void executor_wake_at(struct core *c, uint64_t when_ms) {
    if (when_ms < c->executor.wakeup_ms) {
        c->executor.wakeup_ms = when_ms;
    }
}

struct run *executor_add_run(struct core *c, enum run_kind kind, uint32_t subject) {
    struct executor *x = &c->executor;
    if (x->n_runs == x->runs_capacity) {
        uint32_t capacity = x->runs_capacity ? x->runs_capacity * 2 : 16;
        struct run *runs = realloc(x->runs, capacity * sizeof(*runs));
        if (!runs) {
            return NULL;
        }
        x->runs = runs;
        x->runs_capacity = capacity;
    }
    struct run *run = &x->runs[x->n_runs++];
    *run = (struct run){.id = ++x->last_run, .kind = kind, .subject = subject};
    return run;
}

struct run *executor_find_run(struct core *c, enum run_kind kind, uint32_t subject) {
    for (uint32_t i = 0; i < c->executor.n_runs; i++) {
        struct run *run = &c->executor.runs[i];
        if (run->kind == kind && run->subject == subject) {
            return run;
        }
    }
    return NULL;
}

struct run *executor_run_by_id(struct core *c, uint64_t id) {
    for (uint32_t i = 0; i < c->executor.n_runs; i++) {
        if (c->executor.runs[i].id == id) {
            return &c->executor.runs[i];
        }
    }
    return NULL;
}

void executor_drop_run(struct core *c, struct run *run) {
    struct executor *x = &c->executor;
    CHECK(run >= x->runs && run < x->runs + x->n_runs);
    uint32_t i = (uint32_t)(run - x->runs);
    x->n_runs--;
    memmove(run, run + 1, (x->n_runs - i) * sizeof(*run));
}

struct agent_call executor_call(struct core *c, const struct run *run, const char *agent,
                                const char *action, const char *instance) {
    return executor_call_at(c, run, c->libvirt_uri, agent, action, instance);
}

struct agent_call executor_call_at(struct core *c, const struct run *run, const char *uri,
                                   const char *agent, const char *action, const char *instance) {
    struct agent_call call = {
        .params = arena_array(&c->out.arena, AGENT_PARAMS, sizeof(*call.params)),
    };
    if (!call.params) {
        return call;
    }
    call.agent = &outbox_add(&c->out, CORE_ACTION_RUN_AGENT)->run_agent;
    *call.agent = (struct core_run_agent){.run = run->id,
                                          .agent = agent,
                                          .action = action,
                                          .instance = instance,
                                          .params = call.params};
    call_add(&call, "uri", uri);
    call_add(&call, "name", instance);
    return call;
}

void call_add(struct agent_call *call, const char *key, const char *value) {
    CHECK(call->agent->n_params < AGENT_PARAMS);
    call->params[call->agent->n_params++] = (struct core_param){.key = key, .value = value};
}

struct begun *executor_begun(struct core *c, uint32_t vm) {
    struct executor *x = &c->executor;
    for (uint32_t i = 0; i < x->n_begun; i++) {
        if (x->begun[i].vm == vm) {
            return &x->begun[i];
        }
    }
    if (x->n_begun == x->begun_capacity) {
        uint32_t capacity = x->begun_capacity ? x->begun_capacity * 2 : 16;
        struct begun *begun = realloc(x->begun, capacity * sizeof(*x->begun));
        if (!begun) {
            return NULL;
        }
        x->begun = begun;
        x->begun_capacity = capacity;
    }
    x->begun[x->n_begun] = (struct begun){.vm = vm};
    return &x->begun[x->n_begun++];
}
