/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This node's own end: the watchdog, and stopping its VMs when it may not run them. The timeline
 * that makes both safe is in timeouts.h.
 */
#include "base/mutant.h"
#include "core/executor/inside.h"
#include "core/model/settings.h"
#include "core/replica/log.h"
#include "core/timeouts.h"

#include <errno.h>

/* A copy that libvirt has reported, or an agent that may be making one. */
static bool copies_or_orders(const struct executor *x) {
    for (uint32_t i = 0; i < x->n_domains; i++) {
        if (x->domains[i].state != VM_STATE_OFF && x->domains[i].generation != 0) {
            return true;
        }
    }
    for (uint32_t i = 0; i < x->n_runs; i++) {
        if (x->runs[i].kind == RUN_ORDER) {
            return true;
        }
    }
    return false;
}

/*
 * A copy of one of our VMs that libvirt or somebody started, not this clusterd. Without a view
 * nobody knows of it, and the VM may run elsewhere: it counts and is destroyed like our own copies.
 */
static bool is_foreign_copy(const struct core *c, const struct domain *d) {
    const struct model_vm *vm = d->state != VM_STATE_OFF && d->generation == 0
                                    ? model_vm_by_uuid(&c->model, d->uuid)
                                    : NULL;
    return vm && vm->unasked.n == 0;
}

static bool foreign_copies(const struct core *c) {
    for (uint32_t i = 0; i < c->executor.n_domains; i++) {
        if (is_foreign_copy(c, &c->executor.domains[i])) {
            return true;
        }
    }
    return false;
}

static bool is_ordered_here(struct core *c, const struct log_item *item) {
    struct log_command entry;
    struct cmd_vm_order order;
    int err = wire_decode(&log_command_record, item->data, item->size, &c->out.arena, &entry, NULL);
    bool here = err < 0;
    if (err == 0 && entry.type == COMMAND_VM_ORDER) {
        err = wire_decode(&cmd_vm_order_record, entry.body.data, entry.body.size, &c->out.arena,
                          &order, NULL);
        here = err < 0 || order.node == c->self || order.target == c->self;
    }
    c->out.error = err == -ENOMEM ? err : c->out.error;
    return here;
}

/*
 * Entries at the end of our log may be committed without our knowing it, and the previous clusterd
 * may have begun them. libvirt then works on such an order, or on its storage, and shows no VM.
 */
static bool orders_at_the_end(struct core *c) {
    const struct replica *r = &c->replica;
    for (uint64_t i = r->applied_index + 1; i <= log_last_index(&r->log); i++) {
        const struct log_item *item = log_at(&r->log, i);
        if (!item || is_ordered_here(c, item)) {
            return true;
        }
    }
    return false;
}

bool executor_runs_something(struct core *c) {
    return copies_or_orders(&c->executor) || model_node_holds_vms(&c->model, c->self) ||
           !c->executor.ever_listed || /* nothing known is not nothing there */
           (orders_at_the_end(c) && !MUTANT(idle_by_commit));
}

/* Whether something runs here as far as libvirt reports: even a node without quorum knows that. */
static bool domains_run(const struct core *c) {
    return copies_or_orders(&c->executor) || foreign_copies(c) || !c->executor.listed;
}

static void kill_orders(struct core *c) {
    for (uint32_t i = 0; i < c->executor.n_runs; i++) {
        struct run *run = &c->executor.runs[i];
        if (run->kind == RUN_ORDER && !run->killed) {
            run->kill_ms = c->now_ms;
            run->killed = true;
            struct core_action *action = outbox_add(&c->out, CORE_ACTION_KILL_AGENT);
            action->kill_agent = (struct core_kill_agent){.run = run->id, .force = 1};
        }
    }
}

/*
 * A node of two that has quorum and was in a usable view in this life keeps its VMs while it waits
 * for the other to be off: nobody else can have started them (see executor_clear_small).
 */
static bool keeps_vms(const struct core *c) {
    return c->replica.small_quorum_allowed && c->replica.quorate && c->was_usable;
}

static int surrender(struct core *c, struct domain *d) {
    d->surrendered = true;
    return executor_kill_domain(c, d, "this node is not part of a usable view");
}

/* libvirt started this when the node booted: most likely the VM runs elsewhere. */
static int end_autostarted(struct core *c) {
    for (uint32_t i = 0; i < c->executor.n_domains; i++) {
        struct domain *d = &c->executor.domains[i];
        int err = d->autostart && !d->surrendered && is_foreign_copy(c, d) ? surrender(c, d) : 0;
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

int executor_self_stop(struct core *c) {
    struct executor *x = &c->executor;
    if (keeps_vms(c)) {
        return 0;
    }
    int err = end_autostarted(c);
    if (err < 0) {
        return err;
    }
    /* A view that is being formed takes moments; a lost quorum may be lost for good. */
    uint64_t wait = c->replica.quorate
                        ? setting_get(&c->model, SETTING_self_fence_ms) - 2 * TIMEOUT_SELF_STOP_MS
                        : TIMEOUT_SELF_STOP_MS;
    uint64_t due = x->unusable_since_ms + wait;
    due = due > x->self_stop_ms ? due : x->self_stop_ms;
    if (!domains_run(c)) {
        return 0;
    }
    if (c->now_ms < due) {
        executor_wake_at(c, due);
        return 0;
    }
    if (!x->self_stopping) {
        x->self_stopping = true;
        outbox_log(&c->out, SEVERITY_ERROR,
                   "this node is not part of a usable view: its VMs are destroyed here and will "
                   "run elsewhere");
    }
    kill_orders(c);
    for (uint32_t i = 0; i < x->n_domains; i++) {
        struct domain *d = &x->domains[i];
        bool ours = d->state != VM_STATE_OFF && d->generation != 0;
        err = ours || is_foreign_copy(c, d) ? surrender(c, d) : 0;
        if (err < 0) {
            return err;
        }
    }
    x->self_stop_ms = c->now_ms + TIMEOUT_SELF_STOP_MS;
    executor_wake_at(c, x->self_stop_ms);
    return 0;
}

void executor_watchdog(struct core *c) {
    struct executor *x = &c->executor;
    if (c->watchdog_ms == 0 || c->now_ms < x->feed_ms) {
        if (c->watchdog_ms) {
            executor_wake_at(c, x->feed_ms);
        }
        return;
    }
    bool prompt = c->prompt_ms && c->now_ms <= c->prompt_ms + 2 * TIMEOUT_PROMPT_MS;
    bool idle = x->connected && x->listed && !executor_runs_something(c) && !foreign_copies(c);
    if (idle && !prompt && !MUTANT(idle_and_late)) {
        executor_wake_at(c, c->now_ms + TIMEOUT_PROMPT_MS / 4); /* then we see */
        idle = false;
    }
    bool alive = (replica_usable(&c->replica) || keeps_vms(c)) &&
                 c->replica.heartbeat_echoed != x->fed_heartbeat &&
                 (c->now_ms <= c->replica.echo_sent_ms + TIMEOUT_ECHO_MS || MUTANT(old_echo));
    if (!idle && !alive) {
        return; /* the next echo comes as a message, and with it a step */
    }
    x->fed_heartbeat = c->replica.heartbeat_echoed;
    x->feed_ms = c->now_ms + TIMEOUT_HEARTBEAT_MS / 2;
    executor_wake_at(c, x->feed_ms);
    outbox_add(&c->out, CORE_ACTION_WATCHDOG)->watchdog.feed = 1;
}

bool executor_may_stop(struct core *c) {
    const struct model_node *self = core_self(c);
    return !executor_runs_something(c) &&
           (!replica_usable(&c->replica) || !self || self->state == NODE_OFFLINE);
}
