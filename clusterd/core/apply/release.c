/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM leaves the cluster: off, or as it runs (released). The guest does not notice; it is the
 * reverse of adopt.c.
 *
 *     RUNNING ──► ORDER RELEASE to its owner ──► "ok": libvirt keeps it; its row is removed
 *                   ├── it failed, which changes nothing ──► RUNNING, as before
 *                   ├── it had ended by then ──► OFF, and the cluster starts it
 *                   └── nobody knows ──► RESOLVING: the same order again, until the mark or the
 *                                        guest is gone
 *
 * Its row stays until the node has said that libvirt has the VM, and the node is its owner as long:
 * if it is lost, it is fenced, and the cluster starts the VM elsewhere. So nobody can start it
 * twice, whether the mark is gone by then or not.
 */
#include "core/apply/inside.h"

#include <string.h>

void vm_forget(struct apply *a, struct model_vm *vm) {
    rules_forget_vm(a, vm);
    checkpoints_forget_vm(a, vm);
    model_remove(&a->m->vms, vm);
}

/* Why its node cannot let go of it now, and what to do; NULL: it can. */
static const char *obstacle_of_node(struct apply *a, const struct model_node *node,
                                    const char **ret_hint) {
    if (!node || node->state != NODE_ONLINE) {
        *ret_hint = "clusterctl status says what is wrong with the node";
        return "its node is not online";
    }
    if (node->libvirt[0]) {
        *ret_hint = outbox_text(a->out, "see to libvirtd on %s first", node->name);
        return outbox_text(a->out, "libvirt on %s does not answer", node->name);
    }
    if (node->service != SERVICE_ACTIVE) {
        *ret_hint = outbox_text(a->out, "clusterctl node resume %s first", node->name);
        return outbox_text(a->out, "%s is drained: nothing may run there by itself", node->name);
    }
    return NULL;
}

static bool may_be_released(struct apply *a, const struct model_vm *vm, const char *from) {
    const char *owner = model_node_name(a->m, vm->owner);
    const struct model_node *node = model_node_by_id(a->m, vm->owner);
    const char *what = NULL;
    const char *hint = outbox_text(a->out, "clusterctl vm show %s says more", vm->name);
    if (vm->state != VM_RUNNING || vm->wanted != WANTED_RUNNING) {
        what = outbox_text(a->out, "%s is %s, and wanted %s: it is released only while it runs",
                           vm->name, vm_state_name(vm->state),
                           vm->wanted == WANTED_RUNNING ? "running" : "stopped");
    } else if (strcmp(owner, from) != 0) {
        what = outbox_text(a->out, "%s runs on %s, not on %s", vm->name, owner, from);
        hint = outbox_text(a->out,
                           "give the command on %s, or move it first: clusterctl vm move "
                           "%s --to %s",
                           owner, vm->name, from);
    } else if (vm->paused) {
        what = outbox_text(a->out, "%s stands still (%s)", vm->name, vm->reason);
    } else if (vm->order != ORDER_NONE) {
        what =
            outbox_text(a->out, "%s has work under way (%s)", vm->name, order_kind_name(vm->order));
    } else if (vm->other_disks[0]) {
        what = outbox_text(a->out, "%s runs on other disks than its definition names: %s", vm->name,
                           vm->other_disks);
    } else if (model_checkpoints_of_vm(a->m, vm->id) > 0) {
        what = outbox_text(a->out, "%s has checkpoints, which would be lost", vm->name);
        hint = outbox_text(a->out, "clusterctl vm checkpoint list %s", vm->name);
    } else if (model_vm_has_tpm(vm)) {
        what = outbox_text(a->out, "%s has a TPM, which its node's agent runs", vm->name);
        hint = outbox_text(a->out, "shut it down first: clusterctl vm stop %s", vm->name);
    }
    if (!what) {
        const char *why = obstacle_of_node(a, node, &hint);
        what = why ? outbox_text(a->out, "%s cannot be released: %s", vm->name, why) : NULL;
    }
    if (what) {
        apply_refuse(a, REPLY_REFUSED, what, hint);
    }
    return !what;
}

void release_begin(struct apply *a, struct model_vm *vm, const char *from) {
    if (!storage_allows(a, vm) || !may_be_released(a, vm, from) || !operation_allows(a, vm)) {
        return;
    }
    vm->release = 1;
    vm_touch(a, vm);
    apply_event(a, SEVERITY_INFO, "vm-release", vm->name,
                "%s is to leave the cluster, as it runs on %s", vm->name, from);
    begin_vm_operation(a, vm, OPERATION_RELEASE);
}

bool release_fits(const struct model_vm *vm) {
    return vm->release && vm->wanted == WANTED_RUNNING;
}

static void released(struct apply *a, struct model_vm *vm) {
    const char *node = model_node_name(a->m, vm->owner);
    bool stops = vm->wanted == WANTED_STOPPED;
    apply_event(a, stops ? SEVERITY_WARNING : SEVERITY_INFO, "vm-released", vm->name,
                "%s is no VM of the cluster any more: libvirt on %s has it%s", vm->name, node,
                stops ? "; it was not stopped" : "");
    operation_vm_end(a, vm, stops ? OPERATION_FAILED : OPERATION_DONE,
                     stops ? "it had left the cluster by then" : "");
    vm_forget(a, vm);
}

/* "Ok" says that libvirt has it, running or paused. */
void release_end(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r,
                 enum agent_vm_state found) {
    const char *why = outbox_text(a->out, "%s", r->reason);
    if (r->result == RESULT_OK) {
        released(a, vm);
        return;
    }
    apply_event(a, SEVERITY_WARNING, "vm-not-released", vm->name, "%s was not released: %s",
                vm->name, why);
    const struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    if (op && op->kind == OPERATION_RELEASE) {
        operation_vm_end(a, vm, OPERATION_FAILED, why);
    }
    vm->release = 0;
    if (found == VM_STATE_OFF) {
        vm_set_lost(a, vm, why);
    } else {
        vm_set_running(a, vm, vm->owner);
        vm->paused = found == VM_STATE_PAUSED;
        set_text(a, &vm->reason, vm->paused ? why : "");
    }
}
