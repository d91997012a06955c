/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of two nodes, fencing the other one before this one goes on alone; and this node's own end: the
 * watchdog and stopping its VMs when it may not run them. The timeline that makes both safe is in
 * timeouts.h. How fence agents are run: executor/device.c.
 */
#include "base/mutant.h"
#include "core/core_internal.h"
#include "core/model/devices.h"
#include "core/executor/executor.h"
#include "core/replica/log.h"
#include "core/model/settings.h"
#include "core/timeouts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* -EBADMSG: the entry is something else. */
static int decode_view(struct core *c, const struct log_item *item, struct cmd_view *ret_view) {
    struct log_command entry;
    int err = wire_decode(&log_command_record, item->data, item->size, &c->out.arena, &entry, NULL);
    if (err < 0) {
        return err;
    }
    if (entry.type != COMMAND_VIEW) {
        return -EBADMSG;
    }
    return wire_decode(&cmd_view_record, entry.body.data, entry.body.size, &c->out.arena, ret_view,
                       NULL);
}

/*
 * The members of the last view that this node's log knows of, whether it is known to be committed
 * or not. In the arena; NULL when memory has run out. *ret_applied: the model is of that view, so
 * what it says of nodes outside is said after it.
 */
static const struct wire_ids *last_view(struct core *c, bool *ret_applied) {
    const struct replica *r = &c->replica;
    struct wire_ids *ids = arena_alloc(&c->out.arena, sizeof(*ids));
    *ret_applied = false;
    for (uint64_t i = log_last_index(&r->log); ids && i > r->applied_index; i--) {
        const struct log_item *item = log_at(&r->log, i);
        struct cmd_view view;
        int err = item ? decode_view(c, item, &view) : -EBADMSG;
        if (err == -ENOMEM) {
            return NULL; /* an earlier one would be taken for the last */
        }
        if (err < 0) {
            continue;
        }
        const struct view_member *members = view.members.items;
        uint32_t *v = arena_array(&c->out.arena, view.members.n, sizeof(*v));
        for (uint32_t k = 0; v && k < view.members.n; k++) {
            v[k] = members[k].node;
        }
        *ids = (struct wire_ids){.v = v, .n = view.members.n};
        return v ? ids : NULL;
    }
    *ret_applied = true;
    if (ids) {
        *ids = c->model.members;
    }
    return ids;
}

static bool is_outside(const struct core *c, const struct model_node *node) {
    return node->configured && !replica_takes_part(&c->replica, node->id);
}

/*
 * Whether nobody can have gone on without us since our log's end. Whoever goes on in a small view
 * has us fenced first, so we cannot have been left behind while we were in a usable view in this
 * life; nor if the last view that we know of had none of those who are missing now: they would have
 * had to come to us first.
 */
static bool is_up_to_date(struct core *c, const struct wire_ids *last) {
    if (c->was_usable) {
        return true;
    }
    MODEL_EACH(model_node, node, &c->model.nodes) {
        if (is_outside(c, node) && ids_contain(last, node->id)) {
            return false;
        }
    }
    return ids_contain(last, c->self);
}

/* A view that we know of and have not applied may have brought it back since the model saw it go.
 */
static bool is_off(const struct core *c, const struct model_node *node, bool applied) {
    bool by_model =
        node->state == NODE_FENCED || node->state == NODE_OFFLINE || node->state == NODE_NEVER_SEEN;
    return (by_model && applied) || ids_contain(&c->executor.cleared, node->id);
}

static int clear_node(struct core *c, const struct model_node *node) {
    const struct model_device *device =
        devices_turn(&c->model, node->id, c->executor.clear_attempts);
    if (!device || executor_find_run(c, RUN_CLEAR, node->id)) {
        return 0;
    }
    struct run *run = executor_add_run(c, RUN_CLEAR, node->id);
    int err = run ? executor_run_device(c, run, device, node->name, FENCE_OFF) : -ENOMEM;
    if (err == 0) {
        outbox_log(&c->out, SEVERITY_WARNING,
                   "no majority without %s: it is fenced with device %s before this node goes on "
                   "alone",
                   node->name, device->name);
    }
    return err;
}

/*
 * How long to wait before the first shot. The higher id lets the lower one go first, so that two
 * halves that both live do not shoot each other at the same moment; and a clusterd whose corosync
 * lives is most likely being restarted.
 */
static uint64_t patience_ms(const struct core *c, const struct model_node *node) {
    uint64_t ms = node->id > c->self ? 0 : TIMEOUT_FENCE_RACE_MS;
    return ids_contain(&c->replica.ring, node->id) ? ms + TIMEOUT_SILENT_MS : ms;
}

/*
 * Of two nodes (two_node), one that would go on alone: before we propose such a view, the node
 * outside must be off. Until then our VMs run on: the other one does the same, and can have gone on
 * without us only by having us fenced.
 */
int executor_clear_small(struct core *c) {
    struct executor *x = &c->executor;
    if (x->clear_view != c->replica.views) {
        x->clear_view = c->replica.views;
        x->clear_from_ms = 0;
        x->clear_attempts = 0;
        x->cleared.n = 0; /* what was off then may be back */
    }
    int settled = executor_settle(c, RUN_CLEAR);
    if (settled < 0) {
        return settled;
    }
    if (!replica_wants_clearance(&c->replica)) {
        return 0;
    }
    bool applied = false;
    const struct wire_ids *last = last_view(c, &applied);
    if (!last) {
        return -ENOMEM;
    }
    if (!is_up_to_date(c, last)) {
        return 0;
    }
    bool all_off = true;
    uint64_t wait_ms = 0;
    MODEL_EACH(model_node, node, &c->model.nodes) {
        if (is_outside(c, node)) {
            uint64_t ms = patience_ms(c, node);
            wait_ms = ms > wait_ms ? ms : wait_ms;
            all_off = all_off && is_off(c, node, applied);
        }
    }
    if (all_off) {
        return replica_clear_small(&c->replica, c->now_ms, c->wall_ms, &c->out);
    }
    if (x->clear_from_ms == 0) {
        x->clear_from_ms = c->now_ms + wait_ms;
    }
    if (c->now_ms < x->clear_from_ms) {
        executor_wake_at(c, x->clear_from_ms);
        return 0;
    }
    MODEL_EACH(model_node, node, &c->model.nodes) {
        int err = is_outside(c, node) && !is_off(c, node, applied) ? clear_node(c, node) : 0;
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

bool executor_waits_for(const struct core *c, uint32_t node) {
    return replica_wants_clearance(&c->replica) && !replica_takes_part(&c->replica, node);
}

void executor_note_cleared(struct core *c, uint32_t node, bool ok, const char *message) {
    struct executor *x = &c->executor;
    if (!ok) {
        x->clear_from_ms = c->now_ms + devices_pause_ms(&c->model, node, ++x->clear_attempts);
        outbox_log(&c->out, SEVERITY_ERROR,
                   "%s could not be fenced (%s): this node does not go on alone",
                   model_node_name(&c->model, node), message);
        return;
    }
    if (!ids_contain(&x->cleared, node) && x->cleared.n < WIRE_MAX_NODES) {
        x->cleared_ids[x->cleared.n] = node;
        x->cleared.v = x->cleared_ids;
        x->cleared.n++;
    }
}

/* ------------------------------------------------------------------------------- own end ---- */

/* A copy that libvirt told of, or an agent that may be making one. */
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
 * A copy of one of our VMs that we did not make, begun by libvirt or by somebody. Without a view
 * nobody knows of it, and the VM may run elsewhere: it counts, and goes, as our own copies do.
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
 * What our log ends with, and is not known to be committed, may be all the same, and may have been
 * begun by the clusterd before this one: libvirt then works on it, or on its storage, without any
 * VM to be seen.
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

/* Whether something runs here as far as libvirt tells: what a node without quorum can still know.
 */
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
 * Of two nodes, one that has a quorum and was in a usable view in this life keeps its VMs while it
 * waits for the other to be off: nobody else can have started them (see executor_clear_small).
 */
static bool keeps_vms(const struct core *c) {
    return c->replica.small_quorum_allowed && c->replica.quorate && c->was_usable;
}

static int surrender(struct core *c, struct domain *d) {
    d->surrendered = true;
    return executor_kill_domain(c, d, "this node is not part of a usable view");
}

/* What libvirt has begun by itself, as this node booted: most likely the VM runs elsewhere. */
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
    /* Views that are being formed pass in moments; a quorum that is lost may be lost for good. */
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
                   "this node is not part of a usable view: its VMs are destroyed here, they will "
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
