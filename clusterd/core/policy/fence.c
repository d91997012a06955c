/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fencing: which nodes must be made certain to run nothing, and what counts as certain.
 *
 * A node is fenced in four cases: it left the view while a VM may be on it; its clusterd stays
 * silent; its libvirt does not say whether VMs have started there and the node has nothing else; or
 * somebody requested it. Each of its devices is tried (fence_devices.h), then all of them again
 * with growing pauses, without limit: without evidence nothing is started elsewhere.
 */
#include "base/mutant.h"
#include "core/policy/inside.h"
#include "core/model/fence_devices.h"
#include "core/model/settings.h"
#include "core/timeouts.h"

#include <errno.h>

/* Since when the node is in its present state of the model, by our own clock. */
static struct policy_wait *wait_of(struct core *c, const struct model_node *node) {
    struct policy *p = &c->policy;
    uint32_t i = 0;
    while (i < p->n_waits && p->waits[i].node != node->id) {
        i++;
    }
    if (i == WIRE_MAX_NODES) {
        return NULL;
    }
    struct policy_wait *wait = &p->waits[i];
    if (i == p->n_waits) {
        p->n_waits++;
        *wait = (struct policy_wait){.node = node->id};
    }
    return wait;
}

static bool lost(const struct model_node *node) {
    return node->state == NODE_LOST || node->state == NODE_FENCING;
}

/* What may run there has changed, so the wait for its end starts over. */
static void note_held(struct core *c, const struct model_node *node, struct policy_wait *wait) {
    uint64_t serial = 0;
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        if (model_vm_may_run_on(vm, node->id) && vm->serial > serial) {
            serial = vm->serial;
        }
    }
    if (wait->held_since_ms == 0 || serial > wait->held_serial) {
        wait->held_serial = serial;
        wait->held_since_ms = c->now_ms;
    }
}

/* The clock of the watchdog's proof starts when we first saw the node lost. Failed attempts do not
 * stop it. */
static void note_state(struct core *c, const struct model_node *node, struct policy_wait *wait) {
    bool gone = lost(node) || node->state == NODE_SILENT || model_node_is_stuck(&c->model, node);
    if (!gone || wait->lost_index != node->lost_index) {
        /* The node may have been back between two passes: another loss has another clock. */
        *wait = (struct policy_wait){.node = node->id, .lost_index = node->lost_index};
    }
    if (!gone) {
        return;
    }
    if (wait->since_ms == 0) {
        wait->since_ms = c->now_ms;
    }
    note_held(c, node, wait);
    if (node->fence_order == 0 && node->fence_attempts != wait->attempts) {
        wait->attempts = node->fence_attempts;
        wait->next_fence_ms =
            c->now_ms + devices_pause_ms(&c->model, node->id, node->fence_attempts);
    }
}

static int begin_fence(struct core *c, const struct model_node *node) {
    const struct model_device *device = devices_turn(&c->model, node->id, node->fence_attempts);
    if (!device) {
        return 0; /* `status` says so; confirm-off or the watchdog may still give evidence */
    }
    struct cmd_fence_begin begin = {
        .node = node->id, .incarnation = node->incarnation, .device = device->name, .by = c->self};
    return policy_propose(c, COMMAND_FENCE_BEGIN, &begin);
}

/* A migration that was in progress when the node was lost may still end there. */
static bool may_still_arrive(const struct core *c, uint32_t node) {
    MODEL_EACH(model_vm, vm, &c->model.vms) {
        bool moves = vm->state == VM_MIGRATING ||
                     (vm->state == VM_RESOLVING && vm->probe_owner == VM_STATE_UNKNOWN);
        if (vm->target == node && moves) {
            return true;
        }
    }
    return false;
}

/* By the proof in timeouts.h. */
static int watchdog_evidence(struct core *c, const struct model_node *node,
                             struct policy_wait *wait) {
    /* An explicit fence request means "power it off"; a watchdog timeout does not satisfy it. Try
     * the device first. */
    if (!lost(node) || node->watchdog_ms == 0 || node->fence_asked) {
        return 0;
    }
    if (may_still_arrive(c, node->id)) {
        return 0; /* its end is an event */
    }
    uint64_t since_ms = wait->held_since_ms > wait->since_ms ? wait->held_since_ms : wait->since_ms;
    uint64_t least = node->watchdog_ms + TIMEOUT_ECHO_MS + TIMEOUT_DRIFT_MS;
    uint64_t term = setting_get(&c->model, SETTING_self_fence_ms);
    term = (term > least ? term : least) - (MUTANT(watchdog_short) ? 1000 : 0);
    if (c->now_ms < since_ms + term) {
        policy_wake_at(c, since_ms + term);
        return 0;
    }
    struct cmd_fence_result result = {
        .node = node->id,
        .incarnation = node->incarnation,
        .evidence = EVIDENCE_WATCHDOG,
        .device = "",
        .message = "its watchdog was armed, and its deadline has passed",
        .then = "",
    };
    return policy_propose(c, COMMAND_FENCE_RESULT, &result);
}

/* When the node may be fenced; UINT64_MAX: it need not be. */
static uint64_t fence_due(const struct core *c, const struct model_node *node,
                          const struct policy_wait *wait) {
    uint64_t due = UINT64_MAX;
    if (lost(node)) {
        due = wait->next_fence_ms;
    } else if (node->fence_asked) {
        return 0;
    } else if (node->state == NODE_SILENT && model_node_holds_vms(&c->model, node->id)) {
        due = wait->since_ms + TIMEOUT_SILENT_MS;
        due = due > wait->next_fence_ms ? due : wait->next_fence_ms;
    } else if (model_node_is_stuck(&c->model, node)) {
        due = wait->since_ms + TIMEOUT_STUCK_MS;
        due = due > wait->next_fence_ms ? due : wait->next_fence_ms;
    }
    return due != UINT64_MAX && due < c->policy.fence_from_ms ? c->policy.fence_from_ms : due;
}

static int fence_node(struct core *c, const struct model_node *node) {
    struct policy_wait *wait = wait_of(c, node);
    if (!wait) {
        return 0;
    }
    note_state(c, node, wait);
    int err = watchdog_evidence(c, node, wait);
    if (err < 0) {
        return err;
    }
    bool under_way = node->fence_order != 0 && node->fence_by == c->self;
    uint64_t due = fence_due(c, node, wait);
    if (under_way || due == UINT64_MAX) {
        return 0;
    }
    if (c->now_ms < due) {
        policy_wake_at(c, due);
        return 0;
    }
    return begin_fence(c, node);
}

int policy_fencing(struct core *c) {
    MODEL_EACH(model_node, node, &c->model.nodes) {
        int err = fence_node(c, node);
        if (err < 0) {
            return err;
        }
    }
    return 0;
}
