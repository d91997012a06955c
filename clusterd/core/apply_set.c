/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may be changed of a VM or a node while it exists. Nothing moves because of it: it counts
 * from the next decision on.
 */
#include "core/apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool vm_set_is_good(struct apply *a, const struct cmd_vm_set *set) {
    if (!model_vm_by_name(a->m, set->vm)) {
        apply_refuse(a, REPLY_NOT_FOUND, outbox_text(a->out, "there is no VM '%s'", set->vm),
                     "clusterctl vm list shows them");
        return false;
    }
    if (set->given == 0) {
        apply_refuse(a, REPLY_REFUSED, outbox_text(a->out, "%s: nothing is to be set", set->vm),
                     "clusterctl vm set --help shows what can be");
        return false;
    }
    return true;
}

void apply_vm_set(struct apply *a, const void *command) {
    const struct cmd_vm_set *set = command;
    uint32_t possible[WIRE_MAX_NODES], preferred[WIRE_MAX_NODES];
    if (!vm_set_is_good(a, set) || !apply_node_ids(a, &set->possible, possible) ||
        !apply_node_ids(a, &set->preferred, preferred)) {
        return;
    }
    struct model_vm *vm = model_vm_by_name(a->m, set->vm);
    if (set->given & VM_SET_PRIORITY) {
        vm->priority = set->priority;
    }
    if (set->given & VM_SET_AUTO_START) {
        vm->no_auto_start = !set->auto_start;
    }
    if (set->given & VM_SET_MOBILITY) {
        vm->mobility = set->mobility;
    }
    if (set->given & VM_SET_POSSIBLE) {
        set_ids(a, &vm->possible, possible, set->possible.n);
    }
    if (set->given & VM_SET_PREFERRED) {
        set_ids(a, &vm->preferred, preferred, set->preferred.n);
    }
    vm_touch(a, vm);
    bool astray = vm->state != VM_OFF && vm->state != VM_SAVED && vm->possible.n > 0 &&
                  !ids_contain(&vm->possible, vm->owner);
    if (astray) {
        a->warning = outbox_text(a->out,
                                 "%s runs on %s, which is none of its possible owners now: it "
                                 "stays there until it is moved or started anew",
                                 vm->name, model_node_name(a->m, vm->owner));
    }
    apply_event(a, SEVERITY_INFO, "vm-set", vm->name,
                "%s: priority %u, %s, moved %s; possible owners: %u named, preferred: %u", vm->name,
                vm->priority, vm->no_auto_start ? "not started by itself" : "started by itself",
                vm->mobility == MOBILITY_FIXED ? "never" : vm_mobility_name(vm->mobility),
                vm->possible.n, vm->preferred.n);
}

void apply_node_set(struct apply *a, const void *command) {
    const struct cmd_node_set *set = command;
    struct model_node *node = model_node_by_name(a->m, set->node);
    if (!node) {
        apply_refuse(a, REPLY_NOT_FOUND, outbox_text(a->out, "there is no node '%s'", set->node),
                     "clusterctl node list shows the nodes");
        return;
    }
    if (!(set->given & NODE_SET_VMS_MAX)) {
        apply_refuse(a, REPLY_REFUSED, outbox_text(a->out, "%s: nothing is to be set", set->node),
                     "clusterctl node set --help shows what can be");
        return;
    }
    node->vms_max = set->vms_max;
    if (set->vms_max) {
        apply_event(a, SEVERITY_INFO, "node-set", node->name, "%s takes at most %u VMs", node->name,
                    node->vms_max);
    } else {
        apply_event(a, SEVERITY_INFO, "node-set", node->name, "%s takes as many VMs as it has room",
                    node->name);
    }
}
