/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How orders end, as the nodes report it.
 *
 * A report names its order. Only the report of the standing order counts, and only from the
 * clusterd that is the node's member now.
 */
#include "base/mutant.h"
#include "core/apply/inside.h"
#include "core/model/needed_protocol.h"

/* The agent was killed at its deadline, or could not find out how the order ended. An event says
 * so, and libvirt is asked. */
static void end_in_doubt(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    struct model_operation *op = apply_operation_by_id(a, vm->operation);
    struct operation_vm *row = op ? operation_vm_find(op, vm->id) : NULL;
    apply_event(a, SEVERITY_WARNING, "vm-unclear", vm->name,
                "%s of %s on %s ended without a clear result%s%s", order_kind_name(vm->order),
                vm->name, model_node_name(a->m, r->node), r->reason[0] ? ": " : "", r->reason);
    if (row) {
        set_text(a, &row->reason, r->reason);
    }
    vm_set_unclear(a, vm,
                   outbox_text(a->out, "%s on %s ended without a clear result: %s",
                               order_kind_name(vm->order), model_node_name(a->m, r->node),
                               r->reason[0] ? r->reason : "no reason was given"));
}

/* A quick move may end on another node than requested, if that node could not restore the VM; in a
 * drain it may end where it began. Then the move has failed. `why`: what went wrong on the way. */
static void end_started(struct apply *a, struct model_vm *vm, const char *why) {
    struct model_operation *op = apply_operation_by_id(a, vm->operation);
    const struct operation_vm *row = op ? operation_vm_find(op, vm->id) : NULL;
    bool home = row && row->from == vm->owner;
    const char *done = row && row->mode == MOVE_RESTART ? "started" : "restored";
    bool back = op && op->kind == OPERATION_DRAIN && op->node == vm->owner;
    bool elsewhere = op && op->kind == OPERATION_MOVE && op->node != 0 && op->node != vm->owner &&
                     (!op->any || home);
    const char *here = model_node_name(a->m, vm->owner);
    const char *reason = "";
    if (back) {
        reason = outbox_text(a->out, "it could not be %s elsewhere, and runs on %s again%s%s", done,
                             here, why[0] ? ": " : "", why);
    } else if (elsewhere) {
        reason = outbox_text(a->out, "it could not be restored on %s, and runs on %s%s%s",
                             model_node_name(a->m, op->node), here, why[0] ? ": " : "", why);
    }
    operation_vm_step(a, vm, back || elsewhere ? OPERATION_FAILED : OPERATION_DONE, reason);
}

/* The target can never take the VM: the operation tries another node, or leaves the VM where it
 * is. */
static void note_refusal(struct apply *a, struct model_vm *vm, uint32_t node) {
    struct model_operation *op = apply_operation_by_id(a, vm->operation);
    struct operation_vm *row = op ? operation_vm_find(op, vm->id) : NULL;
    if (row) {
        add_id(a, &row->refused, node);
    }
}

/*
 * The saved memory is of no use anywhere. Nodes that could not restore it may start the VM afresh.
 * The node that saved it is avoided only for restart_limit's sake, and stays so. (An older clusterd
 * forgets that one, too: as long as it could take over, so do all.)
 */
static void memory_lost(struct apply *a, struct model_vm *vm, bool avoided_source) {
    bool kept = avoided_source && a->m->needs >= PROTOCOL_KEPT_AVOIDED;
    apply_event(a, SEVERITY_ERROR, "vm-state-lost", vm->name,
                "the saved memory of %s cannot be used: it starts afresh, as after a power cut",
                vm->name);
    set_ids(a, &vm->avoid, &vm->saved_on, kept ? 1 : 0);
}

static void start_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    if (r->state == VM_STATE_RUNNING && r->result == RESULT_OK) {
        const char *why = outbox_text(a->out, "%s", vm->reason);
        if (vm->state == VM_STARTING) {
            set_text(a, &vm->machine_running, r->machine);
        }
        vm_set_running(a, vm, vm->owner);
        apply_event(a, SEVERITY_INFO, "vm-started", vm->name, "%s runs on %s (after %llu ms)",
                    vm->name, model_node_name(a->m, vm->owner), (unsigned long long)r->total_ms);
        end_started(a, vm, why);
        return;
    }
    if (r->state != VM_STATE_OFF) {
        end_in_doubt(a, vm, r);
        if (r->state == VM_STATE_RUNNING) {
            vm->probe_owner = VM_STATE_INCOMING; /* a copy of another generation: to be destroyed */
        }
        return;
    }
    apply_event(a, SEVERITY_ERROR, "vm-start-failed", vm->name, "%s did not start on %s: %s",
                vm->name, model_node_name(a->m, vm->owner), r->reason);
    bool avoided_source = vm->saved_on != vm->owner && ids_contain(&vm->avoid, vm->saved_on);
    add_id(a, &vm->avoid, vm->owner);
    if (r->refused) {
        note_refusal(a, vm, vm->owner);
    }
    if (vm->state == VM_STARTING) {
        vm_set_off(a, vm, r->reason);
        return;
    }
    if (r->state_lost) {
        memory_lost(a, vm, avoided_source);
        vm_set_off(a, vm, r->reason);
        return;
    }
    if (vm->wanted == WANTED_STOPPED) { /* asked for while it was being restored */
        vm_set_off(a, vm, "stopped while it was saved; its memory was discarded");
        return;
    }
    /* The saved state still exists: another node may be able to read it. */
    vm_clear_order(a, vm);
    vm->restore_node = 0;
    set_text(a, &vm->reason, r->reason);
    vm_set_state(a, vm, VM_SAVED);
}

/* "Ok": the copy has our mark, and may have been paused since. If it is known that it has not,
 * nothing was changed: it runs by itself there, or has ended. */
static void adopt_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    bool there = r->state == VM_STATE_RUNNING || r->state == VM_STATE_PAUSED;
    if (r->result == RESULT_OK && there) {
        set_text(a, &vm->machine_running, r->machine);
        vm_set_running(a, vm, vm->owner);
        vm->paused = r->state == VM_STATE_PAUSED;
        apply_event(a, r->reason[0] ? SEVERITY_WARNING : SEVERITY_INFO, "vm-adopted", vm->name,
                    "%s runs on %s, and is the cluster's now%s%s", vm->name,
                    model_node_name(a->m, vm->owner), r->reason[0] ? ": " : "", r->reason);
        end_started(a, vm, "");
    } else if (r->result == RESULT_OK || r->state == VM_STATE_UNKNOWN) {
        end_in_doubt(a, vm, r);
    } else {
        adoption_give_up(a, vm, r->reason, r->state == VM_STATE_OFF);
    }
}

/*
 * What the first order reports is clear, and if it was not begun, nothing has changed. A later one
 * follows one whose end nobody knows: that one's call may still wait in libvirtd, and remove the
 * mark after this one has failed. So then only two ends are clear: the mark is gone, or the guest.
 */
static void release_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    bool first = vm->state == VM_STOPPING;
    enum agent_vm_state found =
        r->not_begun && first ? VM_STATE_RUNNING : (enum agent_vm_state)r->state;
    bool there = found == VM_STATE_RUNNING || found == VM_STATE_PAUSED;
    bool clear = r->result == RESULT_OK ? there : found == VM_STATE_OFF || (there && first);
    if (!clear && !MUTANT(release_unasked)) {
        end_in_doubt(a, vm, r);
    } else {
        release_end(a, vm, r, found);
    }
}

static void stop_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    if (r->state == VM_STATE_OFF) {
        const char *node = model_node_name(a->m, vm->owner);
        apply_event(a, SEVERITY_INFO, "vm-stopped", vm->name, "%s was stopped on %s", vm->name,
                    node);
        vm_set_off(a, vm,
                   vm->shut_down_by
                       ? outbox_text(a->out, "shut down by the drain of %s; its resume starts it",
                                     node)
                       : "");
        return;
    }
    if (r->state != VM_STATE_RUNNING) {
        end_in_doubt(a, vm, r);
        return;
    }
    apply_event(a, SEVERITY_ERROR, "vm-stop-failed", vm->name, "%s could not be stopped: %s",
                vm->name, r->reason);
    vm_set_running(a, vm, vm->owner);
    set_text(a, &vm->reason, r->reason);
    operation_vm_end(a, vm, OPERATION_FAILED, r->reason);
    vm->wanted =
        WANTED_RUNNING; /* otherwise it would be tried for ever; the administrator has been told */
}

static void move_failed(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    /* The node may have taken the VM back when the target was lost. That is a failure. */
    const struct model_operation *op = model_operation_by_id(a->m, vm->operation);
    bool by_itself = op && !op->cancelled && op->kind != OPERATION_STOP;
    bool cancelled = r->result == RESULT_CANCELLED && !by_itself;
    apply_event(a, cancelled ? SEVERITY_INFO : SEVERITY_WARNING, "vm-move-failed", vm->name,
                "%s stays on %s: %s", vm->name, model_node_name(a->m, vm->owner), r->reason);
    if (r->refused && vm->target) {
        note_refusal(a, vm, vm->target);
    }
    vm_set_running(a, vm, vm->owner);
    operation_vm_step(a, vm, cancelled ? OPERATION_CANCELLED : OPERATION_FAILED, r->reason);
}

/* The source is gone, and the target's copy may run, but nobody has told the target. That is the
 * owner now, and is asked. */
static void take_over(struct apply *a, struct model_vm *vm) {
    vm_remember_return(a, vm);
    vm->owner = vm->target;
    vm->generation = vm->move_generation;
    vm->target = 0;
    vm_touch(a, vm);
}

static void migrate_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    if (r->result == RESULT_OK && r->state == VM_STATE_OFF) {
        uint32_t from = vm->owner;
        operation_note_blackout(a, vm, r);
        vm_remember_return(a, vm);
        vm_set_running(a, vm, vm->target);
        apply_event(a, SEVERITY_INFO, "vm-moved", vm->name,
                    "%s moved live from %s to %s in %llu ms, blackout %llu ms", vm->name,
                    model_node_name(a->m, from), model_node_name(a->m, vm->owner),
                    (unsigned long long)r->total_ms, (unsigned long long)r->blackout_ms);
        operation_vm_step(a, vm, OPERATION_DONE, "");
    } else if (r->result != RESULT_OK && r->state == VM_STATE_RUNNING) {
        move_failed(a, vm, r);
    } else {
        end_in_doubt(a, vm, r);
        if (r->handed_over && r->state == VM_STATE_OFF) {
            take_over(a, vm);
        }
    }
}

static void save_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    if (r->result == RESULT_OK && r->state == VM_STATE_OFF) {
        operation_note_blackout(a, vm, r);
        vm_remember_return(a, vm);
        if (vm->wanted == WANTED_STOPPED) {
            vm_set_off(a, vm, "stopped while it was being saved; its memory was discarded");
            return;
        }
        vm_clear_order(a, vm);
        vm_set_state(a, vm, VM_SAVED);
        apply_event(a, SEVERITY_INFO, "vm-saved", vm->name, "%s was saved on %s in %llu ms",
                    vm->name, model_node_name(a->m, vm->owner), (unsigned long long)r->total_ms);
    } else if (r->result != RESULT_OK && r->state == VM_STATE_RUNNING) {
        move_failed(a, vm, r);
    } else {
        end_in_doubt(a, vm, r);
    }
}

static void restore_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    if (r->state == VM_STATE_RUNNING) {
        operation_note_blackout(a, vm, r);
    }
    start_reported(a, vm, r);
}

static void probe_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    uint32_t node = vm->order_node;
    vm_clear_order(a, vm);
    if (node == vm->owner) {
        /* One that stands still on its copies runs: what resumes it is its storage move. */
        bool bound = r->state == VM_STATE_PAUSED && model_vm_is_bound(a->m, vm);
        vm->probe_owner = bound ? (uint8_t)VM_STATE_RUNNING : r->state;
        if (r->moved_away && vm->target && r->state == VM_STATE_OFF) {
            /* Known already if that node has been fenced meanwhile: then nobody is left to ask. */
            uint8_t there = vm->probe_target;
            take_over(a, vm);
            vm->probe_owner = there == VM_STATE_OFF ? there : (uint8_t)VM_STATE_UNKNOWN;
        }
    } else if (node == vm->target) {
        vm->probe_target = r->state;
    }
    if (r->state == VM_STATE_UNKNOWN) {
        set_text(a, &vm->reason, r->reason);
    }
    vm_resolve(a, vm);
}

static void resume_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    uint8_t *probe = r->node == vm->owner ? &vm->probe_owner : &vm->probe_target;
    vm_clear_order(a, vm);
    if (r->result == RESULT_OK && r->state == VM_STATE_PAUSED) {
        /* The guest ran on and stopped at once, because its storage is missing, say. That is what
         * `paused` of a running VM means. Another resume would end the same way, without end. */
        *probe = VM_STATE_RUNNING;
        vm_resolve(a, vm);
        vm->paused = vm->state == VM_RUNNING;
        return;
    }
    /* UNKNOWN asks again. A VM that cannot be resumed never will be: it is destroyed and starts
     * again. */
    bool hopeless = r->result == RESULT_FAILED && r->state == VM_STATE_PAUSED;
    *probe = hopeless ? (uint8_t)VM_STATE_INCOMING : r->state;
    vm_resolve(a, vm);
}

/* An order that was never begun has left the VM as it was. */
static struct cmd_vm_report unchanged(const struct model_vm *vm, const struct cmd_vm_report *r) {
    struct cmd_vm_report report = *r;
    report.result = r->result == RESULT_CANCELLED ? RESULT_CANCELLED : RESULT_FAILED;
    const struct order_spec *spec = order_spec(vm->order);
    if (spec && spec->unbegun != VM_STATE_UNKNOWN) {
        report.state = spec->unbegun;
    }
    return report;
}

static void destroy_reported(struct apply *a, struct model_vm *vm, const struct cmd_vm_report *r) {
    if (vm->state == VM_STOPPING) {
        stop_reported(a, vm, r);
    } else {
        probe_reported(a, vm, r);
    }
}

static void (*const reported[])(struct apply *a, struct model_vm *vm,
                                const struct cmd_vm_report *r) = {
#define X(NAME, name, ...) [ORDER_##NAME] = name##_reported,
    ORDER_KINDS(X)
#undef X
};

void apply_vm_report(struct apply *a, const void *command) {
    const struct cmd_vm_report *r = command;
    struct model_vm *vm = apply_vm_by_id(a, r->vm);
    const struct model_node *node = model_node_by_id(a->m, r->node);
    if (!vm || !node || vm->order == ORDER_NONE || vm->order_index != r->order ||
        vm->order_node != r->node || node->incarnation != r->incarnation) {
        apply_refuse(a, REPLY_REFUSED, "report on an order that is no longer valid", "");
        return;
    }
    operation_goes_on(a, vm->operation);
    struct cmd_vm_report as_before;
    if (r->not_begun) {
        as_before = unchanged(vm, r);
        r = &as_before;
    }
    if (order_spec(vm->order)) {
        reported[vm->order](a, vm, r);
    }
}
