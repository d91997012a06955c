/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs as people request them: add, remove, start, stop, move. These set what is wanted; the policy
 * gives the orders.
 */
#include "core/apply/inside.h"

#include <errno.h>
#include <string.h>

static bool vm_add_is_good(struct apply *a, const struct cmd_vm_add *add) {
    if (!apply_good_name(a, "VM", add->name)) {
        return false;
    }
    if (model_vm_by_name(a->m, add->name)) {
        apply_refuse(a, REPLY_REFUSED, outbox_text(a->out, "VM '%s' exists already", add->name),
                     "choose another name, or remove that VM first");
        return false;
    }
    const struct model_vm *same = model_vm_by_uuid(a->m, add->uuid);
    if (same || add->uuid[0] == '\0') {
        apply_refuse(a, REPLY_REFUSED,
                     same ? outbox_text(a->out, "VM '%s' has the same uuid %s", same->name,
                                        add->uuid)
                          : "the definition has no uuid",
                     "give the VM a uuid of its own (<uuid> in its definition)");
        return false;
    }
    if (add->xml[0] == '\0' || add->memory_mb == 0 || add->vcpus == 0) {
        apply_refuse(a, REPLY_REFUSED, "the definition is empty or lacks memory or vcpus",
                     "see clusterctl vm add --help");
        return false;
    }
    if (!apply_good_volumes(a, &add->volumes)) {
        return false;
    }
    if (a->m->vms.n >= MODEL_MAX_VMS) {
        apply_refuse(a, REPLY_REFUSED, "the cluster has the maximum number of VMs", "");
        return false;
    }
    return true;
}

static int vm_fill(struct model_vm *vm, const struct cmd_vm_add *add) {
    struct model_vm row = {
        .name = add->name,
        .uuid = add->uuid,
        .xml = add->xml,
        .memory_mb = add->memory_mb,
        .vcpus = add->vcpus,
        .cpu_mode = add->cpu_mode,
        .cpu_model = add->cpu_model,
        .machine = add->machine,
        .arch = add->arch,
        .networks = add->networks,
        .volumes = add->volumes,
        .priority = add->priority,
        .mobility = add->mobility,
        .wanted = add->start || add->adopt ? WANTED_RUNNING : WANTED_STOPPED,
        .adopt = add->adopt,
        .move_policy = add->move_policy,
        .state = VM_OFF,
        .state_file = "",
        .reason = "",
    };
    struct model_vm copy;
    int err = wire_copy(&model_vm_record, &row, &copy);
    if (err < 0) {
        return err;
    }
    wire_release(&model_vm_record, vm);
    *vm = copy;
    return 0;
}

void apply_vm_add(struct apply *a, const void *command) {
    const struct cmd_vm_add *add = command;
    uint32_t possible[WIRE_MAX_NODES], preferred[WIRE_MAX_NODES];
    if (!vm_add_is_good(a, add) || !apply_node_ids(a, &add->possible, possible) ||
        !apply_node_ids(a, &add->preferred, preferred) ||
        !apply_good_resources(a, &(struct wire_list){0}, &add->resources)) {
        return;
    }
    struct model_vm *vm = model_add(&a->m->vms);
    if (!vm || vm_fill(vm, add) < 0) {
        a->error = -ENOMEM;
        return;
    }
    vm->id = ++a->m->last_vm;
    set_ids(a, &vm->possible, possible, add->possible.n);
    set_ids(a, &vm->preferred, preferred, add->preferred.n);
    set_resources(a, &vm->resources, &add->resources);
    vm->added = a->index;
    vm_set_state(a, vm, VM_OFF);
    claims_ask(a, vm);
}

void apply_vm_remove(struct apply *a, const void *command) {
    const struct cmd_vm_remove *remove = command;
    struct model_vm *vm = find_vm(a, remove->vm);
    if (!vm) {
        return;
    }
    if (vm->unasked.n) {
        (void)claims_allow(a, vm);
        return;
    }
    if (remove->release[0]) {
        release_begin(a, vm, remove->release);
        return;
    }
    if (!storage_allows(a, vm)) {
        return;
    }
    if (vm->state != VM_OFF || vm->wanted != WANTED_STOPPED) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "%s is %s", vm->name,
                                 vm->state == VM_OFF ? "to run" : vm_state_name(vm->state)),
                     outbox_text(a->out, "clusterctl vm stop %s first", vm->name));
        return;
    }
    apply_event(a, SEVERITY_INFO, "vm-removed", vm->name,
                "VM %s was removed; its disks%s were not touched", vm->name,
                model_vm_has_tpm(vm) ? " and its TPM's state" : "");
    vm_forget(a, vm);
}

static bool may_be_adopted(struct apply *a, struct model_vm *vm) {
    const char *hint = "";
    if (vm->unasked.n) {
        return claims_allow(a, vm);
    }
    if (vm->foreign.n == 0) {
        const char *what =
            vm->state == VM_OFF ? "runs on no node under libvirt" : "is the cluster's already";
        hint = vm->state == VM_OFF
                   ? outbox_text(a->out, "clusterctl vm start %s starts it", vm->name)
                   : outbox_text(a->out, "clusterctl vm show %s says where it is", vm->name);
        apply_refuse(a, REPLY_REFUSED, outbox_text(a->out, "%s %s", vm->name, what), hint);
        return false;
    }
    const char *obstacle = adoption_obstacle(a, vm, &hint);
    if (obstacle) {
        apply_refuse(a, REPLY_REFUSED, obstacle, hint);
        return false;
    }
    return disks_allow(a, vm) && storage_allows_start(a, vm);
}

static void start_adopting(struct apply *a, struct model_vm *vm) {
    if (!may_be_adopted(a, vm)) {
        return;
    }
    const struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    if (vm->adopt && op && op->kind == OPERATION_ADOPT) {
        a->operation = op->id;
    } else if (vm->state != VM_OFF) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "%s is being taken over, and stopped then", vm->name),
                     outbox_text(a->out, "clusterctl vm show %s says how far it is", vm->name));
    } else {
        adoption_begin(a, vm);
    }
}

void apply_vm_start(struct apply *a, const void *command) {
    const struct cmd_vm_start *start = command;
    struct model_vm *vm = find_vm(a, start->vm);
    if (vm && start->adopt) {
        start_adopting(a, vm);
        return;
    }
    if (!vm || !claims_allow(a, vm) || !disks_allow(a, vm) || !storage_allows_start(a, vm)) {
        return;
    }
    if (vm->wanted == WANTED_RUNNING && vm->operation && vm->release) {
        /* It runs, and will when it is the cluster's no more: that is not what was asked for. */
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "%s runs, and is leaving the cluster", vm->name),
                     outbox_text(a->out, "clusterctl operation cancel %llu, if it is to stay",
                                 (unsigned long long)vm->operation));
        return;
    }
    if (vm->wanted == WANTED_RUNNING && vm->operation) {
        a->operation = vm->operation;
        return;
    }
    vm->wanted = WANTED_RUNNING;
    vm->shut_down_by = 0; /* a person's wish stands above the drain's */
    vm->failures = 0;
    vm_forget_failures(a, vm);
    vm_touch(a, vm);
    if (vm->state == VM_RUNNING) {
        /* A stop that has not been ordered yet is taken back. */
        const struct model_operation *op = model_operation_by_id(a->m, vm->operation);
        if (op && op->kind == OPERATION_STOP) {
            operation_vm_end(a, vm, OPERATION_CANCELLED, "start requested");
        }
        return;
    }
    apply_event(a, SEVERITY_INFO, "vm-start", vm->name, "%s is to run", vm->name);
    operation_vm_end(a, vm, OPERATION_CANCELLED, "start requested");
    begin_vm_operation(a, vm, OPERATION_START);
}

void apply_vm_stop(struct apply *a, const void *command) {
    const struct cmd_vm_stop *stop = command;
    struct model_vm *vm = find_vm(a, stop->vm);
    if (!vm) {
        return;
    }
    if (vm->state == VM_SAVED && !stop->force) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "%s is saved: stopping it discards its memory", vm->name),
                     outbox_text(a->out, "clusterctl vm stop %s --force does so", vm->name));
        return;
    }
    if (vm->shut_down_by) {
        vm->shut_down_by = 0;
        vm_touch(a, vm);
    }
    if (model_journal_of_vm(a->m, vm->id) && vm->state == VM_OFF && vm->wanted == WANTED_STOPPED) {
        return; /* it is off; its files may be on the move, and that is not what was asked for */
    }
    vm->wanted = WANTED_STOPPED;
    /* What has been ordered comes to its end. */
    vm->adopt = vm->adopt && vm->state != VM_OFF;
    vm->release = vm->release && vm->state != VM_RUNNING;
    vm->stop_force = stop->force;
    vm->return_to = 0;
    vm_forget_failures(a, vm);
    vm_touch(a, vm);
    struct model_operation *op = apply_operation_by_id(a, vm->operation);
    if (vm->state == VM_SAVED) {
        vm_set_off(a, vm, "stopped while it was saved; its memory was discarded");
    } else if (op && op->kind == OPERATION_STOP) {
        a->operation = op->id;
        return;
    }
    operation_vm_end(a, vm, OPERATION_CANCELLED, "stop requested");
    if (vm->state == VM_OFF) {
        set_text(a, &vm->reason, "");
        return;
    }
    apply_event(a, SEVERITY_INFO, "vm-stop", vm->name, "%s is to be stopped", vm->name);
    begin_vm_operation(a, vm, OPERATION_STOP);
}

/* The coordinator's own move holds only for the VM as it saw it, and only while that VM runs. */
static bool still_fits(struct apply *a, const struct cmd_vm_move *move, const struct model_vm *vm) {
    bool fits = a->origin == model_coordinator(a->m) && vm->serial == move->serial &&
                vm->state == VM_RUNNING;
    if (!fits) {
        apply_refuse(a, REPLY_REFUSED, "the move was decided on an older state", "");
    }
    return fits;
}

static void begin_move(struct apply *a, struct model_vm *vm, const struct model_node *to,
                       const struct cmd_vm_move *move) {
    begin_vm_operation(a, vm, OPERATION_MOVE);
    struct model_operation *op = apply_operation_by_id(a, a->operation);
    if (op) {
        op->node = to->id;
        op->mode = move->mode;
        op->cause = move->cause;
        op->max_downtime_ms = move->max_downtime_ms;
        op->bandwidth_mbps = move->bandwidth_mbps;
        op->if_not_converging = move->if_not_converging;
        op->any = move->any;
        set_text(a, &op->why, move->reason);
    }
    if (move->cause != CAUSE_ROOM) {
        vm->moved_ms = a->time_ms;
    }
    if (move->cause == CAUSE_PERSON) {
        vm->return_to = 0; /* a person's choice stands above where it came from */
    } else {
        apply_event(a, SEVERITY_INFO, "vm-move", vm->name, "%s moves from %s to %s: %s", vm->name,
                    model_node_name(a->m, vm->owner), to->name, move->reason);
    }
    vm_touch(a, vm);
}

/* "to" is always set: the node that took the request has asked the planner for the best one. */
void apply_vm_move(struct apply *a, const void *command) {
    const struct cmd_vm_move *move = command;
    struct model_vm *vm = find_vm(a, move->vm);
    if (!vm || (move->cause != CAUSE_PERSON && !still_fits(a, move, vm))) {
        return;
    }
    struct model_node *to = apply_node_row(a, model_node_by_name(a->m, move->to));
    if (!to) {
        apply_refuse(a, REPLY_NOT_FOUND, outbox_text(a->out, "there is no node '%s'", move->to),
                     "clusterctl node list shows the nodes");
        return;
    }
    if (!operation_allows(a, vm)) {
        return;
    }
    if (vm->state == VM_OFF && vm->wanted == WANTED_STOPPED) {
        vm->owner = to->id;
        vm->generation = a->index;
        vm_touch(a, vm);
        apply_event(a, SEVERITY_INFO, "vm-moved", vm->name, "%s is off; it belongs to %s now",
                    vm->name, to->name);
        return;
    }
    if (vm->state != VM_RUNNING) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "%s is %s: only a VM that runs or is off can be moved",
                                 vm->name, vm_state_name(vm->state)),
                     "clusterctl vm show says what it is waiting for");
        return;
    }
    if (vm->paused) {
        apply_refuse(a, REPLY_REFUSED,
                     outbox_text(a->out, "%s stands still (%s): only a running guest can be moved",
                                 vm->name, vm->reason),
                     outbox_text(a->out, "fix what has stopped it, or clusterctl vm stop %s",
                                 vm->name));
        return;
    }
    if (vm->owner == to->id) {
        apply_refuse(a, REPLY_REFUSED, outbox_text(a->out, "%s is on %s", vm->name, to->name), "");
        return;
    }
    begin_move(a, vm, to, move);
}
