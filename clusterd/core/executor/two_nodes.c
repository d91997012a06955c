/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two nodes, one of which wants to go on alone: it must fence the other one first. The timeline
 * that makes this safe is in timeouts.h.
 */
#include "base/mutant.h"
#include "core/executor/inside.h"
#include "core/model/fence_devices.h"
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
 * The members of the last view in this node's log, whether it is known to be committed or not. In
 * the arena; NULL when memory has run out. *ret_applied: the model already includes this view, so
 * what it says about absent nodes is newer than the view.
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
 * Whether nobody can have gone on without us since our log's end. A node that goes on in a small
 * view has us fenced first, so it cannot have left us behind while we were in a usable view in this
 * life. Nor can it if the last view we know of had none of the missing nodes: they would have had
 * to come to us first.
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

/* A view that we know of but have not applied may have brought the node back since the model saw it
 * go. */
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
 * How long to wait before fencing. The higher id lets the lower one go first, so that two halves
 * that are both alive do not fence each other at the same moment. And a clusterd whose corosync is
 * alive is most likely being restarted.
 */
static uint64_t patience_ms(const struct core *c, const struct model_node *node) {
    uint64_t ms = node->id > c->self ? 0 : TIMEOUT_FENCE_RACE_MS;
    return ids_contain(&c->replica.ring, node->id) ? ms + TIMEOUT_SILENT_MS : ms;
}

/*
 * With two_node, a node that wants to go on alone must make sure that the node outside is off
 * before it proposes such a view. Until then our VMs keep running: the other node does the same,
 * and can have gone on without us only by having us fenced.
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
