/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fencing: requested by people, tried by the coordinator, proved; and what follows from the proof.
 */
#include "core/apply/inside.h"

void fencing_end(struct apply *a, const struct model_node *node, enum operation_state state,
                 const char *reason) {
    APPLY_EACH(model_operation, op, &a->m->operations) {
        if (op->kind == OPERATION_FENCE && op->node == node->id && op->state == OPERATION_RUNNING) {
            operation_end(a, op, state, reason);
        }
    }
}

void apply_node_fence(struct apply *a, const void *command) {
    const struct cmd_node_fence *fence = command;
    struct model_node *node = find_node(a, fence->node);
    if (!node) {
        return;
    }
    if (!model_device_for(a->m, node->id)) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "no fence device is configured for %s", node->name),
                     "clusterctl fence-device add, or power it off by hand and confirm-off");
        return;
    }
    if (node->state == NODE_FENCED) {
        return;
    }
    struct model_operation *op = operation_add(a, OPERATION_FENCE, node->name);
    if (!op) {
        return;
    }
    op->node = node->id;
    node->fence_asked = 1;
    node->fence_attempts = 0; /* no long pause for an administrator who is waiting */
    a->operation = op->id;
    apply_event(a, SEVERITY_WARNING, "fence-asked", node->name,
                "an administrator asked to fence %s", node->name);
}

static void node_fenced(struct apply *a, struct model_node *node, enum fence_evidence evidence,
                        const char *reason) {
    node->evidence = (uint8_t)evidence;
    node->fence_order = 0;
    node->fence_asked = 0;
    node_set_state(a, node, NODE_FENCED, reason);
    apply_event(a, SEVERITY_WARNING, "node-fenced", node->name, "%s runs nothing any more: %s",
                node->name, reason);
    fencing_end(a, node, OPERATION_DONE, reason);
    vms_node_off(a, node->id);
    claims_node_off(a, node->id);
}

void apply_node_confirm_off(struct apply *a, const void *command) {
    const struct cmd_node_confirm_off *confirm = command;
    struct model_node *node = find_node(a, confirm->node);
    if (!node) {
        return;
    }
    if (ids_contain(&a->m->members, node->id)) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "%s is a member of the cluster: it is not off",
                                 node->name),
                     "clusterctl node fence powers it off");
        return;
    }
    if (node->state == NODE_SILENT) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "corosync on %s answers: it is not off", node->name),
                     "clusterctl node fence powers it off; or power it off by hand first");
        return;
    }
    if (node->state == NODE_FENCED || node->state == NODE_OFFLINE ||
        node->state == NODE_NEVER_SEEN) {
        claims_node_off(a, node->id);
        return;
    }
    node_fenced(a, node, EVIDENCE_ADMIN, "an administrator confirmed that it is off");
}

void apply_fence_begin(struct apply *a, const void *command) {
    const struct cmd_fence_begin *begin = command;
    struct model_node *node = apply_node_by_id(a, begin->node);
    bool wanted = node && (node->state == NODE_LOST || node->state == NODE_SILENT ||
                           node->state == NODE_FENCING || node->fence_asked ||
                           model_node_is_stuck(a->m, node));
    if (!wanted || node->incarnation != begin->incarnation ||
        begin->by != model_coordinator(a->m)) {
        apply_refuse(a, REPLY_REFUSED, "the node no longer needs to be fenced", "");
        return;
    }
    node->fence_attempts++;
    node->fence_order = a->index;
    node->fence_by = begin->by;
    if (!ids_contain(&a->m->members, node->id) || node->state == NODE_SILENT) {
        node_set_state(a, node, NODE_FENCING,
                       outbox_text(a->out, "being fenced by %s with device %s (attempt %u)",
                                   model_node_name(a->m, begin->by), begin->device,
                                   node->fence_attempts));
    }
    apply_event(a, SEVERITY_WARNING, "fencing", node->name,
                "fencing %s with device %s, attempt %u, by %s", node->name, begin->device,
                node->fence_attempts, model_node_name(a->m, begin->by));
}

static void fence_failed(struct apply *a, struct model_node *node,
                         const struct cmd_fence_result *result) {
    bool several = result->then[0] != '\0';
    const char *joint = several ? "; " : "";
    node->fence_order = 0;
    apply_event(a, SEVERITY_ERROR, "fence-failed", node->name,
                "fencing of %s failed (attempt %u, device %s): %s%s%s", node->name,
                node->fence_attempts, result->device, result->message, joint, result->then);
    if (node->state != NODE_FENCING) {
        return;
    }
    /* A node that holds nothing need not be certain to be off. */
    bool done = !model_node_holds_vms(a->m, node->id) && !result->more;
    node_set_state(a, node, done ? NODE_OFFLINE : NODE_LOST,
                   outbox_text(a->out, "fencing failed (attempt %u%s%s): %s%s%s",
                               node->fence_attempts, several ? ", device " : "",
                               several ? result->device : "", result->message, joint,
                               result->then));
}

void apply_fence_result(struct apply *a, const void *command) {
    const struct cmd_fence_result *result = command;
    struct model_node *node = apply_node_by_id(a, result->node);
    if (!node || node->incarnation != result->incarnation ||
        (result->order != 0 && node->fence_order != result->order)) {
        apply_refuse(a, REPLY_REFUSED, "result of a fencing that nobody waits for", "");
        return;
    }
    if (result->evidence != EVIDENCE_NONE) {
        /* The watchdog is evidence only while the node is lost: the proof is about the run of
         * clusterd that was lost. */
        if (result->order == 0 && node->state != NODE_LOST && node->state != NODE_FENCING) {
            apply_refuse(a, REPLY_REFUSED, "the node is not lost", "");
            return;
        }
        node_fenced(a, node, (enum fence_evidence)result->evidence, result->message);
        return;
    }
    fence_failed(a, node, result);
    if (result->more) {
        return; /* the requester waits for the next device's result */
    }
    fencing_end(a, node, OPERATION_FAILED, result->message);
    node->fence_asked = 0; /* the administrator has been told; a lost node is tried again anyway */
}
