/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to a VM without an order, as its node's `vm watch` sees it.
 */
#include "core/apply/inside.h"

static void vm_died(struct apply *a, struct model_vm *vm, const char *kind, const char *how,
                    const char *reason) {
    apply_event(a, SEVERITY_ERROR, kind, vm->name, "%s %s on %s%s%s", vm->name, how,
                model_node_name(a->m, vm->owner), reason[0] ? ": " : "", reason);
    vm_count_failure(a, vm, vm->owner);
    vm_set_off(a, vm, reason);
}

void apply_vm_event(struct apply *a, const void *command) {
    const struct cmd_vm_event *e = command;
    struct model_vm *vm = apply_vm_by_id(a, e->vm);
    const struct model_node *node = model_node_by_id(a->m, e->node);
    if (!vm || !node || vm->state != VM_RUNNING || vm->owner != e->node ||
        vm->generation != e->generation || node->incarnation != e->incarnation) {
        apply_refuse(a, REPLY_REFUSED, "event of a copy that is not the current one", "");
        return;
    }
    switch ((enum agent_event)e->kind) {
    case VM_EVENT_CRASHED: vm_died(a, vm, "vm-crashed", "crashed", e->reason); break;
    case VM_EVENT_STOPPED:
        vm_died(a, vm, "vm-destroyed", "was destroyed by something other than clusterd", e->reason);
        break;
    case VM_EVENT_SURRENDERED:
        apply_event(a, SEVERITY_WARNING, "vm-surrendered", vm->name,
                    "%s was destroyed on %s by clusterd, which had no usable view there", vm->name,
                    node->name);
        vm_set_lost(a, vm, "its node was cut off from the cluster and destroyed it");
        break;
    case VM_EVENT_SHUTDOWN:
        vm->wanted = WANTED_STOPPED;
        apply_event(a, SEVERITY_INFO, "vm-shutdown", vm->name,
                    "the guest of %s shut itself down on %s: it stays off", vm->name, node->name);
        vm_set_off(a, vm, "the guest shut itself down; clusterctl vm start runs it again");
        break;
    case VM_EVENT_MIGRATED:
        /* Nobody has said where it went, so it must not be restarted automatically. */
        vm->wanted = WANTED_STOPPED;
        apply_event(a, SEVERITY_ERROR, "vm-taken", vm->name,
                    "%s was migrated or saved on %s by something other than clusterd", vm->name,
                    node->name);
        vm_set_off(a, vm,
                   "migrated or saved by something other than clusterd: make sure that it runs "
                   "nowhere, then clusterctl vm start");
        break;
    case VM_EVENT_PAUSED:
    case VM_EVENT_RESUMED:
        vm->paused = e->kind == VM_EVENT_PAUSED;
        set_text(a, &vm->reason, vm->paused ? e->reason : "");
        vm_touch(a, vm);
        apply_event(a, vm->paused ? SEVERITY_WARNING : SEVERITY_INFO,
                    vm->paused ? "vm-paused" : "vm-resumed", vm->name, "%s %s on %s%s%s", vm->name,
                    vm->paused ? "stands still" : "goes on", node->name, e->reason[0] ? ": " : "",
                    e->reason);
        break;
    case VM_EVENT_DISKS: vm_set_disks(a, vm, e->reason); break;
    case VM_EVENT_STARTED:
    case VM_EVENT_NONE: break;
    }
}
