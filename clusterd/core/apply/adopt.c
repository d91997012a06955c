/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Adoption: what libvirt runs by itself becomes the cluster's copy, and the guest does not notice.
 *
 *     OFF, it runs on the one node of `foreign`
 *       ├── adopt is asked for ──► ORDER ADOPT to that node ──► "ok": RUNNING there
 *       │                            ├── it failed, which changes nothing ──► as before
 *       │                            └── nobody knows ──► RESOLVING: the same order once more
 *       └── that node is fenced ──► the cluster starts it elsewhere
 *
 * The node stays in `foreign` until the copy is the cluster's. So a failed adoption can never make
 * the cluster start the VM a second time. From the order on the node is the VM's owner: if it is
 * lost, it is fenced before the VM starts elsewhere.
 */
#include "base/mutant.h"
#include "core/apply/inside.h"

const char *adoption_obstacle(struct apply *a, const struct model_vm *vm, const char **ret_hint) {
    const struct model_node *node = model_node_by_id(a->m, vm->foreign.v[0]);
    if (vm->foreign.n > 1) {
        *ret_hint = "destroy the wrong one at once: both write to its disks";
        return outbox_text(a->out, "%s runs on %s and on %s under libvirt", vm->name,
                           model_node_name(a->m, vm->foreign.v[0]),
                           model_node_name(a->m, vm->foreign.v[1]));
    }
    if (!node || node->state != NODE_ONLINE) {
        *ret_hint = "clusterctl status says what is wrong with the node";
        return outbox_text(a->out, "%s runs on %s, which is not online", vm->name,
                           model_node_name(a->m, vm->foreign.v[0]));
    }
    if (node->libvirt[0]) {
        *ret_hint = outbox_text(a->out, "see to libvirtd on %s first", node->name);
        return outbox_text(a->out, "libvirt on %s, where %s runs, does not answer", node->name,
                           vm->name);
    }
    if (node->service == SERVICE_DRAINED) {
        *ret_hint = outbox_text(a->out, "clusterctl node resume %s first", node->name);
        return outbox_text(a->out, "%s runs on %s, which is drained: nothing may run there",
                           vm->name, node->name);
    }
    return NULL;
}

void adoption_begin(struct apply *a, struct model_vm *vm) {
    vm->adopt = 1;
    vm->wanted = WANTED_RUNNING;
    vm->shut_down_by = 0;
    vm_forget_failures(a, vm);
    vm_touch(a, vm);
    apply_event(a, SEVERITY_INFO, "vm-adopt", vm->name, "%s is to be taken over as it runs on %s",
                vm->name, model_node_name(a->m, vm->foreign.v[0]));
    operation_vm_end(a, vm, OPERATION_CANCELLED, "adoption requested");
    begin_vm_operation(a, vm, OPERATION_ADOPT);
}

bool adoption_fits(const struct model *m, const struct model_vm *vm, uint32_t id) {
    const struct model_node *node = model_node_by_id(m, id);
    return node && node->service != SERVICE_DRAINED && vm->adopt && vm->wanted == WANTED_RUNNING &&
           vm->unasked.n == 0 && vm->foreign.n == 1 && vm->foreign.v[0] == id &&
           vm->other_disks[0] == '\0' && !model_vm_is_reverting(m, vm);
}

/* It was to be the cluster's, which starts it elsewhere. */
void adoption_node_off(struct apply *a, struct model_vm *vm, uint32_t node) {
    const struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    vm->adopt = 0;
    if (op && op->kind == OPERATION_ADOPT) {
        operation_vm_end(a, vm, OPERATION_FAILED,
                         outbox_text(a->out, "it was lost with %s", model_node_name(a->m, node)));
    }
}

void adoption_give_up(struct apply *a, struct model_vm *vm, const char *reason, bool gone) {
    bool starts = gone && vm->wanted == WANTED_RUNNING;
    const char *why = outbox_text(a->out, "%s%s", reason, starts ? ": the cluster starts it" : "");
    vm->adopt = 0;
    if (MUTANT(adoption_forgets)) {
        set_ids(a, &vm->foreign, NULL, 0);
    } else if (!gone) {
        vm->wanted = WANTED_STOPPED;
    }
    apply_event(a, SEVERITY_ERROR, "vm-not-adopted", vm->name, "%s was not taken over: %s",
                vm->name, why);
    if (!gone || starts) {
        operation_vm_end(a, vm, OPERATION_FAILED, why); /* also a stop: it runs on */
    }
    if (vm->state == VM_OFF) {
        set_text(a, &vm->reason, why);
        vm_touch(a, vm);
    } else {
        vm_set_off(a, vm, why);
    }
}
