/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The transitions of a VM's state; the drawing is at enum vm_state in model.h. resolve.c decides
 * what follows when it is unclear where the VM's copy is.
 */
#include "core/apply/inside.h"

#include "base/check.h"

/*
 * The drawing as a table: the states that may follow each state. No committed command leads
 * anywhere else, whatever it holds, because each is refused if the state does not fit. If one did,
 * this code would be wrong about where a copy runs, so the node stops before it acts on that.
 */
#define TO(state) (1u << VM_##state)
static const uint16_t may_follow[] = {
    [VM_OFF] = TO(OFF) | TO(STARTING), /* OFF again: it has just been added */
    [VM_STARTING] = TO(RUNNING) | TO(OFF) | TO(RESOLVING),
    [VM_RUNNING] = TO(STOPPING) | TO(MIGRATING) | TO(SAVING) | TO(OFF) | TO(RESOLVING),
    [VM_STOPPING] = TO(OFF) | TO(RUNNING) | TO(RESOLVING),
    [VM_MIGRATING] = TO(RUNNING) | TO(RESOLVING), /* never OFF: the other side may run it */
    [VM_SAVING] = TO(SAVED) | TO(RUNNING) | TO(OFF) | TO(RESOLVING),
    [VM_SAVED] = TO(RESTORING) | TO(OFF),
    [VM_RESTORING] = TO(RUNNING) | TO(SAVED) | TO(OFF) | TO(RESOLVING),
    /* STARTING: an adoption is ordered again. */
    [VM_RESOLVING] = TO(RUNNING) | TO(SAVED) | TO(OFF) | TO(RESOLVING) | TO(STARTING),
};
#undef TO

void vm_set_state(struct apply *a, struct model_vm *vm, enum vm_state state) {
    CHECK(vm->state < ARRAY_SIZE(may_follow) && (may_follow[vm->state] & (1u << state)));
    CHECK(state == VM_OFF || state == VM_SAVED || vm->owner != 0); /* a copy has a place */
    enum vm_state was = (enum vm_state)vm->state;
    vm->state = (uint8_t)state;
    vm->since_ms = a->time_ms;
    vm_note_stay(a, vm, was);
    vm_touch(a, vm);
}

void vm_clear_order(struct apply *a, struct model_vm *vm) {
    vm->order = ORDER_NONE;
    vm->order_index = 0;
    vm->order_epoch = 0;
    vm->order_node = 0;
    vm_touch(a, vm);
}

static void clear_probes(struct model_vm *vm) {
    vm->target = 0;
    vm->probe_owner = VM_STATE_UNKNOWN;
    vm->probe_target = VM_STATE_UNKNOWN;
    vm->unclear = ORDER_NONE;
}

/* It was stopped to be started again, or its resume is starting it: its story goes on. */
static bool starts_again(const struct model_operation *op, const struct model_vm *vm) {
    const struct operation_vm *row = op->vms.items;
    for (uint32_t i = 0; i < op->vms.n; i++) {
        if (row[i].vm == vm->id) {
            return row[i].state == OPERATION_RUNNING && vm->wanted == WANTED_RUNNING &&
                   (row[i].mode == MOVE_RESTART || row[i].mode == MOVE_SHUT_DOWN);
        }
    }
    return false;
}

void vm_set_off(struct apply *a, struct model_vm *vm, const char *reason) {
    vm_clear_order(a, vm);
    clear_probes(vm);
    vm->paused = 0;
    vm->restore_node = 0;
    vm->saved_on = 0;
    vm_drop_state_file(a, vm);
    set_text(a, &vm->machine_running, "");
    set_text(a, &vm->reason, reason);
    vm_set_state(a, vm, VM_OFF);
    vm->release = 0;
    storage_vm_off(a, vm, reason);
    const struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    if (op && (op->kind == OPERATION_STOP || vm->shut_down_by)) {
        operation_vm_end(a, vm, OPERATION_DONE, "");
    } else if (op && !starts_again(op, vm) &&
               (vm->wanted == WANTED_STOPPED || op->kind == OPERATION_RELEASE ||
                operation_has(op->kind, OPERATION_MOVES))) {
        operation_vm_end(a, vm, OPERATION_FAILED, reason);
    }
    vm_hold_by_disks(a, vm);
}

void vm_set_running(struct apply *a, struct model_vm *vm, uint32_t owner) {
    CHECK(owner != 0 && (owner == vm->owner || owner == vm->target));
    if (vm->owner != owner) {
        vm->owner = owner;
        vm->generation = vm->move_generation;
    }
    vm_clear_order(a, vm);
    clear_probes(vm);
    vm->paused = 0;
    vm->restore_node = 0;
    vm->saved_on = 0;
    vm_drop_state_file(a, vm);
    set_text(a, &vm->reason, "");
    set_ids(a, &vm->avoid, NULL, 0);
    vm->waits = 0; /* how often it was tried is kept: it may fail again at once */
    if (vm->return_to == owner) {
        vm->return_to = 0;
    }
    if (vm->shut_down_by) { /* it was not shut down after all */
        vm->shut_down_by = 0;
        vm->wanted = WANTED_RUNNING;
    }
    vm_set_state(a, vm, VM_RUNNING);
    vm->adopt = 0;
    set_ids(a, &vm->foreign, NULL, 0);
}

void vm_set_resolving(struct apply *a, struct model_vm *vm) {
    vm_clear_order(a, vm);
    vm->probe_owner = VM_STATE_UNKNOWN;
    vm->probe_target = VM_STATE_UNKNOWN;
    vm->unclear = ORDER_NONE;
    set_text(a, &vm->reason, "libvirt is being asked what runs where");
    vm_set_state(a, vm, VM_RESOLVING);
}

void vm_set_unclear(struct apply *a, struct model_vm *vm, const char *reason) {
    uint8_t order = vm->order;
    vm_set_resolving(a, vm);
    vm->unclear = order;
    set_text(a, &vm->reason, reason);
}

/* A save or restore that ended without a result may have left a state that nobody has used. The
 * agent knows whether it was used (resource-agents/vm/restore.c); if so, the VM starts afresh. */
void vm_set_saved(struct apply *a, struct model_vm *vm) {
    vm_clear_order(a, vm);
    clear_probes(vm);
    if (vm->restore_node == vm->owner) {
        vm->restore_node = 0; /* it was being restored there; a VM that was being saved continues */
    }
    vm_set_state(a, vm, VM_SAVED);
}

/* A drained VM remembers the first node it was drained from. */
void vm_remember_return(struct apply *a, struct model_vm *vm) {
    const struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    if (op && op->kind == OPERATION_DRAIN && vm->return_to == 0) {
        vm->return_to = vm->owner;
    }
}

/* One that is not to start by itself stays down, and says so. */
void vm_leave_down(struct apply *a, struct model_vm *vm, uint32_t node) {
    if (!vm->no_auto_start || vm->wanted != WANTED_RUNNING || vm->state != VM_OFF) {
        return;
    }
    vm->wanted = WANTED_STOPPED;
    set_text(a, &vm->reason,
             outbox_text(a->out, "it was lost with %s and stays down (auto start is off)",
                         model_node_name(a->m, node)));
    vm_touch(a, vm);
    operation_vm_end(a, vm, OPERATION_FAILED, "its node was lost");
    apply_event(a, SEVERITY_WARNING, "vm-stays-down", vm->name,
                "%s was lost with %s and stays down: its auto start is off; clusterctl vm start %s",
                vm->name, model_node_name(a->m, node), vm->name);
}

void vm_set_lost(struct apply *a, struct model_vm *vm, const char *reason) {
    vm_set_off(a, vm, reason);
    vm_leave_down(a, vm, vm->owner);
}
