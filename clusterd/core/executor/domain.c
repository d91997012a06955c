/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libvirt says about this node's domains, compared with the model.
 *
 * Level-triggered: lines only fill a table, and each step compares the table with the model. So an
 * event that came before the commit that it contradicts is not lost.
 */
#include "base/mutant.h"
#include "core/executor/inside.h"
#include "core/timeouts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int note_domain(struct core *c, const struct core_agent *line) {
    if (!line->uuid || line->uuid[0] == '\0' || strlen(line->uuid) > WIRE_MAX_NAME) {
        return 0;
    }
    struct domain *d = executor_domain_for(c, line);
    if (!d) {
        return -ENOMEM;
    }
    bool event = line->line == AGENT_DOMAIN_EVENT;
    d->state = event ? executor_state_after(line->domain_event, d->state) : line->state;
    d->last_event = event ? line->domain_event : VM_EVENT_NONE;
    d->surrendered = d->surrendered && d->last_event != VM_EVENT_STARTED;
    d->listed = true;
    if (line->generation || line->foreign) {
        d->generation = line->generation; /* else it is not known of this line's domain */
    }
    (void)snprintf(d->name, sizeof(d->name), "%s", line->name ? line->name : "");
    if (line->machine && line->machine[0] && strlen(line->machine) <= WIRE_MAX_NAME) {
        (void)snprintf(d->machine, sizeof(d->machine), "%s", line->machine);
    }
    (void)snprintf(d->reason, sizeof(d->reason), "%s", line->reason ? line->reason : "");
    const struct model_vm *vm = event ? model_vm_by_uuid(&c->model, d->uuid) : NULL;
    if (vm) {
        executor_probe_soon(c, vm->id);
    }
    return 0;
}

/* The list is complete. Any domain that we knew and that is not in it ended while nobody was
 * watching. */
static void note_listed(struct core *c) {
    struct executor *x = &c->executor;
    for (uint32_t i = 0; i < x->n_domains; i++) {
        struct domain *d = &x->domains[i];
        if (!d->listed && d->state != VM_STATE_OFF) {
            d->state = VM_STATE_OFF;
            d->last_event = VM_EVENT_CRASHED;
            (void)snprintf(d->reason, sizeof(d->reason),
                           "it was gone when libvirt could be asked again");
        }
    }
    x->listed = true;
    x->ever_listed = true;
    executor_probe_soon(c, 0);
}

static int note_autostart(struct core *c, const struct core_agent *line) {
    if (!line->uuid || line->uuid[0] == '\0' || strlen(line->uuid) > WIRE_MAX_NAME) {
        return 0;
    }
    struct domain *d = executor_domain_for(c, line);
    if (!d) {
        return -ENOMEM;
    }
    d->autostart = line->autostart;
    return 0;
}

static void note_disks(struct core *c, const struct core_agent *line) {
    struct domain *d = line->uuid ? executor_domain(c, line->uuid) : NULL;
    if (d) {
        d->disks_known = true;
        d->disks_generation = line->generation;
        (void)snprintf(d->disks, sizeof(d->disks), "%s", line->reason ? line->reason : "");
    }
}

int executor_domain_line(struct core *c, const struct core_agent *line) {
    struct executor *x = &c->executor;
    switch (line->line) {
    case AGENT_CONNECTED:
        x->connected = true;
        x->listed = false;
        x->cpu_asked = false; /* libvirt, or QEMU, may be another one now */
        if (MUTANT(late_list)) {
            x->watch_index = c->model.index;
        }
        x->libvirt_reason[0] = '\0';
        for (uint32_t i = 0; i < x->n_domains; i++) {
            x->domains[i].listed = false;
            x->domains[i].autostart = false;
        }
        return 0;
    case AGENT_DISCONNECTED:
        if (x->connected || x->libvirt_reason[0] == '\0') {
            outbox_log(&c->out, SEVERITY_WARNING,
                       "libvirt does not answer (%s): VMs keep running, but none can be started, "
                       "moved or stopped here; see libvirtd's log",
                       line->reason ? line->reason : "");
        }
        x->connected = false;
        (void)snprintf(x->libvirt_reason, sizeof(x->libvirt_reason), "%s",
                       line->reason ? line->reason : "");
        return 0;
    case AGENT_LISTED: note_listed(c); return 0;
    case AGENT_DOMAIN:
    case AGENT_DOMAIN_EVENT: return note_domain(c, line);
    case AGENT_AUTOSTART: return note_autostart(c, line);
    case AGENT_DISKS: note_disks(c, line); return 0;
    case AGENT_LINE_NONE:
    case AGENT_PROGRESS:
    case AGENT_DONE:
    case AGENT_USAGE:
    case AGENT_VOLUME:
    case AGENT_NETWORKS:
    case AGENT_CPU_MODELS: break;
    }
    return 0;
}

/* A restart of libvirtd takes a moment and concerns only this node. */
static void note_libvirt(struct core *c) {
    struct executor *x = &c->executor;
    bool away = !x->connected || !x->listed;
    uint64_t pause_ms = x->ever_listed ? TIMEOUT_LIBVIRT_MS : TIMEOUT_LIBVIRT_BOOT_MS;
    if (away == x->libvirt_away) {
        x->libvirt_edge_ms = 0;
        return;
    }
    if (x->libvirt_edge_ms == 0) {
        x->libvirt_edge_ms = c->now_ms;
    }
    if (c->now_ms < x->libvirt_edge_ms + pause_ms) {
        executor_wake_at(c, x->libvirt_edge_ms + pause_ms);
        return;
    }
    x->libvirt_away = away;
    x->libvirt_edge_ms = 0;
}

/* The others place no VM on a node whose libvirt does not answer. */
int executor_libvirt(struct core *c) {
    const struct executor *x = &c->executor;
    const struct model_node *self = core_self(c);
    note_libvirt(c);
    if (!replica_usable(&c->replica) || !self || self->incarnation != c->incarnation ||
        (self->libvirt[0] != '\0') == x->libvirt_away || pending_has(c, COMMAND_NODE_LIBVIRT)) {
        return 0;
    }
    const char *why = x->libvirt_reason[0] ? x->libvirt_reason : "it has not answered yet";
    struct cmd_node_libvirt told = {.node = c->self,
                                    .incarnation = c->incarnation,
                                    .reason =
                                        x->libvirt_away ? outbox_text(&c->out, "%s", why) : ""};
    return pending_propose(c, PENDING_REPORT, COMMAND_NODE_LIBVIRT, &told);
}

/* ---------------------------------------------------------------------- table against model
 * ---- */

static int report_event(struct core *c, struct domain *d, const struct model_vm *vm, uint8_t kind,
                        const char *reason) {
    if (d->reported_serial == vm->serial) {
        return 0;
    }
    d->reported_serial = vm->serial;
    struct cmd_vm_event event = {.vm = vm->id,
                                 .node = c->self,
                                 .generation = vm->generation,
                                 .incarnation = c->incarnation,
                                 .kind = kind,
                                 .reason = reason};
    return pending_propose(c, PENDING_REPORT, COMMAND_VM_EVENT, &event);
}

static int compare_own(struct core *c, struct domain *d, const struct model_vm *vm) {
    if (vm->state != VM_RUNNING || vm->order != ORDER_NONE || vm->owner != c->self ||
        (d->generation != vm->generation && !MUTANT(generation_not_compared))) {
        return 0;
    }
    const char *reason = outbox_text(&c->out, "%s", d->reason);
    if (d->state == VM_STATE_OFF) {
        return report_event(c, d, vm, executor_end_of(d), reason);
    }
    bool same_copy = d->disks_known && d->disks_generation == vm->generation;
    if (same_copy && strcmp(d->disks, vm->other_disks) != 0) {
        return report_event(c, d, vm, VM_EVENT_DISKS, outbox_text(&c->out, "%s", d->disks));
    }
    if (d->state == VM_STATE_PAUSED && !vm->paused) {
        return report_event(c, d, vm, VM_EVENT_PAUSED, reason);
    }
    if (d->state == VM_STATE_RUNNING && vm->paused) {
        return report_event(c, d, vm, VM_EVENT_RESUMED, "");
    }
    return 0;
}

static bool may_be_here(const struct core *c, const struct domain *d, const struct model_vm *vm) {
    if (!model_vm_may_run_on(vm, c->self)) {
        return false;
    }
    /* A copy of an earlier ownership is a stray even on the owner. */
    return d->generation == 0 || d->generation >= vm->generation || vm->state == VM_MIGRATING ||
           vm->state == VM_RESOLVING;
}

static int kill_if_stray(struct core *c, struct domain *d, const struct model_vm *vm) {
    if (d->state == VM_STATE_OFF || may_be_here(c, d, vm) || executor_leaves_alone(d, vm) ||
        replica_disagrees(&c->replica)) {
        d->stray_ms = 0;
        return 0;
    }
    if (d->stray_ms == 0) {
        d->stray_ms = c->now_ms;
    }
    /* A joining node gets no orders, so a copy that may not run now may not run at all. */
    const struct model_node *self = core_self(c);
    uint64_t due_ms = d->stray_ms + (self && self->state == NODE_JOINING ? 0 : TIMEOUT_STRAY_MS);
    if (c->now_ms < due_ms) {
        executor_wake_at(c, due_ms);
        return 0;
    }
    d->stray_ms = c->now_ms; /* and again, should the destroy not work */
    return executor_kill_domain(c, d, "the cluster does not allow it to run on this node");
}

/* libvirt has reported the present copy, running or ended. */
static bool is_known(struct core *c, const struct model_vm *vm) {
    const struct domain *d = executor_domain(c, vm->uuid);
    return d && (d->state != VM_STATE_OFF || d->generation >= vm->generation);
}

/*
 * VMs that run here by the model, but that libvirt has not reported. If libvirt's list was taken
 * after the VM's last change was committed, the VM is gone. The order is certain only if the
 * listing agent was started after that commit, because its output may have been queued while we
 * lagged behind. Otherwise the list is read again, but only after TIMEOUT_MISSING_MS: start reports
 * and events use different channels.
 */
static int report_unlisted(struct core *c) {
    struct executor *x = &c->executor;
    bool missing = false;
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        if (vm->state != VM_RUNNING || vm->owner != c->self || vm->order != ORDER_NONE ||
            is_known(c, vm)) {
            continue;
        }
        if (vm->serial > x->watch_index) {
            missing = true;
            continue;
        }
        struct core_agent line = {.line = AGENT_DOMAIN_EVENT,
                                  .domain_event = VM_EVENT_CRASHED,
                                  .uuid = vm->uuid,
                                  .name = vm->name,
                                  .generation = vm->generation,
                                  .reason = "libvirt no longer knows it"};
        int err = note_domain(c, &line);
        if (err < 0) {
            return err;
        }
    }
    if (!missing || !x->connected) {
        x->missing_ms = 0;
    } else if (x->missing_ms == 0) {
        x->missing_ms = c->now_ms;
    }
    const struct run *watch = missing ? executor_find_run(c, RUN_WATCH, 0) : NULL;
    if (!watch || x->missing_ms == 0) {
        return 0;
    }
    if (c->now_ms >= x->missing_ms + TIMEOUT_MISSING_MS) {
        struct core_action *action = outbox_add(&c->out, CORE_ACTION_KILL_AGENT);
        action->kill_agent = (struct core_kill_agent){.run = watch->id, .force = 1};
        x->missing_ms = c->now_ms;
    }
    executor_wake_at(c, x->missing_ms + TIMEOUT_MISSING_MS);
    return 0;
}

int executor_domains(struct core *c) {
    struct executor *x = &c->executor;
    const struct model_node *self = core_self(c);
    if (!x->listed || !self || self->incarnation != c->incarnation) {
        return 0;
    }
    bool online = self->state == NODE_ONLINE;
    int err = online ? report_unlisted(c) : 0;
    for (uint32_t i = 0; err == 0 && i < x->n_domains; i++) {
        struct domain *d = &x->domains[i];
        const struct model_vm *vm = model_vm_by_uuid(&c->model, d->uuid);
        if (!vm) {
            continue; /* not one of ours: never touched */
        }
        err = online ? compare_own(c, d, vm) : 0;
        if (err == 0) {
            err = kill_if_stray(c, d, vm);
        }
    }
    return err;
}
