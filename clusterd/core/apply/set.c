/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may be changed of a VM or a node while it exists. Nothing moves because of it: it counts
 * from the next decision on.
 */
#include "core/apply/inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The list is there only if it was given; and to give an empty one says nothing. */
static const struct wire_list *resources_of(const struct wire_list *list, bool given) {
    static const struct wire_list none = {.n = 0};
    return given ? list : &none;
}

static bool accepts(const struct cmd_vm_set *set) {
    return (set->given & VM_SET_ACCEPT_DISKS) && set->accept_disks;
}

static bool vm_set_is_good(struct apply *a, const struct cmd_vm_set *set) {
    if (!model_vm_by_name(a->m, set->vm)) {
        apply_refuse(a, REPLY_NOT_FOUND, outbox_text(a->out, "there is no VM '%s'", set->vm),
                     "clusterctl vm list shows them");
        return false;
    }
    if (set->given == 0 || (set->given == VM_SET_RESOURCES && set->resources.n == 0)) {
        apply_refuse(a, REPLY_REFUSED, outbox_text(a->out, "%s: nothing to set", set->vm),
                     "clusterctl vm set --help shows what can be");
        return false;
    }
    return !accepts(set) || disks_may_be_accepted(a, set->vm);
}

/* It stays where it is, even where it would not be put now. */
static void warn_of_place(struct apply *a, const struct model_vm *vm,
                          const struct wire_list *resources) {
    if (vm->state == VM_OFF || vm->state == VM_SAVED) {
        return;
    }
    const struct model_node *node = model_node_by_id(a->m, vm->owner);
    if (vm->possible.n > 0 && !ids_contain(&vm->possible, vm->owner)) {
        a->warning = outbox_text(a->out,
                                 "%s runs on %s, which is no longer one of its possible owners: it "
                                 "stays there until it is moved or restarted",
                                 vm->name, model_node_name(a->m, vm->owner));
    } else if (node) {
        apply_warn_of_resources(a, node, resources);
    }
}

void apply_vm_set(struct apply *a, const void *command) {
    const struct cmd_vm_set *set = command;
    uint32_t possible[WIRE_MAX_NODES], preferred[WIRE_MAX_NODES];
    if (!vm_set_is_good(a, set) || !apply_node_ids(a, &set->possible, possible) ||
        !apply_node_ids(a, &set->preferred, preferred)) {
        return;
    }
    struct model_vm *vm = apply_vm_row(a, model_vm_by_name(a->m, set->vm));
    const struct wire_list *resources =
        resources_of(&set->resources, (set->given & VM_SET_RESOURCES) != 0);
    if (!apply_good_resources(a, &vm->resources, resources)) {
        return;
    }
    if (set->given & VM_SET_PRIORITY) {
        vm->priority = set->priority;
    }
    if (set->given & VM_SET_AUTO_START) {
        vm->no_auto_start = !set->auto_start;
    }
    if (set->given & VM_SET_MOBILITY) {
        vm->mobility = set->mobility;
    }
    if (set->given & VM_SET_MAX_DOWNTIME) {
        vm->max_downtime_ms = set->max_downtime_ms;
    }
    if (set->given & VM_SET_MOVE_POLICY) {
        vm->move_policy = set->move_policy;
    }
    if (set->given & VM_SET_POSSIBLE) {
        set_ids(a, &vm->possible, possible, set->possible.n);
    }
    if (set->given & VM_SET_PREFERRED) {
        set_ids(a, &vm->preferred, preferred, set->preferred.n);
    }
    if (accepts(set)) {
        set_text(a, &vm->other_disks, "");
    }
    set_resources(a, &vm->resources, resources);
    vm_touch(a, vm);
    warn_of_place(a, vm, resources);
    apply_event(a, SEVERITY_INFO, "vm-set", vm->name,
                "%s: priority %u, %s, moved %s%s%s; possible owners: %u named, preferred: %u%s%s",
                vm->name, vm->priority,
                vm->no_auto_start ? "not started automatically" : "started automatically",
                vm->mobility == MOBILITY_FIXED ? "never" : vm_mobility_name(vm->mobility),
                vm->move_policy ? ", move policy " : "",
                vm->move_policy ? vm_move_policy_name(vm->move_policy) : "", vm->possible.n,
                vm->preferred.n, resources->n ? "; needs " : "",
                apply_resources_text(a, resources));
}

void apply_node_set(struct apply *a, const void *command) {
    const struct cmd_node_set *set = command;
    struct model_node *node = apply_node_row(a, model_node_by_name(a->m, set->node));
    if (!node) {
        apply_refuse(a, REPLY_NOT_FOUND, outbox_text(a->out, "there is no node '%s'", set->node),
                     "clusterctl node list shows the nodes");
        return;
    }
    const struct wire_list *resources =
        resources_of(&set->resources, (set->given & NODE_SET_RESOURCES) != 0);
    if (!(set->given & NODE_SET_VMS_MAX) && resources->n == 0) {
        apply_refuse(a, REPLY_REFUSED, outbox_text(a->out, "%s: nothing to set", set->node),
                     "clusterctl node set --help shows what can be");
        return;
    }
    if (!apply_good_resources(a, &node->resources, resources)) {
        return;
    }
    const char *limit = "", *has = "";
    if (set->given & NODE_SET_VMS_MAX) {
        node->vms_max = set->vms_max;
        limit = set->vms_max ? outbox_text(a->out, " takes at most %u VMs", node->vms_max)
                             : " takes as many VMs as it has room";
    }
    set_resources(a, &node->resources, resources);
    apply_warn_of_resources(a, node, resources);
    if (resources->n > 0) {
        has = outbox_text(a->out, "%s has %s", limit[0] ? " and" : "",
                          apply_resources_text(a, resources));
    }
    apply_event(a, SEVERITY_INFO, "node-set", node->name, "%s%s%s", node->name, limit, has);
}
