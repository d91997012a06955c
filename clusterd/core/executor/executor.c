/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The executor's frame: runs (agents that are alive), lines that come from them, and what is looked
 * after in each step. Orders: executor/order.c. What libvirt says: executor/domain.c. Volumes:
 * executor/volume.c. Fence devices: executor/device.c. Going on alone, watchdog and this node's own
 * end: executor/fence.c.
 */
#include "core/executor/executor.h"

#include "base/mutant.h"
#include "core/core_internal.h"
#include "core/timeouts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void executor_init(struct executor *x) {
    *x = (struct executor){.wakeup_ms = UINT64_MAX};
}

void executor_finish(struct executor *x) {
    free(x->runs);
    free(x->domains);
    free(x->begun);
    wire_release(&model_node_record, &x->offers);
    executor_init(x);
}

void executor_wake_at(struct core *c, uint64_t when_ms) {
    if (when_ms < c->executor.wakeup_ms) {
        c->executor.wakeup_ms = when_ms;
    }
}

/* ---------------------------------------------------------------------------------- runs ---- */

/* NULL when memory has run out. Valid until the next run is added or dropped. */
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

static struct run *run_by_id(struct core *c, uint64_t id) {
    for (uint32_t i = 0; i < c->executor.n_runs; i++) {
        if (c->executor.runs[i].id == id) {
            return &c->executor.runs[i];
        }
    }
    return NULL;
}

void executor_drop_run(struct core *c, struct run *run) {
    struct executor *x = &c->executor;
    uint32_t i = (uint32_t)(run - x->runs);
    x->n_runs--;
    memmove(run, run + 1, (x->n_runs - i) * sizeof(*run));
}

/* Every agent gets libvirt's address and its own name; the caller adds to `params`, which has room
 * for 16. NULL when memory has run out. */
struct core_action *executor_agent_action(struct core *c, const struct run *run, const char *agent,
                                          const char *action, const char *instance) {
    struct core_param *params = arena_array(&c->out.arena, 16, sizeof(*params));
    if (!params) {
        return NULL;
    }
    struct core_action *a = outbox_add(&c->out, CORE_ACTION_RUN_AGENT);
    params[0] = (struct core_param){"uri", c->libvirt_uri};
    params[1] = (struct core_param){"name", instance};
    a->run_agent = (struct core_run_agent){.run = run->id,
                                           .agent = agent,
                                           .action = action,
                                           .instance = instance,
                                           .params = params,
                                           .n_params = 2};
    return a;
}

/* ---------------------------------------------------------------------------------------- agents
 * that stay alive ---- */

static int keep_watching(struct core *c) {
    struct executor *x = &c->executor;
    if (executor_find_run(c, RUN_WATCH, 0)) {
        return 0;
    }
    if (c->now_ms < x->watch_restart_ms) {
        executor_wake_at(c, x->watch_restart_ms);
        return 0;
    }
    struct run *run = executor_add_run(c, RUN_WATCH, 0);
    if (!run) {
        return -ENOMEM;
    }
    x->watch_index = c->model.index;
    return executor_agent_action(c, run, "vm", "watch", "watch") ? 0 : -ENOMEM;
}

static int ask_cpu_models(struct core *c) {
    if (c->executor.cpu_asked || !c->executor.connected || executor_find_run(c, RUN_HOST_CPU, 0)) {
        return 0;
    }
    struct run *run = executor_add_run(c, RUN_HOST_CPU, 0);
    if (!run) {
        return -ENOMEM;
    }
    c->executor.cpu_asked = true;
    struct core_action *a = executor_agent_action(c, run, "vm", "host-cpu", "host");
    if (!a) {
        return -ENOMEM;
    }
    a->run_agent.timeout_ms = TIMEOUT_LISTED_MS;
    return 0;
}

static bool are_same(const struct wire_strs *a, const struct wire_strs *b) {
    bool same = a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++) {
        same = strcmp(a->v[i], b->v[i]) == 0;
    }
    return same;
}

static int keep_offers(struct core *c, const struct core_agent *line) {
    struct executor *x = &c->executor;
    struct model_node copy;
    struct model_node row = {.cpu_models = line->models, .machines = line->machines};
    if (wire_copy(&model_node_record, &row, &copy) < 0) {
        return -ENOMEM;
    }
    x->offers_untold = x->offers_untold || !are_same(&x->offers.cpu_models, &copy.cpu_models) ||
                       !are_same(&x->offers.machines, &copy.machines);
    x->cpu_known = true;
    wire_release(&model_node_record, &x->offers);
    x->offers = copy;
    return 0;
}

/* A machine type that was not among those told: another QEMU has been installed since. */
void executor_note_machine(struct core *c, const char *machine) {
    const struct wire_strs *told = &c->executor.offers.machines;
    bool found = machine == NULL || machine[0] == '\0' || told->n == 0;
    for (uint32_t i = 0; i < told->n && !found; i++) {
        const char *name = strchr(told->v[i], '/');
        found = name && strcmp(name + 1, machine) == 0;
    }
    c->executor.cpu_asked = c->executor.cpu_asked && found;
}

/* ----------------------------------------------------------------------------- reporting ---- */

static int send_report(struct core *c) {
    struct executor *x = &c->executor;
    struct report_domain *domains = arena_array(&c->out.arena, x->n_domains, sizeof(*domains));
    if (!domains) {
        return -ENOMEM;
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->n_domains; i++) {
        const struct domain *d = &x->domains[i];
        if (d->state != VM_STATE_OFF) {
            domains[n++] = (struct report_domain){.uuid = d->uuid,
                                                  .generation = d->generation,
                                                  .state = d->state,
                                                  .machine = d->machine};
        }
    }
    struct report_order *orders = arena_array(&c->out.arena, x->n_runs, sizeof(*orders));
    if (!orders) {
        return -ENOMEM;
    }
    uint32_t n_orders = 0;
    for (uint32_t i = 0; i < x->n_runs; i++) {
        if (x->runs[i].kind == RUN_ORDER) {
            orders[n_orders++] =
                (struct report_order){.vm = x->runs[i].subject, .order = x->runs[i].order};
        }
    }
    struct cmd_node_report report = {
        .node = c->self,
        .incarnation = c->incarnation,
        .memory_mb = c->memory_mb,
        .cpus = c->cpus,
        .site = c->site,
        .rack = c->rack,
        .watchdog_ms = c->watchdog_ms,
        .version = c->version,
        .cpu_models = x->offers.cpu_models,
        .domains = {.items = domains, .n = n},
        .orders = {.items = orders, .n = n_orders},
        .machines = x->offers.machines,
    };
    x->offers_untold = false;
    return core_propose(c, PENDING_REPORT, COMMAND_NODE_REPORT, &report, 0);
}

/* Copies that may not run here must be gone before this node counts as online. */
static bool strays_are_left(struct core *c) {
    for (uint32_t i = 0; i < c->executor.n_domains; i++) {
        const struct domain *d = &c->executor.domains[i];
        const struct model_vm *vm = model_vm_by_uuid(&c->model, d->uuid);
        if (d->state != VM_STATE_OFF && vm && !model_vm_may_run_on(vm, c->self) &&
            !executor_leaves_alone(d, vm)) {
            return true;
        }
    }
    return false;
}

static int report_if_joining(struct core *c) {
    const struct model_node *self = core_self(c);
    struct executor *x = &c->executor;
    if (!self || self->state != NODE_JOINING || self->incarnation != c->incarnation ||
        x->reported_index == self->since_index || !x->listed || !x->cpu_known ||
        strays_are_left(c)) {
        return 0;
    }
    if (c->replica.stored_index < c->replica.base_index + 1) {
        return 0; /* the report says that this much is kept */
    }
    if (c->watchdog_ms && x->feed_ms == 0) {
        return 0; /* not armed yet: nobody may count on it */
    }
    x->reported_index = self->since_index;
    return send_report(c);
}

/* What its QEMU offers has changed: an update, without a restart of clusterd. */
static int report_offers(struct core *c) {
    const struct model_node *self = core_self(c);
    bool online = self && self->state == NODE_ONLINE && self->incarnation == c->incarnation;
    return online && c->executor.offers_untold ? send_report(c) : 0;
}

/* -------------------------------------------------------------------------------- events ---- */

static int on_watch_done(struct core *c, struct run *run, const struct core_agent *line) {
    outbox_log(&c->out, SEVERITY_WARNING,
               "the agent that watches libvirt ended (%s); it is started again", line->reason);
    (void)snprintf(c->executor.libvirt_reason, sizeof(c->executor.libvirt_reason),
                   "the agent that watches it ended: %s", line->reason);
    executor_drop_run(c, run);
    c->executor.connected = false;
    /* What began or ended since, the table lacks: nothing is concluded from it until the next agent
     * has listed all. */
    c->executor.listed = c->executor.listed && MUTANT(old_list);
    c->executor.missing_ms = 0;
    c->executor.watch_restart_ms = c->now_ms + TIMEOUT_AGENT_RESTART_MS;
    return 0;
}

static int on_kill_done(struct core *c, struct run *run, const struct core_agent *line) {
    struct domain *d = executor_domain(c, run->uuid);
    if (line->state == VM_STATE_OFF && d) {
        d->state = VM_STATE_OFF;
    } else if (line->state != VM_STATE_OFF) {
        outbox_log(&c->out, SEVERITY_ERROR, "could not destroy %s here: %s", run->uuid,
                   line->reason);
    }
    executor_drop_run(c, run);
    return 0;
}

static int on_done(struct core *c, struct run *run, const struct core_agent *line) {
    switch (run->kind) {
    case RUN_WATCH: return on_watch_done(c, run, line);
    case RUN_HOST_CPU:
        if (!c->executor.cpu_known) {
            outbox_log(&c->out, SEVERITY_WARNING,
                       "libvirt did not tell which CPU models it offers (%s): all are assumed",
                       line->reason);
            c->executor.cpu_known = true;
        }
        executor_drop_run(c, run);
        return 0;
    case RUN_VOLUME: return executor_volume_line(c, run, line);
    case RUN_ORDER: return executor_order_done(c, run, line);
    case RUN_KILL: return on_kill_done(c, run, line);
    case RUN_CLAIM: return executor_claim_done(c, run, line);
    case RUN_FENCE:
    case RUN_CLEAR:
    case RUN_TEST: break;
    }
    return 0;
}

static int send_progress(struct core *c, const struct run *run, const struct core_agent *line) {
    struct message m = {
        .type = MESSAGE_PROGRESS,
        .body.msg_progress = {.operation = run->operation,
                              .vm = run->subject,
                              .percent = line->percent,
                              .iteration = line->iteration,
                              .rate_bps = line->rate_bps,
                              .dirty_bps = line->dirty_bps,
                              .remaining_bytes = line->remaining_bytes},
    };
    if (run->kind == RUN_ORDER && replica_usable(&c->replica)) {
        replica_send(&c->replica, &m, &c->out);
    }
    return 0;
}

int executor_agent(struct core *c, const struct core_agent *line) {
    struct run *run = run_by_id(c, line->run);
    if (!run) {
        return 0; /* killed, and forgotten */
    }
    switch (line->line) {
    case AGENT_DONE: return on_done(c, run, line);
    case AGENT_PROGRESS: return send_progress(c, run, line);
    case AGENT_VOLUME: return executor_volume_line(c, run, line);
    case AGENT_CPU_MODELS: return keep_offers(c, line);
    case AGENT_USAGE:
        c->replica.usage.memory_total_mb = line->memory_total_mb;
        c->replica.usage.memory_free_mb = line->memory_free_mb;
        c->replica.usage.cpu_busy_permille = line->cpu_busy_permille;
        return 0;
    case AGENT_CONNECTED:
    case AGENT_DISCONNECTED:
    case AGENT_DOMAIN:
    case AGENT_LISTED:
    case AGENT_AUTOSTART:
    case AGENT_DISKS:
    case AGENT_DOMAIN_EVENT: return executor_domain_line(c, line);
    case AGENT_LINE_NONE: return 0;
    }
    return 0;
}

/* ----------------------------------------------------------------------------- each step ---- */

int executor_run(struct core *c) {
    struct executor *x = &c->executor;
    x->wakeup_ms = UINT64_MAX;
    bool usable = replica_usable(&c->replica);
    if (usable) {
        x->unusable_since_ms = 0;
        c->was_usable = true;
        x->self_stopping = false;
    } else if (x->unusable_since_ms == 0) {
        x->unusable_since_ms = c->now_ms;
    }
    int err = keep_watching(c);
    if (err == 0) {
        err = executor_libvirt(c);
    }
    if (err == 0) {
        err = ask_cpu_models(c);
    }
    if (err == 0) {
        err = executor_volumes(c);
    }
    if (err == 0) {
        err = usable ? executor_domains(c) : executor_self_stop(c);
    }
    if (err == 0 && usable) {
        err = executor_claims(c);
    }
    if (err == 0 && usable) {
        err = report_if_joining(c);
    }
    if (err == 0 && usable) {
        err = report_offers(c);
    }
    if (err == 0 && usable) {
        err = executor_orders(c);
    }
    if (err == 0 && usable) {
        err = executor_fencing(c);
    }
    if (err == 0) {
        err = executor_clear_small(c);
    }
    executor_watchdog(c);
    return err;
}
