/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The executor's frame: the lines that come from agents, and what is done in each step. Orders:
 * executor/order.c. What libvirt says: executor/domain.c. Volumes: executor/volume.c. Fence
 * devices: executor/fence_agent.c and executor/fence.c. Going on alone: executor/two_nodes.c. The
 * watchdog and this node's own end: executor/self_fence.c.
 */

#include "base/mutant.h"
#include "core/executor/inside.h"
#include "core/telemetry.h"
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

/* ---------------------------------------------------------------------------------- runs ---- */

/* ------------------------------------------------------------------- agents that stay alive
 * ---- */

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
    return executor_call(c, run, "vm", "watch", "watch").agent ? 0 : -ENOMEM;
}

/* ----------------------------------------------------------------------------- reporting ---- */

/* -------------------------------------------------------------------------------- events ---- */

static int on_watch_done(struct core *c, struct run *run, const struct core_agent *line) {
    outbox_log(&c->out, SEVERITY_WARNING,
               "the agent that watches libvirt ended (%s); it is restarted", line->reason);
    (void)snprintf(c->executor.libvirt_reason, sizeof(c->executor.libvirt_reason),
                   "the agent that watches it ended: %s", line->reason);
    executor_drop_run(c, run);
    c->executor.connected = false;
    /* The table lacks what began or ended since. Nothing is concluded from it until the next agent
     * has listed everything. */
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
                       "libvirt did not say which CPU models it offers (%s): all are assumed",
                       line->reason);
            c->executor.cpu_known = true;
        }
        executor_drop_run(c, run);
        return 0;
    case RUN_VOLUME: return executor_volume_line(c, run, line);
    case RUN_ORDER: return executor_order_done(c, run, line);
    case RUN_KILL: return on_kill_done(c, run, line);
    case RUN_CLAIM: return executor_claim_done(c, run, line);
    case RUN_LEFTOVER: return executor_leftover_done(c, run, line);
    case RUN_PREDICT: return executor_predict_done(c, run, line);
    case RUN_FENCE:
    case RUN_CLEAR:
    case RUN_TEST: break;
    }
    return 0;
}

static int note_progress(struct core *c, const struct run *run, const struct core_agent *line) {
    const struct msg_progress p = {
        .operation = run->operation, .vm = run->subject, PROGRESS_FIELDS(PROGRESS_OF, line)};
    return run->kind == RUN_ORDER && replica_usable(&c->replica) ? progress_note(c, &p, true) : 0;
}

int executor_agent(struct core *c, const struct core_agent *line) {
    struct run *run = executor_run_by_id(c, line->run);
    if (!run) {
        return 0; /* killed, and forgotten */
    }
    switch (line->line) {
    case AGENT_DONE: return on_done(c, run, line);
    case AGENT_PROGRESS: return note_progress(c, run, line);
    case AGENT_VOLUME: return executor_volume_line(c, run, line);
    case AGENT_CPU_MODELS: return executor_keep_offers(c, line);
    case AGENT_NETWORKS: return executor_keep_networks(c, line);
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
        err = executor_ask_offers(c);
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
        err = executor_report_if_joining(c);
    }
    if (err == 0 && usable) {
        err = executor_report_offers(c);
    }
    if (err == 0 && usable) {
        err = executor_orders(c);
    }
    if (err == 0 && usable) {
        err = executor_leftovers(c);
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
