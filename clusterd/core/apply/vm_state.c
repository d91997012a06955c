/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The transitions of a VM's state, and what is decided when it is not clear where its copy is
 * (RESOLVING).
 *
 * A live migration arrives paused, and only clusterd's agent resumes it, when libvirt has given up
 * the source (resource-agents/vm/arrival.h). So while the source is there, its memory is never
 * older than the target's. Where the source is off, a copy that stands still on the target is of no
 * use: libvirt may have let the source go on for a while, before it ended. (If the agent knows
 * better, it reports the VM as handed over, and then it is the target that is asked, as owner.)
 *
 * Resolving a migration whose end nobody reported: both nodes are asked (`probe_owner`,
 * `probe_target`; a fenced node counts as off), and when both have answered:
 *
 *     owner       target      what follows
 *     running     off         it never left: RUNNING at the owner
 *     any but off paused      DESTROY at the target (it never ran there), then as with off there
 *     running     running     impossible by the protocol: DESTROY at the target
 *     paused      running     the move is done: DESTROY the source, then RUNNING at the target
 *     paused      off         RESUME at the owner
 *     off         running     the move is done: RUNNING at the target
 *     off         paused      DESTROY at the target, start anew
 *     off         off         OFF
 *
 * "Paused" at the target is also incoming: half a copy. Nothing is destroyed or resumed before both
 * answers are there.
 *
 * A VM that is found nowhere after an order that ended without a word has failed where that was at
 * work: a start is not tried there again, the others count as a crash does (restart_limit).
 */
#include "base/mutant.h"
#include "core/apply/apply.h"
#include "core/apply/resolve.h"
#include "core/model/rules.h"

#include <string.h>

void vm_touch(struct apply *a, struct model_vm *vm) {
    vm->serial = a->index;
}

void vm_set_state(struct apply *a, struct model_vm *vm, enum vm_state state) {
    vm->state = (uint8_t)state;
    vm->since_ms = a->time_ms;
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

void vm_set_off(struct apply *a, struct model_vm *vm, const char *reason) {
    vm_clear_order(a, vm);
    clear_probes(vm);
    vm->paused = 0;
    vm->restore_node = 0;
    vm->saved_on = 0;
    set_text(a, &vm->state_file, "");
    set_text(a, &vm->machine_running, "");
    set_text(a, &vm->reason, reason);
    vm_set_state(a, vm, VM_OFF);
    const struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    if (op && op->kind == OPERATION_STOP) {
        operation_vm_end(a, vm, OPERATION_DONE, "");
    } else if (op && (vm->wanted == WANTED_STOPPED || op->kind == OPERATION_MOVE ||
                      op->kind == OPERATION_DRAIN || op->kind == OPERATION_RESUME)) {
        operation_vm_end(a, vm, OPERATION_FAILED, reason);
    }
    vm_hold_by_disks(a, vm);
}

void vm_set_running(struct apply *a, struct model_vm *vm, uint32_t owner) {
    if (vm->owner != owner) {
        vm->owner = owner;
        vm->generation = vm->move_generation;
    }
    vm_clear_order(a, vm);
    clear_probes(vm);
    vm->paused = 0;
    vm->restore_node = 0;
    vm->saved_on = 0;
    set_text(a, &vm->state_file, "");
    set_text(a, &vm->reason, "");
    set_ids(a, &vm->avoid, NULL, 0);
    vm->waits = 0; /* how often it was tried is kept: it may fail again at once */
    if (vm->return_to == owner) {
        vm->return_to = 0;
    }
    vm_set_state(a, vm, VM_RUNNING);
}

void vm_set_resolving(struct apply *a, struct model_vm *vm) {
    vm_clear_order(a, vm);
    vm->probe_owner = VM_STATE_UNKNOWN;
    vm->probe_target = VM_STATE_UNKNOWN;
    vm->unclear = ORDER_NONE;
    set_text(a, &vm->reason, "what runs where is being asked of libvirt");
    vm_set_state(a, vm, VM_RESOLVING);
}

void vm_set_unclear(struct apply *a, struct model_vm *vm, const char *reason) {
    uint8_t order = vm->order;
    vm_set_resolving(a, vm);
    vm->unclear = order;
    set_text(a, &vm->reason, reason);
}

/* Drained away, it remembers the first node that it was drained from. */
void vm_remember_return(struct apply *a, struct model_vm *vm) {
    const struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    if (op && op->kind == OPERATION_DRAIN && vm->return_to == 0) {
        vm->return_to = vm->owner;
    }
}

static void resolve_running(struct apply *a, struct model_vm *vm, uint32_t owner) {
    bool moved = owner != vm->owner;
    if (moved) {
        vm_remember_return(a, vm);
    }
    vm_set_running(a, vm, owner);
    apply_event(a, SEVERITY_INFO, "vm-resolved", vm->name, "%s runs on %s", vm->name,
                model_node_name(a->m, owner));
    struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    if (op && op->kind == OPERATION_STOP) {
        return; /* it is wanted off, and will be ordered so */
    }
    const struct operation_vm *row = op ? operation_vm_find(op, vm->id) : NULL;
    const char *why = row && row->reason[0] ? row->reason : "the migration did not come to its end";
    /* One that was being restored belongs to the target already. */
    bool away = moved || (row && row->from != 0 && row->from != owner);
    bool done =
        away || !op ||
        (op->kind != OPERATION_MOVE && op->kind != OPERATION_DRAIN && op->kind != OPERATION_RESUME);
    operation_vm_end(a, vm, done ? OPERATION_DONE : OPERATION_FAILED,
                     done ? "" : outbox_text(a->out, "%s; the VM runs where it was", why));
}

struct resolve_step resolve_next(const struct model_vm *vm) {
    uint8_t owner = vm->probe_owner;
    uint8_t target = vm->target && !MUTANT(one_side_asked) ? vm->probe_target : VM_STATE_OFF;
    if (owner == VM_STATE_UNKNOWN) {
        return (struct resolve_step){.kind = ORDER_PROBE, .node = vm->owner};
    }
    if (target == VM_STATE_UNKNOWN) {
        return (struct resolve_step){.kind = ORDER_PROBE, .node = vm->target};
    }
    bool owner_there = owner != VM_STATE_OFF;
    if (owner == VM_STATE_INCOMING) {
        /* The owner is no target: half a copy of a migration that somebody else began. */
        return (struct resolve_step){.kind = ORDER_DESTROY, .node = vm->owner};
    }
    if (owner == VM_STATE_PAUSED && target == VM_STATE_RUNNING) {
        return (struct resolve_step){.kind = ORDER_DESTROY, .node = vm->owner};
    }
    if (target == VM_STATE_PAUSED && MUTANT(arrival_resumed)) {
        return (struct resolve_step){.kind = ORDER_RESUME, .node = vm->target};
    }
    if (target == VM_STATE_PAUSED || target == VM_STATE_INCOMING ||
        (owner_there && target == VM_STATE_RUNNING)) {
        return (struct resolve_step){.kind = ORDER_DESTROY, .node = vm->target};
    }
    if (owner == VM_STATE_PAUSED) {
        return (struct resolve_step){.kind = ORDER_RESUME, .node = vm->owner};
    }
    return (struct resolve_step){.kind = ORDER_NONE};
}

bool resolve_goes_back(const struct model *m, const struct model_vm *vm) {
    const struct model_node *node = vm->saved_on ? model_node_by_id(m, vm->saved_on) : NULL;
    return node && vm->state == VM_SAVED && node->state == NODE_ONLINE &&
           node->libvirt[0] == '\0' && node->service == SERVICE_DRAINING &&
           ids_contain(&m->members, node->id) &&
           (vm->possible.n == 0 || ids_contain(&vm->possible, node->id)) &&
           !ids_contain(&vm->avoid, node->id) && !rules_forbid(m, vm, node->id);
}

/* A save or restore that ended unclear may have left a state that nobody has used. Whether it has
 * been, the agent knows (resource-agents/vm/restore.c): then the VM starts afresh. */
static void resolve_saved(struct apply *a, struct model_vm *vm) {
    vm_clear_order(a, vm);
    clear_probes(vm);
    if (vm->restore_node == vm->owner) {
        vm->restore_node = 0; /* it was being restored there; one that was being saved goes on */
    }
    vm_set_state(a, vm, VM_SAVED);
}

static void found_nowhere(struct apply *a, struct model_vm *vm) {
    const char *reason =
        vm->unclear ? outbox_text(a->out, "%s", vm->reason) : "it was found to run nowhere";
    apply_event(a, SEVERITY_WARNING, "vm-resolved", vm->name, "%s runs nowhere", vm->name);
    switch ((enum order_kind)vm->unclear) {
    case ORDER_START:
    case ORDER_RESTORE: add_id(a, &vm->avoid, vm->owner); break;
    case ORDER_MIGRATE:
    case ORDER_SAVE: vm_count_failure(a, vm, vm->owner); break;
    case ORDER_NONE:
    case ORDER_STOP:
    case ORDER_DESTROY:
    case ORDER_PROBE:
    case ORDER_RESUME: break;
    }
    if (vm->state_file[0] && vm->wanted == WANTED_RUNNING) {
        resolve_saved(a, vm);
        set_text(a, &vm->reason, reason);
    } else {
        vm_set_off(a, vm, reason);
    }
}

void vm_resolve(struct apply *a, struct model_vm *vm) {
    if (vm->state != VM_RESOLVING || resolve_next(vm).kind != ORDER_NONE) {
        return;
    }
    if (vm->probe_owner == VM_STATE_RUNNING) {
        resolve_running(a, vm, vm->owner);
    } else if (vm->target && vm->probe_target == VM_STATE_RUNNING) {
        resolve_running(a, vm, vm->target);
    } else {
        found_nowhere(a, vm);
    }
}

static void vm_node_off(struct apply *a, struct model_vm *vm, uint32_t node) {
    if (vm->state == VM_MIGRATING) {
        vm_set_resolving(a, vm);
    }
    if (vm->state == VM_RESOLVING) {
        if (vm->order_node == node) {
            vm_clear_order(a, vm);
        }
        if (vm->owner == node) {
            vm->probe_owner = VM_STATE_OFF;
            vm->unclear = ORDER_NONE; /* it was lost with its node */
        }
        if (vm->target == node) {
            vm->probe_target = VM_STATE_OFF;
        }
        vm_touch(a, vm);
        vm_resolve(a, vm);
        return;
    }
    vm_set_off(a, vm, outbox_text(a->out, "it was lost with %s", model_node_name(a->m, node)));
}

/* One that is not to start by itself stays down, and says so. */
static void leave_down(struct apply *a, struct model_vm *vm, uint32_t node) {
    if (!vm->no_auto_start || vm->wanted != WANTED_RUNNING || vm->state != VM_OFF) {
        return;
    }
    vm->wanted = WANTED_STOPPED;
    set_text(a, &vm->reason,
             outbox_text(a->out,
                         "it was lost with %s, and is not started by itself (auto start is off)",
                         model_node_name(a->m, node)));
    vm_touch(a, vm);
    operation_vm_end(a, vm, OPERATION_FAILED, "its node was lost");
    apply_event(a, SEVERITY_WARNING, "vm-stays-down", vm->name,
                "%s was lost with %s and stays down: its auto start is off; clusterctl vm start %s",
                vm->name, model_node_name(a->m, node), vm->name);
}

void vm_set_lost(struct apply *a, struct model_vm *vm, const char *reason) {
    vm_set_off(a, vm, reason);
    leave_down(a, vm, vm->owner);
}

void vms_node_off(struct apply *a, uint32_t node) {
    struct model_operation *op = NULL;
    uint64_t op_id = 0;
    MODEL_EACH(model_vm, vm, &a->m->vms) {
        if (!model_vm_may_run_on(vm, node)) {
            continue;
        }
        vm_node_off(a, vm, node);
        leave_down(a, vm, node);
        if (vm->state != VM_OFF || vm->wanted != WANTED_RUNNING ||
            (vm->other_disks[0] && !MUTANT(older_disks))) {
            continue;
        }
        if (!op_id) {
            op = operation_add(a, OPERATION_RECOVER, model_node_name(a->m, node));
            if (!op) {
                return;
            }
            op_id = op->id;
            op->node = node;
        }
        /* What else was to be done with it (a move) has ended with its node. */
        operation_vm_end(a, vm, OPERATION_FAILED, "its node was lost");
        op = model_operation_by_id(a->m, op_id);
        struct operation_vm *row = op ? operation_vm_add(a, op, vm) : NULL;
        if (row) {
            row->from = node;
            vm->operation = op_id;
        }
    }
}
