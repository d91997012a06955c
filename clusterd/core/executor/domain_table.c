/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of this node's domains, as libvirt reported them; and destroying one of them.
 */
#include "core/executor/inside.h"
#include "core/timeouts.h"

#include "base/mutant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct domain *executor_domain(struct core *c, const char *uuid) {
    for (uint32_t i = 0; i < c->executor.n_domains; i++) {
        if (strcmp(c->executor.domains[i].uuid, uuid) == 0) {
            return &c->executor.domains[i];
        }
    }
    return NULL;
}

struct domain *executor_domain_for(struct core *c, const struct core_agent *line) {
    struct executor *x = &c->executor;
    struct domain *d = executor_domain(c, line->uuid);
    if (d) {
        return d;
    }
    if (x->n_domains == x->domains_capacity) {
        uint32_t capacity = x->domains_capacity ? x->domains_capacity * 2 : 16;
        struct domain *domains = realloc(x->domains, capacity * sizeof(*domains));
        if (!domains) {
            return NULL;
        }
        x->domains = domains;
        x->domains_capacity = capacity;
    }
    d = &x->domains[x->n_domains++];
    *d = (struct domain){.state = VM_STATE_OFF};
    (void)snprintf(d->uuid, sizeof(d->uuid), "%s", line->uuid);
    return d;
}

uint8_t executor_state_after(uint8_t event, uint8_t former) {
    switch ((enum agent_event)event) {
    case VM_EVENT_STARTED:
    case VM_EVENT_RESUMED: return VM_STATE_RUNNING;
    case VM_EVENT_PAUSED: return VM_STATE_PAUSED;
    case VM_EVENT_STOPPED:
    case VM_EVENT_CRASHED:
    case VM_EVENT_SHUTDOWN:
    case VM_EVENT_MIGRATED:
    case VM_EVENT_SURRENDERED: return VM_STATE_OFF;
    case VM_EVENT_DISKS:
    case VM_EVENT_NONE: break;
    }
    return former;
}

uint8_t executor_end_of(const struct domain *d) {
    if (d->surrendered) {
        return VM_EVENT_SURRENDERED;
    }
    return executor_state_after(d->last_event, VM_STATE_UNKNOWN) == VM_STATE_OFF ? d->last_event
                                                                                 : VM_EVENT_CRASHED;
}

int executor_kill_domain(struct core *c, const struct domain *d, const char *why) {
    for (uint32_t i = 0; i < c->executor.n_runs; i++) {
        const struct run *run = &c->executor.runs[i];
        if (run->kind == RUN_KILL && strcmp(run->uuid, d->uuid) == 0) {
            return 0;
        }
    }
    struct run *run = executor_add_run(c, RUN_KILL, 0);
    if (!run) {
        return -ENOMEM;
    }
    memcpy(run->uuid, d->uuid, sizeof(run->uuid));
    outbox_log(&c->out, SEVERITY_WARNING, "destroying %s (%s) here: %s", d->name, d->uuid, why);
    const char *name = outbox_text(&c->out, "%s", d->name);
    struct agent_call call = executor_call(c, run, "vm", "destroy", name);
    if (!call.agent) {
        return -ENOMEM;
    }
    call_add(&call, "uuid", outbox_text(&c->out, "%s", d->uuid));
    call_add(&call, "timeout_ms", outbox_text(&c->out, "%u", (unsigned)TIMEOUT_DESTROY_MS));
    call.agent->timeout_ms = TIMEOUT_DESTROY_MS + TIMEOUT_LAST_WORD_MS;
    return 0;
}

bool executor_leaves_alone(const struct domain *d, const struct model_vm *vm) {
    if (MUTANT(foreign_is_stray)) {
        return false;
    }
    return vm->unasked.n > 0 || (vm->state == VM_OFF && model_vm_is_foreign(vm, d->generation));
}
