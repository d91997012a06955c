/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node is drained, and resumed. What a drain does with a VM is its move policy (wire/command.h).
 * What must not be forgotten is in the VM's row: `return_to`, from where the drain has taken it
 * away, and `shut_down_by` (shut_down.c).
 */
#include "core/apply/inside.h"

static void set_deadline(struct apply *a, struct model_operation *op,
                         const struct cmd_node_drain *drain) {
    if (op && drain->deadline_ms) {
        op->deadline_ms = a->time_ms + drain->deadline_ms;
    }
}

void apply_node_drain(struct apply *a, const void *command) {
    const struct cmd_node_drain *drain = command;
    struct model_node *node = find_node(a, drain->node);
    if (!node) {
        return;
    }
    if (node->service == SERVICE_DRAINING && node->operation) {
        set_deadline(a, apply_operation_by_id(a, node->operation), drain);
        a->operation = node->operation; /* the same request twice is one drain */
        return;
    }
    if (node->state != NODE_ONLINE && node->state != NODE_JOINING &&
        model_node_holds_vms(a->m, node->id)) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "%s is %s: its VMs cannot be moved", node->name,
                                 node_state_name(node->state)),
                     "wait until it is fenced and its VMs have been started elsewhere");
        return;
    }
    MODEL_EACH(model_vm, vm, &a->m->vms) {
        if (vm->release && vm->owner == node->id) {
            apply_refuse(a, REPLY_REFUSED,
                         outbox_text(a->out, "%s is leaving the cluster on %s, and would run there",
                                     vm->name, node->name),
                         outbox_text(a->out, "wait for it, or: clusterctl operation cancel %llu",
                                     (unsigned long long)vm->operation));
            return;
        }
    }
    struct model_operation *op = operation_add(a, OPERATION_DRAIN, node->name);
    if (!op) {
        return;
    }
    op->node = node->id;
    set_deadline(a, op, drain);
    node->failback_due = 0;
    node->service = SERVICE_DRAINING;
    node->operation = op->id;
    a->operation = op->id;
    MODEL_EACH(model_vm, vm, &a->m->vms) {
        if (vm->owner == node->id && model_vm_may_run_on(vm, node->id)) {
            (void)operation_vm_add(a, op, vm);
        }
    }
    apply_event(a, SEVERITY_INFO, "drain", node->name, "drain of %s begins: %u VMs to move",
                node->name, op->vms.n);
}

/* The operation tells how they start. */
static void start_again(struct apply *a, uint32_t node, struct model_operation *op) {
    APPLY_EACH(model_vm, vm, &a->m->vms) {
        if (vm->shut_down_by != node) {
            continue;
        }
        vm_wanted_again(a, vm);
        struct operation_vm *row = vm->operation ? NULL : operation_vm_add(a, op, vm);
        if (row) {
            vm->operation = op->id;
            vm->return_to = node;
            row->mode = MOVE_SHUT_DOWN;
        }
    }
}

/* Which VMs return, and when. */
static void return_vms(struct apply *a, const struct model_node *node, struct model_operation *op,
                       enum failback failback) {
    APPLY_EACH(model_vm, vm, &a->m->vms) {
        if (vm->return_to != node->id || vm->operation == op->id) {
            continue;
        }
        bool may = vm->state == VM_RUNNING && vm->owner != node->id && !vm->operation;
        if (may && failback == FAILBACK_NOW) {
            (void)operation_vm_add(a, op, vm);
        } else if (!may || failback == FAILBACK_NO) {
            vm->return_to = 0;
            vm_touch(a, vm);
        }
    }
}

/* NULL: refused, or there is nothing to do. */
static struct model_node *to_be_resumed(struct apply *a, const struct cmd_node_resume *resume) {
    struct model_node *node = find_node(a, resume->node);
    if (!node) {
        return NULL;
    }
    bool waits = node->service == SERVICE_ACTIVE && node->failback_due;
    if (resume->due && (!waits || a->origin != model_coordinator(a->m))) {
        apply_refuse(a, REPLY_REFUSED, "no VMs wait to return to it", "");
        return NULL;
    }
    return node->service == SERVICE_ACTIVE && !waits ? NULL : node;
}

/* Also of a node that has been resumed, and to which VMs wait to return. */
void apply_node_resume(struct apply *a, const void *command) {
    const struct cmd_node_resume *resume = command;
    struct model_node *node = to_be_resumed(a, resume);
    if (!node) {
        return;
    }
    struct model_operation *former =
        node->operation ? apply_operation_by_id(a, node->operation) : NULL;
    if (former && former->state == OPERATION_RUNNING) {
        former->cancelled = 1;
        operation_end(a, former, OPERATION_CANCELLED, "the node was resumed");
    }
    struct model_operation *op = operation_add(a, OPERATION_RESUME, node->name);
    if (!op) {
        return;
    }
    op->node = node->id;
    node->service = SERVICE_ACTIVE;
    node->operation = op->id;
    node->failback_due = resume->failback == FAILBACK_POLICY;
    a->operation = op->id;
    start_again(a, node->id, op);
    return_vms(a, node, op, (enum failback)resume->failback);
    apply_event(a, SEVERITY_INFO, "resume", node->name, "%s takes VMs again; %u return to it",
                node->name, op->vms.n);
}
