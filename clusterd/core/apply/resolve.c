/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is decided when it is unclear where a VM's copy is (RESOLVING), and when its node is known
 * to run nothing any more.
 *
 * A live migration arrives paused, and only clusterd's agent resumes it, once libvirt has given up
 * the source (resource-agents/vm/arrival.h). So while the source exists, its memory is never older
 * than the target's. If the source is off, a paused copy on the target is useless: libvirt may have
 * let the source run for a while before it ended. (The agent may know better, and reports the VM
 * as handed over; or libvirt's last event of the source says that it left for the target. Then the
 * target is the owner, and is asked.)
 *
 * Resolving a migration whose end nobody reported: both nodes are asked (`probe_owner`,
 * `probe_target`; a fenced node counts as off). When both have answered:
 *
 *     owner       target      what follows
 *     running     off         it never left: RUNNING at the owner
 *     any but off paused      DESTROY at the target (it never ran there), then as with off there
 *     running     running     impossible by the protocol: DESTROY at the target
 *     paused      running     the move is done: DESTROY the source, then RUNNING at the target
 *     paused      off         RESUME at the owner
 *     off         running     the move is done: RUNNING at the target
 *     off         paused      DESTROY at the target, start again
 *     off         off         OFF
 *
 * An adoption whose end nobody reported (`foreign` has its node still): it is ordered again, of the
 * same generation. Only its agent tells a copy that has the mark from one that has not. So is a
 * release: without the mark, the copy is not the cluster's any more.
 *
 * "Paused" at the target includes an incoming copy, which is half a copy. Nothing is destroyed or
 * resumed before both answers are in.
 *
 * A VM that is found nowhere after an order that ended without a result has failed on the node that
 * carried out the order. A start is not tried there again; any other order counts as a crash does
 * (restart_limit).
 */
#include "base/mutant.h"
#include "core/apply/inside.h"
#include "core/model/rules.h"

static void resolve_running(struct apply *a, struct model_vm *vm, uint32_t owner) {
    bool moved = owner != vm->owner;
    if (moved) {
        vm_remember_return(a, vm);
    }
    vm_set_running(a, vm, owner);
    apply_event(a, SEVERITY_INFO, "vm-resolved", vm->name, "%s runs on %s", vm->name,
                model_node_name(a->m, owner));
    struct model_operation *op = apply_operation_by_id(a, vm->operation);
    if (op && op->kind == OPERATION_STOP) {
        return; /* it is wanted off and will be ordered off */
    }
    const struct operation_vm *row = op ? operation_vm_find(op, vm->id) : NULL;
    bool stops = row && (row->mode == MOVE_RESTART || row->mode == MOVE_SHUT_DOWN);
    const char *why = row && row->reason[0] ? row->reason
                      : stops               ? "its shutdown did not finish"
                                            : "the migration did not finish";
    /* A VM that was being restored belongs to the target already. */
    bool away = moved || (row && row->from != 0 && row->from != owner);
    bool done = away || !op || !operation_has(op->kind, OPERATION_MOVES);
    operation_vm_end(a, vm, done ? OPERATION_DONE : OPERATION_FAILED,
                     done ? "" : outbox_text(a->out, "%s; the VM runs where it was", why));
}

struct resolve_step resolve_next(const struct model_vm *vm) {
    uint8_t owner = vm->probe_owner;
    uint8_t target = vm->target && !MUTANT(one_side_asked) ? vm->probe_target : VM_STATE_OFF;
    if (vm->foreign.n > 0 && owner != VM_STATE_OFF && !MUTANT(adoption_unasked)) {
        return (struct resolve_step){.kind = ORDER_ADOPT, .node = vm->owner};
    }
    if (vm->release && owner != VM_STATE_OFF) {
        return (struct resolve_step){.kind = ORDER_RELEASE, .node = vm->owner};
    }
    if (owner == VM_STATE_UNKNOWN) {
        return (struct resolve_step){.kind = ORDER_PROBE, .node = vm->owner};
    }
    if (target == VM_STATE_UNKNOWN) {
        return (struct resolve_step){.kind = ORDER_PROBE, .node = vm->target};
    }
    bool owner_there = owner != VM_STATE_OFF;
    if (owner == VM_STATE_INCOMING) {
        /* The owner is no target, but has half a copy of a migration that somebody else began. */
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

static void found_nowhere(struct apply *a, struct model_vm *vm) {
    const char *reason =
        vm->unclear ? outbox_text(a->out, "%s", vm->reason) : "it was found to run nowhere";
    apply_event(a, SEVERITY_WARNING, "vm-resolved", vm->name, "%s runs nowhere", vm->name);
    const struct order_spec *ended = order_spec(vm->unclear);
    enum order_lost lost = ended ? (enum order_lost)ended->lost : LOST_NOT;
    if (lost == LOST_AVOIDED) {
        add_id(a, &vm->avoid, vm->owner);
    } else if (lost == LOST_COUNTED) {
        vm_count_failure(a, vm, vm->owner);
    }
    if (vm->state_file[0] && vm->wanted == WANTED_RUNNING) {
        vm_set_saved(a, vm);
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

/*
 * The node may have been lost after the save was complete, or before a restore began to use it.
 * The agent that restores knows: the file has its name only if the guest has not run since. (One
 * without auto start is to stay down with its node.)
 */
static bool may_be_saved(struct apply *a, const struct model_vm *vm) {
    bool halfway = vm->state == VM_SAVING || vm->state == VM_RESTORING;
    return halfway && vm->state_file[0] && vm->wanted == WANTED_RUNNING && !vm->no_auto_start &&
           leftovers_are_known(a);
}

static void vm_node_off(struct apply *a, struct model_vm *vm, uint32_t node) {
    if (vm->state == VM_MIGRATING && !MUTANT(illegal_transition)) {
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
    if (may_be_saved(a, vm)) {
        vm_set_saved(a, vm);
        set_text(a, &vm->reason,
                 outbox_text(a->out, "%s was lost in its quick move", model_node_name(a->m, node)));
        return;
    }
    vm_set_off(a, vm, outbox_text(a->out, "it was lost with %s", model_node_name(a->m, node)));
}

/* What the node did on files has ended. The journal says how it goes on, with any node. */
static void orders_on_files_end(struct apply *a, uint32_t node) {
    APPLY_EACH(model_vm, vm, &a->m->vms) {
        if (order_on_files(vm->order) && vm->order_node == node) {
            vm_clear_order(a, vm);
        }
    }
}

void vms_node_off(struct apply *a, uint32_t node) {
    struct model_operation *op = NULL;
    uint64_t op_id = 0;
    orders_on_files_end(a, node);
    checkpoints_node_off(a, node);
    APPLY_EACH(model_vm, vm, &a->m->vms) {
        if (!model_vm_may_run_on(vm, node)) {
            continue;
        }
        vm_node_off(a, vm, node);
        vm_leave_down(a, vm, node);
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
        /* Whatever else was planned for the VM (a move) has ended with its node. */
        operation_vm_end(a, vm, OPERATION_FAILED, "its node was lost");
        op = apply_operation_by_id(a, op_id);
        struct operation_vm *row = op ? operation_vm_add(a, op, vm) : NULL;
        if (row) {
            row->from = node;
            vm->operation = op_id;
        }
    }
}
